//! What keys and the mouse do in a comparison.

use ratatui::layout::Position;

use super::{Areas, Compare, TABS, TWO_SIDES, Tab, draw, frames, halves, tables};
use crate::action::{Action, Effect};
use crate::dialect::Channel;
use crate::inspect::compare::Expect;
use crate::report::{Palette, compare as write_comparison};
use crate::tui::overlay::{Reading, Subject};
use crate::tui::widget::{Doc, Scroll};
use crate::tui::{App, Report};

impl App {
    /// Does what an action means in a comparison; tells whether it meant anything there. What
    /// belongs to the panes ends the comparison.
    pub(in crate::tui) fn compare_act(&mut self, action: Action) -> bool {
        if self.compare.is_none() {
            return false;
        }
        let page = self.compare_areas().map_or(1, |a| self.page(&a)).max(1);
        match action {
            Action::Up => self.compare_move(-1),
            Action::Down => self.compare_move(1),
            Action::HalfPageUp => self.compare_move(-page / 2),
            Action::HalfPageDown => self.compare_move(page / 2),
            Action::PageUp => self.compare_move(-page),
            Action::PageDown => self.compare_move(page),
            Action::Top => self.compare_move(isize::MIN / 2),
            Action::Bottom => {
                self.compare_move(isize::MAX / 2);
                if let Some(compare) = &mut self.compare {
                    compare.follow = compare.tab == Tab::Frames || compare.differences() == 0;
                }
            }
            Action::NextProblem => self.step_difference(true),
            Action::PreviousProblem => self.step_difference(false),
            Action::Explain => self.explain_difference(),
            Action::Accept => match self.compare.as_ref().map(|c| c.tab) {
                Some(Tab::Frames) => self.read_frames(),
                Some(Tab::Differences) => self.explain_difference(),
                _ => {}
            },
            Action::Copy => self.copy_comparison(),
            Action::ExportMarkdown if self.compare_runs() => {
                self.say("A stream runs: the report is written when both are over.");
            }
            Action::ExportMarkdown => match self.comparison_report() {
                Some(_) => {
                    let title = "Write a report of the comparison (Markdown) to";
                    self.ask_report(Subject::Comparison, title);
                }
                None => self.say("There is nothing to report yet."),
            },
            Action::Send => self.send_again(),
            Action::Interrupt | Action::Stop if self.compare_runs() => self.stop_both(),
            Action::Back => {
                self.compare = None;
                if self.is_running() {
                    self.say("The streams run on.");
                }
            }
            _ => return self.compare_set(action),
        }
        true
    }

    /// The verbs that change only how it is looked at.
    fn compare_set(&mut self, action: Action) -> bool {
        let Some(compare) = &mut self.compare else { return false };
        match action {
            Action::NextTab => compare.step_tab(1),
            Action::PreviousTab => compare.step_tab(TABS.len() - 1),
            Action::Left => compare.side = 0,
            Action::Right => compare.side = 1,
            Action::SwapSides => {
                compare.places.swap(0, 1);
                compare.frames.swap(0, 1);
                compare.scrolls.swap(0, 1);
                compare.tops.swap(0, 1);
                if let Some(pair) = &mut compare.pair {
                    pair.drafts.swap(0, 1);
                }
            }
            Action::ExpectSame => {
                let now = compare.made.as_ref().map(|m| m.comparison.expect);
                let (other, said) = match now {
                    Some(Expect::Same) => (Expect::Different, "two streams of their own"),
                    _ => (Expect::Same, "one stream"),
                };
                compare.wanted = Some(other);
                self.say(format!("A and B are taken for {said}."));
            }
            Action::LinkSides => {
                compare.link = compare.link.next();
                let said = format!("The sides are {}.", compare.link.name());
                let said = said.replace("are each side alone", "scroll each alone");
                self.say(said);
                self.link_frames();
            }
            Action::Compare
            | Action::Help
            | Action::Palette
            | Action::SaveSession
            | Action::OpenFile
            | Action::Quit
            | Action::Interrupt
            | Action::Redraw
            | Action::Suspend => return false,
            _ => {
                self.compare = None;
                return false;
            }
        }
        true
    }

    /// How many rows a page has.
    fn page(&self, areas: &Areas) -> isize {
        let rows = match self.compare.as_ref().map(|c| c.tab) {
            Some(Tab::Differences) => tables::list(self, areas.body).height,
            Some(tab) => draw::rows(tab, areas).height,
            None => areas.body.height,
        };
        rows as isize
    }

