//! The frames of a body, packed.

use std::fmt;

use super::packed::{Rising, Runs};
use super::{Frame, FrameKind};

/// The frames of a body. They tile it, so that the end of each is enough to know where it is, and
/// most are of the form that the one before has.
#[derive(Default, Clone)]
pub struct Frames {
    ends: Rising,
    /// Starts of frames that do not begin where the previous one ended; there should be none.
    begins: Vec<(u32, u64)>,
    forms: Runs<FrameForm>,
    /// The index of the last event id.
    ids: Runs<u32>,
    /// The last, which is asked for most.
    newest: Option<Frame>,
}

/// The properties of a frame, except its place and length.
#[derive(Clone, Copy, PartialEq)]
struct FrameForm {
    kind: FrameKind,
    named: bool,
    /// Number of bytes before its data, and number after it.
    around: Option<(u32, u32)>,
}

impl Frames {
    /// Adds the frame that follows the last one.
    // By hand: a frame that is handed over in memory is read before it is written there.
    #[inline(always)]
    pub fn push(&mut self, frame: Frame) {
        let Frame { offset, len, kind, data, id, named } = frame;
        let index = self.ends.len();
        if offset != self.newest.map_or(0, |frame| frame.end()) {
            self.begin(index, offset);
        }
        let around = data.map(|(at, data)| (at, (len as u32).wrapping_sub(at).wrapping_sub(data)));
        self.forms.push(index, FrameForm { kind, named, around });
        self.ids.push(index, id);
        self.ends.push(offset + len);
        self.newest = Some(frame);
    }

    /// Notes that a frame does not begin where the one before ended.
    #[cold]
    fn begin(&mut self, index: usize, offset: u64) {
        self.begins.push((index as u32, offset));
    }

    /// Returns the end of the frame before that of a number.
    fn end_before(&self, index: usize) -> u64 {
        index.checked_sub(1).map_or(0, |before| self.ends.at(before))
    }

    /// Takes all frames out, and keeps the memory.
    pub fn clear(&mut self) {
        self.ends.clear();
        self.begins.clear();
        self.forms.clear();
        self.ids.clear();
        self.newest = None;
    }

    /// Returns the number of frames.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The frame of a number.
    ///
    /// # Panics
    /// If there is no frame of that number, as a slice does.
    #[inline]
    pub fn at(&self, index: usize) -> Frame {
        if let Some(newest) = self.newest
            && index + 1 == self.len()
        {
            return newest;
        }
        let end = self.ends.at(index);
        let begin = self.begins.binary_search_by_key(&(index as u32), |begin| begin.0);
        let offset = begin.map_or_else(|_| self.end_before(index), |i| self.begins[i].1);
        let len = end - offset;
        let missing = FrameForm { kind: FrameKind::Incomplete, named: false, around: None };
        let FrameForm { kind, named, around } = self.forms.at(index).unwrap_or(missing);
        let size = |at: u32, after: u32| (len as u32).wrapping_sub(at).wrapping_sub(after);
        let data = around.map(|(at, after)| (at, size(at, after)));
        Frame { offset, len, kind, data, id: self.ids.at(index).unwrap_or(0), named }
    }

    /// Returns how many of the first frames end at or before `offset`.
    pub fn ended_by(&self, offset: u64) -> usize {
        self.ends.partition_point(|end| end <= offset)
    }
}

crate::frame::packed::packed_list!(Frames, Frame);

impl PartialEq for Frames {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl FromIterator<Frame> for Frames {
    fn from_iter<T: IntoIterator<Item = Frame>>(frames: T) -> Self {
        let mut list = Self::default();
        frames.into_iter().for_each(|frame| list.push(frame));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_given_back_as_they_were_put_in() {
        let frame = |from, to, id, data| Frame {
            data,
            id,
            named: id == 2,
            ..Frame::new(if id == 0 { FrameKind::Comment } else { FrameKind::Event }, from, to)
        };
        let put = [
            frame(0, 10, 0, None),
            frame(10, 30, 1, Some((6, 12))),
            frame(30, 50, 1, Some((6, 12))),
            frame(50, 50, 2, None),
            frame(60, 65, 2, Some((0, 5))),
            frame(40, 70, 0, Some((1, 0))),
        ];
        let frames: Frames = put.into_iter().collect();
        assert_eq!(frames.iter().collect::<Vec<_>>(), put);
        assert_eq!((frames.len(), frames.ended_by(30)), (6, 2));
    }
}
