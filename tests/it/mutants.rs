//! Sound streams, changed in one place: what a reader would lose or have twice is never called sound.

use serde_json::Value;
use sselens::frame::{FrameKind, Framing};
use sselens::inspect::{Inspection, Outcome};

use crate::findings::inspect;
use crate::support::corpus::{Case, cases};

/// The sound event streams of the corpus.
fn sound() -> impl Iterator<Item = (Case, Inspection)> {
    let sound = |case: &Case| case.name == "sound" || case.name.starts_with("sound--");
    let cases = cases().into_iter().filter(sound).map(|mut case| {
        "complete".clone_into(&mut case.ended);
        let seen = inspect(&case.entries());
        (case, seen)
    });
    cases.filter(|(_, seen)| seen.framing() == Some(Framing::Sse))
}

fn judged(case: &Case, body: &[u8]) -> Inspection {
    inspect(&case.entries_of(body, &[(100, body.len())]))
}

#[test]
fn a_stream_that_ends_before_its_terminal_event_fails_whether_or_not_its_dialect_is_set() {
    let mut cuts = 0;
    for (mut case, seen) in sound() {
        let Some(dialect) = seen.dialect() else { continue };
        let rules = dialect.ending();
        // A stream that has no terminal event, or that may be resumed, may end anywhere.
        let Some(last) = seen.answer().terminal.filter(|_| rules.terminal && !rules.resumable)
        else {
            continue;
        };
        // If a stream has several answers, each has its own terminal event.
        let several = seen.blocks().iter().any(|block| block.container > 0);
        for (index, frame) in seen.frames().iter().enumerate().take(last as usize) {
            if frame.kind != FrameKind::Event || several {
                continue;
            }
            let body = &seen.body()[..frame.end() as usize];
            for set in [dialect.name(), "auto"] {
                set.clone_into(&mut case.dialect);
                let cut = judged(&case, body);
                // Until the bytes identify the dialect, it is unknown what is missing.
                if cut.answer().terminal.is_some() || cut.recognized().is_none() && set == "auto" {
                    continue;
                }
                let quiet = cut.findings().iter().all(|f| f.severity.name() == "info");
                assert!(
                    !quiet,
                    "{} as {set}, cut after frame {index}: {}",
                    case.name,
                    cut.verdict()
                );
                cuts += 1;
            }
        }
    }
    assert!(cuts > 100, "only {cuts} cuts");
}

/// Where a whole text is said again, by the event's name in its JSON or of its own.
const AGAIN: &[(&str, &str)] = &[
    ("response.output_text.done", "/text"),
    ("response.content_part.done", "/part/text"),
    ("response.output_item.done", "/item/content/0/text"),
    ("response.output_item.done", "/item/arguments"),
    ("response.output_item.done", "/item/input"),
    ("response.output_item.done", "/item/name"),
    ("response.function_call_arguments.done", "/arguments"),
    ("response.custom_tool_call_input.done", "/input"),
    ("response.refusal.done", "/refusal"),
    ("response.reasoning_summary_text.done", "/text"),
    ("response.completed", "/response/output/0/content/0/text"),
    ("response.completed", "/response/output/0/name"),
    ("transcript.text.done", "/text"),
    ("conversation.message.completed", "/content"),
    ("thread.message.completed", "/content/0/text/value"),
];

#[test]
fn a_text_that_is_said_again_with_another_letter_is_no_sound_stream() {
    let mut changed = std::collections::BTreeSet::new();
    // If only the rest of a stream was recorded, the whole text can be compared only at its end.
    for (case, seen) in sound().filter(|(case, _)| !case.name.contains("resumed")) {
        for frame in seen.frames().iter().filter(|frame| frame.kind == FrameKind::Event) {
            let Some(data) = frame.data(seen.body()) else { continue };
            let Ok(json) = serde_json::from_str::<Value>(&data) else { continue };
            let event = String::from_utf8_lossy(frame.bytes(seen.body())).into_owned();
            let own =
                event.lines().find_map(|l| l.strip_prefix("event:")).unwrap_or_default().trim();
            let name = json["type"].as_str().filter(|_| !own.contains("conversation"));
            let name = name.unwrap_or(own);
            for (_, path) in AGAIN.iter().filter(|(event, _)| *event == name) {
                let mut json = json.clone();
                let Some(Value::String(text)) = json.pointer_mut(path) else { continue };
                let Some(first) = text.find(char::is_alphabetic) else { continue };
                let end = first + text[first..].chars().next().map_or(0, char::len_utf8);
                text.replace_range(first..end, "ж");
                let (from, to) = (frame.offset as usize, frame.end() as usize);
                let named = if own.is_empty() { String::new() } else { format!("event: {own}\n") };
                let event = format!("{named}data: {json}\n\n");
                let body = [&seen.body()[..from], event.as_bytes(), &seen.body()[to..]].concat();
                let other = judged(&case, &body);
                // Nothing of it was streamed that could differ, or only segments without the text in between.
                let segments = seen.shape().rows().iter().any(|row| row.path == "speaker");
                if seen.answer().deltas().is_empty() || segments {
                    continue;
                }
                assert!(
                    other.outcome() == Outcome::Failed,
                    "{}: {name} {path}: {}",
                    case.name,
                    other.verdict()
                );
                changed.insert((name.to_owned(), *path));
            }
        }
    }
    assert!(changed.len() >= 6, "only {changed:?}");
}
