//! A session file of one long exchange.

use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use sselens::journal::{EndCause, Entry, EntryKind, Head, Request, file};

/// How long it is.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "each bench has its own measure")]
pub(crate) enum Size {
    /// So many MB of file.
    Megabytes(u64),
    /// So many reads.
    Reads(u64),
}

/// Writes a session of one exchange whose answer repeats a word.
pub(crate) fn write(path: &Path, size: Size, word: &str) -> io::Result<()> {
    let chunk = format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"finish_reason\":null}}]}}\n\n"
    );
    let request = Request {
        method: "POST".into(),
        url: "http://127.0.0.1:1/v1/chat/completions".into(),
        dialect: "openai-chat".into(),
        model: "m".into(),
        ..Request::default()
    };
    let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
    let head = Head { status: 200, version: "HTTP/1.1".into(), headers, ..Head::default() };
    let body = bytes::Bytes::from(chunk);
    let piece = EntryKind::Body { len: body.len() as u32, bytes: body, masked: Vec::new() };
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    out.write_all(file::header("0.1.0", "2026-01-01T00:00:00Z").as_bytes())?;
    let (mut at, mut written, mut reads) = (0, 0, 0);
    let mut line = Vec::new();
    let mut put = |kind: EntryKind, out: &mut BufWriter<_>| {
        line.clear();
        file::encode(&Entry { exchange: 0, at: Some(at), kind }, &mut line);
        at += 1_000;
        out.write_all(&line).map(|()| line.len() as u64)
    };
    put(EntryKind::Request(Box::new(request)), &mut out)?;
    put(EntryKind::Head(head), &mut out)?;
    let is_short = |written: u64, reads: u64| match size {
        Size::Megabytes(most) => written < most * 1_000_000,
        Size::Reads(most) => reads < most,
    };
    while is_short(written, reads) {
        written += put(piece.clone(), &mut out)?;
        reads += 1;
    }
    put(EntryKind::End { cause: EndCause::Closed, detail: String::new() }, &mut out)?;
    out.flush()
}
