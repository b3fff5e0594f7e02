//! The tap: what each side receives through it is what it receives without.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sselens::clock::Clock;
use sselens::journal::{EndCause, Entry, EntryKind};
use sselens::tap::{Routes, Tap, TapNews, TapOptions, Upstream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::RunningTap;

/// How a side ends when its script is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    /// Closes its sending side, and reads on to the end.
    HalfClose,
    /// Closes with a reset.
    Reset,
    /// Closes both directions, when all of the other side has come, or nothing for a while.
    Close,
}

/// What one side does.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) writes: Vec<Vec<u8>>,
    pub(crate) last: Last,
}

/// What one side got.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Got {
    pub(crate) bytes: Vec<u8>,
    /// `fin`, `reset`, nothing where it did not read to the end; `broken` where a write failed, which
    /// takes the error of a reset away from the read.
    pub(crate) end: &'static str,
}

/// How long nothing comes where something is still missing: a tap may hold back the half of a line. Longer than a
/// busy machine takes for what does come; in microseconds.
const QUIET: u64 = 1_500_000;

/// Plays a script to a side that plays `other`.
async fn play(stream: TcpStream, script: &Script, other: &Script) -> Got {
    stream.set_nodelay(true).unwrap();
    let (mut from, mut to) = stream.into_split();
    let got = Arc::new(Mutex::new(Got::default()));
    let reader = {
        let got = Arc::clone(&got);
        async move {
            let mut buffer = [0; 4096];
            loop {
                match from.read(&mut buffer).await {
                    Ok(0) => break got.lock().unwrap().end = "fin",
                    Ok(n) => got.lock().unwrap().bytes.extend_from_slice(&buffer[..n]),
                    Err(_) => break got.lock().unwrap().end = "reset",
                }
            }
            from
        }
    };
    let reader = tokio::spawn(reader);
    let mut broken = false;
    for write in &script.writes {
        // The other side may have reset.
        if to.write_all(write).await.is_err() {
            broken = true;
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    match script.last {
        Last::HalfClose => {
            let _ = to.shutdown().await;
            let _ = tokio::time::timeout(Duration::from_secs(5), reader).await;
        }
        Last::Reset | Last::Close => {
            // The data received so far must not depend on how busy the machine is.
            let expected = other.writes.concat().len();
            let clock = Clock::start();
            let (mut before, mut since) = (0, clock.now());
            loop {
                let (len, end) = {
                    let got = got.lock().unwrap();
                    (got.bytes.len(), got.end)
                };
                if len > before {
                    (before, since) = (len, clock.now());
                }
                if len >= expected || !end.is_empty() || clock.now() - since > QUIET {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            reader.abort();
            let _ = reader.await;
            if script.last == Last::Reset {
                to.as_ref().set_zero_linger().unwrap();
                to.forget();
            }
        }
    }
    let mut got = got.lock().unwrap();
    if broken {
        got.end = "broken";
    }
    got.clone()
}

/// Plays both scripts over one connection from `to`'s address to the listener.
pub(crate) async fn both(
    to: SocketAddr,
    listener: &TcpListener,
    client: &Script,
    server: &Script,
) -> (Got, Got) {
    let asking = async { play(TcpStream::connect(to).await.unwrap(), client, server).await };
    let answering = async {
        let accepted = tokio::time::timeout(Duration::from_secs(5), listener.accept()).await;
        play(accepted.unwrap().unwrap().0, server, client).await
    };
    tokio::join!(asking, answering)
}

pub(crate) fn tap(upstream: SocketAddr) -> (Tap, Arc<Mutex<Vec<Entry>>>) {
    let entries = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&entries);
    let tap = tap_that_tells(upstream, move |news| {
        if let TapNews::Entry(entry) = news {
            kept.lock().unwrap().push(entry);
        }
    });
    (tap, entries)
}

fn tap_that_tells(upstream: SocketAddr, news: impl FnMut(TapNews) + Send + 'static) -> Tap {
    let routes = Routes::to(vec![Upstream::at("up", &format!("http://{upstream}")).unwrap()]);
    let options = TapOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        routes,
        transport: Default::default(),
        numbers: Arc::default(),
        intercept: None,
        side: None,
    };
    Tap::start(options, Clock::start(), news).unwrap()
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Pieces of what clients send; `HOST` becomes the server's own address, so that nothing has to
/// change on the way.
const REQUESTS: &[&[u8]] = &[
    b"GET /a?b=%41&c HTTP/1.1\r\nHost: HOST\r\n\r\n",
    b"POST /v1/chat/completions HTTP/1.1\r\nhost:HOST\r\nContent-Length: 11\r\n\r\n{\"a\":\"\xc3\xa9\"}\r\n",
    b"POST /x HTTP/1.1\r\nA: b\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n5;e=\"q\"\r\nhello\r\n0\r\nT: u\r\n\r\n",
    b"HEAD / HTTP/1.0\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: HOST\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
    b"\x81\x85\x01\x02\x03\x04hello",
    b"POST /expect HTTP/1.1\r\nHost: HOST\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    b"abc",
    b"GET /lf HTTP/1.1\nHost: HOST\n\n",
    b"GET /two HTTP/1.1\r\nHost: HOST\r\nHost: other\r\n\r\n",
    b"POST /both HTTP/1.1\r\nHost: HOST\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"POST /bad HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /odd HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\n",
    b"\r\n\r\n",
    b"\x16\x03\x01\x00\x05hello",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /folded HTTP/1.1\r\nHost: HOST\r\nA: b\r\n c\r\n d\r\n\r\n",
    b"nonsense\n",
    b"GET  /spaces  HTTP/1.1\r\nHost: HOST\r\n\r\n",
    b"\x00\xff\xfe",
];

const RESPONSES: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a:  2 \r\nTransfer-Encoding: chunked\r\n\r\n4;x\r\ndata\r\n1\r\n:\r\n0\r\nT: u\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\ndata: close-delimited\n\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello",
    b"HTTP/1.1 500\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\noh",
    b"more bytes after the end",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf",
    b"SSH-2.0-x\r\n",
    b"\x00\xff\r\n\r\n",
];

fn script(pieces: &'static [&'static [u8]], least: usize) -> impl Strategy<Value = Script> {
    let last = prop_oneof![
        4 => Just(Last::HalfClose),
        1 => Just(Last::Reset),
        1 => Just(Last::Close),
    ];
    let bytes = prop::collection::vec(prop::sample::select(pieces), least..4);
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..4);
    // A tail is cut off now and then.
    let keep = prop_oneof![3 => Just(1.0), 1 => 0.2..1.0f64];
    (bytes, cuts, keep, last).prop_map(|(bytes, cuts, keep, last)| {
        let mut wire = bytes.concat();
        wire.truncate(((wire.len() as f64 * keep) as usize).max(1));
        let mut at: Vec<_> = cuts.iter().map(|c| c.index(wire.len().max(1))).collect();
        at.sort_unstable();
        let mut writes = Vec::new();
        let mut from = 0;
        for cut in at.into_iter().chain([wire.len()]) {
            if cut > from {
                writes.push(wire[from..cut].to_vec());
                from = cut;
            }
        }
        Script { writes, last }
    })
}

