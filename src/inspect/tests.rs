use super::*;
use crate::dialect::Channel;
use crate::journal::{EndCause, Entry, EntryKind, Head, Micros, Request};

pub(super) fn entry(at: Micros, what: EntryKind) -> Entry {
    Entry { exchange: 0, at: Some(at), kind: what }
}

/// An exchange of a normal head and these reads, one every 10 ms.
pub(super) fn inspect(reads: &[&[u8]], cause: EndCause) -> Inspection {
    let mut inspection = Inspection::new(Arc::default());
    inspection.push(&entry(
        0,
        EntryKind::Request(Box::new(Request {
            dialect: "openai-chat".into(),
            ..Request::default()
        })),
    ));
    let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
    inspection.push(&entry(
        1_000,
        EntryKind::Head(Head {
            status: 200,
            version: "HTTP/1.1".into(),
            headers,
            ..Head::default()
        }),
    ));
    let mut at = 1_000;
    for read in reads {
        at += 10_000;
        let what = EntryKind::Body {
            len: read.len() as u32,
            bytes: bytes::Bytes::copy_from_slice(read),
            masked: vec![],
        };
        inspection.push(&entry(at, what));
    }
    inspection.push(&entry(at + 1_000, EntryKind::End { cause, detail: String::new() }));
    inspection
}

const STREAM: &str = concat!(
    ": hi\n\n",
    "data: {\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null,\"reasoning\":\"hm\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"é <b\"}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\":1}\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":\"{}\"}}]}}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}\n\n",
    "data: [DONE]\n\n",
);

#[test]
fn a_stream_becomes_an_answer() {
    let i = inspect(&[STREAM.as_bytes()], EndCause::Complete);
    let a = i.answer();
    assert_eq!(a.text(Channel::Content, 0), "é <b");
    assert_eq!(a.text(Channel::Reasoning, 0), "hm");
    assert_eq!(a.deltas().at(0).path.to_string(), "choices[0].delta.reasoning");
    assert_eq!(
        a.paths(Channel::Reasoning).collect::<Vec<_>>(),
        [("choices[].delta.reasoning".to_owned(), 1)]
    );
    // One index that carries two ids is two calls.
    let calls: Vec<_> =
        a.tools().iter().map(|t| (t.id.as_deref().unwrap(), t.arguments.as_str())).collect();
    assert_eq!(calls, [("a", "{\"x\":1}"), ("b", "{}")]);
    assert_eq!(a.finish().collect::<Vec<_>>(), [(0, "tool_calls")]);
    assert_eq!(a.usage.total, Some(7));
    assert_eq!(i.reason(), Some(Reason::Complete));
    assert_eq!(
        i.ending(),
        Ending { transport: TransportEnd::Clean, sentinel: true, finish: true, terminal: None }
    );
    assert!(i.is_healthy());
    assert_eq!(i.frame_at(2), Some(11_000));
}

#[test]
fn any_cut_gives_the_same_answer() {
    let whole = inspect(&[STREAM.as_bytes()], EndCause::Complete);
    for cut in 1..STREAM.len() {
        let (a, b) = STREAM.as_bytes().split_at(cut);
        let i = inspect(&[a, b], EndCause::Complete);
        assert_eq!(i.frames(), whole.frames());
        assert_eq!(i.answer().deltas(), whole.answer().deltas());
        assert_eq!(i.shape().rows(), whole.shape().rows());
    }
}

#[test]
fn the_read_that_completed_a_frame_gives_its_time() {
    let i = inspect(&[b": a\n\n: b", b"\n", b"\n: c\n\n"], EndCause::Complete);
    let times: Vec<_> = (0..3).map(|n| i.frame_at(n)).collect();
    assert_eq!(times, [Some(11_000), Some(31_000), Some(31_000)]);
    assert_eq!(i.reads_of(&i.frames().at(1)), 0..3);
}

