//! One exchange of the report.

use std::io::{self, Write};

use super::super::curl::curl;
use super::super::findings::see;
use super::super::markup::{code, fence, prose, words};
use super::KeyVariable;
use crate::dialect::Channel;
use crate::frame::{Frame, FrameKind};
use crate::inspect::{Finding, Inspection, Severity};
use crate::journal::{ExchangeId, Request};
use crate::text::{self, Newlines, count, group, visible, visible_bytes};
use crate::transport::filler;

/// The most frames shown, and the most bytes of each; a body that is no stream has as many as all.
const FRAMES: usize = 5;
const FRAME: usize = 600;
/// The most bytes of the request's body.
const REQUEST: usize = 2 << 10;
/// The most bytes shown of what only lengthens a request.
const FILLER: usize = 160;
/// Number of characters of a channel shown at its beginning and at its end.
const EXCERPT: usize = 200;
/// The most findings, tool calls and response headers.
const LIST: usize = 12;

/// The outcome and the verdict, on one line.
pub(super) fn verdict(i: &Inspection) -> String {
    let outcome = i.outcome().name();
    let reason = i.reason().map_or("running", |r| r.name());
    format!("**{outcome}** ({reason}): {}", prose(&i.verdict()))
}

/// All but the verdict.
pub(super) fn write(
    i: &Inspection,
    x: Option<ExchangeId>,
    key: KeyVariable<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    if let Some(blame) = i.blame() {
        writeln!(out, "Blame: {}\n", prose(&blame.line()))?;
    }
    environment(i, out)?;
    findings(i, out)?;
    frames(i, out)?;
    answer(i, out)?;
    timing(i, out)?;
    if let Some(r) = &i.request {
        request(r, key, out)?;
    }
    let number = x.map_or(String::new(), |x| format!(" --exchange {x}"));
    writeln!(out, "\n### In sselens\n")?;
    writeln!(
        out,
        "- `sselens FILE` shows every byte of the recording{}",
        match x {
            Some(x) => format!(" (exchange {x})"),
            None => String::new(),
        }
    )?;
    writeln!(out, "- `sselens export FILE{number} --to raw` writes the body as received")?;
    if i.request.as_ref().is_some_and(|r| r.body.len() > REQUEST) {
        writeln!(
            out,
            "- `sselens export FILE{number} --to curl` writes the request with its body"
        )?;
    }
    if let Some(cause) = i.cause() {
        writeln!(out, "- `sselens explain {}` explains the finding", cause.code)?;
        let see = see(cause.rule());
        if see.starts_with("sselens ") {
            writeln!(out, "- {} shows such a stream without the provider", code(&see))?;
        }
    }
    Ok(())
}

/// Writes one side of a comparison: where it is from, what was found in it, `numbers` of its frames, and how
/// to ask again.
pub(super) fn side(
    i: &Inspection,
    numbers: &[u32],
    key: KeyVariable<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    environment(i, out)?;
    findings(i, out)?;
    let own = deciding(i).into_iter().take(usize::from(i.cause().is_some()));
    let mut picked: Vec<usize> = own.chain(numbers.iter().map(|n| *n as usize)).collect();
    picked.sort_unstable();
    picked.dedup();
    picked.truncate(3);
    if !picked.is_empty() {
        writeln!(out, "\n### Frames that decide\n")?;
        blocks(i, picked, out)?;
    }
    i.request.as_ref().map_or(Ok(()), |r| request(r, key, out))
}

fn shown(text: &str) -> String {
    visible(text, Newlines::Show).into_owned()
}

