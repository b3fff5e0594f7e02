//! Choosing a provider, translating, taking and sending requests.

use super::{Model, PromptError};
use crate::action::{Action, Context, Draft, Effect};
use crate::dialect;
use crate::dialect::request::{self as dialect_request, TranslateError};
use crate::journal::Request;
use crate::text::count;
use crate::tui::ProviderInfo;
use crate::tui::pane::request::actions::VARIABLES;
use crate::tui::pane::{frames, request};
use crate::tui::screen::{ScreenCommand, TranslationScreen};

/// Returns whether a paste is a JSON object or list.
pub(in crate::tui) fn is_json(text: &str) -> bool {
    let begins = text.trim_start().starts_with(['{', '[']);
    begins && crate::json::Tape::new().parse(text.trim()).is_ok()
}

impl Model {
    /// The provider that is chosen.
    pub(in crate::tui) fn provider(&self) -> Option<&ProviderInfo> {
        self.providers().iter().find(|p| p.name == self.request.draft().provider)
    }

    /// Returns whether the editor has the next request and not that of the shown exchange.
    pub(in crate::tui) fn holds_draft(&self) -> bool {
        let Some(exchange) = self.exchange() else { return self.file.is_some() };
        match &exchange.inspection.request {
            None => true,
            Some(request) => !self.request.holds(&request.body),
        }
    }

    /// Puts the provider's minimal request into the editor.
    pub(in crate::tui) fn reset_request(&mut self) {
        let draft = self.request.draft_mut();
        draft.headers.clear();
        draft.url = None;
        draft.method.clear();
        self.request.reset(&self.settings.providers, &self.settings.tools);
        self.notify("Request reset to the provider's minimal one");
    }

    /// Chooses a provider. An untouched body makes room for the new provider's own; another one is
    /// offered to be translated where the new provider speaks otherwise.
    pub(in crate::tui) fn set_provider(&mut self, name: &str) {
        let untouched = self.request.is_untouched();
        let translated = if untouched { None } else { self.translation(name, None) };
        match translated {
            Some(Ok(translation)) => {
                self.push(translation);
                return;
            }
            Some(Err(why)) => self.notify_error(&format!("The body is unchanged: {why}")),
            None => {}
        }
        self.switch_provider(name);
        let model = self.provider().map(|p| p.model.clone()).unwrap_or_default();
        if untouched {
            self.request.draft_mut().model = model;
            self.request.reset(&self.settings.providers, &self.settings.tools);
        } else if !model.is_empty() {
            self.request.set_model(&model);
        }
    }

    fn switch_provider(&mut self, name: &str) {
        self.request.draft_mut().provider = name.to_owned();
        self.request.draft_mut().url = None;
        self.request.draft_mut().dialect = None;
    }

    /// The body as the provider of that name would have it said, if that is otherwise; or why that
    /// cannot be known. Without a model it is the provider's own that is asked, or else the present.
    pub(in crate::tui) fn translation(
        &self,
        name: &str,
        model: Option<&str>,
    ) -> Option<Result<TranslationScreen, TranslateError>> {
        let request = &self.request;
        let speaks = |name: &str| dialect::find(name).unwrap_or(dialect::DIALECTS[0]);
        let own = self.provider().map(|p| p.dialect.as_str());
        let named = request.draft().dialect.as_deref().or(own);
        // For a request from a curl command, only the address shows the dialect.
        let from = match (named, &request.draft().url) {
            (None, Some(url)) => dialect_request::by_address(url).unwrap_or(dialect::DIALECTS[0]),
            (named, _) => speaks(named.unwrap_or_default()),
        };
        let provider = self.providers().iter().find(|p| p.name == name)?;
        let to = speaks(&provider.dialect);
        if dialect_request::are_alike(from, to) {
            return None;
        }
        if request.raw().is_some() {
            return Some(Err(TranslateError::NotText));
        }
        let text = request.text();
        let models = [model.unwrap_or_default(), &provider.model, &request.draft().model];
        let model = models.into_iter().find(|m| !m.is_empty());
        let done = dialect_request::translate(from, to, &text, model);
        let to_whom = (name, model.unwrap_or_default());
        Some(done.map(|done| TranslationScreen::new(to_whom, from, to, &text, &done)))
    }

    /// Acts on the user's decision about a translation: sets the new provider, with the new body or the old
    /// one.
    pub(in crate::tui) fn translated(&mut self, translation: &TranslationScreen, wanted: bool) {
        if translation.beside {
            let own = self.request.to_send().body;
            let body = if wanted { translation.body.clone().into_bytes() } else { own };
            self.send_both(&translation.provider, &translation.model, body);
            return;
        }
        self.switch_provider(&translation.provider);
        if !wanted {
            self.notify("The body is unchanged");
            return;
        }
        if let Some(model) = self.provider().map(|p| p.model.clone()).filter(|m| !m.is_empty()) {
            self.request.draft_mut().model = model;
        }
        self.request.load(translation.body.clone().into_bytes());
        let key = self.key_of(Context::Editor, Action::Undo);
        self.notify(format!("Body translated; {key} while typing undoes it"));
    }

