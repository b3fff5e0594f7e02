//! The bytes around a recorded body: its head, how its end is marked, and the end itself.

use std::time::Duration;

use bytes::Bytes;

use super::recording::Recorded;
use super::timetable::Timetable;
use crate::journal::{EndCause, Head, Headers};
use crate::lab::request::ReceivedRequest;
use crate::lab::wire::{AfterAnswer, Gone, Wire};

/// Time for which a server that had fallen silent stays silent.
const SILENCE: Duration = Duration::from_secs(600);

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
pub(super) fn framing(
    recorded: &Recorded,
    head: &Head,
    request: &ReceivedRequest,
) -> ReplayFraming {
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
pub(super) fn head_bytes(recorded: &Recorded, head: &Head, framing: ReplayFraming) -> Vec<u8> {
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
            // These values belong to HTTP/2, or to a connection that no longer exists.
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

pub(super) fn framed(framing: ReplayFraming, bytes: &Bytes) -> Vec<u8> {
    if framing != ReplayFraming::Chunked {
        return bytes.to_vec();
    }
    let size = format!("{:x}\r\n", bytes.len());
    [size.as_bytes(), bytes, b"\r\n"].concat()
}

fn trailers(recorded: &Recorded) -> Vec<u8> {
    let mut out = "0\r\n".to_owned();
    for (name, value) in &recorded.trailers {
        out += &format!("{name}: {value}\r\n");
    }
    out += "\r\n";
    out.into_bytes()
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
        // The client left while the server was still there. Stay silent, or a client that waits as long as
        // the first one did would sometimes see an end and sometimes not.
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
