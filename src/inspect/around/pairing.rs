//! Matches calls of a gateway to the client calls that they were made for.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bytes::Bytes;
use serde_json::Value;

use crate::dialect::request::user_text::prompt_of;
use crate::journal::{Entry, EntryKind, ExchangeId, Micros, Request, Side};

/// Headers that name a call wherever it goes.
const IDS: &[&str] = &[
    "traceparent",
    "x-request-id",
    "x-correlation-id",
    "x-client-request-id",
    "request-id",
    "idempotency-key",
    "x-litellm-call-id",
];

/// The time after the end of a client's call for which calls upstream may still be found for it, in microseconds:
/// the taps of both sides report on separate threads, and a gateway may go on after its answer.
pub const LATE: Micros = 500_000;

/// By what a pair was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum PairedBy {
    /// It was one of several calls that were open; nothing in them says which.
    #[strum(serialize = "time (several were open)")]
    OneOfOpen,
    /// No other call of a client was open.
    Time,
    /// The prompt is the same; so is that of other calls that were open.
    #[strum(serialize = "body (several alike)")]
    OneOfAlike,
    /// The prompt is the same, and it was open.
    Body,
    /// A header names the same call.
    Id,
}

impl PairedBy {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The features that distinguish one call from another.
#[derive(Debug, Clone, Default)]
struct Fingerprint {
    prompt: Option<String>,
    ids: Vec<String>,
    body: Bytes,
}

impl Fingerprint {
    fn of(request: &Request) -> Self {
        let ids = request
            .headers
            .iter()
            .filter(|(k, v)| IDS.iter().any(|id| k.eq_ignore_ascii_case(id)) && v.len() >= 8)
            // Two masked values cannot be compared.
            .filter(|(_, v)| !v.contains("***"));
        // Only the trace id of a trace header is passed on; each call has its own span.
        let id = |v: &String| match v.split('-').collect::<Vec<_>>()[..] {
            ["00", trace, _, _] => trace.to_owned(),
            _ => v.clone(),
        };
        let ids = ids.map(|(_, v)| id(v)).collect();
        Self { prompt: prompt_of(&request.body), ids, body: request.body.clone() }
    }

    /// The fields at the top of the body, each with its value, as numbers.
    fn fields(&self) -> Vec<u64> {
        let body: Option<Value> = serde_json::from_slice(&self.body).ok();
        let fields = body.as_ref().and_then(Value::as_object).into_iter().flatten();
        let hash = |field: (&String, &Value)| {
            let mut hasher = DefaultHasher::new();
            (field.0, field.1.to_string()).hash(&mut hasher);
            hasher.finish()
        };
        fields.map(hash).collect()
    }
}

/// A call of a client.
#[derive(Debug)]
struct ClientCall {
    print: Fingerprint,
    began: Option<Micros>,
    ended: Option<Micros>,
    upstream: Vec<ExchangeId>,
}

impl ClientCall {
    /// Returns whether it was in progress at that time.
    fn is_open(&self, at: Option<Micros>) -> bool {
        let Some(at) = at else { return true };
        self.began.is_none_or(|began| began <= at) && self.ended.is_none_or(|ended| at <= ended)
    }
}

/// A call upstream for which it is not decided yet who caused it.
#[derive(Debug)]
struct Undecided {
    x: ExchangeId,
    began: Option<Micros>,
    print: Fingerprint,
}

/// For whom a call upstream was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// The call upstream.
    pub upstream: ExchangeId,
    /// The client's call and by what that was found; `None` where no client asked for it (a look for models).
    pub client: Option<(ExchangeId, PairedBy)>,
}

/// The calls of clients, and what they caused, out of the entries of both sides.
#[derive(Debug, Default)]
pub struct Pairing {
    /// Calls of clients that may still cause something.
    calls: BTreeMap<ExchangeId, ClientCall>,
    /// In order of arrival. The sides report separately, so that a call upstream may be reported before
    /// the request that caused it.
    undecided: Vec<Undecided>,
    /// End times of calls upstream, for the calls at hand.
    ends: BTreeMap<ExchangeId, Micros>,
    /// Calls upstream that run.
    running: std::collections::BTreeSet<ExchangeId>,
}

impl Pairing {
    /// Takes in an entry of either side; only requests and ends have an effect.
    pub fn entry(&mut self, entry: &Entry) {
        let (x, at) = (entry.exchange, entry.at);
        match &entry.kind {
            EntryKind::Request(request) => {
                let print = || Fingerprint::of(request);
                match request.side {
                    Some(Side::Client) => {
                        let (print, upstream) = (print(), Vec::new());
                        let call = ClientCall { print, began: at, ended: None, upstream };
                        self.calls.insert(x, call);
                    }
                    Some(Side::Upstream) => {
                        self.running.insert(x);
                        self.undecided.push(Undecided { x, began: at, print: print() });
                    }
                    None => {}
                }
            }
            EntryKind::End { .. } => {
                if let Some(call) = self.calls.get_mut(&x) {
                    call.ended = at;
                } else if self.running.remove(&x)
                    && let Some(at) = at
                {
                    self.ends.insert(x, at);
                }
            }
            _ => {}
        }
    }

    /// Returns whether the cause of some call upstream is still undecided.
    pub fn waits(&self) -> bool {
        !self.undecided.is_empty()
    }

