//! What `sselens FILE` opens: sessions, HTTP archives, `curl -i` captures and bare bodies.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use sselens::inspect::Inspection;
use sselens::storage::file::{BodyHints, read};

fuzz_target!(|input: &[u8]| {
    if let Ok(recording) = read(input, "a", &BodyHints::default()) {
        let mut inspection = Inspection::new(Arc::default());
        for entry in &recording.entries {
            inspection.push(entry);
        }
        let _ = inspection.verdict();
    }
});