/// Puts the server's address where a client would have it.
fn with_host(script: &Script, host: SocketAddr) -> Script {
    let lengths: Vec<_> = script.writes.iter().map(Vec::len).collect();
    let mut wire = script.writes.concat();
    let (mut cuts, mut sum) = (Vec::new(), 0);
    for len in lengths {
        sum += len;
        cuts.push(sum);
    }
    let host = host.to_string();
    while let Some(at) = wire.windows(4).position(|w| w == b"HOST") {
        wire.splice(at..at + 4, host.bytes());
        for cut in cuts.iter_mut().filter(|c| **c > at) {
            *cut = (*cut + host.len()).saturating_sub(4).max(at);
        }
    }
    let mut writes = Vec::new();
    let mut from = 0;
    if let Some(last) = cuts.last_mut() {
        *last = wire.len();
    }
    for cut in cuts {
        let cut = cut.min(wire.len());
        if cut > from {
            writes.push(wire[from..cut].to_vec());
            from = cut;
        }
    }
    Script { writes, last: script.last }
}

/// Whether what a side got is the same; one that stopped reading by itself has got a part.
pub(crate) fn same(with: &Got, without: &Got, last: Last) -> bool {
    if last == Last::HalfClose {
        let ends = [with.end, without.end];
        return with.bytes == without.bytes && (ends[0] == ends[1] || ends.contains(&"broken"));
    }
    let shorter = with.bytes.len().min(without.bytes.len());
    with.bytes[..shorter] == without.bytes[..shorter]
}

