//! `sselens tap --around`: each call of a client beside the calls that the gateway made for it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::inspect::compare::{Comparison, Difference, Expect, compare, compare_sides};
use crate::inspect::{Code, Inspection, Severity};
use crate::journal::{Entry, EntryKind, ExchangeId, Micros, Request};
use crate::report;
use crate::tap::pairing::{By, Pairing};
use crate::text;

/// On which side of the gateway a tap is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Between a client and the gateway.
    Client,
    /// Between the gateway and a provider.
    Upstream,
}

/// A call of a client.
#[derive(Default)]
struct Call {
    upstream: Vec<(ExchangeId, By)>,
    over: Option<Inspection>,
    /// When it was over.
    ended: Micros,
}

/// How late a tap may report what it saw, in microseconds: each reports on a separate thread.
const LATE: Micros = 500_000;

/// Both sides of a gateway.
#[derive(Default)]
pub(super) struct Around {
    pairing: Pairing,
    calls: BTreeMap<ExchangeId, Call>,
    /// Calls upstream whose client is not decided yet, in order of arrival. The two taps report on
    /// threads of their own, so that the call may be reported before the request that caused it.
    undecided: Vec<(ExchangeId, Option<Micros>, Request)>,
    /// Which client's call each call upstream is for.
    owner: BTreeMap<ExchangeId, Option<ExchangeId>>,
    upstream: BTreeMap<ExchangeId, Inspection>,
    /// What differed how often.
    pub(super) often: report::Pairs,
    pub(super) pairs: u32,
}

/// A call with everything that the gateway did for it, once all is over.
pub(super) struct Pair {
    pub(super) client: ExchangeId,
    upstream: Vec<ExchangeId>,
    by: By,
    comparison: Option<Comparison>,
    /// What the client received.
    pub(super) answer: Inspection,
    /// What each call upstream received.
    pub(super) tries: Vec<(ExchangeId, Inspection)>,
    /// One sentence: what the gateway did.
    pub(super) verdict: String,
}

impl Around {
    /// An entry of one side; requests decide who belongs to whom.
    pub(super) fn entry(&mut self, side: Side, entry: &Entry) {
        let x = entry.exchange;
        if side == Side::Client {
            self.decide(entry.at);
        }
        match (&entry.kind, side) {
            (EntryKind::Request(request), Side::Client) => {
                self.pairing.client(x, request);
                self.calls.insert(x, Call::default());
            }
            (EntryKind::Request(request), Side::Upstream) => {
                self.undecided.push((x, entry.at, (**request).clone()));
            }
            _ => {}
        }
    }

    /// Decides for whom the calls upstream are that began before `until`: the client's side is known
    /// as far as that. Without a time all are decided.
    fn decide(&mut self, until: Option<Micros>) {
        let later = |at: Option<Micros>| at.zip(until).is_some_and(|(at, until)| at > until);
        let all = std::mem::take(&mut self.undecided).into_iter();
        let (open, mut now): (Vec<_>, Vec<_>) = all.partition(|(_, at, _)| later(*at));
        self.undecided = open;
        now.sort_by_key(|(_, at, _)| *at);
        for (x, at, request) in now {
            // What began after the end of a client's call is not for that call.
            let over = self.calls.iter().filter(|(_, call)| call.over.is_some());
            for (client, _) in over.filter(|(_, call)| at.is_some_and(|at| at > call.ended)) {
                self.pairing.client_is_over(*client);
            }
            let found = self.pairing.upstream(&request);
            if let Some((client, by)) = found
                && let Some(call) = self.calls.get_mut(&client)
            {
                call.upstream.push((x, by));
            } else {
                // What nobody asked for (a look for models) is no part of a pair.
                self.upstream.remove(&x);
            }
            self.owner.insert(x, found.map(|(client, _)| client));
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
            // What nobody asked for (a look for models) is no part of a pair.
            Side::Upstream if self.owner.get(&x).is_some_and(Option::is_none) => {}
            Side::Upstream => drop(self.upstream.insert(x, seen)),
        }
    }

    /// Whether a call of a client waits for its pair.
    pub(super) fn waits(&self) -> bool {
        self.calls.values().any(|call| call.over.is_some())
    }

