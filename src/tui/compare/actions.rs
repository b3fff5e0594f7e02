//! The actions of keys and the mouse in a comparison.

use ratatui::buffer::Buffer;
use ratatui::layout::Position;

use super::{
    CompareAreas, CompareScreen, CompareTab, ScrollLink, TABS, TWO_SIDES, draw, frames, halves,
    tables,
};
use crate::action::{Action, Context};
use crate::dialect::Channel;
use crate::inspect::compare::Expect;
use crate::report::{Palette, compare as write_comparison};
use crate::tui::commands::{Explained, explanation};
use crate::tui::model::{Model, ReportSubject};
use crate::tui::screen::{ActionOutcome, ReadingScreen, Screen, pickers};
use crate::tui::theme::Role;
use crate::tui::widget::{Doc, Scroll, moved};

/// Asks where a report of the comparison goes.
fn export(model: &mut Model) {
    if model.comparison_runs() {
        model.notify("A stream is running: the report is written when both are over");
    } else if model.comparison_report().is_none() {
        model.notify("Nothing to report yet");
    } else {
        let title = "Write a report of the comparison (Markdown) to";
        pickers::report(model, ReportSubject::Comparison, title);
    }
}

/// Compares the two as one stream, or as two.
fn expect(model: &mut Model) {
    let expected = match model.toggle_expect() {
        Expect::Same => "one stream",
        Expect::Different => "independent streams",
    };
    model.notify(format!("A and B are compared as {expected}"));
}

impl CompareScreen {
    /// Links the sides in the next way.
    fn link_otherwise(&mut self, model: &mut Model) {
        self.link = self.link.next();
        model.notify(match self.link {
            ScrollLink::Time => "The sides are linked by time",
            ScrollLink::Frame => "The sides are linked by frame",
            ScrollLink::Free => "The sides scroll separately",
        });
        self.link_frames(model);
    }
}

impl Screen for CompareScreen {
    fn contexts(&self, _: &Model) -> Vec<Context> {
        vec![Context::Compare, Context::Movement, Context::Everywhere]
    }

    fn offers(&self, model: &Model) -> Vec<Action> {
        let first = if model.is_running() { Action::Interrupt } else { Action::NextTab };
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
        [first].into_iter().chain(rest).collect()
    }

    /// Does an action; one that belongs to the panes ends the comparison.
    fn act(&mut self, model: &mut Model, action: Action) -> ActionOutcome {
        let page = self.areas(model).map_or(1, |a| self.page(model, &a)).max(1);
        match action {
            Action::Bottom => {
                self.step(model, isize::MAX / 2);
                self.follow = self.tab == CompareTab::Frames || Self::differences(model) == 0;
            }
            Action::NextProblem => self.step_difference(model, true),
            Action::PreviousProblem => self.step_difference(model, false),
            Action::Explain => self.explain(model),
            Action::Accept if self.tab == CompareTab::Frames => self.read_frames(model),
            Action::Accept if self.tab == CompareTab::Differences => self.explain(model),
            Action::Accept => {}
            Action::Copy => copy(model),
            Action::ExportMarkdown => export(model),
            Action::Send => model.compare_again(),
            Action::Interrupt | Action::Stop if model.comparison_runs() => model.stop_both(),
            Action::Back => {
                model.end_comparison();
                if model.is_running() {
                    model.notify("The streams continue");
                }
                return ActionOutcome::Closed;
            }
            Action::NextTab => self.step_tab(1),
            Action::PreviousTab => self.step_tab(TABS.len() - 1),
            Action::Left => self.side = 0,
            Action::Right => self.side = 1,
            Action::SwapSides => {
                model.swap_sides();
                self.frames.swap(0, 1);
                self.scrolls.swap(0, 1);
                self.tops.swap(0, 1);
            }
            Action::ExpectSame => expect(model),
            Action::LinkSides => self.link_otherwise(model),
            Action::Compare
            | Action::Help
            | Action::Palette
            | Action::SaveSession
            | Action::OpenFile
            | Action::Quit
            | Action::Interrupt
            | Action::PickProvider
            | Action::PickModel
            | Action::Redraw
            | Action::Suspend => return ActionOutcome::Ignored,
            _ => match action.scrolls(page) {
                Some(by) => self.step(model, by),
                None => {
                    model.end_comparison();
                    return ActionOutcome::Passed;
                }
            },
        }
        ActionOutcome::Done
    }

