//! Streams of no dialect that is known: what they say of errors and of their end is still plain enough to be
//! read.

use std::borrow::Cow;

use super::emit::{error_kind, word};
use super::{DecodeEvent, Decoder, ErrorShape, InBandError, Payload, error_text};
use crate::frame;
use crate::json::{Kind, Value};

/// Reads what any stream may say, whoever speaks: an error, and `[DONE]`.
#[derive(Default)]
pub(super) struct Unknown;

impl Decoder for Unknown {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if payload.data.starts_with("[DONE]") {
            emit(DecodeEvent::Sentinel);
        } else if let Some(error) = plain_error(payload) {
            emit(DecodeEvent::Error(error));
        }
    }
}

/// Returns the error that a payload plainly is, in whatever protocol. A server or gateway that fails midway writes
/// its own kind of error into any stream, so this is asked too where a dialect makes nothing of a payload.
pub fn plain_error<'a>(payload: &Payload<'a>) -> Option<InBandError<'a>> {
    if payload.kind == frame::FrameKind::Message {
        return exception(payload);
    }
    let named = is_error_name(payload.event);
    let object = match payload.json {
        Some(list) if list.kind() == Kind::Array => {
            list.items().next().filter(|i| i.get("error").is_some_and(is_set))
        }
        json => json.filter(|j| j.kind() == Kind::Object),
    };
    let Some(json) = object else {
        let message = Cow::Borrowed(payload.data);
        return (named && !payload.data.trim().is_empty()).then_some(InBandError {
            message,
            kind: None,
            shape: ErrorShape::Text,
        });
    };
    if let Some(error) = json.get("error").filter(|e| is_set(*e)) {
        let shape =
            if error.kind() == Kind::Object { ErrorShape::Object } else { ErrorShape::Text };
        let kind = error_kind(error).or_else(|| error_kind(json));
        // If there is a class name and a sentence, the sentence says more.
        let message = match json.str("message").filter(|_| shape == ErrorShape::Text) {
            Some(message) => message,
            None => error_text(error),
        };
        return Some(InBandError { message, kind, shape });
    }
    (named || says_error(json)).then(|| InBandError {
        message: error_text(json),
        kind: error_kind(json),
        shape: ErrorShape::Flat,
    })
}

/// AWS declares its exceptions in the headers of a message.
fn exception<'a>(payload: &Payload<'a>) -> Option<InBandError<'a>> {
    let failed = payload.event.ends_with("Exception") || is_error_name(payload.event);
    let content = payload.json.filter(|j| j.kind() == Kind::Object);
    let text = content.map(|json| {
        json.str("message").or_else(|| json.str("Message")).unwrap_or_else(|| error_text(json))
    });
    let plain = if payload.data.is_empty() { payload.event } else { payload.data };
    failed.then(|| InBandError {
        message: text.unwrap_or(Cow::Borrowed(plain)),
        kind: Some(Cow::Borrowed(payload.event)),
        shape: ErrorShape::Object,
    })
}

/// Returns whether an event's name or type says that it is an error.
fn is_error_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.strip_suffix("error").is_some_and(|before| {
        before.is_empty() || before.ends_with(|c: char| !c.is_ascii_alphanumeric())
    })
}

/// Returns whether a value is more than an empty placeholder.
fn is_set(value: Value<'_>) -> bool {
    !matches!(value.raw(), b"null" | b"false" | b"0" | b"\"\"" | b"{}" | b"[]")
}

/// Keys that appear beside a `detail` or a list of `errors` where that is all there is to say.
const ABOUT: &[&str] = &[
    "detail",
    "errors",
    "title",
    "type",
    "status",
    "status_code",
    "instance",
    "code",
    "message",
    "msg",
    "headers",
    "trace",
    "request_id",
    "timestamp",
    "path",
];

/// Returns whether an object without an `error` key says that it is one.
fn says_error(json: Value<'_>) -> bool {
    let named = ["type", "event", "object", "kind"]
        .iter()
        .any(|key| json.str(key).is_some_and(|name| is_error_name(&name)));
    let status = ["status", "status_code", "statusCode"]
        .iter()
        .filter_map(|key| json.get(key).and_then(Value::as_u64))
        .any(|status| (400..600).contains(&status));
    let only = || json.entries().all(|(key, _)| ABOUT.iter().any(|known| key.is(known)));
    let complains = ["detail", "errors"].iter().any(|key| json.get(key).is_some_and(is_set));
    let coded = (word(json, "message").is_some() || word(json, "msg").is_some())
        && json.get("code").is_some_and(is_set);
    named
        || status
        || json.str("errorText").is_some_and(|text| !text.is_empty())
        || ((complains || coded) && only())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Tape;

    fn error(event: &str, data: &str) -> Option<String> {
        let mut tape = Tape::new();
        let _ = tape.parse(data);
        let kind = frame::FrameKind::Event;
        let payload = Payload { kind, event, data, json: tape.root(data), id: None };
        plain_error(&payload).map(|e| e.message.into_owned())
    }

    #[test]
    fn plain_errors_are_read_with_their_text() {
        for (event, data, text) in [
            ("message", r#"{"error":{"message":"boom"}}"#, "boom"),
            ("message", r#"{"error":"boom"}"#, "boom"),
            ("message", r#"{"error":"RateLimit","message":"slow down"}"#, "slow down"),
            ("message", r#"{"type":"error","errorText":"boom"}"#, "boom"),
            ("message", r#"{"type":"RUN_ERROR","message":"boom"}"#, "boom"),
            ("message", r#"{"type":"chat.error","detail":"boom"}"#, "boom"),
            ("message", r#"{"event":"error","data":"x","message":"boom"}"#, "boom"),
            ("message", r#"{"status":503,"message":"boom","task":1}"#, "boom"),
            ("message", r#"{"detail":[{"loc":["a","b"],"msg":"boom"}]}"#, "a.b: boom"),
            ("message", r#"{"errors":[{"code":"c","message":"boom"}],"trace":"t"}"#, "boom"),
            ("message", r#"{"code":4000,"msg":"boom"}"#, "boom"),
            ("error", "boom", "boom"),
            ("stream_error", r#"{"reason":"boom"}"#, r#"{"reason":"boom"}"#),
        ] {
            assert_eq!(error(event, data).as_deref(), Some(text), "{data}");
        }
    }

    #[test]
    fn what_only_has_a_word_of_them_is_none() {
        for data in [
            r#"{"error":null,"text":"a"}"#,
            r#"{"error":false}"#,
            r#"{"code":0,"msg":"ok"}"#,
            r#"{"code":0,"message":"success"}"#,
            r#"{"detail":"high","image":"x"}"#,
            r#"{"status":200,"message":"ok"}"#,
            r#"{"status":"running"}"#,
            r#"{"type":"terror"}"#,
            r#"{"message":"hello"}"#,
            "hello",
        ] {
            assert_eq!(error("message", data), None, "{data}");
        }
    }
}
