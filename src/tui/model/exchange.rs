//! One exchange as the screen holds it: its inspection, and what is selected in it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::arriving::Arrival;
use crate::action::Folded;
use crate::dialect::Channel;
use crate::frame::Frame;
use crate::inspect::{Finding, Group, Inspection, Outcome, Reason, Severity};
use crate::journal::{ExchangeId, Micros};
use crate::rule::Code;
use crate::tui::theme::Role;

/// A silence shorter than this is no news, in microseconds.
const SILENT: Micros = 2_000_000;

/// A silence in progress: the screen shows it while it lasts, and it is no fact of the recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::tui) struct OngoingSilence {
    /// Since the last byte, in microseconds.
    pub bytes: Micros,
    /// Since the last data, in microseconds.
    pub data: Micros,
    /// Number of keep-alives since the last data.
    pub keep_alives: usize,
    /// It is longer than the threshold.
    pub stalled: bool,
}

impl OngoingSilence {
    /// The finding that it is while it lasts; `None` while it is short.
    pub(in crate::tui) fn code(&self) -> Option<Code> {
        let code = if self.keep_alives > 0 { Code::KeepaliveWarmStall } else { Code::IdleStall };
        self.stalled.then_some(code)
    }

    /// A headline about it: since when, and since which of so many frames.
    pub(in crate::tui) fn headline(&self, frames: usize) -> String {
        let seconds = |t: Micros| format!("{:.1} s", t as f64 / 1e6);
        let group = |n: usize| crate::text::group(n as u64);
        let since = match frames.checked_sub(self.keep_alives + 1) {
            Some(last) => format!(" since frame {}", group(last)),
            None => String::new(),
        };
        match self.keep_alives {
            0 => format!("No bytes for {}{since}", seconds(self.bytes)),
            n => {
                let n = crate::text::count(n as u64, "keep-alive");
                let last = seconds(self.bytes);
                let data = seconds(self.data);
                format!("No data for {data}{since}; {n} since then, the last {last} ago")
            }
        }
    }
}

/// The event that selected a finding for the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PointedBy {
    /// The end of a failed stream.
    End,
    /// The key for the next problem.
    Key,
}

/// One exchange, and the one selection in it.
#[derive(Debug)]
pub(in crate::tui) struct Exchange {
    /// Its number in the session.
    pub id: ExchangeId,
    /// All that is known about it.
    pub inspection: Arc<Inspection>,
    /// True if its entries arrive from the network and not from a file.
    pub live: bool,
    /// Another program sent it, through a tap.
    pub tapped: bool,
    /// It is the beginning of a recorded one, of which the rest is being read.
    pub is_part: bool,
    /// The selected frame.
    pub frame: Option<u32>,
    /// The selection goes with the newest frame.
    pub follow: bool,
    /// The selected finding, an index into the inspection's.
    pub finding: Option<usize>,
    /// The event that pointed at the selected finding, if nothing else was selected since.
    pointed: Option<PointedBy>,
    /// The choice whose text is shown.
    pub choice: u32,
    /// The file it was read from, where that is not the session's.
    pub file: Option<String>,
    /// Time at which the last entry arrived.
    pub last: Option<Micros>,
    /// More was received than was taken in: nothing is known of a silence.
    pub behind: bool,
    /// It is a recording that plays, until then.
    pub(super) plays_until: Option<Micros>,
    /// Entries that are not taken in yet, and what another thread does for them.
    pub(super) arrival: Arrival,
    /// The story of so many findings.
    story: RefCell<(usize, Arc<[Group]>)>,
}

impl Exchange {
    /// A new exchange.
    pub(in crate::tui) fn new(id: ExchangeId, inspection: Inspection, live: bool) -> Self {
        Self {
            id,
            inspection: Arc::new(inspection),
            live,
            tapped: false,
            is_part: false,
            frame: None,
            follow: true,
            finding: None,
            pointed: None,
            choice: 0,
            file: None,
            last: None,
            behind: false,
            plays_until: None,
            arrival: Arrival::default(),
            story: RefCell::new((0, Arc::default())),
        }
    }

