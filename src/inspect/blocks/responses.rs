//! OpenAI Responses: items, which may overlap and end in any order, and their parts, which may not.

use super::super::Severity;
use super::table::{Does, Fit, Need, Row, Space, Table, Tag};

pub(super) const ITEM: usize = 0;
pub(super) const CONTENT: usize = 1;
pub(super) const SUMMARY: usize = 2;
const COMMAND: usize = 3;

const PY_ITEM: &str = "openai-python raises RuntimeError, openai-node \"missing output\"";
const PART: &str = "openai-python raises IndexError, openai-node \"missing content\"";

pub(super) static TABLE: Table = Table {
    textless: "openai-python raises TypeError",
    spaces: &[
        Space {
            id: &["item", "id"],
            name: &["item", "name"],
            group: None,
            calls: &["function_call", "custom_tool_call"],
            unclosed: Severity::Error,
            breaks: PY_ITEM,
            ..Space::new("item", &["output_index"], Tag::At(&["item", "type"]))
        },
        Space {
            parent: Some(ITEM),
            group: Some(1),
            overlap: Severity::Info,
            unclosed: Severity::Info,
            breaks: PART,
            ..Space::new(
                "content part",
                &["output_index", "content_index"],
                Tag::At(&["part", "type"]),
            )
        },
        Space {
            parent: Some(ITEM),
            group: Some(2),
            overlap: Severity::Info,
            unclosed: Severity::Info,
            breaks: "openai-node raises \"missing content\"",
            ..Space::new(
                "summary part",
                &["output_index", "summary_index"],
                Tag::Is("summary_text"),
            )
        },
        Space {
            parent: Some(ITEM),
            group: None,
            index: Severity::Info,
            unclosed: Severity::Info,
            implicit: Some(&[]),
            ..Space::new("command", &["output_index", "command_index"], Tag::Is("command"))
        },
    ],
    rows: &[
        Row::new("response.output_text.delta", CONTENT, Does::Add).inside(MESSAGE).fits(TEXT),
        Row::new("response.function_call_arguments.delta", ITEM, Does::Add).fits(FUNCTION),
        Row::new("response.reasoning_text.delta", CONTENT, Does::Add).inside(THOUGHT).fits(THINKS),
        Row::new("response.reasoning_summary_text.delta", SUMMARY, Does::Add)
            .inside(THOUGHT)
            .fits(SUMMED),
        Row::new("response.refusal.delta", CONTENT, Does::Add).inside(MESSAGE).fits(REFUSAL),
        Row::new("response.custom_tool_call_input.delta", ITEM, Does::Add).fits(CUSTOM),
        Row::new("response.mcp_call_arguments.delta", ITEM, Does::Add).fits(MCP),
        Row::new("response.code_interpreter_call_code.delta", ITEM, Does::Add).fits(CODE),
        Row::new("response.apply_patch_call_operation_diff.delta", ITEM, Does::Add).fits(PATCH),
        Row::new("response.shell_call_command.added", COMMAND, Does::Open),
        Row::new("response.shell_call_command.delta", COMMAND, Does::Add).fits(COMMANDS),
        Row::new("response.shell_call_command.done", COMMAND, Does::Close)
            .restates(&[&["command"]]),
        Row::new("response.output_text.annotation.added", CONTENT, Does::Status)
            .inside(MESSAGE)
            .fits(TEXT),
        Row::new("response.output_item.added", ITEM, Does::Open).needs(&[
            Need::new(&["item"], "openai-python raises RuntimeError at the next delta"),
            Need::new(&["item", "content"], "openai-python raises AttributeError").of("message"),
        ]),
        Row::new("response.output_item.done", ITEM, Does::Close),
        Row::new("response.content_part.added", CONTENT, Does::Open)
            .inside(BOTH)
            .needs(&[Need::new(&["part"], "both OpenAI helpers raise")]),
        Row::new("response.content_part.done", CONTENT, Does::Close)
            .restates(&[&["part", "text"], &["part", "refusal"]]),
        Row::new("response.reasoning_part.added", CONTENT, Does::Open).inside(THOUGHT),
        Row::new("response.reasoning_part.done", CONTENT, Does::Close)
            .restates(&[&["part", "text"]]),
        Row::new("response.reasoning_summary_part.added", SUMMARY, Does::Open).inside(THOUGHT),
        Row::new("response.reasoning_summary_part.done", SUMMARY, Does::Close)
            .restates(&[&["part", "text"]]),
        Row::new("response.output_text.done", CONTENT, Does::Restate)
            .inside(MESSAGE)
            .fits(TEXT)
            .restates(&[&["text"]]),
        Row::new("response.refusal.done", CONTENT, Does::Restate)
            .inside(MESSAGE)
            .fits(REFUSAL)
            .restates(&[&["refusal"]]),
        Row::new("response.reasoning_text.done", CONTENT, Does::Restate)
            .inside(THOUGHT)
            .fits(THINKS)
            .restates(&[&["text"]]),
        Row::new("response.reasoning_summary_text.done", SUMMARY, Does::Restate)
            .inside(THOUGHT)
            .fits(SUMMED)
            .restates(&[&["text"]]),
        Row::new("response.function_call_arguments.done", ITEM, Does::Restate)
            .fits(FUNCTION)
            .restates(&[&["arguments"]]),
        Row::new("response.custom_tool_call_input.done", ITEM, Does::Restate)
            .fits(CUSTOM)
            .restates(&[&["input"]]),
        Row::new("response.mcp_call_arguments.done", ITEM, Does::Restate)
            .fits(MCP)
            .restates(&[&["arguments"]]),
        Row::new("response.code_interpreter_call_code.done", ITEM, Does::Restate)
            .fits(CODE)
            .restates(&[&["code"]]),
        Row::new("response.apply_patch_call_operation_diff.done", ITEM, Does::Restate)
            .fits(PATCH)
            .restates(&[&["diff"]]),
        Row::new("response.created", ITEM, Does::Begin).needs(&[
            Need::new(&["response"], "both OpenAI helpers fail there"),
            Need::new(&["response", "output"], "openai-node's helper raises"),
        ]),
        Row::new("response.completed", ITEM, Does::End)
            .needs(&[Need::new(&["response"], "both OpenAI helpers fail there")]),
        Row::new("response.done", ITEM, Does::End),
        Row::new("response.incomplete", ITEM, Does::Abort),
        Row::new("response.failed", ITEM, Does::Abort),
        Row::new("response.cancelled", ITEM, Does::Abort),
    ],
    container_id: &["response", "id"],
    begins: true,
    joins: true,
    ..Table::PLAIN
};

const MESSAGE: &[&str] = &["message"];
const THOUGHT: &[&str] = &["reasoning"];
const BOTH: &[&str] = &["message", "reasoning"];

const fn fit(kinds: &'static [&'static str]) -> Fit {
    Fit { delta: "", kinds, text: &["delta"] }
}

const TEXT: &[Fit] = &[fit(&["output_text"])];
const REFUSAL: &[Fit] = &[fit(&["refusal"])];
const THINKS: &[Fit] = &[fit(&["reasoning_text"])];
const SUMMED: &[Fit] = &[fit(&["summary_text"])];
const FUNCTION: &[Fit] = &[fit(&["function_call"])];
const CUSTOM: &[Fit] = &[fit(&["custom_tool_call"])];
const MCP: &[Fit] = &[fit(&["mcp_call"])];
const CODE: &[Fit] = &[fit(&["code_interpreter_call"])];
const PATCH: &[Fit] = &[fit(&["apply_patch_call"])];
const COMMANDS: &[Fit] = &[fit(&["command"])];
