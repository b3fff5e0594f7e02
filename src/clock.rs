//! The one clock. Nothing else in the program asks what time it is.

use std::time::{Instant, SystemTime};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::journal::Micros;

/// A monotonic clock with its epoch at the session's beginning; cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    epoch: Instant,
    wall: SystemTime,
}

impl Clock {
    /// A clock whose epoch is now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clocks")]
    pub fn start() -> Self {
        Self { epoch: Instant::now(), wall: SystemTime::now() }
    }

    /// Microseconds since the epoch.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clocks")]
    pub fn now(&self) -> Micros {
        Micros::try_from(Instant::now().duration_since(self.epoch).as_micros())
            .unwrap_or(Micros::MAX)
    }

    /// Returns the wall-clock time now, for signatures: unlike the monotonic clock, it continues while the
    /// machine sleeps.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clocks")]
    pub fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    /// Returns how long the machine has slept since it was started, in microseconds: the monotonic clock does
    /// not count that. 0 where that is not known.
    #[cfg(all(target_os = "linux", feature = "program"))]
    pub fn slept(&self) -> Micros {
        use nix::time::{ClockId, clock_gettime};
        let at = |clock| clock_gettime(clock).map(std::time::Duration::from);
        match (at(ClockId::CLOCK_BOOTTIME), at(ClockId::CLOCK_MONOTONIC)) {
            (Ok(all), Ok(awake)) => {
                Micros::try_from(all.saturating_sub(awake).as_micros()).unwrap_or(0)
            }
            _ => 0,
        }
    }

    /// Returns how long the machine has slept since it was started; always 0, since that is not known here.
    #[cfg(not(all(target_os = "linux", feature = "program")))]
    pub fn slept(&self) -> Micros {
        0
    }

    /// The wall-clock time of the epoch, RFC 3339 in UTC, to the microsecond: so precisely a recording can be held
    /// against what others recorded at the same time.
    pub fn created(&self) -> String {
        let wall = OffsetDateTime::from(self.wall);
        let micros = wall.replace_nanosecond(wall.microsecond() * 1_000);
        micros.ok().and_then(|t| t.format(&Rfc3339).ok()).unwrap_or_default()
    }

    /// The wall-clock time of the epoch, in seconds since 1970.
    pub fn unix_seconds(&self) -> u64 {
        self.wall.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}
