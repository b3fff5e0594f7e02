//! Errors that are of no dialect: a server or a gateway that fails midway writes its own kind into any stream.

use crate::findings::inspect;
use crate::support::corpus::cases;

/// An event's name and its data, each an error plainly, whoever reads it.
const ERRORS: &[(&str, &str)] = &[
    ("", r#"{"detail":"boom went it"}"#),
    ("", r#"{"error":"boom went it"}"#),
    ("", r#"{"error":{"message":"boom went it","code":500,"type":"server_error"}}"#),
    ("", r#"{"status":502,"message":"boom went it"}"#),
    ("", r#"{"code":50001,"message":"boom went it"}"#),
    ("", r#"{"success":false,"error":"boom went it"}"#),
    ("error", r#"{"message":"boom went it"}"#),
    ("error", "boom went it"),
];

#[test]
fn a_foreign_error_is_an_error_in_the_stream_of_every_dialect() {
    let mut dialects = std::collections::BTreeSet::new();
    let sse = |name: &str| name == "sound" || name.starts_with("sound--");
    for mut case in cases().into_iter().filter(|case| sse(&case.name)) {
        let Some(first) = case.body.windows(2).position(|two| two == b"\n\n") else { continue };
        let is_sse = case.content_type.as_deref() == Some("text/event-stream");
        // In the skipped cases, the first event has data that any other stream might have.
        if !is_sse || inspect(&case.entries()).dialect().is_none() {
            continue;
        }
        case.body.truncate(first + 2);
        "complete".clone_into(&mut case.ended);
        let begun = case.body.clone();
        for (event, data) in ERRORS {
            let name = if event.is_empty() { String::new() } else { format!("event: {event}\n") };
            let body = [&begun, format!("{name}data: {data}\n\n").as_bytes()].concat();
            let seen = inspect(&case.entries_of(&body, &[(100, body.len())]));
            let (verdict, dialect) = (seen.verdict(), seen.dialect().map(|d| d.name()));
            let failed = seen.outcome() == sselens::inspect::Outcome::Failed;
            assert!(
                failed && verdict.contains("boom went it"),
                "{} as {dialect:?}, {event} {data}: {verdict}",
                case.name
            );
            dialects.extend(dialect);
        }
    }
    assert!(dialects.len() >= 20, "only {dialects:?}");
}
