//! What the clients return for a stream: worked out without a panic, and a stream that is called healthy fails for
//! none of them.
#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use sselens::client_sim;
use sselens::inspect::{InspectOptions, Simulate};
use sselens_fuzz::{dialect, inspect, mutate, pieces};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed, 1)
});

fuzz_target!(|input: &[u8]| {
    let [which, body @ ..] = input else { return };
    let dialect = dialect(*which);
    let options = || InspectOptions { simulate: Some(Simulate(client_sim::views)), ..InspectOptions::default() };
    let seen = inspect(options(), dialect, pieces(body, 0));
    let again = inspect(options(), dialect, pieces(body, 1));
    assert_eq!(format!("{:?}", seen.clients()), format!("{:?}", again.clients()));
    let _ = (seen.verdict(), seen.blame());
});
