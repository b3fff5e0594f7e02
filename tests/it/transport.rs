//! The transport, against small servers that do one thing each: TLS, redirects, trailers, codings.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use serde_json::Value;

use crate::support::program::program;

const ANSWER: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// Runs `send` and gives its exit status and its lines.
fn send(dir: &Path, args: &[&str]) -> (i32, Vec<Value>, String) {
    send_only(dir, &[args, &["--idle-timeout", "5"]].concat())
}

fn send_only(dir: &Path, args: &[&str]) -> (i32, Vec<Value>, String) {
    let mut command = program(dir, &["send", "-o", "ndjson"]);
    let out = command.args(args).env("OPENAI_API_KEY", "sk-0123456789abcdef").output().unwrap();
    let lines = String::from_utf8(out.stdout).unwrap();
    let lines = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    (out.status.code().unwrap(), lines, String::from_utf8(out.stderr).unwrap())
}

fn codes(lines: &[Value]) -> Vec<&str> {
    lines.iter().filter(|l| l["type"] == "finding").map(|l| l["code"].as_str().unwrap()).collect()
}

/// Reads one request: its head, and as much body as it announces.
fn request(peer: &mut TcpStream) -> String {
    let mut reader = BufReader::new(peer.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    let length = head.lines().find_map(|l| {
        l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    head + &String::from_utf8(body).unwrap()
}

/// A server that answers one connection with these bytes, and gives what it was asked.
fn once(answer: impl FnOnce(SocketAddr) -> Vec<u8>) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let answer = answer(at);
    let thread = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let asked = request(&mut peer);
        peer.write_all(&answer).unwrap();
        asked
    });
    (at, thread)
}

/// A TLS server for `localhost` with a certificate of its own, which is written to `dir`.
fn tls(dir: &Path) -> (u16, JoinHandle<()>) {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
    std::fs::write(dir.join("ca.pem"), key.cert.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![key.cert.der().clone()],
            rustls::pki_types::PrivatePkcs8KeyDer::from(key.signing_key.serialize_der()).into(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut tls = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::Stream::new(&mut tls, &mut peer);
        let mut seen = [0; 4096];
        // A client that refuses the certificate ends here.
        if stream.read(&mut seen).is_ok() {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
            let _ = write!(stream, "{head}content-length: {}\r\n\r\n{ANSWER}", ANSWER.len());
            stream.conn.send_close_notify();
            let _ = stream.flush();
            // Read everything: closing with unread data would reset the connection.
            let _ = std::io::copy(&mut peer, &mut std::io::sink());
        }
    });
    (port, thread)
}

#[test]
fn certificates_are_verified_unless_the_user_says_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    for (more, trusted) in
        [(&[][..], false), (&["--ca-cert", "ca.pem"], true), (&["--insecure"], true)]
    {
        let (port, server) = tls(dir.path());
        let url = format!("https://localhost:{port}/v1/chat/completions");
        let (status, lines, stderr) = send(dir.path(), &[&["--url", &url], more].concat());
        server.join().unwrap();
        let summary = lines.last().unwrap();
        if !trusted {
            assert_eq!((status, &summary["reason"]), (1, &"tls".into()));
            assert!(codes(&lines).contains(&"tls-untrusted"), "{:?}", codes(&lines));
            continue;
        }
        assert_eq!((status, &summary["reason"]), (0, &"complete".into()), "{more:?}: {summary}");
        let timing = &summary["timing"];
        let order: Vec<f64> =
            ["connect", "tls", "head", "end"].iter().map(|k| timing[k].as_f64().unwrap()).collect();
        assert!(order.is_sorted(), "{timing}");
        if more == ["--insecure"] {
            assert!(stderr.contains("NOT VERIFIED"), "it must shout: {stderr:?}");
            assert!(codes(&lines).contains(&"tls-unverified"));
        }
    }
}

#[test]
fn a_certificate_file_that_is_none_is_said_before_anything_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("ca.pem"), "nothing").unwrap();
    for file in ["ca.pem", "missing.pem"] {
        let (status, lines, stderr) =
            send(dir.path(), &["--url", "https://localhost:1/", "--ca-cert", file]);
        assert_eq!((status, lines.len()), (2, 0), "{stderr}");
        assert!(stderr.contains(file), "{stderr}");
    }
}