    /// Moves by rows: the selection where there is one, else the text.
    fn compare_move(&mut self, by: isize) {
        let Some(areas) = self.compare_areas() else { return };
        let Some(compare) = &mut self.compare else { return };
        let side = compare.side;
        match compare.tab {
            // Where nothing differs there are only the frames below to walk through.
            Tab::Differences if compare.differences() == 0 => self.move_frame(side, by),
            Tab::Differences => {
                let len = compare.differences();
                let to = compare.difference.saturating_add_signed(by);
                compare.difference = to.min(len.saturating_sub(1));
                self.go_to_difference();
            }
            Tab::Frames => self.move_frame(side, by),
            _ => self.scroll_compare(side, by, &areas),
        }
    }

    /// Scrolls a text or a table; two linked texts go together.
    fn scroll_compare(&mut self, side: usize, by: isize, areas: &Areas) {
        let lens = draw::lengths(self, areas);
        let Some(compare) = &mut self.compare else { return };
        let (two, tab) = (compare.texts().is_some(), compare.tab);
        let linked = compare.link != super::Link::Free;
        let height = usize::from(draw::rows(tab, areas).height);
        for (i, (scroll, len)) in compare.scrolls.iter_mut().zip(lens).enumerate() {
            if i == side || linked || !two {
                scroll.by(by, height, len);
            }
        }
        let channel = match tab {
            Tab::Content => Channel::Content,
            Tab::Reasoning => Channel::Reasoning,
            _ => return,
        };
        // Two texts go together by what brought them, not line by line.
        let to = draw::linked_line(self, side, channel, areas).filter(|_| linked);
        if let (Some(compare), Some(to)) = (&mut self.compare, to) {
            compare.scrolls[1 - side].top = to;
            compare.scrolls[1 - side].clamp(height, lens[1 - side]);
        }
    }

    /// The next difference: in a text the next place that is marked, else the next of the list.
    fn step_difference(&mut self, forward: bool) {
        let Some(areas) = self.compare_areas() else { return };
        let Some(compare) = &mut self.compare else { return };
        if compare.texts().is_some() {
            draw::to_mark(self, forward, &areas);
            return;
        }
        let len = compare.differences();
        if len == 0 {
            self.say("There is no difference to go to.");
            return;
        }
        let step = if forward { 1 } else { len - 1 };
        compare.difference = (compare.difference + step) % len;
        self.go_to_difference();
    }

    /// Explains the next difference of the list.
    pub(in crate::tui) fn explain_next(&mut self, forward: bool) {
        if let Some(compare) = &mut self.compare {
            let len = compare.differences().max(1);
            let step = if forward { 1 } else { len - 1 };
            compare.difference = (compare.difference + step) % len;
        }
        self.go_to_difference();
        self.explain_difference();
    }

    /// Selects the frames that the selected difference points at.
    pub(super) fn go_to_difference(&mut self) {
        let Some(compare) = &self.compare else { return };
        let made = compare.made.as_ref();
        let difference = made.and_then(|m| m.comparison.differences.get(compare.difference));
        let Some((a, b)) = difference.map(|d| d.frames) else { return };
        // What is shown by a frame of one side stands beside what the other side had then.
        let linked = |side: usize, frame: Option<u32>| {
            frame.and_then(|f| self.linked_frame(side, f as usize))
        };
        let to = [
            a.map(|f| f as usize).or_else(|| linked(1, b)),
            b.map(|f| f as usize).or_else(|| linked(0, a)),
        ];
        let Some(compare) = &mut self.compare else { return };
        for (side, frame) in to.into_iter().enumerate() {
            if let Some(frame) = frame {
                compare.frames[side] = frame;
                compare.follow = false;
            }
        }
    }

    fn explain_difference(&mut self) {
        let Some(compare) = &self.compare else { return };
        let made = compare.made.as_ref();
        let Some(d) = made.and_then(|m| m.comparison.differences.get(compare.difference)) else {
            self.say("There is no difference to explain.");
            return;
        };
        let doc = crate::tui::verbs::explanation(
            d.code.rule(),
            d.severity,
            &d.message,
            &tables::frames(d),
        );
        self.read(Reading::explanation(d.code.name(), doc));
    }

    /// The bytes of the selected frames.
    fn read_frames(&mut self) {
        let Some(compare) = &self.compare else { return };
        let mut doc = Doc::of_bytes();
        for (side, name) in ["A", "B"].into_iter().enumerate() {
            let Some(exchange) = self.compared(side) else { continue };
            let frame = compare.frames[side];
            if frame < exchange.seen.frames().len() {
                let title = format!("{name} · frame {}", crate::text::group(frame as u64));
                doc.push(crate::tui::Role::Title, &title).line();
                doc.append(crate::tui::pane::detail::raw(exchange, frame));
                doc.line();
            }
        }
        if !doc.text.is_empty() {
            self.read(Reading::new("The bytes", doc));
        }
    }

