//! The answer: channels, tool calls, usage, shape, head; one tab each.

mod channels;
mod facts;
mod lens;
mod shape;

use std::cell::RefCell;
use std::collections::HashMap;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Pane, PaneId, after_title, header, inner, tab_places, tabs};
use crate::action::{Action, Context};
use crate::client_sim::Run;
use crate::dialect::Channel;
use crate::inspect::Row;
use crate::tui::App;
use crate::tui::exchange::Exchange;
use crate::tui::theme::Role;
use crate::tui::widget::wrap::Wrap;
use crate::tui::widget::{Doc, Scroll, line};

/// The pane's row in the table.
pub(crate) const PANE: Pane = Pane {
    title: "Answer",
    context: Context::Answer,
    footer: &[
        Action::NextTab,
        Action::NextLens,
        Action::Left,
        Action::Right,
        Action::Copy,
        Action::NextProblem,
    ],
    draw,
    act,
    click,
    wheel,
    settle,
};

/// What the pane can show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Tab {
    #[default]
    Channels,
    Tools,
    Usage,
    Shape,
    Head,
}

const TABS: [Tab; 5] = [Tab::Channels, Tab::Tools, Tab::Usage, Tab::Shape, Tab::Head];

/// Tab, places and caches.
#[derive(Debug)]
pub(crate) struct State {
    tab: Tab,
    /// The channel under the cursor.
    channel: Channel,
    /// The first line shown of each channel.
    scrolls: HashMap<Channel, Scroll>,
    /// The frame whose text was last brought into view.
    shown: Option<(usize, Option<u32>)>,
    /// The place in the tabs that are one text.
    scroll: Scroll,
    /// The row under the cursor in the shape table.
    row: usize,
    wraps: RefCell<HashMap<(usize, Channel, u32), Wrap>>,
    doc: RefCell<Option<(Key, Doc)>>,
    rows: RefCell<Option<(Key, Vec<Row>)>>,
    /// The client through whose eyes the channels are shown, a row of the table of lenses.
    lens: Option<usize>,
    /// That client, as far as it has read the exchange shown.
    run: RefCell<Option<(usize, Run)>>,
}

/// What a laid-out tab depends on: exchange, tab and lens, deltas, frames, whether it is over.
type Key = (usize, (Tab, Option<usize>), usize, usize, bool);

impl Default for State {
    fn default() -> Self {
        Self {
            tab: Tab::Channels,
            channel: Channel::Content,
            scrolls: HashMap::new(),
            shown: None,
            scroll: Scroll::default(),
            row: 0,
            wraps: RefCell::default(),
            doc: RefCell::default(),
            rows: RefCell::default(),
            lens: None,
            run: RefCell::default(),
        }
    }
}

impl State {
    /// Another exchange is shown.
    pub(crate) fn restart(&mut self) {
        let (tab, channel, lens) = (self.tab, self.channel, self.lens);
        *self = Self { tab, channel, lens, ..Self::default() };
    }

    /// Whether the text tabs are shown, for what is copied first.
    pub(crate) fn channel(&self) -> Option<Channel> {
        (self.tab == Tab::Channels).then_some(self.channel)
    }
}

fn key(app: &App, exchange: &Exchange) -> Key {
    let seen = &exchange.seen;
    let tab = (app.answer.tab, app.answer.lens);
    let deltas = seen.answer().deltas().len();
    (app.shown, tab, deltas, seen.frames().len(), seen.is_over())
}

/// Hands the laid-out tab to `use_it`.
fn with_doc<T>(app: &App, exchange: &Exchange, use_it: impl FnOnce(&Doc) -> T) -> T {
    let key = key(app, exchange);
    let mut cache = app.answer.doc.borrow_mut();
    if cache.as_ref().is_none_or(|c| c.0 != key) {
        *cache = None;
    }
    let (_, doc) = cache.get_or_insert_with(|| {
        let doc = match app.answer.tab {
            Tab::Tools => facts::tools(exchange),
            Tab::Usage => facts::usage(exchange),
            Tab::Channels => lens::doc(app, exchange),
            Tab::Head | Tab::Shape => facts::head(exchange),
        };
        (key, doc)
    });
    use_it(doc)
}

/// The tabs' names, with counts where that tells something.
fn names(app: &App) -> Vec<String> {
    let answer = app.exchange().map(|e| e.seen.answer());
    let tools = answer.map_or(0, |a| a.tools().len());
    let name = |tab: &Tab| match tab {
        Tab::Channels => "Channels".to_owned(),
        Tab::Tools if tools > 0 => format!("Tools {tools}"),
        Tab::Tools => "Tools".to_owned(),
        Tab::Usage => "Usage".to_owned(),
        Tab::Shape => "Shape".to_owned(),
        Tab::Head => "Head".to_owned(),
    };
    TABS.iter().map(name).collect()
}

fn text_area(area: Rect) -> Rect {
    let area = inner(area);
    Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area }
}

