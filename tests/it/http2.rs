//! HTTP/2 through the tap: what each side receives is what it receives without, but for where requests lead to;
//! and each stream is recorded as an exchange.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sselens::journal::{EndCause, Entry, EntryKind};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::RunningTap;
use crate::tap::{Got, Last, Script, both, runtime, same, tap, well_formed};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header field as a literal, put into the table or not.
fn literal(index: bool, name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8][..], text.as_bytes()].concat();
    [vec![if index { 0x40 } else { 0x10 }], text(name), text(value)].concat()
}

/// What one side sent, read far enough to be compared: header blocks as what they say, everything else and all that
/// is behind a mistake as its bytes.
fn normal(wire: &[u8]) -> Vec<String> {
    let mut reported = Vec::new();
    let mut decoder = loona_hpack::Decoder::new();
    let Some(mut rest) = wire.strip_prefix(PREFACE) else { return vec![format!("{wire:x?}")] };
    let mut block: Option<(Vec<u8>, Vec<u8>, String)> = None;
    loop {
        let begin = block.as_ref().map_or(rest, |(raw, ..)| {
            let at = wire.len() - rest.len() - raw.len();
            &wire[at..]
        });
        let last = |mut reported: Vec<String>| {
            reported.push(format!("{begin:x?}"));
            reported
        };
        if rest.len() < 9 {
            return last(reported);
        }
        let len = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        let (kind, flags) = (rest[3], rest[4]);
        let stream = u32::from_be_bytes([rest[5], rest[6], rest[7], rest[8]]) & (u32::MAX >> 1);
        let Some(payload) = rest.get(9..9 + len) else { return last(reported) };
        let whole = &rest[..9 + len];
        rest = &rest[9 + len..];
        let in_block = block.is_some();
        if (kind == CONTINUATION) != in_block || (matches!(kind, DATA | HEADERS) && stream == 0) {
            return last(reported);
        }
        if kind == DATA
            && flags & PADDED != 0
            && payload.first().is_none_or(|p| usize::from(*p) >= len)
        {
            return last(reported);
        }
        if !matches!(kind, HEADERS | CONTINUATION) {
            reported.push(format!("{whole:x?}"));
            continue;
        }
        let mut content = payload;
        if kind == HEADERS {
            if flags & PADDED != 0 {
                let padding = content.first().copied().unwrap_or(255);
                let Some(less) = content.len().checked_sub(1 + usize::from(padding)) else {
                    return last(reported);
                };
                content = &content[1..1 + less];
            }
            let mut about = format!("{stream} ends {} ", flags & END_STREAM);
            if flags & PRIORITY != 0 {
                let Some((priority, after)) = content.split_at_checked(5) else {
                    return last(reported);
                };
                about += &format!("{priority:x?} ");
                content = after;
            }
            block = Some((Vec::new(), Vec::new(), about));
        }
        let Some((raw, coded, about)) = &mut block else { return last(reported) };
        raw.extend_from_slice(whole);
        coded.extend_from_slice(content);
        if flags & END_HEADERS == 0 {
            continue;
        }
        let Ok(fields) = decoder.decode(coded) else { return last(reported) };
        let mut text = std::mem::take(about);
        for (name, value) in fields {
            let name = String::from_utf8_lossy(&name).into_owned();
            let value = String::from_utf8_lossy(&value);
            text += &format!("{name}: {value}|");
        }
        reported.push(text);
        block = None;
    }
}