    /// The pairs that are complete at `now`: both sides are over, and the other tap has had the time
    /// to report what began before the end.
    pub(super) fn ready(&mut self, now: Micros) -> Vec<Pair> {
        let whole = |call: &Call| {
            call.over.is_some()
                && now >= call.ended.saturating_add(LATE)
                && call.upstream.iter().all(|(u, _)| self.upstream.contains_key(u))
        };
        let ready: Vec<_> =
            self.calls.iter().filter(|(_, call)| whole(call)).map(|(x, _)| *x).collect();
        if let Some(last) = ready.iter().map(|x| self.calls[x].ended).max() {
            self.decide(Some(last));
        }
        // What was decided just now may not be over.
        let ready: Vec<_> = ready
            .into_iter()
            .filter(|x| {
                let upstream = self.calls[x].upstream.iter();
                upstream.into_iter().all(|(u, _)| self.upstream.contains_key(u))
            })
            .collect();
        ready.into_iter().filter_map(|x| self.pair(x)).collect()
    }

    /// The pairs that never came to an end on both sides.
    pub(super) fn rest(&mut self) -> Vec<Pair> {
        self.decide(None);
        let open: Vec<_> =
            self.calls.iter().filter(|(_, c)| c.over.is_some()).map(|(x, _)| *x).collect();
        open.into_iter().filter_map(|x| self.pair(x)).collect()
    }

    fn pair(&mut self, client: ExchangeId) -> Option<Pair> {
        self.pairing.client_is_over(client);
        let call = self.calls.remove(&client)?;
        let answer = call.over?;
        let by = call.upstream.iter().map(|(_, by)| *by).min().unwrap_or(By::Time);
        let upstream: Vec<_> = call.upstream.iter().map(|(x, _)| *x).collect();
        let seen: Vec<_> = upstream
            .iter()
            .filter_map(|x| self.upstream.remove(x).map(|seen| (*x, seen)))
            .collect();
        for x in &upstream {
            self.owner.remove(x);
        }
        let mut comparison = seen.last().map(|(_, last)| {
            // A gateway has its own names for models: one stream is still expected.
            compare_sides(last, &answer)
        });
        let tries: Vec<_> = seen.iter().map(|(_, seen)| seen).collect();
        let verdict = verdict(&tries, &answer, comparison.as_ref());
        if let Some(c) = &mut comparison {
            retries(&tries, c);
            c.verdict.clone_from(&verdict);
            if let Some((last, _)) = seen.last() {
                self.often.add(*last, client, c);
            }
        }
        self.pairs += 1;
        Some(Pair { client, upstream, by, comparison, answer, tries: seen, verdict })
    }
}

impl Pair {
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
        for d in differences.filter(|d| d.severity > Severity::Info) {
            let message = text::preview(&d.message, 300);
            let _ = write!(out, "\n    {}  {}  {message}", d.severity.name(), d.code.name());
        }
        out
    }

    /// The worst difference.
    pub(super) fn worst(&self) -> Option<Severity> {
        self.comparison.as_ref().and_then(Comparison::worst)
    }
}

/// Status and words of a call that failed, or how it ended.
fn outcome(seen: &Inspection) -> String {
    let failed = seen.status().is_none_or(|s| s >= 300);
    let error = seen.answer().errors.first().map(|e| e.message.clone());
    let words = error.or_else(|| failed.then(|| words(seen.body())).flatten());
    let status = seen.status().map_or_else(
        || seen.reason().map_or("no answer", |r| r.name()).to_owned(),
        |s| s.to_string(),
    );
    match words {
        Some(words) => {
            let first = words.trim().lines().next().unwrap_or_default();
            format!("{status} \"{}\"", text::preview(first, 160))
        }
        None => status,
    }
}

/// What the body of a refusal says: the first detail of a list as FastAPI writes it, or all of it.
fn words(body: &[u8]) -> Option<String> {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let detail = json.as_ref().and_then(|j| j.get("detail"));
    if let Some(first) = detail.and_then(|d| d.get(0))
        && let Some(message) = first.get("msg").and_then(Value::as_str)
    {
        let place = first.get("loc").and_then(Value::as_array).into_iter().flatten();
        let place: Vec<_> =
            place.map(|p| p.as_str().map_or_else(|| p.to_string(), str::to_owned)).collect();
        return Some(match place.is_empty() {
            true => message.to_owned(),
            false => format!("{}: {message}", place.join(".")),
        });
    }
    if let Some(text) = detail.and_then(Value::as_str) {
        return Some(text.to_owned());
    }
    let body = String::from_utf8_lossy(body).into_owned();
    Some(body).filter(|b| !b.trim().is_empty())
}

