//! Two bodies, the second one half way a copy of the first: compared without a panic, and the comparison of
//! a body with itself finds nothing.
#![no_main]

use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sselens::inspect::Inspection;
use sselens::inspect::compare::{Expect, compare};
use sselens::journal::{EndCause, Entry, EntryKind, Head};

/// The inspection of a body that arrives in one read.
fn inspect(body: &[u8]) -> Inspection {
    let mut inspection = Inspection::new(Arc::default());
    let mut push = |kind| inspection.push(&Entry { exchange: 0, at: Some(1), kind });
    let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
    push(EntryKind::Head(Head { status: 200, headers, ..Head::default() }));
    let bytes = Bytes::copy_from_slice(body);
    push(EntryKind::Body { len: body.len() as u32, bytes, masked: Vec::new() });
    push(EntryKind::End { cause: EndCause::Complete, detail: String::new() });
    inspection
}

fuzz_target!(|input: &[u8]| {
    let [cut, body @ ..] = input else { return };
    let at = body.len() * usize::from(*cut) / 256;
    let (a, mut b) = (body, body[..at].to_vec());
    b.extend(body[at..].iter().rev());
    let (a, b) = (inspect(a), inspect(&b));
    assert!(compare(&a, &a, Expect::Same).differences.is_empty(), "a body differs from itself");
    for expect in [Expect::Same, Expect::Different] {
        let _ = compare(&a, &b, expect);
        let _ = compare(&b, &a, expect);
    }
});