/// Frames of a client, sound and damaged ones; `stream` counts the requests up.
fn client_frames(stream: &mut u32, authority: &str, pick: (u8, Vec<u8>, u8)) -> Vec<u8> {
    let (kind, bytes, padding) = pick;
    let data = &bytes[..bytes.len().min(60)];
    let request = |index: bool, more: &[u8]| {
        [
            literal(index, ":method", "POST"),
            literal(index, ":scheme", "http"),
            literal(index, ":path", "/v1/x?y=%41"),
            literal(index, ":authority", authority),
            literal(true, "x-bytes", &format!("{:x?}", &data[..data.len().min(20)])),
            more.to_vec(),
        ]
        .concat()
    };
    let mut next = || {
        *stream += 2;
        *stream - 2
    };
    match kind % 14 {
        0 => frame(HEADERS, END_HEADERS | END_STREAM, next(), &request(false, &[])),
        1 => frame(HEADERS, END_HEADERS, next(), &request(true, &[0x82, 0x86])),
        2 => {
            let whole = [&[padding % 9, 0x80, 0, 0, 1, 7][..], &request(true, &[])].concat();
            let whole = [whole, vec![0; usize::from(padding % 9)]].concat();
            frame(HEADERS, END_HEADERS | PADDED | PRIORITY, next(), &whole)
        }
        3 => {
            let (stream, whole) = (next(), request(true, &[]));
            let (one, two) = whole.split_at(usize::from(padding) % whole.len());
            let none = frame(CONTINUATION, 0, stream, &[]);
            [
                frame(HEADERS, END_STREAM, stream, one),
                none,
                frame(CONTINUATION, END_HEADERS, stream, two),
            ]
            .concat()
        }
        4 => frame(DATA, 0, 1, data),
        5 => {
            let padded = [&[padding % 30][..], data, &vec![0; usize::from(padding % 30)]].concat();
            frame(DATA, PADDED | padding & END_STREAM, 1, &padded)
        }
        // Trailers, and references into the table that may not be there.
        6 => frame(HEADERS, END_HEADERS | END_STREAM, 1, &literal(true, "t", "u")),
        7 => frame(HEADERS, END_HEADERS, next(), &[0xbe, 0xbf, 0xc0 + padding % 3]),
        8 => frame(4, 0, 0, &[0, 1, 0, 0, 0x10, 0]),
        // Frames of types that the tap ignores.
        9 => frame([2, 3, 6, 7, 8, 0x0a, 0x7f][usize::from(padding) % 7], padding, 1, data),
        10 => frame(CONTINUATION, END_HEADERS, 1, data),
        11 => frame(DATA, PADDED, 1, &[200]),
        12 => frame(HEADERS, END_HEADERS, next(), &[0xff, 0xff, 0xff]),
        _ => frame(
            HEADERS,
            END_HEADERS,
            next(),
            &[&[0x3f, 0xe1, 0x1f][..], &request(true, &[])].concat(),
        ),
    }
}

fn cut(wire: &[u8], cuts: &[prop::sample::Index], keep: f64, last: Last) -> Script {
    let len = ((wire.len() as f64 * keep) as usize).max(1);
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(len)).collect();
    at.sort_unstable();
    let mut writes = Vec::new();
    let mut from = 0;
    for to in at.into_iter().chain([len]) {
        if to > from {
            writes.push(wire[from..to].to_vec());
            from = to;
        }
    }
    Script { writes, last }
}

fn last() -> impl Strategy<Value = Last> {
    prop_oneof![4 => Just(Last::HalfClose), 1 => Just(Last::Reset), 1 => Just(Last::Close)]
}

