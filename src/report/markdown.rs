//! `--to markdown`: a bug report to paste into an issue.
//!
//! The verdict is first, then what a maintainer asks for next. Text from the wire is in code, whose fences are
//! longer than any run of backticks in it, or has every character of Markdown escaped: it cannot format, link
//! or notify anyone.

mod exchange;
mod many;
mod repetition;

pub use repetition::repeated;

use std::io::{self, Write};

use super::compare::{cell, difference};
use super::har::RecordingOrigin;
use super::markup::{code, in_cell, prose};
use crate::inspect::Inspection;
use crate::inspect::compare::{Amount, Comparison, Difference, Expect, compare};
use crate::journal::{ExchangeId, Request};
use crate::text::{self, Newlines, group, visible};

/// The most paths of a comparison.
const MAX_PATHS: usize = 12;

/// Function that returns the variable that holds the key of a provider, by its name.
pub type KeyVariable<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Writes the report on all of `exchanges`.
///
/// # Errors
/// Those of the writer.
pub fn markdown(
    exchanges: &[(ExchangeId, &Inspection)],
    origin: &RecordingOrigin,
    key: KeyVariable<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    match exchanges {
        [] => writeln!(out, "The recording holds no exchange.")?,
        [(_, one)] => {
            writeln!(out, "{}\n", exchange::verdict(one))?;
            exchange::write(one, None, key, out)?;
        }
        [(_, a), (_, b)] if is_comparison(a, b) => {
            let found = compare(a, b, Expect::guess(a, b));
            two(exchanges, (&found, None), key, out)?;
        }
        _ => many::write(exchanges, key, out)?,
    }
    origin_of(origin, out)
}

/// Writes the report of two exchanges that were compared, A and B: what they differ in, and what
/// their requests differ in, where these were two.
///
/// # Errors
/// Those of the writer.
pub fn compared(
    sides: [(ExchangeId, &Inspection); 2],
    found: (&Comparison, Option<&str>),
    origin: &RecordingOrigin,
    key: KeyVariable<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    two(&sides, found, key, out)?;
    origin_of(origin, out)
}

fn two(
    sides: &[(ExchangeId, &Inspection)],
    (compared, requests): (&Comparison, Option<&str>),
    key: KeyVariable<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    comparison(compared, requests, out)?;
    many::table(sides, out)?;
    for (side, (x, seen)) in sides.iter().enumerate() {
        let of_side = |d: &Difference| if side == 0 { d.frames.0 } else { d.frames.1 };
        let frames: Vec<u32> = compared.differences.iter().filter_map(of_side).collect();
        let name = if side == 0 { "A" } else { "B" };
        writeln!(out, "## {name}, exchange {x}\n\n{}\n", exchange::verdict(seen))?;
        exchange::side(seen, &frames, key, out)?;
        writeln!(out)?;
    }
    Ok(())
}

/// Returns whether two exchanges are one question sent to two places.
fn is_comparison(a: &Inspection, b: &Inspection) -> bool {
    let (Some(x), Some(y)) = (&a.request, &b.request) else { return false };
    let to = |r: &Request| (r.provider.clone(), r.model.clone(), r.url.clone());
    let redirected = a.status().is_some_and(|s| (300..400).contains(&s));
    let at_once = match (a.timing.request, b.timing.request) {
        (Some(a), Some(b)) => a.abs_diff(b) < 100_000,
        _ => false,
    };
    !redirected && to(x) != to(y) && (x.body == y.body || at_once)
}

fn comparison(c: &Comparison, requests: Option<&str>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "**A and B compared:** {}\n", prose(&c.verdict))?;
    if let Some(blame) = &c.blame {
        writeln!(out, "**Blame:** {}\n", prose(&blame.line()))?;
    }
    let expected = match c.expect {
        Expect::Same => "A and B were expected to be one stream.",
        Expect::Different => "A and B are independent answers: differing text is normal.",
    };
    writeln!(out, "{expected}")?;
    if let Some(differences) = requests {
        let differences = code(&visible(differences, Newlines::Show));
        writeln!(out, "\nTheir requests differ: {differences}")?;
    }
    if !c.differences.is_empty() {
        writeln!(out)?;
    }
    for d in &c.differences {
        let (a, b) = (code(&text::preview(&d.a, 80)), code(&text::preview(&d.b, 80)));
        let (severity, rule) = (d.severity.name(), d.code);
        writeln!(out, "- {severity} `{rule}`: {} A: {a}, B: {b}", prose(&d.message))?;
    }
    writeln!(out, "\n| | A | B | difference |\n|---|--:|--:|--:|")?;
    for f in c.figures.iter().filter(|f| f.values[0] != f.values[1]) {
        let [a, b] = &f.values;
        let shown = |amount: &Amount| match amount {
            Amount::Word(_) => in_cell(&code(&cell(amount))),
            _ => cell(amount),
        };
        writeln!(out, "| {} | {} | {} | {} |", f.name, shown(a), shown(b), difference(a, b))?;
    }
    let paths: Vec<_> = c.paths.iter().filter(|p| p.counts.contains(&0)).collect();
    let paths = if c.foreign { Vec::new() } else { paths };
    if !paths.is_empty() {
        writeln!(out, "\nJSON paths that only one of them has:\n")?;
    }
    for p in paths.iter().take(MAX_PATHS) {
        let place = match p.counts {
            [0, b] => format!("×{} only in B", group(b)),
            [a, _] => format!("×{} only in A", group(a)),
        };
        writeln!(out, "- {} {place}", code(&visible(&p.path, Newlines::Show)))?;
    }
    let more = paths.len().saturating_sub(MAX_PATHS) as u64;
    if more > 0 {
        writeln!(out, "- and {} more", group(more))?;
    }
    writeln!(out)
}

fn origin_of(origin: &RecordingOrigin, out: &mut impl Write) -> io::Result<()> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let by = format!("sselens {}, {os} {arch}", env!("CARGO_PKG_VERSION"));
    let mut parts = vec![format!("Reported by {by}")];
    let when = visible(&crate::text::to_the_second(&origin.created), Newlines::Show).into_owned();
    match visible(&origin.program, Newlines::Show) {
        program if !program.is_empty() => {
            parts.push(format!("recorded by {}", code(&format!("sselens {program} {when}"))));
        }
        _ if !when.is_empty() => parts.push(format!("recorded {}", code(&when))),
        _ => {}
    }
    writeln!(out, "\n{}; secrets are masked with `*`.", parts.join(", "))
}
