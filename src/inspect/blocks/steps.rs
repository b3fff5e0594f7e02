//! The effect of each event on its block (it opens, fills or closes it), and what may be wrong with that.

use std::borrow::Cow;
use std::ops::Range;

use super::super::{Code, Severity};
use super::Block;
use super::engine::{BlockEngine, Steady, Surroundings, capital, knows, tag_of};
use super::responses;
use super::table::{Does, EventRow, Fit, Space, Table, text_at};
use crate::json::{Kind, Value};
use crate::text;

/// The properties that an event reports of the block that it opens.
struct Opening {
    kind: String,
    id: Option<String>,
    name: Option<String>,
}

impl Opening {
    fn by(space: &'static Space, row: &'static EventRow, json: Value<'_>) -> Self {
        let kind = tag_of(&space.kind, row, json).unwrap_or_default();
        let word = |path: &[&str]| {
            let word = (!path.is_empty()).then(|| text_at(json, path)).flatten();
            word.filter(|w| !w.is_empty()).map(|w| text::preview(&w, 200))
        };
        Self { kind: text::preview(&kind, 60), id: word(space.id), name: word(space.name) }
    }
}

impl BlockEngine {
    /// An event that opens a block.
    pub(super) fn opens(&mut self, table: &'static Table, row: &'static EventRow, json: Value<'_>) {
        let Some((outer, key)) = self.index(table, row, json) else { return };
        let space = &table.spaces[row.space];
        let parent = self.outer(table, row, outer);
        let opening = Opening::by(space, row, json);
        let known = self.keys.get(&(row.space as u8, outer, key)).copied();
        let known = known.filter(|at| !space.reused || self.list[*at as usize].closed.is_none());
        if let Some(at) = known
            && self.live[at as usize].accused
            && !self.list[at as usize].announced
        {
            // It opens too late, which has been reported.
            let block = &mut self.list[at as usize];
            (block.announced, block.kind, block.name) = (true, opening.kind, opening.name);
            block.id = opening.id.or(block.id.take());
            return;
        }
        let inside = self.inside(parent);
        if let Some(at) = known {
            self.opens_again(table, row.space, (at, key), &opening.kind, &inside);
        } else {
            self.offset(row.space, space, (outer, key), &inside);
            self.opens_with_known_id(space, key, opening.id.as_deref());
        }
        let Opening { kind, id, name } = opening;
        let excused = parent.is_some_and(|p| self.live[p as usize].accused);
        if let Some(parent) = parent.filter(|_| !excused && !row.outer.is_empty()) {
            self.fits_outer(table, row, parent, &kind);
        }
        self.overlap(table, row.space, parent);
        let at = self.push(table, row.space, (outer, key), parent, kind);
        if let Some(id) = &id {
            self.ids.insert(id.clone(), at);
        }
        let block = &mut self.list[at as usize];
        (block.announced, block.name) = (true, name);
        block.id = id.or(block.id.take());
        self.announced = true;
        self.sign(table, at, json);
        if table.joins {
            self.prefill(at, json);
        }
    }

    /// A block opens that was opened before, and is another one from here on.
    fn opens_again(
        &mut self,
        table: &'static Table,
        space: usize,
        (at, key): (u32, u64),
        kind: &str,
        inside: &str,
    ) {
        self.fault(Code::BlockReopened, Severity::Error, |e| {
            let before = &e.list[at as usize];
            let called = capital(&e.called(table, space, key));
            let how = if before.kind == kind {
                String::new()
            } else {
                format!(", now as {kind} after {}", before.kind)
            };
            format!(
                "{called}{inside} opens again in frame {}{how} (first in frame {})",
                e.frame, before.opened
            )
        });
        self.open.remove(&at);
        // Blocks inside the first one are not inside the second.
        for inner in std::mem::take(&mut self.live[at as usize].inner) {
            let of = (self.live[inner as usize].space, key, self.list[inner as usize].key);
            self.keys.remove(&of);
            self.open.remove(&inner);
            self.next.remove(&(of.0, key));
        }
    }

    /// A block opens with an id that another has.
    fn opens_with_known_id(&mut self, space: &'static Space, key: u64, id: Option<&str>) {
        let Some(id) = id else { return };
        let Some(at) = self.ids.get(id).copied() else { return };
        self.fault(Code::BlockReopened, Severity::Error, |e| {
            let before = e.list[at as usize].key;
            let noun = space.noun;
            let id = text::preview(id, 40);
            format!("Id \"{id}\" opens {noun} {key} and opened {noun} {before}")
        });
    }

