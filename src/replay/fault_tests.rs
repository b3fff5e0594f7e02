//! Each fault does what its name says, byte for byte.

use super::*;
use crate::journal::{Entry, EntryKind, Head};
use crate::replay::recording::exchanges;

const READS: &[&str] = &[
    "data: {\"a\":{\"b\":1}}\n\ndata: {\"n\":1}\n",
    "\n",
    ": c\n\ndata: [{\"a\":{\"b\":2,\"ab\":3}}]\n\n",
    "data: [DONE]\n\n",
];

/// The recording of these reads, a second between them.
fn recorded() -> Recorded {
    let entry = |at, kind| Entry { exchange: 3, at: Some(at), kind };
    let head = Head {
        status: 200,
        headers: vec![("content-type".into(), "text/event-stream".into())],
        ..Head::default()
    };
    let mut entries =
        vec![entry(0, EntryKind::Request(Box::default())), entry(500_000, EntryKind::Head(head))];
    for (i, read) in READS.iter().enumerate() {
        let bytes = Bytes::from_static(read.as_bytes());
        let kind = EntryKind::Body { len: bytes.len() as u32, bytes, masked: Vec::new() };
        entries.push(entry(1_000_000 * (i as u64 + 1), kind));
    }
    let end = EntryKind::End { cause: EndCause::Complete, detail: String::new() };
    entries.push(entry(4_500_000, end));
    exchanges(&entries).remove(0)
}

fn with(faults: &[&str]) -> Recorded {
    let mut recorded = recorded();
    let faults: Vec<Fault> = faults.iter().map(|f| f.parse().unwrap()).collect();
    apply(&mut recorded, &faults).unwrap();
    recorded
}

/// The writes, with their delays in milliseconds.
fn sent(recorded: &Recorded) -> Vec<(u64, String)> {
    let text = |b: Bytes| String::from_utf8(b.to_vec()).unwrap();
    writes(&recorded.body).into_iter().map(|(d, b)| (d / 1000, text(b))).collect()
}

fn body(faults: &[&str]) -> String {
    String::from_utf8(with(faults).bytes()).unwrap()
}

#[test]
fn without_a_fault_it_is_the_recording() {
    let plain = recorded();
    let expected: Vec<_> =
        [500, 1000, 1000, 1000].into_iter().zip(READS.iter().map(|r| (*r).to_owned())).collect();
    assert_eq!(sent(&plain), expected);
    assert_eq!((plain.end, plain.end_delay), (EndCause::Complete, 500_000));
    assert_eq!(plain.frames.len(), 5);
    assert_eq!(plain.head.as_ref().unwrap().0, 500_000);
}

#[test]
fn cuts_and_resets_end_it_before_their_place() {
    for (fault, kept, end) in [
        ("cut@frame:1", "data: {\"a\":{\"b\":1}}\n\n", EndCause::Truncated),
        ("reset@byte:5", "data:", EndCause::Reset),
        ("cut@byte:0", "", EndCause::Truncated),
    ] {
        let it = with(&[fault]);
        assert_eq!(String::from_utf8(it.bytes()).unwrap(), kept, "{fault}");
        assert_eq!((it.end, it.end_delay), (end, 0), "{fault}");
    }
    assert_eq!(body(&["cut@frame:5"]), READS.concat());
}

#[test]
fn frames_are_dropped_doubled_and_swapped_and_nothing_else() {
    let all = READS.concat();
    let (one, comment) = ("data: {\"n\":1}\n\n", ": c\n\n");
    assert_eq!(body(&["drop@frame:1"]), all.replace(one, ""));
    assert_eq!(body(&["duplicate@frame:2"]), all.replace(comment, ": c\n\n: c\n\n"));
    assert_eq!(
        body(&["swap@frame:1"]),
        all.replace(&format!("{one}{comment}"), &format!("{comment}{one}"))
    );
    assert_eq!(body(&["no-done"]), all.replace("data: [DONE]\n\n", ""));
    assert_eq!(
        body(&["drop@frame:1", "drop@frame:2"]),
        all.replace(&format!("{one}{comment}"), "")
    );
    // Frames after a dropped one keep their times.
    let it = with(&["drop@frame:1"]);
    let times: u64 = sent(&it).iter().map(|w| w.0).sum();
    assert_eq!(times, 3500);
    let it = sent(&with(&["drop@frame:4"]));
    assert_eq!(it.len(), 3);
}

