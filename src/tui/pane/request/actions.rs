//! The user's actions on the request.

use super::{Field, RequestPane, fields, stored};
use crate::action::{Action, Effect, OwnAction};
use crate::tui::ProviderInfo;
use crate::tui::model::{BodyFind, Model, PromptError};
use crate::tui::screen::{Prompt, pickers};
use crate::tui::widget::editor::Wish;
use crate::tui::widget::moved;
use crate::tui::widget::secrets::{shown_value, starred_body};

pub(crate) static EDIT_BODY: OwnAction =
    OwnAction { name: "edit-body", short: "edit body", help: "edit the request body", keys: &[] };

pub(super) static EDIT_OUTSIDE: OwnAction = OwnAction {
    name: "edit-outside",
    short: "your editor",
    help: "edit the body in $VISUAL or $EDITOR",
    keys: &[],
};

pub(super) static EDIT_URL: OwnAction =
    OwnAction { name: "edit-url", short: "url", help: "change the URL", keys: &[] };

pub(super) static EDIT_METHOD: OwnAction =
    OwnAction { name: "edit-method", short: "method", help: "change the HTTP method", keys: &[] };

pub(super) static ADD_HEADER: OwnAction =
    OwnAction { name: "add-header", short: "add header", help: "add a request header", keys: &[] };

pub(super) static DELETE_HEADER: OwnAction = OwnAction {
    name: "delete-header",
    short: "delete",
    help: "delete the header under the cursor",
    keys: &[],
};

pub(super) static RESET_REQUEST: OwnAction = OwnAction {
    name: "reset-request",
    short: "reset",
    help: "reset to the provider's minimal request",
    keys: &[],
};

pub(super) static PASTE_CURL: OwnAction = OwnAction {
    name: "paste-curl",
    short: "curl",
    help: "load the request from a curl command",
    keys: &[],
};

pub(super) static TAKE_REQUEST: OwnAction = OwnAction {
    name: "take-request",
    short: "take",
    help: "load the shown exchange's request into the editor",
    keys: &[],
};

pub(super) static LOAD_REQUEST: OwnAction = OwnAction {
    name: "load-request",
    short: "load body",
    help: "load the request body from a file",
    keys: &[],
};

pub(super) static SAVE_REQUEST: OwnAction = OwnAction {
    name: "save-request",
    short: "save body",
    help: "save the request body to a file",
    keys: &[],
};

pub(super) static OPEN_REQUEST: OwnAction = OwnAction {
    name: "open-request",
    short: "open request",
    help: "open a request from a file, or one that was sent before",
    keys: &[],
};

pub(super) static STORE_REQUEST: OwnAction = OwnAction {
    name: "store-request",
    short: "save request",
    help: "save the request to a file, without credentials",
    keys: &[],
};

pub(crate) static VARIABLES: OwnAction = OwnAction {
    name: "variables",
    short: "variables",
    help: "set variables ${NAME}, or choose the environment of the file",
    keys: &[],
};

pub(crate) static FIND_IN_BODY: OwnAction = OwnAction {
    name: "find-in-body",
    short: "find",
    help: "find a text in the request body",
    keys: &[],
};

pub(super) static FIND_NEXT: OwnAction = OwnAction {
    name: "find-next",
    short: "find next",
    help: "go to the next place of what was found in the request body",
    keys: &[],
};

pub(super) static SELECT_ALL: OwnAction = OwnAction {
    name: "select-all",
    short: "select all",
    help: "select the whole request body",
    keys: &[],
};

pub(super) static CUT_SELECTION: OwnAction = OwnAction {
    name: "cut-selection",
    short: "cut",
    help: "cut what is selected in the request body",
    keys: &[],
};

pub(super) static COPY_SELECTION: OwnAction = OwnAction {
    name: "copy-selection",
    short: "copy selection",
    help: "copy what is selected in the request body",
    keys: &[],
};

pub(super) static TOGGLE_WRAP: OwnAction = OwnAction {
    name: "toggle-wrap",
    short: "wrap",
    help: "wrap long lines of the request body, or do not",
    keys: &[],
};

/// Does one of the pane's own actions.
type PaneAction = fn(&mut RequestPane, &mut Model);

