//! Result of the answer: said, thought, refused, nothing.

use super::frame;
use super::over::is_whole;
use super::reasons::{finish_words, is_filter, is_length};
use crate::dialect::Channel;
use crate::frame::Framing;
use crate::inspect::Facts;
use crate::inspect::detect::{Code, FindingPlace, Findings, Severity, cut};
use crate::json::Tape;
use crate::text;

/// Paths of reasoning that only the provider can read.
const ENCRYPTED: &[&str] = &[
    "choices[].delta.reasoning_details[].data",
    "content_block.data",
    "delta.reasoningContent.redactedContent",
];

/// Reports the result of the answer. `other_item`: it has an item that is neither a message nor reasoning.
pub(super) fn came_to(facts: &Facts, other_item: bool, findings: &mut Findings) {
    let answer = facts.answer();
    if answer.has(Channel::Refusal) {
        let chars = text::count(answer.chars(Channel::Refusal) as u64, "character");
        let message = format!("The model refused ({chars} of refusal)");
        findings.raise(Code::Refusal, FindingPlace::default(), message);
    }
    if !answer.has(Channel::Reasoning) {
        unseen_reasoning(facts, findings);
    }
    for (choice, reason) in answer.finish() {
        choice_came_to(facts, choice, reason, other_item, findings);
    }
    missing_finish(facts, findings);
    // Also look at choices that never finished.
    for (choice, _) in
        answer.texts(Channel::Content).filter(|(c, _)| answer.finish_frame(*c).is_none())
    {
        if !cut(facts) {
            unclosed(facts, choice, findings);
        }
    }
}

/// Reports reasoning of which no text arrived: it is encrypted, or only counted.
fn unseen_reasoning(facts: &Facts, findings: &mut Findings) {
    let answer = facts.answer();
    let encrypted = facts.shape().rows().iter().any(|r| ENCRYPTED.contains(&r.path.as_str()));
    let tokens = answer.usage.reasoning.unwrap_or(0);
    if encrypted {
        let message = "Reasoning is encrypted, without text";
        findings.raise(Code::ReasoningEncryptedOnly, FindingPlace::default(), message);
    } else if tokens > 0
        && !answer.choices().iter().any(|c| answer.think(*c).is_some_and(|t| t.any()))
    {
        let message = format!(
            "{} reasoning tokens counted, but no reasoning text received",
            text::group(tokens)
        );
        findings.raise(Code::ReasoningHidden, FindingPlace::default(), message);
    }
}

/// Protocols of chats and generations that never say why they end: over without a word they brought
/// nothing. Those that carry states, events of a workflow or results of tools are not among them.
const TALKS: &[&str] = &[
    "bedrock-agent",
    "cody",
    "coze",
    "dify",
    "flowise",
    "mistral-conversations",
    "sglang",
    "tgi",
    "triton",
    "vllm-generate",
    "workers-ai",
    "writer-completions",
];

/// Reports an answer without a finish that has nothing in it, if the dialect has no finishes.
fn missing_finish(facts: &Facts, findings: &mut Findings) {
    let answer = facts.answer();
    let talks = facts.dialect().is_some_and(|d| TALKS.contains(&d.name()));
    let is_over = facts.ending().terminal != Some(false) && !cut(facts);
    let silent = answer.deltas().is_empty() && answer.tools().is_empty();
    // A workflow's output can be of any kind.
    let workflow = || facts.shape().rows().iter().any(|row| row.path == "workflow_run_id");
    if talks
        && is_over
        && silent
        && answer.errors.is_empty()
        && answer.finish().next().is_none()
        && facts.framing() != Some(Framing::Whole)
        && !brought_matter(facts)
        && !workflow()
    {
        let message = "Empty answer: no content, no reasoning, no tool call";
        findings.raise(Code::EmptyCompletion, FindingPlace::default(), message);
    }
}

fn unclosed(facts: &Facts, choice: u32, findings: &mut Findings) {
    if facts.answer().think(choice).is_some_and(|t| t.open.is_some()) {
        let message =
            "Think tag opened in the content and never closed: where the answer begins is unknown";
        findings.raise(Code::ThinkOpenUnclosed, FindingPlace::default(), message);
    }
}

