//! The fold: events in, blocks and faults out.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::super::findings::MAX_PER_CODE;
use super::super::{Answer, Code, Severity};
use super::identity::Identity;
use super::streamed::BlockText;
use super::table::{Does, EventRow, Space, Table, Tag, text_at};
use super::{Block, BlockFault, MAX_BLOCKS};
use crate::journal::Request;
use crate::json::Value;
use crate::text;

/// Facts about the exchange beside the event at hand.
pub(in crate::inspect) struct Surroundings<'a> {
    pub(in crate::inspect) answer: &'a mut Answer,
    pub(in crate::inspect) request: Option<&'a Request>,
    /// Blocks of the dialect are runs of one kind, which another kind ends.
    pub(in crate::inspect) runs: bool,
}

impl Surroundings<'_> {
    /// Returns whether a Claude model answers: only those sign what they think, and demand it back.
    pub(super) fn is_claude(&self) -> bool {
        let named = |name: &str| name.to_ascii_lowercase().contains("claude");
        match &self.answer.model {
            Some(model) => named(model),
            None => self.request.is_some_and(|r| named(&r.model) || named(&r.url)),
        }
    }

    /// Returns whether the request asks for the rest of a stream; `None` where there is no request.
    pub(super) fn resumes(&self) -> Option<bool> {
        self.request.map(|r| r.url.contains("starting_after"))
    }
}

/// Facts about a block beyond what it shows.
#[derive(Debug, Default, Clone)]
pub(super) struct Live {
    /// The number of its index space in its dialect's table.
    pub(super) space: u8,
    /// That space. The events after it may be of another dialect, and of another table.
    pub(super) of: Option<&'static Space>,
    /// The places of the blocks inside it.
    pub(super) inner: Vec<u32>,
    /// Its text, where the dialect says it again.
    pub(super) text: BlockText,
    /// It was never opened, and that has been reported.
    pub(super) accused: bool,
    /// A delta that does not fit, or one after the end, has been reported.
    pub(super) misfit: bool,
    pub(super) late: bool,
    /// It was restated: nothing may be added.
    pub(super) sealed: bool,
    pub(super) signed: bool,
    /// The id by which the result of a call is matched, where that is not the block's own.
    pub(super) call: Option<String>,
    /// Another name or call's id was reported.
    pub(super) renamed: bool,
    /// The frame in which another block opened although this one was open.
    pub(super) overlapped: Option<(u32, u32)>,
}

/// An event that only adds text to a block.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Steady {
    /// The block.
    pub(super) at: u32,
    /// Range of the text in the payload.
    pub(super) text: Range<usize>,
    /// The text is kept.
    pub(super) joins: bool,
}

/// A space, the outer block's index, the own index.
pub(super) type BlockKey = (u8, u64, u64);

/// The fold over one exchange.
#[derive(Default, Clone)]
pub(super) struct BlockEngine {
    /// The table of the last event.
    pub(super) table: Option<&'static Table>,
    pub(super) list: Vec<Block>,
    pub(super) live: Vec<Live>,
    pub(super) faults: Vec<BlockFault>,
    pub(super) counts: BTreeMap<Code, u64>,
    pub(super) frame: u32,
    pub(super) container: u32,
    /// The container that is at hand was begun, by an event of this id.
    pub(super) begun: Option<String>,
    /// A block of the container was announced.
    pub(super) announced: bool,
    /// The container's end was judged.
    pub(super) finished: bool,
    pub(super) keys: BTreeMap<BlockKey, u32>,
    /// The ids used in place of indexes, by space, in order of first mention.
    pub(super) names: BTreeMap<(u8, String), u64>,
    /// The same the other way round.
    pub(super) named: BTreeMap<(u8, u64), String>,
    pub(super) ids: BTreeMap<String, u32>,
    /// The next index of each space inside each outer block.
    pub(super) next: BTreeMap<(u8, u64), u64>,
    pub(super) open: BTreeSet<u32>,
    /// The last block of each space that opened.
    pub(super) latest: BTreeMap<u8, u32>,
    /// Faults that have been reported once and for all.
    pub(super) reported: BTreeSet<(Code, &'static str)>,
    /// An event had no type, so that no client gets to what else is missing.
    pub(super) untyped: bool,
    /// The stream is the rest of another: openings may be missing. Known after the first event.
    pub(super) resumed: Option<bool>,
    /// The events are those of one HTTP response.
    pub(super) sse: bool,
    pub(super) identity: Identity,
    /// Something is wrong with the event at hand.
    pub(super) at_fault: bool,
    /// Effect of the last event, if it only added to a block and nothing was at fault.
    pub(super) steady: Option<Steady>,
    /// Blocks of dialects without events for them, by choice, channel and place of the call.
    pub(super) runs: BTreeMap<(u32, u8, u32), u32>,
    /// The blocks that the deltas of the last frame added to, in order; `None` where there was no room for one.
    pub(super) added_to: Vec<Option<u32>>,
    /// Number of deltas taken in from a frame that repeats that one.
    pub(super) again: usize,
}

impl BlockEngine {
    pub(super) fn list(&self) -> &[Block] {
        &self.list
    }

