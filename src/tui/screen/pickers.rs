//! The lists and prompts that are the same wherever they are asked for.

use super::{List, Prompt, ScreenCommand};
use crate::action::{Action, Effect};
use crate::tui::AUTO;
use crate::tui::model::{Model, PROPOSED, ReportSubject};
use crate::tui::theme::Role;

/// Chooses the provider.
pub(in crate::tui) fn provider(model: &mut Model) {
    let mut list = List::new("Provider", |model, choice| {
        let name = choice.row.and_then(|row| model.providers().get(row)).map(|p| p.name.clone());
        if let Some(name) = name {
            model.set_provider(&name);
        }
    });
    let present = &model.request().draft().provider;
    let at = model.providers().iter().position(|p| p.name == *present).unwrap_or(0);
    for provider in model.providers() {
        let key = match (&provider.key_variable, provider.key_is_set) {
            (None, _) => "no key needed".to_owned(),
            (Some(name), true) => format!("{name} is set"),
            (Some(name), false) => format!("needs {name}"),
        };
        list.add(&provider.name, format!("{key} · {} · {}", provider.dialect, provider.about));
        let missing = provider.key_variable.is_some() && !provider.key_is_set;
        list.sign(if missing { ("·", Role::Dim) } else { ("✔", Role::Ok) });
    }
    model.push(list.start_at(at));
}

/// Chooses or types the model.
pub(in crate::tui) fn model(model: &mut Model) {
    let listed = model.provider().is_some_and(|p| !p.models.is_empty());
    let title = match listed {
        true => "Model: choose, or type a name",
        false => "Model: type a model's name, or choose",
    };
    let models = models(model);
    let present = &model.request().draft().model;
    let at = models.iter().position(|(name, _)| name == present).unwrap_or(0);
    let names: Vec<String> = models.iter().map(|m| m.0.clone()).collect();
    let asked = model.provider().filter(|p| !p.is_lab()).map(|p| p.name.clone());
    let mut list = List::new(title, move |model, choice| match (choice.row, &asked) {
        (Some(row), Some(provider)) if row == names.len() => {
            model.notify(format!("Asking {provider} for its models"));
            model.effect(Effect::ListModels(provider.clone()));
        }
        (row, _) => {
            let listed = row.and_then(|row| names.get(row).cloned());
            model.request_mut().set_model(&listed.unwrap_or(choice.typed));
        }
    })
    .or_typed();
    for (name, about) in models {
        list.add(name, about);
    }
    if let Some(provider) = model.provider().filter(|p| !p.is_lab()) {
        list.add("…", format!("ask {} for its models", provider.name));
    }
    model.push(list.start_at(at));
}

/// The models to choose from: those that the provider lists, or else its usual one and the
/// present one.
fn models(model: &Model) -> Vec<(String, String)> {
    let Some(provider) = model.provider() else { return Vec::new() };
    if !provider.models.is_empty() {
        return provider.models.to_vec();
    }
    let present = &model.request().draft().model;
    let mut models = vec![(provider.model.clone(), format!("{}'s usual model", provider.name))];
    if *present != provider.model {
        models.insert(0, (present.clone(), "as in the request".to_owned()));
    }
    models.retain(|m| !m.0.is_empty());
    models
}

/// Chooses the theme; the one under the cursor is shown at once.
pub(in crate::tui) fn theme(model: &mut Model) {
    let names = model.looks().names();
    let (shown, taken) = (names.clone(), names.clone());
    let list = List::new("Colors", move |model, choice| {
        if let Some(name) = choice.row.and_then(|row| taken.get(row)) {
            model.choose_theme(name);
        }
    });
    let mut list = list.on_move(move |model, row| {
        let name = row.and_then(|row| shown.get(row)).cloned();
        let name = name.unwrap_or_else(|| model.looks().chosen().to_owned());
        model.show_theme(&name);
    });
    for name in &names {
        let about = match name.as_str() {
            AUTO => "light or dark, as the terminal's background is",
            "mono" => "without colors",
            _ => "",
        };
        list.add(name, about);
    }
    let at = names.iter().position(|name| name == model.looks().chosen()).unwrap_or(0);
    model.push(list.start_at(at));
}

/// Finds a command by its name.
pub(in crate::tui) fn palette(model: &mut Model) {
    let mut list = List::new("Commands", |model, choice| {
        if let Some(action) = choice.row.and_then(|row| commands(model).get(row).copied()) {
            model.command(ScreenCommand::Act(action));
        }
    });
    for action in commands(model) {
        list.add(action.help(), model.keys().all_keys_for(action));
        list.alias(action.name());
    }
    model.push(list);
}

/// Returns what the palette offers: all but the movements and answers, which mean nothing from there.
fn commands(model: &Model) -> Vec<Action> {
    let plain = |a: &Action| {
        let answers = [
            Action::Left,
            Action::Right,
            Action::Accept,
            Action::Back,
            Action::Palette,
            Action::Interrupt,
            Action::Undo,
            Action::Redo,
            Action::Translate,
            Action::KeepBody,
            Action::Yes,
            Action::No,
        ];
        let moves = a.scrolls(1).is_some() && !matches!(a, Action::Top | Action::Bottom);
        !moves && !answers.contains(a)
    };
    model.keys().actions().filter(plain).collect()
}

/// Asks where the session is to be saved.
pub(in crate::tui) fn save(model: &mut Model) {
    let name = model.free_name("");
    model.push(Prompt::file("Save the session to", &name, |model, path| {
        model.propose_no_more(path);
        model.effect(Effect::SaveSession(path.into()));
    }));
}

/// Asks which recording is to be opened.
pub(in crate::tui) fn open(model: &mut Model) {
    let title = "Open (a session, .sse, .ndjson, curl -i, .har)";
    model.push(Prompt::file(title, "", |model, path| model.effect(Effect::LoadFile(path.into()))));
}

/// Asks what is to be searched.
pub(in crate::tui) fn search(model: &mut Model) {
    let text = model.searched_text().to_owned();
    model.push(Prompt::new("Search text, headers and bytes", &text, |model, text| {
        model.set_needle(text);
        model.search(true);
        Ok(())
    }));
}

/// Asks which frames are to be listed.
pub(in crate::tui) fn filter(model: &mut Model) {
    let text = model.filter_text().to_owned();
    let title = "Filter frames: kind:event gap>500ms text~foo path:usage finding len>1k $.path";
    model.push(Prompt::new(title, &text, |model, text| Ok(model.set_filter(text)?)));
}

/// Asks where a report is to be written.
pub(in crate::tui) fn report(model: &mut Model, of: ReportSubject, title: &str) {
    let name = model.free_name(of.part()).replace(".json", ".md");
    model.push(Prompt::file(title, &name, move |model, path| {
        model.propose_no_more(path);
        if let Some(page) = model.report(of) {
            model.effect(Effect::WriteFile { path: path.into(), bytes: page.into_bytes() });
        }
    }));
}

/// Asks how often the request is to be sent.
pub(in crate::tui) fn repetition(model: &mut Model) {
    if model.is_running() {
        model.notify("A stream is running: stop it first");
        return;
    }
    let title = "Send it how many times, and how many at a time";
    model.push(Prompt::new(title, PROPOSED, |model, text| match text.trim() {
        "" => Ok(()),
        text => model.begin_repetition(text),
    }));
}
