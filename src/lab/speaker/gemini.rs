//! Google Gemini: every frame is a whole response with the next parts, as server-sent events or as
//! the elements of one array.

use serde_json::{Value, json};

use super::gathered::{Gathered, GatheredCall, Pending, TokenTally};
use super::{
    Data, Endpoint, Manner, Refusal, Speaker, Speech, SpokenFrame, StreamPolicy, finish_word,
};
use crate::lab::envelope::Envelope;
use crate::lab::step::{ErrorBody, TokenCounts};

pub(super) const ROW: Endpoint = Endpoint {
    dialect: "gemini",
    path: "/models/{model}:streamGenerateContent",
    query: "alt=sse",
    streams: StreamPolicy::Always,
    envelope: Envelope::Sse,
    choices: false,
    id: "lab",
    new: |manner| Box::new(GeminiSpeaker::new(manner, false)),
    refusal,
};

/// An answer that is no stream.
pub(super) const WHOLE: Endpoint = Endpoint {
    path: "/models/{model}:generateContent",
    query: "",
    streams: StreamPolicy::Never,
    ..ROW
};

/// Without `alt=sse`.
pub(super) const ARRAY: Endpoint = Endpoint {
    dialect: "gemini-array",
    query: "",
    envelope: Envelope::Array,
    new: |manner| Box::new(GeminiSpeaker::new(manner, true)),
    ..ROW
};

/// Chat's finish reasons in its words. It has none for calls.
const WORDS: &[(&str, &str)] = &[
    ("stop", "STOP"),
    ("length", "MAX_TOKENS"),
    ("tool_calls", "STOP"),
    ("content_filter", "SAFETY"),
];

/// The speaker that produces this dialect on the wire.
struct GeminiSpeaker {
    manner: Manner,
    tally: TokenTally,
    call: Pending,
    array: bool,
    /// Something has been said, so that the array is open.
    opened: bool,
    /// An error has been its end already.
    failed: bool,
}

impl GeminiSpeaker {
    fn new(manner: Manner, array: bool) -> Self {
        let (tally, call) = (TokenTally::default(), Pending::default());
        Self { manner, tally, call, array, opened: false, failed: false }
    }

    fn response(&self, parts: Value, finish: Option<&str>, counts: Option<&TokenCounts>) -> Value {
        let content = json!({ "parts": parts, "role": "model" });
        let mut candidate = json!({ "content": content });
        if let Some(reason) = finish {
            candidate["finishReason"] = finish_word(reason, WORDS).into();
        }
        candidate["index"] = 0.into();
        let mut response = json!({ "candidates": [candidate] });
        if let Some(counts) = counts {
            response["usageMetadata"] = usage(counts);
        }
        response["modelVersion"] = self.manner.model.as_str().into();
        response["responseId"] = self.manner.id.as_str().into();
        response
    }

    /// One part, and the counts so far.
    fn part(&mut self, part: Value, finish: Option<&str>, out: &mut Vec<SpokenFrame>) {
        let counts = self.manner.usage.map(|_| self.manner.counts(self.tally));
        self.opened = true;
        out.push(SpokenFrame::json(self.response(json!([part]), finish, counts.as_ref())));
    }

    fn fail(&mut self, body: &ErrorBody, out: &mut Vec<SpokenFrame>) {
        let status = body.code.as_deref().and_then(|code| code.parse().ok()).unwrap_or(500);
        let error = error(status, &body.message);
        self.failed = true;
        if self.array {
            out.push(SpokenFrame::json(error));
            return out.push(bare("\r\n]".to_owned()));
        }
        // Among events the error is sent unchanged, line by line, without a field name.
        let text = serde_json::to_string_pretty(&error).unwrap_or_default();
        out.push(bare(text + "\n"));
    }
}

impl Speaker for GeminiSpeaker {
    fn speak(&mut self, _choice: u32, speech: &Speech, out: &mut Vec<SpokenFrame>) {
        if let Some((_, tool)) = self.call.take(speech) {
            self.part(call(tool), None, out);
        }
        self.tally.count(speech);
        match speech {
            // A refusal is plain text.
            Speech::Content(text) | Speech::Refusal(text) => {
                self.part(json!({ "text": text }), None, out);
            }
            Speech::Reasoning(text, _) => {
                self.part(json!({ "text": text, "thought": true }), None, out);
            }
            Speech::Finish(reason) => self.part(json!({ "text": "" }), Some(reason), out),
            Speech::Error(body) => self.fail(body, out),
            Speech::Done if self.array && !self.failed => {
                out.push(bare(if self.opened { "\r\n]" } else { "[]" }.to_owned()));
            }
            // Only the end of the connection ends the events. Usage goes with every part, and calls are sent
            // whole; a role is in every frame, and a delta exists only in Chat.
            Speech::Done
            | Speech::Usage(_)
            | Speech::ToolStart { .. }
            | Speech::ToolArguments { .. }
            | Speech::Role(_)
            | Speech::Delta(_) => {}
        }
    }

