//! Google Gemini, `streamGenerateContent`: every payload is a whole response, whose parts are the
//! next pieces. As server-sent events, or as one JSON array without `alt=sse`.
//!
//! There is no sentinel. A tool call comes whole, unless its arguments are asked for in pieces:
//! then it begins with a name, goes on without, and ends with an empty `functionCall`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{
    Channel, Decoder, Dialect, EndingRules, ErrorShape, Fact, InBandError, Path, Payload,
    RequestParts, RequestSide, ToolPiece, Usage, error_text, openai_chat,
};
use crate::frame;
use crate::json::{Kind, Value};

/// The dialects `gemini` and `gemini-array`.
pub(super) struct Gemini {
    /// One JSON array instead of events.
    pub(super) array: bool,
}

impl Dialect for Gemini {
    fn name(&self) -> &'static str {
        if self.array { "gemini-array" } else { "gemini" }
    }

    fn about(&self) -> &'static str {
        if self.array {
            "Google Gemini generateContent as one JSON array (no alt=sse)"
        } else {
            "Google Gemini and Vertex AI generateContent (SSE)"
        }
    }

    fn request(&self) -> RequestSide {
        RequestSide {
            path: if self.array {
                "/models/{model}:streamGenerateContent"
            } else {
                "/models/{model}:streamGenerateContent?alt=sse"
            },
            key_header: ("x-goog-api-key", ""),
            headers: &[],
            body: request_body,
        }
    }

    fn ending(&self) -> EndingRules {
        EndingRules { sentinel: false, terminal: false, finishes: FINISHES }
    }

    fn recognises(&self, payload: &Payload<'_>) -> bool {
        if (payload.kind == frame::Kind::Element) != self.array {
            return false;
        }
        let Some(json) = payload.json.map(unwrapped) else { return false };
        let has = |key, kind| json.get(key).is_some_and(|v| v.kind() == kind);
        // Gateways put Google's usage beside events of another kind.
        let other = ["type", "event_type", "choices"].iter().any(|key| json.get(key).is_some());
        !other
            && (has("candidates", Kind::Array)
                || has("usageMetadata", Kind::Object)
                || has("promptFeedback", Kind::Object))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<Responses>::default()
    }
}

const FINISHES: &[&str] = &[
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "IMAGE_SAFETY",
    "UNEXPECTED_TOOL_CALL",
    "TOO_MANY_TOOL_CALLS",
    "IMAGE_PROHIBITED_CONTENT",
    "NO_IMAGE",
    "IMAGE_RECITATION",
    "IMAGE_OTHER",
    "MISSING_THOUGHT_SIGNATURE",
    "MALFORMED_RESPONSE",
    "MODEL_ARMOR",
    "ESCALATION",
    "CONTINUATION",
];

fn request_body(parts: &RequestParts<'_>) -> String {
    let mut body = serde_json::json!({
        "contents": [{"role": "user", "parts": [{"text": parts.prompt}]}],
    });
    if let (Some(system), Some(members)) = (parts.system, body.as_object_mut()) {
        let system = serde_json::json!({"parts": [{"text": system}]});
        members.insert("systemInstruction".into(), system);
    }
    serde_json::to_string_pretty(&body).unwrap_or_default()
}

/// Google's Code Assist puts each response under `response`. Paths are those inside of it.
fn unwrapped(json: Value<'_>) -> Value<'_> {
    let inner = json.get("response").filter(|r| r.kind() == Kind::Object);
    inner.filter(|_| json.get("type").is_none()).unwrap_or(json)
}

#[derive(Default)]
struct Responses {
    told_model: bool,
    /// How many calls each candidate has made; they carry no index.
    calls: BTreeMap<u32, u64>,
}

impl Decoder for Responses {
    fn decode(&mut self, payload: &Payload<'_>, tell: &mut dyn FnMut(Fact<'_>)) {
        if payload.data.starts_with("[DONE]") {
            tell(Fact::Sentinel);
            return;
        }
        let json = payload.json.filter(|j| j.kind() == Kind::Object).map(unwrapped);
        // An array that is no stream is an error's wrapping.
        let json = json.or_else(|| {
            let list = payload.json.filter(|j| j.kind() == Kind::Array)?;
            list.items().next().filter(|i| i.get("error").is_some())
        });
        if let Some(error) = error_in(json, payload) {
            tell(Fact::Error(error));
        }
        let Some(json) = json else { return };
        if !self.told_model
            && let Some(model) = json.str("modelVersion").filter(|m| !m.is_empty())
        {
            self.told_model = true;
            tell(Fact::Model(model));
        }
        let candidates = json.get("candidates").into_iter().flat_map(Value::items);
        for (position, candidate) in candidates.enumerate() {
            self.candidate(candidate, position, tell);
        }
        let usage = json.get("usageMetadata").map(usage_of);
        if let Some(usage) = usage.filter(Usage::is_given) {
            tell(Fact::Usage { path: Path::new("usageMetadata", 0), usage });
        }
    }
}

