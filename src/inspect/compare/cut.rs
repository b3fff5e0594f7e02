//! Reasons that the other call is not whole: a timeout in between, a refusal by the gateway itself, a broken
//! connection, an empty answer. Each is one accusation, and what is missing because of it is no other; so these
//! checks are first.

use super::delivery::{seconds, since};
use super::side::ComparedSide;
use super::{Check, FoundDifferences, both};
use crate::dialect::Channel;
use crate::inspect::author::Author;
use crate::inspect::{Reason, Severity};
use crate::journal::Micros;
use crate::rule::Code;
use crate::text::{count, preview};

impl ComparedSide<'_> {
    /// Returns whether its connection broke, after its own end or before.
    pub(super) fn is_broken(&self) -> bool {
        let broken = [Reason::Truncated, Reason::Reset, Reason::Protocol];
        self.seen.reason().is_some_and(|r| broken.contains(&r))
    }

    /// Returns whether its connection broke before its own end.
    pub(super) fn is_cut(&self) -> bool {
        self.is_broken() && !self.seen.saw_own_end()
    }

    /// Returns how its connection broke, and after how much, as the end of a sentence about it.
    pub(super) fn broke_off(&self) -> String {
        let came = self.came();
        let after = match (came.is_empty(), self.seen.saw_own_end()) {
            (_, true) => "after its end".to_owned(),
            (true, _) => "before any answer".to_owned(),
            _ => format!("after {came}"),
        };
        match self.seen.reason() {
            Some(Reason::Reset) => format!("was reset {after}"),
            Some(Reason::Protocol) => format!("broke off in bytes that are no HTTP, {after}"),
            _ => format!("was closed {after}"),
        }
    }

    /// Returns whether it is over without its own end, an error or a finish, and not by the user.
    pub(super) fn is_unfinished(&self) -> bool {
        let reached = !matches!(self.seen.reason(), Some(Reason::Refused | Reason::Tls));
        let over = self.seen.is_over() && reached && !self.was_stopped();
        let ended = self.seen.saw_own_end() || self.seen.answer().finished();
        over && !ended && self.error().is_none()
    }

    /// Returns whether it reached its end, and said so.
    pub(super) fn is_whole(&self) -> bool {
        let answer = self.seen.answer();
        self.carriers > 0 && self.error().is_none() && answer.finished() && !self.says_failure()
    }

    /// Returns the number of characters of its answer, in all channels.
    pub(super) fn length(&self) -> u64 {
        self.pieces().iter().map(|(_, text)| text.chars().count() as u64).sum()
    }

    /// Returns whether its text is the other's as far as it reaches.
    pub(super) fn is_beginning_of(&self, other: &Self) -> bool {
        let channels = [Channel::Content, Channel::Reasoning, Channel::Refusal, Channel::Tool];
        let text = |s: &Self, channel| -> String {
            s.pieces().iter().filter(|p| p.0 == channel).map(|p| p.1).collect()
        };
        channels.into_iter().all(|channel| text(other, channel).starts_with(&text(self, channel)))
    }
}

/// Microseconds of silence below which a closed connection points at no timeout.
const MIN_SILENCE: Micros = 500_000;

/// Returns the time of each sign of life: the request, the headers, every read.
fn moments(s: &ComparedSide<'_>) -> impl Iterator<Item = Micros> {
    let timing = &s.seen.timing;
    let reads = s.seen.reads().iter().filter_map(|read| read.at);
    timing.request.into_iter().chain(timing.head).chain(reads)
}

