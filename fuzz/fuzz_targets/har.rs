//! HTTP archives: read without a panic, judged, and written as an archive that is read again as the same.
#![no_main]

use std::collections::BTreeMap;
use std::sync::Arc;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use sselens::inspect::Inspection;
use sselens::report::{RecordingOrigin, har};
use sselens::storage::file::{BodyHints, Recording, read};
use sselens_fuzz::mutate;

fn inspect(recording: &Recording) -> BTreeMap<u32, Inspection> {
    let mut all: BTreeMap<u32, Inspection> = BTreeMap::new();
    for entry in &recording.entries {
        all.entry(entry.exchange).or_insert_with(|| Inspection::new(Arc::default())).push(entry);
    }
    all
}

fn verdicts(all: &BTreeMap<u32, Inspection>) -> Vec<(u32, String)> {
    all.iter().map(|(x, seen)| (*x, seen.verdict())).collect()
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed, 0)
});

fuzz_target!(|input: &[u8]| {
    let Ok(recording) = read(input, "a.har", &BodyHints::default()) else { return };
    let all = inspect(&recording);
    // An archive without entries is none.
    if all.is_empty() {
        return;
    }
    let exchanges: Vec<_> = all.iter().map(|(x, seen)| (*x, seen)).collect();
    let mut archive = Vec::new();
    let origin = RecordingOrigin { created: recording.created.clone(), program: recording.program.clone() };
    har(&exchanges, &recording.entries, &origin, &mut archive).expect("memory takes all");
    let again = read(&archive[..], "a.har", &BodyHints::default()).expect("its own archive");
    assert_eq!(verdicts(&all), verdicts(&inspect(&again)));
});
