use std::sync::Arc;

use bytes::Bytes;

use super::super::InspectOptions;
use super::tests::sound;
use super::*;
use crate::journal::{EndCause, Entry, EntryKind, Head};

/// A call in which things happen at these milliseconds: the headers, then each piece of the body.
fn call(
    status: u16,
    headers: &[(&str, &str)],
    head: u64,
    pieces: &[(u64, String)],
    end: (u64, EndCause),
) -> Inspection {
    let mut i = Inspection::new(Arc::new(InspectOptions::default()));
    let mut push = |ms: u64, kind| i.push(&Entry { exchange: 0, at: Some(ms * 1000), kind });
    let request = crate::journal::Request { dialect: "openai-chat".into(), ..Default::default() };
    push(0, EntryKind::Request(Box::new(request)));
    let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    push(
        head,
        EntryKind::Head(Head { status, version: "HTTP/1.1".into(), headers, ..Head::default() }),
    );
    for (ms, piece) in pieces {
        let bytes = Bytes::copy_from_slice(piece.as_bytes());
        push(*ms, EntryKind::Body { len: bytes.len() as u32, bytes, masked: Vec::new() });
    }
    push(end.0, EntryKind::End { cause: end.1, detail: String::new() });
    i
}

const SSE: (&str, &str) = ("content-type", "text/event-stream");

/// The sound stream, a piece each 100 ms from `from` on; `pause` before the sixth.
fn paced(from: u64, pause: u64) -> Vec<(u64, String)> {
    let at = |i: usize| from + 100 * i as u64 + if i >= 5 { pause } else { 0 };
    sound().into_iter().enumerate().map(|(i, piece)| (at(i), piece)).collect()
}

fn whole(head: u64, from: u64, pause: u64) -> Inspection {
    let pieces = paced(from, pause);
    let end = pieces.last().unwrap().0 + 1;
    call(200, &[SSE], head, &pieces, (end, EndCause::Complete))
}

fn codes(a: &Inspection, b: &Inspection) -> Vec<&'static str> {
    compare(a, b, Expect::Same).differences.iter().map(|d| d.code.name()).collect()
}

#[test]
fn a_read_timeout_in_between_is_one_accusation() {
    let a = whole(50, 100, 5000);
    let cut = |cause| call(200, &[SSE], 50, &paced(100, 0)[..5], (2500, cause));
    for cause in [EndCause::Truncated, EndCause::Reset, EndCause::Complete] {
        let got = compare(&a, &cut(cause), Expect::Same);
        assert_eq!(got.differences[0].code, Code::GwTimeout, "{:?}", got.differences);
        let grave = got.differences.iter().filter(|d| d.severity > Severity::Info).count();
        assert_eq!(grave, 1, "{:?}", got.differences);
        assert!(got.verdict.contains("closed after 2.0 s of silence"), "{}", got.verdict);
        assert!(got.verdict.contains("silent for 5"), "{}", got.verdict);
    }
    // A direct call that was never silent for so long, or failed itself, proves nothing.
    assert!(!codes(&whole(50, 100, 300), &cut(EndCause::Reset)).contains(&"gw-timeout"));
    assert!(!codes(&cut(EndCause::Reset), &cut(EndCause::Reset)).contains(&"gw-timeout"));
    // Nor is a finished stream cut, nor one that the user stopped.
    assert!(!codes(&a, &whole(50, 100, 3000)).contains(&"gw-timeout"));
    assert!(!codes(&a, &cut(EndCause::Cancelled)).contains(&"gw-timeout"));
}

#[test]
fn a_504_while_the_direct_call_was_silent_is_a_timeout_too() {
    let a = whole(4000, 4100, 0);
    let page = vec![(2000, "<html>504 Gateway Time-out</html>".to_owned())];
    let b = call(504, &[("server", "nginx")], 2000, &page, (2001, EndCause::Complete));
    let got = codes(&a, &b);
    assert_eq!(got, ["gw-timeout"]);
}

