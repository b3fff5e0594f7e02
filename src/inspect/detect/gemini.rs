//! Rules about Gemini's candidates: that there are none, that one ends without a word.

use super::{Code, Detector, FrameView, Out, refused};
use crate::inspect::Inspection;
use crate::json::{self, Value};
use crate::text;

/// Whether the payloads are `GenerateContentResponse`s, in events or in an array.
fn is_gemini(now: &Inspection) -> bool {
    now.dialect().is_some_and(|d| matches!(d.name(), "gemini" | "gemini-array"))
}

/// Why the prompt was blocked, if that is what a payload says.
pub(super) fn blocked<'a>(
    now: &Inspection,
    json: Option<Value<'a>>,
) -> Option<std::borrow::Cow<'a, str>> {
    let json = json.filter(|j| is_gemini(now) && j.kind() == json::Kind::Object)?;
    let empty = json.get("candidates").is_none_or(Value::is_empty);
    let feedback = json.get("promptFeedback").filter(|_| empty && json.get("error").is_none())?;
    feedback.str("blockReason")
}

#[derive(Default)]
pub(super) struct Gemini;

impl Detector for Gemini {
    fn frame(&mut self, now: &Inspection, seen: &FrameView<'_>, out: &mut Out<'_>) {
        if !is_gemini(now) || refused(now) {
            return;
        }
        let Some(json) = seen.json.filter(|j| j.kind() == json::Kind::Object) else { return };
        if let Some(reason) = blocked(now, Some(json)) {
            let message = format!(
                "The prompt was blocked ({}): no candidate came, and nothing calls it an error.",
                text::preview(&reason, 40)
            );
            out.raise_once(Code::CandidatesEmpty, seen.place(), message);
        }
        for candidate in json.get("candidates").into_iter().flat_map(Value::items) {
            let Some(reason) = candidate.str("finishReason").filter(|r| !r.is_empty()) else {
                continue;
            };
            if candidate.at(&["content", "parts"]).is_none_or(Value::is_null) {
                let message = format!(
                    "A candidate ends (\"{}\") without content or parts.",
                    text::preview(&reason, 40)
                );
                out.raise_once(Code::FinishWithoutContent, seen.place(), message);
            }
        }
    }
}
