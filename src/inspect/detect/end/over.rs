//! Checks of whether the stream said that it is over.

use super::frame;
use crate::dialect::Channel;
use crate::frame::FrameKind;
use crate::inspect::detect::{Code, FindingPlace, Findings, Severity, wants_done};
use crate::inspect::{Facts, ToolCall};
use crate::journal::EndCause;
use crate::json::Tape;
use crate::text;

/// Reports what follows an error: `[DONE]`, or nothing.
pub(super) fn after_error(facts: &Facts, findings: &mut Findings) {
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
            findings.raise(Code::NoDoneAfterError, FindingPlace::default(), message);
        }
    }
}

/// Checks whether the stream said that it is over.
pub(super) fn finished(facts: &Facts, findings: &mut Findings) {
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
        // Without an announced length, [DONE] was the only sign that nothing is missing.
        let only = matches!(facts.end, Some((EndCause::Closed, _)));
        let severity = if only { Severity::Warn } else { Severity::Info };
        let message = "The answer finished without [DONE]";
        findings.raise_as(Code::MissingDone, severity, FindingPlace::default(), message);
    }
}

/// Returns whether an error was found lost in fields that no client reads: the end was lost with it.
pub(in crate::inspect::detect) fn lost_frames(findings: &Findings) -> bool {
    let is_lost = |code, severity| code == Code::SseUnknownField && severity == Severity::Fatal;
    findings.list.iter().any(|f| is_lost(f.code, f.severity))
}

/// Returns whether the finish is in the last event, which has no blank line: it is lost for clients, and
/// reported as that.
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

/// A stream that ended although a choice had no finish.
fn unfinished(facts: &Facts, findings: &mut Findings) {
    let answer = facts.answer();
    let another = answer.finish().next().is_some();
    let message = left_off(facts, another);
    // With a finish and [DONE] the stream did say that it is over: only this choice's finish reason is
    // missing. LiteLLM's proxy loses it when it joins choices.
    let words = another && (answer.sentinel.is_some() || answer.terminal.is_some());
    let severity = match (words, answer.terminal) {
        (true, _) => Severity::Info,
        // Ollama had no finish reason in its first years.
        (_, Some(_)) if facts.dialect().is_some_and(|d| d.name() == "ollama") => Severity::Info,
        // Only the finish reason is lost.
        (_, Some(_)) => Severity::Warn,
        (_, None) => Severity::Error,
    };
    findings.raise_as(Code::FinishMissing, severity, frame(facts, answer.sentinel), message);
}

/// Describes where a stream without a finish stopped; `another` if another choice has one.
fn left_off(facts: &Facts, another: bool) -> String {
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
    if is_empty {
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
    }
}

/// Returns whether the arguments of a call are all there, as far as that can be known.
pub(in crate::inspect::detect) fn is_whole(tool: &ToolCall) -> bool {
    tool.free_text || Tape::new().parse(&tool.arguments).is_ok()
}
