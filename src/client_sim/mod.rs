//! Client views: what a common client would have returned to its caller for these bytes.
//!
//! Half of what goes wrong in a stream is invisible through a mainstream SDK: it yields nothing, or
//! fabricates a finish, or drops a channel, without an error. A [`ClientRun`] reads the body as one client
//! does ([`clients`]) and shows what its caller got, and what not. It is about one call without
//! retries, and about a careful caller: an error here is one that the client raised. [`views`] is
//! the short form of all clients of a dialect.

mod ai;
mod ai_gemini;
mod ai_messages;
mod ai_responses;
mod botocore;
mod calls;
mod chat;
mod chat_node;
mod chat_python;
mod client;
mod codex;
mod cohere;
mod failure;
mod gemini;
mod head;
mod http;
mod litellm_messages;
mod litellm_responses;
mod messages;
mod messages_node;
mod messages_python;
mod mistral;
mod refusal;
mod remark;
mod responses;
mod responses_node;
mod responses_python;
mod sdk;
mod sse;
mod table;
mod transport;
mod value;
mod view;

use std::collections::BTreeMap;

pub use client::Client;
pub use http::{HttpLimit, HttpOddity, STACKS, Stack};
pub use remark::Remark;
pub use table::{clients, find};
pub use transport::EventTransport;
pub use view::views;

use crate::inspect::Facts;
use crate::journal::EndCause;
use crate::json::{ErrorKind, Tape, Value};
use client::{Family, Junk, Truncation};
use sse::Next;

/// An error that the caller gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raised {
    /// The class, without its module.
    pub class: &'static str,
    /// Its message, or the beginning of it; empty if it is a parser's own account of the place.
    pub message: String,
}

impl Raised {
    fn new(class: &'static str, message: impl Into<String>) -> Self {
        Self { class, message: message.into() }
    }
}

/// A tool call as the caller can put it together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientToolCall {
    /// The choice that made it.
    pub choice: u32,
    /// The function's name.
    pub name: Option<String>,
    /// The joined arguments.
    pub arguments: String,
    index: Option<u64>,
}

/// Everything that the caller has received.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    /// The text of each choice.
    pub content: BTreeMap<u32, String>,
    /// The reasoning of each choice.
    pub reasoning: BTreeMap<u32, String>,
    /// The tool calls.
    pub tools: Vec<ClientToolCall>,
    /// Reason that each choice ended.
    pub finish: BTreeMap<u32, String>,
    /// True if the finish is the client's own because none arrived.
    pub fabricated: bool,
    /// Number of payloads that the client read and passed on.
    pub chunks: u64,
    /// The (first) error.
    pub error: Option<Raised>,
    /// The stream has no end: the caller waits.
    pub waits: bool,
    /// Reason that this recording can't show it: the client would have asked again, elsewhere, or its bytes
    /// were withheld.
    pub elsewhere: Option<String>,
}

/// A way for a family of clients to read the events of its decoder.
trait Reader: std::fmt::Debug + Send {
    /// Takes in one event.
    fn event(&mut self, run: &mut ClientRun, event: &str, data: &str);

    /// Takes in one binary message.
    fn message(&mut self, _run: &mut ClientRun, _bytes: &[u8]) {}

    /// Handles the end of the body, if it caused no error.
    fn close(&mut self, _run: &mut ClientRun) {}

    /// The transport failed.
    fn failed(&mut self, _run: &mut ClientRun) {}
}

/// One client, reading along.
#[derive(Debug)]
pub struct ClientRun {
    client: &'static Client,
    /// `None` only while it is at work.
    reader: Option<Box<dyn Reader>>,
    decoder: sse::SseDecoder,
    tape: Tape,
    given: Given,
    calls: calls::Calls,
    notes: remark::RunNotes,
    /// `[DONE]` was read, and ended it.
    done: bool,
    /// The answer's end was read: how the connection ends is nothing to it.
    ended: bool,
    /// It reads no further: an error.
    stopped: bool,
    /// The offset in the body behind the event that brought the error.
    failed_at: Option<usize>,
    over: bool,
    /// Reason that its HTTP library did not return the response, or not all of it.
    http: Option<String>,
}

