//! Mistral's conversations: outputs that their first piece opens and nothing closes but the end, and
//! tools that run at Mistral, which are opened and closed.

use super::super::Severity;
use super::table::{Does, EventRow, Fit, Space, Table, Tag};

const OUTPUT: usize = 0;
const CALL: usize = 1;
const TOOL: usize = 2;
const HANDOFF: usize = 3;

pub(super) static TABLE: Table = Table {
    spaces: &[
        Space {
            implicit: Some(&[]),
            unclosed: Severity::Info,
            group: None,
            ..Space::named("message", &["id"], Tag::Is("text"))
        },
        Space {
            implicit: Some(&[]),
            unclosed: Severity::Info,
            group: None,
            ..Space::named("call", &["tool_call_id"], Tag::Is("function"))
        },
        Space { name: &["name"], ..Space::named("execution", &["id"], Tag::Is("tool")) },
        Space::named("handoff", &["id"], Tag::Is("agent")),
    ],
    rows: &[
        EventRow::new("message.output.delta", OUTPUT, Does::Add).fits(TEXT),
        EventRow::new("function.call.delta", CALL, Does::Add).fits(ARGUMENTS),
        EventRow::new("tool.execution.started", TOOL, Does::Open),
        EventRow::new("tool.execution.delta", TOOL, Does::Add).fits(RUN),
        EventRow::new("tool.execution.done", TOOL, Does::Close),
        EventRow::new("agent.handoff.started", HANDOFF, Does::Open),
        EventRow::new("agent.handoff.done", HANDOFF, Does::Close),
        EventRow::new("conversation.response.started", OUTPUT, Does::Begin),
        EventRow::new("conversation.response.done", OUTPUT, Does::End),
        EventRow::new("conversation.response.error", OUTPUT, Does::Abort),
    ],
    container_id: &["conversation_id"],
    ..Table::PLAIN
};

const TEXT: &[Fit] = &[Fit { delta: "", kinds: &["text"], text: &["content"] }];
const ARGUMENTS: &[Fit] = &[Fit { delta: "", kinds: &["function"], text: &["arguments"] }];
const RUN: &[Fit] = &[Fit { delta: "", kinds: &["tool"], text: &["arguments"] }];
