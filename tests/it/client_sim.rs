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
use std::sync::Mutex;

use serde_json::{Map, Value, json};
use sselens::client_sim::{ClientRun, Given, clients};
use sselens::dialect::Channel;
use sselens::inspect::{Code, Finding, Inspection, Outcome, Returned};
use sselens::storage::file;

use crate::needs::Needs;
use crate::support::program::{Program, program};

mod answers;

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
    let given = run(&[], None, false);
    hold(&serde_json::from_slice(&given).unwrap());
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
    for text in [
        "  given: the chunks of `acompletion(stream=True)`",
        "  content 6 characters\n    a␛[2Jb\n",
        "  end finish stop (fabricated)\n",
        "  · 1 delta at choices[].delta.reasoning is not read\n    lab/reasoning-delta",
        "  · the finish `stop` is fabricated: none arrived\n",
    ] {
        assert!(section.contains(text), "{text:?} is not in\n{section}");
    }
    assert!(!page.contains('\x1b'));
    // The client view adds to the report and changes nothing else.
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
    let text = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(clients().all(|c| text.contains(c.name)), "{text}");
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
                        let run = ClientRun::of(client, &seen);
                        let mut counts = counts.lock().unwrap();
                        let count = counts.entry(client.name).or_default();
                        if run.given().elsewhere.is_some() {
                            count.undecidable += 1;
                            continue;
                        }
                        let differs: Vec<_> =
                            given.iter().map(|given| differences(given, run.given())).collect();
                        // A client whose outcome varies gave one of its known outcomes.
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
        "bedrock" => "bedrock-converse",
        "cohere" => "cohere-v2",
        other => other,
    }
}

/// How the name of a body in a folder ends.
fn suffix(folder: &str) -> &str {
    if folder == "bedrock" { "bin" } else { "sse" }
}

/// Whether a client of that dialect was asked for a scenario.
fn speaks(dialect_of_client: &str, scenario: &str) -> bool {
    dialect_of_client == dialect(scenario.split_once('/').map_or("chat", |(folder, _)| folder))
}