#[test]
fn each_side_receives_what_it_receives_without_the_tap() {
    let cases = std::env::var("SSELENS_TAP_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 60, ..Config::default() };
    let runtime = runtime();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let server_at = listener.local_addr().unwrap();
    let (tap, entries) = tap(server_at);
    let pick = || (any::<u8>(), prop::collection::vec(any::<u8>(), 0..80), any::<u8>());
    let cuts = || prop::collection::vec(any::<prop::sample::Index>(), 0..5);
    let keep = || prop_oneof![3 => Just(1.0), 1 => 0.2..1.0f64];
    let client = (prop::collection::vec(pick(), 0..7), cuts(), keep(), last());
    let server = (prop::collection::vec(pick(), 0..6), cuts(), keep(), last(), any::<bool>());
    let result = TestRunner::new(config).run(&(client, server), |(client, server)| {
        let mut stream = 1;
        // Begin with a request, which names the upstream.
        let mut request = |pick| client_frames(&mut stream, &server_at.to_string(), pick);
        let first = request((0, Vec::new(), 0));
        let settings = frame(4, 0, 0, &[]);
        // A server that stops by itself waits for a number of bytes: the tap must not change that number.
        let same_length = |kind: u8| server.3 == Last::HalfClose || !matches!(kind % 14, 1..=3 | 7);
        let picks = client.0.into_iter().filter(|pick| same_length(pick.0));
        let frames: Vec<_> = picks.flat_map(&mut request).collect();
        let wire = [PREFACE, &settings, &first, &frames].concat();
        let client = cut(&wire, &client.1, client.2, client.3);
        let mut stream = 1;
        let frames = server.0.into_iter().flat_map(|pick| client_frames(&mut stream, "", pick));
        let settings = if server.4 { settings } else { b"HTTP/1.1 400 No\r\n\r\n".to_vec() };
        let wire: Vec<_> = settings.into_iter().chain(frames).collect();
        let server = cut(&wire, &server.1, server.2, server.3);
        let (without, with) = runtime.block_on(async {
            let without = both(server_at, &listener, &client, &server).await;
            (without, both(tap.addr, &listener, &client, &server).await)
        });
        let reported = || {
            format!("\nclient {client:?}\nserver {server:?}\nwithout {without:?}\nwith {with:?}")
        };
        prop_assert!(same(&with.0, &without.0, client.last), "the client received: {}", reported());
        prop_assert!(
            same_requests(&with.1, &without.1, server.last),
            "the server received: {}",
            reported()
        );
        Ok(())
    });
    tap.close();
    if let Err(why) = result {
        panic!("{why}");
    }
    well_formed(&entries.lock().unwrap());
}

/// Whether a server received the same but for where requests lead to.
fn same_requests(with: &Got, without: &Got, last: Last) -> bool {
    let (without_it, with_it) = (normal(&without.bytes), normal(&with.bytes));
    if last == Last::HalfClose {
        let ends = [with.end, without.end];
        return with_it == without_it && (ends[0] == ends[1] || ends.contains(&"broken"));
    }
    // Data in flight when it stops reading may be cut anywhere.
    let shorter = with_it.len().min(without_it.len()).saturating_sub(1);
    with_it[..shorter] == without_it[..shorter]
}

/// Starts a server that does this with each request, and returns its address.
fn server<F, G>(answer: F) -> SocketAddr
where
    F: Fn(Request<h2::RecvStream>, h2::server::SendResponse<Bytes>) -> G + Send + Sync + 'static,
    G: Future<Output = ()> + Send + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let at = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        runtime().block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let stream = listener.accept().await.unwrap().0;
                let answer = Arc::clone(&answer);
                tokio::spawn(async move {
                    let mut connection = h2::server::handshake(stream).await.unwrap();
                    while let Some(Ok((request, respond))) = connection.accept().await {
                        tokio::spawn(answer(request, respond));
                    }
                });
            }
        });
    });
    at
}

/// The whole of a body, and its trailers.
async fn whole(mut body: h2::RecvStream) -> Result<(Vec<u8>, Option<HeaderMap>), h2::Error> {
    let mut bytes = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        bytes.extend_from_slice(&piece);
    }
    Ok((bytes, body.trailers().await?))
}

const ANSWER: [&str; 3] = [
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1770000000,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hello \"}}]}\n\n",
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1770000000,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"there\"},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n",
];

