//! The screen at the bottom of the stack: the panes.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::Position;

use super::band;
use super::commands::{Explained, explanation};
use super::layout::{Areas, View, areas};
use super::model::{COPIES, Model};
use super::pane::{
    Canvas, Copyable, Pane, PaneId, PanePlace, Spec, exchanges, inner, request, timeline,
};
use super::panes_draw as draw;
use super::screen::{ActionOutcome, List, ReadingScreen, Screen};
use crate::action::{Action, Context};
use crate::text::group;

/// The panes.
pub(super) struct Panes {
    panes: Vec<Box<dyn Pane>>,
    places: Vec<PanePlace>,
    /// The index of the pane that gets the keys.
    focus: usize,
    /// It has the screen to itself.
    zoom: bool,
    /// The revision of the model of which the panes know.
    revision: u64,
}

impl Panes {
    pub(super) fn new(panes: Vec<Box<dyn Pane>>) -> Self {
        let places = panes.iter().map(|p| p.spec().place).collect();
        Self { panes, places, focus: 0, zoom: false, revision: 0 }
    }

    fn specs(&self) -> Vec<&'static Spec> {
        self.panes.iter().map(|p| p.spec()).collect()
    }

    /// The panes that have something to show, with their indexes.
    fn shown(&self, model: &Model) -> Vec<(usize, &'static Spec)> {
        let all = self.panes.iter().enumerate().filter(|(_, pane)| pane.is_shown(model));
        all.map(|(i, pane)| (i, pane.spec())).collect()
    }

    /// Returns the areas of everything on the screen.
    /// Returns whether the screen has room for one pane only.
    fn is_alone(&self, model: &Model) -> bool {
        self.areas(model).tabs.height > 0
    }

    fn areas(&self, model: &Model) -> Areas {
        let size = model.size();
        let beside: Vec<usize> =
            (0..self.panes.len()).filter(|i| self.panes[*i].spec().shows_bytes).collect();
        let beside = model.is_docked().then_some(beside.as_slice());
        let shown: Vec<bool> = self.panes.iter().map(|p| p.is_shown(model)).collect();
        let (places, focus, zoom) = (&self.places, self.focus, self.zoom);
        let typing = places[focus] == PanePlace::Left && self.panes[focus].types(model);
        areas(size, View { places, shown: &shown, focus, zoom, typing, beside })
    }

    /// The pane after the one in focus that has something to show, or the one before.
    fn next(&self, model: &Model, forward: bool) -> usize {
        let all = self.panes.len();
        let step = if forward { 1 } else { all - 1 };
        let mut next = (self.focus + step) % all;
        while next != self.focus && !self.panes[next].is_shown(model) {
            next = (next + step) % all;
        }
        next
    }

    fn go(&mut self, model: &mut Model, to: usize) {
        if to != self.focus {
            self.panes[self.focus].leave(model);
            self.focus = to;
        }
    }

    /// Lets a pane do something; returns whether it did.
    fn ask(&mut self, model: &mut Model, pane: usize, action: Action) -> bool {
        let area = self.areas(model).panes[pane];
        self.panes[pane].act(model, action, area)
    }

    /// Lets the pane do something whose action it is, whichever is in focus.
    fn ask_owner(&mut self, model: &mut Model, action: Action) -> bool {
        let owns = |spec: &Spec| spec.everywhere.iter().find(|(a, _)| *a == action).map(|o| o.1);
        let found = self.specs().into_iter().enumerate().find_map(|(i, s)| Some((i, owns(s)?)));
        let Some((pane, goes)) = found else { return false };
        if goes {
            self.go(model, pane);
        }
        self.ask(model, pane, action)
    }

    /// Explains the selected finding, or the first of the list.
    fn explain(model: &mut Model) {
        let now = model.now();
        let Some(exchange) = model.exchange_mut() else { return };
        let stall = exchange.silence(now).and_then(|s| Some((s, s.code()?)));
        if let (None, Some((silence, code))) = (exchange.finding, stall) {
            let headline = silence.headline(exchange.inspection.frames().len());
            let doc = explanation(&Explained {
                rule: code.rule(),
                severity: code.severity(),
                headline: &headline,
                detail: "",
                place: "in progress",
            });
            model.push(ReadingScreen::finding(code.name(), doc));
            return;
        }
        let index = exchange.finding.or_else(|| exchange.ordered().first().copied());
        let Some(index) = index else {
            model.notify("No finding to explain");
            return;
        };
        exchange.point_at(index);
        let finding = &exchange.inspection.findings()[index];
        let place = finding.frame.map_or(String::new(), |frame| {
            let at = finding.offset.map_or(String::new(), |o| format!(", byte {}", group(o)));
            format!("frame {}{at}", group(u64::from(frame)))
        });
        let doc = explanation(&Explained {
            rule: finding.rule(),
            severity: finding.severity,
            headline: &finding.message,
            detail: &finding.detail,
            place: &place,
        });
        let title = finding.code.to_string();
        model.push(ReadingScreen::finding(&title, doc));
    }

    /// Opens the list of what can be copied, with the focused pane's choice selected.
    fn copy_menu(&self, model: &mut Model) {
        let all = |specs: Vec<&'static Spec>| -> Vec<&'static Copyable> {
            specs.into_iter().flat_map(|s| s.copies).chain(COPIES).collect()
        };
        let copies = all(self.specs());
        let mut list = List::new("Copy", {
            let copies = copies.clone();
            move |model, choice| {
                if let Some(what) = choice.row.and_then(|row| copies.get(row)) {
                    model.copy(what);
                }
            }
        });
        for what in &copies {
            list.add(what.name, what.about);
        }
        let preferred = self.panes[self.focus].preferred_copy();
        let at = copies.iter().position(|c| Some(c.name) == preferred).unwrap_or(0);
        model.push(list.start_at(at));
    }
}

