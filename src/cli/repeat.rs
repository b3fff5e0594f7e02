//! `--repeat`, `--parallel`, `--sizes`, `--bisect`: many exchanges, counted.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::args::{self, Format, Global};
use super::exit::{Exit, Failure};
use super::output::Printer;
use super::progress::Progress;
use super::runner::{Over, RoundSource, Runner};
use super::{runner, secrets};
use crate::config::Config;
use crate::inspect::outcomes::{Case, Label, Plan, Repetition, Round, Tally, ThresholdSearch};
use crate::inspect::{Inspection, Outcome, Reason};
use crate::journal::ExchangeId;
use crate::report;
use crate::text;
use crate::transport::Draft;
use crate::transport::pad;
use crate::transport::request::{Outgoing, Transport, resolve};

/// One request of each round.
pub(super) struct RoundRequest {
    /// Request to send.
    pub draft: Draft,
    /// Transport of the request.
    pub transport: Transport,
    /// Of a comparison: `a` or `b`.
    pub side: Option<char>,
}

/// A round's requests at one size, and what they count as.
#[derive(Clone)]
struct RoundStage {
    /// The size that was meant, where sizes are compared.
    size: Option<u64>,
    requests: Vec<Outgoing>,
    labels: Vec<Label>,
}

/// Further results of the rounds, besides a tally.
pub(super) trait Answers {
    /// Takes in a round's answers; returns whether they fail for what it found.
    fn take(&mut self, _: &[ExchangeId], _: &[Inspection]) -> Result<bool, Failure> {
        Ok(false)
    }

    /// Writes what precedes the tally, and returns the exit status for it.
    fn write(&self, _: &mut text::Page) -> Result<Exit, Failure> {
        Ok(Exit::Ok)
    }
}

/// Nothing else.
impl Answers for () {}

/// The command's part of a repetition: it makes requests of rounds, and cases of answers.
pub(super) struct Repeat<'a> {
    global: &'a Global,
    plan: &'a args::RepeatArgs,
    output: &'a args::OutputArgs,
    save: Option<&'a Path>,
    config: &'a Config,
    lab: Option<SocketAddr>,
    sides: Vec<RoundRequest>,
}

/// A repetition under way.
struct RunningRepetition<'a> {
    of: &'a Repeat<'a>,
    answers: &'a mut dyn Answers,
    stages: Vec<RoundStage>,
    repetition: Repetition,
    tally: Tally,
}

impl<'a> Repeat<'a> {
    /// Checks what is to be done.
    pub(super) fn new(
        global: &'a Global,
        plan: &'a args::RepeatArgs,
        output: &'a args::OutputArgs,
        save: Option<&'a Path>,
        config: &'a Config,
        lab: Option<SocketAddr>,
        sides: Vec<RoundRequest>,
    ) -> Result<Self, Failure> {
        if output.output == Format::Raw {
            let why = "many bodies cannot be written as one: keep them with --save FILE and use \
                       `sselens export FILE --to raw --exchange N`";
            return Err(Failure::Usage(why.into()));
        }
        Ok(Self { global, plan, output, save, config, lab, sides })
    }

    /// Sends them, and writes their results.
    pub(super) fn run(
        self,
        mut printer: Printer,
        mut progress: Progress,
        answers: &mut dyn Answers,
    ) -> Result<Exit, Failure> {
        // All that can be wrong with a request is known before the first is sent.
        let sizes = self.sizes();
        let mut stages = Vec::new();
        match sizes.is_empty() {
            true => stages.push(self.stage(None)?),
            false => {
                for size in &sizes {
                    stages.push(self.stage(Some(*size))?);
                }
            }
        }
        let repetition = Repetition::new(Plan {
            times: self.plan.repeat,
            parallel: self.plan.parallel,
            sizes,
            bisect_from: self.plan.bisect.then(|| self.least()),
        });
        let mut runner = Runner::start(self.save, self.config)?;
        progress.expect(repetition.expected(), runner.now());
        let mut running =
            RunningRepetition { of: &self, answers, stages, repetition, tally: Tally::default() };
        let result = runner.run(&mut running, &mut printer, &mut progress);
        let stopped = runner.is_stopped();
        let ended = runner.close();
        result?;
        let mut out = text::Page::new(self.global.palette().color);
        let found = running.answers.write(&mut out)?;
        running.write(stopped, &mut out)?;
        let mut stdout = std::io::stdout();
        stdout.write_all(out.as_bytes())?;
        stdout.flush()?;
        let found = if found == Exit::Ok { printer.exit() } else { found };
        Ok(ended.exit(found))
    }

    /// The length of the shortest body.
    fn least(&self) -> u64 {
        self.sides.iter().map(|s| s.draft.body.len() as u64).min().unwrap_or(0)
    }

    /// The sizes asked for, none smaller than the request.
    fn sizes(&self) -> Vec<u64> {
        let least = self.least();
        let mut sizes = self.plan.sizes.clone();
        for size in sizes.iter_mut().filter(|size| **size < least) {
            self.global.notify(&format!(
                "--sizes {size}: the request has {} without any padding, and is sent as it is",
                text::count(least, "byte")
            ));
            *size = least;
        }
        sizes.sort_unstable();
        sizes.dedup();
        sizes
    }

