//! `sselens tap --around`: each call of a client beside the calls that the gateway made for it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::inspect::around::{Decided, LATE, PairedBy, Pairing, called_nobody, compare_around};
use crate::inspect::compare::Comparison;
use crate::inspect::{Inspection, Severity};
use crate::journal::{Entry, EntryKind, ExchangeId, Micros, Side};
use crate::report;
use crate::text;

/// A call of a client.
#[derive(Default)]
struct GatewayCall {
    upstream: Vec<(ExchangeId, PairedBy)>,
    over: Option<Inspection>,
    /// Time at which it was over.
    ended: Micros,
}

/// Both sides of a gateway.
#[derive(Default)]
pub(super) struct Around {
    pairing: Pairing,
    calls: BTreeMap<ExchangeId, GatewayCall>,
    /// The client's call that each call upstream is for.
    owner: BTreeMap<ExchangeId, Option<ExchangeId>>,
    upstream: BTreeMap<ExchangeId, Inspection>,
    /// The differences, and how often each occurred.
    pub(super) often: report::PairTally,
    pub(super) pairs: u32,
}

/// A call with everything that the gateway did for it, once all is over.
pub(super) struct GatewayPair {
    pub(super) client: ExchangeId,
    upstream: Vec<ExchangeId>,
    by: PairedBy,
    comparison: Option<Comparison>,
    /// Answer that the client received.
    pub(super) answer: Inspection,
    /// Answer that each call upstream received.
    pub(super) tries: Vec<(ExchangeId, Inspection)>,
    /// One sentence: what the gateway did.
    pub(super) verdict: String,
}

impl Around {
    /// An entry of one side; requests decide who belongs to whom.
    pub(super) fn entry(&mut self, side: Side, entry: &Entry) {
        if side == Side::Client {
            self.decide(entry.at);
            if matches!(entry.kind, EntryKind::Request(_)) {
                self.calls.insert(entry.exchange, GatewayCall::default());
            }
        }
        self.pairing.entry(entry);
    }

    /// Decides for whom the calls upstream are that began before `until`.
    fn decide(&mut self, until: Option<Micros>) {
        for Decided { upstream, client } in self.pairing.decide(until) {
            let call = client.and_then(|(x, by)| Some((self.calls.get_mut(&x)?, by)));
            if let Some((call, by)) = call {
                call.upstream.push((upstream, by));
            } else {
                // A call that no client asked for (listing the models) is not part of a pair.
                self.upstream.remove(&upstream);
            }
            self.owner.insert(upstream, client.map(|(x, _)| x));
        }
    }

    /// An exchange was over at `at`.
    pub(super) fn over(&mut self, side: Side, x: ExchangeId, at: Option<Micros>, seen: Inspection) {
        match side {
            Side::Client => {
                let call = self.calls.entry(x).or_default();
                call.over = Some(seen);
                call.ended = at.unwrap_or(0);
            }
            // A call that no client asked for (listing the models) is not part of a pair.
            Side::Upstream if self.owner.get(&x).is_some_and(Option::is_none) => {}
            Side::Upstream => drop(self.upstream.insert(x, seen)),
        }
    }

    /// Returns whether a call of a client waits for its pair.
    pub(super) fn waits(&self) -> bool {
        self.calls.values().any(|call| call.over.is_some())
    }

    /// The pairs that are complete when the tap of the gateway's calls has reported until `until`: both sides are over,
    /// and what the gateway began for a call, or shortly after it, is known.
    pub(super) fn ready(&mut self, until: Micros) -> Vec<GatewayPair> {
        let whole = |call: &GatewayCall| {
            call.over.is_some()
                && until >= call.ended.saturating_add(LATE)
                && call.upstream.iter().all(|(u, _)| self.upstream.contains_key(u))
        };
        let ready: Vec<_> =
            self.calls.iter().filter(|(_, call)| whole(call)).map(|(x, _)| *x).collect();
        if let Some(last) = ready.iter().map(|x| self.calls[x].ended).max() {
            self.decide(Some(last));
        }
        // Calls that were decided just now may still be running.
        let ready: Vec<_> = ready
            .into_iter()
            .filter(|x| {
                let upstream = self.calls[x].upstream.iter();
                upstream.into_iter().all(|(u, _)| self.upstream.contains_key(u))
            })
            .collect();
        ready.into_iter().filter_map(|x| self.pair(x)).collect()
    }

    /// Returns the pairs that never ended on both sides.
    pub(super) fn rest(&mut self) -> Vec<GatewayPair> {
        self.decide(None);
        let open: Vec<_> =
            self.calls.iter().filter(|(_, c)| c.over.is_some()).map(|(x, _)| *x).collect();
        open.into_iter().filter_map(|x| self.pair(x)).collect()
    }

    fn pair(&mut self, client: ExchangeId) -> Option<GatewayPair> {
        let call = self.calls.remove(&client)?;
        let answer = call.over?;
        let by = call.upstream.iter().map(|(_, by)| *by).min().unwrap_or(PairedBy::Time);
        let upstream: Vec<_> = call.upstream.iter().map(|(x, _)| *x).collect();
        let seen: Vec<_> = upstream
            .iter()
            .filter_map(|x| self.upstream.remove(x).map(|seen| (*x, seen)))
            .collect();
        for x in &upstream {
            self.owner.remove(x);
        }
        let tries: Vec<_> = seen.iter().map(|(_, seen)| seen).collect();
        let comparison = compare_around(&tries, &answer);
        if let (Some(c), Some((last, _))) = (&comparison, seen.last()) {
            self.often.add(*last, client, c);
        }
        let verdict = match &comparison {
            Some(comparison) => comparison.verdict.clone(),
            None => called_nobody(&answer),
        };
        self.pairs += 1;
        Some(GatewayPair { client, upstream, by, comparison, answer, tries: seen, verdict })
    }
}

