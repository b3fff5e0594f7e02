//! The reads of a body, packed.

use std::fmt;

use crate::frame::packed::Rising;
use crate::journal::Micros;

/// One read of the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// Time of the read; `None` for a bare body.
    pub at: Option<Micros>,
    /// Number of bytes that it delivered over the wire.
    pub len: u32,
    /// Offset on the wire after it (before any content coding is undone).
    pub end: u64,
    /// Offset in the decoded body after it.
    pub decoded: u64,
}

/// The value that means no time.
const NO_TIME: u64 = u64::MAX;

/// The reads of a body.
#[derive(Default, Clone)]
pub struct Reads {
    times: Rising,
    ends: Rising,
    /// The end of the decoded body after each read; empty while it is the same as on the wire.
    decoded: Rising,
    /// The last two, which each read and frame is asked for: the last one behind the one before it.
    newest: [Option<Read>; 2],
}

impl Reads {
    /// Adds a read at `at`, after which the wire and the decoded body have those lengths.
    pub(super) fn push(&mut self, at: Option<Micros>, end: u64, decoded: u64) {
        if self.decoded.is_empty() && end != decoded {
            self.decoded = self.ends.clone();
        }
        if end != decoded || !self.decoded.is_empty() {
            self.decoded.push(decoded);
        }
        self.times.push(at.unwrap_or(NO_TIME));
        self.ends.push(end);
        let [_, before] = self.newest;
        let len = (end - before.map_or(0, |read| read.end)) as u32;
        let at = at.filter(|at| *at != NO_TIME);
        self.newest = [before, Some(Read { at, len, end, decoded })];
    }

    /// Corrects where the decoded body ends after the last read.
    pub(super) fn set_decoded(&mut self, decoded: u64) {
        let Some(last) = self.len().checked_sub(1) else { return };
        if self.decoded_at(last) != decoded {
            if self.decoded.is_empty() {
                self.decoded = self.ends.clone();
            }
            self.decoded.set_last(decoded);
            if let [_, Some(read)] = &mut self.newest {
                read.decoded = decoded;
            }
        }
    }

    /// Returns the number of reads.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// The read of a number.
    ///
    /// # Panics
    /// If there is no read of that number, as a slice does.
    pub fn at(&self, index: usize) -> Read {
        if let [_, Some(last)] = self.newest
            && index + 1 == self.len()
        {
            return last;
        }
        let end = self.ends.at(index);
        let begin = index.checked_sub(1).map_or(0, |before| self.ends.at(before));
        let (len, decoded) = ((end - begin) as u32, self.decoded_at(index));
        Read { at: self.time_at(index), len, end, decoded }
    }

    /// Returns when a read arrived.
    pub fn time_at(&self, index: usize) -> Option<Micros> {
        Some(self.times.at(index)).filter(|at| *at != NO_TIME)
    }

    /// Returns the end of the decoded body after a read.
    pub fn decoded_at(&self, index: usize) -> u64 {
        if self.decoded.is_empty() { self.ends.at(index) } else { self.decoded.at(index) }
    }

    /// Returns how many of the reads arrived before the one that extended the decoded body to `len` bytes.
    pub fn before(&self, len: u64) -> usize {
        let ends = if self.decoded.is_empty() { &self.ends } else { &self.decoded };
        ends.partition_point(|end| end < len)
    }

    /// The last two reads.
    #[inline]
    pub fn last_two(&self) -> Option<(&Read, &Read)> {
        self.newest[0].as_ref().zip(self.newest[1].as_ref())
    }

    /// The last read.
    #[inline]
    pub(super) fn newest(&self) -> Option<&Read> {
        self.newest[1].as_ref()
    }
}

crate::frame::packed::packed_list!(Reads, Read);

impl fmt::Debug for Reads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
