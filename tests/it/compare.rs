//! `sselens compare`, as a user or a script runs it.

use serde_json::Value;

use crate::support::program::{lines, run};

fn codes(comparison: &Value) -> Vec<&str> {
    let list = comparison["differences"].as_array().unwrap();
    list.iter().map(|d| d["code"].as_str().unwrap()).collect()
}

#[test]
fn two_scenarios_are_sent_at_once_and_compared_in_the_last_line() {
    let output = run(&[
        "compare",
        "lab:lab/reasoning-delta",
        "lab:lab/reasoning-content",
        "--same",
        "--pace",
        "0",
        "-o",
        "json",
    ]);
    let lines = lines(&output);
    assert_eq!(output.status.code(), Some(0), "{lines:?}");
    let kinds: Vec<_> = lines.iter().map(|l| l["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["summary", "summary", "comparison"]);
    let last = &lines[2];
    assert!(codes(last).contains(&"gw-reasoning-renamed"), "{last}");
    assert_eq!((last["a"].as_u64(), last["b"].as_u64()), (Some(0), Some(1)));
    assert!(last["verdict"].as_str().unwrap().starts_with("Same answer from A and B"), "{last}");
}

#[test]
fn two_models_differ_without_being_at_fault() {
    let output =
        run(&["compare", "lab:lab/hello", "lab:lab/reasoning-delta", "--pace", "0", "-o", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let last = lines(&output).pop().unwrap();
    assert_eq!(last["same"], false);
    assert_eq!(codes(&last), ["kinds-differ"]);
    let text = last["verdict"].as_str().unwrap();
    assert!(text.starts_with("Both completed, finish \"stop\"; only B has"), "{text}");
}

#[test]
fn a_lost_end_fails_with_status_1_and_says_so() {
    let output =
        run(&["compare", "lab:lab/truncated-chunked", "lab:lab/hello", "--same", "--pace", "0"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("verdict  B fabricated the end"), "{text}");
}

#[test]
fn recordings_are_compared_and_sessions_by_number() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("both.jsonl");
    let session = session.to_str().unwrap();
    let output = run(&[
        "compare",
        "lab:lab/hello",
        "lab:lab/hello",
        "--pace",
        "0",
        "--save",
        session,
        "-o",
        "json",
    ]);
    assert_eq!(output.status.code(), Some(0));
    // With two exchanges in one file, the user must choose one.
    let output = run(&["compare", session, session]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("#N"));
    let (a, b) = (format!("{session}#0"), format!("{session}#1"));
    let last = lines(&run(&["compare", &a, &b, "-o", "json"])).pop().unwrap();
    assert_eq!(codes(&last), ["bytes-differ"]);
    assert!(last["differences"][0]["message"].as_str().unwrap().contains("ach has a different id"));
    let last = lines(&run(&["compare", &a, &a, "-o", "json"])).pop().unwrap();
    assert_eq!(codes(&last), [] as [&str; 0]);
    assert_eq!(last["verdict"], "No difference: the bodies are identical");
}

#[test]
fn what_cannot_be_compared_is_refused_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.sse");
    std::fs::write(&file, "data: [DONE]\n\n").unwrap();
    let file = file.to_str().unwrap();
    for (args, why) in [
        (vec!["compare", file, "lab"], "a recording is compared with a recording"),
        (vec!["compare", "nobody", "lab"], "is no address, no provider"),
        (vec!["compare", "lab", "lab", "-p", "lab"], "A and B say where"),
        (vec!["compare", "lab", "lab", "-o", "raw"], "two bodies"),
        (vec!["compare", &format!("{file}#7"), file], "has no exchange 7"),
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(text.contains(why), "{args:?}: {text}");
    }
}

/// The bodies of the two requests of a saved session.
fn requests(session: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(session).unwrap();
    let entries = text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap());
    let mut found: Vec<_> = entries.filter(|e| e["type"] == "request").collect();
    found.sort_by_key(|e| e["x"].as_u64());
    let body = |e: &Value| serde_json::from_str(e["text"].as_str().unwrap()).unwrap();
    found.iter().map(body).collect()
}

#[test]
fn a_given_body_goes_to_another_dialect_in_its_words_and_the_loss_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let config = "[providers.claude]\ndialect = \"anthropic\"\nbase_url = \"lab://\"\nmodel = \"lab/hello\"\n\
         [providers.twin]\ndialect = \"openai-chat\"\nbase_url = \"lab://\"\n";
    std::fs::write(path("config.toml"), config).unwrap();
    let body = r#"{"model":"lab/hello",  "messages":[{"role":"user","content":"Hi"}],
        "frequency_penalty":0.5,"stream":true}"#;
    std::fs::write(path("body.json"), body).unwrap();
    let call = |b: &str, session: &str| {
        run(&[
            "--config",
            &path("config.toml"),
            "compare",
            "lab",
            b,
            "-b",
            &path("body.json"),
            "--same",
            "--pace",
            "0",
            "--save",
            session,
            "-o",
            "json",
        ])
    };
    let session = path("other.jsonl");
    let output = call("claude", &session);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("B: the body is translated from openai-chat to anthropic"), "{words}");
    assert!(words.contains("B: lost frequency_penalty = 0.5:"), "{words}");
    let sent = requests(&session);
    assert_eq!(sent[0]["frequency_penalty"], 0.5);
    assert_eq!(sent[1].get("frequency_penalty"), None);
    assert!(sent[1]["max_tokens"].is_number(), "{sent:?}");
    let all = lines(&output);
    assert!(all.iter().take(2).all(|s| s["outcome"] == "ok"), "{all:?}");
    // A provider of the same dialect receives the very same bytes.
    let session = path("alike.jsonl");
    let output = call("twin", &session);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = std::fs::read_to_string(&session).unwrap();
    let given = serde_json::to_string(body).unwrap();
    assert_eq!(text.matches(&given).count(), 2, "{text}");
}

