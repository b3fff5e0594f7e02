//! Rules about tool calls.

use super::{
    Code, Detector, EachFrame, FindingPlace, Findings, FrameView, Look, Severity, cut, is_chat,
    ours, refused,
};
use crate::dialect::Channel;
use crate::inspect::{Delta, Facts, ToolCall};
use crate::json::{self, ErrorKind, Tape, Value};
use crate::text;

/// Of how many calls the pieces are counted, and the beginnings looked at.
const MAX_COUNTED: usize = 1000;

#[derive(Default)]
pub(super) struct ToolDetector {
    /// Number of pieces with arguments that each call had.
    pieces: Vec<u32>,
}

impl Detector for ToolDetector {
    fn looks_at(&self) -> &'static [Look] {
        &[Look::Calls]
    }

    fn each(&mut self, facts: &Facts, each: &EachFrame<'_>, _findings: &mut Findings) {
        let answer = facts.answer();
        if answer.tools().is_empty() || refused(facts) {
            return;
        }
        let is_piece = |d: &&Delta| d.channel == Channel::Tool && !answer.text_of(d).is_empty();
        for delta in each.deltas.iter().filter(is_piece) {
            let slot = answer.tool_place(delta);
            let Some(slot) = slot.filter(|s| *s < MAX_COUNTED) else { continue };
            self.pieces.resize(self.pieces.len().max(slot + 1), 0);
            self.pieces[slot] += 1;
        }
    }

    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
        let answer = facts.answer();
        if answer.tools().is_empty() || refused(facts) {
            return;
        }
        if !answer.deltas_of_last(view.index).any(|d| d.channel == Channel::Tool) {
            return;
        }
        let news: Vec<usize> = (0..answer.tools().len())
            .rev()
            .take_while(|i| answer.tools()[*i].first == view.index)
            .collect();
        for i in news.iter().rev().filter(|i| **i < MAX_COUNTED) {
            begins(facts, &answer.tools()[..=*i], view, findings);
        }
        encoded(facts, view, findings);
        // Each dialect defines how a call is written; the checks below are for Chat.
        let choices = view.chunk.and_then(|c| c.choices).into_iter().flat_map(Value::items);
        let calls = choices.filter_map(|c| c.at(&["delta", "tool_calls"])).flat_map(Value::items);
        for call in calls {
            piece(call, news.is_empty(), view, findings);
        }
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        if refused(facts) {
            return;
        }
        let tools = facts.answer().tools();
        let counted: Vec<_> = tools.iter().filter(|t| t.counted && is_chat(facts)).collect();
        if let Some(first) = counted.first() {
            // A single call cannot be mixed up with another. openai-python raises and openai-node loses it;
            // Mistral's SDK treats it as the first.
            let mistral = facts.dialect().is_some_and(|d| d.name() == "mistral");
            let severity = match tools.len() {
                0 | 1 if mistral => Severity::Warn,
                0 | 1 => Severity::Error,
                _ => Severity::Fatal,
            };
            let message = format!("{} of {} tool calls have no index", counted.len(), tools.len());
            findings.raise_as(Code::ToolIndexMissing, severity, place(facts, first), message);
        }
        let stopped = cut(facts)
            || ours(facts)
            || !facts.answer().finished() && facts.answer().terminal.is_none()
            || !facts.answer().errors.is_empty();
        for (i, tool) in tools.iter().enumerate() {
            let pieces = self.pieces.get(i).copied().unwrap_or(0);
            arguments(facts, tool, pieces, stopped, findings);
        }
        // If the dialect has a finish reason for calls, the finish must use it.
        let finishes = facts.dialect().map_or(&[][..], |d| d.ending().finishes);
        if !finishes.iter().any(|f| CALLED.contains(f)) {
            return;
        }
        // The choices with calls that the provider did not run itself.
        let to_run = tools.iter().filter(|t| !is_the_providers(facts, t)).map(|t| t.choice);
        let to_run: std::collections::BTreeSet<u32> = to_run.collect();
        // Computed once, because it looks at every choice.
        let severity = if names_a_tool(facts) { Severity::Info } else { Severity::Warn };
        for (choice, reason) in facts.answer().finish() {
            let (calls, ran) = (facts.answer().calls_of(choice), !to_run.contains(&choice));
            let at = facts.answer().finish_frame(choice);
            let at = FindingPlace {
                frame: at,
                offset: at.and_then(|f| facts.frames().get(f as usize)).map(|f| f.offset),
            };
            if STOPPED.contains(&reason) && !ran {
                let message =
                    format!("{}, but finish \"{reason}\"", text::count(calls, "tool call"));
                findings.raise_as(Code::ToolFinishStop, severity, at, message);
            } else if CALLED.contains(&reason) && calls == 0 {
                let message = format!("Finish \"{reason}\" without a tool call");
                // If the answer has nothing else, the call that the finish announces was lost.
                let severity = match facts.answer().is_silent(choice) {
                    true => Severity::Error,
                    false => Code::ToolFinishWithoutCall.severity(),
                };
                findings.raise_as(Code::ToolFinishWithoutCall, severity, at, message);
            }
        }
    }
}

