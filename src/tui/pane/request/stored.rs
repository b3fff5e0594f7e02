//! Requests in files and variables: the lists and prompts about them.

use crate::action::{Effect, StoredRequest};
use crate::journal::is_secret_name;
use crate::text::{Newlines, preview, visible};
use crate::tui::model::{Model, source_words};
use crate::tui::screen::{List, Prompt};
use crate::tui::theme::Role;

/// A row of the list of requests: which, and with which of its environments.
type Row = (usize, Option<String>);

/// The rows of the requests: each, and each once more for its environments.
fn rows(list: &[StoredRequest]) -> Vec<Row> {
    let of = |(i, request): (usize, &StoredRequest)| {
        let environments = request.environments.clone().into_iter().map(move |e| (i, Some(e)));
        std::iter::once((i, None)).chain(environments)
    };
    list.iter().enumerate().flat_map(of).collect()
}

/// Chooses a request of the folder, which is read meanwhile.
pub(super) fn open(model: &mut Model) {
    let list = List::new("Requests", |model, choice| {
        let Some(list) = model.stored_requests() else { return };
        let rows = rows(list);
        let Some((i, environment)) = choice.row.and_then(|row| rows.get(row)) else { return };
        let path = list[*i].path.clone();
        model.effect(Effect::OpenRequest { path, environment: environment.clone() });
    });
    let folder = model.requests_folder().display().to_string();
    let empty = format!("None in the folder {folder} yet");
    let list = list.saying(&empty).and_later(|model, list| {
        let Some(stored) = model.stored_requests() else { return false };
        for (i, environment) in rows(stored) {
            let request = &stored[i];
            let path = preview(&request.path.display().to_string(), 60);
            let label = match &environment {
                Some(name) => format!("{path} · {}", preview(name, 30)),
                None => path,
            };
            let (note, sign) = match &request.about {
                Ok(about) => (about, (" ", Role::Text)),
                Err(why) => (why, ("✖", Role::Error)),
            };
            list.add(label, preview(note, 200));
            list.sign(sign);
        }
        true
    });
    model.set_stored_requests(None);
    model.effect(Effect::ListRequests);
    model.push(list);
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
