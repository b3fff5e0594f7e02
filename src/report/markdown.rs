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

/// `said` as a code block. The fence is longer than any run of backticks inside.
pub(super) fn fence(text: &str, language: &str) -> String {
    let ticks = "`".repeat((longest_run(text) + 1).max(3));
    format!("{ticks}{language}\n{}\n{ticks}", text.trim_end_matches('\n'))
}

/// `said` as code inside a line.
pub(super) fn code(text: &str) -> String {
    if text.is_empty() {
        return "–".to_owned();
    }
    let text = text.replace(['\n', '\r'], " ");
    let ticks = "`".repeat(longest_run(&text) + 1);
    // A space on both sides is taken off again, where the text begins or ends with a backtick.
    let pad = if text.starts_with(['`', ' ']) || text.ends_with(['`', ' ']) { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// Markdown in the cell of a table, where a bar ends it even inside code.
fn in_cell(markdown: &str) -> String {
    markdown.replace("\\|", "|").replace('|', "\\|").replace('\n', " ")
}

fn longest_run(text: &str) -> usize {
    let (mut longest, mut run) = (0, 0);
    for c in text.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// `said` as plain text inside a line: what could begin something in Markdown or HTML is escaped.
/// Sites look for `@name` and `#1` after that, in the text itself: there the sign becomes
/// code.
pub(super) fn prose(text: &str) -> String {
    escaped(text, false)
}

/// `linked`: what sites make links of stays.
fn escaped(text: &str, linked: bool) -> String {
    let mut out = String::new();
    let mut chars = visible(text, Newlines::Keep).replace('\n', " ");
    chars = chars.replace('\r', " ");
    let mut before = ' ';
    let mut rest = chars.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        match c {
            '@' if !linked && next.is_alphanumeric() => out.push_str("`@`"),
            '#' if next.is_ascii_digit() && linked => out.push(c),
            '#' if next.is_ascii_digit() => out.push_str("`#`"),
            // Inside a word it marks nothing.
            '_' if before.is_alphanumeric() && next.is_alphanumeric() => out.push(c),
            '\\' | '`' | '*' | '_' | '<' | '[' | '|' | '~' | '&' | '$' | '#' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// This program's own words: what they have between backticks is code, the rest is [`prose`] in
/// which `owner/name#1` is a link.
pub(super) fn words(text: &str) -> String {
    let parts: Vec<_> = text.split('`').collect();
    if parts.len() % 2 == 0 {
        return escaped(text, true);
    }
    let part =
        |(n, part): (usize, &&str)| if n % 2 == 0 { escaped(part, true) } else { code(part) };
    parts.iter().enumerate().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_fence() {
        let block = fence("a\n```\n<b>\n`````\n", "text");
        assert!(block.starts_with("``````text\n") && block.ends_with("\n``````"), "{block}");
        assert_eq!(fence("a", ""), "```\na\n```");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(in_cell(&code("a|b")), "`a\\|b`");
    }

    #[test]
    fn prose_is_only_text() {
        assert_eq!(
            prose("<img src=x> [a](b) `c` *d* e_f"),
            "\\<img src=x> \\[a](b) \\`c\\` \\*d\\* e_f"
        );
        assert_eq!(prose("@octocat see #12\n# no"), "`@`octocat see `#`12 \\# no");
        assert_eq!(prose("a \x1b[2J\u{202e}"), "a ␛\\[2J⟨U+202E⟩");
    }
}
