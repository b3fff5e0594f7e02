//! The verdict band: the first thing that the eye finds. Its background is the state of the stream; its lines
//! are the state and the headline, who has to act and which clients fail, and where the answer is from.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::model::{Exchange, Model};
use super::theme::Role;
use super::widget::line;
use super::widget::wrap::Wrap;

use crate::action::{Action, Context};
use crate::inspect::{Inspection, Outcome, Reason, Returned};
use crate::journal::Micros;
use crate::text::{Newlines, count, preview, visible};

/// Returns how many rows the band takes on a screen of that height: the same in every state, so that nothing
/// moves when a stream ends.
pub(super) fn height(screen: u16) -> u16 {
    match screen {
        0..18 => 1,
        18..28 => 2,
        _ => 3,
    }
}

/// The contents of the band.
#[derive(Debug, Default, PartialEq, Eq)]
struct Band {
    /// The background.
    role: Option<Role>,
    /// A sign and the state in capitals; empty where the headline begins with the state.
    state: String,
    /// Outcome of the stream, or what it waits for.
    headline: String,
    /// The party that has to act, and the clients that fail.
    who: Option<Who>,
    /// Host, status, protocol, time to first token.
    facts: String,
    /// The key that continues from here, and what it does.
    key: Option<(String, &'static str)>,
}

/// The party that has to act, and the clients that fail.
#[derive(Debug, PartialEq, Eq)]
struct Who {
    /// Both in full.
    full: String,
    /// Without the reason of the blame.
    short: String,
}

impl Who {
    /// As much of it as a width has room for.
    fn fitted(&self, width: usize) -> String {
        if self.full.width() <= width { self.full.clone() } else { line::fit(&self.short, width) }
    }
}

/// Draws the band.
pub(super) fn draw(model: &Model, area: Rect, buf: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let band = of(model);
    let theme = model.theme();
    let text = theme.of(Role::Text);
    let title = theme.of(Role::Title);
    let first = Rect { height: 1, ..area };
    // The key is at the right: of the first line if the headline leaves room there, otherwise of the last.
    let mut right = area.right();
    let key = band.key.as_ref().filter(|_| area.width > 60);
    let key_row = match key {
        Some((key, does)) => {
            let width = |text: &str| text.width();
            let line = width(&band.state) + width(&band.headline) + width(key) + width(does) + 7;
            if line > usize::from(area.width) { area.bottom() - 1 } else { area.y }
        }
        None => area.y,
    };
    if let Some((key, does)) = key {
        let pieces = [(" ", text), (key.as_str(), title), (" ", text), (*does, text), (" ", text)];
        right = line::put_right(buf, Rect { y: key_row, ..first }, &pieces);
    }
    // How many columns of a line the key takes.
    let taken = |y: u16| if y == key_row { area.right() - right } else { 0 };
    let x = line::put(buf, first, &[(" ", text), (&band.state, title)]);
    let x = if band.state.is_empty() { x } else { x + 2 };
    let room = usize::from((area.right() - taken(area.y)).saturating_sub(x + 1));
    let width = usize::from(area.width.saturating_sub(4));
    let mut below = [band.who.as_ref().map(|who| who.fitted(width)), Some(band.facts)]
        .into_iter()
        .flatten()
        .filter(|l| !l.is_empty())
        .collect::<Vec<_>>();
    let rows = usize::from(area.height);
    let headline = headline_rows(&band.headline, room, rows.saturating_sub(below.len()).max(1));
    for (row, piece) in headline.iter().enumerate() {
        let place = Rect { x, y: area.y + row as u16, width: room as u16, height: 1 };
        line::put(buf, place, &[(piece, title)]);
    }
    let left = rows - headline.len().min(rows);
    if left == 1 && below.len() > 1 {
        below = vec![below.join("  ·  ")];
    }
    for (i, text_of) in below.iter().take(left).enumerate() {
        let y = area.y + (headline.len() + i) as u16;
        let width = (width as u16).saturating_sub(taken(y));
        let place = Rect { x: area.x + 3, y, width, height: 1 };
        line::put(buf, place, &[(&line::fit(text_of, usize::from(width)), text)]);
    }
    buf.set_style(area, theme.of(band.role.unwrap_or(Role::BandIdle)));
}

/// The headline in at most so many rows.
fn headline_rows(headline: &str, width: usize, most: usize) -> Vec<String> {
    let mut wrap = Wrap::default();
    wrap.update(headline, width.max(1));
    let rows = wrap.len().clamp(1, most);
    let row = |row: usize| {
        let mut range = wrap.line(row, headline.len());
        if row + 1 == rows {
            range.end = headline.len();
        }
        line::fit(headline[range].trim_end(), width)
    };
    (0..rows).map(row).collect()
}

/// Returns the band of the present state.
fn of(model: &Model) -> Band {
    let Some(exchange) = model.exchange() else { return idle(model) };
    let facts = facts(model, exchange);
    if exchange.is_running() {
        let accept = model.key_of(Context::Panes, Action::Accept);
        let explains = exchange.is_stalled(model.now()) && !model.is_docked();
        let key = explains.then_some((accept, "explain"));
        return Band { facts, key, ..running(exchange, model.now()) };
    }
    if exchange.is_part {
        let headline = model.opening();
        let state = "● OPENING".to_owned();
        return Band { role: Some(Role::BandRunning), state, headline, facts, ..Band::default() };
    }
    let inspection = &exchange.inspection;
    let explains = key(model, exchange);
    if !inspection.is_over() {
        return Band {
            role: Some(Role::BandDegraded),
            state: "▲ UNFINISHED".to_owned(),
            headline: "The recording ends before the stream does".to_owned(),
            who: None,
            facts,
            key: explains,
        };
    }
    let (role, state) = state(inspection);
    let headline = inspection.short_verdict();
    // A fault that a client's side shows may be the gateway's; the comparison of both sides says.
    let is_half = model.paired_call().is_some_and(|pair| pair.client == exchange.id);
    let who = who(inspection, if is_half { "Blame (this side alone)" } else { "Blame" });
    Band { role: Some(role), state, headline, who, facts, key: explains }
}

/// The state of a stream that is over, and its background. Only what was delivered whole, with an
/// answer in it, is green.
fn state(inspection: &Inspection) -> (Role, String) {
    let streamed = inspection.frames().len() > 1;
    let answer = inspection.answer();
    let answered = !answer.deltas().is_empty() || !answer.tools().is_empty();
    let (role, word) = match (inspection.reason(), inspection.outcome()) {
        (_, Outcome::Failed) => (Role::BandFailed, "✖ FAILED"),
        (Some(Reason::Cancelled), _) => (Role::BandDegraded, "■ CANCELLED"),
        (_, Outcome::Degraded) => (Role::BandDegraded, "▲ DEGRADED"),
        (_, Outcome::Ok) if !answered => (Role::BandNeutral, "■ NO ANSWER"),
        (_, Outcome::Ok) if !streamed => (Role::BandNeutral, "■ NOT STREAMED"),
        // It may have closed without its end marker, which breaks no client.
        (Some(Reason::Complete | Reason::Closed), Outcome::Ok) => (Role::BandHealthy, "✔"),
        (_, Outcome::Ok) => (Role::BandNeutral, "■ ENDED"),
    };
    (role, word.to_owned())
}

/// Before anything was sent: what can be done. On the first start, what this is.
fn idle(model: &Model) -> Band {
    let everywhere = |action| model.key_of(Context::Everywhere, action);
    if model.loading().is_some() {
        return Band {
            headline: model.opening(),
            role: Some(Role::BandRunning),
            ..Band::default()
        };
    }
    if model.file().is_some() {
        return Band { headline: "Nothing received yet".to_owned(), ..Band::default() };
    }
    let (send, help) = (everywhere(Action::Send), everywhere(Action::Help));
    if model.is_sending() {
        let headline = "Sending the request".to_owned();
        return Band { headline, role: Some(Role::BandRunning), ..Band::default() };
    }
    let panes = |action| model.key_of(Context::Panes, action);
    let (next, accept) = (panes(Action::NextProblem), panes(Action::Accept));
    let lab = model.is_lab(&model.request().draft().provider);
    let headline = match (lab, model.unset_variables()) {
        (_, Some(unset)) => unset,
        (true, None) => {
            format!("Press {send} to send this to the embedded lab; the model names what happens")
        }
        (false, None) => format!("Press {send} to send the request"),
    };
    Band {
        state: "READY".to_owned(),
        headline,
        facts: format!(
            "{next} selects the cause of a failure, {accept} explains it; {} picks a provider; \
             {help} lists every key",
            panes(Action::PickProvider),
        ),
        ..Band::default()
    }
}

/// A stream that runs: what it waits for, or how much arrived; a stall while it lasts.
fn running(exchange: &Exchange, now: Micros) -> Band {
    let inspection = &exchange.inspection;
    let silence = exchange.silence(now);
    let since = exchange.last.map_or(0, |t| now.saturating_sub(t));
    let late = inspection.head.is_none()
        && !exchange.behind
        && since >= inspection.options().slow_first_byte;
    let stalled = silence.is_some_and(|s| s.stalled) || late;
    let (role, state) = match (stalled, inspection.wire_len()) {
        (true, _) => (Role::BandStalled, "● STALLED"),
        (false, 0) => (Role::BandRunning, "● WAITING"),
        (false, _) => (Role::BandRunning, "● STREAMING"),
    };
    let headline = match silence {
        Some(silence) => silence.headline(exchange.inspection.frames().len()),
        // A wait of less than a second is not worth showing.
        None if inspection.head.is_none() && since >= 1_000_000 => {
            format!("No response headers for {} s", since / 1_000_000)
        }
        None if inspection.head.is_none() => "Waiting for the response headers".to_owned(),
        None if inspection.wire_len() == 0 => {
            "Headers received; waiting for the first byte".to_owned()
        }
        None => format!("{} of body received", count(inspection.wire_len(), "byte")),
    };
    Band { role: Some(role), state: state.to_owned(), headline, ..Band::default() }
}

/// Returns the party that has to act, and the clients that return less than the stream has.
fn who(inspection: &Inspection, blamed: &str) -> Option<Who> {
    let suffer: Vec<&str> = inspection
        .clients()
        .iter()
        .filter(|c| c.result != Returned::Ok && !c.by_design)
        .map(|c| c.client)
        .collect();
    let fails = match suffer.as_slice() {
        [] => None,
        some if some.len() <= 4 => Some(format!("Fails in {}", some.join(", "))),
        [a, b, c, rest @ ..] => Some(format!("Fails in {a}, {b}, {c}, {} more", rest.len())),
        _ => None,
    };
    let Some(blame) = inspection.blame() else {
        return fails.map(|fails| Who { full: fails.clone(), short: fails });
    };
    let short = format!("{blamed}: {} ({})", blame.party.name(), blame.confidence.name());
    let full = format!("{blamed}: {}", blame.line());
    let with = |blame: String| match &fails {
        Some(fails) => format!("{blame}  ·  {fails}"),
        None => blame,
    };
    Some(Who { full: with(full), short: with(short) })
}

/// Host, status, protocol, time to first token.
fn facts(model: &Model, exchange: &Exchange) -> String {
    let inspection = &exchange.inspection;
    let mut parts = Vec::new();
    if let Some(request) = &inspection.request {
        parts.push(if model.is_lab(&request.provider) {
            "embedded lab".to_owned()
        } else {
            host(&request.url)
        });
    }
    if let Some(head) = &inspection.head {
        let reason = http::StatusCode::from_u16(head.status).ok();
        let reason = reason.and_then(|s| s.canonical_reason()).unwrap_or("");
        let status = format!("{} {} {reason}", head.version, head.status);
        parts.push(visible(status.trim_end(), Newlines::Show).into_owned());
    }
    parts.extend(inspection.spoken());
    let timing = &inspection.timing;
    let token = [timing.first_reasoning, timing.first_content].into_iter().flatten().min();
    if let (Some(first), Some(from)) = (token, exchange.origin()) {
        parts.push(format!("TTFT {}", duration(first.saturating_sub(from))));
    }
    parts.join(" · ")
}

/// The host and port of an address.
fn host(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    preview(authority.rsplit('@').next().unwrap_or(authority), 60)
}

/// `850 µs`, `94 ms`, `3.2 s`.
fn duration(micros: Micros) -> String {
    match micros {
        0..1000 => format!("{micros} µs"),
        1000..1_000_000 => format!("{} ms", micros / 1000),
        _ => format!("{:.1} s", micros as f64 / 1e6),
    }
}

/// The key that explains the selected finding, or goes to the next problem.
fn key(model: &Model, exchange: &Exchange) -> Option<(String, &'static str)> {
    let of = |action| model.key_of(Context::Panes, action);
    if model.is_docked() {
        return None;
    }
    let (key, does) = match exchange.is_pointed() {
        true => (of(Action::Accept), "explain"),
        false if exchange.problems() > 0 => (of(Action::NextProblem), "show the cause"),
        false => return None,
    };
    (!key.is_empty()).then_some((key, does))
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn a_host_is_shown_without_credentials_and_path() {
        assert_eq!(host("https://user:pw@api.example.com:8443/v1/x?y"), "api.example.com:8443");
        assert_eq!(host("http://[::1]:4000/v1"), "[::1]:4000");
        assert_eq!(host("no address"), "no address");
    }
}
