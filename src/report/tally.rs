//! Many exchanges, counted: as the contract's object, and for people.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::text::Palette;
use crate::inspect::tally::{Case, Group, Kind, Label, Tally, percent, share, wilson};
use crate::inspect::{Outcome, Severity};
use crate::journal::ExchangeId;
use crate::text::{Newlines, count, group as grouped, visible};

/// The size from which on requests fail, as near as it was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    /// The largest size at which none failed, in bytes of the request's body.
    pub good: u64,
    /// How often that was tried.
    pub good_tries: u64,
    /// The smallest size at which some failed.
    pub bad: u64,
    /// How often that was tried.
    pub bad_tries: u64,
    /// How many of those failed.
    pub failed: u64,
}

impl Threshold {
    /// How likely it is that a fault as frequent as at the bad size did not show at the good one.
    pub fn by_luck(&self) -> f64 {
        let share = self.failed as f64 / self.bad_tries.max(1) as f64;
        (1.0 - share).powf(self.good_tries as f64)
    }
}

/// In how many pairs something differed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Often {
    /// The gravest of them.
    pub severity: Severity,
    /// How many pairs.
    pub pairs: u64,
    /// The first of them.
    pub example: (ExchangeId, ExchangeId),
}

/// The last line of `-o json` and `-o ndjson` after many exchanges.
pub fn tally(t: &Tally) -> Value {
    let outcome = |g: &Group, k: &Kind| {
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
    let group = |g: &Group| {
        let mut out = json!({
            "size": g.label.size,
            "provider": visible(&g.label.provider, Newlines::Show),
            "n": g.n,
            "outcomes": g.kinds.iter().map(|k| outcome(g, k)).collect::<Vec<_>>(),
        });
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
pub fn threshold_text(t: &Threshold, palette: Palette, out: &mut impl Write) -> io::Result<()> {
    let head = format!("threshold between {} and {}", count(t.good, "byte"), count(t.bad, "byte"));
    writeln!(out, "\n{}", palette.bold(&head))?;
    writeln!(
        out,
        "  {} of {} failed at the larger one, 0 of {} at the smaller one;",
        grouped(t.failed),
        grouped(t.bad_tries),
        grouped(t.good_tries)
    )?;
    let luck = match t.by_luck() {
        p if p < 0.001 => "less than 0.1 %".to_owned(),
        p => percent(p),
    };
    writeln!(out, "  the chance that an equally frequent fault just did not show there is {luck}")?;
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
    out: &mut impl Write,
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
                row(&kind.case, kind.count, &share, &kind.examples, palette, out)?;
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
    format!("{side}{}", visible(&label.provider, Newlines::Show))
}

/// Sizes downwards, cases across, and what the cases' columns stand for.
fn matrix(t: &Tally, palette: Palette, out: &mut impl Write) -> io::Result<()> {
    let mut cases: Vec<(Case, u64, Vec<ExchangeId>)> = Vec::new();
    for kind in t.groups().iter().flat_map(|g| &g.kinds) {
        match cases.iter_mut().find(|c| c.0 == kind.case) {
            // The groups go by size: the smallest request that shows it is the example.
            Some(case) => case.1 += kind.count,
            None => cases.push((kind.case, kind.count, kind.examples.clone())),
        }
    }
    cases.sort_by_key(|c| (c.0.outcome, std::cmp::Reverse(c.1)));
    let letters: Vec<String> = (0..cases.len()).map(letter).collect();
    for side in sides(t) {
        let mut head = format!("{:<26}{:>8}", who(&side), "n");
        for letter in &letters {
            head.push_str(&format!("{letter:>8}"));
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
    for (letter, (case, n, examples)) in letters.iter().zip(&cases) {
        row(case, *n, letter, examples, palette, out)?;
    }
    Ok(())
}

/// A, B, … and after Z by numbers.
fn letter(i: usize) -> String {
    match u8::try_from(i) {
        Ok(i @ 0..26) => char::from(b'A' + i).to_string(),
        _ => format!("#{i}"),
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
    a.side == b.side && a.provider == b.provider
}

fn row(
    case: &Case,
    n: u64,
    beside: &str,
    examples: &[ExchangeId],
    palette: Palette,
    out: &mut impl Write,
) -> io::Result<()> {
    let (sign, severity) = match case.outcome {
        Outcome::Ok => ("✔", None),
        Outcome::Degraded => ("▲", Some(Severity::Warn)),
        Outcome::Failed => ("✖", Some(Severity::Error)),
    };
    let code = case.code.unwrap_or_default();
    let head = format!("{sign} {:<8} {:<10} {code:<26}", case.outcome.name(), case.reason_name());
    let head = severity.map_or_else(|| head.clone(), |s| palette.severity(s, &head));
    let example = examples.first().map_or(String::new(), |x| format!("e.g. exchange {x}"));
    writeln!(out, "  {head} {:>7}  {beside:<22} {}", grouped(n), palette.dim(&example))
}

/// Writes what differed in how many of the pairs, for people.
///
/// # Errors
/// Those of the writer.
pub fn often(
    pairs: u64,
    differences: &BTreeMap<&'static str, Often>,
    palette: Palette,
    out: &mut impl Write,
) -> io::Result<()> {
    let head = format!("differences in {}", count(pairs, "pair"));
    writeln!(out, "{}", palette.bold(&head))?;
    if differences.is_empty() {
        writeln!(out, "  none")?;
    }
    let mut list: Vec<_> = differences.iter().collect();
    list.sort_by_key(|(_, o)| std::cmp::Reverse((o.severity, o.pairs)));
    for (code, o) in list {
        let head =
            format!("{} {:<5} {code:<30}", super::compare::mark(o.severity), o.severity.name());
        let (a, b) = o.example;
        writeln!(
            out,
            "  {} {:>7}  {:<22} {}",
            palette.severity(o.severity, &head),
            grouped(o.pairs),
            share(o.pairs, pairs),
            palette.dim(&format!("e.g. exchanges {a} and {b}"))
        )?;
    }
    writeln!(out)
}
