use std::sync::Arc;

use super::*;
use crate::inspect::InspectOptions;
use crate::inspect::Inspection;
use crate::journal::{Entry, EntryKind};

/// A bare body as a client reads it, in reads of `step` bytes.
fn seen(body: &[u8], step: usize) -> Inspection {
    let mut seen = Inspection::new(Arc::new(InspectOptions::default()));
    let entry = |what| Entry { exchange: 0, at: None, kind: what };
    let dialect = Some("openai-chat".into());
    seen.push(&entry(EntryKind::Bare {
        status: None,
        content_type: None,
        dialect,
        named_sse: true,
    }));
    for read in body.chunks(step) {
        let bytes = bytes::Bytes::copy_from_slice(read);
        seen.push(&entry(EntryKind::Body { len: read.len() as u32, bytes, masked: Vec::new() }));
    }
    seen.push(&entry(EntryKind::End { cause: EndCause::Unknown, detail: String::new() }));
    seen
}

const STREAM: &[u8] = b"\xef\xbb\xbfdata: {\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}]}\r\n\r\n\
    : ping\n\ndata: {\"choices\":[]}\n\n\
    data: {\"choices\":[{\"delta\":{\"content\":\"\\u00e9\xc3\xa9\"}}]}\n\n\
    data: {\"choices\":null}\n\ndata: [DONE]\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"late\"}}]}\n\n";

/// The bodies that the real clients of OpenAI Chat were asked for, besides the lab's.
fn bodies() -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/client_sim/chat");
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn reading_along_comes_to_the_same_as_reading_at_the_end() {
    for body in bodies().iter().map(Vec::as_slice).chain([STREAM]) {
        let whole = seen(body, body.len());
        for client in clients().filter(|c| c.dialect == "openai-chat") {
            let mut growing = Inspection::new(Arc::new(InspectOptions::default()));
            let mut run = ClientRun::new(client);
            let entry = |what| Entry { exchange: 0, at: None, kind: what };
            for byte in body {
                let bytes = bytes::Bytes::copy_from_slice(&[*byte]);
                growing.push(&entry(EntryKind::Body { len: 1, bytes, masked: Vec::new() }));
                run.advance(&growing);
            }
            growing
                .push(&entry(EntryKind::End { cause: EndCause::Unknown, detail: String::new() }));
            run.advance(&growing);
            assert_eq!(run.given(), ClientRun::of(client, &whole).given(), "{}", client.name);
        }
    }
}

#[test]
fn the_remarks_tell_what_the_caller_cannot_see() {
    let whole = seen(STREAM, 7);
    let run = ClientRun::of(find("openai-python").next().unwrap(), &whole);
    let words: Vec<_> = run.remarks(&whole).into_iter().map(|r| r.text).collect();
    assert_eq!(run.given().content[&0], "éé");
    assert_eq!(
        words,
        [
            "1 chunk has `choices: []`: a loop that takes `chunk.choices[0]` ends there with an \
             IndexError",
            "1 chunk has no `choices`: a loop that takes `chunk.choices[0]` ends there with a \
             TypeError",
            "4 of 6 characters of content do not reach the caller",
        ]
    );
    let run = ClientRun::of(find("openai-node").next().unwrap(), &whole);
    assert!(run.remarks(&whole)[0].text.starts_with("1 delta at choices[].delta.reasoning is not"));
}

#[test]
fn another_dialect_is_not_read() {
    let whole = seen(STREAM, 7);
    let run = ClientRun::of(find("anthropic-python").next().unwrap(), &whole);
    assert!(!run.speaks(&whole));
    assert_eq!((run.given(), run.remarks(&whole).len()), (&Given::default(), 0));
}

#[test]
fn every_row_says_who_it_is() {
    let mut seen = std::collections::BTreeSet::new();
    for client in clients() {
        assert!(!client.version.is_empty() && !client.gives.is_empty());
        assert!(!client.evidence.is_empty());
        assert!(seen.insert((client.name, client.dialect)), "{} is there twice", client.name);
        assert!(find(client.name).any(|row| row.dialect == client.dialect));
        assert!(crate::dialect::find(client.dialect).is_some());
    }
}
