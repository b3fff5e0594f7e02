//! Responses that the HTTP libraries below the clients accept. No SDK can read what no library returns, so a
//! client view begins here. `tests/http_limits/measure.py` asked the libraries, and
//! `tests/http_limits/clients.py` the clients, whose answers are in `tests/http_limits/clients.json`.

use super::client::{Client, Family, Truncation};
use super::{ClientRun, Raised};
use crate::inspect::Facts;
use crate::journal::Head;
use crate::text::group;

/// The most of something that a library reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpLimit {
    /// No bound was met (20,000 fields, 1,000,000 bytes).
    NotMet,
    /// More than this is refused.
    Most(u64),
    /// More than the first is refused or not, by how the bytes arrive; more than the second is.
    Between(u64, u64),
}

impl HttpLimit {
    /// The bound, where it is exceeded whatever the reads were.
    fn exceeded(self, size: u64) -> Option<u64> {
        match self {
            Self::NotMet => None,
            Self::Most(most) | Self::Between(_, most) => Some(most).filter(|most| size > *most),
        }
    }
}

impl std::fmt::Display for HttpLimit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotMet => f.write_str("–"),
            Self::Most(most) => f.write_str(&group(*most)),
            Self::Between(least, most) => write!(f, "{} to {}", group(*least), group(*most)),
        }
    }
}

/// A feature of a response that not every library reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpOddity {
    /// An interim response with the status 103.
    EarlyHints,
    /// An interim response with the status 100 to a request that did not ask for one.
    Continue,
    /// A header line that begins with white space.
    Folded,
    /// A header line without a colon.
    NoColon,
    /// White space before a header's colon.
    SpaceBeforeColon,
    /// A control character in a header's value.
    Control,
    /// Header lines that end in a line feed alone.
    LineFeeds,
    /// A chunked body under HTTP/1.0.
    OldChunked,
    /// Two equal `Content-Length` fields.
    LengthTwice,
    /// A `Content-Length` beside a chunked body.
    LengthAndChunked,
}

impl HttpOddity {
    /// Every oddity, in the order of the table.
    pub const ALL: &'static [Self] = &[
        Self::EarlyHints,
        Self::Continue,
        Self::Folded,
        Self::NoColon,
        Self::SpaceBeforeColon,
        Self::Control,
        Self::LineFeeds,
        Self::OldChunked,
        Self::LengthTwice,
        Self::LengthAndChunked,
    ];

    /// Its row in the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::EarlyHints => "`103 Early Hints` first",
            Self::Continue => "`100 Continue` that was not asked for",
            Self::Folded => "Folded header line",
            Self::NoColon => "Line without a colon",
            Self::SpaceBeforeColon => "Space before the colon",
            Self::Control => "Control character in a value",
            Self::LineFeeds => "Line feeds alone",
            Self::OldChunked => "Chunked under HTTP/1.0",
            Self::LengthTwice => "`Content-Length` twice, the same",
            Self::LengthAndChunked => "`Content-Length` and chunked",
        }
    }

    /// The reason for which a library refuses a response.
    fn reason(self) -> &'static str {
        match self {
            Self::EarlyHints => "takes an interim `103` for the response",
            Self::Continue => "refuses a `100 Continue` that was not asked for",
            Self::Folded => "refuses folded header lines",
            Self::NoColon => "refuses header lines without a colon",
            Self::SpaceBeforeColon => "refuses a space before a header's colon",
            Self::Control => "refuses control characters in header values",
            Self::LineFeeds => "refuses header lines that end in a line feed alone",
            Self::OldChunked => "reads no chunked body under HTTP/1.0",
            Self::LengthTwice => "refuses two Content-Length fields",
            Self::LengthAndChunked => "refuses Content-Length beside Transfer-Encoding",
        }
    }

    /// Returns whether a response has it.
    fn is_in(self, seen: &Facts, head: &Head) -> bool {
        let interim = |status| seen.interim.iter().any(|(_, head)| head.status == status);
        let lengths =
            || head.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let chunked = || {
            head.header("transfer-encoding")
                .is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"))
        };
        let mut fields = lines(head).skip(1);
        match self {
            Self::EarlyHints => interim(103),
            Self::Continue => {
                let asked = seen.request.as_ref().is_some_and(|request| {
                    request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("expect"))
                });
                interim(100) && !asked
            }
            Self::Folded => fields.any(|line| matches!(line.first(), Some(b' ' | b'\t'))),
            Self::NoColon => fields.any(|line| {
                !matches!(line.first(), None | Some(b' ' | b'\t')) && !line.contains(&b':')
            }),
            Self::SpaceBeforeColon => fields.any(|line| {
                let at = memchr::memchr(b':', line).and_then(|at| at.checked_sub(1));
                at.is_some_and(|at| matches!(line.get(at), Some(b' ' | b'\t')))
                    && !matches!(line.first(), Some(b' ' | b'\t'))
            }),
            Self::Control => {
                let is_control = |byte: &u8| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f;
                fields.any(|line| line.iter().any(is_control))
            }
            Self::LineFeeds => {
                let raw = &head.raw;
                memchr::memchr_iter(b'\n', raw).any(|at| at == 0 || raw.get(at - 1) != Some(&b'\r'))
            }
            Self::OldChunked => head.version == "HTTP/1.0" && chunked(),
            Self::LengthTwice => lengths().count() > 1,
            Self::LengthAndChunked => chunked() && lengths().next().is_some(),
        }
    }
}

