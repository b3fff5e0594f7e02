//! Sending the request many times, and what that comes to.
//!
//! A thousand exchanges do not fit on a screen, and shall not stay in memory: what runs is followed,
//! what is over is counted, and only the first few of each outcome join the session's exchanges. The
//! session's file has them all.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::exchange::Exchange;
use super::overlay::{Overlay, Purpose, Subject, boxed, centered};
use super::theme::Role;
use super::widget::line;
use super::{App, Report};
use crate::action::{Action, Draft, Effect};
use crate::inspect::tally::{Case, Kind, Label, Tally, rate, share};
use crate::inspect::{Inspection, Outcome, Reason};
use crate::journal::{Entry, EntryKind, ExchangeId, Micros};
use crate::rule::Code;
use crate::text::{Newlines, group, visible};

/// The most that can be asked for: how often, and how many at a time.
const MOST: (u64, u64) = (100_000, 200);

/// What is proposed.
const PROPOSED: &str = "20 4";

/// A request that is sent many times.
#[derive(Debug)]
pub(super) struct Repeat {
    draft: Draft,
    times: u64,
    parallel: u64,
    /// How many were handed out, and how many of them are dealt with.
    begun: u64,
    done: u64,
    /// How many were cut short: what would have become of them nobody knows.
    cut: u64,
    stopped: bool,
    running: BTreeMap<ExchangeId, Exchange>,
    tally: Tally,
    from: Micros,
    to: Option<Micros>,
    /// The chosen row, and whether the user chose it: until then it is the worst.
    at: usize,
    moved: bool,
}

impl Repeat {
    fn is_running(&self) -> bool {
        self.to.is_none()
    }

    /// What became of those that are over, the worst first.
    fn kinds(&self) -> &[Kind] {
        self.tally.groups().first().map_or(&[], |g| &g.kinds)
    }

    /// Hands out the next one.
    fn next(&mut self) -> Option<Effect> {
        if self.stopped || self.begun == self.times {
            return None;
        }
        self.begun += 1;
        Some(Effect::Send(Box::new(self.draft.clone())))
    }

    fn progress(&self, now: Micros) -> String {
        let elapsed = self.to.unwrap_or(now).saturating_sub(self.from);
        let mut line = rate(self.done, self.times, self.tally.failed(), elapsed);
        if self.stopped {
            line.push_str(" · stopped");
        }
        if self.cut > 0 {
            line.push_str(&format!(" · {} cut short are not counted", group(self.cut)));
        }
        line
    }
}

/// How often, and how many at a time: `20 4`, or `20`.
fn numbers(typed: &str) -> Option<(u64, u64)> {
    let mut words = typed.split_whitespace().map(|w| w.parse::<u64>().ok());
    let times = words.next()??;
    let parallel = words.next().unwrap_or(Some(1))?;
    let fits = (1..=MOST.0).contains(&times) && (1..=MOST.1).contains(&parallel);
    (words.next().is_none() && fits).then_some((times, parallel))
}

impl App {
    /// Whether a request is being sent many times.
    pub(super) fn is_repeating(&self) -> bool {
        self.repeat.as_ref().is_some_and(Repeat::is_running)
    }

    /// Shows what the last repetition came to; where there is none, asks for one.
    pub(super) fn show_repeat(&mut self) {
        match &self.repeat {
            Some(_) => self.overlays.push(Overlay::Repeating),
            None => self.ask_repeat(),
        }
    }

    fn ask_repeat(&mut self) {
        if self.is_running() {
            self.say("A stream is running: stop it first.");
            return;
        }
        let title = "Send it how many times, and how many at a time";
        self.ask(Purpose::Repeat, title, PROPOSED);
    }

    /// Begins, if what was typed are the numbers for it; else tells what is wanted.
    pub(super) fn begin_repeat(&mut self, typed: &str) -> Result<(), String> {
        let (n, k) = (group(MOST.0), group(MOST.1));
        let wanted = || {
            format!(
                "Two numbers are wanted: how many times (1 to {n}), how many at a time (1 to {k})."
            )
        };
        let (times, parallel) = numbers(typed).ok_or_else(wanted)?;
        if self.is_running() {
            return Err("A stream is running: stop it first.".to_owned());
        }
        self.request.stop_typing();
        let mut repeat = Repeat {
            draft: self.request.to_send(),
            times,
            parallel: parallel.min(times),
            begun: 0,
            done: 0,
            cut: 0,
            stopped: false,
            running: BTreeMap::new(),
            tally: Tally::default(),
            from: self.now,
            to: None,
            at: 0,
            moved: false,
        };
        for _ in 0..repeat.parallel {
            self.effects.extend(repeat.next());
        }
        self.repeat = Some(repeat);
        self.overlays.push(Overlay::Repeating);
        Ok(())
    }