    fn whole(&mut self, spoken: &mut dyn Iterator<Item = (u32, Speech)>) -> Value {
        let mut all = Gathered::new(spoken);
        let counts = all.counts(self.manner.input_tokens);
        let choice = all.only();
        let mut parts = Vec::new();
        if let Some((_, text)) = choice.reasoning {
            parts.push(json!({ "text": text, "thought": true }));
        }
        let texts = [Some(choice.content).filter(|it| !it.is_empty()), choice.refusal];
        parts.extend(texts.into_iter().flatten().map(|text| json!({ "text": text })));
        parts.extend(choice.tools.into_values().map(call));
        self.response(parts.into(), choice.finish.as_deref(), Some(&counts))
    }
}

fn bare(text: String) -> SpokenFrame {
    SpokenFrame { event: None, data: Data::Bare(text) }
}

fn call(tool: GatheredCall) -> Value {
    let args = tool.input();
    json!({ "functionCall": { "id": tool.id, "name": tool.name, "args": args } })
}

/// Thoughts are counted apart from the candidates.
fn usage(counts: &TokenCounts) -> Value {
    let total = counts.total.unwrap_or(counts.input + counts.output);
    let mut usage = json!({
        "promptTokenCount": counts.input,
        "candidatesTokenCount": counts.output.saturating_sub(counts.reasoning),
        "totalTokenCount": total,
    });
    if counts.reasoning > 0 {
        usage["thoughtsTokenCount"] = counts.reasoning.into();
    }
    usage
}

fn error(code: u16, message: &str) -> Value {
    let status = match code {
        400 | 413 | 422 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        503 | 529 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "INTERNAL",
    };
    json!({ "error": { "code": code, "message": message, "status": status } })
}

fn refusal(refusal: &Refusal<'_>) -> Value {
    error(refusal.status, refusal.message)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{boom, everything, frames, whole};
    use super::*;

    #[test]
    fn every_frame_is_a_response_with_the_next_part() {
        let frames = frames(&ROW, &everything());
        assert_eq!(frames.len(), 5);
        assert_eq!(
            frames[0],
            " {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"hm\",\"thought\":true}],\
             \"role\":\"model\"},\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":5,\
             \"candidatesTokenCount\":0,\"totalTokenCount\":6,\"thoughtsTokenCount\":1},\
             \"modelVersion\":\"lab/x\",\"responseId\":\"lab1\"}"
        );
        let call = "{\"functionCall\":{\"id\":\"call_1\",\"name\":\"f\",\"args\":{\"a\":1}}}";
        assert!(frames[3].contains(call), "{}", frames[3]);
        assert!(frames[4].contains("\"finishReason\":\"STOP\",\"index\":0"), "{}", frames[4]);
        let counts = "\"candidatesTokenCount\":4,\"totalTokenCount\":10";
        assert!(frames[4].contains(counts), "{}", frames[4]);
    }

    #[test]
    fn an_array_ends_and_an_empty_one_too() {
        assert_eq!(frames(&ARRAY, &everything()).last().unwrap(), " \r\n]");
        assert_eq!(frames(&ARRAY, &[Speech::Done]), [" []"]);
        let failed = frames(&ARRAY, &[boom(), Speech::Done]);
        assert!(failed[0].starts_with(" {\"error\":{\"code\":500,"), "{failed:?}");
        assert_eq!(&failed[1..], [" \r\n]"]);
    }

    #[test]
    fn an_error_among_events_is_bare_json_over_several_lines() {
        let error = " {\n  \"error\": {\n    \"code\": 500,\n    \"message\": \"boom\",\n    \
                     \"status\": \"INTERNAL\"\n  }\n}\n";
        assert_eq!(frames(&ROW, &[boom()]), [error]);
    }

    #[test]
    fn a_whole_answer_has_all_parts() {
        let whole = whole(&WHOLE, &everything());
        let parts = &whole["candidates"][0]["content"]["parts"];
        assert_eq!(parts[0], json!({ "text": "hm", "thought": true }));
        assert_eq!(parts[1], json!({ "text": "Hello" }));
        assert_eq!(parts[2]["functionCall"]["args"], json!({ "a": 1 }));
        assert_eq!(whole["usageMetadata"]["totalTokenCount"], 10);
    }
}
