//! Recognition, held against recordings: which dialect a body is of, how sure that is, what happens
//! where another was set, and whose variant of Chat Completions it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use sselens::dialect::{self, Confidence, DIALECTS};
use sselens::inspect::{InspectOptions, Inspection, Severity};
use sselens::journal::{EndCause, Entry, EntryKind, Head, Request};
use sselens::rule::Code;

use crate::needs::{Needs, recordings};

fn push(i: &mut Inspection, what: EntryKind) {
    i.push(&Entry { exchange: 0, at: None, kind: what });
}

/// A bare body, read as `dialect`.
fn read(body: &[u8], dialect: &str) -> Inspection {
    let mut i = Inspection::new(Arc::new(InspectOptions::default()));
    let bare = EntryKind::Bare {
        status: None,
        content_type: None,
        dialect: Some(dialect.to_owned()),
        named_sse: false,
    };
    push(&mut i, bare);
    let bytes = Bytes::copy_from_slice(body);
    push(&mut i, EntryKind::Body { len: body.len() as u32, bytes, masked: Vec::new() });
    push(&mut i, EntryKind::End { cause: EndCause::Unknown, detail: String::new() });
    i
}

fn events(payloads: &[&str]) -> Vec<u8> {
    payloads.iter().map(|p| format!("data: {p}\n\n")).collect::<String>().into_bytes()
}

fn findings(i: &Inspection) -> Vec<(&str, Severity)> {
    i.findings().iter().map(|f| (f.code.name(), f.severity)).collect()
}

#[derive(Deserialize)]
struct Index {
    streams: Vec<Stream>,
}

#[derive(Deserialize)]
struct Stream {
    name: String,
    file: String,
    provider: String,
    dialect: String,
    status: u16,
}

/// The recorded streams of answers, where they lie beside this repository.
fn corpus() -> Vec<(Stream, Vec<u8>)> {
    if !Needs::Recordings.are_met() {
        return Vec::new();
    }
    let folder = recordings();
    let text = std::fs::read_to_string(folder.join("index.json")).unwrap();
    let index: Index = serde_json::from_str(&text).unwrap();
    let answers = index.streams.into_iter().filter(|s| s.status < 300);
    answers
        .map(|s| (std::fs::read(folder.join(&s.file)).unwrap(), s))
        .map(|(b, s)| (s, b))
        .collect()
}

/// Recordings that tell no dialect, and why.
const TELL_NONE: &[(&str, &str)] =
    &[("groq-openai-chat-llama-4-scout-17b-16e-instru-6e8fe00d", "an error is all that came")];

fn tells_none(stream: &Stream) -> bool {
    // Nothing can be found in a dialect that is not supported.
    dialect::find(&stream.dialect).is_none()
        || TELL_NONE.iter().any(|(name, _)| *name == stream.name)
}

#[test]
fn every_recording_tells_its_dialect() {
    for (stream, body) in corpus().into_iter().filter(|(s, _)| !tells_none(s)) {
        let i = read(&body, "auto");
        let found = i.recognized().unwrap();
        assert_eq!(found.dialect.name(), stream.dialect, "{}", stream.name);
        // Mistral's chunks differ only by the model's name, a blocked prompt has no candidates, and Writer's
        // pieces have one plain field: more certainty is not possible.
        let likely = ["mistral", "gemini", "writer-completions"].contains(&&*stream.dialect);
        let least = if likely { Confidence::Likely } else { Confidence::Certain };
        assert!(found.sign.confidence >= least, "{}: {:?}", stream.name, found.sign);
    }
}

#[test]
fn where_another_dialect_is_set_the_right_one_is_named() {
    let family = |name: &str| -> &'static str { dialect::find(name).unwrap().family() };
    let (mut named, mut kin) = (0, 0);
    // The shortest stream of each dialect and server: read once as every dialect.
    let mut streams: Vec<_> = corpus().into_iter().filter(|(s, _)| !tells_none(s)).collect();
    streams.sort_by_key(|(_, body)| body.len());
    let server = |name: &str| name.split('-').next().unwrap_or_default().to_owned();
    let mut seen = BTreeSet::new();
    streams.retain(|(s, _)| seen.insert((s.dialect.clone(), server(&s.name))));
    for (stream, body) in streams {
        let right = read(&body, &stream.dialect);
        for wrong in DIALECTS.iter().filter(|d| d.name() != stream.dialect) {
            let about = format!("{} as {}", stream.name, wrong.name());
            let i = read(&body, wrong.name());
            let found = i.findings().iter().find(|f| f.code.name() == "dialect-mismatch");
            // The dialects of one family read each other's payloads whole.
            if wrong.family() == family(&stream.dialect) {
                assert!(found.is_none(), "{about}");
                assert_eq!(i.answer().deltas().len(), right.answer().deltas().len(), "{about}");
                kin += 1;
                continue;
            }
            named += 1;
            let message = &found.unwrap_or_else(|| panic!("{about}")).message;
            assert!(message.starts_with(&format!("The bytes are {} (", stream.dialect)), "{about}");
            assert!(message.contains(&format!("use --dialect {}", stream.dialect)), "{about}");
            assert!(i.verdict().starts_with("The bytes are "), "{about}: {}", i.verdict());
            // No findings above info except those that the right dialect raises as well.
            for finding in i.findings().iter().filter(|f| f.severity > Severity::Info) {
                // An error has another code next to an answer that was not read.
                let is_error = |code: Code| code.name().starts_with("error-");
                let known = right.findings().iter().any(|f| {
                    let same = f.code == finding.code || is_error(f.code) && is_error(finding.code);
                    same && f.severity >= finding.severity
                });
                assert!(known, "{about}: {finding:?}");
            }
        }
    }
    eprintln!("{named} mismatches named, {kin} times a dialect of the same family");
}