    /// The text and the call's id that a block has when it opens.
    fn prefill(&mut self, at: u32, json: Value<'_>) {
        let text = ["text", "refusal"].iter().find_map(|k| text_at(json, &["part", k]));
        let text = text.or_else(|| text_at(json, &["item", "arguments"]));
        let text = text.or_else(|| text_at(json, &["item", "input"]));
        let live = &mut self.live[at as usize];
        live.text.prefill(text.as_deref().unwrap_or_default());
        live.call = text_at(json, &["item", "call_id"]).map(|id| text::preview(&id, 200));
    }

    /// A first index that is not 0, or one that skips some.
    pub(super) fn offset(
        &mut self,
        at: usize,
        space: &'static Space,
        (outer, key): (u64, u64),
        inside: &str,
    ) {
        let next = self.next.get(&(at as u8, outer)).copied().unwrap_or(0);
        if !space.counts || key <= next || self.resumed == Some(true) {
            return;
        }
        let noun = space.noun;
        self.fault_once(Code::BlockIndexOffset, noun, Severity::Error, |e| match next {
            0 => format!("The first {noun}{inside} has index {key}, not 0 (frame {})", e.frame),
            next => format!(
                "{} indexes{inside} skip from {} to {key} in frame {}",
                capital(noun),
                next - 1,
                e.frame
            ),
        });
    }

    /// Marks the blocks that are open although another one opens beside them.
    pub(super) fn overlap(&mut self, table: &'static Table, space: usize, parent: Option<u32>) {
        let Some(group) = table.spaces[space].group else { return };
        let (frame, by) = (self.frame, self.list.len() as u32);
        // All but the last few were marked when the block before opened.
        let open: Vec<u32> = match parent {
            Some(parent) => {
                let inner = self.live[parent as usize].inner.iter().rev();
                inner
                    .copied()
                    .take_while(|at| self.live[*at as usize].overlapped.is_none())
                    .collect()
            }
            None => {
                let open = self.open.iter().rev().copied();
                open.take_while(|at| self.live[*at as usize].overlapped.is_none()).collect()
            }
        };
        for at in open.into_iter().filter(|at| self.open.contains(at)) {
            let live = &mut self.live[at as usize];
            if live.of.is_some_and(|space| space.group == Some(group)) {
                live.overlapped = Some((frame, by));
            }
        }
    }

    pub(super) fn adds(
        &mut self,
        table: &'static Table,
        row: &'static EventRow,
        json: Value<'_>,
        around: &mut Surroundings<'_>,
    ) {
        let Some((outer, key)) = self.index(table, row, json) else { return };
        let tag = tag_of(&table.tag, row, json).unwrap_or_default();
        let fit = row.fits.iter().find(|f| f.delta.is_empty() || f.delta == tag);
        let parent = self.outer(table, row, outer);
        if let Some(parent) = parent.filter(|_| !row.outer.is_empty()) {
            self.fits_outer(table, row, parent, "");
        }
        let at = match self.keys.get(&(row.space as u8, outer, key)) {
            Some(at) => *at,
            None => match self.opened_by_delta(table, row, (outer, key), parent, fit, &tag) {
                Some(at) => at,
                None => return,
            },
        };
        if let Some(fit) = fit {
            self.fits(table, row, fit, at, parent, &tag);
        }
        self.sign(table, at, json);
        if row.does == Does::Restate {
            let whole = row.restates.iter().find_map(|path| text_at(json, path));
            self.live[at as usize].sealed = true;
            if let Some(whole) = whole {
                self.hold(at, &whole, Code::DeltasDifferFromDone, around);
            }
            return;
        }
        let late = self.late(at, parent);
        self.adds_text(table, row, fit, (at, late), json);
    }

