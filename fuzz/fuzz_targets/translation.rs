//! Request bodies in each dialect: translated into each other without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sselens::dialect::DIALECTS;
use sselens::dialect::request::translate;

fuzz_target!(|input: &[u8]| {
    let [from, to, body @ ..] = input else { return };
    let Ok(body) = std::str::from_utf8(body) else { return };
    let dialect = |n: u8| DIALECTS[usize::from(n) % DIALECTS.len()];
    let _ = translate(dialect(*from), dialect(*to), body, None);
});
