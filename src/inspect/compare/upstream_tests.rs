//! Results of upstreams of many kinds behind a gateway, as bytes that were seen.

use super::tests::*;
use super::*;
use crate::journal::EndCause;

#[track_caller]
fn verdict(a: &Inspection, b: &Inspection) -> String {
    compare(a, b, Expect::Same).verdict
}

/// A body that is nothing but an error, with this status.
fn refused(status: u16, body: &str) -> Inspection {
    inspected(status, "application/json", &[body.to_owned()], EndCause::Complete)
}

#[test]
fn calls_with_ids_of_their_own_are_not_rewritten() {
    let id = |id: &str| {
        stream(&edited(|_, f| Some(f.replace("\"id\":\"c1\"", &format!("\"id\":\"{id}\"")))))
    };
    let a = id("chatcmpl-572c945469a155c746df62ef");
    let b = id("chatcmpl-bbdda6857e90d10da0dc9436");
    let got = compare(&a, &b, Expect::Same);
    assert_eq!(codes(&a, &b), ["bytes-differ"]);
    assert!(got.differences[0].message.contains("ach has a different id"), "{:?}", got.differences);
    let uuid = id("chatcmpl-0b1f5f0e-61c3-4d55-9d3f-0a3a1c2b3c4d");
    assert_eq!(codes(&a, &uuid), ["gw-id-rewritten"]);
}

#[test]
fn a_422_that_is_handed_on_is_not_lost() {
    let body =
        r#"{"detail":[{"loc":["body","tool_choice"],"msg":"Extra inputs are not permitted"}]}"#;
    let reported = r#"{"error":{"message":"litellm.BadRequestError: OpenAIException - Error code: 422 - {'detail': 1}","type":null,"param":null,"code":"422"}}"#;
    let b = marked(422, "application/json", &[reported.to_owned()]);
    let text = verdict(&refused(422, body), &b);
    assert!(!text.contains("lost the 422"), "{text}");
    assert!(text.contains("\"…Error code: 422"), "{text}");
}

