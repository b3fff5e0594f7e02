//! The answers of `tests/client_sim/answers.json`, served as they are written there, and asked for by the program.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::program::program;

/// From what is sent to what follows, so that it is read before.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Deserialize)]
struct Answer {
    /// The bytes, as Latin-1.
    wire: String,
    /// Those that are sent a moment later.
    later: String,
    end: End,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum End {
    Close,
    Reset,
    /// It stays open for the next request.
    Stay,
}

fn answers() -> &'static BTreeMap<String, Answer> {
    static ANSWERS: OnceLock<BTreeMap<String, Answer>> = OnceLock::new();
    ANSWERS.get_or_init(|| {
        let file = super::folder().join("answers.json");
        serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
    })
}

/// Whether there is an answer of that name.
pub(super) fn has(name: &str) -> bool {
    answers().contains_key(name)
}

/// Asks for an answer, and writes the recording to `path`.
pub(super) fn record(dir: &Path, name: &str, dialect: &str, path: &Path) {
    static SERVER: OnceLock<SocketAddr> = OnceLock::new();
    let url = format!("http://{}/{name}", SERVER.get_or_init(serve));
    program(dir, &["send", "-q", "--url", &url, "--dialect", dialect, "-m", "m", "hi", "--save"])
        .arg(path)
        .args(["--idle-timeout", "5", "-o", "json"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(path.exists(), "{name}: nothing was recorded");
}

/// Serves the answers on a thread that lives as long as the tests.
fn serve() -> SocketAddr {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sender.send(listener.local_addr().unwrap()).unwrap();
            loop {
                let (peer, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(peer));
            }
        });
    });
    receiver.recv().unwrap()
}

async fn answer(mut peer: TcpStream) {
    let asked = request(&mut peer).await;
    let name = asked.split_whitespace().nth(1).unwrap().trim_start_matches('/');
    let answer = &answers()[name];
    let bytes = |text: &str| text.chars().map(|c| c as u8).collect::<Vec<_>>();
    peer.write_all(&bytes(&answer.wire)).await.unwrap();
    if !answer.later.is_empty() {
        tokio::time::sleep(PAUSE).await;
        peer.write_all(&bytes(&answer.later)).await.unwrap();
    }
    match answer.end {
        End::Close => {}
        End::Reset => {
            tokio::time::sleep(PAUSE).await;
            peer.set_zero_linger().unwrap();
        }
        End::Stay => while peer.read(&mut [0; 64]).await.is_ok_and(|n| n > 0) {},
    }
}

/// Reads one request: its headers, and as much body as they announce.
async fn request(peer: &mut TcpStream) -> String {
    let mut asked = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&asked);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return text.into_owned();
            }
        }
        let mut read = [0; 4096];
        let n = peer.read(&mut read).await.unwrap();
        assert!(n > 0, "the request ends early");
        asked.extend_from_slice(&read[..n]);
    }
}
