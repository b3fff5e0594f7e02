//! The whole that the blocks are parts of (a response, a message, a run): its beginning and its end.

use std::collections::BTreeSet;

use super::super::{Code, Severity};
use super::Block;
use super::engine::{BlockEngine, Live, Surroundings};
use super::table::{Does, EventRow, Table, text_at};
use crate::json::Value;
use crate::text;

impl BlockEngine {
    /// The first event of a stream decides whether it is the rest of another.
    pub(super) fn begins(&mut self, row: &EventRow, json: Value<'_>, around: &Surroundings<'_>) {
        if self.resumed.is_some() {
            return;
        }
        let numbered = || json.get("sequence_number").and_then(Value::as_u64).unwrap_or(0) > 0;
        let begins = row.does == Does::Begin;
        let resumed = !begins && around.resumes().unwrap_or_else(numbered);
        self.resumed = Some(resumed);
        let asked = around.resumes() == Some(true);
        if begins || self.untyped || asked {
            return;
        }
        // Without the request, it is unknown whether the rest of a stream was requested.
        let (severity, unless) = match resumed {
            true => (Severity::Warn, " unless the rest of a stream was asked for"),
            false => (Severity::Error, ""),
        };
        self.fault(Code::BlockNotOpened, severity, |_| {
            format!(
                "The stream begins with {}, not response.created: both OpenAI helpers raise{unless}",
                row.event
            )
        });
    }

    /// Checks the first event of a stream that has to begin a container. An error may be first.
    pub(super) fn opener(&mut self, table: &'static Table, row: &'static EventRow) {
        let first = self.resumed.replace(false).is_none();
        if first && !matches!(row.does, Does::Begin | Does::Abort) {
            self.fault(Code::BlockNotOpened, Severity::Error, |_| {
                format!("The stream begins with {}: {}", row.event, table.opener)
            });
        }
    }

    /// Reports an event after the end of the container, where each has to be opened: no client expects it.
    pub(super) fn after_end(&mut self, row: &'static EventRow) {
        if self.finished && !matches!(row.does, Does::Begin | Does::Abort) {
            self.fault_once(Code::BlockNotOpened, "end", Severity::Error, |e| {
                format!(
                    "{} in frame {} follows the end of the run: @ag-ui/client raises",
                    row.event, e.frame
                )
            });
        }
    }

    /// The event that begins a container: a response, a message, a run.
    pub(super) fn begin(&mut self, table: &'static Table, json: Value<'_>) {
        let id = text_at(json, table.container_id).unwrap_or_default();
        self.begins_again(table, &id);
        if self.begun.is_some() || !self.keys.is_empty() {
            self.container += 1;
        }
        self.begun = Some(text::preview(&id, 200));
        self.forget();
        self.filled(table, json);
    }

    /// Nothing is open any more, and every key is free again.
    fn forget(&mut self) {
        (self.finished, self.announced) = (false, false);
        self.keys.clear();
        self.names.clear();
        self.named.clear();
        self.ids.clear();
        self.next.clear();
        self.open.clear();
        self.latest.clear();
        self.identity.reset();
    }

    /// Follows the events of a table. What those of another dialect opened is of another answer: their indexes
    /// and ids mean nothing to the events from here on, which cannot close it either.
    pub(super) fn follow(&mut self, table: &'static Table) {
        if self.table.is_some_and(|before| std::ptr::eq(before, table)) {
            return;
        }
        if self.table.replace(table).is_some() && !self.list.is_empty() {
            self.forget();
            self.container += 1;
            self.begun = None;
        }
    }

    /// Blocks that the first event has already, whole.
    fn filled(&mut self, table: &'static Table, json: Value<'_>) {
        let filled = (!table.filled.is_empty()).then(|| json.at(table.filled)).flatten();
        for (i, block) in filled.into_iter().flat_map(Value::items).enumerate() {
            if self.is_full() {
                return;
            }
            let word = |key| block.str(key).map(|w| text::preview(&w, 200));
            self.list.push(Block {
                container: self.container,
                noun: table.spaces[0].noun,
                key: i as u64,
                kind: word("type").unwrap_or_default(),
                id: word("id"),
                name: word("name"),
                opened: self.frame,
                announced: true,
                closed: Some(self.frame),
                ..Block::default()
            });
            self.live.push(Live::default());
        }
    }

    /// A container that begins although another one did not end.
    fn begins_again(&mut self, table: &'static Table, id: &str) {
        // Over WebSocket one response follows another, and one run another over AG-UI.
        let follows = self.finished && (!self.sse || !table.begins);
        if let Some(first) = &self.begun
            && (table.begins || !table.opener.is_empty())
            && !follows
        {
            let noun = if table.begins { "response" } else { "run" };
            let same = first == id;
            let words = self.list.iter().rev().any(|b| b.container == self.container);
            let code = if words { Code::MessageStartSpliced } else { Code::MessageStartDuplicate };
            let (first, id) = (text::preview(first, 40), text::preview(id, 40));
            self.fault(code, Severity::Error, |e| match same {
                true => format!("Frame {} begins {noun} {id} a second time", e.frame),
                false => format!("Frame {} begins {noun} {id} inside {first}", e.frame),
            });
        }
    }

    /// The event that ends a container, and what it leaves open.
    pub(super) fn ends(
        &mut self,
        table: &'static Table,
        row: &'static EventRow,
        json: Value<'_>,
        around: &mut Surroundings<'_>,
    ) {
        let listed = match table.begins && row.does != Does::Finish && !self.untyped {
            true => self.final_object(json, row.does == Does::Abort),
            false => BTreeSet::new(),
        };
        if std::mem::replace(&mut self.finished, true) || row.does == Does::Abort {
            return;
        }
        // After an error nothing is closed any more, and the error has been reported.
        if !around.answer.errors.is_empty() {
            return;
        }
        for at in std::mem::take(&mut self.open) {
            let live = &self.live[at as usize];
            let Some(space) = live.of else { continue };
            let kind = self.list[at as usize].kind.as_str();
            // Parts end with their item.
            let parent = self.list[at as usize].parent;
            if parent.is_some_and(|p| self.list[p as usize].closed.is_none()) || live.accused {
                continue;
            }
            // If no event closes blocks of this kind, the end does.
            let is_closed =
                |row: &EventRow| matches!(row.does, Does::Close | Does::Whole | Does::Step);
            let place = usize::from(live.space);
            if !table.rows.iter().any(|row| row.space == place && is_closed(row)) {
                continue;
            }
            let severity = match space.calls.contains(&kind) {
                _ if listed.contains(&at) => Severity::Info,
                true => Severity::Error,
                false => space.unclosed,
            };
            self.unsigned(table, at, around);
            self.left_open(at, severity);
        }
    }
}
