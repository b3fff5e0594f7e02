//! Rules that only the end decides: whether the answer finished, and what it came to.

use super::{Code, Detector, Findings, FrameView, Place, Severity, cut, ours, refused, wants_done};
use crate::dialect::Channel;
use crate::frame::{FrameKind, Framing};
use crate::inspect::Facts;
use crate::journal::EndCause;
use crate::json::{self, Tape, Value};
use crate::text;

/// Where reasoning stands that only the provider can read.
const ENCRYPTED: &[&str] = &[
    "choices[].delta.reasoning_details[].data",
    "content_block.data",
    "delta.reasoningContent.redactedContent",
];

#[derive(Default)]
pub(super) struct EndDetector {
    /// An item of an answer that is neither a message nor reasoning: an approval request, a list of
    /// tools, a compacted conversation.
    other_item: bool,
}

impl Detector for EndDetector {
    fn frame(&mut self, facts: &Facts, view: &FrameView<'_>, _findings: &mut Findings) {
        let responses = facts.dialect().is_some_and(|d| d.name() == "openai-responses");
        if self.other_item || !responses {
            return;
        }
        let Some(json) = view.json.filter(|j| j.kind() == json::Kind::Object) else { return };
        let output = json.at(&["response", "output"]).or_else(|| json.get("output"));
        let items = output.into_iter().flat_map(Value::items);
        self.other_item = json.get("item").into_iter().chain(items).any(|item| {
            item.str("type").is_some_and(|t| !t.is_empty() && t != "message" && t != "reasoning")
        });
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        if refused(facts) || ours(facts) || facts.frames().is_empty() {
            return;
        }
        if sent_nothing(facts, findings) {
            return;
        }
        let Some(dialect) = facts.dialect() else { return };
        self.came_to(facts, findings);
        if facts.framing() == Some(Framing::Whole) || cut(facts) {
            return;
        }
        if !facts.answer().errors.is_empty() {
            if wants_done(facts) {
                after_error(facts, findings);
            }
        } else if !dialect.ending().terminal || facts.answer().terminal.is_some() {
            // A terminal event that is missing is another detector's matter.
            finished(facts, findings);
        }
    }
}

/// Whether an event stream had no data at all.
pub(super) fn is_silent(facts: &Facts, findings: &Findings) -> bool {
    // A stream that is opened by GET may be one of notices only, of which there were none.
    let asked = facts.request.as_ref().is_none_or(|r| !r.method.eq_ignore_ascii_case("GET"));
    if facts.framing() != Some(Framing::Sse)
        || cut(facts)
        || !asked
        || lost_frames(findings)
        || findings.is_hidden(Code::NoAnswer)
    {
        return false;
    }
    let body = facts.body();
    // Where the dialect is known, a lone [DONE] is an answer without a finish.
    let unknown = facts.dialect().is_none();
    let blank = |data: Option<std::borrow::Cow<'_, str>>| {
        data.is_none_or(|d| d.trim().is_empty() || unknown && d.trim() == "[DONE]")
    };
    let keep_alives = facts.keep_alives();
    facts.frames().iter().enumerate().all(|(i, f)| match f.kind {
        FrameKind::Comment | FrameKind::Block => true,
        FrameKind::Event => keep_alives.binary_search(&(i as u32)).is_ok() || blank(f.data(body)),
        _ => f.bytes(body).trim_ascii().first().is_none_or(|b| *b == b':'),
    })
}

/// Raises that an event stream had no data at all, if so.
fn sent_nothing(facts: &Facts, findings: &mut Findings) -> bool {
    if !is_silent(facts, findings) {
        return false;
    }
    let status = facts.status().map_or(String::new(), |s| format!("HTTP {s}, then "));
    let comments = facts.keep_alives().len() as u64;
    let others = facts.frames().len() as u64 - comments;
    let what = match (comments, others) {
        (0, 1) if facts.answer().sentinel.is_some() => "only [DONE]".to_owned(),
        (0, _) => format!("{} without data", text::count(others, "frame")),
        (_, 0) => format!("only {}", text::count(comments, "keep-alive")),
        _ => format!(
            "only {} and {} without data",
            text::count(comments, "keep-alive"),
            text::count(others, "frame")
        ),
    };
    let message = format!("No answer: {status}{what}");
    findings.raise(Code::NoAnswer, Place::default(), message);
    true
}

