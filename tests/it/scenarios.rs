//! Every scenario of the lab, end to end over a socket: the program sends, the lab plays, and what
//! is found must be what the scenario's file promises.
//!
//! The promise is exact above `info`: nothing grave that is not listed, nothing listed that does
//! not come. What is only `info` may come on top; a lab that is quick, local and bare shows a few
//! of those everywhere, and listing them in each file would say nothing.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::{Value, json};
use sselens::lab::Scenario;
use sselens::rule::{Code, Phase};

use crate::support::program::program;

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
    // Without delays, its first comment and its first data would arrive in one read.
    Special { name: "keep-alive", pace: "0.2", flags: &["--idle-timeout", "5"], config: "" },
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

/// What a dialect cannot show as the one does for which a scenario was written first.
struct Exception {
    /// The finding that the scenario promises.
    code: &'static str,
    /// The dialects in which it does not come; none given: all but the scenario's first.
    dialects: &'static [&'static str],
    /// What comes instead.
    instead: &'static [&'static str],
}

/// A finding that does not come in these dialects.
const fn not(code: &'static str, dialects: &'static [&'static str]) -> Exception {
    Exception { code, dialects, instead: &[] }
}

/// A finding that has another name in these dialects.
const fn found_as(
    code: &'static str,
    dialects: &'static [&'static str],
    instead: &'static [&'static str],
) -> Exception {
    Exception { code, dialects, instead }
}

const OTHER_LINES: &[&str] = &["gemini-array", "ollama", "bedrock-converse", "bedrock-invoke"];
const BLOCKS: &[&str] = &["anthropic", "bedrock-converse", "bedrock-invoke"];
const BINARY: &[&str] = &["bedrock-converse", "bedrock-invoke"];
const WITHOUT_DONE: &[&str] = &[
    "openai-responses",
    "anthropic",
    "gemini",
    "gemini-array",
    "ollama",
    "cohere-v2",
    "bedrock-converse",
    "bedrock-invoke",
];