impl Responses {
    fn candidate(&mut self, candidate: Value<'_>, position: usize, tell: &mut dyn FnMut(Fact<'_>)) {
        let choice = candidate.get("index").and_then(Value::as_u64).unwrap_or(0) as u32;
        let parts = candidate.at(&["content", "parts"]).into_iter().flat_map(Value::items);
        for (i, part) in parts.enumerate() {
            let path = |template| Path::new(template, position).second(i);
            let mut say = |channel, template, text: Option<Cow<'_, str>>| {
                if let Some(text) = text.filter(|t| !t.is_empty()) {
                    let path = path(template);
                    tell(Fact::Text { choice, channel, path, text, duplicate: false });
                }
            };
            let thought = part.get("thought").and_then(Value::as_bool) == Some(true);
            let channel = if thought { Channel::Reasoning } else { Channel::Content };
            say(channel, "candidates[#].content.parts[#].text", part.str("text"));
            // Code that the server wrote and ran, and what came of it.
            let code = part.get("executableCode").and_then(|c| c.str("code"));
            say(Channel::Other, "candidates[#].content.parts[#].executableCode.code", code);
            let output = part.get("codeExecutionResult").and_then(|c| c.str("output"));
            say(
                Channel::Other,
                "candidates[#].content.parts[#].codeExecutionResult.output",
                output,
            );
            if let Some(call) = part.get("functionCall").filter(|c| c.kind() == Kind::Object) {
                let path = path("candidates[#].content.parts[#].functionCall");
                self.call(call, choice, path, tell);
            }
        }
        if let Some(reason) = candidate.str("finishReason").filter(|r| !r.is_empty()) {
            tell(Fact::Finish { choice, reason });
        }
    }

    fn call(&mut self, call: Value<'_>, choice: u32, path: Path, tell: &mut dyn FnMut(Fact<'_>)) {
        let name = call.str("name").filter(|n| !n.is_empty());
        let id = call.str("id").filter(|i| !i.is_empty());
        let args = call.get("args").filter(|a| !a.is_null());
        let calls = self.calls.entry(choice).or_default();
        if name.is_some() {
            *calls += 1;
        } else if call.is_empty() || *calls == 0 {
            // The end of a call in pieces adds nothing to it.
            return;
        }
        tell(Fact::Tool(Box::new(ToolPiece {
            choice,
            path,
            index: Some(*calls - 1),
            id,
            name,
            arguments: args.map(|a| Cow::Borrowed(a.source())),
        })));
    }
}

/// Google's error, or a prompt that was blocked: then there are no candidates, and no other word
/// about it.
fn error_in<'a>(json: Option<Value<'a>>, payload: &Payload<'a>) -> Option<InBandError<'a>> {
    let Some(json) = json else { return openai_chat::error_in(payload) };
    if let Some(error) = json.get("error").filter(|e| e.kind() == Kind::Object) {
        let code = || error.get("code").map(|c| Cow::Borrowed(c.source()));
        let kind = error.str("status").filter(|s| !s.is_empty()).or_else(code);
        return Some(InBandError { message: error_text(error), kind, shape: ErrorShape::Object });
    }
    let feedback = json.get("promptFeedback");
    if let Some(reason) = feedback.and_then(|f| f.str("blockReason"))
        && json.get("candidates").is_none_or(Value::is_empty)
    {
        let words = feedback.and_then(|f| f.str("blockReasonMessage"));
        let message = match words.filter(|w| !w.is_empty()) {
            Some(words) => format!("the prompt was blocked: {words}"),
            None => "the prompt was blocked".to_owned(),
        };
        let message = Cow::Owned(message);
        return Some(InBandError { message, kind: Some(reason), shape: ErrorShape::Object });
    }
    openai_chat::error_in(payload)
}

fn usage_of(usage: Value<'_>) -> Usage {
    let count = |key| usage.get(key).and_then(Value::as_u64);
    Usage {
        input: count("promptTokenCount"),
        output: count("candidatesTokenCount"),
        reasoning: count("thoughtsTokenCount"),
        cached: count("cachedContentTokenCount"),
        total: count("totalTokenCount"),
    }
}

#[cfg(test)]
#[path = "gemini_tests.rs"]
mod tests;
