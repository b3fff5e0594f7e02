//! Gemini's Interactions: steps, one after the other.

use super::super::Severity;
use super::table::{Does, EventRow, Fit, Space, Table, Tag};

const STEP: usize = 0;
const PART: usize = 1;

pub(super) static TABLE: Table = Table {
    name_key: "event_type",
    spaces: &[
        Space {
            id: &["step", "id"],
            name: &["step", "name"],
            index: Severity::Warn,
            breaks: "what kind of step it is gets lost",
            ..Space::new("step", &["index"], Tag::At(&["step", "type"]))
        },
        // The events' older names.
        Space {
            id: &["content", "id"],
            name: &["content", "name"],
            index: Severity::Warn,
            breaks: "what kind of content it is gets lost",
            ..Space::new("content", &["index"], Tag::At(&["content", "type"]))
        },
    ],
    tag: Tag::At(&["delta", "type"]),
    rows: &[
        EventRow::new("step.delta", STEP, Does::Add).fits(DELTAS),
        EventRow::new("step.start", STEP, Does::Open),
        EventRow::new("step.stop", STEP, Does::Close),
        EventRow::new("content.delta", PART, Does::Add),
        EventRow::new("content.start", PART, Does::Open),
        EventRow::new("content.stop", PART, Does::Close),
        EventRow::new("interaction.created", STEP, Does::Begin),
        EventRow::new("interaction.start", STEP, Does::Begin),
        EventRow::new("interaction.completed", STEP, Does::End),
        EventRow::new("interaction.complete", STEP, Does::End),
    ],
    container_id: &["interaction", "id"],
    ..Table::PLAIN
};

const OUTPUT: &[&str] = &["model_output"];

const DELTAS: &[Fit] = &[
    Fit { delta: "text", kinds: OUTPUT, text: &["delta", "text"] },
    Fit { delta: "text_annotation_delta", kinds: OUTPUT, text: &[] },
    Fit { delta: "image", kinds: OUTPUT, text: &[] },
    Fit { delta: "audio", kinds: OUTPUT, text: &[] },
    Fit { delta: "video", kinds: OUTPUT, text: &[] },
    Fit { delta: "document", kinds: OUTPUT, text: &[] },
    Fit { delta: "thought_summary", kinds: &["thought"], text: &["delta", "content", "text"] },
    Fit { delta: "thought_signature", kinds: &["thought"], text: &[] },
    Fit { delta: "arguments_delta", kinds: &["function_call"], text: &["delta", "arguments"] },
];
