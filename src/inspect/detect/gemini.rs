//! Rules about Gemini's candidates: that there are none, that one ends without a word.

use super::{Code, Detector, FindingPlace, Findings, FrameView, chat, refused};
use crate::dialect;
use crate::frame::FrameKind;
use crate::frame::sse::SseBlock;
use crate::inspect::Facts;
use crate::json::{self, Tape, Value};
use crate::text;

/// Returns whether the payloads are `GenerateContentResponse`s, in events or in an array.
fn is_gemini(facts: &Facts) -> bool {
    facts.dialect().is_some_and(|d| matches!(d.name(), "gemini" | "gemini-array"))
}

/// Returns why the prompt was blocked, if that is what a payload says.
pub(super) fn blocked<'a>(
    facts: &Facts,
    json: Option<Value<'a>>,
) -> Option<std::borrow::Cow<'a, str>> {
    let json = json.filter(|j| is_gemini(facts) && j.kind() == json::Kind::Object)?;
    let empty = json.get("candidates").is_none_or(Value::is_empty);
    let feedback = json.get("promptFeedback").filter(|_| empty && json.get("error").is_none())?;
    feedback.str("blockReason")
}

fn raise_blocked(reason: &str, place: FindingPlace, findings: &mut Findings) {
    let reason = text::preview(reason, 40);
    let message = format!("Prompt blocked ({reason}): no candidates and no error");
    findings.raise_once(Code::CandidatesEmpty, place, message);
}

#[derive(Default)]
pub(super) struct GeminiDetector;

impl Detector for GeminiDetector {
    /// A prompt that was blocked is reported by the only event, also where no blank line ends that.
    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        let tail = facts.frames().last().filter(|f| f.kind == FrameKind::Incomplete);
        let Some(frame) =
            tail.filter(|_| is_gemini(facts) && facts.sse().is_some() && !refused(facts))
        else {
            return;
        };
        let data = SseBlock::of(&frame, facts.body()).data();
        let mut tape = Tape::new();
        if tape.parse(&data).is_ok()
            && let Some(reason) = blocked(facts, tape.root(&data))
        {
            let frame = facts.frames().len() as u32 - 1;
            raise_blocked(&reason, FindingPlace { frame: Some(frame), offset: None }, findings);
        }
    }

    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        if !is_gemini(facts) || refused(facts) {
            return;
        }
        let Some(json) = view.json.filter(|j| j.kind() == json::Kind::Object) else { return };
        if let Some(reason) = blocked(facts, Some(json)) {
            raise_blocked(&reason, view.place(), findings);
        }
        for candidate in json.get("candidates").into_iter().flat_map(Value::items) {
            if let Some(index) = candidate.get("index")
                && !index.is_null()
                && dialect::valid_choice(index).is_none()
            {
                chat::invalid_index(index, view, findings);
            }
            let Some(reason) = candidate.str("finishReason").filter(|r| !r.is_empty()) else {
                continue;
            };
            if candidate.at(&["content", "parts"]).is_none_or(Value::is_null) {
                let message = format!(
                    "Candidate ends (\"{}\") without content or parts",
                    text::preview(&reason, 40)
                );
                findings.raise_once(Code::FinishWithoutContent, view.place(), message);
            }
        }
    }
}
