//! Bedrock's Converse as botocore reads it (`botocore/eventstream.py`, `parsers.py`): its events by the model of
//! the service, which requires exactly one member in some places.

use std::collections::BTreeMap;

use super::value::{python_type, text};
use super::{ClientRun, Raised, Reader, calls};
use crate::frame::eventstream::{Damage, EventStreamMessage};
use crate::json::{Kind, Tape, Value};

/// Makes its reader.
pub(super) fn reader() -> Box<dyn Reader> {
    Box::new(BotocoreReader)
}

#[derive(Debug)]
struct BotocoreReader;

/// The events that the service's model has.
const EVENTS: &[&str] = &[
    "messageStart",
    "contentBlockStart",
    "contentBlockDelta",
    "contentBlockStop",
    "messageStop",
    "metadata",
];

/// The exceptions that it has.
const EXCEPTIONS: &[&str] = &[
    "internalServerException",
    "modelStreamErrorException",
    "validationException",
    "throttlingException",
    "serviceUnavailableException",
];

impl Reader for BotocoreReader {
    fn event(&mut self, _run: &mut ClientRun, _event: &str, _data: &str) {}

    fn message(&mut self, run: &mut ClientRun, bytes: &[u8]) {
        let message = EventStreamMessage::of(bytes);
        if let Some(Damage::Prelude | Damage::Message) = message.damage() {
            return run.raise("ChecksumMismatch", "Checksum mismatch: expected 0x");
        }
        let payload = match std::str::from_utf8(message.payload()) {
            Ok(payload) => payload,
            Err(_) => return run.raise("UnicodeDecodeError", "'utf-8' codec can't decode byte 0x"),
        };
        // Data that is not JSON has none of the fields that are looked up.
        let mut tape = Tape::new();
        let source = if tape.parse(payload).is_ok() { payload } else { "{}" };
        let Ok(()) = tape.parse(source) else { return };
        let Some(json) = tape.root(source) else { return };
        let read = match message.header(":message-type") {
            Some("error" | "exception") => Err(exception(message, json)),
            _ => event(run, message.header(":event-type").unwrap_or_default(), json),
        };
        if let Err(raised) = read {
            run.raise(raised.class, raised.message);
        }
    }
}

/// The error of a message that is one.
fn exception(message: EventStreamMessage<'_>, json: Value<'_>) -> Raised {
    let kind = message.header(":exception-type").unwrap_or_default();
    let (code, words) = match EXCEPTIONS.contains(&kind) {
        true => match object(json) {
            Ok(json) => (kind, text(Some(json), "message").unwrap_or_default()),
            Err(raised) => return raised,
        },
        false => (
            message.header(":error-code").unwrap_or_default(),
            message.header(":error-message").unwrap_or_default().to_owned(),
        ),
    };
    let words =
        format!("An error occurred ({code}) when calling the ConverseStream operation: {words}");
    Raised::new("EventStreamError", words)
}

/// Adds what a careful loop reads from an event.
fn event(run: &mut ClientRun, kind: &str, json: Value<'_>) -> Result<(), Raised> {
    if !EVENTS.contains(&kind) {
        return Ok(());
    }
    if json.is_null() {
        return Err(Raised::new("TypeError", "'NoneType' object is not iterable"));
    }
    let json = object(json)?;
    let index = json.get("contentBlockIndex").and_then(Value::as_u64);
    let (mut start, mut delta, mut thought) = (None, None, None);
    match kind {
        "contentBlockStart" => start = member(json, "start", "ContentBlockStart")?,
        "contentBlockDelta" => delta = member(json, "delta", "ContentBlockDelta")?,
        _ => {}
    }
    if let Some(delta) = delta {
        thought = member(delta, "reasoningContent", "ReasoningContentBlockDelta")?;
    }
    run.given.chunks += 1;
    if let Some(call) = start.and_then(|start| start.get("toolUse")).filter(|c| !c.is_null()) {
        let name = text(Some(call), "name").filter(|name| !name.is_empty());
        let tool = calls::at(run, 0, index);
        tool.name = tool.name.take().or(name);
    }
    for (channel, words) in [
        (&mut run.given.content, delta.and_then(|delta| delta.get("text"))),
        (&mut run.given.reasoning, thought.and_then(|thought| thought.get("text"))),
    ] {
        let words = words.and_then(Value::as_str).unwrap_or_default();
        if !words.is_empty() {
            channel.entry(0).or_default().push_str(&words);
        }
    }
    if let Some(call) = delta.and_then(|delta| delta.get("toolUse")).filter(|c| !c.is_null()) {
        let input = object(call)?.get("input").filter(|input| !input.is_null());
        let input = input.map(|i| i.as_str().unwrap_or_else(|| i.source().into()));
        calls::at(run, 0, index).arguments.push_str(&input.unwrap_or_default());
    }
    let reason = text(Some(json), "stopReason").filter(|reason| !reason.is_empty());
    if let Some(reason) = reason.filter(|_| kind == "messageStop") {
        run.given.finish.insert(0, reason);
    }
    Ok(())
}

/// An object, as its parser requires it.
fn object(json: Value<'_>) -> Result<Value<'_>, Raised> {
    let words = || format!("{} object has no attribute 'get'", python_type(json));
    match json.kind() {
        Kind::Object => Ok(json),
        _ => Err(Raised::new("AttributeError", words())),
    }
}

/// A field that has to have exactly one member, if it is there.
fn member<'a>(of: Value<'a>, name: &str, shape: &str) -> Result<Option<Value<'a>>, Raised> {
    let Some(union) = of.get(name).filter(|union| !union.is_null()) else { return Ok(None) };
    let raised = |class, words: String| Err(Raised::new(class, words));
    match union.kind() {
        Kind::Object => {}
        Kind::Array => return raised("TypeError", "pop expected at most 1 argument, got 2".into()),
        _ => {
            let kind = python_type(union);
            return raised("AttributeError", format!("{kind} object has no attribute 'copy'"));
        }
    }
    // If a key occurs twice, the last one counts.
    let set: BTreeMap<_, _> = union.entries().map(|(key, value)| (key.as_str(), value)).collect();
    let is_set = |(key, value): &(&Option<_>, &Value<'_>)| {
        key.as_deref() != Some("__type") && !value.is_null()
    };
    match set.iter().filter(is_set).count() {
        1 => Ok(Some(union)),
        _ => raised(
            "ResponseParserError",
            format!("Invalid service response: {shape} must have one and only one member set."),
        ),
    }
}
