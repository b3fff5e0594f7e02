//! Agreement: what a stream says again is held against what it streamed.

use super::super::{Code, Severity};
use super::engine::{Engine, Surroundings};
use super::responses::ITEM;
use crate::text;

/// A block's text as its deltas came, and what the stream said that it is.
#[derive(Debug, Default)]
pub(super) struct Joined {
    text: String,
    /// Where each delta's text ends, and its frame.
    pieces: Vec<(u32, u32)>,
    /// What stood in the opening event.
    prefill: String,
    /// What a restatement gave, where that is something else than the deltas.
    whole: Option<String>,
    /// A difference was reported.
    differs: bool,
}

impl Joined {
    pub(super) fn prefill(&mut self, text: &str) {
        text.clone_into(&mut self.prefill);
    }

    pub(super) fn add(&mut self, text: &str, frame: u32) {
        if !text.is_empty() {
            self.text.push_str(text);
            self.pieces.push((self.text.len() as u32, frame));
        }
    }

    /// Whether there is anything to hold a restatement against.
    pub(super) fn is_given(&self) -> bool {
        !self.text.is_empty() || self.whole.is_some()
    }

    /// Whether `whole` is what was streamed, or restated before.
    pub(super) fn agrees(&self, whole: &str) -> bool {
        match &self.whole {
            Some(said) => said == whole,
            None => {
                self.text == whole
                    || !self.prefill.is_empty()
                        && whole.len() == self.prefill.len() + self.text.len()
                        && whole.starts_with(&self.prefill)
                        && whole.ends_with(&self.text)
            }
        }
    }

    /// The text that counts.
    pub(super) fn value(&self) -> &str {
        self.whole.as_deref().unwrap_or(&self.text)
    }

    /// Where the first difference is, in bytes, and the frame of the delta there.
    fn difference(&self, whole: &str) -> (usize, Option<u32>) {
        let value = self.value();
        let same = value.bytes().zip(whole.bytes()).take_while(|(a, b)| a == b).count();
        let at = (0..=same).rev().find(|i| whole.is_char_boundary(*i)).unwrap_or(0);
        let piece = self.pieces.partition_point(|(end, _)| *end as usize <= at);
        let frame = self.pieces.get(piece).or(self.pieces.last()).map(|p| p.1);
        (at, frame)
    }
}

impl Engine {
    /// Holds a restatement of a block against its text.
    pub(super) fn hold(&mut self, at: u32, whole: &str, code: Code, around: &mut Surroundings<'_>) {
        let is_call = usize::from(self.live[at as usize].space) == ITEM;
        let key = self.list[at as usize].key;
        if self.differing(at, whole, code) {
            if is_call {
                around.answer.restate_call(key, whole);
            }
            self.live[at as usize].text.whole = Some(whole.to_owned());
        } else if !self.live[at as usize].text.is_given() {
            self.live[at as usize].text.whole = Some(whole.to_owned());
        }
    }

    /// Reports the difference between a block and what is said of it, if there is one and none was
    /// reported before. Returns whether there is one.
    pub(super) fn differing(&mut self, at: u32, whole: &str, code: Code) -> bool {
        let text = &self.live[at as usize].text;
        if !text.is_given() || text.agrees(whole) {
            return false;
        }
        // Of a block that began before the recording, only the rest was streamed.
        let block = &self.list[at as usize];
        if self.resumed == Some(true) && !block.announced && whole.ends_with(text.value()) {
            return false;
        }
        if std::mem::replace(&mut self.live[at as usize].text.differs, true) {
            return true;
        }
        self.fault(code, Severity::Error, |e| {
            let joined = &e.live[at as usize].text;
            let (place, frame) = joined.difference(whole);
            let block = &e.list[at as usize];
            let of = block.parent.map_or(String::new(), |p| {
                format!(" of item {}", e.list[p as usize].key)
            });
            let count = |text: &str| text::group(text.chars().count() as u64);
            let frame = frame.map_or(String::new(), |f| format!(" (frame {f})"));
            let (streamed, said) = (count(joined.value()), count(whole));
            let first = count(whole.get(..place).unwrap_or_default());
            let who = if code == Code::FinalDiffers { "the final object" } else { ".done" };
            format!(
                "{}{of}: {streamed} characters streamed, {said} in {who}; they differ at {first}{frame}",
                block.label()
            )
        });
        true
    }
}
