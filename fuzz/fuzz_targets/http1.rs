//! HTTP/1 as servers send it: however it is cut, the same heads, bytes, trailers and ends are seen.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sselens::fuzzing::responses;
use sselens_fuzz::{halves, pieces};

fuzz_target!(|input: &[u8]| {
    let [settings, cut, wire @ ..] = input else { return };
    let to_head = settings % 4 == 3;
    let whole = responses(pieces(wire, 0), to_head);
    assert_eq!(whole, responses(pieces(wire, 1), to_head));
    assert_eq!(whole, responses(halves(wire, *cut), to_head));
});
