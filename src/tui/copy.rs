//! What goes to the clipboard.

use super::overlay::{List, Overlay, Picks};
use super::pane::PaneId;
use super::{App, Report};
use crate::action::Effect;
use crate::dialect::Channel;
use crate::text::{count, group};

/// What can be copied.
const COPIES: &[(&str, &str)] = &[
    ("frame", "the selected frame's bytes"),
    ("json", "the selected frame's payload"),
    ("content", "the content so far"),
    ("reasoning", "the reasoning so far"),
    ("finding", "the selected finding"),
    ("curl", "the shown exchange's request as a curl command, secrets masked"),
    ("report", "a bug report of the shown exchange, in Markdown"),
    ("body", "the request's body in the editor"),
    ("stream", "the whole body of the answer"),
];

/// The longest text that goes to the clipboard: terminals drop longer escape sequences.
const CLIPBOARD: usize = 74_000;

impl App {
    pub(super) fn copy_menu(&mut self) {
        let mut list = List::new(Picks::Copy, "Copy");
        for (name, about) in COPIES {
            list.add(*name, *about);
        }
        let first = match self.focus {
            PaneId::Request => 7,
            PaneId::Frames => 0,
            PaneId::Detail => usize::from(super::pane::detail::shows_json(self)),
            PaneId::Answer => match self.answer.channel() {
                Some(Channel::Reasoning) => 3,
                _ => 2,
            },
            PaneId::Timeline => 4,
        };
        self.overlays.push(Overlay::List(list.start_at(first)));
    }

    pub(super) fn copy(&mut self, row: usize) {
        let Some((name, _)) = COPIES.get(row) else { return };
        let (mut what, mut text) = ((*name).to_owned(), None);
        if *name == "body" {
            text = String::from_utf8(self.request.to_send().body).ok();
        } else if let Some(exchange) = self.exchange() {
            let seen = &exchange.seen;
            let frame = exchange.frame.and_then(|f| Some((f, seen.frames().get(f as usize)?)));
            let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            text = match (*name, frame) {
                ("frame", Some((number, frame))) => {
                    what = format!("frame {}", group(u64::from(number)));
                    Some(lossy(frame.bytes(seen.body())))
                }
                ("json", Some((number, frame))) => {
                    what = format!("payload of frame {}", group(u64::from(number)));
                    frame.data(seen.body()).map(|d| d.into_owned())
                }
                ("content", _) => Some(exchange.text(Channel::Content).to_owned()),
                ("reasoning", _) => Some(exchange.text(Channel::Reasoning).to_owned()),
                ("finding", _) => exchange
                    .finding
                    .and_then(|i| seen.findings().get(i))
                    .map(|f| format!("{} {}: {}", f.severity.name(), f.code, f.message)),
                ("curl", _) => seen.request.as_ref().map(|r| (self.tools.to_curl)(r)),
                ("report", _) => {
                    Some((self.tools.to_markdown)(Report::Exchanges(&[(exchange.id, seen)])))
                }
                ("stream", _) => Some(lossy(seen.body())),
                _ => None,
            };
        }
        match text.filter(|t| !t.is_empty()) {
            None => self.say(format!("There is nothing to copy: {name}.")),
            Some(text) => self.copy_text(what, text),
        }
    }

    /// Puts a text into the clipboard, unless it is too long for that.
    pub(super) fn copy_text(&mut self, what: String, text: String) {
        if text.len() <= CLIPBOARD {
            self.effects.push(Effect::Copy { what, text });
            return;
        }
        let bytes = count(text.len() as u64, "byte");
        let cap = count(CLIPBOARD as u64, "byte");
        self.complain(&format!(
            "{what} has {bytes}; terminals take {cap} at most. Nothing was copied."
        ));
    }
}
