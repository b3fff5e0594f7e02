//! curl command lines.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|command: &str| {
    let _ = sselens::storage::curl::parse(command, &|_| Some("value".to_owned()));
});
