//! Frames that repeat the one before are not judged again; the result is that of judging each in full.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::Index;
use sselens::dialect::Channel;
use sselens::inspect::{Inspection, Options};
use sselens::journal::Entry;
use sselens::rule::Code;

use crate::support::corpus::{Case, case, cases};

/// Everything that an inspection says, as text.
fn all(i: &Inspection) -> String {
    let tally: Vec<u64> = Code::all().map(|code| i.tally().of(code)).collect();
    let answer = i.answer();
    let texts: Vec<_> = [Channel::Content, Channel::Reasoning, Channel::Refusal, Channel::Other]
        .into_iter()
        .map(|c| (answer.texts(c).collect::<Vec<_>>(), answer.paths(c).collect::<Vec<_>>()))
        .collect();
    format!(
        "{:#?}\n{tally:?}\n{:?}\n{texts:?}\n{:?}\n{:?}\n{:?}\n{:?}\n{}\n{:?}",
        i.findings(),
        answer.deltas(),
        answer.tools(),
        i.shape().rows(),
        i.blocks(),
        i.timing,
        i.verdict(),
        i.frames(),
    )
}

fn inspect(entries: &[Entry], in_full: bool) -> Inspection {
    let mut inspection = Inspection::new(Arc::new(Options { in_full, ..Options::default() }));
    entries.iter().for_each(|entry| inspection.push(entry));
    inspection
}

/// The reads, a millisecond apart, of a body that is cut at `cuts`.
fn reads(len: usize, cuts: &[usize]) -> Vec<(u64, usize)> {
    let mut ends: Vec<usize> = cuts.iter().map(|c| c % (len + 1)).collect();
    ends.sort_unstable();
    let starts = std::iter::once(0).chain(ends.clone());
    let sizes = starts.zip(ends.iter().copied().chain([len])).map(|(from, to)| to - from);
    (30..).zip(sizes).collect()
}

/// Asserts that a body is judged the same in both ways.
fn assert_same(case: &Case, body: &[u8], cuts: &[usize]) {
    let entries = case.entries_of(body, &reads(body.len(), cuts));
    let (short, full) = (all(&inspect(&entries, false)), all(&inspect(&entries, true)));
    assert_eq!(short, full, "{}: {}", case.name, String::from_utf8_lossy(body));
}

/// The body with every event written `times` times, each time with other text in it.
fn repeated(body: &[u8], times: usize) -> Vec<u8> {
    let text = String::from_utf8_lossy(body).into_owned();
    let mut out = String::new();
    for event in text.split_inclusive("\n\n") {
        for n in 0..times {
            let key =
                ["\"content\":\"", "\"text\":\"", "\"reasoning_content\":\"", "\"reasoning\":\""];
            let key = key.into_iter().find(|key| event.contains(key));
            match key.and_then(|key| event.find(key).map(|at| at + key.len())) {
                Some(at) if n > 0 => {
                    let words =
                        [" é", "x", " <think>", "a", " the same words", "</think>", "\u{fffd}"];
                    let (before, after) = event.split_at(at);
                    out.extend([before, words[n % words.len()], after]);
                }
                _ => out.push_str(event),
            }
        }
    }
    out.into_bytes()
}

#[test]
fn every_case_is_judged_the_same() {
    for case in cases() {
        let entries = case.entries();
        assert_eq!(all(&inspect(&entries, false)), all(&inspect(&entries, true)), "{}", case.name);
        let body = repeated(&case.body, 5);
        assert_same(&case, &body, &[]);
        assert_same(&case, &body, &(0..body.len()).step_by(97).collect::<Vec<_>>());
    }
}

/// How many damaged streams are compared. `SSELENS_MUTATIONS=1000000` takes an hour.
fn mutations() -> u32 {
    std::env::var("SSELENS_MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000)
}

/// A byte of a body changed, put in or lost.
type Damage = (Index, u8, u8);

fn damage(mut body: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    const BYTES: &[u8] = b"\"\\\n\r{}[]:, \xe9\x0059a<";
    for (at, how, byte) in damages {
        let at = at.index(body.len());
        let byte = BYTES[usize::from(*byte) % BYTES.len()];
        match how % 3 {
            0 => body[at] = byte,
            1 => body.insert(at, byte),
            _ if body.len() > 1 => drop(body.remove(at)),
            _ => {}
        }
    }
    body
}

#[test]
fn damaged_streams_are_judged_the_same() {
    let cases: Vec<Case> = cases().into_iter().filter(|c| !c.body.is_empty()).collect();
    let streams = (
        any::<Index>(),
        1..9usize,
        prop::collection::vec((any::<Index>(), any::<u8>(), any::<u8>()), 0..5),
        prop::collection::vec(any::<usize>(), 0..6),
    );
    proptest!(ProptestConfig::with_cases(mutations()), |((case, times, damages, cuts) in streams)| {
        let case = &cases[case.index(cases.len())];
        assert_same(case, &damage(repeated(&case.body, times), &damages), &cuts);
    });
}

#[test]
fn a_stream_of_one_skeleton_is_judged_the_same() {
    // Findings that every frame has again: reasoning in a field of its own, no `object`.
    for delta in ["\"content\":\"@\"", "\"reasoning\":\"@\",\"content\":null"] {
        let frame = |n: usize| {
            let text = ["word ", "é", "<think>", "the same words again ", "x"][n % 5];
            let delta = delta.replace('@', text);
            format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{{delta}}}}}]}}\n\n")
        };
        let body: String = (0..400).map(frame).collect();
        let case = case("answer-as-reasoning");
        assert_same(&case, body.as_bytes(), &[]);
        assert_same(&case, body.as_bytes(), &(0..body.len()).step_by(60).collect::<Vec<_>>());
    }
}
