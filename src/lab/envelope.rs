//! The parts around the data of a frame on the wire.

/// The framing of a dialect's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Envelope {
    /// Server-sent events.
    Sse,
    /// One JSON document a line.
    Lines,
    /// One JSON array, an element a frame. Its end is a frame of the speaker's own (`Data::Bare`).
    Array,
    /// Messages of `application/vnd.amazon.eventstream`.
    Messages,
}

impl Envelope {
    /// The content type of such a stream.
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Sse => "text/event-stream; charset=utf-8",
            Self::Lines => "application/x-ndjson",
            Self::Array => "application/json; charset=UTF-8",
            Self::Messages => "application/vnd.amazon.eventstream",
        }
    }

    /// Returns what ends a frame, if the scenario doesn't say otherwise.
    pub(super) fn end(self) -> &'static str {
        match self {
            Self::Sse => "\n\n",
            Self::Lines => "\n",
            Self::Array | Self::Messages => "",
        }
    }

    /// Returns what precedes the data of a frame, if the scenario doesn't say otherwise. The `first` element
    /// of an array opens it.
    pub(super) fn prefix(self, first: bool) -> &'static str {
        match (self, first) {
            (Self::Sse, _) => "data: ",
            (Self::Lines | Self::Messages, _) => "",
            (Self::Array, true) => "[",
            (Self::Array, false) => ",\r\n",
        }
    }
}

/// One AWS message with a JSON payload: an event, or an exception if its name says so, as all of
/// theirs do.
///
/// Written here: the AWS crate for it would bring five others for these lines, and the lab wants
/// its bytes to be its own.
pub(super) fn message(name: &str, payload: &[u8]) -> Vec<u8> {
    let (key, kind) = match name.ends_with("Exception") {
        true => (":exception-type", "exception"),
        false => (":event-type", "event"),
    };
    let mut headers = Vec::new();
    for (name, value) in
        [(key, name), (":content-type", "application/json"), (":message-type", kind)]
    {
        headers.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
        headers.extend_from_slice(name.as_bytes());
        // Type 7: a string, with its length in two bytes.
        headers.push(7);
        headers.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    // Twelve bytes before the headers, four after the payload.
    let total = 12 + headers.len() + payload.len() + 4;
    let mut message = Vec::with_capacity(total);
    for len in [total, headers.len()] {
        message.extend(u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes());
    }
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message.extend(headers);
    message.extend_from_slice(payload);
    message.extend(crc32fast::hash(&message).to_be_bytes());
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::eventstream::EventStreamMessage;

    #[test]
    fn messages_are_read_as_they_were_meant() {
        let bytes = message("messageStart", br#"{"role":"assistant"}"#);
        let read = EventStreamMessage::of(&bytes);
        let headers: Vec<_> = read.headers().collect();
        assert_eq!(
            headers,
            [
                (":event-type", "messageStart"),
                (":content-type", "application/json"),
                (":message-type", "event"),
            ]
        );
        assert!(read.damage().is_none());
        assert!(bytes[..bytes.len() - 4].ends_with(br#"{"role":"assistant"}"#));
        let bytes = message("throttlingException", b"{}");
        let read = EventStreamMessage::of(&bytes);
        assert_eq!(read.header(":exception-type"), Some("throttlingException"));
        assert_eq!(read.header(":message-type"), Some("exception"));
    }
}
