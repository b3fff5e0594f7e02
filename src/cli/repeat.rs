//! `--repeat`, `--parallel`, `--sizes`, `--bisect`: many exchanges, counted.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::args::{self, Format, Global};
use super::output::Printer;
use super::progress::Progress;
use super::runner::{Round, Runner};
use super::{Exit, Failure, secrets};
use crate::config::Config;
use crate::inspect::tally::{Case, Label, Tally, Threshold, Tries, bracket};
use crate::inspect::{Inspection, Outcome, Reason};
use crate::journal::ExchangeId;
use crate::report;
use crate::text;
use crate::transport::Draft;
use crate::transport::pad;
use crate::transport::request::{Outgoing, Transport, resolve};

/// How near a threshold is looked for: so many bytes, or one in a hundred of it.
const NEAR: u64 = 64;

/// One request of each round.
pub(super) struct Side {
    /// What is sent.
    pub draft: Draft,
    /// How it travels.
    pub transport: Transport,
    /// Of a comparison: `a` or `b`.
    pub side: Option<char>,
}

/// A round's requests at one size, and what they count as.
struct Stage {
    /// The size that was meant, where sizes are compared.
    size: Option<u64>,
    requests: Vec<Outgoing>,
    labels: Vec<Label>,
}

/// What else is made of the rounds than a tally.
pub(super) trait Answers {
    /// Takes in a round's answers; tells whether they fail for what it found.
    fn take(&mut self, _: &[ExchangeId], _: &[Inspection]) -> Result<bool, Failure> {
        Ok(false)
    }

    /// Writes what stands before the tally, and gives the exit status for it.
    fn write(&self, _: &mut Vec<u8>) -> Result<Exit, Failure> {
        Ok(Exit::Ok)
    }
}

/// Nothing else.
impl Answers for () {}

/// Many exchanges.
pub(super) struct Repetition<'a> {
    global: &'a Global,
    plan: &'a args::Repeat,
    output: &'a args::Output,
    save: Option<&'a Path>,
    config: &'a Config,
    lab: Option<SocketAddr>,
    sides: Vec<Side>,
    tally: Tally,
    /// What became of each size.
    tries: BTreeMap<u64, Tries>,
    /// How many were cut short by a signal: what would have become of them nobody knows.
    cut: u64,
}

impl<'a> Repetition<'a> {
    /// Checks what is to be done.
    pub(super) fn new(
        global: &'a Global,
        plan: &'a args::Repeat,
        output: &'a args::Output,
        save: Option<&'a Path>,
        config: &'a Config,
        lab: Option<SocketAddr>,
        sides: Vec<Side>,
    ) -> Result<Self, Failure> {
        if output.output == Format::Raw {
            let why = "many bodies cannot be written as one: keep them with --save FILE and use \
                       `sselens export FILE --to raw --exchange N`";
            return Err(Failure::Usage(why.into()));
        }
        let (tally, tries) = (Tally::default(), BTreeMap::new());
        Ok(Self { global, plan, output, save, config, lab, sides, tally, tries, cut: 0 })
    }

    /// Sends them, and writes what they come to.
    pub(super) fn run(
        mut self,
        mut printer: Printer,
        mut progress: Progress,
        answers: &mut dyn Answers,
    ) -> Result<Exit, Failure> {
        // All that can be wrong with a request is known before the first is sent.
        let stages = self.stages()?;
        let mut runner = Runner::start(self.save)?;
        let result = self
            .rounds(&stages, &mut runner, &mut printer, &mut progress, answers)
            .and_then(|()| self.bisect(&mut runner, &mut printer, &mut progress, answers));
        let stopped = runner.is_stopped();
        let ended = runner.close();
        let threshold = result?;
        let mut out = Vec::new();
        let found = answers.write(&mut out)?;
        self.write(threshold.as_ref(), stopped, &mut out)?;
        let mut stdout = std::io::stdout();
        stdout.write_all(&out)?;
        stdout.flush()?;
        let found = if found == Exit::Ok { printer.exit() } else { found };
        Ok(ended.exit(found))
    }

    /// The length of the shortest body.
    fn least(&self) -> u64 {
        self.sides.iter().map(|s| s.draft.body.len() as u64).min().unwrap_or(0)
    }

    fn stages(&self) -> Result<Vec<Stage>, Failure> {
        if self.plan.sizes.is_empty() {
            return Ok(vec![self.stage(None)?]);
        }
        let least = self.least();
        let mut sizes = self.plan.sizes.clone();
        for size in sizes.iter_mut().filter(|size| **size < least) {
            self.global.say(&format!(
                "--sizes {size}: the request has {} without any padding, and is sent as it is",
                text::count(least, "byte")
            ));
            *size = least;
        }
        sizes.sort_unstable();
        sizes.dedup();
        sizes.into_iter().map(|size| self.stage(Some(size))).collect()
    }

