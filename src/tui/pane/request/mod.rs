//! The request: provider, model, address, headers and body.

mod draw;

use crossterm::event::KeyEvent;

use super::{Pane, PaneId};
use crate::action::Draft;
use crate::action::{Action, Context, Effect};
use crate::dialect::{self, request};
use crate::json::{Kind, Tape};
use crate::text::{Newlines, visible};
use crate::tui::overlay::{Overlay, Purpose, Translating};
use crate::tui::widget::editor::Editor;
use crate::tui::widget::json;
use crate::tui::{App, ProviderInfo, Tools};

/// The pane's row in the table.
pub(crate) const PANE: Pane = Pane {
    title: "Request",
    context: Context::Request,
    footer: &[
        Action::EditBody,
        Action::PickProvider,
        Action::PickModel,
        Action::AddHeader,
        Action::PasteCurl,
    ],
    draw: draw::draw,
    act,
    click: draw::click,
    wheel: draw::wheel,
    settle: |_, _| {},
};

/// The first user message of a new request.
const PROMPT: &str = "Say hello in one short sentence.";

/// The request being edited.
#[derive(Debug)]
pub(crate) struct State {
    /// All but the body.
    pub draft: Draft,
    editor: Editor,
    /// A body that is not text, sent as it is.
    raw: Option<Vec<u8>>,
    /// Letters go into the body.
    pub typing: bool,
    /// The field under the cursor.
    row: usize,
    /// What a generated body asks.
    prompt: String,
    /// The body that was generated; as long as it stands, another provider brings its own.
    template: String,
    /// Where the body is not JSON.
    error: Option<(usize, usize, String)>,
}

/// A field of the pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Provider,
    Model,
    Address,
    Header(usize),
    Body,
}

impl State {
    /// The editor's beginning: what the command line said, or a minimal request.
    pub(crate) fn new(mut draft: Draft, providers: &[ProviderInfo], tools: &Tools) -> Self {
        let body = std::mem::take(&mut draft.body);
        let mut state = Self {
            draft,
            editor: Editor::new(""),
            raw: None,
            typing: false,
            row: 0,
            prompt: PROMPT.to_owned(),
            template: String::new(),
            error: None,
        };
        if body.is_empty() {
            state.reset(providers, tools);
        } else {
            state.load(body);
            let text = state.editor.text();
            if let Some(prompt) = state.generates(&text, providers, tools) {
                state.prompt = prompt;
                state.template = text;
            }
        }
        // What the user finds is where undo ends.
        let text = state.editor.text();
        state.editor.fill(&text);
        state
    }

    /// What a body asks, if it is what would be generated for that: then nobody has written it.
    fn generates(&self, text: &str, providers: &[ProviderInfo], tools: &Tools) -> Option<String> {
        let provider = providers.iter().find(|p| p.name == self.draft.provider)?;
        let prompt = prompt_of(&provider.dialect, text)?;
        let asked = ProviderInfo { model: self.draft.model.clone(), ..provider.clone() };
        let generated = (tools.body)(&asked, &prompt);
        (json::pretty(&generated) == json::pretty(text)).then_some(prompt)
    }

    /// Takes a body.
    pub(crate) fn load(&mut self, body: Vec<u8>) {
        match String::from_utf8(body) {
            Ok(text) => {
                self.raw = None;
                self.editor.set(&text);
            }
            Err(not_text) => self.raw = Some(not_text.into_bytes()),
        }
        self.changed();
    }

    /// Makes the provider's minimal request.
    pub(crate) fn reset(&mut self, providers: &[ProviderInfo], tools: &Tools) {
        let Some(provider) = providers.iter().find(|p| p.name == self.draft.provider) else {
            self.changed();
            return;
        };
        if self.draft.model.is_empty() {
            self.draft.model.clone_from(&provider.model);
        }
        let asked = ProviderInfo { model: self.draft.model.clone(), ..provider.clone() };
        let untouched = self.is_untouched();
        let text = json::pretty(&(tools.body)(&asked, &self.prompt));
        self.raw = None;
        // Nobody wants back what nobody wrote.
        if untouched {
            self.editor.fill(&text)
        } else {
            self.editor.set(&text)
        }
        self.template = text;
        self.changed();
    }

    /// What would be sent now.
    pub(crate) fn to_send(&self) -> Draft {
        let body = self.raw.clone().unwrap_or_else(|| self.editor.text().into_bytes());
        Draft { body, ..self.draft.clone() }
    }

    /// Whether that is the body, byte for byte.
    fn holds(&self, body: &[u8]) -> bool {
        match &self.raw {
            Some(raw) => raw == body,
            None => self.editor.is(body),
        }
    }

