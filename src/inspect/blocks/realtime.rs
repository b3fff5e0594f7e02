//! OpenAI Realtime: items and their parts as in Responses, in one response after the other.

use super::super::Severity;
use super::table::{Does, EventRow, Fit, Space, Table, Tag};

const ITEM: usize = 0;
const PART: usize = 1;

pub(super) static TABLE: Table = Table {
    spaces: &[
        Space {
            id: &["item", "id"],
            name: &["item", "name"],
            group: None,
            index: Severity::Info,
            unclosed: Severity::Info,
            ..Space::new("item", &["output_index"], Tag::At(&["item", "type"]))
        },
        Space {
            parent: Some(ITEM),
            group: None,
            index: Severity::Info,
            unclosed: Severity::Info,
            ..Space::new(
                "content part",
                &["output_index", "content_index"],
                Tag::At(&["part", "type"]),
            )
        },
    ],
    rows: &[
        EventRow::new("response.output_text.delta", PART, Does::Add).inside(MESSAGE).fits(TEXT),
        EventRow::new("response.text.delta", PART, Does::Add).inside(MESSAGE).fits(TEXT),
        EventRow::new("response.output_audio_transcript.delta", PART, Does::Add)
            .inside(MESSAGE)
            .fits(AUDIO),
        EventRow::new("response.audio_transcript.delta", PART, Does::Add)
            .inside(MESSAGE)
            .fits(AUDIO),
        EventRow::new("response.function_call_arguments.delta", ITEM, Does::Add).fits(CALL),
        EventRow::new("response.output_text.done", PART, Does::Restate)
            .inside(MESSAGE)
            .fits(TEXT)
            .restates(&[&["text"]]),
        EventRow::new("response.text.done", PART, Does::Restate)
            .inside(MESSAGE)
            .fits(TEXT)
            .restates(&[&["text"]]),
        EventRow::new("response.output_audio_transcript.done", PART, Does::Restate)
            .inside(MESSAGE)
            .fits(AUDIO)
            .restates(&[&["transcript"]]),
        EventRow::new("response.audio_transcript.done", PART, Does::Restate)
            .inside(MESSAGE)
            .fits(AUDIO)
            .restates(&[&["transcript"]]),
        EventRow::new("response.function_call_arguments.done", ITEM, Does::Restate)
            .fits(CALL)
            .restates(&[&["arguments"]]),
        EventRow::new("response.output_item.added", ITEM, Does::Open),
        EventRow::new("response.output_item.done", ITEM, Does::Close),
        EventRow::new("response.content_part.added", PART, Does::Open).inside(MESSAGE),
        EventRow::new("response.content_part.done", PART, Does::Close)
            .restates(&[&["part", "text"], &["part", "transcript"]]),
        EventRow::new("response.created", ITEM, Does::Begin),
        EventRow::new("response.done", ITEM, Does::End),
    ],
    container_id: &["response", "id"],
    joins: true,
    midway: true,
    ..Table::PLAIN
};

const MESSAGE: &[&str] = &["message"];

const fn fit(kinds: &'static [&'static str]) -> Fit {
    Fit { delta: "", kinds, text: &["delta"] }
}

const TEXT: &[Fit] = &[fit(&["text", "output_text"])];
const AUDIO: &[Fit] = &[fit(&["audio", "output_audio"])];
const CALL: &[Fit] = &[fit(&["function_call"])];
