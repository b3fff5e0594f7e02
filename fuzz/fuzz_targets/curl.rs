//! Command lines of curl and HTTPie, and what is written as curl is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sselens::storage::curl;

fuzz_target!(|command: &str| {
    let variable = |_: &str| Some("value".to_owned());
    let _ = curl::parse(command, &variable);
    let word = format!("curl http://h/ -d {}", curl::quoted(command));
    if !command.contains(['\0', '\n', '\r', '\u{feff}']) && !command.starts_with('@') {
        let read = curl::parse(&word, &variable).expect("a quoted word is one word");
        assert_eq!(String::from_utf8_lossy(&read.draft.body), command);
    }
});
