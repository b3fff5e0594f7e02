//! The sentence that sums a comparison up: who lost what, and where.

use super::fault;
use super::side::{self, ComparedSide, disposition, finish, over};
use super::{Difference, Expect};
use crate::inspect::Severity;
use crate::rule::{Code, Subject};
use crate::text::{Newlines, visible};

/// Maximum number of differences named besides the most severe.
const MAX_BESIDES: usize = 4;

/// Makes the sentence; `differences` are sorted, the gravest first.
pub(super) fn verdict(
    expect: Expect,
    differences: &[Difference],
    a: &ComparedSide<'_>,
    b: &ComparedSide<'_>,
) -> String {
    let running = !(a.seen.is_over() && b.seen.is_over());
    let sentence = match (differences.first(), expect) {
        (Some(worst), _) if worst.severity > Severity::Info => grave(differences, a, b),
        _ if a.is_unanswered() && b.is_unanswered() => match fault::is_shared(a, b) {
            true => format!("Neither A nor B answered: {}", a.why()),
            false => format!("Neither answered: A {}; B {}", a.ended(), b.ended()),
        },
        (_, Expect::Same) if !running && (a.was_stopped() || b.was_stopped()) => {
            format!("Same answer so far: A {}; B {}", a.ended(), b.ended())
        }
        _ if running => "No difference so far that more of the stream could not explain".into(),
        (_, Expect::Different) => apart(differences, a, b),
        (Some(_), Expect::Same) => {
            let is_outcome = |d: &&Difference| {
                a.seen.rule(d.code).subject == Some(Subject::Outcome) && !is_done(d)
            };
            let outcome = differences.iter().find(is_outcome);
            match outcome {
                None => around(differences, a, b),
                Some(d) => beside(d.message.clone(), thoughts(differences, Some(d.code))),
            }
        }
        (None, Expect::Same) if a.seen.body() == b.seen.body() => {
            let why = if a.failed() && b.failed() && fault::is_shared(a, b) {
                format!(", and both have this fault: {}", a.why())
            } else {
                String::new()
            };
            format!("No difference: the bodies are identical{why}")
        }
        (None, Expect::Same) if side::foreign(a, b) => {
            let name = |s: &ComparedSide<'_>| s.seen.dialect().map_or("", |d| d.name());
            format!("The same answer in two dialects: {}, {}", name(a), name(b))
        }
        (None, Expect::Same) => "No difference that matters".to_owned(),
    };
    visible(&sentence, Newlines::Show).into_owned()
}