    fn click(&mut self, model: &mut Model, at: Position) -> ActionOutcome {
        if let Some(areas) = self.areas(model) {
            self.click_in(model, at, &areas);
        }
        ActionOutcome::Done
    }

    fn wheel(&mut self, model: &mut Model, rows: isize, at: Position) {
        let Some(areas) = self.areas(model).filter(|a| a.body.contains(at)) else { return };
        self.choose_side(at, &areas);
        match draw::frames_area(self, model, &areas) {
            Some(frames) if frames.contains(at) => self.move_frame(model, self.side, rows),
            _ => self.step(model, rows),
        }
    }

    fn settle(&mut self, model: &mut Model) {
        self.settle_all(model);
    }

    fn draw(&self, model: &Model, on_top: bool, buf: &mut Buffer) {
        self.draw_all(model, on_top, buf);
    }

    fn covers(&self) -> bool {
        true
    }

    fn shows_comparison(&self) -> bool {
        true
    }

    fn is_over(&self, model: &Model) -> bool {
        model.comparison_state().is_none()
    }

    fn explain_next(&mut self, model: &mut Model, forward: bool) {
        self.next_difference(model, forward);
        self.explain(model);
    }
}

impl CompareScreen {
    /// Returns the number of rows of a page.
    fn page(&self, model: &Model, areas: &CompareAreas) -> isize {
        let rows = match self.tab {
            CompareTab::Differences => tables::list(self, model, areas.body).height,
            tab => draw::rows(tab, areas).height,
        };
        rows as isize
    }

    /// Moves by rows: the selection where there is one, else the text.
    fn step(&mut self, model: &Model, by: isize) {
        let Some(areas) = self.areas(model) else { return };
        match (self.tab, Self::differences(model)) {
            // If nothing differs, only the frames below can be walked through.
            (CompareTab::Frames, _) | (CompareTab::Differences, 0) => {
                self.move_frame(model, self.side, by)
            }
            (CompareTab::Differences, len) => {
                self.difference = moved(Some(self.difference), by, len).unwrap_or(0);
                self.go_to_difference(model);
            }
            _ => self.scroll(model, by, &areas),
        }
    }

    /// Scrolls a text or a table; two linked texts go together.
    fn scroll(&mut self, model: &Model, by: isize, areas: &CompareAreas) {
        let lens = draw::lengths(self, model, areas);
        let (side, two) = (self.side, self.texts(model).is_some());
        let linked = self.link != ScrollLink::Free;
        let height = usize::from(draw::rows(self.tab, areas).height);
        for (i, (scroll, len)) in self.scrolls.iter_mut().zip(lens).enumerate() {
            if i == side || linked || !two {
                scroll.by(by, height, len);
            }
        }
        let channel = match self.tab {
            CompareTab::Content => Channel::Content,
            CompareTab::Reasoning => Channel::Reasoning,
            _ => return,
        };
        // Two texts are linked by the frames that brought them, not line by line.
        let to = draw::linked_line(self, model, side, channel, areas).filter(|_| linked);
        if let Some(to) = to {
            self.scrolls[1 - side].top = to;
            self.scrolls[1 - side].clamp(height, lens[1 - side]);
        }
    }

    /// The next difference: in a text the next place that is marked, else the next of the list.
    fn step_difference(&mut self, model: &mut Model, forward: bool) {
        let Some(areas) = self.areas(model) else { return };
        if self.texts(model).is_some() {
            draw::to_mark(self, model, forward, &areas);
        } else if Self::differences(model) == 0 {
            model.notify("No differences");
        } else {
            self.next_difference(model, forward);
        }
    }

    fn next_difference(&mut self, model: &Model, forward: bool) {
        let len = Self::differences(model).max(1);
        let step = if forward { 1 } else { len - 1 };
        self.difference = (self.difference + step) % len;
        self.go_to_difference(model);
    }

