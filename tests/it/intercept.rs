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
    command
        .args(["--save", "s.jsonl", "--log", "own.log", "--", "sh", "-c", script])
        .current_dir(dir);
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
        curl -sS --cacert "$SSL_CERT_FILE" 'https://localhost:{provider}/v1/chat/completions?api_token=par1m2t3r4s5e6c7' -H 'authorization: Bearer sk-abcdefgh12345678' \
            -d '{{"model":"m","stream":true,"messages":[],"metadata":{{"api_key":"b1o2d3y4s5e6c7r8"}}}}'
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
    let log = std::fs::read_to_string(dir.join("own.log")).unwrap();
    for secret in ["abcdefgh12345678", "par1m2t3r4s5e6c7", "b1o2d3y4s5e6c7r8"] {
        for part in 0..=secret.len() - 8 {
            let part = &secret[part..part + 8];
            assert!(
                ![&saved, &err, &log].iter().any(|text| text.contains(part)),
                "{part} of {secret}"
            );
        }
    }
    let session = sselens::journal::file::read(saved.as_bytes()).unwrap();
    let request = session.entries.iter().find_map(|e| match &e.kind {
        sselens::journal::EntryKind::Request(request) => Some(request),
        _ => None,
    });
    let request = request.unwrap();
    assert_eq!(request.provider, "mine");
    // A signed request is forwarded unchanged, above all its host.
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

/// Asks through the tap, which takes it for a proxy, and offers these protocols; returns which one was taken and
/// what the server said.
async fn ask(
    tap: std::net::SocketAddr,
    port: u16,
    trusted: &str,
    protocols: &[&[u8]],
) -> std::io::Result<(Option<Vec<u8>>, String)> {
    use rustls::pki_types::pem::PemObject as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut stream = tokio::net::TcpStream::connect(tap).await?;
    let connect = format!("CONNECT localhost:{port} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(connect.as_bytes()).await?;
    let mut head = [0; 39];
    stream.read_exact(&mut head).await?;
    assert!(head.starts_with(b"HTTP/1.1 200"));
    let mut roots = rustls::RootCertStore::empty();
    let trusted = rustls::pki_types::CertificateDer::from_pem_slice(trusted.as_bytes());
    roots.add(trusted.unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.to_vec()).collect();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await?;
    let alpn = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    if alpn.as_deref() != Some(b"h2") {
        stream.write_all(b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        return Ok((alpn, answer));
    }
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(async { drop(connection.await) });
    let request = http::Request::get(format!("https://localhost:{port}/v1/models"));
    let request = request.header("authorization", "Bearer sk-abcdefgh12345678").body(()).unwrap();
    let mut sender = sender.ready().await.map_err(std::io::Error::other)?;
    let answer = sender.send_request(request, true).unwrap().0.await;
    let mut body = answer.map_err(std::io::Error::other)?.into_body();
    let mut said = Vec::new();
    while let Some(piece) = body.data().await {
        said.extend_from_slice(&piece.map_err(std::io::Error::other)?);
    }
    Ok((alpn, String::from_utf8(said).unwrap()))
}

/// A server with TLS that speaks HTTP/2 and nothing else; returns its port. It says what it was asked for.
async fn http2_server(file: &Path) -> u16 {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(file, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let Ok(stream) = acceptor.accept(listener.accept().await.unwrap().0).await else {
                continue;
            };
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    let said = format!("{} {}", request.method(), request.uri());
                    let mut body = respond.send_response(http::Response::default(), false).unwrap();
                    body.send_data(said.into(), true).unwrap();
                }
            });
        }
    });
    port
}

#[test]
fn a_client_of_http_2_alone_is_decrypted_and_one_of_both_speaks_http_1() {
    use sselens::journal::EntryKind;
    use sselens::tap::{Intercept, Routes, Tap, TapNews, TapOptions, Upstream};
    let dir = tempfile::tempdir().unwrap();
    let trusted = dir.path().join("provider.pem");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let http2 = runtime.block_on(http2_server(&trusted));
    let old = server("localhost", &dir.path().join("old.pem"), "text/plain", "its own words");
    let both = [&trusted, &dir.path().join("old.pem")].map(|f| std::fs::read_to_string(f).unwrap());
    std::fs::write(&trusted, both.concat()).unwrap();
    let at = |port: u16| Upstream::at("x", &format!("https://localhost:{port}")).unwrap();
    #[expect(clippy::disallowed_methods, reason = "certificates are of today")]
    let now = std::time::SystemTime::now();
    let intercept = Arc::new(Intercept::new(vec![at(http2), at(old)], now).unwrap());
    let authority = intercept.pem().to_owned();
    let entries = Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = Arc::clone(&entries);
    let options = TapOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        routes: Routes::to(vec![at(http2)]),
        transport: sselens::transport::request::Transport {
            ca_cert: Some(trusted),
            ..Default::default()
        },
        numbers: Arc::default(),
        intercept: Some(intercept),
        side: None,
    };
    let tap = Tap::start(options, sselens::clock::Clock::start(), move |news| {
        if let TapNews::Entry(entry) = news {
            keep.lock().unwrap().push(entry);
        }
    });
    let tap = tap.unwrap();
    let said = |port: u16, trusted: &str, protocols: &[&[u8]]| {
        runtime.block_on(ask(tap.addr, port, trusted, protocols))
    };
    let (alpn, answer) = said(http2, &authority, &[b"h2"]).unwrap();
    // The upstream receives the client's request byte for byte.
    assert_eq!(answer, format!("GET https://localhost:{http2}/v1/models"));
    assert_eq!(alpn.as_deref(), Some(&b"h2"[..]));
    let (alpn, answer) = said(old, &authority, &[b"h2", b"http/1.1"]).unwrap();
    assert!(alpn.as_deref() == Some(b"http/1.1") && answer.ends_with("its own words"), "{answer}");
    // A server that does not speak HTTP/2 is not reached, just as without the tap.
    said(old, &authority, &[b"h2"]).unwrap_err();
    let distrusted = said(http2, &both[0], &[b"h2"]).unwrap_err();
    assert!(distrusted.to_string().contains("certificate"), "{distrusted}");
    tap.close();
    let entries = entries.lock().unwrap();
    let kinds = entries.iter().filter_map(|e| match &e.kind {
        EntryKind::Request(request) => Some(request.url.clone()),
        EntryKind::Head(head) => Some(head.version.clone()),
        EntryKind::Tls { detail } => Some(detail.clone()),
        EntryKind::End { cause, .. } => Some(cause.name().to_owned()),
        _ => None,
    });
    let kinds = kinds.collect::<Vec<_>>();
    let url = |port: u16| format!("https://localhost:{port}/v1/models");
    assert_eq!((&kinds[0], kinds[1].contains("h2")), (&url(http2), true), "{kinds:?}");
    assert_eq!(kinds[2..4], ["HTTP/2.0", "complete"]);
    assert_eq!((&kinds[4], kinds[6].as_str()), (&url(old), "HTTP/1.1"), "{kinds:?}");
    assert!(!format!("{entries:?}").contains("sk-abcdefgh"));
}
