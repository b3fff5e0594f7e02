//! The values of a frame that repeats another ([`super::skeleton`]): what differs, and what is as it was.

use std::borrow::Cow;

use crate::dialect::Varying;
use crate::json;

/// The largest number of deltas of a frame. Of two texts a decoder may know whether they are the same; of
/// more there would be more to know.
pub(super) const MAX_DELTAS: usize = 2;

/// The largest number of values that are read from a frame.
pub(super) const MAX_VALUES: usize = 6;

/// Members with their values as they are written.
pub(super) type Fixed = Vec<(Varying, String)>;

/// The values that fill a skeleton.
#[derive(Debug)]
pub(super) struct Filled<'a> {
    /// The text of each delta, and whether it is written with escapes.
    pub(super) texts: [(&'a str, bool); MAX_DELTAS],
    /// Members as they are written, in ASCII.
    pub(super) members: [Option<(Varying, &'a [u8])>; MAX_VALUES],
    /// The members that are as in the skeleton.
    pub(super) fixed: &'a [(Varying, String)],
}

impl<'a> Filled<'a> {
    /// No values yet, but those in `fixed`.
    #[inline]
    pub(super) fn new(fixed: &'a [(Varying, String)]) -> Self {
        Self { texts: [("", false); MAX_DELTAS], members: [None; MAX_VALUES], fixed }
    }

    /// The value of a member as it is written.
    pub(super) fn member(&self, member: Varying) -> Option<&'a str> {
        let read = self.members.iter().flatten().find(|(m, _)| *m == member);
        let read = read.and_then(|(_, source)| std::str::from_utf8(source).ok());
        let fixed = || self.fixed.iter().find(|(m, _)| *m == member).map(|(_, s)| s.as_str());
        read.or_else(fixed)
    }

    /// The text of a delta.
    pub(super) fn text(&self, delta: usize) -> Cow<'a, str> {
        match self.texts[delta] {
            (raw, true) => Cow::Owned(json::unescape(raw)),
            (text, false) => Cow::Borrowed(text),
        }
    }
}