#[test]
fn a_secret_in_a_redirect_is_masked() {
    let dir = tempfile::tempdir().unwrap();
    let (there, second) = once(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_vec());
    let (here, first) = once(|_| {
        format!("HTTP/1.1 307 X\r\nlocation: http://{there}/good?a=1&key=sk-from-redirect-1234\r\ncontent-length: 0\r\n\r\n").into_bytes()
    });
    let (_, lines, stderr) =
        send(dir.path(), &["--url", &format!("http://{here}/"), "--location", "--save", "s"]);
    first.join().unwrap();
    assert!(second.join().unwrap().contains("sk-from-redirect-1234"), "it is sent, and not shown");
    let file = std::fs::read_to_string(dir.path().join("s")).unwrap();
    for (what, text) in [("lines", format!("{lines:?}")), ("stderr", stderr), ("file", file)] {
        assert!(!text.contains("from-redirect"), "{what}: {text}");
    }
}

#[test]
fn credentials_stay_with_their_host() {
    let dir = tempfile::tempdir().unwrap();
    let answer = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n{ANSWER}",
        ANSWER.len()
    );
    for same in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = listener.local_addr().unwrap();
        let (there, second) = once(|_| answer.clone().into_bytes());
        let target = if same { here } else { there };
        let redirect = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{target}/moved\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        let again = answer.clone();
        let first = std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            request(&mut peer);
            peer.write_all(redirect.as_bytes()).unwrap();
            drop(peer);
            if !same {
                return String::new();
            }
            let (mut peer, _) = listener.accept().unwrap();
            let asked = request(&mut peer);
            peer.write_all(again.as_bytes()).unwrap();
            asked
        });
        let url = format!("http://{here}/v1/chat/completions");
        let saved = if same { "same.jsonl" } else { "other.jsonl" };
        let (status, lines, _) = send(
            dir.path(),
            &[
                "-p",
                "openai",
                "--url",
                &url,
                "--location",
                "-H",
                "x-api-key: other-secret-1234",
                "-H",
                "X-Custom: carries-a-secret",
                "--save",
                saved,
            ],
        );
        let asked = if same {
            // The second server was never called: let it end.
            drop(TcpStream::connect(there));
            let asked = first.join().unwrap();
            let _ = second.join();
            asked
        } else {
            first.join().unwrap();
            second.join().unwrap()
        };
        assert!(asked.starts_with("POST /moved"), "{asked}");
        let carries = ["sk-0123456789abcdef", "other-secret-1234", "carries-a-secret"]
            .map(|s| asked.contains(s));
        assert_eq!(carries, [same; 3], "{asked}");
        let xs: Vec<_> = lines
            .iter()
            .filter(|l| l["type"] == "summary")
            .map(|l| l["x"].as_u64().unwrap())
            .collect();
        assert_eq!(xs, [0, 1]);
        assert_eq!(lines.last().unwrap()["reason"], "complete");
        // A redirect that the user allowed is no fault, unless it lost the credentials.
        let reported = lines.iter().find(|l| l["code"] == "redirected").unwrap();
        assert_eq!(reported["severity"], if same { "info" } else { "warn" }, "{reported}");
        let message = reported["message"].as_str().unwrap();
        assert_eq!(message.contains("without credentials"), !same, "{message}");
        assert_eq!(status, 0, "it was followed, and the answer is sound");
        let file = std::fs::read_to_string(dir.path().join(saved)).unwrap();
        assert!(file.contains("redirect-followed"), "a saved session tells the same");
    }
}

#[test]
fn trailers_are_told_before_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (at, server) = once(|_| {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\ntrailer: x-tokens\r\n\r\n";
        format!("{head}{:x}\r\n{ANSWER}\r\n0\r\nx-tokens: 7\r\n\r\n", ANSWER.len()).into_bytes()
    });
    let (_, lines, _) =
        send(dir.path(), &["--url", &format!("http://{at}/"), "-H", "te: trailers"]);
    server.join().unwrap();
    let kinds: Vec<_> = lines.iter().map(|l| l["type"].as_str().unwrap()).collect();
    let at = kinds.iter().position(|k| *k == "trailers").unwrap();
    assert_eq!(kinds[at + 1], "end");
    assert_eq!(lines[at]["headers"][0], serde_json::json!(["x-tokens", "7"]));
}

