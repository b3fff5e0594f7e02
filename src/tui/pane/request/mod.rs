//! The request: provider, model, address, headers and body, as it is being edited.

mod draw;
mod verbs;

use crossterm::event::KeyEvent;

use super::Pane;
use crate::action::{Action, Context, Draft};
use crate::dialect::{self, request};
use crate::json::{Kind, Tape};
use crate::text::{Newlines, visible};
use crate::tui::widget::editor::Editor;
use crate::tui::widget::json;
use crate::tui::{ProviderInfo, Tools};

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
    act: verbs::act,
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
    let side = dialect::find(dialect).unwrap_or(dialect::DIALECTS[0]).request()?;
    let ask = (side.read)(request::TrackedJson::new(&body).root());
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

/// A header's value as it may be shown: what a header of a secret name holds is not.
pub(crate) fn shown_value(name: &str, value: &str) -> String {
    if crate::journal::is_secret_name(name) && !value.is_empty() && !value.starts_with('$') {
        return "********".to_owned();
    }
    visible(value, Newlines::Show).into_owned()
}

/// An address as it may be shown: user, password and some parameters are secrets.
pub(crate) fn shown_url(url: &str) -> String {
    let mut shown = url.to_owned();
    for span in crate::journal::in_addresses(url).into_iter().rev() {
        shown.replace_range(span, "********");
    }
    visible(&shown, Newlines::Show).into_owned()
}