fn environment(i: &Inspection, out: &mut impl Write) -> io::Result<()> {
    let mut row = |name: &str, value: String| writeln!(out, "- {name}: {value}");
    if let Some(r) = &i.request {
        row(
            "provider",
            format!("{} · model {}", code(&shown(&r.provider)), code(&shown(&r.model))),
        )?;
        row("address", format!("{} {}", code(&shown(&r.method)), code(&shown(&r.url))))?;
    } else {
        row("provider", "not known: a recorded body".to_owned())?;
    }
    let spoken = i.spoken().map_or("not recognized".to_owned(), |s| code(&shown(&s)));
    let how = i.how_recognized().map_or(String::new(), |h| format!(" ({})", prose(&h)));
    let framing = i.framing().map_or(String::new(), |f| format!(", framing {}", f.name()));
    row("dialect", format!("{spoken}{how}{framing}"))?;
    let mut head: Vec<String> = i.head.iter().map(|h| code(&shown(&h.version))).collect();
    head.extend(i.status().map(|s| s.to_string()));
    head.extend(i.content_type().map(|t| code(&shown(t))));
    if !head.is_empty() {
        row("answer", head.join(" · "))?;
    }
    if let Some(h) = &i.head {
        // Headers that show which servers are in between, and what they do to a stream.
        let telling = |name: &str| {
            let known = ["server", "via", "transfer-encoding", "content-encoding"];
            let parts = ["request-id", "cf-ray", "litellm", "buffering", "cache-control"];
            known.contains(&name)
                || name == "content-length"
                || name == "retry-after"
                || parts.iter().any(|p| name.contains(p))
        };
        let label: Vec<_> = h
            .headers
            .iter()
            .filter(|(name, _)| telling(name))
            .take(LIST)
            .map(|(name, value)| code(&text::preview(&format!("{name}: {value}"), 100)))
            .collect();
        if !label.is_empty() {
            row("headers", label.join(", "))?;
        }
    }
    if !i.connection.is_empty() {
        row("connection", code(&shown(&i.connection.join(", "))))?;
    }
    for warning in i.request.iter().flat_map(|r| &r.warnings).take(LIST) {
        row("warning", prose(warning))?;
    }
    Ok(())
}

/// The first sentence.
fn sentence(text: &str) -> String {
    let end = text.find(". ").map_or(text.len(), |at| at + 1);
    words(text[..end].trim())
}

fn findings(i: &Inspection, out: &mut impl Write) -> io::Result<()> {
    let mut codes: Vec<&Finding> = Vec::new();
    for f in i.findings() {
        match codes.iter_mut().find(|c| c.code == f.code) {
            Some(first) if f.severity > first.severity => *first = f,
            Some(_) => {}
            None => codes.push(f),
        }
    }
    let cause = i.cause().map(|f| f.code);
    codes.sort_by_key(|f| (Some(f.code) != cause, std::cmp::Reverse(f.severity)));
    let times = |f: &Finding| match i.tally().of(f.code) {
        0 | 1 => String::new(),
        n => format!(" ×{}", group(n)),
    };
    let (mild, grave): (Vec<_>, Vec<_>) =
        codes.into_iter().partition(|f| f.severity == Severity::Info);
    if grave.is_empty() && mild.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Findings\n")?;
    for f in grave.iter().take(LIST) {
        let place = f.frame.map_or(String::new(), |n| format!(" (frame {n})"));
        let (severity, code) = (f.severity.name(), f.code);
        let message = prose(&text::preview(&f.sentence(), 400));
        writeln!(out, "- **{severity}** `{code}`{}{place}: {message}", times(f))?;
        if !f.rule().what.is_empty() {
            writeln!(out, "  - means: {}", sentence(f.rule().what))?;
        }
        if !f.rule().breaks.is_empty() {
            writeln!(out, "  - who stumbles: {}", sentence(f.rule().breaks))?;
        }
    }
    if grave.len() > LIST {
        writeln!(out, "- and {} codes more", grave.len() - LIST)?;
    }
    if !mild.is_empty() {
        let list: Vec<_> = mild.iter().map(|f| format!("`{}`{}", f.code, times(f))).collect();
        writeln!(out, "- info: {}", list.join(", "))?;
    }
    Ok(())
}

/// The numbers of the frames that decide: the verdict's first, then the other findings', gravest
/// first, then the last and one with text, to compare with.
fn deciding(i: &Inspection) -> Vec<usize> {
    let mut findings: Vec<_> =
        i.findings().iter().filter(|f| f.severity > Severity::Info).collect();
    findings.sort_by_key(|f| std::cmp::Reverse(f.severity));
    let last = i.frames().len().saturating_sub(1);
    let named = i.cause().into_iter().chain(findings).filter_map(|f| f.frame);
    let text = i.answer().deltas().first().map(|d| d.frame as usize);
    let all = named.map(|n| n as usize).chain([last]).chain(text);
    let mut out: Vec<usize> = Vec::new();
    for n in all.filter(|n| *n < i.frames().len()) {
        if !out.contains(&n) && out.len() < FRAMES {
            out.push(n);
        }
    }
    if let Some(others) = out.get_mut(1..) {
        others.sort_unstable();
    }
    out
}