#[test]
fn a_name_without_an_address_is_told_from_a_refusal() {
    let dir = tempfile::tempdir().unwrap();
    let (status, lines, _) =
        send(dir.path(), &["--url", "http://no-such-host.invalid/", "--connect-timeout", "20"]);
    assert_eq!(status, 1);
    assert_eq!(codes(&lines), ["dns-failure"]);
    let (_, lines, _) = send(dir.path(), &["--url", "http://127.0.0.1:1/"]);
    assert_eq!(codes(&lines), ["connect-refused"]);
    assert_eq!(lines.last().unwrap()["reason"], "refused");
}

/// A key that is quoted inside of a compressed answer is neither shown nor kept compressed.
#[test]
fn a_secret_inside_of_a_coding_is_withheld() {
    let dir = tempfile::tempdir().unwrap();
    // Long enough that it is compressed, and not stored as it is.
    let text = |key: &str| {
        let more = "You can find your API key in the settings of your account. ".repeat(9);
        format!("{{\"error\":{{\"message\":\"Incorrect API key provided: {key}. {more}\"}}}}\n")
    };
    let gzip = |text: String| {
        let mut coded = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        coded.write_all(text.as_bytes()).unwrap();
        coded.finish().unwrap()
    };
    // What precedes the key is in an earlier block, as where a server flushes.
    let zstd = |text: String| {
        let mut coded = zstd::stream::write::Encoder::new(Vec::new(), 3).unwrap();
        let key = text.find(" sk-").unwrap();
        coded.write_all(&text.as_bytes()[..key]).and_then(|()| coded.flush()).unwrap();
        coded.write_all(&text.as_bytes()[key..]).unwrap();
        coded.finish().unwrap()
    };
    let coded = |coding: &str, text| if coding == "gzip" { gzip(text) } else { zstd(text) };
    let codings = [("gzip", " sk-01"), ("zstd", "")];
    let keys = [("sk-0123456789abcdef", true), ("sk-01", false)];
    for ((coding, read), (key, withheld)) in
        codings.into_iter().flat_map(|coding| keys.map(|key| (coding, key)))
    {
        let body = coded(coding, text(key));
        assert!(coding == "zstd" || !body.windows(5).any(|w| w == b"sk-01"), "seen on the wire");
        let kept = body.clone();
        let (at, server) = once(move |_| {
            let head = "HTTP/1.1 401 X\r\ncontent-type: application/json\r\ncontent-encoding";
            let mut answer =
                format!("{head}: {coding}\r\ncontent-length: {}\r\n\r\n", body.len()).into_bytes();
            answer.extend_from_slice(&body);
            answer
        });
        let (_, lines, stderr) = send(
            dir.path(),
            &["-p", "openai", "--url", &format!("http://{at}/v1"), "--save", "kept.ndjson", "hi"],
        );
        assert!(server.join().unwrap().contains("sk-0123456789abcdef"), "it was sent");
        let saved = std::fs::read(dir.path().join("kept.ndjson")).unwrap();
        let saved = sselens::journal::file::read(saved.as_slice()).unwrap();
        let mut wire = Vec::new();
        for entry in &saved.entries {
            if let sselens::journal::EntryKind::Body { bytes, .. } = &entry.kind {
                wire.extend_from_slice(bytes);
            }
        }
        assert_eq!(wire.len(), kept.len());
        assert_eq!(wire == kept, !withheld, "{}", String::from_utf8_lossy(&wire));
        // Data before the key is read as usual.
        let mut shown = sselens::inspect::Inspection::new(Arc::default());
        saved.entries.iter().for_each(|e| shown.push(e));
        // The clients received all of it; what they made of it cannot be known from the recording.
        for client in sselens::client_sim::clients().filter(|c| c.dialect == "openai-chat") {
            let run = sselens::client_sim::ClientRun::of(client, &shown);
            let (given, name) = (run.given(), client.name);
            assert_eq!(given.error.is_none(), withheld, "{name}: {:?}", given.error);
            assert_eq!(given.elsewhere.is_some(), withheld, "{name}: {:?}", given.elsewhere);
        }
        let shown = String::from_utf8_lossy(shown.body()).into_owned();
        assert!(shown.contains(&format!("Incorrect API key provided:{read}")), "{shown}");
        assert_eq!(codes(&lines).contains(&"body-withheld"), withheld, "{:?}", codes(&lines));
        assert!(!codes(&lines).contains(&"bad-content-encoding"), "{:?}", codes(&lines));
        assert!(!format!("{lines:?}{stderr}").contains("0123456789"), "{lines:?}");
        std::fs::remove_file(dir.path().join("kept.ndjson")).unwrap();
    }
}

