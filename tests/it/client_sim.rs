//! The client views, held against what the real clients returned to their callers.
//!
//! `tests/client_sim/expected.json` was recorded by `tests/client_sim/run.sh`, which plays every scenario of the
//! lab to every client. Here each scenario is played to the program, and each client's row must
//! come to the same: content, reasoning, tool calls, finish, and the error with its class and
//! the beginning of its words. Where a client did now this, now that with the same bytes, because it
//! depends on what comes in one read, the recording has both, and the row says one of them. With
//! SSELENS_REAL_CLIENTS=1 the clients are installed and asked anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value, json};
use sselens::client_sim::{Given, Run, clients};
use sselens::inspect::{Inspection, Options};
use sselens::storage::file;

use crate::needs::Needs;
use crate::support::program::{Program, program};

/// How many scenarios are on their way at once.
const LANES: usize = 5;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client_sim")
}

fn recorded() -> Value {
    serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap()
}

/// What a client gave for a scenario; more than one thing where it wavers.
fn outcomes<'a>(recorded: &'a Value, scenario: &str, client: &str) -> Vec<&'a Value> {
    let all = recorded["scenarios"][scenario].as_array();
    let mine = |o: &&Value| o["clients"].as_array().unwrap().iter().any(|c| c == client);
    all.into_iter().flatten().filter(mine).map(|o| &o["given"]).collect()
}

#[test]
fn the_table_agrees_with_what_the_real_clients_gave() {
    hold(&recorded());
}

#[test]
fn the_table_has_the_versions_that_were_measured() {
    let recorded = recorded();
    for client in clients() {
        assert_eq!(recorded["versions"][client.name], client.version, "{}", client.name);
    }
}

#[test]
fn the_real_clients_still_do_so() {
    if !Needs::RealClients.are_met() {
        return;
    }
    let out = tempfile::NamedTempFile::new().unwrap();
    let status = Command::new("bash")
        .arg(folder().join("run.sh"))
        .arg(out.path())
        .env("SSELENS", env!("CARGO_BIN_EXE_sselens"))
        .status()
        .unwrap();
    assert!(status.success(), "run.sh: {status}");
    hold(&serde_json::from_slice(&std::fs::read(out.path()).unwrap()).unwrap());
}

/// The program on a bare body.
fn show(body: &str, more: &[&str]) -> std::process::Output {
    let program = Program::new();
    program.write("body.sse", body);
    program.run(&[&["show", "body.sse", "--color", "never"], more].concat())
}

/// A stream with reasoning where some look for it, a control character, and no finish.
const BODY: &str = "data: {\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}]}\n\n\
    data: {\"choices\":[{\"delta\":{\"content\":\"a\\u001b[2Jb\"}}]}\n\ndata: [DONE]\n\n";

#[test]
fn the_text_has_a_section_for_the_client() {
    let out = show(BODY, &["--lens", "litellm-1.81.5"]);
    let page = String::from_utf8(out.stdout).unwrap();
    let (_, section) = page.split_once("\nas litellm-1.81.5 sees it\n").unwrap();
    for said in [
        "  given: the chunks of `acompletion(stream=True)`",
        "  content 6 characters\n    a␛[2Jb\n",
        "  end finish stop (made up)\n",
        "  · 1 delta at choices[].delta.reasoning is not read\n    lab/reasoning-delta",
        "  · the finish `stop` is made up: none came\n",
    ] {
        assert!(section.contains(said), "{said:?} is not in\n{section}");
    }
    assert!(!page.contains('\x1b'));
    // The lens adds to the report and to nothing else.
    assert_eq!(out.status.code(), show(BODY, &[]).status.code());
}

