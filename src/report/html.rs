//! One page that shows a recording to somebody without sselens: verdict, timeline, findings with
//! their explanations, answer, frames with their bytes, request. It is self-contained: it loads
//! nothing, and its policy forbids it to.

use std::io::{self, Write};

use super::findings::sections;
use super::har::RecordingOrigin;
use crate::dialect::Channel;
use crate::inspect::{Inspection, Outcome, Returned};
use crate::journal::{ExchangeId, Headers, Micros};
use crate::text::{Newlines, count, group, visible, visible_bytes};

const STYLE: &str = include_str!("../../assets/report/report.css");
const SCRIPT: &str = include_str!("../../assets/report/report.js");
/// The most frames of one exchange in the page; it says what is left out.
const FRAMES: usize = 20_000;
/// The most bytes of one frame, of one channel and of the request's body; a longer one says so.
const BYTES: usize = 64 << 10;
/// The width of the timeline in the units of its drawing.
const WIDTH: u64 = 1000;

/// Writes the page about these exchanges.
///
/// # Errors
/// Those of the writer.
pub fn html(
    exchanges: &[(ExchangeId, &Inspection)],
    origin: &RecordingOrigin,
    out: &mut impl Write,
) -> io::Result<()> {
    let title = match exchanges {
        [(_, one)] => format!("sselens: {}", one.verdict()),
        all => format!("sselens: {}", count(all.len() as u64, "exchange")),
    };
    writeln!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; \
         style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n<body>",
        escaped(&title)
    )?;
    let by = escaped(&format!("sselens {}", origin.program));
    writeln!(out, "<h1>LLM stream report</h1><p class=\"dim\">Recorded by {by}</p>")?;
    if exchanges.len() > 1 {
        contents(exchanges, out)?;
    }
    for (x, inspection) in exchanges {
        exchange(*x, inspection, out)?;
    }
    writeln!(out, "<script>\n{SCRIPT}</script>\n</body>\n</html>")
}

/// Text made visible and safe inside elements and quoted attributes.
fn escaped(text: &str) -> String {
    let shown = visible(text, Newlines::Keep);
    let mut out = String::with_capacity(shown.len());
    for c in shown.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Escaped, and shortened to what a page can bear.
fn clipped(text: &str) -> String {
    if text.len() <= BYTES {
        return escaped(text);
    }
    let end = (0..=BYTES).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    let left = count((text.len() - end) as u64, "byte");
    format!("{}… <i>{left} more, not in this page</i>", escaped(&text[..end]))
}

fn contents(exchanges: &[(ExchangeId, &Inspection)], out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<ul>")?;
    for (x, i) in exchanges {
        let outcome = i.outcome().name();
        writeln!(
            out,
            "<li><a href=\"#x{x}\">#{x}</a> <b>{outcome}</b> {}</li>",
            escaped(&i.verdict())
        )?;
    }
    writeln!(out, "</ul>")
}

fn exchange(x: ExchangeId, i: &Inspection, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<section id=\"x{x}\">")?;
    band(i, out)?;
    timeline(i, out)?;
    findings(x, i, out)?;
    clients(i, out)?;
    answer(i, out)?;
    frames(x, i, out)?;
    request(i, out)?;
    writeln!(out, "</section>")
}

fn band(i: &Inspection, out: &mut impl Write) -> io::Result<()> {
    let (class, word) = match i.outcome() {
        Outcome::Ok => ("ok", "OK"),
        Outcome::Degraded => ("degraded", "DEGRADED"),
        Outcome::Failed => ("failed", "FAILED"),
    };
    writeln!(out, "<div class=\"band {class}\"><b>{word}</b>{}", escaped(&i.verdict()))?;
    if let Some(blame) = i.blame() {
        writeln!(out, "<div>Blame: {}</div>", escaped(&blame.line()))?;
    }
    let mut facts = Vec::new();
    if let Some(request) = &i.request {
        facts.push(format!("{} {}", request.method, request.url));
    }
    if let Some(head) = &i.head {
        facts.push(format!("{} {}", head.version, head.status));
    }
    facts.extend(i.spoken());
    facts.push(count(i.frames().len() as u64, "frame"));
    facts.push(count(i.wire_len(), "byte"));
    writeln!(out, "<div>{}</div></div>", escaped(&facts.join(" · ")))
}

