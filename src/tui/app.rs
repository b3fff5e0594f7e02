//! The state of the screen, and what events make of it.
//!
//! Pure: no IO, no clock, no runtime. Time comes with each event, and what is to happen outside
//! goes out as effects.

use crossterm::event::{Event as Input, KeyEvent, KeyEventKind, MouseButton, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::compare::{Compare, Target};
use super::exchange::Exchange;
use super::layout::{Areas, View, areas};
use super::overlay::{Overlay, Prompt};
use super::pane::{PaneId, answer, detail, frames, request, timeline};
use super::theme::Theme;
use super::widget::wrap::Wrap;
use super::{ProviderInfo, Startup, Tools};
use crate::action::{Action, Context, Done, Draft, Effect, Folded, Keymap, Opened, Pair};
use crate::inspect::{Inspection, Options};
use crate::journal::{Entry, EntryKind, ExchangeId, Micros};
use crate::transport::News;

use std::collections::BTreeSet;
use std::sync::Arc;

/// The code of the finding for a journal that could not be written.
const SAVE_FAILED: &str = "save-failed";

/// Something that happened to the screen.
#[derive(Debug)]
pub enum Event {
    /// A key, the mouse, a paste, another size.
    Input(Input),
    /// Entries, or trouble with the journal.
    News(News),
    /// What became of an effect.
    Done(Done),
    /// Time has passed while a stream runs.
    Tick,
}

/// A line at the bottom of the screen, until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    /// It is about something that failed.
    pub bad: bool,
    /// What it says; made visible.
    pub text: String,
}

/// A recording that is being read and folded, elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Loading {
    /// The file's name.
    pub name: String,
    /// How many thousandths of the work are done.
    pub permille: u16,
}

/// The state of the screen.
pub struct App {
    pub(super) size: Rect,
    pub(super) now: Micros,
    pub(super) exchanges: Vec<Exchange>,
    /// Which exchange is shown.
    pub(super) shown: usize,
    /// A request was handed out and its first entry has not come.
    pub(super) sending: bool,
    /// What was sent from here, by the number of its exchange.
    pub(super) sent: super::sent::Sent,
    /// Name of the file that was opened.
    pub(super) file: Option<String>,
    pub(super) focus: PaneId,
    pub(super) zoom: bool,
    pub(super) overlays: Vec<Overlay>,
    /// The prompt that named the file which is being read or written.
    pub(super) asked: Option<Prompt>,
    /// Two exchanges side by side, in place of the panes.
    pub(super) compare: Option<Compare>,
    /// What the list offers for B, row by row.
    pub(super) targets: Vec<Target>,
    pub(super) message: Option<Message>,
    /// What was last searched.
    pub(super) needle: String,
    pub(super) request: request::State,
    pub(super) frames: frames::State,
    pub(super) detail: detail::State,
    pub(super) answer: answer::State,
    pub(super) timeline: timeline::State,
    pub(super) providers: Vec<ProviderInfo>,
    pub(super) keys: Keymap,
    pub(super) theme: Theme,
    pub(super) tools: Tools,
    options: Arc<Options>,
    /// A request that is or was sent many times.
    pub(super) repeat: Option<super::repeat::Repeat>,
    pub(super) effects: Vec<Effect>,
    /// Names of files that were asked for, which are proposed no second time.
    pub(super) proposed: BTreeSet<String>,
    /// A recording that is being opened.
    pub(super) loading: Option<Loading>,
    /// Trouble that is told once the keys that hide it have passed.
    later: Vec<String>,
}

