//! The screen's part of a repetition: it hands out the requests that [`outcomes::Repetition`] lets
//! begin, follows what runs, and keeps the first few exchanges of each outcome.
//!
//! A thousand exchanges do not fit on a screen and must not stay in memory: what is over is
//! counted and dropped. The session's file has them all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::refusal::LIMITS;
use super::{Exchange, Model, PromptError};
use crate::action::{Draft, Effect};
use crate::inspect::outcomes::{self, Case, CaseCount, Label, Plan, Round, Tally, rate};
use crate::inspect::{Inspection, Outcome, Reason};
use crate::journal::{Entry, EntryKind, ExchangeId, Micros};
use crate::text::group;
use crate::tui::BugReport;
use crate::tui::screen::{RepetitionScreen, ScreenCommand};
use crate::tui::work::{Fold, Job};

/// The count and the number at the same time that the prompt proposes.
pub(in crate::tui) const PROPOSED: &str = "20 4";

/// A request that is sent many times.
#[derive(Debug)]
pub(in crate::tui) struct RepeatedRequest {
    draft: Draft,
    rounds: outcomes::Repetition,
    /// The entries of those that run: they are folded when all are there, on another thread.
    running: BTreeMap<ExchangeId, Vec<Entry>>,
    tally: Tally,
    from: Micros,
    to: Option<Micros>,
}

impl RepeatedRequest {
    fn new(draft: Draft, plan: Plan, now: Micros) -> Self {
        Self {
            draft,
            rounds: outcomes::Repetition::new(plan),
            running: BTreeMap::new(),
            tally: Tally::default(),
            from: now,
            to: None,
        }
    }

    pub(in crate::tui) fn is_running(&self) -> bool {
        self.to.is_none()
    }

    /// The request that is sent.
    pub(in crate::tui) fn draft(&self) -> &Draft {
        &self.draft
    }

    /// Returns how many times it is sent, and how many at the same time.
    pub(in crate::tui) fn plan(&self) -> &Plan {
        self.rounds.plan()
    }

    /// Returns the number that are over.
    pub(in crate::tui) fn done(&self) -> u64 {
        self.rounds.done()
    }

    /// The outcomes so far.
    pub(in crate::tui) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The outcomes of those that are over, the worst first.
    pub(in crate::tui) fn kinds(&self) -> &[CaseCount] {
        self.tally.groups().first().map_or(&[], |g| &g.kinds)
    }

    /// Returns the requests that are to be sent now, and notes the end.
    fn advance(&mut self, now: Micros) -> Vec<Effect> {
        let mut effects = Vec::new();
        while self.rounds.next().is_some() {
            effects.push(Effect::Send(Box::new(self.draft.clone())));
        }
        if self.rounds.is_over() {
            self.to = self.to.or(Some(now));
        }
        effects
    }

    pub(in crate::tui) fn progress(&self, now: Micros) -> String {
        let elapsed = self.to.unwrap_or(now).saturating_sub(self.from);
        let mut line = rate(self.done(), self.plan().times, self.tally.failed(), elapsed);
        if self.rounds.is_stopped() {
            line.push_str(" · stopped");
        }
        if self.rounds.cut() > 0 {
            line.push_str(&format!(" · {} cancelled, not counted", group(self.rounds.cut())));
        }
        line
    }
}

/// Parses the count and the number at the same time: `20 4`, or `20`.
fn parse(typed: &str) -> Option<Plan> {
    let mut words = typed.split_whitespace().map(|w| w.parse::<u64>().ok());
    let times = words.next()??;
    let parallel = words.next().unwrap_or(Some(1))?;
    let fits = (1..=LIMITS.0).contains(&times) && (1..=LIMITS.1).contains(&parallel);
    let plan = Plan { times, parallel: parallel.min(times), ..Plan::default() };
    (words.next().is_none() && fits).then_some(plan)
}

impl Model {
    /// The request that is or was sent many times.
    pub(in crate::tui) fn repetition(&self) -> Option<&RepeatedRequest> {
        self.repetition.as_ref()
    }

    /// Returns whether a request is being sent many times.
    pub(in crate::tui) fn is_repeating(&self) -> bool {
        self.repetition.as_ref().is_some_and(RepeatedRequest::is_running)
    }

    /// Begins to send the request as often as `typed` says.
    ///
    /// # Errors
    /// What `typed` must be, or what prevents sending.
    pub(in crate::tui) fn begin_repetition(&mut self, typed: &str) -> Result<(), PromptError> {
        let plan = parse(typed).ok_or(PromptError::Repetitions)?;
        if self.is_running() {
            return Err(PromptError::Running);
        }
        self.request.stop_typing();
        self.repetition = Some(RepeatedRequest::new(self.request.to_send(), plan, self.now));
        self.advance_repetition();
        self.push(RepetitionScreen::default());
        Ok(())
    }

