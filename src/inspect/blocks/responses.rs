//! OpenAI Responses: items, which may overlap and end in any order, and their parts, which may not.

use super::super::Severity;
use super::table::{Does, EventRow, Fit, RequiredField, Space, Table, Tag};

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
        EventRow::new("response.output_text.delta", CONTENT, Does::Add).inside(MESSAGE).fits(TEXT),
        EventRow::new("response.function_call_arguments.delta", ITEM, Does::Add).fits(FUNCTION),
        EventRow::new("response.reasoning_text.delta", CONTENT, Does::Add)
            .inside(THOUGHT)
            .fits(THINKS),
        EventRow::new("response.reasoning_summary_text.delta", SUMMARY, Does::Add)
            .inside(THOUGHT)
            .fits(SUMMED),
        EventRow::new("response.refusal.delta", CONTENT, Does::Add).inside(MESSAGE).fits(REFUSAL),
        EventRow::new("response.custom_tool_call_input.delta", ITEM, Does::Add).fits(CUSTOM),
        EventRow::new("response.mcp_call_arguments.delta", ITEM, Does::Add).fits(MCP),
        EventRow::new("response.code_interpreter_call_code.delta", ITEM, Does::Add).fits(CODE),
        EventRow::new("response.apply_patch_call_operation_diff.delta", ITEM, Does::Add)
            .fits(PATCH),
        EventRow::new("response.shell_call_command.added", COMMAND, Does::Open),
        EventRow::new("response.shell_call_command.delta", COMMAND, Does::Add).fits(COMMANDS),
        EventRow::new("response.shell_call_command.done", COMMAND, Does::Close)
            .restates(&[&["command"]]),
        EventRow::new("response.output_text.annotation.added", CONTENT, Does::Status)
            .inside(MESSAGE)
            .fits(TEXT),
        EventRow::new("response.output_item.added", ITEM, Does::Open).needs(&[
            RequiredField::new(&["item"], "openai-python raises RuntimeError at the next delta"),
            RequiredField::new(&["item", "content"], "openai-python raises AttributeError")
                .of("message"),
        ]),
        EventRow::new("response.output_item.done", ITEM, Does::Close),
        EventRow::new("response.content_part.added", CONTENT, Does::Open)
            .inside(BOTH)
            .needs(&[RequiredField::new(&["part"], "both OpenAI helpers raise")]),
        EventRow::new("response.content_part.done", CONTENT, Does::Close)
            .restates(&[&["part", "text"], &["part", "refusal"]]),
        EventRow::new("response.reasoning_part.added", CONTENT, Does::Open).inside(THOUGHT),
        EventRow::new("response.reasoning_part.done", CONTENT, Does::Close)
            .restates(&[&["part", "text"]]),
        EventRow::new("response.reasoning_summary_part.added", SUMMARY, Does::Open).inside(THOUGHT),
        EventRow::new("response.reasoning_summary_part.done", SUMMARY, Does::Close)
            .restates(&[&["part", "text"]]),
        EventRow::new("response.output_text.done", CONTENT, Does::Restate)
            .inside(MESSAGE)
            .fits(TEXT)
            .restates(&[&["text"]]),
        EventRow::new("response.refusal.done", CONTENT, Does::Restate)
            .inside(MESSAGE)
            .fits(REFUSAL)
            .restates(&[&["refusal"]]),
        EventRow::new("response.reasoning_text.done", CONTENT, Does::Restate)
            .inside(THOUGHT)
            .fits(THINKS)
            .restates(&[&["text"]]),
        EventRow::new("response.reasoning_summary_text.done", SUMMARY, Does::Restate)
            .inside(THOUGHT)
            .fits(SUMMED)
            .restates(&[&["text"]]),
        EventRow::new("response.function_call_arguments.done", ITEM, Does::Restate)
            .fits(FUNCTION)
            .restates(&[&["arguments"]]),
        EventRow::new("response.custom_tool_call_input.done", ITEM, Does::Restate)
            .fits(CUSTOM)
            .restates(&[&["input"]]),
        EventRow::new("response.mcp_call_arguments.done", ITEM, Does::Restate)
            .fits(MCP)
            .restates(&[&["arguments"]]),
        EventRow::new("response.code_interpreter_call_code.done", ITEM, Does::Restate)
            .fits(CODE)
            .restates(&[&["code"]]),
        EventRow::new("response.apply_patch_call_operation_diff.done", ITEM, Does::Restate)
            .fits(PATCH)
            .restates(&[&["diff"]]),
        EventRow::new("response.created", ITEM, Does::Begin).needs(&[
            RequiredField::new(&["response"], "both OpenAI helpers fail there"),
            RequiredField::new(&["response", "output"], "openai-node's helper raises"),
        ]),
        EventRow::new("response.completed", ITEM, Does::End)
            .needs(&[RequiredField::new(&["response"], "both OpenAI helpers fail there")]),
        EventRow::new("response.done", ITEM, Does::End),
        EventRow::new("response.incomplete", ITEM, Does::Abort),
        EventRow::new("response.failed", ITEM, Does::Abort),
        EventRow::new("response.cancelled", ITEM, Does::Abort),
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
