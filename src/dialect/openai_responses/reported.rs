//! The parts of an answer that were reported already: what arrives again whole is not reported twice.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::dialect::Channel;

/// The parts of an answer that arrive in deltas and again whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PartKind {
    Text,
    Refusal,
    Reasoning,
    Summary,
    Call,
    Arguments,
}

impl PartKind {
    pub(super) fn channel(self) -> Channel {
        match self {
            PartKind::Text => Channel::Content,
            PartKind::Refusal => Channel::Refusal,
            PartKind::Reasoning | PartKind::Summary => Channel::Reasoning,
            PartKind::Call | PartKind::Arguments => Channel::Tool,
        }
    }
}

/// A part of the answer: its kind, its item, its number in that.
pub(super) type ReportedPart = (PartKind, u64, u64);

/// Largest number of items that are known to be announced.
const MAX_ANNOUNCED: usize = 4096;

/// Largest number of parts that are matched by their text; more are taken in order.
const MAX_MATCHED: usize = 64;

/// A text's length and hash: enough to know it again, however it was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Print {
    len: u64,
    hash: u64,
}

impl Default for Print {
    fn default() -> Self {
        Self { len: 0, hash: 0xcbf2_9ce4_8422_2325 }
    }
}

impl Print {
    fn of(text: &str) -> Self {
        let mut print = Self::default();
        print.add(text);
        print
    }

    /// FNV-1a: the same for a text and for its pieces.
    pub(super) fn add(&mut self, text: &str) {
        self.len += text.len() as u64;
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// The parts that were reported.
#[derive(Default)]
pub(super) struct ReportedParts {
    parts: BTreeMap<ReportedPart, Print>,
    /// The items that were announced.
    announced: BTreeSet<u64>,
}

impl ReportedParts {
    pub(super) fn announce(&mut self, item: u64) {
        if self.announced.len() < MAX_ANNOUNCED {
            self.announced.insert(item);
        }
    }

    /// A piece of a part was reported.
    pub(super) fn add(&mut self, part: ReportedPart, text: &str) {
        self.parts.entry(part).or_default().add(text);
    }

    /// Returns what was reported of a part so far, to be continued elsewhere.
    pub(super) fn print(&self, part: ReportedPart) -> Print {
        self.parts.get(&part).copied().unwrap_or_default()
    }

    /// Takes back what was continued elsewhere.
    pub(super) fn put(&mut self, part: ReportedPart, print: Print) {
        self.parts.insert(part, print);
    }

    /// A part was reported as a whole.
    pub(super) fn set(&mut self, part: ReportedPart, text: &str) {
        self.parts.insert(part, Print::of(text));
    }

    pub(super) fn has(&self, part: ReportedPart) -> bool {
        self.parts.contains_key(&part)
    }

    /// Returns whether anything of these kinds was reported.
    pub(super) fn any_of(&self, kinds: &[PartKind]) -> bool {
        self.parts.keys().any(|(kind, ..)| kinds.contains(kind))
    }

    /// Returns whether anything of that kind was reported of an item.
    pub(super) fn came(&self, kind: PartKind, index: u64) -> bool {
        self.parts.range((kind, index, 0)..=(kind, index, u64::MAX)).next().is_some()
    }

    /// Returns whether nothing of that kind was reported of an item; it counts as reported from here on.
    pub(super) fn is_first(&mut self, kind: PartKind, index: u64) -> bool {
        self.parts.insert((kind, index, 0), Print::default()).is_none()
    }

    /// Returns whether a whole text was reported before under another number: of a part of the same item, or,
    /// where the item was never announced, of any.
    pub(super) fn knows(&self, kind: PartKind, item: u64, text: &str) -> bool {
        if text.is_empty() {
            return false;
        }
        let print = Print::of(text);
        let of = |from, to| self.parts.range((kind, from, 0)..=(kind, to, u64::MAX));
        match self.announced.contains(&item) || self.announced.is_empty() {
            true => of(item, item).any(|(_, reported)| *reported == print),
            false => of(0, u64::MAX).any(|(_, reported)| *reported == print),
        }
    }

    /// The parts of a whole item that were not reported yet. Some servers number parts otherwise in
    /// the end: what has the number or the text of one that was reported is known, and of the rest as
    /// many as are left of those.
    pub(super) fn news<'a>(
        &self,
        index: u64,
        parts: impl Iterator<Item = (usize, PartKind, Cow<'a, str>)>,
    ) -> Vec<(usize, PartKind, Cow<'a, str>)> {
        let kinds = [PartKind::Text, PartKind::Refusal, PartKind::Reasoning, PartKind::Summary];
        let reported = kinds
            .iter()
            .flat_map(|kind| self.parts.range((*kind, index, 0)..=(*kind, index, u64::MAX)));
        let mut left: BTreeMap<(PartKind, u64), Print> =
            reported.map(|((kind, _, number), print)| ((*kind, *number), *print)).collect();
        let mut news: Vec<_> = parts.collect();
        news.retain(|(i, kind, text)| match left.get(&(*kind, *i as u64)) {
            Some(print) if *print == Print::of(text) => {
                left.remove(&(*kind, *i as u64));
                false
            }
            _ => true,
        });
        if left.len() <= MAX_MATCHED && news.len() <= MAX_MATCHED {
            news.retain(|(_, kind, text)| {
                let print = Print::of(text);
                let same = left.iter().find(|((k, _), p)| k == kind && **p == print);
                let same = same.map(|(key, _)| *key);
                same.and_then(|key| left.remove(&key)).is_none()
            });
        }
        news.retain(|(i, kind, text)| {
            if left.remove(&(*kind, *i as u64)).is_some() {
                return false;
            }
            let other = left.range((*kind, 0)..=(*kind, u64::MAX)).next().map(|(key, _)| *key);
            other.and_then(|key| left.remove(&key)).is_none() && !self.knows(*kind, index, text)
        });
        news
    }
}