/// Finishes of answers that may be empty: they call, continue elsewhere, failed, were canceled, met at once
/// what they were asked to stop at, or answer a request for no answer.
const EMPTY_BY_RIGHT: &[&str] = &[
    "tool_calls",
    "function_call",
    "tool_use",
    "TOOL_CALL",
    "requires_action",
    "pause_turn",
    "compaction",
    "error",
    "ERROR",
    "TIMEOUT",
    "failed",
    "cancelled",
    "USER_CANCEL",
    "in_progress",
    "queued",
    "stop_sequence",
    "STOP_SEQUENCE",
    "word",
    "unload",
];

/// Returns whether an answer has something in it that is not text.
fn brought_matter(facts: &Facts) -> bool {
    const MATTER: &[&str] = &["inlineData", "fileData", "image", "images", "audio", "video"];
    // An item of another kind is an answer: a request for approval, a list of tools, a program.
    const TEXTS: &[&str] = &["message", "reasoning", ""];
    if facts.blocks().iter().any(|b| b.noun == "item" && !TEXTS.contains(&b.kind.as_str())) {
        return true;
    }
    let rows = facts.shape().rows();
    rows.iter().any(|r| r.path.split(['.', '[']).any(|part| MATTER.contains(&part)))
}

/// Output of a choice until its finish.
struct Brought {
    /// An answer: text, a call, a refusal.
    spoke: bool,
    thought: bool,
    /// Number of characters of reasoning that arrived apart from the content.
    reasoning: u64,
    /// A tag of reasoning in the content is open.
    is_open: bool,
}

impl Brought {
    fn by(facts: &Facts, choice: u32) -> Self {
        let answer = facts.answer();
        let content = answer.text(Channel::Content, choice);
        let inline = answer.think(choice);
        let wrote = match inline {
            Some(think) => think
                .stretches(content)
                .iter()
                .any(|(t, r)| !t && !content[r.clone()].trim().is_empty()),
            None => !content.trim().is_empty(),
        };
        let others = [Channel::Refusal, Channel::Other];
        let spoke = wrote
            || answer.calls_of(choice) > 0
            || others.iter().any(|c| !answer.text(*c, choice).is_empty());
        let reasoning = answer.text(Channel::Reasoning, choice).chars().count() as u64;
        Self {
            spoke,
            thought: reasoning > 0 || inline.is_some_and(|t| t.any()),
            reasoning,
            is_open: inline.is_some_and(|t| t.open.is_some()),
        }
    }
}

fn choice_came_to(
    facts: &Facts,
    choice: u32,
    reason: &str,
    other_item: bool,
    findings: &mut Findings,
) {
    let answer = facts.answer();
    let words = finish_words(facts, choice, reason);
    let shown = text::preview(&words, 60);
    let reason = answer.cause(choice).unwrap_or(reason);
    let brought = Brought::by(facts, choice);
    if ended_by_reason(facts, choice, reason, &brought, &shown, findings) {
        return;
    }
    unclosed(facts, choice, findings);
    if !brought.spoke && brought.is_open
        || is_excused(facts, reason, &brought, other_item, findings)
    {
        return;
    }
    let at = frame(facts, answer.finish_frame(choice));
    if reason == "load" {
        let message = format!("The model was loaded and generated nothing, finish {shown}");
        return findings.raise(Code::EmptyCompletion, at, message);
    }
    came_to_nothing(&brought, &shown, at, findings);
}