#[test]
fn a_wrong_setting_is_named_with_small_bodies_too() {
    let chat = events(&[
        r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":"stop"}]}"#,
        "[DONE]",
    ]);
    let anthropic = events(&[
        r#"{"type":"message_start","message":{"model":"m","usage":{"input_tokens":1}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
    ]);
    let ollama = br#"{"model":"m","created_at":"t","message":{"content":"a"},"done":false}
"#;
    for (body, right) in
        [(&chat[..], "openai-chat"), (&anthropic[..], "anthropic"), (&ollama[..], "ollama")]
    {
        let family = dialect::find(right).unwrap().family();
        for wrong in DIALECTS.iter().filter(|d| d.name() != right) {
            let (kin, wrong) = (wrong.family() == family, wrong.name());
            let i = read(body, wrong);
            if kin {
                assert_eq!(findings(&i), [], "{wrong}");
                continue;
            }
            assert!(
                i.verdict().starts_with(&format!("The bytes are {right} (certain, by ")),
                "{wrong}"
            );
            assert!(i.worst() <= Some(Severity::Info), "{wrong}: {:?}", findings(&i));
            assert_eq!(i.dialect().unwrap().name(), wrong, "read as the user said");
        }
    }
}

#[test]
fn the_provider_is_named_whose_setting_is_wrong() {
    let mut i = Inspection::new(Arc::new(InspectOptions::default()));
    let request =
        Request { provider: "mine".into(), dialect: "anthropic".into(), ..Request::default() };
    push(&mut i, EntryKind::Request(Box::new(request)));
    let body = events(&[r#"{"choices":[{"delta":{"content":"a"}}]}"#]);
    push(
        &mut i,
        EntryKind::Body { len: body.len() as u32, bytes: body.into(), masked: Vec::new() },
    );
    // While it runs, too.
    assert_eq!(
        i.verdict(),
        "The bytes are openai-chat (certain, by choices[].delta), read as anthropic as configured: \
         use --dialect openai-chat, or dialect = \"openai-chat\" for provider mine"
    );
}

#[test]
fn a_guess_is_corrected_and_no_fact_is_lost_or_doubled() {
    let error = r#"{"error":{"message":"boom"}}"#;
    let delta =
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#;
    let i = read(&events(&[error]), "auto");
    assert!(i.recognized().is_none(), "most write errors alike");
    assert_eq!(i.answer().errors.len(), 1);

    let i = read(&events(&[error, delta, delta]), "auto");
    let found = i.recognized().unwrap();
    assert_eq!((found.dialect.name(), found.sign.confidence), ("anthropic", Confidence::Certain));
    assert_eq!(found.frame, 1);
    assert_eq!(i.answer().errors.len(), 1);
    assert_eq!(i.answer().deltas().len(), 2);

    // More certain of the same dialect: the decoder continues unchanged.
    let i = read(
        &events(&[
            r#"{"choices":[],"usage":{"prompt_tokens":3}}"#,
            r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"a"}}]}"#,
        ]),
        "auto",
    );
    let found = i.recognized().unwrap();
    assert_eq!((found.sign.confidence, found.frame), (Confidence::Certain, 1));
    assert_eq!(i.answer().usage.input, Some(3));
    assert_eq!(i.answer().usage_seen.len(), 1);
}

