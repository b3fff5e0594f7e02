//! Checks whether two calls failed in the same way: values are compared, never sentences.

use super::side::{ComparedSide, foreign};

/// Returns whether both have the same fault: its status, type and words where one of them says what went
/// wrong, otherwise its rule, how the transport ended and how much had arrived.
pub(super) fn is_shared(a: &ComparedSide<'_>, b: &ComparedSide<'_>) -> bool {
    // The status of a body without headers is unknown.
    let statuses = a.seen.status().zip(b.seen.status());
    if statuses.is_some_and(|(x, y)| x != y) {
        return false;
    }
    let error = |s: &ComparedSide<'_>| s.seen.answer().errors.first().cloned();
    match (error(a), error(b)) {
        // Each dialect has its own words for the type of an error.
        (Some(x), Some(y)) => x.message == y.message && (x.kind == y.kind || foreign(a, b)),
        (None, None) if a.error().is_some() || b.error().is_some() => {
            a.error_text() == b.error_text()
        }
        (None, None) => {
            let rule = |s: &ComparedSide<'_>| s.seen.cause().map(|cause| cause.code);
            let end = |s: &ComparedSide<'_>| s.seen.end.as_ref().map(|(cause, _)| *cause);
            rule(a) == rule(b) && end(a) == end(b) && a.came() == b.came()
        }
        _ => false,
    }
}
