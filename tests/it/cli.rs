//! The program from outside: output, exit statuses, session files. Everything here runs the real
//! binary against the lab inside it.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::needs::{Needs, recordings};
use crate::support::corpus::case;
use crate::support::program::{Program, text};

fn of<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|l| l["type"] == kind).collect()
}

#[test]
fn lines_come_in_the_order_of_the_contract() {
    let p = Program::new();
    let lines = p.lab("lab/reasoning-delta");
    let kinds: Vec<_> = lines.iter().map(|l| l["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..2], ["request", "head"]);
    assert_eq!(*kinds.last().unwrap(), "summary");
    assert_eq!(kinds.iter().filter(|k| **k == "end").count(), 1);
    let (mut at, mut offset, mut index) = (0.0, 0, 0);
    for line in &lines {
        assert_eq!(line["x"], 0);
        if let Some(time) = line["at"].as_f64() {
            assert!(time >= at, "time runs back at {line}");
            at = time;
        }
        if line["type"] == "frame" {
            assert_eq!((&line["offset"], &line["index"]), (&offset.into(), &index.into()));
            offset += line["len"].as_u64().unwrap();
            index += 1;
        }
    }
    let chunks: u64 = of(&lines, "chunk").iter().map(|c| c["len"].as_u64().unwrap()).sum();
    let summary = lines.last().unwrap();
    assert_eq!((chunks, offset), (summary["counts"]["bytes"].as_u64().unwrap(), chunks));
    let joined: String = of(&lines, "delta")
        .iter()
        .filter(|d| d["channel"] == "reasoning")
        .map(|d| d["text"].as_str().unwrap())
        .collect();
    assert_eq!(joined, summary["reasoning"]["0"].as_str().unwrap());
    assert!(of(&lines, "delta").iter().any(|d| d["path"] == "choices[0].delta.reasoning"));
    assert_eq!((&summary["reason"], &summary["outcome"]), (&"complete".into(), &"ok".into()));
    assert_eq!(
        summary["ending"],
        serde_json::json!({"transport": "clean", "sentinel": true, "finish": true, "terminal": null})
    );
}

/// Some frames are judged only when the stream is over: that is reported before its end, and with the
/// time of the frame.
#[test]
fn what_is_found_late_has_the_time_of_its_frame() {
    let p = Program::new();
    for (model, code) in
        [("lab/chunk-duplicate", "chunk-duplicate"), ("lab/usage-null-fields", "usage-null-fields")]
    {
        let lines = p.lab(model);
        let place = |is: &dyn Fn(&Value) -> bool| lines.iter().position(is).unwrap();
        let found = place(&|l| l["code"] == code);
        let frame = place(&|l| l["type"] == "frame" && l["index"] == lines[found]["frame"]);
        assert_eq!(lines[found]["at"], lines[frame]["at"], "{model}");
        let end = place(&|l| l["type"] == "end");
        assert!(found < end, "{model}");
        let after = &lines[end + 1..lines.len() - 1];
        assert!(
            after.iter().all(|l| l["phase"] == "end" && l["at"] == lines[end]["at"]),
            "{model}"
        );
    }
    // A frame that was held back until the framing was certain is not split for that.
    let lines = p.lab("lab/ndjson-in-sse");
    assert!(of(&lines, "finding").iter().all(|f| f["code"] != "frame-split-across-reads"));
}

#[test]
fn exit_statuses_tell_what_happened() {
    let p = Program::new();
    for (args, status) in [
        (&["send", "-p", "lab", "-m", "lab/hello", "--pace", "0"][..], 0),
        (&["send", "-p", "lab", "-m", "lab/empty-stream", "--pace", "0"], 1),
        (&["send", "-p", "lab", "-m", "lab/http-422", "--pace", "0"], 1),
        (
            &[
                "send",
                "-p",
                "lab",
                "-m",
                "lab/connection-reset",
                "--pace",
                "0",
                "--fail-on",
                "fatal",
            ],
            1,
        ),
        (&["send", "-p", "nobody"], 2),
        (&["send", "--dialect", "klingon"], 2),
        (&["send", "-b", "missing.json"], 2),
        (&["send", "--save", "no/such/folder/s"], 2),
        (&["send", "-H", "no colon"], 2),
        (&["show", "missing"], 2),
        (&["show", "."], 2),
        (&["explain", "no-such-code"], 2),
        (&["frobnicate", "x"], 2),
        (&["config", "check"], 0),
        (&["explain"], 0),
        (&["providers"], 0),
        (&["lab", "--list"], 0),
        (&["--version"], 0),
    ] {
        let out = p.run(args);
        assert_eq!(out.status.code(), Some(status), "{args:?}: {}", text(&out.stderr));
        if status == 2 {
            assert!(out.stdout.is_empty() && !out.stderr.is_empty(), "{args:?}");
        }
    }
}

#[test]
fn what_was_saved_opens_to_the_same() {
    let p = Program::new();
    let sent = p.lines(&[
        "send",
        "-p",
        "lab",
        "-m",
        "lab/tool-calls",
        "--pace",
        "0",
        "-o",
        "ndjson",
        "--save",
        "s",
    ]);
    let shown = p.lines(&["show", "s", "-o", "ndjson"]);
    assert_eq!(sent, shown);
    let raw = p.run(&["export", "s", "--to", "raw"]).stdout;
    assert_eq!(raw.len() as u64, sent.last().unwrap()["counts"]["bytes"]);
    assert_eq!(raw, p.run(&["export", "s", "--to", "sse"]).stdout);
    assert_eq!(raw, p.run(&["show", "s", "-o", "raw"]).stdout);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(p.path("s")).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_bare_body_has_no_times() {
    let p = Program::new();
    let s = p.show(b": hi\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n", &[]);
    assert_eq!(s["dialect"], "openai-chat");
    assert_eq!(s["content"]["0"], "x");
    assert_eq!(
        (&s["status"], &s["counts"]["chunks"], &s["timing"]["end"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(s["ending"]["transport"], "undecidable");
    assert_eq!(s["sse"]["comments"], serde_json::json!([" hi"]));
    let s = p.show(b"", &["--status", "204", "--content-type", "text/plain"]);
    assert_eq!(
        (&s["status"], &s["content_type"], &s["sse"]),
        (&204.into(), &"text/plain".into(), &Value::Null)
    );
}

#[test]
fn standard_input_and_curl_captures_are_read() {
    let p = Program::new();
    let mut child = p
        .command(&["show", "-", "-o", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"HTTP/1.1 422 X\r\ncontent-type: application/json\r\n\r\n{\"detail\":\"no\"}")
        .unwrap();
    let s: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!((&s["status"], &s["reason"]), (&422.into(), &"http".into()));
}

#[test]
fn what_is_no_session_is_not_overwritten() {
    let p = Program::new();
    std::fs::write(p.path("notes.txt"), "mine\n").unwrap();
    let args = ["send", "-p", "lab", "-m", "lab/hello", "--pace", "0", "--save"];
    let out = p.run(&[&args[..], &["notes.txt"]].concat());
    assert_eq!(out.status.code(), Some(2));
    assert_eq!(std::fs::read_to_string(p.path("notes.txt")).unwrap(), "mine\n");
    for _ in 0..2 {
        assert_eq!(p.run(&[&args[..], &["s"]].concat()).status.code(), Some(0));
    }
}

#[test]
fn damaged_sessions_are_listed_repaired_merged_and_split() {
    let p = Program::new();
    for save in ["a", "b"] {
        p.run(&["send", "-p", "lab", "-m", "lab/answer", "--pace", "0", "--save", save]);
    }
    let mut bytes = std::fs::read(p.path("a")).unwrap();
    let at = bytes.iter().enumerate().filter(|(_, b)| **b == b'\n').nth(2).unwrap().0;
    bytes[at - 5] = 0xff;
    std::fs::write(p.path("a"), &bytes).unwrap();
    let missing = p.run(&["sessions", "a", "missing"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("missing: "), "{missing:?}");
    let listed = p.lines(&["sessions", "a", "b", "--json"]);
    assert_eq!(listed.len(), 2);
    assert_eq!((&listed[1]["outcome"], &listed[1]["x"]), (&"ok".into(), &0.into()));
    assert!(p.lines(&["show", "a", "-o", "ndjson"]).iter().any(|l| l["code"] == "session-damaged"));

    let out = p.run(&["repair", "a", "b", "--into", "c"]);
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert!(text(&out.stderr).contains("line 3"), "{}", text(&out.stderr));
    assert_eq!(p.lines(&["sessions", "c", "--json"]).len(), 2);
    // The file is whole now, and is not overwritten.
    assert!(!text(&p.run(&["show", "c"]).stderr).contains("could not be read"));
    assert_eq!(p.run(&["repair", "a", "--into", "c"]).status.code(), Some(2));
    p.run(&["repair", "c", "--split"]);
    assert_eq!(p.lines(&["sessions", "c.repaired.0", "c.repaired.1", "--json"]).len(), 2);
}

#[test]
fn options_of_every_command_stand_anywhere() {
    let p = Program::new();
    assert_eq!(p.run(&["--quiet", "--color", "never", "providers"]).status.code(), Some(0));
    let out = p.run(&["-p", "lab", "send"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("after the subcommand"));
}

#[test]
fn a_coding_that_cannot_be_undone_leaves_its_bytes() {
    let p = Program::new();
    let lines = p.lab("lab/bad-content-encoding");
    let frames = of(&lines, "frame");
    assert_eq!((frames.len(), &frames[0]["kind"]), (1, &"incomplete".into()));
    assert_eq!(frames[0]["len"], lines.last().unwrap()["counts"]["bytes"]);
}

#[test]
fn a_body_is_sent_byte_for_byte() {
    let p = Program::new();
    let body = "{ \"model\":\"lab/hello\",\"stream\" :true,\"messages\":[]}\n";
    std::fs::write(p.path("b.json"), body).unwrap();
    let sent = p.run(&["send", "-p", "lab", "-b", "b.json", "--save", "s", "--pace", "0"]);
    assert_eq!(sent.status.code(), Some(0), "{}", text(&sent.stderr));
    let file = std::fs::read_to_string(p.path("s")).unwrap();
    let request: Value = serde_json::from_str(file.lines().nth(1).unwrap()).unwrap();
    assert_eq!(request["text"], body);
    let curl = text(&p.run(&["export", "s", "--to", "curl"]).stdout);
    std::fs::write(p.path("c.sh"), &curl).unwrap();
    // The lab of that session is gone: a refused connection is a finding.
    let again = p.run(&["send", "--curl", "@c.sh", "-o", "json"]);
    let s: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((again.status.code(), &s["reason"]), (Some(1), &"refused".into()));
}

/// A server that quotes the key that it was sent, whole and in part, cut between two writes.
fn parrot() -> (String, std::thread::JoinHandle<()>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "http://{}/v1/chat/completions?api_key=queryqueryquery",
        listener.local_addr().unwrap()
    );
    let thread = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut seen = [0; 4096];
        let n = peer.read(&mut seen).unwrap();
        let seen = String::from_utf8_lossy(&seen[..n]).into_owned();
        let key = seen.split("Bearer ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
        let (a, b) = key.split_at(9);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nset-cookie: id={key}\r\nconnection: close\r\n\r\n"
        );
        peer.write_all(head.as_bytes()).unwrap();
        for part in [
            "data: {\"choices\":[{\"delta\":{\"content\":\"your key ",
            a,
            b,
            " is bad\"},\"finish_reason\":\"stop\"}]}\n\n",
            ": ",
            &key[4..],
            "\n\ndata: [DONE]\n\n",
        ] {
            peer.write_all(part.as_bytes()).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(30));
        }
    });
    (url, thread)
}

#[test]
fn no_secret_comes_out_anywhere() {
    let key = "sk-proj-0123456789abcdefghij";
    for format in ["text", "ndjson", "json", "raw"] {
        let p = Program::new();
        let (url, server) = parrot();
        let out = p
            .command(&["send", "-p", "openai", "--url", &url, "-o", format, "--save", "s", "hi"])
            .env("OPENAI_API_KEY", key)
            .output()
            .unwrap();
        server.join().unwrap();
        let file = std::fs::read(p.path("s")).unwrap();
        for (what, bytes) in [("stdout", &out.stdout), ("stderr", &out.stderr), ("file", &file)] {
            for secret in [key.as_bytes(), b"queryqueryquery"] {
                for run in secret.windows(8) {
                    assert!(
                        !bytes.windows(8).any(|w| w == run),
                        "{format}: {what} holds a run of the key: {}",
                        String::from_utf8_lossy(bytes)
                    );
                }
            }
        }
        let raw = p.run(&["export", "s", "--to", "raw"]).stdout;
        assert_eq!(text(&raw).matches('*').count(), key.len() + key.len() - 4);
    }
}

#[test]
fn control_characters_are_never_emitted() {
    let p = Program::new();
    for format in ["text", "ndjson", "json"] {
        let out = p.run(&[
            "send",
            "-p",
            "lab",
            "-m",
            "lab/hostile-control-characters",
            "--pace",
            "0",
            "-o",
            format,
            "--color",
            "never",
        ]);
        let out = text(&out.stdout);
        let bad: Vec<char> =
            out.chars().filter(|c| *c != '\n' && sselens::text::is_hazard(*c)).collect();
        assert!(bad.is_empty(), "{format}: {bad:?}");
        assert!(out.len() > 100);
    }
}

#[cfg(unix)]
fn signal(p: &Program, signal: &str) -> (Option<i32>, String, usize) {
    let child = p
        .command(&["send", "-p", "lab", "-m", "lab/slow", "-o", "ndjson", "--save", "s"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = child;
    let mut out = child.stdout.take().unwrap();
    let mut seen = vec![0; 4000];
    out.read_exact(&mut seen).unwrap();
    Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    let status = child.wait().unwrap();
    let opened = p.lines(&["show", "s", "-o", "ndjson"]);
    let summary = opened.last().unwrap();
    (status.code(), summary["reason"].as_str().unwrap().to_owned(), of(&opened, "frame").len())
}

#[cfg(unix)]
#[test]
fn signals_close_the_file_properly() {
    for (name, status) in [("-INT", 130), ("-TERM", 143)] {
        let (code, reason, frames) = signal(&Program::new(), name);
        assert_eq!((code, reason.as_str()), (Some(status), "cancelled"), "{name}");
        assert!(frames > 3);
    }
}

#[test]
fn a_closed_standard_output_ends_quietly() {
    let p = Program::new();
    let mut child = p
        .command(&["send", "-p", "lab", "-m", "lab/answer", "-o", "ndjson"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let out = child.wait_with_output().unwrap();
    assert_eq!((out.status.code(), text(&out.stderr)), (Some(0), String::new()));
}

#[test]
fn without_a_terminal_the_screen_says_what_to_use() {
    let p = Program::new();
    let out = p.run(&[]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("sselens send"), "{}", text(&out.stderr));
}

#[test]
fn many_exchanges_want_a_number() {
    let p = Program::new();
    p.run(&[
        "send",
        "-p",
        "lab",
        "-m",
        "lab/redirected",
        "--location",
        "--pace",
        "0",
        "--save",
        "s",
    ]);
    let out = p.run(&["export", "s", "--to", "raw"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("--exchange"));
    assert_eq!(p.run(&["export", "s", "--to", "raw", "--exchange", "1"]).status.code(), Some(0));
    assert_eq!(p.run(&["export", "s", "--to", "raw", "--exchange", "7"]).status.code(), Some(2));
}

#[test]
fn limits_are_hit_and_told() {
    let p = Program::new();
    for (args, reason) in [
        (&["-m", "lab/idle-stall", "--idle-timeout", "0.3", "--pace", "0"][..], "timeout"),
        (&["-m", "lab/slow", "--total-timeout", "0.3"], "timeout"),
        (&["-m", "lab/answer", "--max-body", "700", "--pace", "0"], "limit"),
    ] {
        let lines = p.lines(&[&["send", "-p", "lab", "-o", "ndjson"], args].concat());
        let summary = lines.last().unwrap();
        assert_eq!(summary["reason"], reason, "{args:?}");
        assert!(summary["outcome"] != "ok", "{args:?}: a bound that is hit is a finding");
        if reason == "limit" {
            assert_eq!(summary["counts"]["bytes"], 700);
        }
    }
}

#[test]
fn a_full_disk_is_told_and_the_stream_goes_on() {
    if !Path::new("/dev/full").exists() {
        eprintln!("skipped: this system has no /dev/full");
        return;
    }
    let p = Program::new();
    let lab = ["send", "-p", "lab", "-m", "lab/hello", "--pace", "0", "-q", "--save"];
    let out = p.run(&[&lab[..], &["/dev/full", "-o", "ndjson"]].concat());
    assert_eq!(out.status.code(), Some(1));
    assert!(text(&out.stderr).contains("/dev/full: No space left"), "{}", text(&out.stderr));
    let words = text(&out.stdout);
    assert_eq!(words.matches("\"code\":\"save-failed\"").count(), 1, "{words}");
    assert!(words.contains("\"finish\":{\"0\":\"stop\"}"), "{words}");
    // A file that cannot be opened at all is a usage error, before anything is sent.
    assert_eq!(p.run(&[&lab[..], &["nowhere/s"]].concat()).status.code(), Some(2));
}

/// A bound of the shell's on the file's size would end the process that does not listen for it.
#[cfg(unix)]
#[test]
fn a_file_that_grows_too_large_is_told_and_the_stream_goes_on() {
    let p = Program::new();
    // The output is a pipe, to which the limit does not apply.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -f 4; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_sselens")]);
    command.args(["send", "-p", "lab", "-m", "lab/hello", "--pace", "0", "-o", "json"]);
    command.args(["--save", "s"]).current_dir(p.path("")).stdin(Stdio::null());
    let out = command.env("HOME", p.path("")).output().unwrap();
    assert_eq!(out.status.code(), Some(1), "{}", text(&out.stderr));
    let summary: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(summary["finish"]["0"], "stop");
    let codes = summary["findings"].as_array().unwrap();
    assert!(codes.iter().any(|f| f["code"] == "save-failed"), "{summary}");
}

#[test]
fn the_real_recordings_come_out_as_the_sdks_read_them() {
    if !Needs::Recordings.are_met() {
        return;
    }
    let corpus = recordings();
    let index = std::fs::read_to_string(corpus.join("index.json")).unwrap();
    let index: Value = serde_json::from_str(&index).unwrap();
    let p = Program::new();
    let mut bodies = 0;
    for row in index["streams"].as_array().unwrap() {
        let (name, dialect) = (row["name"].as_str().unwrap(), row["dialect"].as_str().unwrap());
        if sselens::dialect::find(dialect).is_none() {
            continue;
        }
        bodies += 1;
        let expect = std::fs::read_to_string(corpus.join(format!("{name}.expect.json"))).unwrap();
        let expect: Value = serde_json::from_str(&expect).unwrap();
        let file = corpus.join(row["file"].as_str().unwrap());
        let status = row["status"].to_string();
        let mut args = vec![
            "show",
            file.to_str().unwrap(),
            "-o",
            "json",
            "--dialect",
            dialect,
            "--status",
            &status,
        ];
        if let Some(t) = row["content_type"].as_str() {
            args.extend(["--content-type", t]);
        }
        let s = &p.lines(&args)[0];
        // An error body may not identify its dialect.
        let reported = [
            "openai-chat",
            "openai-responses",
            "openai-completions",
            "gemini",
            "gemini-array",
            "gemini-interactions",
            "ollama",
        ];
        if reported.contains(&dialect) && row["status"].as_u64() < Some(300) {
            let auto: Vec<_> =
                args.iter().filter(|a| **a != "--dialect" && **a != dialect).copied().collect();
            assert_eq!(p.lines(&auto)[0]["dialect"], dialect, "{name}");
        }
        let content: serde_json::Map<_, _> = expect["content"]
            .as_object()
            .unwrap()
            .clone()
            .into_iter()
            .filter(|(_, v)| v != "")
            .collect();
        assert_eq!(s["content"], Value::Object(content), "{name}");
        let reasoning: String =
            s["reasoning"].as_object().unwrap().values().map(|v| v.as_str().unwrap()).collect();
        assert_eq!(reasoning, expect["reasoning"].as_str().unwrap(), "{name}");
        let finish: Vec<&Value> = s["finish"].as_object().unwrap().values().collect();
        // Both chunks say "finishReason": "STOP"; the SDK raises at the raw error that follows, and returns
        // none to its caller.
        if name != "vertex-gemini-unknown-40958d6e" {
            assert_eq!(
                finish,
                expect["finish"].as_array().unwrap().iter().collect::<Vec<_>>(),
                "{name}"
            );
        }
        let calls = |v: &Value| -> Vec<(Value, Value, Value)> {
            let json = |a: &Value| {
                a.as_str().and_then(|t| serde_json::from_str(t).ok()).unwrap_or(a.clone())
            };
            v.as_array()
                .unwrap()
                .iter()
                .map(|t| (t["id"].clone(), t["name"].clone(), json(&t["arguments"])))
                .collect()
        };
        assert_eq!(calls(&s["tools"]), calls(&expect["tool_calls"]), "{name}");
        // The SDK stops at OpenRouter's error frame, and so never sees the usage that it carries.
        if name != "openrouter-openai-chat-minimax-m2-free-baafd4cb" {
            for key in ["input", "output", "reasoning", "cached", "total"] {
                // Cohere's SDK makes floats of its counts.
                let (ours, theirs) = (&s["usage"][key], &expect["usage"][key]);
                assert_eq!(ours.as_f64(), theirs.as_f64(), "{name}: usage.{key}");
            }
        }
        if expect["framing"]["kind"] == "sse" {
            assert_eq!(s["counts"]["events"], expect["framing"]["events"], "{name}");
        }
    }
    assert!(bodies > 0);
}

#[test]
fn binary_messages_are_frames_with_their_payload() {
    let p = Program::new();
    let mut body = case("eventstream-incomplete").body;
    std::fs::write(p.path("body.bin"), &body).unwrap();
    let lines = p.lines(&["show", "body.bin", "-o", "ndjson"]);
    let frames = of(&lines, "frame");
    assert_eq!(frames[0]["kind"], "message");
    assert_eq!(frames[0]["data"], "{\"role\":\"assistant\"}");
    assert_eq!(frames[0]["event"], Value::Null);
    assert_eq!(frames[2]["kind"], "incomplete");
    assert_eq!(of(&lines, "delta")[0]["path"], "delta.text");
    assert_eq!(lines.last().unwrap()["dialect"], "bedrock-converse");
    // One byte of a payload is no longer UTF-8: the payload is written as base64, and the frames still tile
    // the body.
    let at = frames[0]["len"].as_u64().unwrap() as usize - 6;
    body[at] = 0xff;
    let file = p.path("damaged.bin");
    std::fs::write(&file, &body).unwrap();
    let lines = p.lines(&["show", file.to_str().unwrap(), "-o", "ndjson"]);
    let frames = of(&lines, "frame");
    assert!(frames[0].get("data").is_none());
    assert!(frames[0]["data_base64"].as_str().unwrap().starts_with("eyJyb2xl"));
    let sum: u64 = frames.iter().map(|f| f["len"].as_u64().unwrap()).sum();
    assert_eq!(sum, body.len() as u64);
    assert!(of(&lines, "finding").iter().any(|f| f["code"] == "eventstream-crc"));
}

#[test]
fn a_request_in_a_file_is_sent_with_its_variables() {
    let program = Program::with(&[("WHO", "Ada \"A\"")]);
    program.write(
        "hello.toml",
        "provider = 'lab'\nmodel = 'lab/hello'\nbody = '''{\"model\": \"lab/hello\", \"stream\": true,\n\
         \"messages\": [{\"role\": \"user\", \"content\": \"${GREETING} ${WHO}, $${x}\"}]}'''\n\
         [headers]\nx-place = '${PLACE:-here}'\n[variables]\nGREETING = 'Hello'\n\
         [environments.night]\nGREETING = 'Good night'\n",
    );
    let sent = |more: &[&str]| {
        let args: [&[&str]; 2] =
            [&["send", "--request", "hello.toml", "--save", "s.jsonl", "--pace", "0"], more];
        let _ = std::fs::remove_file(program.path("s.jsonl"));
        program.text(&args.concat());
        let saved = std::fs::read_to_string(program.path("s.jsonl")).unwrap();
        let request = saved.lines().find(|l| l.contains("\"request\"")).unwrap().to_owned();
        assert!(request.contains("x-place"), "{request}");
        request
    };
    let plain = sent(&[]);
    assert!(plain.contains("Hello Ada") && plain.contains(", ${x}"), "{plain}");
    assert!(sent(&["--environment", "night"]).contains("Good night Ada"));
    // A prompt and a model of the command line change only their own spans.
    let other = sent(&["-m", "lab/reasoning-delta", "Something else"]);
    assert!(other.contains("Something else") && other.contains("lab/reasoning-delta"), "{other}");
}

#[test]
fn a_variable_without_a_value_is_refused_before_anything_is_sent() {
    let program = Program::new();
    program.write("r.toml", "provider = 'lab'\nbody = '${ONE} ${TWO}'\n");
    let out = program.run(&["send", "--request", "r.toml", "--save", "s.jsonl"]);
    let why = text(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{why}");
    assert!(why.contains("$ONE and $TWO are not set"), "{why}");
    let curl = "curl http://127.0.0.1:9/v1/chat/completions -H \"x-api-key: $MY_KEY\" -d '{}'";
    let out = program.run(&["send", "--curl", curl]);
    let why = text(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{why}");
    assert!(why.contains("$MY_KEY is not set: set it in the environment"), "{why}");
    let out = program.run(&["send", "--request", "r.toml", "--environment", "prod"]);
    assert!(text(&out.stderr).contains("no environment is called \"prod\"; it has none"));
    assert_eq!(out.status.code(), Some(2));
}

#[test]
fn a_configuration_is_checked_for_all_that_the_screen_refuses() {
    let program = Program::new();
    for (text, why) in [
        ("[theme]\nname = 'nope'\n", "no theme is called \"nope\"; there are auto, contrast"),
        ("keymap = 'ed'\n", "keymap: \"ed\" is none of default, vim, emacs"),
        ("[notify]\ndesktop = 'osc8'\n", "notify.desktop: \"osc8\" is none of off, osc9"),
        ("[keys.panes]\n'D' = 'hlep'\n", "no action is called \"hlep\""),
    ] {
        program.write("c.toml", text);
        let out = program.run(&["config", "check", "--config", "c.toml"]);
        let error = self::text(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{text}: {error}");
        assert!(error.contains(why), "{text}: {error}");
    }
    for keymap in ["default", "vim", "emacs"] {
        program.write("c.toml", format!("keymap = '{keymap}'\n[theme]\nname = 'nord'\n"));
        let out = program.run(&["config", "check", "--config", "c.toml"]);
        assert_eq!(out.status.code(), Some(0), "{keymap}: {}", self::text(&out.stderr));
    }
}