impl App {
    /// The screen at its beginning.
    pub fn new(startup: Startup) -> Self {
        let request = request::State::new(startup.draft, &startup.providers, &startup.tools);
        let mut app = Self {
            size: Rect::default(),
            now: 0,
            exchanges: Vec::new(),
            shown: 0,
            sending: false,
            sent: super::sent::Sent::default(),
            file: None,
            focus: PaneId::Request,
            zoom: false,
            overlays: Vec::new(),
            asked: None,
            compare: None,
            targets: Vec::new(),
            message: None,
            needle: String::new(),
            request,
            frames: frames::State::default(),
            detail: detail::State::default(),
            answer: answer::State::default(),
            timeline: timeline::State::default(),
            providers: startup.providers,
            keys: startup.keys,
            theme: startup.theme,
            tools: startup.tools,
            options: startup.options,
            repeat: None,
            effects: Vec::new(),
            proposed: BTreeSet::new(),
            loading: None,
            later: startup.messages,
        };
        if let Some(opened) = startup.session {
            app.open(opened);
        }
        if let Some(path) = startup.open {
            app.loading = Some(Loading { name: path.display().to_string(), permille: 0 });
            app.focus = PaneId::Frames;
            app.effects.push(Effect::LoadFile(path));
        }
        app.next_message();
        app
    }

    /// What is to be done outside before anything happens.
    pub fn begin(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Takes in an event that happened at `now`; gives what is to be done outside.
    pub fn update(&mut self, now: Micros, event: Event) -> Vec<Effect> {
        self.now = now;
        match event {
            Event::Input(input) => self.input(input),
            Event::News(News::Entry(entry)) => self.entry(&entry, true),
            Event::News(News::Trouble { x, text }) => self.trouble(x, text),
            // For a single request the screen goes by its entries.
            Event::News(News::Over { x, hops }) => self.repeat_over(x, &hops),
            Event::Done(done) => self.done(done),
            Event::Tick => {}
        }
        self.refresh_compare();
        self.settle();
        std::mem::take(&mut self.effects)
    }

    /// The screen has another size.
    pub fn resize(&mut self, width: u16, height: u16) {
        self.size = Rect::new(0, 0, width, height);
        self.settle();
    }

    /// Whether a clock on the screen runs.
    pub fn is_running(&self) -> bool {
        self.sending || self.is_repeating() || self.exchanges.iter().any(Exchange::is_running)
    }

    /// How many rows of frames the last drawing formatted: those on the screen, whatever is loaded.
    pub fn rows_drawn(&self) -> usize {
        self.frames.rows()
    }

    /// The selected frame, if there is one.
    pub fn selected_frame(&self) -> Option<u32> {
        self.exchange()?.frame
    }

    /// The shown exchange.
    pub(super) fn exchange(&self) -> Option<&Exchange> {
        self.exchanges.get(self.shown)
    }

    pub(super) fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        self.exchanges.get_mut(self.shown)
    }

    /// Where everything stands.
    pub(super) fn areas(&self) -> Areas {
        let room = usize::from(self.size.width).saturating_sub(4);
        let lines = |e: &Exchange| {
            let mut wrap = Wrap::default();
            wrap.update(&e.seen.verdict(), room);
            wrap.len() as u16
        };
        // Only of what is over: while a stream runs nothing shall jump.
        let verdict = self.exchange().filter(|e| e.seen.is_over()).map_or(1, lines);
        areas(self.size, View { focus: self.focus, zoom: self.zoom, verdict })
    }

    /// Brings what is selected into view.
    pub(super) fn settle(&mut self) {
        self.settle_compare();
        let areas = self.areas();
        for pane in PaneId::ALL {
            let area = areas.pane(pane);
            if !area.is_empty() {
                (pane.pane().settle)(self, area);
            }
        }
    }

    /// Tells something until the next key.
    pub(super) fn say(&mut self, text: impl Into<String>) {
        self.tell(text.into(), false);
    }

    /// Tells that something failed.
    pub(super) fn complain(&mut self, text: &str) {
        self.tell(text.to_owned(), true);
    }

    fn tell(&mut self, text: String, bad: bool) {
        let text = crate::text::preview(&text, 500);
        // What failed is not hidden by what went well.
        if self.message.as_ref().is_some_and(|m| m.bad) && !bad {
            self.later.push(text);
            return;
        }
        self.message = Some(Message { bad, text });
    }

    fn next_message(&mut self) {
        self.message = None;
        if !self.later.is_empty() {
            let text = self.later.remove(0);
            self.say(text);
        }
    }