/// Returns the most severe difference, and what others there are. For a call that ended in an error, that
/// precedes what is merely odd.
fn grave(differences: &[Difference], a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> String {
    let serious = differences.iter().filter(|d| d.severity > Severity::Info);
    let retold = differences.iter().find(|d| d.code == Code::GwErrorRewrapped);
    let is_request = |d: &Difference| a.seen.rule(d.code).subject == Some(Subject::Request);
    // A difference between the requests comes before one between the answers.
    let mild = differences.first().is_none_or(|d| d.severity == Severity::Warn && !is_request(d));
    let (head, skip): (String, Option<Code>) = match (retold, differences.first()) {
        (Some(retold), _) if mild => (retold.message.clone(), Some(retold.code)),
        _ if mild && a.error().is_some() && fault::is_shared(a, b) => {
            (format!("A and B report the same error: {}", a.why()), None)
        }
        (_, Some(worst)) => (worst.message.clone(), Some(worst.code)),
        (_, None) => return String::new(),
    };
    let mut rest = thoughts(differences, skip);
    let others = serious.map(|d| d.code).filter(|code| Some(*code) != skip);
    rest.extend(others.filter(|code| !REASONING.contains(code)));
    beside(head, rest)
}

/// Differences in a reasoning field, reported whatever else leads: clients lose the channel without a word.
const REASONING: &[Code] =
    &[Code::GwReasoningDropped, Code::GwReasoningRenamed, Code::GwReasoningToThinkTags];

/// Returns what differs in the reasoning, however mild, except what has been said already.
fn thoughts(differences: &[Difference], text: Option<Code>) -> Vec<Code> {
    let codes = differences.iter().map(|d| d.code);
    codes.filter(|code| REASONING.contains(code) && Some(*code) != text).collect()
}

/// A sentence, and in a few words what there is beside it.
fn beside(head: String, codes: Vec<Code>) -> String {
    let mut rest: Vec<_> = codes.into_iter().map(|code| code.rule().brief).collect();
    rest.dedup();
    let more = rest.len().saturating_sub(MAX_BESIDES);
    rest.truncate(MAX_BESIDES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    match rest.as_slice() {
        [] => head,
        rest => format!("{head}; also {}{more}", rest.join(", ")),
    }
}

/// Returns whether nothing but a `[DONE]` distinguishes the ends.
fn is_done(d: &Difference) -> bool {
    d.a == "[DONE]" || d.b == "[DONE]"
}

/// Describes what differs around an answer that is the same.
fn around(differences: &[Difference], a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> String {
    let mut list: Vec<String> = Vec::new();
    for d in differences {
        let what = match d.code {
            Code::GwReasoningRenamed => format!("{} (A {}, B {})", d.code.rule().brief, d.a, d.b),
            Code::GwFieldsDropped if a.is_gateway => format!("{} ({})", d.code.rule().brief, d.b),
            Code::GwFieldsDropped => format!("{} ({})", d.code.rule().brief, d.a),
            Code::EndsDiffer if d.b == "[DONE]" => "an added [DONE]".to_owned(),
            Code::EndsDiffer if is_done(d) => "no [DONE]".to_owned(),
            Code::GwFieldsAdded if a.is_gateway => format!("{} ({})", d.code.rule().brief, d.a),
            Code::GwFieldsAdded => format!("{} ({})", d.code.rule().brief, d.b),
            code => code.rule().brief.to_owned(),
        };
        if !list.contains(&what) {
            list.push(what);
        }
    }
    let list = list.join(", ");
    let where_from = match (a.is_gateway, b.is_gateway) {
        (true, _) => format!("through {a}"),
        (_, true) => format!("through {b}"),
        _ => "from A and B".to_owned(),
    };
    if a.failed() && b.failed() {
        let (x, y) = (a.why(), b.why());
        return match fault::is_shared(a, b) {
            true => format!("A and B have the same fault: {x}. What differs: {list}"),
            false => format!("Both failed. A: {x}; B: {y}. What differs: {list}"),
        };
    }
    format!("Same answer {where_from}. What differs: {list}")
}

/// Two answers of their own: how both ended, and of what kind they are.
fn apart(differences: &[Difference], a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> String {
    let (x, y) = (disposition(a.seen), disposition(b.seen));
    let stopped = a.was_stopped() || b.was_stopped();
    let ends = match (a.failed() || b.failed(), x == y) {
        (false, _) if stopped => format!("A {}; B {}", a.ended(), b.ended()),
        (false, true) => format!("Both completed, {}", finish(a.seen)),
        (false, false) if finish(a.seen) == finish(b.seen) => {
            format!("Both completed, {}: A {}, B {}", finish(a.seen), over(a.seen), over(b.seen))
        }
        (false, false) => {
            format!("Both completed: A {}, B {}", finish(a.seen), finish(b.seen))
        }
        (true, _) if fault::is_shared(a, b) => format!("Both failed in the same way: {}", a.why()),
        (true, _) => format!("Both failed: A {}; B {}", a.ended(), b.ended()),
    };
    match differences {
        [] if a.failed() || b.failed() || stopped => ends,
        [] => format!("{ends}, with answers of the same kind"),
        [one] => format!("{ends}; {}", one.clause),
        [first, rest @ ..] => {
            format!("{ends}; {} (and {} more)", first.clause, rest.len())
        }
    }
}
