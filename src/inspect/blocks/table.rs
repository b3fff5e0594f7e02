//! The form of a table about a dialect's events.

use super::super::{Code, Severity};
use crate::json::Value;

/// The life of blocks in one dialect, as data.
pub(super) struct Table {
    /// The key that names an event in its JSON; empty where the event's own name does.
    pub(super) name_key: &'static str,
    /// The levels and index spaces.
    pub(super) spaces: &'static [Space],
    /// Reaction of the dialect's SDK to a delta whose text is null or missing; empty where it copes.
    pub(super) textless: &'static str,
    /// Place of a delta's kind.
    pub(super) tag: Tag,
    /// The events.
    pub(super) rows: &'static [EventRow],
    /// Path of a container's id in the event that begins it.
    pub(super) container_id: &'static [&'static str],
    /// The way in which a kind of block is signed, where its dialect signs.
    pub(super) signature: Option<Signature>,
    /// Blocks that are already whole in the event that begins the container.
    pub(super) filled: &'static [&'static str],
    /// An answer must begin with the event that begins the container.
    pub(super) begins: bool,
    /// The same, and who raises otherwise; empty where no client does. Unlike `begins`, it is not for a
    /// Responses stream.
    pub(super) opener: &'static str,
    /// The events beside the rows, where the dialect's SDK raises on every other; a name that ends in `-`
    /// matches all that begin so. Empty where it ignores unknown ones.
    pub(super) others: &'static [&'static str],
    /// The texts of all its blocks are restated, and held against the joined deltas.
    pub(super) joins: bool,
    /// A recording may begin inside a container: what opened before it is not missed.
    pub(super) midway: bool,
}

impl Table {
    /// A table without events, to be filled in: one whose deltas name no kind.
    pub(super) const PLAIN: Self = Self {
        name_key: "type",
        spaces: &[],
        textless: "",
        tag: Tag::Event,
        rows: &[],
        container_id: &[],
        signature: None,
        filled: &[],
        begins: false,
        opener: "",
        others: &[],
        joins: false,
        midway: false,
    };

    /// Returns whether the texts of a space's blocks are kept: something restates them.
    pub(super) fn keeps(&self, space: usize) -> bool {
        let restates = |row: &EventRow| {
            row.space == space && row.does == Does::Whole && !row.restates.is_empty()
        };
        self.joins || self.rows.iter().any(restates)
    }

    /// Returns the row of an event.
    pub(super) fn row(&self, event: &str) -> Option<&'static EventRow> {
        self.rows.iter().find(|row| row.event == event)
    }

    /// Returns whether the dialect's SDK raises on an event of that name.
    pub(super) fn refuses(&self, event: &str) -> bool {
        let is =
            |other: &&str| *other == event || other.ends_with('-') && event.starts_with(*other);
        !self.others.is_empty() && self.row(event).is_none() && !self.others.iter().any(is)
    }

    /// Returns whether the dialect has the event.
    pub(super) fn has(&self, event: &str) -> bool {
        self.row(event).is_some()
    }
}

/// One index space of blocks.
#[derive(Debug)]
pub(super) struct Space {
    /// The dialect's word for one of them.
    pub(super) noun: &'static str,
    /// The keys of their index, the outer block's first.
    pub(super) keys: &'static [&'static str],
    /// The outer block's space.
    pub(super) parent: Option<usize>,
    /// Place of the block's kind in the opening event.
    pub(super) kind: Tag,
    /// Path of the id in that event.
    pub(super) id: &'static [&'static str],
    /// Path of the name in that event.
    pub(super) name: &'static [&'static str],
    /// Blocks of spaces with the same group may not be open at the same time.
    pub(super) group: Option<u8>,
    /// Indexes start at 0 and rise by 1.
    pub(super) counts: bool,
    /// Severity of a missing index.
    pub(super) index: Severity,
    /// A delta may open a block, but for blocks of these kinds.
    pub(super) implicit: Option<&'static [&'static str]>,
    /// The kinds that are tool calls: left open, they are lost.
    pub(super) calls: &'static [&'static str],
    /// Severity of one that overlaps with another.
    pub(super) overlap: Severity,
    /// Severity of one that is no call and is left open.
    pub(super) unclosed: Severity,
    /// True if the blocks are distinguished by an id, the text at the only key, not by a number.
    pub(super) by_id: bool,
    /// The key of a block that was closed may open another.
    pub(super) reused: bool,
    /// Code for a delta of an unopened block.
    pub(super) unopened: Code,
    /// Reaction of the dialect's SDK to a delta for an unopened block.
    pub(super) breaks: &'static str,
}

