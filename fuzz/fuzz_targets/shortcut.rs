//! Streams whose events repeat: judged by the shortcut for frames that repeat, everything is as when each is judged
//! in full.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use sselens::inspect::InspectOptions;
use sselens_fuzz::{dialect, everything, halves, inspect, mutate, repeated};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed, 2)
});

fuzz_target!(|input: &[u8]| {
    let [which, cut, body @ ..] = input else { return };
    let dialect = dialect(*which);
    let body = repeated(body, 1 + usize::from(*cut) % 6);
    let full = InspectOptions { in_full: true, ..InspectOptions::default() };
    let short = inspect(InspectOptions::default(), dialect, halves(&body, *cut));
    let full = inspect(full, dialect, halves(&body, *cut));
    assert_eq!(everything(&short), everything(&full));
});
