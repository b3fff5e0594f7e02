//! Servers whose streams are hard to keep up with.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a server sends.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    /// Chunks at 50 MB/s, 240 MB of them.
    Quick,
    /// One event of 200 MB.
    Line,
    /// 300,000 frames that each open a choice.
    Choices,
}

/// A server that answers one request; the flag says that it has sent all.
pub(crate) fn serve(what: Stream) -> io::Result<(String, Arc<AtomicBool>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/v1/chat/completions", listener.local_addr()?);
    let done = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&done);
    std::thread::spawn(move || {
        // A client that disconnects is not an error of the benchmark.
        let _ = listener.accept().and_then(|(peer, _)| answer(peer, what));
        flag.store(true, Ordering::Relaxed);
    });
    Ok((url, done))
}

fn answer(mut peer: TcpStream, what: Stream) -> io::Result<()> {
    let mut request = [0; 65536];
    let _ = peer.read(&mut request)?;
    peer.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
    )?;
    let frame = |index: usize, text: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n"
        )
    };
    match what {
        Stream::Quick => {
            let block = frame(0, "word ").repeat(3700);
            let step = Duration::from_secs_f64(block.len() as f64 / 50e6);
            let began = now();
            for n in 1..240_000_000 / block.len() as u32 {
                peer.write_all(block.as_bytes())?;
                std::thread::sleep((step * n).saturating_sub(began.elapsed()));
            }
        }
        Stream::Line => peer.write_all(frame(0, &"a word ".repeat(200_000_000 / 7)).as_bytes())?,
        Stream::Choices => {
            for index in (0..300_000).step_by(1000) {
                let block: String = (index..index + 1000).map(|i| frame(i, "x")).collect();
                peer.write_all(block.as_bytes())?;
            }
        }
    }
    peer.write_all(b"data: [DONE]\n\n")
}

#[expect(clippy::disallowed_methods, reason = "a bench has a clock of its own")]
fn now() -> Instant {
    Instant::now()
}
