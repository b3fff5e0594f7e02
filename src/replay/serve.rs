//! Serves recorded answers to any client.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::choose::{Chooser, Wanted};
use super::fault::writes;
use super::recording::Recorded;
use super::timetable::Timetable;
use super::web_socket;
use crate::inspect::switches;
use crate::journal::{EndCause, Head, Headers};
use crate::lab::request::{self, ReceiveError, ReceivedRequest};
use crate::lab::wire::{AfterAnswer, Gone, Wire};

/// Time for which a server that had fallen silent stays silent.
const SILENCE: Duration = Duration::from_secs(600);

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
        // A lock that a panic left behind is as good as any.
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

/// Answers that there is nothing, in words that SDKs show.
pub(super) async fn refuse(wire: &mut Wire, status: u16, why: &str) -> Result<(), Gone> {
    let body = serde_json::json!({"error": {"message": why, "type": "sselens_replay"}}).to_string();
    let head = format!(
        "HTTP/1.1 {status} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        reason(status),
        body.len()
    );
    wire.write(&[head.into_bytes(), body.into_bytes()].concat()).await
}

fn reason(status: u16) -> &'static str {
    let status = http::StatusCode::from_u16(status).ok();
    status.and_then(|s| s.canonical_reason()).unwrap_or("Unknown")
}

/// A way to mark the end of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReplayFraming {
    None,
    Length,
    Chunked,
    Eof,
}

fn has(headers: &Headers, name: &str) -> bool {
    headers.iter().any(|(k, _)| k.eq_ignore_ascii_case(name))
}

/// Returns how the body is sent: as it was, as far as the client supports that.
fn framing(recorded: &Recorded, head: &Head, request: &ReceivedRequest) -> ReplayFraming {
    let chunked = head.headers.iter().any(|(k, v)| {
        k.eq_ignore_ascii_case("transfer-encoding") && v.to_ascii_lowercase().contains("chunked")
    });
    if request.method == "HEAD" || matches!(head.status, 204 | 304) {
        ReplayFraming::None
    } else if chunked && !request.http10 {
        ReplayFraming::Chunked
    } else if !chunked && has(&head.headers, "content-length") {
        ReplayFraming::Length
    } else if recorded.end == EndCause::Closed || request.http10 {
        ReplayFraming::Eof
    } else {
        // HTTP/2 has its own frames; a bare body has nothing.
        ReplayFraming::Chunked
    }
}

/// The bytes of a head. The length is that of what is sent, where a fault made it another.
fn head_bytes(recorded: &Recorded, head: &Head, framing: ReplayFraming) -> Vec<u8> {
    let length: usize = recorded.body.iter().map(|p| p.bytes.len()).sum();
    let whole = recorded.end == EndCause::Complete;
    let right = |value: &str| !whole || value.trim().parse() == Ok(length);
    let lengths = head.headers.iter().filter(|(k, _)| k.eq_ignore_ascii_case("content-length"));
    let right = framing != ReplayFraming::Length || lengths.clone().all(|(_, v)| right(v));
    let chunked = has(&head.headers, "transfer-encoding");
    let exact = right && (framing == ReplayFraming::Chunked) == chunked;
    if let Some(raw) = head.wire().filter(|_| exact || framing == ReplayFraming::None) {
        return raw.to_vec();
    }
    let mut out = format!("HTTP/1.1 {} {}\r\n", head.status, reason(head.status));
    for (name, value) in &head.headers {
        let value = match name.to_ascii_lowercase().as_str() {
            "transfer-encoding" if framing != ReplayFraming::Chunked => continue,
            "content-length" if framing == ReplayFraming::Chunked => continue,
            "content-length" if !right => length.to_string(),
            // Of HTTP/2, and of the connection that is no more.
            "connection" | "keep-alive" if framing == ReplayFraming::Eof => continue,
            _ => value.clone(),
        };
        out += &format!("{name}: {value}\r\n");
    }
    if framing == ReplayFraming::Chunked && !chunked {
        out += "transfer-encoding: chunked\r\n";
    }
    if framing == ReplayFraming::Eof {
        out += "connection: close\r\n";
    }
    out += "\r\n";
    out.into_bytes()
}

fn trailers(recorded: &Recorded) -> Vec<u8> {
    let mut out = "0\r\n".to_owned();
    for (name, value) in &recorded.trailers {
        out += &format!("{name}: {value}\r\n");
    }
    out += "\r\n";
    out.into_bytes()
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
        // Nothing came, and nothing comes.
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

fn framed(framing: ReplayFraming, bytes: &Bytes) -> Vec<u8> {
    if framing != ReplayFraming::Chunked {
        return bytes.to_vec();
    }
    let size = format!("{:x}\r\n", bytes.len());
    [size.as_bytes(), bytes, b"\r\n"].concat()
}

/// Ends an answer as it ended.
pub(super) async fn end(
    wire: &mut Wire,
    recorded: &Recorded,
    framing: ReplayFraming,
    close: bool,
    times: &mut Timetable,
) -> Result<AfterAnswer, Gone> {
    match recorded.end {
        EndCause::Reset => {
            times.after(wire, recorded.end_delay).await?;
            return Ok(AfterAnswer::Reset);
        }
        // The client left, and the server was still there: it stays so, or a client that waits as long as the first
        // one did sees now an end and now none.
        EndCause::Timeout(_) | EndCause::Cancelled => {
            wire.pause(SILENCE).await?;
            return Ok(AfterAnswer::Close);
        }
        EndCause::Truncated
        | EndCause::ClosedBeforeHead
        | EndCause::ClosedInsideHead
        | EndCause::Protocol
        | EndCause::Limit(_) => {
            times.after(wire, recorded.end_delay).await?;
            return Ok(AfterAnswer::Close);
        }
        _ => {}
    }
    times.after(wire, recorded.end_delay).await?;
    if framing == ReplayFraming::Chunked {
        wire.write(&trailers(recorded)).await?;
    }
    Ok(if close || framing == ReplayFraming::Eof { AfterAnswer::Close } else { AfterAnswer::Keep })
}