    /// The same exchange as it is now, for a thread that computes something of it. Entries that
    /// arrive meanwhile wait: the inspection does not change under that thread, and is not copied.
    pub(in crate::tui) fn snapshot(&self) -> Self {
        let inspection = Arc::clone(&self.inspection);
        let (file, arrival) = (self.file.clone(), Arrival::default());
        let story = RefCell::new((0, Arc::default()));
        Self { inspection, file, arrival, story, ..*self }
    }

    /// Goes with the newest frame, and at the end points at the cause.
    pub(super) fn over_now(&mut self) {
        if self.follow {
            self.frame = self.inspection.frames().len().checked_sub(1).map(|i| i as u32);
            if self.is_over() {
                self.point_at_cause();
            }
        }
    }

    /// Returns whether it is over and judged.
    pub(in crate::tui) fn is_over(&self) -> bool {
        self.inspection.is_over() && !self.arrival.is_elsewhere()
    }

    /// A live exchange that was folded when it was over; it begins at its first frame.
    pub(in crate::tui) fn over(id: ExchangeId, inspection: Inspection) -> Self {
        let frame = (!inspection.frames().is_empty()).then_some(0);
        let last = inspection.timing.end;
        Self { frame, follow: false, last, ..Self::new(id, inspection, true) }
    }

    /// Selects the cause of a failure, and its frame. Called where the user has selected nothing.
    fn point_at_cause(&mut self) {
        if self.inspection.outcome() != Outcome::Failed {
            return;
        }
        let Some(cause) = self.inspection.cause() else { return };
        let index = self.inspection.findings().iter().position(|f| std::ptr::eq(f, cause));
        if let Some(index) = index {
            self.select_finding(index);
            self.pointed = Some(PointedBy::End);
        }
    }

    /// Returns whether the selected finding was pointed out, so that one key explains it.
    pub(in crate::tui) fn is_pointed(&self) -> bool {
        self.pointed.is_some() && self.finding.is_some()
    }

    /// Selects a finding that a key asked for.
    pub(in crate::tui) fn point_at(&mut self, index: usize) {
        self.select_finding(index);
        self.pointed = Some(PointedBy::Key);
    }

    /// Returns the number of findings of `warn` or worse.
    pub(in crate::tui) fn problems(&self) -> usize {
        self.inspection.findings().iter().filter(|f| f.severity >= Severity::Warn).count()
    }

    /// An exchange of a recording, which begins at its first frame.
    pub(in crate::tui) fn recorded(folded: Folded) -> Self {
        let frame = (!folded.inspection.frames().is_empty()).then_some(0);
        let new = Self::new(folded.id, folded.inspection, false);
        let mut exchange = Self { frame, follow: false, last: folded.last, ..new };
        exchange.point_at_cause();
        exchange
    }

    /// The beginning of an exchange of a recording that is being read.
    pub(in crate::tui) fn beginning(folded: Folded) -> Self {
        let frame = (!folded.inspection.frames().is_empty()).then_some(0);
        let new = Self::new(folded.id, folded.inspection, false);
        Self { frame, follow: false, last: folded.last, is_part: true, ..new }
    }

    /// The selected frame and its number.
    pub(in crate::tui) fn selected_frame(&self) -> Option<(u32, Frame)> {
        let number = self.frame?;
        Some((number, self.inspection.frames().get(number as usize)?))
    }

    /// Returns whether more can arrive, or is still to be played.
    pub(in crate::tui) fn is_running(&self) -> bool {
        (self.live || self.plays_until.is_some()) && !self.is_over()
    }

    /// Returns whether more can arrive.
    pub(in crate::tui) fn is_arriving(&self) -> bool {
        self.live && !self.is_over()
    }