#[test]
fn all_clients_are_one_table() {
    let page = String::from_utf8(show(BODY, &["--lens", "all"]).stdout).unwrap();
    for client in clients().filter(|c| c.dialect == "openai-chat") {
        assert!(page.contains(&format!("\n  {} ", client.name)), "{}:\n{page}", client.name);
    }
    let row = page.lines().find(|l| l.starts_with("  ai ")).unwrap();
    let cells: Vec<_> = row.split_whitespace().collect();
    assert_eq!(cells[..5], ["ai", "6", "2", "0", "AI_InvalidResponseDataError:"]);
    let row = page.lines().find(|l| l.starts_with("  openai-python ")).unwrap();
    assert!(row.ends_with("no error, no finish"), "{row}");
    assert!(!page.contains("anthropic-python"), "{page}");
    assert!(page.trim_end().ends_with("more clients for other dialects"), "{page}");
}

#[test]
fn the_json_has_a_member_for_it() {
    let json = |more: &[&str]| -> Value {
        serde_json::from_slice(&show(BODY, &[&["-o", "json"], more].concat()).stdout).unwrap()
    };
    let one = json(&["--lens", "openai-node"]);
    assert_eq!(one["lens"]["client"], "openai-node");
    assert_eq!(one["lens"]["content"]["0"], "a\u{1b}[2Jb");
    assert_eq!(one["lens"]["chunks"], 2);
    assert!(one["lens"]["error"].is_null() && one["lens"]["finish"] == json!({}));
    let all = json(&["--lens", "all"]);
    assert_eq!(all["lenses"].as_array().unwrap().len(), clients().count());
    assert!(json(&[]).get("lens").is_none());
}

#[test]
fn an_unknown_client_is_a_mistake_that_lists_them() {
    let out = show(BODY, &["--lens", "curl"]);
    let said = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(clients().all(|c| said.contains(c.name)), "{said}");
    assert_eq!(show(BODY, &["--lens", "ai", "-o", "ndjson"]).status.code(), Some(2));
}

/// How a client's row compares with the client.
#[derive(Default)]
struct Count {
    agree: u32,
    differ: u32,
    undecidable: u32,
}

fn hold(measured: &Value) {
    let known = recorded();
    let dir = tempfile::tempdir().unwrap();
    let queue = Mutex::new(measured["scenarios"].as_object().unwrap().keys());
    let counts = Mutex::new(BTreeMap::<&str, Count>::new());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| {
                loop {
                    let Some(name) = queue.lock().unwrap().next() else { return };
                    let seen = played(dir.path(), name);
                    for client in clients().filter(|c| speaks(c.dialect, name)) {
                        let given = outcomes(measured, name, client.name);
                        if given.is_empty() {
                            continue;
                        }
                        let run = Run::of(client, &seen);
                        let mut counts = counts.lock().unwrap();
                        let count = counts.entry(client.name).or_default();
                        if run.given().elsewhere.is_some() {
                            count.undecidable += 1;
                            continue;
                        }
                        let differs: Vec<_> =
                            given.iter().map(|given| differences(given, run.given())).collect();
                        // A client that wavers, found wavering again.
                        let before = outcomes(&known, name, client.name);
                        let wavers =
                            given.len() == 1 && before.len() > 1 && before.contains(&given[0]);
                        if wavers || differs.iter().any(Vec::is_empty) {
                            count.agree += 1;
                        } else {
                            count.differ += 1;
                            let differs = differs.concat().join("\n    ");
                            let differs = format!("{} on {name}:\n    {differs}", client.name);
                            wrong.lock().unwrap().push(differs);
                        }
                    }
                }
            });
        }
    });
    eprintln!("{:<26} {:>6} {:>7} undecidable", "client", "agree", "differ");
    for (name, c) in counts.into_inner().unwrap() {
        eprintln!("{name:<26} {:>6} {:>7} {}", c.agree, c.differ, c.undecidable);
    }
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// The dialect of the bodies in a folder.
fn dialect(folder: &str) -> &str {
    match folder {
        "chat" => "openai-chat",
        "responses" => "openai-responses",
        other => other,
    }
}

