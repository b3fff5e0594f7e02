//! AG-UI: messages, calls, steps and spans of thought, each with an id, side by side.

use super::super::Severity;
use super::table::{Does, EventRow, Fit, Space, Table, Tag};

const MESSAGE: usize = 0;
const CALL: usize = 1;
const THOUGHT: usize = 2;
const SPAN: usize = 3;
const STEP: usize = 4;
const SUBAGENT: usize = 5;
const OLD_THOUGHT: usize = 6;
const OLD_SPAN: usize = 7;

/// Reaction of the protocol's client where an event has no block, or a run ends with one open.
const RAISES: &str = "@ag-ui/client raises";

/// Blocks that the client requires to be opened and closed.
const fn strict(noun: &'static str, key: &'static [&'static str], kind: &'static str) -> Space {
    Space { unclosed: Severity::Error, breaks: RAISES, ..Space::named(noun, key, Tag::Is(kind)) }
}

pub(super) static TABLE: Table = Table {
    textless: "@ag-ui/client raises",
    spaces: &[
        strict("message", &["messageId"], "text"),
        Space {
            name: &["toolCallName"],
            calls: &["tool"],
            ..strict("call", &["toolCallId"], "tool")
        },
        strict("message", &["messageId"], "reasoning"),
        strict("span", &["messageId"], "reasoning"),
        strict("step", &["stepName"], ""),
        strict("subagent", &["subagentRunId"], ""),
        // The older names, without ids.
        strict("message", &[], "thinking"),
        strict("span", &[], "thinking"),
    ],
    rows: &[
        EventRow::new("TEXT_MESSAGE_CONTENT", MESSAGE, Does::Add).fits(TEXT),
        EventRow::new("TEXT_MESSAGE_START", MESSAGE, Does::Open),
        EventRow::new("TEXT_MESSAGE_END", MESSAGE, Does::Close),
        EventRow::new("TOOL_CALL_ARGS", CALL, Does::Add).fits(ARGUMENTS),
        EventRow::new("TOOL_CALL_START", CALL, Does::Open),
        EventRow::new("TOOL_CALL_END", CALL, Does::Close),
        EventRow::new("REASONING_MESSAGE_CONTENT", THOUGHT, Does::Add).fits(THINKS),
        EventRow::new("REASONING_MESSAGE_START", THOUGHT, Does::Open),
        EventRow::new("REASONING_MESSAGE_END", THOUGHT, Does::Close),
        EventRow::new("REASONING_START", SPAN, Does::Open),
        EventRow::new("REASONING_END", SPAN, Does::Close),
        EventRow::new("STEP_STARTED", STEP, Does::Open),
        EventRow::new("STEP_FINISHED", STEP, Does::Close),
        EventRow::new("SUBAGENT_STARTED", SUBAGENT, Does::Open),
        EventRow::new("SUBAGENT_FINISHED", SUBAGENT, Does::Close),
        EventRow::new("SUBAGENT_ERROR", SUBAGENT, Does::Close),
        EventRow::new("THINKING_TEXT_MESSAGE_CONTENT", OLD_THOUGHT, Does::Add).fits(THOUGHT_OF_OLD),
        EventRow::new("THINKING_TEXT_MESSAGE_START", OLD_THOUGHT, Does::Open),
        EventRow::new("THINKING_TEXT_MESSAGE_END", OLD_THOUGHT, Does::Close),
        EventRow::new("THINKING_START", OLD_SPAN, Does::Open),
        EventRow::new("THINKING_END", OLD_SPAN, Does::Close),
        // Chunks open and close their messages by themselves; the other events belong to no message.
        EventRow::new("TEXT_MESSAGE_CHUNK", MESSAGE, Does::Status),
        EventRow::new("TOOL_CALL_CHUNK", CALL, Does::Status),
        EventRow::new("REASONING_MESSAGE_CHUNK", THOUGHT, Does::Status),
        EventRow::new("TOOL_CALL_RESULT", CALL, Does::Status),
        EventRow::new("STATE_SNAPSHOT", STEP, Does::Status),
        EventRow::new("STATE_DELTA", STEP, Does::Status),
        EventRow::new("MESSAGES_SNAPSHOT", STEP, Does::Status),
        EventRow::new("RUN_STARTED", MESSAGE, Does::Begin),
        EventRow::new("RUN_FINISHED", MESSAGE, Does::End),
        EventRow::new("RUN_ERROR", MESSAGE, Does::Abort),
    ],
    container_id: &["runId"],
    opener: "@ag-ui/client raises \"First event must be RUN_STARTED\"",
    ..Table::PLAIN
};

const fn fit(kinds: &'static [&'static str]) -> Fit {
    Fit { delta: "", kinds, text: &["delta"] }
}

const TEXT: &[Fit] = &[fit(&["text"])];
const ARGUMENTS: &[Fit] = &[fit(&["tool"])];
const THINKS: &[Fit] = &[fit(&["reasoning"])];
const THOUGHT_OF_OLD: &[Fit] = &[fit(&["thinking"])];