/// Seconds from the request, `0.031`.
fn since(i: &Inspection, at: Option<Micros>) -> String {
    match (at, i.timing.request) {
        (Some(at), Some(from)) => format!("{:.3}", at.saturating_sub(from) as f64 / 1e6),
        _ => String::new(),
    }
}

/// The frames drawn by their times, colored by channel, with the clocks.
fn timeline(i: &Inspection, out: &mut impl Write) -> io::Result<()> {
    let Some(from) = i.timing.request.or_else(|| i.frame_at(0)) else { return Ok(()) };
    let to = i.timing.end.or(i.timing.last_data).unwrap_or(from);
    let span = to.saturating_sub(from).max(1);
    let x = |at: Micros| at.saturating_sub(from).min(span) * WIDTH / span;
    writeln!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} 64\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"timeline\">"
    )?;
    writeln!(out, "<rect x=\"0\" y=\"22\" width=\"{WIDTH}\" height=\"2\" fill=\"var(--line)\"/>")?;
    // Draw one line per column and channel, however many frames there are.
    let mut drawn = std::collections::BTreeSet::new();
    for index in 0..i.frames().len() {
        let Some(at) = i.frame_at(index) else { continue };
        let mut deltas = i.answer().deltas_of(index as u32);
        let color = match deltas.next().map(|d| d.channel) {
            Some(Channel::Content) => "var(--ok)",
            Some(Channel::Reasoning) => "var(--reason)",
            Some(Channel::Tool) => "var(--tool)",
            Some(Channel::Refusal | Channel::Other) => "var(--bad)",
            None => "var(--dim)",
        };
        if drawn.insert((x(at), color)) {
            writeln!(
                out,
                "<rect x=\"{}\" y=\"10\" width=\"1.5\" height=\"26\" fill=\"{color}\"/>",
                x(at)
            )?;
        }
    }
    let t = &i.timing;
    let clocks = [
        ("head", t.head),
        ("reasoning", t.first_reasoning),
        ("content", t.first_content),
        ("end", t.end),
    ];
    let mut right = 0;
    for (name, at) in clocks {
        let Some(at) = at else { continue };
        let label = format!("{name} {}", since(i, Some(at)));
        let wide = label.len() as u64 * 7;
        let place = x(at).min(WIDTH.saturating_sub(wide));
        // Leave out labels that would overlap; the figures are listed below anyway.
        if place >= right {
            writeln!(out, "<text x=\"{place}\" y=\"54\">{}</text>", escaped(&label))?;
            right = place + wide + 8;
        }
    }
    writeln!(out, "</svg>")
}

fn findings(x: ExchangeId, i: &Inspection, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<h2>Findings</h2>")?;
    if i.findings().is_empty() {
        return writeln!(out, "<p class=\"dim\">No findings</p>");
    }
    let cause = i.cause().map(|f| f.code);
    for group in i.story() {
        let Some(first) = group.findings.first().and_then(|f| i.findings().get(*f)) else {
            continue;
        };
        let severity = first.severity.name();
        let open = if cause == Some(first.code) { " open" } else { "" };
        let times = match i.times(&group) {
            0 | 1 => String::new(),
            n => format!(" <span class=\"dim\">×{}</span>", self::group(n)),
        };
        write!(
            out,
            "<details{open}><summary><b class=\"{severity}\">{severity}</b> <code>{}</code>{times} {}",
            first.code,
            escaped(&first.message)
        )?;
        if let Some(frame) = first.frame {
            write!(out, " <a href=\"#x{x}f{frame}\">frame {frame}</a>")?;
        }
        writeln!(out, "</summary><div>")?;
        for (title, text) in sections(first.rule()) {
            writeln!(out, "<p><b>{}</b><br>{}</p>", escaped(title), escaped(&text))?;
        }
        writeln!(out, "</div></details>")?;
    }
    Ok(())
}

fn clients(i: &Inspection, out: &mut impl Write) -> io::Result<()> {
    let failing: Vec<_> = i.clients().iter().filter(|c| c.result != Returned::Ok).collect();
    if failing.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<h2>Clients that return less</h2><table><tr><th>client<th>returns<th>detail</tr>"
    )?;
    for view in failing {
        writeln!(
            out,
            "<tr><td><code>{}</code><td>{}<td>{}</tr>",
            escaped(view.client),
            view.result.name(),
            escaped(&view.detail)
        )?;
    }
    writeln!(out, "</table>")
}

