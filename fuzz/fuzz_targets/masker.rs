//! A secret in a body, cut into reads anywhere: no eight bytes of it in a row are left, and lengths
//! stay true.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use sselens::journal::{Masker, Secrets};

const SECRET: &[u8] = b"sk-abcdefghij0123456789";

fuzz_target!(|input: &[u8]| {
    let [cut, body @ ..] = input else { return };
    let mut secrets = Secrets::default();
    secrets.add("sk-abcdefghij0123456789");
    // 0xff stands for the next byte of the secret, so that the fuzzer need not find it.
    let mut next = SECRET.iter().cycle();
    let body: Vec<u8> =
        body.iter().map(|b| if *b == 0xff { *next.next().unwrap_or(b) } else { *b }).collect();
    let mut masker = Masker::new(secrets);
    let mut out = Vec::new();
    for read in body.chunks(usize::from(*cut).max(1)) {
        out.extend_from_slice(&masker.feed(Bytes::copy_from_slice(read)).0);
    }
    out.extend_from_slice(&masker.finish().0);
    assert_eq!(out.len(), body.len());
    for run in SECRET.windows(8) {
        assert!(!out.windows(8).any(|w| w == run));
    }
});
