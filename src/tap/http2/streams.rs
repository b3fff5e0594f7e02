//! The exchanges of an HTTP/2 connection: each stream is one, made of what the client's half reports and of a copy
//! of the server's bytes.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::super::record::{ExchangeRecorder, RecordedCall};
use super::super::request;
use super::fields;
use super::frame::{self, FrameHead, FrameReader, HeaderBlock, Http2Found};
use super::hpack::{BlockError, HeaderField, HpackDecoder};
use super::requests;
use crate::journal::{EndCause, Entry, ExchangeId, Micros};
use crate::transport::http1::head;
use crate::transport::http1::response::ParsedHead;
use crate::transport::link::{Dialed, NoLink};

/// The most streams of a connection that are recorded at once; more are forwarded.
const MOST: usize = 4096;

/// The progress of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ResponseProgress {
    Waiting,
    /// Its headers were read.
    Body,
    /// Its headers could not be read, and why.
    Lost(String),
    /// It is over, and the request is not.
    Over,
}

/// A stream under way.
struct OpenStream {
    recording: ExchangeRecorder,
    is_head: bool,
    answer: ResponseProgress,
    /// The length that its headers announce, and what was received.
    length: Option<u64>,
    received: u64,
    /// The last read that had something of it.
    read: u64,
}

/// The streams of a connection.
pub(in crate::tap) struct Streams {
    reader: FrameReader,
    decoder: HpackDecoder,
    open: BTreeMap<u32, OpenStream>,
    /// Record of how the connection was made, until a stream has it.
    dialed: Option<Dialed>,
    /// The server said that it closes the connection.
    goaway: Option<String>,
    /// Reason that the server's headers, or all of its bytes, cannot be read any more.
    lost: Option<String>,
    /// Number of reads.
    reads: u64,
    /// The problems outside of all exchanges, each once.
    troubles: Vec<String>,
    reported: [bool; 2],
    found: Vec<Http2Found>,
}

impl Streams {
    pub(in crate::tap) fn new() -> Self {
        Self {
            reader: FrameReader::of_server(),
            decoder: HpackDecoder::new(),
            open: BTreeMap::new(),
            dialed: None,
            goaway: None,
            lost: None,
            reads: 0,
            troubles: Vec::new(),
            reported: [false; 2],
            found: Vec::new(),
        }
    }

    /// Returns the problems since the last call that belong to no exchange.
    pub(in crate::tap) fn troubles(&mut self) -> Vec<String> {
        std::mem::take(&mut self.troubles)
    }

    /// Reports something once.
    fn report(&mut self, which: usize, text: &str) {
        if !std::mem::replace(&mut self.reported[which], true) {
            self.troubles.push(text.to_owned());
        }
    }

    /// A request begins.
    pub(in crate::tap) fn begin(
        &mut self,
        (stream, x): (u32, ExchangeId),
        began: Micros,
        call: RecordedCall<'_>,
        out: &mut impl FnMut(Entry),
    ) {
        if self.open.len() >= MOST {
            let text = "more than 4,096 HTTP/2 streams at once: the others are forwarded unread";
            return self.report(0, text);
        }
        let is_head = call.method == "HEAD";
        let mut recording = ExchangeRecorder::new(x, began, call);
        if let Some(dialed) = self.dialed.take() {
            recording.dialed(dialed, out);
        }
        let answer = ResponseProgress::Waiting;
        let stream_of =
            OpenStream { recording, is_head, answer, length: None, received: 0, read: 0 };
        self.open.insert(stream, stream_of);
    }

    /// More of a request.
    pub(in crate::tap) fn client(
        &mut self,
        at: Micros,
        seen: requests::StreamPart,
        out: &mut impl FnMut(Entry),
    ) {
        let (stream, seen) = match seen {
            requests::StreamPart::Head(stream, raw, headers) => {
                (stream, request::RequestPart::Head { raw, headers })
            }
            requests::StreamPart::Data(stream, bytes) => {
                (stream, request::RequestPart::Data(bytes))
            }
            requests::StreamPart::Trailers(stream, raw) => {
                (stream, request::RequestPart::Trailers(raw.to_vec()))
            }
            requests::StreamPart::End(stream) => (stream, request::RequestPart::End),
            requests::StreamPart::Reset(stream, code) => {
                let why = format!("the client reset the stream ({})", fields::error(code));
                return self.finish(at, stream, EndCause::Cancelled, &why, out);
            }
            requests::StreamPart::Lost(why) => return self.client_is_lost(at, &why, out),
            requests::StreamPart::Refused(_) => return,
        };
        if let Some(of) = self.open.get_mut(&stream) {
            of.recording.request(at, seen, out);
            if of.answer == ResponseProgress::Over && of.recording.has_request() {
                self.open.remove(&stream);
            }
        }
    }