#[test]
fn a_refusal_of_the_gateways_own_is_told_by_its_signature() {
    let a = whole(50, 100, 0);
    let refusal = |status, headers: &[(&str, &str)], body: &str| {
        call(status, headers, 60, &[(60, body.to_owned())], (61, EndCause::Complete))
    };
    for (status, headers, body) in [
        (413, vec![("server", "nginx/1.27")], "<html>413 Request Entity Too Large</html>"),
        (401, vec![("via", "1.1 caddy")], "{\"error\":{\"message\":\"no key\"}}"),
        (429, vec![("x-litellm-version", "1.81.5")], "{\"error\":{\"message\":\"slow down\"}}"),
        (502, vec![], "<html>bad gateway</html>"),
    ] {
        let got = compare(&a, &refusal(status, &headers, body), Expect::Same);
        assert_eq!(got.differences[0].code, Code::GwRefused, "{status} {:?}", got.differences);
        assert!(got.verdict.contains(&status.to_string()), "{}", got.verdict);
    }
    // A proxy adds its name to JSON that it passes on as well as to JSON that it wrote.
    let passed = compare(
        &a,
        &refusal(429, &[("server", "nginx")], "{\"error\":{\"message\":\"slow\"}}"),
        Expect::Same,
    );
    assert!(passed.verdict.contains("Whether it or the provider wrote that"), "{}", passed.verdict);
    let party = |c: &Comparison| c.blame.as_ref().map(|b| b.party);
    assert_eq!(party(&passed), Some(crate::rule::Party::You), "{passed:?}");
    let page = "<html><center>nginx/1.27</center></html>";
    let own = compare(&a, &refusal(413, &[("server", "nginx/1.27")], page), Expect::Same);
    assert_eq!(party(&own), Some(crate::rule::Party::Gateway), "{own:?}");
    assert_eq!(party(&compare(&a, &a, Expect::Same)), None);
    // Without a sign of who wrote it, no author is named.
    let bare = refusal(400, &[], "{\"error\":{\"message\":\"bad\"}}");
    assert!(!codes(&a, &bare).contains(&"gw-refused"));
}

#[test]
fn a_delay_before_the_headers_is_no_buffer() {
    let (a, b) = (whole(50, 100, 0), whole(1250, 1300, 0));
    assert_eq!(codes(&a, &b), ["gw-delayed"]);
    assert!(!codes(&a, &whole(150, 200, 0)).contains(&"gw-delayed"));
    // Time lost after the headers is not reported as lost before them.
    let text = compare(&a, &whole(300, 2000, 0), Expect::Same).differences;
    assert!(
        text[0].message.contains("between the response headers and the first text"),
        "{text:?}"
    );
    // Nor is time lost in the stream.
    let slow = paced(100, 0).into_iter().enumerate().map(|(i, (at, p))| (at + 200 * i as u64, p));
    let slow: Vec<_> = slow.collect();
    let end = slow.last().unwrap().0 + 1;
    let slow = call(200, &[SSE], 50, &slow, (end, EndCause::Complete));
    let text = compare(&a, &slow, Expect::Same).differences;
    assert!(text[0].message.contains("falls behind in the stream"), "{text:?}");
    // A faster call, such as one from a cache, raises no finding.
    assert_eq!(codes(&slow, &a), [""; 0]);
    assert_eq!(codes(&whole(1250, 1300, 0), &a), [""; 0]);
}

/// The sound stream in these groups: each arrives with its last piece.
fn grouped(groups: &[usize]) -> Inspection {
    let mut pieces = paced(100, 0);
    let mut from = 0;
    for n in groups {
        let to = (from + n).min(pieces.len());
        let at = pieces[to - 1].0;
        pieces[from..to].iter_mut().for_each(|p| p.0 = at);
        from = to;
    }
    let end = pieces.last().unwrap().0 + 1;
    call(200, &[SSE], 50, &pieces, (end, EndCause::Complete))
}

#[test]
fn what_the_control_has_one_by_one_was_held_back_where_it_arrives_together() {
    let a = whole(50, 100, 0);
    let found = |b: &Inspection| compare(&a, b, Expect::Same).differences;
    let all = found(&grouped(&[100]));
    assert_eq!((all[0].code, all[0].severity), (Code::GwBuffered, Severity::Warn), "{all:?}");
    assert!(all[0].message.contains("all at once"), "{all:?}");
    let bursts = found(&grouped(&[5, 4]));
    assert_eq!((bursts[0].code, bursts[0].severity), (Code::GwBuffered, Severity::Warn));
    assert!(bursts[0].message.contains("in bursts"), "{bursts:?}");
    // A group that the provider itself sends at once was not held back.
    assert_eq!(codes(&grouped(&[100]), &grouped(&[100])), [""; 0]);
    assert_eq!(codes(&grouped(&[100]), &a), [""; 0]);
}