/// The actions that the footer offers while a recording plays.
const PLAYBACK: &[Action] = &[
    Action::Pause,
    Action::StepForward,
    Action::StepBack,
    Action::Faster,
    Action::Slower,
    Action::SeekForward,
    Action::SeekBack,
    Action::Back,
    Action::NextPane,
    Action::Help,
];

/// Does what an action means for the playback of a recording; returns whether it means something.
fn plays(model: &mut Model, action: Action) -> bool {
    match action {
        Action::Play => model.play(),
        Action::Pause => model.pause(),
        Action::StepForward => model.step(true),
        Action::StepBack => model.step(false),
        Action::Faster => model.set_pace(true),
        Action::Slower => model.set_pace(false),
        Action::SeekForward => model.seek(true),
        Action::SeekBack => model.seek(false),
        Action::Back => return model.end_playback(),
        _ => return false,
    }
    true
}

impl Screen for Panes {
    fn contexts(&self, model: &Model) -> Vec<Context> {
        if self.panes[self.focus].types(model) {
            return vec![Context::Editor, Context::Everywhere];
        }
        let own = self.panes[self.focus].spec().context();
        if model.playback().is_some() {
            let playback = Context::Playback;
            return vec![playback, own, Context::Panes, Context::Movement, Context::Everywhere];
        }
        vec![own, Context::Panes, Context::Movement, Context::Everywhere]
    }

    fn offers(&self, model: &Model) -> Vec<Action> {
        if self.panes[self.focus].types(model) {
            let find = Action::Own(&request::actions::FIND_IN_BODY);
            let (undo, redo) = (Action::Undo, Action::Redo);
            return vec![Action::Send, Action::Back, find, Action::FormatBody, undo, redo];
        }
        if model.playback().is_some() {
            return PLAYBACK.to_vec();
        }
        let runs = model.is_running() || model.loading().is_some();
        let mut offered = vec![if runs { Action::Interrupt } else { Action::Send }];
        if model.exchange().is_some_and(|e| e.is_pointed() || e.is_stalled(model.now())) {
            offered.push(Action::Accept);
        }
        offered.extend([Action::Help, Action::NextPane]);
        offered.extend(self.panes[self.focus].spec().footer);
        // The timeline has another use for the key.
        if model.can_play() && self.panes[self.focus].spec().id != timeline::ID {
            offered.push(Action::Play);
        }
        if model.exchanges().len() > 1 {
            offered.push(Action::History);
        }
        offered.extend([Action::Zoom, Action::SaveSession, Action::Palette, Action::Quit]);
        if self.is_alone(model) {
            offered.retain(|action| *action != Action::Zoom);
        }
        let mut once = Vec::new();
        for action in offered {
            if !once.contains(&action) {
                once.push(action);
            }
        }
        once
    }

    fn act(&mut self, model: &mut Model, action: Action) -> ActionOutcome {
        let now = model.now();
        // A highlighted problem can be explained from every pane, until something else is selected.
        let explains = model.exchange().is_some_and(|e| e.is_pointed() || e.is_stalled(now));
        if action == Action::Accept && explains {
            Self::explain(model);
            return ActionOutcome::Done;
        }
        if plays(model, action) {
            return ActionOutcome::Done;
        }
        if self.ask(model, self.focus, action) || self.ask_owner(model, action) {
            return ActionOutcome::Done;
        }
        let goes_to = self.panes.iter().position(|p| p.spec().go == Some(action));
        match action {
            Action::NextPane => self.go(model, self.next(model, true)),
            Action::PreviousPane => self.go(model, self.next(model, false)),
            Action::Zoom if self.is_alone(model) => {
                model.notify("This size has room for one pane: it has all of it");
            }
            Action::Zoom => self.zoom = !self.zoom,
            Action::Back if model.clear_search() => {}
            Action::Back if self.zoom => self.zoom = false,
            Action::Back if model.clear_filter() => {}
            Action::NextProblem => drop(model.select_problem(true)),
            Action::PreviousProblem => drop(model.select_problem(false)),
            Action::Explain => Self::explain(model),
            Action::Copy => self.copy_menu(model),
            _ => match goes_to {
                Some(pane) if !self.panes[pane].is_shown(model) => {
                    let title = self.panes[pane].spec().title.0;
                    model.notify(format!("{title} has nothing to show here"));
                }
                Some(pane) => self.go(model, pane),
                None => return ActionOutcome::Ignored,
            },
        }
        ActionOutcome::Done
    }

