//! By what an answer arrives, and which of that a client reads.

use crate::frame::Framing;
use crate::inspect::Facts;

/// A way to carry the events of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventTransport {
    /// Server-sent events.
    Sse,
    /// One JSON object a line.
    Ndjson,
    /// AWS's binary messages.
    EventStream,
    /// The messages of a WebSocket.
    WebSocket,
}

impl EventTransport {
    /// Returns what carried an exchange; `None` for a body that is no stream.
    pub(super) fn of(seen: &Facts) -> Option<Self> {
        let declared = seen.content_type().is_some_and(|kind| kind.contains("event-stream"));
        let responses = seen.dialect().is_some_and(|dialect| dialect.name() == "openai-responses");
        match seen.framing()? {
            Framing::Sse => Some(Self::Sse),
            Framing::EventStream => Some(Self::EventStream),
            // In Responses, JSON lines occur only as WebSocket messages, and no response declares those as an
            // event stream.
            Framing::Ndjson if responses && !declared => Some(Self::WebSocket),
            Framing::WebSocket => Some(Self::WebSocket),
            Framing::Ndjson => Some(Self::Ndjson),
            _ => None,
        }
    }
}