    pub(super) fn faults(&self) -> &[BlockFault] {
        &self.faults
    }

    /// The texts of the parts of a kind, each with its place: answer, item, part.
    pub(super) fn texts(&self, kind: &str) -> impl Iterator<Item = ((u32, u64, u64), &str)> {
        let blocks = self.list.iter().zip(&self.live).filter(move |(block, _)| block.kind == kind);
        blocks.filter_map(|(block, live)| {
            let item = self.list.get(block.parent? as usize)?.key;
            Some(((block.container, item, block.key), live.text.value()))
        })
    }

    /// The frame that was taken in last.
    pub(super) fn frame(&self) -> u32 {
        self.frame
    }

    pub(super) fn begin_frame(&mut self, frame: u32) {
        self.faults.clear();
        self.frame = frame;
    }

    /// Reports a fault of the frame at hand.
    pub(super) fn fault(
        &mut self,
        code: Code,
        severity: Severity,
        message: impl FnOnce(&Self) -> String,
    ) {
        self.at_fault = true;
        let count = self.counts.entry(code).or_default();
        *count += 1;
        // Findings above this limit are counted, but not reported one by one.
        if *count > MAX_PER_CODE {
            return;
        }
        let message = message(self);
        self.faults.push(BlockFault { code, severity, frame: self.frame, message });
    }

    /// The same, only the first time for `what`.
    pub(super) fn fault_once(
        &mut self,
        code: Code,
        what: &'static str,
        severity: Severity,
        message: impl FnOnce(&Self) -> String,
    ) {
        if self.reported.insert((code, what)) {
            self.fault(code, severity, message);
        }
    }

    /// Returns the range in its payload of the text that the last event added to a block, if it did no more.
    pub(super) fn added(&self) -> Option<&Range<usize>> {
        self.steady.as_ref().map(|steady| &steady.text)
    }

