//! What several targets need.

use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzzer_mutate;
use sselens::dialect::DIALECTS;
use sselens::inspect::{Inspection, InspectOptions};
use sselens::journal::{EndCause, Entry, EntryKind};

#[path = "../../tests/support/streams.rs"]
mod streams;

/// Everything that an inspection says, as text.
pub fn everything(inspection: &Inspection) -> String {
    streams::everything(inspection)
}

/// The body with every event written `times` times.
pub fn repeated(body: &[u8], times: usize) -> Vec<u8> {
    streams::repeated(body, times)
}

/// The pieces that `cut` means: 0 is one piece, anything else so many bytes each.
pub fn pieces(bytes: &[u8], cut: u8) -> impl Iterator<Item = &[u8]> {
    let size = if cut == 0 { bytes.len() } else { usize::from(cut) };
    bytes.chunks(size.max(1))
}

/// The two halves at a place that `cut` means.
pub fn halves(bytes: &[u8], cut: u8) -> impl Iterator<Item = &[u8]> {
    let (a, b) = bytes.split_at(bytes.len() * usize::from(cut) / 256);
    [a, b].into_iter().filter(|half| !half.is_empty())
}

/// The name of the dialect that a byte means: 0 and what is too large is none, to be recognized by the bytes.
pub fn dialect(which: u8) -> Option<&'static str> {
    DIALECTS.get(usize::from(which).checked_sub(1)?).map(|dialect| dialect.name())
}

/// The inspection of a body that arrives in these reads.
pub fn inspect<'a>(
    options: InspectOptions,
    dialect: Option<&str>,
    reads: impl Iterator<Item = &'a [u8]>,
) -> Inspection {
    let mut inspection = Inspection::new(Arc::new(options));
    let mut push = |kind| inspection.push(&Entry { exchange: 0, at: None, kind });
    let dialect = dialect.map(str::to_owned);
    push(EntryKind::Bare { status: None, content_type: None, dialect, named_sse: false });
    for read in reads {
        let bytes = Bytes::copy_from_slice(read);
        push(EntryKind::Body { len: read.len() as u32, bytes, masked: Vec::new() });
    }
    push(EntryKind::End { cause: EndCause::Unknown, detail: String::new() });
    inspection
}

/// Every second time changes a stream as streams break, the others byte by byte. The first `header` bytes of an
/// input are settings and no stream.
pub fn mutate(data: &mut [u8], size: usize, max: usize, seed: u32, header: usize) -> usize {
    if seed % 2 == 0 || size <= header {
        return fuzzer_mutate(data, size, max);
    }
    let body = streams::mutate(&data[header..size], u64::from(seed));
    let len = body.len().min(max - header);
    data[header..header + len].copy_from_slice(&body[..len]);
    header + len
}

/// A file with this text, in memory where the system has such a folder.
pub fn file(ending: &str, text: &[u8]) -> Option<std::path::PathBuf> {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let path = folder.join(format!("sselens-fuzz-{}.{ending}", std::process::id()));
    std::fs::write(&path, text).ok()?;
    Some(path)
}