fn after_error(facts: &Facts, findings: &mut Findings) {
    let Some(error) = facts.answer().errors.first() else { return };
    let words = text::preview(&error.message, 80);
    match facts.answer().sentinel {
        Some(done) if done > error.frame => {
            let message = format!("[DONE] follows the error \"{words}\"");
            findings.raise(Code::DoneAfterError, frame(facts, Some(done)), message);
        }
        Some(_) => {}
        None if !wants_done(facts) => {}
        None => {
            let message = format!("Stream closed after the error \"{words}\" without [DONE]");
            findings.raise(Code::NoDoneAfterError, Place::default(), message);
        }
    }
}

fn frame(facts: &Facts, index: Option<u32>) -> Place {
    Place {
        frame: index,
        offset: index.and_then(|i| facts.frames().get(i as usize)).map(|f| f.offset),
    }
}

/// Whether the stream said that it is over.
fn finished(facts: &Facts, findings: &mut Findings) {
    let answer = facts.answer();
    if let (Some((_, reason)), Some(done)) =
        (answer.finish().find(|f| f.1 == "abort"), answer.sentinel)
    {
        let message = format!("[DONE] follows the finish \"{reason}\"");
        findings.raise(Code::DoneAfterError, frame(facts, Some(done)), message);
    }
    if lost_frames(findings) {
        return;
    }
    if !answer.finished() {
        if !finish_in_tail(facts) && !facts.needs_no_finish() {
            unfinished(facts, findings);
        }
        return;
    }
    if wants_done(facts) && answer.sentinel.is_none() {
        // Where nothing announced the length, it was the only sign that nothing is missing.
        let only = matches!(facts.end, Some((EndCause::Closed, _)));
        let severity = if only { Severity::Warn } else { Severity::Info };
        let message = "The answer finished without [DONE]";
        findings.raise_as(Code::MissingDone, severity, Place::default(), message);
    }
}

/// Whether an error was found lost in fields that no client reads: the end was lost with it.
pub(super) fn lost_frames(findings: &Findings) -> bool {
    let is_lost = |code, severity| code == Code::SseUnknownField && severity == Severity::Fatal;
    findings.list.iter().any(|f| is_lost(f.code, f.severity))
}

/// Whether the finish stands in the last event, which has no blank line: it is lost for clients,
/// and reported as that.
fn finish_in_tail(facts: &Facts) -> bool {
    let Some(last) = facts.frames().last().filter(|f| f.kind == FrameKind::Incomplete) else {
        return false;
    };
    let bytes = last.bytes(facts.body());
    [&b"\"finish_reason\":"[..], b"\"finishReason\":", b"\"blockReason\":"].iter().any(|key| {
        memchr::memmem::find(bytes, key)
            .is_some_and(|at| bytes[at + key.len()..].trim_ascii_start().starts_with(b"\""))
    })
}

fn unfinished(facts: &Facts, findings: &mut Findings) {
    let answer = facts.answer();
    let done = match (answer.sentinel, facts.ending().terminal) {
        (Some(_), _) => " ([DONE] was sent)",
        (None, Some(true)) => " (the terminal event was sent)",
        (None, Some(false)) => " or terminal event",
        (None, None) if wants_done(facts) => " or [DONE]",
        (None, None) => "",
    };
    let carries = |k: FrameKind| {
        matches!(
            k,
            FrameKind::Event
                | FrameKind::Line
                | FrameKind::Element
                | FrameKind::Message
                | FrameKind::Ws
        )
    };
    let mut payloads = facts.frames().iter().filter(|f| carries(f.kind));
    let is_empty = payloads.nth(usize::from(answer.sentinel.is_some())).is_none();
    let another = answer.finish().next().is_some();
    let message = if is_empty {
        let frames = text::count(facts.frames().len() as u64, "frame");
        format!("No answer: {frames} without data, no finish reason{done}")
    } else if another {
        let open: Vec<_> = answer
            .choices()
            .iter()
            .filter(|c| answer.finish_frame(**c).is_none())
            .map(|c| c.to_string())
            .collect();
        format!("No finish reason for choice {}{done}", open.join(", "))
    } else if let Some(tool) = answer.tools().last().filter(|t| !is_whole(t)) {
        let name = text::preview(tool.name.as_deref().unwrap_or("?"), 40);
        let chars = text::count(tool.arguments.chars().count() as u64, "character");
        format!(
            "Stream ended inside the arguments of tool call \"{name}\" (after {chars}) without a finish reason{done}"
        )
    } else {
        let after = match (answer.chars(Channel::Content), answer.tools().len()) {
            (0, 1..) => text::count(answer.tools().len() as u64, "tool call"),
            (chars, _) => text::count(chars as u64, "character"),
        };
        format!("Stream ended after {after} without a finish reason{done}")
    };
    // With a finish and [DONE] the stream did say that it is over: only the word for this choice
    // is missing. LiteLLM's proxy loses it when it joins choices.
    let words = another && (answer.sentinel.is_some() || answer.terminal.is_some());
    let severity = match (words, answer.terminal) {
        (true, _) => Severity::Info,
        // Ollama had no word for it in its first years.
        (_, Some(_)) if facts.dialect().is_some_and(|d| d.name() == "ollama") => Severity::Info,
        // Nothing is lost but the word.
        (_, Some(_)) => Severity::Warn,
        (_, None) => Severity::Error,
    };
    findings.raise_as(Code::FinishMissing, severity, frame(facts, answer.sentinel), message);
}

