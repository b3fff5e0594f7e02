//! Rules about errors inside a stream whose status said that all is well.

use super::status::{self, is_swallowed};
use super::{Code, Detector, Findings, FrameView, anthropic, gemini, refused};
use crate::dialect::ErrorShape;
use crate::frame::FrameKind;
use crate::frame::eventstream::EventStreamMessage;
use crate::inspect::{Facts, StreamError};
use crate::text;

#[derive(Default)]
pub(super) struct ErrorDetector {
    /// In-band errors that were looked at.
    seen: usize,
    /// True if any frame with a payload arrived earlier.
    begun: bool,
}

impl Detector for ErrorDetector {
    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        let first = !self.begun;
        self.begun |= view.data.is_some();
        let errors = &facts.answer().errors;
        let from = std::mem::replace(&mut self.seen, errors.len());
        let new = &errors[from.min(errors.len())..];
        // A refusal, or an error instead of a stream, is judged with the head.
        if refused(facts) || (view.frame.kind == FrameKind::Body && judged_with_head(facts)) {
            return;
        }
        // A blocked prompt is Gemini's own kind of answer, and is reported as that.
        if gemini::blocked(facts, view.json).is_some() {
            return;
        }
        for error in new {
            raise(facts, view, error, findings);
            if first && view.frame.kind != FrameKind::Body {
                let message = "The first frame is an error; no answer was streamed";
                findings.raise(Code::Error200FirstFrame, view.place(), message);
            }
        }
    }
}

fn judged_with_head(facts: &Facts) -> bool {
    facts.status().is_some() || facts.content_type().is_some()
}

fn raise(facts: &Facts, view: &FrameView<'_>, error: &StreamError, findings: &mut Findings) {
    let is_ollama = facts.dialect().is_some_and(|d| d.name() == "ollama");
    // AWS puts an error's code and text in the message's headers.
    let message =
        (view.frame.kind == FrameKind::Message).then(|| EventStreamMessage::of(view.bytes));
    let header = |name| message.and_then(|m| m.header(name)).map(str::to_owned);
    let shown = header(":error-message").unwrap_or_else(|| error.message.clone());
    let words = text::preview(&shown, 200);
    let kind = match &header(":error-code").or_else(|| error.kind.clone()) {
        Some(kind) => format!(" ({})", text::preview(kind, 40)),
        None => String::new(),
    };
    if is_swallowed(&error.message) {
        let message = format!("{}. {}", status::swallowed(&error.message), status::WHAT_TO_DO);
        let rule = Code::Swallowed422;
        return findings.raise(rule, view.place(), message);
    }
    let (rule, how) = match error.shape {
        _ if message.is_some() => (Code::ErrorObject, "in the stream"),
        _ if view.event == "error" && view.json.is_none() => {
            (Code::SseEventErrorText, "as an event with plain text")
        }
        _ if view.event == "error" => (Code::SseEventError, "as an event"),
        _ if view.frame.kind == FrameKind::Event && anthropic::is_anthropic(facts) => {
            let rule = Code::AnthropicErrorNoEvent;
            (rule, "without \"event: error\", which Anthropic's Python SDK skips")
        }
        ErrorShape::Text if is_ollama => (Code::OllamaErrorLine, "as a line of the stream"),
        ErrorShape::Object => (Code::ErrorObject, "in the stream"),
        ErrorShape::Text => (Code::ErrorString, "as a string"),
        ErrorShape::Flat => (Code::ErrorFlat, "without an \"error\" key"),
        ErrorShape::WithChoices => (Code::ErrorWithChoices, "beside choices"),
    };
    findings.raise(rule, view.place(), format!("Error {how}{kind}: \"{words}\""));
    if let Some(raw) =
        view.json.and_then(|j| j.at(&["error", "metadata", "raw"])).filter(|r| !r.is_null())
    {
        let raw = raw.as_str().unwrap_or(std::borrow::Cow::Borrowed(raw.source()));
        let message = format!(
            "The upstream error is in error.metadata.raw: \"{}\"",
            text::preview(&raw, 200)
        );
        findings.raise(Code::ErrorRawHidden, view.place(), message);
    }
}
