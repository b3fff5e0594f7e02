//! Ends that belong to one dialect: a terminal event, a last line, a closing bracket.

use super::end::{is_silent, is_whole, lost_frames};
use super::{
    Code, Detector, FindingPlace, Findings, Severity, anthropic, cut, ours, refused, tail,
};
use crate::dialect::Channel;
use crate::frame::{FrameKind, Framing};
use crate::inspect::Facts;
use crate::text;

#[derive(Default)]
pub(super) struct TerminalDetector;

impl Detector for TerminalDetector {
    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        if refused(facts) || ours(facts) || cut(facts) || facts.frames().is_empty() {
            return;
        }
        if facts.array_is_closed() == Some(false) {
            let message = format!("Array ends without its \"]\", {}", after(facts));
            return findings.raise(Code::TruncatedJsonArray, FindingPlace::default(), message);
        }
        // An error ends a stream, too; a body that is not a stream has no last event.
        if facts.framing() == Some(Framing::Whole)
            || facts.ending().terminal != Some(false)
            || !facts.answer().errors.is_empty()
            || in_tail(facts)
            || lost_frames(findings)
            || is_silent(facts, findings)
        {
            return;
        }
        let Some(dialect) = facts.dialect() else { return };
        let rules = dialect.ending();
        if rules.resumable && can_be_resumed(facts) {
            return;
        }
        if dialect.name() == "ollama" {
            let reason = facts.answer().finish().next();
            let words = match reason {
                Some((_, reason)) => format!("only done_reason \"{}\"", text::preview(reason, 40)),
                None => "and no done_reason".to_owned(),
            };
            let message = format!("No line with \"done\": true, {words}, {}", after(facts));
            // Without a reason as well, the answer is truncated, and only the JavaScript client reports that.
            let severity = match reason {
                Some(_) => Code::OllamaNoDone.severity(),
                None => Severity::Error,
            };
            findings.raise_as(Code::OllamaNoDone, severity, FindingPlace::default(), message);
        } else if anthropic::is_anthropic(facts) {
            let reason = match facts.answer().finish().next() {
                Some((_, reason)) => format!("stop_reason \"{}\"", text::preview(reason, 40)),
                None => "no stop_reason".to_owned(),
            };
            let message = format!("Stream ended without message_stop, {}, {reason}", after(facts));
            findings.raise(Code::MessageStopMissing, FindingPlace::default(), message);
        } else {
            let message = format!("Stream ended without its terminal event, {}", after(facts));
            // If the finish arrived, the answer is mostly whole; only the usage after it is missing.
            let severity = match facts.is_healthy() && !rules.strict {
                true => Severity::Warn,
                false => Severity::Error,
            };
            findings.raise_as(
                Code::TerminalEventMissing,
                severity,
                FindingPlace::default(),
                message,
            );
        }
    }
}

/// Returns whether the terminal event is the last one and has no blank line: it is lost for clients, and
/// reported as that.
fn in_tail(facts: &Facts) -> bool {
    let Some(last) = facts.frames().last().filter(|f| f.kind == FrameKind::Incomplete) else {
        return false;
    };
    facts.framing() == Some(Framing::Sse) && tail::unfinished_event(facts, &last).0
}

/// Returns whether the client can ask for the rest: by the last event id, unless that is the same 0 for all.
fn can_be_resumed(facts: &Facts) -> bool {
    let Some(sse) = facts.sse() else { return false };
    let events = facts.frames().iter().filter(|f| f.kind == FrameKind::Event).count();
    match sse.final_id() {
        "" => false,
        "0" => events < 2,
        _ => true,
    }
}

/// After how much of an answer that was, or inside which call.
fn after(facts: &Facts) -> String {
    // If a finish arrived, the call was complete.
    let finished = facts.answer().finish().next().is_some();
    if let Some(tool) = facts.answer().tools().last().filter(|t| !finished && !is_whole(t)) {
        let name = text::preview(tool.name.as_deref().unwrap_or("?"), 40);
        let chars = text::count(tool.arguments.chars().count() as u64, "character");
        return format!("inside the arguments of tool call \"{name}\" (after {chars})");
    }
    let answer = facts.answer();
    let of = |channel| text::count(answer.chars(channel) as u64, "character");
    match (answer.has(Channel::Content), answer.tools().len() as u64) {
        (false, calls @ 1..) => format!("after {}", text::count(calls, "tool call")),
        (false, 0) if answer.has(Channel::Reasoning) => {
            format!("after {} of reasoning and no content", of(Channel::Reasoning))
        }
        _ => format!("after {} of content", of(Channel::Content)),
    }
}