/// Reads a request, and streams an answer as its path says.
async fn chat(request: Request<h2::RecvStream>, mut respond: h2::server::SendResponse<Bytes>) {
    let path = request.uri().path().to_owned();
    let early = Response::builder().status(103).header("link", "</a>").body(()).unwrap();
    respond.send_informational(early).unwrap();
    let (asked, _) = whole(request.into_body()).await.unwrap_or_default();
    if path.ends_with("/reset-before") {
        return respond.send_reset(h2::Reason::REFUSED_STREAM);
    }
    let head = Response::builder()
        .header("content-type", "text/event-stream")
        .header("x-asked", asked.len())
        .header("x-quoted", "Bearer sk-abcdefgh12345678");
    let Ok(mut body) = respond.send_response(head.body(()).unwrap(), false) else { return };
    for (i, piece) in ANSWER.iter().enumerate() {
        if i == 1 && path.ends_with("/reset-inside") {
            return body.send_reset(h2::Reason::INTERNAL_ERROR);
        }
        if body.send_data(Bytes::from_static(piece.as_bytes()), false).is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        if path.ends_with("/slow") {
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("x-cost", "7".parse().unwrap());
    let _ = body.send_trailers(trailers);
}

const BODY: &str = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

fn post(at: SocketAddr, path: &str) -> Request<()> {
    Request::post(format!("http://{at}{path}"))
        .header("authorization", "Bearer sk-abcdefgh12345678")
        .header("content-type", "application/json")
        .body(())
        .unwrap()
}

async fn connected(at: SocketAddr) -> h2::client::SendRequest<Bytes> {
    let (sender, connection) =
        h2::client::handshake(TcpStream::connect(at).await.unwrap()).await.unwrap();
    tokio::spawn(async { drop(connection.await) });
    sender
}

/// The recorded streams: request's path, statuses, body, trailers, and the end.
#[derive(Debug, Default, PartialEq)]
struct Reported {
    path: String,
    body: String,
    statuses: Vec<u16>,
    answer: String,
    trailers: Vec<(String, String)>,
    end: Option<(EndCause, String)>,
}

fn reported(entries: &[Entry]) -> Vec<Reported> {
    let mut all = std::collections::BTreeMap::<u32, Reported>::new();
    for entry in entries {
        let of = all.entry(entry.exchange).or_default();
        match &entry.kind {
            EntryKind::Request(request) => {
                of.path = request.url.split_once("//").unwrap().1.split_once('/').unwrap().1.into();
                of.body = String::from_utf8(request.body.to_vec()).unwrap();
            }
            EntryKind::Head(head) => of.statuses.push(head.status),
            EntryKind::Body { bytes, .. } => of.answer += std::str::from_utf8(bytes).unwrap(),
            EntryKind::Trailers(trailers) => of.trailers = trailers.clone(),
            EntryKind::End { cause, detail } => of.end = Some((*cause, detail.clone())),
            _ => {}
        }
    }
    all.into_values().collect()
}

/// Sends what `ask` sends through a tap to [`chat`], and returns what was recorded.
fn recorded<G: Future<Output = ()>>(ask: impl FnOnce(SocketAddr) -> G) -> Vec<Entry> {
    let (tap, entries) = tap(server(chat));
    runtime().block_on(async { ask(tap.addr).await });
    // The client's last bytes may still be in flight.
    std::thread::sleep(Duration::from_millis(200));
    tap.close();
    let entries = entries.lock().unwrap().clone();
    well_formed(&entries);
    entries
}

#[test]
fn streams_at_once_are_exchanges_with_exact_fields_and_trailers() {
    let entries = recorded(|at| async move {
        let sender = connected(at).await;
        let one = |path: &'static str| {
            let sender = sender.clone();
            async move {
                let mut sender = sender.ready().await.unwrap();
                let (answer, mut body) = sender.send_request(post(at, path), false).unwrap();
                body.send_data(Bytes::from_static(BODY.as_bytes()), true).unwrap();
                let answer = answer.await.unwrap();
                assert_eq!(answer.headers()["x-asked"], BODY.len().to_string());
                let (bytes, trailers) = whole(answer.into_body()).await.unwrap();
                assert_eq!(bytes, ANSWER.concat().as_bytes());
                assert_eq!(trailers.unwrap()["x-cost"], "7");
            }
        };
        tokio::join!(one("/v1/chat/completions"), one("/up/v1/b"), one("/v1/c"));
    });
    let all = reported(&entries);
    assert_eq!(all.len(), 3);
    let paths: Vec<_> = all.iter().map(|of| of.path.as_str()).collect();
    assert_eq!(paths, ["v1/chat/completions", "v1/b", "v1/c"]);
    for of in &all {
        assert_eq!(of.body, BODY);
        assert_eq!((&of.statuses[..], of.answer.as_str()), (&[103, 200][..], &*ANSWER.concat()));
        assert_eq!(of.trailers, [("x-cost".to_owned(), "7".to_owned())]);
        assert_eq!(of.end, Some((EndCause::Complete, String::new())));
    }
    let request = entries.iter().find_map(|e| match &e.kind {
        EntryKind::Request(request) => Some(request),
        _ => None,
    });
    let raw = String::from_utf8(request.unwrap().raw.to_vec()).unwrap();
    assert!(raw.starts_with(":method: POST\r\n:scheme: http\r\n:authority: 127.0.0.1:"), "{raw}");
    assert!(raw.contains("\r\n:path: /v1/chat/completions\r\nauthorization: Bearer ****"), "{raw}");
    let head = entries.iter().find_map(|e| match &e.kind {
        EntryKind::Head(head) if !head.interim => Some(head),
        _ => None,
    });
    let head = head.unwrap();
    assert_eq!(head.version, "HTTP/2.0");
    assert_eq!(head.headers[0], ("content-type".to_owned(), "text/event-stream".to_owned()));
    let raw = String::from_utf8(head.raw.to_vec()).unwrap();
    assert!(raw.starts_with(":status: 200\r\ncontent-type: text/event-stream\r\n"), "{raw}");
    assert!(!format!("{entries:?}").contains("sk-abcdefgh"), "a secret was recorded");
    // Each piece was recorded by itself, with its time.
    let first = entries.iter().find(|e| matches!(e.kind, EntryKind::Request(_))).unwrap().exchange;
    let pieces = entries.iter().filter(|e| e.exchange == first);
    let times: Vec<_> =
        pieces.filter(|e| matches!(e.kind, EntryKind::Body { .. })).map(|e| e.at).collect();
    assert!(times.len() == 3 && times.is_sorted() && times[0] < times[2], "{times:?}");
}

#[test]
fn streams_that_are_reset_and_given_up_are_reported_as_that() {
    let entries = recorded(|at| async move {
        let mut sender = connected(at).await.ready().await.unwrap();
        for path in ["/v1/reset-before", "/v1/reset-inside"] {
            let (answer, _) = sender.send_request(post(at, path), true).unwrap();
            let ended = async { whole(answer.await?.into_body()).await }.await;
            assert!(ended.unwrap_err().is_reset(), "{path}");
        }
        let (answer, _) = sender.send_request(post(at, "/v1/slow"), true).unwrap();
        let mut body = answer.await.unwrap().into_body();
        body.data().await.unwrap().unwrap();
        drop(body);
        // A request that never ends, of a connection that does.
        let (answer, mut asking) = sender.send_request(post(at, "/v1/half"), false).unwrap();
        asking.send_data(Bytes::from_static(b"half"), false).unwrap();
        drop(tokio::time::timeout(Duration::from_millis(300), answer).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    });
    let all = reported(&entries);
    let end = |i: usize| all[i].end.clone().unwrap();
    let reset = |code: &str| (EndCause::Reset, format!("HTTP/2 stream error received: {code}"));
    assert_eq!(end(0), reset("REFUSED_STREAM"));
    assert_eq!((end(1), all[1].answer.as_str()), (reset("INTERNAL_ERROR"), ANSWER[0]));
    let left = |why: &str| (EndCause::Cancelled, why.to_owned());
    assert_eq!(end(2), left("the client reset the stream (CANCEL)"));
    assert_eq!((all[3].body.as_str(), end(3).0), ("half", EndCause::Cancelled));
}

/// Plays bytes to a client through a tap after its request for stream 1, and then closes; returns how that stream
/// ended and what was found.
fn played(wire: &[u8]) -> (Reported, Vec<String>) {
    let runtime = runtime();
    let entries = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (tap, entries) = tap(at);
        let mut stream = 1;
        let ask = client_frames(&mut stream, "tap", (0, Vec::new(), 0));
        let ask = [PREFACE, &frame(4, 0, 0, &[]), &ask].concat();
        let asking = async {
            let mut stream = TcpStream::connect(tap.addr).await.unwrap();
            stream.write_all(&ask).await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        };
        let answering = async {
            let mut stream = listener.accept().await.unwrap().0;
            stream.read_exact(&mut [0; 100]).await.unwrap();
            stream.write_all(&[&frame(4, 0, 0, &[]), wire].concat()).await.unwrap();
            stream.shutdown().await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
        };
        tokio::join!(asking, answering);
        tokio::task::spawn_blocking(move || tap.close()).await.unwrap();
        entries
    });
    let entries = entries.lock().unwrap();
    let mut inspection = sselens::inspect::Inspection::new(Arc::default());
    entries.iter().for_each(|entry| inspection.push(entry));
    let codes = inspection.findings().iter().map(|f| f.code.name().to_owned()).collect();
    (reported(&entries).remove(0), codes)
}

