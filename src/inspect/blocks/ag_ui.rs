//! AG-UI: messages, calls, steps and spans of thought, each with an id, side by side.

use super::super::Severity;
use super::table::{Does, Fit, Row, Space, Table, Tag};

const MESSAGE: usize = 0;
const CALL: usize = 1;
const THOUGHT: usize = 2;
const SPAN: usize = 3;
const STEP: usize = 4;
const SUBAGENT: usize = 5;
const OLD_THOUGHT: usize = 6;
const OLD_SPAN: usize = 7;

/// What the protocol's client does where an event has no block, or a run ends with one open.
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
        Row::new("TEXT_MESSAGE_CONTENT", MESSAGE, Does::Add).fits(TEXT),
        Row::new("TEXT_MESSAGE_START", MESSAGE, Does::Open),
        Row::new("TEXT_MESSAGE_END", MESSAGE, Does::Close),
        Row::new("TOOL_CALL_ARGS", CALL, Does::Add).fits(ARGUMENTS),
        Row::new("TOOL_CALL_START", CALL, Does::Open),
        Row::new("TOOL_CALL_END", CALL, Does::Close),
        Row::new("REASONING_MESSAGE_CONTENT", THOUGHT, Does::Add).fits(THINKS),
        Row::new("REASONING_MESSAGE_START", THOUGHT, Does::Open),
        Row::new("REASONING_MESSAGE_END", THOUGHT, Does::Close),
        Row::new("REASONING_START", SPAN, Does::Open),
        Row::new("REASONING_END", SPAN, Does::Close),
        Row::new("STEP_STARTED", STEP, Does::Open),
        Row::new("STEP_FINISHED", STEP, Does::Close),
        Row::new("SUBAGENT_STARTED", SUBAGENT, Does::Open),
        Row::new("SUBAGENT_FINISHED", SUBAGENT, Does::Close),
        Row::new("SUBAGENT_ERROR", SUBAGENT, Does::Close),
        Row::new("THINKING_TEXT_MESSAGE_CONTENT", OLD_THOUGHT, Does::Add).fits(THOUGHT_OF_OLD),
        Row::new("THINKING_TEXT_MESSAGE_START", OLD_THOUGHT, Does::Open),
        Row::new("THINKING_TEXT_MESSAGE_END", OLD_THOUGHT, Does::Close),
        Row::new("THINKING_START", OLD_SPAN, Does::Open),
        Row::new("THINKING_END", OLD_SPAN, Does::Close),
        // Chunks open and close their messages by themselves; the rest belongs to none.
        Row::new("TEXT_MESSAGE_CHUNK", MESSAGE, Does::Status),
        Row::new("TOOL_CALL_CHUNK", CALL, Does::Status),
        Row::new("REASONING_MESSAGE_CHUNK", THOUGHT, Does::Status),
        Row::new("TOOL_CALL_RESULT", CALL, Does::Status),
        Row::new("STATE_SNAPSHOT", STEP, Does::Status),
        Row::new("STATE_DELTA", STEP, Does::Status),
        Row::new("MESSAGES_SNAPSHOT", STEP, Does::Status),
        Row::new("RUN_STARTED", MESSAGE, Does::Begin),
        Row::new("RUN_FINISHED", MESSAGE, Does::End),
        Row::new("RUN_ERROR", MESSAGE, Does::Abort),
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