/// The lines of a head as they were received, without their ends: the status line and the fields. None where they were
/// not recorded.
fn lines(head: &Head) -> impl Iterator<Item = &[u8]> {
    let raw = head.wire().map_or(&b""[..], |raw| raw);
    raw.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
}

/// An HTTP library, and what it accepts.
#[derive(Debug, PartialEq, Eq)]
pub struct Stack {
    /// Its name and the version that was measured.
    pub name: &'static str,
    /// Header fields of a response.
    pub fields: HttpLimit,
    /// Bytes of one header line, without its end.
    pub line: HttpLimit,
    /// Bytes of all headers; see [`Stack::counts_text_only`].
    pub head: HttpLimit,
    /// It counts the bytes of names and values, and not those between them.
    pub counts_text_only: bool,
    /// Trailer fields.
    pub trailers: HttpLimit,
    /// Bytes of one trailer line, without its end.
    pub trailer: HttpLimit,
    /// Bytes of all trailers, counted as those of the headers.
    pub trailers_in_all: HttpLimit,
    /// Bytes of a chunk's extension, with the semicolon.
    pub extension: HttpLimit,
    /// Oddities that it refuses besides.
    pub refuses: &'static [HttpOddity],
}

impl Client {
    /// Returns the HTTP library that it is built on.
    pub fn stack(&self) -> &'static Stack {
        match self.family {
            Family::OpenAiPython
            | Family::LangChain
            | Family::Anthropic
            | Family::GoogleGenAi
            | Family::MistralAi => &HTTPX2,
            Family::Cohere => &HTTPX,
            Family::LiteLlm { .. } => &AIOHTTP,
            Family::Botocore => &URLLIB3,
            Family::OpenAiNode | Family::AnthropicNode | Family::VercelAi => &FETCH,
            Family::Codex => &HYPER,
        }
    }
}

impl Stack {
    /// Returns why it does not return a response with these headers, if it does not.
    fn refuses(&self, seen: &Facts) -> Option<String> {
        let head = seen.head.as_ref()?;
        // The limits apply to HTTP/1 only.
        if head.version.starts_with("HTTP/2") {
            return None;
        }
        let size = Size::of(head);
        let all = if self.counts_text_only { size.text } else { size.all };
        let checks = [
            (self.fields, size.fields, "header fields"),
            (self.line, size.line, "bytes of one header"),
            (self.head, all, "bytes of headers"),
        ];
        if let Some(why) = self.first(&checks) {
            return Some(why);
        }
        let odd = self.refuses.iter().find(|oddity| oddity.is_in(seen, head))?;
        Some(format!("{} {}", self.name, odd.reason()))
    }

    /// Returns why it fails at the trailers, if it does.
    fn refuses_trailers(&self, seen: &Facts) -> Option<String> {
        let trailers = seen.trailers.as_ref()?;
        if seen.head.as_ref().is_none_or(|head| head.version.starts_with("HTTP/2")) {
            return None;
        }
        let line = trailers.iter().map(|(name, value)| (name.len() + value.len() + 2) as u64).max();
        let fields = trailers.len() as u64;
        let text =
            trailers.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum::<u64>();
        let all = if self.counts_text_only { text } else { text + 4 * fields };
        let checks = [
            (self.trailers, fields, "trailer fields"),
            (self.trailer, line.unwrap_or(0), "bytes of one trailer"),
            (self.trailers_in_all, all, "bytes of trailers"),
        ];
        self.first(&checks)
    }

    /// The first bound that is exceeded, in words.
    fn first(&self, checks: &[(HttpLimit, u64, &str)]) -> Option<String> {
        let exceeded = |(bound, size, what): &(HttpLimit, u64, &str)| {
            let most = group(bound.exceeded(*size)?);
            Some(format!(
                "{} reads at most {most} {what}, and here are {}",
                self.name,
                group(*size)
            ))
        };
        checks.iter().find_map(exceeded)
    }
}