fn settle(app: &mut App, area: Rect) {
    match app.answer.tab {
        Tab::Channels if app.answer.lens.is_none() => channels::settle(app, inner(area)),
        Tab::Shape => shape::settle(app, text_area(area)),
        Tab::Channels | Tab::Tools | Tab::Usage | Tab::Head => {
            if app.answer.scroll.top > 0 {
                scroll(app, 0, area);
            }
        }
    }
}

fn scroll(app: &mut App, by: isize, area: Rect) {
    let area = text_area(area);
    let Some(exchange) = app.exchange() else { return };
    let len = with_doc(app, exchange, |doc| doc.lines(area.width));
    app.answer.scroll.by(by, usize::from(area.height), len);
}

fn choose(app: &mut App, tab: usize) {
    if let Some(tab) = TABS.get(tab) {
        app.answer.tab = *tab;
        app.answer.scroll = Scroll::default();
        app.answer.shown = None;
    }
}

fn act(app: &mut App, action: Action) -> bool {
    let area = app.areas().pane(PaneId::Answer);
    let page = isize::try_from(text_area(area).height).unwrap_or(1).max(1);
    let at = TABS.iter().position(|t| *t == app.answer.tab).unwrap_or(0);
    match action {
        Action::NextTab => choose(app, (at + 1) % TABS.len()),
        Action::PreviousTab => choose(app, (at + TABS.len() - 1) % TABS.len()),
        Action::NextChoice => channels::next_choice(app),
        Action::NextLens => {
            choose(app, 0);
            lens::next(app);
        }
        _ => {
            let by = action.scrolls(page).unwrap_or(0);
            match app.answer.tab {
                Tab::Channels if app.answer.lens.is_none() => {
                    return channels::act(app, action, by, inner(area));
                }
                Tab::Shape => return shape::act(app, action, by),
                Tab::Channels | Tab::Tools | Tab::Usage | Tab::Head if by != 0 => {
                    scroll(app, by, area);
                }
                Tab::Channels | Tab::Tools | Tab::Usage | Tab::Head => return false,
            }
        }
    }
    true
}

fn click(app: &mut App, at: Position, area: Rect) {
    if at.y == area.y {
        let places = tab_places(&names(app), after_title(PaneId::Answer, area), area);
        if let Some(tab) = places.iter().position(|(from, to)| (*from..*to).contains(&at.x)) {
            choose(app, tab);
        }
        return;
    }
    match app.answer.tab {
        Tab::Channels if app.answer.lens.is_none() => channels::click(app, at, inner(area)),
        Tab::Shape => shape::click(app, at, text_area(area)),
        Tab::Channels | Tab::Tools | Tab::Usage | Tab::Head => {}
    }
}

fn wheel(app: &mut App, rows: isize, at: Position, area: Rect) {
    match app.answer.tab {
        Tab::Channels if app.answer.lens.is_none() => channels::wheel(app, rows, at, inner(area)),
        Tab::Shape => {
            shape::act(app, Action::Down, rows);
        }
        Tab::Channels | Tab::Tools | Tab::Usage | Tab::Head => scroll(app, rows, area),
    }
}

fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let names = names(app);
    let choices = app.exchange().map_or(0, |e| e.seen.answer().choices().len());
    let note = match app.exchange() {
        Some(e) if choices > 1 => format!("choice {} of {choices}", e.choice),
        _ => String::new(),
    };
    let from = after_title(PaneId::Answer, area);
    let room = tab_places(&names, from, area).last().map_or(from, |(_, to)| *to);
    let (note, role) = match (app.answer.tab, lens::chosen(app)) {
        (Tab::Channels, Some(lens)) => (format!("as {} sees it", lens.name), Role::Info),
        (Tab::Channels, None) => (note, Role::Dim),
        _ => (String::new(), Role::Dim),
    };
    // The text under it says so too: what does not fit beside the tabs is left out.
    let fits = usize::from(area.right().saturating_sub(room)) > note.len() + 4;
    let note = if fits { note } else { String::new() };
    header(app, PaneId::Answer, &[(&note, role)], area, buf);
    let chosen = TABS.iter().position(|t| *t == app.answer.tab).unwrap_or(0);
    tabs(app, &names, chosen, from, area, buf);
    let text = text_area(area);
    let Some(exchange) = app.exchange() else {
        line::put(buf, text, &[("No answer yet.", app.theme.of(Role::Dim))]);
        return;
    };
    match app.answer.tab {
        Tab::Channels if app.answer.lens.is_none() => {
            channels::draw(app, exchange, inner(area), buf);
        }
        Tab::Shape => shape::draw(app, exchange, text, buf),
        Tab::Channels | Tab::Tools | Tab::Usage | Tab::Head => {
            with_doc(app, exchange, |doc| doc.draw(&app.theme, app.answer.scroll.top, text, buf));
        }
    }
}
