//! The reference of all findings as one Markdown page: the words that `explain CODE` prints.

use std::io::{self, Write};

use super::markup::{fence, words};
use crate::lab;
use crate::rule::{Code, Phase, Rule, Severity};

/// Returns what is shown of a rule, as titles with texts, in the order in which they are read: by `explain
/// CODE`, by the screen and on the page. A note has no title.
pub fn sections(rule: &Rule) -> Vec<(&'static str, String)> {
    let texts = [
        ("What it is", rule.what),
        ("Example", rule.example),
        ("Who it breaks", rule.breaks),
        ("Fix", rule.fix),
        ("Seen in", rule.seen_in),
        ("", if rule.depends_on_reads { READS } else { "" }),
    ];
    let mut all: Vec<_> = texts.map(|(title, text)| (title, text.to_owned())).into();
    all.push((SEE, see(rule)));
    all.retain(|(_, text)| !text.is_empty());
    all
}

/// The title of the command that shows a finding.
const SEE: &str = "Reproduce";

/// The note on a rule that depends on reads or times.
const READS: &str = "It is about reads or times: the same bytes cut differently may not show it.";

/// Returns how to see a finding: the lab's command for it, or why there is none.
pub(super) fn see(rule: &Rule) -> String {
    if !rule.reproduce.is_empty() {
        return rule.reproduce.to_owned();
    }
    let shows = |s: &&lab::Scenario| s.findings.iter().any(|f| f == rule.name);
    let mut scenarios: Vec<_> = lab::scenarios().iter().filter(shows).collect();
    // The scenario of the code's own name shows it best.
    scenarios.sort_by_key(|s| s.name != rule.name);
    match scenarios.first() {
        Some(s) => {
            let dialect = match s.dialects().first() {
                Some(&dialect) if dialect != "openai-chat" => format!(" --dialect {dialect}"),
                _ => String::new(),
            };
            format!("sselens send -p lab -m lab/{}{dialect} hi", s.name)
        }
        None if rule.phase == Phase::Compare => {
            "It takes two exchanges. `sselens compare A B hi`".to_owned()
        }
        None => String::new(),
    }
}

/// Writes the page.
///
/// # Errors
/// Those of the writer.
pub fn findings(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "# Findings\n")?;
    writeln!(
        out,
        "Every finding that sselens can make, by its code. `sselens explain CODE` and Enter on a \
         finding in the screen print the same text; `sselens explain --markdown` prints this page. \
         In the examples `⏎` is a line feed.\n"
    )?;
    writeln!(out, "| severity | means |\n|---|---|")?;
    for (severity, means) in [
        (Severity::Fatal, "The answer is lost, or a failure is presented as success."),
        (Severity::Error, "The stream failed and says so."),
        (Severity::Warn, "Some real client yields a wrong result."),
        (Severity::Info, "A deviation worth showing, harmless to robust clients."),
    ] {
        writeln!(out, "| {} | {means} |", severity.name())?;
    }
    let mut phases: Vec<Phase> = Code::all().map(Code::rule).map(|r| r.phase).collect();
    phases.sort();
    phases.dedup();
    for phase in &phases {
        let of: Vec<_> = Code::all().map(Code::rule).filter(|r| r.phase == *phase).collect();
        let links: Vec<_> = of.iter().map(|r| format!("[{0}](#{0})", r.name)).collect();
        writeln!(out, "\n**{}**: {}", phase.name(), links.join(", "))?;
    }
    for rule in
        phases.iter().flat_map(|p| Code::all().map(Code::rule).filter(move |r| r.phase == *p))
    {
        writeln!(out, "\n## {}\n", rule.name)?;
        writeln!(out, "{} · phase {}", rule.severity.name(), rule.phase.name())?;
        for (name, text) in sections(rule) {
            match name {
                "" => writeln!(out, "\n{text}")?,
                "Example" => writeln!(out, "\n**{name}**\n\n{}", fence(&text, "text"))?,
                SEE if text.starts_with("sselens ") => writeln!(out, "\n**{name}** `{text}`")?,
                _ => writeln!(out, "\n**{name}** {}", words(&text))?,
            }
        }
    }
    Ok(())
}
