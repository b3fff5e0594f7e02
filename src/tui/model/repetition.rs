//! Sending the request many times, and what that comes to.
//!
//! A thousand exchanges do not fit on a screen, and shall not stay in memory: what runs is followed,
//! what is over is counted, and only the first few of each outcome join the session's exchanges. The
//! session's file has them all.

use std::collections::{BTreeMap, BTreeSet};

use super::{Exchange, Model};
use crate::action::{Draft, Effect};
use crate::inspect::Reason;
use crate::inspect::outcomes::{Case, Kind, Label, Tally, rate};
use crate::journal::{Entry, EntryKind, ExchangeId, Micros};
use crate::text::group;
use crate::tui::Report;
use crate::tui::screen::{Command, RepetitionScreen};

/// The most that can be asked for: how often, and how many at a time.
const MOST: (u64, u64) = (100_000, 200);

/// What is proposed.
pub(in crate::tui) const PROPOSED: &str = "20 4";

/// A request that is sent many times.
#[derive(Debug)]
pub(in crate::tui) struct Repetition {
    draft: Draft,
    times: u64,
    parallel: u64,
    /// How many were handed out, and how many of them are dealt with.
    begun: u64,
    done: u64,
    /// How many were cut short: what would have become of them nobody knows.
    cut: u64,
    stopped: bool,
    running: BTreeMap<ExchangeId, Exchange>,
    tally: Tally,
    from: Micros,
    to: Option<Micros>,
}

impl Repetition {
    pub(in crate::tui) fn is_running(&self) -> bool {
        self.to.is_none()
    }

    /// The request, how many times it is sent, how many at a time, and how many are over.
    pub(in crate::tui) fn plan(&self) -> (&Draft, u64, u64, u64) {
        (&self.draft, self.times, self.parallel, self.done)
    }

    /// The outcomes so far.
    pub(in crate::tui) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The outcomes of those that are over, the worst first.
    pub(in crate::tui) fn kinds(&self) -> &[Kind] {
        self.tally.groups().first().map_or(&[], |g| &g.kinds)
    }

    /// Hands out the next one.
    fn next(&mut self) -> Option<Effect> {
        if self.stopped || self.begun == self.times {
            return None;
        }
        self.begun += 1;
        Some(Effect::Send(Box::new(self.draft.clone())))
    }

    pub(in crate::tui) fn progress(&self, now: Micros) -> String {
        let elapsed = self.to.unwrap_or(now).saturating_sub(self.from);
        let mut line = rate(self.done, self.times, self.tally.failed(), elapsed);
        if self.stopped {
            line.push_str(" · stopped");
        }
        if self.cut > 0 {
            line.push_str(&format!(" · {} cut short are not counted", group(self.cut)));
        }
        line
    }
}

/// How often, and how many at a time: `20 4`, or `20`.
fn numbers(typed: &str) -> Option<(u64, u64)> {
    let mut words = typed.split_whitespace().map(|w| w.parse::<u64>().ok());
    let times = words.next()??;
    let parallel = words.next().unwrap_or(Some(1))?;
    let fits = (1..=MOST.0).contains(&times) && (1..=MOST.1).contains(&parallel);
    (words.next().is_none() && fits).then_some((times, parallel))
}

impl Model {
    /// The request that is or was sent many times.
    pub(in crate::tui) fn repetition(&self) -> Option<&Repetition> {
        self.repetition.as_ref()
    }

    /// Whether a request is being sent many times.
    pub(in crate::tui) fn is_repeating(&self) -> bool {
        self.repetition.as_ref().is_some_and(Repetition::is_running)
    }

    /// Begins, if what was typed are the numbers for it; else tells what is wanted.
    pub(in crate::tui) fn begin_repetition(&mut self, typed: &str) -> Result<(), String> {
        let (n, k) = (group(MOST.0), group(MOST.1));
        let wanted = || {
            format!(
                "Two numbers are wanted: how many times (1 to {n}), how many at a time (1 to {k})."
            )
        };
        let (times, parallel) = numbers(typed).ok_or_else(wanted)?;
        if self.is_running() {
            return Err("A stream is running: stop it first".to_owned());
        }
        self.request.stop_typing();
        let mut repeat = Repetition {
            draft: self.request.to_send(),
            times,
            parallel: parallel.min(times),
            begun: 0,
            done: 0,
            cut: 0,
            stopped: false,
            running: BTreeMap::new(),
            tally: Tally::default(),
            from: self.now,
            to: None,
        };
        let mut effects = Vec::new();
        for _ in 0..repeat.parallel {
            effects.extend(repeat.next());
        }
        effects.into_iter().for_each(|e| self.effect(e));
        self.repetition = Some(repeat);
        self.push(RepetitionScreen::default());
        Ok(())
    }

