//! Heads: the bytes from a first line to a blank line, and what they say about the body.

use super::framing::BodyFraming;
use crate::journal::Headers;

/// The longest head that is read, in bytes; a longer one is forwarded unread.
pub(crate) const MAX_HEAD: usize = 1 << 20;

/// Reason that a head cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeadError {
    #[error("the response headers are not HTTP/1: {0}")]
    Response(httparse::Error),
    #[error("the request headers are not HTTP/1: {0}")]
    Request(httparse::Error),
}

/// Reason that the header fields do not say where the body ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FramingError {
    #[error("Content-Length {0:?} is no number")]
    Length(String),
    #[error("two Content-Length headers, {0} and {1}")]
    Lengths(u64, u64),
    #[error("a transfer coding other than chunked")]
    Coding,
}

/// A response head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResponseHead {
    pub(crate) version: String,
    pub(crate) status: u16,
    pub(crate) headers: Headers,
}

/// Calls `parse` with ever more room for header fields: gateways send more than a hundred.
fn with_room<T>(parse: impl Fn(usize) -> Result<T, httparse::Error>) -> Result<T, httparse::Error> {
    let mut room = 64;
    loop {
        match parse(room) {
            Err(httparse::Error::TooManyHeaders) if room < MAX_HEAD => room *= 4,
            other => return other,
        }
    }
}

fn owned(headers: &[httparse::Header<'_>]) -> Headers {
    let value = |v: &[u8]| String::from_utf8_lossy(v).into_owned();
    headers.iter().map(|h| (h.name.to_ascii_lowercase(), value(h.value))).collect()
}

/// Reads a response head that is complete.
///
/// # Errors
/// This is not a head of HTTP/1.
pub(crate) fn response(bytes: &[u8]) -> Result<ResponseHead, HeadError> {
    let mut config = httparse::ParserConfig::default();
    config
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true)
        .allow_multiple_spaces_in_response_status_delimiters(true)
        .allow_space_before_first_header_name(true)
        .ignore_invalid_headers_in_responses(true);
    let parse = |bytes: &[u8]| {
        with_room(|room| {
            let mut fields = vec![httparse::EMPTY_HEADER; room];
            let mut parsed = httparse::Response::new(&mut fields);
            if config.parse_response(&mut parsed, bytes)?.is_partial() {
                return Err(httparse::Error::Status);
            }
            let (version, status) = (parsed.version.unwrap_or(1), parsed.code.unwrap_or(0));
            if status < 100 {
                return Err(httparse::Error::Status);
            }
            let version = format!("HTTP/1.{version}");
            Ok(ResponseHead { version, status, headers: owned(parsed.headers) })
        })
    };
    parse(bytes).or_else(|why| parse(&printable(bytes)).map_err(|_| HeadError::Response(why)))
}

/// A head with `?` for the control characters in it: other clients read it with them, and its exact
/// bytes are recorded.
fn printable(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for i in 0..out.len() {
        let in_line_end = out[i] == b'\n' || (out[i] == b'\r' && out.get(i + 1) == Some(&b'\n'));
        if out[i].is_ascii_control() && out[i] != b'\t' && !in_line_end {
            out[i] = b'?';
        }
    }
    out
}

/// Reads the header fields of a request head that is complete.
///
/// # Errors
/// This is not a head of HTTP/1.
pub(crate) fn request(bytes: &[u8]) -> Result<Headers, HeadError> {
    let mut config = httparse::ParserConfig::default();
    config
        .allow_multiple_spaces_in_request_line_delimiters(true)
        .allow_space_before_first_header_name(true)
        .ignore_invalid_headers_in_requests(true);
    with_room(|room| {
        let mut fields = vec![httparse::EMPTY_HEADER; room];
        let mut parsed = httparse::Request::new(&mut fields);
        if config.parse_request(&mut parsed, bytes)?.is_partial() {
            return Err(httparse::Error::Token);
        }
        Ok(owned(parsed.headers))
    })
    .map_err(HeadError::Request)
}

/// Reads a trailer section.
pub(crate) fn trailers(bytes: &[u8]) -> Headers {
    let parsed = with_room(|room| {
        let mut fields = vec![httparse::EMPTY_HEADER; room];
        match httparse::parse_headers(bytes, &mut fields)? {
            httparse::Status::Complete((_, headers)) => Ok(owned(headers)),
            httparse::Status::Partial => Ok(Headers::new()),
        }
    });
    parsed.unwrap_or_default()
}

/// The beginning of a head that cannot be read, for people.
pub(crate) fn shown(raw: &[u8]) -> String {
    const SHOWN: usize = 1000;
    let text = String::from_utf8_lossy(&raw[..raw.len().min(SHOWN)]);
    format!("{:?}", crate::text::preview(&text, SHOWN))
}

/// All values of a header, in order.
pub(crate) fn values<'a>(headers: &'a Headers, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter(move |(k, _)| k == name).map(|(_, v)| v.as_str())
}

