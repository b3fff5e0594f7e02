//! The party that has to act on what a comparison found.

use super::side::ComparedSide;
use super::{Difference, Expect};
use crate::inspect::{Blame, Certainty, Severity};
use crate::rule::{Code, Party};

/// Differences that only the request explains.
const REQUESTS: &[Code] = &[Code::RequestMutated, Code::DuplicateRequestAfter422];

/// Possible differences between two calls that are no one's fault.
const ANSWERS: &[Code] =
    &[Code::GwContentChanged, Code::GwToolsChanged, Code::GwUsageWrong, Code::BytesDiffer];

/// Returns who has to act; `None` where nothing is above info and both succeeded. Two calls are two answers
/// of a provider, so that what differs between them is never certain. One call that was recorded on both
/// sides of a gateway leaves no doubt.
pub(super) fn blame(
    expect: Expect,
    one_call: bool,
    differences: &[Difference],
    a: &ComparedSide<'_>,
    b: &ComparedSide<'_>,
) -> Option<Blame> {
    let worst = differences.first().filter(|d| d.severity > Severity::Info);
    let (direct, other) = if a.is_gateway { (b, a) } else { (a, b) };
    let Some(worst) = worst else {
        // If both failed alike, the one closer to the model shows the cause best.
        return direct.seen.blame().filter(|_| direct.failed() && other.failed());
    };
    if expect == Expect::Different {
        return match (direct.failed(), other.failed()) {
            (true, false) => direct.seen.blame(),
            (false, true) => other.seen.blame(),
            _ => None,
        };
    }
    // A failure that occurred before the gateway received it is not the gateway's, whatever the gateway made
    // of it.
    if one_call && !(direct.failed() && worst.code == Code::EndsDiffer && other.failed()) {
        let why =
            format!("{}; this call was recorded on both sides of it", worst.code.rule().brief);
        return Some(Blame::new(Party::Gateway, Certainty::Certain, why));
    }
    by_code(worst, direct, other)
}

/// By the gravest difference, where it alone decides.
fn by_code(
    worst: &Difference,
    direct: &ComparedSide<'_>,
    other: &ComparedSide<'_>,
) -> Option<Blame> {
    use Certainty::{Guess, Likely};
    Some(match worst.code {
        code if REQUESTS.contains(&code) => {
            Blame::new(Party::Client, Likely, "the two requests are not the same")
        }
        Code::GwRefused => match other.seen.blame() {
            Some(blame) if blame.party != Party::Provider => blame,
            _ => Blame::new(Party::Unknown, Guess, "either side of the gateway may have refused"),
        },
        Code::GwTimeout => {
            let why = format!("{other} was closed in between; {direct} continued");
            Blame::new(Party::Gateway, Likely, why)
        }
        // A model is free to answer two calls differently.
        code if ANSWERS.contains(&code) && !worst.by_form => {
            let why = "two calls may be answered differently; `tap --around` sees one call twice";
            Blame::new(Party::Unknown, Guess, why)
        }
        // One call broke and the other did not: that may be chance, or what is in between.
        Code::EndsDiffer if other.is_broken() && !direct.failed() => {
            let why = format!("{other} broke off and {direct} did not; one pair may be chance");
            Blame::new(Party::Unknown, Guess, why)
        }
        Code::EndsDiffer if direct.failed() && !other.failed() => {
            let why = format!("{direct} failed and {other} did not; one pair may be chance");
            Blame::new(Party::Unknown, Guess, why)
        }
        Code::EndsDiffer if direct.failed() && other.failed() && !direct.is_broken() => {
            return direct.seen.blame();
        }
        _ => {
            let brief = worst.code.rule().brief;
            let why = format!("{brief}; {direct} has no such fault");
            Blame::new(Party::Gateway, Likely, why)
        }
    })
}