#[test]
fn each_side_receives_what_it_receives_without_the_tap() {
    let cases = std::env::var("SSELENS_TAP_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 40, ..Config::default() };
    let runtime = runtime();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let server_at = listener.local_addr().unwrap();
    let (tap, entries) = tap(server_at);
    let result = TestRunner::new(config).run(
        &(script(REQUESTS, 1), script(RESPONSES, 0)),
        |(client, server)| {
            let client = with_host(&client, server_at);
            let (without, with) = runtime.block_on(async {
                let without = both(server_at, &listener, &client, &server).await;
                (without, both(tap.addr, &listener, &client, &server).await)
            });
            let reported = || {
                format!(
                    "\nclient {client:?}\nserver {server:?}\nwithout {without:?}\nwith {with:?}"
                )
            };
            prop_assert!(
                same(&with.0, &without.0, client.last),
                "the client received: {}",
                reported()
            );
            prop_assert!(
                same(&with.1, &without.1, server.last),
                "the server received: {}",
                reported()
            );
            Ok(())
        },
    );
    tap.close();
    if let Err(why) = result {
        panic!("{why}");
    }
    well_formed(&entries.lock().unwrap());
}

/// Every exchange has a request first, an end last, and both once.
pub(crate) fn well_formed(entries: &[Entry]) {
    let exchanges: std::collections::BTreeSet<_> = entries.iter().map(|e| e.exchange).collect();
    for x in exchanges {
        let own: Vec<_> = entries.iter().filter(|e| e.exchange == x).collect();
        let ends = own.iter().filter(|e| matches!(e.kind, EntryKind::End { .. })).count();
        let requests = own.iter().filter(|e| matches!(e.kind, EntryKind::Request(_))).count();
        assert_eq!((ends, requests), (1, 1), "{own:?}");
        assert!(matches!(own[0].kind, EntryKind::Request(_)), "{own:?}");
        assert!(matches!(own[own.len() - 1].kind, EntryKind::End { .. }), "{own:?}");
    }
}

/// Sends `request` through a tap to a server that answers `response` and ends like this, and reads
/// all of it.
fn exchange(request: &[u8], response: &[u8], last: Last) -> (Got, Vec<Entry>) {
    let runtime = runtime();
    let (got, entries) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (tap, entries) = tap(listener.local_addr().unwrap());
        let asking = async {
            let mut stream = TcpStream::connect(tap.addr).await.unwrap();
            stream.write_all(request).await.unwrap();
            let mut bytes = Vec::new();
            let end = match stream.read_to_end(&mut bytes).await {
                Ok(_) => "fin",
                Err(_) => "reset",
            };
            Got { bytes, end }
        };
        let server = Script { writes: vec![response.to_vec()], last };
        let client = Script { writes: vec![request.to_vec()], last: Last::HalfClose };
        let answering = async { play(listener.accept().await.unwrap().0, &server, &client).await };
        let (got, _) = tokio::join!(asking, answering);
        tokio::task::spawn_blocking(move || tap.close()).await.unwrap();
        (got, entries)
    });
    let entries = entries.lock().unwrap().clone();
    (got, entries)
}

fn end(entries: &[Entry]) -> (EndCause, String) {
    let ends = entries.iter().filter_map(|e| match &e.kind {
        EntryKind::End { cause, detail } => Some((*cause, detail.clone())),
        _ => None,
    });
    ends.last().unwrap()
}

const POST: &[u8] =
    b"POST /v1/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer sk-abcdefgh12345678\r\nContent-Length: 2\r\n\r\n{}";

