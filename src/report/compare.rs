//! A comparison: as the contract's object, and for people.

use std::io::{self, Write};

use serde_json::{Value, json};

use super::palette::Palette;
use crate::inspect::compare::{Amount, Comparison, Expect, PathCount};
use crate::inspect::{Inspection, Severity};
use crate::journal::ExchangeId;
use crate::text::{self, Newlines, Page, group, visible};

/// The most paths that the report lists, those that differ most first.
const MAX_PATHS: usize = 12;

/// The last line of `-o json` and `-o ndjson`.
pub fn comparison(a: ExchangeId, b: ExchangeId, c: &Comparison) -> Value {
    let difference = |d: &crate::inspect::compare::Difference| {
        json!({
            "code": d.code,
            "severity": d.severity,
            "a": visible(&d.a, Newlines::Show),
            "b": visible(&d.b, Newlines::Show),
            "frame_a": d.frames.0,
            "frame_b": d.frames.1,
            "message": visible(&d.message, Newlines::Show),
        })
    };
    let amount = |amount: &Amount| match amount {
        Amount::None => Value::Null,
        Amount::Time(t) => crate::journal::file::seconds(*t).into(),
        Amount::Count(n) | Amount::Code(n) => (*n).into(),
        // A clock is not precise enough for more than three decimals.
        Amount::Rate(r) => ((r * 1e3).round() / 1e3).into(),
        Amount::Word(w) => visible(w, Newlines::Show).into(),
    };
    let figures: serde_json::Map<_, _> = c
        .figures
        .iter()
        .map(|f| {
            let name = f.name.to_lowercase().replace(' ', "_");
            (name, json!([amount(&f.values[0]), amount(&f.values[1])]))
        })
        .collect();
    json!({
        "type": "comparison",
        "a": a,
        "b": b,
        "same": c.expect == Expect::Same,
        "verdict": c.verdict,
        "blame": c.blame.as_ref().map(super::summary::blame),
        "suspects": c.suspects.iter().map(|o| o.name()).collect::<Vec<_>>(),
        "differences": c.differences.iter().map(difference).collect::<Vec<_>>(),
        "figures": figures,
    })
}

/// The differences as lines of `-o ndjson`: findings that are of no one exchange.
pub fn compare_findings(c: &Comparison) -> impl Iterator<Item = Value> + '_ {
    c.differences.iter().map(|d| {
        json!({
            "type": "finding",
            "x": null,
            "at": null,
            "code": d.code,
            "severity": d.severity,
            "phase": d.code.phase(),
            "frame": null,
            "offset": null,
            "message": visible(&d.message, Newlines::Show),
        })
    })
}

/// Writes the comparison for people.
///
/// # Errors
/// Those of the writer.
pub fn compare(
    sides: [&Inspection; 2],
    c: &Comparison,
    palette: Palette,
    out: &mut Page,
) -> io::Result<()> {
    for (name, seen) in ["A", "B"].into_iter().zip(sides) {
        let who = match &seen.request {
            Some(r) if r.model.is_empty() => format!("{} · {}", r.provider, r.url),
            Some(r) => format!("{} · {} · {}", r.provider, r.model, r.url),
            None => "recorded body".to_owned(),
        };
        let dialect = seen.dialect().map_or("unknown dialect", |d| d.name());
        let line = format!("{name}  {} · {dialect}", visible(&who, Newlines::Show));
        writeln!(out, "{}", palette.bold(&line))?;
        writeln!(out, "   {}", seen.verdict())?;
    }
    let expected = match c.expect {
        Expect::Same => "expected to be identical (use --different if they are independent)",
        Expect::Different => "independent streams (use --same if they should be identical)",
    };
    writeln!(out, "   {}", palette.dim(expected))?;
    figures(c, palette, out)?;
    // For two independent answers, the differences name the paths that matter.
    if !c.foreign && c.expect == Expect::Same {
        paths(c, palette, out)?;
    }
    if !c.differences.is_empty() {
        writeln!(out, "\n{}", palette.bold("differences"))?;
    }
    for d in &c.differences {
        let head = format!("{} {:<5} {}", mark(d.severity), d.severity.name(), d.code);
        writeln!(out, "  {}", palette.severity(d.severity, &head))?;
        writeln!(out, "      {}", visible(&d.message, Newlines::Show))?;
    }
    let verdict = match c.worst() {
        Some(severity) if severity > Severity::Info => palette.severity(severity, &c.verdict),
        _ => palette.bold(&c.verdict),
    };
    writeln!(out, "\n{} {verdict}", palette.bold("verdict "))?;
    if let Some(blame) = &c.blame {
        writeln!(out, "{} {}", palette.bold("blame   "), blame.line())?;
    }
    if !c.suspects.is_empty() {
        let list: Vec<_> = c.suspects.iter().map(|o| o.phrase()).collect();
        let line = format!("{} (--prove ADDR convicts one)", list.join(", "));
        writeln!(out, "{} {line}", palette.bold("suspects"))?;
    }
    Ok(())
}

