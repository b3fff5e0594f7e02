//! Rules that only the end decides: whether the answer finished, and what it came to.

use super::{
    Family, Out, Phase, Place, Rule, Severity, cut, ours, refused, rule, unless_healthy, wants_done,
};
use crate::dialect::Channel;
use crate::frame::{Framing, Kind};
use crate::inspect::Inspection;
use crate::text;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "finish-missing",
        severity: Severity::Error,
        phase: Phase::End,
        means: "The stream ends, and no finish reason came: nothing says that the answer is whole.",
        example: "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":null}]}⏎⏎ EOF",
        breaks: "The OpenAI SDKs end in silence; LiteLLM makes up \"stop\"; hosts of the AI SDK exited 0 on cut output.",
        remedy: "Take the answer for cut. Look who closed: a gateway's time limit, a crashed worker.",
        evidence: "anomalyco/opencode#40061, replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "missing-done",
        severity: Severity::Warn,
        phase: Phase::End,
        means: "A finish came, and no [DONE] after it.",
        example: "data: {…\"finish_reason\":\"stop\"}⏎⏎ EOF",
        breaks: "Nobody among the replayed SDKs; but without a length it was the only sign that nothing is missing.",
        remedy: "Nothing, where the finish is there.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "done-after-error",
        severity: Severity::Fatal,
        phase: Phase::End,
        means: "An error, and then [DONE] as if all were well.",
        example: "data: {\"error\":{…}}⏎⏎data: [DONE]⏎⏎",
        breaks: "Clients that wait only for [DONE] count it as success.",
        remedy: "Remember the error until the end. vLLM always sends [DONE].",
        evidence: "vllm-project/vllm#57082, bigduu/Bamboo-agent#355",
        ..Rule::DEFAULT
    },
    Rule {
        code: "no-done-after-error",
        severity: Severity::Warn,
        phase: Phase::End,
        means: "An error, and then the end without [DONE].",
        example: "data: {\"error\":{…}}⏎⏎ EOF",
        breaks: "Clients that wait for [DONE] hang or misread the end.",
        remedy: "End at the error, too. LiteLLM's proxy does this.",
        evidence: "BerriAI/litellm#39748, replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "reasoning-only",
        severity: Severity::Error,
        phase: Phase::End,
        means: "The model thought, finished normally and said nothing.",
        example: "213 reasoning deltas, 0 content, \"finish_reason\":\"stop\"",
        breaks: "Clients that show only content show nothing.",
        remedy: "The answer may stand at the end of the reasoning: a reasoning parser that misses the closing tag, or a model that forgot to answer.",
        evidence: "nugget/thane-ai-agent#1474",
        ..Rule::DEFAULT
    },
    Rule {
        code: "length-during-reasoning",
        severity: Severity::Error,
        phase: Phase::End,
        means: "The token limit was reached while the model was still thinking: there is no answer.",
        example: "reasoning deltas, 0 content, \"finish_reason\":\"length\"",
        breaks: "Clients retry an empty answer at full cost.",
        remedy: "Raise max_tokens, or lower the reasoning effort.",
        evidence: "mudler/LocalAI#10448, Nerovix/kouhai-bot#56",
        ..Rule::DEFAULT
    },
    Rule {
        code: "empty-completion",
        severity: Severity::Error,
        phase: Phase::End,
        means: "The answer finished normally and has nothing in it: no content, no reasoning, no tool call.",
        example: "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}⏎⏎data: [DONE]⏎⏎",
        breaks: "Agents stop or loop on an empty turn.",
        remedy: "A broken history (a tool result without its call), a filter, or a gateway that hides an error: ask the provider directly.",
        evidence: "su-kaka/gcli2api#406, maruakshay/miii-cli#71",
        ..Rule::DEFAULT
    },
    Rule {
        code: "think-open-unclosed",
        severity: Severity::Error,
        phase: Phase::End,
        means: "A think tag is opened and never closed.",
        example: "{\"content\":\"<think>hmm\"} … {\"content\":\"</thi\"}",
        breaks: "Parsers show nothing, or everything, as the answer.",
        remedy: "Was the answer cut? Otherwise the model lost its format: lower the temperature, see the template.",
        evidence: "BerriAI/litellm#27483",
        ..Rule::DEFAULT
    },
    Rule {
        code: "length-truncated",
        phase: Phase::End,
        means: "The token limit ended the answer.",
        example: "\"finish_reason\":\"length\"",
        breaks: "Clients that take it for whole, above all with JSON or tool calls.",
        remedy: "Raise max_tokens, or go on from there.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "content-filtered",
        phase: Phase::End,
        means: "A filter ended the answer.",
        example: "\"finish_reason\":\"content_filter\"",
        breaks: "Clients that take it for whole.",
        remedy: "Azure tells the category in content_filter_results.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "refusal",
        phase: Phase::End,
        means: "The model refused, in the field for that.",
        example: "{\"delta\":{\"refusal\":\"I'm sorry\"}}",
        breaks: "Clients that read only content show nothing.",
        remedy: "Show the refusal.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "reasoning-encrypted-only",
        phase: Phase::End,
        means: "Reasoning comes encrypted, without text.",
        example: "{\"reasoning_details\":[{\"type\":\"reasoning.encrypted\",\"data\":\"…\"}]}",
        breaks: "Nobody; but it must go back unchanged with the next turn.",
        remedy: "Keep the items for the history.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "reasoning-hidden",
        phase: Phase::End,
        means: "Usage counts reasoning tokens, and no reasoning text came.",
        example: "\"completion_tokens_details\":{\"reasoning_tokens\":185}",
        breaks: "Nobody: the provider does not show it.",
        remedy: "Ask for a summary where the provider has one.",
        ..Rule::DEFAULT
    },
];

