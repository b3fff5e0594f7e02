//! Facts of single payloads as text, for the dialects that are told from frames of several kinds.

use super::{DIALECTS, Decoder, Fact, Payload};
use crate::frame::Kind;
use crate::json::Tape;

/// Every fact that a decoder tells about these payloads, one line each.
pub(super) fn facts(decoder: &mut dyn Decoder, payloads: &[&str]) -> Vec<String> {
    let payloads: Vec<_> = payloads.iter().map(|p| ("message", *p)).collect();
    facts_of(decoder, Kind::Event, &payloads)
}

/// The same for payloads with event types, in frames of a kind.
pub(super) fn facts_of(
    decoder: &mut dyn Decoder,
    kind: Kind,
    payloads: &[(&str, &str)],
) -> Vec<String> {
    let mut told = Vec::new();
    for (event, data) in payloads {
        with(kind, event, data, |payload| {
            decoder.decode(payload, &mut |fact| told.push(line(&fact)));
        });
    }
    told
}

fn with<T>(kind: Kind, event: &str, data: &str, f: impl FnOnce(&Payload<'_>) -> T) -> T {
    let mut tape = Tape::new();
    let json = tape.parse(data).ok().and_then(|()| tape.root(data));
    f(&Payload { kind, event, data, json })
}

fn line(fact: &Fact<'_>) -> String {
    match fact {
        Fact::Text { channel, path, text, .. } => format!("{channel:?} {path}: {text}"),
        Fact::Tool(t) => {
            format!("tool {} {:?} {:?} {:?} {:?}", t.path, t.index, t.id, t.name, t.arguments)
        }
        Fact::Finish { reason, .. } => format!("finish {reason}"),
        Fact::Usage { path, usage } => {
            format!("usage {path} {:?} {:?}", usage.input, usage.output)
        }
        Fact::Model(model) => format!("model {model}"),
        Fact::Error(e) => format!("error {:?} {:?}: {}", e.shape, e.kind, e.message),
        Fact::Cause { cause, .. } => format!("cause {cause}"),
        Fact::Sentinel => "sentinel".to_owned(),
        Fact::Terminal => "terminal".to_owned(),
    }
}

#[test]
fn a_payload_is_of_one_dialect_at_most() {
    let cases: &[(&str, Kind, &str, &str)] = &[
        (
            "openai-chat",
            Kind::Event,
            "message",
            r#"{"object":"chat.completion.chunk","model":"gpt-x","choices":[{"delta":{}}]}"#,
        ),
        ("anthropic", Kind::Event, "message", r#"{"type":"message_start","message":{}}"#),
        (
            "mistral",
            Kind::Event,
            "message",
            r#"{"object":"chat.completion.chunk","model":"mistral-small-latest","choices":[{"delta":{}}]}"#,
        ),
        (
            "cohere-v2",
            Kind::Event,
            "message-start",
            r#"{"type":"message-start","delta":{"message":{"role":"assistant"}}}"#,
        ),
        ("bedrock-converse", Kind::Message, "messageStart", r#"{"role":"assistant"}"#),
        // {"type":"message_stop"}
        (
            "bedrock-invoke",
            Kind::Message,
            "chunk",
            r#"{"bytes":"eyJ0eXBlIjoibWVzc2FnZV9zdG9wIn0="}"#,
        ),
        ("anthropic", Kind::Event, "x", r#"{"type":"message_stop"}"#),
    ];
    for (name, kind, event, data) in cases {
        let names: Vec<_> = with(*kind, event, data, |payload| {
            DIALECTS.iter().filter(|d| d.recognises(payload).is_some()).map(|d| d.name()).collect()
        });
        assert_eq!(names, [*name], "{data}");
    }
    with(Kind::Event, "ping", r#"{"type":"ping"}"#, |payload| {
        assert!(super::recognise(payload).is_none(), "many send pings");
    });
}
