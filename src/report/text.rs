//! `-o text`: what one would paste into a bug report.

use std::io::{self, Write};

use super::findings as page;
use super::palette::Palette;
use crate::dialect::Channel;
use crate::frame::FrameKind;
use crate::inspect::{Inspection, Severity, Think, TransportEnd};
use crate::rule::Rule;
use crate::text::{self, Newlines, Page, group, visible};

/// The most characters shown of a body that is no stream.
const BODY: usize = 2_000;

/// Writes the report on one exchange; without `warnings` where the request's warnings were printed
/// already.
///
/// # Errors
/// Those of the writer.
pub fn text(i: &Inspection, warnings: bool, palette: Palette, out: &mut Page) -> io::Result<()> {
    title(i, warnings, palette, out)?;
    channels(i, palette, out)?;
    whole_body(i, palette, out)?;
    findings(i, palette, out)?;
    facts(i, palette, out)?;
    let verdict = i.verdict();
    let verdict = match i.worst() {
        Some(severity) if severity > Severity::Info => palette.severity(severity, &verdict),
        _ => palette.bold(&verdict),
    };
    writeln!(out, "{} {verdict}", palette.bold("verdict "))?;
    match i.blame() {
        Some(blame) => writeln!(out, "{} {}", palette.bold("blame   "), blame.line()),
        None => Ok(()),
    }
}

fn title(i: &Inspection, warnings: bool, palette: Palette, out: &mut Page) -> io::Result<()> {
    let dialect = i.spoken().unwrap_or_else(|| "unknown dialect".to_owned());
    let guessed = i.how_recognized().map_or(String::new(), |how| format!(" (recognized: {how})"));
    if let Some(r) = &i.request {
        let mut who = r.provider.clone();
        if !r.model.is_empty() {
            who = format!("{who} · {}", r.model);
        }
        let who = format!("{who} · {dialect}{guessed}");
        writeln!(out, "{}", palette.bold(&visible(&who, Newlines::Show)))?;
        writeln!(
            out,
            "{} {} · {} bytes of body",
            r.method,
            visible(&r.url, Newlines::Show),
            group(r.body.len() as u64)
        )?;
        for warning in r.warnings.iter().filter(|_| warnings) {
            writeln!(out, "{}", palette.severity(Severity::Warn, &format!("!! {warning}")))?;
        }
    } else {
        let what = format!("recorded body · {dialect}{guessed}");
        writeln!(out, "{}", palette.bold(&visible(&what, Newlines::Show)))?;
    }
    let mut head = Vec::new();
    if let Some(h) = &i.head {
        head.push(visible(&h.version, Newlines::Show).into_owned());
    }
    head.extend(i.status().map(status_line));
    head.extend(i.content_type().map(|t| visible(t, Newlines::Show).into_owned()));
    if !head.is_empty() {
        writeln!(out, "{}", head.join(" · "))?;
    }
    Ok(())
}

fn status_line(status: u16) -> String {
    let reason = http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
    reason.map_or_else(|| status.to_string(), |r| format!("{status} {r}"))
}

fn channels(i: &Inspection, palette: Palette, out: &mut Page) -> io::Result<()> {
    let answer = i.answer();
    for channel in [Channel::Reasoning, Channel::Content, Channel::Refusal, Channel::Other] {
        let choices: Vec<_> = answer.texts(channel).collect();
        for (choice, words) in &choices {
            let which =
                if choices.len() > 1 { format!(" of choice {choice}") } else { String::new() };
            let via: Vec<_> =
                answer.paths(channel).map(|(path, n)| format!("via {path} ×{n}")).collect();
            let head = format!("{}{which}", channel.name());
            writeln!(
                out,
                "\n{} {}",
                palette.bold(&head),
                palette.dim(&format!(
                    "{} · {}",
                    text::count(words.chars().count() as u64, "character"),
                    via.join(", ")
                ))
            )?;
            let think = answer.think(*choice).filter(|t| channel == Channel::Content && t.any());
            match think {
                Some(think) => thinking(words, think, palette, out)?,
                None => indented(words, out)?,
            }
        }
    }
    if !answer.tools().is_empty() {
        writeln!(out, "\n{}", palette.bold("tool calls"))?;
        for t in answer.tools() {
            let name = t.name.as_deref().unwrap_or("(no name)");
            let id = t.id.as_deref().map_or(String::new(), |id| format!("  id {id}"));
            let line = format!("#{} {name}({}){id}", t.index, t.arguments);
            writeln!(out, "  {}", visible(&line, Newlines::Show))?;
        }
    }
    Ok(())
}

