//! A recording that plays: the shown exchange is the fold of its entries up to a moment, so every pane
//! shows what was known then. Going back folds them anew.

use std::sync::Arc;

use super::{Exchange, Model};
use crate::inspect::Inspection;
use crate::journal::{Entry, Micros};

/// How fast a recording plays.
const PACES: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// The pace of the recording itself.
const AS_RECORDED: usize = 3;

/// How far a seek goes, of the whole.
const SEEK: u64 = 20;

/// The shortest wait between two drawings, in microseconds.
const FRAME: Micros = 16_000;

/// Where a playback stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// After so many entries.
    After(usize),
    /// At this time of the recording.
    At(Micros),
}

/// A recording that plays.
#[derive(Debug)]
pub(in crate::tui) struct Playback {
    /// The exchange, an index of the session's.
    index: usize,
    entries: Arc<Vec<Entry>>,
    /// Which of the entries are the exchange's, each with the time at which it is due.
    own: Vec<(usize, Micros)>,
    /// How many of them were taken in.
    taken: usize,
    /// All that is known at the end.
    whole: Arc<Inspection>,
    /// The time of the recording.
    at: Micros,
    pace: usize,
    paused: bool,
    /// When `at` was last brought forward.
    ticked: Micros,
}

impl Playback {
    /// Whether it stands still.
    pub(in crate::tui) fn is_paused(&self) -> bool {
        self.paused
    }

    /// The time of the recording.
    pub(super) fn at(&self) -> Micros {
        self.at
    }

    fn from(&self) -> Micros {
        self.own.first().map_or(0, |own| own.1)
    }

    fn until(&self) -> Micros {
        self.own.last().map_or(0, |own| own.1)
    }

    fn is_over(&self) -> bool {
        self.taken == self.own.len()
    }

    /// Where it stands, in a few words: `▶ 2×  1.204 of 3.204 s`.
    pub(in crate::tui) fn position(&self) -> String {
        let seconds = |to: Micros| format!("{:.3}", to.saturating_sub(self.from()) as f64 / 1e6);
        let sign = if self.paused || self.is_over() { "‖" } else { "▶" };
        let pace = PACES[self.pace];
        format!("{sign} {pace}×  {} of {} s", seconds(self.at), seconds(self.until()))
    }
}

impl Model {
    /// The playback of the shown exchange.
    pub(in crate::tui) fn playback(&self) -> Option<&Playback> {
        self.playback.as_deref()
    }

    /// Whether the shown exchange can be played: it is of the opened recording, and was timed.
    pub(in crate::tui) fn can_play(&self) -> bool {
        self.playback.is_none()
            && self.exchange().is_some_and(|e| !e.live && e.file.is_none() && e.last.is_some())
            && !self.recorded.is_empty()
    }

