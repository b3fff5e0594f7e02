//! OpenAI's streams that are no conversation: transcripts of speech, speech, images. All have typed events, and
//! end with one.

use std::borrow::Cow;

use super::emit::{emit_error_in, emit_failure, emit_text};
use super::{Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, Usage};
use crate::json::{Kind, Value};

/// One of these dialects.
pub(super) struct Media {
    name: &'static str,
    about: &'static str,
    /// Prefixes of its events' types.
    types: &'static [&'static str],
}

/// The dialect `openai-transcription`.
pub(super) static TRANSCRIPTION: Media = Media {
    name: "openai-transcription",
    about: "OpenAI audio transcription streams",
    types: &["transcript.text."],
};

/// The dialect `openai-speech`.
pub(super) static SPEECH: Media = Media {
    name: "openai-speech",
    about: "OpenAI speech streams (stream_format sse)",
    types: &["speech.audio."],
};

/// The dialect `openai-images`.
pub(super) static IMAGES: Media = Media {
    name: "openai-images",
    about: "OpenAI image generation and edit streams",
    types: &["image_generation.", "image_edit."],
};

impl Dialect for Media {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event_alone(&[])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        let kind = match json.str("type") {
            Some(kind) => kind,
            // Some gateways drop the `type` but keep the event name.
            None => Cow::Borrowed(payload.event),
        };
        let known = self.types.iter().any(|begin| kind.starts_with(begin));
        known.then(|| Evidence::member("type", kind))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<MediaDecoder>::default()
    }
}

/// Reads the events of any of them.
#[derive(Default)]
struct MediaDecoder {
    /// True if pieces arrived: what repeats them adds nothing.
    came: bool,
    /// Segments had the text, and no pieces.
    segments: bool,
}

impl Decoder for MediaDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if payload.data.starts_with("[DONE]") {
            return emit(DecodeEvent::Sentinel);
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else {
            if payload.event == "error" && !payload.data.is_empty() {
                emit_failure(payload.data.into(), None, emit);
            }
            return;
        };
        if let Some(error) = json.get("error").filter(|e| !e.is_null()) {
            return emit_error_in(error, emit);
        }
        let kind = json.str("type").unwrap_or(Cow::Borrowed(payload.event));
        match kind.as_ref() {
            "transcript.text.delta" => {
                self.came = true;
                emit_text(Channel::Content, Path::new("delta", 0), json.str("delta"), emit);
            }
            // Only segments name the speaker; they repeat the deltas where there are any.
            "transcript.text.segment" if !self.came => {
                self.segments = true;
                emit_text(Channel::Content, Path::new("text", 0), json.str("text"), emit);
            }
            "transcript.text.done" if !self.came && !self.segments => {
                emit_text(Channel::Content, Path::new("text", 0), json.str("text"), emit);
            }
            "error" => return emit_error_in(json, emit),
            _ => {}
        }
        let last = matches!(
            kind.as_ref(),
            "transcript.text.done"
                | "speech.audio.done"
                | "image_generation.completed"
                | "image_edit.completed"
        );
        if last {
            let usage = json.get("usage").map(usage_of).filter(Usage::is_given);
            if let Some(usage) = usage {
                emit(DecodeEvent::Usage { path: Path::new("usage", 0), usage });
            }
            emit(DecodeEvent::Terminal);
        }
    }
}

fn usage_of(usage: Value<'_>) -> Usage {
    let count = |key: &str| usage.get(key).and_then(Value::as_u64);
    Usage {
        input: count("input_tokens"),
        output: count("output_tokens"),
        total: count("total_tokens"),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;

    #[test]
    fn transcripts_speech_and_images() {
        let events = script(
            "auto",
            &[
                r#"{"type":"transcript.text.delta","delta":"Good "}"#,
                r#"{"type":"transcript.text.segment","id":"1","speaker":"A","text":"Good "}"#,
                r#"{"type":"transcript.text.done","text":"Good ","usage":{"total_tokens":9}}"#,
                "[DONE]",
            ],
        );
        assert_eq!(
            events,
            ["content 0 delta: Good ", "usage usage - - - - 9", "terminal", "sentinel"]
        );
        let events = script(
            "auto",
            &[
                r#"{"type":"speech.audio.delta","audio":"AAAA"}"#,
                r#"{"type":"error","error":"boom"}"#,
                r#"{"type":"speech.audio.done"}"#,
            ],
        );
        assert_eq!(events, ["error Object -: boom", "terminal"]);
        let events = script(
            "auto",
            &[
                r#"{"type":"image_edit.partial_image","b64_json":"AA=="}"#,
                r#"{"type":"error","error":{"code":"moderation_blocked","message":"no"}}"#,
                r#"{"type":"image_edit.completed","b64_json":"AA==","usage":{"output_tokens":2}}"#,
            ],
        );
        assert_eq!(
            events,
            ["error Object moderation_blocked: no", "usage usage - 2 - - -", "terminal"]
        );
    }
}
