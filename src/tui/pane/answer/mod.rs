//! The answer: channels, tool calls, usage, shape, head; one tab each.

mod channels;
mod facts;
mod lens;
mod shape;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Canvas, Copyable, Pane, PaneId, PanePlace, Spec, after_title, inner, tab_places};
use crate::action::{Action, OwnAction, OwnContext};
use crate::client_sim::ClientRun;
use crate::dialect::Channel;
use crate::inspect::ShapeRow;
use crate::tui::model::{Exchange, Model};
use crate::tui::theme::Role;
use crate::tui::widget::wrap::Wrap;
use crate::tui::widget::{Doc, Scroll, line};

/// The pane's name in the program.
pub(crate) const ID: PaneId = PaneId("answer");

static NEXT_CHOICE: OwnAction = OwnAction {
    name: "next-choice",
    short: "choice",
    help: "show the next choice of the answer",
    keys: &[],
};

static NEXT_LENS: OwnAction = OwnAction {
    name: "next-lens",
    short: "lens",
    help: "show the answer as the next client returns it, and last as it arrived",
    keys: &[],
};

/// The context in which the pane's own keys count.
static KEYS: OwnContext =
    OwnContext { name: "answer", title: "In the answer", actions: &[&NEXT_CHOICE, &NEXT_LENS] };

static SPEC: Spec = Spec {
    id: ID,
    title: ("Answer", "Ans"),
    keys: &KEYS,
    place: PanePlace::Right(32),
    go: Some(Action::PaneAnswer),
    footer: &[
        Action::NextTab,
        Action::Own(&NEXT_LENS),
        Action::Left,
        Action::Right,
        Action::Copy,
        Action::NextProblem,
    ],
    everywhere: &[(Action::Own(&NEXT_CHOICE), false), (Action::Own(&NEXT_LENS), true)],
    shows_bytes: false,
    copies: &[
        Copyable {
            name: "content",
            about: "the content so far",
            text: |model| text_of(model, Channel::Content),
        },
        Copyable {
            name: "reasoning",
            about: "the reasoning so far",
            text: |model| text_of(model, Channel::Reasoning),
        },
        Copyable {
            name: "path",
            about: "the JSON path of the selected frame's text, else of the reasoning or the content",
            text: |model| Some(("path".to_owned(), path_of(model.exchange()?)?)),
        },
    ],
};

/// By which JSON path the selected frame's text arrived; of a frame without one, the reasoning or the
/// content.
fn path_of(exchange: &Exchange) -> Option<String> {
    let answer = exchange.inspection.answer();
    let selected = exchange.frame.and_then(|frame| answer.deltas_of(frame).next());
    if let Some(delta) = selected {
        return Some(delta.path.general());
    }
    let channels = [Channel::Reasoning, Channel::Content, Channel::Tool].into_iter();
    let mut paths = channels.filter_map(|channel| answer.paths(channel).next());
    paths.next().map(|(path, _)| path)
}

/// A channel's text, to be copied.
fn text_of(model: &Model, channel: Channel) -> Option<(String, String)> {
    Some((channel.name().to_owned(), model.exchange()?.text(channel).to_owned()))
}

/// A tab of the pane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum AnswerTab {
    #[default]
    Channels,
    Tools,
    Usage,
    Shape,
    Head,
}

const TABS: [AnswerTab; 5] =
    [AnswerTab::Channels, AnswerTab::Tools, AnswerTab::Usage, AnswerTab::Shape, AnswerTab::Head];

/// Tab, places and caches.
#[derive(Debug)]
pub(crate) struct AnswerPane {
    tab: AnswerTab,
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
    /// True if a channel's text is longer than what is laid out of it.
    is_behind: Cell<bool>,
    doc: RefCell<Option<(AnswerLayoutKey, Doc)>>,
    rows: RefCell<Option<(AnswerLayoutKey, Vec<ShapeRow>)>>,
    /// The client through whose eyes the channels are shown, a row of the table of lenses.
    lens: Option<usize>,
    /// That client, as far as it has read the exchange shown.
    run: RefCell<Option<(usize, ClientRun)>>,
}

/// The values that a laid-out tab depends on: exchange, tab and lens, deltas, frames, whether it is over.
type AnswerLayoutKey = (usize, (AnswerTab, Option<usize>), usize, usize, bool);