    fn copy_comparison(&mut self) {
        let (Some(a), Some(b)) = (self.compared(0), self.compared(1)) else { return };
        let Some(made) = self.compare.as_ref().and_then(|c| c.made.as_ref()) else { return };
        let mut out = Vec::new();
        let plain = Palette { color: false };
        // A vector takes everything.
        let _ = write_comparison([&a.seen, &b.seen], &made.comparison, plain, &mut out);
        let text = String::from_utf8_lossy(&out).into_owned();
        self.copy_text("the comparison".to_owned(), text);
    }

    /// The two as they are compared here, for a report.
    pub(in crate::tui) fn comparison_report(&self) -> Option<Report<'_>> {
        let (a, b) = (self.compared(0)?, self.compared(1)?);
        let compare = self.compare.as_ref()?;
        let found = &compare.made.as_ref()?.comparison;
        let sides = [(a.id, &a.seen), (b.id, &b.seen)];
        Some(Report::Compared { sides, found, requests: compare.requests() })
    }

    fn send_again(&mut self) {
        match self.compare.as_ref().and_then(|c| c.pair.clone()) {
            Some(pair) => self.send_pair(pair),
            None => self.say("These two were recorded: there is nothing to send again."),
        }
    }

    fn stop_both(&mut self) {
        for side in 0..2 {
            if let Some(id) = self.compared(side).filter(|e| e.is_running()).map(|e| e.id) {
                self.effects.push(Effect::Cancel(id));
            }
        }
    }

    /// A click.
    pub(in crate::tui) fn compare_click(&mut self, at: Position) {
        let Some(areas) = self.compare_areas() else { return };
        if areas.tabs.contains(at) {
            let hit = draw::tab_places(self, areas.tabs).into_iter().find(|t| t.2.contains(&at.x));
            if let (Some(compare), Some((tab, _, _))) = (&mut self.compare, hit) {
                compare.show(tab);
            }
            return;
        }
        if !areas.body.contains(at) {
            return;
        }
        let Some(tab) = self.compare.as_ref().map(|c| c.tab) else { return };
        self.choose_side(at, &areas);
        let frames = draw::frames_area(self, &areas).map(frames::rows).unwrap_or_default();
        let list = tables::list(self, areas.body);
        let Some(compare) = &mut self.compare else { return };
        if frames.contains(at) {
            let side = compare.side;
            let row = compare.tops[side].top + usize::from(at.y - frames.y);
            let by = row as isize - compare.frames[side] as isize;
            if row < self.compared(side).map_or(0, |e| e.seen.frames().len()) {
                self.move_frame(side, by);
            }
        } else if tab == Tab::Differences && list.contains(at) {
            let row = compare.scrolls[0].top + usize::from(at.y - list.y);
            let len = compare.differences();
            if row == compare.difference {
                self.explain_difference();
            } else if row < len {
                compare.difference = row;
                self.go_to_difference();
            }
        }
    }

    fn choose_side(&mut self, at: Position, areas: &Areas) {
        let Some(compare) = &mut self.compare else { return };
        if areas.body.width >= TWO_SIDES {
            compare.side = usize::from(halves(areas.body, 0)[1].x <= at.x);
        }
    }

    /// The wheel.
    pub(in crate::tui) fn compare_wheel(&mut self, rows: isize, at: Position) {
        let Some(areas) = self.compare_areas() else { return };
        if !areas.body.contains(at) {
            return;
        }
        self.choose_side(at, &areas);
        let side = self.compare.as_ref().map_or(0, |c| c.side);
        match draw::frames_area(self, &areas) {
            Some(frames) if frames.contains(at) => self.move_frame(side, rows),
            _ => self.compare_move(rows),
        }
    }
}

impl Compare {
    fn differences(&self) -> usize {
        self.made.as_ref().map_or(0, |m| m.comparison.differences.len())
    }

    fn step_tab(&mut self, by: usize) {
        let at = TABS.iter().position(|t| *t == self.tab).unwrap_or(0);
        self.show(TABS[(at + by) % TABS.len()]);
    }

    fn show(&mut self, tab: Tab) {
        if self.tab != tab {
            self.tab = tab;
            self.scrolls = [Scroll::default(); 2];
        }
    }
}
