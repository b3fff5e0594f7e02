//! A comparison: which exchanges, what was sent for it, and what they differ in.
//!
//! What is compared is computed when entries have arrived, and while a stream runs not more often
//! than [`PAUSE`] allows. What takes longer than a drawing may is a [`ComparisonJob`] for another thread.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Exchange, Model};
use crate::action::{Draft, DraftPair, Effect, Opened};
use crate::inspect::compare::Expect;
use crate::journal::{ExchangeId, Micros};
use crate::text::preview;
use crate::tui::BugReport;
use crate::tui::compare::{self, ComparisonJob, ComparisonKey, Computed};
use crate::tui::screen::ScreenCommand;
use crate::tui::work;

/// The shortest time between two computations while a stream runs, for each [`MUCH`] bytes begun.
const PAUSE: Micros = 250_000;
const MUCH: u64 = 4 << 20;

/// Two exchanges with so many bytes together are compared within a few milliseconds.
const AT_ONCE: u64 = 1 << 20;

/// The exchange on a side: its number, and whether it is from the network.
pub(in crate::tui) type SideExchange = (ExchangeId, bool);

/// A and B.
#[derive(Debug)]
pub(in crate::tui) struct ComparisonModel {
    places: [SideExchange; 2],
    /// The drafts that were sent, so that they can be sent again.
    pair: Option<Box<DraftPair>>,
    /// The user's expectation; otherwise it is guessed.
    wanted: Option<Expect>,
    /// They are both sides of a gateway.
    around: Option<GatewaySides>,
    computed: Option<Computed>,
    computing: Option<Computing>,
    computed_at: Micros,
    /// Number of this comparison in this run, and how often it was computed.
    revisions: (u64, u64),
    /// The same was sent before.
    again: bool,
}

/// Both sides of a gateway that are compared.
#[derive(Debug)]
struct GatewaySides {
    /// The call upstream and the client's.
    sides: [SideExchange; 2],
    /// Calls that the gateway had sent upstream before, in order.
    earlier: Vec<SideExchange>,
}

/// A comparison that another thread computes.
#[derive(Debug)]
struct Computing {
    of: ComparisonKey,
    permille: u16,
    stop: Arc<AtomicBool>,
}

impl Drop for Computing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The state by which a screen notices that a comparison is another one.
#[derive(Debug, Clone, Copy)]
pub(in crate::tui) struct ComparisonState {
    /// Number of this comparison in this run, and how often it was computed.
    pub revisions: (u64, u64),
    /// The same was sent before.
    pub again: bool,
    /// Both sides are over.
    pub over: bool,
}

impl Model {
    /// Compares two exchanges.
    pub(in crate::tui) fn compare(
        &mut self,
        places: [SideExchange; 2],
        pair: Option<Box<DraftPair>>,
    ) {
        let before = self.comparison.take();
        let number = before.as_ref().map_or(self.comparisons, |b| b.revisions.0) + 1;
        self.comparisons = number;
        let again = before.as_ref().is_some_and(|b| pair.is_some() && b.pair == pair);
        self.comparison = Some(ComparisonModel {
            places,
            pair,
            wanted: before.filter(|_| again).and_then(|b| b.wanted),
            around: None,
            computed: None,
            computing: None,
            computed_at: 0,
            revisions: (number, 0),
            again,
        });
        self.command(ScreenCommand::ShowComparison);
    }

    /// Compares what a gateway's client received with what the gateway received upstream for it, at the
    /// last of several calls.
    pub(in crate::tui) fn compare_around(
        &mut self,
        upstream: SideExchange,
        client: SideExchange,
        earlier: Vec<SideExchange>,
    ) {
        let sides = [upstream, client];
        self.compare(sides, None);
        if let Some(comparison) = &mut self.comparison {
            comparison.around = Some(GatewaySides { sides, earlier });
        }
    }

    /// Returns the calls that are compared with the client's call beside the last call upstream, where both
    /// sides of a gateway are compared as such.
    fn earlier_calls(&self) -> Option<Vec<&Exchange>> {
        let comparison = self.comparison.as_ref().filter(|c| c.wanted.is_none())?;
        let around = comparison.around.as_ref().filter(|a| a.sides == comparison.places)?;
        let find = |(id, live): &SideExchange| {
            self.exchanges.iter().rfind(|e| e.id == *id && e.live == *live && e.file.is_none())
        };
        Some(around.earlier.iter().filter_map(find).collect())
    }

    /// Ends the comparison.
    pub(in crate::tui) fn end_comparison(&mut self) {
        self.comparison = None;
    }

    /// The exchange of a side, once its first entry has arrived.
    pub(in crate::tui) fn compared(&self, side: usize) -> Option<&Exchange> {
        let (id, live) = *self.comparison.as_ref()?.places.get(side)?;
        self.exchanges.iter().rfind(|e| e.id == id && e.live == live)
    }

