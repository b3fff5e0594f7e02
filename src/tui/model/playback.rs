//! A recording that plays: the shown exchange is the fold of its entries up to a moment, so every pane
//! shows what was known then. Going back folds them anew, in the background where that is much.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Exchange, Model};
use crate::inspect::{InspectOptions, Inspection};
use crate::journal::{Entry, EntryKind, Micros};
use crate::tui::screen::ScreenCommand;
use crate::tui::work;

/// Paces at which a recording plays.
const PACES: [f64; 10] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// The pace of the recording itself.
const AS_RECORDED: usize = 3;

/// Number of seeks that cover the whole.
const SEEK: u64 = 20;

/// The shortest wait between two drawings, in microseconds.
const FRAME: Micros = 16_000;

/// More bytes of bodies than this are not folded while keys wait.
const AT_ONCE: u64 = 1 << 20;

/// An entry of the exchange that plays.
#[derive(Debug, Clone, Copy)]
pub(in crate::tui) struct Due {
    /// Index of the entry in the recording.
    index: usize,
    /// Time at which it is due.
    at: Micros,
    /// The bytes of bodies as far as this entry.
    bytes: u64,
}

/// A part of a recording that is to be folded from its beginning, in the background.
#[derive(Debug)]
pub(in crate::tui) struct Refold {
    entries: Arc<Vec<Entry>>,
    own: Arc<[Due]>,
    to: usize,
    options: Arc<InspectOptions>,
    stop: Arc<AtomicBool>,
}

impl Refold {
    /// Folds it; `None` when that was stopped.
    pub(in crate::tui) fn run(&self) -> Option<Inspection> {
        let mut inspection = Inspection::new(Arc::clone(&self.options));
        for due in &self.own[..self.to] {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            inspection.push(&self.entries[due.index]);
        }
        Some(inspection)
    }
}

/// The fold that another thread does.
#[derive(Debug)]
struct Folding {
    /// Number of entries to fold.
    to: usize,
    stop: Arc<AtomicBool>,
}

impl Drop for Folding {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Position of a playback.
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
    /// The entries that are the exchange's.
    own: Arc<[Due]>,
    /// Number of them that were folded.
    taken: usize,
    /// Number of them that are to be folded.
    wanted: usize,
    /// The fold of so many that is under way.
    folding: Option<Folding>,
    /// All that is known at the end.
    whole: Arc<Inspection>,
    /// The time of the recording.
    at: Micros,
    pace: usize,
    paused: bool,
    /// Time at which `at` was last advanced.
    ticked: Micros,
}

impl Playback {
    /// Returns whether it is paused.
    pub(in crate::tui) fn is_paused(&self) -> bool {
        self.paused
    }

    /// The time of the recording.
    pub(super) fn at(&self) -> Micros {
        self.at
    }

    fn from(&self) -> Micros {
        self.own.first().map_or(0, |own| own.at)
    }

    fn until(&self) -> Micros {
        self.own.last().map_or(0, |own| own.at)
    }

    fn is_over(&self) -> bool {
        self.taken == self.own.len()
    }

    /// The bytes between two numbers of entries.
    fn bytes(&self, from: usize, to: usize) -> u64 {
        let until = |n: usize| n.checked_sub(1).map_or(0, |last| self.own[last].bytes);
        until(to).saturating_sub(until(from))
    }

    /// Returns its position, in a few words: `▶ 2×  1.204 of 3.204 s`.
    pub(in crate::tui) fn position(&self) -> String {
        let seconds = |to: Micros| format!("{:.3}", to.saturating_sub(self.from()) as f64 / 1e6);
        let sign = match (&self.folding, self.paused || self.is_over()) {
            (Some(_), _) => "…",
            (None, true) => "‖",
            (None, false) => "▶",
        };
        let pace = PACES[self.pace];
        format!("{sign} {pace}×  {} of {} s", seconds(self.at), seconds(self.until()))
    }
}

impl Model {
    /// The playback of the shown exchange.
    pub(in crate::tui) fn playback(&self) -> Option<&Playback> {
        self.playback.as_deref()
    }

