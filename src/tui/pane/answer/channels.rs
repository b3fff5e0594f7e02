//! The channels side by side, as they have been joined so far.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::AnswerPane;
use crate::action::Action;
use crate::dialect::Channel;
use crate::tui::model::{Exchange, Model};
use crate::tui::pane::Canvas;
use crate::tui::theme::Role;
use crate::tui::widget::line;
use crate::tui::widget::text::{Mark, Text};
use crate::tui::widget::wrap::Wrap;

/// Width below which the channels are one above the other.
const SIDE_BY_SIDE: u16 = 50;

/// One channel's place.
#[derive(Clone, Copy)]
struct Column {
    channel: Channel,
    head: Rect,
    text: Rect,
}

/// The channels that are shown: content and reasoning always, for that one of them is empty is
/// half of all questions; the others when they have text.
fn shown(exchange: &Exchange, area: Rect) -> Vec<Channel> {
    let answer = exchange.inspection.answer();
    let narrow = area.width < SIDE_BY_SIDE;
    let mut shown: Vec<Channel> =
        [Channel::Content, Channel::Reasoning, Channel::Refusal, Channel::Other]
            .into_iter()
            .filter(|c| {
                let always = matches!(c, Channel::Content | Channel::Reasoning) && !narrow;
                always || answer.has(*c)
            })
            .collect();
    if shown.is_empty() {
        shown.push(Channel::Content);
    }
    shown
}

fn columns(exchange: &Exchange, area: Rect) -> Vec<Column> {
    let channels = shown(exchange, area);
    let n = channels.len() as u16;
    let stacked = area.width < SIDE_BY_SIDE;
    let place = |i: u16| {
        if stacked {
            let height = area.height / n;
            let last = if i + 1 == n { area.height - height * n } else { 0 };
            Rect { y: area.y + i * height, height: height + last, ..area }
        } else {
            let width = area.width / n;
            let last = if i + 1 == n { area.width - width * n } else { 0 };
            Rect { x: area.x + i * width, width: width + last, ..area }
        }
    };
    let column = |(i, channel): (usize, Channel)| {
        let all = place(i as u16);
        let rows = if all.height >= 5 { 2 } else { 1 }.min(all.height);
        let head = Rect { height: rows, ..all };
        // A blank column on either side; the right one may hold the divider.
        let text = Rect {
            x: all.x + 1,
            y: all.y + rows,
            width: all.width.saturating_sub(2),
            height: all.height - rows,
        };
        Column { channel, head, text }
    };
    channels.into_iter().enumerate().map(column).collect()
}

/// Hands a channel's lines to `use_it`.
fn with_wrap<T>(
    pane: &AnswerPane,
    model: &Model,
    exchange: &Exchange,
    column: Column,
    use_it: impl FnOnce(&str, &Wrap) -> T,
) -> T {
    let text = exchange.text(column.channel);
    let mut wraps = pane.wraps.borrow_mut();
    let wrap = wraps.entry((model.shown(), column.channel, exchange.choice)).or_default();
    let is_whole = wrap.update_some(text, usize::from(column.text.width));
    pane.is_behind.set(pane.is_behind.get() || !is_whole);
    use_it(text, wrap)
}

fn len(pane: &AnswerPane, model: &Model, exchange: &Exchange, column: Column) -> usize {
    with_wrap(pane, model, exchange, column, |_, wrap| wrap.len())
}

fn line_of(
    pane: &AnswerPane,
    model: &Model,
    exchange: &Exchange,
    column: Column,
    at: usize,
) -> usize {
    with_wrap(pane, model, exchange, column, |_, wrap| wrap.line_of(at))
}

/// The column of the keys: the chosen one, or one that has text.
fn current(pane: &AnswerPane, exchange: &Exchange, area: Rect) -> Option<Column> {
    let columns = columns(exchange, area);
    let chosen = columns.iter().find(|c| c.channel == pane.channel);
    let full = columns.iter().find(|c| !exchange.text(c.channel).is_empty());
    chosen.filter(|c| !exchange.text(c.channel).is_empty()).or(full).or(columns.first()).copied()
}

pub(super) fn settle(pane: &mut AnswerPane, model: &mut Model, area: Rect) {
    let Some(exchange) = model.exchange() else { return };
    let moved = pane.shown != Some((model.shown(), exchange.frame));
    let mut places = Vec::new();
    for column in columns(exchange, area) {
        let height = usize::from(column.text.height);
        let mut scroll = pane.scrolls.get(&column.channel).copied().unwrap_or_default();
        let lines = len(pane, model, exchange, column);
        match exchange.selected_range(column.channel) {
            _ if exchange.follow => scroll.bottom(height, lines),
            Some(range) if moved => {
                let (first, last) = (
                    line_of(pane, model, exchange, column, range.start),
                    line_of(
                        pane,
                        model,
                        exchange,
                        column,
                        range.end.saturating_sub(1).max(range.start),
                    ),
                );
                scroll.reveal(last, height, lines);
                scroll.reveal(first, height, lines);
            }
            _ => scroll.clamp(height, lines),
        }
        places.push((column.channel, scroll));
    }
    let frame = exchange.frame;
    pane.scrolls.extend(places);
    // Text that is not laid out yet is brought into view later.
    if !pane.is_behind.get() {
        pane.shown = Some((model.shown(), frame));
    }
}

