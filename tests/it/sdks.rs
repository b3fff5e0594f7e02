//! The official SDKs stream from the lab without an error: `sdks/check.py` runs them and compares
//! what they understand with what the program does.
//!
//! It installs them from the registry, so it runs only where `SSELENS_SDKS=1` asks for it, and then
//! it fails where they cannot be had.
#![cfg(unix)]

use std::process::{Command, Stdio};

use crate::needs::Needs;

#[test]
fn the_official_sdks_understand_the_lab() {
    if !Needs::Sdks.are_met() {
        return;
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdks/check.py");
    let out = Command::new("python3")
        .args([script, env!("CARGO_BIN_EXE_sselens"), env!("CARGO_TARGET_TMPDIR")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let reported = String::from_utf8(out.stdout).unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{}\n{reported}\n{errors}", out.status);
}
