//! Drawing the comparison: what is around the tab, and the texts.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::texts::ComparedTexts;
use super::{
    CompareAreas, CompareScreen, CompareTab, TABS, TWO_SIDES, divider, frames, halves, tables,
    texts, timeline,
};
use crate::dialect::Channel;
use crate::inspect::Severity;
use crate::inspect::compare::Expect;
use crate::text::count;
use crate::tui::model::Model;
use crate::tui::pane::frames::severity_sign;
use crate::tui::theme::Role;
use crate::tui::widget::line;
use crate::tui::widget::wrap::Wrap;

/// The rows of a tab that scroll.
pub(super) fn rows(tab: CompareTab, areas: &CompareAreas) -> Rect {
    match tab {
        CompareTab::Paths | CompareTab::Figures | CompareTab::Frames => frames::rows(areas.body),
        CompareTab::Timeline => timeline::list(areas.body),
        _ => areas.body,
    }
}

/// Returns the area of the tables of frames, heads included, if they are shown.
pub(super) fn frames_area(
    screen: &CompareScreen,
    model: &Model,
    areas: &CompareAreas,
) -> Option<Rect> {
    match screen.tab {
        CompareTab::Frames => Some(areas.body),
        CompareTab::Differences => {
            let place = tables::parts(screen, model, areas.body).frames;
            (place.height >= 3).then(|| tables::below(place))
        }
        _ => None,
    }
}

/// Returns the area of a side's text in its half.
fn text_area(half: Rect) -> Rect {
    Rect { x: half.x + 1, width: half.width.saturating_sub(2), ..half }
}

/// Returns how many rows each side of the tab has; a tab of one table has the same number twice.
pub(super) fn lengths(screen: &CompareScreen, model: &Model, areas: &CompareAreas) -> [usize; 2] {
    let compare = screen;
    let Some(computed) = model.computed() else { return [0, 0] };
    if let Some(texts) = compare.texts(model) {
        return [0, 1].map(|side| texts.docs[side].lines(text_width(side, areas)));
    }
    let len = match compare.tab {
        CompareTab::Paths => computed.paths.len(),
        CompareTab::Figures => computed.figures.len() + usize::from(computed.equal > 0),
        CompareTab::Differences => computed.comparison.differences.len(),
        CompareTab::Timeline => computed.events.len(),
        _ => 0,
    };
    [len, len]
}

/// Returns the width of a side's text; where one side is shown at a time, the whole.
fn text_width(side: usize, areas: &CompareAreas) -> u16 {
    halves(areas.body, side)[side].width.saturating_sub(2)
}

fn wraps(texts: &ComparedTexts, areas: &CompareAreas) -> [Wrap; 2] {
    [0, 1].map(|side| {
        let mut wrap = Wrap::default();
        wrap.update(&texts.docs[side].text, usize::from(text_width(side, areas)));
        wrap
    })
}

/// The line of the other side's text that belongs to the first line shown of this side's.
pub(super) fn linked_line(
    screen: &CompareScreen,
    model: &Model,
    side: usize,
    channel: Channel,
    areas: &CompareAreas,
) -> Option<usize> {
    let compare = screen;
    let texts = compare.texts(model)?;
    let wraps = wraps(texts, areas);
    let top = compare.scrolls[side].top;
    if top == 0 {
        return Some(0);
    }
    let at = wraps[side].line(top, texts.docs[side].text.len()).start;
    let frame = texts::frame_at(model.compared(side)?, channel, at)?;
    let other = screen.linked_frame(model, side, frame)?;
    Some(wraps[1 - side].line_of(texts::place_of(model.compared(1 - side)?, channel, other)))
}

/// Scrolls both texts to the next marked place, or the one before.
pub(super) fn to_mark(
    screen: &mut CompareScreen,
    model: &mut Model,
    forward: bool,
    areas: &CompareAreas,
) {
    let compare = &*screen;
    let Some(texts) = compare.texts(model) else { return };
    let lens = lengths(screen, model, areas);
    let wraps = wraps(texts, areas);
    let height = usize::from(areas.body.height);
    // The marked text is shown a little below the top edge.
    let above = height / 4;
    let side = compare.side;
    let top = |mark: &[usize; 2], side: usize| {
        let at = wraps[side].line_of(mark[side]).saturating_sub(above);
        at.min(lens[side].saturating_sub(height.max(1)))
    };
    let now = compare.scrolls[side].top;
    let marks = &texts.starts;
    let next = match forward {
        true => marks.iter().find(|m| top(m, side) > now),
        false => marks.iter().rev().find(|m| top(m, side) < now),
    };
    let Some(next) = next else {
        let text = if marks.is_empty() { "No marks" } else { "No more marks" };
        model.notify(text);
        return;
    };
    let tops = [top(next, 0), top(next, 1)];
    for (scroll, top) in screen.scrolls.iter_mut().zip(tops) {
        scroll.top = top;
    }
}

