//! What the user may do with the request: choose, edit, translate, take and send.

use super::super::PaneId;
use super::{Field, shown_value};
use crate::action::{Action, Context, Draft, Effect};
use crate::dialect::{self, request};
use crate::tui::overlay::{Overlay, Purpose, Translating};
use crate::tui::widget::json;
use crate::tui::{App, ProviderInfo};

/// An action upon the pane; tells whether it is one of its own.
pub(super) fn act(app: &mut App, action: Action) -> bool {
    let state = &mut app.request;
    match action {
        Action::Back if state.typing => state.stop_typing(),
        Action::Undo => {
            state.editor.undo();
            state.changed();
        }
        Action::Redo => {
            state.editor.redo();
            state.changed();
        }
        Action::Up => state.row = state.row.min(state.fields().len() - 1).saturating_sub(1),
        Action::Down => state.row = (state.row.saturating_add(1)).min(state.fields().len() - 1),
        Action::Top => state.row = 0,
        Action::Bottom => state.row = state.fields().len() - 1,
        Action::PageDown | Action::HalfPageDown => state.editor.scroll(10),
        Action::PageUp | Action::HalfPageUp => state.editor.scroll(-10),
        Action::EditBody => state.start_typing(),
        Action::FormatBody => {
            if state.error.is_none() && state.raw.is_none() {
                let laid = json::pretty(&state.editor.text());
                state.editor.set(&laid);
            } else {
                app.complain("The body is not JSON: it stays as it is.");
            }
        }
        Action::ResetRequest => {
            app.request.draft.headers.clear();
            app.request.draft.url = None;
            app.request.draft.method.clear();
            app.request.reset(&app.providers, &app.tools);
            app.say("This is the provider's minimal request.");
        }
        Action::PickProvider => app.pick_provider(),
        Action::PickModel => app.pick_model(),
        Action::EditUrl => {
            let url = app.request.draft.url.clone();
            // The lab has no address to begin with.
            let own = || app.provider().map(ProviderInfo::address).filter(|a| a.contains("://"));
            let url = url.or_else(own);
            app.ask(
                Purpose::Url,
                "Send to (empty: the provider's own address)",
                &url.unwrap_or_default(),
            );
        }
        Action::EditMethod => {
            let method = app.request.draft.method.clone();
            app.ask(Purpose::Method, "Method (empty: POST)", &method);
        }
        Action::AddHeader => app.ask(Purpose::Header(None), "Header, as Name: value", ""),
        Action::DeleteHeader => {
            if let Field::Header(i) = state.field() {
                state.draft.headers.remove(i);
            } else {
                app.say("Only a header can be deleted.");
            }
        }
        Action::PasteCurl => app.ask(Purpose::Curl, "Paste a curl command", ""),
        Action::TakeRequest => {
            let said = match app.take_request() {
                true => "The body in the editor is the shown exchange's.",
                false => "There is no request to take.",
            };
            app.say(said);
        }
        Action::LoadRequest => app.ask(Purpose::LoadRequest, "Load the body from", ""),
        Action::SaveRequest => {
            let name = app.free_name("-request");
            app.ask(Purpose::SaveRequest, "Save the body to", &name);
        }
        Action::Accept => match state.field() {
            Field::Provider => app.pick_provider(),
            Field::Model => app.pick_model(),
            Field::Address => return act(app, Action::EditUrl),
            Field::Header(i) => {
                let (name, value) = state.draft.headers[i].clone();
                // A secret is typed anew and never shown.
                let value = if shown_value(&name, &value) == value { value } else { String::new() };
                app.ask(
                    Purpose::Header(Some(i)),
                    "Header, as Name: value",
                    &format!("{name}: {value}"),
                );
            }
            Field::Body => state.start_typing(),
        },
        _ => return false,
    }
    true
}

impl App {
    /// The provider that is chosen.
    pub(in crate::tui) fn provider(&self) -> Option<&ProviderInfo> {
        self.providers.iter().find(|p| p.name == self.request.draft.provider)
    }

    /// Whether what stands in the editor is the next request and not that of the shown exchange.
    pub(in crate::tui) fn holds_next(&self) -> bool {
        let Some(exchange) = self.exchange() else { return self.file.is_some() };
        match &exchange.seen.request {
            None => true,
            Some(request) => !self.request.holds(&request.body),
        }
    }

    /// Chooses a provider. An untouched body makes room for the new provider's own; another one is
    /// offered to be translated where the new provider speaks otherwise.
    pub(in crate::tui) fn set_provider(&mut self, name: &str) {
        let untouched = self.request.is_untouched();
        let said = if untouched { None } else { self.translation(name, None) };
        match said {
            Some(Ok(translating)) => {
                self.overlays.push(Overlay::Translating(Box::new(translating)));
                return;
            }
            Some(Err(why)) => self.complain(&format!("The body stays as it is: {why}.")),
            None => {}
        }
        self.switch_provider(name);
        let model = self.provider().map(|p| p.model.clone()).unwrap_or_default();
        if untouched {
            self.request.draft.model = model;
            self.request.reset(&self.providers, &self.tools);
        } else if !model.is_empty() {
            self.request.set_model(&model);
        }
    }

