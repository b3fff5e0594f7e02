//! A session file, damaged or not: it is read without a panic, and what was read
//! is judged, the frames of each exchange tiling its body.
#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use sselens::inspect::Inspection;
use sselens_fuzz::mutate;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed, 0)
});

fuzz_target!(|input: &[u8]| {
    let Ok(session) = sselens::journal::file::read(input) else { return };
    let mut all: BTreeMap<u32, Inspection> = BTreeMap::new();
    for entry in &session.entries {
        all.entry(entry.exchange).or_insert_with(|| Inspection::new(Arc::default())).push(entry);
    }
    for seen in all.values() {
        let mut tiled = 0;
        for frame in seen.frames().iter().filter(|_| seen.web_socket().is_none()) {
            assert_eq!(frame.offset, tiled);
            tiled = frame.end();
        }
        assert!(tiled <= seen.body().len() as u64);
        let _ = (seen.verdict(), seen.findings(), seen.blame());
    }
});