#[test]
fn a_long_stream_of_nobody_is_asked_again_where_a_new_field_comes() {
    let chunk = r#"{"choices":[{"delta":{"content":"a"}}]}"#;
    for before in [0, 255, 256, 1000] {
        let mut payloads = vec![r#"{"tick":1}"#; before];
        payloads.push(chunk);
        assert!(read(&events(&payloads), "auto").recognized().is_some(), "{before}");
    }
}

/// Providers whose bytes are another's, and why.
const PASSED_ON: &[(&str, &str, &str)] =
    &[("huggingface", "groq", "its router passes on what Groq sends, x_groq included")];

#[test]
fn no_recording_is_taken_for_anothers_variant() {
    let mut reported: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (stream, body) in corpus() {
        let i = read(&body, "auto");
        let variant = i.variant().map(|(v, _)| v.name);
        if let Some(name) = variant {
            assert_eq!(stream.dialect, "openai-chat", "{}", stream.name);
            let passed = PASSED_ON.iter().any(|p| (p.0, p.1) == (&stream.provider[..], name));
            assert!(name == stream.provider || passed, "{} is no {name}", stream.name);
        }
        if stream.dialect == "openai-chat" {
            let row = reported.entry(stream.provider).or_default();
            *row = (row.0 + usize::from(variant.is_some()), row.1 + 1);
        }
    }
    let all: usize = reported.values().map(|r| r.0).sum();
    eprintln!("{all} recognized: {reported:?}");
}

#[test]
fn what_a_variant_says_of_reasoning_and_usage_is_what_was_recorded() {
    for (stream, body) in corpus() {
        let i = read(&body, "auto");
        let Some((variant, _)) = i.variant() else { continue };
        for (path, _) in i.answer().paths(dialect::Channel::Reasoning) {
            let fits = variant.reasoning.iter().any(|f| {
                let member = format!("delta.{f}");
                path.to_string().contains(&member)
            });
            assert!(fits, "{}: {path} is not in the table", stream.name);
        }
        for code in
            [Code::UsageEveryChunk, Code::UsageInNonemptyChoices, Code::UsageNonstandardPlace]
        {
            let raised = i.findings().iter().any(|f| f.code == code);
            assert!(!raised || variant.is_normal(code), "{}: {code}", stream.name);
        }
    }
}

#[test]
fn what_is_normal_is_mild_and_says_where() {
    let chunks = [
        r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}"#,
        r#"{"choices":[{"index":0,"finish_reason":null,"content_filter_offsets":{"check_offset":1}}]}"#,
    ];
    let i = read(&events(&chunks), "auto");
    let missing = i.findings().iter().find(|f| f.code.name() == "delta-missing").unwrap();
    assert_eq!(missing.severity, Severity::Info);
    assert!(missing.message.ends_with("(normal at azure)"), "{}", missing.message);

    // A finish reason that only one provider has, and the same one from an unknown provider.
    let finish = r#"{"id":"20260101","object":"chat.completion.chunk","model":"glm-5","choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":"sensitive"}]}"#;
    assert_eq!(read(&events(&[finish, "[DONE]"]), "auto").worst(), Some(Severity::Info));
    let finish = finish.replace("glm-5", "x-5");
    let i = read(&events(&[&finish, "[DONE]"]), "auto");
    assert!(findings(&i).contains(&("finish-unknown", Severity::Warn)));

    // A lost answer is fatal even where it is normal.
    let lost = [
        r#"{"object":"chat.completion","base_resp":{},"input_sensitive":false,"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}"#,
        "[DONE]",
    ];
    let i = read(&events(&lost), "auto");
    assert_eq!(i.variant().unwrap().0.name, "minimax");
    assert!(findings(&i).contains(&("full-object-in-stream", Severity::Fatal)));
}

#[test]
fn the_address_comes_first_then_a_header_then_the_name_then_the_bytes() {
    let reported = |url: &str, header: Option<&str>, provider: &str| {
        let mut i = Inspection::new(Arc::new(InspectOptions::default()));
        let request = Request {
            provider: provider.into(),
            dialect: "openai-chat".into(),
            url: url.into(),
            ..Request::default()
        };
        push(&mut i, EntryKind::Request(Box::new(request)));
        let headers = header.map(|h| (h.to_owned(), "1".to_owned())).into_iter().collect();
        let head = Head { status: 200, version: "HTTP/1.1".into(), headers, ..Head::default() };
        push(&mut i, EntryKind::Head(head));
        let body = events(&[r#"{"x_groq":{},"choices":[{"index":0,"delta":{"content":"a"}}]}"#]);
        push(
            &mut i,
            EntryKind::Body { len: body.len() as u32, bytes: body.into(), masked: Vec::new() },
        );
        i.variant().map(|(v, by)| format!("{}, by {by}", v.name)).unwrap()
    };
    let litellm = Some("X-LiteLLM-Call-Id");
    let (router, local) = ("https://openrouter.ai/api/v1", "http://127.0.0.1:4000/v1");
    assert_eq!(reported(router, litellm, "vllm"), "openrouter, by the host openrouter.ai");
    assert_eq!(reported(local, litellm, "vllm"), "litellm-proxy, by a header x-litellm-…");
    assert_eq!(reported(local, None, "vllm"), "vllm, by the provider's name");
    assert_eq!(reported(local, None, "mine"), "groq, by the member x_groq");
}
