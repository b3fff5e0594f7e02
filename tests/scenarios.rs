//! Every scenario of the lab, end to end over a socket: the program sends, the lab plays, and what
//! is found must be what the scenario's file promises.
//!
//! The promise is exact above `info`: nothing grave that is not listed, nothing listed that does
//! not come. What is only `info` may come on top; a lab that is quick, local and bare shows a few
//! of those everywhere, and listing them in each file would say nothing.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::{Value, json};
use sselens::inspect::rule::{Phase, find, rules};
use sselens::lab::Scenario;

/// How a scenario is sent where it differs from the rest.
struct Special {
    name: &'static str,
    /// What it needs, and why.
    pace: &'static str,
    flags: &'static [&'static str],
    /// A configuration file.
    config: &'static str,
}

/// Scenarios that are about time play at the speed of life: at pace 0 there is no time to be about.
/// A threshold of half a minute is lowered, so that nobody waits that long here.
const SPECIAL: &[Special] = &[
    Special {
        name: "slow-first-byte",
        pace: "0.2",
        flags: &["--idle-timeout", "5"],
        config: "[findings]\nslow_first_byte = 1.5\n",
    },
    Special { name: "ttfb-ttft-gap", pace: "1", flags: &["--idle-timeout", "5"], config: "" },
    Special { name: "reasoning-gap", pace: "1", flags: &["--idle-timeout", "5"], config: "" },
    Special { name: "head-of-line-tool", pace: "1", flags: &["--idle-timeout", "5"], config: "" },
    Special { name: "headers-late", pace: "1", flags: &["--idle-timeout", "5"], config: "" },
    Special { name: "burst-delivery", pace: "1", flags: &["--idle-timeout", "5"], config: "" },
    Special { name: "buffered-16k", pace: "1", flags: &["--idle-timeout", "5"], config: "" },
    // Its one frame of megabytes takes a while to make on a busy machine.
    Special { name: "sse-giant-frame", pace: "0", flags: &["--idle-timeout", "20"], config: "" },
];

/// How many are on their way at once.
const LANES: usize = 5;