/// Finishes that say that there are calls to run, and those that say that there is nothing to do.
const CALLED: &[&str] = &["tool_calls", "function_call", "tool_use", "TOOL_CALL"];
const STOPPED: &[&str] = &["stop", "end_turn", "COMPLETE"];

/// Returns whether the request makes the model call one tool: OpenAI finishes such an answer with "stop".
fn names_a_tool(facts: &Facts) -> bool {
    let Some(request) = &facts.request else { return false };
    let Ok(body) = std::str::from_utf8(&request.body) else { return false };
    let mut tape = Tape::new();
    if tape.parse(body).is_err() {
        return false;
    }
    let choice = tape.root(body).and_then(|j| j.get("tool_choice"));
    choice.is_some_and(|c| {
        c.at(&["function", "name"]).is_some()
            || c.get("name").is_some()
            || c.get("custom").is_some()
    })
}

/// Returns whether a call is one that the provider ran itself, so that no client has to be notified of it:
/// Anthropic says so in its id and by its kind, AWS by the result that follows.
fn is_the_providers(facts: &Facts, tool: &ToolCall) -> bool {
    /// Its kinds of blocks for such calls.
    const OWN: &[&str] = &["server_tool_use", "mcp_tool_use"];
    let id = tool.id.as_deref().unwrap_or_default();
    let of_kind = |block: &crate::inspect::Block| {
        OWN.contains(&&*block.kind) && !id.is_empty() && block.id.as_deref() == Some(id)
    };
    ["srvtoolu_", "mcptoolu_"].iter().any(|own| id.starts_with(own))
        || facts.blocks().iter().any(of_kind)
        || !facts.answer().text(Channel::Other, tool.choice).is_empty()
}

/// Returns whether the dialect provides calls with ids, by which their results are matched.
fn gives_ids(facts: &Facts) -> bool {
    const WITHOUT: &[&str] = &["gemini", "gemini-array", "ollama", "cohere-v1"];
    facts.dialect().is_none_or(|d| !WITHOUT.contains(&d.name()))
}

fn place(facts: &Facts, tool: &ToolCall) -> FindingPlace {
    let offset = facts.frames().get(tool.first as usize).map(|f| f.offset);
    FindingPlace { frame: Some(tool.first), offset }
}

/// The last of `tools` begins in this frame.
fn begins(facts: &Facts, tools: &[ToolCall], view: &FrameView<'_>, findings: &mut Findings) {
    let Some((tool, earlier)) = tools.split_last() else { return };
    let mine = || earlier.iter().filter(|t| t.choice == tool.choice);
    let name = text::preview(tool.name.as_deref().unwrap_or("?"), 40);
    if tool.id.is_none() && gives_ids(facts) {
        let message = format!("The call of \"{name}\" begins without an id");
        findings.raise(Code::ToolIdMissing, view.place(), message);
    }
    if tool.name.is_none() {
        // Arguments that belong to an earlier call and have another index.
        let starved = mine().find(|t| t.arguments.is_empty() && t.name.is_some());
        let message = match starved.filter(|_| tool.id.is_none() && !tool.counted) {
            Some(other) => format!(
                "Arguments arrive under index {}, but their call \"{}\" has index {}",
                tool.index,
                text::preview(other.name.as_deref().unwrap_or_default(), 40),
                other.index
            ),
            None => format!("Tool call {} begins without a function name", tool.index),
        };
        findings.raise(Code::ToolNameMissing, view.place(), message);
    }
    if tool.counted {
        return;
    }
    if let Some(other) = mine().find(|t| t.index == tool.index) {
        let id = |t: &ToolCall| text::preview(t.id.as_deref().unwrap_or("none"), 40);
        let message =
            format!("Index {} has two calls, \"{}\" and \"{}\"", tool.index, id(other), id(tool));
        findings.raise(Code::ToolIndexCollision, view.place(), message);
    } else if is_chat(facts) && tool.index > mine().count() as u64 {
        let message = format!(
            "The call of \"{name}\" has index {}, after {} before it",
            tool.index,
            mine().count()
        );
        findings.raise(Code::ToolIndexGap, view.place(), message);
    }
}

