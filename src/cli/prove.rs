//! `compare --prove`: which oddity of the direct answer a gateway stumbles over.
//!
//! The gateway's upstream is the address at which this program serves the direct answer: as it was,
//! and then without one oddity after the other. What makes the answer arrive is convicted.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::Failure;
use super::output::Printer;
use super::progress::Progress;
use super::runner::{Once, Runner};
use crate::dialect::Channel;
use crate::inspect::Inspection;
use crate::inspect::compare::Oddity;
use crate::journal::{ExchangeId, Head};
use crate::replay::{Chooser, ChosenBy, Recorded, Replay};
use crate::transport::request::Outgoing;

/// The direct answer, served to the gateway.
pub(super) struct ServedAnswer {
    replay: Arc<Replay>,
    asked: Arc<AtomicU64>,
    cancel: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl ServedAnswer {
    /// Listens at an address of this machine.
    ///
    /// # Errors
    /// The address is taken, or is not on loopback.
    pub(super) fn start(at: SocketAddr) -> Result<Self, Failure> {
        if !at.ip().is_loopback() {
            let why = format!("--prove {at}: it serves your recording, and only on loopback");
            return Err(Failure::Usage(why));
        }
        let listener = std::net::TcpListener::bind(at)
            .and_then(|l| l.set_nonblocking(true).map(|()| l))
            .map_err(|e| Failure::Usage(format!("--prove {at}: {e}")))?;
        let asked = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&asked);
        let notify = Arc::new(move |text: String| {
            count.fetch_add(u64::from(text.contains('→')), Ordering::SeqCst);
        });
        let replay = Arc::new(Replay::new(Chooser::new(Vec::new(), ChosenBy::Any), 0.0, notify));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| e.to_string())?;
        let (cancel, served) = (CancellationToken::new(), Arc::clone(&replay));
        let ended = cancel.clone();
        let serve = move || {
            runtime.block_on(async {
                if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                    served.serve(listener, ended).await;
                }
            });
        };
        let thread = std::thread::Builder::new().name("prove".into()).spawn(serve);
        let thread = thread.map_err(|e| e.to_string())?;
        Ok(Self { replay, asked, cancel, thread: Some(thread) })
    }

    /// Serves this body from now on.
    pub(super) fn play(&self, head: &Head, body: &[u8]) {
        let recorded = Recorded::stream(head, body);
        self.replay.replace(Chooser::new(vec![recorded], ChosenBy::Any));
    }

    /// Returns how often it was asked.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for ServedAnswer {
    fn drop(&mut self) {
        self.cancel.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Result of the trials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The gateway delivers the answer as it was.
    Innocent,
    /// Nothing unusual is in the answer.
    NoSuspect,
    /// No request arrived: the gateway asks somebody else.
    NotAsked,
    /// Without these the answer arrives, and with them it does not, twice.
    Convicted(Vec<Oddity>),
    /// It does not arrive without any of them either.
    Elsewhere,
    /// With the same bytes it arrived one time, and another time it did not.
    Unsteady,
}

/// One time that the request was sent through the gateway.
#[derive(Debug, Clone)]
pub(super) struct Trial {
    /// Oddities that were removed from the answer.
    without: Vec<Oddity>,
    /// The exchange.
    exchange: ExchangeId,
    /// True if all of the text arrived.
    arrived: bool,
}

/// The trials and their result.
#[derive(Debug, Clone)]
pub(super) struct Proof {
    pub(super) trials: Vec<Trial>,
    pub(super) verdict: Verdict,
}

/// The trials under way.
pub(super) struct Court<'a> {
    pub(super) stage: &'a ServedAnswer,
    pub(super) runner: &'a mut Runner,
    pub(super) printer: &'a mut Printer,
    pub(super) progress: &'a mut Progress,
    /// The request to the gateway.
    pub(super) request: Outgoing,
    /// The direct exchange.
    pub(super) direct: ExchangeId,
    pub(super) trials: Vec<Trial>,
}

/// All that was said, channel by channel.
fn texts(seen: &Inspection) -> [String; 3] {
    let channels = [Channel::Content, Channel::Reasoning, Channel::Tool];
    channels.map(|channel| {
        let own = seen.answer().deltas().iter().filter(|d| d.channel == channel && !d.duplicate);
        own.map(|d| seen.answer().text_of(&d)).collect()
    })
}