    pub(super) fn entry(&mut self, entry: &Entry, live: bool) {
        let options = Arc::clone(&self.options);
        if live && self.repeat_takes(entry, || Inspection::new(Arc::clone(&options))) {
            return;
        }
        let begins = matches!(entry.kind, EntryKind::Request(_) | EntryKind::Bare { .. });
        let known = self.exchanges.iter().rposition(|e| e.id == entry.exchange && e.live == live);
        let index = match known {
            // A number that comes again begins another exchange.
            Some(i) if !(begins && self.exchanges[i].seen.request.is_some()) => i,
            _ => {
                let seen = Inspection::new(Arc::clone(&self.options));
                self.exchanges.push(Exchange::new(entry.exchange, seen, live));
                let index = self.exchanges.len() - 1;
                if live {
                    // What nobody sent from here was piped in: it is there to be looked at.
                    let ours = std::mem::take(&mut self.sending);
                    if ours {
                        self.sent.begun(entry.exchange);
                    }
                    if !ours && index == 0 && !self.request.typing {
                        self.focus = PaneId::Frames;
                    }
                    self.show(index);
                }
                index
            }
        };
        self.exchanges[index].push(entry);
    }

    /// The journal failed while the stream goes on: a finding of the exchange, and told at once.
    fn trouble(&mut self, x: Option<ExchangeId>, text: String) {
        self.complain(&text);
        let at = Some(self.now);
        let index = x
            .and_then(|x| self.exchanges.iter().rposition(|e| e.id == x && e.live))
            .or_else(|| self.exchanges.iter().rposition(|e| e.live));
        if let Some(exchange) = index.and_then(|i| self.exchanges.get_mut(i)) {
            let what = EntryKind::Note { code: SAVE_FAILED.to_owned(), text };
            exchange.push(&Entry { exchange: exchange.id, at, kind: what });
        }
    }

    /// Shows an exchange.
    pub(super) fn show(&mut self, index: usize) {
        if index < self.exchanges.len() {
            self.shown = index;
            self.detail.restart();
            self.answer.restart();
            self.timeline.restart();
        }
    }

    /// Shows a recording in place of the session so far.
    fn open(&mut self, opened: Opened) {
        self.exchanges.clear();
        self.sent = super::sent::Sent::default();
        self.compare = None;
        self.join(opened.exchanges);
        self.file = Some(opened.name);
        self.focus = PaneId::Frames;
        self.show(0);
        // Beside a recording stands what was sent, unless the user has begun something else.
        if self.request.is_untouched() {
            self.take_request();
        }
    }

    /// Adds a recording's exchanges to the session's.
    pub(super) fn join(&mut self, exchanges: Vec<Folded>) {
        self.exchanges.extend(exchanges.into_iter().map(Exchange::recorded));
    }