    fn client_is_lost(&mut self, at: Micros, why: &str, out: &mut impl FnMut(Entry)) {
        let mut known = false;
        for of in self.open.values_mut().filter(|of| !of.recording.has_request()) {
            of.recording.request(at, request::RequestPart::Lost(why.to_owned()), out);
            known = true;
        }
        self.open
            .retain(|_, of| of.answer != ResponseProgress::Over || !of.recording.has_request());
        if !known {
            self.troubles.push(format!("HTTP/2: {why}; further requests are forwarded unread"));
        }
    }

    /// Records how the connection was made.
    pub(in crate::tap) fn dialed(&mut self, dialed: Dialed, out: &mut impl FnMut(Entry)) {
        match self.open.values_mut().next() {
            Some(of) => of.recording.dialed(dialed, out),
            None => self.dialed = Some(dialed),
        }
    }

    /// There is no connection.
    pub(in crate::tap) fn no_link(
        &mut self,
        at: Micros,
        dialed: Dialed,
        no: &NoLink,
        out: &mut impl FnMut(Entry),
    ) {
        if self.open.is_empty() {
            self.troubles.push(no.why.clone());
        }
        self.dialed(dialed, out);
        for of in self.open.values_mut() {
            of.recording.no_link(at, no.clone(), out);
            of.answer = ResponseProgress::Over;
        }
    }

    /// One read from the server.
    pub(in crate::tap) fn server(
        &mut self,
        at: Micros,
        bytes: &Bytes,
        stamped: bool,
        out: &mut impl FnMut(Entry),
    ) {
        self.reads += 1;
        let mut all = std::mem::take(&mut self.found);
        self.reader.feed(bytes, &mut |found| all.push(found));
        for found in all.drain(..) {
            match found {
                Http2Found::Data(stream, range) => {
                    if let Some(of) = self.touch(stream, stamped) {
                        of.received += range.len() as u64;
                        if of.answer == ResponseProgress::Body {
                            of.recording.body(at, bytes.slice(range), out);
                        }
                    }
                }
                Http2Found::Block(block) => self.block(at, &block, stamped, out),
                Http2Found::End(head, kept) => self.end(at, head, &kept, stamped, out),
                Http2Found::Lost(why, held) => {
                    let shown = head::shown(&held);
                    let why = format!("the server's bytes are not HTTP/2: {why} ({shown})");
                    self.lose(&why);
                }
                Http2Found::Frame(_) | Http2Found::Payload(_) | Http2Found::Rest(_) => {}
            }
        }
        self.found = all;
    }

    /// A stream that this read has something of.
    fn touch(&mut self, stream: u32, stamped: bool) -> Option<&mut OpenStream> {
        let of = self.open.get_mut(&stream)?;
        if std::mem::replace(&mut of.read, self.reads) != self.reads {
            of.recording.read(stamped);
        }
        Some(of)
    }

    /// The server's bytes are not understood from here on.
    fn lose(&mut self, why: &str) {
        for of in self.open.values_mut().filter(|of| of.answer != ResponseProgress::Over) {
            of.answer = ResponseProgress::Lost(why.to_owned());
        }
        self.lost = Some(why.to_owned());
    }

    fn block(
        &mut self,
        at: Micros,
        block: &HeaderBlock,
        stamped: bool,
        out: &mut impl FnMut(Entry),
    ) {
        let read = match &self.lost {
            Some(why) => Err(why.clone()),
            None => self.decoder.block(&block.coded).map_err(|why| {
                if why != BlockError::Long {
                    self.lost = Some(why.to_string());
                }
                why.to_string()
            }),
        };
        if block.is_promise() {
            return self.report(1, "the server pushes responses, which are not recorded");
        }
        let stream = block.stream();
        let Some(of) = self.touch(stream, stamped) else { return };
        match (read, &of.answer) {
            (Ok(read), ResponseProgress::Waiting) => of.head(at, &read.fields, out),
            (Ok(read), ResponseProgress::Body) => {
                of.recording.trailers(at, fields::headers(&read.fields), out);
            }
            (Err(why), ResponseProgress::Waiting) => of.answer = ResponseProgress::Lost(why),
            _ => {}
        }
        if block.ends_stream() {
            self.complete(at, stream, out);
        }
    }

    /// A frame other than a header block is complete.
    fn end(
        &mut self,
        at: Micros,
        head: FrameHead,
        kept: &[u8],
        stamped: bool,
        out: &mut impl FnMut(Entry),
    ) {
        match head.kind() {
            frame::DATA if head.has(frame::END_STREAM) => {
                self.touch(head.stream(), stamped);
                self.complete(at, head.stream(), out);
            }
            frame::RST_STREAM => {
                let error = fields::error(fields::number(kept));
                let why = format!("HTTP/2 stream error received: {error}");
                self.touch(head.stream(), stamped);
                self.finish(at, head.stream(), EndCause::Reset, &why, out);
            }
            frame::GOAWAY => self.goaway(at, kept, out),
            _ => {}
        }
    }