impl Court<'_> {
    /// Sends the request through the gateway, which gets the direct answer without these.
    fn trial(&mut self, without: &[Oddity]) -> Result<Option<bool>, Failure> {
        let Some(direct) = self.printer.kept(self.direct) else { return Ok(None) };
        let Some(head) = direct.head.clone() else { return Ok(None) };
        let mut body = direct.body().to_vec();
        for oddity in without {
            body = oddity.without(&body);
        }
        let wanted = texts(direct);
        self.stage.play(&head, &body);
        let mut once = Once::of(vec![self.request.clone()]);
        self.runner.run(&mut once, self.printer, self.progress)?;
        let Some(x) = once.answers.first().copied() else { return Ok(None) };
        let arrived = self.printer.kept(x).is_some_and(|seen| texts(seen) == wanted);
        self.trials.push(Trial { without: without.to_vec(), exchange: x, arrived });
        Ok((!self.runner.is_stopped()).then_some(arrived))
    }

    /// Runs the trials; `None` where a signal stopped them.
    pub(super) fn judge(mut self) -> Result<Option<Proof>, Failure> {
        let verdict = self.verdict()?;
        Ok(verdict.map(|verdict| Proof { trials: self.trials, verdict }))
    }

    fn verdict(&mut self) -> Result<Option<Verdict>, Failure> {
        let Some(arrived) = self.trial(&[])? else { return Ok(None) };
        if self.stage.asked() == 0 {
            return Ok(Some(Verdict::NotAsked));
        }
        if arrived {
            return Ok(Some(Verdict::Innocent));
        }
        let suspects = self.printer.kept(self.direct).map(Oddity::of).unwrap_or_default();
        if suspects.is_empty() {
            return Ok(Some(Verdict::NoSuspect));
        }
        let mut tried: Vec<Vec<Oddity>> = suspects.iter().map(|o| vec![*o]).collect();
        if suspects.len() > 1 {
            tried.push(suspects);
        }
        for without in tried {
            match self.trial(&without)? {
                None => return Ok(None),
                Some(false) => {}
                // One success may be luck: send both again.
                Some(true) => {
                    let (Some(with), Some(again)) = (self.trial(&[])?, self.trial(&without)?)
                    else {
                        return Ok(None);
                    };
                    return Ok(Some(match (with, again) {
                        (false, true) => Verdict::Convicted(without),
                        _ => Verdict::Unsteady,
                    }));
                }
            }
        }
        Ok(Some(Verdict::Elsewhere))
    }
}

impl Proof {
    /// The exchange with the gateway's answer to the unchanged bytes.
    pub(super) fn control(&self) -> Option<ExchangeId> {
        self.trials.first().map(|t| t.exchange)
    }

    /// Returns what was proven, in a sentence.
    pub(super) fn sentence(&self) -> String {
        let list = |of: &[Oddity]| {
            let list: Vec<_> = of.iter().map(|o| o.phrase()).collect();
            list.join(" and ")
        };
        match &self.verdict {
            Verdict::Innocent => "B delivers the same bytes whole: nothing to prove".to_owned(),
            Verdict::NoSuspect => "nothing unusual in the bytes of A: no suspect".to_owned(),
            Verdict::NotAsked => {
                "no request arrived: the gateway's upstream is not the address of --prove"
                    .to_owned()
            }
            Verdict::Convicted(of) => format!(
                "proven: B loses the answer because of {}; without, the same events arrive whole \
                 (each tried twice)",
                list(of)
            ),
            Verdict::Elsewhere => {
                let tried = self.trials.iter().filter(|t| t.without.len() == 1);
                let tried: Vec<_> = tried.flat_map(|t| t.without.clone()).collect();
                format!("B loses the answer without {} too: the cause is another", list(&tried))
            }
            Verdict::Unsteady => {
                "B answers the same bytes one time so, one time otherwise: nothing is proven"
                    .to_owned()
            }
        }
    }

    /// The same for scripts.
    pub(super) fn json(&self) -> Value {
        let names = |of: &[Oddity]| of.iter().map(|o| o.name()).collect::<Vec<_>>();
        let trials = self
            .trials
            .iter()
            .map(|t| json!({"x": t.exchange, "without": names(&t.without), "arrived": t.arrived}));
        let convicted = match &self.verdict {
            Verdict::Convicted(of) => names(of),
            _ => Vec::new(),
        };
        json!({
            "convicted": convicted,
            "verdict": self.sentence(),
            "trials": trials.collect::<Vec<_>>(),
        })
    }
}