    fn done(&mut self, done: Done) {
        let asked = self.asked.take();
        match done {
            Done::Said(text) => self.say(text),
            Done::Failed(text) => {
                self.loading = None;
                self.sending = false;
                self.sent.forget();
                self.repeat_failed();
                match asked {
                    Some(prompt) => self.ask_again(prompt, &text),
                    None => self.complain(&text),
                }
            }
            Done::Loading { name, permille } => {
                self.asked = asked;
                self.loading = Some(Loading { name, permille });
            }
            Done::Loaded(_) if self.is_running() => {
                self.loading = None;
                self.complain("A stream is running: the file was not opened.");
            }
            Done::Loaded(opened) => {
                self.loading = None;
                self.effects.push(Effect::BeginSession(Arc::clone(&opened.entries)));
                self.say(format!("opened {}", opened.name));
                self.open(*opened);
            }
            Done::NotLoaded { ends: true } => self.effects.push(Effect::Quit),
            Done::NotLoaded { ends: false } => {
                self.loading = None;
                self.say("Opening stopped");
            }
            Done::Request(bytes) => self.request.load(bytes),
            Done::BodyBeside { draft, body } => {
                let b = Draft { body, ..(*draft).clone() };
                let pair = Pair { drafts: [*draft, b], apart: true };
                self.effects.push(Effect::Compare(Box::new(pair)));
            }
            Done::Comparing { pair, ids } => self.comparing(pair, ids),
            Done::Beside(opened) => {
                self.loading = None;
                self.joined(*opened);
            }
        }
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Key(key) if key.kind != KeyEventKind::Release => self.key(key),
            Input::Paste(text) => self.paste(&text),
            Input::Resize(width, height) => self.resize(width, height),
            Input::Mouse(mouse) => {
                let at = Position::new(mouse.column, mouse.row);
                match mouse.kind {
                    MouseEventKind::Down(MouseButton::Left) => {
                        self.next_message();
                        self.click(at);
                    }
                    MouseEventKind::ScrollDown => self.wheel(3, at),
                    MouseEventKind::ScrollUp => self.wheel(-3, at),
                    _ => {}
                }
            }
            Input::Key(_) | Input::FocusGained | Input::FocusLost => {}
        }
    }

    /// Where keys count now, the nearest first.
    pub(super) fn contexts(&self) -> Vec<Context> {
        if let Some(overlay) = self.overlays.last() {
            return match overlay {
                Overlay::Confirm(_) => vec![Context::Confirm],
                Overlay::List(_) => vec![Context::List, Context::Everywhere],
                Overlay::Reading(_) => vec![Context::Text, Context::Everywhere],
                Overlay::Translating(_) => vec![Context::Translation, Context::Everywhere],
                Overlay::Repeating => vec![Context::Repetition, Context::Everywhere],
                Overlay::Prompt(_) => vec![Context::Prompt, Context::Everywhere],
            };
        }
        if self.compare.is_some() {
            return vec![Context::Compare, Context::Everywhere];
        }
        if self.typing() {
            return vec![Context::Editor, Context::Everywhere];
        }
        vec![self.focus.pane().context, Context::Panes, Context::Everywhere]
    }

    /// Whether letters go into the request's body.
    pub(super) fn typing(&self) -> bool {
        let on_top = self.overlays.is_empty() && self.compare.is_none();
        on_top && self.focus == PaneId::Request && self.request.typing
    }

    fn key(&mut self, key: KeyEvent) {
        self.next_message();
        match self.keys.action(&self.contexts(), key) {
            Some(action) => self.act(action),
            None if !self.overlays.is_empty() => self.overlay_key(key),
            None if self.typing() => self.request.key(key),
            None => self.say_where(key),
        }
    }

    fn paste(&mut self, text: &str) {
        self.next_message();
        if self.overlays.is_empty() && super::pane::request::is_curl(text) {
            if let Err(why) = self.take_curl(text) {
                self.complain(&why);
            }
        } else if !self.overlays.is_empty() {
            self.overlay_paste(text);
        } else if self.typing() {
            self.request.paste(text);
        } else {
            let key = self.keys.key_for(&[Context::Request], Action::EditBody);
            let key = key.map(|k| format!(" ({k} in the request)")).unwrap_or_default();
            self.say(format!("A paste goes into the body: begin to edit it first{key}."));
        }
    }

    fn click(&mut self, at: Position) {
        if !self.overlays.is_empty() {
            self.overlay_click(at);
            return;
        }
        if self.compare.is_some() {
            self.compare_click(at);
            return;
        }
        let areas = self.areas();
        if areas.tabs.contains(at) {
            if let Some(pane) = super::draw::tab_at(self, areas.tabs, at.x) {
                self.go(pane);
            }
            return;
        }
        if areas.strip.contains(at) {
            self.go(PaneId::Timeline);
            return;
        }
        for pane in PaneId::ALL {
            let area = areas.pane(pane);
            if area.contains(at) {
                self.go(pane);
                (pane.pane().click)(self, at, area);
            }
        }
    }

    fn wheel(&mut self, rows: isize, at: Position) {
        if !self.overlays.is_empty() {
            self.overlay_wheel(rows);
            return;
        }
        if self.compare.is_some() {
            self.compare_wheel(rows, at);
            return;
        }
        let areas = self.areas();
        for pane in PaneId::ALL {
            let area = areas.pane(pane);
            if area.contains(at) {
                (pane.pane().wheel)(self, rows, at, area);
            }
        }
    }

    /// Puts a pane in focus.
    pub(super) fn go(&mut self, pane: PaneId) {
        self.focus = pane;
        if pane != PaneId::Request {
            self.request.stop_typing();
        }
    }
}