#[test]
fn what_an_http_library_hides_is_recorded() {
    let response = b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\nHTTP/1.1 200 Fine\r\nX-Odd:  1\r\n\
        Transfer-Encoding: chunked\r\n\r\n3;why\r\nxyz\r\n2\r\nuv\r\n0\r\nT: u\r\n\r\nmore";
    let (got, entries) = exchange(POST, response, Last::HalfClose);
    assert_eq!(got.bytes, response);
    let heads: Vec<_> = entries
        .iter()
        .filter_map(|e| match &e.kind {
            EntryKind::Head(h) => Some((h.interim, h.status, String::from_utf8_lossy(&h.raw))),
            _ => None,
        })
        .collect();
    assert_eq!(heads[0], (true, 103, "HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n".into()));
    assert!(heads[1].2.contains("200 Fine\r\nX-Odd:  1\r\n"), "{heads:?}");
    let bodies: Vec<_> = entries
        .iter()
        .filter_map(|e| match &e.kind {
            EntryKind::Body { bytes, .. } => Some(bytes.to_vec()),
            _ => None,
        })
        .collect();
    assert_eq!(bodies, [b"xyz".to_vec(), b"uv".to_vec()]);
    let notes: Vec<_> = entries
        .iter()
        .filter_map(|e| match &e.kind {
            EntryKind::Note { code, text, .. } if code != "read-clock" => {
                Some((code.as_str(), text.as_str()))
            }
            EntryKind::Trailers(t) => Some(("trailers", t[0].1.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(
        notes,
        [
            ("chunk-extension", "A chunk has the extension \"why\""),
            ("trailers", "u"),
            ("bytes-after-body", "After the end of the body: 4 more bytes: \"more\""),
        ]
    );
    assert_eq!(end(&entries).0, EndCause::Complete);
    let clock = |entries: &[Entry]| {
        entries.iter().find_map(|e| match &e.kind {
            EntryKind::Note { code, text, .. } if code == "read-clock" => Some(text.clone()),
            _ => None,
        })
    };
    assert!(clock(&entries).is_some());
    // Linux begins to stamp a moment after the first socket of the machine asks for it.
    let kernel = (0..50).any(|_| {
        let (_, entries) = exchange(POST, response, Last::HalfClose);
        clock(&entries).unwrap().contains("the kernel's")
    });
    assert_eq!(kernel, cfg!(target_os = "linux"));
}

#[test]
fn ends_are_told_as_they_were() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (response, last, cause, detail) in [
        (format!("{head}123456789"), Last::HalfClose, EndCause::Complete, ""),
        (format!("{head}1234"), Last::HalfClose, EndCause::Truncated, ""),
        (format!("{head}1234"), Last::Reset, EndCause::Reset, "Connection reset"),
        (format!("{chunked}2\r\nab\r\n"), Last::HalfClose, EndCause::Truncated, ""),
        (
            format!("{chunked}zz\r\n"),
            Last::HalfClose,
            EndCause::Protocol,
            "invalid chunk size \"zz\"",
        ),
        (String::new(), Last::HalfClose, EndCause::ClosedBeforeHead, ""),
        ("HTTP/1.1 200".into(), Last::HalfClose, EndCause::ClosedInsideHead, ""),
        ("HTTP/1.1 200 OK\r\n\r\nabc".into(), Last::HalfClose, EndCause::Closed, ""),
        ("SSH-2.0\r\n".into(), Last::HalfClose, EndCause::Protocol, "does not begin with HTTP/"),
    ] {
        let (got, entries) = exchange(POST, response.as_bytes(), last);
        assert_eq!(String::from_utf8_lossy(&got.bytes), response);
        assert_eq!(got.end, if last == Last::Reset { "reset" } else { "fin" }, "{response}");
        let (reported, words) = end(&entries);
        assert_eq!(reported, cause, "{response}");
        assert!(words.contains(detail), "{words}");
    }
}

#[test]
fn a_client_that_leaves_ends_the_call_upstream() {
    let runtime = runtime();
    let entries = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (tap, entries) = tap(listener.local_addr().unwrap());
        let mut client = TcpStream::connect(tap.addr).await.unwrap();
        client.write_all(POST).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        assert!(server.read(&mut buffer).await.unwrap() > 0);
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        server.write_all(head).await.unwrap();
        assert_eq!(client.read(&mut buffer).await.unwrap(), head.len());
        drop(client);
        // The client's end is noticed at once, and writing to a closed connection causes a reset.
        let patience = Duration::from_secs(5);
        let left = tokio::time::timeout(patience, server.read(&mut buffer)).await;
        assert_eq!(left.unwrap().unwrap(), 0);
        let refused = async {
            while server.write_all(b"2\r\nxy\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(patience, refused).await.unwrap();
        tokio::task::spawn_blocking(move || tap.close()).await.unwrap();
        entries
    });
    let reported = end(&entries.lock().unwrap());
    assert_eq!(reported, (EndCause::Cancelled, "the client closed the connection".into()));
}

#[test]
fn nobody_at_the_upstream_is_a_reset_and_told() {
    let runtime = runtime();
    let entries = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let nobody = listener.local_addr().unwrap();
        drop(listener);
        let (tap, entries) = tap(nobody);
        let mut client = TcpStream::connect(tap.addr).await.unwrap();
        client.write_all(POST).await.unwrap();
        let mut bytes = Vec::new();
        assert!(client.read_to_end(&mut bytes).await.is_err() && bytes.is_empty());
        tokio::task::spawn_blocking(move || tap.close()).await.unwrap();
        entries
    });
    let (cause, detail) = end(&entries.lock().unwrap());
    assert_eq!(cause, EndCause::Refused);
    assert!(detail.contains("127.0.0.1:"), "{detail}");
}

#[test]
fn a_slow_client_slows_the_upstream() {
    const MOST: usize = 64 << 20;
    let runtime = runtime();
    let sent = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (tap, _) = tap(listener.local_addr().unwrap());
        let mut client = TcpStream::connect(tap.addr).await.unwrap();
        client.write_all(POST).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        // With an unread request, the close would become a reset.
        assert_eq!(server.read(&mut [0; 4096]).await.unwrap(), POST.len() + 14);
        server.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut sent = 0;
        let block = vec![b'x'; 64 << 10];
        // The client does not read: what is accepted is in the kernel's buffers.
        while sent < MOST {
            let write =
                tokio::time::timeout(Duration::from_millis(500), server.write(&block)).await;
            match write {
                Ok(n) => sent += n.unwrap(),
                Err(_) => break,
            }
        }
        // The client receives everything once it reads again.
        drop(server);
        let mut bytes = Vec::new();
        client.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes.len(), sent + 19);
        tokio::task::spawn_blocking(move || tap.close()).await.unwrap();
        sent
    });
    assert!(sent < MOST, "{sent} bytes were taken from the server that nobody had read");
}