impl ClientRun {
    /// A client that has read nothing yet.
    pub fn new(client: &'static Client) -> Self {
        Self {
            client,
            reader: Some((client.reader)()),
            decoder: sse::SseDecoder::default(),
            tape: Tape::new(),
            given: Given::default(),
            calls: calls::Calls::default(),
            notes: remark::RunNotes::default(),
            done: false,
            ended: false,
            stopped: false,
            failed_at: None,
            over: false,
            http: None,
        }
    }

    /// A client that has read all of an exchange.
    pub fn of(client: &'static Client, seen: &Facts) -> Self {
        let mut run = Self::new(client);
        run.advance(seen);
        run
    }

    /// The client.
    pub fn client(&self) -> &'static Client {
        self.client
    }

    /// Returns what its caller has received so far.
    pub fn given(&self) -> &Given {
        &self.given
    }

    /// Returns whether it speaks the dialect of an exchange. An exchange without a dialect may belong to any
    /// client.
    pub fn speaks(&self, seen: &Facts) -> bool {
        seen.dialect().is_none_or(|d| d.name() == self.client.dialect)
    }

    /// Returns what else is worth knowing: what it leaves unread, hides or fabricates.
    pub fn remarks(&self, seen: &Facts) -> Vec<Remark> {
        remark::remarks(self, seen)
    }

    /// Continues reading up to where the exchange is now. The work is linear in what is new.
    pub fn advance(&mut self, seen: &Facts) {
        if self.over || !self.speaks(seen) {
            return;
        }
        if http::is_refused(self, seen) {
            self.over = seen.is_over();
            return;
        }
        // Codex's decoder never gets past a byte order mark.
        let mark = b"\xef\xbb\xbf";
        self.done |= self.client.family == Family::Codex && seen.body().starts_with(mark);
        let accepted = seen.status().is_none_or(|s| s < 300)
            && !self.fails_to_decode(seen)
            && refusal::not_a_stream(self.client.family, seen).is_none();
        if accepted {
            self.read(self.bytes(seen));
        }
        if seen.is_over() {
            self.over = true;
            if !http::is_cut_off(self, seen) {
                self.end(seen);
            }
            self.with_reader(|reader, run| reader.failed(run));
        }
    }

    /// The body that reaches its decoder: botocore undoes no content coding.
    fn bytes<'a>(&self, seen: &'a Facts) -> &'a [u8] {
        if self.client.family == Family::Botocore { seen.wire() } else { seen.body() }
    }

    /// Returns whether it raises an error of the content coding. All of them treat data that ends too early
    /// as the end, and an unknown coding as none.
    fn fails_to_decode(&self, seen: &Facts) -> bool {
        let is_known = seen.coding().is_none_or(crate::inspect::ContentDecoder::is_known);
        let damaged = seen.coding_error.is_some() && is_known && !seen.coding_ended_early();
        damaged && self.client.family != Family::Botocore
    }

    fn read(&mut self, body: &[u8]) {
        while !self.stopped && !self.done {
            match self.decoder.next(body, &self.client.sse) {
                Next::Event(event, data) => self.event(&event, &data),
                Next::Invalid => self.raise("UnicodeDecodeError", ""),
                Next::Message(bytes) => {
                    let bytes = body.get(bytes).unwrap_or_default();
                    self.with_reader(|reader, run| reader.message(run, bytes));
                }
                Next::More => return,
            }
            if self.given.error.is_some() {
                self.failed_at.get_or_insert(self.decoder.offset());
            }
        }
    }

    fn event(&mut self, event: &str, data: &str) {
        self.with_reader(|reader, run| reader.event(run, event, data));
    }

    fn with_reader(&mut self, work: impl FnOnce(&mut dyn Reader, &mut Self)) {
        if let Some(mut reader) = self.reader.take() {
            work(reader.as_mut(), self);
            self.reader = Some(reader);
        }
    }

    /// Reads a payload that has to be JSON.
    fn parse(&mut self, data: &str, read: &mut dyn FnMut(&mut Self, Value<'_>)) {
        let mut tape = std::mem::take(&mut self.tape);
        let parsed = tape.parse(data);
        let whole = !matches!(&parsed, Err(e) if e.kind == ErrorKind::Trailing);
        let nan = tape.has_nonfinite() && !self.client.reads_nan;
        match tape.root(data).filter(|_| whole && !nan) {
            Some(json) => read(self, json),
            None => match self.client.junk {
                Junk::Raises(class) => self.raise(class, ""),
                Junk::PassedOver => {}
                Junk::Reported => self.report("AI_JSONParseError", "JSON parsing failed: Text: "),
            },
        }
        self.tape = tape;
    }

    /// Ends the stream with an error.
    fn raise(&mut self, class: &'static str, message: impl Into<String>) {
        let message = message.into();
        self.stopped = true;
        self.given.error = Some(match self.client.family {
            Family::LiteLlm { wrap, .. } => {
                Raised::new("MidStreamFallbackError", format!("{wrap}{message}"))
            }
            _ => Raised::new(class, message),
        });
    }

    /// Reports an error to the caller and continues, as `ai` does.
    fn report(&mut self, class: &'static str, message: impl Into<String>) {
        self.given.error.get_or_insert_with(|| Raised::new(class, message));
        self.given.finish.insert(0, "error".into());
    }

    /// The caller gets an error where the client has no say in it.
    fn fail(&mut self, class: &'static str, message: impl Into<String>) {
        self.stopped = true;
        self.given.error = Some(Raised::new(class, message));
    }

    /// Does the same for `ai`, where the first error stays and what would follow at the end does not: the
    /// calls and the finish.
    fn break_off(&mut self, class: &'static str, message: impl Into<String>) {
        self.stopped = true;
        self.given.tools.clear();
        self.given.finish.clear();
        self.given.error.get_or_insert_with(|| Raised::new(class, message));
    }

    fn end(&mut self, seen: &Facts) {
        let Some((cause, _)) = seen.end else { return };
        let family = self.client.family;
        match (seen.status(), cause) {
            (
                None,
                EndCause::ClosedBeforeHead
                | EndCause::ClosedInsideHead
                | EndCause::Dns
                | EndCause::Refused
                | EndCause::ProxyRefused
                | EndCause::Tls
                | EndCause::Protocol
                | EndCause::Reset
                | EndCause::Truncated,
            ) => self.unanswered(cause),
            (_, EndCause::Timeout(_) | EndCause::Cancelled | EndCause::Limit(_)) => {
                self.given.waits = !self.stopped && !self.done;
            }
            (Some(status @ 300..=399), _) => {
                self.given.elsewhere = Some(format!(
                    "it follows the redirect ({status}); what that returned is not here"
                ));
            }
            // The client had the bytes that this program did not keep.
            _ if seen.is_withheld() => {
                let why = "unknown: the body quotes a secret, and was not kept from there on";
                self.given.elsewhere = (!self.stopped && !self.done).then(|| why.into());
            }
            (Some(status @ 400..), _) => self.refused(status, seen),
            (Some(204 | 205), _)
                if matches!(family, Family::OpenAiNode | Family::AnthropicNode) =>
            {
                let class = family.own_error();
                self.fail(class, "Attempted to iterate over a response with no body");
            }
            (Some(status @ (204 | 205)), _) if family == Family::GoogleGenAi => {
                let raised = head::refused(self.client, status, "");
                self.fail(raised.class, raised.message);
            }
            (Some(204 | 205), _) if family == Family::VercelAi => {
                self.fail("AI_APICallError", "Failed to process successful response");
            }
            _ if self.fails_to_decode(seen) => self.undecoded(),
            _ => match refusal::not_a_stream(family, seen) {
                Some(raised) => self.fail(raised.class, raised.message),
                None => self.close(seen, cause),
            },
        }
    }

    /// Returns whether this is Codex, whose handling of anything but an event stream was not measured.
    fn unmeasured(&mut self) -> bool {
        let only_streams = self.client.family == Family::Codex;
        if only_streams {
            self.given.elsewhere = Some("only its reading of event streams was measured".into());
        }
        only_streams
    }

    fn unanswered(&mut self, cause: EndCause) {
        if self.unmeasured() {
            return;
        }
        // Python's http.client treats a closed connection as the end of the headers.
        if self.client.family == Family::Botocore && cause == EndCause::ClosedInsideHead {
            let why = "it reads the headers as far as they arrived, and those were not kept";
            self.given.elsewhere = Some(why.into());
            return;
        }
        let raised = failure::unanswered(self.client, cause);
        self.fail(raised.class, raised.message);
    }

    fn undecoded(&mut self) {
        if self.unmeasured() {
            return;
        }
        if let Family::LiteLlm { .. } = self.client.family {
            let words =
                if self.client.dialect == "anthropic" { "APIConnectionError: " } else { "" };
            return self.raise("", words);
        }
        let raised = failure::undecoded(self.client);
        self.fail(raised.class, raised.message);
    }

    fn refused(&mut self, status: u16, seen: &Facts) {
        if self.unmeasured() {
            return;
        }
        let body = String::from_utf8_lossy(seen.body());
        if let Family::LiteLlm { drop_params: true, .. } = self.client.family
            && status == 422
        {
            if head::two_step_place(&body) {
                self.given.elsewhere = Some(
                    "it takes the parameter that the answer names away and asks again, silently"
                        .into(),
                );
            } else {
                // acompletion returned None, so its caller fails with this error.
                self.fail(
                    "TypeError",
                    "'async for' requires an object with __aiter__ method, got NoneType",
                );
                self.notes.none = true;
            }
            return;
        }
        let raised = match self.client.family {
            family @ (Family::Botocore | Family::Cohere | Family::MistralAi) => {
                refusal::refused(family, status, seen)
            }
            _ => head::refused(self.client, status, &body),
        };
        self.fail(raised.class, raised.message);
    }

    /// Returns whether LiteLLM has read no event of Responses yet.
    fn is_unbegun_stream(&self) -> bool {
        let is_litellm = matches!(self.client.family, Family::LiteLlm { .. });
        is_litellm && self.client.dialect == "openai-responses" && self.given.chunks == 0
    }

    /// The body is over.
    fn close(&mut self, seen: &Facts, cause: EndCause) {
        let garbled = cause == EndCause::Protocol;
        let cut = garbled || matches!(cause, EndCause::Truncated | EndCause::Reset);
        if cut && !self.stopped {
            match self.client.cut {
                // aiohttp, which LiteLLM uses, never reports that a chunk size is invalid.
                _ if garbled && matches!(self.client.family, Family::LiteLlm { .. }) => {
                    self.given.waits = true;
                    return;
                }
                Truncation::Raises(..) | Truncation::Httpx if self.done || self.ended => {}
                // Before any event it is not LiteLLM's stream that fails.
                Truncation::Raises(class, words) if self.is_unbegun_stream() => {
                    return self.fail(class, format!("litellm.{class}: {words}"));
                }
                Truncation::Raises(class, words) => return self.raise(class, words),
                Truncation::Httpx => {
                    let raised = failure::httpx(cause);
                    return self.raise(raised.class, raised.message);
                }
                Truncation::Urllib3 => match failure::urllib3(seen, cause) {
                    Some(raised) => return self.raise(raised.class, raised.message),
                    None => self.notes.cut_passed = true,
                },
                Truncation::Fetch(class, words) if garbled || !closes(seen) => {
                    return match self.client.family {
                        Family::VercelAi => self.break_off(class, words),
                        _ => self.fail(class, words),
                    };
                }
                Truncation::Fetch(..) | Truncation::Ends => self.notes.cut_passed = !self.done,
            }
        }
        while !self.stopped && !self.done {
            match self.decoder.finish(self.bytes(seen), &self.client.sse) {
                Next::Event(event, data) => self.event(&event, &data),
                Next::Invalid => self.raise("UnicodeDecodeError", ""),
                Next::Message(_) | Next::More => break,
            }
        }
        if !self.stopped {
            self.with_reader(|reader, run| reader.close(run));
        }
    }
}

/// Returns whether the headers say that the connection closes after the body. The fetch of Node then treats a
/// truncated body as whole.
fn closes(seen: &Facts) -> bool {
    let Some(head) = &seen.head else { return false };
    head.header("connection").is_some_and(|c| c.eq_ignore_ascii_case("close"))
        && head.header("content-length").is_none()
}

#[cfg(test)]
mod tests;