/// A difference is a finding of no one exchange, in the lines that tell all findings.
#[test]
fn differences_are_findings_without_an_exchange() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("both.jsonl").to_str().unwrap().to_owned();
    let pair = ["compare", "lab:lab/reasoning-delta", "lab:lab/hello", "hi", "--pace", "0"];
    let saved = ["--same", "-o", "ndjson", "--save", &session];
    let [a, b] = ["0", "1"].map(|n| format!("{session}#{n}"));
    for output in [
        run(&[&pair[..], &saved].concat()),
        run(&["compare", &a, &b, "--same", "-o", "ndjson"]),
        run(&[&pair[..], &["--same", "-o", "ndjson", "--repeat", "2"]].concat()),
    ] {
        let all = lines(&output);
        let of_none: Vec<_> =
            all.iter().filter(|l| l.get("x").is_some_and(Value::is_null)).collect();
        let differences: Vec<_> = all
            .iter()
            .filter(|l| l["type"] == "comparison")
            .flat_map(|c| c["differences"].as_array().unwrap())
            .collect();
        assert!(differences.len() > 1, "{all:?}");
        assert_eq!(of_none.len(), differences.len());
        for (finding, difference) in of_none.iter().zip(differences) {
            assert_eq!(
                (&finding["type"], &finding["phase"]),
                (&"finding".into(), &"compare".into())
            );
            for key in ["code", "severity", "message"] {
                assert_eq!(finding[key], difference[key]);
            }
            for key in ["at", "frame", "offset"] {
                assert_eq!(finding.get(key), Some(&Value::Null), "{finding}");
            }
        }
        let summary = all.iter().rposition(|l| l["type"] == "summary").unwrap();
        let of_none = all.iter().position(|l| l["x"].is_null() && l["type"] == "finding").unwrap();
        assert!(summary < of_none, "what compares comes last");
    }
}

#[test]
fn a_name_that_is_nothing_is_told_shortly_and_an_empty_session_as_what_it_is() {
    let output = run(&["compare", "nope", "lab"]);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && text.len() < 200, "{text}");
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.jsonl").to_str().unwrap().to_owned();
    let header = "{\"sselens\":\"session\",\"format\":1,\"version\":\"0\",\"created\":\"\"}\n";
    std::fs::write(&empty, header).unwrap();
    // The writer was interrupted before anything began: the file is readable, but empty.
    for (args, status) in [
        (&["compare", &*empty, &*empty][..], 2),
        (&["show", &empty], 0),
        (&["export", &empty, "--to", "har"], 2),
    ] {
        let output = run(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(
            (output.status.code(), text.contains("holds no exchange")),
            (Some(status), true),
            "{text}"
        );
    }
}