/// Returns a tab's name, with a count where that is useful.
fn name(model: &Model, tab: CompareTab, width: u16) -> String {
    let computed = model.computed();
    let marks = |n: usize| if n > 0 { format!(" {n}") } else { String::new() };
    match tab {
        CompareTab::Differences => {
            let n = computed.map_or(0, |m| m.comparison.differences.len());
            format!("{}{}", if width < 100 { "Diff" } else { "Differences" }, marks(n))
        }
        CompareTab::Frames => "Frames".to_owned(),
        CompareTab::Content => {
            format!("Content{}", marks(computed.map_or(0, |m| m.content.starts.len())))
        }
        CompareTab::Reasoning => {
            let n = computed.map_or(0, |m| m.reasoning.starts.len());
            format!("Reasoning{}", marks(n))
        }
        CompareTab::Tools => {
            format!("Tools{}", marks(computed.map_or(0, |m| m.tools.starts.len())))
        }
        CompareTab::Paths => "Paths".to_owned(),
        CompareTab::Timeline => "Timeline".to_owned(),
        CompareTab::Figures => "Figures".to_owned(),
    }
}

/// Returns the places of the tabs; the one that is shown always has one.
pub(super) fn tab_places(
    screen: &CompareScreen,
    model: &Model,
    area: Rect,
) -> Vec<(CompareTab, String, Range<u16>)> {
    let compare = screen;
    let narrow = area.width < 100;
    let names: Vec<(CompareTab, String)> =
        TABS.iter().map(|t| (*t, name(model, *t, area.width))).collect();
    let wide = |name: &str| name.width() as u16 + if narrow { 2 } else { 3 };
    let at = TABS.iter().position(|t| *t == compare.tab).unwrap_or(0);
    let mut first = 0;
    while first < at && names[first..=at].iter().map(|n| wide(&n.1)).sum::<u16>() > area.width {
        first += 1;
    }
    let mut x = area.x;
    let mut places = Vec::new();
    for (tab, name) in names.into_iter().skip(first) {
        let to = x + wide(&name);
        if to > area.right() {
            break;
        }
        places.push((tab, name, x..to));
        x = to;
    }
    places
}

impl CompareScreen {
    /// Draws the comparison in place of the panes.
    pub(super) fn draw_all(&self, model: &Model, on_top: bool, buf: &mut Buffer) {
        let Some(areas) = self.areas(model) else { return };
        self.draw_title(model, areas.title, buf);
        draw_verdict(model, areas.verdict, buf);
        draw_requests(model, areas.requests, buf);
        for (side, half) in halves(areas.sides, self.side).into_iter().enumerate() {
            self.draw_side(model, side, half, buf);
        }
        if let Some(computed) = model.computed() {
            tables::draw_strip(model, computed, areas.figures, buf);
        }
        self.draw_tabs(model, areas.tabs, buf);
        self.draw_body(model, on_top, areas.body, buf);
    }