#[test]
fn credentials_of_the_client_are_masked_wherever_they_show() {
    let response =
        b"HTTP/1.1 401 No\r\nContent-Length: 32\r\nX-Key: sk-abcdefgh12345678\r\n\r\nno such key: sk-abcdefgh12345678!";
    let (got, entries) = exchange(POST, response, Last::HalfClose);
    assert_eq!(got.bytes, response);
    let all = format!("{entries:?}");
    assert!(!all.contains("abcdefgh12345678"), "{all}");
    let mut lines = Vec::new();
    entries.iter().for_each(|e| sselens::journal::file::encode(e, &mut lines));
    let file = String::from_utf8(lines).unwrap();
    assert!(!file.contains("abcdefgh12345678"), "{file}");
    assert!(file.contains("Authorization: Bearer *******************\\r\\n"), "{file}");
}

/// Posts `body` on a connection of its own, and returns all that comes back.
fn post(url: &str, target: &str, headers: &str, body: &str) -> String {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {target} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_program_prints_what_send_prints_and_saves_it() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--to", "lab", "--pace", "0", "-o", "ndjson", "--save", "s.jsonl"];
    let tap = RunningTap::start(dir.path(), &args);
    let body = r#"{"model":"lab/reasoning-delta","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    let key = "authorization: Bearer sk-abcdefgh12345678\r\n";
    let answer = post(&tap.url, "/v1/chat/completions", key, body);
    assert!(answer.contains("data: [DONE]"), "{answer}");
    // A client with a proxy setting sends the whole address; the prefix is the upstream's name.
    let whole = format!("{}/lab/messages", tap.url);
    let empty = r#"{"model":"lab/empty-stream","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#;
    let answer = post(&tap.url, &whole, "", empty);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let (code, out, err) = tap.stop();
    assert_eq!(code, 130, "{err}");
    let lines: Vec<serde_json::Value> =
        out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let kinds: Vec<_> =
        lines.iter().filter(|l| l["x"] == 0).map(|l| l["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..2], ["request", "head"]);
    assert_eq!(*kinds.last().unwrap(), "summary");
    let summary = |x: u32| lines.iter().find(|l| l["type"] == "summary" && l["x"] == x).unwrap();
    assert_eq!(
        (&summary(0)["outcome"], &summary(0)["model"]),
        (&"ok".into(), &"lab/reasoning-delta".into())
    );
    assert_eq!(summary(1)["outcome"], "failed");
    assert!(summary(1)["dialect"].is_null() || summary(1)["dialect"] == "anthropic");
    assert!(err.contains("#0  POST /v1/chat/completions  lab/reasoning-delta  200"), "{err}");
    assert!(err.contains("#1  POST /v1/messages  lab/empty-stream  200"), "{err}");
    let saved = std::fs::read_to_string(dir.path().join("s.jsonl")).unwrap();
    assert!(!saved.contains("sk-abcdefgh") && !out.contains("sk-abcdefgh"));
    let entries = sselens::journal::file::read(saved.as_bytes()).unwrap().entries;
    well_formed(&entries);
}

/// Sends bytes on a connection of their own and reads until nothing more comes.
fn send_raw(url: &str, bytes: &[u8]) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
    stream.write_all(bytes).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = stream.read_to_end(&mut Vec::new());
}

#[test]
fn no_request_that_cannot_be_read_shows_its_credentials() {
    let heads: [&str; 14] = [
        "POST /v1/chat?api_key=SECRET HTTP/9.9\r\n\r\n",
        "POST /v1/chat?api_key=SECRET\r\nHost: x\r\n\r\n",
        "POST /v1/chat api_key=SECRET HTTP/1.1\r\nHost: x\r\n\r\n",
        "Authorization: Bearer SECRET\r\nPOST /v1/chat HTTP/1.1\r\n\r\n",
        "{\"api_key\":\"SECRET\"}\n",
        "SECRET",
        "SECRET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "CONNECT user:SECRET@host:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST http://user:SECRET@127.0.0.1:1/v1 HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /nowhere?token=SECRET HTTP/1.1\r\nHost: SECRET\r\n\r\n",
        "POST /lab/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization Bearer SECRET\r\n\r\n",
        "POST /lab/chat/completions HTTP/1.1\r\nHost: x\r\nX:\r\n Bearer SECRET\r\n\r\n",
        "POST /lab/chat/completions HTTP/1.1\r\nHost: x\r\nHost: SECRET\r\nTransfer-Encoding: chunked\r\n\r\nSECRET\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nSECRET, not a frame of HTTP/2, which is long enough to be one",
    ];
    let secret = "sk-abcdefgh12345678";
    for args in [&["--to", "lab"][..], &["--to", "lab", "--to", "b=lab"]] {
        let dir = tempfile::tempdir().unwrap();
        let all = [args, &["-o", "ndjson", "--save", "s.jsonl"]].concat();
        let tap = RunningTap::start(dir.path(), &all);
        for head in heads {
            send_raw(&tap.url, head.replace("SECRET", secret).as_bytes());
        }
        let (_, out, err) = tap.stop();
        let saved = std::fs::read_to_string(dir.path().join("s.jsonl")).unwrap_or_default();
        assert!(err.contains("is no request line"), "{err}");
        for (name, text) in [("out", out), ("err", err), ("saved", saved)] {
            for from in 3..=secret.len() - 8 {
                let piece = &secret[from..from + 8];
                assert!(!text.contains(piece), "{piece} in {name}: {text}");
            }
        }
    }
}

#[test]
fn a_tap_listens_for_this_machine_only() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sselens"));
    let out = command.args(["tap", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(String::from_utf8(out.stderr).unwrap().contains("--allow-remote"));
}

#[test]
fn a_path_that_leads_nowhere_is_answered_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let tap = RunningTap::start(dir.path(), &[]);
    let answer = post(&tap.url, "/elsewhere", "", "{}");
    assert!(answer.starts_with("HTTP/1.1 421 ") && answer.contains("--to"), "{answer}");
    let (_, _, err) = tap.stop();
    assert!(err.contains("no upstream for POST /elsewhere"), "{err}");
}

/// Runs `tap … -- sh -c SCRIPT` with a lab, and returns its exit status and outputs.
fn launched(script: &str, environment: &[(&str, &str)], args: &[&str]) -> (i32, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sselens"));
    command.arg("tap").args(args).args(["--", "sh", "-c", script]).current_dir(dir.path());
    command.env_clear().env("HOME", dir.path()).env("PATH", std::env::var_os("PATH").unwrap());
    command.envs(environment.iter().copied()).stdin(std::process::Stdio::null());
    let out = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
}

#[test]
fn a_started_program_finds_the_tap_and_its_status_is_passed_on() {
    let (code, out, err) = launched(
        "echo $OPENAI_BASE_URL $ANTHROPIC_BASE_URL $NO_PROXY; exit 7",
        &[("ANTHROPIC_BASE_URL", "http://127.0.0.1:9/gw")],
        &[],
    );
    assert_eq!(code, 7, "{err}");
    let words: Vec<_> = out.split_whitespace().collect();
    let tap = words[0].strip_suffix("/openai/v1").unwrap();
    assert!(tap.starts_with("http://127.0.0.1:"), "{out}");
    assert_eq!(words[1], format!("{tap}/anthropic"));
    assert_eq!(words[2], "127.0.0.1,localhost,::1");
    assert!(err.contains("http://127.0.0.1:9 (/anthropic)"), "{err}");
    // The exit status for a signal is the one that shells use.
    assert_eq!(launched("kill -9 $$", &[], &["-q"]).0, 137);
}

#[test]
fn the_calls_of_a_started_program_are_recorded() {
    let script = r#"curl -sN $OPENAI_BASE_URL/chat/completions -H 'content-type: application/json' \
        -d '{"model":"lab/empty-stream","stream":true,"messages":[{"role":"user","content":"hi"}]}'"#;
    if std::process::Command::new("curl").arg("--version").output().is_err() {
        eprintln!("no curl here: not tested");
        return;
    }
    let lab = ["--to", "lab", "--pace", "0"];
    let (code, _, err) = launched(script, &[], &lab);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("#0  POST /v1/chat/completions  lab/empty-stream  200"), "{err}");
    let (code, _, err) = launched(script, &[], &[&lab[..], &["--fail-on", "error"]].concat());
    assert_eq!(code, 1, "{err}");
    let (code, _, err) = launched("exit 0", &[], &[&lab[..], &["--fail-on", "error"]].concat());
    assert_eq!(code, 0, "{err}");
}

