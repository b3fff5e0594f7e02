//! Drawing the screen: the lines around the panes, and then each pane.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use unicode_width::UnicodeWidthStr;

use super::App;
use super::exchange::Exchange;
use super::layout::{Areas, MIN};
use super::overlay::Overlay;
use super::pane::{PaneId, timeline_bar};
use super::theme::Role;
use super::widget::line;
use super::widget::wrap::Wrap;
use crate::action::{Action, Context};
use crate::text::count;

impl App {
    /// Draws everything. Nothing but caches changes: a second drawing is equal.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) {
        buf.set_style(area, self.theme.of(Role::Text));
        let areas = self.areas();
        if areas.too_small || area != self.size {
            let said = format!(
                "terminal too small: {}×{}, need {}×{}",
                area.width, area.height, MIN.0, MIN.1
            );
            // Narrower than the sentence: as much of it as there is room for, line by line.
            let chars: Vec<char> = said.chars().collect();
            for (y, piece) in chars.chunks(usize::from(area.width.max(1))).enumerate() {
                if y < usize::from(area.height) {
                    let row = Rect { y: area.y + y as u16, height: 1, ..area };
                    let piece: String = piece.iter().collect();
                    line::put(buf, row, &[(&piece, self.theme.of(Role::Text))]);
                }
            }
            self.without_color(area, buf);
            return;
        }
        if self.compare.is_some() {
            self.draw_compare(buf);
            self.draw_overlays(buf);
            self.without_color(area, buf);
            return;
        }
        self.draw_title(areas.title, buf);
        self.draw_verdict(areas.verdict, buf);
        self.draw_tabs(areas.tabs, buf);
        for pane in PaneId::ALL {
            let place = areas.pane(pane);
            if !place.is_empty() {
                (pane.pane().draw)(self, place, buf);
            }
        }
        self.draw_divider(&areas, buf);
        self.draw_strip(areas.strip, buf);
        self.draw_footer(areas.footer, buf);
        self.draw_overlays(buf);
        self.without_color(area, buf);
    }

    /// `NO_COLOR`: attributes stay, colors go.
    fn without_color(&self, area: Rect, buf: &mut Buffer) {
        if self.theme.color {
            return;
        }
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                if let Some(cell) = buf.cell_mut((x, y)) {
                    cell.fg = Color::Reset;
                    cell.bg = Color::Reset;
                    cell.underline_color = Color::Reset;
                }
            }
        }
    }

    fn draw_title(&self, area: Rect, buf: &mut Buffer) {
        let theme = &self.theme;
        let rule = theme.of(Role::Line);
        line::put(buf, area, &[(&"─".repeat(usize::from(area.width)), rule)]);
        let mut right = self.state();
        if self.exchanges.len() > 1 && area.width >= 70 {
            let which = format!("{} of {} ", self.shown + 1, self.exchanges.len());
            right.insert(0, (which, Role::Dim));
        }
        let mut pieces: Vec<(&str, _)> = vec![(" ", theme.of(Role::Text))];
        pieces.extend(right.iter().map(|(t, r)| (t.as_str(), theme.of(*r))));
        pieces.push((" ", theme.of(Role::Text)));
        let x = line::put_right(buf, Rect { width: area.width.saturating_sub(1), ..area }, &pieces);
        let left = Rect { x: area.x + 1, width: x.saturating_sub(area.x + 2), ..area };
        let name = self.exchange().map(|e| {
            let dialect = e.seen.spoken().unwrap_or_default();
            let file = e.file.as_deref().or(self.file.as_deref().filter(|_| !e.live));
            let title = match file {
                Some(file) => crate::text::preview(file, 60),
                None => e.title(),
            };
            (title, dialect)
        });
        let (title, dialect) = name.unwrap_or_else(|| {
            let waits = self.file.as_deref().map(|f| crate::text::preview(f, 60));
            (waits.unwrap_or_else(|| self.request.draft.model.clone()), String::new())
        });
        let title = crate::text::preview(&title, 80);
        // Where room is scarce the name of what is shown matters more than ours.
        let ours = if area.width < 70 { " " } else { " sselens ── " };
        let room = usize::from(left.width).saturating_sub(ours.width() + 1);
        let suffix = if dialect.is_empty() { String::new() } else { format!(" · {dialect}") };
        let full = title.width() + suffix.width() <= room;
        let title = line::fit_middle(&title, room);
        line::put(
            buf,
            left,
            &[
                (ours.trim_end_matches("── "), theme.of(Role::Title)),
                (if ours.len() > 1 { "── " } else { "" }, rule),
                (&title, theme.of(Role::Text)),
                (if full { &suffix } else { "" }, theme.of(Role::Dim)),
                (" ", theme.of(Role::Text)),
            ],
        );
    }

    /// What the stream does: a sign, a word, how many frames, how long.
    fn state(&self) -> Vec<(String, Role)> {
        if let Some(told) = self.repeat_state() {
            return vec![(told, Role::Running)];
        }
        if let Some(loading) = &self.loading {
            return vec![(format!("● opening {} %", loading.permille / 10), Role::Running)];
        }
        let Some(exchange) = self.exchange() else {
            let word = if self.sending { "● sending" } else { "ready" };
            let role = if self.sending { Role::Running } else { Role::Dim };
            return vec![(word.to_owned(), role)];
        };
        let seen = &exchange.seen;
        let (sign, word, role) = match exchange.mark() {
            _ if self.sending && !seen.is_over() => ("●", "sending", Role::Running),
            mark => mark,
        };
        let mut told = vec![(format!("{sign} {word}"), role)];
        let frames = seen.frames().len() as u64;
        told.push(match self.size.width {
            0..60 => (format!(" {}", crate::text::group(frames)), Role::Text),
            _ => (format!("  {}", count(frames, "frame")), Role::Text),
        });
        if let Some(seconds) = elapsed(exchange, self.now) {
            told.push((format!(" · {seconds} s"), Role::Text));
        }
        told
    }

    fn draw_verdict(&self, area: Rect, buf: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        let (sign, text, role) = self.verdict();
        let theme = &self.theme;
        line::put(buf, area, &[(" ", theme.of(Role::Text)), (sign, theme.of(role))]);
        let place = Rect { x: area.x + 3, width: area.width.saturating_sub(4), height: 1, ..area };
        let width = usize::from(place.width);
        let style = theme.of(if sign == " " { Role::Dim } else { Role::Text });
        let mut wrap = Wrap::default();
        wrap.update(&text, width);
        for row in 0..area.height {
            let mut range = wrap.line(usize::from(row), text.len());
            if row + 1 == area.height {
                range.end = text.len();
            }
            let place = Rect { y: place.y + row, ..place };
            line::put(buf, place, &[(&line::fit(text[range].trim_end(), width), style)]);
        }
    }

    /// One sentence on how it stands.
    fn verdict(&self) -> (&'static str, String, Role) {
        let Some(exchange) = self.exchange() else {
            let send = self.keys.key_for(&[Context::Everywhere], Action::Send).unwrap_or_default();
            let text = match self.file {
                _ if self.loading.is_some() => self.opening(),
                Some(_) => "Nothing has come yet.".to_owned(),
                None => format!("A request is ready. {send} sends it."),
            };
            return (" ", text, Role::Dim);
        };
        let seen = &exchange.seen;
        if exchange.is_running() {
            let silence = exchange.silence(self.now);
            // Before the head there is no silence yet, only a wait.
            let since = exchange.last.map_or(0, |t| self.now.saturating_sub(t));
            let waits = match silence {
                Some(silence) => format!(" {}", silence.sentence()),
                // Below a second a wait is no news.
                None if seen.head.is_none() && since >= 1_000_000 => {
                    format!(" Nothing came for {} s.", since / 1_000_000)
                }
                None => String::new(),
            };
            let text = match seen.wire_len() {
                0 if seen.head.is_none() => format!("Waiting for the head of the answer.{waits}"),
                0 => format!("The head is there; waiting for the first byte.{waits}"),
                n => format!("{} of body so far.{waits}", count(n, "byte")),
            };
            let late = since >= seen.options().slow_first_byte && seen.head.is_none();
            let stalled = silence.is_some_and(|s| s.stalled) || late;
            let role = if stalled { Role::Warn } else { Role::Running };
            return ("●", text, role);
        }
        let (sign, _, role) = exchange.mark();
        if seen.is_over() {
            (sign, seen.verdict(), role)
        } else {
            (sign, "The recording ends before the stream does.".to_owned(), role)
        }
    }

    /// How far the recording is that is being opened.
    pub(super) fn opening(&self) -> String {
        let Some(loading) = &self.loading else { return String::new() };
        let name = crate::text::preview(&loading.name, 60);
        let stop = self.keys.key_for(&[Context::Everywhere], Action::Interrupt).unwrap_or_default();
        format!("Opening {name}: {} %. {stop} stops.", loading.permille / 10)
    }

    fn draw_tabs(&self, area: Rect, buf: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        let theme = &self.theme;
        for (pane, from, to) in tab_bar(area, self.focus) {
            let place = Rect { x: from, width: to - from, ..area };
            let focused = pane == self.focus;
            let name = theme.of(if focused { Role::Tab } else { Role::Dim });
            let number = format!(" {} ", pane as usize + 1);
            let title = tab_title(pane, area.width);
            line::put(buf, place, &[(&number, theme.of(Role::Label)), (title, name)]);
        }
    }

    /// The line between the request and the rest, joined to the headers that touch it.
    fn draw_divider(&self, areas: &Areas, buf: &mut Buffer) {
        let area = areas.divider;
        let style = self.theme.of(Role::Line);
        let is_rule = |buf: &Buffer, x: u16, y: u16| {
            buf.cell((x, y)).is_some_and(|c| matches!(c.symbol(), "─" | "━"))
        };
        for y in area.top()..area.bottom() {
            let left = area.x > 0 && is_rule(buf, area.x - 1, y);
            let right = is_rule(buf, area.x + 1, y);
            let sign = match (left, right, y == area.top()) {
                (true, true, true) => "┬",
                (true, true, false) => "┼",
                (true, false, _) => "┤",
                (false, true, _) => "├",
                (false, false, _) => "│",
            };
            buf.set_string(area.x, y, sign, style);
        }
        if !area.is_empty() {
            let below = (area.x, area.bottom());
            if is_rule(buf, below.0, below.1)
                && let Some(cell) = buf.cell_mut(below)
            {
                let heavy = cell.symbol() == "━";
                cell.set_symbol(if heavy { "┷" } else { "┴" });
            }
        }
    }

    fn draw_strip(&self, area: Rect, buf: &mut Buffer) {
        let Some(exchange) = self.exchange() else { return };
        if area.is_empty() {
            return;
        }
        let label = " time ";
        let x = line::put(buf, area, &[(label, self.theme.of(Role::Label))]);
        let bar = Rect { x, width: area.right().saturating_sub(x + 1), ..area };
        timeline_bar::draw(self, exchange, bar, buf);
    }

    pub(super) fn draw_footer(&self, area: Rect, buf: &mut Buffer) {
        let theme = &self.theme;
        if let Some(message) = &self.message {
            let (sign, role) = if message.bad { ("✖ ", Role::Error) } else { ("", Role::Text) };
            // The way to every other key stays in sight.
            let help = self.keys.key_for(&self.contexts(), Action::Help).unwrap_or_default();
            let keys = [
                ("  ", theme.of(Role::Text)),
                (&*help, theme.of(Role::Key)),
                (" ", theme.of(Role::Text)),
                (Action::Help.short(), theme.of(Role::Dim)),
                (" ", theme.of(Role::Text)),
            ];
            let edge =
                if help.is_empty() { area.right() } else { line::put_right(buf, area, &keys) };
            let area = Rect { width: edge - area.x, ..area };
            let taken = if message.bad { 3 } else { 1 };
            let text = line::fit(&message.text, usize::from(area.width).saturating_sub(taken));
            line::put(
                buf,
                area,
                &[(" ", theme.of(Role::Text)), (sign, theme.of(role)), (&text, theme.of(role))],
            );
            return;
        }
        let contexts = self.contexts();
        let mut x = area.x;
        for action in self.offered() {
            let Some(key) = self.keys.key_for(&contexts, action) else { continue };
            // One key has two meanings; only one of them counts now.
            let label = match action {
                Action::Interrupt if self.only_piped() => "quit",
                Action::Interrupt if self.is_running() || self.loading.is_some() => "stop",
                Action::Accept if contexts.first() == Some(&Context::Prompt) => "confirm",
                _ => action.short(),
            };
            let wide = (key.width() + label.width() + 2 + 2) as u16;
            // What does not fit whole is left out, not cut.
            if x + wide > area.right() {
                continue;
            }
            let place = Rect { x, width: wide, ..area };
            line::put(
                buf,
                place,
                &[
                    (" ", theme.of(Role::Text)),
                    (&key, theme.of(Role::Key)),
                    (" ", theme.of(Role::Text)),
                    (label, theme.of(Role::Dim)),
                ],
            );
            x += wide;
        }
    }

    /// The actions that the footer offers now, the most useful first.
    fn offered(&self) -> Vec<Action> {
        let contexts = self.contexts();
        match contexts.first() {
            Some(Context::List) => {
                return vec![Action::Accept, Action::Back, Action::Down, Action::Up];
            }
            Some(Context::Text) => {
                let mut offered = vec![Action::Back, Action::Down, Action::PageDown];
                // The keys and other texts have no next one.
                if matches!(self.overlays.last(), Some(Overlay::Reading(r)) if r.explains()) {
                    offered.push(Action::NextProblem);
                }
                return offered;
            }
            Some(Context::Translation) => {
                return vec![Action::Translate, Action::KeepBody, Action::Back, Action::Down];
            }
            Some(Context::Repetition) => {
                let first = if self.is_repeating() { Action::Interrupt } else { Action::Repeat };
                let rest = [Action::Back, Action::ExportMarkdown, Action::Down, Action::Up];
                return [Action::Accept, first].into_iter().chain(rest).collect();
            }
            Some(Context::Compare) => {
                let first = if self.is_running() { Action::Interrupt } else { Action::NextTab };
                let rest = [
                    Action::Help,
                    Action::Back,
                    Action::NextProblem,
                    Action::ExpectSame,
                    Action::SwapSides,
                    Action::LinkSides,
                    Action::Copy,
                    Action::ExportMarkdown,
                    Action::Send,
                    Action::Explain,
                    Action::Compare,
                ];
                return [first].into_iter().chain(rest).collect();
            }
            Some(Context::Prompt) => return vec![Action::Accept, Action::Back],
            Some(Context::Confirm) => return vec![Action::Yes, Action::No],
            Some(Context::Editor) => {
                let f =
                    [Action::Send, Action::Back, Action::FormatBody, Action::Undo, Action::Redo];
                return f.to_vec();
            }
            _ => {}
        }
        let mut offered = Vec::new();
        offered.push(if self.is_running() { Action::Interrupt } else { Action::Send });
        offered.extend([Action::Help, Action::NextPane]);
        offered.extend(self.focus.pane().footer);
        if self.exchanges.len() > 1 {
            offered.push(Action::History);
        }
        offered.extend([Action::Zoom, Action::SaveSession, Action::Palette, Action::Quit]);
        let mut once = Vec::new();
        for action in offered {
            if !once.contains(&action) {
                once.push(action);
            }
        }
        once
    }
}

