//! The finish on both sides: fabricated, changed, lost; across dialects by what the words mean.

use super::side::{ComparedSide, disposition, foreign, is_failure};
use super::{FoundDifferences, Severity, both};
use crate::inspect::Reason;
use crate::inspect::detect::{is_filter, is_length};
use crate::rule::Code;
use crate::text::preview;

/// The meaning of a finish word, in any dialect.
#[derive(Debug, PartialEq, Eq)]
enum Meaning<'a> {
    /// The model had said all.
    Stop,
    /// A bound on the length was reached.
    Length,
    /// Tools are to be called.
    Tools,
    /// A filter, or the model itself, refused.
    Filter,
    /// It failed, and says so with this word alone.
    Failure,
    /// Responses and Interactions say why elsewhere: for its length, or because of a filter.
    Incomplete,
    /// A word of its own.
    Other(&'a str),
}

fn meaning(word: &str) -> Meaning<'_> {
    match word {
        "stop" | "STOP" | "end_turn" | "stop_sequence" | "STOP_SEQUENCE" | "COMPLETE"
        | "completed" | "FINISH" | "eos" | "eos_token" | "word" => Meaning::Stop,
        "tool_calls" | "tool_use" | "TOOL_CALL" | "function_call" | "requires_action" => {
            Meaning::Tools
        }
        "incomplete" => Meaning::Incomplete,
        "refusal" => Meaning::Filter,
        word if is_failure(word) => Meaning::Failure,
        word if is_length(word) => Meaning::Length,
        word if is_filter(word) => Meaning::Filter,
        other => Meaning::Other(other),
    }
}

/// Returns whether its finish says that a filter, or the model, refused: the word of some dialects for what
/// is an error in others.
pub(super) fn is_filtered(s: &ComparedSide<'_>) -> bool {
    s.seen.answer().finish().next().is_some_and(|(_, f)| meaning(f) == Meaning::Filter)
}

/// Returns whether the finish `x` of `a` and the finish `y` of `b`, each in its own dialect, say the same.
pub(super) fn alike(a: &ComparedSide<'_>, x: &str, b: &ComparedSide<'_>, y: &str) -> bool {
    match (meaning(x), meaning(y)) {
        (Meaning::Stop, Meaning::Tools) => calls_unsaid(a),
        (Meaning::Tools, Meaning::Stop) => calls_unsaid(b),
        (Meaning::Incomplete, Meaning::Length | Meaning::Filter)
        | (Meaning::Length | Meaning::Filter, Meaning::Incomplete) => true,
        (x, y) => x == y,
    }
}

/// Returns whether it calls tools in a dialect that has no finish word for that (Gemini, Responses).
fn calls_unsaid(side: &ComparedSide<'_>) -> bool {
    let words = side.seen.dialect().map_or(&[][..], |d| d.ending().finishes);
    let has_word = words.iter().any(|w| meaning(w) == Meaning::Tools);
    !has_word && !side.seen.answer().tools().is_empty()
}

