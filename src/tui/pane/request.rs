//! The request: provider, model, address, headers and body.

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Pane, PaneId, header, inner};
use crate::action::{Action, Context, Effect};
use crate::json::{Kind, Tape};
use crate::source::Draft;
use crate::text::{Newlines, visible};
use crate::tui::overlay::Purpose;
use crate::tui::theme::Role;
use crate::tui::widget::editor::Editor;
use crate::tui::widget::wrap::Wrap;
use crate::tui::widget::{json, line};
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
    draw,
    act,
    click,
    wheel,
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
            template: String::new(),
            error: None,
        };
        if body.is_empty() {
            state.reset(providers, tools);
        } else {
            state.load(body);
        }
        state
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
        self.template = json::pretty(&(tools.body)(&asked, PROMPT));
        self.raw = None;
        let text = self.template.clone();
        self.editor.set(&text);
        self.changed();
    }

    /// What would be sent now.
    pub(crate) fn to_send(&self) -> Draft {
        let body = self.raw.clone().unwrap_or_else(|| self.editor.text().into_bytes());
        Draft { body, ..self.draft.clone() }
    }

    /// Replaces all of it.
    pub(crate) fn take(&mut self, draft: Draft) {
        let body = draft.body.clone();
        self.draft = Draft { body: Vec::new(), ..draft };
        self.template.clear();
        self.load(body);
    }

    /// Whether the body is as it was generated.
    pub(crate) fn is_untouched(&self) -> bool {
        self.raw.is_none() && self.editor.text() == self.template
    }

    /// Chooses the model, in the body too.
    pub(crate) fn set_model(&mut self, model: &str) {
        let text = self.editor.text();
        let untouched = self.is_untouched();
        self.draft.model = model.to_owned();
        let mut tape = Tape::new();
        if self.raw.is_none()
            && tape.parse(&text).is_ok()
            && let Some(span) = tape.root(&text).and_then(|r| r.get("model")).map(|m| m.span())
        {
            let mut edited = text.clone();
            edited.replace_range(span, &crate::text::to_json(&model));
            self.editor.set(&edited);
            if untouched {
                self.template = edited;
            }
        }
        self.changed();
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

    /// Chooses a provider. An untouched body makes room for the new provider's own.
    pub(in crate::tui) fn set_provider(&mut self, name: &str) {
        let untouched = self.request.is_untouched();
        self.request.draft.provider = name.to_owned();
        self.request.draft.url = None;
        self.request.draft.dialect = None;
        let model = self.provider().map(|p| p.model.clone()).unwrap_or_default();
        if untouched {
            self.request.draft.model = model;
            self.request.reset(&self.providers, &self.tools);
        } else if !model.is_empty() {
            self.request.set_model(&model);
        }
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
            let url = url.or_else(|| app.provider().map(|p| p.base_url.clone()));
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
        Action::SaveRequest => app.ask(Purpose::SaveRequest, "Save the body to", "request.json"),
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
        if let Some((line, column, why)) = &self.request.error
            && !self.request.editor.text().is_empty()
        {
            let text = format!("The body is sent as it is: line {line}, column {column}: {why}.");
            self.say(text);
        }
        self.sending = true;
        self.effects.push(Effect::Send(Box::new(self.request.to_send())));
        self.request.stop_typing();
        if self.focus == PaneId::Request {
            self.focus = PaneId::Frames;
        }
    }
}

/// A line above the body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Field(Field),
    /// The chosen provider's key is missing.
    NoKey,
}

/// The lines above the body that have room.
fn lines(app: &App, height: u16) -> Vec<Line> {
    let state = &app.request;
    let mut lines = vec![Line::Field(Field::Provider)];
    if app.provider().is_some_and(|p| p.key_variable.is_some() && !p.key_is_set) {
        lines.push(Line::NoKey);
    }
    lines.extend([Line::Field(Field::Model), Line::Field(Field::Address)]);
    let headers = state.draft.headers.len();
    let room = headers.min(usize::from(height / 3));
    // With more headers than lines, the one under the cursor is shown.
    let skip = match state.field() {
        Field::Header(i) => (i + 1).saturating_sub(room),
        _ => 0,
    };
    lines.extend((skip..headers).take(room).map(|i| Line::Field(Field::Header(i))));
    lines
}

/// What is said below the body about it, in as many lines as that takes.
fn remarks(state: &State, width: u16) -> Vec<String> {
    let Some((line, column, why)) = &state.error else {
        return if state.raw.is_none() { vec!["✔ JSON".to_owned()] } else { Vec::new() };
    };
    let whole = format!("✖ line {line}, column {column}: {why}");
    if whole.chars().count() <= usize::from(width) {
        return vec![whole];
    }
    let mut said = vec![format!("✖ line {line}, column {column}:")];
    let mut wrap = Wrap::default();
    wrap.update(why, usize::from(width.saturating_sub(2)));
    said.extend((0..wrap.len()).map(|i| format!("  {}", &why[wrap.line(i, why.len())])));
    said
}

/// Where the body's text stands.
fn body_area(app: &App, area: Rect) -> Rect {
    let area = inner(area);
    let above = lines(app, area.height).len() as u16 + 1;
    let below = remarks(&app.request, area.width.saturating_sub(1)).len().max(1) as u16;
    Rect {
        y: area.y + above.min(area.height),
        height: area.height.saturating_sub(above + below),
        x: area.x + 1,
        width: area.width.saturating_sub(1),
    }
}

