//! The lab, seen from the wire: raw sockets only, so that no HTTP library
//! hides or repairs what is checked here.
#![expect(clippy::disallowed_methods, reason = "a test has a clock of its own")]

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use sselens::lab::{self, LabOptions, RunningLab, scenarios};

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn start() -> Outcome<RunningLab> {
    start_with(1)
}

fn start_with(seed: u64) -> Outcome<RunningLab> {
    let (pace, seed) = (0.0, Some(seed));
    Ok(lab::start(LabOptions { pace, seed })?)
}

fn connect(addr: SocketAddr) -> Outcome<TcpStream> {
    let stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    Ok(stream)
}

/// A streaming request, with these further members in its body.
fn request(model: &str, members: &str) -> Vec<u8> {
    post(&format!(
        r#"{{"model":"{model}","stream":true,"messages":[{{"role":"user","content":"hi"}}]{members}}}"#
    ))
}

fn post(body: &str) -> Vec<u8> {
    let len = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: lab\r\nContent-Length: {len}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// All bytes until the server closes, and how it does: `Ok` for FIN.
fn read_all(stream: &mut TcpStream) -> (Vec<u8>, Result<(), ErrorKind>) {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (bytes, Ok(())),
            Ok(len) => bytes.extend_from_slice(&buffer[..len]),
            Err(error) => return (bytes, Err(error.kind())),
        }
    }
}

/// Reads until the bytes end like this.
fn read_until(stream: &mut TcpStream, end: &[u8]) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    while !bytes.ends_with(end) {
        match stream.read(&mut buffer)? {
            0 => return Err(format!("closed after {} bytes", bytes.len()).into()),
            len => bytes.extend_from_slice(&buffer[..len]),
        }
    }
    Ok(bytes)
}

const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";

/// Head and chunks of one answer in the chunked coding.
fn chunks(addr: SocketAddr, request: &[u8]) -> Outcome<(String, Vec<Vec<u8>>)> {
    let mut stream = connect(addr)?;
    stream.write_all(request)?;
    unchunk(&read_until(&mut stream, LAST_CHUNK)?)
}

fn unchunk(bytes: &[u8]) -> Outcome<(String, Vec<Vec<u8>>)> {
    let (head, mut rest) = split(bytes)?;
    let mut chunks = Vec::new();
    loop {
        let at = find(rest, b"\r\n").ok_or("no chunk size")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..at])?, 16)?;
        rest = &rest[at + 2..];
        if size == 0 {
            assert_eq!(rest, b"\r\n");
            return Ok((head, chunks));
        }
        chunks.push(rest[..size].to_vec());
        assert_eq!(&rest[size..size + 2], b"\r\n");
        rest = &rest[size + 2..];
    }
}

