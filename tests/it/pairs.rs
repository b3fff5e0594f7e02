//! Pairs of exchanges that differ, and what a comparison says of them: for the relations between
//! differences.

use std::sync::Arc;

use bytes::Bytes;
use sselens::inspect::compare::{Expect, compare};
use sselens::inspect::{InspectOptions, Inspection};
use sselens::journal::{EndCause, Entry, EntryKind, Head, Request};

/// One of the two exchanges.
#[derive(Clone)]
struct Call {
    request: &'static str,
    /// The path of its address.
    path: &'static str,
    /// Milliseconds after the session began.
    sent_at: u64,
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    /// Milliseconds after the request.
    head_at: u64,
    /// What arrived, each with its milliseconds after the request.
    pieces: Vec<(u64, String)>,
    /// When and how it ended; `None` while it runs.
    end: Option<(u64, EndCause)>,
}

/// Two exchanges and the codes in which they differ, the one that the verdict begins with first.
pub(crate) struct Pair {
    pub(crate) name: &'static str,
    a: Call,
    b: Call,
    codes: &'static [&'static str],
    /// How the verdict begins.
    verdict: &'static str,
}

impl Pair {
    /// The codes of the differences, gravest first, and how the verdict begins.
    pub(crate) fn verdicts(&self, options: Arc<InspectOptions>) -> (Vec<&'static str>, String) {
        let (a, b) = (self.a.inspect(&options), self.b.inspect(&options));
        let found = compare(&a, &b, Expect::Same);
        let codes = found.differences.iter().map(|d| d.code.name()).collect();
        (codes, found.verdict.chars().take(self.verdict.chars().count()).collect())
    }

    /// What is to be reported.
    pub(crate) fn expected(&self) -> (Vec<&'static str>, String) {
        (self.codes.to_vec(), self.verdict.to_owned())
    }
}

impl Call {
    fn inspect(&self, options: &Arc<InspectOptions>) -> Inspection {
        let mut inspection = Inspection::new(options.clone());
        let mut push = |ms: u64, kind| {
            inspection.push(&Entry { exchange: 0, at: Some((self.sent_at + ms) * 1000), kind });
        };
        push(
            0,
            EntryKind::Request(Box::new(Request {
                dialect: "openai-chat".into(),
                url: format!("https://example.org{}", self.path),
                method: "POST".into(),
                body: Bytes::from_static(self.request.as_bytes()),
                ..Request::default()
            })),
        );
        let headers =
            self.headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (status, version) = (self.status, "HTTP/1.1".to_owned());
        push(self.head_at, EntryKind::Head(Head { status, version, headers, ..Head::default() }));
        for (ms, piece) in &self.pieces {
            let bytes = Bytes::copy_from_slice(piece.as_bytes());
            push(*ms, EntryKind::Body { len: bytes.len() as u32, bytes, masked: Vec::new() });
        }
        if let Some((ms, cause)) = self.end {
            push(ms, EntryKind::End { cause, detail: String::new() });
        }
        inspection
    }

    /// The same, three seconds later.
    fn late(mut self) -> Self {
        self.head_at += 3000;
        self.pieces.iter_mut().for_each(|p| p.0 += 3000);
        self.end = self.end.map(|(ms, cause)| (ms + 3000, cause));
        self
    }

    /// The same while it still runs.
    fn running(mut self) -> Self {
        self.end = None;
        self
    }

    /// The same with each piece edited.
    fn edited(mut self, edit: impl Fn(&str) -> String) -> Self {
        for (_, piece) in &mut self.pieces {
            *piece = edit(piece);
        }
        self
    }
}

fn chunk(delta: &str, finish: &str) -> String {
    format!(
        "data: {{\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
         \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish},\"logprobs\":{{\"a\":1}}}}]}}\n\n"
    )
}

const SSE: (&str, &str) = ("content-type", "text/event-stream");
const JSON: (&str, &str) = ("content-type", "application/json");
const HTML: (&str, &str) = ("content-type", "text/html");
/// The mark of a gateway.
const MARK: (&str, &str) = ("x-litellm-version", "1");