    fn switch_provider(&mut self, name: &str) {
        self.request.draft.provider = name.to_owned();
        self.request.draft.url = None;
        self.request.draft.dialect = None;
    }

    /// The body as the provider of that name would have it said, if that is otherwise; or why that
    /// cannot be told. Without a model it is the provider's own that is asked, or else the present.
    pub(in crate::tui) fn translation(
        &self,
        name: &str,
        model: Option<&str>,
    ) -> Option<Result<Translating, String>> {
        let state = &self.request;
        let speaks = |name: &str| dialect::find(name).unwrap_or(dialect::DIALECTS[0]);
        let own = self.provider().map(|p| p.dialect.as_str());
        let named = state.draft.dialect.as_deref().or(own);
        // A request that came as a curl command has only its address to tell.
        let from = match (named, &state.draft.url) {
            (None, Some(url)) => request::by_address(url).unwrap_or(dialect::DIALECTS[0]),
            (named, _) => speaks(named.unwrap_or_default()),
        };
        let provider = self.providers.iter().find(|p| p.name == name)?;
        let to = speaks(&provider.dialect);
        if request::are_alike(from, to) {
            return None;
        }
        if state.raw.is_some() {
            return Some(Err("it is not text".to_owned()));
        }
        let text = state.editor.text();
        let models = [model.unwrap_or_default(), &provider.model, &state.draft.model];
        let model = models.into_iter().find(|m| !m.is_empty());
        let done = request::translate(from, to, &text, model);
        let to_whom = (name, model.unwrap_or_default());
        Some(done.map(|done| Translating::new(to_whom, from, to, &text, &done)))
    }

    /// The user's word on a translation: the new provider comes, with the new body or the old one.
    pub(in crate::tui) fn translated(&mut self, translating: Translating, wanted: bool) {
        if translating.beside {
            let own = self.request.to_send().body;
            let body = if wanted { translating.body.into_bytes() } else { own };
            self.send_both(&translating.provider, &translating.model, body);
            return;
        }
        self.switch_provider(&translating.provider);
        if !wanted {
            self.say("The body is as you wrote it.");
            return;
        }
        if let Some(model) = self.provider().map(|p| p.model.clone()).filter(|m| !m.is_empty()) {
            self.request.draft.model = model;
        }
        self.request.load(translating.body.into_bytes());
        let key = self.keys.key_for(&[Context::Editor], Action::Undo).unwrap_or_default();
        self.say(format!("The body is translated; {key} while typing takes it back."));
    }

    /// Makes the request of a curl command line.
    ///
    /// # Errors
    /// Why it was not understood.
    pub(in crate::tui) fn take_curl(&mut self, text: &str) -> Result<(), String> {
        let draft = (self.tools.parse_curl)(text.trim())
            .map_err(|why| format!("This curl command was not understood: {why}"))?;
        self.request.take(draft);
        self.go(PaneId::Request);
        self.say("The request is the curl command's.");
        Ok(())
    }

    /// Puts the shown exchange's request into the editor; tells whether there was one.
    pub(in crate::tui) fn take_request(&mut self) -> bool {
        let Some(request) = self.exchange().and_then(|e| e.seen.request.clone()) else {
            return false;
        };
        let known = self.providers.iter().any(|p| p.name == request.provider);
        self.request.take(Draft {
            provider: request.provider.clone(),
            model: request.model.clone(),
            // The provider's own address and headers come again by themselves.
            url: (!known).then(|| request.url.clone()),
            dialect: None,
            method: request.method.clone(),
            headers: Vec::new(),
            body: request.body.to_vec(),
        });
        true
    }

    /// Sends what stands in the editor.
    pub(in crate::tui) fn send(&mut self) {
        if self.is_running() {
            self.say("A stream is running: stop it first.");
            return;
        }
        let draft = self.request.to_send();
        if draft.body.is_empty() {
            if !matches!(draft.method.as_str(), "GET" | "HEAD") {
                self.complain("The body is empty, and is sent so.");
            }
        } else if let Some((line, column, why)) = &self.request.error {
            let text = format!("The body is sent as it is: line {line}, column {column}: {why}.");
            self.say(text);
        }
        self.sending = true;
        self.sent.hand_out(draft.clone());
        self.effects.push(Effect::Send(Box::new(draft)));
        self.request.stop_typing();
        if self.focus == PaneId::Request {
            self.focus = PaneId::Frames;
        }
    }
}
