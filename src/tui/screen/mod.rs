//! Screens: what is drawn and gets the keys. They lie on one stack, the panes at the bottom, of
//! which the top one is asked first.

mod confirm;
pub(super) mod history;
mod list;
pub(super) mod pickers;
mod prompt;
mod reading;
mod repetition;
mod translation;

pub(super) use confirm::Confirm;
pub(super) use list::{List, ListChoice};
pub(super) use prompt::Prompt;
pub(super) use reading::ReadingScreen;
pub(super) use repetition::RepetitionScreen;
pub(super) use translation::TranslationScreen;

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::widgets::{Clear, Widget};

use super::model::Model;
use super::pane::PaneId;
use super::theme::{Role, Theme};
use super::widget::line;
use super::work::Job;
use crate::action::{Action, Context, Effect};

/// The outcome of an action on a screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ActionOutcome {
    /// It did it.
    Done,
    /// It did it, and goes.
    Closed,
    /// Closes, and reappears if what it asked for fails.
    Waits,
    /// It goes, and the screen below is asked.
    Passed,
    /// It means nothing there.
    Ignored,
}

/// A request of the model or a screen to the stack.
pub(super) enum ScreenCommand {
    /// Do something outside.
    Effect(Effect),
    /// Do work on a separate thread.
    Work(Job),
    /// Put a screen on top.
    Push(Box<dyn Screen>),
    /// Show the comparison, if it is not shown already.
    ShowComparison,
    /// Close what lies over the panes or the comparison.
    CloseOverlays,
    /// Put a pane in focus.
    Focus(PaneId),
    /// Put the second pane in focus if the first is.
    Leave(PaneId, PaneId),
    /// Do what an action asks for.
    Act(Action),
    /// Select and explain the next problem (or the previous one) of the screen on top.
    ExplainNext(bool),
}

/// A screen.
pub(super) trait Screen {
    /// Returns the contexts in which keys count, the nearest first.
    fn contexts(&self, model: &Model) -> Vec<Context>;

    /// The actions that the footer offers, the most useful first.
    fn offers(&self, model: &Model) -> Vec<Action>;

    /// Does what an action means here.
    fn act(&mut self, model: &mut Model, action: Action) -> ActionOutcome;

    /// A key that is bound to nothing here; returns whether it typed something.
    fn key(&mut self, _: &mut Model, _: KeyEvent) -> bool {
        false
    }

    /// Returns whether keys that are bound to nothing type here.
    fn types(&self, _: &Model) -> bool {
        false
    }

    /// A paste; returns whether it was taken.
    fn paste(&mut self, _: &mut Model, _: &str) -> bool {
        false
    }

    /// A click.
    fn click(&mut self, _: &mut Model, _: Position) -> ActionOutcome {
        ActionOutcome::Ignored
    }

    /// The wheel, in rows.
    fn wheel(&mut self, _: &mut Model, _: isize, _: Position) {}

    /// Returns whether there is more than could be laid out since the last drawing.
    fn is_behind(&self, _: &Model) -> bool {
        false
    }

    /// Brings what is selected into view, after anything changed.
    fn settle(&mut self, _: &mut Model) {}

    /// Draws it; `on_top` when it gets the keys.
    fn draw(&self, model: &Model, on_top: bool, buf: &mut Buffer);

    /// Returns whether it covers the whole screen: what is below is not drawn, and stays when overlays are
    /// closed.
    fn covers(&self) -> bool {
        false
    }

    /// Returns whether it is beside the panes, which make room for it.
    fn docks(&self) -> bool {
        false
    }

    /// Returns whether what it shows is gone, and it has to close.
    fn is_over(&self, _: &Model) -> bool {
        false
    }

    /// Returns whether it shows the comparison.
    fn shows_comparison(&self) -> bool {
        false
    }

    /// Receives the reason that what it asked for failed.
    fn refuse(&mut self, _why: &str) {}

    /// The names that what was typed may become.
    fn complete(&mut self, _typed: &str, _names: &[String]) {}

    /// Puts a pane in focus.
    fn focus(&mut self, _: &mut Model, _: PaneId) {}

    /// The pane in focus.
    fn focused(&self) -> Option<PaneId> {
        None
    }

    /// Selects and explains the next problem, or the previous one.
    fn explain_next(&mut self, _: &mut Model, _forward: bool) {}

    /// Returns the footer's name for an action here, where that is not its usual name.
    fn label(&self, _: &Model, _: Action) -> Option<&'static str> {
        None
    }
}

/// Clears a place and draws a border round it; returns what is inside.
pub(super) fn boxed(theme: &Theme, area: Rect, title: &str, buf: &mut Buffer) -> Rect {
    use ratatui::widgets::Block;
    Clear.render(area, buf);
    buf.set_style(area, theme.of(Role::Text));
    let block = Block::bordered()
        .border_type(ratatui::widgets::BorderType::Rounded)
        .border_style(theme.of(Role::Focus));
    let inner = block.inner(area);
    block.render(area, buf);
    if !title.is_empty() && area.width > 4 {
        let room = Rect { x: area.x + 2, width: area.width - 4, height: 1, ..area };
        let title = format!(" {} ", line::fit(title, usize::from(room.width).saturating_sub(2)));
        line::put(buf, room, &[(&title, theme.of(Role::Title))]);
    }
    inner
}

/// A box of at most that size in the middle of the screen.
pub(super) fn centered(screen: Rect, width: u16, height: u16) -> Rect {
    let width = width.min(screen.width.saturating_sub(2));
    let height = height.min(screen.height.saturating_sub(2));
    Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    }
}

/// A box for one line and so many rows below it.
fn line_area(screen: Rect, more: u16) -> Rect {
    centered(screen, 90, 3 + more)
}
