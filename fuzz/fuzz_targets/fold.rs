//! Bodies in every dialect: nothing panics, frames tile the body, and whole, in single bytes and cut
//! at a place that the input names, a body has the same frames, answer and findings.
#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sselens::dialect::DIALECTS;
use sselens::inspect::Inspection;
use sselens::journal::{EndCause, Entry, EntryKind};

/// The inspection of a body that arrives in these reads.
fn inspect<'a>(dialect: Option<&str>, reads: impl Iterator<Item = &'a [u8]>) -> Inspection {
    let mut inspection = Inspection::new(Arc::default());
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

/// What does not depend on the reads. An LF that comes in the read after its CR opens the next frame,
/// so bodies with a CR have their frames compared by what they hold.
fn facts(inspection: &Inspection, with_frames: bool) -> (Vec<(u64, u64)>, Vec<String>) {
    let frames = inspection.frames().iter().map(|f| (f.offset, f.end())).filter(|_| with_frames);
    let findings = inspection
        .findings()
        .iter()
        .filter(|f| with_frames && !f.code.rule().depends_on_reads)
        .map(|f| format!("{:?} {} {}", f.severity, f.code, f.message));
    (frames.collect(), findings.collect())
}

fuzz_target!(|input: &[u8]| {
    let [which, cut, body @ ..] = input else { return };
    let dialect = DIALECTS.get(usize::from(*which)).map(|d| d.name());
    let whole = inspect(dialect, std::iter::once(body).filter(|b| !b.is_empty()));
    let mut end = 0;
    for frame in whole.frames().iter() {
        assert_eq!(frame.offset, end, "frames tile the body");
        end = frame.end();
    }
    assert!(end <= body.len() as u64);
    let has_cr = body.contains(&b'\r');
    let single = inspect(dialect, body.chunks(1));
    assert_eq!(facts(&whole, !has_cr), facts(&single, !has_cr));
    let at = body.len() * usize::from(*cut) / 256;
    let halves = [&body[..at], &body[at..]].into_iter().filter(|b| !b.is_empty());
    assert_eq!(facts(&whole, !has_cr), facts(&inspect(dialect, halves), !has_cr));
});
