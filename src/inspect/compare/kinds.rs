//! Checks of independent answers: not what they say, but of what kind they are. Which channels they have and by
//! which fields these arrived, how they ended, whether they count tokens and really stream.

use super::finish::alike;
use super::same::ends;
use super::side::ComparedSide;
use super::{Check, FoundDifferences, both};
use crate::dialect::Channel;
use crate::rule::Code;

/// For two calls of two models or providers.
pub(super) const CHECKS: &[Check] = &[ends, channels, finish, usage, flow];

fn channels(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    for (channel, name) in [
        (Channel::Reasoning, "reasoning"),
        (Channel::Content, "content"),
        (Channel::Tool, "tool calls"),
        (Channel::Refusal, "a refusal"),
    ] {
        let (x, y) = (ways(a, channel), ways(b, channel));
        let frames = (a.first(channel), b.first(channel));
        let list = |w: &[(String, u64)]| match w {
            [] => "none".to_owned(),
            w => w.iter().map(|(path, n)| format!("{path} ×{n}")).collect::<Vec<_>>().join(", "),
        };
        let names = |w: &[(String, u64)]| w.iter().map(|w| w.0.clone()).collect::<Vec<_>>();
        // If an answer never began, missing channels are nothing new; and a stopped one might still have sent
        // them.
        if names(&x) == names(&y) || a.carriers == 0 || b.carriers == 0 {
            continue;
        }
        if x.is_empty() && a.was_stopped() || y.is_empty() && b.was_stopped() {
            continue;
        }
        let (left, right) = (list(&x), list(&y));
        let message = match (x.is_empty(), y.is_empty()) {
            (false, true) => format!("only {a} has {name}, in {left}"),
            (true, false) => format!("only {b} has {name}, in {right}"),
            _ => format!("the {name} field differs: {a} {left}, {b} {right}"),
        };
        found.add(Code::KindsDiffer, both(left, right).at(frames.0, frames.1), message);
    }
}

/// Returns the fields by which a channel arrived; tool calls as a whole.
fn ways(s: &ComparedSide<'_>, channel: Channel) -> Vec<(String, u64)> {
    let answer = s.seen.answer();
    let mut ways: Vec<(String, u64)> = answer.paths(channel).collect();
    if channel == Channel::Tool {
        // Count it as one way, whatever part of a call came first.
        ways.truncate(1);
    }
    if channel == Channel::Reasoning && answer.think(0).is_some_and(|t| t.any()) {
        ways.push(("<think> in the content".to_owned(), 1));
    }
    ways
}

fn finish(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let first =
        |s: &ComparedSide<'_>| s.seen.answer().finish().next().map(|(c, f)| (c, f.to_owned()));
    let (Some((c, x)), Some((d, y))) = (first(a), first(b)) else { return };
    if x != y && !alike(a, &x, b, &y) {
        let frames = (a.seen.answer().finish_frame(c), b.seen.answer().finish_frame(d));
        let message = format!("the finish is {x:?} at {a} and {y:?} at {b}");
        found.add(Code::KindsDiffer, both(x, y).at(frames.0, frames.1), message);
    }
}

fn usage(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let names = |s: &ComparedSide<'_>| -> Vec<String> {
        let mut names: Vec<_> =
            s.seen.answer().usage_seen.iter().map(|(path, _)| path.general()).collect();
        names.dedup();
        names
    };
    let (left, right) = (names(a), names(b));
    let cut = |s: &ComparedSide<'_>| s.failed() || s.was_stopped();
    if left == right || cut(a) || cut(b) {
        return;
    }
    let word = |n: &[String]| if n.is_empty() { "none".into() } else { n.join(", ") };
    let message = match (left.is_empty(), right.is_empty()) {
        (false, true) => format!("only {a} reports usage, in {}", word(&left)),
        (true, false) => format!("only {b} reports usage, in {}", word(&right)),
        _ => format!("usage is in {} at {a} and in {} at {b}", word(&left), word(&right)),
    };
    found.add(Code::KindsDiffer, both(word(&left), word(&right)), message);
}

/// Checks whether one streams and the other delivers its answer in lumps.
fn flow(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let codes = &[Code::BurstDelivery, Code::JsonCompletion200, Code::HeadersLate];
    let lumps = |s: &ComparedSide<'_>| s.found(codes);
    let (slow, other) = match (lumps(a), lumps(b)) {
        (true, false) => (a, b),
        (false, true) => (b, a),
        _ => return,
    };
    if other.carriers < 2 {
        return;
    }
    let word = |s: &ComparedSide<'_>| if lumps(s) { "in lumps" } else { "streamed" };
    let message = format!("{slow} hands its answer over in lumps, where {other} streams");
    found.add(Code::KindsDiffer, both(word(a), word(b)), message);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{inspected, sound, stream};
    use super::super::{Comparison, Expect, compare};
    use crate::inspect::Inspection;
    use crate::journal::EndCause;

    fn apart(a: &Inspection, b: &Inspection) -> Comparison {
        compare(a, b, Expect::Different)
    }

    /// The first frames, and then this end.
    fn cut(frames: usize, end: EndCause) -> Inspection {
        inspected(200, "text/event-stream", &sound()[..frames], end)
    }

    #[test]
    fn what_was_stopped_ended_neither_well_nor_without_what_was_to_come() {
        let got = apart(&stream(&sound()), &cut(2, EndCause::Cancelled));
        assert_eq!(got.differences, []);
        assert_eq!(got.verdict, "A completed (finish \"stop\"); B was cancelled before any answer");
        let got = apart(&cut(4, EndCause::Cancelled), &stream(&sound()));
        assert_eq!(got.differences, [], "its content was yet to come");
    }

    #[test]
    fn who_has_an_answer_of_its_own_hands_no_cut_on() {
        let (a, b) = (cut(5, EndCause::Reset), cut(5, EndCause::Complete));
        let verdict = apart(&a, &b).verdict;
        assert!(verdict.starts_with("Both failed, each in its own way: A was reset"), "{verdict}");
        let verdict = compare(&a, &b, Expect::Same).verdict;
        assert!(verdict.starts_with("B hides a cut"), "{verdict}");
    }

    #[test]
    fn two_failures_have_no_kind_of_answer() {
        let error = |status| inspected(status, "text/html", &["<html>".into()], EndCause::Complete);
        let verdict = apart(&error(500), &error(502)).verdict;
        assert!(verdict.starts_with("Both failed"), "{verdict}");
        assert!(!verdict.contains("same kind"), "{verdict}");
    }
}