/// One item of `tool_calls`.
fn piece(call: Value<'_>, continues: bool, view: &FrameView<'_>, findings: &mut Findings) {
    let function = call.get("function");
    let is_empty = |v: Option<Value<'_>>| v.is_some_and(|v| v.source() == "\"\"");
    if continues && (is_empty(call.get("id")) || is_empty(function.and_then(|f| f.get("name")))) {
        let message = "A later piece of a call repeats id or name as an empty string";
        findings.raise_once(Code::ToolIdOrNameEmptyRepeat, view.place(), message);
    }
    if call.get("type").is_some_and(Value::is_null) {
        findings.raise_once(Code::ToolTypeNull, view.place(), "A call's type is null");
    }
    match function.and_then(|f| f.get("arguments")).map(Value::kind) {
        Some(json::Kind::Null) => {
            findings.raise_once(Code::ToolArgsNull, view.place(), "A piece's arguments are null");
        }
        Some(json::Kind::String) | None => {}
        Some(kind) => {
            let message = format!("The arguments are of type {}, not a string", kind.name());
            findings.raise(Code::ToolArgsObject, view.place(), message);
        }
    }
}

/// Dialects whose arguments are objects.
const OBJECTS: &[&str] = &["ollama", "gemini", "gemini-array"];

/// Arguments that are a string where the dialect has an object: its SDK raises.
fn encoded(facts: &Facts, view: &FrameView<'_>, findings: &mut Findings) {
    let Some(json) = view.json else { return };
    let is_text = |arguments: Option<Value<'_>>| {
        arguments.is_some_and(|arguments| arguments.kind() == json::Kind::String)
    };
    let (call, who) = match facts.dialect().map(|d| d.name()) {
        Some("ollama") => {
            let calls = json.at(&["message", "tool_calls"]).into_iter().flat_map(Value::items);
            let mut functions = calls.filter_map(|call| call.get("function"));
            (functions.find(|f| is_text(f.get("arguments"))), "ollama-python")
        }
        Some("gemini" | "gemini-array") => {
            let candidates = json.get("candidates").into_iter().flat_map(Value::items);
            let parts = candidates.filter_map(|c| c.at(&["content", "parts"]));
            let mut calls = parts.flat_map(Value::items).filter_map(|p| p.get("functionCall"));
            (calls.find(|call| is_text(call.get("args"))), "google-genai")
        }
        _ => return,
    };
    if let Some(call) = call.filter(|_| !findings.again(Code::ToolArgsDoubleEncoded)) {
        let name = call.str("name").unwrap_or_default();
        let message = format!(
            "The arguments of \"{}\" are a string, not an object: {who} raises",
            text::preview(&name, 40)
        );
        findings.raise(Code::ToolArgsDoubleEncoded, view.place(), message);
    }
}

/// The joined arguments of one call.
fn arguments(facts: &Facts, tool: &ToolCall, pieces: u32, stopped: bool, findings: &mut Findings) {
    let source = tool.value();
    if source.trim().is_empty() || tool.free_text {
        return;
    }
    let name = text::preview(tool.name.as_deref().unwrap_or("?"), 40);
    let mut tape = Tape::new();
    match tape.parse(source) {
        Ok(()) => {
            let inner = tape.root(source).and_then(|v| v.as_str());
            // Where arguments are objects by definition, the frame has already been judged.
            let objects = facts.dialect().is_some_and(|d| OBJECTS.contains(&d.name()));
            let is_json = |s: &str| s.starts_with('{') && Tape::new().parse(s).is_ok();
            if !objects && inner.is_some_and(|s| is_json(&s)) {
                let message = format!(
                    "The arguments of \"{name}\" are encoded twice: a string with JSON in it"
                );
                findings.raise(Code::ToolArgsDoubleEncoded, place(facts, tool), message);
            }
        }
        Err(e) if e.kind == ErrorKind::Trailing && pieces > 1 => {
            let message = format!(
                "The arguments of \"{name}\" were complete after {} bytes, and more arrived",
                e.offset
            );
            findings.raise(Code::ToolArgsCompleteTooEarly, place(facts, tool), message);
        }
        Err(e) => {
            let answer = facts.answer();
            // Responses has one finish reason for every such end; the cause is in a separate field.
            let mut words =
                answer.cause(tool.choice).into_iter().chain(answer.finish_of(tool.choice));
            let by_length =
                words.any(super::end::is_length) || findings.tally.of(Code::LengthHidden) > 0;
            // A truncated answer is reported as that.
            let severity = if stopped || by_length { Severity::Info } else { Severity::Error };
            let message = format!("The arguments of \"{name}\" are not JSON: {e}");
            findings.raise_as(Code::ToolArgsInvalidAtEnd, severity, place(facts, tool), message);
        }
    }
}
