//! Rules about what a chunk says of itself beside its choices: id, model, created, fields that
//! OpenAI's schema does not have.

use super::{Chunk, Code, Detector, FrameView, Out, Place};
use crate::inspect::Inspection;
use crate::json::{self, Value};
use crate::text;

/// How many strange fields are named.
const MAX_NAMED: usize = 12;

#[derive(Default)]
pub(super) struct Identity {
    id: Option<String>,
    model: Option<String>,
    created: Option<String>,
    /// Size of the shape table when fields were last compared: a new field makes it grow.
    paths: usize,
    strange: Vec<String>,
    first_strange: Place,
}

impl Detector for Identity {
    fn frame(&mut self, now: &Inspection, seen: &FrameView<'_>, out: &mut Out<'_>) {
        let Some(Chunk { json, choices, id, model, created }) = seen.chunk else { return };
        if let Some(id) = id {
            self.id(seen, id, json, out);
        }
        if let Some(model) = model {
            self.model(seen, model, out);
        }
        if let Some(created) = created {
            self.created(seen, created, out);
        }
        if now.shape().len() != self.paths {
            self.paths = now.shape().len();
            if choices.is_some() {
                self.fields(seen, json);
            }
        }
    }

    fn end(&mut self, _now: &Inspection, out: &mut Out<'_>) {
        if !self.strange.is_empty() {
            let message = format!("Fields outside OpenAI's schema: {}.", self.strange.join(", "));
            out.raise(Code::UnknownField, self.first_strange, message);
        }
    }
}

impl Identity {
    fn id(&mut self, seen: &FrameView<'_>, value: Value<'_>, json: Value<'_>, out: &mut Out<'_>) {
        let source = value.source();
        match &self.id {
            Some(id) if id == source => {}
            _ if source == "\"\"" => {
                // Azure's first chunk, about the prompt, has no identity at all.
                let about_prompt = json.get("choices").is_some_and(Value::is_empty);
                if !about_prompt {
                    out.raise_once(Code::IdEmpty, seen.place(), "A chunk's id is empty.");
                }
            }
            _ if value.kind() != json::Kind::String => overflow(seen, "id", value, out),
            None => self.id = Some(source.to_owned()),
            Some(first) => differs(Code::IdChanges, "id", first, source, seen, out),
        }
    }

    fn model(&mut self, seen: &FrameView<'_>, value: Value<'_>, out: &mut Out<'_>) {
        let source = value.source();
        match &self.model {
            Some(model) if model == source => {}
            // Empty first, then the name: Azure's model router.
            _ if matches!(source, "\"\"" | "null") => {}
            None => self.model = Some(source.to_owned()),
            Some(first) => differs(Code::ModelChanges, "model", first, source, seen, out),
        }
    }

    fn created(&mut self, seen: &FrameView<'_>, value: Value<'_>, out: &mut Out<'_>) {
        let source = value.source();
        match &self.created {
            Some(created) if created == source => {}
            _ if matches!(source, "0" | "null") => {}
            None => {
                overflow(seen, "created", value, out);
                self.created = Some(source.to_owned());
            }
            Some(first) => differs(Code::CreatedChanges, "created", first, source, seen, out),
        }
    }

    /// Names the fields that a frame has and OpenAI's schema has not.
    fn fields(&mut self, seen: &FrameView<'_>, json: Value<'_>) {
        const TOP: &[&str] = &[
            "id",
            "object",
            "created",
            "model",
            "choices",
            "usage",
            "service_tier",
            "system_fingerprint",
            "obfuscation",
            "error",
        ];
        const CHOICE: &[&str] = &["index", "delta", "finish_reason", "logprobs", "message"];
        const DELTA: &[&str] = &[
            "content",
            "role",
            "refusal",
            "tool_calls",
            "function_call",
            "reasoning",
            "reasoning_content",
            "reasoning_details",
            "audio",
        ];
        let mut compare = |value: Value<'_>, known: &[&str], under: &str| {
            for (key, _) in value.entries() {
                let name = key.as_str().unwrap_or_default();
                if known.contains(&name.as_ref()) || self.strange.len() >= MAX_NAMED {
                    continue;
                }
                let path = format!("{under}{}", text::preview(&name, 40));
                if !self.strange.contains(&path) {
                    if self.strange.is_empty() {
                        self.first_strange = seen.place();
                    }
                    self.strange.push(path);
                }
            }
        };
        compare(json, TOP, "");
        for choice in json.get("choices").into_iter().flat_map(Value::items) {
            compare(choice, CHOICE, "choices[].");
            if let Some(delta) = choice.get("delta") {
                compare(delta, DELTA, "choices[].delta.");
            }
        }
    }
}

/// The first difference is told; that there are more, the shape table and the frames show.
fn differs(
    rule: Code,
    what: &str,
    first: &str,
    here: &str,
    seen: &FrameView<'_>,
    out: &mut Out<'_>,
) {
    if out.again(rule) {
        return;
    }
    let plain = |s: &str| text::preview(s.trim_matches('"'), 60);
    let message = format!(
        "The {what} changes: first {}, in frame {} {}.",
        plain(first),
        seen.index,
        plain(here)
    );
    out.raise(rule, seen.place(), message);
}

fn overflow(seen: &FrameView<'_>, what: &str, value: Value<'_>, out: &mut Out<'_>) {
    let whole = value.as_u64().is_some_and(|n| n <= 1 << 53);
    if value.kind() == json::Kind::Number && !whole {
        let message = format!(
            "{what} is {}, which is no integer of 53 bits.",
            text::preview(value.source(), 40)
        );
        out.raise_once(Code::JsonNumberOverflow, seen.place(), message);
    }
}
