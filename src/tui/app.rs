//! The state of the screen, and what events make of it: the model, and the stack of screens.
//!
//! Pure: no IO, no clock, no runtime. Time arrives with each event, and what is to happen outside goes out as
//! effects.

use crossterm::event::{Event as Input, KeyEvent, KeyEventKind, MouseButton, MouseEventKind};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::commands;
use super::compare::CompareScreen;
use super::draw;
use super::model::{self, Loading, Model};
use super::pane::request;
use super::panes::Panes;
use super::screen::{ActionOutcome, Screen, ScreenCommand};
use super::work::{Report, Work, Worked};
use super::{Reloaded, Startup, pane};
use crate::action::{Action, Attempt, Context, Done, Draft, DraftPair, Effect};
use crate::config::Notifications;
use crate::journal::Micros;
use crate::storage::curl::is_command;
use crate::transport::News;

/// Something that happened to the screen.
#[derive(Debug)]
pub enum Event {
    /// A key, the mouse, a paste, another size.
    Input(Input),
    /// Entries, or trouble with the journal.
    News(News),
    /// The result of an effect.
    Done(Done),
    /// Time has passed while a stream runs.
    Tick,
    /// Work that another thread did, or how far it is.
    Worked(Worked),
    /// The terminal's background is light, or dark.
    Background {
        /// It is light.
        light: bool,
    },
    /// The configuration was read again, or cannot be used: why.
    Configured(Result<Box<Reloaded>, String>),
}

/// The state of the screen.
pub struct App {
    model: Model,
    /// The screens, the panes at the bottom; the top one gets the keys.
    stack: Vec<Box<dyn Screen>>,
    /// A prompt whose file is being read or written: it is shown again if that fails.
    waiting: Option<Box<dyn Screen>>,
    effects: Vec<Effect>,
    work: Vec<Work>,
    /// Time of the last look at the configuration's file.
    looked: Micros,
}

/// Shortest time between looks at the configuration's file while keys are pressed, in microseconds.
const SELDOM: Micros = 1_000_000;

impl App {
    /// The screen at its beginning.
    pub fn new(startup: Startup) -> Self {
        let mut app = Self {
            model: Model::new(startup),
            stack: vec![Box::new(Panes::new(pane::all()))],
            waiting: None,
            effects: Vec::new(),
            work: Vec::new(),
            looked: 0,
        };
        app.run_commands();
        app
    }