const EXCEPTIONS: &[Exception] = &[
    // [DONE] ends the streams of OpenAI's older dialects and of Mistral only.
    not("missing-done", WITHOUT_DONE),
    not("done-after-error", WITHOUT_DONE),
    not("no-done-after-error", WITHOUT_DONE),
    not("done-duplicated", WITHOUT_DONE),
    not("done-early", WITHOUT_DONE),
    // Where the stream's own last event is the end, the lab omits that event instead of [DONE].
    found_as(
        "missing-done",
        &["openai-responses", "bedrock-converse", "bedrock-invoke"],
        &["terminal-event-missing"],
    ),
    found_as("missing-done", &["anthropic"], &["message-stop-missing"]),
    // Anthropic puts several tokens into a delta by design.
    not("micro-batching", &["anthropic"]),
    found_as("missing-done", &["gemini-array"], &["truncated-json-array"]),
    // What the lab sends after Responses' last event, and after the end of an array.
    found_as("done-early", &["openai-responses"], &["content-after-finish"]),
    found_as("done-early", &["gemini-array"], &["finish-missing"]),
    // Responses finishes only in its last event, so content before that is no fault.
    not("content-after-finish", &["openai-responses"]),
    not("finish-repeated", &["openai-responses"]),
    // The lab's response always has a status.
    not("finish-missing", &["openai-responses"]),
    // The finish reason is in the event that ends the stream, so both are missing.
    found_as(
        "finish-missing",
        &["openai-responses", "bedrock-converse", "bedrock-invoke", "cohere-v2"],
        &["terminal-event-missing"],
    ),
    found_as("finish-missing", &["anthropic"], &["message-stop-missing"]),
    found_as("finish-missing", &["ollama"], &["ollama-no-done"]),
    found_as("finish-missing", &["gemini-array"], &["truncated-json-array"]),
    // The lab omits one blank line, and here it is not the one after the last event.
    found_as("sse-no-final-blank", &["openai-responses"], &["terminal-event-missing"]),
    found_as("sse-no-final-blank", &["anthropic"], &["message-stop-missing"]),
    // Anthropic's filter is a refusal, and is reported as one.
    found_as("content-filtered", &["anthropic", "bedrock-invoke"], &["refusal"]),
    // These dialects have no finish reason for a filter, and Chat's is unknown to them.
    found_as(
        "content-filtered",
        &["mistral", "ollama", "cohere-v2"],
        &["content-filtered", "finish-unknown"],
    ),
    // Each dialect has its own form for an error in the stream.
    found_as("error-object", &["openai-responses"], &["sse-event-error", "error-shape-drift"]),
    found_as("error-object", &["anthropic"], &["sse-event-error"]),
    found_as("error-object", &["mistral", "cohere-v2"], &["error-flat"]),
    found_as("error-object", &["ollama"], &["ollama-error-line"]),
    // Gemini writes it without "data:", in the midst of its events.
    found_as("error-object", &["gemini"], &["sse-raw-json"]),
    not("error-200-first-frame", &["gemini"]),
    found_as("finish-error", &["cohere-v2"], &["error-flat"]),
    // About event streams: framing, headers, text.
    not("content-length-on-stream", OTHER_LINES),
    not("gzip-sse", OTHER_LINES),
    not("no-anti-buffering-headers", OTHER_LINES),
    not("sse-mislabelled", OTHER_LINES),
    not("utf8-split", BINARY),
    // The spaces and the other line end belong to [DONE].
    not("sse-two-spaces", &["gemini"]),
    not("sse-mixed-newlines", &["gemini"]),
    found_as("ndjson-in-sse", &["openai-responses", "anthropic", "cohere-v2"], &["sse-raw-json"]),
    // About Chat's own JSON.
    not("choice-index-gap", &["openai-completions"]),
    not("choices-interleaved", &["openai-completions"]),
    not("content-not-string", &[]),
    not("reasoning-dropped-by-client", &[]),
    not("reasoning-field-renamed", &[]),
    // These do not count reasoning separately, or send no total that must be the sum.
    not("reasoning-hidden", &["mistral", "ollama", "cohere-v2", "bedrock-converse"]),
    not(
        "usage-inconsistent",
        &[
            "anthropic",
            "gemini",
            "gemini-array",
            "ollama",
            "cohere-v2",
            "bedrock-converse",
            "bedrock-invoke",
        ],
    ),
    // These have no field for a refusal: it is content.
    not(
        "refusal",
        &["mistral", "gemini", "gemini-array", "ollama", "cohere-v2", "bedrock-converse"],
    ),
    // Arguments are an object here; if they are not JSON, a string takes the object's place.
    found_as(
        "tool-args-invalid-at-end",
        &["gemini", "gemini-array", "ollama"],
        &["tool-args-double-encoded"],
    ),
    // These have no finish reason for calls.
    not("tool-finish-without-call", &["openai-responses", "gemini", "gemini-array", "ollama"]),
    found_as("tool-finish-without-call", &["openai-completions"], &["finish-unknown"]),
    // A stream that stops early leaves its block open, where the dialect closes blocks.
    found_as("done-early", BLOCKS, &["block-not-closed"]),
    found_as("finish-missing", BLOCKS, &["block-not-closed"]),
    // The lost frame leaves a gap in the sequence numbers, and its text differs from the final one.
    found_as(
        "sse-missing-blank",
        &["openai-responses"],
        &["deltas-differ-from-done", "sequence-gap"],
    ),
    // The last event, which parsers drop by the standard, is the terminal one.
    found_as("sse-no-final-blank", &["cohere-v2"], &["terminal-event-missing"]),
];

