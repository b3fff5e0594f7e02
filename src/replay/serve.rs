//! Serves recorded answers to any client.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::choose::{Chooser, Wanted};
use super::fault::writes;
use super::recording::Recorded;
use super::respond::{ReplayFraming, end, framed, framing, head_bytes, refuse};
use super::timetable::Timetable;
use super::web_socket;
use crate::inspect::switches;
use crate::journal::{EndCause, Head};
use crate::lab::request::{self, ReceiveError, ReceivedRequest};
use crate::lab::wire::{AfterAnswer, Gone, Wire};

/// Callback for the report about each request.
pub type Notify = Arc<dyn Fn(String) + Send + Sync>;

/// A recording that is served.
pub struct Replay {
    chooser: Mutex<Chooser>,
    /// Factor of all times; 0 is at once.
    pace: f64,
    notify: Notify,
}

impl Replay {
    /// Serves these exchanges.
    pub fn new(chooser: Chooser, pace: f64, notify: Notify) -> Self {
        Self { chooser: Mutex::new(chooser), pace, notify }
    }

    /// Serves these exchanges from now on, instead of those before.
    pub fn replace(&self, chooser: Chooser) {
        *self.chooser.lock().unwrap_or_else(|e| e.into_inner()) = chooser;
    }

    /// Serves on this listener until `cancel`.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, cancel: CancellationToken) {
        let shared = self;
        // Dropped on return, and with it every connection.
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                Some(_) = connections.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let shared = Arc::clone(&shared);
                        connections.spawn(async move { shared.converse(stream).await });
                    }
                    // The client was quick to leave, or there are no more files, which passes.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                },
            }
        }
    }

    async fn converse(&self, stream: TcpStream) {
        let mut wire = Wire::new(stream);
        loop {
            let after = match request::read(&mut wire).await {
                Ok(request) => self.answer(&mut wire, &request).await,
                Err(ReceiveError::Gone) => return,
                Err(ReceiveError::Refuse(status, why)) => {
                    refuse(&mut wire, status, why).await.map(|()| AfterAnswer::Close)
                }
            };
            match after {
                Ok(AfterAnswer::Keep) => {}
                Ok(AfterAnswer::Close) => return wire.close().await,
                Ok(AfterAnswer::Reset) => return wire.reset().await,
                Err(Gone) => return,
            }
        }
    }

    async fn answer(
        &self,
        wire: &mut Wire,
        request: &ReceivedRequest,
    ) -> Result<AfterAnswer, Gone> {
        let wanted = Wanted::of(request);
        // A lock poisoned by a panic is still usable.
        let found = self.chooser.lock().unwrap_or_else(|e| e.into_inner()).choose(&wanted);
        let asked = format!("{} {}", request.method, wanted.path);
        match found {
            Some(recorded) => {
                (self.notify)(format!("{asked} → exchange {}", recorded.number));
                let played = play(wire, &recorded, request, self.pace).await;
                if played.is_err() {
                    (self.notify)(format!("{asked}: the client left before the end"));
                }
                played
            }
            None => {
                (self.notify)(format!("{asked}: no recorded exchange is chosen by it"));
                let why = "No recorded exchange is chosen by this request (see --match).";
                refuse(wire, 404, why).await.map(|()| AfterAnswer::Close)
            }
        }
    }
}

/// A body that was recorded without its head gets the least that clients ask for.
fn made_up(recorded: &Recorded) -> Head {
    let bytes = recorded.bytes();
    let kind = match bytes.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{') if memchr::memmem::find(&bytes, b"}\n{").is_some() => "application/x-ndjson",
        Some(b'{' | b'[') => "application/json",
        Some(b'<') => "text/html; charset=utf-8",
        _ => "text/event-stream",
    };
    let headers = vec![("content-type".to_owned(), kind.to_owned())];
    Head { status: 200, version: "HTTP/1.1".into(), headers, ..Head::default() }
}

/// Plays one recorded exchange.
async fn play(
    wire: &mut Wire,
    recorded: &Recorded,
    request: &ReceivedRequest,
    pace: f64,
) -> Result<AfterAnswer, Gone> {
    let mut times = Timetable::begin(pace);
    match recorded.end {
        EndCause::Refused | EndCause::ProxyRefused | EndCause::Dns | EndCause::Tls => {
            return Ok(AfterAnswer::Reset);
        }
        _ => {}
    }
    for (delay, head) in &recorded.interim {
        times.after(wire, *delay).await?;
        let bytes = head_bytes(recorded, head, ReplayFraming::None);
        wire.write(&bytes).await?;
    }
    let made = recorded.head.is_none().then(|| made_up(recorded));
    let head = match (&recorded.head, &made, recorded.body.is_empty()) {
        (Some((delay, head)), ..) => {
            times.after(wire, *delay).await?;
            head
        }
        // Nothing was received in the recording, so nothing is sent.
        (None, _, true) => {
            return end(wire, recorded, ReplayFraming::None, false, &mut times).await;
        }
        (None, Some(made), false) => made,
        (None, None, false) => return Ok(AfterAnswer::Close),
    };
    // A client that does not ask for a WebSocket gets the bytes as they were.
    if let Some(asked) = request.web_socket.as_ref().filter(|_| switches(head)) {
        return web_socket::play(wire, recorded, head, asked, &mut times).await;
    }
    let framing = framing(recorded, head, request);
    wire.write(&head_bytes(recorded, head, framing)).await?;
    if framing != ReplayFraming::None {
        for (delay, bytes) in writes(&recorded.body) {
            times.after(wire, delay).await?;
            wire.write(&framed(framing, &bytes)).await?;
        }
    }
    let close = request.close
        || head
            .headers
            .iter()
            .any(|(k, v)| k.eq_ignore_ascii_case("connection") && v.eq_ignore_ascii_case("close"));
    end(wire, recorded, framing, close, &mut times).await
}