impl GatewayPair {
    /// The lines for scripts.
    pub(super) fn lines(&self) -> Vec<Value> {
        let mut lines = vec![json!({
            "type": "pair", "client": self.client, "upstream": self.upstream,
            "by": self.by.name(), "verdict": self.verdict,
        })];
        if let (Some(c), Some(last)) = (&self.comparison, self.upstream.last()) {
            lines.extend(report::compare_findings(c));
            lines.push(report::comparison(*last, self.client, c));
        }
        lines
    }

    /// The pair in one line, and one for each difference above info.
    pub(super) fn text(&self) -> String {
        let mut out = match self.upstream.is_empty() {
            true => format!("#{} → nothing upstream", self.client),
            false => {
                let list: Vec<_> = self.upstream.iter().map(|x| format!("#{x}")).collect();
                format!("#{} → {} (by {})", self.client, list.join(", "), self.by.name())
            }
        };
        // Writing to memory does not fail.
        let _ = write!(out, "  {}", self.verdict);
        let differences = self.comparison.iter().flat_map(|c| &c.differences);
        let differences: Vec<_> = differences.filter(|d| d.severity > Severity::Info).collect();
        let mut sentences = differences.iter().map(|d| &d.message).chain([&self.verdict]);
        if let Some(last) = self.upstream.last().filter(|_| sentences.any(|s| names_a_side(s))) {
            let _ = write!(
                out,
                "\n    A is #{last}, the call upstream; B is #{}, the client's call",
                self.client
            );
        }
        for d in differences {
            let message = text::preview(&d.message, 300);
            let _ = write!(out, "\n    {}  {}  {message}", d.severity.name(), d.code.name());
        }
        if let Some(blame) = self.comparison.as_ref().and_then(|c| c.blame.as_ref()) {
            let _ = write!(out, "\n    blame  {}", blame.line());
        }
        out
    }

    /// The worst difference.
    pub(super) fn worst(&self) -> Option<Severity> {
        self.comparison.as_ref().and_then(Comparison::worst)
    }
}

/// Returns whether a sentence speaks of `A` or `B`.
fn names_a_side(sentence: &str) -> bool {
    let mut words = sentence.split(|c: char| !c.is_ascii_alphanumeric());
    words.any(|word| matches!(word, "A" | "B"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{EndCause, Request};

    fn request(side: Side, exchange: ExchangeId, at: Micros, body: &str) -> Entry {
        let (body, side) = (body.as_bytes().to_vec().into(), Some(side));
        let request = Request { method: "POST".into(), body, side, ..Request::default() };
        Entry { exchange, at: Some(at), kind: EntryKind::Request(Box::new(request)) }
    }

    fn end(exchange: ExchangeId, at: Micros) -> Entry {
        let kind = EntryKind::End { cause: EndCause::Complete, detail: String::new() };
        Entry { exchange, at: Some(at), kind }
    }

    #[test]
    fn calls_are_paired_by_when_they_happened_whichever_tap_reports_first() {
        let (first, second) = ("{\"model\":\"a\",\"n\":1}", "{\"model\":\"b\",\"n\":2}");
        let mut around = Around::default();
        let seen = || Inspection::new(std::sync::Arc::default());
        let pairs = |pairs: Vec<GatewayPair>| -> Vec<(ExchangeId, Vec<ExchangeId>)> {
            pairs.into_iter().map(|p| (p.client, p.upstream)).collect()
        };
        around.entry(Side::Client, &request(Side::Client, 0, 10, first));
        around.entry(Side::Upstream, &request(Side::Upstream, 1, 20, first));
        around.over(Side::Upstream, 1, Some(30), seen());
        // The tap for the gateway is ahead: this belongs to a request that is not reported yet.
        around.entry(Side::Upstream, &request(Side::Upstream, 2, 60, second));
        around.entry(Side::Client, &end(0, 40));
        around.over(Side::Client, 0, Some(40), seen());
        assert!(around.ready(50).is_empty(), "something may be reported late");
        // It is behind: a second try for the first call, which had already ended.
        around.entry(Side::Upstream, &request(Side::Upstream, 4, 35, first));
        around.over(Side::Upstream, 4, Some(38), seen());
        around.entry(Side::Client, &request(Side::Client, 3, 50, second));
        around.over(Side::Upstream, 2, Some(70), seen());
        around.over(Side::Client, 3, Some(80), seen());
        assert_eq!(pairs(around.ready(80 + LATE)), [(0, vec![1, 4]), (3, vec![2])]);
        assert!(!around.waits());
    }

    #[test]
    fn equal_calls_one_after_the_other_are_not_mixed() {
        let body = "{\"model\":\"a\"}";
        let mut around = Around::default();
        let seen = || Inspection::new(std::sync::Arc::default());
        for n in 0..4 {
            let (client, upstream, at) = (2 * n, 2 * n + 1, 100 * u64::from(n));
            around.entry(Side::Client, &request(Side::Client, client, at + 10, body));
            around.entry(Side::Upstream, &request(Side::Upstream, upstream, at + 20, body));
            around.over(Side::Upstream, upstream, Some(at + 30), seen());
            around.entry(Side::Client, &end(client, at + 40));
            around.over(Side::Client, client, Some(at + 40), seen());
        }
        let pairs = around.ready(1_000 + LATE);
        let pairs: Vec<_> = pairs.into_iter().map(|p| (p.client, p.upstream)).collect();
        assert_eq!(pairs, [(0, vec![1]), (2, vec![3]), (4, vec![5]), (6, vec![7])]);
    }
}