fn frames(i: &Inspection, out: &mut impl Write) -> io::Result<()> {
    let all = i.frames().len() as u64;
    if all == 0 {
        return writeln!(
            out,
            "\n### Frames\n\nNone: the body has {}.",
            count(i.wire_len(), "byte")
        );
    }
    let picked = deciding(i);
    let title = if i.cause().is_some() { "Frames that decide" } else { "Frames" };
    writeln!(out, "\n### {title} ({} of {})\n", picked.len(), group(all))?;
    blocks(i, picked, out)
}

fn blocks(i: &Inspection, picked: Vec<usize>, out: &mut impl Write) -> io::Result<()> {
    let pointed = i.cause().and_then(|f| f.frame).map(|n| n as usize);
    for n in picked {
        let Some(frame) = i.frames().get(n) else { continue };
        frame_block(i, n, &frame, pointed == Some(n), out)?;
    }
    Ok(())
}

fn frame_block(
    i: &Inspection,
    n: usize,
    frame: &Frame,
    pointed: bool,
    out: &mut impl Write,
) -> io::Result<()> {
    let bytes = frame.bytes(i.body());
    let room = if frame.kind == FrameKind::Body { FRAMES * FRAME } else { FRAME };
    let mut parts = vec![format!("frame {n} · {}", frame.kind.name())];
    parts.push(format!("byte {}", group(frame.offset)));
    parts.push(count(frame.len, "byte"));
    parts.extend(i.timing.since_request(i.frame_at(n)).map(|s| format!("{s:.3} s")));
    if bytes.len() > room {
        parts.push(format!("its first {room}"));
    }
    if pointed {
        parts.push("**the verdict points here**".to_owned());
    }
    let cut = &bytes[..bytes.len().min(room)];
    // Do not split a character.
    let whole = match std::str::from_utf8(cut) {
        Err(e) if e.error_len().is_none() && cut.len() < bytes.len() => &cut[..e.valid_up_to()],
        _ => cut,
    };
    let text = visible_bytes(whole, Newlines::Keep);
    writeln!(out, "{}\n\n{}\n", parts.join(" · "), fence(&text, "text"))
}

/// A text's beginning and end.
fn ends(text: &str) -> String {
    let length = text.chars().count();
    if length <= 2 * EXCERPT {
        return visible(text, Newlines::Keep).into_owned();
    }
    let head: String = text.chars().take(EXCERPT).collect();
    let tail: String = text.chars().skip(length - EXCERPT).collect();
    let left = group((length - 2 * EXCERPT) as u64);
    visible(&format!("{head}\n[… {left} characters …]\n{tail}"), Newlines::Keep).into_owned()
}

fn answer(i: &Inspection, out: &mut impl Write) -> io::Result<()> {
    let answer = i.answer();
    let channels = [Channel::Reasoning, Channel::Content, Channel::Refusal, Channel::Other];
    let tools = !answer.tools().is_empty();
    if tools || channels.iter().any(|c| answer.texts(*c).next().is_some()) {
        writeln!(out, "### Answer\n")?;
    }
    for channel in channels {
        for (choice, words) in answer.texts(channel).take(LIST) {
            let via: Vec<_> = answer
                .paths(channel)
                .map(|(path, n)| format!("{} ×{}", code(&shown(&path)), group(n)))
                .collect();
            let length = count(words.chars().count() as u64, "character");
            let which = if choice > 0 { format!(" of choice {choice}") } else { String::new() };
            writeln!(out, "{}{which}: {length}, via {}\n", channel.name(), via.join(", "))?;
            writeln!(out, "{}\n", fence(&ends(words), "text"))?;
        }
    }
    for t in answer.tools().iter().take(LIST) {
        let call = format!("{}({})", t.name.as_deref().unwrap_or("(no name)"), t.arguments);
        writeln!(out, "- tool call {}: {}", t.index, code(&text::preview(&call, 300)))?;
    }
    if tools { writeln!(out) } else { Ok(()) }
}