/// A sound stream with everything in it, a piece each 100 ms and 5 s of silence before the last.
fn sound() -> Call {
    let tool = r#"{"tool_calls":[{"index":0,"id":"t","function":{"name":"f","arguments":"{}"}}]}"#;
    let usage = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\
                 \"model\":\"m\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\
                 \"completion_tokens\":2,\"total_tokens\":9}}\n\n";
    let pieces = [
        chunk(r#"{"role":"assistant","content":""}"#, "null"),
        ": keep-alive\n\n".into(),
        chunk(r#"{"reasoning":"Hm. Well."}"#, "null"),
        chunk(r#"{"content":"Good "}"#, "null"),
        chunk(r#"{"content":"morning."}"#, "null"),
        chunk(tool, "null"),
        chunk("{}", "\"stop\""),
        usage.into(),
        "data: [DONE]\n\n".into(),
    ];
    let pieces = (0..).zip(pieces).map(|(i, piece)| (100 + 100 * i + 5000 * (i / 6), piece));
    Call {
        request: "{}",
        path: "/v1/chat/completions",
        sent_at: 0,
        status: 200,
        headers: vec![SSE],
        head_at: 50,
        pieces: pieces.collect(),
        end: Some((7000, EndCause::Complete)),
    }
}

/// A call that was refused, with this body.
fn refused(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Call {
    let (headers, pieces) = (headers.to_vec(), vec![(60, body.to_owned())]);
    Call { status, headers, pieces, end: Some((70, EndCause::Complete)), ..sound() }
}

fn error(message: &str) -> String {
    format!(r#"{{"error":{{"message":"{message}","type":"invalid_request_error","code":"c"}}}}"#)
}

/// The pairs.
pub(crate) fn pairs() -> Vec<Pair> {
    let other = |s: &str| {
        let s = s.replace("\"c1\"", "\"chat-77\"").replace("\"m\"", "\"n\"");
        s.replace("\"reasoning\"", "\"reasoning_content\"")
    };
    let mut headers = sound();
    headers.headers = vec![("content-type", "text/plain")];
    let pair = |name, a, b, codes, verdict| Pair { name, a, b, codes, verdict };
    let cut = |call: Call, pieces: usize, ms: u64, cause| Call {
        pieces: call.pieces[..pieces].to_vec(),
        end: Some((ms, cause)),
        ..call
    };
    let rewrapped =
        || refused(400, &[JSON, MARK], &error("litellm.BadRequestError: no such thing"));
    let plain = || refused(400, &[JSON], &error("no such thing"));
    let bom = |call: Call| {
        let mut call = call;
        call.pieces[0].1.insert(0, '\u{feff}');
        call
    };
    let no_call = |finish: &str| {
        let mut call = sound().edited(|s| s.replace("\"stop\"", &format!("\"{finish}\"")));
        call.pieces.remove(5);
        call
    };
    // A gateway call that is abandoned while the direct call continues.
    let given_up = |call: Call| cut(call, 3, 2500, EndCause::Complete);
    let mut renamed = given_up(sound());
    renamed.headers = vec![("content-type", "text/plain")];
    let mut richer = sound();
    richer.pieces[3].1 = richer.pieces[3].1.replace("\"logprobs\"", "\"scores\"");
    let two_choices = |both: bool| {
        let mut call = sound();
        let second = |s: &str| s.replace("\"index\":0,\"delta\"", "\"index\":1,\"delta\"");
        let more: Vec<_> = call.pieces.iter().map(|(ms, s)| (*ms, second(s))).collect();
        call.pieces.splice(1..1, [more[4].clone()]);
        call.pieces[1].0 = 110;
        if both {
            call.pieces.insert(8, more[6].clone());
        }
        call
    };
    let mut half = two_choices(false);
    half.pieces.truncate(2);
    half.pieces.push((300, chunk("{}", "\"stop\"")));
    half.end = Some((2500, EndCause::Complete));
    vec![
        pair(
            "names that are rewritten while both run",
            sound().running(),
            sound().edited(other).running(),
            &["gw-reasoning-renamed", "gw-model-rewritten", "gw-id-rewritten"],
            "No difference so far",
        ),
        pair(
            "heads while both run",
            sound().running(),
            headers.running(),
            &["heads-differ"],
            "No difference so far",
        ),
        pair(
            "a refusal of the gateway's own",
            sound(),
            refused(403, &[HTML, ("server", "nginx")], "<html>no</html>"),
            &["gw-refused"],
            "B refused the request",
        ),
        pair(
            "a refusal by a gateway in JSON",
            sound(),
            refused(403, &[JSON, MARK], &error("no")),
            &["gw-refused"],
            "The gateway (B) refused the request",
        ),
        pair(
            "a read timeout in between",
            sound(),
            cut(sound(), 3, 2500, EndCause::Truncated),
            &["gw-timeout"],
            "B was closed after",
        ),
        pair(
            "a closed read timeout in between",
            sound(),
            cut(sound(), 3, 2500, EndCause::Complete),
            &["gw-timeout"],
            "B was closed after",
        ),
        pair(
            "another early timeout",
            sound(),
            cut(sound(), 1, 2500, EndCause::Complete),
            &["gw-timeout"],
            "B was closed after",
        ),
        pair(
            "a gateway timeout with a page",
            sound(),
            refused(504, &[HTML], "<html>504</html>").late(),
            &["gw-timeout"],
            "B answered 504 after",
        ),
        pair(
            "other requests, refused",
            Call { request: r#"{"a":1}"#, ..plain() },
            Call { request: r#"{"b":1}"#, ..rewrapped() },
            &["request-mutated", "gw-error-rewrapped"],
            "The requests differ",
        ),
        pair(
            "other requests at two addresses, refused",
            Call { request: r#"{"a":1}"#, ..plain() },
            Call { request: r#"{"b":1}"#, path: "/b", ..rewrapped() },
            &["gw-params-dropped", "gw-error-rewrapped"],
            "The requests differ",
        ),
        pair(
            "a 422 that is tried again",
            refused(422, &[JSON], &error("no such thing")),
            Call {
                sent_at: 500,
                ..refused(422, &[JSON], &error("litellm.BadRequestError: no such thing"))
            },
            &["duplicate-request-after-422", "gw-error-rewrapped"],
            "The same request was sent again",
        ),
        pair(
            "an error in other words",
            plain(),
            rewrapped(),
            &["gw-error-rewrapped"],
            "The gateway (B) wraps the error of A",
        ),
        pair(
            "another word for the same end",
            no_call("eos_token"),
            no_call("stop"),
            &["gw-finish-rewritten", "ends-differ"],
            "The finish is",
        ),
        pair(
            "a fault that was mended",
            bom(sound()),
            sound(),
            &["ends-differ"],
            "B does not have the fault of A",
        ),
        pair("a timeout of another type", sound(), renamed, &["gw-timeout"], "B was closed"),
        pair(
            "a timeout before a field",
            richer,
            given_up(sound()),
            &["gw-timeout"],
            "B was closed",
        ),
        pair(
            "a timeout before another finish",
            two_choices(true),
            half,
            &["gw-timeout"],
            "B was closed",
        ),
    ]
}
