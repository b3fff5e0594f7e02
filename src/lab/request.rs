//! Reads requests, from clients that may be slow, broken or hostile.

use std::time::Duration;

use bytes::Buf;
use tokio::time::timeout;

use super::wire::Wire;

/// Limits of what a client may send, and how slowly.
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 128;
const MAX_BODY: usize = 64 * 1024 * 1024;
/// From the first byte of a head to its last.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Between two reads of a body.
const BODY_TIME: Duration = Duration::from_secs(20);
/// Between two requests of a connection.
const IDLE_TIME: Duration = Duration::from_secs(75);

/// One request, complete.
#[derive(Debug)]
pub(crate) struct ReceivedRequest {
    pub(crate) method: String,
    /// Without the query, and without scheme and host.
    pub(crate) path: String,
    /// The part after the question mark.
    pub(crate) query: String,
    pub(crate) body: Vec<u8>,
    /// The client wants the connection closed afterwards.
    pub(crate) close: bool,
    /// HTTP/1.0, which knows no chunks.
    pub(crate) http10: bool,
    /// The key and the extensions of a client that asks for a WebSocket.
    #[cfg_attr(
        not(feature = "program"),
        expect(dead_code, reason = "a replay answers WebSockets, the lab does not")
    )]
    pub(crate) web_socket: Option<(String, String)>,
}

/// Reason that there is no request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ReceiveError {
    /// The client has gone, or never sent a request.
    Gone,
    /// To be answered with this status and sentence, and closed.
    Refuse(u16, &'static str),
}

const BAD: ReceiveError = ReceiveError::Refuse(400, "The request is not valid HTTP/1.1.");
const SLOW: ReceiveError = ReceiveError::Refuse(408, "The request took too long to arrive.");
const LONG: ReceiveError = ReceiveError::Refuse(413, "The request's body is longer than 64 MiB.");

/// The next request of this connection.
pub(crate) async fn read(wire: &mut Wire) -> Result<ReceivedRequest, ReceiveError> {
    if wire.inbox.is_empty() {
        match timeout(IDLE_TIME, wire.fill()).await {
            Ok(Ok(1..)) => {}
            Ok(_) | Err(_) => return Err(ReceiveError::Gone),
        }
    }
    let head = match timeout(HEAD_TIME, read_head(wire)).await {
        Ok(head) => head?,
        Err(_) => return Err(SLOW),
    };
    // A client that sends `Expect: 100-continue` waits for an answer before it sends the body.
    if head.expects_continue && head.body != Length::Fixed(0) && wire.inbox.is_empty() {
        let go_on = wire.write(b"HTTP/1.1 100 Continue\r\n\r\n").await;
        go_on.map_err(|_| ReceiveError::Gone)?;
    }
    let body = match head.body {
        Length::Fixed(len) => read_fixed(wire, len).await?,
        Length::Chunked => read_chunked(wire).await?,
    };
    Ok(ReceivedRequest { body, ..head.request })
}

struct RequestHead {
    request: ReceivedRequest,
    body: Length,
    expects_continue: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Fixed(usize),
    Chunked,
}

async fn read_head(wire: &mut Wire) -> Result<RequestHead, ReceiveError> {
    loop {
        if let Some((head, len)) = parse_head(&wire.inbox)? {
            wire.inbox.advance(len);
            return Ok(head);
        }
        if wire.inbox.len() > MAX_HEAD {
            return Err(ReceiveError::Refuse(431, "The request headers are too long."));
        }
        more(wire).await?;
    }
}

/// The head at the start of these bytes and its length; `None` if it isn't
/// complete.
fn parse_head(bytes: &[u8]) -> Result<Option<(RequestHead, usize)>, ReceiveError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let len = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => {
            return Err(ReceiveError::Refuse(431, "The request has too many headers."));
        }
        Err(_) => return Err(BAD),
    };
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(BAD);
    };
    let mut fields = HeadFields { close: version == 0, ..HeadFields::default() };
    for header in parsed.headers.iter() {
        fields.add(header)?;
    }
    let body = fields.body()?;
    let request = ReceivedRequest {
        method: method.to_owned(),
        path: path_of(target),
        query: query_of(target),
        body: Vec::new(),
        close: fields.close,
        http10: version == 0,
        web_socket: fields.key.map(|key| (key, fields.extensions)),
    };
    let head = RequestHead { request, body, expects_continue: fields.expects_continue };
    Ok(Some((head, len)))
}

/// The header fields of a request that are about the connection and the body.
#[derive(Default)]
struct HeadFields {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    expects_continue: bool,
    /// The key and the extensions of a client that asks for a WebSocket.
    key: Option<String>,
    extensions: String,
}

impl HeadFields {
    fn add(&mut self, header: &httparse::Header<'_>) -> Result<(), ReceiveError> {
        let value = String::from_utf8_lossy(header.value).trim().to_ascii_lowercase();
        let is = |name| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            // Digits only: parsing alone would take a sign.
            let digits = value.bytes().all(|byte| byte.is_ascii_digit());
            let parsed = value.parse::<u64>().ok().filter(|_| digits).ok_or(BAD)?;
            if self.length.is_some_and(|length| length != parsed) {
                return Err(BAD);
            }
            self.length = Some(parsed);
        } else if is("transfer-encoding") {
            if value != "chunked" || self.chunked {
                let why = "Only the transfer coding chunked is known.";
                return Err(ReceiveError::Refuse(501, why));
            }
            self.chunked = true;
        } else if is("connection") {
            let mut options = value.split(',').map(str::trim);
            if options.clone().any(|option| option == "close") {
                self.close = true;
            } else if options.any(|option| option == "keep-alive") {
                self.close = false;
            }
        } else if is("expect") {
            self.expects_continue = value == "100-continue";
        } else if is("sec-websocket-key") {
            self.key = Some(String::from_utf8_lossy(header.value).trim().to_owned());
        } else if is("sec-websocket-extensions") {
            self.extensions += &format!("{value}, ");
        }
        Ok(())
    }

    fn body(&self) -> Result<Length, ReceiveError> {
        match (self.length, self.chunked) {
            // Two answers to one question are how requests get smuggled.
            (Some(_), true) => Err(BAD),
            (_, true) => Ok(Length::Chunked),
            (length, false) => {
                let length = usize::try_from(length.unwrap_or(0)).unwrap_or(usize::MAX);
                if length > MAX_BODY {
                    return Err(LONG);
                }
                Ok(Length::Fixed(length))
            }
        }
    }
}

