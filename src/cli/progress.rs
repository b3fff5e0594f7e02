//! A line on a terminal that says how far it is.

use std::io::{IsTerminal as _, Write as _};

use super::args::{Format, Global};
use crate::inspect::Inspection;
use crate::inspect::outcomes::rate;
use crate::text;

/// The shortest time between two lines of many exchanges, in microseconds.
const PAUSE: u64 = 100_000;

/// Progress of one exchange, or of many.
pub(super) struct Progress {
    on: bool,
    /// Reports are for people; many exchanges have only one together.
    text: bool,
    shown: bool,
    frames: usize,
    /// Number of exchanges to expect, when there are many.
    many: Option<u64>,
    done: u64,
    failed: u64,
    began: u64,
    drawn: u64,
}

impl Progress {
    /// That of one exchange.
    pub(super) fn new(global: &Global, format: Format) -> Self {
        let elsewhere =
            !matches!(format, Format::Raw | Format::Ndjson) || !std::io::stdout().is_terminal();
        // Overwriting a line needs a terminal that supports it.
        let dumb = super::args::is_dumb();
        let on = !global.quiet && !dumb && std::io::stderr().is_terminal() && elsewhere;
        Self {
            on,
            text: format == Format::Text,
            shown: false,
            frames: 0,
            many: None,
            done: 0,
            failed: 0,
            began: 0,
            drawn: 0,
        }
    }

    /// There are `n` to be, from `now` on (microseconds).
    pub(super) fn expect(&mut self, n: u64, now: u64) {
        (self.many, self.done, self.failed) = (Some(n), 0, 0);
        (self.began, self.drawn) = (now, 0);
    }

    /// One of many failed.
    pub(super) fn failed(&mut self) {
        self.failed += 1;
    }

    /// Shows what one exchange has received.
    pub(super) fn stream(&mut self, now: Option<&Inspection>) {
        let Some(now) = now.filter(|_| self.on && self.many.is_none()) else { return };
        if self.shown && now.frames().len() == self.frames {
            return;
        }
        self.frames = now.frames().len();
        self.line(&format!(
            "{}, {}",
            text::count(self.frames as u64, "frame"),
            text::count(now.wire_len(), "byte")
        ));
    }

    /// One of many is done, at `now`.
    pub(super) fn round(&mut self, now: u64) {
        self.done += 1;
        let Some(many) = self.many.filter(|_| self.on) else { return };
        if self.shown && now < self.drawn + PAUSE {
            return;
        }
        self.drawn = now;
        self.line(&rate(self.done, many, self.failed, now.saturating_sub(self.began)));
    }

    fn line(&mut self, line: &str) {
        self.shown = true;
        // The terminal may be gone.
        let _ = write!(std::io::stderr(), "\r\x1b[K{line}");
    }

    /// Makes room on the line for what an exchange is about to report.
    pub(super) fn report(&mut self) {
        if self.many.is_none() || !self.text {
            self.clear();
        }
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
            self.shown = false;
        }
    }
}
