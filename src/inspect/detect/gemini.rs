//! Rules about Gemini's candidates: that there are none, that one ends without a word.

use super::{Code, Detector, FrameView, Out, Place, chat, refused};
use crate::dialect;
use crate::frame::Kind;
use crate::frame::sse::Block;
use crate::inspect::Inspection;
use crate::json::{self, Tape, Value};
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

fn raise_blocked(reason: &str, place: Place, out: &mut Out<'_>) {
    let reason = text::preview(reason, 40);
    let message = format!("Prompt blocked ({reason}): no candidates, and no error");
    out.raise_once(Code::CandidatesEmpty, place, message);
}

#[derive(Default)]
pub(super) struct Gemini;

impl Detector for Gemini {
    /// A prompt that was blocked is told by the only event, also where no blank line ends that.
    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        let tail = now.frames().last().filter(|f| f.kind == Kind::Incomplete);
        let Some(frame) = tail.filter(|_| is_gemini(now) && now.sse().is_some() && !refused(now))
        else {
            return;
        };
        let data = Block::of(frame, now.body()).data();
        let mut tape = Tape::new();
        if tape.parse(&data).is_ok()
            && let Some(reason) = blocked(now, tape.root(&data))
        {
            let frame = now.frames().len() as u32 - 1;
            raise_blocked(&reason, Place { frame: Some(frame), offset: None }, out);
        }
    }

    fn frame(&mut self, now: &Inspection, seen: &FrameView<'_>, out: &mut Out<'_>) {
        if !is_gemini(now) || refused(now) {
            return;
        }
        let Some(json) = seen.json.filter(|j| j.kind() == json::Kind::Object) else { return };
        if let Some(reason) = blocked(now, Some(json)) {
            raise_blocked(&reason, seen.place(), out);
        }
        for candidate in json.get("candidates").into_iter().flat_map(Value::items) {
            if let Some(index) = candidate.get("index")
                && !index.is_null()
                && dialect::valid_choice(index).is_none()
            {
                chat::invalid_index(index, seen, out);
            }
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
