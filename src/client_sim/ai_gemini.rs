//! Gemini's `generateContent` as `@ai-sdk/google` reads it: the first candidate, whose parts it opens and
//! closes itself.

use super::ai::{AiParts, PartChannel, is, is_or_null, mistyped};
use super::value::{field, text};
use super::{ClientRun, Reader};
use crate::json::{Kind, Value};

/// Makes its reader.
pub(super) fn reader() -> Box<dyn Reader> {
    Box::<AiGeminiReader>::default()
}

#[derive(Debug, Default)]
struct AiGeminiReader {
    parts: AiParts,
    /// The part that is open, and its number.
    open: Option<(PartChannel, u64)>,
    opened: u64,
    finish: Option<String>,
    /// The prompt was refused: what follows is passed over.
    blocked: bool,
    /// True if an error arrived in the stream.
    failed: bool,
}

impl Reader for AiGeminiReader {
    fn event(&mut self, run: &mut ClientRun, _event: &str, data: &str) {
        if data == "[DONE]" {
            return;
        }
        run.parse(data, &mut |run, json| match is_typed(json) {
            true => self.typed(run, json),
            false => mistyped(run),
        });
    }

    fn close(&mut self, run: &mut ClientRun) {
        if self.failed {
            run.given.finish.insert(0, "error".into());
            return;
        }
        self.parts.finish(run, self.finish.as_deref());
    }
}

impl AiGeminiReader {
    fn typed(&mut self, run: &mut ClientRun, json: Value<'_>) {
        if let Some(error) = field(Some(json), "error") {
            self.failed = true;
            self.finish = None;
            run.report("AI_APICallError", text(Some(error), "message").unwrap_or_default());
            return;
        }
        let reason = text(json.get("promptFeedback"), "blockReason");
        let unspecified = ["", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED"];
        if let Some(reason) = reason.filter(|reason| !unspecified.contains(&reason.as_str()))
            && !self.blocked
        {
            self.blocked = true;
            self.failed = false;
            self.finish = Some(reason);
        }
        let candidate = json.get("candidates").and_then(|c| c.items().next());
        let Some(candidate) = candidate.filter(|c| !c.is_null() && !self.blocked) else { return };
        let parts = || {
            let parts = field(field(Some(candidate), "content"), "parts");
            parts.into_iter().flat_map(Value::items)
        };
        parts().for_each(|part| self.part(run, part));
        parts().for_each(|part| self.call(run, part));
        if let Some(finish) = text(Some(candidate), "finishReason") {
            if finish == "CONTINUATION" {
                run.given.elsewhere = Some("it asks for the rest with another request".into());
            }
            self.failed = false;
            self.finish = Some(finish);
        }
    }

    fn part(&mut self, run: &mut ClientRun, part: Value<'_>) {
        let Some(words) = text(Some(part), "text") else {
            if part.get("inlineData").is_some() {
                self.open = None;
            }
            return;
        };
        if words.is_empty() {
            return;
        }
        let thought = part.get("thought").and_then(Value::as_bool) == Some(true);
        let kind = if thought { PartChannel::Reasoning } else { PartChannel::Text };
        let id = match self.open {
            Some((open, id)) if open == kind => id,
            _ => {
                let id = self.opened;
                self.opened += 1;
                self.open = Some((kind, id));
                self.parts.start(kind, &id.to_string());
                id
            }
        };
        self.parts.delta(run, kind, &id.to_string(), &words);
    }

    fn call(&mut self, run: &mut ClientRun, part: Value<'_>) {
        let Some(call) = part.get("functionCall") else { return };
        if field(Some(call), "partialArgs").is_some() || field(Some(call), "willContinue").is_some()
        {
            run.given.elsewhere = Some("it joins the pieces of a call".into());
        }
        let Some(name) = text(Some(call), "name") else { return };
        let arguments = field(Some(call), "args").map_or("{}", Value::source).to_owned();
        self.parts.call(run, &name, &arguments);
    }
}

/// The schema of a chunk, as far as streams break it.
fn is_typed(json: Value<'_>) -> bool {
    let candidate = |candidate: Value<'_>| {
        let content = field(Some(candidate), "content");
        candidate.kind() == Kind::Object
            && is_or_null(candidate, "finishReason", Kind::String)
            && is_or_null(candidate, "finishMessage", Kind::String)
            && content.is_none_or(|content| {
                content.kind() == Kind::Object && is_or_null(content, "parts", Kind::Array)
            })
    };
    let error = field(Some(json), "error").is_none_or(|error| {
        let code = error.get("code").is_some_and(|c| c.is_null() || c.kind() == Kind::Number);
        code && is(error, "message", Kind::String) && is(error, "status", Kind::String)
    });
    error
        && json.kind() == Kind::Object
        && is_or_null(json, "candidates", Kind::Array)
        && is_or_null(json, "usageMetadata", Kind::Object)
        && is_or_null(json, "promptFeedback", Kind::Object)
        && json.get("candidates").into_iter().flat_map(Value::items).all(candidate)
}