#[test]
fn broken_answers_are_reported_as_what_they_are() {
    let head = frame(
        HEADERS,
        END_HEADERS,
        1,
        &[&[0x88][..], &literal(false, "content-length", "50")].concat(),
    );
    let goaway = |last: u8, words: &str| {
        frame(7, 0, 0, &[&[0, 0, 0, last, 0, 0, 0, 11][..], words.as_bytes()].concat())
    };
    let some = frame(DATA, 0, 1, b"data: x\n\n");
    for (wire, cause, detail, code) in [
        ([&head[..], &some].concat(), EndCause::Truncated, "", "http2-reset"),
        (
            [&head[..], &some, &goaway(1, "too_many_pings")].concat(),
            EndCause::Truncated,
            "HTTP/2 GOAWAY received: ENHANCE_YOUR_CALM: \"too_many_pings\"",
            "http2-goaway",
        ),
        (
            goaway(0, ""),
            EndCause::Reset,
            "HTTP/2 GOAWAY received: ENHANCE_YOUR_CALM; this stream was not processed",
            "http2-goaway",
        ),
        (
            frame(3, 0, 1, &[0, 0, 0, 7]),
            EndCause::Reset,
            "HTTP/2 stream error received: REFUSED_STREAM",
            "http2-reset",
        ),
        (
            [&head[..], &frame(DATA, END_STREAM, 1, b"short")].concat(),
            EndCause::Protocol,
            "Content-Length said 50 bytes; the HTTP/2 stream ended after 5",
            "body-protocol-error",
        ),
        (
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &literal(false, "a", "b")),
            EndCause::Protocol,
            "the HTTP/2 response headers have no status",
            "protocol-error",
        ),
        (
            frame(HEADERS, END_HEADERS, 1, &[0xff, 0xff]),
            EndCause::Protocol,
            "a header block ends inside a field",
            "protocol-error",
        ),
        (
            frame(CONTINUATION, END_HEADERS, 1, &[0x88]),
            EndCause::Protocol,
            "the server's bytes are not HTTP/2: a CONTINUATION frame follows no header block",
            "protocol-error",
        ),
        (Vec::new(), EndCause::ClosedBeforeHead, "", "closed-before-head"),
    ] {
        let (reported, codes) = played(&wire);
        let (found, why) = reported.end.unwrap();
        assert_eq!(found, cause, "{why} {wire:x?}");
        assert!(why.starts_with(detail) && why.is_empty() == detail.is_empty(), "{why}");
        assert!(codes.iter().any(|c| c == code), "{code}: {codes:?}");
    }
}

