//! Many exchanges, counted: as the contract's object, and for people.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::palette::Palette;
use crate::inspect::compare::Comparison;
use crate::inspect::outcomes::{
    Case, CaseCount, Label, LabelGroup, Tally, Threshold, share, wilson,
};
use crate::inspect::{Outcome, Severity};
use crate::journal::{ExchangeId, Micros};
use crate::rule::Code;
use crate::text::{Newlines, Page, count, group as grouped, visible};

/// In how many pairs something differed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Often {
    /// The gravest of them.
    pub severity: Severity,
    /// Number of pairs.
    pub pairs: u64,
    /// The first of them.
    pub example: (ExchangeId, ExchangeId),
    /// Of a time limit: after how long it struck, each time, in microseconds.
    pub times: Vec<Micros>,
}

impl Often {
    /// After which time it always happens: `always after 2.00 s ± 0.02`. None for what has no time,
    /// and for less than two.
    pub fn always(&self) -> Option<String> {
        let (least, most) = (*self.times.iter().min()?, *self.times.iter().max()?);
        if self.times.len() < 2 {
            return None;
        }
        let seconds = |t: f64| t / 1e6;
        let (middle, apart) = ((least + most) as f64 / 2.0, (most - least) as f64 / 2.0);
        // Times that differ by more do not come from one limit.
        Some(match apart * 10.0 <= middle {
            true => format!("always after {:.2} s ± {:.2}", seconds(middle), seconds(apart)),
            false => format!("after {:.2} to {:.2} s", seconds(least as f64), seconds(most as f64)),
        })
    }
}

/// Many comparisons, counted: each a pair of exchanges.
#[derive(Debug, Clone, Default)]
pub struct PairTally {
    /// Number of comparisons.
    pub n: u64,
    /// The differences by their codes, each with how many pairs have it.
    pub often: BTreeMap<Code, Often>,
    /// The verdict on the first of the gravest pairs.
    pub verdict: String,
    /// The gravest difference of all.
    pub worst: Option<Severity>,
}

impl PairTally {
    /// Counts what exchanges `x` and `y` differ in.
    pub fn add(&mut self, x: ExchangeId, y: ExchangeId, found: &Comparison) {
        let worst = found.worst();
        if self.n == 0 || worst > self.worst {
            self.verdict.clone_from(&found.verdict);
        }
        self.n += 1;
        self.worst = self.worst.max(worst);
        let mut codes = BTreeMap::new();
        for d in &found.differences {
            let worst = codes.entry(d.code).or_insert(d.severity);
            *worst = d.severity.max(*worst);
        }
        for (code, severity) in codes {
            let first = Often { severity, pairs: 0, example: (x, y), times: Vec::new() };
            let often = self.often.entry(code).or_insert(first);
            often.pairs += 1;
            often.severity = often.severity.max(severity);
            let times = found.differences.iter().filter(|d| d.code == code);
            often.times.extend(times.filter_map(|d| d.measured));
        }
    }

    /// Returns the differences, the gravest and the most frequent first.
    pub fn ranked(&self) -> Vec<(Code, &Often)> {
        let mut list: Vec<_> = self.often.iter().map(|(code, o)| (*code, o)).collect();
        list.sort_by_key(|(_, o)| std::cmp::Reverse((o.severity, o.pairs)));
        list
    }
}

/// The last line of `-o json` and `-o ndjson` after many exchanges.
pub fn tally(t: &Tally) -> Value {
    let outcome = |g: &LabelGroup, k: &CaseCount| {
        let (low, high) = wilson(k.count, g.n);
        json!({
            "outcome": k.case.outcome.name(),
            "reason": k.case.reason.map(|r| r.name()),
            "code": k.case.code,
            "count": k.count,
            "low": low,
            "high": high,
            "examples": k.examples,
        })
    };
    let group = |g: &LabelGroup| {
        let mut out = json!({
            "size": g.label.size,
            "provider": visible(&g.label.provider, Newlines::Show),
            "n": g.n,
            "outcomes": g.kinds.iter().map(|k| outcome(g, k)).collect::<Vec<_>>(),
        });
        if !g.label.model.is_empty() {
            out["model"] = visible(&g.label.model, Newlines::Show).into();
        }
        if let Some(side) = g.label.side {
            out["side"] = side.to_string().into();
        }
        out
    };
    json!({"type": "tally", "groups": t.groups().iter().map(group).collect::<Vec<_>>()})
}