    /// Makes the request of a curl command line.
    ///
    /// # Errors
    /// Why it was not understood.
    pub(in crate::tui) fn take_curl(&mut self, text: &str) -> Result<(), PromptError> {
        let mut draft = (self.tools().parse_curl)(text.trim())?;
        self.recognize_provider(&mut draft);
        self.request.take(draft);
        self.look_for_variables();
        self.focus(request::ID);
        self.notify(match self.unset_variables() {
            None => "Request loaded from the command".to_owned(),
            Some(unset) => format!("Request loaded; {unset}"),
        });
        Ok(())
    }

    /// The variables of the request without a value, and the key that sets them, in words.
    pub(in crate::tui) fn unset_variables(&self) -> Option<String> {
        let unset: Vec<String> = (self.variables().iter())
            .filter(|v| v.source.is_none())
            .map(|v| format!("${}", v.name))
            .collect();
        let key = self.key_of(Context::Own(&request::KEYS), Action::Own(&VARIABLES));
        match unset.as_slice() {
            [] => None,
            [one] => Some(format!("{one} is not set, {key} sets it")),
            several => Some(format!("{} are not set, {key} sets them", several.join(", "))),
        }
    }

    /// Puts the shown exchange's request into the editor; returns whether there was one.
    pub(in crate::tui) fn take_request(&mut self) -> bool {
        let Some(request) = self.exchange().and_then(|e| e.inspection.request.clone()) else {
            return false;
        };
        self.take_recorded(&request);
        true
    }

    /// Puts a request that was sent in another session into the editor.
    pub(in crate::tui) fn take_sent(&mut self, request: &Request) {
        self.take_recorded(request);
        self.focus(request::ID);
        self.notify(match request.masked.len() {
            0 => "Request loaded as it was sent".to_owned(),
            masked => format!("Request loaded; {} in it are masked", count(masked as u64, "part")),
        });
    }

    fn take_recorded(&mut self, request: &Request) {
        let known = self.providers().iter().any(|p| p.name == request.provider);
        self.request.take(Draft {
            provider: request.provider.clone(),
            model: request.model.clone(),
            // The provider's own address and headers are added again by default.
            url: (!known).then(|| request.url.clone()),
            dialect: None,
            method: request.method.clone(),
            headers: Vec::new(),
            body: request.body.to_vec(),
            variables: None,
        });
    }

    /// Names the provider whose address or host a draft goes to.
    fn recognize_provider(&self, draft: &mut Draft) {
        let Some(url) = draft.url.as_deref().filter(|_| draft.provider.is_empty()) else { return };
        let plain = |url: &str| url.trim_end_matches('/').to_ascii_lowercase();
        let host = |url: &str| {
            let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
            rest.split(['/', '?']).next().unwrap_or_default().to_ascii_lowercase()
        };
        let known = || self.providers().iter().filter(|p| p.address().contains("://"));
        let same = known().find(|p| plain(&p.address()) == plain(url));
        let spoken = dialect_request::by_address(url).map(|d| d.name());
        let there = || known().filter(|p| host(&p.address()) == host(url));
        let by_host = || {
            let speaks = there().find(|p| Some(p.dialect.as_str()) == spoken);
            speaks.or_else(|| there().next())
        };
        let found = same.or_else(by_host).map(|p| (p.name.clone(), same.is_some()));
        if let Some((name, is_own_address)) = found {
            draft.provider = name;
            draft.url = draft.url.take().filter(|_| !is_own_address);
        }
    }

    /// Sends what is in the editor.
    pub(in crate::tui) fn send(&mut self) {
        if self.is_running() {
            self.notify("A stream is running: stop it first");
            return;
        }
        self.look_again_for_variables();
        if let Some(unset) = self.unset_variables() {
            self.notify_error(&unset);
            self.focus(request::ID);
            return;
        }
        let draft = self.request.to_send();
        if draft.body.is_empty() {
            if !matches!(draft.method.as_str(), "GET" | "HEAD") {
                self.notify_error("The request body is empty");
            }
        } else if let Some((line, column, why)) = self.request.json_error() {
            let text = format!(
                "The body is not JSON (line {line}, column {column}: {why}); sent as it is"
            );
            self.notify(text);
        }
        self.sending = true;
        self.drafts.hand_out(draft.clone());
        self.effect(Effect::Send(Box::new(draft)));
        self.request.stop_typing();
        self.command(ScreenCommand::Leave(request::ID, frames::ID));
    }
}
