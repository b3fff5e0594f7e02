//! A session file, damaged or not: it is read without a panic, and what was read is judged.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use sselens::inspect::Inspection;

fuzz_target!(|input: &[u8]| {
    if let Ok(session) = sselens::journal::file::read(input) {
        let mut inspection = Inspection::new(Arc::default());
        for entry in &session.entries {
            inspection.push(entry);
        }
        let _ = inspection.verdict();
        let _ = inspection.findings();
    }
});