#[test]
fn each_scenario_shows_what_its_file_says() {
    let dir = tempfile::tempdir().unwrap();
    let queue = Mutex::new(sselens::lab::scenarios().iter());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                loop {
                    let Some(scenario) = queue.lock().unwrap().next() else { return };
                    if let Err(why) = holds(dir.path(), scenario) {
                        wrong.lock().unwrap().push(why);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} scenarios differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// A scenario is written once: what is sound in Chat is sound in every dialect that it plays in, and
/// says the same.
#[test]
fn a_sound_scenario_is_sound_and_the_same_in_every_dialect() {
    let dir = tempfile::tempdir().unwrap();
    let sound = |s: &&Scenario| {
        s.needs.is_none() && s.findings.iter().all(|code| BY_DESIGN.contains(&code.as_str()))
    };
    let mut compared = 0;
    for scenario in sselens::lab::scenarios().iter().filter(sound) {
        let own = in_dialect(dir.path(), scenario, scenario.dialects()[0]);
        for dialect in scenario.dialects().into_iter().skip(1) {
            let (own, other) = (&own, in_dialect(dir.path(), scenario, dialect));
            let label = format!("{} in {dialect}", scenario.name);
            let findings =
                other["findings"].as_array().unwrap_or_else(|| panic!("{label}: {other}"));
            let grave: Vec<_> = findings.iter().filter(|f| f["severity"] != "info").collect();
            assert!(grave.is_empty(), "{label}: {grave:?}");
            for channel in ["content", "reasoning"] {
                assert_eq!(other[channel]["0"], own[channel]["0"], "{label}: {channel}");
            }
            assert_eq!(called(&other), called(own), "{label}");
            assert!(other["finish"]["0"].is_string(), "{label}: {}", other["finish"]);
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
}

/// Findings that are the point of a scenario, and no fault of its stream.
const BY_DESIGN: &[&str] = &["length-truncated"];

/// Names and arguments of the tools that an answer calls, in order.
fn called(summary: &Value) -> Vec<(String, Value)> {
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    // Arguments may travel as JSON or as its text, and be spaced differently.
    let json = |v: &Value| serde_json::from_str(&text(v)).unwrap_or(Value::Null);
    let calls = summary["tools"].as_array().into_iter().flatten();
    calls.map(|c| (text(&c["name"]), json(&c["arguments"]))).collect()
}

/// The summary of one run in this dialect, with the program's own request.
fn in_dialect(dir: &std::path::Path, scenario: &Scenario, dialect: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sselens"));
    let model = format!("lab/{}", scenario.name);
    // Some texts are made up on the spot, by chance: the same, with the same seed.
    command.args(["send", "-p", "lab", "-o", "json", "--seed", "1", "--pace", "0"]);
    command.args(["--total-timeout", "30", "--dialect", dialect, "-m", &model, "Say hello"]);
    command.env_clear().env("HOME", dir).current_dir(dir).stdin(Stdio::null());
    let out = command.output().unwrap();
    serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|e| panic!("{model} in {dialect}: {e}: {:?}", out.stderr))
}

#[test]
fn what_is_special_is_still_there() {
    for special in SPECIAL {
        assert!(sselens::lab::find(special.name).is_some(), "{}", special.name);
    }
}

/// `explain` names a scenario for each code, or says how else to see it.
#[test]
fn every_code_can_be_seen() {
    let shown: BTreeSet<&str> =
        sselens::lab::scenarios().iter().flat_map(|s| &s.findings).map(String::as_str).collect();
    // What takes two exchanges, `compare` shows.
    let odd: Vec<_> = rules()
        .filter(|r| r.phase != Phase::Compare)
        .filter(|r| !shown.contains(r.code) && r.see.is_empty())
        .map(|r| r.code)
        .collect();
    assert!(odd.is_empty(), "no scenario and no word how to see {odd:?}");
    for code in shown {
        assert!(find(code).is_some(), "a scenario shows {code}, which is no code");
    }
}

/// The same seed gives the same bytes: what was found is found again.
fn holds(dir: &std::path::Path, scenario: &Scenario) -> Result<(), String> {
    let summary = play(dir, scenario);
    let found: Vec<(&str, &str, &str)> = summary["findings"]
        .as_array()
        .unwrap_or_else(|| panic!("{}: {summary}", scenario.name))
        .iter()
        .map(|f| {
            let text = |key: &str| f[key].as_str().unwrap();
            (text("code"), text("severity"), text("message"))
        })
        .collect();
    let listed: BTreeSet<&str> = scenario.findings.iter().map(String::as_str).collect();
    let all: BTreeSet<&str> = found.iter().map(|f| f.0).collect();
    let grave: BTreeSet<&str> = found.iter().filter(|f| f.1 != "info").map(|f| f.0).collect();
    let missing: Vec<_> = listed.difference(&all).collect();
    let more: Vec<_> = grave.difference(&listed).collect();
    if missing.is_empty() && more.is_empty() {
        return Ok(());
    }
    let found: Vec<_> = found.iter().map(|f| format!("    {:5} {}: {}", f.1, f.0, f.2)).collect();
    Err(format!(
        "{}: missing {missing:?}, not listed {more:?} (reason {})\n{}",
        scenario.name,
        summary["reason"],
        found.join("\n")
    ))
}

/// The summary of one run of the program.
fn play(dir: &std::path::Path, scenario: &Scenario) -> Value {
    let name = &scenario.name;
    let special = SPECIAL.iter().find(|s| s.name == name);
    // No `stream_options`: the scenarios send usage where they want it.
    let mut body = json!({
        "model": format!("lab/{name}"),
        "messages": [{"role": "user", "content": "Say hello"}],
        "stream": true,
    });
    if let Some(needs) = &scenario.needs {
        let needs: Value = serde_json::from_str(needs).unwrap();
        for (key, value) in needs.as_object().unwrap() {
            body[key] = value.clone();
        }
    }
    let (body_file, config_file) =
        (dir.join(format!("{name}.json")), dir.join(format!("{name}.toml")));
    std::fs::write(&body_file, body.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sselens"));
    command.args(["send", "-p", "lab", "-o", "json", "--seed", "1", "--fail-on", "info"]);
    match scenario.dialects()[0] {
        "openai-chat" => command.arg("-b").arg(&body_file),
        // Written for another dialect: with the program's own request.
        other => command.args(["--dialect", other, "-m", &format!("lab/{name}"), "Say hello"]),
    };
    command.args(["--pace", special.map_or("0", |s| s.pace)]);
    let flags = special.map_or(&["--idle-timeout", "1.5", "--total-timeout", "5"][..], |s| s.flags);
    command.args(flags);
    if let Some(special) = special.filter(|s| !s.config.is_empty()) {
        std::fs::write(&config_file, special.config).unwrap();
        command.arg("--config").arg(&config_file);
    }
    command.env_clear().env("HOME", dir).current_dir(dir).stdin(Stdio::null());
    let out = command.output().unwrap();
    let told = String::from_utf8_lossy(&out.stderr);
    let summary: Value = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|e| panic!("{name}: {e}: {:?} {told}", out.status));
    let clean = summary["findings"].as_array().is_some_and(Vec::is_empty);
    assert_eq!(out.status.code(), Some(i32::from(!clean)), "{name}: {told}");
    summary
}