pub(super) fn next_choice(pane: &mut AnswerPane, model: &mut Model) {
    let Some(exchange) = model.exchange_mut() else { return };
    let choices: Vec<u32> = exchange.inspection.answer().choices().iter().copied().collect();
    let next = choices.iter().find(|c| **c > exchange.choice).or(choices.first());
    exchange.choice = next.copied().unwrap_or(0);
    pane.shown = None;
}

pub(super) fn act(
    pane: &mut AnswerPane,
    model: &mut Model,
    action: Action,
    by: isize,
    area: Rect,
) -> bool {
    let Some(exchange) = model.exchange() else { return false };
    let Some(column) = current(pane, exchange, area) else { return false };
    match action {
        Action::Accept => {
            let columns = columns(exchange, area);
            let at = columns.iter().position(|c| c.channel == column.channel).unwrap_or(0);
            pane.channel = columns[(at + 1) % columns.len()].channel;
            return true;
        }
        Action::Bottom => {
            if let Some(exchange) = model.exchange_mut() {
                exchange.follow();
            }
            return true;
        }
        Action::Left | Action::Right => {
            let to = neighbor(exchange, column.channel, action == Action::Right);
            if let (Some(to), Some(exchange)) = (to, model.exchange_mut()) {
                exchange.select(to as usize);
            }
            return true;
        }
        _ if by == 0 => return false,
        _ => {}
    }
    // The cursor in the text is the selected delta: move by lines, and take the delta there.
    let text = exchange.text(column.channel);
    if text.is_empty() {
        return true;
    }
    let scroll = pane.scrolls.get(&column.channel).copied().unwrap_or_default();
    let to = with_wrap(pane, model, exchange, column, |text, wrap| {
        let at = exchange.selected_range(column.channel).map(|r| r.start);
        let line = at.map_or(scroll.top, |at| wrap.line_of(at));
        let from = wrap.line(line, text.len()).start;
        let column = at.map_or(0, |at| {
            text.get(from..at)
                .map_or(0, |t| t.chars().map(crate::tui::widget::wrap::char_width).sum())
        });
        let line = line.saturating_add_signed(by).min(wrap.len() - 1);
        wrap.offset_at(text, line, column)
    });
    select_at(model, column.channel, to);
    true
}

/// The frame of the next (or previous) delta of a channel.
fn neighbor(exchange: &Exchange, channel: Channel, forward: bool) -> Option<u32> {
    let answer = exchange.inspection.answer();
    let deltas = answer.deltas();
    let mine = |d: &crate::inspect::Delta| {
        d.channel == channel && d.choice == exchange.choice && !d.duplicate
    };
    let frame = exchange.frame.unwrap_or(0);
    if forward {
        let from = deltas.partition_point(|d| d.frame <= frame);
        deltas.range(from..deltas.len()).find(mine).map(|d| d.frame)
    } else {
        let to = deltas.partition_point(|d| d.frame < frame);
        deltas.range(0..to).rfind(mine).map(|d| d.frame)
    }
}

fn select_at(model: &mut Model, channel: Channel, at: usize) {
    let Some(exchange) = model.exchange_mut() else { return };
    let frame =
        exchange.inspection.answer().delta_at(channel, exchange.choice, at).map(|d| d.frame);
    if let Some(frame) = frame {
        exchange.select(frame as usize);
    }
}

pub(super) fn click(pane: &mut AnswerPane, model: &mut Model, at: Position, area: Rect) {
    let Some(exchange) = model.exchange() else { return };
    let Some(column) =
        columns(exchange, area).into_iter().find(|c| c.head.union(c.text).contains(at))
    else {
        return;
    };
    pane.channel = column.channel;
    if !column.text.contains(at) {
        return;
    }
    let Some(exchange) = model.exchange() else { return };
    let top = pane.scrolls.get(&column.channel).copied().unwrap_or_default().top;
    let line = top + usize::from(at.y - column.text.y);
    let offset = with_wrap(pane, model, exchange, column, |text, wrap| {
        (line < wrap.len()).then(|| wrap.offset_at(text, line, usize::from(at.x - column.text.x)))
    });
    if let Some(offset) = offset {
        select_at(model, column.channel, offset);
    }
}

pub(super) fn wheel(
    pane: &mut AnswerPane,
    model: &mut Model,
    rows: isize,
    at: Position,
    area: Rect,
) {
    let Some(exchange) = model.exchange() else { return };
    let Some(column) =
        columns(exchange, area).into_iter().find(|c| c.head.union(c.text).contains(at))
    else {
        return;
    };
    let lines = len(pane, model, exchange, column);
    let mut scroll = pane.scrolls.get(&column.channel).copied().unwrap_or_default();
    scroll.by(rows, usize::from(column.text.height), lines);
    pane.scrolls.insert(column.channel, scroll);
    if let Some(exchange) = model.exchange_mut() {
        exchange.follow = false;
    }
}