/// The pane's own actions.
pub(super) static OWN: &[&OwnAction] = &[
    &EDIT_BODY,
    &EDIT_OUTSIDE,
    &EDIT_URL,
    &EDIT_METHOD,
    &ADD_HEADER,
    &DELETE_HEADER,
    &RESET_REQUEST,
    &PASTE_CURL,
    &TAKE_REQUEST,
    &LOAD_REQUEST,
    &SAVE_REQUEST,
    &OPEN_REQUEST,
    &STORE_REQUEST,
    &VARIABLES,
    &FIND_IN_BODY,
    &FIND_NEXT,
    &SELECT_ALL,
    &CUT_SELECTION,
    &COPY_SELECTION,
    &TOGGLE_WRAP,
];

/// The function that each of [`OWN`] runs.
static RUN: &[(&OwnAction, PaneAction)] = &[
    (&EDIT_BODY, RequestPane::start_typing),
    (&EDIT_OUTSIDE, edit_outside),
    (&EDIT_URL, |_, model| edit_url(model)),
    (&EDIT_METHOD, edit_method),
    (&ADD_HEADER, |_, model| edit_header(model, None)),
    (&DELETE_HEADER, delete_header),
    (&RESET_REQUEST, |_, model| model.reset_request()),
    (&PASTE_CURL, paste_curl),
    (&TAKE_REQUEST, take_request),
    (&LOAD_REQUEST, load_request),
    (&SAVE_REQUEST, save_request),
    (&OPEN_REQUEST, |_, model| stored::open(model)),
    (&STORE_REQUEST, |_, model| stored::store(model)),
    (&VARIABLES, |_, model| stored::variables(model)),
    (&FIND_IN_BODY, find_in_body),
    (&FIND_NEXT, |_, model| model.find_in_body(BodyFind::Next(true))),
    (&SELECT_ALL, select_all),
    (&CUT_SELECTION, |_, model| take_selection(model, true)),
    (&COPY_SELECTION, |_, model| take_selection(model, false)),
    (&TOGGLE_WRAP, toggle_wrap),
];

/// Does an action of the pane; returns whether it is one of its own.
pub(super) fn act(pane: &mut RequestPane, model: &mut Model, action: Action) -> bool {
    match action {
        Action::Own(own) => match RUN.iter().find(|(known, _)| *known == own) {
            Some((_, run)) => run(pane, model),
            None => return false,
        },
        Action::Back if model.request().is_typing() => model.request_mut().escape(),
        Action::Undo => model.request_mut().undo(),
        Action::Redo => model.request_mut().redo(),
        // There are few fields, so page keys scroll the body.
        Action::PageDown | Action::HalfPageDown => model.request_mut().scroll(10),
        Action::PageUp | Action::HalfPageUp => model.request_mut().scroll(-10),
        Action::FormatBody => {
            if !model.request_mut().format() {
                model.notify_error("The body is not JSON; it is unchanged");
            }
        }
        Action::Accept => match pane.field(model) {
            Field::Provider => pickers::provider(model),
            Field::Model => pickers::model(model),
            Field::Address => edit_url(model),
            Field::Header(i) => edit_header(model, Some(i)),
            Field::Body => pane.start_typing(model),
        },
        _ => match action.scrolls(1) {
            Some(by) => pane.row = moved(Some(pane.row), by, fields(model).len()).unwrap_or(0),
            None => return false,
        },
    }
    true
}

/// Does what a key asked for while typing.
pub(super) fn grant(model: &mut Model, wish: Wish) {
    match wish {
        Wish::Find => ask_to_find(model),
        Wish::FindNext(forward) => model.find_in_body(BodyFind::Next(forward)),
        Wish::Palette => pickers::palette(model),
    }
}

fn find_in_body(pane: &mut RequestPane, model: &mut Model) {
    pane.start_typing(model);
    ask_to_find(model);
}

fn ask_to_find(model: &mut Model) {
    let needle = model.request().needle().to_owned();
    model.push(Prompt::new("Find in the request body", &needle, |model, text| {
        model.find_in_body(BodyFind::Text(text));
        Ok(())
    }));
}

fn select_all(pane: &mut RequestPane, model: &mut Model) {
    pane.start_typing(model);
    model.request_mut().select_all();
}