    /// Returns what is to be done outside before anything happens.
    pub fn begin(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The work that is to be done on other threads, whose reports are events.
    pub fn take_work(&mut self) -> Vec<Work> {
        std::mem::take(&mut self.work)
    }

    /// Takes in an event that happened at `now`; returns what is to be done outside.
    pub fn update(&mut self, now: Micros, event: Event) -> Vec<Effect> {
        self.model.at(now);
        match event {
            Event::Input(input) => self.input(input),
            Event::News(News::Entry(entry)) => self.model.entry(&entry),
            Event::News(News::Tapped(entry)) => self.model.tapped(&entry),
            Event::News(News::Trouble { x, text }) => self.model.trouble(x, text),
            Event::News(News::Notice { text, is_error: true }) => self.model.notify_error(&text),
            Event::News(News::Notice { text, .. }) => self.model.notify(text),
            // A single request is shown by its entries; only a repetition needs this.
            Event::News(News::Over { x, hops }) => self.model.repetition_over(x, &hops),
            Event::Done(done) => self.done(done),
            Event::Tick => {}
            Event::Background { light } => self.model.set_light(light),
            Event::Configured(Ok(new)) => self.model.configure(*new),
            Event::Configured(Err(why)) => {
                self.model.notify_error(&format!("The configuration is unchanged: {why}"));
            }
            Event::Worked(Worked(report)) => match report {
                Report::Comparing(of, permille) => self.model.computing(&of, permille),
                Report::Compared(of, computed) => {
                    self.model.computed_aside(&of, computed.map(|c| *c));
                }
                Report::Exchange(task, returned) => self.model.returned(task, returned),
                Report::Folded(fold, answer) => self.model.repetition_folded(&fold, *answer),
                Report::Refolded(of, inspection) => self.model.refolded(&of, *inspection),
            },
        }
        self.model.look_for_variables();
        self.model.notify_outside();
        self.model.keep_draft();
        self.run_commands();
        self.model.refresh_comparison();
        self.model.refresh_filter();
        self.run_commands();
        self.settle();
        std::mem::take(&mut self.effects)
    }

    /// So many entries were received and wait to be taken in.
    pub fn set_behind(&mut self, entries: usize) {
        self.model.set_behind(entries);
    }

    /// The screen has another size.
    pub fn resize(&mut self, width: u16, height: u16) {
        self.model.resize(Rect::new(0, 0, width, height));
        self.settle();
    }

    /// Returns whether a clock on the screen runs.
    pub fn is_running(&self) -> bool {
        self.model.is_live() || self.model.is_filtering()
    }

    /// Returns how the user is notified of what happened in the background.
    pub(super) fn notifies(&self) -> Notifications {
        self.model.notifies()
    }

    /// In how long there is something new to show without an event: of a recording that plays, of pairs, of entries
    /// that waited, of a long text.
    pub fn wakes_in(&self) -> Option<Micros> {
        let (plays, pairs) = (self.model.playback_wakes_in(), self.model.pairs_wake_in());
        let lays = self.stack.iter().any(|screen| screen.is_behind(&self.model)).then_some(0);
        plays.into_iter().chain(pairs).chain(self.model.arrivals_wake_in()).chain(lays).min()
    }

    /// Returns how many rows of frames the last drawing formatted: those on the screen, whatever is loaded.
    pub fn rows_drawn(&self) -> usize {
        self.model.rows_drawn().get()
    }

    /// The selected frame, if there is one.
    pub fn selected_frame(&self) -> Option<u32> {
        self.model.exchange()?.frame
    }

    /// Draws everything. Nothing but caches changes: a second drawing is equal.
    pub fn draw(&self, area: Rect, buf: &mut Buffer) {
        let theme = self.model.theme();
        buf.set_style(area, theme.of(super::Role::Text));
        if draw::is_too_small(self.model.size()) || area != self.model.size() {
            draw::too_small(&self.model, area, buf);
        } else {
            let first = self.stack.iter().rposition(|s| s.covers()).unwrap_or(0);
            for (i, screen) in self.stack.iter().enumerate().skip(first) {
                let on_top = i + 1 == self.stack.len();
                screen.draw(&self.model, on_top, buf);
                if i == first {
                    self.draw_footer(buf);
                }
            }
        }
        draw::without_color(theme, area, buf);
    }

    fn draw_footer(&self, buf: &mut Buffer) {
        let size = self.model.size();
        let place = Rect { y: size.bottom() - 1, height: 1, ..size };
        if let Some(top) = self.stack.last() {
            draw::footer(&self.model, top.as_ref(), place, buf);
        }
    }

    /// Brings what is selected into view.
    fn settle(&mut self) {
        let model = &mut self.model;
        self.stack.retain(|s| !s.is_over(model));
        model.set_docked(self.stack.iter().any(|s| s.docks()));
        for screen in &mut self.stack {
            screen.settle(model);
        }
    }

    fn done(&mut self, done: Done) {
        let waiting = self.waiting.take();
        let model = &mut self.model;
        match done {
            Done::Notice(text) => model.notify(text),
            Done::Failed { attempt, why } => {
                match attempt {
                    Attempt::Send => model.not_sent(),
                    Attempt::Open => model.stop_loading(),
                    Attempt::Other => {}
                }
                match waiting {
                    Some(mut prompt) => {
                        prompt.refuse(&why);
                        self.stack.push(prompt);
                    }
                    None => model.notify_error(&why),
                }
            }
            Done::Loading { name, permille } => {
                self.waiting = waiting;
                model.set_loading(Loading { name, permille });
            }
            Done::Begun(opened) => model.begun(*opened),
            Done::Loaded(opened) => model.loaded(*opened),
            Done::NotLoaded { ends: true } => model.effect(Effect::Quit),
            Done::NotLoaded { ends: false } => {
                model.stop_loading();
                model.notify("Opening stopped");
            }
            Done::SessionHits { hits, skipped } => model.sessions_searched(hits, skipped),
            Done::Completions { typed, names } => {
                self.waiting = waiting;
                if let Some(top) = self.stack.last_mut() {
                    top.complete(&typed, &names);
                }
            }
            Done::Models { provider, models } => {
                model.set_models(&provider, models);
                super::screen::pickers::model(model);
            }
            Done::Requests(list) => model.set_stored_requests(list),
            Done::Sent(list) => model.set_sent_requests(list),
            Done::SentRequest(request) => model.take_sent(&request),
            Done::RequestOpened(draft) => model.request_opened(*draft),
            Done::RequestStored(path, about) => model.request_stored(path, &about),
            Done::Request(bytes) => model.request_mut().load(bytes),
            Done::BodyBeside { draft, body } => {
                let b = Draft { body, ..(*draft).clone() };
                let pair = DraftPair { drafts: [*draft, b], apart: true };
                model.effect(Effect::Compare(Box::new(pair)));
            }
            Done::Comparing { pair, ids } => model.comparing(pair, ids),
            Done::Sessions(sessions) => model.set_saved_sessions(Some(sessions)),
            Done::Beside(opened) => model.joined(*opened),
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
                        self.model.next_notice();
                        self.ask_top(|screen, model| screen.click(model, at));
                    }
                    MouseEventKind::ScrollDown => self.wheel(3, at),
                    MouseEventKind::ScrollUp => self.wheel(-3, at),
                    _ => {}
                }
            }
            Input::Key(_) | Input::FocusGained | Input::FocusLost => {}
        }
    }

    fn key(&mut self, key: KeyEvent) {
        self.model.next_notice();
        self.look_at_configuration();
        let Some(top) = self.stack.last_mut() else { return };
        let contexts = top.contexts(&self.model);
        match self.model.keys().action(&contexts, key) {
            Some(action) => self.act(action),
            None if top.key(&mut self.model, key) => {}
            None => commands::say_where(&mut self.model, &contexts, key),
        }
    }

    /// Has the configuration read again if it was changed. A user who changed it presses a key on return;
    /// without one nothing has to wake up.
    fn look_at_configuration(&mut self) {
        let now = self.model.now();
        if now >= self.looked + SELDOM {
            self.looked = now;
            self.effects.push(Effect::ReloadConfig { if_changed: true });
        }
    }

    fn paste(&mut self, text: &str) {
        self.model.next_notice();
        let on_panes = self.stack.last().is_some_and(|s| s.covers());
        if on_panes && is_command(text) {
            if let Err(why) = self.model.take_curl(text) {
                self.model.notify_error(&why.to_string());
            }
            return;
        }
        let Some(top) = self.stack.last_mut() else { return };
        if on_panes && !top.types(&self.model) && model::is_json(text) {
            self.model.request_mut().load(text.as_bytes().to_vec());
            self.model.notify("Pasted into the request body");
            return;
        }
        if !top.paste(&mut self.model, text) {
            let key = self
                .model
                .key_of(Context::Own(&request::KEYS), Action::Own(&request::actions::EDIT_BODY));
            self.model
                .notify(format!("Not JSON and no command of curl or HTTPie; {key} edits the body"));
        }
    }

    fn wheel(&mut self, rows: isize, at: Position) {
        if let Some(top) = self.stack.last_mut() {
            top.wheel(&mut self.model, rows, at);
        }
    }

    /// Lets the top screen do something, and takes it off the stack if it goes.
    fn ask_top(
        &mut self,
        ask: impl FnOnce(&mut dyn Screen, &mut Model) -> ActionOutcome,
    ) -> ActionOutcome {
        let Some(top) = self.stack.last_mut() else { return ActionOutcome::Ignored };
        let outcome = ask(top.as_mut(), &mut self.model);
        match outcome {
            ActionOutcome::Done | ActionOutcome::Ignored => {}
            ActionOutcome::Closed | ActionOutcome::Passed => drop(self.stack.pop()),
            ActionOutcome::Waits => self.waiting = self.stack.pop(),
        }
        outcome
    }

    /// Does what the user asks for.
    fn act(&mut self, action: Action) {
        if self.model.must_wait(action) {
            let opening = self.model.opening();
            return self.model.notify(opening);
        }
        match self.ask_top(|screen, model| screen.act(model, action)) {
            ActionOutcome::Done | ActionOutcome::Closed | ActionOutcome::Waits => {}
            ActionOutcome::Passed => self.act(action),
            // An action that opens something over the panes replaces the overlays that are there.
            ActionOutcome::Ignored if commands::opens(action) && self.close_overlays() => {
                self.act(action);
            }
            ActionOutcome::Ignored => {
                let Some(top) = self.stack.last() else { return };
                let contexts = top.contexts(&self.model);
                commands::act(&mut self.model, &contexts, action);
            }
        }
    }

    /// Closes what lies over the panes or the comparison; returns whether there was something.
    fn close_overlays(&mut self) -> bool {
        let before = self.stack.len();
        self.stack.retain(|s| s.covers());
        self.stack.len() < before
    }

    /// Does what the model and the screens asked for.
    fn run_commands(&mut self) {
        loop {
            let commands = self.model.take_commands();
            if commands.is_empty() {
                return;
            }
            for command in commands {
                self.run_command(command);
            }
        }
    }

    fn run_command(&mut self, command: ScreenCommand) {
        let model = &mut self.model;
        match command {
            ScreenCommand::Effect(effect) => self.effects.push(effect),
            ScreenCommand::Work(job) => self.work.push(Work(job)),
            ScreenCommand::Push(screen) => self.stack.push(screen),
            ScreenCommand::ShowComparison => {
                if !self.stack.iter().any(|s| s.shows_comparison()) {
                    let below = self.stack.iter().take_while(|s| s.covers()).count();
                    self.stack.insert(below, Box::new(CompareScreen::default()));
                }
            }
            ScreenCommand::CloseOverlays => drop(self.close_overlays()),
            ScreenCommand::Focus(pane) => self.stack.iter_mut().for_each(|s| s.focus(model, pane)),
            ScreenCommand::Leave(from, to) => {
                for screen in self.stack.iter_mut().filter(|s| s.focused() == Some(from)) {
                    screen.focus(model, to);
                }
            }
            ScreenCommand::Act(action) => self.act(action),
            ScreenCommand::ExplainNext(forward) => {
                if let Some(top) = self.stack.last_mut() {
                    top.explain_next(model, forward);
                }
            }
        }
    }
}
