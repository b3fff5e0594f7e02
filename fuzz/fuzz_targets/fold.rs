//! Bodies in every dialect: nothing panics, frames tile the body, and whole, in single bytes and cut
//! at a place that the input names, a body has the same frames, answer and findings.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use sselens::inspect::{Inspection, InspectOptions};
use sselens_fuzz::{dialect, halves, inspect, mutate, pieces};

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

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed, 2)
});

fuzz_target!(|input: &[u8]| {
    let [which, cut, body @ ..] = input else { return };
    let dialect = dialect(*which);
    let whole = inspect(InspectOptions::default(), dialect, pieces(body, 0));
    let mut end = 0;
    for frame in whole.frames().iter() {
        assert_eq!(frame.offset, end, "frames tile the body");
        end = frame.end();
    }
    assert!(end <= body.len() as u64);
    let has_cr = body.contains(&b'\r');
    let single = inspect(InspectOptions::default(), dialect, pieces(body, 1));
    assert_eq!(facts(&whole, !has_cr), facts(&single, !has_cr));
    let cut = inspect(InspectOptions::default(), dialect, halves(body, *cut));
    assert_eq!(facts(&whole, !has_cr), facts(&cut, !has_cr));
});
