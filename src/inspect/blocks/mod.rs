//! Blocks: the parts of the answer that events of a stream open, fill, close or restate.
//!
//! One fold ([`engine`]) over a table per dialect ([`table`]; one small file each). It provides the facts, a
//! list of [`Block`]s with the frames in which each opened, grew and closed, and the [`BlockFault`]s of the
//! frame at hand, which `detect` turns into findings. Dialects without a table get their blocks from the deltas
//! of the answer.
//!
//! Memory is bounded by [`MAX_BLOCKS`], time is linear in the bytes of the stream.

mod ag_ui;
mod agreement;
mod aisdk;
mod anthropic;
mod bedrock;
mod channels;
mod cohere;
mod container;
mod engine;
mod identity;
mod interactions;
mod keys;
mod members;
mod mistral;
mod realtime;
mod responses;
mod restate;
mod steps;
mod streamed;
mod table;
mod transcription;
mod unopened;

pub(in crate::inspect) use engine::Surroundings;

use std::ops::Range;

use super::{Code, Severity};
use crate::dialect::{self, Payload};
use crate::json::{Kind, Tape, Value};
use crate::text;
use engine::BlockEngine;
use table::Table;

/// The largest number of blocks that are followed in an exchange. An answer has a few dozen; what follows the
/// last of these is neither listed nor judged.
pub const MAX_BLOCKS: usize = 4096;

/// One part of the answer that has a beginning and an end of its own: a content block, an output
/// item, a part of one, a tool call, a citation.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Block {
    /// The answer it belongs to, counted from 0: more than one where answers are glued together.
    pub container: u32,
    /// The dialect's word for its level: `block`, `item`, `content part`, `step`.
    pub noun: &'static str,
    /// The block that it is a part of, by its place in the list.
    pub parent: Option<u32>,
    /// Its index among its siblings, as the stream numbers it; the order of first mention where the dialect
    /// distinguishes blocks by id.
    pub key: u64,
    /// True if the dialect distinguishes its blocks by id.
    pub by_id: bool,
    /// Kind of the block, in the dialect's word: `thinking`, `tool_use`, `output_text`. Empty where the
    /// stream does not say.
    pub kind: String,
    /// Its id, where it has one.
    pub id: Option<String>,
    /// The tool's name, where it has one.
    pub name: Option<String>,
    /// The frame that opened it.
    pub opened: u32,
    /// It was opened by an event of its own, not by its first delta.
    pub announced: bool,
    /// The frame that closed it; `None` while it is open, and where nothing ever closed it.
    pub closed: Option<u32>,
    /// Number of deltas that filled it.
    pub deltas: u64,
    /// Number of bytes of text that these had.
    pub bytes: u64,
    /// The frame of its last delta.
    pub last_delta: Option<u32>,
}

impl Block {
    /// Returns the last frame that is about it.
    pub fn last(&self) -> u32 {
        self.closed.or(self.last_delta).unwrap_or(self.opened)
    }

    /// Returns how it is called in a sentence: `thinking block 2`.
    pub fn label(&self) -> String {
        let kind = if self.kind.is_empty() { "" } else { " " };
        let noun = format!("{}{kind}{}", self.kind, self.noun);
        match &self.id {
            Some(id) if self.by_id => format!("{noun} \"{}\"", text::preview(id, 40)),
            // There is only one block of this kind at a time.
            None if self.by_id => noun,
            _ => format!("{noun} {}", self.key),
        }
    }
}

/// Something wrong with the life of a block, found in the frame at hand.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::inspect) struct BlockFault {
    pub(in crate::inspect) code: Code,
    pub(in crate::inspect) severity: Severity,
    /// The frame that it is about.
    pub(in crate::inspect) frame: u32,
    pub(in crate::inspect) message: String,
}

/// The blocks of one exchange and the fold that lists them.
#[derive(Default, Clone)]
pub(in crate::inspect) struct Blocks {
    engine: BlockEngine,
    table: Option<&'static Table>,
    /// The dialect whose table that is.
    dialect: &'static str,
    /// For the JSON inside Bedrock's binary messages.
    tape: Tape,
}

/// The tables, by the dialects that they are for.
const TABLES: &[(&str, &Table)] = &[
    ("anthropic", &anthropic::TABLE),
    ("openai-responses", &responses::TABLE),
    ("bedrock-converse", &bedrock::TABLE),
    ("cohere-v2", &cohere::TABLE),
    ("gemini-interactions", &interactions::TABLE),
    ("ag-ui", &ag_ui::TABLE),
    ("aisdk-ui", &aisdk::TABLE),
    ("aisdk-data", &aisdk::DATA),
    ("mistral-conversations", &mistral::TABLE),
    ("openai-realtime", &realtime::TABLE),
    ("openai-transcription", &transcription::TABLE),
];

impl Blocks {
    /// Returns the blocks, in the order in which they opened.
    pub(in crate::inspect) fn list(&self) -> &[Block] {
        self.engine.list()
    }

    /// Returns whether the stream is the rest of another, whose beginning is not there.
    fn is_resumed(&self) -> bool {
        self.engine.resumed == Some(true)
    }