/// Reads one request off a connection: its head and its body.
fn read_request(stream: &mut std::net::TcpStream) -> Option<(String, Vec<u8>)> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..at]).into_owned();
            let length = head.lines().find_map(|l| {
                let (k, v) = l.split_once(':')?;
                k.eq_ignore_ascii_case("content-length").then(|| v.trim().parse::<usize>().unwrap())
            });
            if bytes.len() >= at + 4 + length.unwrap_or(0) {
                return Some((head, bytes.split_off(at + 4)));
            }
        }
        let n = stream.read(&mut buffer).ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buffer[..n]);
    }
}

/// A gateway that drops `user`, sends what was refused with 422 once more, and then has nothing to
/// say but that it has nothing: as LiteLLM 1.81.5 does with `drop_params`.
fn gateway(listener: std::net::TcpListener, providers: &str) {
    use std::io::Write as _;
    let providers = providers.to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some((head, body)) = read_request(&mut stream) else { continue };
            let target = head.split_whitespace().nth(1).unwrap().to_owned();
            let mut body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            body.as_object_mut().unwrap().remove("user");
            let mut answer = post(&providers, &target, "", &body.to_string());
            if answer.starts_with("HTTP/1.1 422") {
                answer = post(&providers, &target, "", &body.to_string());
            }
            if answer.starts_with("HTTP/1.1 422") {
                let none = r#"{"error":{"message":"'NoneType' object has no attribute '__aiter__'","type":"None","param":"None","code":"500"}}"#;
                answer = format!(
                    "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{none}",
                    none.len()
                );
            }
            let _ = stream.write_all(answer.as_bytes());
        }
    });
}