    /// The server closes the connection, and will not look at the streams behind the last that it names.
    fn goaway(&mut self, at: Micros, kept: &[u8], out: &mut impl FnMut(Entry)) {
        let last = fields::number(kept) & (u32::MAX >> 1);
        let error = fields::error(fields::number(kept.get(4..).unwrap_or_default()));
        let said = String::from_utf8_lossy(kept.get(8..).unwrap_or_default());
        let said = match said.is_empty() {
            true => String::new(),
            false => format!(": {:?}", crate::text::preview(&said, 200)),
        };
        let why = format!("HTTP/2 GOAWAY received: {error}{said}");
        for stream in
            self.open.range(last.saturating_add(1)..).map(|(stream, _)| *stream).collect::<Vec<_>>()
        {
            let why = format!("{why}; this stream was not processed");
            self.finish(at, stream, EndCause::Reset, &why, out);
        }
        self.goaway = Some(why);
    }

    /// A response is complete.
    fn complete(&mut self, at: Micros, stream: u32, out: &mut impl FnMut(Entry)) {
        let Some(of) = self.open.get_mut(&stream) else { return };
        let (cause, detail) = match (&of.answer, of.length) {
            (ResponseProgress::Over, _) => return,
            (ResponseProgress::Lost(why), _) => (EndCause::Protocol, why.clone()),
            (ResponseProgress::Waiting, _) => {
                (EndCause::Protocol, "the HTTP/2 stream ended without response headers".to_owned())
            }
            (ResponseProgress::Body, Some(length)) if length != of.received => {
                let received = of.received;
                let why = format!(
                    "Content-Length said {length} bytes; the HTTP/2 stream ended after {received}"
                );
                (EndCause::Protocol, why)
            }
            (ResponseProgress::Body, _) => (EndCause::Complete, String::new()),
        };
        of.recording.finish(at, cause, &detail, out);
        of.answer = ResponseProgress::Over;
        if of.recording.has_request() {
            self.open.remove(&stream);
        }
    }

    /// Breaks off a stream: nothing more of it arrives from either side.
    fn finish(
        &mut self,
        at: Micros,
        stream: u32,
        cause: EndCause,
        detail: &str,
        out: &mut impl FnMut(Entry),
    ) {
        let Some(mut of) = self.open.remove(&stream) else { return };
        if of.answer != ResponseProgress::Over {
            of.recording.finish(at, cause, detail, out);
        }
        of.recording.give_up(out);
    }

    /// The server closed its sending side, or reset the connection.
    pub(in crate::tap) fn server_ended(
        &mut self,
        at: Micros,
        reset: Option<&str>,
        client_left: Option<&str>,
        out: &mut impl FnMut(Entry),
    ) {
        let goaway = self.goaway.clone().unwrap_or_default();
        for of in self.open.values_mut() {
            let (cause, detail) = match (&of.answer, client_left, reset) {
                (ResponseProgress::Over, ..) => continue,
                (ResponseProgress::Lost(why), ..) => (EndCause::Protocol, why.clone()),
                (_, Some(left), _) => (EndCause::Cancelled, left.to_owned()),
                (_, _, Some(why)) => (EndCause::Reset, why.to_owned()),
                (ResponseProgress::Waiting, ..) => (EndCause::ClosedBeforeHead, goaway.clone()),
                (ResponseProgress::Body, ..) => (EndCause::Truncated, goaway.clone()),
            };
            of.recording.finish(at, cause, &detail, out);
            of.answer = ResponseProgress::Over;
        }
        self.open.retain(|_, of| !of.recording.has_request());
    }

    /// Ends all streams: nothing more arrives from either side.
    pub(in crate::tap) fn over(&mut self, at: Micros, why: &str, out: &mut impl FnMut(Entry)) {
        while let Some((stream, _)) = self.open.first_key_value() {
            self.finish(at, *stream, EndCause::Cancelled, why, out);
        }
    }
}

impl OpenStream {
    /// The headers of a response, interim ones too.
    fn head(&mut self, at: Micros, all: &[HeaderField], out: &mut impl FnMut(Entry)) {
        let status = fields::value(all, ":status").and_then(|s| s.parse::<u16>().ok());
        let Some(status) = status.filter(|s| (100..1000).contains(s)) else {
            self.answer =
                ResponseProgress::Lost("the HTTP/2 response headers have no status".to_owned());
            return;
        };
        let headers = fields::headers(all);
        if status >= 200 {
            self.answer = ResponseProgress::Body;
            let length = head::values(&headers, "content-length").next();
            self.length = length
                .and_then(|value| value.parse().ok())
                .filter(|_| !self.is_head && !matches!(status, 204 | 304));
        }
        let version = "HTTP/2.0".to_owned();
        let head = ParsedHead { version, status, headers };
        self.recording.response_head(at, fields::raw(all), head, out);
    }
}