impl Space {
    /// A space whose blocks are keyed by `keys`, with the usual rules: announced, numbered from
    /// 0, one after the other.
    pub(super) const fn new(noun: &'static str, keys: &'static [&'static str], kind: Tag) -> Self {
        Self {
            noun,
            keys,
            parent: None,
            kind,
            id: &[],
            name: &[],
            group: Some(0),
            counts: true,
            index: Severity::Error,
            implicit: None,
            calls: &[],
            overlap: Severity::Warn,
            unclosed: Severity::Warn,
            by_id: false,
            reused: false,
            unopened: Code::BlockNotOpened,
            breaks: "",
        }
    }

    /// Returns a space whose blocks are distinguished by the id at `key`. Several may be open, and they may
    /// be opened again once they are closed.
    pub(super) const fn named(noun: &'static str, key: &'static [&'static str], kind: Tag) -> Self {
        let space = Self::new(noun, key, kind);
        Self { group: None, counts: false, by_id: true, reused: true, ..space }
    }
}

/// Place of a word.
#[derive(Debug)]
pub(super) enum Tag {
    /// At a path.
    At(&'static [&'static str]),
    /// As the first known key of the object at a path.
    KeyOf(&'static [&'static str]),
    /// It is always this.
    Is(&'static str),
    /// The event's name says it.
    Event,
}

/// One event.
pub(super) struct EventRow {
    /// Its name.
    pub(super) event: &'static str,
    /// The space of the block that it is about.
    pub(super) space: usize,
    /// Effect of the event.
    pub(super) does: Does,
    /// The blocks that it fits, by the kind of delta.
    pub(super) fits: &'static [Fit],
    /// The kinds of outer block that it fits; any where empty.
    pub(super) outer: &'static [&'static str],
    /// Paths of the whole text that it restates.
    pub(super) restates: &'static [&'static [&'static str]],
    /// The fields that an official SDK reads without a guard.
    pub(super) needs: &'static [RequiredField],
}

impl EventRow {
    /// A row about blocks of `space`.
    pub(super) const fn new(event: &'static str, space: usize, does: Does) -> Self {
        Self { event, space, does, fits: &[], outer: &[], restates: &[], needs: &[] }
    }

    /// The same for deltas of these kinds.
    pub(super) const fn fits(mut self, fits: &'static [Fit]) -> Self {
        self.fits = fits;
        self
    }

    /// The same inside these kinds of outer block.
    pub(super) const fn inside(mut self, outer: &'static [&'static str]) -> Self {
        self.outer = outer;
        self
    }

    /// The same with the whole text at one of these paths.
    pub(super) const fn restates(mut self, paths: &'static [&'static [&'static str]]) -> Self {
        self.restates = paths;
        self
    }

    /// The same with fields that must be there.
    pub(super) const fn needs(mut self, needs: &'static [RequiredField]) -> Self {
        self.needs = needs;
        self
    }
}

/// The effect of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// Begins a container; every key is free again.
    Begin,
    /// Opens a block, and may fill it.
    Open,
    /// Adds to a block.
    Add,
    /// Says once more what a block holds; nothing is added after it.
    Restate,
    /// Closes a block, and may say once more what it holds.
    Close,
    /// Closes a block, or is all of one that nothing opened.
    Whole,
    /// A step ends: the blocks of its space are over, closed or not.
    Step,
    /// Reports the progress of a block.
    Status,
    /// No block is open any more.
    Finish,
    /// The container ends; restates all of it where the dialect does.
    End,
    /// The container ends before it is complete.
    Abort,
}

/// A kind of delta, and the blocks that it fits.
pub(super) struct Fit {
    /// The delta's kind; empty for any.
    pub(super) delta: &'static str,
    /// The kinds of block that it fits.
    pub(super) kinds: &'static [&'static str],
    /// Path of its text; empty where it has none that is joined.
    pub(super) text: &'static [&'static str],
}

/// A field that must be there.
pub(super) struct RequiredField {
    /// Path of the field.
    pub(super) path: &'static [&'static str],
    /// Only where the block is of this kind; of any where empty.
    pub(super) kind: &'static str,
    /// Severity if it is missing.
    pub(super) severity: Severity,
    /// Code if it is missing.
    pub(super) code: Code,
    /// The client that breaks, and how.
    pub(super) breaks: &'static str,
}

impl RequiredField {
    /// A field without which an SDK raises.
    pub(super) const fn new(path: &'static [&'static str], breaks: &'static str) -> Self {
        let (severity, code) = (Severity::Error, Code::RequiredFieldMissing);
        Self { path, kind: "", severity, code, breaks }
    }

    /// The same, for blocks of one kind.
    pub(super) const fn of(mut self, kind: &'static str) -> Self {
        self.kind = kind;
        self
    }
}

/// The way in which blocks are signed.
pub(super) struct Signature {
    /// The kind of block that is.
    pub(super) kind: &'static str,
    /// Paths where a signature may be, in any event about the block.
    pub(super) at: &'static [&'static [&'static str]],
}

/// Returns the text at a path, if there is a string.
pub(super) fn text_at<'a>(json: Value<'a>, path: &[&str]) -> Option<std::borrow::Cow<'a, str>> {
    json.at(path).and_then(Value::as_str)
}