#[test]
fn each_byte_of_a_text_is_found_in_the_delta_that_brought_it() {
    let mut body = String::new();
    for i in 0..40 {
        let (choice, text) = (i % 3, "é".repeat(i % 4));
        let member = if i % 5 < 2 { "reasoning" } else { "content" };
        body.push_str(&format!(
            "data: {{\"choices\":[{{\"index\":{choice},\"delta\":{{\"{member}\":\"{text}\"}}}}]}}\n\n"
        ));
    }
    let i = inspect(&[body.as_bytes()], EndCause::Complete);
    let answer = i.answer();
    for (channel, choice) in
        [Channel::Content, Channel::Reasoning].into_iter().flat_map(|c| (0..4).map(move |n| (c, n)))
    {
        for at in 0..=answer.text(channel, choice).len() {
            let one_by_one = answer.deltas().iter().find(|d| {
                d.channel == channel && d.choice == choice && answer.range_of(d).contains(&at)
            });
            assert_eq!(
                answer.delta_at(channel, choice, at),
                one_by_one,
                "{channel:?} {choice} {at}"
            );
        }
    }
    assert_eq!(answer.delta_at(Channel::Content, 2, 0).map(|d| d.frame), Some(2));
}

#[test]
fn a_frame_that_came_in_two_reads_is_told_by_its_number() {
    let i = inspect(&[b"data: a\n\ndata", b": b\n\n"], EndCause::Complete);
    let split: Vec<_> = i.findings().iter().filter(|f| f.code.name().contains("split")).collect();
    assert_eq!(split.len(), 1);
    assert_eq!(split[0].frame, Some(1));
}

/// Two exchanges that have the same number, because the lines between them are damaged.
#[test]
fn what_follows_an_end_and_a_second_head_leave_the_frames_alone() {
    let body = |text: &str| EntryKind::Body {
        len: text.len() as u32,
        bytes: bytes::Bytes::copy_from_slice(text.as_bytes()),
        masked: vec![],
    };
    // The line says that no bytes arrived, but has some.
    let uncounted = |text: &'static str| EntryKind::Body {
        len: 0,
        bytes: bytes::Bytes::from_static(text.as_bytes()),
        masked: vec![],
    };
    let head = |fields: &[(&str, &str)]| {
        let headers = fields.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        EntryKind::Head(Head { status: 200, headers, ..Head::default() })
    };
    let end = || EntryKind::End { cause: EndCause::Complete, detail: String::new() };
    let bare = || EntryKind::Bare {
        status: None,
        content_type: Some("application/x-ndjson".into()),
        dialect: None,
        named_sse: false,
    };
    let kinds = [
        vec![body("data: \n\n"), bare(), body("data: {}")],
        vec![head(&[("upgrade", "websocket")]), bare(), body("data: {}")],
        vec![body("data: \n\n"), body("data: {}"), head(&[("content-encoding", "gzip")])],
        vec![body("data: \n\n"), head(&[("content-type", "application/json")]), body("data: {}")],
        vec![uncounted("data: \n\n"), head(&[]), body("data: {}")],
        vec![uncounted("data: \n\n"), bare(), body("data: {}")],
        vec![head(&[]), body("data: 1\n\ndata: {}"), end()],
        vec![head(&[]), body("{}\n{}\n{\"a\":"), end(), head(&[("content-encoding", "br")])],
        vec![head(&[("upgrade", "websocket")]), body("[1, 2"), end()],
    ];
    for kinds in kinds {
        let mut inspection = Inspection::new(Arc::default());
        let more = [body("data: {\"a\":1}\n\n"), body("\n"), body("3]\n"), end(), body("x\n\n")];
        for (at, kind) in kinds.into_iter().chain(more).enumerate() {
            inspection.push(&entry(at as Micros, kind));
            let mut tiled = 0;
            for frame in inspection.frames().iter() {
                assert_eq!(frame.offset, tiled);
                tiled = frame.end();
            }
            assert!(tiled <= inspection.body().len() as u64);
        }
        assert_eq!(
            inspection.frames().last().map(|f| f.end()),
            Some(inspection.body().len() as u64)
        );
        let _ = inspection.verdict();
    }
}
