//! Bytes in, findings out: judges a response body from standard input with the pure core.
//!
//! ```console
//! $ cargo run --no-default-features --features core --example findings < body.sse
//! error: finish-missing …
//! ```

use std::io::Read as _;
use std::sync::Arc;

use sselens::inspect::Inspection;
use sselens::journal::{EndCause, Entry, EntryKind};

fn main() -> std::io::Result<()> {
    let mut body = Vec::new();
    std::io::stdin().read_to_end(&mut body)?;

    let mut inspection = Inspection::new(Arc::default());
    // No clock was read, so the entries carry no time; with one, findings about time are made too.
    let mut push = |kind| inspection.push(&Entry { exchange: 0, at: None, kind });
    push(EntryKind::Bare { status: None, content_type: None, dialect: None, named_sse: true });
    // A live stream pushes an entry for each read.
    for read in body.chunks(16 << 10) {
        let bytes = bytes::Bytes::copy_from_slice(read);
        push(EntryKind::Body { len: read.len() as u32, bytes, masked: Vec::new() });
    }
    push(EntryKind::End { cause: EndCause::Unknown, detail: String::new() });

    println!("{}", inspection.verdict());
    for finding in inspection.findings() {
        println!("{}: {} {}", finding.severity.name(), finding.code, finding.message);
    }
    Ok(())
}