pub(super) fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Fatal | Severity::Error => "✖",
        Severity::Warn => "▲",
        Severity::Info => "·",
    }
}

fn figures(c: &Comparison, palette: Palette, out: &mut Page) -> io::Result<()> {
    let head = format!("{:<18} {:>18} {:>18} {:>12}", "", "A", "B", "difference");
    writeln!(out, "\n{}", palette.bold(&head))?;
    for figure in &c.figures {
        let [a, b] = &figure.values;
        if *a == Amount::None && *b == Amount::None {
            continue;
        }
        let (x, y) = (cell(a), cell(b));
        let line = format!("{:<18} {x:>18} {y:>18} {:>12}", figure.name, difference(a, b));
        writeln!(out, "{}", if a == b { palette.dim(&line) } else { line })?;
    }
    Ok(())
}

/// A figure as text, cut to its column.
pub fn cell(amount: &Amount) -> String {
    match amount {
        Amount::None => "–".to_owned(),
        Amount::Time(t) => time(*t as f64, ""),
        Amount::Count(n) => group(*n),
        Amount::Code(n) => n.to_string(),
        Amount::Rate(r) => format!("{r:.1}"),
        Amount::Word(w) => {
            let word = visible(w, Newlines::Show).into_owned();
            match word.chars().count() {
                0..=18 => word,
                _ => word.chars().take(17).chain(['…']).collect(),
            }
        }
    }
}

/// A time of so many microseconds, in the unit that shows three figures of it.
fn time(micros: f64, sign: &str) -> String {
    if micros < 100.0 {
        format!("{sign}{micros:.0} µs")
    } else if micros < 1e6 {
        format!("{sign}{:.2} ms", micros / 1e3)
    } else {
        format!("{sign}{:.3} s", micros / 1e6)
    }
}

/// Returns how far B is from A.
pub fn difference(a: &Amount, b: &Amount) -> String {
    match (a, b) {
        (Amount::Time(a), Amount::Time(b)) if a != b => {
            let sign = if b > a { "+" } else { "-" };
            time(a.abs_diff(*b) as f64, sign)
        }
        (Amount::Count(a), Amount::Count(b)) if a != b => {
            let sign = if b > a { "+" } else { "-" };
            format!("{sign}{}", group(a.abs_diff(*b)))
        }
        (Amount::Rate(a), Amount::Rate(b)) if a != b => format!("{:+.1}", b - a),
        (Amount::Word(_), Amount::Word(_)) | (Amount::Code(_), Amount::Code(_)) if a != b => {
            "≠".to_owned()
        }
        _ => String::new(),
    }
}

fn paths(c: &Comparison, palette: Palette, out: &mut Page) -> io::Result<()> {
    let mut differ: Vec<&PathCount> =
        c.paths.iter().filter(|p| p.counts[0] != p.counts[1]).collect();
    if differ.is_empty() {
        return Ok(());
    }
    // Paths that only one side has come first; otherwise the sort keeps the order of the shape.
    differ.sort_by_key(|p| p.counts[0] > 0 && p.counts[1] > 0);
    writeln!(out, "\n{}", palette.bold("paths that differ"))?;
    for path in differ.iter().take(MAX_PATHS) {
        let name = visible(&path.path, Newlines::Show);
        let [a, b] = path.counts;
        let parts = match (a, b) {
            (a, 0) => format!("{name} ×{} only in A", group(a)),
            (0, b) => format!("{name} ×{} only in B", group(b)),
            (a, b) => format!("{name} ×{} in A, ×{} in B", group(a), group(b)),
        };
        writeln!(out, "  {parts}")?;
    }
    let more = differ.len().saturating_sub(MAX_PATHS) as u64;
    if more > 0 {
        writeln!(out, "  {}", palette.dim(&format!("and {} more", text::count(more, "path"))))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lies_between_two_statuses() {
        assert_eq!(difference(&Amount::Code(404), &Amount::Code(200)), "≠");
        assert_eq!(difference(&Amount::Code(200), &Amount::Code(200)), "");
        assert_eq!(cell(&Amount::Code(1_200)), "1200");
    }

    #[test]
    fn a_short_time_is_not_told_as_none() {
        assert_eq!(difference(&Amount::Time(3), &Amount::Time(2)), "-1 µs");
        assert_eq!(difference(&Amount::Time(0), &Amount::Time(350)), "+0.35 ms");
        assert_eq!(difference(&Amount::Time(7), &Amount::Time(7)), "");
    }
}