    fn advance_repetition(&mut self) {
        let effects = self.repetition.as_mut().map_or_else(Vec::new, |r| r.advance(self.now));
        effects.into_iter().for_each(|e| self.effect(e));
    }

    /// Lets nothing more begin, and stops what runs.
    pub(super) fn stop_repetition(&mut self) {
        let Some(repetition) = &mut self.repetition else { return };
        repetition.rounds.stop();
        let running =
            repetition.running.keys().map(|id| ScreenCommand::Effect(Effect::Cancel(*id)));
        self.commands.extend(running);
    }

    /// Notes that one of the requests could not be sent.
    pub(super) fn repetition_not_sent(&mut self) {
        if let Some(repetition) = self.repetition.as_mut().filter(|r| r.is_running()) {
            repetition.rounds.not_sent();
        }
        self.advance_repetition();
    }

    /// Takes in an entry; returns whether it is one of the repetition's.
    pub(super) fn repetition_takes(&mut self, entry: &Entry) -> bool {
        let begins = matches!(entry.kind, EntryKind::Request(_));
        let Some(repetition) = self.repetition.as_mut().filter(|r| r.is_running()) else {
            return false;
        };
        if begins {
            repetition.running.insert(entry.exchange, Vec::new());
            // It had no number yet when the others were stopped.
            if repetition.rounds.is_stopped() {
                self.commands.push(ScreenCommand::Effect(Effect::Cancel(entry.exchange)));
            }
        }
        let Some(entries) = repetition.running.get_mut(&entry.exchange) else { return false };
        entries.push(entry.clone());
        true
    }

    /// Has a request folded that is over; `hops` are the redirects that were followed from it.
    pub(in crate::tui) fn repetition_over(&mut self, id: ExchangeId, hops: &[ExchangeId]) {
        let Some(repetition) = self.repetition.as_mut().filter(|r| r.is_running()) else { return };
        let last = hops.last().copied().unwrap_or(id);
        let answer = repetition.running.remove(&last);
        repetition.running.remove(&id);
        hops.iter().for_each(|hop| drop(repetition.running.remove(hop)));
        let Some(entries) = answer else { return };
        let options = Arc::clone(&self.settings.options);
        let fold = Fold { id, hops: hops.to_vec(), entries, options };
        self.command(ScreenCommand::Work(Job::Fold(fold)));
    }

    /// Counts a request that was folded.
    pub(in crate::tui) fn repetition_folded(&mut self, of: &Fold, answer: Inspection) {
        let Some(repetition) = self.repetition.as_mut().filter(|r| r.is_running()) else { return };
        let last = of.hops.last().copied().unwrap_or(of.id);
        let round = Round { size: None };
        if answer.reason() == Some(Reason::Cancelled) {
            repetition.rounds.over(round, None);
        } else {
            let case = Case::of(&answer);
            repetition.rounds.over(round, Some(case.outcome == Outcome::Failed));
            let label = Label { provider: repetition.draft.provider.clone(), ..Label::default() };
            if repetition.tally.add(&label, last, case) {
                if of.hops.is_empty() {
                    self.drafts.keep(of.id, &repetition.draft);
                }
                self.exchanges.push(Exchange::over(last, answer));
            }
        }
        self.advance_repetition();
    }

    /// The outcomes of all of them, as a report.
    pub(super) fn repetition_report(&self) -> Option<String> {
        let repetition = self.repetition.as_ref()?;
        let kept: BTreeSet<_> = repetition.kinds().iter().flat_map(|k| &k.examples).collect();
        let own = self.exchanges.iter().filter(|e| e.live && kept.contains(&e.id));
        let examples: Vec<_> = own.map(|e| (e.id, &*e.inspection)).collect();
        let (tally, asked) = (&repetition.tally, repetition.plan().times);
        Some((self.tools().to_markdown)(BugReport::Repeated { tally, asked, examples: &examples }))
    }

    /// The title's words while it runs.
    pub(in crate::tui) fn repetition_state(&self) -> Option<String> {
        let repetition = self.repetition.as_ref().filter(|r| r.is_running())?;
        Some(format!("● {} of {}", group(repetition.done()), group(repetition.plan().times)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_or_two_are_taken() {
        let numbers = |typed| parse(typed).map(|p| (p.times, p.parallel));
        assert_eq!(numbers(" 20 4 "), Some((20, 4)));
        assert_eq!(numbers("7"), Some((7, 1)));
        assert_eq!(numbers("3 9"), Some((3, 3)));
        for bad in ["", "0", "4 0", "a", "1 2 3", "100001", "9 201", "-1"] {
            assert_eq!(numbers(bad), None, "{bad}");
        }
    }
}
