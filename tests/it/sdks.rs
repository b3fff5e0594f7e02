//! The official SDKs stream from the lab without an error: `sdks/check.py` runs them and compares
//! what they understand with what the program does.
//!
//! Needs Python 3 and, the first time in a target directory, the network. Without these it says
//! that it skipped.
#![cfg(unix)]
#![expect(clippy::print_stderr, reason = "who runs it should see that it skipped")]

use std::process::{Command, Stdio};

/// What the script exits with if it could not run.
const SKIPPED: i32 = 77;

#[test]
fn the_official_sdks_understand_the_lab() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sdks/check.py");
    let run = Command::new("python3")
        .args([script, env!("CARGO_BIN_EXE_sselens"), env!("CARGO_TARGET_TMPDIR")])
        .stdin(Stdio::null())
        .output();
    let Ok(out) = run else {
        return eprintln!("SKIPPED: there is no python3 to run the SDKs with");
    };
    let told = String::from_utf8(out.stdout).unwrap();
    if out.status.code() == Some(SKIPPED) {
        return eprintln!("{told}");
    }
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{}\n{told}\n{errors}", out.status);
}
