//! Cohere v2: content, tool calls and citations are numbered apart; citations open inside content.

use super::super::Severity;
use super::table::{Does, EventRow, Fit, Space, Table, Tag};

const CONTENT: usize = 0;
const CALL: usize = 1;
const CITATION: usize = 2;

pub(super) static TABLE: Table = Table {
    spaces: &[
        Space {
            index: Severity::Warn,
            breaks: "the AI SDK reports error parts",
            ..Space::new(
                "content block",
                &["index"],
                Tag::At(&["delta", "message", "content", "type"]),
            )
        },
        Space {
            id: &["delta", "message", "tool_calls", "id"],
            name: &["delta", "message", "tool_calls", "function", "name"],
            calls: &["tool_call"],
            index: Severity::Warn,
            // The AI SDK holds one call at a time, and joins the arguments of two.
            overlap: Severity::Error,
            breaks: "the AI SDK loses the call",
            ..Space::new("call", &["index"], Tag::Is("tool_call"))
        },
        Space {
            group: None,
            counts: false,
            index: Severity::Info,
            implicit: Some(&[]),
            unclosed: Severity::Info,
            ..Space::new("citation", &["index"], Tag::Is("citation"))
        },
    ],
    tag: Tag::KeyOf(&["delta", "message", "content"]),
    rows: &[
        EventRow::new("content-delta", CONTENT, Does::Add).fits(&[
            Fit { delta: "text", kinds: &["text"], text: &["delta", "message", "content", "text"] },
            Fit {
                delta: "thinking",
                kinds: &["thinking"],
                text: &["delta", "message", "content", "thinking"],
            },
        ]),
        EventRow::new("content-start", CONTENT, Does::Open),
        EventRow::new("content-end", CONTENT, Does::Close),
        EventRow::new("tool-call-start", CALL, Does::Open),
        EventRow::new("tool-call-delta", CALL, Does::Add).fits(&[Fit {
            delta: "",
            kinds: &["tool_call"],
            text: &["delta", "message", "tool_calls", "function", "arguments"],
        }]),
        EventRow::new("tool-call-end", CALL, Does::Close),
        EventRow::new("citation-start", CITATION, Does::Open),
        EventRow::new("citation-end", CITATION, Does::Close),
        EventRow::new("message-start", CONTENT, Does::Begin),
        EventRow::new("message-end", CONTENT, Does::End),
    ],
    container_id: &["id"],
    ..Table::PLAIN
};