/// The longest silence of a call, up to its end.
fn longest_silence(s: &ComparedSide<'_>) -> Micros {
    let mut moments: Vec<_> = moments(s).chain(s.seen.timing.end).collect();
    moments.sort_unstable();
    moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

/// Returns how long a call had been silent when it ended.
fn last_silence(s: &ComparedSide<'_>) -> Option<Micros> {
    let end = s.seen.timing.end?;
    moments(s).max().map(|last| end.saturating_sub(last))
}

/// Checks for when the other has headers of success and nothing that a client could read.
pub(super) const UNREADABLE: &[Check] = &[unreadable];

/// A 200 with nothing of an answer in it is one loss, not a list of them.
fn unreadable(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let body = b.seen.body();
    let bytes = |s: &ComparedSide<'_>| count(s.seen.body().len() as u64, "byte");
    let comments = b.seen.sse().map_or(0, |sse| sse.comments.total());
    let (code, what) = match body.trim_ascii().first() {
        None => (Code::GwGuardrailEmptied, "an empty body".to_owned()),
        Some(b'<') => (Code::EndsDiffer, "a web page".to_owned()),
        Some(_) if comments > 0 => {
            (Code::GwGuardrailEmptied, format!("only {}", count(comments, "comment")))
        }
        Some(_) => (Code::EndsDiffer, format!("{} that are no answer", bytes(b))),
    };
    let message = match b.seen.status() {
        Some(status) => format!("{b} answered {status} with {what}; {a} sent {}", bytes(a)),
        None => format!("{b} has {what}; {a} has {}", bytes(a)),
    };
    found.add(code, both(bytes(a), what), message);
}

/// Returns whether `b` has headers of success and nothing that a client could read, and `a` has an answer.
pub(super) fn is_unreadable(a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> bool {
    let answered = b.seen.status().is_none_or(|status| status < 300);
    let ended = matches!(b.seen.reason(), Some(Reason::Complete | Reason::Closed));
    let answer = b.seen.answer();
    let nothing = b.carriers == 0 && b.objects == 0 && answer.sentinel.is_none();
    let silent = b.error().is_none() && b.hidden_error().is_none();
    answered && ended && nothing && silent && a.carriers > 0 && a.error().is_none()
}

/// Statuses that a gateway answers with when the provider keeps it waiting: 504 says so, 408 means
/// it with some, and Apache says 502.
const TIMED_OUT: &[u16] = &[504, 408, 502, 503];

/// The largest distance of a measured time from a limit that was set, in microseconds: timers are coarse.
const SLACK: Micros = 100_000;

/// Microseconds between two measures of one time that are no longer the same.
const APART: Micros = 300_000;

/// Reports a time limit in between: the other was closed, or answered that it would wait no longer, while the
/// direct call was silent or continued.
pub(super) fn timeout(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    // A call that the user's own limit ended was still silent, for at least that long.
    let heard = !a.failed() || a.was_stopped() && a.seen.reason() != Some(Reason::Cancelled);
    if !heard || a.error().is_some() || b.was_stopped() || !b.seen.is_over() {
        return;
    }
    let status = b.seen.status().filter(|status| TIMED_OUT.contains(status));
    let waited = match status {
        Some(_) => since(&b.seen.timing, b.seen.timing.head),
        None => silence_upstream(a, b).filter(|_| b.is_unfinished()),
    };
    let silence = longest_silence(a);
    let Some(waited) = waited.filter(|waited| *waited >= MIN_SILENCE) else { return };
    if silence + SLACK < waited {
        return limited(a, b, status, found);
    }
    let took = since(&b.seen.timing, b.seen.timing.end).unwrap_or(waited);
    // A silence that began with the request cannot be told apart from the whole duration.
    let apart = took > waited + APART && status.is_none();
    if apart && is_rounder(took, waited) {
        let before = found.differences.len();
        limited(a, b, status, found);
        if found.differences.len() > before {
            return;
        }
    }
    let right = seconds(waited);
    let left = match a.was_stopped() && silence_is_last(a, silence) {
        true => format!("still silent after {}", seconds(silence)),
        false => format!("silent for {}", seconds(silence)),
    };
    let how = match status {
        Some(status) => format!("{b} answered {status} after {right}"),
        None => format!("{b} was closed after {right} of silence"),
    };
    // Gateways also use these two statuses for other reasons.
    let surely = if matches!(status, Some(502 | 503)) { "probably " } else { "" };
    let limit = if apart || status.is_some() { "read timeout" } else { "timeout" };
    let message = format!("{how} ({a} was {left}): {surely}a {limit} between you and the provider");
    found.add(Code::GwTimeout, both(left, format!("closed after {right}")), message);
    found.measured(waited);
}

/// Returns how long the provider had been silent when the other call ended. The direct call shows when the
/// provider sent what; where the two do not agree, what the other received counts.
fn silence_upstream(a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> Option<Micros> {
    let own = last_silence(b)?;
    let end = since(&b.seen.timing, b.seen.timing.end)?;
    let start = a.seen.timing.request?;
    let before = moments(a).map(|at| at.saturating_sub(start)).filter(|at| *at <= end);
    let silence = before.max().map(|last| end - last);
    let close = silence.filter(|silence| silence.abs_diff(own) <= APART);
    // Both calls have jitter of their own: the rounder one is more likely to be a limit.
    Some(close.filter(|silence| from_second(*silence) < from_second(own)).unwrap_or(own))
}

/// Reports a limit on the whole answer: the other was closed at a round time, though the direct call was not
/// silent and continued for longer.
fn limited(
    a: &ComparedSide<'_>,
    b: &ComparedSide<'_>,
    status: Option<u16>,
    found: &mut FoundDifferences,
) {
    let (x, y) = (&a.seen.timing, &b.seen.timing);
    let (Some(all), Some(took)) = (since(x, x.end), since(y, y.end)) else { return };
    if status.is_some() || !b.is_unfinished() || all < took + SLACK || from_second(took) > SLACK {
        return;
    }
    let (left, right) = (seconds(all), seconds(took));
    let message = format!(
        "{b} was closed {right} after the request ({a} went on to {left}): a limit on the whole \
         answer between you and the provider"
    );
    let sides = both(format!("took {left}"), format!("closed at {right}"));
    found.add(Code::GwTimeout, sides, message);
    found.measured(took);
}

/// Returns the distance of a time from the nearest whole second; of less than half a second, from one.
fn from_second(time: Micros) -> Micros {
    const SECOND: Micros = 1_000_000;
    let nearest = ((time + SECOND / 2) / SECOND).max(1) * SECOND;
    nearest.abs_diff(time)
}

/// Returns whether one time is so much rounder than another that it is more likely to be a limit that someone
/// set.
fn is_rounder(time: Micros, other: Micros) -> bool {
    from_second(time) + SLACK < from_second(other)
}

/// Returns whether this silence is the one in which a call ended.
fn silence_is_last(s: &ComparedSide<'_>, silence: Micros) -> bool {
    last_silence(s).is_some_and(|last| last + SLACK >= silence)
}

/// A connection that was cut, or a stream that ended before its end.
pub(super) fn cut(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let reported = [Code::GwTimeout, Code::GwRefused].iter().any(|code| found.has(*code));
    let stopped = a.was_stopped() || b.was_stopped();
    if reported || stopped || a.error().is_some() || b.error().is_some() {
        return;
    }
    match (a.is_broken(), b.is_cut()) {
        (true, true) => both_cut(a, b, found),
        (false, _) if b.is_unfinished() && a.is_whole() && b.is_beginning_of(a) => {
            let (n, m) = (a.length(), b.length());
            let how = match (b.seen.reason(), m) {
                (Some(Reason::Truncated), _) => "was closed in the middle of its body",
                (Some(Reason::Reset), _) => "was reset",
                (Some(Reason::Protocol), _) => "broke off in bytes that are no HTTP",
                _ => "ended without a finish",
            };
            let after = match m {
                0 => "before any of the answer".to_owned(),
                m => format!("after {m} of {}", count(n, "character")),
            };
            let (left, right) =
                (super::side::disposition(a.seen), super::side::disposition(b.seen));
            let message = format!("{b} {how}, {after}; {a} is complete");
            found.add(Code::EndsDiffer, both(left, right), message);
            found.cut = true;
        }
        _ => {}
    }
}

/// Both connections broke: one failure that the gateway passed on, as far as anyone can see.
fn both_cut(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    if !(b.is_beginning_of(a) || a.is_beginning_of(b)) {
        return;
    }
    found.cut = true;
    let (left, right) = (a.broke_off(), b.broke_off());
    if left == right {
        return;
    }
    let lost = lost(a, b);
    // If a stream finished before it broke off, it has lost nothing, but the other one has.
    let lost_its_end = a.seen.answer().finished() && !b.seen.answer().finished();
    let severity = if lost_its_end { Severity::Warn } else { Severity::Info };
    let message = format!("both broke off: {a} {left}, {b} {right}{lost}");
    found.add_as(Code::EndsDiffer, severity, both(left, right), message);
}

/// Returns how much less text the other has, as the end of a sentence; empty if it has all.
pub(super) fn lost(a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> String {
    match a.length().saturating_sub(b.length()) {
        0 => String::new(),
        n => format!("; the last {} of {} are lost at {b}", count(n, "character"), a.name),
    }
}

/// Codes for what is merely missing after a truncation, and no separate difference.
pub(super) const MISSING: &[Code] = &[
    Code::GwUsageDropped,
    Code::GwFieldsDropped,
    Code::GwEventsDropped,
    Code::GwCommentStripped,
    Code::GwToolsChanged,
    Code::GwFinishRewritten,
    Code::GwReasoningDropped,
    Code::GwNullStripped,
    Code::GwGuardrailEmptied,
    Code::HeadsDiffer,
    Code::BytesDiffer,
    Code::GwRechunked,
];

/// Returns what points at the gateway as the author of a refusal, and whether that is its own form. A proxy
/// puts `server` and `via` on what it only forwards, too: these alone are no proof.
fn signature(a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> Option<(String, bool)> {
    match b.seen.author() {
        Author::Gateway(name, _) => return Some((format!("{name}'s own answer"), true)),
        Author::Provider(_) => return None,
        Author::Unknown => {}
    }
    let body = b.seen.body().trim_ascii_start();
    let own = matches!(body.first(), Some(b'<') | None);
    let of = |name: &str| {
        let value = b.header(name).filter(|value| a.header(name) != Some(*value));
        value.map(|value| format!("{name}: {}", preview(&value.to_ascii_lowercase(), 40)))
    };
    let marks = b.is_gateway.then(|| "its own headers".to_owned());
    let page = (own && !body.is_empty()).then(|| "a web page".to_owned());
    marks.or_else(|| of("server")).or_else(|| of("via")).or(page).map(|text| (text, own))
}

/// The gateway's own refusal of a request that the provider answers.
pub(super) fn refused(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let Some(status) = b.seen.status().filter(|status| *status >= 400) else { return };
    let answered = a.seen.status().is_some_and(|status| status < 300) && a.error().is_none();
    if !answered || a.carriers == 0 || found.has(Code::GwTimeout) {
        return;
    }
    let Some((signature, own)) = signature(a, b) else { return };
    let words = b.error_text().filter(|text| !text.trim_start().starts_with('<'));
    let words = words.map_or(String::new(), |text| format!(": {:?}", preview(&text, 80)));
    let right = format!("{status}{words}");
    let message = match own {
        true => format!(
            "{b} refused the request itself with {right} ({signature}); {a} answered. \
             Whether it asked the provider is unknown without a tap"
        ),
        false => format!(
            "{b} refused the request with {right} ({signature}); {a} answered. \
             Whether it or the provider wrote that is unknown without a tap"
        ),
    };
    found.add(Code::GwRefused, both("answered", right), message);
}