    /// Selects the frames that the selected difference points at.
    pub(super) fn go_to_difference(&mut self, model: &Model) {
        let differences = model.computed().map(|c| &c.comparison.differences);
        let difference = differences.and_then(|d| d.get(self.difference));
        let Some((a, b)) = difference.map(|d| d.frames) else { return };
        // Next to a frame of one side, show what the other side had at that time.
        let linked = |side: usize, frame: Option<u32>| {
            frame.and_then(|f| self.linked_frame(model, side, f as usize))
        };
        let to = [
            a.map(|f| f as usize).or_else(|| linked(1, b)),
            b.map(|f| f as usize).or_else(|| linked(0, a)),
        ];
        for (side, frame) in to.into_iter().enumerate() {
            if let Some(frame) = frame {
                self.frames[side] = frame;
                self.follow = false;
            }
        }
    }

    fn explain(&self, model: &mut Model) {
        let differences = model.computed().map(|c| &c.comparison.differences);
        let Some(d) = differences.and_then(|d| d.get(self.difference)) else {
            model.notify("No difference to explain");
            return;
        };
        let doc = explanation(&Explained {
            rule: d.code.rule(),
            severity: d.severity,
            headline: &d.message,
            detail: "",
            place: &tables::frames(d),
        });
        let title = d.code.name();
        model.push(ReadingScreen::difference(title, doc));
    }

    /// The bytes of the selected frames.
    fn read_frames(&self, model: &mut Model) {
        let mut doc = Doc::of_bytes();
        for (side, name) in ["A", "B"].into_iter().enumerate() {
            let Some(exchange) = model.compared(side) else { continue };
            let frame = self.frames[side];
            if frame < exchange.inspection.frames().len() {
                let title = format!("{name} · frame {}", crate::text::group(frame as u64));
                doc.push(Role::Title, &title).line();
                doc.append(crate::tui::pane::detail::raw(exchange, frame));
                doc.line();
            }
        }
        if !doc.text.is_empty() {
            model.push(ReadingScreen::new("The bytes", doc));
        }
    }

    fn click_in(&mut self, model: &mut Model, at: Position, areas: &CompareAreas) {
        if areas.tabs.contains(at) {
            let places = draw::tab_places(self, model, areas.tabs);
            if let Some((tab, ..)) = places.into_iter().find(|t| t.2.contains(&at.x)) {
                self.show(tab);
            }
            return;
        }
        if !areas.body.contains(at) {
            return;
        }
        self.choose_side(at, areas);
        let frames = draw::frames_area(self, model, areas).map(frames::rows).unwrap_or_default();
        let list = tables::list(self, model, areas.body);
        if frames.contains(at) {
            let side = self.side;
            let row = self.tops[side].top + usize::from(at.y - frames.y);
            let by = row as isize - self.frames[side] as isize;
            if row < model.compared(side).map_or(0, |e| e.inspection.frames().len()) {
                self.move_frame(model, side, by);
            }
        } else if self.tab == CompareTab::Differences && list.contains(at) {
            let row = self.scrolls[0].top + usize::from(at.y - list.y);
            if row == self.difference {
                self.explain(model);
            } else if row < Self::differences(model) {
                self.difference = row;
                self.go_to_difference(model);
            }
        }
    }

    fn choose_side(&mut self, at: Position, areas: &CompareAreas) {
        if areas.body.width >= TWO_SIDES {
            self.side = usize::from(halves(areas.body, 0)[1].x <= at.x);
        }
    }

    fn step_tab(&mut self, by: usize) {
        let at = TABS.iter().position(|t| *t == self.tab).unwrap_or(0);
        self.show(TABS[(at + by) % TABS.len()]);
    }

    fn show(&mut self, tab: CompareTab) {
        if self.tab != tab {
            self.tab = tab;
            self.scrolls = [Scroll::default(); 2];
        }
    }
}

fn copy(model: &mut Model) {
    let (Some(a), Some(b)) = (model.compared(0), model.compared(1)) else { return };
    let Some(computed) = model.computed() else { return };
    let mut out = crate::text::Page::default();
    let plain = Palette { color: false };
    // Writing to memory does not fail.
    let sides = [&*a.inspection, &*b.inspection];
    let _ = write_comparison(sides, &computed.comparison, plain, &mut out);
    let text = out.as_str().to_owned();
    model.copy_text("the comparison".to_owned(), text);
}