    fn stage(&self, size: Option<u64>) -> Result<RoundStage, Failure> {
        let mut stage = RoundStage { size, requests: Vec::new(), labels: Vec::new() };
        for side in &self.sides {
            let mut draft = side.draft.clone();
            if let Some(size) = size {
                let to = usize::try_from(size).unwrap_or(usize::MAX);
                let padded = pad(&draft.body, to).map_err(|why| format!("--sizes: {why}"))?;
                draft.body = padded.unwrap_or(draft.body);
            }
            let length = draft.body.len() as u64;
            let outgoing = resolve(&draft, self.config, &side.transport, self.lab)?;
            secrets::add(&outgoing.secrets);
            stage.labels.push(Label {
                size: size.map(|_| length),
                provider: outgoing.request.provider.clone(),
                model: outgoing.request.model.clone(),
                side: side.side,
            });
            stage.requests.push(outgoing);
        }
        Ok(stage)
    }
}

impl RoundSource for RunningRepetition<'_> {
    type Tag = Round;

    fn next(
        &mut self,
        progress: &mut Progress,
        now: u64,
    ) -> Result<Option<runner::RoundRequests<Round>>, Failure> {
        let Some(round) = self.repetition.next() else {
            match self.repetition.search() {
                Some(ThresholdSearch::NothingFails) => {
                    self.of
                        .global
                        .notify("nothing failed at any size: there is no threshold to look for");
                }
                Some(ThresholdSearch::AllFail) => {
                    self.of
                        .global
                        .notify("the request fails without any padding, too: it is not its size");
                }
                _ => {}
            }
            return Ok(None);
        };
        let known = self.stages.iter().position(|stage| stage.size == round.size);
        let at = match known {
            Some(at) => at,
            None => {
                // Only halving brings a new size.
                progress.expect(self.repetition.expected(), now);
                self.stages.push(self.of.stage(round.size)?);
                self.stages.len() - 1
            }
        };
        Ok(Some((self.stages[at].requests.clone(), round)))
    }

    fn over(
        &mut self,
        printer: &mut Printer,
        progress: &mut Progress,
        round: Round,
        over: Vec<Over>,
    ) -> Result<(), Failure> {
        let last: Vec<ExchangeId> = over.iter().map(Over::last).collect();
        let mut seen = Vec::new();
        for x in over.iter().flat_map(Over::all) {
            let inspection = printer.withdraw(x);
            if last.contains(&x) {
                seen.extend(inspection);
            }
        }
        if seen.iter().any(|i| i.reason() == Some(Reason::Cancelled)) {
            self.repetition.over(round, None);
            return Ok(());
        }
        let mut failed = self.answers.take(&last, &seen)?;
        let stage = self.stages.iter().find(|stage| stage.size == round.size);
        let labels = stage.map_or(&[][..], |stage| &stage.labels);
        for ((seen, x), label) in seen.iter().zip(&last).zip(labels) {
            let case = Case::of(seen);
            failed |= case.outcome == Outcome::Failed;
            self.tally.add(label, *x, case);
        }
        if failed {
            progress.failed();
        }
        self.repetition.over(round, Some(failed));
        if self.of.plan.bisect && self.repetition.stage_is_over() {
            self.repetition.stage().for_each(|size| self.report(size));
        }
        Ok(())
    }

    fn stop(&mut self) {
        self.repetition.stop();
    }
}

impl RunningRepetition<'_> {
    /// Says how a size did.
    fn report(&self, size: u64) {
        let Some(tries) = self.repetition.tries().get(&size) else { return };
        self.of.global.notify(&format!(
            "{}: {} of {} failed",
            text::count(size, "byte"),
            text::group(tries.failed),
            text::group(tries.n)
        ));
    }

    fn write(&self, stopped: bool, out: &mut text::Page) -> Result<(), Failure> {
        let threshold = match self.repetition.search() {
            Some(ThresholdSearch::Found(threshold)) if !stopped => Some(threshold),
            _ => None,
        };
        if self.of.output.output != Format::Text {
            for line in
                threshold.map(report::threshold).into_iter().chain([report::tally(&self.tally)])
            {
                text::write_json(&mut *out, &line)?;
                out.write_all(b"\n")?;
            }
            return Ok(());
        }
        let palette = self.of.global.palette();
        let session = self.of.save.map(|p| p.display().to_string());
        report::tally_text(&self.tally, session.as_deref(), palette, out)?;
        if let Some(threshold) = threshold {
            report::threshold_text(threshold, palette, out)?;
        }
        if stopped {
            let cut = match self.repetition.cut() {
                0 => String::new(),
                n => format!("; {} cancelled, not counted", text::group(n)),
            };
            writeln!(out, "\ninterrupted{cut}")?;
        }
        Ok(())
    }
}
