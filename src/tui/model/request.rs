//! The request being edited: provider, model, address, headers and body.

use crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use crate::action::Draft;
use crate::config::keys::Preset;
use crate::dialect::{self, request};
use crate::json::{Kind, Tape};
use crate::tui::theme::{Role, Theme};
use crate::tui::widget::editor::{Editor, Typed, Wish};
use crate::tui::widget::json;
use crate::tui::{ProviderInfo, Tools};

/// The first user message of a new request.
const PROMPT: &str = "Say hello in one short sentence.";

/// The request being edited.
#[derive(Debug)]
pub(in crate::tui) struct RequestEditor {
    /// All but the body.
    draft: Draft,
    editor: Editor,
    /// A body that is not text, sent as it is.
    raw: Option<Vec<u8>>,
    /// Letters go into the body.
    typing: bool,
    /// The text that was last searched for in the body.
    needle: String,
    /// The prompt of a generated body.
    prompt: String,
    /// The body that was generated; as long as it is unchanged, another provider brings its own.
    template: String,
    /// Number of times that anything was changed.
    changes: u64,
    /// The JSON error of the body: line, column, reason.
    error: Option<(usize, usize, String)>,
}

impl RequestEditor {
    /// The editor's beginning: what the command line said, or a minimal request.
    pub(in crate::tui) fn new(
        mut draft: Draft,
        providers: &[ProviderInfo],
        tools: &Tools,
        preset: Preset,
    ) -> Self {
        let body = std::mem::take(&mut draft.body);
        let mut editor = Editor::new("");
        editor.set_preset(preset);
        editor.set_wrap(true);
        let mut state = Self {
            draft,
            editor,
            needle: String::new(),
            raw: None,
            typing: false,
            prompt: PROMPT.to_owned(),
            template: String::new(),
            changes: 0,
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
        // Undo ends at the text that the user starts with.
        let text = state.editor.text();
        state.editor.fill(&text);
        state
    }

    /// Returns what a body asks, if it is what would be generated for that: then the user has not written it.
    fn generates(&self, text: &str, providers: &[ProviderInfo], tools: &Tools) -> Option<String> {
        let provider = providers.iter().find(|p| p.name == self.draft.provider)?;
        let prompt = prompt_of(&provider.dialect, text)?;
        let asked = ProviderInfo { model: self.draft.model.clone(), ..provider.clone() };
        let generated = (tools.body)(&asked, &prompt);
        (json::pretty(&generated) == json::pretty(text)).then_some(prompt)
    }

    /// All but the body.
    pub(in crate::tui) fn draft(&self) -> &Draft {
        &self.draft
    }

    pub(in crate::tui) fn draft_mut(&mut self) -> &mut Draft {
        self.changes += 1;
        &mut self.draft
    }

    /// The text of the body.
    pub(in crate::tui) fn text(&self) -> String {
        self.editor.text()
    }

    /// The body where it is not text.
    pub(in crate::tui) fn raw(&self) -> Option<&[u8]> {
        self.raw.as_deref()
    }

    /// Returns where and why the body is not JSON: line, column, reason.
    pub(in crate::tui) fn json_error(&self) -> Option<&(usize, usize, String)> {
        self.error.as_ref()
    }

    /// Returns whether letters go into the body.
    pub(in crate::tui) fn is_typing(&self) -> bool {
        self.typing
    }

    /// The editor of the body, to be drawn.
    pub(in crate::tui) fn editor(&self) -> &Editor {
        &self.editor
    }

    /// Computes the layout of the body for the place where it will be drawn.
    pub(in crate::tui) fn lay_out(&mut self, area: Rect) {
        self.editor.lay_out(area, self.typing);
    }

    /// Undoes the last edit.
    pub(in crate::tui) fn undo(&mut self) {
        self.editor.undo();
        self.changed();
    }

    /// Does the undone edit again.
    pub(in crate::tui) fn redo(&mut self) {
        self.editor.redo();
        self.changed();
    }

    /// Scrolls the body.
    pub(in crate::tui) fn scroll(&mut self, rows: isize) {
        self.editor.scroll(rows);
    }

    /// Puts the cursor where was clicked, in rows and columns of the drawn body.
    pub(in crate::tui) fn click(&mut self, row: u16, column: u16) {
        self.editor.click(row, column);
    }

    /// Formats the body as indented JSON; returns whether it is JSON.
    pub(in crate::tui) fn format(&mut self) -> bool {
        let is_json = self.error.is_none() && self.raw.is_none();
        if is_json {
            let laid = json::pretty(&self.editor.text());
            self.editor.set(&laid);
        }
        is_json
    }

    /// Takes a body.
    pub(in crate::tui) fn load(&mut self, body: Vec<u8>) {
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
    pub(in crate::tui) fn reset(&mut self, providers: &[ProviderInfo], tools: &Tools) {
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
        // There is no need to restore a generated body.
        if untouched {
            self.editor.fill(&text)
        } else {
            self.editor.set(&text)
        }
        self.template = text;
        self.changed();
    }

    /// Returns what would be sent now.
    pub(in crate::tui) fn to_send(&self) -> Draft {
        let body = self.raw.clone().unwrap_or_else(|| self.editor.text().into_bytes());
        Draft { body, ..self.draft.clone() }
    }

    /// Returns whether the body is the one passed, byte for byte.
    pub(in crate::tui) fn holds(&self, body: &[u8]) -> bool {
        match &self.raw {
            Some(raw) => raw == body,
            None => self.editor.is(body),
        }
    }

    /// Replaces all of it.
    pub(in crate::tui) fn take(&mut self, draft: Draft) {
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

    /// Returns whether the body is as it was generated.
    pub(in crate::tui) fn is_untouched(&self) -> bool {
        self.raw.is_none() && self.editor.text() == self.template
    }

    /// Chooses the model, in the body too.
    pub(in crate::tui) fn set_model(&mut self, model: &str) {
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
    pub(in crate::tui) fn with_model(&self, model: &str) -> Option<String> {
        let mut text = self.editor.text();
        let mut tape = Tape::new();
        if self.raw.is_some() || tape.parse(&text).is_err() {
            return None;
        }
        let span = tape.root(&text)?.get("model")?.span();
        text.replace_range(span, &crate::text::to_json(&model));
        Some(text)
    }

    /// Returns how often anything was changed.
    pub(in crate::tui) fn changes(&self) -> u64 {
        self.changes
    }

    fn changed(&mut self) {
        self.changes += 1;
        self.error = if self.raw.is_some() { None } else { self.editor.json_error() };
        let text = self.editor.text();
        let mut tape = Tape::new();
        // The body is what is sent, so the field shows the body's value.
        if self.raw.is_none()
            && tape.parse(&text).is_ok()
            && let Some(model) = tape.root(&text).and_then(|r| r.get("model"))
            && model.kind() == Kind::String
        {
            self.draft.model = model.as_str().unwrap_or_default().into_owned();
        }
    }

    /// Letters go into the body from now on.
    pub(in crate::tui) fn start_typing(&mut self) {
        if self.raw.is_none() {
            self.typing = true;
            self.editor.focus(true);
        }
    }

    /// Keys are for the panes again.
    pub(in crate::tui) fn stop_typing(&mut self) {
        self.typing = false;
        self.editor.forget_search();
        self.editor.focus(false);
    }

    /// A key while typing; returns what it asks for that is not the editor's to do.
    pub(in crate::tui) fn key(&mut self, key: KeyEvent) -> Option<Wish> {
        match self.editor.typed(key) {
            Typed::Changed | Typed::Restored => self.changed(),
            Typed::Asked(wish) => return Some(wish),
            Typed::Moved | Typed::Ignored => {}
        }
        None
    }

    /// Escape while typing: keys are for the panes again, unless the editor has a mode to leave first.
    pub(in crate::tui) fn escape(&mut self) {
        if self.editor.leave() {
            self.stop_typing();
        }
    }

    /// Returns what is shown about the keys while typing.
    pub(in crate::tui) fn mode(&self) -> &'static str {
        self.editor.mode()
    }

    /// Takes the keys of a preset.
    pub(in crate::tui) fn set_keymap(&mut self, preset: Preset) {
        self.stop_typing();
        self.editor.set_preset(preset);
    }

    /// Shows selections as a theme has it.
    pub(in crate::tui) fn set_theme(&mut self, theme: &Theme) {
        self.editor.set_theme(theme);
    }

    /// Selects the whole body.
    pub(in crate::tui) fn select_all(&mut self) {
        self.editor.select_all();
    }

    /// The part of the body that is selected.
    pub(in crate::tui) fn selected(&self) -> Option<String> {
        self.editor.selected()
    }

    /// Erases what is selected.
    pub(in crate::tui) fn cut(&mut self) {
        self.editor.cut();
        self.changed();
    }

    /// Continues long lines on the next row, or not; returns whether it does from now on.
    pub(in crate::tui) fn toggle_wrap(&mut self) -> bool {
        self.editor.toggle_wrap()
    }

    /// Returns the text that was last searched for in the body.
    pub(in crate::tui) fn needle(&self) -> &str {
        &self.needle
    }

    /// Goes to the first place of a text from the cursor on; returns which of how many it is.
    pub(in crate::tui) fn find(&mut self, needle: &str, theme: &Theme) -> Option<(usize, usize)> {
        needle.clone_into(&mut self.needle);
        self.editor.find(needle, theme.of(Role::Match))
    }

    /// Goes to the next place of that text, or the previous one.
    pub(in crate::tui) fn find_next(&mut self, forward: bool) -> Option<(usize, usize)> {
        self.editor.find_next(forward)
    }

    /// A paste while typing.
    pub(in crate::tui) fn paste(&mut self, text: &str) {
        self.editor.paste(text);
        self.changed();
    }
}

/// The first text that a body of a dialect asks.
fn prompt_of(dialect: &str, body: &str) -> Option<String> {
    let body = serde_json::from_str(body).ok()?;
    let side = dialect::find(dialect).unwrap_or(dialect::DIALECTS[0]).request()?;
    let request = (side.read)(request::TrackedJson::new(&body).root());
    match &request.turns.first()?.parts.first()?.value {
        request::TurnPart::Text(text) => Some(text.clone()),
        _ => None,
    }
}