fn answer(i: &Inspection, out: &mut impl Write) -> io::Result<()> {
    let answer = i.answer();
    writeln!(out, "<h2>Answer</h2><div class=\"cols\">")?;
    for channel in [Channel::Content, Channel::Reasoning, Channel::Refusal] {
        for (choice, text) in answer.texts(channel) {
            let name = channel.name();
            let of = if choice > 0 { format!(" (choice {choice})") } else { String::new() };
            let chars = count(text.chars().count() as u64, "character");
            writeln!(
                out,
                "<div><b class=\"{name}\">{name}{of}</b> <span class=\"dim\">{chars}</span><pre>{}</pre></div>",
                clipped(text)
            )?;
        }
    }
    for tool in answer.tools() {
        writeln!(
            out,
            "<div><b class=\"tool\">tool call</b> <code>{}</code><pre>{}</pre></div>",
            escaped(tool.name.as_deref().unwrap_or("?")),
            clipped(&tool.arguments)
        )?;
    }
    writeln!(out, "</div>")?;
    for (choice, finish) in answer.finish() {
        writeln!(out, "<p>finish of choice {choice}: <code>{}</code></p>", escaped(finish))?;
    }
    Ok(())
}

fn frames(x: ExchangeId, i: &Inspection, out: &mut impl Write) -> io::Result<()> {
    let all = i.frames().len();
    writeln!(
        out,
        "<h2>Frames</h2><input data-filter=\"frames{x}\" placeholder=\"Filter frames\" \
         aria-label=\"Filter frames\"><div class=\"scroll\"><table id=\"frames{x}\"><thead><tr>\
         <th>#<th>s<th>gap ms<th>bytes<th>kind<th>bytes as received</tr></thead><tbody>"
    )?;
    let faulty: std::collections::BTreeSet<u32> = i
        .findings()
        .iter()
        .filter(|f| f.severity > crate::inspect::Severity::Info)
        .filter_map(|f| f.frame)
        .collect();
    for (index, frame) in i.frames().iter().enumerate().take(FRAMES) {
        let at = i.frame_at(index);
        let before = index.checked_sub(1).map_or(i.timing.request, |b| i.frame_at(b));
        let gap = match (at, before) {
            (Some(at), Some(before)) => format!("{:.1}", at.saturating_sub(before) as f64 / 1e3),
            _ => String::new(),
        };
        let bytes = visible_bytes(frame.bytes(i.body()), Newlines::Show);
        let class = if faulty.contains(&(index as u32)) { " class=\"hit\"" } else { "" };
        writeln!(
            out,
            "<tr id=\"x{x}f{index}\"{class}><td class=\"n\">{index}<td class=\"n\">{}<td class=\"n\">{gap}\
             <td class=\"n\">{}<td>{}<td class=\"b\">{}</tr>",
            since(i, at),
            group(frame.len),
            frame.kind.name(),
            clipped(&bytes)
        )?;
    }
    writeln!(out, "</tbody></table></div>")?;
    if all > FRAMES {
        let left = count((all - FRAMES) as u64, "frame");
        writeln!(
            out,
            "<p class=\"dim\">{left} more are in the recording and not in this page</p>"
        )?;
    }
    Ok(())
}

fn headers(title: &str, headers: &Headers, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "<h2>{title}</h2><pre>")?;
    for (name, value) in headers {
        writeln!(out, "{}: {}", escaped(name), escaped(value))?;
    }
    writeln!(out, "</pre>")
}

fn request(i: &Inspection, out: &mut impl Write) -> io::Result<()> {
    if let Some(head) = &i.head {
        headers("Response headers", &head.headers, out)?;
    }
    let Some(request) = &i.request else { return Ok(()) };
    headers("Request headers", &request.headers, out)?;
    let body = String::from_utf8_lossy(&request.body);
    writeln!(out, "<h2>Request body</h2><pre>{}</pre>", clipped(&body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_the_wire_is_markup() {
        assert_eq!(
            escaped("<img src=x onerror='a'>&\"\u{1b}[2J"),
            "&lt;img src=x onerror=&#39;a&#39;&gt;&amp;&quot;␛[2J"
        );
        let long = "ä".repeat(BYTES);
        assert!(clipped(&long).ends_with("more, not in this page</i>"));
    }
}