    /// Returns the differences between the two, once they were computed.
    pub(in crate::tui) fn computed(&self) -> Option<&Computed> {
        let comparison = self.comparison.as_ref()?;
        comparison.computed.as_ref().filter(|c| c.of.places == comparison.places)
    }

    /// Returns the differences between the requests of the two, if they are two.
    pub(in crate::tui) fn compared_requests(&self) -> Option<&str> {
        self.computed()?.requests.as_deref()
    }

    pub(in crate::tui) fn comparison_state(&self) -> Option<ComparisonState> {
        let comparison = self.comparison.as_ref()?;
        let (revisions, again) = (comparison.revisions, comparison.again);
        let both = [self.compared(0), self.compared(1)];
        let over = both.iter().all(|e| e.is_some_and(|e| !e.is_running()));
        Some(ComparisonState { revisions, again, over })
    }

    /// Returns whether a side can still change.
    pub(in crate::tui) fn comparison_runs(&self) -> bool {
        (0..2).any(|side| match self.compared(side) {
            Some(exchange) => exchange.is_running(),
            None => self.sending,
        })
    }

    /// Exchanges A and B.
    pub(in crate::tui) fn swap_sides(&mut self) {
        let Some(comparison) = &mut self.comparison else { return };
        comparison.places.swap(0, 1);
        if let Some(pair) = &mut comparison.pair {
            pair.drafts.swap(0, 1);
        }
    }

    /// Expects one stream where two were expected, and the other way round; returns which.
    pub(in crate::tui) fn toggle_expect(&mut self) -> Expect {
        let wanted = self.comparison.as_ref().and_then(|c| c.wanted);
        let other = match wanted.or(self.computed().map(|c| c.comparison.expect)) {
            Some(Expect::Same) => Expect::Different,
            _ => Expect::Same,
        };
        if let Some(comparison) = &mut self.comparison {
            comparison.wanted = Some(other);
        }
        other
    }

    /// Compares again, if something has changed and it is time: at once what is small, in the
    /// background what is not.
    pub(in crate::tui) fn refresh_comparison(&mut self) {
        self.catch_up();
        let Some(of) = self.due_comparison() else { return };
        let (Some(a), Some(b)) = (self.compared(0), self.compared(1)) else { return };
        let earlier = self.earlier_calls();
        let all = [a, b].into_iter().chain(earlier.iter().flatten().copied());
        let much = all.map(|e| e.inspection.wire_len()).sum::<u64>() > AT_ONCE;
        let stop = Arc::new(AtomicBool::new(false));
        let earlier = earlier.map(|all| all.into_iter().map(Exchange::snapshot).collect());
        let sides = [a.snapshot(), b.snapshot()];
        let job = ComparisonJob { of, sides, earlier, stop: Arc::clone(&stop) };
        if !much {
            let computed = job.run(&|_| {});
            self.set_computed(computed);
            return;
        }
        if let Some(comparison) = &mut self.comparison {
            comparison.computing = Some(Computing { of, permille: 0, stop });
            self.command(ScreenCommand::Work(work::Job::Compare(Box::new(job))));
        }
    }

    /// Returns what is to be computed, if something has changed and it is time.
    fn due_comparison(&self) -> Option<ComparisonKey> {
        let comparison = self.comparison.as_ref()?;
        let (a, b) = (self.compared(0)?, self.compared(1)?);
        let state = |e: &Exchange| {
            let i = &e.inspection;
            (i.wire_len(), i.reads().len(), i.head.is_some(), e.is_over())
        };
        let (places, wanted) = (comparison.places, comparison.wanted);
        let apart = comparison.pair.as_ref().is_some_and(|p| p.apart);
        let key = ComparisonKey { places, states: [state(a), state(b)], wanted, apart };
        if let Some(computing) = &comparison.computing {
            // A new request of the user replaces the computation; data that arrived meanwhile has to wait for
            // it.
            return (!computing.of.asks_like(&key)).then_some(key);
        }
        let Some(computed) = &comparison.computed else { return Some(key) };
        let over = !a.is_running() && !b.is_running();
        let bytes = a.inspection.wire_len() + b.inspection.wire_len();
        let asked = !computed.of.asks_like(&key);
        let due = self.now >= comparison.computed_at + PAUSE * (1 + bytes / MUCH);
        (computed.of != key && (asked || over || due)).then_some(key)
    }

    /// Notes how far the comparison is that another thread computes, in thousandths.
    pub(in crate::tui) fn computing(&mut self, of: &ComparisonKey, done: u16) {
        let computing = self.comparison.as_mut().and_then(|c| c.computing.as_mut());
        if let Some(computing) = computing.filter(|c| c.of == *of) {
            computing.permille = done;
        }
    }

    /// Returns the progress of the comparison that is shown next, in thousandths, while another thread
    /// computes it.
    pub(in crate::tui) fn comparison_progress(&self) -> Option<u16> {
        Some(self.comparison.as_ref()?.computing.as_ref()?.permille)
    }