/// The path of a target such as `/a?b`, or `http://host/a?b` as proxies get it.
fn path_of(target: &str) -> String {
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => target,
    };
    path.split(['?', '#']).next().unwrap_or(path).to_owned()
}

fn query_of(target: &str) -> String {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    query.split('#').next().unwrap_or(query).to_owned()
}

async fn read_fixed(wire: &mut Wire, len: usize) -> Result<Vec<u8>, ReceiveError> {
    // Memory grows with what arrives, not with what was announced.
    let mut body = Vec::new();
    loop {
        let take = wire.inbox.len().min(len - body.len());
        body.extend_from_slice(&wire.inbox.split_to(take));
        if body.len() == len {
            return Ok(body);
        }
        more(wire).await?;
    }
}

async fn read_chunked(wire: &mut Wire) -> Result<Vec<u8>, ReceiveError> {
    let mut body = Vec::new();
    loop {
        let size = read_chunk_size(wire).await?;
        if size == 0 {
            skip_trailers(wire).await?;
            return Ok(body);
        }
        if size > MAX_BODY - body.len() {
            return Err(LONG);
        }
        body.extend(read_fixed(wire, size).await?);
        if read_fixed(wire, 2).await? != b"\r\n" {
            return Err(BAD);
        }
    }
}

async fn read_chunk_size(wire: &mut Wire) -> Result<usize, ReceiveError> {
    loop {
        match httparse::parse_chunk_size(&wire.inbox) {
            Ok(httparse::Status::Complete((len, size))) => {
                wire.inbox.advance(len);
                return usize::try_from(size).map_err(|_| LONG);
            }
            Ok(httparse::Status::Partial) if wire.inbox.len() < MAX_HEAD => more(wire).await?,
            Ok(httparse::Status::Partial) | Err(_) => return Err(BAD),
        }
    }
}

async fn skip_trailers(wire: &mut Wire) -> Result<(), ReceiveError> {
    let mut skipped = 0;
    loop {
        match memchr::memchr(b'\n', &wire.inbox) {
            Some(at) => {
                let line = wire.inbox.split_to(at + 1);
                skipped += line.len();
                if line.as_ref() == b"\r\n" || line.as_ref() == b"\n" {
                    return Ok(());
                }
            }
            // All that is here is one unfinished line.
            None if wire.inbox.len() < MAX_HEAD => more(wire).await?,
            None => return Err(BAD),
        }
        if skipped > MAX_HEAD {
            return Err(BAD);
        }
    }
}

async fn more(wire: &mut Wire) -> Result<(), ReceiveError> {
    match timeout(BODY_TIME, wire.fill()).await {
        Ok(Ok(1..)) => Ok(()),
        Ok(_) => Err(ReceiveError::Gone),
        Err(_) => Err(SLOW),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Option<(RequestHead, usize)>, ReceiveError> {
        parse_head(text.as_bytes())
    }

    #[test]
    fn reads_a_head_and_leaves_the_body() {
        let text =
            "POST /v1/x?y=1 HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello";
        let (head, len) = head(text).unwrap().unwrap();
        assert_eq!(&text[len..], "hello");
        assert_eq!((head.request.path.as_str(), head.request.query.as_str()), ("/v1/x", "y=1"));
        assert!(head.body == Length::Fixed(5) && head.expects_continue && !head.request.close);
    }

    #[test]
    fn refuses_what_is_ambiguous_or_too_much() {
        let post = |headers: &str| match head(&format!("POST / HTTP/1.1\r\n{headers}\r\n")) {
            Err(trouble) => trouble,
            Ok(_) => panic!("{headers}"),
        };
        assert_eq!(post("Content-Length: 5\r\nContent-Length: 6\r\n"), BAD);
        assert_eq!(post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), BAD);
        assert_eq!(post("Content-Length: +5\r\n"), BAD);
        assert_eq!(post("Content-Length: 67108865\r\n"), LONG);
        assert_eq!(post("Content-Length: 99999999999999999999\r\n"), BAD);
        assert!(matches!(
            post("Transfer-Encoding: gzip, chunked\r\n"),
            ReceiveError::Refuse(501, _)
        ));
        assert!(matches!(post(&"A: b\r\n".repeat(200)), ReceiveError::Refuse(431, _)));
        assert!(matches!(head("\u{16}\u{3}\u{1}garbage\r\n\r\n"), Err(BAD)));
    }

    #[test]
    fn finds_the_path() {
        assert_eq!(path_of("/a/b?c=/d"), "/a/b");
        assert_eq!(path_of("http://h:1/a?x"), "/a");
        assert_eq!(path_of("http://h"), "/");
        assert_eq!(path_of("*"), "*");
    }
}