/// Where reasoning stands that only the provider can read.
const ENCRYPTED: &[&str] = &[
    "choices[].delta.reasoning_details[].data",
    "content_block.data",
    "delta.reasoningContent.redactedContent",
];

#[derive(Default)]
pub(super) struct End;

impl Family for End {
    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        let Some(dialect) = now.dialect() else { return };
        if refused(now) || ours(now) || now.frames().is_empty() {
            return;
        }
        came_to(now, out);
        if now.framing() == Some(Framing::Whole) || cut(now) {
            return;
        }
        if !now.answer().errors.is_empty() {
            if wants_done(now) {
                after_error(now, out);
            }
        } else if !dialect.ending().terminal || now.answer().terminal.is_some() {
            // A terminal event that is missing is another family's matter.
            finished(now, out);
        }
    }
}

fn after_error(now: &Inspection, out: &mut Out<'_>) {
    let Some(error) = now.answer().errors.first() else { return };
    let words = text::preview(&error.message, 80);
    match now.answer().sentinel {
        Some(done) if done > error.frame => {
            let message = format!("[DONE] follows the error \"{words}\" as if all were well.");
            out.raise(rule!("done-after-error"), frame(now, Some(done)), message);
        }
        Some(_) => {}
        None if !wants_done(now) => {}
        None => {
            let message = format!("No [DONE] follows the error \"{words}\".");
            out.raise(rule!("no-done-after-error"), Place::default(), message);
        }
    }
}

fn frame(now: &Inspection, index: Option<u32>) -> Place {
    Place {
        frame: index,
        offset: index.and_then(|i| now.frames().get(i as usize)).map(|f| f.offset),
    }
}

/// Whether the stream said that it is over.
fn finished(now: &Inspection, out: &mut Out<'_>) {
    let answer = now.answer();
    if let (Some((_, reason)), Some(done)) =
        (answer.finish().find(|f| f.1 == "abort"), answer.sentinel)
    {
        let message = format!("[DONE] follows the finish \"{reason}\" as if all were well.");
        out.raise(rule!("done-after-error"), frame(now, Some(done)), message);
    }
    if lost_frames(out) {
        return;
    }
    if !answer.finished() {
        if !finish_in_tail(now) && !now.needs_no_finish() {
            unfinished(now, out);
        }
        return;
    }
    // A [DONE] that was not read as one is told as what is wrong with it.
    let hidden = [
        "done-variant",
        "sse-two-spaces",
        "sse-no-final-blank",
        "sse-missing-blank",
        "ndjson-in-sse",
    ];
    if wants_done(now) && answer.sentinel.is_none() && !hidden.iter().any(|c| out.tally.of(c) > 0) {
        let severity = unless_healthy(now, Severity::Warn);
        out.raise_as(
            rule!("missing-done"),
            severity,
            Place::default(),
            "The answer finished, and no [DONE] came.",
        );
    }
}