/// Puts what is selected into the clipboard, and takes it out of the body where it is cut.
fn take_selection(model: &mut Model, cut: bool) {
    let Some(text) = model.request().selected() else {
        return model.notify("Nothing is selected");
    };
    if cut {
        model.request_mut().cut();
    }
    model.copy_text("the selection".to_owned(), text);
}

fn toggle_wrap(_: &mut RequestPane, model: &mut Model) {
    let wraps = model.request_mut().toggle_wrap();
    model.notify(if wraps { "Long lines are wrapped" } else { "Long lines are not wrapped" });
}

fn edit_method(_: &mut RequestPane, model: &mut Model) {
    let method = model.request().draft().method.clone();
    model.push(Prompt::new("Method (empty: POST)", &method, |model, text| {
        model.request_mut().draft_mut().method = text.trim().to_uppercase();
        Ok(())
    }));
}

fn delete_header(pane: &mut RequestPane, model: &mut Model) {
    match pane.field(model) {
        Field::Header(i) => drop(model.request_mut().draft_mut().headers.remove(i)),
        _ => model.notify("Only a header can be deleted"),
    }
}

fn paste_curl(_: &mut RequestPane, model: &mut Model) {
    model.push(Prompt::new("Paste a curl command", "", |model, text| match text.trim() {
        "" => Ok(()),
        text => model.take_curl(text),
    }));
}

fn take_request(_: &mut RequestPane, model: &mut Model) {
    let notice = match model.take_request() {
        true => "Request loaded from the shown exchange",
        false => "There is no request to take",
    };
    model.notify(notice);
}

fn load_request(_: &mut RequestPane, model: &mut Model) {
    model.push(Prompt::file("Load the body from", "", |model, path| {
        model.effect(Effect::LoadRequest(path.into()));
    }));
}

fn edit_outside(_: &mut RequestPane, model: &mut Model) {
    let body = model.request().to_send().body;
    model.effect(Effect::EditOutside(body));
}

fn save_request(_: &mut RequestPane, model: &mut Model) {
    let name = model.free_name("-request");
    let body = model.request().to_send().body;
    let title = match starred_body(&body) == body {
        true => "Save the body to",
        false => "Save the body, credentials as stars, to",
    };
    model.push(Prompt::file(title, &name, |model, path| {
        let bytes = starred_body(&model.request().to_send().body);
        model.propose_no_more(path);
        model.effect(Effect::WriteFile { path: path.into(), bytes });
    }));
}

fn edit_url(model: &mut Model) {
    let url = model.request().draft().url.clone();
    // The embedded lab has no address yet.
    let own = || model.provider().map(ProviderInfo::address).filter(|a| a.contains("://"));
    let url = url.or_else(own).unwrap_or_default();
    let title = "Send to (empty: the provider's own address)";
    model.push(Prompt::new(title, &url, |model, text| {
        let text = text.trim();
        let own = model.provider().is_some_and(|p| p.address() == text);
        let url = (!text.is_empty() && !own).then(|| text.to_owned());
        model.request_mut().draft_mut().url = url;
        Ok(())
    }));
}

fn edit_header(model: &mut Model, which: Option<usize>) {
    let header = which.and_then(|i| model.request().draft().headers.get(i));
    let text = header.map_or(String::new(), |(name, value)| {
        // A secret must be typed again and is never shown.
        let shown = shown_value(name, value) == *value;
        format!("{name}: {}", if shown { value } else { "" })
    });
    model.push(Prompt::new("Header, as Name: value", &text, move |model, text| {
        set_header(model, which, text.trim())
    }));
}

fn set_header(model: &mut Model, which: Option<usize>, text: &str) -> Result<(), PromptError> {
    let headers = &mut model.request_mut().draft_mut().headers;
    match (text.split_once(':'), which) {
        (None, Some(i)) if text.is_empty() && i < headers.len() => drop(headers.remove(i)),
        (None, _) if text.is_empty() => {}
        (None, _) => return Err(PromptError::Header),
        (Some((name, value)), which) => {
            let header = (name.trim().to_owned(), value.trim().to_owned());
            match which.and_then(|i| headers.get_mut(i)) {
                Some(old) => *old = header,
                None => headers.push(header),
            }
        }
    }
    Ok(())
}
