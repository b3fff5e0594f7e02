//! Coding agents complete a turn with a tool call against the lab: `agents/run.sh` starts each in a home
//! of its own, and reads what a tap recorded.
//!
//! It installs them from the registry, so it runs only where `SSELENS_AGENTS=1` asks for it, and then it
//! fails where they cannot be had.
#![cfg(unix)]

use std::process::{Command, Stdio};

use crate::needs::Needs;

#[test]
fn coding_agents_complete_a_turn() {
    if !Needs::Agents.are_met() {
        return;
    }
    let out = Command::new("bash")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/agents/run.sh"))
        .env("SSELENS", env!("CARGO_BIN_EXE_sselens"))
        .env("AGENTS", concat!(env!("CARGO_TARGET_TMPDIR"), "/agents"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let reported = String::from_utf8_lossy(&out.stdout);
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{}\n{reported}\n{errors}", out.status);
}