/// Returns what the header fields say about the length of the body: chunks win over a length. `Err` if two
/// lengths contradict each other.
fn announced(headers: &Headers) -> Result<Option<BodyFraming>, FramingError> {
    let mut codings = values(headers, "transfer-encoding").flat_map(|v| v.split(','));
    if let Some(last) = codings.by_ref().last() {
        let chunked = last.trim().eq_ignore_ascii_case("chunked");
        return Ok(Some(if chunked { BodyFraming::Chunked } else { BodyFraming::UntilClose }));
    }
    let mut length = None;
    for value in values(headers, "content-length").flat_map(|v| v.split(',')) {
        let value = value.trim();
        let n = value.parse::<u64>().ok().filter(|_| value.bytes().all(|b| b.is_ascii_digit()));
        match (n, length) {
            (None, _) => return Err(FramingError::Length(value.to_owned())),
            (Some(n), Some(m)) if n != m => {
                return Err(FramingError::Lengths(m, n));
            }
            (n, _) => length = n,
        }
    }
    Ok(length.map(BodyFraming::Length))
}

/// The framing of a response's body, for a request of method `HEAD` or not.
///
/// # Errors
/// The header fields contradict each other.
pub(crate) fn response_framing(
    head: &ResponseHead,
    to_head: bool,
) -> Result<BodyFraming, FramingError> {
    if to_head || matches!(head.status, 100..=199 | 204 | 304) {
        return Ok(BodyFraming::None);
    }
    Ok(announced(&head.headers)?.unwrap_or(BodyFraming::UntilClose))
}

/// The framing of a request's body.
///
/// # Errors
/// The header fields contradict each other, or end the body with the connection.
pub(crate) fn request_framing(headers: &Headers) -> Result<BodyFraming, FramingError> {
    match announced(headers)? {
        Some(BodyFraming::UntilClose) => Err(FramingError::Coding),
        Some(framing) => Ok(framing),
        None => Ok(BodyFraming::None),
    }
}

/// The length of the head at the beginning of `bytes`, its blank line included; `from` is how far an earlier
/// search got.
pub(crate) fn end(bytes: &[u8], from: usize) -> Option<usize> {
    let start = from.saturating_sub(3);
    memchr::memchr_iter(b'\n', bytes.get(start..)?).map(|i| start + i + 1).find_map(|next| {
        let rest = &bytes[next..];
        let blank =
            if rest.starts_with(b"\r\n") { 2 } else { usize::from(rest.starts_with(b"\n")) };
        (blank > 0).then_some(next + blank)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_head_is_found_from_anywhere() {
        for head in ["HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "HTTP/1.1 200 OK\nA: b\n\n"] {
            let bytes = format!("{head}body\n\n");
            for cut in 0..bytes.len() {
                let early = end(&bytes.as_bytes()[..cut], 0);
                assert_eq!(early, (cut >= head.len()).then_some(head.len()), "{cut}");
                if early.is_none() {
                    assert_eq!(end(bytes.as_bytes(), cut), Some(head.len()), "{cut}");
                }
            }
        }
    }

    #[test]
    fn many_odd_and_folded_fields_are_read() {
        let mut text = "HTTP/1.1 200\r\n".to_owned();
        for i in 0..300 {
            text += &format!("X-{i}: {i}\r\n");
        }
        text += "Folded: a\r\n  b\r\nSpace : c\r\n\r\n";
        let head = response(text.as_bytes()).unwrap();
        assert_eq!((head.status, head.headers.len()), (200, 302));
        for bad in ["nonsense", "HTTP/1.1 099 x", "HTTP/1.1 2000 x", "HTTP/2 200 OK"] {
            assert!(response(format!("{bad}\r\n\r\n").as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn control_characters_do_not_make_a_head_unreadable() {
        let head = response(b"HTTP/1.1 200 \x1b[31m\r\nX: a\0b\rc\td\r\nY: \x7f\r\n\r\n").unwrap();
        let fields = [("x".to_owned(), "a?b?c\td".to_owned()), ("y".to_owned(), "?".to_owned())];
        assert_eq!((head.status, head.headers), (200, fields.to_vec()));
    }

    #[test]
    fn framing_is_what_the_fields_say() {
        let of = |fields: &str| {
            let head = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
            response_framing(&response(head.as_bytes()).unwrap(), false)
        };
        assert_eq!(of("Content-Length: 5\r\nContent-Length: 5\r\n"), Ok(BodyFraming::Length(5)));
        assert_eq!(
            of("content-length: 5\r\nTransfer-Encoding: gzip, Chunked\r\n"),
            Ok(BodyFraming::Chunked)
        );
        assert_eq!(of(""), Ok(BodyFraming::UntilClose));
        assert!(of("Content-Length: 5\r\nContent-Length: 6\r\n").is_err());
        assert!(of("Content-Length: +5\r\n").is_err());
    }
}
