//! The outcomes of a request that is sent many times.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{ActionOutcome, Screen, ScreenCommand, boxed, centered, pickers};
use crate::action::{Action, Context};
use crate::inspect::Outcome as Verdict;
use crate::inspect::outcomes::{Case, CaseCount, share};
use crate::rule::Code;
use crate::text::{Newlines, group, visible};
use crate::tui::model::{Model, ReportSubject};
use crate::tui::theme::{Role, Theme};
use crate::tui::widget::{line, moved};

/// The columns of the table. The cause is narrowed, so that the share is always whole. Where there is no room
/// for both, the cause replaces the outcome, whose sign is there.
struct OutcomeColumns {
    narrow: bool,
    /// Largest width of the cause.
    cause: usize,
}

impl OutcomeColumns {
    fn of(width: u16) -> Self {
        let cause = usize::from(width).saturating_sub(52).clamp(8, 26);
        Self { narrow: width < 62, cause }
    }

    fn row(&self, outcome: &str, cause_name: &str, count: &str, share: &str) -> String {
        let cause = self.cause;
        match self.narrow {
            true => format!("{:<18}{count:>5} {share}", line::fit(outcome, 17)),
            false => {
                let cause_name = line::fit(cause_name, cause - 1);
                format!("{outcome:<20}{cause_name:<cause$}{count:>8}  {share}")
            }
        }
    }

    /// Draws the row of one outcome, of `total` requests that are over.
    fn draw(&self, theme: &Theme, kind: &CaseCount, total: u64, place: Rect, buf: &mut Buffer) {
        let (sign, role) = match kind.case.outcome {
            Verdict::Ok => ("✔ ", Role::Ok),
            Verdict::Degraded => ("▲ ", Role::Warn),
            Verdict::Failed => ("✖ ", Role::Error),
        };
        let parts = format!("{} {}", kind.case.outcome.name(), kind.case.reason_name());
        let rest = self.row(
            kind.case.code.map(Code::name).filter(|_| self.narrow).unwrap_or(&parts),
            kind.case.code.map_or("–", Code::name),
            &group(kind.count),
            &share(kind.count, total),
        );
        let rest = line::fit(&rest, usize::from(place.width).saturating_sub(2));
        line::put(buf, place, &[(sign, theme.of(role)), (&rest, theme.of(Role::Text))]);
    }
}

/// The table of outcomes.
#[derive(Debug, Default)]
pub(in crate::tui) struct RepetitionScreen {
    /// The outcome that the user chose; until then it is the worst. It stays chosen though the
    /// rows change places.
    chosen: Option<Case>,
}

impl RepetitionScreen {
    fn at(&self, repetition: &crate::tui::model::RepeatedRequest) -> usize {
        let chosen = |case| repetition.kinds().iter().position(|k| k.case == case);
        self.chosen.and_then(chosen).unwrap_or(0)
    }

    fn step(&mut self, model: &Model, by: isize) {
        let Some(repetition) = model.repetition() else { return };
        let to = moved(Some(self.at(repetition)), by, repetition.kinds().len());
        self.chosen = to.and_then(|to| repetition.kinds().get(to)).map(|k| k.case);
    }
}

impl Screen for RepetitionScreen {
    fn contexts(&self, _: &Model) -> Vec<Context> {
        vec![Context::Repetition, Context::Movement, Context::Everywhere]
    }

    fn offers(&self, model: &Model) -> Vec<Action> {
        let first = if model.is_repeating() { Action::Interrupt } else { Action::Repeat };
        let rest = [Action::Back, Action::ExportMarkdown, Action::Down, Action::Up];
        [Action::Accept, first].into_iter().chain(rest).collect()
    }

    fn act(&mut self, model: &mut Model, action: Action) -> ActionOutcome {
        let Some(repetition) = model.repetition() else { return ActionOutcome::Closed };
        match action {
            Action::Back => return ActionOutcome::Closed,
            Action::Repeat => {
                pickers::repetition(model);
                return ActionOutcome::Closed;
            }
            Action::Accept => {
                let kind = repetition.kinds().get(self.at(repetition));
                let example = kind.and_then(|k| k.examples.first().copied());
                if example.is_some_and(|id| model.show_number(id)) {
                    model.command(ScreenCommand::CloseOverlays);
                }
            }
            Action::ExportMarkdown if repetition.tally().total() == 0 => {
                model.notify("Nothing to report yet");
            }
            Action::ExportMarkdown => {
                pickers::report(
                    model,
                    ReportSubject::Repetition,
                    "Write a report of the repetition (Markdown) to",
                );
            }
            _ => match action.scrolls(10) {
                Some(by) => self.step(model, by),
                None => return ActionOutcome::Ignored,
            },
        }
        ActionOutcome::Done
    }

    fn click(&mut self, _: &mut Model, _: Position) -> ActionOutcome {
        ActionOutcome::Done
    }

    fn wheel(&mut self, model: &mut Model, rows: isize, _: Position) {
        self.step(model, rows.signum());
    }

    fn draw(&self, model: &Model, _: bool, buf: &mut Buffer) {
        let Some(repetition) = model.repetition() else { return };
        let (times, parallel) = (repetition.plan().times, repetition.plan().parallel);
        let (theme, at) = (model.theme(), self.at(repetition));
        let rows = repetition.kinds().len().max(1) as u16;
        let area = centered(model.size(), 96, rows.saturating_add(6));
        let name = visible(&repetition.draft().model, Newlines::Show).into_owned();
        let title = match parallel {
            1 => format!("{name} × {}", group(times)),
            k => format!("{name} × {}, {} at a time", group(times), group(k)),
        };
        let inner = boxed(theme, area, &title, buf);
        let room = Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner };
        let row = |n: u16| match n < room.height {
            true => Rect { y: room.y + n, height: 1, ..room },
            false => Rect::default(),
        };
        let wide = u64::from(room.width);
        let full = (wide * repetition.done() / times.max(1)).min(wide) as usize;
        let role = if repetition.is_running() { Role::Running } else { Role::Ok };
        let rest = "─".repeat(room.width as usize - full);
        line::put(
            buf,
            row(0),
            &[(&"━".repeat(full), theme.of(role)), (&rest, theme.of(Role::Line))],
        );
        let progress = line::fit(&repetition.progress(model.now()), usize::from(room.width));
        line::put(buf, row(1), &[(&progress, theme.of(Role::Text))]);
        let columns = OutcomeColumns::of(room.width);
        let head = format!("  {}", columns.row("outcome", "cause", "count", " share (95 %)"));
        line::put(buf, row(3), &[(&line::fit(&head, wide as usize), theme.of(Role::Label))]);
        if repetition.kinds().is_empty() {
            line::put(buf, row(4), &[("  None is over yet.", theme.of(Role::Dim))]);
        }
        // If there are more rows than room, the selected one stays visible.
        let fit = usize::from(room.height.saturating_sub(4)).max(1);
        let first = (at + 1).saturating_sub(fit);
        for (i, kind) in repetition.kinds().iter().enumerate().skip(first).take(fit) {
            let place = row(4 + (i - first) as u16);
            columns.draw(theme, kind, repetition.tally().total(), place, buf);
            if i == at {
                buf.set_style(place, theme.of(Role::Selected));
            }
        }
    }
}
