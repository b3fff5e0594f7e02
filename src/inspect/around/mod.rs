//! Both sides of a gateway: which calls it made for which call of a client, and what it made of them.

mod pairing;

pub use pairing::{Decided, LATE, PairedBy, Pairing, Pairs};

use serde_json::Value;

use super::compare::{Comparison, Difference, Expect, compare, compare_sides};
use super::{Code, Inspection};
use crate::text;

/// Compares what a client received with what the last call upstream received. The verdict and the differences
/// are about all `tries`. `None` where the gateway made no call upstream.
pub fn compare_around(tries: &[&Inspection], answer: &Inspection) -> Option<Comparison> {
    // A gateway has its own names for models: expect one stream even if the names differ.
    let mut comparison = compare_sides(tries.last()?, answer);
    let verdict = verdict(tries, answer, Some(&comparison));
    retries(tries, &mut comparison);
    comparison.verdict = verdict;
    Some(comparison)
}

/// Returns what the gateway did where it made no call upstream, in one sentence.
pub fn called_nobody(answer: &Inspection) -> String {
    verdict(&[], answer, None)
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

/// Returns what the body of a refusal says: the first detail of a list as FastAPI writes it, or all of it.
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

/// Returns what the gateway did, in one sentence.
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
    // The results: each outcome once, in order, with how often it occurred.
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