    fn stage(&self, size: Option<u64>) -> Result<Stage, Failure> {
        let mut stage = Stage { size, requests: Vec::new(), labels: Vec::new() };
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

    /// Sends each stage as often as asked. The sizes take turns, so that a provider's bad minute
    /// does not count as one size's fault.
    fn rounds(
        &mut self,
        stages: &[Stage],
        runner: &mut Runner,
        printer: &mut Printer,
        progress: &mut Progress,
        answers: &mut dyn Answers,
    ) -> Result<(), Failure> {
        let n = self.plan.repeat * stages.len() as u64;
        progress.expect(n, runner.now());
        let rounds = (0..self.plan.repeat)
            .flat_map(|_| stages)
            .map(|stage| Round { requests: stage.requests.clone(), tag: stage });
        let parallel = usize::try_from(self.plan.parallel).unwrap_or(1);
        let (tally, tries, cut) = (&mut self.tally, &mut self.tries, &mut self.cut);
        runner.run(rounds, parallel, printer, progress, |printer, progress, stage, over| {
            let last: Vec<ExchangeId> = over.iter().map(|o| o.last()).collect();
            let mut seen = Vec::new();
            for x in over.iter().flat_map(|o| o.all()) {
                let inspection = printer.withdraw(x);
                if last.contains(&x) {
                    seen.extend(inspection);
                }
            }
            if seen.iter().any(|i| i.reason() == Some(Reason::Cancelled)) {
                *cut += 1;
                return Ok(());
            }
            let mut failed = answers.take(&last, &seen)?;
            for ((seen, x), label) in seen.iter().zip(&last).zip(&stage.labels) {
                let case = Case::of(seen);
                failed |= case.outcome == Outcome::Failed;
                tally.add(label, *x, case);
            }
            if failed {
                progress.failed();
            }
            if let Some(size) = stage.size {
                let tries = tries.entry(size).or_default();
                tries.n += 1;
                tries.failed += u64::from(failed);
            }
            Ok(())
        })
    }

    /// Halves what lies between a size at which nothing failed and one at which something did.
    fn bisect(
        &mut self,
        runner: &mut Runner,
        printer: &mut Printer,
        progress: &mut Progress,
        answers: &mut dyn Answers,
    ) -> Result<Option<Threshold>, Failure> {
        if !self.plan.bisect {
            return Ok(None);
        }
        for size in self.tries.keys() {
            self.tell(*size);
        }
        loop {
            if runner.is_stopped() {
                return Ok(None);
            }
            let (good, bad) = bracket(&self.tries);
            let Some(bad) = bad else {
                self.global.say("nothing failed at any size: there is no threshold to look for");
                return Ok(None);
            };
            let next = match good {
                Some(good) => middle(good, bad),
                None => Some(self.least()).filter(|least| !self.tries.contains_key(least)),
            };
            let Some(next) = next else {
                if good.is_none() {
                    let why = "the request fails without any padding, too: it is not its size";
                    self.global.say(why);
                }
                return Ok(Threshold::of(&self.tries));
            };
            let stage = self.stage(Some(next))?;
            self.rounds(&[stage], runner, printer, progress, answers)?;
            self.tell(next);
        }
    }

    fn tell(&self, size: u64) {
        let Some(tries) = self.tries.get(&size) else { return };
        self.global.say(&format!(
            "{}: {} of {} failed",
            text::count(size, "byte"),
            text::group(tries.failed),
            text::group(tries.n)
        ));
    }

    fn write(
        &self,
        threshold: Option<&Threshold>,
        stopped: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        if self.output.output != Format::Text {
            for line in
                threshold.map(report::threshold).into_iter().chain([report::tally(&self.tally)])
            {
                text::write_json(&mut *out, &line)?;
                out.push(b'\n');
            }
            return Ok(());
        }
        let palette = self.global.palette();
        let session = self.save.map(|p| p.display().to_string());
        report::tally_text(&self.tally, session.as_deref(), palette, out)?;
        if let Some(threshold) = threshold {
            report::threshold_text(threshold, palette, out)?;
        }
        if stopped {
            let cut = match self.cut {
                0 => String::new(),
                n => format!("; {} cut short are not counted", text::group(n)),
            };
            writeln!(out, "\ninterrupted{cut}")?;
        }
        Ok(())
    }
}

/// The size between two, unless they are near enough.
fn middle(good: u64, bad: u64) -> Option<u64> {
    let apart = bad.saturating_sub(good);
    (apart > NEAR.max(bad / 100)).then_some(good + apart / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Halving against a known threshold ends at it, whatever was tried before.
    #[test]
    fn halving_ends_within_the_resolution() {
        for threshold in [1_500, 50_000, 99_999] {
            let mut tries: BTreeMap<u64, Tries> = BTreeMap::new();
            let t = |tries: &mut BTreeMap<u64, Tries>, size| {
                tries.insert(size, Tries { n: 5, failed: u64::from(size > threshold) });
            };
            for size in [1_024, 8_192, 100_000] {
                t(&mut tries, size);
            }
            while let (Some(good), Some(bad)) = bracket(&tries) {
                let Some(next) = middle(good, bad) else { break };
                t(&mut tries, next);
            }
            let (Some(good), Some(bad)) = bracket(&tries) else { panic!("{tries:?}") };
            assert!(good <= threshold && threshold < bad && bad - good <= 1_000, "{good} {bad}");
            assert!(tries.len() < 20, "{tries:?}");
        }
    }
}
