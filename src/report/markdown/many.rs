//! Many exchanges in one report: what became of how many, an example of each, the worst in full.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::super::markup::{code, in_cell, prose};
use super::{KeyVariable, exchange, is_comparison};
use crate::inspect::compare::{Expect, compare};
use crate::inspect::outcomes::{Threshold, Tries, share};
use crate::inspect::{Inspection, Outcome};
use crate::journal::ExchangeId;
use crate::report::PairTally;
use crate::text::{self, Newlines, count, group, visible};
use crate::transport::filler;

/// The most exchanges that a table lists.
const MAX_ROWS: usize = 40;
/// The most exchanges that are described in full.
const MAX_CAUSES: usize = 3;

/// One exchange and its number.
type Numbered<'a> = (ExchangeId, &'a Inspection);

/// Writes the part of the report that is about all of them.
pub(super) fn write(
    exchanges: &[Numbered<'_>],
    key: KeyVariable<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let of = |wanted| exchanges.iter().filter(|(_, i)| i.outcome() == wanted).count() as u64;
    let (failed, degraded) = (of(Outcome::Failed), of(Outcome::Degraded));
    writeln!(out, "**{}**\n", sentence(failed, degraded, exchanges.len() as u64))?;
    let paired = are_pairs(exchanges);
    if paired {
        compared(exchanges, out)?;
    }
    let asked = Question::all(exchanges, paired);
    if asked.len() == exchanges.len() {
        table(exchanges, out)?;
    } else {
        matrix(&asked, out)?;
        thresholds(&asked, out)?;
        let examples = examples(exchanges);
        writeln!(out, "One of each kind, with the smallest request:\n")?;
        table(&examples, out)?;
    }
    worst(exchanges, key, out)
}

/// Returns the outcome of so many exchanges, in a sentence.
pub(super) fn sentence(failed: u64, degraded: u64, all: u64) -> String {
    let [f, d, all] = [failed, degraded, all].map(group);
    match (failed, degraded) {
        (0, 0) => format!("All {all} exchanges are ok."),
        (0, _) => format!("{d} of {all} exchanges are degraded, none failed."),
        (_, 0) => format!("{f} of {all} exchanges failed."),
        _ => format!("{f} of {all} exchanges failed, {d} are degraded."),
    }
}

/// Returns whether all of them are pairs: one question sent to two places at once.
fn are_pairs(exchanges: &[Numbered<'_>]) -> bool {
    let (both, rest) = exchanges.as_chunks::<2>();
    rest.is_empty() && both.iter().all(|[(_, a), (_, b)]| is_comparison(a, b))
}

/// Writes what differed, and in how many of the pairs.
fn compared(exchanges: &[Numbered<'_>], out: &mut impl Write) -> io::Result<()> {
    let (both, _) = exchanges.as_chunks::<2>();
    let mut pairs = PairTally::default();
    for [(x, a), (y, b)] in both {
        pairs.add(*x, *y, &compare(a, b, Expect::guess(a, b)));
    }
    writeln!(out, "**A and B compared, {}:** {}\n", count(pairs.n, "pair"), prose(&pairs.verdict))?;
    if let Some([(_, a), (_, b)]) = both.first() {
        writeln!(out, "A is {}, B is {}.\n", code(&who(a)), code(&who(b)))?;
    }
    if !pairs.often.is_empty() {
        writeln!(out, "| difference | severity | pairs | share (95 %) | e.g. exchanges |")?;
        writeln!(out, "|---|---|--:|--:|---|")?;
    }
    for (code, o) in pairs.ranked() {
        let share = interval(o.pairs, pairs.n);
        let (severity, (x, y)) = (o.severity.name(), o.example);
        writeln!(out, "| `{code}` | {severity} | {} | {share} | {x}, {y} |", o.pairs)?;
    }
    writeln!(out)
}

/// A share and its interval, in the cell of a table.
pub(super) fn interval(count: u64, n: u64) -> String {
    share(count, n).trim().replace("  ", " ")
}

/// One question, and what became of it. One question in several sizes is several questions.
struct Question<'a> {
    /// Of a comparison the side, provider and model.
    whom: String,
    /// Bytes of the request's body.
    size: usize,
    exchanges: Vec<&'a Inspection>,
}

impl<'a> Question<'a> {
    /// Those of all exchanges, which may be pairs of a side A and a side B.
    fn all(exchanges: &[Numbered<'a>], paired: bool) -> Vec<Self> {
        let mut groups = BTreeMap::<(String, usize), Vec<&Inspection>>::new();
        for (at, (_, i)) in exchanges.iter().enumerate() {
            let side = match at % 2 {
                _ if !paired => "",
                0 => "A · ",
                _ => "B · ",
            };
            let whom = format!("{side}{}", who(i));
            groups.entry((whom, request_len(i))).or_default().push(i);
        }
        let one = |((whom, size), exchanges)| Self { whom, size, exchanges };
        groups.into_iter().map(one).collect()
    }

    fn tries(&self) -> Tries {
        let failed = self.exchanges.iter().filter(|i| i.outcome() == Outcome::Failed).count();
        Tries { n: self.exchanges.len() as u64, failed: failed as u64 }
    }

    /// Returns each disposition with its count, the most frequent first.
    fn dispositions(&self) -> String {
        let mut dispositions = BTreeMap::<String, usize>::new();
        for i in &self.exchanges {
            *dispositions.entry(disposition(i)).or_default() += 1;
        }
        let mut dispositions: Vec<_> = dispositions.into_iter().collect();
        dispositions.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        let causes: Vec<_> =
            dispositions.iter().map(|(disposition, n)| format!("{n} × {disposition}")).collect();
        causes.join(", ")
    }
}

fn matrix(asked: &[Question<'_>], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "| asked | request bytes | n | failed (95 %) | what became of them |")?;
    writeln!(out, "|---|--:|--:|--:|---|")?;
    for a in asked {
        let Tries { n, failed } = a.tries();
        let (whom, size) = (in_cell(&code(&a.whom)), group(a.size as u64));
        let failed = interval(failed, n);
        writeln!(out, "| {whom} | {size} | {n} | {failed} | {} |", a.dispositions())?;
    }
    writeln!(out)
}

/// The size from which on requests fail, of each that was asked for in several.
fn thresholds(asked: &[Question<'_>], out: &mut impl Write) -> io::Result<()> {
    let mut sizes = BTreeMap::<&str, BTreeMap<u64, Tries>>::new();
    for a in asked {
        // Different lengths count as sizes of one request only if filler was added.
        let padded =
            |i: &&Inspection| i.request.as_ref().is_some_and(|r| filler(&r.body).is_some());
        let of_whom = asked.iter().filter(|b| b.whom == a.whom);
        if of_whom.flat_map(|b| &b.exchanges).any(padded) {
            sizes.entry(&a.whom).or_default().insert(a.size as u64, a.tries());
        }
    }
    for (whom, tries) in sizes {
        let Some(t) = Threshold::of(&tries) else { continue };
        let (good, bad) = (count(t.good, "byte"), count(t.bad, "byte"));
        let (whom, grounds) = (code(whom), t.grounds());
        writeln!(out, "{whom} begins to fail between {good} and {bad} of request: {grounds}.\n")?;
    }
    Ok(())
}

/// One exchange of each kind, the worst first.
fn examples<'a>(exchanges: &[Numbered<'a>]) -> Vec<Numbered<'a>> {
    let mut kinds = BTreeMap::<(std::cmp::Reverse<Outcome>, String, String), Numbered<'a>>::new();
    for (x, i) in exchanges {
        let kind = (std::cmp::Reverse(i.outcome()), disposition(i), who(i));
        let smallest = kinds.entry(kind).or_insert((*x, i));
        if request_len(i) < request_len(smallest.1) {
            *smallest = (*x, i);
        }
    }
    let mut examples: Vec<_> = kinds.into_values().collect();
    examples.sort_by_key(|(x, i)| (std::cmp::Reverse(i.outcome()), *x));
    examples
}

/// Outcome, reason and the code that decided it.
fn disposition(i: &Inspection) -> String {
    let reason = i.reason().map_or("running", |r| r.name());
    let by = i.cause().map_or(String::new(), |f| format!(" `{}`", f.code));
    format!("{} ({reason}){by}", i.outcome().name())
}

/// Returns provider and model, or the address where the request has only that.
pub(super) fn who(i: &Inspection) -> String {
    let Some(r) = &i.request else { return "recorded body".to_owned() };
    let place = if r.provider == "url" { &r.url } else { &r.provider };
    visible(&format!("{place} · {}", r.model), Newlines::Show).into_owned()
}

fn request_len(i: &Inspection) -> usize {
    i.request.as_ref().map_or(0, |r| r.body.len())
}

/// Writes a row for each.
pub(super) fn table(exchanges: &[Numbered<'_>], out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "| # | provider · model | status | outcome | finish | frames | bytes | TTFT | verdict |\n\
         |--:|---|--:|---|---|--:|--:|--:|---|"
    )?;
    for (x, i) in exchanges.iter().take(MAX_ROWS) {
        let finish: Vec<_> = i.answer().finish().map(|(_, why)| text::preview(why, 30)).collect();
        let finish = if finish.is_empty() { "–".into() } else { code(&finish.join(", ")) };
        let first = i.timing.first_reasoning.into_iter().chain(i.timing.first_content).min();
        writeln!(
            out,
            "| {x} | {} | {} | {} | {} | {} | {} | {} | {} |",
            in_cell(&code(&who(i))),
            i.status().map_or("–".to_owned(), |s| s.to_string()),
            i.outcome().name(),
            in_cell(&finish),
            group(i.frames().len() as u64),
            group(i.wire_len()),
            i.timing.since_request(first).map_or("–".to_owned(), |s| format!("{s:.3} s")),
            in_cell(&prose(&text::preview(&i.verdict(), 160))),
        )?;
    }
    if exchanges.len() > MAX_ROWS {
        writeln!(out, "\nand {} more.", exchanges.len() - MAX_ROWS)?;
    }
    writeln!(out)
}

/// Writes in full the exchanges that decide: the worst of each cause, with the smallest request.
pub(super) fn worst(
    exchanges: &[Numbered<'_>],
    key: KeyVariable<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut sorted: Vec<_> = exchanges.iter().filter(|(_, i)| i.outcome() > Outcome::Ok).collect();
    sorted.sort_by_key(|(_, i)| (std::cmp::Reverse(i.outcome()), request_len(i)));
    let mut causes = Vec::new();
    for (x, i) in sorted {
        let cause = i.cause().map(|f| f.code);
        if causes.len() == MAX_CAUSES || causes.contains(&cause) {
            continue;
        }
        causes.push(cause);
        writeln!(out, "## Exchange {x}\n\n{}\n", exchange::verdict(i))?;
        exchange::write(i, Some(*x), key, out)?;
        writeln!(out)?;
    }
    match exchanges.first().filter(|_| causes.is_empty()) {
        Some((_, first)) => exchange::side(first, &[], key, out),
        None => Ok(()),
    }
}
