//! `tap --intercept`: clients whose address cannot be set, and a provider that is reached through TLS.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// A server with TLS that answers every request with `body`; returns its port. Its certificate goes
/// into `file`.
fn server(name: &str, file: &Path, kind: &'static str, body: &'static str) -> u16 {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    std::fs::write(file, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream.unwrap());
            let mut length = 0;
            let mut lines = BufReader::new(&mut stream);
            loop {
                let mut line = String::new();
                if lines.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                    break;
                }
                let line = line.to_ascii_lowercase();
                if let Some(n) = line.strip_prefix("content-length:") {
                    length = n.trim().parse().unwrap();
                }
            }
            let mut rest = vec![0; length];
            if std::io::Read::read_exact(&mut lines, &mut rest).is_err() {
                continue;
            }
            drop(lines);
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ =
                stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    });
    port
}

const ANSWER: &str = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1770000000,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// Runs a shell script behind the tap; returns its exit status, what it printed, and what the tap did.
fn tapped(dir: &Path, script: &str) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sselens"));
    command.args(["tap", "--intercept", "--ca-cert", "provider.pem", "--config", "c.toml"]);
    command.args(["--save", "s.jsonl", "--", "sh", "-c", script]).current_dir(dir);
    command.env_clear().env("HOME", dir).env("PATH", std::env::var_os("PATH").unwrap());
    let out = command.env("TMPDIR", dir).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
}

fn has_curl() -> bool {
    let found = Command::new("curl").arg("--version").output().is_ok();
    if !found {
        eprintln!("no curl here: not tested");
    }
    found
}

#[test]
fn a_provider_is_decrypted_and_everything_else_is_not() {
    if !has_curl() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let provider = server("localhost", &dir.join("provider.pem"), "text/event-stream", ANSWER);
    let other = server("localhost", &dir.join("other.pem"), "text/plain", "private words");
    let config = format!(
        "[providers.mine]\nbase_url = \"https://localhost:{provider}/v1\"\ndialect = \"openai-chat\"\n"
    );
    std::fs::write(dir.join("c.toml"), config).unwrap();
    let script = format!(
        r#"ls -l "$SSL_CERT_FILE" | cut -c1-10; grep -c BEGIN "$SSL_CERT_FILE"; grep -c PRIVATE "$SSL_CERT_FILE"
        curl -sS --cacert "$SSL_CERT_FILE" https://localhost:{provider}/v1/chat/completions -H 'authorization: Bearer sk-abcdefgh12345678' \
            -d '{{"model":"m","stream":true,"messages":[]}}'
        curl -sS --cacert other.pem https://localhost:{other}/"#
    );
    let (code, out, err) = tapped(dir, &script);
    assert_eq!(code, 0, "{err}");
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("-rw-------"), "{out}");
    assert!(lines.next().unwrap().parse::<u32>().unwrap() >= 2, "{out}");
    assert_eq!(lines.next(), Some("0"), "a private key was written");
    assert!(out.contains("data: [DONE]") && out.contains("private words"), "{out}\n{err}");
    assert!(err.contains("#0  POST /v1/chat/completions  m  200"), "{err}");
    assert!(!err.contains("#1"), "{err}");
    let saved = std::fs::read_to_string(dir.join("s.jsonl")).unwrap();
    assert!(!saved.contains("private words") && !saved.contains("sk-abcdefgh"), "{saved}");
    let session = sselens::journal::file::read(saved.as_bytes()).unwrap();
    let request = session.entries.iter().find_map(|e| match &e.kind {
        sselens::journal::EntryKind::Request(request) => Some(request),
        _ => None,
    });
    let request = request.unwrap();
    assert_eq!(request.provider, "mine");
    // What is signed is sent as it was, the host above all.
    let raw = String::from_utf8_lossy(&request.raw).to_ascii_lowercase();
    assert!(raw.contains(&format!("host: localhost:{provider}\r\n")), "{raw}");
    let left: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|n| n.to_string_lossy().starts_with("sselens-ca")), "{left:?}");
}

#[test]
fn an_upstream_that_is_not_who_it_says_is_refused() {
    if !has_curl() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // The certificate that is trusted is another server's.
    let port = server("localhost", &dir.join("unknown.pem"), "text/plain", "x");
    server("localhost", &dir.join("provider.pem"), "text/plain", "x");
    let config = format!("[providers.mine]\nbase_url = \"https://localhost:{port}/v1\"\n");
    std::fs::write(dir.join("c.toml"), config).unwrap();
    let script =
        format!(r#"curl -sS --cacert "$SSL_CERT_FILE" https://localhost:{port}/v1/models"#);
    let (code, _, err) = tapped(dir, &script);
    assert_ne!(code, 0, "{err}");
    assert!(err.contains("#0  GET /v1/models") && err.contains("not trusted"), "{err}");
}

/// A client that offers these protocols, through the tap; returns what it made of the server.
fn ask(tap: &str, port: u16, trusted: &Path, protocols: &[&[u8]]) -> std::io::Result<String> {
    use rustls::pki_types::pem::PemObject as _;
    let mut stream = std::net::TcpStream::connect(tap.trim_start_matches("http://"))?;
    write!(stream, "CONNECT localhost:{port} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut head = [0; 39];
    std::io::Read::read_exact(&mut stream, &mut head)?;
    assert!(head.starts_with(b"HTTP/1.1 200"));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls::pki_types::CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    let name = "localhost".try_into().unwrap();
    let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = rustls::StreamOwned::new(session, stream);
    stream.write_all(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer)?;
    Ok(answer)
}

#[test]
fn a_client_that_offers_http_2_alone_is_forwarded_unread() {
    let dir = tempfile::tempdir().unwrap();
    let trusted = dir.path().join("provider.pem");
    let port = server("localhost", &trusted, "text/plain", "its own words");
    let upstream = format!("https://localhost:{port}");
    let args = ["--intercept", "--to", &upstream, "--ca-cert", "provider.pem"];
    let tap = crate::support::RunningTap::start(dir.path(), &args);
    // It sees the server's own certificate: nobody has read what it said.
    let answer = ask(&tap.url, port, &trusted, &[b"h2"]).unwrap();
    assert!(answer.ends_with("its own words"), "{answer}");
    // One that would do with HTTP/1.1 is decrypted, and does not trust the authority here.
    let refused = ask(&tap.url, port, &trusted, &[b"h2", b"http/1.1"]).unwrap_err();
    assert!(refused.to_string().contains("certificate"), "{refused}");
    let (_, _, err) = tap.stop();
    assert!(err.contains("#0  PRI /") && err.contains("HTTP/2 only"), "{err}");
    assert!(err.contains("TLS with the client failed"), "{err}");
}