    /// Lets nothing more begin, and stops what runs.
    pub(super) fn stop_repeat(&mut self) {
        let Some(repeat) = &mut self.repeat else { return };
        repeat.stopped = true;
        self.effects.extend(repeat.running.keys().map(|x| Effect::Cancel(*x)));
    }

    /// Nothing could be sent at all.
    pub(super) fn repeat_failed(&mut self) {
        if let Some(repeat) = &mut self.repeat
            && repeat.done == 0
            && repeat.running.is_empty()
        {
            repeat.stopped = true;
            repeat.to = repeat.to.or(Some(self.now));
        }
    }

    /// Takes in an entry, if it is one of the repetition's.
    pub(super) fn repeat_takes(&mut self, entry: &Entry, fresh: impl Fn() -> Inspection) -> bool {
        let Some(repeat) = self.repeat.as_mut().filter(|r| r.is_running()) else { return false };
        if matches!(entry.kind, EntryKind::Request(_)) {
            repeat.running.insert(entry.exchange, Exchange::new(entry.exchange, fresh(), true));
            // It had no number yet when the others were stopped.
            if repeat.stopped {
                self.effects.push(Effect::Cancel(entry.exchange));
            }
        }
        let Some(exchange) = repeat.running.get_mut(&entry.exchange) else { return false };
        exchange.push(entry);
        true
    }

    /// A request is dealt with; `hops` are the redirects that were followed from it.
    pub(super) fn repeat_over(&mut self, x: ExchangeId, hops: &[ExchangeId]) {
        let Some(repeat) = self.repeat.as_mut().filter(|r| r.is_running()) else { return };
        let last = hops.last().copied().unwrap_or(x);
        let answer = repeat.running.remove(&last);
        repeat.running.remove(&x);
        hops.iter().for_each(|hop| drop(repeat.running.remove(hop)));
        let Some(mut answer) = answer else { return };
        repeat.done += 1;
        if answer.seen.reason() == Some(Reason::Cancelled) {
            repeat.cut += 1;
        } else {
            let chosen = repeat.kinds().get(repeat.at).filter(|_| repeat.moved).map(|k| k.case);
            let label = Label { provider: repeat.draft.provider.clone(), ..Label::default() };
            let kept = repeat.tally.add(&label, last, Case::of(&answer.seen));
            // What is chosen stays so, though the rows change places.
            if let Some(case) = chosen {
                repeat.at = repeat.kinds().iter().position(|k| k.case == case).unwrap_or(0);
            }
            if kept {
                if hops.is_empty() {
                    self.sent.keep(x, &repeat.draft);
                }
                answer.follow = false;
                answer.frame = (!answer.seen.frames().is_empty()).then_some(0);
                self.exchanges.push(answer);
            }
        }
        match repeat.next() {
            Some(next) => self.effects.push(next),
            None if repeat.done == repeat.begun => repeat.to = Some(self.now),
            None => {}
        }
    }

    /// An action while its table is open; tells whether it meant anything there.
    pub(super) fn repeat_act(&mut self, action: Action) -> bool {
        let Some(repeat) = &mut self.repeat else { return false };
        let last = repeat.kinds().len().saturating_sub(1);
        let moves = [Action::Up, Action::Down, Action::Top, Action::Bottom];
        repeat.moved |= moves.contains(&action);
        match action {
            Action::Up => repeat.at = repeat.at.saturating_sub(1),
            Action::Down => repeat.at = (repeat.at + 1).min(last),
            Action::Top => repeat.at = 0,
            Action::Bottom => repeat.at = last,
            Action::Back => drop(self.overlays.pop()),
            Action::Repeat => {
                self.overlays.pop();
                self.ask_repeat();
            }
            Action::Accept => self.show_example(),
            Action::ExportMarkdown if repeat.tally.total() == 0 => {
                self.say("There is nothing to report yet: none is over.");
            }
            Action::ExportMarkdown => {
                let title = "Write a report of the repetition (Markdown) to";
                self.ask_report(Subject::Repetition, title);
            }
            _ => return false,
        }
        true
    }

    /// What became of all of them, as a report.
    pub(super) fn repetition_report(&self) -> Option<String> {
        let repeat = self.repeat.as_ref()?;
        let kept: BTreeSet<_> = repeat.kinds().iter().flat_map(|k| &k.examples).collect();
        let ours = self.exchanges.iter().filter(|e| e.live && kept.contains(&e.id));
        let examples: Vec<_> = ours.map(|e| (e.id, &e.seen)).collect();
        let (tally, asked) = (&repeat.tally, repeat.times);
        Some((self.tools.to_markdown)(Report::Repeated { tally, asked, examples: &examples }))
    }

