//! `show --filter` and `show --query`: the frames that match, and nothing else.

use std::process::{Command, Output};

const BODY: &str = concat!(
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"Hm\"}}]}\n\n",
    ": keep-alive\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"one\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"two\"},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
);

fn show(args: &[&str]) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("body.sse");
    std::fs::write(&file, BODY).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sselens"));
    command.env_clear().env("HOME", dir.path()).arg("show").arg(&file).args(args).output().unwrap()
}

fn text(args: &[&str]) -> String {
    String::from_utf8(show(args).stdout).unwrap()
}

#[test]
fn text_has_a_line_for_each_frame_that_matches() {
    let comments = text(&["--filter", "kind:comment"]);
    assert!(comments.contains(": keep-alive") && comments.contains("1 of 5 frames match"));
    assert_eq!(comments.lines().count(), 2, "{comments}");
    let selected = text(&["--query", "$.choices[*].delta.content"]);
    assert!(selected.contains("\"one\"") && selected.contains("\"two\""), "{selected}");
    assert_eq!(selected.lines().count(), 3, "{selected}");
}

#[test]
fn ndjson_has_the_frames_that_match_with_what_the_query_selects() {
    let lines = text(&["--query", "$.choices[0].delta.content", "-o", "ndjson"]);
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let frames: Vec<_> = lines.iter().filter(|l| l["type"] == "frame").collect();
    let found: Vec<_> = frames.iter().map(|f| (f["index"].as_u64(), &f["matches"][0])).collect();
    assert_eq!(found, [(Some(2), &"one".into()), (Some(3), &"two".into())]);
    assert!(lines.iter().filter(|l| l["type"] == "delta").all(|d| d["channel"] == "content"));
    assert!(lines.iter().any(|l| l["type"] == "summary"));
}

#[test]
fn a_mistake_is_usage_and_names_the_option() {
    for (args, why) in [
        (["--filter", "knd:x"], "--filter: no filter is called \"knd\""),
        (["--query", "$.["], "--query: not a JSONPath query"),
    ] {
        let output = show(&args);
        assert_eq!(output.status.code(), Some(2));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(why), "{error}");
    }
}
