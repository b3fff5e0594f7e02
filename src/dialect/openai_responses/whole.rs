//! Content that arrives whole: items at their end, and the response at the end of the stream or in a body.

use std::borrow::Cow;

use super::reported::PartKind;
use super::{OpenAiResponsesDecoder, is_call, word};
use crate::dialect::{DecodeEvent, ErrorShape, InBandError, Path, Usage, error_text};
use crate::json::{Kind, Value};

/// The paths of an item's parts: in its own event, in the whole response, in a separate body.
pub(super) struct OpenAiResponsesPaths {
    text: &'static str,
    summary: &'static str,
    pub(super) call: &'static str,
    usage: &'static str,
}

pub(super) static IN_EVENT: OpenAiResponsesPaths = OpenAiResponsesPaths {
    text: "item.content[#].text",
    summary: "item.summary[#].text",
    call: "item",
    usage: "response.usage",
};

pub(super) static IN_RESPONSE: OpenAiResponsesPaths = OpenAiResponsesPaths {
    text: "response.output[#].content[#].text",
    summary: "response.output[#].summary[#].text",
    call: "response.output[#]",
    usage: "response.usage",
};

pub(super) static IN_BODY: OpenAiResponsesPaths = OpenAiResponsesPaths {
    text: "output[#].content[#].text",
    summary: "output[#].summary[#].text",
    call: "output[#]",
    usage: "usage",
};

impl OpenAiResponsesPaths {
    /// A path of part `part` of item `item`.
    fn of(&self, template: &'static str, item: u64, part: usize) -> Path {
        if self.call == "item" {
            Path::new(template, part)
        } else {
            Path::new(template, item as usize).second(part)
        }
    }
}

impl OpenAiResponsesDecoder {
    /// An item that is whole: what of it was not reported before.
    pub(super) fn item(
        &mut self,
        item: Value<'_>,
        index: u64,
        paths: &'static OpenAiResponsesPaths,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        if is_call(item) {
            let given = item.get("input").or_else(|| item.get("arguments"));
            let arguments = given.and_then(|a| match a.kind() {
                Kind::Object => Some(Cow::Borrowed(a.source())),
                _ => a.as_str(),
            });
            let path = Path::new(paths.call, index as usize);
            return self.call(item, arguments, index, path, emit);
        }
        // Reasoning that was already streamed is not reported again under its other name.
        let thinks = item.get("type").is_some_and(|t| t.is("reasoning"));
        if thinks
            && [PartKind::Summary, PartKind::Reasoning]
                .iter()
                .any(|p| self.reported.came(*p, index))
        {
            return;
        }
        let parts = |key| item.get(key).into_iter().flat_map(Value::items).enumerate();
        let summary = parts("summary")
            .map(|(i, part)| (i, PartKind::Summary, part.str("text").unwrap_or_default()));
        let content = parts("content").map(|(i, content)| {
            let (part, member) = match content.str("type").as_deref() {
                Some("refusal") => (PartKind::Refusal, "refusal"),
                Some("reasoning_text") => (PartKind::Reasoning, "text"),
                _ => (PartKind::Text, "text"),
            };
            (i, part, content.str(member).unwrap_or_default())
        });
        let mut summed_up = String::new();
        for (i, part, text) in self.reported.news(index, summary.chain(content)) {
            self.reported.set((part, index, i as u64), &text);
            let template = if part == PartKind::Summary { paths.summary } else { paths.text };
            let (channel, path) = (part.channel(), paths.of(template, index, i));
            let duplicate = thinks && part != PartKind::Summary && text == summed_up;
            if part == PartKind::Summary {
                summed_up.push_str(&text);
            }
            if !text.is_empty() {
                emit(DecodeEvent::Text { choice: 0, channel, path, text, duplicate });
            }
        }
    }

    /// A whole response, at its end.
    pub(super) fn response(
        &mut self,
        response: Option<Value<'_>>,
        paths: &'static OpenAiResponsesPaths,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let Some(response) = response else { return };
        self.model(response, emit);
        // The response's list may leave out items that were streamed (Copilot, ChatGPT), so positions in it
        // are not output indices. Read from it only the kinds that were not streamed at all.
        let came = |kinds: &[PartKind]| self.reported.any_of(kinds);
        let text = came(&[PartKind::Text, PartKind::Refusal]);
        let thought = came(&[PartKind::Reasoning, PartKind::Summary]);
        let called = came(&[PartKind::Call, PartKind::Arguments]);
        let output = response.get("output").into_iter().flat_map(Value::items);
        for (index, item) in output.enumerate() {
            let reasoning = item.get("type").is_some_and(|t| t.is("reasoning"));
            let came = if is_call(item) {
                called
            } else if reasoning {
                thought
            } else {
                text
            };
            if !came {
                self.item(item, index as u64, paths, emit);
            }
        }
        if let Some(usage) = response.get("usage").map(usage_of).filter(Usage::is_given) {
            emit(DecodeEvent::Usage { path: Path::new(paths.usage, 0), usage });
        }
        let repeated = self.failed;
        if let Some(error) = response.get("error").filter(|e| e.kind() == Kind::Object)
            && !repeated
        {
            let kind = word(error, "code").or_else(|| word(error, "type"));
            let message = error_text(error);
            self.error(InBandError { message, kind, shape: ErrorShape::Object }, emit);
        }
        // After an error, the status only repeats that there was one.
        if let Some(reason) = response.str("status").filter(|_| !repeated) {
            emit(DecodeEvent::Finish { choice: 0, reason });
            if let Some(cause) = response.get("incomplete_details").and_then(|d| d.str("reason")) {
                emit(DecodeEvent::Cause { choice: 0, cause });
            }
        }
    }
}

fn usage_of(usage: Value<'_>) -> Usage {
    let count = |path: &[&str]| usage.at(path).and_then(Value::as_u64);
    Usage {
        input: count(&["input_tokens"]),
        output: count(&["output_tokens"]),
        reasoning: count(&["output_tokens_details", "reasoning_tokens"]),
        cached: count(&["input_tokens_details", "cached_tokens"]),
        total: count(&["total_tokens"]),
    }
}
