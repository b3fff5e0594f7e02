//! The ids of a response and of its items, as its events report them.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{Code, Severity};
use super::table::{Does, EventRow, text_at};
use crate::json::Value;
use crate::text;

/// The ids of the response and of its items, as the events report them.
#[derive(Debug, Default, Clone)]
pub(super) struct Identity {
    response: Option<String>,
    /// Of each item: the id that opened it, and the last one.
    items: BTreeMap<u64, (Option<String>, String)>,
    first: Option<(u32, String)>,
    /// The first that makes an SDK raise.
    broken: Option<(u32, String)>,
    times: u64,
    /// Codes that were reported, of which once is enough.
    pub(super) reported: BTreeSet<Code>,
}

/// The largest number of items whose ids are followed.
const MAX_ITEMS: usize = 1024;

impl Identity {
    /// A new response has other ids.
    pub(super) fn reset(&mut self) {
        self.items.clear();
    }

    /// Returns whether an id changed.
    pub(super) fn rotates(&self) -> bool {
        self.times > 0
    }

    /// Looks at the ids of an event.
    pub(super) fn see(&mut self, frame: u32, row: &EventRow, json: Value<'_>) {
        if let Some(id) = text_at(json, &["response", "id"]).filter(|id| !id.is_empty()) {
            match &self.response {
                Some(before) if row.does != Does::Begin && *before != id => {
                    let message = format!(
                        "The response's id changes from \"{}\" to \"{}\" in frame {frame}",
                        text::preview(before, 24),
                        text::preview(&id, 24)
                    );
                    self.changed(frame, message, true);
                }
                _ => {}
            }
            self.response = Some(text::preview(&id, 400));
        }
        let Some(index) = json.get("output_index").and_then(Value::as_u64) else { return };
        let whole = json.get("item").is_some();
        let id = json.get("item_id").or_else(|| json.at(&["item", "id"]));
        let Some(id) = id.and_then(Value::as_str).filter(|id| !id.is_empty()) else { return };
        let id = text::preview(&id, 2000);
        let opens = row.does == Does::Open && whole;
        if self.items.len() >= MAX_ITEMS && !self.items.contains_key(&index) {
            return;
        }
        let (opened, last) = self.items.entry(index).or_insert_with(|| (None, id.clone()));
        let broken = whole && !opens && opened.as_ref().is_some_and(|opened| *opened != id);
        let message = (*last != id && !opens || broken).then(|| {
            let before = if broken { opened.as_ref().unwrap_or(last) } else { &*last };
            format!(
                "Item {index} changes its id from \"{}\" to \"{}\" in frame {frame}",
                text::preview(before, 24),
                text::preview(&id, 24)
            )
        });
        if opens {
            *opened = Some(id.clone());
        }
        *last = id;
        if let Some(message) = message {
            self.changed(frame, message, broken);
        }
    }

    fn changed(&mut self, frame: u32, message: String, broken: bool) {
        self.times += 1;
        if broken {
            self.broken.get_or_insert_with(|| (frame, message.clone()));
        }
        self.first.get_or_insert((frame, message));
    }

    /// Returns the frame, severity and message of what is to be reported at the end.
    pub(super) fn verdict(&mut self) -> Option<(u32, Severity, String)> {
        let severity = if self.broken.is_some() { Severity::Error } else { Severity::Warn };
        let (frame, mut message) = self.broken.take().or(self.first.take())?;
        if self.times > 1 {
            message.push_str(&format!(", {} changes in all", text::group(self.times)));
        }
        Some((frame, severity, message))
    }
}