#[test]
fn a_request_for_another_upstream_is_answered_421_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (server(chat), server(chat));
    let (a, b) = (format!("a=http://{a}"), format!("b=http://{b}"));
    let tap = RunningTap::start(dir.path(), &["--to", &a, "--to", &b, "--save", "s.jsonl"]);
    let at: SocketAddr = tap.url.trim_start_matches("http://").parse().unwrap();
    runtime().block_on(async {
        let mut sender = connected(at).await.ready().await.unwrap();
        for (path, status) in [("/b/x", 200), ("/a/x", 421), ("/b/y", 200)] {
            let (answer, mut body) = sender.send_request(post(at, path), false).unwrap();
            // Data for an unknown upstream is discarded, and does not stop the others.
            for _ in 0..20 {
                body.reserve_capacity(10_000);
                let room = std::future::poll_fn(|cx| body.poll_capacity(cx));
                let room = tokio::time::timeout(Duration::from_secs(5), room).await.unwrap();
                if !matches!(room, Some(Ok(_)))
                    || body.send_data(vec![b'x'; 1000].into(), false).is_err()
                {
                    break;
                }
            }
            let _ = body.send_data(Bytes::new(), true);
            let answer = answer.await.unwrap();
            assert_eq!(answer.status(), status);
            if status == 200 {
                whole(answer.into_body()).await.unwrap();
            }
        }
    });
    let (_, _, err) = tap.stop();
    assert!(
        err.contains("POST /a/x is for a, and its HTTP/2 connection leads to another"),
        "{err}"
    );
    let saved = std::fs::read_to_string(dir.path().join("s.jsonl")).unwrap();
    let all = reported(&sselens::journal::file::read(saved.as_bytes()).unwrap().entries);
    let paths: Vec<_> = all.iter().map(|of| (of.path.as_str(), of.body.len())).collect();
    assert_eq!(paths, [("x", 20_000), ("y", 20_000)]);
    // If no provider is named, the path must name one.
    let tap = RunningTap::start(dir.path(), &[]);
    let at: SocketAddr = tap.url.trim_start_matches("http://").parse().unwrap();
    let said = runtime().block_on(async {
        let mut sender = connected(at).await.ready().await.unwrap();
        let answer = sender.send_request(post(at, "/elsewhere"), true).unwrap().0.await.unwrap();
        assert_eq!(answer.status(), 421);
        whole(answer.into_body()).await.unwrap().0
    });
    assert!(String::from_utf8(said).unwrap().contains("--to"));
    assert!(tap.stop().2.contains("no upstream for POST /elsewhere"));
}