/// Raises what the finish itself says: a limit, a refusal, a filter, another reason to stop.
fn ended_by_reason(
    facts: &Facts,
    choice: u32,
    reason: &str,
    brought: &Brought,
    shown: &str,
    findings: &mut Findings,
) -> bool {
    let at = frame(facts, facts.answer().finish_frame(choice));
    if is_length(reason) {
        by_length(facts, choice, brought, shown, findings);
    } else if reason == "refusal" {
        let message = format!("The model refused, finish {shown}");
        findings.raise_once(Code::Refusal, at, message);
    } else if is_filter(reason) {
        let who = match reason.contains("guardrail") {
            true => "An Amazon Bedrock guardrail",
            false => "A content filter",
        };
        let message = format!("{who} ended the answer, finish {shown}");
        findings.raise(Code::ContentFiltered, at, message);
    } else if brought.spoke && matches!(reason, "OTHER" | "LANGUAGE" | "IMAGE_OTHER") {
        let message =
            format!("Gemini stopped for a reason that it does not explain, finish {shown}");
        findings.raise_as(Code::FinishError, Severity::Warn, at, message);
    } else {
        return false;
    }
    true
}

/// Returns whether a choice brought an answer, or may be empty.
fn is_excused(
    facts: &Facts,
    reason: &str,
    brought: &Brought,
    other_item: bool,
    findings: &Findings,
) -> bool {
    // An answer that an error or a cut left empty is reported as that.
    brought.spoke
        || cut(facts)
        || !facts.answer().errors.is_empty()
        || (reason == "load" && asked_nothing(facts))
        || EMPTY_BY_RIGHT.contains(&reason)
        || other_item
        || findings.tally.of(Code::ToolCallMalformed) > 0
        || brought_matter(facts)
        // A whole body or a message has an answer, though no deltas.
        || findings.tally.of(Code::FullObjectInStream) > 0
}

/// An answer that a token limit ended: what it cost.
fn by_length(facts: &Facts, choice: u32, brought: &Brought, shown: &str, findings: &mut Findings) {
    let answer = facts.answer();
    let at = frame(facts, answer.finish_frame(choice));
    let tokens = answer.usage.reasoning.unwrap_or(0);
    if !brought.spoke && (brought.thought || tokens > 0) {
        let message = format!("Token limit reached while thinking: no answer, finish {shown}");
        // A finish by length is a normal end on the wire, but there is no answer.
        return findings.raise_as(Code::LengthDuringReasoning, Severity::Warn, at, message);
    }
    // An agent would run a call with truncated arguments, or fail at it.
    let cut = answer.tools().iter().find(|t| t.choice == choice && !is_whole(t));
    let (severity, message) = match cut {
        Some(tool) => {
            let name = text::preview(tool.name.as_deref().unwrap_or("?"), 40);
            let message =
                format!("Token limit cut the arguments of tool call \"{name}\", finish {shown}");
            (Severity::Warn, message)
        }
        None if !brought.spoke => {
            (Severity::Warn, format!("Token limit reached before any answer, finish {shown}"))
        }
        None => (Severity::Info, format!("Token limit ended the answer, finish {shown}")),
    };
    findings.raise_as(Code::LengthTruncated, severity, at, message);
}

/// Returns whether an Ollama request has no message and no prompt, as far as is known: it loads the model,
/// and nothing else.
fn asked_nothing(facts: &Facts) -> bool {
    let Some(request) = &facts.request else { return true };
    let Ok(body) = std::str::from_utf8(&request.body) else { return true };
    let mut tape = Tape::new();
    let Some(json) = tape.parse(body).ok().and_then(|()| tape.root(body)) else { return true };
    let messages = json.get("messages").is_some_and(|list| !list.is_empty());
    let prompt = json.str("prompt").is_some_and(|text| !text.is_empty());
    !messages && !prompt
}

/// A choice that finished well and said nothing.
fn came_to_nothing(brought: &Brought, shown: &str, at: FindingPlace, findings: &mut Findings) {
    if brought.thought {
        let how = if brought.reasoning > 0 {
            format!("{} of reasoning", text::count(brought.reasoning, "character"))
        } else {
            "reasoning between tags in the content".to_owned()
        };
        let message = format!("Reasoning only: {how}, no content, finish {shown}");
        findings.raise(Code::ReasoningOnly, at, message);
    } else {
        let message =
            format!("Empty answer: no content, no reasoning, no tool call, finish {shown}");
        findings.raise(Code::EmptyCompletion, at, message);
    }
}