    fn draw_title(&self, model: &Model, area: Rect, buf: &mut Buffer) {
        let theme = model.theme();
        line::put(buf, area, &[(&"─".repeat(area.width.into()), theme.of(Role::Line))]);
        let computed = model.computed();
        let texts = self.texts(model).is_some();
        let text = match computed.map(|m| m.comparison.expect) {
            Some(Expect::Same) => " expected to be one stream ",
            Some(Expect::Different) if texts => " independent streams: not marked ",
            Some(Expect::Different) => " independent streams ",
            None => "",
        };
        let text = if area.width < TWO_SIDES { "" } else { text };
        let room = Rect { width: area.width.saturating_sub(1), ..area };
        line::put_right(buf, room, &[(text, theme.of(Role::Dim))]);
        let left = Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area };
        let title = theme.of(Role::Title);
        let name = if area.width < TWO_SIDES { " A and B " } else { " A and B compared " };
        let ours = if area.width < TWO_SIDES { "" } else { " sselens " };
        let rule = if ours.is_empty() { "" } else { "──" };
        line::put(buf, left, &[(ours, title), (rule, theme.of(Role::Line)), (name, title)]);
    }

    /// Draws which exchange is on a side, and what became of it.
    fn draw_side(&self, model: &Model, side: usize, area: Rect, buf: &mut Buffer) {
        if area.is_empty() {
            return;
        }
        let theme = model.theme();
        let active = self.side == side;
        let (rule, role) = if active { ("━", Role::Focus) } else { ("─", Role::Line) };
        line::put(buf, area, &[(&rule.repeat(area.width.into()), theme.of(role))]);
        let letter = if side == 0 { " A " } else { " B " };
        let Some(exchange) = model.compared(side) else {
            line::put(
                buf,
                Rect { x: area.x + 1, width: area.width - 1, ..area },
                &[(letter, theme.of(Role::Title)), ("not begun ", theme.of(Role::Dim))],
            );
            return;
        };
        let (sign, word, role) = exchange.mark();
        let frames = count(exchange.inspection.frames().len() as u64, "frame");
        let frames = if area.width < 50 { String::new() } else { format!("· {frames} ") };
        let state = [(format!(" {sign} {word} "), theme.of(role)), (frames, theme.of(Role::Text))];
        let state: Vec<_> = state.iter().map(|(t, s)| (t.as_str(), *s)).collect();
        let room = Rect { width: area.width.saturating_sub(1), ..area };
        let edge = line::put_right(buf, room, &state);
        let left = Rect { x: area.x + 1, width: edge.saturating_sub(area.x + 2), ..area };
        let room = usize::from(left.width).saturating_sub(4);
        let parts = whom(model, side, room);
        let pieces = [
            (letter, theme.of(if active { Role::Focus } else { Role::Title })),
            (parts.as_str(), theme.of(Role::Text)),
            (" ", theme.of(Role::Text)),
        ];
        line::put(buf, left, &pieces);
    }

    fn draw_tabs(&self, model: &Model, area: Rect, buf: &mut Buffer) {
        let compare = self;
        let theme = model.theme();
        line::put(buf, area, &[(&"─".repeat(area.width.into()), theme.of(Role::Line))]);
        let mut end = area.x;
        for (tab, name, place) in tab_places(self, model, area) {
            let style = theme.of(if tab == compare.tab { Role::Tab } else { Role::Dim });
            let blank = theme.of(Role::Text);
            let room = Rect { x: place.start, width: place.end - place.start, ..area };
            end = line::put(buf, room, &[(" ", blank), (&name, style), (" ", blank)]);
        }
        let note = match compare.tab {
            CompareTab::Frames | CompareTab::Content | CompareTab::Reasoning => {
                compare.link.name().to_owned()
            }
            CompareTab::Differences if area.width >= 100 => compare.link.name().to_owned(),
            _ => String::new(),
        };
        if !note.is_empty() {
            let x = end + 1;
            let room = Rect { x, width: area.right().saturating_sub(x + 1), ..area };
            line::put_right(buf, room, &[(&format!(" {note} "), theme.of(Role::Dim))]);
        }
    }

    fn draw_body(&self, model: &Model, on_top: bool, area: Rect, buf: &mut Buffer) {
        let compare = self;
        let Some(computed) = model.computed().filter(|_| !area.is_empty()) else { return };
        match compare.tab {
            CompareTab::Differences => {
                tables::draw_differences(self, model, on_top, (computed, area), buf)
            }
            CompareTab::Paths => tables::draw_paths(self, model, computed, area, buf),
            CompareTab::Figures => tables::draw_figures(self, model, computed, area, buf),
            CompareTab::Timeline => timeline::draw(self, model, computed, area, buf),
            CompareTab::Frames => {
                divider(model, area, buf);
                frames::draw(self, model, on_top, area, buf);
            }
            CompareTab::Content | CompareTab::Reasoning | CompareTab::Tools => {
                divider(model, area, buf);
                self.draw_texts(model, area, buf);
            }
        }
    }

    fn draw_texts(&self, model: &Model, area: Rect, buf: &mut Buffer) {
        let compare = self;
        let Some(texts) = compare.texts(model) else { return };
        for (side, half) in halves(area, compare.side).into_iter().enumerate() {
            let place = text_area(half);
            if half.is_empty() || place.is_empty() {
                continue;
            }
            let doc = &texts.docs[side];
            if doc.text.is_empty() {
                let words = match compare.tab {
                    CompareTab::Content => "No content",
                    CompareTab::Reasoning => "No reasoning",
                    _ => "No tool calls",
                };
                line::put(buf, place, &[(words, model.theme().of(Role::Dim))]);
                continue;
            }
            let top = compare.scrolls[side].top;
            doc.draw_over(model.theme(), top, &texts.marks[side], place, buf);
        }
    }

    /// Keeps what is shown inside what there is.
    pub(super) fn settle_all(&mut self, model: &Model) {
        self.catch_up(model);
        let Some(areas) = self.areas(model) else { return };
        if let Some(place) = frames_area(self, model, &areas) {
            self.settle_frames(model, place);
        }
        let lens = lengths(self, model, &areas);
        let list = tables::list(self, model, areas.body);
        if self.tab == CompareTab::Differences {
            self.scrolls[0].reveal(self.difference, usize::from(list.height), lens[0]);
            return;
        }
        let height = usize::from(rows(self.tab, &areas).height);
        for (scroll, len) in self.scrolls.iter_mut().zip(lens) {
            scroll.clamp(height, len);
        }
    }
}

