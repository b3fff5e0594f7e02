//! What the tests of all dialects share.

use super::*;
use crate::json::Tape;

/// What the payloads tell, one line a fact, read by a dialect's name or, for `auto`, by the one
/// that recognises the first payload that any does.
pub(super) fn script(dialect: &str, payloads: &[&str]) -> Vec<String> {
    script_of(frame::Kind::Event, dialect, payloads)
}

/// The same for payloads of one kind of frame.
pub(super) fn script_of(kind: frame::Kind, dialect: &str, payloads: &[&str]) -> Vec<String> {
    let mut decoder = find(dialect).map(Dialect::decoder);
    let mut lines = Vec::new();
    for data in payloads {
        let mut tape = Tape::new();
        let _ = tape.parse(data);
        let payload = Payload { kind, event: "message", data, json: tape.root(data) };
        let known: Vec<_> = DIALECTS
            .iter()
            .filter(|d| d.recognises(&payload).is_some())
            .map(|d| d.name())
            .collect();
        assert!(known.len() <= 1, "{data}: {known:?}");
        if decoder.is_none() {
            decoder = recognise(&payload).map(|(d, _)| d.decoder());
        }
        let Some(decoder) = &mut decoder else { continue };
        decoder.decode(&payload, &mut |fact| lines.push(line(&fact)));
    }
    lines
}

fn line(fact: &Fact<'_>) -> String {
    let n = |n: Option<u64>| n.map_or("-".to_owned(), |n| n.to_string());
    match fact {
        Fact::Text { choice, channel, path, text, duplicate } => {
            let again = if *duplicate { " (again)" } else { "" };
            format!("{} {choice} {path}{again}: {text}", channel.name())
        }
        Fact::Tool(t) => {
            let or = |s: &Option<Cow<'_, str>>| s.as_deref().unwrap_or("-").to_owned();
            let arguments = t.arguments.as_deref().unwrap_or_default();
            format!("tool {:?} {} {} {} {arguments}", t.index, t.path, or(&t.id), or(&t.name))
        }
        Fact::Finish { choice, reason } => format!("finish {choice} {reason}"),
        Fact::Usage { path, usage: u } => format!(
            "usage {path} {} {} {} {} {}",
            n(u.input),
            n(u.output),
            n(u.reasoning),
            n(u.cached),
            n(u.total)
        ),
        Fact::Model(model) => format!("model {model}"),
        Fact::Error(e) => format!("error {}: {}", e.kind.as_deref().unwrap_or("-"), e.message),
        Fact::Cause { choice, cause } => format!("cause {choice} {cause}"),
        Fact::Sentinel => "sentinel".into(),
        Fact::Terminal => "terminal".into(),
    }
}

#[test]
fn an_error_decides_no_dialect() {
    for data in [r#"{"error":{"message":"boom"}}"#, r#"{"error":"boom"}"#, "[DONE]"] {
        let mut tape = Tape::new();
        let _ = tape.parse(data);
        let json = tape.root(data);
        let payload = Payload { kind: frame::Kind::Event, event: "message", data, json };
        assert!(recognise(&payload).is_none());
        assert!(fallback(&payload).is_some());
    }
}
