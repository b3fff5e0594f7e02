use super::*;
use crate::journal::EndCause;

fn request(x: ExchangeId, at: Micros, side: Side, body: &str, headers: &[(&str, &str)]) -> Entry {
    let request = Request {
        body: body.as_bytes().to_vec().into(),
        headers: headers.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
        side: Some(side),
        ..Request::default()
    };
    Entry { exchange: x, at: Some(at), kind: EntryKind::Request(Box::new(request)) }
}

fn prompt(prompt: &str) -> String {
    serde_json::json!({"messages": [{"role": "user", "content": prompt}]}).to_string()
}

fn end(x: ExchangeId, at: Micros) -> Entry {
    let kind = EntryKind::End { cause: EndCause::Complete, detail: String::new() };
    Entry { exchange: x, at: Some(at), kind }
}

/// Returns the call that caused the call upstream `x` at that time.
fn found(
    pairing: &mut Pairing,
    x: ExchangeId,
    at: Micros,
    body: &str,
    headers: &[(&str, &str)],
) -> Option<(ExchangeId, PairedBy)> {
    pairing.entry(&request(x, at, Side::Upstream, body, headers));
    pairing.decide(Some(at))[0].client
}

#[test]
fn ids_come_before_bodies_and_these_before_time() {
    let client = Side::Client;
    let mut pairing = Pairing::default();
    let (a, b, z) = (&*prompt("a"), &*prompt("b"), &*prompt("z"));
    assert_eq!(found(&mut pairing, 90, 1, a, &[]), None);
    pairing.entry(&request(1, 10, client, a, &[("traceparent", "00-aaaaaaaaaa-bb-01")]));
    assert_eq!(found(&mut pairing, 91, 11, z, &[]), Some((1, PairedBy::Time)));
    pairing.entry(&request(2, 20, client, b, &[]));
    assert_eq!(found(&mut pairing, 92, 21, b, &[]), Some((2, PairedBy::Body)));
    pairing.entry(&request(4, 30, client, b, &[]));
    assert_eq!(found(&mut pairing, 93, 31, z, &[]), Some((4, PairedBy::OneOfOpen)));
    assert_eq!(found(&mut pairing, 94, 32, a, &[]), Some((1, PairedBy::Body)));
    let trace = &[("traceparent", "00-aaaaaaaaaa-cc-01")];
    assert_eq!(found(&mut pairing, 95, 33, b, trace), Some((1, PairedBy::Id)));
    pairing.entry(&end(1, 40));
    pairing.entry(&end(2, 40));
    assert_eq!(found(&mut pairing, 96, 41, b, trace), Some((4, PairedBy::Body)));
}

#[test]
fn masked_ids_name_nobody() {
    let mut pairing = Pairing::default();
    let masked = &[("idempotency-key", "****************")];
    pairing.entry(&request(1, 10, Side::Client, &prompt("a"), masked));
    pairing.entry(&request(2, 10, Side::Client, &prompt("b"), masked));
    assert_eq!(found(&mut pairing, 3, 20, &prompt("a"), masked), Some((1, PairedBy::Body)));
}

#[test]
fn calls_with_one_prompt_are_told_apart_by_what_else_they_say() {
    let body = |model: &str, n: u32| {
        format!(
            "{{\"model\":\"{model}\",\"n\":{n},\"messages\":[{{\"role\":\"user\",\"content\":\"hi\"}}]}}"
        )
    };
    let mut pairing = Pairing::default();
    pairing.entry(&request(1, 10, Side::Client, &body("a", 1), &[]));
    pairing.entry(&request(2, 11, Side::Client, &body("a", 2), &[]));
    // The gateway uses another name for the model.
    assert_eq!(found(&mut pairing, 3, 20, &body("z", 2), &[]), Some((2, PairedBy::Body)));
    assert_eq!(found(&mut pairing, 4, 21, &body("z", 1), &[]), Some((1, PairedBy::Body)));
}

#[test]
fn equal_calls_get_a_call_upstream_each_and_what_failed_is_tried_again() {
    let body = prompt("hi");
    let mut pairing = Pairing::default();
    pairing.entry(&request(1, 10, Side::Client, &body, &[]));
    pairing.entry(&request(2, 11, Side::Client, &body, &[]));
    assert_eq!(found(&mut pairing, 3, 20, &body, &[]), Some((1, PairedBy::OneOfAlike)));
    assert_eq!(found(&mut pairing, 4, 21, &body, &[]), Some((2, PairedBy::OneOfAlike)));
    // The first client's call was refused, so its request is the one that is retried.
    pairing.entry(&end(3, 30));
    assert_eq!(found(&mut pairing, 5, 31, &body, &[]), Some((1, PairedBy::OneOfAlike)));
}

#[test]
fn what_is_reported_late_is_decided_by_when_it_began() {
    let (first, second) = (&*prompt("a"), &*prompt("b"));
    let mut pairing = Pairing::default();
    pairing.entry(&request(1, 20, Side::Upstream, first, &[]));
    assert!(pairing.decide(Some(10)).is_empty() && pairing.waits());
    pairing.entry(&request(0, 10, Side::Client, first, &[]));
    pairing.entry(&end(0, 40));
    pairing.entry(&request(2, 35, Side::Upstream, second, &[]));
    pairing.entry(&request(3, 36, Side::Client, second, &[]));
    let decided: Vec<_> = pairing.decide(None).into_iter().map(|d| d.client).collect();
    // The call with the other prompt had not begun yet.
    assert_eq!(decided, [Some((0, PairedBy::Body)), Some((0, PairedBy::Time))]);
}

#[test]
fn a_recording_gives_the_pairs_that_were_seen_live() {
    let mut pairs = Pairs::default();
    let mut entries = Vec::new();
    for n in 0..50 {
        let (client, at) = (2 * n, 100 * u64::from(n));
        let body = prompt(if n % 2 == 0 { "a" } else { "b" });
        entries.push(request(client, at + 10, Side::Client, &body, &[]));
        entries.push(request(client + 1, at + 20, Side::Upstream, &body, &[]));
        entries.push(end(client + 1, at + 30));
        entries.push(end(client, at + 40));
    }
    for entry in &entries {
        pairs.entry(entry);
    }
    pairs.settle(None);
    let again = Pairs::of(&entries);
    for n in 0..50 {
        assert_eq!(pairs.upstream(2 * n), [2 * n + 1]);
        assert_eq!(again.owner(2 * n + 1), pairs.owner(2 * n + 1));
    }
    assert!(!again.waits());
}