    /// Takes in an event that repeats the last one with another text.
    pub(super) fn adds_again(&mut self, text: &str) {
        let Some(Steady { at, joins, .. }) = self.steady else { return };
        let block = &mut self.list[at as usize];
        block.deltas += 1;
        block.bytes += text.len() as u64;
        block.last_delta = Some(self.frame);
        if joins {
            self.live[at as usize].text.add(text, self.frame);
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= MAX_BLOCKS
    }

    /// Takes in an event.
    pub(super) fn event(
        &mut self,
        table: &'static Table,
        event: &str,
        json: Value<'_>,
        around: &mut Surroundings<'_>,
    ) {
        (self.steady, self.at_fault) = (None, false);
        if self.is_full() {
            return;
        }
        self.follow(table);
        let name = match table.name_key {
            "" => Cow::Borrowed(event),
            key => match json.str(key).filter(|name| !name.is_empty()) {
                Some(name) => name,
                // An error has its own way to name its type.
                None if json.get("error").is_some_and(|e| !e.is_null()) => return,
                None => {
                    self.untyped(table, event, json);
                    Cow::Borrowed(event)
                }
            },
        };
        let Some(row) = table.row(&name) else {
            let is_named = table.name_key.is_empty() || json.get(table.name_key).is_some();
            if is_named && table.refuses(&name) && !name.is_empty() {
                self.fault_once(Code::UnknownEventType, "event", Severity::Error, |e| {
                    let name = text::preview(&name, 40);
                    format!(
                        "Part \"{name}\" in frame {} is unknown to the AI SDK, which raises",
                        e.frame
                    )
                });
            }
            return;
        };
        if table.begins {
            self.begins(row, json, around);
            if !self.untyped {
                self.identity.see(self.frame, row, json);
            }
        } else if !table.opener.is_empty() {
            self.opener(table, row);
            if around.answer.errors.is_empty() {
                self.after_end(row);
            }
        }
        if !self.untyped {
            self.needs(table, row, json);
        }
        match row.does {
            Does::Begin => self.begin(table, json),
            Does::Open => self.opens(table, row, json),
            Does::Add | Does::Restate => self.adds(table, row, json, around),
            Does::Close | Does::Whole => self.closes(table, row, json, around),
            Does::Step => self.steps(row.space, around),
            Does::Status => {}
            Does::Finish | Does::End | Does::Abort => self.ends(table, row, json, around),
        }
    }

    pub(super) fn inside(&self, parent: Option<u32>) -> String {
        parent.map_or(String::new(), |p| format!(" of item {}", self.list[p as usize].key))
    }

    pub(super) fn push(
        &mut self,
        table: &'static Table,
        space: usize,
        (outer, key): (u64, u64),
        parent: Option<u32>,
        kind: String,
    ) -> u32 {
        let at = self.list.len() as u32;
        self.list.push(Block {
            container: self.container,
            noun: table.spaces[space].noun,
            parent,
            key,
            by_id: table.spaces[space].by_id,
            id: self.name_of(space, key).map(str::to_owned),
            kind,
            opened: self.frame,
            ..Block::default()
        });
        let of = Some(&table.spaces[space]);
        self.live.push(Live { space: space as u8, of, ..Live::default() });
        if let Some(parent) = parent {
            self.live[parent as usize].inner.push(at);
        }
        self.keys.insert((space as u8, outer, key), at);
        self.latest.insert(space as u8, at);
        self.open.insert(at);
        let next = self.next.entry((space as u8, outer)).or_default();
        *next = (*next).max(key.saturating_add(1));
        at
    }

    /// Reports what is left at the end of the exchange.
    pub(super) fn finish(&mut self) {
        self.begin_frame(self.frame);
        for at in std::mem::take(&mut self.open) {
            if let Some((frame, by)) = self.live[at as usize].overlapped {
                let message = self.overlapped(at, frame, by);
                let severity = Severity::Warn;
                self.frame = frame;
                self.fault(Code::BlockNotClosed, severity, |_| message);
            }
        }
        if let Some((frame, severity, message)) = self.identity.verdict() {
            self.frame = frame;
            self.fault(Code::ItemIdRotates, severity, |_| message);
        }
    }
}

/// Returns whether the dialect's table names a kind of block, so that it can be judged.
pub(super) fn knows(table: &Table, kind: &str) -> bool {
    !kind.is_empty()
        && table.rows.iter().any(|row| {
            row.outer.contains(&kind) || row.fits.iter().any(|f| f.kinds.contains(&kind))
        })
}

/// Returns the word that a tag refers to in an event.
pub(super) fn tag_of<'a>(tag: &Tag, row: &EventRow, json: Value<'a>) -> Option<Cow<'a, str>> {
    match tag {
        Tag::At(path) => text_at(json, path),
        Tag::Is(word) => Some(Cow::Borrowed(word)),
        Tag::Event => None,
        Tag::KeyOf(path) => {
            let object = json.at(path)?;
            let keys: Vec<_> = object.entries().filter_map(|(key, _)| key.as_str()).collect();
            let known = |key: &Cow<'_, str>| row.fits.iter().any(|f| f.delta == key.as_ref());
            let at = keys.iter().position(known).unwrap_or(0);
            keys.into_iter().nth(at)
        }
    }
}

/// The word with a capital.
pub(super) fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or(String::new(), |c| c.to_uppercase().chain(chars).collect())
}