    /// Decides for whom the calls upstream are that began before `until`: the clients' side is known
    /// as far as that. Without a time all are decided.
    pub fn decide(&mut self, until: Option<Micros>) -> Vec<Decided> {
        let later = |at: Option<Micros>| at.zip(until).is_some_and(|(at, until)| at > until);
        let all = std::mem::take(&mut self.undecided);
        let (open, mut now): (Vec<_>, Vec<_>) = all.into_iter().partition(|u| later(u.began));
        self.undecided = open;
        now.sort_by_key(|u| u.began);
        let decided = now.into_iter().map(|u| {
            let client = self.find(&u);
            if let Some(call) = client.and_then(|(x, _)| self.calls.get_mut(&x)) {
                call.upstream.push(u.x);
            }
            Decided { upstream: u.x, client }
        });
        let decided = decided.collect();
        if let Some(until) = until {
            self.forget(until);
        }
        decided
    }

    /// Drops calls that were over long before, which cause nothing anymore.
    fn forget(&mut self, until: Micros) {
        let is_over = |c: &ClientCall| c.ended.is_some_and(|e| e.saturating_add(LATE) < until);
        let ends = &mut self.ends;
        self.calls.retain(|_, call| {
            let over = is_over(call);
            if over {
                for x in &call.upstream {
                    ends.remove(x);
                }
            }
            !over
        });
    }

    /// Returns the call that caused a call upstream, and how that is known.
    fn find(&self, u: &Undecided) -> Option<(ExchangeId, PairedBy)> {
        let open: Vec<_> = self.calls.iter().filter(|(_, call)| call.is_open(u.began)).collect();
        let by = |print: &Fingerprint| {
            if print.ids.iter().any(|id| u.print.ids.contains(id)) {
                PairedBy::Id
            } else if u.print.prompt.is_some() && u.print.prompt == print.prompt {
                PairedBy::Body
            } else if open.len() == 1 {
                PairedBy::Time
            } else {
                PairedBy::OneOfOpen
            }
        };
        let all: Vec<_> = open.iter().map(|(x, call)| (**x, *call, by(&call.print))).collect();
        let best = all.iter().map(|(.., by)| *by).max()?;
        let mut alike: Vec<_> = all.into_iter().filter(|(.., by)| *by == best).collect();
        if alike.len() > 1 && best != PairedBy::Id {
            // Of several calls with the same prompt, choose the one with most other fields in common.
            let own = u.print.fields();
            let common = |call: &ClientCall| {
                call.print.fields().iter().filter(|field| own.contains(field)).count()
            };
            let counted: Vec<_> = alike.iter().map(|(_, call, _)| common(call)).collect();
            let most = counted.iter().max().copied().unwrap_or(0);
            let mut counted = counted.into_iter();
            alike.retain(|_| counted.next() == Some(most));
        }
        let (x, ..) = alike.iter().min_by_key(|(x, call, _)| self.turn(*x, call, u.began))?;
        let by = match best {
            PairedBy::Body if alike.len() > 1 => PairedBy::OneOfAlike,
            by => by,
        };
        Some((*x, by))
    }

    /// Returns the rank of a call among those that nothing distinguishes: the first of those without a call
    /// upstream, then the one whose last call upstream ended most recently, then the newest.
    fn turn(&self, x: ExchangeId, call: &ClientCall, at: Option<Micros>) -> (u8, u64) {
        let Some(last) = call.upstream.last() else { return (0, u64::from(x)) };
        match (self.ends.get(last), at) {
            (Some(ended), Some(at)) if *ended <= at => (1, u64::MAX - ended),
            _ => (2, u64::from(u32::MAX - x)),
        }
    }
}

/// The pairs of a session, as far as they are decided.
#[derive(Debug, Default)]
pub struct Pairs {
    pairing: Pairing,
    owners: BTreeMap<ExchangeId, (ExchangeId, PairedBy)>,
    upstream: BTreeMap<ExchangeId, Vec<ExchangeId>>,
}

impl Pairs {
    /// The pairs of a recording.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let mut pairs = Self::default();
        for entry in entries {
            pairs.entry(entry);
        }
        pairs.settle(None);
        pairs
    }

    /// Takes in an entry; those of exchanges on no side of a gateway change nothing.
    pub fn entry(&mut self, entry: &Entry) {
        let is_new_call = match &entry.kind {
            EntryKind::Request(request) => request.side == Some(Side::Client),
            EntryKind::End { .. } => false,
            _ => return,
        };
        // Upstream calls that began before this client call do not belong to it, and everything else about
        // them is known.
        if is_new_call {
            self.settle(Some(entry.at.unwrap_or(0)));
        }
        self.pairing.entry(entry);
    }

    /// Decides what began before `until`, or all.
    pub fn settle(&mut self, until: Option<Micros>) {
        for Decided { upstream, client } in self.pairing.decide(until) {
            if let Some((client, by)) = client {
                self.owners.insert(upstream, (client, by));
                self.upstream.entry(client).or_default().push(upstream);
            }
        }
    }

    /// Returns whether something is still undecided.
    pub fn waits(&self) -> bool {
        self.pairing.waits()
    }

    /// Returns whether nothing is paired.
    pub fn is_empty(&self) -> bool {
        self.owners.is_empty()
    }

    /// The client's call for which a call upstream was made, and by what that was found.
    pub fn owner(&self, upstream: ExchangeId) -> Option<(ExchangeId, PairedBy)> {
        self.owners.get(&upstream).copied()
    }

    /// The calls upstream that were made for a client's call, in order.
    pub fn upstream(&self, client: ExchangeId) -> &[ExchangeId] {
        self.upstream.get(&client).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
#[path = "pairing_tests.rs"]
mod tests;
