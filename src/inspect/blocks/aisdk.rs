//! Vercel's AI SDK UI stream: texts and thoughts with ids, which a step ends, and calls; and the calls of the
//! older data stream.

use super::super::Severity;
use super::table::{Does, EventRow, Fit, Space, Table, Tag};

const TEXT: usize = 0;
const THOUGHT: usize = 1;
const CALL: usize = 2;

/// Reaction of the SDK to a delta for a part that is not open.
const RAISES: &str = "the AI SDK raises, and the answer is lost";

pub(super) static TABLE: Table = Table {
    textless: "the AI SDK raises",
    spaces: &[
        Space { breaks: RAISES, ..Space::named("part", &["id"], Tag::Is("text")) },
        Space { breaks: RAISES, ..Space::named("part", &["id"], Tag::Is("reasoning")) },
        Space {
            name: &["toolName"],
            calls: &["tool"],
            unclosed: Severity::Error,
            breaks: RAISES,
            ..Space::named("call", &["toolCallId"], Tag::Is("tool"))
        },
    ],
    rows: &[
        EventRow::new("text-delta", TEXT, Does::Add).fits(&[Fit {
            delta: "",
            kinds: &["text"],
            text: &["delta"],
        }]),
        EventRow::new("text-start", TEXT, Does::Open),
        EventRow::new("text-end", TEXT, Does::Close),
        EventRow::new("reasoning-delta", THOUGHT, Does::Add).fits(&[Fit {
            delta: "",
            kinds: &["reasoning"],
            text: &["delta"],
        }]),
        EventRow::new("reasoning-start", THOUGHT, Does::Open),
        EventRow::new("reasoning-end", THOUGHT, Does::Close),
        EventRow::new("tool-input-delta", CALL, Does::Add).fits(&[Fit {
            delta: "",
            kinds: &["tool"],
            text: &["inputTextDelta"],
        }]),
        EventRow::new("tool-input-start", CALL, Does::Open),
        // A call may arrive whole.
        EventRow::new("tool-input-available", CALL, Does::Whole).restates(&[&["input"]]),
        EventRow::new("tool-input-error", CALL, Does::Whole),
        EventRow::new("finish-step", TEXT, Does::Step),
        EventRow::new("start", TEXT, Does::Begin),
        EventRow::new("finish", TEXT, Does::End),
        EventRow::new("abort", TEXT, Does::Abort),
    ],
    container_id: &["messageId"],
    others: &[
        "start-step",
        "message-metadata",
        "error",
        "tool-output-",
        "tool-approval-",
        "source-url",
        "source-document",
        "file",
        "data-",
        // Added in version 7.
        "custom",
        "reasoning-file",
    ],
    ..Table::PLAIN
};

/// The lines of the data stream, whose codes are the events' names.
pub(super) static DATA: Table = Table {
    name_key: "",
    spaces: &[Space {
        name: &["toolName"],
        breaks: RAISES,
        ..Space::named("call", &["toolCallId"], Tag::Is("tool"))
    }],
    rows: &[
        EventRow::new("c", 0, Does::Add).fits(&[Fit {
            delta: "",
            kinds: &["tool"],
            text: &["argsTextDelta"],
        }]),
        EventRow::new("b", 0, Does::Open),
        EventRow::new("9", 0, Does::Whole).restates(&[&["args"]]),
    ],
    ..Table::PLAIN
};
