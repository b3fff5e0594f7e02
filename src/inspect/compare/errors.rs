//! Errors that pass through a gateway: forwarded, reported differently, swallowed, or added.

use super::finish::is_filtered;
use super::side::{ComparedSide, disposition, foreign};
use super::{FoundDifferences, both};
use crate::inspect::Severity;
use crate::rule::Code;
use crate::text::{count, preview};

/// Statuses that say that the request itself is wrong: another request may be right.
const REFUSALS: &[u16] = &[400, 413, 422];

/// Headers that say how long to wait before the next try; milliseconds are OpenAI's.
const WAITS: &[&str] = &["Retry-After", "Retry-After-Ms"];

pub(super) fn errors(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let unframed = |s: &ComparedSide<'_>| s.found(&[Code::SseRawJson]);
    if unframed(b) && !unframed(a) && a.error().is_some() {
        let message = format!("the error of {a} arrives behind {b} as bare JSON between events");
        let sides = both(a.error().unwrap_or_default(), "no event");
        found.add(Code::GwErrorUnframed, sides, message);
        return;
    }
    match (a.error(), b.error()) {
        (Some(left), None) => lost(a, b, left, frame(a), found),
        (Some(left), Some(right)) if !same(a, b) => retold(a, b, left, right, found),
        (None, Some(right)) => added(a, b, right, frame(b), found),
        (None, None) => {
            if let Some(left) = a.hidden_error().filter(|_| b.hidden_error().is_none()) {
                let right = disposition(b.seen);
                let message = format!("{left} at {a}; {b} shows no error ({right})");
                found.add(Code::GwErrorSwallowed, both(left, right), message);
            }
        }
        _ => {}
    }
}

/// Returns the frame of the first error; none for a response that is nothing but the error.
fn frame(s: &ComparedSide<'_>) -> Option<u32> {
    let first = s.seen.answer().errors.first().map(|e| e.frame);
    first.filter(|_| s.seen.status().is_none_or(|n| n < 300))
}

/// Returns whether both report their error with one status and in the same words. The error's kind is a word
/// of the dialect; the status of a body without headers is unknown.
fn same(a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> bool {
    let text = |s: &ComparedSide<'_>| {
        let first = s.seen.answer().errors.first();
        first.map(|e| (e.message.clone(), e.kind.clone().filter(|_| !foreign(a, b))))
    };
    let statuses = a.seen.status().zip(b.seen.status());
    text(a) == text(b) && statuses.is_none_or(|(x, y)| x == y)
}

/// Returns whether the error of `b` contains what `a` says: its message or, where its body has none, the
/// body.
fn quotes(b: &ComparedSide<'_>, a: &ComparedSide<'_>) -> bool {
    let message = |s: &ComparedSide<'_>| s.seen.answer().errors.first().map(|e| e.message.clone());
    let body = || String::from_utf8_lossy(a.seen.body()).trim().to_owned();
    let (mine, theirs) = (message(b).unwrap_or_default(), message(a).unwrap_or_else(body));
    !theirs.is_empty() && mine.contains(&theirs)
}

/// Returns whether the error of `b` has most of the words of that of `a`; one without words loses none.
fn hands_on(b: &ComparedSide<'_>, a: &ComparedSide<'_>) -> bool {
    let text = |s: &ComparedSide<'_>| s.error_text().map(|text| text.to_lowercase());
    let (Some(mine), Some(theirs)) = (text(b), text(a)) else { return true };
    let words = theirs.split(|c: char| !c.is_alphanumeric()).filter(|w| w.len() > 2);
    let (mut all, mut kept) = (0, 0);
    for word in words {
        all += 1;
        kept += u32::from(mine.contains(word));
    }
    kept * 2 >= all
}

