//! What the user may do with the request.

use super::{Field, RequestPane, fields};
use crate::action::{Action, Effect};
use crate::tui::ProviderInfo;
use crate::tui::model::{Model, Refusal};
use crate::tui::screen::{Prompt, pickers};
use crate::tui::widget::moved;
use crate::tui::widget::secrets::shown_value;

/// Does an action of the pane; returns whether it is one of its own.
pub(super) fn act(pane: &mut RequestPane, model: &mut Model, action: Action) -> bool {
    match action {
        Action::Back if model.request().is_typing() => model.request_mut().stop_typing(),
        Action::Undo => model.request_mut().undo(),
        Action::Redo => model.request_mut().redo(),
        // The fields are few: a page is the body's.
        Action::PageDown | Action::HalfPageDown => model.request_mut().scroll(10),
        Action::PageUp | Action::HalfPageUp => model.request_mut().scroll(-10),
        Action::EditBody => pane.start_typing(model),
        Action::FormatBody => {
            if !model.request_mut().format() {
                model.notify_error("The body is not JSON; it is unchanged");
            }
        }
        Action::ResetRequest => model.reset_request(),
        Action::EditUrl => edit_url(model),
        Action::EditMethod => {
            let method = model.request().draft().method.clone();
            model.push(Prompt::new("Method (empty: POST)", &method, |model, text| {
                model.request_mut().draft_mut().method = text.trim().to_uppercase();
                Ok(())
            }));
        }
        Action::AddHeader => edit_header(model, None),
        Action::DeleteHeader => match pane.field(model) {
            Field::Header(i) => drop(model.request_mut().draft_mut().headers.remove(i)),
            _ => model.notify("Only a header can be deleted"),
        },
        Action::PasteCurl => {
            model.push(Prompt::new("Paste a curl command", "", |model, text| match text.trim() {
                "" => Ok(()),
                text => model.take_curl(text),
            }));
        }
        Action::TakeRequest => {
            let notice = match model.take_request() {
                true => "Request loaded from the shown exchange",
                false => "There is no request to take",
            };
            model.notify(notice);
        }
        Action::LoadRequest => {
            model.push(Prompt::file("Load the body from", "", |model, path| {
                model.effect(Effect::LoadRequest(path.into()));
            }));
        }
        Action::EditOutside => {
            let body = model.request().to_send().body;
            model.effect(Effect::EditOutside(body));
        }
        Action::SaveRequest => {
            let name = model.free_name("-request");
            model.push(Prompt::file("Save the body to", &name, |model, path| {
                let bytes = model.request().to_send().body;
                model.propose_no_more(path);
                model.effect(Effect::WriteFile { path: path.into(), bytes });
            }));
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

fn edit_url(model: &mut Model) {
    let url = model.request().draft().url.clone();
    // The lab has no address to begin with.
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
        // A secret is typed anew and never shown.
        let shown = shown_value(name, value) == *value;
        format!("{name}: {}", if shown { value } else { "" })
    });
    model.push(Prompt::new("Header, as Name: value", &text, move |model, text| {
        set_header(model, which, text.trim())
    }));
}

fn set_header(model: &mut Model, which: Option<usize>, text: &str) -> Result<(), Refusal> {
    let headers = &mut model.request_mut().draft_mut().headers;
    match (text.split_once(':'), which) {
        (None, Some(i)) if text.is_empty() && i < headers.len() => drop(headers.remove(i)),
        (None, _) if text.is_empty() => {}
        (None, _) => return Err(Refusal::Header),
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
