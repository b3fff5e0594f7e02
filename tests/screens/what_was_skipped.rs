//! Named to be the last test of the last binary: what this run left out, and how to have it run.

use std::io::Write as _;

use crate::needs::Needs;

const ALL: [Needs; 4] = [Needs::Sdks, Needs::RealClients, Needs::Agents, Needs::Recordings];

/// What is skipped without it, and how to have it run.
fn skipped(needs: Needs) -> &'static str {
    match needs {
        Needs::Sdks => {
            "the official SDKs stream from the lab: SSELENS_SDKS=1 installs them with pip"
        }
        Needs::RealClients => {
            "the real clients give what the client views say: SSELENS_REAL_CLIENTS=1 installs them \
             with pip and npm"
        }
        Needs::Agents => {
            "coding agents complete a turn against the lab: SSELENS_AGENTS=1 installs them with npm"
        }
        Needs::Recordings => "the laws over recorded streams: no ../shared/corpus",
    }
}

/// One line for each, none where nothing was left out.
fn report(met: impl Fn(Needs) -> bool) -> String {
    let missing = ALL.into_iter().filter(|n| !met(*n));
    missing.map(|n| format!("skipped: {}\n", skipped(n))).collect()
}

#[test]
fn zz_is_said_at_the_end() {
    // Not with a macro: the test harness would capture that.
    std::io::stderr().write_all(report(Needs::are_met).as_bytes()).unwrap();
    assert_eq!(report(|_| true), "");
    assert_eq!(report(|n| n != Needs::Sdks).matches("SSELENS_SDKS=1").count(), 1);
    assert_eq!(report(|_| false).lines().count(), ALL.len());
}