fn times(n: usize) -> String {
    match n {
        1 => "once".into(),
        2 => "twice".into(),
        n => format!("{n} times"),
    }
}

/// What the gateway did, in one sentence.
fn verdict(tries: &[&Inspection], answer: &Inspection, c: Option<&Comparison>) -> String {
    let answered = format!("answered {}", outcome(answer));
    let (Some(first), Some(c)) = (tries.first(), c) else {
        return format!("The gateway sent nothing upstream and {answered}");
    };
    if tries.len() == 1 {
        return c.verdict.clone();
    }
    let body = |seen: &Inspection| seen.request.as_ref().map(|r| r.body.clone());
    let same = tries.iter().all(|t| body(t) == body(first));
    let what = if same { "the request" } else { "the request, changed in between," };
    // What came back: each outcome once, in order, with how often.
    let mut got: Vec<(String, usize)> = Vec::new();
    for seen in tries {
        let text = outcome(seen);
        match got.iter_mut().find(|(known, _)| *known == text) {
            Some((_, n)) => *n += 1,
            None => got.push((text, 1)),
        }
    }
    let got: Vec<_> = got
        .into_iter()
        .map(|(text, n)| match (n, text.split_once(' ')) {
            (1, _) => text,
            (n, Some((status, words))) => format!("{status} {} ({words})", times(n)),
            (n, None) => format!("{text} {}", times(n)),
        })
        .collect();
    format!(
        "The gateway sent {what} {}, got {}, and {answered}",
        times(tries.len()),
        got.join(", then ")
    )
}

/// Calls that the client knows nothing of.
fn retries(tries: &[&Inspection], c: &mut Comparison) {
    if tries.len() < 2 {
        return;
    }
    let known = |c: &Comparison, code| c.differences.iter().any(|d| d.code == code);
    if !known(c, Code::GwRetryHidden) {
        let code = Code::GwRetryHidden;
        let clause = format!(
            "the gateway called upstream {} for one call of the client",
            times(tries.len())
        );
        let calls = format!("{} calls", tries.len());
        c.add(Difference::new(code, code.severity(), calls, "1 call", clause));
    }
    for pair in tries.windows(2) {
        let between = compare(pair[0], pair[1], Expect::Same);
        let again =
            between.differences.into_iter().find(|d| d.code == Code::DuplicateRequestAfter422);
        if let Some(again) = again.filter(|_| !known(c, Code::DuplicateRequestAfter422)) {
            c.add(again);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::EndCause;

    fn request(exchange: ExchangeId, at: Micros, body: &str) -> Entry {
        let body = body.as_bytes().to_vec().into();
        let request = Request { method: "POST".into(), body, ..Request::default() };
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
        let pairs = |pairs: Vec<Pair>| -> Vec<(ExchangeId, Vec<ExchangeId>)> {
            pairs.into_iter().map(|p| (p.client, p.upstream)).collect()
        };
        around.entry(Side::Client, &request(0, 10, first));
        around.entry(Side::Upstream, &request(1, 20, first));
        around.over(Side::Upstream, 1, Some(30), seen());
        // The tap for the gateway is ahead: this belongs to a request that is not reported yet.
        around.entry(Side::Upstream, &request(2, 60, second));
        around.entry(Side::Client, &end(0, 40));
        around.over(Side::Client, 0, Some(40), seen());
        assert!(around.ready(50).is_empty(), "something may be reported late");
        // It is behind: a second try for the first call, which was over already.
        around.entry(Side::Upstream, &request(4, 35, first));
        around.over(Side::Upstream, 4, Some(38), seen());
        around.entry(Side::Client, &request(3, 50, second));
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
            around.entry(Side::Client, &request(client, at + 10, body));
            around.entry(Side::Upstream, &request(upstream, at + 20, body));
            around.over(Side::Upstream, upstream, Some(at + 30), seen());
            around.entry(Side::Client, &end(client, at + 40));
            around.over(Side::Client, client, Some(at + 40), seen());
        }
        let pairs = around.ready(1_000 + LATE);
        let pairs: Vec<_> = pairs.into_iter().map(|p| (p.client, p.upstream)).collect();
        assert_eq!(pairs, [(0, vec![1]), (2, vec![3]), (4, vec![5]), (6, vec![7])]);
    }
}