/// Whether frames, or an error, were lost and told as lost: the end was lost with them.
pub(super) fn lost_frames(out: &Out<'_>) -> bool {
    const LOST: &[&str] = &[
        "truncated-mid-frame",
        "sse-single-newline-frames",
        "sse-raw-json",
        "dialect-mismatch",
        "wrong-content-type",
        "bad-content-encoding",
        "truncated-json-array",
        "eventstream-crc",
        "eventstream-incomplete",
        "empty-stream",
    ];
    LOST.iter().any(|c| out.tally.of(c) > 0)
        || out
            .findings
            .iter()
            .any(|f| f.code() == "sse-unknown-field" && f.severity == Severity::Fatal)
}

/// Whether the finish stands in the last event, which has no blank line: it is lost for clients,
/// and told as that.
fn finish_in_tail(now: &Inspection) -> bool {
    let Some(last) = now.frames().last().filter(|f| f.kind == Kind::Incomplete) else {
        return false;
    };
    let bytes = last.bytes(now.body());
    [&b"\"finish_reason\":"[..], b"\"finishReason\":"].iter().any(|key| {
        memchr::memmem::find(bytes, key)
            .is_some_and(|at| bytes[at + key.len()..].trim_ascii_start().starts_with(b"\""))
    })
}

fn unfinished(now: &Inspection, out: &mut Out<'_>) {
    let answer = now.answer();
    let done = match (answer.sentinel, now.ending().terminal) {
        (Some(_), _) => "[DONE] came",
        (None, Some(true)) => "the event that ends such a stream came",
        (None, Some(false)) => "the event that ends such a stream did not come either",
        (None, None) if wants_done(now) => "there is no [DONE] either",
        (None, None) => "nothing else says that it is whole",
    };
    let carries = |k: Kind| matches!(k, Kind::Event | Kind::Line | Kind::Element | Kind::Message);
    let payloads = now.frames().iter().filter(|f| carries(f.kind)).count() as u64
        - u64::from(answer.sentinel.is_some());
    let another = answer.finish().next().is_some();
    let message = if payloads == 0 {
        let frames = text::count(now.frames().len() as u64, "frame");
        format!("Nothing of an answer came ({frames} without any payload), and no finish; {done}.")
    } else if another {
        let open: Vec<_> = answer
            .choices()
            .into_iter()
            .filter(|c| answer.finish_frame(*c).is_none())
            .map(|c| c.to_string())
            .collect();
        format!("No finish reason came for choice {}; {done}.", open.join(", "))
    } else {
        let chars = answer.chars(Channel::Content) as u64;
        let content = text::count(chars, "character");
        format!("The stream ends after {content} of content without a finish reason; {done}.")
    };
    // With a finish and [DONE] the stream did say that it is over: only the word for this choice
    // is missing. LiteLLM's proxy loses it when it joins choices.
    let said = another && (answer.sentinel.is_some() || answer.terminal.is_some());
    let severity = match (said, answer.terminal) {
        (true, _) => Severity::Info,
        // Ollama had no word for it in its first years.
        (_, Some(_)) if now.dialect().is_some_and(|d| d.name() == "ollama") => Severity::Info,
        // Nothing is lost but the word.
        (_, Some(_)) => Severity::Warn,
        (_, None) => Severity::Error,
    };
    out.raise_as(rule!("finish-missing"), severity, frame(now, answer.sentinel), message);
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

/// What the answer came to: said, thought, refused, nothing.
fn came_to(now: &Inspection, out: &mut Out<'_>) {
    let answer = now.answer();
    let usage = answer.usage;
    if answer.has(Channel::Refusal) {
        let chars = text::count(answer.chars(Channel::Refusal) as u64, "character");
        out.raise(rule!("refusal"), Place::default(), format!("The model refused, in {chars}."));
    }
    let thought = answer.has(Channel::Reasoning);
    if !thought {
        let encrypted = now.shape().rows().iter().any(|r| ENCRYPTED.contains(&r.path.as_str()));
        let tokens = usage.reasoning.unwrap_or(0);
        if encrypted {
            let message = "Reasoning comes encrypted, without text.";
            out.raise(rule!("reasoning-encrypted-only"), Place::default(), message);
        } else if tokens > 0
            && !answer.choices().iter().any(|c| answer.think(*c).is_some_and(|t| t.any()))
        {
            let message =
                format!("{tokens} reasoning tokens are counted, and no reasoning text came.");
            out.raise(rule!("reasoning-hidden"), Place::default(), message);
        }
    }
    for (choice, reason) in answer.finish() {
        choice_came_to(now, choice, reason, out);
    }
    // Of a choice that never finished, too.
    for (choice, _) in
        answer.texts(Channel::Content).filter(|(c, _)| answer.finish_frame(*c).is_none())
    {
        if !cut(now) {
            unclosed(now, choice, out);
        }
    }
}

fn unclosed(now: &Inspection, choice: u32, out: &mut Out<'_>) {
    if now.answer().think(choice).is_some_and(|t| t.open.is_some()) {
        let message = "A think tag is opened in the content and never closed: nothing says where the answer begins.";
        out.raise(rule!("think-open-unclosed"), Place::default(), message);
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
    "load",
    "unload",
];

/// Whether an answer has something in it that is no text.
fn brought_matter(now: &Inspection) -> bool {
    const MATTER: &[&str] = &["inlineData", "fileData", "image", "images", "audio", "video"];
    let rows = now.shape().rows();
    rows.iter().any(|r| r.path.split(['.', '[']).any(|part| MATTER.contains(&part)))
}

/// A choice's finish as it is told: the word, and the cause beside it.
pub(super) fn told(now: &Inspection, choice: u32, reason: &str) -> String {
    match now.answer().cause(choice) {
        Some(cause) => format!("\"{reason}\", {cause}"),
        None => format!("\"{reason}\""),
    }
}

fn choice_came_to(now: &Inspection, choice: u32, reason: &str, out: &mut Out<'_>) {
    let answer = now.answer();
    let at = frame(now, answer.finish_frame(choice));
    let said = told(now, choice, reason);
    let shown = text::preview(&said, 60);
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
    let tokens = answer.usage.reasoning.unwrap_or(0);
    if is_length(reason) {
        if !spoke && (thought || tokens > 0) {
            let message = format!(
                "The token limit was reached while the model was thinking: no answer (finish {shown})."
            );
            // A finish by length is a normal end on the wire, however little came of it.
            let severity = unless_healthy(now, Severity::Error);
            out.raise_as(rule!("length-during-reasoning"), severity, at, message);
        } else {
            let message = format!("The token limit ended the answer (finish {shown}).");
            out.raise(rule!("length-truncated"), at, message);
        }
        return;
    }
    if reason == "refusal" {
        let message = format!("The model refused (finish {shown}).");
        return out.raise_once(rule!("refusal"), at, message);
    }
    if is_filter(reason) {
        let message = format!("A filter ended the answer (finish {shown}).");
        return out.raise(rule!("content-filtered"), at, message);
    }
    if !spoke && inline.is_some_and(|t| t.open.is_some()) {
        return unclosed(now, choice, out);
    }
    unclosed(now, choice, out);
    // What an error or a cut left empty is told as that.
    if spoke
        || cut(now)
        || !answer.errors.is_empty()
        || EMPTY_BY_RIGHT.contains(&reason)
        || brought_matter(now)
    {
        return;
    }
    // The answer of a whole body or a message is no delta, and is there.
    if out.tally.of("full-object-in-stream") > 0 {
        return;
    }
    came_to_nothing(thought, reasoning, &shown, at, out);
}

/// A choice that finished well and said nothing.
fn came_to_nothing(thought: bool, reasoning: u64, shown: &str, at: Place, out: &mut Out<'_>) {
    if thought {
        let how = if reasoning > 0 {
            format!("{} of reasoning", text::count(reasoning, "character"))
        } else {
            "between tags in the content".to_owned()
        };
        let message = format!("The model thought ({how}), said nothing, and finished {shown}.");
        out.raise(rule!("reasoning-only"), at, message);
    } else {
        let message = format!(
            "The answer is empty: no content, no reasoning, no tool call, and finish {shown}."
        );
        out.raise(rule!("empty-completion"), at, message);
    }
}