#[test]
fn a_report_that_is_asked_for_comes_behind_all_that_was_read_before() {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let Some(_) = read_request(&mut stream) else { continue };
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        }
    });
    // Whoever listens is slow.
    let (sender, news) = std::sync::mpsc::channel();
    let tap = tap_that_tells(upstream, move |news| {
        std::thread::sleep(Duration::from_millis(60));
        let _ = sender.send(news);
    });
    for call in 0..4u32 {
        let mut stream = std::net::TcpStream::connect(tap.addr).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = [0; 40];
        stream.read_exact(&mut answer).unwrap();
        // The answer went through the tap, so its request is known to it.
        tap.ask_report();
        let mut requests = Vec::new();
        loop {
            match news.recv_timeout(Duration::from_secs(20)).unwrap() {
                TapNews::Entry(Entry { exchange, kind: EntryKind::Request(_), .. }) => {
                    requests.push(exchange);
                }
                TapNews::ReportedUntil(_) => break,
                _ => {}
            }
        }
        assert_eq!(requests, [call]);
    }
    tap.close();
}

#[test]
fn both_sides_of_a_gateway_are_paired_and_compared() {
    let dir = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let args = ["--around", &at, "--to", "lab", "--pace", "0", "-o", "ndjson", "--save", "s.jsonl"];
    let tap = RunningTap::start(dir.path(), &args);
    gateway(listener, tap.second.as_ref().unwrap());
    let refused = r#"{"model":"lab/http-422-tool-choice","stream":true,"user":"u","tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto","messages":[{"role":"user","content":"hi"}]}"#;
    let answer = post(&tap.url, "/v1/chat/completions", "", refused);
    assert!(answer.contains("NoneType"), "{answer}");
    let sound =
        r#"{"model":"lab/answer","stream":true,"messages":[{"role":"user","content":"hello"}]}"#;
    assert!(post(&tap.url, "/v1/chat/completions", "", sound).contains("[DONE]"));
    // The pair of the last call is reported when both of its sides are over.
    std::thread::sleep(Duration::from_secs(2));
    let (_, out, err) = tap.stop();
    let lines: Vec<serde_json::Value> =
        out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let pairs: Vec<_> = lines.iter().filter(|l| l["type"] == "pair").collect();
    assert_eq!(pairs.len(), 2, "{err}");
    let client = pairs[0]["client"].as_u64().unwrap();
    assert_eq!((client, &pairs[0]["upstream"]), (0, &serde_json::json!([1, 2])), "{out}");
    assert_eq!(pairs[0]["by"], "body");
    assert_eq!(
        pairs[0]["verdict"],
        "The gateway sent the request twice, got 422 twice (\"body.tool_choice: Input should be a \
         valid dictionary or object to extract fields from\"), and answered 500 \"'NoneType' object \
         has no attribute '__aiter__'\""
    );
    let codes: Vec<_> = lines
        .iter()
        .filter(|l| l["type"] == "finding" && l["phase"] == "compare")
        .map(|l| l["code"].as_str().unwrap())
        .collect();
    for code in ["duplicate-request-after-422", "gw-retry-hidden", "gw-params-dropped"] {
        assert!(codes.contains(&code), "{codes:?}");
    }
    assert_eq!(pairs[1]["upstream"].as_array().unwrap().len(), 1);
    assert!(err.contains("#0 → #1, #2 (by body)"), "{err}");
    // The session has the same pairs.
    let show = |format: &str| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sselens"));
        command.args(["show", "s.jsonl", "-o", format]).current_dir(dir.path());
        let out = command.env_clear().env("HOME", dir.path()).output().unwrap();
        (out.status.code(), String::from_utf8(out.stdout).unwrap())
    };
    let (code, shown) = show("ndjson");
    let lines = shown.lines().map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap());
    let again: Vec<_> = lines.filter(|l| l["type"] == "pair").collect();
    assert_eq!(again.iter().collect::<Vec<_>>(), pairs);
    assert_eq!(code, Some(1));
    let (_, text) = show("text");
    let pair = text.split_once("#0 → #1, #2 (by body)").unwrap().1;
    for line in [
        "\n    A is #2, the call upstream; B is #0, the client's call\n",
        "\n    blame  gateway (certain): ",
    ] {
        assert!(pair.contains(line), "{pair}");
    }
    // Each report has its number.
    assert!((0..5).all(|x| text.contains(&format!("── #{x} ──"))), "{text}");
    // Named alone the two are still one call.
    for [a, b] in [["s.jsonl#2", "s.jsonl#0"], ["s.jsonl#0", "s.jsonl#2"]] {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sselens"));
        command.args(["compare", a, b]).current_dir(dir.path());
        let out = command.env_clear().env("HOME", dir.path()).output().unwrap();
        let out = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
        assert!(out.contains("blame    gateway (certain)"), "{out}");
        let says = "A is #2, the call upstream; B is #0, the client's call";
        assert_eq!(out.contains(says), a.ends_with("#0"), "{out}");
    }
}

