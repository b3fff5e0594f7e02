//! Doors for the targets of `fuzz/`, to readers that the rest of the program has for itself. They are there under
//! `cfg(fuzzing)` only, which `cargo fuzz` sets.

use crate::journal::Entry;
use crate::tap::fuzzing as tap;
use crate::transport::http1::fuzzing as http1;
use crate::transport::http1::response::Expected;

/// Returns what is seen in two responses, the first to a `HEAD` or not, as text. It is equal however the
/// bytes are split.
pub fn responses<'a>(pieces: impl Iterator<Item = &'a [u8]>, to_head: bool) -> String {
    let expected = [Expected { head: to_head, connect: false }, Expected::default()];
    let (seen, standing) = http1::read(pieces, &expected);
    format!("{:?} {standing:?}", http1::facts(&seen))
}

/// Returns what the tap forwards of a client's bytes, and what it sees in them, as text. Both are equal
/// however the bytes are split.
pub fn forwarded<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<u8>, String) {
    tap::forwarded(pieces)
}

/// Returns what the tap records of a connection whose two sides send this in turns.
pub fn recorded<'a>(
    client: impl Iterator<Item = &'a [u8]>,
    server: impl Iterator<Item = &'a [u8]>,
) -> Vec<Entry> {
    tap::recorded(client, server)
}