#[test]
fn a_422_whose_words_are_gone_weighs_more_than_one_in_other_words() {
    let body =
        r#"{"detail":[{"loc":["body","tool_choice"],"msg":"Input should be a valid dictionary"}]}"#;
    let none = r#"{"error":{"message":"'async for' requires an object with __aiter__ method, got NoneType","type":"None","param":"None","code":"500"}}"#;
    let b = marked(500, "application/json", &[none.to_owned()]);
    let got = compare(&refused(422, body), &b, Expect::Same);
    let lost = &got.differences[0];
    assert_eq!((lost.code.name(), lost.severity), ("gw-error-rewrapped", Severity::Warn));
    let reported = "The gateway (B) lost the 422 of A (422 \"body.tool_choice: Input should be a valid \
                dictionary\") and says 500 ";
    assert!(got.verdict.starts_with(reported), "{}", got.verdict);
    let page = "<html><h1>502 Bad Gateway</h1></html>";
    let a = inspected(502, "text/html", &[page.to_owned()], EndCause::Complete);
    let reported = format!(r#"{{"error":{{"message":"OpenAIException - {page}","code":"502"}}}}"#);
    let got = compare(&a, &marked(502, "application/json", &[reported]), Expect::Same);
    assert_eq!(got.differences[0].severity, Severity::Info);
    assert!(got.verdict.contains("the error of A, 502 with a web page,"), "{}", got.verdict);
}

#[test]
fn a_wrapped_error_is_told_once_with_what_is_lost_of_it() {
    let body =
        r#"{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":null}}"#;
    let reported = r#"{"error":{"message":"litellm.RateLimitError: RateLimitError: OpenAIException - Rate limit reached. Received Model Group=x","type":"throttling_error","param":null,"code":"429"}}"#;
    let mut a = refused(429, body);
    a.facts.head.as_mut().unwrap().headers.push(("Retry-After".into(), "20".into()));
    let mut b = marked(429, "application/json", &[reported.to_owned()]);
    assert_eq!(
        verdict(&a, &b),
        "The gateway (B) wraps the error of A, 429 \"Rate limit reached\" (requests), in other \
         words and calls it \"throttling_error\"; Retry-After: 20 is lost"
    );
    b.facts.head.as_mut().unwrap().headers.push(("llm_provider-retry-after".into(), "20".into()));
    let text = verdict(&a, &b);
    assert!(text.ends_with("Retry-After: 20 arrives only as llm_provider-retry-after"), "{text}");
}

#[test]
fn a_failure_that_only_the_finish_tells_is_swallowed_with_it() {
    let end = |word: &str| {
        let mut pieces: Vec<String> = sound().into_iter().take(6).collect();
        pieces.extend([chunk("{}", &format!("\"{word}\"")), "data: [DONE]\n\n".into()]);
        pieces
    };
    let got = codes(&stream(&end("abort")), &through(&end("stop")));
    assert_eq!(got[..2], ["gw-error-swallowed", "gw-finish-rewritten"]);
    // Another word for the same end.
    let got = compare(&stream(&end("eos_token")), &through(&end("stop")), Expect::Same);
    assert_eq!(got.worst(), Some(Severity::Info));
    assert!(got.verdict.starts_with("The finish is \"eos_token\" at A"), "{}", got.verdict);
    // An empty finish reason is no finish.
    assert_eq!(codes(&stream(&end("")), &through(&end("stop")))[0], "gw-fabricated-finish");
    let mut reported: Vec<String> = sound().into_iter().take(6).collect();
    reported.push(litellm_error());
    assert_eq!(codes(&stream(&end("abort")), &through(&reported))[0], "gw-error-rewrapped");
}

#[test]
fn the_librarys_words_stay_out_of_the_sentence() {
    let mut a = Inspection::new(std::sync::Arc::new(super::super::InspectOptions::default()));
    let request = crate::journal::Request { dialect: "openai-chat".into(), ..Default::default() };
    let mut push = |what| a.push(&crate::journal::Entry { exchange: 0, at: Some(1), kind: what });
    push(crate::journal::EntryKind::Request(Box::new(request)));
    push(crate::journal::EntryKind::End {
        cause: EndCause::ClosedBeforeHead,
        detail: "error sending request: client error (SendRequest): connection closed".into(),
    });
    let reported = r#"{"error":{"message":"litellm.InternalServerError: Connection error.","type":null,"code":"500"}}"#;
    let b = marked(500, "application/json", &[reported.to_owned()]);
    let text = verdict(&a, &b);
    assert!(text.starts_with("The gateway (B) reports as 500 \"…Connection"), "{text}");
    assert!(text.contains("that A got no response headers"), "{text}");
    assert!(!text.contains("SendRequest"), "{text}");
    assert!(a.verdict().contains("SendRequest"), "{}", a.verdict());
}

#[test]
fn neither_does_the_library_speak_where_a_fault_is_named() {
    let words = "error reading a body from connection: unexpected EOF during chunk size line";
    let mut a = Inspection::new(std::sync::Arc::new(super::super::InspectOptions::default()));
    let like = stream(&sound());
    let mut push = |what| a.push(&crate::journal::Entry { exchange: 0, at: Some(1), kind: what });
    push(crate::journal::EntryKind::Request(like.request.clone().unwrap()));
    push(crate::journal::EntryKind::Head(like.head.clone().unwrap()));
    let bytes = bytes::Bytes::from(sound()[..7].concat());
    push(crate::journal::EntryKind::Body { len: bytes.len() as u32, bytes, masked: Vec::new() });
    push(crate::journal::EntryKind::End { cause: EndCause::Truncated, detail: words.into() });
    assert!(a.verdict().contains(words), "{}", a.verdict());
    let got = compare(&a, &through(&sound()), Expect::Same);
    for d in &got.differences {
        assert!(!d.message.contains("error reading"), "{}", d.message);
    }
    let short: Vec<String> = [0, 2, 3, 4, 6].map(|i| sound()[i].clone()).into();
    let text = verdict(&a, &through(&short));
    assert!(text.contains("Connection closed mid-body") && !text.contains(words), "{text}");
}

#[test]
fn two_that_have_one_fault_have_not_the_same_answer() {
    let only: Vec<String> = [0, 2, 3, 6, 8].map(|i| sound()[i].clone()).into();
    let b: Vec<String> = only.iter().map(|f| f.replace(",\"finish_reason\":null", "")).collect();
    let text = verdict(&stream(&only), &through(&b));
    assert!(text.starts_with("A and B have the same fault: Reasoning only"), "{text}");
}

#[test]
fn names_of_events_are_missed_only_where_they_are_read() {
    let named: Vec<String> =
        sound().iter().map(|f| f.replace("data: {", "event: chunk\ndata: {")).collect();
    let got = compare(&stream(&named), &through(&sound()), Expect::Same);
    assert_eq!(got.differences[0].code.name(), "gw-event-name-stripped");
    assert_eq!(got.worst(), Some(Severity::Info));
    let a = messages("end_turn", "morning.", 2);
    let body = String::from_utf8(a.body().to_vec()).unwrap();
    let body: String = body.split_inclusive('\n').filter(|l| !l.starts_with("event:")).collect();
    let bare: Vec<String> = body.split_inclusive("\n\n").map(str::to_owned).collect();
    let b = spoken("anthropic", 200, "text/event-stream", &bare, EndCause::Complete);
    let got = compare(&a, &b, Expect::Same);
    assert_eq!(got.differences[0].code.name(), "gw-event-name-stripped");
    assert_eq!(got.worst(), Some(Severity::Fatal));
}

#[test]
fn members_inside_of_usage_and_of_calls_are_missed_too() {
    let cost =
        edited(|_, f| Some(f.replace("\"total_tokens\":9", "\"total_tokens\":9,\"cost\":0.1")));
    let got = compare(&stream(&cost), &stream(&sound()), Expect::Same);
    assert_eq!(got.differences[0].a, "usage.cost");
    assert!(got.verdict.contains("dropped fields (usage.cost)"), "{}", got.verdict);
    let musing = edited(|i, f| {
        Some(if i == 2 { chunk(r#"{"musing":"Hm"}"#, "null") } else { f.to_owned() })
    });
    let silent = edited(|i, f| (i != 2).then(|| f.to_owned()));
    let got = compare(&stream(&musing), &stream(&silent), Expect::Same);
    assert_eq!(got.differences[0].a, "choices[].delta.musing");
    let call = |more: &str| {
        let call = format!(
            r#"{{"tool_calls":[{{"index":0,"id":"c"{more},"function":{{"name":"f","arguments":"{{}}"}}}}]}}"#
        );
        stream(&[chunk(&call, "null"), chunk("{}", "\"tool_calls\""), "data: [DONE]\n\n".into()])
    };
    let got = compare(&call(r#","extra_content":{"sig":"x"}"#), &call(""), Expect::Same);
    assert_eq!(got.differences[0].a, "choices[].delta.tool_calls[].extra_content");
    assert_eq!(codes(&call(r#","type":"function""#), &call("")), ["bytes-differ"]);
}

#[test]
fn text_that_moves_to_another_choice_is_told() {
    let say = |i: u32, delta: &str, finish: &str| {
        chunk(delta, finish).replace("\"index\":0", &format!("\"index\":{i}"))
    };
    let of = |second: u32| {
        stream(&[
            say(0, r#"{"content":"a"}"#, "null"),
            say(second, r#"{"content":"b"}"#, "null"),
            say(0, "{}", "\"stop\""),
            say(1, "{}", "\"stop\""),
            "data: [DONE]\n\n".into(),
        ])
    };
    let got = compare(&of(1), &of(0), Expect::Same);
    assert_eq!(got.differences[0].code.name(), "gw-content-changed");
    assert!(
        got.verdict.contains("of choice 0 at A arrives in choice 0 at B")
            || got.verdict.contains("of choice 1 at A arrives in choice 0 at B"),
        "{}",
        got.verdict
    );
}

#[test]
fn an_error_of_the_gateway_says_how_much_came_and_what_it_stumbled_over() {
    let mut a: Vec<String> = sound().into_iter().take(5).collect();
    a.push("data: \n\n".into());
    a.extend(sound().into_iter().skip(5));
    let mut b: Vec<String> = sound().into_iter().take(5).collect();
    b.push(litellm_error());
    let text = verdict(&stream(&a), &through(&b));
    assert!(text.contains("after 5 of 13 characters of content"), "{text}");
    assert!(text.contains("at a fault of A: Frame 5 is an event with empty data"), "{text}");
}

#[test]
fn counts_of_two_dialects_are_compared_where_they_mean_the_same() {
    let a = stream(&sound());
    // Cached tokens are counted next to the input.
    let cached = |usage: &str| {
        let body = String::from_utf8(messages("end_turn", "morning.", 2).body().to_vec()).unwrap();
        let body = body.replace("\"input_tokens\":7", usage);
        let frames: Vec<String> = body.split_inclusive("\n\n").map(str::to_owned).collect();
        spoken("anthropic", 200, "text/event-stream", &frames, EndCause::Complete)
    };
    let none = [] as [&str; 0];
    assert_eq!(codes(&a, &cached(r#""input_tokens":2,"cache_read_input_tokens":5"#)), none);
    assert_eq!(codes(&a, &cached(r#""input_tokens":2,"cache_creation_input_tokens":5"#)), none);
    assert_eq!(codes(&a, &cached(r#""input_tokens":2"#)), ["gw-usage-wrong"]);
    let details = edited(|_, f| {
        Some(f.replace(
            "\"total_tokens\":9",
            "\"total_tokens\":9,\"completion_tokens_details\":{\"reasoning_tokens\":4}",
        ))
    });
    let other = details.iter().map(|f| f.replace("_tokens\":4", "_tokens\":0"));
    let got = codes(&stream(&details), &through(&other.collect::<Vec<_>>()));
    assert_eq!(got[0], "gw-usage-wrong");
}

#[test]
fn of_two_models_only_the_kind_of_the_answer_is_compared() {
    let a = stream(&sound());
    let other = edited(|_, f| {
        Some(f.replace("\"reasoning\"", "\"reasoning_content\"").replace("\"c1\"", "\"x9\""))
    });
    let got = compare(&a, &stream(&other), Expect::Different);
    let reported: Vec<_> = got.differences.iter().map(|d| d.code.name()).collect();
    assert_eq!(reported, ["kinds-differ"]);
    assert_eq!(got.worst(), Some(Severity::Info));
    assert!(
        got.verdict.contains("the reasoning field differs: A choices[].delta.reasoning ×2"),
        "{}",
        got.verdict
    );
    // Another dialect: only the field paths are compared, not ids, pieces or words of the same meaning.
    let got = compare(&a, &messages("end_turn", "evening.", 9), Expect::Different);
    let list: Vec<_> = got.differences.iter().map(|d| d.message.as_str()).collect();
    assert_eq!(list.len(), 3, "{list:?}");
    let silent = edited(|_, f| (!f.contains("reasoning")).then(|| f.to_owned()));
    let got = compare(&stream(&silent), &a, Expect::Different);
    assert!(got.verdict.contains("only B has reasoning"), "{}", got.verdict);
    let cut: Vec<String> = sound().into_iter().take(5).collect();
    let cut = inspected(200, "text/event-stream", &cut, EndCause::Truncated);
    let got = compare(&a, &cut, Expect::Different);
    assert_eq!(got.differences[0].code.name(), "ends-differ");
    assert!(got.verdict.starts_with("B failed, A succeeded. B: "), "{}", got.verdict);
}

#[test]
fn of_a_bare_body_nothing_about_the_head_is_told() {
    let body =
        r#"{"error":{"message":"Rate limit reached","type":"requests","param":null,"code":null}}"#;
    assert_eq!(codes(&refused(429, body), &bare(body.as_bytes(), false)), [] as [&str; 0]);
    let cut: Vec<String> = sound().into_iter().take(5).collect();
    let a = inspected(200, "text/event-stream", &cut, EndCause::Truncated);
    assert_eq!(codes(&a, &bare(&cut.concat().into_bytes(), true)), [] as [&str; 0]);
    let mut a = refused(429, body);
    a.facts.head.as_mut().unwrap().headers.push(("Retry-After".into(), "20".into()));
    let reported = body.replace("Rate limit", "litellm: Rate limit");
    let text = verdict(&a, &bare(reported.as_bytes(), false));
    assert!(text.starts_with("B wraps the error of A") && !text.contains("Retry-After"), "{text}");
    let a = stream(&sound());
    assert_eq!(codes(&a, &bare(&sound().concat().into_bytes(), true)), [] as [&str; 0]);
    assert_eq!(codes(&bare(&sound().concat().into_bytes(), true), &a), [] as [&str; 0]);
}

#[test]
fn what_never_answered_has_swallowed_nothing() {
    let a = refused(429, r#"{"error":{"message":"Rate limit reached"}}"#);
    let mut b = Inspection::new(std::sync::Arc::new(super::super::InspectOptions::default()));
    let mut push = |what| b.push(&crate::journal::Entry { exchange: 0, at: Some(1), kind: what });
    push(crate::journal::EntryKind::Request(Box::default()));
    push(crate::journal::EntryKind::End { cause: EndCause::Refused, detail: "refused".into() });
    let got = compare(&a, &b, Expect::Same);
    let reported: Vec<_> = got.differences.iter().map(|d| d.code.name()).collect();
    assert_eq!(reported, ["ends-differ"]);
    assert!(got.verdict.contains("B got no connection"), "{}", got.verdict);
}

#[test]
fn every_difference_has_words_for_a_list() {
    for rule in Code::all().map(Code::rule).filter(|r| r.phase == crate::rule::Phase::Compare) {
        assert!(!rule.brief.is_empty(), "{}", rule.name);
    }
}

/// Builds a Responses stream; `keep` says which events appear, `named` which of them have an event line.
fn responses(id: &str, keep: fn(&str) -> bool, named: fn(&str) -> bool) -> Vec<String> {
    let whole = format!(r#""response":{{"id":"{id}","object":"response","model":"m","status":"#);
    let text = r#""item_id":"msg_1","output_index":0,"content_index":0"#;
    let done =
        r#""completed","output":[],"usage":{"input_tokens":7,"output_tokens":2,"total_tokens":9}}"#;
    let events = [
        ("response.created", format!(r#"{whole}"in_progress","output":[]}}"#)),
        (
            "response.output_item.added",
            r#""output_index":0,"item":{"type":"message","id":"msg_1","role":"assistant","content":[]}"#
                .to_owned(),
        ),
        (
            "response.content_part.added",
            format!(r#"{text},"part":{{"type":"output_text","text":""}}"#),
        ),
        ("response.output_text.delta", format!(r#"{text},"delta":"Good "#) + "\""),
        ("response.output_text.delta", format!(r#"{text},"delta":"morning.""#)),
        ("response.output_text.done", format!(r#"{text},"text":"Good morning.""#)),
        (
            "response.output_item.done",
            r#""output_index":0,"item":{"type":"message","id":"msg_1","role":"assistant","content":[{"type":"output_text","text":"Good morning."}]}"#
                .to_owned(),
        ),
        ("response.completed", format!("{whole}{done}")),
    ];
    let events = events.iter().filter(|(kind, _)| keep(kind));
    let write = |(kind, rest): &(&str, String)| {
        let name = if named(kind) { format!("event: {kind}\n") } else { String::new() };
        format!("{name}data: {{\"type\":\"{kind}\",{rest}}}\n\n")
    };
    events.map(write).collect()
}

fn response(pieces: &[String]) -> Inspection {
    spoken("openai-responses", 200, "text/event-stream", pieces, EndCause::Complete)
}

#[test]
fn events_that_do_not_come_through_are_named_by_their_types() {
    let all = |_: &str| true;
    let a = response(&responses("resp_1", all, all));
    let faked = |kind: &str| kind.ends_with("delta") || kind.ends_with("completed");
    let got = compare(&a, &response(&responses("resp_1", faked, all)), Expect::Same);
    // Without its opening events the stream fails in the official SDK, so its end differs, too.
    let dropped = got.differences.iter().find(|d| d.code == Code::GwEventsDropped).unwrap();
    assert_eq!(dropped.severity, Severity::Warn);
    let text = &dropped.message;
    assert!(text.contains("response.created ×1, response.output_item.added ×1"), "{text}");
    // A stream that ends early lacks its end, and that is reported as such.
    let cut = |kind: &str| !kind.ends_with("completed");
    let reported = codes(&a, &response(&responses("resp_1", cut, all)));
    assert!(!reported.contains(&"gw-events-dropped"), "{reported:?}");
}

#[test]
fn names_are_counted_by_the_types_of_events() {
    let all = |_: &str| true;
    let a = response(&responses("resp_1", all, all));
    let half = responses("resp_1", all, |kind| kind.ends_with("completed"));
    let got = compare(&a, &response(&half), Expect::Same);
    assert_eq!(got.differences[0].code.name(), "gw-event-name-stripped");
    assert_eq!(got.worst(), Some(Severity::Warn));
    assert!(got.verdict.contains("does not name 7 named events of A"), "{}", got.verdict);
}

#[test]
fn what_is_added_around_a_response_is_info() {
    let all = |_: &str| true;
    let a = response(&responses("resp_1", all, all));
    let other = response(&responses("resp_bGl0ZWxsbTpjdXN0b20", all, all));
    assert_eq!(codes(&a, &other), ["gw-id-rewritten"]);
    let more = responses("resp_1", all, all);
    let more = more.iter().map(|f| f.replace("\"type\":", "\"extra\":1,\"type\":"));
    assert_eq!(codes(&a, &response(&more.collect::<Vec<_>>())), ["gw-fields-added"]);
    let mut done = responses("resp_1", all, all);
    done.push("data: [DONE]\n\n".into());
    let got = compare(&a, &response(&done), Expect::Same);
    assert_eq!(got.worst(), Some(Severity::Info), "{:?}", got.differences);
    assert!(got.verdict.ends_with("What differs: an added [DONE]"), "{}", got.verdict);
}

#[test]
fn an_error_that_both_tell_comes_before_what_is_odd_about_it() {
    let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"code\":\"insufficient_quota\",\"message\":\"no quota\"}}\n\n";
    let failed = "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"id\":\"resp_1\",\"object\":\"response\",\"model\":\"m\",\"status\":\"failed\",\"error\":{\"code\":\"insufficient_quota\",\"message\":\"no quota\"}}}\n\n";
    let both: Vec<String> = [error, failed].map(str::to_owned).into();
    let one = [failed.to_owned()];
    let got = compare(&response(&both), &response(&one), Expect::Same);
    assert!(got.verdict.starts_with("A and B report the same error"), "{}", got.verdict);
    assert!(got.differences.iter().any(|d| d.code == Code::GwEventsDropped));
}

#[test]
fn what_a_bound_cut_off_was_not_made_up() {
    let limit = EndCause::Limit(crate::journal::Limit::Body);
    let cut = |n: usize| inspected(200, "text/event-stream", &sound()[..n], limit);
    let got = compare(&cut(6), &through(&sound()), Expect::Same);
    assert!(got.worst() <= Some(Severity::Info), "{:?}", got.differences);
    assert!(got.verdict.starts_with("Same answer so far"), "{}", got.verdict);
    let other = edited(|_, f| Some(f.replace("Good", "Bad")));
    assert_eq!(codes(&cut(6), &through(&other))[0], "gw-content-changed");
}

#[test]
fn words_that_are_lost_weigh_more_than_words_that_are_wrapped() {
    let with = |message: &str| {
        let mut pieces: Vec<String> = sound().into_iter().take(5).collect();
        pieces.push(format!("data: {{\"error\":{{\"message\":\"{message}\",\"code\":500}}}}\n\n"));
        pieces
    };
    let a = stream(&with("the worker ran out of memory"));
    let got = compare(&a, &through(&with("An error occurred during streaming")), Expect::Same);
    assert_eq!(got.worst(), Some(Severity::Warn));
    assert!(got.verdict.starts_with("The gateway (B) replaces the error of A:"), "{got:?}");
    let wrapped =
        with("litellm.APIConnectionError: OpenAIException - The worker ran out of memory!");
    assert_eq!(compare(&a, &through(&wrapped), Expect::Same).worst(), Some(Severity::Info));
}

#[test]
fn an_error_at_a_fault_of_the_stream_is_not_the_gateways() {
    // Two spaces before [DONE]: the whole answer arrived, and B reports what is wrong with its end.
    let a = edited(|_, f| Some(f.replace("data: [DONE]", "data:  [DONE]")));
    let mut b: Vec<String> = sound().into_iter().take(8).collect();
    b.push(litellm_error());
    let got = compare(&stream(&a), &through(&b), Expect::Same);
    assert_eq!(got.differences[0].code.name(), "gw-error-rewrapped");
    assert!(got.verdict.contains("at a fault of A: Two spaces before [DONE]"), "{}", got.verdict);
}

#[test]
fn sealed_reasoning_and_lines_for_going_on_are_missed() {
    let sealed =
        r#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"gAAAAA","index":0}]}"#;
    let a = edited(|i, f| Some(if i == 2 { chunk(sealed, "null") } else { f.to_owned() }));
    let b = edited(|i, f| (i != 2).then(|| f.to_owned()));
    let got = compare(&stream(&a), &through(&b), Expect::Same);
    assert_eq!(got.differences[0].code.name(), "gw-reasoning-dropped");
    let got = |lines: &str| {
        let a = edited(|i, f| Some(if i == 4 { format!("{lines}{f}") } else { f.to_owned() }));
        compare(&stream(&a), &stream(&sound()), Expect::Same).differences[0].a.clone()
    };
    assert_eq!(got("id: 7\n"), "id: lines");
    assert_eq!(got("id: 7\nretry: 3000\n"), "id: and retry: lines");
}

#[test]
fn a_cut_that_is_closed_properly_is_hidden() {
    let cut: Vec<String> = sound().into_iter().take(5).collect();
    let a = inspected(200, "text/event-stream", &cut, EndCause::Truncated);
    let got = compare(&a, &through(&cut), Expect::Same);
    assert_eq!(got.differences[0].code.name(), "ends-differ");
    assert!(got.verdict.starts_with("The gateway (B) hides a cut"), "{got:?}");
    // The loss of some text is reported as part of it.
    let got = compare(&a, &through(&cut[..4]), Expect::Same);
    assert!(got.verdict.contains("the last 5 characters of A are lost"), "{}", got.verdict);
    let reported: Vec<_> = got.differences.iter().map(|d| d.code).collect();
    assert!(!reported.contains(&Code::GwContentChanged), "{reported:?}");
}

#[test]
fn a_message_beside_the_delta_is_missed() {
    let both = edited(|i, f| {
        let message = "\"message\":{\"role\":\"assistant\",\"content\":\"Good\"},\"finish_reason\"";
        Some(if i == 4 { f.replace("\"finish_reason\"", message) } else { f.to_owned() })
    });
    let got = compare(&stream(&both), &stream(&sound()), Expect::Same);
    assert_eq!(got.differences[0].a, "choices[].message");
}

/// Forty frames, so many in a read, one read every `step` microseconds from `first` on.
fn timed(step: u64, first: u64, each: usize) -> Inspection {
    let like = stream(&sound());
    let mut timed = Inspection::new(std::sync::Arc::new(super::super::InspectOptions::default()));
    {
        let mut push =
            |at, what| timed.push(&crate::journal::Entry { exchange: 0, at: Some(at), kind: what });
        push(0, crate::journal::EntryKind::Request(like.request.clone().unwrap()));
        push(1_000, crate::journal::EntryKind::Head(like.head.clone().unwrap()));
        for n in 0..40 / each as u64 {
            let bytes = bytes::Bytes::from(chunk(r#"{"content":"w"}"#, "null").repeat(each));
            let len = bytes.len() as u32;
            let what = crate::journal::EntryKind::Body { len, bytes, masked: Vec::new() };
            push(first + n * step, what);
        }
        let what =
            crate::journal::EntryKind::End { cause: EndCause::Complete, detail: String::new() };
        push(first + 50 * step, what);
    }
    timed
}

#[test]
fn what_comes_in_one_moment_is_no_burst() {
    let reported = |a: &Inspection, b: &Inspection| codes(a, b).contains(&"gw-buffered");
    let collected = timed(10, 3_000_000, 20);
    assert!(reported(&timed(70_000, 2_000, 1), &collected));
    // An answer this quick does not show which side collects.
    assert!(!reported(&timed(1_500, 2_000, 1), &collected));
}
