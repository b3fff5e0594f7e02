//! The request: provider, model, address, headers and body, as it is being edited.

pub(crate) mod actions;
mod draw;
mod stored;

use crossterm::event::KeyEvent;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::{Canvas, Copyable, Pane, PaneId, PanePlace, Spec};
use crate::action::{Action, OwnContext};
use crate::report::Language;
use crate::tui::model::Model;
use crate::tui::widget::secrets::starred_body;

/// The pane's name in the program.
pub(crate) const ID: PaneId = PaneId("request");

/// The context in which the pane's own keys count.
pub(crate) static KEYS: OwnContext =
    OwnContext { name: "request", title: "In the request", actions: actions::OWN };

static SPEC: Spec = Spec {
    id: ID,
    title: ("Request", "Req"),
    keys: &KEYS,
    place: PanePlace::Left,
    go: Some(Action::PaneRequest),
    footer: &[
        Action::Own(&actions::EDIT_BODY),
        Action::PickProvider,
        Action::PickModel,
        Action::Own(&actions::ADD_HEADER),
        Action::Own(&actions::OPEN_REQUEST),
        Action::Own(&actions::PASTE_CURL),
    ],
    everywhere: &[
        (Action::Own(&actions::EDIT_BODY), true),
        (Action::Own(&actions::EDIT_OUTSIDE), true),
        (Action::Own(&actions::EDIT_URL), true),
        (Action::Own(&actions::EDIT_METHOD), true),
        (Action::Own(&actions::ADD_HEADER), true),
        (Action::Own(&actions::DELETE_HEADER), true),
        (Action::FormatBody, true),
        (Action::Own(&actions::RESET_REQUEST), true),
        (Action::Own(&actions::PASTE_CURL), true),
        (Action::Own(&actions::TAKE_REQUEST), true),
        (Action::Own(&actions::LOAD_REQUEST), true),
        (Action::Own(&actions::SAVE_REQUEST), true),
        (Action::Own(&actions::OPEN_REQUEST), true),
        (Action::Own(&actions::STORE_REQUEST), true),
        (Action::Own(&actions::VARIABLES), true),
        (Action::Own(&actions::FIND_IN_BODY), true),
        (Action::Own(&actions::SELECT_ALL), true),
        (Action::Own(&actions::TOGGLE_WRAP), true),
    ],
    shows_bytes: false,
    copies: &[
        Copyable {
            name: "body",
            about: "the request's body in the editor, secrets masked",
            text: |model| {
                let body = starred_body(&model.request().to_send().body);
                let body = String::from_utf8(body).ok()?;
                Some(("body".to_owned(), body))
            },
        },
        Copyable {
            name: "curl",
            about: "the shown exchange's request as a curl command, secrets masked",
            text: |model| {
                let request = model.exchange()?.inspection.request.as_ref()?;
                Some(("curl".to_owned(), (model.tools().to_curl)(request)))
            },
        },
        Copyable {
            name: "python",
            about: "the shown exchange's request as a Python program (the vendor's SDK where it fits)",
            text: |model| Some(("program".to_owned(), program(model, Language::Python)?)),
        },
        Copyable {
            name: "node",
            about: "the same as a JavaScript program for Node.js",
            text: |model| Some(("program".to_owned(), program(model, Language::Node)?)),
        },
        Copyable {
            name: "fetch",
            about: "the same with fetch",
            text: |model| Some(("program".to_owned(), program(model, Language::Fetch)?)),
        },
    ],
};

/// The shown exchange's request as a program.
fn program(model: &Model, language: Language) -> Option<String> {
    let request = model.exchange()?.inspection.request.as_ref()?;
    let key = model.providers().iter().find(|p| p.name == request.provider);
    let key = key.and_then(|p| p.key_variable.as_deref());
    Some(crate::report::program(request, language, key))
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

/// The field that is under the cursor.
#[derive(Debug, Default)]
pub(crate) struct RequestPane {
    row: usize,
    /// The area for which the body was laid out, and whether one typed.
    laid_out: (Rect, bool),
}

fn fields(model: &Model) -> Vec<Field> {
    let mut fields = vec![Field::Provider, Field::Model, Field::Address];
    fields.extend((0..model.request().draft().headers.len()).map(Field::Header));
    fields.push(Field::Body);
    fields
}

impl RequestPane {
    fn field(&self, model: &Model) -> Field {
        let fields = fields(model);
        let body = fields.len() - 1;
        fields[if model.request().is_typing() { body } else { self.row.min(body) }]
    }

    /// Letters go into the body from now on.
    fn start_typing(&mut self, model: &mut Model) {
        model.request_mut().start_typing();
        self.row = fields(model).len() - 1;
    }
}

impl Pane for RequestPane {
    fn spec(&self) -> &'static Spec {
        &SPEC
    }

    fn draw(&self, on: &Canvas<'_>, buf: &mut Buffer) {
        draw::draw(self, on, buf);
    }

    fn act(&mut self, model: &mut Model, action: Action, _: Rect) -> bool {
        actions::act(self, model, action)
    }

    fn settle(&mut self, model: &mut Model, area: Rect) {
        let laid_out = (draw::body_area(self, model, area), model.request().is_typing());
        if laid_out != self.laid_out {
            self.laid_out = laid_out;
            model.request_mut().lay_out(laid_out.0);
        }
    }

    fn click(&mut self, model: &mut Model, at: Position, area: Rect) {
        draw::click(self, model, at, area);
    }

    fn wheel(&mut self, model: &mut Model, rows: isize, _: Position, _: Rect) {
        model.request_mut().scroll(rows);
    }

    fn types(&self, model: &Model) -> bool {
        model.request().is_typing()
    }

    fn key(&mut self, model: &mut Model, key: KeyEvent) {
        if let Some(wish) = model.request_mut().key(key) {
            actions::grant(model, wish);
        }
    }

    fn paste(&mut self, model: &mut Model, text: &str) {
        model.request_mut().paste(text);
    }

    fn leave(&mut self, model: &mut Model) {
        model.request_mut().stop_typing();
    }
}
