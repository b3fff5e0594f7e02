//! The exchanges of the session, one row each, as they happen: what a tap records, what was sent.

use std::collections::HashMap;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Canvas, Pane, PaneId, PanePlace, Spec, frames, inner};
use crate::action::{Action, OwnAction, OwnContext};
use crate::inspect::Inspection;
use crate::text::{count, preview};
use crate::tui::model::{Exchange, Model, PairedCall};
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

/// The context in which the pane's own keys count.
static KEYS: OwnContext =
    OwnContext { name: "exchanges", title: "In the exchanges", actions: &[&FAILED_ONLY, &FOLLOW] };

static SPEC: Spec = Spec {
    id: ID,
    title: ("Exchanges", "Exch"),
    keys: &KEYS,
    place: PanePlace::Left,
    go: Some(Action::PaneExchanges),
    footer: &[
        Action::Accept,
        Action::Own(&FAILED_ONLY),
        Action::Own(&FOLLOW),
        Action::Compare,
        Action::Send,
        Action::NextProblem,
    ],
    everywhere: &[],
    shows_bytes: false,
    copies: &[],
};

/// The rows that are on the screen.
#[derive(Debug, Default)]
pub(crate) struct ExchangesPane {
    scroll: Scroll,
    failed_only: bool,
    /// The newest exchange is shown as soon as it begins.
    follows: bool,
    /// Number of exchanges that there were.
    seen: usize,
}

/// One exchange of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ExchangeRow {
    /// Its index in the session.
    index: usize,
    /// Its branch of the tree, where a gateway made it for the exchange above.
    branch: &'static str,
}

impl ExchangesPane {
    /// The exchanges that are listed: below each what a gateway made for it.
    fn rows(&self, model: &Model) -> Vec<ExchangeRow> {
        let all = model.exchanges();
        let own = |e: &&Exchange| e.file.is_none();
        let places: HashMap<_, _> = match model.pairs().is_empty() {
            true => HashMap::new(),
            false => {
                let all = all.iter().enumerate().filter(|(_, e)| own(e));
                all.map(|(i, e)| (e.id, i)).collect()
            }
        };
        let is_listed = |i: &usize| !self.failed_only || all[*i].needs_attention();
        let mut rows = Vec::with_capacity(all.len());
        for (index, exchange) in all.iter().enumerate() {
            let owner = model.pairs().owner(exchange.id).filter(|_| own(&exchange));
            if owner.is_some_and(|(client, _)| places.contains_key(&client)) {
                continue;
            }
            let made = if own(&exchange) { model.pairs().upstream(exchange.id) } else { &[] };
            let made: Vec<usize> = made.iter().filter_map(|x| places.get(x)).copied().collect();
            // A call and the upstream calls made for it are shown together or not at all.
            if is_listed(&index) || made.iter().any(is_listed) {
                rows.push(ExchangeRow { index, branch: "" });
                let last = made.len().saturating_sub(1);
                let branch = |n| if n == last { "└ " } else { "├ " };
                let made = made.into_iter().enumerate();
                rows.extend(made.map(|(n, index)| ExchangeRow { index, branch: branch(n) }));
            }
        }
        rows
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
        match rows.iter().position(|row| row.index == model.shown()) {
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
        if action == Action::Send && model.exchanges().len() > 1 {
            model.send_again();
            return true;
        }
        if action == Action::Compare {
            return model.compare_pair();
        }
        let page = (inner(area).height as isize).max(1);
        let Some(by) = action.scrolls(page) else { return false };
        let rows = self.rows(model);
        let at = rows.iter().position(|row| row.index == model.shown());
        if let Some(to) = moved(at, by, rows.len()).and_then(|row| rows.get(row)) {
            self.follows = false;
            model.show(to.index);
        }
        true
    }

    fn click(&mut self, model: &mut Model, at: Position, area: Rect) {
        let list = inner(area);
        if list.contains(at)
            && let Some(row) =
                self.rows(model).get(self.scroll.top + usize::from(at.y - list.y)).copied()
        {
            self.follows = false;
            model.show(row.index);
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
        let paired = model.paired_call().map(|p| format!(" · {}", paired(&p))).unwrap_or_default();
        let notes = [(&*note, Role::Text), (follows, Role::Dim), (&*paired, Role::Dim)];
        on.header(SPEC.title.0, &notes, buf);
        let list = inner(on.area);
        let window = rows.iter().skip(self.scroll.top).take(usize::from(list.height));
        for (y, row) in (list.y..list.bottom()).zip(window) {
            if let Some(exchange) = model.exchanges().get(row.index) {
                let place = Rect { y, height: 1, ..list };
                draw_row(on, exchange, *row, place, buf);
            }
        }
        if rows.is_empty() {
            line::put(buf, list, &[(" No exchange failed", on.theme().of(Role::Dim))]);
        }
    }
}

/// Returns which calls a gateway made for which, and by what that was found.
fn paired(pair: &PairedCall) -> String {
    let upstream: Vec<_> = pair.upstream.iter().map(|x| format!("#{x}")).collect();
    format!("#{} → {} by {}", pair.client, upstream.join(", "), pair.by.name())
}

fn draw_row(on: &Canvas<'_>, exchange: &Exchange, row: ExchangeRow, area: Rect, buf: &mut Buffer) {
    let theme = on.theme();
    let chosen = row.index == on.model.shown();
    let inspection = &exchange.inspection;
    let (sign, _, role) = exchange.mark();
    let status = match inspection.status() {
        Some(status) => status.to_string(),
        None => "···".to_owned(),
    };
    let id = format!("#{:<3}", exchange.id);
    let at = began(on.model, exchange);
    let title = title(inspection, exchange);
    let by = match on.model.pairs().owner(exchange.id).filter(|_| !row.branch.is_empty()) {
        Some((_, by)) => format!("by {}", by.name()),
        None => String::new(),
    };
    let wide = area.width >= 70;
    // On a narrow screen, how the row is paired with the one above comes first.
    let title = match (by.is_empty(), wide) {
        (true, _) => title,
        (false, true) => format!("{title}  {by}"),
        (false, false) => format!("{by}  {title}"),
    };
    let mut pieces = vec![
        (if chosen { "▸" } else { " " }, theme.of(Role::Mark)),
        (sign, theme.of(role)),
        (" ", theme.of(Role::Text)),
        (row.branch, theme.of(Role::Dim)),
        (&*id, theme.of(Role::Number)),
        (&*at, theme.of(Role::Dim)),
        (&*status, theme.of(if status.starts_with('2') { Role::Dim } else { Role::Error })),
        (" ", theme.of(Role::Text)),
        (&*title, theme.of(Role::Text)),
    ];
    let verdict = format!("  {}", inspection.verdict());
    if wide {
        pieces.push((&verdict, theme.of(Role::Dim)));
    }
    line::put(buf, area, &pieces);
    if chosen {
        let bar = theme.of(if on.focused { Role::Selected } else { Role::Unfocused });
        buf.set_style(Rect { x: area.x + 2, width: area.width.saturating_sub(2), ..area }, bar);
    }
}

/// Returns the time at which it began, in seconds since the first one.
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
