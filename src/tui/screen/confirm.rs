//! A question that is answered with yes or no.

use ratatui::buffer::Buffer;

use super::{ActionOutcome, Screen, boxed, line_area};
use crate::action::{Action, Context, Effect};
use crate::tui::model::Model;
use crate::tui::theme::Role;
use crate::tui::widget::line;

/// A question; yes has an effect.
pub(in crate::tui) struct Confirm {
    question: &'static str,
    effect: Effect,
}

impl Confirm {
    pub(in crate::tui) fn new(question: &'static str, effect: Effect) -> Self {
        Self { question, effect }
    }
}

impl Screen for Confirm {
    fn contexts(&self, _: &Model) -> Vec<Context> {
        vec![Context::Confirm]
    }

    fn offers(&self, _: &Model) -> Vec<Action> {
        vec![Action::Yes, Action::No]
    }

    fn act(&mut self, model: &mut Model, action: Action) -> ActionOutcome {
        match action {
            Action::Yes => model.effect(self.effect.clone()),
            Action::No | Action::Back => {}
            _ => return ActionOutcome::Done,
        }
        ActionOutcome::Closed
    }

    fn draw(&self, model: &Model, _: bool, buf: &mut Buffer) {
        let area = boxed(model.theme(), line_area(model.size(), 0), "", buf);
        let text = line::fit(&format!(" {}", self.question), area.width.into());
        line::put(buf, area, &[(&text, model.theme().of(Role::Title))]);
    }
}
