//! Two inspections side by side: what differs, and who lost it.
//!
//! A is the call that is nearer to the model (direct), B the one that went through something (a
//! gateway). Where both are expected to be the same stream, every difference is reported, the gravest
//! first; where they are not (two models), differing text is normal and only what became of the
//! two calls is compared. Pure, like the fold that it builds upon.

mod blame;
mod cut;
mod delivery;
mod errors;
mod fault;
mod finish;
mod gateway;
mod kinds;
mod oddity;
mod same;
mod side;
mod usage;
mod verdict;

use std::cmp::Reverse;

use super::{Inspection, Severity};
use crate::journal::Micros;
use crate::rule::Code;
pub use oddity::Oddity;
use side::ComparedSide;

/// The expectation of whether the two are one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// One model answered, and what differs happened on the way.
    Same,
    /// Two answers of their own: differing text is normal.
    Different,
}

impl Expect {
    /// Guesses from the models asked for: those with one name (ignoring anything before its last `/`) are
    /// one. Without names the two are treated as one. So are a model and a gateway's other name for it,
    /// unless the gateway says which other model it asked.
    pub fn guess(a: &Inspection, b: &Inspection) -> Self {
        let model = |i: &Inspection| {
            let asked = i.request.as_ref().map(|r| r.model.clone()).filter(|m| !m.is_empty());
            asked.or_else(|| i.answer().model.clone())
        };
        let last = |m: String| m.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let (x, y) = (model(a).map(last), model(b).map(last));
        if x.is_none() || y.is_none() || x == y {
            return Expect::Same;
        }
        let (left, right) = (ComparedSide::of("A", a), ComparedSide::of("B", b));
        let (direct, gateway) = match (left.marked, right.marked) {
            (false, true) => (x, right),
            (true, false) => (y, left),
            _ => return Expect::Different,
        };
        let asked = gateway.header("x-litellm-model-name").map(|m| last(m.to_owned()));
        if asked.is_none() || asked == direct { Expect::Same } else { Expect::Different }
    }
}

/// One thing that differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The rule that reports it.
    pub code: Code,
    /// Severity in this case.
    pub severity: Severity,
    /// The value of A, in a few words.
    pub a: String,
    /// The value of B.
    pub b: String,
    /// A headline about it.
    pub message: String,
    /// The same as part of a sentence: not capitalized.
    clause: String,
    /// The frames of A and B that show it.
    pub frames: (Option<u32>, Option<u32>),
    /// Of a timeout: after which time, in microseconds.
    pub measured: Option<Micros>,
    /// Of a text: its form shows that it was damaged or moved, which no second answer of a model does.
    by_form: bool,
}

impl Difference {
    /// A difference that no frames show; `clause` is its headline as part of a sentence.
    pub fn new(
        code: Code,
        severity: Severity,
        a: impl Into<String>,
        b: impl Into<String>,
        clause: impl Into<String>,
    ) -> Self {
        let (a, b, clause) = (a.into(), b.into(), clause.into());
        let message = capital(&clause);
        let (frames, measured) = ((None, None), None);
        Self { code, severity, a, b, message, clause, frames, measured, by_form: false }
    }
}

/// One line of the row of figures.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// Name of what is counted or measured.
    pub name: &'static str,
    /// Of A and of B.
    pub values: [Amount; 2],
}

/// A figure's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Amount {
    /// There is none.
    None,
    /// Microseconds.
    Time(Micros),
    /// A number.
    Count(u64),
    /// A number that names something, like a status: nothing lies between two of them.
    Code(u64),
    /// So many per second.
    Rate(f64),
    /// A word.
    Word(String),
}

/// A JSON path with how often it appeared in A and in B.
#[derive(Debug, Clone, PartialEq)]
pub struct PathCount {
    /// The path, array items as `[]`.
    pub path: String,
    /// Number of values in A and B.
    pub counts: [u64; 2],
}

/// The common features of two exchanges, and their differences.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The expectation of them.
    pub expect: Expect,
    /// One sentence: who lost what.
    pub verdict: String,
    /// The party that has to act; `None` if nothing is wrong.
    pub blame: Option<super::Blame>,
    /// Unusual features in the bytes of the direct call, if the other has nothing of its answer: what a
    /// gateway may have stumbled over.
    pub suspects: Vec<Oddity>,
    /// The differences, gravest first.
    pub differences: Vec<Difference>,
    /// The row of figures.
    pub figures: Vec<Figure>,
    /// True if the two speak dialects of different detectors. Then only what they say is compared, and their
    /// paths show nothing.
    pub foreign: bool,
    /// The shape tables merged, in A's order, then what only B has.
    pub paths: Vec<PathCount>,
}

impl Comparison {
    /// The verdict, and who has to act, where anybody has.
    pub fn verdict_and_blame(&self) -> String {
        match &self.blame {
            Some(blame) => format!("{} · Blame: {}", self.verdict, blame.line()),
            None => self.verdict.clone(),
        }
    }

    /// Adds what the recordings of both sides of a gateway show besides.
    pub fn add(&mut self, difference: Difference) {
        if self.blame.is_none() && difference.severity > Severity::Info {
            let why = format!("{}; seen on both sides of it", difference.code.rule().brief);
            let certain = super::Certainty::Certain;
            self.blame = Some(super::Blame::new(crate::rule::Party::Gateway, certain, why));
        }
        self.differences.push(difference);
        self.differences.sort_by_key(|d| Reverse(d.severity));
    }

    /// The gravest severity among the differences.
    pub fn worst(&self) -> Option<Severity> {
        self.differences.iter().map(|d| d.severity).max()
    }
}