    /// The end of the recording that it is while it plays.
    pub(in crate::tui) fn plays_until(&self) -> Option<Micros> {
        self.plays_until
    }

    /// Nothing is selected, and the newest frame is gone with.
    pub(super) fn rewind(&mut self) {
        (self.finding, self.pointed) = (None, None);
        self.story = RefCell::new((0, Arc::default()));
        self.follow();
    }

    /// Selects a frame; following ends unless it is the newest and `follow` says so.
    pub(in crate::tui) fn select(&mut self, frame: usize) {
        let len = self.inspection.frames().len();
        if len == 0 {
            return;
        }
        let frame = frame.min(len - 1) as u32;
        self.follow = false;
        self.pointed = None;
        self.frame = Some(frame);
        let here = |f: &Finding| f.frame == Some(frame);
        let kept = self.finding.filter(|i| self.inspection.findings().get(*i).is_some_and(here));
        let order = self.ordered();
        let found = order.iter().copied().find(|i| here(&self.inspection.findings()[*i]));
        self.finding = kept.or(found);
    }

    /// Selects a finding, and the frame that it points at.
    pub(in crate::tui) fn select_finding(&mut self, index: usize) {
        self.finding = Some(index);
        self.pointed = None;
        let Some(finding) = self.inspection.findings().get(index) else { return };
        // A finding about the end or the headers has no frame: the selection stays.
        if let Some(frame) = finding.frame {
            self.follow = false;
            self.frame = Some(frame);
        }
    }

    /// Goes with the newest frame.
    pub(in crate::tui) fn follow(&mut self) {
        self.follow = true;
        self.pointed = None;
        self.frame = self.inspection.frames().len().checked_sub(1).map(|i| i as u32);
    }

    /// The findings by their codes: the cause first, then what follows from it, then the rest.
    pub(in crate::tui) fn story(&self) -> Arc<[Group]> {
        let n = self.inspection.findings().len();
        let mut story = self.story.borrow_mut();
        if story.0 != n {
            *story = (n, self.inspection.story().into());
        }
        Arc::clone(&story.1)
    }

    /// The findings in the order of the list.
    pub(in crate::tui) fn ordered(&self) -> Vec<usize> {
        self.story().iter().flat_map(|g| g.findings.iter().copied()).collect()
    }

    /// For how long a running exchange has been silent, if that is worth a word.
    pub(in crate::tui) fn silence(&self, now: Micros) -> Option<OngoingSilence> {
        let inspection = &self.inspection;
        let head = inspection
            .timing
            .head
            .filter(|_| self.is_running() && !self.behind && !self.arrival.is_behind())?;
        let since = |from: Micros| inspection.timing.silence(from, now);
        let bytes = since(inspection.reads().last().and_then(|r| r.at).unwrap_or(head));
        let data = since(inspection.timing.last_data.unwrap_or(head));
        let keep_alives = inspection.keep_alives_since_data();
        let long = if keep_alives > 0 { data } else { bytes };
        (long >= SILENT).then(|| OngoingSilence {
            bytes,
            data,
            keep_alives,
            stalled: long >= inspection.options().stall,
        })
    }

    /// Returns whether a stall is in progress.
    pub(in crate::tui) fn is_stalled(&self, now: Micros) -> bool {
        self.silence(now).is_some_and(|s| s.stalled)
    }

    /// The next (or previous) finding of `warn` or worse in the order of the list.
    pub(in crate::tui) fn next_problem(&self, forward: bool) -> Option<usize> {
        let order = self.ordered();
        let grave = |i: &usize| self.inspection.findings()[*i].severity >= Severity::Warn;
        let graves: Vec<usize> = order.into_iter().filter(grave).collect();
        let at = self.finding.and_then(|f| graves.iter().position(|g| *g == f));
        let n = graves.len();
        // The cause is selected already, and the key asks for it.
        if let (Some(i), Some(PointedBy::End)) = (at, self.pointed) {
            return graves.get(i).copied();
        }
        let next = match (at, forward) {
            (None, true) => 0,
            (None, false) => n.checked_sub(1)?,
            (Some(i), true) => (i + 1) % n.max(1),
            (Some(i), false) => (i + n - 1) % n.max(1),
        };
        graves.get(next).copied()
    }