/// Returns the title of a channel.
fn title(channel: Channel) -> &'static str {
    match channel {
        Channel::Content => "Content",
        Channel::Reasoning => "Reasoning",
        Channel::Refusal => "Refusal",
        Channel::Tool => "Tool calls",
        Channel::Other => "Other",
    }
}

pub(super) fn draw(
    pane: &AnswerPane,
    on: &Canvas<'_>,
    exchange: &Exchange,
    area: Rect,
    buf: &mut Buffer,
) {
    let (theme, model) = (on.theme(), on.model);
    let columns = columns(exchange, area);
    let current = current(pane, exchange, area).map(|c| c.channel);
    for (i, column) in columns.iter().enumerate() {
        draw_head(model, exchange, *column, on.focused && current == Some(column.channel), buf);
        if i > 0 && area.width >= SIDE_BY_SIDE {
            let x = column.head.x - 1;
            for y in area.top()..area.bottom() {
                buf.set_string(x, y, "│", theme.of(Role::Line));
            }
        }
        let text = exchange.text(column.channel);
        if text.is_empty() {
            let words = if exchange.inspection.is_over() { "None" } else { "None yet" };
            line::put(buf, column.text, &[(words, theme.of(Role::Dim))]);
            let tools = exchange.inspection.answer().tools().len() as u64;
            if column.channel == Channel::Content && tools > 0 && column.text.height > 1 {
                let below = Rect { y: column.text.y + 1, height: 1, ..column.text };
                let parts = format!("{}: see Tools", crate::text::count(tools, "tool call"));
                line::put(buf, below, &[(&parts, theme.of(Role::Tool))]);
            }
            continue;
        }
        let marks: Vec<Mark> = match exchange.inspection.answer().think(exchange.choice) {
            Some(think) if column.channel == Channel::Content && think.any() => {
                let stretches = think.stretches(text);
                stretches.into_iter().filter(|s| s.0).map(|s| (s.1, Role::Thought)).collect()
            }
            _ => Vec::new(),
        };
        let over: Vec<Mark> =
            selection(exchange, column.channel).map(|r| (r, Role::Delta)).into_iter().collect();
        let plain = match column.channel {
            Channel::Reasoning => Role::Reasoning,
            Channel::Refusal => Role::Refusal,
            Channel::Content | Channel::Tool | Channel::Other => Role::Content,
        };
        let top = pane.scrolls.get(&column.channel).copied().unwrap_or_default().top;
        with_wrap(pane, model, exchange, *column, |text, wrap| {
            let shown = Text { text, wrap, plain, marks: &marks, over: &over };
            shown.draw(theme, top, column.text, buf);
        });
    }
}

/// Returns what is highlighted: nothing while following, because everything is new.
fn selection(exchange: &Exchange, channel: Channel) -> Option<Range<usize>> {
    exchange.selected_range(channel).filter(|_| !exchange.follow)
}

fn draw_head(model: &Model, exchange: &Exchange, column: Column, chosen: bool, buf: &mut Buffer) {
    let theme = model.theme();
    let answer = exchange.inspection.answer();
    let chars = crate::text::count(answer.chars(column.channel) as u64, "char");
    let mark = if chosen { "▸" } else { " " };
    let name = theme.of(if chosen { Role::Focus } else { Role::Title });
    let head = Rect { width: column.head.width.saturating_sub(1), ..column.head };
    let x = line::put(
        buf,
        head,
        &[
            (mark, theme.of(Role::Mark)),
            (title(column.channel), name),
            ("  ", theme.of(Role::Text)),
            (&chars, theme.of(Role::Text)),
        ],
    );
    let second = column.head.height > 1;
    let place = if second {
        Rect { x: head.x + 1, y: head.y + 1, width: head.width.saturating_sub(1), height: 1 }
    } else {
        Rect { x: (x + 2).min(head.right()), width: head.right().saturating_sub(x + 2), ..head }
    };
    if place.width > 12 {
        let via = via(answer, column.channel, usize::from(place.width));
        line::put(buf, place, &[(&via, theme.of(Role::Dim))]);
    }
}

/// Returns the paths by which a channel arrived, within `room` columns. Where there is no room to spare, the
/// end of a path and its count say more than its beginning.
fn via(answer: &crate::inspect::Answer, channel: Channel, room: usize) -> String {
    let mut parts = String::new();
    for (path, n) in answer.paths(channel) {
        let count = format!(" ×{}", crate::text::group(n));
        let before = if parts.is_empty() { "via " } else { ", " };
        let taken = parts.chars().count() + before.len() + count.chars().count();
        let left = room.saturating_sub(taken);
        if left < 8 {
            return line::fit(&(parts + ", …"), room);
        }
        let excess = path.chars().count().saturating_sub(left);
        let path = match excess {
            0 => path,
            n => format!("…{}", path.chars().skip(n + 1).collect::<String>()),
        };
        parts.push_str(before);
        parts.push_str(&path);
        parts.push_str(&count);
    }
    parts
}