/// An exchange with a scenario of the lab, or a body of a dialect's folder as it would have come.
fn played(dir: &Path, name: &str) -> Inspection {
    let mut reported = file::BodyHints::default();
    let path = match name.split_once('/') {
        Some((of, rest)) if answers::has(name) => {
            let path = dir.join(format!("{of}-{rest}.jsonl"));
            answers::record(dir, name, dialect(of), &path);
            path
        }
        Some((of, _)) => {
            reported.status = Some(200);
            reported.dialect = Some(dialect(of).into());
            folder().join(format!("{name}.{}", suffix(of)))
        }
        None => {
            let path = dir.join(format!("{name}.jsonl"));
            let model = format!("lab/{name}");
            // Other tests check the findings; only the recording matters here.
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
    let recording = file::open(&path, &reported).unwrap_or_else(|e| panic!("{name}: {e}"));
    let mut seen = Inspection::new(crate::support::options());
    for entry in &recording.entries {
        seen.push(entry);
    }
    seen
}

/// The accumulating helpers, by the dialect that they read.
const HELPERS: &[(&str, &[&str])] = &[
    ("chat", &["openai-python.stream", "openai-node.stream"]),
    ("responses", &["openai-python.stream", "openai-node.stream"]),
    ("anthropic", &["anthropic-python.stream", "anthropic-typescript.stream"]),
    // These SDKs have no helper: their plain iteration is what breaks.
    ("gemini", &["google-genai"]),
    ("bedrock", &["botocore"]),
    ("cohere", &["cohere"]),
    ("mistral", &["mistralai"]),
];

/// A stream that is called healthy.
struct Healthy {
    /// Where it comes from.
    from: String,
    /// The name under which the helpers are asked for it: dialect and hash of the body.
    name: String,
    body: Vec<u8>,
    seen: Inspection,
}

impl Healthy {
    /// Takes a stream in if nothing above info was found in it, and there is a helper that reads it.
    fn of(from: String, seen: Inspection) -> Option<Self> {
        // A single whole completion is fine where no stream was requested, but it is not a stream.
        let whole = |finding: &Finding| finding.code == Code::JsonCompletion200;
        let quiet = seen.outcome() == Outcome::Ok
            && seen.status().is_none_or(|s| s < 300)
            && !seen.findings().iter().any(whole);
        let ended = seen.is_over() && seen.answer().finish().next().is_some();
        let name = seen.dialect().filter(|_| quiet && ended)?.name();
        let (folder, _) = HELPERS.iter().find(|(folder, _)| dialect(folder) == name)?;
        let body = seen.body().to_vec();
        let hash = fingerprint(&body);
        Some(Self { from, name: format!("{folder}/{hash:016x}"), body, seen })
    }
}

/// A name for a body: FNV-1a, which stays the same from one version of Rust to the next.
fn fingerprint(body: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    body.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Every healthy stream of the corpus, of the bodies beside this test and, where they lie beside this
/// repository, of the recorded provider streams.
fn healthy() -> Vec<Healthy> {
    let mut all = Vec::new();
    for case in crate::support::corpus::cases() {
        let mut seen = Inspection::new(crate::support::options());
        case.entries().iter().for_each(|entry| seen.push(entry));
        all.extend(Healthy::of(format!("corpus {}", case.name), seen));
    }
    for (of, _) in HELPERS {
        for file in std::fs::read_dir(folder().join(of)).unwrap() {
            let path = file.unwrap().path();
            let name = format!("{of}/{}", path.file_stem().unwrap().to_str().unwrap());
            all.extend(Healthy::of(name.clone(), played(Path::new(""), &name)));
        }
    }
    all.extend(recordings());
    let mut names = std::collections::BTreeSet::new();
    all.retain(|stream| names.insert(stream.name.clone()));
    all
}

/// The recorded provider streams.
fn recordings() -> Vec<Healthy> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let Ok(files) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut all = Vec::new();
    for path in files.map(|file| file.unwrap().path()) {
        if path.extension().is_none_or(|e| e != "sse" && e != "bin") {
            continue;
        }
        let about: Value =
            serde_json::from_slice(&std::fs::read(path.with_extension("meta.json")).unwrap())
                .unwrap();
        let reported = file::BodyHints {
            status: about["http"]["status"].as_u64().map(|status| status as u16),
            content_type: about["http"]["content_type"].as_str().map(Into::into),
            dialect: about["dialect"].as_str().map(Into::into),
        };
        let mut seen = Inspection::new(crate::support::options());
        file::open(&path, &reported).unwrap().entries.iter().for_each(|entry| seen.push(entry));
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        all.extend(Healthy::of(format!("recording {name}"), seen));
    }
    all
}

/// What a real helper returned, if that is not the answer; what it does by design counts as that.
fn disagreement(given: &Value, stream: &Healthy) -> Option<String> {
    let finishes: Vec<_> = stream.seen.answer().finish().map(|f| f.1).collect();
    let class = given["error"]["class"].as_str();
    let by_design = match class {
        Some("LengthFinishReasonError" | "ContentFilterFinishReasonError") => true,
        Some("RuntimeError") => {
            let words = given["error"]["message"].as_str().unwrap_or_default();
            words.starts_with("Didn't receive a `response.completed`")
                && finishes.iter().any(|f| ["incomplete", "failed", "cancelled"].contains(f))
        }
        _ => false,
    };
    if let Some(class) = class.filter(|_| !by_design) {
        return Some(format!("raises {class}: {}", given["error"]["message"]));
    }
    let answer = stream.seen.answer();
    let joined: Map<_, _> = answer
        .texts(Channel::Content)
        .map(|(choice, text)| (choice.to_string(), text.into()))
        .collect();
    // Null is a text that is too long to be recorded.
    let returned = given.get("content").cloned().unwrap_or_else(|| json!({}));
    // In the final object, overlapping messages follow one another.
    let by_item = stream.seen.text_by_item().map(|text| json!({"0": text}));
    let same = returned == Value::Object(joined.clone()) || Some(&returned) == by_item.as_ref();
    if !returned.is_null() && !same {
        return Some(format!("returns the text {returned}, and the stream has {joined:?}"));
    }
    let made: Vec<_> = answer
        .tools()
        .iter()
        .map(|call| json!({"name": call.name, "arguments": call.arguments}))
        .collect();
    let (returned, made) = (normal(&given["tools"]), normal(&Value::Array(made)));
    let empty = |v: &Value| v == "" || *v == json!({});
    let same = returned.len() == made.len()
        && returned
            .iter()
            .zip(&made)
            .all(|(a, b)| a.0 == b.0 && (a.1 == b.1 || (empty(&a.1) && empty(&b.1))));
    (!same).then(|| format!("returns the calls {returned:?}, and the stream has {made:?}"))
}

/// Asks the real helpers for these streams; `replayed`: for what `replay` makes of them.
fn ask(streams: &[Healthy], replayed: bool) -> Value {
    let bodies = tempfile::tempdir().unwrap();
    for stream in streams {
        let (of, _) = stream.name.split_once('/').unwrap();
        let path = bodies.path().join(format!("{}.{}", stream.name, suffix(of)));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, &stream.body).unwrap();
    }
    let names: std::collections::BTreeSet<_> =
        HELPERS.iter().flat_map(|(_, helpers)| *helpers).collect();
    let names: Vec<_> = names.into_iter().copied().collect();
    let given = run(&names, Some(bodies.path()), replayed);
    if let Some(record) = std::env::var_os("SSELENS_RECORD") {
        std::fs::write(record, &given).unwrap();
    }
    serde_json::from_slice(&given).unwrap()
}

/// Runs `run.sh` with these clients, and returns what it wrote.
fn run(clients: &[&str], bodies: Option<&Path>, replayed: bool) -> Vec<u8> {
    let out = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("bash");
    command.arg(folder().join("run.sh")).arg(out.path()).args(clients);
    command.env("SSELENS", env!("CARGO_BIN_EXE_sselens"));
    command.env("CLIENTS", Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients"));
    if let Some(bodies) = bodies {
        command.env("BODIES", bodies);
    }
    if replayed {
        command.env("REPLAYED", "1");
    }
    let status = command.status().unwrap();
    assert!(status.success(), "run.sh: {status}");
    std::fs::read(out.path()).unwrap()
}

/// Every official SDK, as it is iterated.
const SDKS: &[&str] =
    &["openai-python", "openai-node", "anthropic-python", "anthropic-typescript", "google-genai"];

/// What `replay` serves of a recording gives the official SDKs what the original gave them: of every scenario
/// of the lab, every body beside this test, and every healthy stream.
#[test]
fn what_is_replayed_gives_the_sdks_what_the_original_gave() {
    if !Needs::RealClients.are_met() {
        return;
    }
    let healthy: Value =
        serde_json::from_slice(&std::fs::read(folder().join("healthy.json")).unwrap()).unwrap();
    let scenarios = serde_json::from_slice(&run(SDKS, None, true)).unwrap();
    let streams = ask(&self::healthy(), true);
    let (mut same, mut wrong) = (0, Vec::new());
    for (original, replayed) in [(recorded(), scenarios), (healthy, streams)] {
        let replayed: &Value = &replayed;
        for (name, all) in replayed["scenarios"].as_object().unwrap() {
            // A session has the body but no chunk sizes, so an invalid size is replayed as a cut. And where a
            // coding is damaged, Node's fetch sometimes raises and sometimes waits, depending on how the
            // bytes arrive.
            if name.ends_with("/size-bad") || name.ends_with("/ok-gzip-bad") {
                continue;
            }
            for outcome in all.as_array().unwrap() {
                for client in outcome["clients"].as_array().unwrap() {
                    let client = client.as_str().unwrap();
                    let before = outcomes(&original, name, client);
                    match before.iter().any(|given| is_same(given, &outcome["given"])) {
                        true => same += 1,
                        // A case that was never recorded has no original.
                        false if before.is_empty() => {}
                        false => wrong.push(format!(
                            "{client} on {name}:\n    original {before:?}\n    replayed {}",
                            outcome["given"]
                        )),
                    }
                }
            }
        }
    }
    eprintln!("{same} answers of SDKs are the same, {} differ", wrong.len());
    assert!(same > 300 && wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a client gave the same; the lab's ids are others each time, and arguments count as values.
fn is_same(a: &Value, b: &Value) -> bool {
    let plain = |v: &Value| {
        let mut v = v.clone();
        let tools = normal(&v["tools"]);
        if let Some(given) = v.as_object_mut() {
            given.remove("tools");
        }
        let text = v.to_string();
        let mut parts = text.split("chatcmpl-lab");
        let mut out = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            out += part.trim_start_matches(|c: char| c.is_ascii_hexdigit());
        }
        // The order of fields does not matter.
        let value: Value = serde_json::from_str(&out).unwrap();
        (value, tools)
    };
    plain(a) == plain(b)
}

/// The standing test: no stream is called healthy that an accumulating helper of an official SDK
/// does not deliver whole. `healthy.json` has what the helpers returned; with SSELENS_REAL_CLIENTS=1
/// they are asked anew. A stream that was never recorded is judged by the client views, which the
/// test above holds against the clients.
#[test]
fn every_healthy_stream_is_delivered_whole_by_the_helpers() {
    let streams = healthy();
    let measured = if std::env::var_os("SSELENS_REAL_CLIENTS").is_some_and(|v| v == "1") {
        ask(&streams, false)
    } else {
        let path = folder().join("healthy.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    };
    let (mut agree, mut unrecorded, mut wrong) = (0, 0, Vec::new());
    // If OpenAI's helpers are known to fail on a variant, it is judged by its own SDK.
    let own_sdk = |stream: &&Healthy| {
        let variant = stream.seen.variant().map(|(variant, _)| variant);
        variant.is_some_and(|v| v.is_normal_in_responses(Code::ClientFails))
    };
    for stream in streams.iter().filter(|stream| !own_sdk(stream)) {
        let of = stream.name.split_once('/').map_or("", |(of, _)| of);
        let (_, helpers) = HELPERS.iter().find(|(folder, _)| *folder == of).unwrap();
        for helper in *helpers {
            // This program has no view of this helper for this dialect.
            let Some(view) = stream.seen.clients().iter().find(|v| v.client == *helper) else {
                continue;
            };
            let given = outcomes(&measured, &stream.name, helper);
            let judged = match given.first() {
                Some(given) => disagreement(given, stream),
                None => {
                    unrecorded += 1;
                    let fails = view.result != Returned::Ok && !view.by_design;
                    fails.then(|| view.detail.clone())
                }
            };
            match judged {
                None => agree += 1,
                Some(what) => wrong.push(format!("{helper} on {}: {what}", stream.from)),
            }
        }
    }
    eprintln!(
        "{} healthy streams, {} answers of helpers ({unrecorded} of them simulated): \
         {agree} agree, {} differ",
        streams.len(),
        agree + wrong.len(),
        wrong.len()
    );
    assert!(streams.len() > 50, "only {} healthy streams", streams.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
    let text = said(given);
    for name in ["content", "reasoning", "finish"] {
        // A missing entry means empty; null means a text that the lab generates anew each time.
        let want = real.get(name).cloned().unwrap_or_else(|| json!({}));
        if !want.is_null() && want != text[name] {
            out.push(format!("{name}: the client gave {want}, the row says {}", text[name]));
        }
    }
    if real["chunks"].as_u64().is_some_and(|n| n != given.chunks) {
        out.push(format!(
            "chunks: the client gave {}, the row says {}",
            real["chunks"], given.chunks
        ));
    }
    let tools = real.get("tools").cloned().unwrap_or_default();
    if normal(&tools) != normal(&text["tools"]) {
        out.push(format!("tools: the client gave {tools}, the row says {}", text["tools"]));
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
