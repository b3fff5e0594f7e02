//! A long recording that is being opened: its beginning is there at once, the rest replaces it.

use std::sync::Arc;

use sselens::action::{Done, Effect, Opened};
use sselens::inspect::{InspectOptions, Simulate};
use sselens::journal::{Entry, EntryKind};
use sselens::transport::News;
use sselens::tui::{App, Event, Startup};

use crate::play::{chunk, exchange, keys, startup, text_of};

const SIZE: (u16, u16) = (120, 36);

/// A stream that breaks off after so many texts.
fn recording(texts: usize) -> Vec<Entry> {
    let pieces: Vec<_> =
        (0..texts).map(|i| chunk(&format!(r#"{{"content":"word{i} "}}"#))).collect();
    exchange(0, &pieces)
}

fn opened(entries: Vec<Entry>) -> Box<Opened> {
    Box::new(Opened::new("long.jsonl", entries, &Arc::default()))
}

/// A screen that opens a recording, of which the beginning was read.
fn opening() -> App {
    let mut beginning = recording(40);
    beginning.pop();
    let (session, open) = (Some(*opened(beginning)), Some("long.jsonl".into()));
    let mut app = App::new(Startup { session, open, ..startup() });
    app.resize(SIZE.0, SIZE.1);
    assert_eq!(app.begin(), [Effect::LoadFile("long.jsonl".into())]);
    app
}

fn shown(app: &App) -> String {
    let area = ratatui::layout::Rect::new(0, 0, SIZE.0, SIZE.1);
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    app.draw(area, &mut buffer);
    text_of(&buffer)
}

fn press(app: &mut App, text: &str) -> Vec<Effect> {
    keys(text).into_iter().flat_map(|key| app.update(0, Event::Input(key))).collect()
}

#[test]
fn the_beginning_is_shown_and_nothing_is_said_about_its_end() {
    let mut app = opening();
    let text = shown(&app);
    assert!(text.contains("word0") && text.contains("OPENING"), "{text}");
    assert!(!text.contains("UNFINISHED") && !text.contains("FAILED"), "{text}");
    // It can be browsed, but whatever concerns the whole must wait.
    press(&mut app, "jjj");
    assert_eq!(app.selected_frame(), Some(3));
    for (key, asks) in [("<c-s>", "Save"), ("C", "Compare"), (" ", "▶")] {
        assert!(press(&mut app, key).is_empty());
        let text = shown(&app);
        assert!(text.contains("Opening long.jsonl: 0 %") && !text.contains(asks), "{text}");
    }
    app.update(0, Event::Done(Done::Loading { name: "long.jsonl".into(), permille: 420 }));
    assert!(shown(&app).contains("42 %"));
}

#[test]
fn what_was_selected_stays_selected_and_else_the_cause_is() {
    let whole = recording(400);
    let mut app = opening();
    press(&mut app, "jjj");
    let effects = app.update(0, Event::Done(Done::Loaded(opened(whole.clone()))));
    assert_eq!(effects, [Effect::BeginSession(Arc::new(whole.clone()))]);
    assert_eq!(app.selected_frame(), Some(3));
    let text = shown(&app);
    assert!(!text.contains("OPENING") && text.contains("400 frames"), "{text}");
    let mut untouched = opening();
    untouched.update(0, Event::Done(Done::Loaded(opened(whole.clone()))));
    let mut at_once = App::new(Startup { session: Some(*opened(whole)), ..startup() });
    at_once.resize(SIZE.0, SIZE.1);
    assert_eq!(untouched.selected_frame(), at_once.selected_frame());
}

#[test]
fn what_is_not_opened_to_its_end_is_not_shown_any_more() {
    let mut app = opening();
    app.update(0, Event::Done(Done::NotLoaded { ends: false }));
    let text = shown(&app);
    assert!(!text.contains("word0") && text.contains("Opening stopped"), "{text}");
    // The session then consists of the request that was sent meanwhile.
    let mut app = opening();
    for entry in exchange(0, &[chunk(r#"{"content":"live"}"#)]).into_iter().take(4) {
        app.update(0, Event::News(News::Entry(entry)));
    }
    app.update(0, Event::Done(Done::Loaded(opened(recording(400)))));
    let text = shown(&app);
    assert!(text.contains("live") && !text.contains("word0"), "{text}");
    assert!(text.contains("the file was not opened"), "{text}");
}

#[test]
fn the_end_of_a_long_stream_is_judged_aside_and_what_comes_after_it_waits() {
    let simulate = Some(Simulate(sselens::client_sim::views));
    let options = Arc::new(InspectOptions { simulate, ..InspectOptions::default() });
    let mut app = App::new(Startup { options, ..startup() });
    app.resize(SIZE.0, SIZE.1);
    let text = "x".repeat(1000);
    let pieces: Vec<_> = (0..400).map(|_| chunk(&format!(r#"{{"content":"{text}"}}"#))).collect();
    for entry in exchange(0, &pieces) {
        app.update(entry.at.unwrap_or(0), Event::News(News::Entry(entry)));
    }
    let note = EntryKind::note(sselens::rule::Code::SaveFailed, "disk full");
    app.update(0, Event::News(News::Entry(Entry { exchange: 0, at: Some(1), kind: note })));
    // First what the clients return, then the judgement.
    for _ in 0..2 {
        let text = shown(&app);
        assert!(text.contains("STREAMING") && !text.contains("disk full"), "{text}");
        let work = app.take_work();
        assert_eq!(work.len(), 1, "{work:?}");
        let reports = std::cell::RefCell::new(Vec::new());
        work.into_iter().for_each(|work| work.run(&|report| reports.borrow_mut().push(report)));
        for report in reports.into_inner() {
            app.update(0, Event::Worked(report));
        }
    }
    let text = shown(&app);
    assert!(!text.contains("STREAMING") && text.contains("disk full"), "{text}");
    assert!(app.take_work().is_empty());
}