/// The line before it, where a threshold was found.
pub fn threshold(t: &Threshold) -> Value {
    json!({
        "type": "threshold",
        "good": t.good,
        "good_tries": t.good_tries,
        "bad": t.bad,
        "bad_tries": t.bad_tries,
        "bad_failed": t.failed,
        "by_luck": t.by_luck(),
    })
}

/// Writes the threshold for people, and what it rests on.
///
/// # Errors
/// Those of the writer.
pub fn threshold_text(t: &Threshold, palette: Palette, out: &mut Page) -> io::Result<()> {
    let head = format!("threshold between {} and {}", count(t.good, "byte"), count(t.bad, "byte"));
    writeln!(out, "\n{}", palette.bold(&head))?;
    for line in t.grounds().split_inclusive("; ") {
        writeln!(out, "  {}", line.trim_end())?;
    }
    if t.by_luck() > 0.05 {
        let more = "  that is not little: a greater --repeat makes it surer";
        writeln!(out, "{}", palette.severity(Severity::Warn, more))?;
    }
    Ok(())
}

/// Writes the table for people. `session` is the file that has the exchanges, if there is one.
///
/// # Errors
/// Those of the writer.
pub fn tally_text(
    t: &Tally,
    session: Option<&str>,
    palette: Palette,
    out: &mut Page,
) -> io::Result<()> {
    if t.groups().iter().any(|g| g.label.size.is_some()) {
        matrix(t, palette, out)?;
    } else {
        for (i, group) in t.groups().iter().enumerate() {
            if i > 0 {
                writeln!(out)?;
            }
            let of = format!("{} · {}", who(&group.label), count(group.n, "exchange"));
            writeln!(out, "{}", palette.bold(&of))?;
            for kind in &group.kinds {
                let share = share(kind.count, group.n);
                let name = sign(kind.case.outcome).0;
                row(name, &kind.case, kind.count, &share, &kind.examples, palette, out)?;
            }
        }
    }
    let how = match session {
        Some(session) => format!("to look at one: sselens {session}, then H and its number"),
        None if t.failed() > 0 => "to look at one, keep them all: --save FILE".to_owned(),
        None => return Ok(()),
    };
    writeln!(out, "\n{}", palette.dim(&visible(&how, Newlines::Show)))
}

fn who(label: &Label) -> String {
    let side = label.side.map_or(String::new(), |s| format!("{}  ", s.to_ascii_uppercase()));
    let model = if label.model.is_empty() { "" } else { " · " };
    let all = format!("{side}{}{model}{}", label.provider, label.model);
    visible(&all, Newlines::Show).into_owned()
}

/// Writes sizes downward, cases across, and the meaning of the cases' columns.
fn matrix(t: &Tally, palette: Palette, out: &mut Page) -> io::Result<()> {
    let mut cases: Vec<(Case, u64, Vec<ExchangeId>)> = Vec::new();
    for kind in t.groups().iter().flat_map(|g| &g.kinds) {
        match cases.iter_mut().find(|c| c.0 == kind.case) {
            // Groups are sorted by size: the smallest request that shows the case is the example.
            Some(case) => case.1 += kind.count,
            None => cases.push((kind.case, kind.count, kind.examples.clone())),
        }
    }
    cases.sort_by_key(|c| (c.0.outcome, std::cmp::Reverse(c.1)));
    // Letters would be mistaken for the sides of a comparison.
    let names: Vec<String> = cases
        .iter()
        .enumerate()
        .map(|(i, c)| format!("{}{}", sign(c.0.outcome).0, i + 1))
        .collect();
    for side in sides(t) {
        let mut name = who(&side);
        // A long name gets a separate line, so that the columns stay aligned.
        if name.chars().count() > 25 {
            writeln!(out, "{}", palette.bold(&name))?;
            name.clear();
        }
        let mut head = format!("{name:<26}{:>8}", "n");
        for name in &names {
            head.push_str(&format!("{name:>8}"));
        }
        writeln!(out, "{}  {}", palette.bold(&head), palette.bold("failed (95 %)"))?;
        for group in t.groups().iter().filter(|g| sides_alike(&g.label, &side)) {
            let size = count(group.label.size.unwrap_or(0), "byte");
            let mut line = format!("  {size:>22}  {:>8}", grouped(group.n));
            for (case, ..) in &cases {
                let n = group.kinds.iter().find(|k| k.case == *case).map_or(0, |k| k.count);
                let n = if n == 0 { "·".to_owned() } else { grouped(n) };
                line.push_str(&format!("{n:>8}"));
            }
            writeln!(out, "{line}  {}", share(group.failed(), group.n))?;
        }
        writeln!(out)?;
    }
    for (name, (case, n, examples)) in names.iter().zip(&cases) {
        row(name, case, *n, "", examples, palette, out)?;
    }
    Ok(())
}