    /// Plays the shown exchange from its beginning.
    pub(in crate::tui) fn play(&mut self) {
        if !self.can_play() {
            return self.notify("Only a recording with times plays: save the session and open it");
        }
        let entries = Arc::clone(&self.recorded);
        let empty = Arc::new(self.new_inspection());
        let Some(exchange) = self.exchanges.get_mut(self.shown) else { return };
        let (id, mut due) = (exchange.id, 0);
        let own: Vec<(usize, Micros)> = entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.exchange == id)
            .map(|(i, entry)| {
                due = entry.at.unwrap_or(due).max(due);
                (i, due)
            })
            .collect();
        let (Some(first), Some(last)) = (own.first(), own.last()) else { return };
        let (at, until) = (first.1, last.1);
        let whole = std::mem::replace(&mut exchange.inspection, empty);
        exchange.plays(Some(until));
        self.playback = Some(Box::new(Playback {
            index: self.shown,
            entries,
            own,
            taken: 0,
            whole,
            at,
            pace: AS_RECORDED,
            paused: false,
            ticked: self.now,
        }));
        self.show_moment(Moment::At(at));
    }

    /// Ends the playback; returns whether there was one. The exchange is whole again.
    pub(in crate::tui) fn end_playback(&mut self) -> bool {
        let Some(playback) = self.playback.take() else { return false };
        if let Some(exchange) = self.exchanges.get_mut(playback.index) {
            let frame = exchange.frame;
            exchange.become_inspection(playback.whole);
            exchange.plays(None);
            if let Some(frame) = frame {
                exchange.select(frame as usize);
            }
        }
        self.forget_rows();
        true
    }

    /// Brings a playback forward by the time that passed.
    pub(super) fn advance_playback(&mut self) {
        let now = self.now;
        let Some(playback) = self.playback.as_deref_mut() else { return };
        let passed = now.saturating_sub(std::mem::replace(&mut playback.ticked, now));
        if playback.paused || playback.is_over() {
            return;
        }
        let passed = (passed as f64 * PACES[playback.pace]) as Micros;
        let to = playback.at.saturating_add(passed).min(playback.until());
        self.show_moment(Moment::At(to));
    }

    /// When a playback has something new to show, from now on; `None` while nothing plays.
    pub(in crate::tui) fn playback_wakes_in(&self) -> Option<Micros> {
        let playback = self.playback.as_deref().filter(|p| !p.paused && !p.is_over())?;
        let next = playback.own.get(playback.taken)?.1.saturating_sub(playback.at);
        Some(((next as f64 / PACES[playback.pace]) as Micros).max(FRAME))
    }

    /// Pauses, or goes on; at the end it begins again.
    pub(in crate::tui) fn pause(&mut self) {
        let Some(playback) = self.playback.as_deref_mut() else { return };
        if playback.is_over() {
            playback.paused = false;
            let from = playback.from();
            return self.show_moment(Moment::At(from));
        }
        playback.paused = !playback.paused;
    }

    /// One entry on, or back, and pauses there.
    pub(in crate::tui) fn step(&mut self, forward: bool) {
        let Some(playback) = self.playback.as_deref_mut() else { return };
        playback.paused = true;
        let to = match forward {
            true => (playback.taken + 1).min(playback.own.len()),
            false => playback.taken.saturating_sub(1).max(1),
        };
        self.show_moment(Moment::After(to));
    }

    /// A part of the whole on, or back.
    pub(in crate::tui) fn seek(&mut self, forward: bool) {
        let Some(playback) = self.playback.as_deref() else { return };
        let (from, until) = (playback.from(), playback.until());
        let by = ((until - from) / SEEK).max(1);
        let to = match forward {
            true => playback.at.saturating_add(by).min(until),
            false => playback.at.saturating_sub(by).max(from),
        };
        self.show_moment(Moment::At(to));
    }

    /// Goes to a moment of the recording.
    pub(in crate::tui) fn seek_to(&mut self, at: Micros) {
        let Some(playback) = self.playback.as_deref() else { return };
        let at = at.clamp(playback.from(), playback.until());
        self.show_moment(Moment::At(at));
    }

    /// Faster, or slower.
    pub(in crate::tui) fn set_pace(&mut self, faster: bool) {
        let Some(playback) = self.playback.as_deref_mut() else { return };
        playback.pace = match faster {
            true => (playback.pace + 1).min(PACES.len() - 1),
            false => playback.pace.saturating_sub(1),
        };
    }

    /// Shows what was known at a moment.
    fn show_moment(&mut self, moment: Moment) {
        let Some(playback) = self.playback.as_deref_mut() else { return };
        let Some(exchange) = self.exchanges.get_mut(playback.index) else { return };
        let to = match moment {
            Moment::After(n) => n,
            Moment::At(at) => playback.own.partition_point(|own| own.1 <= at),
        };
        playback.at = match moment {
            Moment::At(at) => at,
            Moment::After(n) => {
                n.checked_sub(1).map_or(playback.from(), |last| playback.own[last].1)
            }
        };
        let back = to < playback.taken;
        if back {
            let options = Arc::clone(&self.settings.options);
            exchange.become_inspection(Arc::new(Inspection::new(options)));
            playback.taken = 0;
        }
        for (i, _) in &playback.own[playback.taken..to] {
            exchange.push(&playback.entries[*i]);
        }
        playback.taken = to;
        if back {
            self.forget_rows();
        }
    }
}

impl Exchange {
    /// Begins or ends a playback that goes on until then.
    fn plays(&mut self, until: Option<Micros>) {
        self.plays_until = until;
        if until.is_some() {
            self.rewind();
        }
    }

    /// Another state of the same exchange takes the place of the present one.
    fn become_inspection(&mut self, inspection: Arc<Inspection>) {
        self.inspection = inspection;
        self.rewind();
    }
}
