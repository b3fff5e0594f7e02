//! Code that the tests of all dialects share.

use std::borrow::Cow;

use super::*;
use crate::json::Tape;

/// Returns what the payloads report, one line per fact, read by a dialect's name or, for `auto`, by the one
/// that recognizes the first payload that any does.
pub(super) fn script(dialect: &str, payloads: &[&str]) -> Vec<String> {
    script_of(frame::FrameKind::Event, dialect, payloads)
}

/// The same for payloads of one kind of frame.
pub(super) fn script_of(kind: frame::FrameKind, dialect: &str, payloads: &[&str]) -> Vec<String> {
    let payloads: Vec<_> = payloads.iter().map(|data| ("message", *data)).collect();
    script_of_events(kind, dialect, &payloads)
}

/// The same for payloads with the types of their events.
pub(super) fn script_of_events(
    kind: frame::FrameKind,
    dialect: &str,
    payloads: &[(&str, &str)],
) -> Vec<String> {
    let mut decoder = find(dialect).map(Dialect::decoder);
    let mut lines = Vec::new();
    for (event, data) in payloads {
        with(kind, event, data, |payload| {
            let known = known_by(payload);
            assert!(known.len() <= 1, "{data}: {known:?}");
            if decoder.is_none() {
                decoder = recognize(payload).map(|(d, _)| d.decoder());
            }
            if let Some(decoder) = &mut decoder {
                decoder.decode(payload, &mut |fact| lines.push(line(&fact)));
            }
        });
    }
    lines
}

/// A payload as the fold makes it of a frame's data.
fn with<T>(
    kind: frame::FrameKind,
    event: &str,
    data: &str,
    f: impl FnOnce(&Payload<'_>) -> T,
) -> T {
    let mut tape = Tape::new();
    let _ = tape.parse(data);
    f(&Payload { kind, event, data, json: tape.root(data), id: None })
}

/// The dialects that a payload may be of.
fn known_by(payload: &Payload<'_>) -> Vec<&'static str> {
    DIALECTS.iter().filter(|d| d.recognizes(payload).is_some()).map(|d| d.name()).collect()
}

fn line(fact: &DecodeEvent<'_>) -> String {
    let n = |n: Option<u64>| n.map_or("-".to_owned(), |n| n.to_string());
    match fact {
        DecodeEvent::Text { choice, channel, path, text, duplicate } => {
            let again = if *duplicate { " (again)" } else { "" };
            format!("{} {choice} {path}{again}: {text}", channel.name())
        }
        DecodeEvent::Whole { choice, channel, text } => {
            format!("whole {} {choice}: {text}", channel.name())
        }
        DecodeEvent::Tool(t) => {
            let or = |s: &Option<Cow<'_, str>>| s.as_deref().unwrap_or("-").to_owned();
            let (id, name, arguments) = (or(&t.id), or(&t.name), or(&t.arguments));
            format!("tool {:?} {} {id} {name} {arguments}", t.index, t.path)
        }
        DecodeEvent::Finish { choice, reason } => format!("finish {choice} {reason}"),
        DecodeEvent::Usage { path, usage: u } => format!(
            "usage {path} {} {} {} {} {}",
            n(u.input),
            n(u.output),
            n(u.reasoning),
            n(u.cached),
            n(u.total)
        ),
        DecodeEvent::Model(model) => format!("model {model}"),
        DecodeEvent::Error(e) => {
            format!("error {:?} {}: {}", e.shape, e.kind.as_deref().unwrap_or("-"), e.message)
        }
        DecodeEvent::Cause { choice, cause } => format!("cause {choice} {cause}"),
        DecodeEvent::Sentinel => "sentinel".into(),
        DecodeEvent::Terminal => "terminal".into(),
        DecodeEvent::Begun => "begun".into(),
    }
}

#[test]
fn an_error_decides_no_dialect_and_is_read() {
    for data in [r#"{"error":{"message":"boom"}}"#, r#"{"error":"boom"}"#, "[DONE]"] {
        with(frame::FrameKind::Event, "message", data, |payload| {
            assert!(recognize(payload).is_none());
            let mut events = Vec::new();
            unknown().decode(payload, &mut |fact| events.push(line(&fact)));
            assert_eq!(events.len(), 1, "{data}");
        });
    }
}

#[test]
fn a_payload_is_of_one_dialect_at_most() {
    let cases: &[(&str, frame::FrameKind, &str, &str)] = &[
        (
            "openai-chat",
            frame::FrameKind::Event,
            "message",
            r#"{"object":"chat.completion.chunk","model":"gpt-x","choices":[{"delta":{}}]}"#,
        ),
        (
            "anthropic",
            frame::FrameKind::Event,
            "message",
            r#"{"type":"message_start","message":{}}"#,
        ),
        (
            "mistral",
            frame::FrameKind::Event,
            "message",
            r#"{"object":"chat.completion.chunk","model":"mistral-small-latest","choices":[{"delta":{}}]}"#,
        ),
        (
            "cohere-v2",
            frame::FrameKind::Event,
            "message-start",
            r#"{"type":"message-start","delta":{"message":{"role":"assistant"}}}"#,
        ),
        ("bedrock-converse", frame::FrameKind::Message, "messageStart", r#"{"role":"assistant"}"#),
        // {"type":"message_stop"}
        (
            "bedrock-invoke",
            frame::FrameKind::Message,
            "chunk",
            r#"{"bytes":"eyJ0eXBlIjoibWVzc2FnZV9zdG9wIn0="}"#,
        ),
        ("anthropic", frame::FrameKind::Event, "x", r#"{"type":"message_stop"}"#),
    ];
    for (name, kind, event, data) in cases {
        let names = with(*kind, event, data, known_by);
        assert_eq!(names, [*name], "{data}");
    }
    with(frame::FrameKind::Event, "ping", r#"{"type":"ping"}"#, |payload| {
        assert!(recognize(payload).is_none(), "many send pings");
    });
}
