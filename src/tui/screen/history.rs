//! The exchanges of this session and the saved sessions: browsed, opened, pinned, deleted, searched.

use super::{Confirm, List, Prompt};
use crate::action::{Action, Effect, SavedExchange, SavedSession};
use crate::text::{count, group, preview};
use crate::tui::model::Model;
use crate::tui::theme::Role;
use crate::tui::widget::line;

/// Chooses among the exchanges of this session and the saved sessions, which are read meanwhile.
pub(in crate::tui) fn history(model: &mut Model) {
    model.set_saved_sessions(None);
    model.effect(Effect::ListSessions);
    let list = list(model);
    model.push(list);
}

/// Returns the list, whose saved sessions are added when they are read.
fn list(model: &mut Model) -> List {
    let own = model.exchanges().len();
    let path = move |model: &Model, row: usize| {
        let saved = model.saved_sessions()?.get(row.checked_sub(own)?)?;
        Some(saved.path.clone())
    };
    let mut list = List::new("Exchanges of this session, saved sessions", move |model, choice| {
        let Some(row) = choice.row else { return };
        match path(model, row) {
            Some(path) => model.effect(Effect::LoadFile(path)),
            None => model.show(row),
        }
    });
    for exchange in model.exchanges() {
        let inspection = &exchange.inspection;
        let (sign, word, role) = exchange.mark();
        let provider = inspection.request.as_ref().map_or("", |r| r.provider.as_str());
        let label = format!("#{}  {}", exchange.id, exchange.title());
        let frames = count(inspection.frames().len() as u64, "frame");
        list.add(label, format!("{word:<10} {provider} · {frames} · {}", inspection.verdict()));
        list.sign((sign, role));
    }
    let only_saved = "Only saved sessions can be deleted or pinned";
    let list = list.on(Action::PinItem, move |model, row| match path(model, row) {
        Some(path) => {
            model.set_saved_sessions(None);
            model.effect(Effect::PinSession(path));
            let again = self::list(model);
            model.push(again);
        }
        None => model.notify(only_saved),
    });
    let list = list.on(Action::SearchSessions, |model, _| search(model));
    let list = list.on(Action::DeleteItem, move |model, row| match path(model, row) {
        Some(path) => {
            let question = "Delete the selected saved session?  y yes   n no";
            model.push(Confirm::new(question, Effect::DeleteSession(path)));
        }
        None => model.notify(only_saved),
    });
    list.start_at(model.shown()).and_later(|model, list| {
        let Some(saved) = model.saved_sessions() else { return false };
        for (label, note, sign) in saved.iter().map(saved_row) {
            list.add(label, note);
            list.sign(sign);
        }
        true
    })
}

/// Returns when a session was begun, to the minute.
pub(in crate::tui) fn when(created: &str) -> String {
    created.get(..16).unwrap_or(created).replace('T', " ")
}

/// The sign of an outcome.
pub(in crate::tui) fn sign(outcome: &str) -> (&'static str, Role) {
    match outcome {
        "ok" => ("✔", Role::Ok),
        "degraded" => ("▲", Role::Warn),
        _ => ("✖", Role::Error),
    }
}

/// A saved session in a list: when and which model; size, time to first token, how many exchanges, host
/// and verdict, in columns.
fn saved_row(session: &SavedSession) -> (String, String, (&'static str, Role)) {
    let pin = if session.pinned { "◆ " } else { "" };
    let size = format!("{} kB", group(session.size.div_ceil(1000)));
    let name = session.path.file_name().map(|n| n.to_string_lossy().into_owned());
    let exchanges = match &session.exchanges {
        Ok(exchanges) => exchanges,
        Err(why) => {
            let label = preview(&format!("{pin}{}", name.unwrap_or_default()), 50);
            let why = preview(&why.to_string(), 200);
            return (label, format!("{size:>9}  {why}"), (" ", Role::Dim));
        }
    };
    let when = when(&session.created);
    // The session is shown with its worst outcome.
    let order = ["ok", "degraded", "failed"];
    let worst = exchanges.iter().max_by_key(|e| order.iter().position(|o| *o == e.outcome));
    let Some(worst) = worst else {
        return (format!("{when}  {pin}"), format!("{size:>9}  empty"), (" ", Role::Dim));
    };
    let several = match exchanges.len() {
        1 => String::new(),
        n => format!("×{n}"),
    };
    let label = format!("{when}  {pin}{}", line::fit(&preview(&worst.model, 60), 34));
    (
        label,
        format!("{size:>9} {} {several:>4}  {}", ttft(worst), about(worst)),
        sign(worst.outcome),
    )
}

/// The time to the first token, as a column.
fn ttft(exchange: &SavedExchange) -> String {
    let text = exchange.first_token.map_or(String::new(), |t| format!("{} ms", group(t / 1000)));
    format!("{text:>9}")
}

/// Host and verdict.
pub(in crate::tui) fn about(exchange: &SavedExchange) -> String {
    preview(&format!("{}  {}", exchange.host, exchange.verdict), 200)
}

/// Asks what is to be searched in all saved sessions.
pub(in crate::tui) fn search(model: &mut Model) {
    let text = model.searched_text().to_owned();
    model.push(Prompt::new("Search in all saved sessions", &text, |model, text| {
        if !text.is_empty() {
            hits(model, text);
        }
        Ok(())
    }));
}

/// The exchanges in which it was found, once they are searched.
fn hits(model: &mut Model, text: &str) {
    let title = format!("Saved sessions with {}", preview(text, 40));
    let found = text.to_owned();
    let list = List::new(&title, move |model, choice| {
        let hits = model.session_hits().unwrap_or_default();
        let Some(hit) = choice.row.and_then(|row| hits.get(row)) else { return };
        let path = hit.path.clone();
        model.set_needle(&found);
        model.effect(Effect::LoadFile(path));
    });
    let list = list.saying("Not found, or still searching").and_later(|model, list| {
        let Some(hits) = model.session_hits() else { return false };
        for hit in hits {
            let exchange = &hit.exchange;
            let model = line::fit(&preview(&exchange.model, 60), 34);
            let places = count(hit.places as u64, "place");
            list.add(
                format!("{}  #{} {model}", when(&hit.created), exchange.id),
                format!("{places:<10} {}", about(exchange)),
            );
            list.sign(sign(exchange.outcome));
        }
        true
    });
    model.search_sessions(text);
    model.push(list);
}