/// Seconds from the request to the end, or to now.
fn elapsed(exchange: &Exchange, now: u64) -> Option<String> {
    let from = exchange.origin()?;
    let to = match exchange.seen.timing.end {
        Some(end) => end,
        None if exchange.live => now,
        None => exchange.last?,
    };
    let micros = to.saturating_sub(from);
    // A running clock in milliseconds is only noise.
    Some(match exchange.is_running() {
        true => format!("{:.1}", micros as f64 / 1e6),
        false => line::seconds(micros),
    })
}

/// A pane's name in the tab bar.
fn tab_title(pane: PaneId, width: u16) -> &'static str {
    match (pane, width < 60) {
        (PaneId::Request, true) => "Req",
        (PaneId::Timeline, true) => "Time",
        (PaneId::Answer, true) => "Ans",
        _ => pane.pane().title,
    }
}

/// Where the names stand in the tab bar; the one in focus always does.
fn tab_bar(area: Rect, focus: PaneId) -> Vec<(PaneId, u16, u16)> {
    let gap = if area.width < 60 { 3 } else { 4 };
    let wide = |pane: PaneId| tab_title(pane, area.width).width() as u16 + gap;
    let mut first = 0;
    let upto = |first: usize| PaneId::ALL[first..=focus as usize].iter().map(|p| wide(*p)).sum();
    while first < focus as usize && area.width < upto(first) {
        first += 1;
    }
    let mut x = area.x;
    let mut places = Vec::new();
    for pane in &PaneId::ALL[first..] {
        let to = x + wide(*pane);
        // The blank after the last name may be missing.
        if to > area.right() + 1 {
            break;
        }
        places.push((*pane, x, to.min(area.right())));
        x = to;
    }
    places
}

/// The pane whose name stands at a column of the tab bar.
pub(super) fn tab_at(app: &App, area: Rect, x: u16) -> Option<PaneId> {
    tab_bar(area, app.focus)
        .into_iter()
        .find(|(_, from, to)| (*from..*to).contains(&x))
        .map(|t| t.0)
}
