//! The deltas of an answer, packed.

use std::collections::HashMap;
use std::fmt;

use super::galloping::partition_galloping;
use crate::dialect::{Channel, Path};
use crate::frame::packed::Runs;

/// An addition by one frame to one channel.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delta {
    /// The frame that carried it.
    pub frame: u32,
    /// Its choice.
    pub choice: u32,
    /// Its channel.
    pub channel: Channel,
    /// The JSON path by which it arrived.
    pub path: Path,
    /// Start of its text in the channel's joined text (of a tool call: in its arguments).
    pub(super) start: u32,
    pub(super) len: u32,
    /// Of a tool delta: which of [`super::Answer::tools`]. Of a duplicate: where its text is kept.
    pub(super) slot: u32,
    /// True if the same text arrived by another path of the same frame and is joined there.
    pub duplicate: bool,
}

/// Properties that many deltas have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Form {
    choice: u32,
    channel: Channel,
    path: Path,
    slot: u32,
    duplicate: bool,
}

/// The deltas of an answer, in order.
#[derive(Default, Clone)]
pub struct Deltas {
    /// The frame of each, and where its text begins and how long it is.
    places: Vec<(u32, u32, u32)>,
    /// The form of each, by its place in `known`.
    forms: Runs<u32>,
    known: Vec<Form>,
    by_form: HashMap<Form, u32>,
    /// The form of the last.
    last: u32,
}

impl Deltas {
    /// Adds a delta.
    pub(super) fn push(&mut self, delta: Delta) {
        let Delta { frame, choice, channel, path, start, len, slot, duplicate } = delta;
        let form = Form { choice, channel, path, slot, duplicate };
        if self.known.get(self.last as usize) != Some(&form) {
            let next = self.known.len() as u32;
            self.last = *self.by_form.entry(form).or_insert(next);
            if self.last == next {
                self.known.push(form);
            }
        }
        self.forms.push(self.places.len(), self.last);
        self.places.push((frame, start, len));
    }

    /// Returns the number of deltas.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// The delta of a number.
    ///
    /// # Panics
    /// If there is no delta of that number, as a slice does.
    #[inline]
    pub fn at(&self, index: usize) -> Delta {
        let (frame, start, len) = self.places[index];
        let form = self.forms.at(index).unwrap_or(0);
        let Form { choice, channel, path, slot, duplicate } = self.known[form as usize];
        Delta { frame, choice, channel, path, start, len, slot, duplicate }
    }

    /// The frame of a delta.
    pub fn frame_at(&self, index: usize) -> u32 {
        self.places[index].0
    }

    /// The deltas of one frame, by their numbers.
    pub(super) fn of(&self, frame: u32) -> std::ops::Range<usize> {
        // Nearly every frame has one delta, so the frame's number is close to the place.
        let len = self.len();
        let from = partition_galloping(len, frame as usize, |i| self.places[i].0 < frame);
        from..partition_galloping(len, from, |i| self.places[i].0 <= frame)
    }
}

crate::frame::packed::packed_list!(Deltas, Delta);

impl PartialEq for Deltas {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Deltas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