#[test]
fn what_cannot_be_read_is_forwarded_and_reported() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    let wire = [PREFACE, &frame(4, 0, 0, &[]), &frame(HEADERS, END_HEADERS, 1, &[0xff])].concat();
    let sent = wire.clone();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut got = vec![0; sent.len()];
        stream.read_exact(&mut got).unwrap();
        stream.write_all(&frame(4, 0, 0, &[])).unwrap();
        got
    });
    let dir = tempfile::tempdir().unwrap();
    let tap = RunningTap::start(dir.path(), &["--to", &upstream, "-o", "ndjson"]);
    let mut stream = std::net::TcpStream::connect(tap.url.trim_start_matches("http://")).unwrap();
    stream.write_all(&wire).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    drop(stream);
    assert_eq!((server.join().unwrap(), answer), (wire, frame(4, 0, 0, &[])));
    std::thread::sleep(Duration::from_millis(300));
    let (_, out, err) = tap.stop();
    let finding =
        out.lines().find(|l| l.contains("\"tap-unread\"")).unwrap_or_else(|| panic!("{out}{err}"));
    assert!(finding.contains("a header block ends inside a field"), "{finding}");
    assert!(err.contains("#0  PRI /"), "{err}");
}

#[test]
fn more_streams_than_anyone_needs_are_forwarded_and_not_kept() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let dir = tempfile::tempdir().unwrap();
    let tap = RunningTap::start(dir.path(), &["--to", &upstream, "--save", "s.jsonl"]);
    let mut stream = std::net::TcpStream::connect(tap.url.trim_start_matches("http://")).unwrap();
    stream.write_all(&[PREFACE, &frame(4, 0, 0, &[])].concat()).unwrap();
    let fields = [&[0x82, 0x84, 0x86][..], &literal(true, ":authority", "tap")].concat();
    for i in 0..5000 {
        let fields = if i == 0 { &fields[..] } else { &[0x82, 0x84, 0x86, 0xbe] };
        stream.write_all(&frame(HEADERS, END_HEADERS, 2 * i + 1, fields)).unwrap();
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let received = normal(&server.join().unwrap());
    assert_eq!(received.len(), 5000 + 2);
    drop(stream);
    let (_, _, err) = tap.stop();
    assert_eq!(err.matches("more than 4,096 HTTP/2 streams at once").count(), 1, "{err}");
    let saved = std::fs::read_to_string(dir.path().join("s.jsonl")).unwrap();
    let entries = sselens::journal::file::read(saved.as_bytes()).unwrap().entries;
    assert_eq!(reported(&entries).len(), 4096);
}