/// Reports that both have an error, and not the same.
fn retold(
    a: &ComparedSide<'_>,
    b: &ComparedSide<'_>,
    left: String,
    right: String,
    found: &mut FoundDifferences,
) {
    let (x, y) = (a.seen.status(), b.seen.status());
    let in_stream = |status: Option<u16>| status.is_some_and(|s| s < 300);
    let silent = !hands_on(b, a);
    let mut message = if b.found(&[Code::Swallowed422]) && x == Some(422) && y != x {
        format!("{b} lost the 422 of {a} ({left}) and says {right} instead")
    } else if in_stream(x) && y.is_some() && !in_stream(y) {
        format!(
            "the error that {a} sends in its stream, {left}, is the whole answer of {b}: {right}"
        )
    } else if x != y && x.is_some() && y.is_some() {
        format!("{b} changes the status of the error of {a}: {left} arrives as {right}")
    } else if quotes(b, a) {
        let kind =
            |s: &ComparedSide<'_>| s.seen.answer().errors.first().and_then(|e| e.kind.clone());
        let type_lost = match (kind(a), kind(b)) {
            (x, y) if x == y => String::new(),
            (None, _) => String::new(),
            (_, Some(y)) => format!(" and calls it {:?}", preview(&y, 40)),
            (_, None) => " without its type".to_owned(),
        };
        format!("{b} wraps the error of {a}, {left}, in other words{type_lost}")
    } else if silent {
        format!("{b} replaces the error of {a}: {left} arrives as {right}")
    } else {
        format!("{b} reworded the error of {a}: {left} arrives as {right}")
    };
    if let Some((n, m)) = a.lost_content(b) {
        message.push_str(&format!("; of {} before it, {m} arrive", count(n, "character")));
    }
    // The headers of a bare body are unknown.
    for name in WAITS.iter().filter(|_| b.seen.head.is_some()) {
        let (Some(wait), None) = (a.header(name), b.header(name)) else { continue };
        let wait = preview(wait, 40);
        let other = b.seen.head.as_ref().and_then(|h| {
            h.headers.iter().find(|(k, v)| {
                k.to_ascii_lowercase().ends_with(&name.to_ascii_lowercase()) && *v == wait
            })
        });
        message.push_str(&match other {
            Some((k, _)) => format!("; {name}: {wait} arrives only as {}", preview(k, 60)),
            None => format!("; {name}: {wait} is lost"),
        });
    }
    let sides = both(left, right).at(frame(a), frame(b));
    let severity = if silent { Severity::Warn } else { Severity::Info };
    found.add_as(Code::GwErrorRewrapped, severity, sides, message);
}

/// Reports an error that the direct call has and the other does not.
fn lost(
    a: &ComparedSide<'_>,
    b: &ComparedSide<'_>,
    left: String,
    at: Option<u32>,
    found: &mut FoundDifferences,
) {
    // Nothing is known of an answer that never arrived or was stopped.
    if b.was_stopped() || b.seen.head.is_none() && b.seen.request.is_some() {
        return;
    }
    let right = disposition(b.seen);
    let refused = a.seen.status().filter(|s| *s >= 300);
    if let Some(status) = refused
        && b.carriers > 0
    {
        // If a refused call has an answer, that is the answer to another call.
        let (code, why) = match REFUSALS.contains(&status) {
            true => (Code::GwParamsDropped, "the request that it sent must be another one"),
            false => (Code::EndsDiffer, "it tried again, or asked somebody else"),
        };
        let message = format!("{a} was refused ({left}), and {b} has an answer ({right}): {why}");
        return found.add(code, both(left, right), message);
    }
    if is_filtered(b) {
        let message = format!("{b} reports the error of {a}, {left}, only as finish {right}");
        return found.add(Code::GwErrorRewrapped, both(left, right).at(at, None), message);
    }
    let erased = a.seen.dialect().is_some_and(|d| d.name() == "ollama")
        && b.seen.dialect().is_some_and(|d| d.name() != "ollama");
    let code = if erased { Code::OllamaV1ErrorErased } else { Code::GwErrorSwallowed };
    let message = format!("{a} failed with {left}; {b} shows no error ({right})");
    found.add(code, both(left, right).at(at, None), message);
}

/// Reports an error that only the other call has.
fn added(
    a: &ComparedSide<'_>,
    b: &ComparedSide<'_>,
    right: String,
    at: Option<u32>,
    found: &mut FoundDifferences,
) {
    let left = disposition(a.seen);
    let ended = a.seen.answer().finished() && !a.says_failure();
    if a.failed() && !ended && !a.was_stopped() {
        let message = format!("{b} reports as {right} that {} {}", a.name, a.ended());
        return found.add(Code::GwErrorRewrapped, both(left, right).at(None, at), message);
    }
    // The cause may be in the stream of A: then B reports a fault that is not its own.
    let block = a.stumbling_block(b);
    let less = a.lost_content(b);
    let after = less.map_or(String::new(), |(n, m)| {
        format!(" after {m} of {} of content", count(n, "character"))
    });
    let sides = both(left, right.clone()).at(None, at);
    if let Some(fault) = block {
        let message = format!("{b} failed with {right}{after}, at a fault of {}: {fault}", a.name);
        // If the bytes are damaged, nothing more can be read from them.
        let damaged = a.found(&[Code::EventstreamCrc, Code::EventstreamIncomplete]);
        return match less.is_none() || damaged {
            true => found.add(Code::GwErrorRewrapped, sides, message),
            false => found.add(Code::EndsDiffer, sides, message),
        };
    }
    let message = format!("{b} failed with {right}{after}; {a} {}", a.ended());
    found.add(Code::EndsDiffer, sides, message);
}