    fn key(&mut self, model: &mut Model, key: KeyEvent) -> bool {
        let types = self.panes[self.focus].types(model);
        if types {
            self.panes[self.focus].key(model, key);
        }
        types
    }

    fn types(&self, model: &Model) -> bool {
        self.panes[self.focus].types(model)
    }

    fn paste(&mut self, model: &mut Model, text: &str) -> bool {
        let types = self.panes[self.focus].types(model);
        if types {
            self.panes[self.focus].paste(model, text);
        }
        types
    }

    fn click(&mut self, model: &mut Model, at: Position) -> ActionOutcome {
        let areas = self.areas(model);
        if areas.tabs.contains(at) {
            let bar = draw::tab_bar(&self.shown(model), areas.tabs, self.focus);
            if let Some((pane, ..)) = bar.into_iter().find(|(_, a, b)| (*a..*b).contains(&at.x)) {
                self.go(model, pane);
            }
            return ActionOutcome::Done;
        }
        if areas.strip.contains(at) {
            if let Some(bottom) = self.places.iter().position(|p| *p == PanePlace::Bottom) {
                self.go(model, bottom);
            }
            return ActionOutcome::Done;
        }
        if let Some(pane) = areas.panes.iter().position(|area| area.contains(at)) {
            self.go(model, pane);
            self.panes[pane].click(model, at, areas.panes[pane]);
        }
        ActionOutcome::Done
    }

    fn wheel(&mut self, model: &mut Model, rows: isize, at: Position) {
        let areas = self.areas(model);
        if let Some(pane) = areas.panes.iter().position(|area| area.contains(at)) {
            self.panes[pane].wheel(model, rows, at, areas.panes[pane]);
        }
    }

    fn is_behind(&self, model: &Model) -> bool {
        let areas = self.areas(model).panes;
        self.panes.iter().zip(areas).any(|(pane, area)| !area.is_empty() && pane.is_behind())
    }

    fn settle(&mut self, model: &mut Model) {
        if !self.panes[self.focus].is_shown(model) {
            self.go(model, 0);
        }
        if self.revision != model.revision() {
            self.revision = model.revision();
            self.panes.iter_mut().for_each(|p| p.restart());
        }
        let areas = self.areas(model);
        for (pane, area) in self.panes.iter_mut().zip(areas.panes) {
            if !area.is_empty() {
                pane.settle(model, area);
            }
        }
    }

    fn draw(&self, model: &Model, on_top: bool, buf: &mut Buffer) {
        let areas = self.areas(model);
        draw::title(model, areas.title, buf);
        band::draw(model, areas.verdict, buf);
        draw::tabs(model, &self.shown(model), self.focus, areas.tabs, buf);
        for (i, (pane, area)) in self.panes.iter().zip(&areas.panes).enumerate() {
            if !area.is_empty() {
                let focused = i == self.focus && on_top;
                pane.draw(&Canvas { model, area: *area, number: i + 1, focused }, buf);
            }
        }
        for area in areas.panes.iter().filter(|a| !a.is_empty()) {
            draw::marks(model, inner(*area), buf);
        }
        draw::divider(model, areas.divider, buf);
        draw::strip(model, areas.strip, buf);
    }

    fn label(&self, model: &Model, action: Action) -> Option<&'static str> {
        let explains =
            model.exchange().is_some_and(|e| e.is_pointed() || e.is_stalled(model.now()));
        if model.playback().is_some_and(|p| p.is_paused()) && action == Action::Pause {
            return Some("play");
        }
        let lists = self.panes[self.focus].spec().id == exchanges::ID;
        if action == Action::Send && lists && model.exchanges().len() > 1 {
            return Some("send again");
        }
        (action == Action::Accept && explains).then_some("explain")
    }

    fn covers(&self) -> bool {
        true
    }

    fn focus(&mut self, model: &mut Model, pane: PaneId) {
        if let Some(index) = self.panes.iter().position(|p| p.spec().id == pane) {
            self.go(model, index);
        }
    }

    fn focused(&self) -> Option<PaneId> {
        Some(self.panes[self.focus].spec().id)
    }

    fn explain_next(&mut self, model: &mut Model, forward: bool) {
        model.select_problem(forward);
        Self::explain(model);
    }
}
