//! Anthropic Messages: one level of numbered blocks, one after the other.

use super::super::Code;
use super::table::{Does, EventRow, Fit, RequiredField, Signature, Space, Table, Tag};

const BLOCK: usize = 0;

/// The kinds that stream the input of a call.
const CALLS: &[&str] = &["tool_use", "server_tool_use", "mcp_tool_use"];

pub(super) static TABLE: Table = Table {
    textless: "Anthropic's Python SDK raises TypeError",
    spaces: &[Space {
        id: &["content_block", "id"],
        name: &["content_block", "name"],
        calls: &["tool_use"],
        unopened: Code::DeltaBeforeStart,
        breaks: "Anthropic's Python SDK raises IndexError",
        ..Space::new("block", &["index"], Tag::At(&["content_block", "type"]))
    }],
    tag: Tag::At(&["delta", "type"]),
    rows: &[
        EventRow::new("content_block_delta", BLOCK, Does::Add).fits(DELTAS).needs(&[
            RequiredField {
                code: Code::EventTypeMissing,
                ..RequiredField::new(&["delta", "type"], "both Anthropic SDKs drop the delta")
            },
        ]),
        EventRow::new("content_block_start", BLOCK, Does::Open).needs(&[
            RequiredField::new(&["content_block"], "both Anthropic SDKs fail there"),
            RequiredField::new(
                &["content_block", "text"],
                "Anthropic's Python SDK raises TypeError",
            )
            .of("text"),
            RequiredField::new(
                &["content_block", "thinking"],
                "Anthropic's Python SDK raises TypeError",
            )
            .of("thinking"),
        ]),
        EventRow::new("content_block_stop", BLOCK, Does::Close),
        EventRow::new("message_start", BLOCK, Does::Begin)
            .needs(&[RequiredField::new(&["message", "content"], "both Anthropic SDKs raise")]),
        EventRow::new("message_delta", BLOCK, Does::Finish).needs(&[
            RequiredField::new(&["delta"], "both Anthropic SDKs raise"),
            RequiredField::new(&["usage"], "both Anthropic SDKs raise"),
        ]),
        EventRow::new("message_stop", BLOCK, Does::End),
    ],
    container_id: &["message", "id"],
    signature: Some(Signature {
        kind: "thinking",
        at: &[&["content_block", "signature"], &["delta", "signature"]],
    }),
    filled: &["message", "content"],
    ..Table::PLAIN
};

const DELTAS: &[Fit] = &[
    Fit { delta: "text_delta", kinds: &["text"], text: &["delta", "text"] },
    Fit { delta: "thinking_delta", kinds: &["thinking"], text: &["delta", "thinking"] },
    Fit { delta: "input_json_delta", kinds: CALLS, text: &["delta", "partial_json"] },
    Fit { delta: "signature_delta", kinds: &["thinking"], text: &[] },
    Fit { delta: "citations_delta", kinds: &["text"], text: &[] },
    Fit { delta: "compaction_delta", kinds: &["compaction"], text: &["delta", "content"] },
    // These blocks are complete when they open: no delta adds to them.
    Fit { delta: "-", kinds: &["redacted_thinking"], text: &[] },
];