    /// The text of a delta, which is `late` or not.
    fn adds_text(
        &mut self,
        table: &'static Table,
        row: &'static EventRow,
        fit: Option<&Fit>,
        (at, late): (u32, bool),
        json: Value<'_>,
    ) {
        let path = fit.map(|f| f.text).filter(|path| !path.is_empty());
        let given = path.and_then(|path| json.at(path));
        if let Some(path) = path.filter(|_| given.is_none_or(Value::is_null))
            && !table.textless.is_empty()
        {
            let path = path.join(".");
            self.fault_once(Code::RequiredFieldMissing, "text", Severity::Error, |e| {
                format!("{} has no {path} in frame {}: {}", row.event, e.frame, table.textless)
            });
        }
        let text = given.and_then(Value::as_str).unwrap_or_default();
        let block = &mut self.list[at as usize];
        block.deltas += 1;
        block.bytes += text.len() as u64;
        block.last_delta = Some(self.frame);
        // A late delta has already been reported.
        let joins = table.keeps(row.space);
        if joins && !late {
            self.live[at as usize].text.add(&text, self.frame);
        }
        if let Some(given) = given.filter(|g| !late && !self.at_fault && g.kind() == Kind::String) {
            let Range { start, end } = given.span();
            self.steady = Some(Steady { at, text: start + 1..end - 1, joins });
        }
    }

    /// A delta after the end of its block, or of the block around it. Returns whether it is one.
    pub(super) fn late(&mut self, at: u32, parent: Option<u32>) -> bool {
        let live = &self.live[at as usize];
        let closed = self.list[at as usize].closed;
        let around = parent.and_then(|p| self.list[p as usize].closed);
        if live.late || !live.sealed && closed.is_none() && around.is_none() {
            return live.late;
        }
        self.live[at as usize].late = true;
        let inside = self.inside(parent);
        self.fault(Code::DeltaAfterStop, Severity::Error, |e| {
            let block = &e.list[at as usize];
            let when = match closed.or(around) {
                Some(frame) => format!("was closed in frame {frame}"),
                None => "was complete".to_owned(),
            };
            format!("Frame {} adds to {}{inside}, which {when}", e.frame, block.label())
        });
        true
    }

    /// Checks whether a delta fits its block and the block around it.
    pub(super) fn fits(
        &mut self,
        table: &'static Table,
        row: &'static EventRow,
        fit: &Fit,
        at: u32,
        parent: Option<u32>,
        tag: &str,
    ) {
        let what = if tag.is_empty() { row.event } else { tag };
        let kind = &self.list[at as usize].kind;
        let wrong = !fit.kinds.contains(&kind.as_str()) && knows(table, kind);
        if self.live[at as usize].misfit {
            return;
        }
        if parent.is_some_and(|p| self.live[p as usize].misfit) {
            self.live[at as usize].misfit = true;
            return;
        }
        if wrong {
            self.live[at as usize].misfit = true;
            let inside = self.inside(parent);
            self.fault(Code::BlockKindMismatch, Severity::Error, |e| {
                let block = e.list[at as usize].label();
                format!("{what} in {block}{inside} (frame {}): SDKs drop it", e.frame)
            });
        }
    }

    pub(super) fn fits_outer(
        &mut self,
        table: &'static Table,
        row: &'static EventRow,
        parent: u32,
        part: &str,
    ) {
        let kind = &self.list[parent as usize].kind;
        if row.outer.contains(&kind.as_str())
            || !knows(table, kind)
            || self.live[parent as usize].misfit
        {
            return;
        }
        self.live[parent as usize].misfit = true;
        self.fault(Code::BlockKindMismatch, Severity::Error, |e| {
            let part = if part.is_empty() { String::new() } else { format!(" ({part})") };
            let item = e.list[parent as usize].label();
            format!("{}{part} in {item} (frame {}): SDKs raise or drop it", row.event, e.frame)
        });
    }

    pub(super) fn sign(&mut self, table: &'static Table, at: u32, json: Value<'_>) {
        let Some(signature) = &table.signature else { return };
        if self.live[at as usize].signed || self.list[at as usize].kind != signature.kind {
            return;
        }
        let given = |path: &&[&str]| {
            json.at(path).is_some_and(|v| v.kind() == Kind::String && v.source().len() > 2)
        };
        self.live[at as usize].signed = signature.at.iter().any(given);
    }

