//! Bedrock's ConverseStream: only tool calls are announced, the first delta opens all else.

use super::super::Severity;
use super::table::{Does, EventRow, Fit, Signature, Space, Table, Tag};

const BLOCK: usize = 0;

pub(super) static TABLE: Table = Table {
    name_key: "",
    spaces: &[Space {
        id: &["start", "toolUse", "toolUseId"],
        name: &["start", "toolUse", "name"],
        implicit: Some(&["toolUse"]),
        calls: &["toolUse"],
        unclosed: Severity::Warn,
        breaks: "the AI SDK loses the call",
        ..Space::new("block", &["contentBlockIndex"], Tag::KeyOf(&["start"]))
    }],
    tag: Tag::KeyOf(&["delta"]),
    rows: &[
        EventRow::new("contentBlockDelta", BLOCK, Does::Add).fits(DELTAS),
        EventRow::new("contentBlockStart", BLOCK, Does::Open),
        EventRow::new("contentBlockStop", BLOCK, Does::Close),
        EventRow::new("messageStart", BLOCK, Does::Begin),
        EventRow::new("messageStop", BLOCK, Does::Finish),
        EventRow::new("metadata", BLOCK, Does::End),
    ],
    signature: Some(Signature {
        kind: "reasoningContent",
        at: &[
            &["delta", "reasoningContent", "signature"],
            &["delta", "reasoningContent", "redactedContent"],
        ],
    }),
    ..Table::PLAIN
};

const DELTAS: &[Fit] = &[
    // A block may mix text and the citations for it.
    Fit { delta: "text", kinds: &["text", "citation"], text: &["delta", "text"] },
    Fit { delta: "citation", kinds: &["citation", "text"], text: &[] },
    Fit { delta: "toolUse", kinds: &["toolUse"], text: &["delta", "toolUse", "input"] },
    Fit {
        delta: "reasoningContent",
        kinds: &["reasoningContent"],
        text: &["delta", "reasoningContent", "text"],
    },
    Fit { delta: "toolResult", kinds: &["toolResult"], text: &[] },
    Fit { delta: "image", kinds: &["image"], text: &[] },
];