/// Content with its thought parts marked off.
fn thinking(text: &str, think: &Think, palette: Palette, out: &mut Page) -> io::Result<()> {
    for (thought, range) in think.stretches(text) {
        if thought {
            writeln!(out, "  {}", palette.dim("[thought, inline in content]"))?;
        }
        indented(text[range].trim_matches('\n'), out)?;
    }
    Ok(())
}

fn indented(text: &str, out: &mut Page) -> io::Result<()> {
    for line in visible(text, Newlines::Keep).lines() {
        writeln!(out, "  {line}")?;
    }
    Ok(())
}

/// Writes a body that is no stream, or an error that arrived as one frame: its text says most.
fn whole_body(i: &Inspection, palette: Palette, out: &mut Page) -> io::Result<()> {
    let Some(frame) = i.frames().first().filter(|f| f.kind == FrameKind::Body) else {
        return Ok(());
    };
    if i.answer().has(Channel::Content) {
        return Ok(());
    }
    let words = frame.data(i.body()).unwrap_or_default();
    writeln!(out, "\n{} {}", palette.bold("body"), palette.dim(&text::count(frame.len, "byte")))?;
    let end = words.char_indices().nth(BODY).map_or(words.len(), |(at, _)| at);
    indented(&words[..end], out)?;
    if end < words.len() {
        writeln!(out, "  {}", palette.dim("… the rest: sselens export FILE --to raw"))?;
    }
    Ok(())
}

fn findings(i: &Inspection, palette: Palette, out: &mut Page) -> io::Result<()> {
    if i.findings().is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", palette.bold("findings"))?;
    for group in i.story() {
        let f = &i.findings()[group.findings[0]];
        let mark = match f.severity {
            Severity::Fatal | Severity::Error => "✖",
            Severity::Warn => "▲",
            Severity::Info => "·",
        };
        let mut place = Vec::new();
        let times = i.times(&group);
        place.extend((times > 1).then(|| format!("×{}", text::group(times))));
        place.extend(f.frame.map(|n| format!("frame {n}")));
        place.extend(f.offset.map(|n| format!("byte {n}")));
        place.extend(i.timing.since_request(f.at).map(|s| format!("{s:.3} s")));
        let label = format!("{mark} {:<5} {}", f.severity.name(), f.code);
        // A finding that follows from the one above is shown under it.
        let under = if group.under { "  └ " } else { "  " };
        let indent = if group.under { "    " } else { "" };
        let place = palette.dim(&place.join(" · "));
        writeln!(out, "{under}{}  {place}", palette.severity(f.severity, &label))?;
        writeln!(out, "{indent}          {}", visible(&f.sentence(), Newlines::Show))?;
    }
    Ok(())
}

fn facts(i: &Inspection, palette: Palette, out: &mut Page) -> io::Result<()> {
    let mut row = |name: &str, value: String| {
        writeln!(out, "{} {value}", palette.bold(&format!("{name:<8}")))
    };
    row("\nend", ending(i))?;
    if let Some(times) = times(i) {
        row("timing", times)?;
    }
    row("counts", counts(i))?;
    if let Some(usage) = usage(i) {
        row("usage", usage)?;
    }
    Ok(())
}