#[test]
fn curl_speaks_http_2_through_the_tap_and_the_session_has_it() {
    let curl = std::process::Command::new("curl").arg("--version").output();
    if !curl.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains("HTTP2")) {
        eprintln!("no curl with HTTP/2 here: not tested");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let upstream = format!("http://{}/v1", server(chat));
    let tap = RunningTap::start(dir.path(), &["--to", &upstream, "--save", "s.jsonl"]);
    let mut curl = std::process::Command::new("curl");
    curl.args([
        "-sSN",
        "--http2-prior-knowledge",
        "-d",
        BODY,
        "-H",
        "authorization: Bearer sk-abcdefgh12345678",
    ]);
    curl.arg(format!("{}/chat/completions?api_key=key-zyxwvut987654", tap.url));
    let out = curl.output().unwrap();
    let said = String::from_utf8(out.stdout).unwrap();
    assert_eq!(said, ANSWER.concat(), "{}", String::from_utf8_lossy(&out.stderr));
    std::thread::sleep(Duration::from_millis(200));
    let (code, _, err) = tap.stop();
    assert_eq!(code, 130, "{err}");
    assert!(err.contains("#0  POST /v1/chat/completions") && err.contains("200"), "{err}");
    let saved = std::fs::read_to_string(dir.path().join("s.jsonl")).unwrap();
    for secret in ["sk-abcdefgh", "key-zyxwv"] {
        assert!(!saved.contains(secret) && !err.contains(secret), "{secret}");
    }
    let show = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sselens"));
        command.args(args).current_dir(dir.path()).env_clear().env("HOME", dir.path());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let shown = show(&["show", "s.jsonl", "-o", "json"]);
    let summary: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&summary["outcome"], &summary["model"]), (&"ok".into(), &"m".into()), "{shown}");
    assert_eq!(show(&["export", "s.jsonl", "--to", "raw"]), ANSWER.concat());
    // It can be served again, to clients of HTTP/1.
    let session = dir.path().join("s.jsonl");
    let running = crate::replay::replay(dir.path(), &session, &["--match", "any", "--pace", "0"]);
    let answer = crate::replay::ask(&running, "/v1/chat/completions", BODY);
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 103 ") && answer.contains("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("data: [DONE]") && !answer.contains(":status"), "{answer}");
    let curl = show(&["export", "s.jsonl", "--to", "curl"]);
    assert!(!curl.contains(":authority") && !curl.contains(":path"), "{curl}");
}