fn draw_verdict(model: &Model, area: Rect, buf: &mut Buffer) {
    let theme = model.theme();
    let computed = model.computed();
    let (sign, text, role) = match computed {
        None => {
            let text = match model.comparison_progress() {
                Some(permille) => format!("Comparing… {} %", permille / 10),
                None => "Waiting for both to begin".to_owned(),
            };
            ("●", text, Role::Running)
        }
        // Nothing is final while a call still runs.
        Some(computed) if model.comparison_runs() => {
            let so_far = computed.comparison.differences.len() as u64;
            ("●", format!("Both so far: {}", count(so_far, "difference")), Role::Running)
        }
        Some(computed) => {
            // Two calls that failed alike, or were stopped, are equal but not OK.
            let well = |side| model.compared(side).is_some_and(|e| e.mark().2 == Role::Ok);
            let (sign, role) = match computed.comparison.worst().unwrap_or(Severity::Info) {
                Severity::Info if well(0) && well(1) => ("✔", Role::Ok),
                worst => severity_sign(Some(worst)),
            };
            (sign, computed.comparison.verdict_and_blame(), role)
        }
    };
    line::put(buf, area, &[(" ", theme.of(Role::Text)), (sign, theme.of(role))]);
    let place = Rect { x: area.x + 3, width: area.width.saturating_sub(4), height: 1, ..area };
    let mut wrap = Wrap::default();
    wrap.update(&text, place.width.into());
    let style = theme.of(Role::Title);
    // Who has to act is what the screen is for: it has the last line where the verdict would take all.
    let blame = computed.and_then(|computed| computed.comparison.blame.as_ref());
    let blame = blame.filter(|_| role != Role::Running && area.height > 1);
    let blame = blame.filter(|_| wrap.len() > area.height.into());
    let mut rows = area.height;
    let mut text = text;
    if let (Some(blame), Some(computed)) = (blame, computed) {
        rows -= 1;
        text.clone_from(&computed.comparison.verdict);
        wrap.update(&text, place.width.into());
        let line = format!("Blame: {}", blame.line());
        let line = line::fit(&line, place.width.into());
        line::put(buf, Rect { y: place.y + rows, ..place }, &[(&line, style)]);
    }
    for row in 0..rows {
        let mut range = wrap.line(row.into(), text.len());
        if row + 1 == rows {
            range.end = text.len();
        }
        let piece = line::fit(text[range].trim_end(), place.width.into());
        line::put(buf, Rect { y: place.y + row, ..place }, &[(&piece, style)]);
    }
    buf.set_style(area, theme.of(band(role)));
}

/// The background of a verdict in that role.
fn band(role: Role) -> Role {
    match role {
        Role::Ok => Role::BandHealthy,
        Role::Warn => Role::BandDegraded,
        Role::Error | Role::Fatal => Role::BandFailed,
        Role::Running => Role::BandRunning,
        _ => Role::BandNeutral,
    }
}

/// That there are two requests, and what they differ in.
fn draw_requests(model: &Model, area: Rect, buf: &mut Buffer) {
    let Some(parts) = model.compared_requests() else { return };
    let theme = model.theme();
    let label = "two requests: ";
    let parts = line::fit(parts, usize::from(area.width).saturating_sub(label.len() + 4));
    let area = Rect { x: area.x + 3, width: area.width.saturating_sub(4), ..area };
    let pieces = [(label, theme.of(Role::Label)), (parts.as_str(), theme.of(Role::Text))];
    line::put(buf, area, &pieces);
}

/// Returns which exchange is on a side, as far as there is room: the provider, the model, the dialect; if not
/// all fits, what distinguishes the sides.
fn whom(model: &Model, side: usize, room: usize) -> String {
    let Some(exchange) = model.compared(side) else { return String::new() };
    let title = exchange.title();
    let provider =
        exchange.inspection.request.as_ref().map(|r| r.provider.as_str()).unwrap_or_default();
    let provider = crate::text::preview(provider, 40);
    let dialect = exchange.inspection.spoken().unwrap_or_default();
    let joined = |parts: &[&str]| {
        let some: Vec<_> = parts.iter().copied().filter(|p| !p.is_empty()).collect();
        some.join(" · ")
    };
    let same = model.compared(1 - side).is_some_and(|other| other.title() == title);
    let last = if same && !provider.is_empty() { provider.clone() } else { title.clone() };
    let all = [joined(&[&provider, &title, &dialect]), joined(&[&provider, &title])];
    let fits = all.into_iter().find(|t| t.width() <= room);
    fits.unwrap_or_else(|| line::fit_middle(&last, room))
}
