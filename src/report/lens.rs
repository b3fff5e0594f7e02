//! Results that clients would have returned to their callers, for scripts and for people.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::palette::Palette;
use crate::client_sim::{Client, ClientRun, Given};
use crate::inspect::{Inspection, Severity};
use crate::text::{Newlines, Page, count, visible};

/// The most characters of an error's text in the table of all clients.
const BRIEF: usize = 60;

fn texts(channel: &BTreeMap<u32, String>) -> Map<String, Value> {
    channel.iter().map(|(choice, text)| (choice.to_string(), text.as_str().into())).collect()
}

/// One client's reading of an exchange, as the object `lens` of a summary.
pub fn lens(client: &'static Client, seen: &Inspection) -> Value {
    let run = ClientRun::of(client, seen);
    let given = run.given();
    let tool = |t: &crate::client_sim::ClientToolCall| json!({"choice": t.choice, "name": t.name, "arguments": t.arguments});
    let error = given
        .error
        .as_ref()
        .map(|e| json!({"class": e.class, "message": visible(&e.message, Newlines::Keep)}));
    let remarks: Vec<_> = run
        .remarks(seen)
        .iter()
        .map(|r| json!({"text": visible(&r.text, Newlines::Show), "evidence": r.evidence}))
        .collect();
    json!({
        "client": client.name,
        "version": client.version,
        "gives": client.gives,
        "evidence": client.evidence,
        "speaks": run.speaks(seen),
        "content": texts(&given.content),
        "reasoning": texts(&given.reasoning),
        "tools": given.tools.iter().map(tool).collect::<Vec<_>>(),
        "finish": texts(&given.finish),
        "fabricated": given.fabricated,
        "chunks": given.chunks,
        "error": error,
        "waits": given.waits,
        "elsewhere": given.elsewhere,
        "remarks": remarks,
    })
}

/// Writes one client's reading of an exchange for people.
///
/// # Errors
/// Those of the writer.
pub fn lens_text(
    client: &'static Client,
    seen: &Inspection,
    palette: Palette,
    out: &mut Page,
) -> io::Result<()> {
    let run = ClientRun::of(client, seen);
    let title = format!("as {} sees it", client.title());
    writeln!(out, "\n{}", palette.bold(&title))?;
    if !run.speaks(seen) {
        return writeln!(out, "  it reads {}; this stream is something else", client.dialect);
    }
    writeln!(out, "  {}", palette.dim(&format!("given: {}", client.gives)))?;
    let given = run.given();
    for (name, channel) in [("reasoning", &given.reasoning), ("content", &given.content)] {
        for (choice, text) in channel {
            let which =
                if channel.len() > 1 { format!(" of choice {choice}") } else { String::new() };
            let size = count(text.chars().count() as u64, "character");
            writeln!(out, "  {}{which} {}", palette.bold(name), palette.dim(&size))?;
            for line in visible(text, Newlines::Keep).lines() {
                writeln!(out, "    {line}")?;
            }
        }
    }
    for tool in &given.tools {
        let call = format!("{}({})", tool.name.as_deref().unwrap_or("(no name)"), tool.arguments);
        writeln!(out, "  {} {}", palette.bold("tool call"), visible(&call, Newlines::Show))?;
    }
    let (severity, end) = end(given);
    let end = visible(&end, Newlines::Show);
    let end = severity.map_or_else(|| end.to_string(), |s| palette.severity(s, &end));
    writeln!(out, "  {} {end}", palette.bold("end"))?;
    for remark in run.remarks(seen) {
        writeln!(out, "  · {}", visible(&remark.text, Newlines::Show))?;
        writeln!(out, "    {}", palette.dim(remark.evidence))?;
    }
    Ok(())
}

/// Writes a table of clients: a line for each that speaks the exchange's dialect, with what it returns
/// and how that ends.
///
/// # Errors
/// Those of the writer.
pub fn lens_table(
    clients: &[&'static Client],
    seen: &Inspection,
    palette: Palette,
    out: &mut Page,
) -> io::Result<()> {
    writeln!(out, "\n{}", palette.bold("what the clients return to their callers, in characters"))?;
    let head = format!("{:<27} {:>8} {:>9} {:>5}  end", "client", "content", "reasoning", "tools");
    writeln!(out, "  {}", palette.dim(&head))?;
    let mut others = 0;
    for client in clients {
        let run = ClientRun::of(client, seen);
        if !run.speaks(seen) {
            others += 1;
            continue;
        }
        write!(out, "  {:<27} ", client.name)?;
        let given = run.given();
        let chars =
            |c: &BTreeMap<u32, String>| c.values().map(|t| t.chars().count()).sum::<usize>();
        let (severity, end) = end(given);
        let end = brief(&visible(&end, Newlines::Show));
        let end = severity.map_or_else(|| end.clone(), |s| palette.severity(s, &end));
        let (content, reasoning) = (chars(&given.content), chars(&given.reasoning));
        writeln!(out, "{content:>8} {reasoning:>9} {:>5}  {end}", given.tools.len())?;
    }
    if others > 0 {
        let more = format!("{} for other dialects", count(others, "more client"));
        writeln!(out, "  {}", palette.dim(&more))?;
    }
    Ok(())
}

/// The beginning of a text, cut between two words where there is a place for that.
fn brief(text: &str) -> String {
    let Some((end, _)) = text.char_indices().nth(BRIEF) else { return text.to_owned() };
    let cut = &text[..end];
    let words = cut.rsplit_once(' ').map_or(cut, |(words, _)| words);
    format!("{} …", words.trim_end_matches([' ', ',', ';', ':']))
}

/// Returns how it ends for the caller, and how severe that is: silence is worse than an error.
pub fn end(given: &Given) -> (Option<Severity>, String) {
    if let Some(why) = &given.elsewhere {
        return (Some(Severity::Info), why.clone());
    }
    if let Some(e) = &given.error {
        let colon = if e.message.is_empty() { "" } else { ": " };
        return (Some(Severity::Error), format!("{}{colon}{}", e.class, e.message));
    }
    if given.waits {
        return (Some(Severity::Error), "waits forever".into());
    }
    let finish: Vec<_> = given.finish.values().map(String::as_str).collect();
    match (given.fabricated, finish.is_empty()) {
        (true, _) => (Some(Severity::Fatal), format!("finish {} (fabricated)", finish.join(", "))),
        (false, true) => (Some(Severity::Fatal), "no error, no finish".into()),
        (false, false) if given.content.is_empty() && given.tools.is_empty() => {
            (Some(Severity::Warn), format!("finish {}, and no content", finish.join(", ")))
        }
        (false, false) => (None, format!("finish {}", finish.join(", "))),
    }
}