#[test]
fn a_stall_is_a_pause_at_its_place() {
    let it = sent(&with(&["stall@frame:1:10s"]));
    assert_eq!(it[0], (500, "data: {\"a\":{\"b\":1}}\n\n".into()));
    assert_eq!(it[1], (10_000, "data: {\"n\":1}\n".into()));
    assert_eq!(with(&["stall@frame:5:2s"]).end_delay, 2_500_000);
}

#[test]
fn writes_are_split_gathered_and_cut() {
    let it = sent(&with(&["split@byte:3"]));
    assert_eq!((it[0].1.as_str(), it[1].0, it.len()), ("dat", 0, 5));
    let all = READS.concat();
    let it = sent(&with(&["chunk:1"]));
    assert_eq!(it.len(), all.len());
    assert_eq!(it.iter().map(|w| w.1.as_str()).collect::<String>(), all);
    let it = with(&["buffer:50"]);
    let lengths: Vec<_> = sent(&it).iter().map(|w| w.1.len()).collect();
    assert_eq!(lengths, [50, all.len() - 50]);
    assert_eq!((sent(&it)[0].0, sent(&it)[1].0, it.end_delay), (2500, 1500, 0));
    assert_eq!(it.bytes(), all.as_bytes());
}

#[test]
fn keys_are_renamed_by_their_path() {
    let expected = READS.concat().replace("\"b\"", "\"c\"");
    assert_eq!(body(&["rename:a.b=a.c"]), expected);
    assert_eq!(body(&["rename:a.b=c"]), expected);
    assert_eq!(sent(&with(&["rename:a.b=c"])).len(), 4);
    let mut it = recorded();
    let why = apply(&mut it, &["rename:b.a=b.c".parse().unwrap()]).unwrap_err().to_string();
    assert!(why.contains("no payload"), "{why}");
}

#[test]
fn frames_are_inserted_whole() {
    let all = READS.concat();
    assert_eq!(body(&["insert@frame:0:': ping'"]), format!(": ping\n\n{all}"));
    assert_eq!(body(&["insert@frame:5:data: x\\n\\n"]), format!("{all}data: x\n\n"));
    let it = sent(&with(&["insert@frame:1:: p"]));
    assert_eq!(it[0].1, "data: {\"a\":{\"b\":1}}\n\n: p\n\ndata: {\"n\":1}\n");
}

#[test]
fn heads_are_late_and_have_other_statuses() {
    let it = with(&["delay:2s", "status:502"]);
    let (delay, head) = it.head.as_ref().unwrap();
    assert_eq!((*delay, head.status), (2_500_000, 502));
}

#[test]
fn what_is_no_fault_is_refused_in_words() {
    for wrong in [
        "",
        "cut",
        "cut@",
        "cut@frame:x",
        "cut@line:3",
        "cut@frame:1:2",
        "drop@byte:3",
        "stall@frame:1",
        "stall@frame:1:x",
        "chunk:0",
        "status:99",
        "rename:a",
        "rename:a.b=x.c",
        "boom:1",
        "boom@frame:1",
        "insert@frame:1",
        "delay:-1s",
        "rename:a..b=c",
    ] {
        let why = wrong.parse::<Fault>().unwrap_err().to_string();
        assert!(why.starts_with(&format!("{wrong:?}: ")), "{why}");
    }
    let mut it = recorded();
    for (fault, why) in [("cut@frame:9", "it has 5"), ("split@byte:9999", "no byte 9999")] {
        let error = apply(&mut it, &[fault.parse().unwrap()]).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}
