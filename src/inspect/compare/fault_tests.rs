use super::tests::{chunk, codes, edited, inspected, sound, stream};
use super::*;
use crate::inspect::Certainty;
use crate::journal::EndCause;
use crate::rule::Party;

const SSE: &str = "text/event-stream";

#[test]
fn an_answer_that_no_client_can_read_is_one_sentence() {
    let a = stream(&sound());
    for (kind, body, words) in [
        ("text/html", "<!DOCTYPE html><p>Sign in</p>", "B answered 200 with a web page;"),
        (SSE, "\n <html><body>Maintenance</body></html>", "B answered 200 with a web page;"),
        (SSE, "\u{1}\u{2}zz\u{3}", "B answered 200 with 5 bytes that are no answer;"),
        (
            "application/json",
            "upstream said no",
            "B answered 200 with 16 bytes that are no answer;",
        ),
        (SSE, ": ping\n\n: ping\n\n", "B answered 200 with only 2 comments;"),
        (SSE, "", "B answered 200 with an empty body;"),
        (SSE, "\r\n\r\n", "B answered 200 with an empty body;"),
    ] {
        let b = inspected(200, kind, &[body.to_owned()], EndCause::Complete);
        let got = compare(&a, &b, Expect::Same);
        assert_eq!(got.differences.len(), 1, "{body:?}: {:?}", got.differences);
        assert!(got.verdict.starts_with(words), "{body:?}: {}", got.verdict);
        assert!(!got.verdict.contains("also"), "{}", got.verdict);
    }
}

fn refusal(status: u16, kind: &str, words: &str) -> Inspection {
    let body = format!("{{\"error\":{{\"message\":\"{words}\",\"type\":\"{kind}\"}}}}");
    inspected(status, "application/json", &[body], EndCause::Complete)
}

#[test]
fn a_fault_is_shared_only_where_status_type_and_words_are_the_same() {
    let is_shared = |a: &Inspection, b: &Inspection| {
        fault::is_shared(&side::ComparedSide::of("A", a), &side::ComparedSide::of("B", b))
    };
    let a = refusal(429, "rate_limit", "Slow down");
    assert!(is_shared(&a, &refusal(429, "rate_limit", "Slow down")));
    for b in [
        refusal(503, "rate_limit", "Slow down"),
        refusal(429, "overloaded", "Slow down"),
        refusal(429, "rate_limit", "Slow down, please"),
        inspected(429, "text/plain", &["Slow down".to_owned()], EndCause::Complete),
    ] {
        assert!(!is_shared(&a, &b), "{}", b.verdict());
        let verdict = compare(&a, &b, Expect::Same).verdict;
        assert!(!verdict.contains("same"), "{verdict}");
    }
    // Two cuts are the same if as much had arrived and both broke off in the same way.
    let cut = |n: usize, end| inspected(200, SSE, &sound()[..n], end);
    assert!(is_shared(&cut(5, EndCause::Truncated), &cut(5, EndCause::Truncated)));
    assert!(!is_shared(&cut(5, EndCause::Truncated), &cut(4, EndCause::Truncated)));
    assert!(!is_shared(&cut(5, EndCause::Truncated), &cut(5, EndCause::Reset)));
}

#[test]
fn a_renamed_reasoning_field_is_said_beside_what_is_graver() {
    let renamed = |f: &str| f.replace("\"reasoning\"", "\"reasoning_content\"");
    let graver: [fn(&str) -> String; 3] = [
        |f| f.replace("morning", "evening"),
        |f| f.replace("\"stop\"", "\"length\""),
        |f| if f.contains("prompt_tokens") { String::new() } else { f.to_owned() },
    ];
    for other in graver {
        let b = stream(&edited(|_, f| Some(other(&renamed(f))).filter(|f| !f.is_empty())));
        let got = compare(&stream(&sound()), &b, Expect::Same);
        assert!(got.differences.len() > 1, "{:?}", got.differences);
        assert_ne!(got.differences[0].code, Code::GwReasoningRenamed);
        assert!(got.verdict.contains("reasoning"), "{}", got.verdict);
    }
}

fn with_details(details: &str) -> Inspection {
    stream(&edited(|_, f| {
        Some(f.replace("\"total_tokens\":9", &format!("\"total_tokens\":9,{details}")))
    }))
}

#[test]
fn reasoning_tokens_that_nobody_counted_are_fabricated_and_a_cache_accuses_nobody() {
    let reasoning = |n: u64| {
        with_details(&format!("\"completion_tokens_details\":{{\"reasoning_tokens\":{n}}}"))
    };
    let got = compare(&stream(&sound()), &reasoning(4), Expect::Same);
    let codes_of = |got: &Comparison| got.differences.iter().map(|d| d.code).collect::<Vec<_>>();
    assert!(codes_of(&got).contains(&Code::GwFabricatedUsage), "{:?}", got.differences);
    assert!(!codes(&stream(&sound()), &reasoning(0)).contains(&"gw-fabricated-usage"));
    assert!(!codes(&reasoning(4), &reasoning(4)).contains(&"gw-fabricated-usage"));
    let cached =
        |n: u64| with_details(&format!("\"prompt_tokens_details\":{{\"cached_tokens\":{n}}}"));
    for (x, y) in [(0, 5), (5, 0), (7, 1)] {
        let found = codes(&cached(x), &cached(y));
        assert!(!found.contains(&"gw-usage-wrong"), "{x}, {y}: {found:?}");
    }
}