    /// The gravest finding at each frame of a range that has one.
    pub(in crate::tui) fn marks(&self, frames: &std::ops::Range<usize>) -> BTreeMap<u32, Severity> {
        let mut marks = BTreeMap::new();
        for finding in self.inspection.findings() {
            if let Some(frame) = finding.frame.filter(|f| frames.contains(&(*f as usize))) {
                let mark = marks.entry(frame).or_insert(finding.severity);
                *mark = (*mark).max(finding.severity);
            }
        }
        marks
    }

    /// A channel's text for the shown choice.
    pub(in crate::tui) fn text(&self, channel: Channel) -> &str {
        self.inspection.answer().text(channel, self.choice)
    }

    /// Returns the range of the selected frame's text in a channel.
    pub(in crate::tui) fn selected_range(
        &self,
        channel: Channel,
    ) -> Option<std::ops::Range<usize>> {
        let answer = self.inspection.answer();
        let mut of = answer
            .deltas_of(self.frame?)
            .filter(|d| d.channel == channel && d.choice == self.choice && !d.duplicate);
        let first = answer.range_of(&of.next()?);
        let end = of.next_back().map_or(first.end, |d| answer.range_of(&d).end);
        Some(first.start..end)
    }

    /// The moment from which every time on the screen counts: the request's.
    pub(in crate::tui) fn origin(&self) -> Option<Micros> {
        self.inspection.timing.request.or_else(|| self.inspection.reads().first()?.at)
    }

    /// Returns the sign of its outcome, and a word. `✔` is only for what reached its end whole.
    pub(in crate::tui) fn mark(&self) -> (&'static str, &'static str, Role) {
        let inspection = &self.inspection;
        let reason = inspection.reason().filter(|_| self.is_over());
        match (reason, inspection.outcome()) {
            (None, _) if self.plays_until.is_some() => ("▶", "playing", Role::Running),
            (None, _) if self.is_part => ("●", "opening", Role::Running),
            (None, _) if !self.live => ("▲", "unfinished", Role::Warn),
            (None, _) if inspection.wire_len() == 0 => ("●", "waiting", Role::Running),
            (None, _) => ("●", "streaming", Role::Running),
            (Some(Reason::Complete), Outcome::Ok) => ("✔", Reason::Complete.name(), Role::Ok),
            // The stream ended by itself, but "complete" alone would hide what is wrong.
            (Some(Reason::Complete), Outcome::Failed) => ("✖", "failed", Role::Error),
            (Some(Reason::Complete), Outcome::Degraded) => ("▲", "degraded", Role::Warn),
            // The user or a client stopped it: neither OK nor failed.
            (Some(Reason::Cancelled), _) => ("■", "cancelled", Role::Warn),
            (Some(Reason::Refused), _) => ("✖", "not connected", Role::Error),
            (Some(reason), Outcome::Ok) => ("■", reason.name(), Role::Warn),
            (Some(reason), Outcome::Degraded) => ("▲", reason.name(), Role::Warn),
            (Some(reason), Outcome::Failed) => ("✖", reason.name(), Role::Error),
        }
    }

    /// The name for titles: the model, otherwise the address; of what was not requested here, its source.
    pub(in crate::tui) fn title(&self) -> String {
        let shown = |t: &str| crate::text::preview(t, 60);
        match &self.inspection.request {
            Some(r) if !r.model.is_empty() => shown(&r.model),
            Some(r) => {
                self.inspection.answer().model.as_deref().map_or_else(|| shown(&r.url), shown)
            }
            None if self.live => "standard input".to_owned(),
            None if self.file.is_some() => self.file.clone().unwrap_or_default(),
            None => "recorded body".to_owned(),
        }
    }
}