/// An error in one block of zstd that quotes the key is not kept at all, and still said.
#[test]
fn an_answer_that_is_withheld_whole_is_told_in_words() {
    let dir = tempfile::tempdir().unwrap();
    // Long enough that it is compressed.
    let said = format!(
        "{{\"error\":{{\"message\":\"Incorrect API key provided: sk-0123456789abcdef.{}\"}}}}",
        " Look there.".repeat(9)
    );
    let body = zstd::encode_all(said.as_bytes(), 3).unwrap();
    let (at, server) = once(move |_| {
        let head = "HTTP/1.1 401 X\r\ncontent-type: application/json\r\ncontent-encoding: zstd";
        let head = format!("{head}\r\ncontent-length: {}\r\n\r\n", body.len());
        [head.as_bytes(), &body].concat()
    });
    let (_, lines, stderr) =
        send(dir.path(), &["-p", "openai", "--url", &format!("http://{at}/v1"), "hi"]);
    server.join().unwrap();
    let message = |code: &str| {
        let found = lines.iter().find(|line| line["code"] == code);
        found.unwrap_or_else(|| panic!("{code}: {lines:?}{stderr}"))["message"].as_str().unwrap()
    };
    assert_eq!(message("http-error"), "HTTP 401");
    let told =
        "It says: {\"error\":{\"message\":\"Incorrect API key provided: *******************. Look";
    assert!(message("body-withheld").contains(told), "{}", message("body-withheld"));
    assert!(!format!("{lines:?}{stderr}").contains("01234567"), "{lines:?}");
}

/// A warning comes before anything is sent, and the report does not tell it again.
#[test]
fn a_warning_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    for (format, many) in [("text", "1"), ("json", "1"), ("raw", "1"), ("text", "2")] {
        let mut args = vec!["--url", "http://127.0.0.1:1/", "hi", "-o", format, "--repeat", many];
        args.insert(0, "send");
        let out = program(dir.path(), &args).output().unwrap();
        let [text, report] = [out.stderr, out.stdout].map(|s| String::from_utf8(s).unwrap());
        assert_eq!(text.matches("!! no model was given").count(), 1, "{format}, {many}: {text}");
        assert!(!report.contains("!! no model"), "{format}, {many}: {report}");
    }
}

/// A proxy that refuses is reached: nobody has to look for a server that does not listen.
#[test]
fn a_proxy_that_refuses_is_no_server_that_is_down() {
    let dir = tempfile::tempdir().unwrap();
    for (scheme, answer) in [
        ("http", &b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"[..]),
        ("http", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
        ("socks5", b"\x05\xff"),
        ("http", b""),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = format!("{scheme}://{}", listener.local_addr().unwrap());
        let serving = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut asked = [0; 1024];
            let _ = socket.read(&mut asked);
            let _ = socket.write_all(answer);
        });
        let args = ["--proxy", &*proxy, "--url", "https://127.0.0.1:9/", "-m", "m", "hi"];
        let (status, lines, _) = send_only(dir.path(), &args);
        serving.join().unwrap();
        assert_eq!((status, codes(&lines)), (1, vec!["proxy-refused"]), "{scheme} {answer:?}");
        let summary = lines.last().unwrap();
        assert_eq!(summary["blame"]["party"], "network", "{summary}");
    }
}

