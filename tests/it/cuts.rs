//! Where inside a frame a body ends, in several dialects and framings.

use bytes::Bytes;
use sselens::inspect::Inspection;
use sselens::journal::{EndCause, Entry, EntryKind, Head};

const SSE: &str = "text/event-stream";
const NDJSON: &str = "application/x-ndjson";

/// What is found in a body of this dialect that ends like this, each with its words.
fn found(dialect: &str, kind: &str, body: &[u8], end: EndCause) -> Vec<(String, String)> {
    let mut seen = Inspection::new(crate::support::options());
    let mut push = |at, kind| seen.push(&Entry { exchange: 0, at: Some(at), kind });
    push(
        0,
        EntryKind::Request(Box::new(sselens::journal::Request {
            dialect: dialect.into(),
            method: "POST".into(),
            ..Default::default()
        })),
    );
    let headers = vec![("content-type".to_owned(), kind.to_owned())];
    push(
        1000,
        EntryKind::Head(Head {
            status: 200,
            version: "HTTP/1.1".into(),
            headers,
            ..Head::default()
        }),
    );
    let bytes = Bytes::copy_from_slice(body);
    push(2000, EntryKind::Body { len: bytes.len() as u32, bytes, masked: Vec::new() });
    push(3000, EntryKind::End { cause: end, detail: String::new() });
    let findings = seen.findings().iter();
    findings.map(|f| (f.code.name().to_owned(), f.message.clone())).collect()
}

/// A whole frame of each dialect, and the payload of the next, which begins with text.
const DIALECTS: &[(&str, &str, &str)] = &[
    (
        "openai-chat",
        "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
         \"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"Hi\"},\
         \"finish_reason\":null}]}\n\n",
        "{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"caf",
    ),
    (
        "anthropic",
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\
         \"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\",\"content\":[],\
         \"stop_reason\":null,\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n",
        "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"caf",
    ),
    (
        "openai-responses",
        "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\
         \"response\":{\"id\":\"r\",\"object\":\"response\",\"created_at\":1,\"model\":\"m\",\
         \"status\":\"in_progress\",\"output\":[]}}\n\n",
        "{\"type\":\"response.output_text.delta\",\"delta\":\"caf",
    ),
    (
        "gemini",
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}],\"role\":\"model\"},\
         \"index\":0}]}\n\n",
        "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"caf",
    ),
];

#[test]
fn the_place_inside_an_event_is_named_in_every_dialect() {
    for (dialect, whole, payload) in DIALECTS {
        let structure = &payload[..payload.find(':').unwrap() + 1];
        let data = |payload: &str| format!("data: {payload}").into_bytes();
        let half = [data(payload), b"\xc3".to_vec()].concat();
        for (tail, place) in [
            (b"da".to_vec(), "inside the field name `da`"),
            (b"data".to_vec(), "inside the field name `data`"),
            (b"data:".to_vec(), "before its data"),
            (b"event: mess".to_vec(), "inside its event: line"),
            (b"event: message\n".to_vec(), "between its event: and data: lines"),
            (b"id: 1".to_vec(), "inside its id: line"),
            (data(structure), "inside its JSON"),
            (data(payload), "inside a JSON string"),
            (half, "inside a UTF-8 character"),
        ] {
            let body = [whole.as_bytes(), &tail].concat();
            for end in [EndCause::Complete, EndCause::Truncated] {
                let all = found(dialect, SSE, &body, end);
                let named = all.iter().any(|(_, words)| words.contains(place));
                assert!(named, "{dialect}, {place}, {end:?}: {all:?}");
            }
        }
    }
}

#[test]
fn a_frame_that_only_lacks_its_blank_line_is_named_as_that() {
    for (dialect, whole, _) in DIALECTS {
        for ends in ["\n", "\r\n", "\r"] {
            let body = whole.trim_end().replace('\n', ends) + ends;
            let all = found(dialect, SSE, body.as_bytes(), EndCause::Truncated);
            let named = all.iter().any(|(_, words)| words.contains("before its blank line"));
            assert!(named, "{dialect} {ends:?}: {all:?}");
        }
    }
}

#[test]
fn a_line_of_json_ends_inside_a_string_or_between_its_values() {
    let whole = "{\"model\":\"m\",\"created_at\":\"t\",\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"done\":false}\n";
    for (tail, place) in [
        (&b"{\"model\":\"m\",\"message\":{\"content\":\"ca"[..], "inside a JSON string"),
        (b"{\"model\":\"m\",\"message\":", "inside its JSON"),
        (b"{\"model\":\"m\",\"message\":{\"content\":\"ca\xe2\x82", "inside a UTF-8 character"),
        (b"{\"model\":\"m\",\"message\":{\"content\":\"a \\\" b", "inside a JSON string"),
    ] {
        let body = [whole.as_bytes(), tail].concat();
        let all = found("ollama", NDJSON, &body, EndCause::Truncated);
        assert!(all.iter().any(|(_, words)| words.contains(place)), "{place}: {all:?}");
    }
}

#[test]
fn a_frame_that_is_whole_is_cut_nowhere() {
    for (dialect, whole, _) in DIALECTS {
        let all = found(dialect, SSE, whole.as_bytes(), EndCause::Truncated);
        let inside =
            all.iter().find(|(_, words)| words.contains("inside ") || words.contains("before its"));
        assert!(inside.is_none(), "{dialect}: {inside:?}");
    }
}