    /// Returns the text of a Responses answer in the order of its items, which may overlap.
    fn text_by_item(&self) -> Option<String> {
        let mut parts: Vec<_> = self.engine.texts("output_text").collect();
        if self.dialect != "openai-responses" || parts.len() < 2 {
            return None;
        }
        parts.sort_by_key(|(place, _)| *place);
        Some(parts.into_iter().map(|(_, text)| text).collect())
    }

    /// Returns the faults of a frame, while it is the last one that was taken in.
    pub(in crate::inspect) fn faults_of(&self, frame: u32) -> &[BlockFault] {
        if self.engine.frame() == frame { self.engine.faults() } else { &[] }
    }

    /// Returns the faults that only the end of the exchange shows.
    pub(in crate::inspect) fn last_faults(&self) -> &[BlockFault] {
        self.engine.faults()
    }

    /// Takes in a frame whose deltas are in `answer` already.
    pub(in crate::inspect) fn take(
        &mut self,
        frame: u32,
        dialect: &'static str,
        payload: &Payload<'_>,
        around: &mut Surroundings<'_>,
    ) {
        self.engine.begin_frame(frame);
        self.engine.sse = payload.kind == crate::frame::FrameKind::Event;
        if self.dialect != dialect {
            self.dialect = dialect;
            self.table = TABLES.iter().find(|(name, _)| *name == dialect).map(|(_, table)| *table);
        }
        let json = payload.json.filter(|json| json.kind() == Kind::Object);
        if dialect == "bedrock-invoke" {
            if let Some(json) = json {
                self.invoke(payload, json, around);
            }
        } else if let Some(table) = self.table {
            if let Some(json) = json
                && payload.kind != crate::frame::FrameKind::Body
            {
                self.engine.event(table, payload.event, json, around);
            }
        } else {
            self.engine.deltas(frame, around);
        }
    }

    /// Returns whether a frame that repeats the last one with other texts has the same effect on the blocks:
    /// the dialect has no events for them, or the last one only added its only text to one of them. That text
    /// is at `only` in the payload if it appears there unchanged.
    pub(in crate::inspect) fn can_repeat(&self, only: Option<Option<&Range<usize>>>) -> bool {
        match self.table {
            Some(_) => only
                .zip(self.engine.added())
                .is_some_and(|(text, added)| text.is_none_or(|text| text == added)),
            None => self.dialect != "bedrock-invoke",
        }
    }

    /// A frame begins that repeats the last one; [`Blocks::repeat`] takes in each of its texts.
    pub(in crate::inspect) fn begin_repeat(&mut self, frame: u32) {
        self.engine.begin_frame(frame);
        self.engine.again = 0;
    }

    /// Takes in the next text of a frame that repeats the last one.
    pub(in crate::inspect) fn repeat(&mut self, text: &str, is_duplicate: bool) {
        match self.table {
            Some(_) => self.engine.adds_again(text),
            None if is_duplicate => {}
            None => self.engine.delta_again(text.len() as u64),
        }
    }

    /// Takes in the end of the exchange.
    pub(in crate::inspect) fn finish(&mut self) {
        self.engine.finish();
    }

    /// One piece that Bedrock's InvokeModel wraps: Anthropic's events as they are, Nova's as
    /// objects named for Converse's events, other makers' without blocks.
    fn invoke(&mut self, payload: &Payload<'_>, json: Value<'_>, around: &mut Surroundings<'_>) {
        let Some(text) = dialect::invoke_piece(json) else { return };
        let mut tape = std::mem::take(&mut self.tape);
        if tape.parse(&text).is_ok()
            && let Some(piece) = tape.root(&text).filter(|j| j.kind() == Kind::Object)
        {
            if piece.get("type").is_some_and(|t| t.kind() == Kind::String) {
                self.engine.event(&anthropic::TABLE, payload.event, piece, around);
            } else {
                for (key, value) in piece.entries().filter(|(_, v)| v.kind() == Kind::Object) {
                    let name = key.as_str().unwrap_or_default();
                    if bedrock::TABLE.has(&name) {
                        self.engine.event(&bedrock::TABLE, &name, value, around);
                    }
                }
            }
        }
        self.tape = tape;
    }
}

impl super::Facts {
    /// Returns the blocks of the answer (content blocks, items and their parts, tool calls), in
    /// the order in which they opened, each with the frames in which it opened and closed. At most
    /// [`MAX_BLOCKS`].
    pub fn blocks(&self) -> &[Block] {
        self.blocks.list()
    }

    /// Returns the block that a frame opens, fills or closes: the innermost that is open there.
    pub fn block_of(&self, frame: u32) -> Option<&Block> {
        self.blocks().iter().rev().find(|block| block.opened <= frame && frame <= block.last())
    }

    /// Returns whether the stream is the rest of another (`starting_after`), whose beginning is not there.
    pub fn is_resumed(&self) -> bool {
        self.blocks.is_resumed()
    }

    /// Returns the text of a Responses answer in the order of its items rather than of arrival;
    /// `None` where there are no two texts to put in order.
    pub fn text_by_item(&self) -> Option<String> {
        self.blocks.text_by_item()
    }
}

#[cfg(test)]
mod tests;
