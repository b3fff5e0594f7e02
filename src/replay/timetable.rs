//! The times at which the parts of a recorded answer are served again.

use std::time::Duration;

use crate::clock::Clock;
use crate::journal::Micros;
use crate::lab::wire::{Gone, Wire};

/// No pause is longer than a day, in microseconds.
const DAY: f64 = 86_400e6;

/// The times of one answer. They count from its beginning and not from the part before, for a timer is late by up to
/// two milliseconds, which must not add up over thousands of reads.
pub(super) struct Timetable {
    clock: Clock,
    /// Time at which the last part was due, in microseconds of the clock.
    due: f64,
    /// Factor of all times; 0 is at once.
    pace: f64,
}

impl Timetable {
    /// One that begins now.
    pub(super) fn begin(pace: f64) -> Self {
        Self { clock: Clock::start(), due: 0.0, pace }
    }

    /// Waits until the part that was recorded so long after the one before is due, unless the client leaves.
    pub(super) async fn after(&mut self, wire: &mut Wire, delay: Micros) -> Result<(), Gone> {
        self.due += (delay as f64 * self.pace).clamp(0.0, DAY);
        let early = self.due - self.clock.now() as f64;
        wire.pause(Duration::try_from_secs_f64(early.max(0.0) / 1e6).unwrap_or_default()).await
    }

    /// The client was waited for: what follows counts from now.
    pub(super) fn resume(&mut self) {
        self.due = self.due.max(self.clock.now() as f64);
    }
}