/// Whether the arguments of a call are all there, as far as that can be known.
pub(super) fn is_whole(tool: &crate::inspect::ToolCall) -> bool {
    tool.free_text || Tape::new().parse(&tool.arguments).is_ok()
}

/// Whether a finish reason means that the token limit was reached.
pub(in crate::inspect) fn is_length(reason: &str) -> bool {
    matches!(
        reason,
        "length"
            | "LENGTH"
            | "max_tokens"
            | "MAX_TOKENS"
            | "max_output_tokens"
            | "model_length"
            | "limit"
            | "model_context_window_exceeded"
            | "ERROR_LIMIT"
    )
}

impl Facts {
    /// Whether the token limit ended a choice.
    pub fn ended_by_length(&self) -> bool {
        let answer = self.answer();
        answer.finish().any(|(choice, text)| is_length(answer.cause(choice).unwrap_or(text)))
    }
}

/// Whether a finish reason means that a filter ended the answer.
pub(in crate::inspect) fn is_filter(reason: &str) -> bool {
    matches!(
        reason,
        "content_filter"
            | "content-filter"
            | "content_filtered"
            | "CONTENT_FILTERED"
            | "guardrail_intervened"
            | "sensitive"
            | "safety"
            | "SAFETY"
            | "RECITATION"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION"
            | "MODEL_ARMOR"
            | "ERROR_TOXIC"
    )
}

