//! Ends that belong to one dialect: a terminal event, a last line, a closing bracket.

use super::end::{is_silent, lost_frames};
use super::{Code, Detector, Out, Place, Severity, anthropic, cut, ours, refused, tail};
use crate::dialect::Channel;
use crate::frame::{Framing, Kind};
use crate::inspect::Inspection;
use crate::text;

#[derive(Default)]
pub(super) struct Terminal;

impl Detector for Terminal {
    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        if refused(now) || ours(now) || cut(now) || now.frames().is_empty() {
            return;
        }
        if now.array_is_closed() == Some(false) {
            let message = format!("The array ends without its \"]\", {}.", after(now));
            return out.raise(Code::TruncatedJsonArray, Place::default(), message);
        }
        // An error ends a stream too; what is no stream has no last event.
        if now.framing() == Some(Framing::Whole)
            || now.ending().terminal != Some(false)
            || !now.answer().errors.is_empty()
            || in_tail(now)
            || lost_frames(Code::TerminalEventMissing, out)
            || is_silent(now, out)
        {
            return;
        }
        let Some(dialect) = now.dialect() else { return };
        let rules = dialect.ending();
        if rules.resumable && can_be_resumed(now) {
            return;
        }
        if dialect.name() == "ollama" {
            let reason = now.answer().finish().next();
            let said = match reason {
                Some((_, reason)) => format!("only done_reason \"{}\"", text::preview(reason, 40)),
                None => "and no done_reason".to_owned(),
            };
            let message = format!("No line with \"done\": true, {said}, {}", after(now));
            out.raise(Code::OllamaNoDone, Place::default(), message);
        } else if anthropic::is_anthropic(now) {
            let reason = match now.answer().finish().next() {
                Some((_, reason)) => format!("stop_reason \"{}\"", text::preview(reason, 40)),
                None => "no stop_reason".to_owned(),
            };
            let message = format!("Stream ended without message_stop, {}, {reason}", after(now));
            out.raise(Code::MessageStopMissing, Place::default(), message);
        } else {
            let message = format!("Stream ended without its terminal event, {}", after(now));
            // With its finish the answer is mostly whole; only the usage behind it is missing.
            let severity = match now.is_healthy() && !rules.strict {
                true => Severity::Warn,
                false => Severity::Error,
            };
            out.raise_as(Code::TerminalEventMissing, severity, Place::default(), message);
        }
    }
}

/// Whether the terminal event is the last one and has no blank line: it is lost for clients, and
/// told as that.
fn in_tail(now: &Inspection) -> bool {
    let Some(last) = now.frames().last().filter(|f| f.kind == Kind::Incomplete) else {
        return false;
    };
    now.framing() == Some(Framing::Sse) && tail::said(now, last).0
}

/// Whether the client can ask for the rest: by the last event id, unless that is the same 0 for all.
fn can_be_resumed(now: &Inspection) -> bool {
    let Some(sse) = now.sse() else { return false };
    let events = now.frames().iter().filter(|f| f.kind == Kind::Event).count();
    match sse.final_id() {
        "" => false,
        "0" => events < 2,
        _ => true,
    }
}

/// After how much of an answer that was.
fn after(now: &Inspection) -> String {
    let chars = now.answer().chars(Channel::Content) as u64;
    format!("after {} of content", text::count(chars, "character"))
}