/// What could not be reached is named, and nothing else of the address.
#[test]
fn an_address_that_does_not_answer_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let listening = silent.local_addr().unwrap();
    for (url, more, code, place) in [
        (format!("http://me:hunter2222@{free}/p"), &[][..], "connect-refused", free.to_string()),
        ("http://nohost.invalid/p".into(), &[], "dns-failure", "nohost.invalid:80".into()),
        (
            "http://nohost.invalid/p".into(),
            &["--proxy", &*format!("http://me:hunter2222@{free}")],
            "connect-refused",
            format!("the proxy {free}"),
        ),
        (
            format!("http://{listening}/p"),
            &["--idle-timeout", "0.3"],
            "timeout-idle",
            format!("no response headers from {listening}"),
        ),
        (
            format!("http://{listening}/p"),
            &["--total-timeout", "0.3"],
            "timeout-total",
            format!("no response headers from {listening}"),
        ),
    ] {
        let mut args = vec!["--url", &*url, "-m", "m", "hi"];
        args.extend(more);
        let (status, lines, stderr) = send_only(dir.path(), &args);
        let found = lines.iter().find(|l| l["code"] == code);
        let message = found.unwrap_or(&Value::Null)["message"].to_string();
        assert_eq!(status, 1, "{url}: {stderr}");
        assert!(message.contains(&place), "{url}: {message}");
        assert!(!format!("{lines:?}").contains("hunter2222"), "{lines:?}");
    }
}

/// What curl reads is read, or it is a limit of this program and named as one: never the server's
/// mistake.
#[test]
fn what_curl_reads_is_read_and_own_limits_are_named() {
    let plain = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n";
    let chunked = format!("{plain}transfer-encoding: chunked\r\n");
    let many = |n: usize| (0..n).map(|i| format!("x-{i}: y\r\n")).collect::<String>();
    let size = ANSWER.len();
    let chunk = format!("{size:x}\r\n{ANSWER}\r\n");
    let (long, longest) = ("a".repeat(20_000), "a".repeat(2 << 20));
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    for answer in [
        format!("{plain}{}\r\n{ANSWER}", many(150)),
        format!("{plain}{}\r\n{ANSWER}", many(5000)),
        format!("{plain}x: {}\r\n\r\n{ANSWER}", "a".repeat(900_000)),
        format!("{plain}x-a: b\r\n  folded\r\n\r\n{ANSWER}"),
        format!("{plain}x-a : b\r\n\r\n{ANSWER}"),
        format!("{plain}x-a: \x1b[31m\0\r\n\r\n{ANSWER}"),
        format!("{chunked}\r\n{chunk}0\r\n{}\r\n", many(5000)),
        format!("{}\n{ANSWER}", plain.replace("\r\n", "\n")),
        format!("{chunked}\r\n{size:x};a={long}\r\n{ANSWER}\r\n0\r\n\r\n"),
        format!("{chunked}\r\n{chunk}0\r\nx: {long}\r\n\r\n"),
        format!("{}\r\n{chunk}0\r\n\r\n", chunked.replace("HTTP/1.1", "HTTP/1.0")),
        format!("{chunked}\r\n{}0\n\n", chunk.replace("\r\n", "\n")),
        format!("{}{plain}\r\n{ANSWER}", early.repeat(900)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let answer = answer.into_bytes();
        let (at, server) = once(|_| answer.clone());
        let (_, lines, _) = send(dir.path(), &["--url", &format!("http://{at}/"), "hi"]);
        server.join().unwrap();
        let summary = lines.iter().find(|l| l["type"] == "summary").unwrap();
        let head: String = String::from_utf8_lossy(&answer).chars().take(120).collect();
        assert_eq!(summary["content"]["0"], "hi", "{head}: {:?}", codes(&lines));
        assert!(!codes(&lines).contains(&"limit-http"), "{head}");
    }
    for answer in [
        format!("{plain}x: {longest}\r\n\r\n{ANSWER}"),
        format!("{chunked}\r\n{size:x};a={longest}\r\n{ANSWER}\r\n0\r\n\r\n"),
        format!("{}{plain}\r\n{ANSWER}", early.repeat(1001)),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (at, server) = once(|_| answer.clone().into_bytes());
        let (_, lines, _) = send(dir.path(), &["--url", &format!("http://{at}/"), "hi"]);
        // It may be cut off while it writes.
        drop(server.join());
        let summary = lines.iter().find(|l| l["type"] == "summary").unwrap();
        assert!(codes(&lines).contains(&"limit-http"), "{:?}", codes(&lines));
        assert_eq!(
            (&summary["reason"], &summary["blame"]["party"]),
            (&"limit".into(), &"you".into())
        );
        let fatal = |l: &&Value| l["type"] == "finding" && l["severity"] == "fatal";
        assert_eq!(lines.iter().find(fatal), None);
    }
}

/// Interim responses are heads of their own, each recorded to the byte, and so is the final one.
#[test]
fn early_hints_and_exact_heads_are_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let hints = "HTTP/1.1 103 Early Hints\r\nLINK: </a>;  rel=preload\r\n\r\n";
    let head = "HTTP/1.1 200 Fine so far\r\nContent-TYPE:text/event-stream\r\nX-A : 1\r\n\r\n";
    let (at, server) = once(|_| format!("{hints}{head}{ANSWER}").into_bytes());
    let url = format!("http://{at}/");
    let (_, lines, _) = send(dir.path(), &["--url", &url, "--save", "s", "hi"]);
    server.join().unwrap();
    let heads: Vec<_> = lines.iter().filter(|l| l["type"] == "head").collect();
    let interim: Vec<_> =
        heads.iter().map(|h| (h["status"].as_u64(), h["interim"] == true)).collect();
    assert_eq!(interim, [(Some(103), true), (Some(200), false)]);
    assert_eq!(heads[0]["headers"][0][1], "</a>;  rel=preload");
    let saved = sselens::journal::file::read(&std::fs::read(dir.path().join("s")).unwrap()[..]);
    let raw = saved.unwrap().entries.into_iter().filter_map(|e| match e.kind {
        sselens::journal::EntryKind::Head(head) => Some(head.raw),
        _ => None,
    });
    assert_eq!(raw.collect::<Vec<_>>(), [hints, head]);
}