impl EndDetector {
    /// What the answer came to: said, thought, refused, nothing.
    fn came_to(&self, facts: &Facts, findings: &mut Findings) {
        let answer = facts.answer();
        let usage = answer.usage;
        if answer.has(Channel::Refusal) {
            let chars = text::count(answer.chars(Channel::Refusal) as u64, "character");
            findings.raise(
                Code::Refusal,
                Place::default(),
                format!("The model refused ({chars} of refusal)"),
            );
        }
        let thought = answer.has(Channel::Reasoning);
        if !thought {
            let encrypted =
                facts.shape().rows().iter().any(|r| ENCRYPTED.contains(&r.path.as_str()));
            let tokens = usage.reasoning.unwrap_or(0);
            if encrypted {
                let message = "Reasoning is encrypted, without text";
                findings.raise(Code::ReasoningEncryptedOnly, Place::default(), message);
            } else if tokens > 0
                && !answer.choices().iter().any(|c| answer.think(*c).is_some_and(|t| t.any()))
            {
                let message = format!(
                    "{} reasoning tokens counted, but no reasoning text received",
                    text::group(tokens)
                );
                findings.raise(Code::ReasoningHidden, Place::default(), message);
            }
        }
        for (choice, reason) in answer.finish() {
            choice_came_to(facts, choice, reason, self.other_item, findings);
        }
        self.missing_finish(facts, findings);
        // Of a choice that never finished, too.
        for (choice, _) in
            answer.texts(Channel::Content).filter(|(c, _)| answer.finish_frame(*c).is_none())
        {
            if !cut(facts) {
                unclosed(facts, choice, findings);
            }
        }
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

impl EndDetector {
    /// An answer without a finish that came to nothing, where the dialect has no finishes.
    fn missing_finish(&self, facts: &Facts, findings: &mut Findings) {
        let answer = facts.answer();
        let talks = facts.dialect().is_some_and(|d| TALKS.contains(&d.name()));
        let is_over = facts.ending().terminal != Some(false) && !cut(facts);
        let silent = answer.deltas().is_empty() && answer.tools().is_empty();
        // A workflow has an output of any kind.
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
            findings.raise(Code::EmptyCompletion, Place::default(), message);
        }
    }
}

fn unclosed(facts: &Facts, choice: u32, findings: &mut Findings) {
    if facts.answer().think(choice).is_some_and(|t| t.open.is_some()) {
        let message =
            "Think tag opened in the content and never closed: where the answer begins is unknown";
        findings.raise(Code::ThinkOpenUnclosed, Place::default(), message);
    }
}

/// Finishes of answers that may be empty: they call, go on elsewhere, failed, were cancelled, met at
/// once what they were told to stop at, or answer a request for no answer.
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

/// Whether an answer has something in it that is no text.
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

/// A choice's finish as it is reported: the word, and the cause beside it.
pub(super) fn finish_words(facts: &Facts, choice: u32, reason: &str) -> String {
    match facts.answer().cause(choice) {
        Some(cause) => format!("\"{reason}\", {cause}"),
        None => format!("\"{reason}\""),
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
    let at = frame(facts, answer.finish_frame(choice));
    let words = finish_words(facts, choice, reason);
    let shown = text::preview(&words, 60);
    let reason = answer.cause(choice).unwrap_or(reason);
    let content = answer.text(Channel::Content, choice);
    let inline = answer.think(choice);
    let wrote = match inline {
        Some(think) => think
            .stretches(content)
            .iter()
            .any(|(t, r)| !t && !content[r.clone()].trim().is_empty()),
        None => !content.trim().is_empty(),
    };
    let called = answer.calls_of(choice) > 0;
    let spoke = wrote
        || called
        || [Channel::Refusal, Channel::Other].iter().any(|c| !answer.text(*c, choice).is_empty());
    let reasoning = answer.text(Channel::Reasoning, choice).chars().count() as u64;
    let thought = reasoning > 0 || inline.is_some_and(|t| t.any());
    if is_length(reason) {
        return by_length(facts, choice, spoke, thought, &shown, findings);
    }
    if reason == "refusal" {
        let message = format!("The model refused, finish {shown}");
        return findings.raise_once(Code::Refusal, at, message);
    }
    if is_filter(reason) {
        let who = match reason.contains("guardrail") {
            true => "An Amazon Bedrock guardrail",
            false => "A content filter",
        };
        let message = format!("{who} ended the answer, finish {shown}");
        return findings.raise(Code::ContentFiltered, at, message);
    }
    if spoke && matches!(reason, "OTHER" | "LANGUAGE" | "IMAGE_OTHER") {
        let message =
            format!("Gemini stopped for a reason that it does not explain, finish {shown}");
        return findings.raise_as(Code::FinishError, Severity::Warn, at, message);
    }
    if !spoke && inline.is_some_and(|t| t.open.is_some()) {
        return unclosed(facts, choice, findings);
    }
    unclosed(facts, choice, findings);
    // What an error or a cut left empty is reported as that.
    if spoke
        || cut(facts)
        || !answer.errors.is_empty()
        || (reason == "load" && asked_nothing(facts))
        || EMPTY_BY_RIGHT.contains(&reason)
        || other_item
        || findings.tally.of(Code::ToolCallMalformed) > 0
        || brought_matter(facts)
    {
        return;
    }
    // The answer of a whole body or a message is no delta, and is there.
    if findings.tally.of(Code::FullObjectInStream) > 0 {
        return;
    }
    if reason == "load" {
        let message = format!("The model was loaded and generated nothing, finish {shown}");
        return findings.raise(Code::EmptyCompletion, at, message);
    }
    came_to_nothing(thought, reasoning, &shown, at, findings);
}

/// An answer that a token limit ended: what it cost.
fn by_length(
    facts: &Facts,
    choice: u32,
    spoke: bool,
    thought: bool,
    shown: &str,
    findings: &mut Findings,
) {
    let answer = facts.answer();
    let at = frame(facts, answer.finish_frame(choice));
    let tokens = answer.usage.reasoning.unwrap_or(0);
    if !spoke && (thought || tokens > 0) {
        let message = format!("Token limit reached while thinking: no answer, finish {shown}");
        // A finish by length is a normal end on the wire, but nothing came of it.
        return findings.raise_as(Code::LengthDuringReasoning, Severity::Warn, at, message);
    }
    // An agent runs a call whose arguments are cut, or fails there.
    let cut = answer.tools().iter().find(|t| t.choice == choice && !is_whole(t));
    let (severity, message) = match cut {
        Some(tool) => {
            let name = text::preview(tool.name.as_deref().unwrap_or("?"), 40);
            let message =
                format!("Token limit cut the arguments of tool call \"{name}\", finish {shown}");
            (Severity::Warn, message)
        }
        None if !spoke => {
            (Severity::Warn, format!("Token limit reached before any answer, finish {shown}"))
        }
        None => (Severity::Info, format!("Token limit ended the answer, finish {shown}")),
    };
    findings.raise_as(Code::LengthTruncated, severity, at, message);
}

/// Whether an Ollama request has no message and no prompt, as far as is known: it loads the model, and nothing else.
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
fn came_to_nothing(thought: bool, reasoning: u64, shown: &str, at: Place, findings: &mut Findings) {
    if thought {
        let how = if reasoning > 0 {
            format!("{} of reasoning", text::count(reasoning, "character"))
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
