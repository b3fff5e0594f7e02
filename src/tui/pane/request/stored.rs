//! Requests in files and variables: the lists and prompts about them.

use crate::action::{Effect, SentRequest, StoredRequest};
use crate::journal::is_secret_name;
use crate::text::{Newlines, preview, visible};
use crate::tui::model::{Model, source_words};
use crate::tui::screen::{List, Prompt, history};
use crate::tui::theme::Role;
use crate::tui::widget::line;

/// A row of the list of requests.
enum RequestRow {
    /// A request in a file: which, and with which of its environments.
    Stored(usize, Option<String>),
    /// A request that was sent.
    Sent(usize),
}

/// The rows of the requests: each in a file, and once more for its environments; then those sent.
fn rows(model: &Model) -> Vec<RequestRow> {
    let stored = model.stored_requests().unwrap_or_default();
    let of = |(i, request): (usize, &StoredRequest)| {
        let environments = request.environments.clone().into_iter().map(Some);
        std::iter::once(None).chain(environments).map(move |e| RequestRow::Stored(i, e))
    };
    let sent = model.sent_requests().unwrap_or_default();
    stored.iter().enumerate().flat_map(of).chain((0..sent.len()).map(RequestRow::Sent)).collect()
}

/// Chooses a request of the folder, or one that was sent; both are read meanwhile.
pub(super) fn open(model: &mut Model) {
    let list = List::new("Requests in files, requests sent", |model, choice| {
        let effect = match choice.row.and_then(|row| rows(model).into_iter().nth(row)) {
            Some(RequestRow::Stored(i, environment)) => model
                .stored_requests()
                .map(|list| Effect::OpenRequest { path: list[i].path.clone(), environment }),
            Some(RequestRow::Sent(i)) => model.sent_requests().map(|list| Effect::TakeSent {
                path: list[i].path.clone(),
                exchange: list[i].exchange.id,
            }),
            None => None,
        };
        if let Some(effect) = effect {
            model.effect(effect);
        }
    });
    let folder = model.requests_folder().display().to_string();
    let empty = format!("None in the folder {folder} and in saved sessions yet");
    let mut has_files = false;
    let list = list.saying(&empty).and_later(move |model, list| {
        if !has_files && let Some(stored) = model.stored_requests() {
            stored.iter().for_each(|request| add_stored(list, request));
            has_files = true;
        }
        // Requests stored in files come first.
        let Some(sent) = model.sent_requests().filter(|_| has_files) else { return false };
        sent.iter().for_each(|request| add_sent(list, request));
        true
    });
    model.list_requests();
    model.push(list);
}

/// Adds a request in a file, and once more for each of its environments.
fn add_stored(list: &mut List, request: &StoredRequest) {
    let path = preview(&request.path.display().to_string(), 60);
    let named = request.environments.iter().map(|name| format!("{path} · {}", preview(name, 30)));
    for label in std::iter::once(path.clone()).chain(named) {
        let (note, sign) = match &request.about {
            Ok(about) => (about, (" ", Role::Text)),
            Err(why) => (why, ("✖", Role::Error)),
        };
        list.add(label, preview(note, 200));
        list.sign(sign);
    }
}

/// Adds a request that was sent: when, what was asked, and which model; host and verdict.
fn add_sent(list: &mut List, sent: &SentRequest) {
    let when = history::when(&sent.created);
    let prompt = line::fit(&preview(&sent.prompt, 80), 28);
    let label = format!("{when}  {prompt} · {}", preview(&sent.exchange.model, 40));
    list.add(label, history::about(&sent.exchange));
    list.sign(history::sign(sent.exchange.outcome));
}

/// Asks where the request is to be saved.
pub(super) fn store(model: &mut Model) {
    let name = model.free_request_name();
    let title = "Save the request to (.toml or .json)";
    model.push(Prompt::file(title, &name, |model, path| model.store_request(path)));
}

/// Chooses a variable to be set, or an environment of the request's file.
pub(super) fn variables(model: &mut Model) {
    model.fill_variables();
    let states = model.variables().to_vec();
    let variables = model.request().draft().variables.as_deref().cloned().unwrap_or_default();
    let environments: Vec<String> = variables.environments.into_keys().collect();
    let names: Vec<String> = states.iter().map(|s| s.name.clone()).collect();
    let chosen = environments.clone();
    let mut list = List::new("Variables of the request", move |model, choice| {
        let Some(row) = choice.row else { return };
        match (names.get(row), row.checked_sub(names.len()).and_then(|row| chosen.get(row))) {
            (Some(name), _) => ask_for(model, name),
            (None, Some(environment)) => model.choose_environment(environment),
            (None, None) => {}
        }
    });
    for state in &states {
        list.add(format!("${{{}}}", state.name), source_words(state.source));
        list.sign(if state.source.is_some() { ("✔", Role::Ok) } else { ("▲", Role::Warn) });
    }
    for name in &environments {
        let is_chosen = variables.environment.as_ref() == Some(name);
        let note =
            if is_chosen { "environment of the file, chosen" } else { "environment of the file" };
        list.add(visible(name, Newlines::Show).into_owned(), note);
        list.sign(if is_chosen { ("✔", Role::Ok) } else { (" ", Role::Text) });
    }
    if states.is_empty() && environments.is_empty() {
        model.notify(
            "Write ${NAME} into the body or a header; it is filled in when the request is sent",
        );
        return;
    }
    let at = states.iter().position(|s| s.source.is_none()).unwrap_or(0);
    model.push(list.start_at(at));
}

/// Asks for the value of a variable.
fn ask_for(model: &mut Model, name: &str) {
    let title = format!("Value of ${name} for this run; it is masked everywhere and kept nowhere");
    let prompt = Prompt::new(&title, "", {
        let name = name.to_owned();
        move |model, value| {
            model.set_variable(&name, value);
            Ok(())
        }
    });
    model.push(if is_secret_name(name) { prompt.hidden() } else { prompt });
}