#[test]
fn a_limit_on_the_whole_answer_is_no_silence() {
    let a = whole(50, 100, 3000);
    // Closed at 3.0 s, 2.5 s into a silence of 3 s: three is the round number.
    let b = call(200, &[SSE], 50, &paced(100, 0)[..5], (3000, EndCause::Truncated));
    let got = compare(&a, &b, Expect::Same);
    assert_eq!(got.differences[0].code, Code::GwTimeout, "{got:?}");
    assert!(got.verdict.contains("a limit on the whole answer"), "{}", got.verdict);
    // At a time that is not round it is a plain cut, and nothing more is known.
    let b = call(200, &[SSE], 50, &paced(100, 0)[..4], (432, EndCause::Truncated));
    let got = compare(&a, &b, Expect::Same);
    assert_eq!(codes(&a, &b), ["ends-differ"], "{got:?}");
    assert!(got.verdict.contains("in the middle of its body, after"), "{}", got.verdict);
}

#[test]
fn what_the_user_gave_up_on_was_silent_as_long_as_that() {
    use crate::journal::Timeout;
    let idle = EndCause::Timeout(Timeout::Idle);
    let a = call(200, &[SSE], 50, &paced(100, 0)[..5], (6500, idle));
    let b = call(200, &[SSE], 50, &paced(100, 0)[..5], (2500, EndCause::Reset));
    let got = compare(&a, &b, Expect::Same);
    assert_eq!(codes(&a, &b), ["gw-timeout"]);
    assert!(got.verdict.contains("still silent after 6.0 s"), "{}", got.verdict);
    assert_eq!(got.differences[0].measured, Some(2_000_000));
    // Apache answers 502 to that.
    let page = vec![(2000, "<html>502 Proxy Error</html>".to_owned())];
    let b = call(502, &[("server", "Apache")], 2000, &page, (2001, EndCause::Complete));
    let got = compare(&whole(2500, 2600, 0), &b, Expect::Same);
    assert!(got.verdict.contains("probably a read timeout"), "{}", got.verdict);
}

#[test]
fn one_cut_is_one_difference_however_it_was_passed_on() {
    let cut = |n: usize, cause| call(200, &[SSE], 50, &paced(100, 0)[..n], (900, cause));
    let got = compare(&cut(6, EndCause::Reset), &cut(6, EndCause::Truncated), Expect::Same);
    assert_eq!(got.worst(), Some(Severity::Info), "{got:?}");
    assert!(got.verdict.starts_with("Both broke off: A was reset after"), "{}", got.verdict);
    // What a buffer in between had not sent is lost with the cut; it is not a change of the content.
    let got = compare(&cut(6, EndCause::Truncated), &cut(5, EndCause::Truncated), Expect::Same);
    assert_eq!(got.worst(), Some(Severity::Info), "{got:?}");
    assert!(got.verdict.contains("are lost at B"), "{}", got.verdict);
    assert_eq!(codes(&cut(6, EndCause::Reset), &cut(6, EndCause::Reset)), [""; 0]);
}

#[test]
fn a_coding_that_only_the_gateway_has_is_named() {
    use std::io::Write as _;
    let text: String = sound().concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let bytes = gzip.finish().unwrap();
    let mut i = Inspection::new(Arc::new(InspectOptions::default()));
    let mut push = |ms: u64, kind| i.push(&Entry { exchange: 0, at: Some(ms * 1000), kind });
    push(0, EntryKind::Request(Box::default()));
    let headers = [SSE, ("content-encoding", "gzip")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    push(50, EntryKind::Head(Head { status: 200, headers: headers.into(), ..Head::default() }));
    let (len, bytes) = (bytes.len() as u32, Bytes::from(bytes));
    push(1000, EntryKind::Body { len, bytes, masked: Vec::new() });
    push(1001, EntryKind::End { cause: EndCause::Complete, detail: String::new() });
    let got = compare(&whole(50, 100, 0), &i, Expect::Same);
    let found = got.differences.iter().find(|d| d.code == Code::GwCompressed).unwrap();
    assert_eq!(found.severity, Severity::Warn, "{found:?}");
    assert!(codes(&i, &i).is_empty());
}

#[test]
fn an_empty_success_is_one_sentence() {
    let b = call(200, &[SSE], 50, &[], (60, EndCause::Complete));
    let got = compare(&whole(50, 100, 0), &b, Expect::Same);
    assert_eq!(got.differences.len(), 1, "{:?}", got.differences);
    assert!(got.verdict.contains("200 with an empty body"), "{}", got.verdict);
}
