//! The exchanges of the session, one row each, as they happen: what a tap records, what was sent.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Canvas, Pane, PaneId, Place, Spec, frames, inner};
use crate::action::{Action, OwnAction, OwnContext};
use crate::inspect::{Inspection, Outcome};
use crate::text::{count, preview};
use crate::tui::model::{Exchange, Model};
use crate::tui::theme::Role;
use crate::tui::widget::{Scroll, line, moved};

/// The pane's name in the program.
pub(crate) const ID: PaneId = PaneId("exchanges");

static FAILED_ONLY: OwnAction = OwnAction {
    name: "failed-only",
    short: "failed only",
    help: "list only the exchanges that failed or are degraded, or all again",
    keys: &["s"],
};

static FOLLOW: OwnAction = OwnAction {
    name: "follow-newest",
    short: "newest",
    help: "always show the newest exchange, or stay where you are",
    keys: &["F"],
};

/// Where the pane's own keys count.
static KEYS: OwnContext =
    OwnContext { name: "exchanges", title: "In the exchanges", actions: &[&FAILED_ONLY, &FOLLOW] };

static SPEC: Spec = Spec {
    id: ID,
    title: ("Exchanges", "Exch"),
    keys: &KEYS,
    place: Place::Left,
    go: Some(Action::PaneExchanges),
    footer: &[
        Action::Accept,
        Action::Own(&FAILED_ONLY),
        Action::Own(&FOLLOW),
        Action::Compare,
        Action::NextProblem,
    ],
    everywhere: &[],
    shows_bytes: false,
    copies: &[],
};

/// Which rows are on the screen.
#[derive(Debug, Default)]
pub(crate) struct ExchangesPane {
    scroll: Scroll,
    failed_only: bool,
    /// The newest exchange is shown as soon as it begins.
    follows: bool,
    /// How many exchanges there were.
    seen: usize,
}

impl ExchangesPane {
    /// The exchanges that are listed, by their index.
    fn rows(&self, model: &Model) -> Vec<usize> {
        let all = model.exchanges().iter().enumerate();
        let listed = all.filter(|(_, e)| {
            !self.failed_only || e.is_running() || e.inspection.outcome() != Outcome::Ok
        });
        listed.map(|(i, _)| i).collect()
    }
}

impl Pane for ExchangesPane {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn is_shown(&self, model: &Model) -> bool {
        model.exchanges().len() > 1
    }

    fn settle(&mut self, model: &mut Model, area: Rect) {
        let all = model.exchanges().len();
        if all > self.seen && self.follows {
            model.show(all - 1);
        }
        self.seen = all;
        let rows = self.rows(model);
        let height = usize::from(inner(area).height);
        match rows.iter().position(|i| *i == model.shown()) {
            Some(at) => self.scroll.reveal(at, height, rows.len()),
            None => self.scroll.clamp(height, rows.len()),
        }
    }

    fn act(&mut self, model: &mut Model, action: Action, area: Rect) -> bool {
        if action == Action::Own(&FAILED_ONLY) {
            self.failed_only = !self.failed_only;
            return true;
        }
        if action == Action::Own(&FOLLOW) {
            self.follows = !self.follows;
            if self.follows {
                model.show(model.exchanges().len().saturating_sub(1));
            }
            return true;
        }
        if action == Action::Accept {
            model.focus(frames::ID);
            return true;
        }
        let page = (inner(area).height as isize).max(1);
        let Some(by) = action.scrolls(page) else { return false };
        let rows = self.rows(model);
        let at = rows.iter().position(|i| *i == model.shown());
        if let Some(to) = moved(at, by, rows.len()).and_then(|row| rows.get(row)) {
            self.follows = false;
            model.show(*to);
        }
        true
    }

    fn click(&mut self, model: &mut Model, at: Position, area: Rect) {
        let list = inner(area);
        if list.contains(at)
            && let Some(index) =
                self.rows(model).get(self.scroll.top + usize::from(at.y - list.y)).copied()
        {
            self.follows = false;
            model.show(index);
        }
    }

    fn wheel(&mut self, model: &mut Model, by: isize, _: Position, area: Rect) {
        let height = usize::from(inner(area).height);
        self.scroll.by(by, height, self.rows(model).len());
    }

    fn draw(&self, on: &Canvas<'_>, buf: &mut Buffer) {
        let model = on.model;
        let rows = self.rows(model);
        let all = model.exchanges().len() as u64;
        let mut note = count(all, "exchange");
        if self.failed_only {
            note = format!("{} of {note}, failed", rows.len());
        }
        let follows = if self.follows { " · newest" } else { "" };
        on.header(SPEC.title.0, &[(&note, Role::Text), (follows, Role::Dim)], buf);
        let list = inner(on.area);
        let window = rows.iter().skip(self.scroll.top).take(usize::from(list.height));
        for (y, index) in (list.y..list.bottom()).zip(window) {
            if let Some(exchange) = model.exchanges().get(*index) {
                let place = Rect { y, height: 1, ..list };
                draw_row(on, exchange, *index == model.shown(), place, buf);
            }
        }
        if rows.is_empty() {
            line::put(buf, list, &[(" No exchange failed", on.theme().of(Role::Dim))]);
        }
    }
}

fn draw_row(on: &Canvas<'_>, exchange: &Exchange, chosen: bool, area: Rect, buf: &mut Buffer) {
    let theme = on.theme();
    let inspection = &exchange.inspection;
    let (sign, _, role) = exchange.mark();
    let status = match inspection.status() {
        Some(status) => status.to_string(),
        None => "···".to_owned(),
    };
    let id = format!("#{:<3}", exchange.id);
    let at = began(on.model, exchange);
    let title = title(inspection, exchange);
    let mut pieces = vec![
        (if chosen { "▸" } else { " " }, theme.of(Role::Mark)),
        (sign, theme.of(role)),
        (" ", theme.of(Role::Text)),
        (&*id, theme.of(Role::Number)),
        (&*at, theme.of(Role::Dim)),
        (&*status, theme.of(if status.starts_with('2') { Role::Dim } else { Role::Error })),
        (" ", theme.of(Role::Text)),
        (&*title, theme.of(Role::Text)),
    ];
    let verdict = format!("  {}", inspection.verdict());
    if area.width >= 70 {
        pieces.push((&verdict, theme.of(Role::Dim)));
    }
    line::put(buf, area, &pieces);
    if chosen {
        let bar = theme.of(if on.focused { Role::Selected } else { Role::Unfocused });
        buf.set_style(Rect { x: area.x + 2, width: area.width.saturating_sub(2), ..area }, bar);
    }
}

/// When it began, in seconds since the first one.
fn began(model: &Model, exchange: &Exchange) -> String {
    let first = model.exchanges().iter().filter_map(Exchange::origin).min();
    match (exchange.origin(), first) {
        (Some(at), Some(first)) => {
            format!("{:>7.1} ", at.saturating_sub(first) as f64 / 1e6)
        }
        _ => String::new(),
    }
}

/// The model, or else method and path.
fn title(inspection: &Inspection, exchange: &Exchange) -> String {
    match &inspection.request {
        Some(request) if request.model.is_empty() => {
            let path = request.url.split_once("://").map_or(&*request.url, |(_, rest)| rest);
            let path = path.find('/').map_or("", |slash| &path[slash..]);
            preview(&format!("{} {path}", request.method), 60)
        }
        _ => exchange.title(),
    }
}