impl Default for AnswerPane {
    fn default() -> Self {
        Self {
            tab: AnswerTab::Channels,
            channel: Channel::Content,
            scrolls: HashMap::new(),
            shown: None,
            is_behind: Cell::new(false),
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

fn key(pane: &AnswerPane, model: &Model, exchange: &Exchange) -> AnswerLayoutKey {
    let inspection = &exchange.inspection;
    let tab = (pane.tab, pane.lens);
    let deltas = inspection.answer().deltas().len();
    (model.shown(), tab, deltas, inspection.frames().len(), inspection.is_over())
}

/// Passes the laid-out tab to `use_it`.
fn with_doc<T>(
    pane: &AnswerPane,
    model: &Model,
    exchange: &Exchange,
    use_it: impl FnOnce(&Doc) -> T,
) -> T {
    let key = key(pane, model, exchange);
    let mut cache = pane.doc.borrow_mut();
    if cache.as_ref().is_none_or(|c| c.0 != key) {
        *cache = None;
    }
    let (_, doc) = cache.get_or_insert_with(|| {
        let doc = match pane.tab {
            AnswerTab::Tools => facts::tools(exchange),
            AnswerTab::Usage => facts::usage(exchange),
            AnswerTab::Channels => lens::doc(pane, model, exchange),
            AnswerTab::Head | AnswerTab::Shape => facts::head(exchange),
        };
        (key, doc)
    });
    use_it(doc)
}

/// Returns the tabs' names, with counts where those are informative.
fn names(model: &Model) -> Vec<String> {
    let answer = model.exchange().map(|e| e.inspection.answer());
    let tools = answer.map_or(0, |a| a.tools().len());
    let name = |tab: &AnswerTab| match tab {
        AnswerTab::Channels => "Channels".to_owned(),
        AnswerTab::Tools if tools > 0 => format!("Tools {tools}"),
        AnswerTab::Tools => "Tools".to_owned(),
        AnswerTab::Usage => "Usage".to_owned(),
        AnswerTab::Shape => "Shape".to_owned(),
        AnswerTab::Head => "Head".to_owned(),
    };
    TABS.iter().map(name).collect()
}

fn text_area(area: Rect) -> Rect {
    let area = inner(area);
    Rect { x: area.x + 1, width: area.width.saturating_sub(1), ..area }
}

fn scroll(pane: &mut AnswerPane, model: &mut Model, by: isize, area: Rect) {
    let area = text_area(area);
    let Some(exchange) = model.exchange() else { return };
    let len = with_doc(pane, model, exchange, |doc| doc.lines(area.width));
    pane.scroll.by(by, usize::from(area.height), len);
}

fn choose(pane: &mut AnswerPane, tab: usize) {
    if let Some(tab) = TABS.get(tab) {
        pane.tab = *tab;
        pane.scroll = Scroll::default();
        pane.shown = None;
    }
}

impl Pane for AnswerPane {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn restart(&mut self) {
        let (tab, channel, lens) = (self.tab, self.channel, self.lens);
        *self = Self { tab, channel, lens, ..Self::default() };
    }

    fn preferred_copy(&self) -> Option<&'static str> {
        let reasoning = self.tab == AnswerTab::Channels && self.channel == Channel::Reasoning;
        Some(if reasoning { "reasoning" } else { "content" })
    }

    fn is_behind(&self) -> bool {
        self.is_behind.get()
    }

    fn settle(&mut self, model: &mut Model, area: Rect) {
        let pane = self;
        pane.is_behind.set(false);
        match pane.tab {
            AnswerTab::Channels if pane.lens.is_none() => {
                channels::settle(pane, model, inner(area))
            }
            AnswerTab::Shape => shape::settle(pane, model, text_area(area)),
            AnswerTab::Channels | AnswerTab::Tools | AnswerTab::Usage | AnswerTab::Head => {
                if pane.scroll.top > 0 {
                    scroll(pane, model, 0, area);
                }
            }
        }
    }

    fn act(&mut self, model: &mut Model, action: Action, area: Rect) -> bool {
        let pane = self;
        let page = isize::try_from(text_area(area).height).unwrap_or(1).max(1);
        let at = TABS.iter().position(|t| *t == pane.tab).unwrap_or(0);
        match action {
            Action::NextTab => choose(pane, (at + 1) % TABS.len()),
            Action::PreviousTab => choose(pane, (at + TABS.len() - 1) % TABS.len()),
            Action::Own(own) if *own == NEXT_CHOICE => channels::next_choice(pane, model),
            Action::Own(own) if *own == NEXT_LENS => {
                choose(pane, 0);
                lens::next(pane, model);
            }
            _ => {
                let by = action.scrolls(page).unwrap_or(0);
                match pane.tab {
                    AnswerTab::Channels if pane.lens.is_none() => {
                        return channels::act(pane, model, action, by, inner(area));
                    }
                    AnswerTab::Shape => return shape::act(pane, model, action, by),
                    AnswerTab::Channels | AnswerTab::Tools | AnswerTab::Usage | AnswerTab::Head
                        if by != 0 =>
                    {
                        scroll(pane, model, by, area);
                    }
                    AnswerTab::Channels | AnswerTab::Tools | AnswerTab::Usage | AnswerTab::Head => {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn click(&mut self, model: &mut Model, at: Position, area: Rect) {
        let pane = self;
        if at.y == area.y {
            let places = tab_places(&names(model), after_title(&SPEC, area), area);
            if let Some(tab) = places.iter().position(|(from, to)| (*from..*to).contains(&at.x)) {
                choose(pane, tab);
            }
            return;
        }
        match pane.tab {
            AnswerTab::Channels if pane.lens.is_none() => {
                channels::click(pane, model, at, inner(area))
            }
            AnswerTab::Shape => shape::click(pane, model, at, text_area(area)),
            AnswerTab::Channels | AnswerTab::Tools | AnswerTab::Usage | AnswerTab::Head => {}
        }
    }

    fn wheel(&mut self, model: &mut Model, rows: isize, at: Position, area: Rect) {
        let pane = self;
        match pane.tab {
            AnswerTab::Channels if pane.lens.is_none() => {
                channels::wheel(pane, model, rows, at, inner(area))
            }
            AnswerTab::Shape => {
                shape::act(pane, model, Action::Down, rows);
            }
            AnswerTab::Channels | AnswerTab::Tools | AnswerTab::Usage | AnswerTab::Head => {
                scroll(pane, model, rows, area)
            }
        }
    }

    fn draw(&self, on: &Canvas<'_>, buf: &mut Buffer) {
        let (pane, model, area) = (self, on.model, on.area);
        let names = names(model);
        let choices = model.exchange().map_or(0, |e| e.inspection.answer().choices().len());
        let note = match model.exchange() {
            Some(e) if choices > 1 => format!("choice {} of {choices}", e.choice),
            _ => String::new(),
        };
        let from = after_title(&SPEC, area);
        let room = tab_places(&names, from, area).last().map_or(from, |(_, to)| *to);
        let (note, role) = match (pane.tab, lens::chosen(pane)) {
            (AnswerTab::Channels, Some(lens)) => (format!("as {} sees it", lens.name), Role::Info),
            (AnswerTab::Channels, None) => (note, Role::Dim),
            _ => (String::new(), Role::Dim),
        };
        // The text below also says so: omit the note if it does not fit next to the tabs.
        let fits = usize::from(area.right().saturating_sub(room)) > note.len() + 4;
        let note = if fits { note } else { String::new() };
        on.header(SPEC.title.0, &[(&note, role)], buf);
        let chosen = TABS.iter().position(|t| *t == pane.tab).unwrap_or(0);
        on.tabs(&names, chosen, from, buf);
        let text = text_area(area);
        let Some(exchange) = model.exchange() else {
            line::put(buf, text, &[("No answer yet", model.theme().of(Role::Dim))]);
            return;
        };
        match pane.tab {
            AnswerTab::Channels if pane.lens.is_none() => {
                channels::draw(pane, on, exchange, inner(area), buf);
            }
            AnswerTab::Shape => shape::draw(pane, on, exchange, text, buf),
            AnswerTab::Channels | AnswerTab::Tools | AnswerTab::Usage | AnswerTab::Head => {
                with_doc(pane, model, exchange, |doc| {
                    doc.draw(model.theme(), pane.scroll.top, text, buf)
                });
            }
        }
    }
}
