//! `compare --prove`: the oddity that a gateway stumbles over is convicted, and no other.

use std::io::{BufRead as _, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::Value;

use crate::needs::Needs;
use crate::support::program::Program;

/// A whole request: its head, and as much as that announces.
fn request(stream: &mut TcpStream) -> Vec<u8> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let n = stream.read(&mut piece).unwrap_or(0);
        bytes.extend_from_slice(&piece[..n]);
        let Some(head) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            if n == 0 {
                return bytes;
            }
            continue;
        };
        let text = String::from_utf8_lossy(&bytes[..head]).to_lowercase();
        let length =
            text.lines().find_map(|l| l.strip_prefix("content-length:")?.trim().parse().ok());
        if n == 0 || bytes.len() >= head + 4 + length.unwrap_or(0usize) {
            return bytes;
        }
    }
}

/// A gateway that reads a stream whole, and says only [DONE] where it cannot read it.
fn gateway(upstream: SocketAddr, stumbles: fn(&[u8]) -> bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let asked = request(&mut stream);
            // HTTP/1.0 has no chunks.
            let asked = String::from_utf8_lossy(&asked).replacen("HTTP/1.1", "HTTP/1.0", 1);
            let mut answer = Vec::new();
            if let Ok(mut up) = TcpStream::connect(upstream) {
                let _ = up.write_all(asked.as_bytes());
                let _ = up.read_to_end(&mut answer);
            }
            let head = answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(0, |at| at + 4);
            let body = &answer[head..];
            let body = if stumbles(body) { b"data: [DONE]\n\n" } else { body };
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(body);
        }
    });
    at
}

/// An address that was free a moment ago.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn proof(model: &str, stumbles: fn(&[u8]) -> bool) -> (Value, Value) {
    let upstream = free();
    let url = format!("http://{}/v1/chat/completions", gateway(upstream, stumbles));
    let direct = format!("lab:lab/{model}");
    let address = upstream.to_string();
    let args = ["compare", &direct, &url, "hi", "--pace", "0", "--prove", &address, "-o", "json"];
    let last = Program::new().lines(&args).pop().unwrap();
    (last["proof"].clone(), last)
}

fn has(body: &[u8], what: &[u8]) -> bool {
    body.windows(what.len()).any(|w| w == what)
}

#[test]
fn what_the_gateway_stumbles_over_is_convicted() {
    for (model, stumbles, convicted) in [
        ("bom", (|b| b.starts_with(b"\xef\xbb\xbf")) as fn(&[u8]) -> bool, "byte-order-mark"),
        ("crlf", |b| has(b, b"\r\n"), "carriage-returns"),
        ("cr-only", |b| has(b, b"\r"), "carriage-returns"),
        ("keep-alive", |b| b.starts_with(b":") || has(b, b"\n:"), "comments"),
        ("sse-no-space", |b| has(b, b"data:{"), "data-without-space"),
    ] {
        let (proof, last) = proof(model, stumbles);
        assert_eq!(proof["convicted"], serde_json::json!([convicted]), "{model}: {last}");
        assert!(proof["verdict"].as_str().unwrap().starts_with("proven: "), "{proof}");
        assert!(last["suspects"].as_array().unwrap().iter().any(|s| s == convicted), "{last}");
    }
}

#[test]
fn nobody_is_convicted_without_proof() {
    // This gateway loses all streams.
    let (always, _) = proof("crlf", |_| true);
    assert_eq!(always["convicted"], serde_json::json!([]));
    assert!(always["verdict"].as_str().unwrap().contains("the cause is another"), "{always}");
    // This one loses nothing.
    let (never, last) = proof("crlf", |_| false);
    assert!(never["verdict"].as_str().unwrap().contains("nothing to prove"), "{never}");
    assert_eq!(last["suspects"], serde_json::json!([]));
    // This one has another upstream.
    let elsewhere = gateway(free(), |_| true);
    let url = format!("http://{elsewhere}/v1/chat/completions");
    let address = free().to_string();
    let args = ["compare", "lab:lab/crlf", &url, "hi", "--prove", &address, "-o", "json"];
    let last = Program::new().lines(&args).pop().unwrap();
    assert!(last["proof"]["verdict"].as_str().unwrap().contains("no request arrived"), "{last}");
    assert_eq!(last["proof"]["convicted"], serde_json::json!([]));
}

/// A process that prints the address at which it listens, and is ended with the test.
struct Server(std::process::Child, String);

impl Server {
    fn of(mut command: std::process::Command) -> Self {
        let mut child = command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        let at = lines.map_while(Result::ok).find_map(|line| {
            let at = line.find("http://127.")?;
            Some(line[at..].split(['/', ' ']).take(3).collect::<Vec<_>>().join("/"))
        });
        Self(child, at.unwrap())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// google-genai takes lines that do not begin with `data: ` for JSON: a gateway around it loses what
/// the HTML standard allows, and is convicted of exactly that.
#[test]
fn a_gateway_around_a_real_parser_is_convicted_of_what_it_cannot_read() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/clients/google/bin/python");
    if !Needs::RealClients.are_met() || !python.exists() {
        return;
    }
    let upstream = free();
    let mut gateway = std::process::Command::new(python);
    gateway.arg(root.join("tests/gateway/genai.py")).arg(format!("http://{upstream}"));
    let gateway = Server::of(gateway);
    let program = Program::new();
    let mut lab = std::process::Command::new(env!("CARGO_BIN_EXE_sselens"));
    lab.args(["lab", "--listen", "127.0.0.1:0", "--pace", "0"]);
    let lab = Server::of(lab);
    program.write(
        "places.toml",
        format!(
            "[providers.direct]\ndialect = \"gemini\"\nbase_url = \"{}/v1beta\"\n\
             [providers.through]\ndialect = \"openai-chat\"\nbase_url = \"{}/v1\"\n",
            lab.1, gateway.1
        ),
    );
    for (scenario, convicted) in [
        ("bom", Some("byte-order-mark")),
        ("keep-alive", Some("comments")),
        ("sse-no-space", Some("data-without-space")),
        ("crlf", None),
        ("hello", None),
    ] {
        let (direct, through) =
            (format!("direct:gemini/{scenario}"), format!("through:gemini/{scenario}"));
        let address = upstream.to_string();
        let args = [
            "--config",
            "places.toml",
            "compare",
            &direct,
            &through,
            "hi",
            "--prove",
            &address,
            "-o",
            "json",
        ];
        let last = program.lines(&args).pop().unwrap();
        let convicted: Vec<_> = convicted.into_iter().collect();
        assert_eq!(last["proof"]["convicted"], serde_json::json!(convicted), "{scenario}: {last}");
    }
}