/// Whether a client of that dialect was asked for a scenario.
fn speaks(dialect_of_client: &str, scenario: &str) -> bool {
    dialect_of_client == dialect(scenario.split_once('/').map_or("chat", |(folder, _)| folder))
}

/// An exchange with a scenario of the lab, or a body of a dialect's folder as it would have come.
fn played(dir: &Path, name: &str) -> Inspection {
    let mut told = file::Told::default();
    let path = match name.split_once('/') {
        Some((of, _)) => {
            told.status = Some(200);
            told.dialect = Some(dialect(of).into());
            folder().join(format!("{name}.sse"))
        }
        None => {
            let path = dir.join(format!("{name}.jsonl"));
            let model = format!("lab/{name}");
            // What was found is for other tests; here the recording counts.
            program(dir, &[])
                .args(["send", "-q", "-p", "lab", "-m", &model, "hi", "--pace", "0", "--seed", "1"])
                .args(["--idle-timeout", "2", "--total-timeout", "4", "-o", "json", "--save"])
                .arg(&path)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            path
        }
    };
    let recording = file::open(&path, &told).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut seen = Inspection::new(Arc::new(Options::default()));
    for entry in &recording.entries {
        seen.push(entry);
    }
    seen
}

/// What the row says, in the form of the recording.
fn said(given: &Given) -> Value {
    let texts = |channel: &BTreeMap<u32, String>| {
        let texts: Map<_, _> =
            channel.iter().map(|(c, text)| (c.to_string(), text.as_str().into())).collect();
        Value::Object(texts)
    };
    let tools: Vec<_> =
        given.tools.iter().map(|t| json!({"name": t.name, "arguments": t.arguments})).collect();
    json!({
        "content": texts(&given.content),
        "reasoning": texts(&given.reasoning),
        "finish": texts(&given.finish),
        "tools": tools,
    })
}

/// Arguments count as values: clients write them anew.
fn normal(tools: &Value) -> Vec<(Value, Value)> {
    let value = |text: &Value| serde_json::from_str(text.as_str().unwrap()).unwrap_or(text.clone());
    let tools = tools.as_array().cloned().unwrap_or_default();
    tools.iter().map(|t| (t["name"].clone(), value(&t["arguments"]))).collect()
}

fn differences(real: &Value, given: &Given) -> Vec<String> {
    let mut out = Vec::new();
    let said = said(given);
    for name in ["content", "reasoning", "finish"] {
        // Left out is empty; null is a text that the lab makes anew each time.
        let want = real.get(name).cloned().unwrap_or_else(|| json!({}));
        if !want.is_null() && want != said[name] {
            out.push(format!("{name}: the client gave {want}, the row says {}", said[name]));
        }
    }
    if real["chunks"].as_u64().is_some_and(|n| n != given.chunks) {
        out.push(format!(
            "chunks: the client gave {}, the row says {}",
            real["chunks"], given.chunks
        ));
    }
    let tools = real.get("tools").cloned().unwrap_or_default();
    if normal(&tools) != normal(&said["tools"]) {
        out.push(format!("tools: the client gave {tools}, the row says {}", said["tools"]));
    }
    let class = real["error"]["class"].as_str();
    let words = real["error"]["message"].as_str().unwrap_or_default();
    let agree = match (class, &given.error) {
        (Some("(waits)"), error) => given.waits && error.is_none(),
        (Some(class), Some(raised)) => {
            let n = words.len().min(raised.message.len());
            raised.class == class && words.as_bytes()[..n] == raised.message.as_bytes()[..n]
        }
        (None, None) => !given.waits,
        _ => false,
    };
    if !agree {
        let ours = given.error.as_ref().map(|e| format!("{}: {}", e.class, e.message));
        let waits = if given.waits { " (waits)" } else { "" };
        out.push(format!(
            "error: the client gave {}, the row says {}{waits}",
            real["error"],
            ours.as_deref().unwrap_or("none")
        ));
    }
    out
}