fn click(app: &mut App, at: Position, area: Rect) {
    let body = body_area(app, area);
    if body.contains(at) {
        app.request.start_typing();
        app.request.editor.click(at.y - body.y, at.x - body.x);
        return;
    }
    let area = inner(area);
    let lines = lines(app, area.height);
    let hit = at.y.checked_sub(area.y).and_then(|row| lines.get(usize::from(row)));
    if let Some(Line::Field(field)) = hit {
        app.request.stop_typing();
        let fields = app.request.fields();
        app.request.row = fields.iter().position(|f| f == field).unwrap_or(0);
        act(app, Action::Accept);
    }
}

fn wheel(app: &mut App, rows: isize, _: Position, _: Rect) {
    app.request.editor.scroll(rows);
}

fn draw(app: &App, area: Rect, buf: &mut Buffer) {
    let state = &app.request;
    header(app, PaneId::Request, &[], area, buf);
    let area_in = inner(area);
    let focused = app.focus == PaneId::Request && app.overlays.is_empty() && !state.typing;
    let field = state.field();
    let lines = lines(app, area_in.height);
    let rows = lines.len() as u16;
    for (row, shown) in (0..).zip(lines) {
        let place = Rect { y: area_in.y + row, height: 1, ..area_in };
        if place.y >= area_in.bottom() {
            return;
        }
        match shown {
            Line::Field(shown) => draw_field(app, shown, focused && shown == field, place, buf),
            Line::NoKey => {
                let name = app.provider().and_then(|p| p.key_variable.as_deref());
                let text = format!(" ▲ {} is not set", name.unwrap_or_default());
                line::put(buf, place, &[(&text, app.theme.of(Role::Warn))]);
            }
        }
    }
    let rule = Rect { y: area_in.y + rows, height: 1, ..area_in };
    if rule.y >= area_in.bottom() {
        return;
    }
    draw_body_rule(app, focused && field == Field::Body, rule, buf);
    let body = body_area(app, area);
    match &state.raw {
        Some(bytes) => {
            let text = crate::text::count(bytes.len() as u64, "byte");
            let said = [
                (text.as_str(), app.theme.of(Role::Text)),
                (" that are not text, sent as they are", app.theme.of(Role::Dim)),
            ];
            line::put(buf, body, &said);
        }
        None => state.editor.draw(&app.theme, true, body, buf),
    }
    let role = if state.error.is_some() { Role::Error } else { Role::Dim };
    for (row, said) in (0..).zip(remarks(state, body.width)) {
        let place = Rect { y: body.bottom() + row, height: 1, ..body };
        if place.y < area_in.bottom() {
            let said = line::fit(&said, usize::from(place.width));
            line::put(buf, place, &[(&said, app.theme.of(role))]);
        }
    }
}

fn draw_field(app: &App, field: Field, chosen: bool, area: Rect, buf: &mut Buffer) {
    let state = &app.request;
    let draft = &state.draft;
    let theme = &app.theme;
    let (label, value) = match field {
        Field::Provider if draft.provider.is_empty() => {
            ("provider".to_owned(), "none: the address".to_owned())
        }
        Field::Provider => ("provider".to_owned(), draft.provider.clone()),
        Field::Model => ("model".to_owned(), draft.model.clone()),
        Field::Address => {
            let method = if draft.method.is_empty() { "POST" } else { &draft.method };
            let own = || app.provider().map(|p| p.base_url.clone()).unwrap_or_default();
            (method.to_owned(), shown_url(&draft.url.clone().unwrap_or_else(own)))
        }
        Field::Header(i) => {
            let (name, value) = &draft.headers[i];
            ("header".to_owned(), format!("{name}: {}", shown_value(name, value)))
        }
        Field::Body => return,
    };
    let mark = if chosen { "▸" } else { " " };
    let label = format!("{:<9}", line::fit(&visible(&label, Newlines::Show), 8));
    let room = usize::from(area.width).saturating_sub(11);
    let value = visible(&value, Newlines::Show);
    let value = match field {
        Field::Address => line::fit_middle(&value, room),
        _ => line::fit(&value, room),
    };
    let style = theme.of(if chosen { Role::Focus } else { Role::Text });
    line::put(
        buf,
        area,
        &[(mark, theme.of(Role::Mark)), (&label, theme.of(Role::Label)), (&value, style)],
    );
}

fn draw_body_rule(app: &App, chosen: bool, area: Rect, buf: &mut Buffer) {
    let theme = &app.theme;
    let state = &app.request;
    let rule = "─".repeat(usize::from(area.width));
    line::put(buf, area, &[(&rule, theme.of(Role::Line))]);
    let bytes = state.to_send().body.len() as u64;
    let name = if state.typing { " body · typing " } else { " body " };
    let role = if chosen || state.typing { Role::Focus } else { Role::Dim };
    let mark = if chosen { "▸" } else { "─" };
    line::put(
        buf,
        area,
        &[(mark, theme.of(if chosen { Role::Mark } else { Role::Line })), (name, theme.of(role))],
    );
    let size = format!(" {} ", crate::text::count(bytes, "byte"));
    let rest = Rect { width: area.width.saturating_sub(1), ..area };
    line::put_right(buf, rest, &[(&size, theme.of(Role::Dim))]);
}