#[test]
fn one_call_that_was_seen_on_both_sides_leaves_no_doubt() {
    let a = stream(&sound());
    let changed = stream(&edited(|_, f| Some(f.replace("morning", "evening"))));
    let two_calls = compare(&a, &changed, Expect::Same).blame.unwrap();
    assert_eq!((two_calls.party, two_calls.confidence), (Party::Unknown, Certainty::Guess));
    let cut = inspected(200, SSE, &sound()[..5], EndCause::Truncated);
    let refused = refusal(403, "forbidden", "No");
    for b in [&changed, &cut, &refused] {
        let one_call = compare_sides(&a, b).blame.unwrap();
        assert_eq!((one_call.party, one_call.confidence), (Party::Gateway, Certainty::Certain));
    }
    assert!(compare_sides(&a, &stream(&sound())).blame.is_none());
    // A mistake of the provider stays the provider's.
    let broken = || stream(&[chunk(r#"{"content":"Hi"}"#, "null")]);
    let blame = compare_sides(&broken(), &broken()).blame;
    assert!(blame.is_none_or(|blame| blame.party != Party::Gateway));
}

#[test]
fn a_finish_after_a_call_that_the_gateway_gave_up_is_fabricated() {
    let begun = &sound()[..5];
    let given_up = inspected(200, SSE, begun, EndCause::Cancelled);
    let end = [chunk("{}", "\"stop\""), "data: [DONE]\n\n".to_owned()];
    let finished = stream(&[begun, &end].concat());
    let one_call = compare_sides(&given_up, &finished);
    assert_eq!(one_call.differences[0].code, Code::GwFabricatedFinish, "{}", one_call.verdict);
    let blame = one_call.blame.unwrap();
    assert_eq!((blame.party, blame.confidence), (Party::Gateway, Certainty::Certain));
    // Of two calls the user stopped one, and how it would have gone on is unknown.
    assert!(!codes(&given_up, &finished).contains(&"gw-fabricated-finish"));
    // Of a call that both sides gave up nothing is fabricated.
    let both = compare_sides(&given_up, &inspected(200, SSE, begun, EndCause::Cancelled));
    assert!(both.differences.iter().all(|d| d.code != Code::GwFabricatedFinish));
}

/// A stream of these deltas of choices, with a finish for each choice.
fn answers(deltas: &[(u32, &str, &str)]) -> Vec<String> {
    let event = |choice: u32, delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
             \"choices\":[{{\"index\":{choice},\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let choices: std::collections::BTreeSet<u32> = deltas.iter().map(|d| d.0).collect();
    let first = choices.iter().map(|c| event(*c, r#"{"role":"assistant","content":""}"#, "null"));
    let texts = deltas
        .iter()
        .map(|(choice, field, text)| event(*choice, &format!("{{{field:?}:{text:?}}}"), "null"));
    let ends = choices.iter().map(|choice| event(*choice, "{}", "\"stop\""));
    first.chain(texts).chain(ends).chain(["data: [DONE]\n\n".to_owned()]).collect()
}

#[test]
fn what_is_damaged_or_moved_by_its_form_is_the_gateways_and_named() {
    let (text, thought) = ("Hello, wörld", "Let me think");
    let a = [(0, "reasoning_content", thought), (0, "content", text)];
    let latin: String = text.bytes().map(char::from).collect();
    let plain = [(0, "content", "A"), (1, "content", "B")];
    let refusal = [(0, "refusal", "I cannot help with that")];
    for (a, b, words) in [
        (&a[..], &[(0, "content", thought), (0, "content", text)][..], "arrives as content at B"),
        (&refusal, &[(0, "content", "I cannot help with that")], "arrives as content at B"),
        (&a, &[a[0], (0, "content", &latin)], "read as Latin-1"),
        (&a, &[a[0], (0, "content", "Hello, w\u{fffd}rld")], "became U+FFFD"),
        (&plain, &plain[..1], "Choice 1 of A (1 character of content) does not arrive at B"),
        (&plain, &[(0, "content", "AB")], "The content of choice 1 at A arrives in choice 0 at B"),
    ] {
        let got = compare(&stream(&answers(a)), &stream(&answers(b)), Expect::Same);
        assert_eq!(got.differences[0].code, Code::GwContentChanged, "{words}: {}", got.verdict);
        assert!(got.verdict.contains(words), "{words}: {}", got.verdict);
        let party = got.blame.as_ref().map(|blame| blame.party);
        assert_eq!(party, Some(Party::Gateway), "{words}: {:?}", got.blame);
    }
    // A model is free to write another text.
    let got = compare(
        &stream(&answers(&[(0, "content", "Hello")])),
        &stream(&answers(&[(0, "content", "Hi")])),
        Expect::Same,
    );
    assert_eq!(got.blame.map(|blame| blame.party), Some(Party::Unknown));
}

#[test]
fn a_frame_that_is_no_json_comes_before_what_is_missing_for_it() {
    let a = answers(&[(0, "content", "one "), (0, "content", "two")]);
    let mut b = a.clone();
    b[1] = b[1].replace("\"content\":\"one \"", "\"content\":\"one ");
    let got = compare(&stream(&a), &stream(&b), Expect::Same);
    assert!(
        got.verdict.starts_with("B has a fault that A does not have: Frame 1"),
        "{}",
        got.verdict
    );
    assert_eq!(got.blame.map(|blame| blame.party), Some(Party::Gateway));
}
