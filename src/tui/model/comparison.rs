//! A comparison: which exchanges, what was sent for it, and what they differ in.
//!
//! What is compared is computed when entries have arrived, and while a stream runs not more often
//! than [`PAUSE`] allows.

use std::path::PathBuf;

use super::{Exchange, Model};
use crate::action::{Draft, Effect, Opened, Pair};
use crate::inspect::compare::Expect;
use crate::journal::{ExchangeId, Micros};
use crate::text::preview;
use crate::tui::Report;
use crate::tui::compare::{self, Computed, Key};
use crate::tui::screen::Command;

/// The shortest time between two computations while a stream runs, for each [`MUCH`] bytes begun.
const PAUSE: Micros = 250_000;
const MUCH: u64 = 4 << 20;

/// Which exchange stands on a side: its number, and whether it came from the network.
pub(in crate::tui) type Place = (ExchangeId, bool);

/// A and B.
#[derive(Debug)]
pub(in crate::tui) struct Comparison {
    places: [Place; 2],
    /// What was sent, so that it can be sent again.
    pair: Option<Box<Pair>>,
    /// What the requests of these two differ in.
    requests: Option<([Place; 2], Option<String>)>,
    /// What the user expects; else it is guessed.
    wanted: Option<Expect>,
    computed: Option<Computed>,
    computed_at: Micros,
    /// Which comparison of this run it is, and how often it was computed.
    revisions: (u64, u64),
    /// The same was sent before.
    again: bool,
}

/// What a screen has to know to notice that a comparison is another one.
#[derive(Debug, Clone, Copy)]
pub(in crate::tui) struct State {
    /// Which comparison of this run it is, and how often it was computed.
    pub revisions: (u64, u64),
    /// The same was sent before.
    pub again: bool,
    /// Both sides are over.
    pub over: bool,
}

impl Model {
    /// Compares two exchanges.
    pub(in crate::tui) fn compare(&mut self, places: [Place; 2], pair: Option<Box<Pair>>) {
        let before = self.comparison.take();
        let number = before.as_ref().map_or(self.comparisons, |b| b.revisions.0) + 1;
        self.comparisons = number;
        let again = before.as_ref().is_some_and(|b| pair.is_some() && b.pair == pair);
        self.comparison = Some(Comparison {
            places,
            pair,
            requests: None,
            wanted: before.filter(|_| again).and_then(|b| b.wanted),
            computed: None,
            computed_at: 0,
            revisions: (number, 0),
            again,
        });
        self.command(Command::ShowComparison);
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

    /// What the two differ in, once it was computed.
    pub(in crate::tui) fn computed(&self) -> Option<&Computed> {
        self.comparison.as_ref()?.computed.as_ref()
    }

    /// What the requests of the two differ in, where they are two.
    pub(in crate::tui) fn compared_requests(&self) -> Option<&str> {
        self.comparison.as_ref()?.requests.as_ref()?.1.as_deref()
    }

    pub(in crate::tui) fn comparison_state(&self) -> Option<State> {
        let comparison = self.comparison.as_ref()?;
        let (revisions, again) = (comparison.revisions, comparison.again);
        let both = [self.compared(0), self.compared(1)];
        let over = both.iter().all(|e| e.is_some_and(|e| !e.is_running()));
        Some(State { revisions, again, over })
    }

    /// Whether a side can still change.
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
        let other = match self.computed().map(|c| c.comparison.expect) {
            Some(Expect::Same) => Expect::Different,
            _ => Expect::Same,
        };
        if let Some(comparison) = &mut self.comparison {
            comparison.wanted = Some(other);
        }
        other
    }

    /// Compares again, if something has changed and it is time.
    pub(in crate::tui) fn refresh_comparison(&mut self) {
        let (Some(comparison), Some(a), Some(b)) =
            (&self.comparison, self.compared(0), self.compared(1))
        else {
            return;
        };
        let state = |e: &Exchange| {
            let i = &e.inspection;
            (i.wire_len(), i.reads().len(), i.head.is_some(), i.is_over())
        };
        // Two requests have two answers, whatever model gives them.
        let apart = comparison.pair.as_ref().is_some_and(|p| p.apart);
        let guess = || match apart {
            true => Expect::Different,
            false => Expect::guess(&a.inspection, &b.inspection),
        };
        let expect = comparison.wanted.unwrap_or_else(guess);
        let key = Key { places: comparison.places, states: [state(a), state(b)], expect };
        if let Some(computed) = &comparison.computed {
            let over = !a.is_running() && !b.is_running();
            let bytes = a.inspection.wire_len() + b.inspection.wire_len();
            let asked = (computed.of.places, computed.of.expect) != (key.places, key.expect);
            let due = self.now >= comparison.computed_at + PAUSE * (1 + bytes / MUCH);
            if computed.of == key || !(asked || over || due) {
                return;
            }
        }
        let computed = Computed::new(key, a, b);
        // Long bodies are looked through once, not with each piece of an answer.
        let known = comparison.requests.as_ref().is_some_and(|r| r.0 == key.places);
        let requests = (!known).then(|| compare::differing_requests(a, b, apart));
        let now = self.now;
        if let Some(comparison) = &mut self.comparison {
            if let Some(requests) = requests {
                comparison.requests = Some((key.places, requests));
            }
            comparison.computed = Some(computed);
            comparison.computed_at = now;
            comparison.revisions.1 += 1;
        }
    }

    /// The exchange that is A where nothing is sent.
    pub(in crate::tui) fn first_side(&self) -> Option<Place> {
        let shown = self.exchange().map(|e| (e.id, e.live));
        self.comparison.as_ref().map(|c| c.places[0]).or(shown)
    }

    /// Sends the request in the editor, and the same with this body to this provider.
    pub(in crate::tui) fn send_both(&mut self, provider: &str, model: &str, body: Vec<u8>) {
        let a = self.request.to_send();
        let mut b = Draft { provider: provider.into(), model: model.into(), body, ..a.clone() };
        if provider != a.provider {
            (b.url, b.dialect) = (None, None);
            // A's key is no business of B's.
            b.headers.retain(|(name, _)| !crate::journal::is_secret_name(name));
        }
        self.send_two(Effect::Compare(Box::new(Pair { drafts: [a, b], apart: false })));
    }

    /// Sends the request in the editor, and the same with the body in this file.
    pub(in crate::tui) fn send_body_beside(&mut self, path: PathBuf) {
        let draft = Box::new(self.request.to_send());
        self.send_two(Effect::CompareWith { draft, path });
    }

    /// Sends the request in the editor, and another one of the session.
    pub(in crate::tui) fn send_beside(&mut self, other: &Draft) {
        let drafts = [self.request.to_send(), other.clone()];
        self.send_two(Effect::Compare(Box::new(Pair { drafts, apart: true })));
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
    pub(in crate::tui) fn comparing(&mut self, pair: Box<Pair>, ids: [ExchangeId; 2]) {
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
    pub(in crate::tui) fn comparison_report(&self) -> Option<Report<'_>> {
        let (a, b) = (self.compared(0)?, self.compared(1)?);
        let found = &self.computed()?.comparison;
        let sides = [(a.id, &a.inspection), (b.id, &b.inspection)];
        Some(Report::Compared { sides, found, requests: self.compared_requests() })
    }
}