    /// Lets nothing more begin, and stops what runs.
    pub(super) fn stop_repetition(&mut self) {
        let Some(repeat) = &mut self.repetition else { return };
        repeat.stopped = true;
        let running = repeat.running.keys().map(|id| Command::Effect(Effect::Cancel(*id)));
        self.commands.extend(running);
    }

    /// Nothing could be sent at all.
    pub(super) fn repetition_failed(&mut self) {
        if let Some(repeat) = &mut self.repetition
            && repeat.done == 0
            && repeat.running.is_empty()
        {
            repeat.stopped = true;
            repeat.to = repeat.to.or(Some(self.now));
        }
    }

    /// Takes in an entry, if it is one of the repetition's.
    pub(super) fn repetition_takes(&mut self, entry: &Entry) -> bool {
        let begins = matches!(entry.kind, EntryKind::Request(_));
        let inspection = (begins && self.is_repeating()).then(|| self.new_inspection());
        let Some(repeat) = self.repetition.as_mut().filter(|r| r.is_running()) else {
            return false;
        };
        if matches!(entry.kind, EntryKind::Request(_)) {
            let new = inspection.map(|i| Exchange::new(entry.exchange, i, true));
            repeat.running.extend(new.map(|e| (e.id, e)));
            // It had no number yet when the others were stopped.
            if repeat.stopped {
                self.commands.push(Command::Effect(Effect::Cancel(entry.exchange)));
            }
        }
        let Some(exchange) = repeat.running.get_mut(&entry.exchange) else { return false };
        exchange.push(entry);
        true
    }

    /// A request is dealt with; `hops` are the redirects that were followed from it.
    pub(in crate::tui) fn repetition_over(&mut self, id: ExchangeId, hops: &[ExchangeId]) {
        let Some(repeat) = self.repetition.as_mut().filter(|r| r.is_running()) else { return };
        let last = hops.last().copied().unwrap_or(id);
        let answer = repeat.running.remove(&last);
        repeat.running.remove(&id);
        hops.iter().for_each(|hop| drop(repeat.running.remove(hop)));
        let Some(mut answer) = answer else { return };
        repeat.done += 1;
        if answer.inspection.reason() == Some(Reason::Cancelled) {
            repeat.cut += 1;
        } else {
            let label = Label { provider: repeat.draft.provider.clone(), ..Label::default() };
            let kept = repeat.tally.add(&label, last, Case::of(&answer.inspection));
            if kept {
                if hops.is_empty() {
                    self.drafts.keep(id, &repeat.draft);
                }
                answer.follow = false;
                answer.frame = (!answer.inspection.frames().is_empty()).then_some(0);
                self.exchanges.push(answer);
            }
        }
        match repeat.next() {
            Some(next) => self.effect(next),
            None if repeat.done == repeat.begun => repeat.to = Some(self.now),
            None => {}
        }
    }

    /// What became of all of them, as a report.
    pub(super) fn repetition_report(&self) -> Option<String> {
        let repeat = self.repetition.as_ref()?;
        let kept: BTreeSet<_> = repeat.kinds().iter().flat_map(|k| &k.examples).collect();
        let ours = self.exchanges.iter().filter(|e| e.live && kept.contains(&e.id));
        let examples: Vec<_> = ours.map(|e| (e.id, &e.inspection)).collect();
        let (tally, asked) = (&repeat.tally, repeat.times);
        Some((self.tools().to_markdown)(Report::Repeated { tally, asked, examples: &examples }))
    }

    /// What the title says while it goes on.
    pub(in crate::tui) fn repetition_state(&self) -> Option<String> {
        let repeat = self.repetition.as_ref().filter(|r| r.is_running())?;
        Some(format!("● {} of {}", group(repeat.done), group(repeat.times)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_or_two_are_taken() {
        assert_eq!(numbers(" 20 4 "), Some((20, 4)));
        assert_eq!(numbers("7"), Some((7, 1)));
        for bad in ["", "0", "4 0", "a", "1 2 3", "100001", "9 201", "-1"] {
            assert_eq!(numbers(bad), None, "{bad}");
        }
    }
}