/// Returns the moments of an exchange, and the gaps between reads.
fn times(i: &Inspection) -> Option<String> {
    let t = &i.timing;
    let moments = [
        ("connect", t.connected),
        ("TLS", t.tls),
        ("head", t.head),
        ("first byte", t.first_byte),
        ("first reasoning", t.first_reasoning),
        ("first content", t.first_content),
        ("end", t.end),
    ];
    let times: Vec<_> = moments
        .into_iter()
        .filter_map(|(name, at)| t.since_request(at).map(|s| format!("{name} {s:.3}")))
        .collect();
    if times.is_empty() {
        return None;
    }
    let gaps = t.gap_summary().map_or(String::new(), |g| {
        let ms = |us: u64| us as f64 / 1e3;
        format!(" · gaps p50 {:.1} p99 {:.1} max {:.1} ms", ms(g.p50), ms(g.p99), ms(g.max))
    });
    Some(format!("{} s{gaps}", times.join(" · ")))
}

fn counts(i: &Inspection) -> String {
    let mut counts = vec![text::count(i.wire_len(), "byte")];
    if let Some(coding) = i.coding() {
        counts.push(format!(
            "{} after {}",
            group(i.body().len() as u64),
            visible(coding.name(), Newlines::Show)
        ));
    }
    if i.bare.is_none() {
        counts.push(text::count(i.reads().len() as u64, "read"));
    }
    counts.push(text::count(i.frames().len() as u64, "frame"));
    counts.extend(
        i.sse().map(|s| s.comments.total()).filter(|n| *n > 0).map(|n| text::count(n, "comment")),
    );
    counts.join(" · ")
}

/// The tokens that were counted.
fn usage(i: &Inspection) -> Option<String> {
    let u = i.answer().usage;
    let mut usage: Vec<_> = [
        ("input", u.input),
        ("output", u.output),
        ("reasoning", u.reasoning),
        ("cached", u.cached),
        ("total", u.total),
    ]
    .into_iter()
    .filter_map(|(name, n)| n.map(|n| format!("{name} {}", group(n))))
    .collect();
    if usage.is_empty() {
        return None;
    }
    usage.extend(i.packing().map(|p| format!("{:.1} tokens per delta", p.per_delta())));
    usage.extend(i.usage_is_alone().then(|| "in a chunk without choices".to_owned()));
    Some(usage.join(" · "))
}

fn ending(i: &Inspection) -> String {
    let e = i.ending();
    let mut parts = vec![i.reason().map_or("running", |r| r.name()).to_owned()];
    parts.push(match e.transport {
        TransportEnd::Undecidable => "transport undecidable".to_owned(),
        other => format!("transport {}", other.name()),
    });
    if i.dialect().is_some_and(|d| d.ending().sentinel) {
        parts.push(if e.sentinel { "[DONE] seen" } else { "no [DONE]" }.to_owned());
    }
    if let Some(terminal) = e.terminal {
        parts.push(if terminal { "terminal event seen" } else { "no terminal event" }.to_owned());
    }
    let finish: Vec<_> = i.answer().finish().map(|(_, r)| r.to_owned()).collect();
    parts.push(if finish.is_empty() {
        "no finish".into()
    } else {
        format!("finish {}", finish.join(", "))
    });
    if let Some((_, detail)) = i.end.as_ref().filter(|e| !e.1.is_empty()) {
        parts.push(detail.clone());
    }
    visible(&parts.join(" · "), Newlines::Show).into_owned()
}

/// Writes what `explain` shows of one rule.
///
/// # Errors
/// Those of the writer.
pub fn explain(rule: &Rule, palette: Palette, out: &mut Page) -> io::Result<()> {
    let label = format!("{} · {} · phase {}", rule.code, rule.severity.name(), rule.phase.name());
    writeln!(out, "{}", palette.severity(rule.severity, &label))?;
    for (name, text) in page::sections(rule) {
        writeln!(out)?;
        if !name.is_empty() {
            writeln!(out, "{}", palette.bold(name))?;
        }
        for line in text.lines() {
            writeln!(out, "  {line}")?;
        }
    }
    Ok(())
}