/// Collector of what the checks find.
struct FoundDifferences {
    /// The names of the direct call and of the other.
    names: [&'static str; 2],
    expect: Expect,
    options: std::sync::Arc<super::InspectOptions>,
    differences: Vec<Difference>,
    /// The other call was cut: what it lacks is missing for that.
    cut: bool,
    /// They are one call on both sides of a gateway.
    one_call: bool,
}

/// The values of both sides that a difference shows.
struct Both {
    a: String,
    b: String,
    frames: (Option<u32>, Option<u32>),
}

/// Makes a [`Both`] of what A and B have.
fn both(a: impl Into<String>, b: impl Into<String>) -> Both {
    Both { a: a.into(), b: b.into(), frames: (None, None) }
}

impl Both {
    fn at(self, a: Option<u32>, b: Option<u32>) -> Self {
        Self { frames: (a, b), ..self }
    }
}

impl FoundDifferences {
    fn add(&mut self, code: Code, both: Both, message: impl Into<String>) {
        self.add_as(code, code.severity(), both, message);
    }

    /// Marks what was added last as known by its form.
    fn by_form(&mut self) {
        if let Some(last) = self.differences.last_mut() {
            last.by_form = true;
        }
    }

    /// The same, where it is worse or milder than usual.
    fn add_as(&mut self, code: Code, severity: Severity, both: Both, message: impl Into<String>) {
        let Some(severity) = self.options.severity(code, severity) else { return };
        let Both { a, b, frames } = both;
        let mut clause = message.into();
        let places = [frames.0, frames.1].into_iter().zip(self.names);
        let places: Vec<_> =
            places.filter_map(|(f, name)| Some(format!("{name}: frame {}", f?))).collect();
        if !places.is_empty() {
            clause.push_str(&format!(" ({})", places.join(", ")));
        }
        let difference = Difference::new(code, severity, a, b, clause);
        self.differences.push(Difference { frames, ..difference });
    }

    /// Notes the time that the last difference is about.
    fn measured(&mut self, time: Micros) {
        if let Some(last) = self.differences.last_mut() {
            last.measured = Some(time);
        }
    }

    fn has(&self, code: Code) -> bool {
        self.differences.iter().any(|d| d.code == code)
    }
}

/// A look at both sides that may find something.
type Check = fn(&ComparedSide<'_>, &ComparedSide<'_>, &mut FoundDifferences);

/// Compares two exchanges that are over (or as much of them as has arrived).
pub fn compare(a: &Inspection, b: &Inspection, expect: Expect) -> Comparison {
    compared(a, b, expect, false)
}

/// Compares one call as it was recorded on both sides of a gateway: A is what the gateway received, B what
/// it sent on. So what differs is the gateway's work.
pub fn compare_sides(a: &Inspection, b: &Inspection) -> Comparison {
    compared(a, b, Expect::Same, true)
}

/// Returns the checks to run, by what is expected and what is known of both.
fn checks(
    expect: Expect,
    direct: &ComparedSide<'_>,
    other: &ComparedSide<'_>,
    same_bytes: bool,
) -> Vec<Check> {
    match expect {
        // A side that received no answer lost nothing and fabricated nothing.
        _ if direct.is_unheard() || other.is_unanswered() => {
            // A limit in between shows even there.
            let limits: &[Check] = if expect == Expect::Same { &[cut::timeout] } else { &[] };
            [limits, same::ENDS].concat()
        }
        Expect::Same if cut::is_unreadable(direct, other) => cut::UNREADABLE.to_vec(),
        // If the bytes are the same, what is known about only one side is no difference.
        _ if same_bytes && (direct.is_bare() || other.is_bare()) => Vec::new(),
        Expect::Same => [gateway::CHECKS, same::CHECKS].concat(),
        Expect::Different => kinds::CHECKS.to_vec(),
    }
}

fn compared(a: &Inspection, b: &Inspection, expect: Expect, one_call: bool) -> Comparison {
    let options = std::sync::Arc::clone(&a.findings.options);
    let (mut left, mut right) = (ComparedSide::of("A", a), ComparedSide::of("B", b));
    left.is_gateway = left.marked && !right.marked;
    right.is_gateway = right.marked && !left.marked;
    // A gateway is recognized by its marks, in whatever order the two were named.
    let (direct, other) = if left.is_gateway { (&right, &left) } else { (&left, &right) };
    let mut found = FoundDifferences {
        names: [direct.name, other.name],
        expect,
        options,
        differences: Vec::new(),
        cut: false,
        one_call,
    };
    for check in checks(expect, direct, other, a.body() == b.body()) {
        check(direct, other, &mut found);
    }
    let mut differences = found.differences;
    if found.cut {
        differences.retain(|d| !cut::MISSING.contains(&d.code));
    }
    // A gap that follows from a difference is part of that difference, not reported next to it.
    let rules = &a.options().rules;
    let hidden: Vec<Code> =
        differences.iter().flat_map(|d| rules.of(d.code).hides).copied().collect();
    differences.retain(|d| !hidden.contains(&d.code));
    if left.is_gateway {
        for d in &mut differences {
            std::mem::swap(&mut d.a, &mut d.b);
            d.frames = (d.frames.1, d.frames.0);
        }
    }
    // While one side is still running, the other is merely ahead of it: report only differences that can no
    // longer change.
    if !(a.is_over() && b.is_over()) {
        differences.retain(|d| rules.of(d.code).while_running);
    }
    differences.sort_by_key(|d| Reverse(d.severity));
    Comparison {
        expect,
        verdict: verdict::verdict(expect, &differences, &left, &right),
        blame: blame::blame(expect, one_call, &differences, &left, &right),
        suspects: oddity::suspects(direct, other, &differences),
        differences,
        foreign: side::foreign(&left, &right),
        figures: side::figures(a, b),
        paths: side::paths(a, b),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod byte_tests;
#[cfg(test)]
mod delivery_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod upstream_tests;
