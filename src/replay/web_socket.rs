//! Plays a WebSocket: the handshake answers the client's own key, and what the server said waits for the client
//! messages that it followed.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use tokio::time::timeout;

use super::fault::writes;
use super::recording::{Recorded, is_awaited};
use super::respond::{ReplayFraming, end, refuse};
use super::timetable::Timetable;
use crate::frame::web_socket::{Direction, Sender};
use crate::journal::Head;
use crate::lab::wire::{AfterAnswer, Gone, Wire};

/// The text that RFC 6455 appends to a client's key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The longest wait for a message of the client.
const PATIENCE: Duration = Duration::from_secs(600);

/// Plays a recorded exchange that became a WebSocket, for a client with this key that offers these
/// extensions.
pub(super) async fn play(
    wire: &mut Wire,
    recorded: &Recorded,
    head: &Head,
    (key, offered): &(String, String),
    times: &mut Timetable,
) -> Result<AfterAnswer, Gone> {
    let extensions = head.header("sec-websocket-extensions").unwrap_or_default();
    let extension = extensions.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !offered.contains(&extension) {
        let why = "The recorded messages are compressed; the client does not offer that extension.";
        return refuse(wire, 400, why).await.map(|()| AfterAnswer::Close);
    }
    wire.write(&answer(head, key)).await?;
    let mut client =
        ClientProgress { direction: Direction::new(Sender::Client, None), messages: 0 };
    let (mut sent, mut awaited) = (0, 0);
    for (delay, bytes) in writes(&recorded.body) {
        let before = recorded.client_messages.iter().filter(|at| **at <= sent).count();
        if std::mem::replace(&mut awaited, before) < before {
            client.reaches(wire, before).await?;
            times.resume();
        }
        times.after(wire, delay).await?;
        wire.write(&bytes).await?;
        sent += bytes.len() as u64;
    }
    client.reaches(wire, recorded.client_messages.len()).await?;
    times.resume();
    end(wire, recorded, ReplayFraming::Eof, true, times).await
}

/// The recorded headers, with the proof that this client's key was read.
fn answer(head: &Head, key: &str) -> Vec<u8> {
    let digest = ring::digest::digest(
        &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
        format!("{key}{GUID}").as_bytes(),
    );
    let accept = BASE64.encode(digest);
    let mut out = "HTTP/1.1 101 Switching Protocols\r\n".to_owned();
    for (name, value) in &head.headers {
        let own = name.eq_ignore_ascii_case("sec-websocket-accept");
        out += &format!("{name}: {}\r\n", if own { &accept } else { value });
    }
    (out + "\r\n").into_bytes()
}

/// Record of what the client has said so far.
struct ClientProgress {
    direction: Direction,
    messages: usize,
}

impl ClientProgress {
    /// Waits until the client has sent so many messages.
    async fn reaches(&mut self, wire: &mut Wire, messages: usize) -> Result<(), Gone> {
        loop {
            let bytes = wire.inbox.split();
            let count = &mut self.messages;
            self.direction.feed(&bytes, &mut |found| *count += usize::from(is_awaited(&found)));
            if self.messages >= messages {
                return Ok(());
            }
            match timeout(PATIENCE, wire.fill()).await {
                Ok(Ok(1..)) => {}
                _ => return Err(Gone),
            }
        }
    }
}