/// Ends a run whose library returns no response with these headers; returns whether that is so.
pub(super) fn is_refused(run: &mut ClientRun, seen: &Facts) -> bool {
    if run.http.is_some() {
        return true;
    }
    let Some(why) = run.client.stack().refuses(seen) else { return false };
    run.http = Some(why);
    run.stopped = true;
    // Botocore takes the interim response for the one that it waits for, and that has no body.
    let is_empty = run.client.family == Family::Botocore
        && seen.head.as_ref().is_some_and(|head| HttpOddity::EarlyHints.is_in(seen, head));
    if !is_empty {
        run.given.error = Some(no_response(run.client));
    }
    true
}

/// Ends a run at whose trailers the library fails; returns whether that is so.
pub(super) fn is_cut_off(run: &mut ClientRun, seen: &Facts) -> bool {
    let client = run.client;
    let stack = client.stack();
    if matches!(client.family, Family::LiteLlm { .. }) {
        // Only LiteLLM's Responses path reads up to the trailers, and aiohttp never reports a trailer line
        // that is too long.
        let line = Stack { trailers: HttpLimit::NotMet, ..*stack }.refuses_trailers(seen);
        let reads_on = client.dialect == "openai-responses" && run.given.error.is_none();
        run.http = line.filter(|_| reads_on);
        run.given.waits |= run.http.is_some();
        return run.http.is_some();
    }
    // Fetch reports an error after `[DONE]`, too.
    if run.stopped || run.done && !matches!(client.cut, Truncation::Fetch(..)) {
        return false;
    }
    let Some(raised) = at_trailers(client) else { return false };
    let Some(why) = stack.refuses_trailers(seen) else { return false };
    run.http = Some(why);
    match client.family {
        Family::VercelAi => run.break_off(raised.class, raised.message),
        _ => run.fail(raised.class, raised.message),
    }
    true
}

/// Message of Codex for a request without a response.
const SENDING: &str = "stream disconnected before completion: error sending request";

/// Returns the error of a client whose library returns no response.
fn no_response(client: &Client) -> Raised {
    let (class, words) = match client.family {
        Family::OpenAiPython | Family::OpenAiNode | Family::Anthropic | Family::AnthropicNode => {
            ("APIConnectionError", "Connection error.")
        }
        Family::LangChain => ("OpenAIConnectionError", "Connection error."),
        Family::GoogleGenAi | Family::Cohere | Family::MistralAi => ("RemoteProtocolError", ""),
        Family::LiteLlm { .. } => ("InternalServerError", "litellm.InternalServerError: "),
        Family::Botocore => (
            "ConnectionClosedError",
            "Connection was closed before we received a valid response from endpoint URL",
        ),
        Family::VercelAi => ("AI_APICallError", "Cannot connect to API: "),
        Family::Codex => (super::codex::FAILED, SENDING),
    };
    Raised::new(class, words)
}

/// Returns the error of a client whose library fails at the trailers; none if it has stopped reading by then.
fn at_trailers(client: &Client) -> Option<Raised> {
    let (class, words) = match client.family {
        Family::OpenAiPython => ("APIConnectionError", "Connection error."),
        Family::Anthropic | Family::GoogleGenAi => {
            ("RemoteProtocolError", "Receive buffer too long")
        }
        Family::Botocore => {
            ("ProtocolError", "Response chunk trailer line exceeded maximum allowed length")
        }
        Family::OpenAiNode | Family::AnthropicNode => ("TypeError", "terminated"),
        Family::VercelAi => ("AI_APICallError", "Failed to process successful response"),
        Family::LangChain
        | Family::LiteLlm { .. }
        | Family::Cohere
        | Family::MistralAi
        | Family::Codex => return None,
    };
    Some(Raised::new(class, words))
}

/// Size of a response's headers.
#[derive(Default)]
struct Size {
    fields: u64,
    /// Its longest line, without the end.
    line: u64,
    /// All of its bytes.
    all: u64,
    /// Those of names and values.
    text: u64,
}

impl Size {
    fn of(head: &Head) -> Self {
        let text = head.headers.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum();
        let fields = head.headers.len() as u64;
        if head.wire().is_none() {
            let line =
                head.headers.iter().map(|(name, value)| (name.len() + value.len() + 2) as u64);
            let status = 17;
            return Self {
                fields,
                line: line.max().unwrap_or(0),
                all: text + 4 * fields + status,
                text,
            };
        }
        let line = lines(head).map(|line| line.len() as u64).max();
        Self { fields, line: line.unwrap_or(0), all: head.raw.len() as u64, text }
    }
}

/// h11 refuses what has grown past 100 KiB without an end, and reads 64 KiB at once.
const H11: HttpLimit = HttpLimit::Between(102_400, 167_936);