/// The sign of an outcome, and how grave it is.
fn sign(outcome: Outcome) -> (&'static str, Option<Severity>) {
    match outcome {
        Outcome::Ok => ("✔", None),
        Outcome::Degraded => ("▲", Some(Severity::Warn)),
        Outcome::Failed => ("✖", Some(Severity::Error)),
    }
}

fn sides(t: &Tally) -> Vec<Label> {
    let mut sides: Vec<Label> = Vec::new();
    for group in t.groups() {
        if !sides.iter().any(|s| sides_alike(s, &group.label)) {
            sides.push(group.label.clone());
        }
    }
    sides.sort_by_key(|s| s.side);
    sides
}

fn sides_alike(a: &Label, b: &Label) -> bool {
    a.side == b.side && a.provider == b.provider && a.model == b.model
}

fn row(
    name: &str,
    case: &Case,
    n: u64,
    beside: &str,
    examples: &[ExchangeId],
    palette: Palette,
    out: &mut Page,
) -> io::Result<()> {
    let code = case.code.map_or("", Code::name);
    let severity = sign(case.outcome).1;
    let head = format!("{name} {:<8} {:<10} {code:<26}", case.outcome.name(), case.reason_name());
    let head = severity.map_or_else(|| head.clone(), |s| palette.severity(s, &head));
    let example = examples.first().map_or(String::new(), |x| format!("e.g. exchange {x}"));
    let beside = if beside.is_empty() { String::new() } else { format!("{beside:<22} ") };
    writeln!(out, "  {head} {:>7}  {beside}{}", grouped(n), palette.dim(&example))
}

/// Writes what differed in how many of the pairs, for people.
///
/// # Errors
/// Those of the writer.
pub fn often(p: &PairTally, palette: Palette, out: &mut Page) -> io::Result<()> {
    let head = format!("differences in {}", count(p.n, "pair"));
    writeln!(out, "{}", palette.bold(&head))?;
    if p.often.is_empty() {
        writeln!(out, "  none")?;
    }
    for (code, o) in p.ranked() {
        let head =
            format!("{} {:<5} {code:<30}", super::compare::mark(o.severity), o.severity.name());
        let (a, b) = o.example;
        writeln!(
            out,
            "  {} {:>7}  {:<22} {}",
            palette.severity(o.severity, &head),
            grouped(o.pairs),
            share(o.pairs, p.n),
            palette.dim(&format!("e.g. exchanges {a} and {b}"))
        )?;
        if let Some(always) = o.always() {
            writeln!(out, "      {always}")?;
        }
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn always(times: &[Micros]) -> Option<String> {
        let (severity, times) = (Severity::Error, times.to_vec());
        Often { severity, pairs: times.len() as u64, example: (0, 1), times }.always()
    }

    #[test]
    fn a_time_limit_is_told_where_it_strikes_after_the_same_time() {
        assert_eq!(always(&[]), None);
        assert_eq!(always(&[2_000_000]), None);
        let parts = always(&[1_980_000, 2_000_000, 2_020_000]);
        assert_eq!(parts.as_deref(), Some("always after 2.00 s ± 0.02"));
        // A tenth to either side is the largest spread of one limit.
        assert_eq!(always(&[900_000, 1_100_000]).as_deref(), Some("always after 1.00 s ± 0.10"));
        assert_eq!(always(&[800_000, 1_200_000]).as_deref(), Some("after 0.80 to 1.20 s"));
    }
}
