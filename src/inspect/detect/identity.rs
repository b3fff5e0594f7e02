//! Rules about what a chunk says of itself beside its choices: id, model, created, fields that
//! OpenAI's schema does not have.

use super::{Chunk, Code, Detector, Findings, FrameView, Place};
use crate::inspect::Facts;
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
    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        let Some(Chunk { json, choices, id, model, created }) = view.chunk else { return };
        if let Some(id) = id {
            self.id(view, id, json, findings);
        }
        if let Some(model) = model {
            self.model(view, model, findings);
        }
        if let Some(created) = created {
            self.created(view, created, findings);
        }
        if facts.shape().len() != self.paths {
            self.paths = facts.shape().len();
            if choices.is_some() {
                self.fields(view, json);
            }
        }
    }

    fn end(&mut self, _facts: &Facts, findings: &mut Findings) {
        if !self.strange.is_empty() {
            let message = format!("Fields outside OpenAI's schema: {}", self.strange.join(", "));
            findings.raise(Code::UnknownField, self.first_strange, message);
        }
    }
}

impl Identity {
    fn id(
        &mut self,
        view: &FrameView<'_>,
        value: Value<'_>,
        json: Value<'_>,
        findings: &mut Findings,
    ) {
        let source = value.source();
        match &self.id {
            Some(id) if id == source => {}
            _ if source == "\"\"" => {
                // Azure's first chunk, about the prompt, has no identity at all.
                let about_prompt = json.get("choices").is_some_and(Value::is_empty);
                if !about_prompt {
                    findings.raise_once(Code::IdEmpty, view.place(), "Chunk with an empty id");
                }
            }
            _ if value.kind() != json::Kind::String => overflow(view, "id", value, findings),
            None => self.id = Some(source.to_owned()),
            Some(first) => differs(Code::IdChanges, "id", first, source, view, findings),
        }
    }

    fn model(&mut self, view: &FrameView<'_>, value: Value<'_>, findings: &mut Findings) {
        let source = value.source();
        match &self.model {
            Some(model) if model == source => {}
            // Empty first, then the name: Azure's model router.
            _ if matches!(source, "\"\"" | "null") => {}
            None => self.model = Some(source.to_owned()),
            Some(first) => differs(Code::ModelChanges, "model", first, source, view, findings),
        }
    }

    fn created(&mut self, view: &FrameView<'_>, value: Value<'_>, findings: &mut Findings) {
        let source = value.source();
        match &self.created {
            Some(created) if created == source => {}
            _ if matches!(source, "0" | "null") => {}
            None => {
                overflow(view, "created", value, findings);
                self.created = Some(source.to_owned());
            }
            Some(first) => differs(Code::CreatedChanges, "created", first, source, view, findings),
        }
    }

    /// Names the fields that a frame has and OpenAI's schema has not.
    fn fields(&mut self, view: &FrameView<'_>, json: Value<'_>) {
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
                        self.first_strange = view.place();
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
    view: &FrameView<'_>,
    findings: &mut Findings,
) {
    if findings.again(rule) {
        return;
    }
    let plain = |s: &str| text::preview(s.trim_matches('"'), 60);
    let message = format!(
        "The {what} changes from {0} to {2} in frame {1}",
        plain(first),
        view.index,
        plain(here)
    );
    findings.raise(rule, view.place(), message);
}

fn overflow(view: &FrameView<'_>, what: &str, value: Value<'_>, findings: &mut Findings) {
    let whole = value.as_u64().is_some_and(|n| n <= 1 << 53);
    if value.kind() == json::Kind::Number && !whole {
        let message =
            format!("{what} is {}, not an integer of 53 bits", text::preview(value.source(), 40));
        findings.raise_once(Code::JsonNumberOverflow, view.place(), message);
    }
}