const HTTPX: Stack = Stack {
    name: "httpx 0.28.1",
    fields: HttpLimit::NotMet,
    line: H11,
    head: H11,
    counts_text_only: false,
    trailers: HttpLimit::NotMet,
    trailer: H11,
    trailers_in_all: H11,
    extension: H11,
    refuses: &[HttpOddity::NoColon, HttpOddity::SpaceBeforeColon],
};

const HTTPX2: Stack = Stack { name: "httpx2 2.16.2", ..HTTPX };

const AIOHTTP: Stack = Stack {
    name: "aiohttp 3.14.5",
    fields: HttpLimit::Most(128),
    line: HttpLimit::Most(8_193),
    head: HttpLimit::NotMet,
    counts_text_only: false,
    trailers: HttpLimit::Most(127),
    trailer: HttpLimit::Most(8_192),
    trailers_in_all: HttpLimit::NotMet,
    extension: HttpLimit::NotMet,
    refuses: &[
        HttpOddity::NoColon,
        HttpOddity::SpaceBeforeColon,
        HttpOddity::LengthTwice,
        HttpOddity::LengthAndChunked,
    ],
};

const URLLIB3: Stack = Stack {
    name: "urllib3 2.8.0 (requests 2.34.2)",
    fields: HttpLimit::Most(99),
    line: HttpLimit::Most(65_534),
    head: HttpLimit::NotMet,
    counts_text_only: false,
    trailers: HttpLimit::NotMet,
    trailer: HttpLimit::Most(65_534),
    trailers_in_all: HttpLimit::NotMet,
    extension: HttpLimit::Most(65_532),
    refuses: &[HttpOddity::EarlyHints],
};

const FETCH: Stack = Stack {
    name: "Node 20.20.2 fetch",
    fields: HttpLimit::NotMet,
    line: HttpLimit::NotMet,
    head: HttpLimit::Most(16_383),
    counts_text_only: true,
    trailers: HttpLimit::NotMet,
    trailer: HttpLimit::NotMet,
    trailers_in_all: HttpLimit::Most(16_383),
    extension: HttpLimit::NotMet,
    refuses: &[
        HttpOddity::Continue,
        HttpOddity::NoColon,
        HttpOddity::Control,
        HttpOddity::LineFeeds,
        HttpOddity::LengthTwice,
        HttpOddity::LengthAndChunked,
    ],
};

const HYPER: Stack = Stack {
    name: "hyper (Codex 0.171.0)",
    fields: HttpLimit::Most(100),
    line: HttpLimit::NotMet,
    head: HttpLimit::NotMet,
    counts_text_only: false,
    trailers: HttpLimit::NotMet,
    trailer: HttpLimit::NotMet,
    trailers_in_all: HttpLimit::NotMet,
    extension: HttpLimit::Most(16_384),
    refuses: &[
        HttpOddity::Folded,
        HttpOddity::NoColon,
        HttpOddity::SpaceBeforeColon,
        HttpOddity::Control,
        HttpOddity::OldChunked,
    ],
};

const NODE_HTTP: Stack = Stack {
    name: "Node 20.20.2 http",
    extension: HttpLimit::Most(16_385),
    refuses: &[
        HttpOddity::Folded,
        HttpOddity::NoColon,
        HttpOddity::SpaceBeforeColon,
        HttpOddity::Control,
        HttpOddity::LineFeeds,
        HttpOddity::LengthTwice,
        HttpOddity::LengthAndChunked,
    ],
    ..FETCH
};

const CURL: Stack = Stack {
    name: "curl 7.88.1",
    fields: HttpLimit::NotMet,
    line: HttpLimit::Most(102_397),
    head: HttpLimit::Most(307_200),
    counts_text_only: false,
    trailers: HttpLimit::NotMet,
    trailer: HttpLimit::NotMet,
    trailers_in_all: HttpLimit::NotMet,
    extension: HttpLimit::NotMet,
    refuses: &[HttpOddity::NoColon],
};

/// This program itself.
const SSELENS: Stack = Stack {
    name: "sselens",
    fields: HttpLimit::NotMet,
    line: HttpLimit::Most(1 << 20),
    head: HttpLimit::Most(1 << 20),
    counts_text_only: false,
    trailers: HttpLimit::NotMet,
    trailer: HttpLimit::Most(1 << 20),
    trailers_in_all: HttpLimit::NotMet,
    extension: HttpLimit::Most(1 << 20),
    refuses: &[],
};

/// The libraries of the clients and of common tools, in the order of the table.
pub const STACKS: &[&Stack] =
    &[&HTTPX, &HTTPX2, &URLLIB3, &AIOHTTP, &FETCH, &NODE_HTTP, &HYPER, &CURL, &SSELENS];