/// What was posted: the request's headers and body.
type Posted = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// A collector that keeps what is posted to it; its address.
fn collector() -> (String, Posted) {
    use std::io::Write as _;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&kept);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            while let Some(request) = read_request(&mut stream) {
                keep.lock().unwrap().push(request);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            }
        }
    });
    (at, kept)
}

fn count(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).filter(|w| *w == needle).count()
}

#[test]
fn calls_are_sent_as_spans_and_what_a_gateway_tried_is_below_its_call() {
    let dir = tempfile::tempdir().unwrap();
    let (collector, kept) = collector();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    let args = ["--around", &at, "--to", "lab", "--pace", "0", "--otlp", &collector];
    let tap = RunningTap::start(dir.path(), &args);
    gateway(listener, tap.second.as_ref().unwrap());
    let refused = r#"{"model":"lab/http-422-tool-choice","stream":true,"user":"u","tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"auto","messages":[{"role":"user","content":"hi"}]}"#;
    post(
        &tap.url,
        "/v1/chat/completions",
        "authorization: Bearer sk-abcdefgh12345678\r\n",
        refused,
    );
    std::thread::sleep(Duration::from_secs(2));
    tap.stop();
    let kept = kept.lock().unwrap();
    assert_eq!(kept.len(), 1);
    let (head, body) = &kept[0];
    assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
    assert!(head.to_lowercase().contains("content-type: application/x-protobuf"), "{head}");
    // Three spans in one request: the call, and both times that the gateway tried.
    assert_eq!(count(body, b"chat lab/http-422-tool-choice"), 3);
    assert_eq!(count(body, b"sselens.finding.code"), count(body, b"sselens.finding.severity"));
    assert!(count(body, b"http-422-param") >= 2);
    // The parent's id: once in its own span, twice in those of the tries.
    let id = body.windows(10).find(|w| w[..2] == [0x12, 8]).unwrap()[2..].to_vec();
    assert_eq!(count(body, &id), 3);
    assert_eq!(count(body, b"sk-abcdefgh"), 0);
}

#[test]
fn a_collector_that_refuses_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let tap = RunningTap::start(
        dir.path(),
        &["--to", "lab", "--pace", "0", "--otlp", "http://127.0.0.1:9"],
    );
    let body =
        r#"{"model":"lab/answer","stream":true,"messages":[{"role":"user","content":"hi"}]}"#;
    for _ in 0..2 {
        assert!(post(&tap.url, "/v1/chat/completions", "", body).contains("[DONE]"));
    }
    std::thread::sleep(Duration::from_millis(300));
    let (_, _, err) = tap.stop();
    assert_eq!(err.matches("--otlp 127.0.0.1").count(), 1, "{err}");
    assert!(err.contains("#1  POST"), "{err}");
}