    /// Returns whether the shown exchange can be played: it is of the opened recording, and was timed.
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
        let own = due(&entries, exchange.id);
        let (Some(first), Some(last)) = (own.first(), own.last()) else { return };
        let (at, until) = (first.at, last.at);
        let whole = std::mem::replace(&mut exchange.inspection, empty);
        exchange.plays(Some(until));
        self.playback = Some(Box::new(Playback {
            index: self.shown,
            entries,
            own,
            taken: 0,
            wanted: 0,
            folding: None,
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
        if playback.folding.is_some() {
            return;
        }
        if playback.taken < playback.wanted {
            return self.approach();
        }
        if playback.paused || playback.is_over() {
            return;
        }
        let passed = (passed as f64 * PACES[playback.pace]) as Micros;
        let to = playback.at.saturating_add(passed).min(playback.until());
        self.show_moment(Moment::At(to));
    }

    /// Returns the time until a playback has something new to show; `None` while nothing plays.
    pub(in crate::tui) fn playback_wakes_in(&self) -> Option<Micros> {
        let playback = self.playback.as_deref().filter(|p| p.folding.is_none() && !p.is_over())?;
        if playback.taken < playback.wanted {
            return Some(FRAME);
        }
        if playback.paused {
            return None;
        }
        let next = playback.own.get(playback.taken)?.at.saturating_sub(playback.at);
        Some(((next as f64 / PACES[playback.pace]) as Micros).max(FRAME))
    }

    /// Pauses or continues; at the end it begins again.
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
            true => (playback.wanted + 1).min(playback.own.len()),
            false => playback.wanted.saturating_sub(1).max(1),
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

    /// Shows what was known at a moment, at once or when it is folded.
    fn show_moment(&mut self, moment: Moment) {
        let Some(playback) = self.playback.as_deref_mut() else { return };
        playback.wanted = match moment {
            Moment::After(n) => n,
            Moment::At(at) => playback.own.partition_point(|own| own.at <= at),
        };
        playback.at = match moment {
            Moment::At(at) => at,
            Moment::After(n) => {
                n.checked_sub(1).map_or(playback.from(), |last| playback.own[last].at)
            }
        };
        self.approach();
    }

    /// Folds what is wanted. Forward, it folds as much as may be at once, and the rest with the next event.
    /// Back, it folds in the background if it is more than that.
    fn approach(&mut self) {
        let Some(playback) = self.playback.as_deref_mut() else { return };
        let to = playback.wanted;
        if playback.folding.as_ref().is_some_and(|folding| folding.to <= to) {
            // Entries after that are taken in when the fold is done.
            return;
        }
        let back = to < playback.taken;
        let from = if back { 0 } else { playback.taken };
        if back && playback.bytes(from, to) > AT_ONCE {
            let (stop, options) = (Arc::default(), Arc::clone(&self.settings.options));
            let (entries, own) = (Arc::clone(&playback.entries), Arc::clone(&playback.own));
            let refold = Refold { entries, own, to, options, stop: Arc::clone(&stop) };
            playback.folding = Some(Folding { to, stop });
            return self.command(ScreenCommand::Work(work::Job::Refold(Box::new(refold))));
        }
        playback.folding = None;
        let Some(exchange) = self.exchanges.get_mut(playback.index) else { return };
        if back {
            let options = Arc::clone(&self.settings.options);
            exchange.become_inspection(Arc::new(Inspection::new(options)));
        }
        playback.taken = from;
        while playback.taken < to && playback.bytes(from, playback.taken) <= AT_ONCE {
            exchange.push(&playback.entries[playback.own[playback.taken].index]);
            playback.taken += 1;
        }
        if back {
            self.forget_rows();
        }
    }

    /// Takes in what another thread folded, if that is still wanted.
    pub(in crate::tui) fn refolded(&mut self, of: &Refold, inspection: Inspection) {
        let Some(playback) = self.playback.as_deref_mut() else { return };
        let is_this = |folding: &mut Folding| Arc::ptr_eq(&folding.stop, &of.stop);
        if playback.folding.take_if(is_this).is_none() {
            return;
        }
        playback.taken = of.to;
        if let Some(exchange) = self.exchanges.get_mut(playback.index) {
            exchange.become_inspection(Arc::new(inspection));
        }
        self.forget_rows();
        self.approach();
    }
}

/// The entries of an exchange, each with its time and what has arrived by then.
fn due(entries: &[Entry], exchange: crate::journal::ExchangeId) -> Arc<[Due]> {
    let (mut at, mut bytes) = (0, 0);
    let own = entries.iter().enumerate().filter(|(_, entry)| entry.exchange == exchange);
    own.map(|(index, entry)| {
        at = entry.at.unwrap_or(at).max(at);
        if let EntryKind::Body { len, .. } = &entry.kind {
            bytes += u64::from(*len);
        }
        Due { index, at, bytes }
    })
    .collect()
}

impl Exchange {
    /// Begins a playback that continues until then, or ends it.
    fn plays(&mut self, until: Option<Micros>) {
        self.plays_until = until;
        if until.is_some() {
            self.rewind();
        }
    }

    /// Another state of the same exchange takes the place of the present one.
    fn become_inspection(&mut self, inspection: Arc<Inspection>) {
        self.replace(inspection);
        self.rewind();
    }
}
