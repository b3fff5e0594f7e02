//! Anthropic's events, as its Python client reads them.

use super::head::python;
use super::{Run, calls};
use crate::json::{Tape, Value};

/// Reads one event: its name decides, and one without a name is passed over.
pub(super) fn event(run: &mut Run, event: &str, data: &str) {
    match event {
        "" => run.notes.nameless += 1,
        "ping" => {}
        "error" => {
            let mut tape = Tape::new();
            let json = tape.parse(data).ok().and_then(|()| tape.root(data));
            let words = json.map_or_else(|| data.to_owned(), python);
            let words = if words.is_empty() { "Error code: 200".into() } else { words };
            run.raise("APIStatusError", words);
        }
        _ if data.is_empty() => {}
        _ => run.payload(data),
    }
}

/// Reads one payload.
pub(super) fn read(run: &mut Run, json: Value<'_>) {
    run.given.chunks += 1;
    let given = &mut run.given;
    let index = json.get("index").and_then(Value::as_u64);
    let delta = json.get("delta");
    match json.str("type").as_deref() {
        Some("content_block_start") => {
            let block = json.get("content_block");
            if block.and_then(|b| b.str("type")).as_deref() == Some("tool_use") {
                let name = block.and_then(|b| b.str("name")).map(|n| n.into_owned());
                let tool = calls::at(run, 0, index);
                tool.name = tool.name.take().or(name);
            }
        }
        Some("content_block_delta") => {
            let text = |name| delta.and_then(|d| d.str(name)).unwrap_or_default();
            for (channel, name) in
                [(&mut given.content, "text"), (&mut given.reasoning, "thinking")]
            {
                let text = text(name);
                if !text.is_empty() {
                    channel.entry(0).or_default().push_str(&text);
                }
            }
            if let Some(piece) = delta.and_then(|d| d.str("partial_json")) {
                calls::at(run, 0, index).arguments.push_str(&piece);
            }
        }
        Some("message_delta") => {
            if let Some(reason) = delta.and_then(|d| d.str("stop_reason")) {
                given.finish.insert(0, reason.into_owned());
            }
        }
        _ => {}
    }
}