/// Reports what happened to the finish, choice by choice.
pub(super) fn finish(a: &ComparedSide<'_>, b: &ComparedSide<'_>, found: &mut FoundDifferences) {
    let (x, y) = (a.seen.answer(), b.seen.answer());
    // An empty finish reason says nothing.
    let words = |s: &ComparedSide<'_>| -> Vec<(u32, String)> {
        let all = s.seen.answer().finish().filter(|(_, f)| !f.is_empty());
        all.map(|(c, f)| (c, f.to_owned())).collect()
    };
    let (left, right) = (words(a), words(b));
    let Some((first, reported)) = right.first() else { return };
    // Of one call on both sides of a gateway it was the gateway that did not wait.
    let gave_up = found.one_call && a.seen.reason() == Some(Reason::Cancelled);
    if b.error().is_some() || left.is_empty() && a.was_cut_short() && !gave_up {
        return;
    }
    if a.error().is_some() && is_filtered(b) {
        return;
    }
    let reported = preview(reported, 40);
    let frame = y.finish_frame(*first);
    let sides = || both(disposition(a.seen), disposition(b.seen)).at(None, frame);
    let refused = a.error().is_some() && a.carriers == 0 && b.carriers > 0;
    if left.is_empty() && !refused {
        let how = match a.error() {
            Some(error) => format!("failed with {error}"),
            None => a.ended(),
        };
        let message = format!("{b} fabricated the end: finish {reported:?}, but {} {how}", a.name);
        found.add(Code::GwFabricatedFinish, sides(), message);
    } else if b.carriers == 0 && a.carriers > 0 && unreadable(a) && !unreadable(b) {
        // Clients can read neither answer, but only B reports a finish.
        let (came, why) = (a.came(), a.why());
        let message = format!(
            "{b} fabricated the end: finish {reported:?} of an empty answer, where {} has {came} in a form that no client reads ({why})",
            a.name
        );
        found.add(Code::GwFabricatedFinish, sides(), message);
    } else if !left.is_empty() {
        rewritten(a, b, &left, &right, found);
    }
    let beside = &[Code::ToolFinishStop];
    if !left.is_empty()
        && b.found(beside)
        && !a.found(beside)
        && !found.has(Code::GwFinishRewritten)
    {
        let message =
            format!("{b} has tool calls but finish {reported:?}, which says that there are none");
        found.add(Code::GwFinishRewritten, sides(), message);
    }
    let failure = left.iter().find(|(_, f)| is_failure(f));
    if let Some((choice, word)) = failure.filter(|_| !right.iter().any(|(_, f)| is_failure(f))) {
        let message =
            format!("{} ended with finish {word:?}, a failure; {b} says {reported:?}", a.name);
        let sides = both(word.clone(), reported).at(x.finish_frame(*choice), frame);
        found.add(Code::GwErrorSwallowed, sides, message);
    }
}

/// The first choice whose finish is another, or is lost.
fn rewritten(
    a: &ComparedSide<'_>,
    b: &ComparedSide<'_>,
    left: &[(u32, String)],
    right: &[(u32, String)],
    found: &mut FoundDifferences,
) {
    let same = |x: &str, y: &str| if foreign(a, b) { alike(a, x, b, y) } else { x == y };
    // Both lists are sorted by choice, and have each choice once.
    let of_right = |c: u32| right.binary_search_by_key(&c, |(d, _)| *d).ok().map(|i| &right[i]);
    let kept = |c: u32, f: &str| of_right(c).is_some_and(|(_, g)| same(f, g));
    let Some((choice, word)) = left.iter().find(|(c, f)| !kept(*c, f)) else { return };
    let other = of_right(*choice);
    let message = match (other, left.len().max(right.len())) {
        (Some((_, other)), 1) => format!("the finish is {word:?} at {a} and {other:?} at {b}"),
        (Some((_, other)), _) => {
            format!("the finish of choice {choice} is {word:?} at {a} and {other:?} at {b}")
        }
        (None, 1) => {
            let other = right.first().map_or(0, |(c, _)| *c);
            format!(
                "the finish {word:?} of choice {choice} arrives at {b} as that of choice {other}"
            )
        }
        (None, _) => format!("the finish {word:?} of choice {choice} at {a} is lost at {b}"),
    };
    let frame = |s: &ComparedSide<'_>| s.seen.answer().finish_frame(*choice);
    let list = |f: &[(u32, String)]| {
        f.iter().map(|(c, f)| format!("{c}: {f}")).collect::<Vec<_>>().join(", ")
    };
    let sides = both(list(left), list(right)).at(frame(a), frame(b));
    // Another word for the same end does not mislead readers who know both.
    let severity = match other {
        Some((_, other)) if alike(a, word, b, other) => Severity::Info,
        _ => Severity::Warn,
    };
    found.add_as(Code::GwFinishRewritten, severity, sides, message);
}

/// Returns whether it is an answer in which a client that expects events sees nothing.
fn unreadable(s: &ComparedSide<'_>) -> bool {
    s.found(&[Code::NdjsonInSse, Code::JsonCompletion200, Code::SseSingleNewlineFrames])
}