    /// Takes in what another thread computed; `None` when that was stopped.
    pub(in crate::tui) fn computed_aside(
        &mut self,
        of: &ComparisonKey,
        computed: Option<Computed>,
    ) {
        let Some(comparison) = &mut self.comparison else { return };
        if comparison.computing.take_if(|c| c.of == *of).is_some() {
            self.set_computed(computed);
        }
    }

    fn set_computed(&mut self, computed: Option<Computed>) {
        let now = self.now;
        if let (Some(comparison), Some(computed)) = (&mut self.comparison, computed) {
            comparison.computed = Some(computed);
            comparison.computed_at = now;
            comparison.revisions.1 += 1;
        }
    }

    /// The exchange that is A where nothing is sent.
    pub(in crate::tui) fn first_side(&self) -> Option<SideExchange> {
        let shown = self.exchange().map(|e| (e.id, e.live));
        self.comparison.as_ref().map(|c| c.places[0]).or(shown)
    }

    /// Sends the request in the editor, and the same with this body to this provider.
    pub(in crate::tui) fn send_both(&mut self, provider: &str, model: &str, body: Vec<u8>) {
        let a = self.request.to_send();
        let mut b = Draft { provider: provider.into(), model: model.into(), body, ..a.clone() };
        if provider != a.provider {
            (b.url, b.dialect) = (None, None);
            // A's key must not be sent to B.
            b.headers.retain(|(name, _)| !crate::journal::is_secret_name(name));
        }
        self.send_two(Effect::Compare(Box::new(DraftPair { drafts: [a, b], apart: false })));
    }

    /// Sends the request in the editor, and the same to this address.
    pub(in crate::tui) fn send_to_address(&mut self, url: &str) {
        let a = self.request.to_send();
        let mut b = Draft { url: Some(url.to_owned()), ..a.clone() };
        // A's key must not be sent to B.
        b.headers.retain(|(name, _)| !crate::journal::is_secret_name(name));
        self.send_two(Effect::Compare(Box::new(DraftPair { drafts: [a, b], apart: false })));
    }

    /// Sends the request in the editor, and the same with the body in this file.
    pub(in crate::tui) fn send_body_beside(&mut self, path: PathBuf) {
        let draft = Box::new(self.request.to_send());
        self.send_two(Effect::CompareWith { draft, path });
    }

    /// Sends the request in the editor, and another one of the session.
    pub(in crate::tui) fn send_beside(&mut self, other: &Draft) {
        let drafts = [self.request.to_send(), other.clone()];
        self.send_two(Effect::Compare(Box::new(DraftPair { drafts, apart: true })));
    }

    /// Sends the two of the comparison again.
    pub(in crate::tui) fn compare_again(&mut self) {
        match self.comparison.as_ref().and_then(|c| c.pair.clone()) {
            Some(pair) => self.send_two(Effect::Compare(pair)),
            None => self.notify("These two were recorded: nothing to send again"),
        }
    }

    fn send_two(&mut self, effect: Effect) {
        if self.is_running() {
            self.notify_error("A stream is running: stop it first");
            return;
        }
        self.sending = true;
        self.request.stop_typing();
        self.effect(effect);
    }

    /// Stops both sides.
    pub(in crate::tui) fn stop_both(&mut self) {
        for side in 0..2 {
            if let Some(id) = self.compared(side).filter(|e| e.is_running()).map(|e| e.id) {
                self.effect(Effect::Cancel(id));
            }
        }
    }

    /// Both were sent.
    pub(in crate::tui) fn comparing(&mut self, pair: Box<DraftPair>, ids: [ExchangeId; 2]) {
        for (id, draft) in ids.iter().zip(&pair.drafts) {
            self.drafts.keep(*id, draft);
        }
        self.compare(ids.map(|id| (id, true)), Some(pair));
    }

    /// The exchanges of a file join the session's.
    pub(in crate::tui) fn joined(&mut self, opened: Opened) {
        self.loading = None;
        let a = self.first_side();
        let (from, name) = (self.exchanges.len(), opened.name);
        self.join(opened.exchanges);
        for exchange in &mut self.exchanges[from..] {
            exchange.file = Some(preview(&name, 60));
        }
        let only = match &self.exchanges[from..] {
            [only] => Some((only.id, false)),
            _ => None,
        };
        match (a, only) {
            (Some(a), Some(only)) => self.compare([a, only], None),
            _ if self.exchanges.len() == from => {
                self.notify_error(&format!("{name} holds no exchange"));
            }
            _ => {
                self.notify(format!("{name} holds several exchanges: choose one"));
                compare::pick(self);
            }
        }
    }

    /// The two as they are compared, for a report.
    pub(in crate::tui) fn comparison_report(&self) -> Option<BugReport<'_>> {
        let (a, b) = (self.compared(0)?, self.compared(1)?);
        let found = &self.computed()?.comparison;
        let sides = [(a.id, &*a.inspection), (b.id, &*b.inspection)];
        Some(BugReport::Compared { sides, found, requests: self.compared_requests() })
    }
}