    fn show_example(&mut self) {
        let kind = self.repeat.as_ref().and_then(|r| r.kinds().get(r.at));
        let Some(x) = kind.and_then(|k| k.examples.first().copied()) else { return };
        match self.exchanges.iter().rposition(|e| e.id == x && e.live) {
            Some(index) => {
                self.overlays.clear();
                self.show(index);
                if self.focus == super::pane::PaneId::Request {
                    self.go(super::pane::PaneId::Frames);
                }
            }
            None => self.say("Another file was opened since: its exchanges are gone from here."),
        }
    }

    /// What the title says while it goes on.
    pub(super) fn repeat_state(&self) -> Option<String> {
        let repeat = self.repeat.as_ref().filter(|r| r.is_running())?;
        Some(format!("● {} of {}", group(repeat.done), group(repeat.times)))
    }

    /// Draws the table.
    pub(super) fn draw_repeat(&self, buf: &mut Buffer) {
        let Some(repeat) = &self.repeat else { return };
        let theme = &self.theme;
        let rows = repeat.kinds().len().max(1) as u16;
        let area = centered(self.size, 96, rows.saturating_add(6));
        let model = visible(&repeat.draft.model, Newlines::Show).into_owned();
        let title = match repeat.parallel {
            1 => format!("{model} × {}", group(repeat.times)),
            k => format!("{model} × {}, {} at a time", group(repeat.times), group(k)),
        };
        let inner = boxed(theme, area, &title, buf);
        let room = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        let row = |n: u16| match n < room.height {
            true => Rect { y: room.y + n, height: 1, ..room },
            false => Rect::default(),
        };
        let wide = u64::from(room.width);
        let full = (wide * repeat.done / repeat.times.max(1)).min(wide) as usize;
        let role = if repeat.is_running() { Role::Running } else { Role::Ok };
        let rest = "─".repeat(room.width as usize - full);
        line::put(
            buf,
            row(0),
            &[(&"━".repeat(full), theme.of(role)), (&rest, theme.of(Role::Line))],
        );
        let progress = line::fit(&repeat.progress(self.now), usize::from(room.width));
        line::put(buf, row(1), &[(&progress, theme.of(Role::Text))]);
        // The cause gives way, so that the share is always whole; where there is no room for both,
        // it stands for the outcome, whose sign is there.
        let narrow = room.width < 62;
        let cause = usize::from(room.width).saturating_sub(52).clamp(8, 26);
        let row_of = |outcome: &str, cause_name: &str, count: &str, share: &str| match narrow {
            true => format!("{:<18}{count:>5} {share}", line::fit(outcome, 17)),
            false => {
                let cause_name = line::fit(cause_name, cause - 1);
                format!("{outcome:<20}{cause_name:<cause$}{count:>8}  {share}")
            }
        };
        let head = format!("  {}", row_of("outcome", "cause", "count", " share (95 %)"));
        line::put(buf, row(3), &[(&line::fit(&head, wide as usize), theme.of(Role::Label))]);
        if repeat.kinds().is_empty() {
            line::put(buf, row(4), &[("  None is over yet.", theme.of(Role::Dim))]);
        }
        // With more rows than room the chosen one stays in sight.
        let fit = usize::from(room.height.saturating_sub(4)).max(1);
        let first = (repeat.at + 1).saturating_sub(fit);
        for (i, kind) in repeat.kinds().iter().enumerate().skip(first).take(fit) {
            let place = row(4 + (i - first) as u16);
            let (sign, role) = match kind.case.outcome {
                Outcome::Ok => ("✔ ", Role::Ok),
                Outcome::Degraded => ("▲ ", Role::Warn),
                Outcome::Failed => ("✖ ", Role::Error),
            };
            let told = format!("{} {}", kind.case.outcome.name(), kind.case.reason_name());
            let rest = row_of(
                kind.case.code.map(Code::name).filter(|_| narrow).unwrap_or(&told),
                kind.case.code.map_or("–", Code::name),
                &group(kind.count),
                &share(kind.count, repeat.tally.total()),
            );
            let rest = line::fit(&rest, usize::from(place.width).saturating_sub(2));
            line::put(buf, place, &[(sign, theme.of(role)), (&rest, theme.of(Role::Text))]);
            if i == repeat.at {
                buf.set_style(place, theme.of(Role::Selected));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_or_two_are_taken() {
        assert_eq!(numbers(" 20 4 "), Some((20, 4)));
        assert_eq!(numbers("7"), Some((7, 1)));
        for bad in ["", "0", "4 0", "a", "1 2 3", "100001", "9 201", "-1"] {
            assert_eq!(numbers(bad), None, "{bad}");
        }
    }
}