/// What a scenario promises, it shows in every dialect that it plays in; and what is sound in Chat is sound
/// in each, and says the same.
#[test]
fn each_scenario_shows_it_in_every_dialect() {
    let dir = tempfile::tempdir().unwrap();
    let plays = sselens::lab::scenarios().iter().filter(|s| s.needs.is_none());
    let plays = plays.flat_map(|scenario| {
        // The scenario's result in its own dialect, computed once.
        let own = Arc::new(OnceLock::new());
        scenario.dialects().into_iter().skip(1).map(move |d| (scenario, d, Arc::clone(&own)))
    });
    let queue = Mutex::new(plays);
    let (wrong, used) = (Mutex::new(Vec::new()), Mutex::new(BTreeSet::new()));
    let compared = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                loop {
                    let Some((scenario, dialect, own)) = queue.lock().unwrap().next() else {
                        return;
                    };
                    let is_sound =
                        scenario.findings.iter().all(|c| BY_DESIGN.contains(&c.as_str()));
                    let is_special = SPECIAL.iter().any(|special| special.name == scenario.name);
                    if is_special && !is_sound {
                        continue;
                    }
                    let summary = in_dialect(dir.path(), scenario, dialect);
                    let mut holds = Ok(());
                    if !is_special {
                        holds = shows(scenario, dialect, &summary, &used);
                    }
                    if is_sound {
                        let first = scenario.dialects()[0];
                        let own = own.get_or_init(|| in_dialect(dir.path(), scenario, first));
                        holds = holds.and_then(|()| says_the_same(own, &summary));
                        compared.fetch_add(1, Ordering::Relaxed);
                    }
                    if let Err(why) = holds {
                        let why = format!("{} in {dialect}: {why}", scenario.name);
                        wrong.lock().unwrap().push(why);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    let compared = compared.into_inner();
    assert!(compared > 20, "{compared}");
    // An unused exception could hide a fault.
    let used = used.into_inner().unwrap();
    for (i, it) in EXCEPTIONS.iter().enumerate() {
        assert!(
            used.contains(&i),
            "nothing needs the exception of {} in {:?}",
            it.code,
            it.dialects
        );
    }
}

/// Whether a sound scenario is sound in another dialect, and says the same as in its `own`.
fn says_the_same(own: &Value, other: &Value) -> Result<(), String> {
    let findings = other["findings"].as_array().ok_or_else(|| other.to_string())?;
    let grave: Vec<_> = findings.iter().filter(|f| f["severity"] != "info").collect();
    let texts = ["content", "reasoning"].map(|channel| (&other[channel]["0"], &own[channel]["0"]));
    if !grave.is_empty() {
        Err(format!("{grave:?}"))
    } else if let Some((other, own)) = texts.iter().find(|(other, own)| other != own) {
        Err(format!("{other} in place of {own}"))
    } else if called(other) != called(own) {
        Err(format!("{:?} in place of {:?}", called(other), called(own)))
    } else if !other["finish"]["0"].is_string() {
        Err(format!("the finish is {}", other["finish"]))
    } else {
        Ok(())
    }
}

/// Whether a scenario shows in `dialect` what its file says, but for the exceptions, which are
/// noted as `used` by their places.
fn shows(
    scenario: &Scenario,
    dialect: &str,
    summary: &Value,
    used: &Mutex<BTreeSet<usize>>,
) -> Result<(), String> {
    let found = |grave: bool| -> BTreeSet<&str> {
        let all = summary["findings"].as_array().unwrap().iter();
        let some = all.filter(|f| !grave || (f["severity"] != "info" && !follows(scenario, f)));
        some.map(|f| f["code"].as_str().unwrap()).collect()
    };
    let (all, mut more) = (found(false), found(true));
    let mut missing = Vec::new();
    for code in scenario.findings.iter().map(String::as_str) {
        let mut met = all.contains(code);
        more.remove(code);
        for (i, exception) in EXCEPTIONS.iter().enumerate() {
            let here = exception.dialects.is_empty() || exception.dialects.contains(&dialect);
            if exception.code != code || !here {
                continue;
            }
            let came = exception.instead.iter().filter(|c| all.contains(*c)).count();
            let needed = !all.contains(code) || exception.instead.iter().any(|c| more.contains(c));
            if needed && came == exception.instead.len() {
                used.lock().unwrap().insert(i);
                more.retain(|c| !exception.instead.contains(c));
                met = true;
            }
        }
        if !met {
            missing.push(code);
        }
    }
    if missing.is_empty() && more.is_empty() {
        return Ok(());
    }
    Err(format!("missing {missing:?}, not listed {more:?}: {}", summary["findings"]))
}

/// What clients make of a fault follows from the fault: a scenario need not promise it too.
const CONSEQUENCE: &str = "client-fails";

fn follows(scenario: &Scenario, finding: &Value) -> bool {
    finding["code"] == CONSEQUENCE && !scenario.findings.is_empty()
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

/// Seconds that a scenario may take. A long stream takes them on a busy machine; one ends only by this bound.
fn total(name: &str) -> &'static str {
    match name {
        "long" => "90",
        "keepalive-warm-stall" => "1.5",
        _ => "5",
    }
}

/// The summary of one run in this dialect, with the program's own request.
fn in_dialect(dir: &std::path::Path, scenario: &Scenario, dialect: &str) -> Value {
    let mut command = program(dir, &[]);
    let model = format!("lab/{}", scenario.name);
    // Some texts are generated at random: use the same seed to have the same text.
    command.args(["send", "-p", "lab", "-o", "json", "--seed", "1", "--pace", "0"]);
    command.args([
        "--idle-timeout",
        "1.5",
        "--total-timeout",
        total(&scenario.name),
        "--dialect",
        dialect,
        "-m",
        &model,
        "Say hello",
    ]);
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
    // Codes about two exchanges are shown by `compare`.
    let odd: Vec<_> = Code::all()
        .map(Code::rule)
        .filter(|r| r.phase != Phase::Compare)
        .filter(|r| !shown.contains(r.name) && r.reproduce.is_empty())
        .map(|r| r.name)
        .collect();
    assert!(odd.is_empty(), "no scenario and no word how to see {odd:?}");
    for code in shown {
        assert!(code.parse::<Code>().is_ok(), "a scenario shows {code}, which is no code");
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
    let grave: BTreeSet<&str> = found
        .iter()
        .filter(|f| f.1 != "info" && (f.0 != CONSEQUENCE || scenario.findings.is_empty()))
        .map(|f| f.0)
        .collect();
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
    let mut command = program(dir, &[]);
    command.args(["send", "-p", "lab", "-o", "json", "--seed", "1", "--fail-on", "info"]);
    match scenario.dialects()[0] {
        "openai-chat" => command.arg("-b").arg(&body_file),
        // A scenario for another dialect uses the program's own request.
        other => command.args(["--dialect", other, "-m", &format!("lab/{name}"), "Say hello"]),
    };
    command.args(["--pace", special.map_or("0", |s| s.pace)]);
    let usual = ["--idle-timeout", "1.5", "--total-timeout", total(name)];
    let flags = special.map_or(&usual[..], |s| s.flags);
    command.args(flags);
    if let Some(special) = special.filter(|s| !s.config.is_empty()) {
        std::fs::write(&config_file, special.config).unwrap();
        command.arg("--config").arg(&config_file);
    }
    let out = command.output().unwrap();
    let reported = String::from_utf8_lossy(&out.stderr);
    let summary: Value = serde_json::from_slice(&out.stdout)
        .unwrap_or_else(|e| panic!("{name}: {e}: {:?} {reported}", out.status));
    let clean = summary["findings"].as_array().is_some_and(Vec::is_empty);
    assert_eq!(out.status.code(), Some(i32::from(!clean)), "{name}: {reported}");
    summary
}