fn split(bytes: &[u8]) -> Outcome<(String, &[u8])> {
    let at = find(bytes, b"\r\n\r\n").ok_or("no head")?;
    let head = String::from_utf8(bytes[..at].to_vec())?;
    Ok((head, &bytes[at + 4..]))
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// An answer to its end, as the server closes after it.
fn until_close(addr: SocketAddr, model: &str) -> Outcome<(Vec<u8>, Result<(), ErrorKind>)> {
    let mut stream = connect(addr)?;
    stream.write_all(&request(model, ""))?;
    Ok(read_all(&mut stream))
}

/// The content of all deltas of these frames.
fn content(chunks: &[Vec<u8>]) -> Outcome<String> {
    let body = String::from_utf8(chunks.concat())?;
    let mut text = String::new();
    for line in body.lines().filter_map(|line| line.strip_prefix("data: ")) {
        if line != "[DONE]" {
            let chunk: serde_json::Value = serde_json::from_str(line)?;
            text += chunk["choices"][0]["delta"]["content"].as_str().unwrap_or("");
        }
    }
    Ok(text)
}

#[test]
fn hello_is_one_frame_a_chunk_in_the_words_of_openai() -> Outcome {
    let lab = start()?;
    let (head, frames) = chunks(lab.addr, &request("lab/hello", ""))?;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for header in [
        "content-type: text/event-stream; charset=utf-8",
        "cache-control: no-cache",
        "x-accel-buffering: no",
        "transfer-encoding: chunked",
    ] {
        assert!(head.lines().any(|line| line == header), "{head}");
    }
    assert!(frames.iter().all(|frame| frame.starts_with(b"data: ") && frame.ends_with(b"\n\n")));
    assert_eq!(frames.last().map(Vec::as_slice), Some(&b"data: [DONE]\n\n"[..]));
    let first = String::from_utf8(frames[0].clone())?;
    assert!(
        first.ends_with(
            "\"model\":\"lab/hello\",\"system_fingerprint\":\"fp_lab\",\"choices\":[{\"index\":0,\
         \"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"logprobs\":null,\
         \"finish_reason\":null}]}\n\n"
        ),
        "{first}"
    );
    assert!(content(&frames)?.starts_with("Hello! ") && content(&frames)?.ends_with('☕'));
    assert!(!String::from_utf8(frames.concat())?.contains("usage"));
    Ok(())
}

#[test]
fn usage_comes_in_a_chunk_of_its_own_if_asked_for() -> Outcome {
    let lab = start()?;
    let asked = request("lab/answer", r#","stream_options":{"include_usage":true}"#);
    let (_, frames) = chunks(lab.addr, &asked)?;
    assert!((100..200).contains(&frames.len()), "{}", frames.len());
    let usage = String::from_utf8(frames[frames.len() - 2].clone())?;
    assert!(usage.contains("\"choices\":[],\"usage\":{\"prompt_tokens\":"), "{usage}");
    let other = String::from_utf8(frames[1].clone())?;
    assert!(other.contains("\"usage\":null"), "{other}");
    Ok(())
}

#[test]
fn without_stream_the_same_text_comes_whole() -> Outcome {
    let lab = start()?;
    let mut stream = connect(lab.addr)?;
    stream.write_all(&post(r#"{"model":"openai/lab/hello","messages":[]}"#))?;
    let bytes = read_until(&mut stream, b"}")?;
    let (head, body) = split(&bytes)?;
    assert!(head.contains("content-type: application/json"), "{head}");
    let answer: serde_json::Value = serde_json::from_slice(body)?;
    assert_eq!(answer["object"], "chat.completion");
    let (_, frames) = chunks(lab.addr, &request("hello", ""))?;
    assert_eq!(answer["choices"][0]["message"]["content"], content(&frames)?);
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_bytes() -> Outcome {
    let bytes = |seed| -> Outcome<_> { chunks(start_with(seed)?.addr, &request("lab/long", "")) };
    let (first, second) = (bytes(7)?, bytes(7)?);
    assert!(first == second);
    assert_eq!(first.1.len(), 20_000 + 3);
    assert!(first != bytes(8)?);
    Ok(())
}

#[test]
fn pipelined_requests_are_answered_in_order() -> Outcome {
    let lab = start()?;
    let mut stream = connect(lab.addr)?;
    stream.write_all(&[request("lab/hello", ""), request("lab/missing-done", "")].concat())?;
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while seen.windows(LAST_CHUNK.len()).filter(|it| *it == LAST_CHUNK).count() < 2 {
        let len = stream.read(&mut buffer)?;
        seen.extend_from_slice(&buffer[..len]);
    }
    let hello = find(&seen, b"lab/hello").ok_or("no hello")?;
    assert!(hello < find(&seen, b"lab/missing-done").ok_or("no second answer")?);
    Ok(())
}

#[test]
fn requests_may_be_chunked_slow_and_ask_first() -> Outcome {
    let lab = start()?;
    let mut stream = connect(lab.addr)?;
    let head = "POST /any/prefix/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\
                Expect: 100-continue\r\n\r\n";
    for byte in head.as_bytes() {
        stream.write_all(&[*byte])?;
    }
    let go_on = read_until(&mut stream, b"\r\n\r\n")?;
    assert_eq!(go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    let body = r#"{"model":"lab/hello","stream":true}"#;
    let (left, right) = body.split_at(10);
    write!(stream, "{:x}\r\n{left}\r\n{:x};x=y\r\n{right}\r\n", left.len(), right.len())?;
    stream.write_all(b"0\r\nTrailer: t\r\n\r\n")?;
    let (_, frames) = unchunk(&read_until(&mut stream, LAST_CHUNK)?)?;
    assert!(content(&frames)?.starts_with("Hello!"));
    Ok(())
}

#[test]
fn a_reset_is_a_reset_after_all_bytes() -> Outcome {
    let lab = start()?;
    let (bytes, end) = until_close(lab.addr, "lab/connection-reset")?;
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
    assert!(bytes.ends_with(b"\n\n\r\n") && find(&bytes, b"pulled").is_some());
    Ok(())
}

#[test]
fn truncated_bodies_end_with_fin_and_without_the_last_chunk() -> Outcome {
    let lab = start()?;
    for (model, close) in [("truncated-chunked", false), ("truncated-chunked-conn-close", true)] {
        let (bytes, end) = until_close(lab.addr, model)?;
        assert_eq!(end, Ok(()), "{model}");
        let (head, body) = split(&bytes)?;
        assert_eq!(head.contains("connection: close"), close, "{head}");
        assert!(body.ends_with(b"\n\n\r\n") && !body.ends_with(LAST_CHUNK));
    }
    let (_, frames) = chunks(lab.addr, &request("truncated-mid-frame", ""))?;
    assert!(frames.concat().ends_with(b"\",\"choi"));
    Ok(())
}

#[test]
fn lengths_are_kept_or_broken_as_told() -> Outcome {
    let lab = start()?;
    let (bytes, end) = until_close(lab.addr, "lab/content-length-short")?;
    let (head, body) = split(&bytes)?;
    assert!(head.contains("content-length: 50000") && !head.contains("chunked"), "{head}");
    assert!(end.is_ok() && body.len() < 50_000 && body.ends_with(b"data: [DONE]\n\n"));

    let mut stream = connect(lab.addr)?;
    stream.write_all(&request("lab/content-length-on-stream", ""))?;
    let bytes = read_until(&mut stream, b"data: [DONE]\n\n")?;
    let (head, body) = split(&bytes)?;
    assert!(head.contains(&format!("content-length: {}", body.len())), "{head}");

    let (bytes, end) = until_close(lab.addr, "lab/eof-delimited")?;
    let (head, body) = split(&bytes)?;
    assert!(!head.contains("content-length") && !head.contains("chunked"), "{head}");
    assert!(end.is_ok() && body.ends_with(b"data: [DONE]\n\n"));
    Ok(())
}

#[test]
fn a_bad_chunk_size_is_on_the_wire() -> Outcome {
    let lab = start()?;
    let (bytes, end) = until_close(lab.addr, "lab/bad-chunk-size")?;
    assert!(end.is_ok() && bytes.ends_with(b"\n\n\r\nZZ\r\ndata: {}\n\n\r\n"));
    Ok(())
}

#[test]
fn heads_can_be_missing_or_cut() -> Outcome {
    let lab = start()?;
    assert_eq!(until_close(lab.addr, "lab/closed-before-head")?, (vec![], Ok(())));
    let (bytes, end) = until_close(lab.addr, "lab/closed-inside-head")?;
    assert_eq!(bytes, b"HTTP/1.1 200 OK\r\ncontent-type: text/ev");
    assert!(end.is_ok());
    Ok(())
}

#[test]
fn gzip_is_real_and_its_absence_too() -> Outcome {
    let lab = start()?;
    let (head, parts) = chunks(lab.addr, &request("lab/gzip-sse", ""))?;
    assert!(head.contains("content-encoding: gzip"), "{head}");
    assert!(parts.len() > 20, "flushed frame by frame");
    let mut text = String::new();
    flate2::read::GzDecoder::new(parts.concat().as_slice()).read_to_string(&mut text)?;
    assert!(text.starts_with("data: {") && text.ends_with("data: [DONE]\n\n"));
    let (head, parts) = chunks(lab.addr, &request("lab/bad-content-encoding", ""))?;
    assert!(head.contains("content-encoding: gzip") && parts[0].starts_with(b"data: {"));
    Ok(())
}

#[test]
fn line_ends_marks_and_comments_are_as_told() -> Outcome {
    let lab = start()?;
    let body =
        |model: &str| -> Outcome<Vec<u8>> { Ok(chunks(lab.addr, &request(model, ""))?.1.concat()) };
    assert!(body("lab/crlf")?.ends_with(b"\r\n\r\ndata: [DONE]\r\n\r\n"));
    let cr = body("lab/cr-only")?;
    assert!(cr.ends_with(b"\r\rdata: [DONE]\r\r") && !cr.contains(&b'\n'));
    assert!(body("lab/bom")?.starts_with(b"\xef\xbb\xbfdata: {"));
    assert!(body("lab/keep-alive")?.starts_with(b": OPENROUTER PROCESSING\n\n: OPENROUTER"));
    assert!(find(&body("lab/keep-alive")?, b"\n\n: keep-alive\n\ndata: ").is_some());
    assert!(find(&body("lab/invalid-utf8")?, b"\"content\":\" \xff\xfe \"").is_some());
    assert!(body("lab/sse-two-spaces")?.ends_with(b"\n\ndata:  [DONE]\n\n"));
    assert!(body("lab/sse-no-final-blank")?.ends_with(b"\"finish_reason\":\"stop\"}]}\n"));
    assert!(find(&body("lab/sse-single-newline-frames")?, b"\n\n").is_none());
    assert!(find(&body("lab/hostile-control-characters")?, b"\x1b]0;pwned\x07").is_some());
    assert_eq!(body("lab/empty-stream").err().map(|it| it.to_string()), None);
    Ok(())
}

#[test]
fn characters_and_frames_are_cut_between_two_chunks() -> Outcome {
    let lab = start()?;
    let (_, parts) = chunks(lab.addr, &request("lab/utf8-split", ""))?;
    let broken = parts.iter().filter(|part| std::str::from_utf8(part).is_err());
    assert!(broken.count() >= 10, "both halves of five and more characters");
    assert!(content(&parts)?.contains("東京より愛をこめて"));
    let (_, parts) = chunks(lab.addr, &request("lab/frame-split-across-reads", ""))?;
    let whole = parts.iter().filter(|part| part.starts_with(b"data: ") && part.ends_with(b"\n\n"));
    assert_eq!(whole.count(), 0);
    Ok(())
}

#[test]
fn writes_can_be_gathered_and_heads_held_back() -> Outcome {
    let lab = start()?;
    for model in ["lab/one-write", "lab/burst-delivery"] {
        let (_, parts) = chunks(lab.addr, &request(model, ""))?;
        assert_eq!(parts.len(), 1, "{model}");
    }
    // One write of a few hundred bytes is one read on the loopback.
    let mut stream = connect(lab.addr)?;
    stream.write_all(&request("lab/headers-late", ""))?;
    let mut buffer = [0; 4096];
    let len = stream.read(&mut buffer)?;
    assert!(find(&buffer[..len], b"\r\n\r\n").is_some_and(|at| at + 4 < len));
    Ok(())
}

#[test]
fn a_422_only_for_tool_choice_auto() -> Outcome {
    let lab = start()?;
    for (members, status) in [
        (r#","tool_choice":"auto""#, "422 Unprocessable"),
        (r#","tool_choice":"none""#, "200 OK"),
        ("", "200 OK"),
    ] {
        let mut stream = connect(lab.addr)?;
        stream.write_all(&request("lab/http-422-tool-choice", members))?;
        let bytes = read_until(&mut stream, if status == "200 OK" { LAST_CHUNK } else { b"}]}" })?;
        assert!(bytes.starts_with(format!("HTTP/1.1 {status}").as_bytes()), "{members}");
    }
    Ok(())
}

/// How 40 requests of this size end: `.` well, `5` with a 502, `x` cut.
fn ends(seed: u64, size: usize) -> Outcome<String> {
    let lab = start_with(seed)?;
    let padding = format!(r#","user":"{}""#, "x".repeat(size));
    let mut ends = String::new();
    for _ in 0..40 {
        let mut stream = connect(lab.addr)?;
        let mut bytes = request("lab/large-request-fails", &padding);
        let at = find(&bytes, b"\r\n").ok_or("no line")?;
        bytes.splice(at..at, *b"\r\nConnection: close");
        stream.write_all(&bytes)?;
        let (bytes, _) = read_all(&mut stream);
        ends.push(match bytes {
            bytes if bytes.starts_with(b"HTTP/1.1 502 ") => '5',
            bytes if bytes.ends_with(LAST_CHUNK) => '.',
            _ => 'x',
        });
    }
    Ok(ends)
}

#[test]
fn large_requests_fail_now_and_then_as_the_seed_says() -> Outcome {
    assert_eq!(ends(3, 100)?, ".".repeat(40));
    let large = ends(3, 60_000)?;
    assert_eq!(large, ends(3, 60_000)?);
    assert_ne!(large, ends(4, 60_000)?);
    let failed = large.chars().filter(|end| *end != '.').count();
    assert!((5..25).contains(&failed) && large.contains('5') && large.contains('x'), "{large}");
    Ok(())
}

#[test]
fn unknown_models_and_paths_are_404_with_a_hint() -> Outcome {
    let lab = start()?;
    let mut stream = connect(lab.addr)?;
    stream.write_all(&request("lab/helo", ""))?;
    let answer = String::from_utf8(read_until(&mut stream, b"}}")?)?;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found"), "{answer}");
    assert!(answer.contains("lab/hello") && answer.contains("model_not_found"), "{answer}");
    // The connection stays open.
    stream.write_all(b"GET /v1/models HTTP/1.1\r\nConnection: close\r\n\r\n")?;
    let (bytes, _) = read_all(&mut stream);
    let list: serde_json::Value = serde_json::from_slice(split(&bytes)?.1)?;
    assert_eq!(list["data"].as_array().map(Vec::len), Some(scenarios().len()));
    Ok(())
}

#[test]
fn hostile_clients_get_an_answer_or_a_closed_door() -> Outcome {
    let lab = start()?;
    let deep = post(&"[".repeat(1_000_000));
    let cases: [(&[u8], &str); 8] = [
        (b"\x16\x03\x01\x02\x00\x01\x00", "400"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"),
        (b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "400"),
        (b"POST /chat/completions HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", "413"),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "400"),
        (&deep, "400"),
        (b"DELETE /v1/chat/completions HTTP/1.1\r\n\r\n", "405"),
    ];
    for (bytes, status) in cases {
        let mut stream = connect(lab.addr)?;
        stream.write_all(bytes)?;
        let answer = String::from_utf8(read_until(&mut stream, b"}}")?)?;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
    let mut stream = connect(lab.addr)?;
    // The server may close before it has read it all.
    drop(stream.write_all(&[b"GET / HTTP/1.1\r\nX: ", vec![b'a'; 200_000].as_slice()].concat()));
    let (bytes, _) = read_all(&mut stream);
    assert!(bytes.is_empty() || bytes.starts_with(b"HTTP/1.1 431 "));
    assert!(content(&chunks(lab.addr, &request("hello", ""))?.1)?.starts_with("Hello"));
    Ok(())
}

#[test]
fn a_client_that_leaves_frees_its_exchange() -> Outcome {
    let lab = start()?;
    let mut clients = Vec::new();
    for model in ["lab/idle-stall", "lab/keepalive-warm-stall"] {
        let mut stream = connect(lab.addr)?;
        stream.write_all(&request(model, ""))?;
        read_until(
            &mut stream,
            "please…\"},\"logprobs\":null,\"finish_reason\":null}]}\n\n\r\n".as_bytes(),
        )?;
        clients.push(stream);
    }
    assert_eq!(lab.active(), 2);
    drop(clients);
    let left = Instant::now();
    while lab.active() > 0 {
        assert!(left.elapsed() < Duration::from_secs(2), "{} left", lab.active());
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

#[test]
fn a_hundred_clients_at_once() -> Outcome {
    let lab = start()?;
    let addr = lab.addr;
    let threads: Vec<_> = (0..100)
        .map(|_| {
            std::thread::spawn(move || -> Result<usize, String> {
                let text = |error: Box<dyn std::error::Error>| error.to_string();
                let (_, frames) = chunks(addr, &request("lab/answer", "")).map_err(text)?;
                Ok(frames.len())
            })
        })
        .collect();
    let mut lens = Vec::new();
    for thread in threads {
        lens.push(thread.join().map_err(|_| "a thread panicked")??);
    }
    assert!(lens.iter().all(|len| *len == lens[0] && *len > 100));
    Ok(())
}

#[test]
fn every_scenario_comes_to_an_end() -> Outcome {
    let lab = start()?;
    for scenario in scenarios() {
        if scenario.name.ends_with("-stall") {
            continue;
        }
        let mut stream = connect(lab.addr)?;
        let mut bytes = request(&scenario.name, "");
        let at = find(&bytes, b"\r\n").ok_or("no line")?;
        bytes.splice(at..at, *b"\r\nConnection: close");
        stream.write_all(&bytes)?;
        let (_, end) = read_all(&mut stream);
        let reset = scenario.name == "connection-reset";
        assert_eq!(end.is_err(), reset, "{}: {end:?}", scenario.name);
    }
    assert_eq!(lab.active(), 0);
    Ok(())
}

#[test]
fn pace_sets_the_time() -> Outcome {
    let pace = 0.2;
    let lab = lab::start(LabOptions { pace, seed: Some(1) })?;
    let began = Instant::now();
    chunks(lab.addr, &request("lab/answer", ""))?;
    // Some 130 gaps of 30 ms on average, at a fifth.
    let took = began.elapsed();
    assert!((500..4000).contains(&took.as_millis()), "{took:?}");
    Ok(())
}

#[test]
fn dropping_a_lab_stops_it() -> Outcome {
    let lab = start()?;
    let addr = lab.addr;
    let mut stream = connect(addr)?;
    stream.write_all(&request("lab/idle-stall", ""))?;
    stream.read_exact(&mut [0; 100])?;
    drop(lab);
    let (_, end) = read_all(&mut stream);
    assert!(matches!(end, Ok(()) | Err(ErrorKind::ConnectionReset)), "{end:?}");
    assert!(TcpStream::connect(addr).is_err());
    Ok(())
}