    pub(super) fn closes(
        &mut self,
        table: &'static Table,
        row: &'static EventRow,
        json: Value<'_>,
        around: &mut Surroundings<'_>,
    ) {
        let Some((outer, key)) = self.index(table, row, json) else { return };
        let parent = self.outer(table, row, outer);
        let space = &table.spaces[row.space];
        let at = match self.keys.get(&(row.space as u8, outer, key)) {
            Some(at) => *at,
            // Where deltas open blocks, a lone end is an empty block.
            None if space.implicit.is_some() => return,
            None if row.does == Does::Whole => return self.whole(table, row, (outer, key), json),
            None => {
                let kind = match table.begins && row.space == responses::ITEM {
                    true => text_at(json, &["item", "type"]).unwrap_or_default(),
                    false => Cow::Borrowed(""),
                };
                self.unopened(
                    table,
                    row.space,
                    row,
                    (outer, key),
                    parent,
                    &text::preview(&kind, 60),
                )
            }
        };
        if row.does == Does::Whole {
            let value = row.restates.iter().find_map(|path| json.at(path));
            value.into_iter().for_each(|value| self.hold_value(at, value, around));
        } else if let Some(whole) = row.restates.iter().find_map(|path| text_at(json, path)) {
            self.hold(at, &whole, Code::DeltasDifferFromDone, around);
        }
        if table.begins && row.space == responses::ITEM {
            if let Some(item) = json.get("item") {
                self.item_done(at, item, around);
            }
            for inner in self.live[at as usize].inner.clone() {
                self.close(inner);
            }
        }
        match self.list[at as usize].closed {
            None => self.unsigned(table, at, around),
            // A client that forgets a block at its end no longer knows it.
            Some(before) if row.does == Does::Close && space.by_id && !space.breaks.is_empty() => {
                self.fault(Code::BlockNotOpened, Severity::Error, |e| {
                    let block = capital(&e.list[at as usize].label());
                    let frame = e.frame;
                    format!("{block} ends in frame {frame} and ended in {before}: {}", space.breaks)
                });
            }
            Some(_) => {}
        }
        self.close(at);
    }

    /// Adds a block that arrives in one event.
    fn whole(
        &mut self,
        table: &'static Table,
        row: &'static EventRow,
        index: (u64, u64),
        json: Value<'_>,
    ) {
        let space = &table.spaces[row.space];
        let kind = tag_of(&space.kind, row, json).unwrap_or_default();
        let at = self.push(table, row.space, index, None, text::preview(&kind, 60));
        self.list[at as usize].announced = true;
        self.list[at as usize].name =
            text_at(json, space.name).map(|name| text::preview(&name, 200));
        self.close(at);
    }

    /// A step ends: nothing is added to the blocks of its space any more.
    pub(super) fn steps(&mut self, space: usize, around: &Surroundings<'_>) {
        let mine = |at: &u32| usize::from(self.live[*at as usize].space) == space;
        let open: Vec<u32> = self.open.iter().copied().filter(mine).collect();
        for at in open {
            self.open.remove(&at);
            let accused = self.live[at as usize].accused;
            if !accused && around.answer.errors.is_empty() {
                self.left_open(at, Severity::Warn);
            }
            self.list[at as usize].closed = Some(self.frame);
        }
    }

    pub(super) fn left_open(&mut self, at: u32, severity: Severity) {
        self.fault(Code::BlockNotClosed, severity, |e| {
            let block = &e.list[at as usize];
            let (label, opened) = (capital(&block.label()), block.opened);
            format!("{label}, opened in frame {opened}, was never closed")
        });
    }

    /// Closes a block, and says if it was open beside another.
    pub(super) fn close(&mut self, at: u32) {
        if self.list[at as usize].closed.is_some() {
            return;
        }
        self.list[at as usize].closed = Some(self.frame);
        self.open.remove(&at);
        let live = &mut self.live[at as usize];
        if let (Some((frame, by)), Some(space)) = (live.overlapped.take(), live.of) {
            self.fault(Code::BlockNotClosed, space.overlap, |e| e.overlapped(at, frame, by));
        }
    }

    pub(super) fn overlapped(&self, at: u32, frame: u32, by: u32) -> String {
        let by = self.list.get(by as usize).map_or(String::new(), Block::label);
        let label = capital(&self.list[at as usize].label());
        format!("{label} was still open when {by} opened in frame {frame}")
    }

    /// A thought of a Claude model that ends without its signature.
    pub(super) fn unsigned(&mut self, table: &'static Table, at: u32, around: &Surroundings<'_>) {
        let Some(signature) = &table.signature else { return };
        let (block, live) = (&self.list[at as usize], &self.live[at as usize]);
        if block.kind == signature.kind && !live.signed && around.is_claude() {
            self.fault(Code::SignatureMissing, Severity::Warn, |e| {
                let label = capital(&e.list[at as usize].label());
                format!("{label} ends without a signature: the next turn is refused with HTTP 400")
            });
        }
    }
}