    /// Replaces all of it.
    pub(crate) fn take(&mut self, draft: Draft) {
        let body = draft.body.clone();
        let untouched = self.is_untouched();
        self.draft = Draft { body: Vec::new(), ..draft };
        self.template.clear();
        self.load(body);
        if untouched {
            let text = self.editor.text();
            self.editor.fill(&text);
        }
    }

    /// Whether the body is as it was generated.
    pub(crate) fn is_untouched(&self) -> bool {
        self.raw.is_none() && self.editor.text() == self.template
    }

    /// Chooses the model, in the body too.
    pub(crate) fn set_model(&mut self, model: &str) {
        let untouched = self.is_untouched();
        self.draft.model = model.to_owned();
        if let Some(edited) = self.with_model(model) {
            self.editor.set(&edited);
            if untouched {
                self.template = edited;
            }
        }
        self.changed();
    }

    /// The body with another model, if it is text that names one.
    pub(crate) fn with_model(&self, model: &str) -> Option<String> {
        let mut text = self.editor.text();
        let mut tape = Tape::new();
        if self.raw.is_some() || tape.parse(&text).is_err() {
            return None;
        }
        let span = tape.root(&text)?.get("model")?.span();
        text.replace_range(span, &crate::text::to_json(&model));
        Some(text)
    }

    fn changed(&mut self) {
        self.error = if self.raw.is_some() { None } else { self.editor.json_error() };
        let text = self.editor.text();
        let mut tape = Tape::new();
        // What the body says is what is sent, so that is what the field shows.
        if self.raw.is_none()
            && tape.parse(&text).is_ok()
            && let Some(model) = tape.root(&text).and_then(|r| r.get("model"))
            && model.kind() == Kind::String
        {
            self.draft.model = model.as_str().unwrap_or_default().into_owned();
        }
    }

    /// Letters go into the body from now on.
    pub(crate) fn start_typing(&mut self) {
        if self.raw.is_none() {
            self.typing = true;
            self.editor.focus(true);
            self.row = usize::MAX;
        }
    }

    /// Keys are for the panes again.
    pub(crate) fn stop_typing(&mut self) {
        self.typing = false;
        self.editor.focus(false);
    }

    /// A key while typing.
    pub(crate) fn key(&mut self, key: KeyEvent) {
        if self.editor.key(key) {
            self.changed();
        }
    }

    /// A paste while typing.
    pub(crate) fn paste(&mut self, text: &str) {
        self.editor.paste(text);
        self.changed();
    }

    fn fields(&self) -> Vec<Field> {
        let mut fields = vec![Field::Provider, Field::Model, Field::Address];
        fields.extend((0..self.draft.headers.len()).map(Field::Header));
        fields.push(Field::Body);
        fields
    }

    fn field(&self) -> Field {
        let fields = self.fields();
        fields[self.row.min(fields.len() - 1)]
    }
}

/// The first text that a body of a dialect asks.
fn prompt_of(dialect: &str, body: &str) -> Option<String> {
    let body = serde_json::from_str(body).ok()?;
    let side = dialect::find(dialect).unwrap_or(dialect::DIALECTS[0]).request();
    let ask = (side.read)(request::Sheet::new(&body).root());
    match &ask.turns.first()?.parts.first()?.what {
        request::Part::Text(text) => Some(text.clone()),
        _ => None,
    }
}

/// Whether a paste is a curl command line.
pub(crate) fn is_curl(text: &str) -> bool {
    let text = text.trim_start().trim_start_matches("$ ");
    text.starts_with("curl ") || text.starts_with("curl\t") || text.starts_with("curl\\\n")
}

/// A header's value as it may be shown: what a listed header holds is a secret.
pub(crate) fn shown_value(name: &str, value: &str) -> String {
    let listed = crate::journal::HEADERS.iter().any(|h| h.eq_ignore_ascii_case(name));
    if listed && !value.is_empty() && !value.starts_with('$') {
        return "********".to_owned();
    }
    visible(value, Newlines::Show).into_owned()
}

/// An address as it may be shown: listed parameters hold secrets.
pub(crate) fn shown_url(url: &str) -> String {
    let shown = visible(url, Newlines::Show);
    let Some((base, query)) = shown.split_once('?') else { return shown.into_owned() };
    let secret = |k: &str| crate::journal::PARAMETERS.iter().any(|p| p.eq_ignore_ascii_case(k));
    let masked: Vec<String> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((k, _)) if secret(k) => format!("{k}=********"),
            _ => pair.to_owned(),
        })
        .collect();
    format!("{base}?{}", masked.join("&"))
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
    pub(in crate::tui) fn take_curl(&mut self, text: &str) {
        match (self.tools.parse_curl)(text.trim()) {
            Ok(draft) => {
                self.request.take(draft);
                self.go(PaneId::Request);
                self.say("The request is the curl command's.");
            }
            Err(why) => self.complain(&format!("This curl command was not understood: {why}")),
        }
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
}

fn act(app: &mut App, action: Action) -> bool {
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