fn timing(i: &Inspection, out: &mut impl Write) -> io::Result<()> {
    let t = &i.timing;
    let times: Vec<_> = t
        .moments()
        .into_iter()
        .filter_map(|(name, at)| t.since_request(at).map(|s| format!("{name} {s:.3}")))
        .collect();
    writeln!(out, "### Timing and end\n")?;
    if times.is_empty() {
        writeln!(out, "- no timestamps")?;
    } else {
        writeln!(out, "- seconds since the request: {}", times.join(" · "))?;
    }
    if let Some(g) = t.gap_summary() {
        let ms = |us: u64| us as f64 / 1e3;
        let (p50, p99, max) = (ms(g.p50), ms(g.p99), ms(g.max));
        writeln!(out, "- waits between deltas, ms: p50 {p50:.1} · p99 {p99:.1} · max {max:.1}")?;
    }
    let e = i.ending();
    let yes = |b: bool| if b { "seen" } else { "not seen" };
    let finish: Vec<_> =
        i.answer().finish().map(|(_, why)| code(&text::preview(why, 40))).collect();
    let finish = if finish.is_empty() { "none".to_owned() } else { finish.join(", ") };
    let mut end = vec![format!("transport {}", e.transport.name()), format!("finish {finish}")];
    if i.dialect().is_some_and(|d| d.ending().sentinel) {
        end.push(format!("`[DONE]` {}", yes(e.sentinel)));
    }
    end.extend(e.terminal.map(|t| format!("terminal event {}", yes(t))));
    // The HTTP library's own error text, unless a finding already quotes it.
    let is_quoted = i.findings().iter().any(|f| !f.detail.is_empty());
    if let Some((_, detail)) = i.end.as_ref().filter(|e| !e.1.is_empty() && !is_quoted) {
        end.push(code(&shown(detail)));
    }
    writeln!(out, "- end: {}", end.join(" · "))?;
    let mut counts = vec![count(i.wire_len(), "byte")];
    if let Some(coding) = i.coding() {
        let decoded = group(i.body().len() as u64);
        counts.push(format!("{decoded} after {}", code(&shown(coding.name()))));
    }
    if i.bare.is_none() {
        counts.push(count(i.reads().len() as u64, "read"));
    }
    counts.push(count(i.frames().len() as u64, "frame"));
    let u = i.answer().usage;
    let usage = [("input", u.input), ("output", u.output), ("reasoning", u.reasoning)];
    counts.extend(
        usage.iter().filter_map(|(name, n)| n.map(|n| format!("usage {name} {}", group(n)))),
    );
    writeln!(out, "- {}", counts.join(" · "))
}

fn request(r: &Request, key: KeyVariable<'_>, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n### To reproduce\n")?;
    let variable = key(&r.provider);
    let large = r.body.len() > REQUEST;
    let command = if large {
        let bare = Request { body: bytes::Bytes::new(), ..r.clone() };
        format!("{} \\\n  --data-binary @body.json", curl(&bare, variable.as_deref()))
    } else {
        curl(r, variable.as_deref())
    };
    writeln!(out, "{}", fence(&visible(&command, Newlines::Keep), "sh"))?;
    if large {
        let all = group(r.body.len() as u64);
        // Filler that only lengthens the request is not worth showing.
        let (shown, rest) = match filler(&r.body) {
            Some(at) if at.len() > FILLER => {
                let words = r.body.slice(at.start..at.start + FILLER);
                let dots =
                    format!("[… {} more of this …]", count((at.len() - FILLER) as u64, "byte"));
                let parts = [&r.body[..at.start], &words, dots.as_bytes(), &r.body[at.end..]];
                (parts.concat(), "without the filler")
            }
            _ => (r.body.to_vec(), ""),
        };
        let cut = visible_bytes(&shown[..shown.len().min(REQUEST)], Newlines::Keep).into_owned();
        let label = match (shown.len() > REQUEST, rest) {
            (true, _) => format!("its first {}", group(REQUEST as u64)),
            (false, rest) => rest.to_owned(),
        };
        writeln!(out, "\nbody.json has {all} bytes; {label}:\n")?;
        writeln!(out, "{}", fence(&cut, "text"))?;
    }
    if !r.masked.is_empty() {
        writeln!(out, "\nThe body held secrets: put them back where the `*` stand.")?;
    }
    Ok(())
}
