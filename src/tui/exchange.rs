//! One exchange as the screen holds it: its inspection, and what is selected in it.

use std::cell::RefCell;

use super::theme::Role;
use crate::dialect::Channel;
use crate::inspect::{Finding, Inspection, Outcome, Reason, Severity};
use crate::journal::{Entry, ExchangeId, Micros};

/// One exchange, and the one selection in it.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Its number in the session.
    pub id: ExchangeId,
    /// All that is known about it.
    pub seen: Inspection,
    /// Its entries come from the network and not from a file.
    pub live: bool,
    /// The selected frame.
    pub frame: Option<u32>,
    /// The selection goes with the newest frame.
    pub follow: bool,
    /// The selected finding, an index into the inspection's.
    pub finding: Option<usize>,
    /// The choice whose text is shown.
    pub choice: u32,
    /// The file it was read from, where that is not the session's.
    pub file: Option<String>,
    /// When the last entry came.
    pub last: Option<Micros>,
    order: RefCell<Vec<usize>>,
}

impl Exchange {
    /// A new exchange.
    pub(super) fn new(id: ExchangeId, seen: Inspection, live: bool) -> Self {
        Self {
            id,
            seen,
            live,
            frame: None,
            follow: true,
            finding: None,
            choice: 0,
            file: None,
            last: None,
            order: RefCell::default(),
        }
    }

    /// Takes in what happened.
    pub(super) fn push(&mut self, entry: &Entry) {
        self.seen.push(entry);
        self.last = entry.at.or(self.last);
        if self.follow {
            self.frame = self.seen.frames().len().checked_sub(1).map(|i| i as u32);
        }
    }

    /// A recording begins at its first frame.
    pub(super) fn rest(&mut self) {
        self.follow = false;
        self.frame = (!self.seen.frames().is_empty()).then_some(0);
    }

    /// Whether more can come.
    pub(super) fn is_running(&self) -> bool {
        self.live && !self.seen.is_over()
    }

    /// Selects a frame; following ends unless it is the newest and `follow` says so.
    pub(super) fn select(&mut self, frame: usize) {
        let len = self.seen.frames().len();
        if len == 0 {
            return;
        }
        let frame = frame.min(len - 1) as u32;
        self.follow = false;
        self.frame = Some(frame);
        let here = |f: &Finding| f.frame == Some(frame);
        let kept = self.finding.filter(|i| self.seen.findings().get(*i).is_some_and(here));
        let order = self.ordered();
        let found = order.iter().copied().find(|i| here(&self.seen.findings()[*i]));
        self.finding = kept.or(found);
    }

    /// Selects a finding, and the frame that it points at.
    pub(super) fn select_finding(&mut self, index: usize) {
        self.finding = Some(index);
        let Some(finding) = self.seen.findings().get(index) else { return };
        // What is only told at the end, or of the head, has no frame: the selection stays.
        if let Some(frame) = finding.frame {
            self.follow = false;
            self.frame = Some(frame);
        }
    }

    /// Goes with the newest frame.
    pub(super) fn follow(&mut self) {
        self.follow = true;
        self.frame = self.seen.frames().len().checked_sub(1).map(|i| i as u32);
    }

    /// The findings in the order of the list: the gravest first, then by time.
    pub(super) fn ordered(&self) -> Vec<usize> {
        let findings = self.seen.findings();
        let mut order = self.order.borrow_mut();
        if order.len() != findings.len() {
            *order = (0..findings.len()).collect();
            order.sort_by_key(|i| (std::cmp::Reverse(findings[*i].severity), *i));
        }
        order.clone()
    }

    /// The next (or previous) finding of `warn` or worse in the order of the list.
    pub(super) fn next_problem(&self, forward: bool) -> Option<usize> {
        let order = self.ordered();
        let grave = |i: &usize| self.seen.findings()[*i].severity >= Severity::Warn;
        let graves: Vec<usize> = order.into_iter().filter(grave).collect();
        let at = self.finding.and_then(|f| graves.iter().position(|g| *g == f));
        let n = graves.len();
        let next = match (at, forward) {
            (None, true) => 0,
            (None, false) => n.checked_sub(1)?,
            (Some(i), true) => (i + 1) % n.max(1),
            (Some(i), false) => (i + n - 1) % n.max(1),
        };
        graves.get(next).copied()
    }

    /// The gravest finding at each frame of a range.
    pub(super) fn marks(&self, frames: std::ops::Range<usize>) -> Vec<Option<Severity>> {
        let mut marks = vec![None; frames.len()];
        for finding in self.seen.findings() {
            if let Some(frame) = finding.frame.map(|f| f as usize)
                && frames.contains(&frame)
            {
                let mark = &mut marks[frame - frames.start];
                *mark = (*mark).max(Some(finding.severity));
            }
        }
        marks
    }

    /// A channel's text for the shown choice.
    pub(super) fn text(&self, channel: Channel) -> &str {
        self.seen.answer().text(channel, self.choice)
    }

    /// Where the selected frame's text stands in a channel.
    pub(super) fn selected_range(&self, channel: Channel) -> Option<std::ops::Range<usize>> {
        let answer = self.seen.answer();
        let mut of = answer
            .deltas_of(self.frame?)
            .iter()
            .filter(|d| d.channel == channel && d.choice == self.choice && !d.duplicate);
        let first = answer.range_of(of.next()?);
        let end = of.next_back().map_or(first.end, |d| answer.range_of(d).end);
        Some(first.start..end)
    }

    /// The moment from which every time on the screen counts: the request's.
    pub(super) fn origin(&self) -> Option<Micros> {
        self.seen.timing.request.or_else(|| self.seen.reads().first()?.at)
    }

    /// The sign of what became of it, and a word. `✔` is only for what came to its end whole.
    pub(super) fn mark(&self) -> (&'static str, &'static str, Role) {
        let seen = &self.seen;
        match (seen.reason(), seen.outcome()) {
            (None, _) if !self.live => ("▲", "unfinished", Role::Warn),
            (None, _) if seen.wire_len() == 0 => ("●", "waiting", Role::Running),
            (None, _) => ("●", "streaming", Role::Running),
            (Some(Reason::Complete), Outcome::Ok) => ("✔", Reason::Complete.name(), Role::Ok),
            // It came to its own end, and yet: "complete" alone would deny what is wrong.
            (Some(Reason::Complete), Outcome::Failed) => ("✖", "failed", Role::Error),
            (Some(Reason::Complete), Outcome::Degraded) => ("▲", "degraded", Role::Warn),
            // Somebody stopped it: neither well nor ill.
            (Some(Reason::Cancelled), _) => ("■", "cancelled", Role::Warn),
            (Some(reason), Outcome::Ok) => ("■", reason.name(), Role::Warn),
            (Some(reason), Outcome::Degraded) => ("▲", reason.name(), Role::Warn),
            (Some(reason), Outcome::Failed) => ("✖", reason.name(), Role::Error),
        }
    }

    /// The name for titles: the model or else the address; of what was not requested here, whence
    /// it came.
    pub(super) fn title(&self) -> String {
        let shown = |t: &str| crate::text::preview(t, 60);
        match &self.seen.request {
            Some(r) if !r.model.is_empty() => shown(&r.model),
            Some(r) => self.seen.answer().model.as_deref().map_or_else(|| shown(&r.url), shown),
            None if self.live => "standard input".to_owned(),
            None if self.file.is_some() => self.file.clone().unwrap_or_default(),
            None => "recorded body".to_owned(),
        }
    }
}