/// Where a head cannot be read, or ends in its midst, its bytes are shown.
#[test]
fn the_bytes_of_an_unreadable_head_are_shown() {
    for (answer, code, bytes) in [
        ("SSH-2.0-OpenSSH_9.0\r\n", "protocol-error", "SSH-2.0-OpenSSH_9.0"),
        ("HTTP/1.1 abc\r\n\r\n", "protocol-error", "HTTP/1.1 abc"),
        ("HTTP/1.1 200 OK\r\nx-ha", "closed-inside-head", "x-ha"),
        ("", "closed-before-head", ""),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (at, server) = once(|_| answer.as_bytes().to_vec());
        let (_, lines, _) = send(dir.path(), &["--url", &format!("http://{at}/"), "hi"]);
        server.join().unwrap();
        let found = lines.iter().find(|l| l["code"] == code);
        let found = found.unwrap_or_else(|| panic!("{answer:?}: {:?}", codes(&lines)));
        assert!(found["message"].as_str().unwrap().contains(bytes), "{found}");
    }
}

/// A server that answers before it has read a large request, and then closes: the answer counts.
#[test]
fn an_answer_before_the_request_was_read_is_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("b"), vec![b'x'; 8 << 20]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        peer.read_exact(&mut [0; 100]).unwrap();
        peer.write_all(b"HTTP/1.1 413 Too large\r\ncontent-length: 5\r\n\r\nlarge").unwrap();
        // The client closes when it has its answer.
        std::thread::sleep(std::time::Duration::from_millis(300));
    });
    let (_, lines, _) = send(dir.path(), &["--url", &format!("http://{at}/"), "-b", "b"]);
    server.join().unwrap();
    let summary = lines.iter().find(|l| l["type"] == "summary").unwrap();
    assert_eq!(
        (&summary["status"], &summary["reason"]),
        (&413.into(), &"http".into()),
        "{summary}"
    );
}
