//! The loop: streams, stopping, signals, silence.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::Event;
use futures_util::stream;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use sselens::action::{Effect, Opened};
use sselens::config::Notifications;
use sselens::inspect::InspectOptions;
use sselens::journal::{EndCause, Entry, EntryKind};
use sselens::transport::{Clock, News};
use sselens::tui::{self, App, Ended, Run, Signal, Startup};
use tokio::sync::mpsc::unbounded_channel;

use super::play::{
    Outside, TestEffects, TestScreen, exchange, keys, opened, play, reasoning_only, startup,
};

/// A stream without its end.
fn running() -> Vec<Entry> {
    let mut entries = exchange(0, &reasoning_only()[..6]);
    entries.pop();
    entries
}

#[test]
fn a_request_is_sent_and_its_stream_followed() {
    let answers = exchange(0, &reasoning_only());
    let played = play(startup(), (100, 30), "<f5>", answers);
    assert!(
        matches!(&played.outside.effects[..], [Effect::Send(draft)] if draft.provider == "lab")
    );
    played.shows("[DONE]");
    // It failed: the cause is selected, and one key explains it.
    played.shows("▸✖ 17 ");
    played.shows("Enter explain");
    let explained = play(startup(), (100, 30), "<f5><enter>", exchange(0, &reasoning_only()));
    explained.shows("╭─ reasoning-only ─");
    explained.shows("─ 2 Frames");
}

#[test]
fn interrupt_stops_a_stream_and_quits_when_none_runs() {
    let played = play(startup(), (100, 30), "<f5><c-c>", running());
    assert_eq!(played.outside.effects.last(), Some(&Effect::Cancel(0)));
    assert_eq!(played.ended, Ended::Vanished, "the input ended first");
    played.shows("streaming");
    let played = play(startup(), (100, 30), "<c-c>jj", Vec::new());
    assert_eq!(played.ended, Ended::Quit);
}

#[test]
fn quitting_asks_only_while_a_stream_runs() {
    assert_eq!(play(startup(), (100, 30), "q", Vec::new()).ended, Ended::Quit);
    let played = play(startup(), (100, 30), "<f5>q", running());
    played.shows("Quit anyway?");
    assert_eq!(play(startup(), (100, 30), "<f5>qy", running()).ended, Ended::Quit);
    play(startup(), (100, 30), "<f5>qn", running()).hides("Quit anyway?");
}

#[test]
fn scrolling_ends_following_and_the_end_brings_it_back() {
    play(startup(), (100, 30), "<f5>k", running()).hides("following");
    play(startup(), (100, 30), "<f5>kG", running()).shows("following");
    play(startup(), (100, 30), "<f5><wheel:50,8>", running()).hides("following");
}

#[test]
fn exchanges_of_a_session_are_a_key_apart() {
    let mut entries = exchange(0, &reasoning_only());
    entries.extend(exchange(1, &reasoning_only()[..3]));
    let at = |text: &str| play(opened(entries.clone()), (100, 30), text, Vec::new());
    at("").shows("1 of 2");
    at("]").shows("2 of 2");
    at("][").shows("1 of 2");
    at("H").shows("Exchanges of this session");
    at("H<down><enter>").shows("2 of 2");
}

#[test]
fn a_session_is_saved_where_the_user_says() {
    let at = |text: &str| {
        let entries = exchange(0, &reasoning_only());
        play(opened(entries), (100, 30), text, Vec::new())
    };
    let played = at("<c-s><enter>");
    assert!(
        matches!(&played.outside.effects[..], [Effect::SaveSession(p)] if p.ends_with("lab-reasoning-only-1.jsonl"))
    );
    played.shows("saved to lab-reasoning-only-1.jsonl");
    // A name that was entered once is not proposed again: the file exists, or could not be written.
    at("<c-s><enter><c-s><enter>").shows("saved to lab-reasoning-only-1-2.jsonl");
    at("1w").shows("lab-reasoning-only-2-request.json");
}

#[test]
fn only_what_is_complete_gets_the_good_mark() {
    let header_and_row = |cause: EndCause| {
        let mut entries = exchange(0, &reasoning_only()[..6]);
        if let Some(Entry { kind: EntryKind::End { cause: end, .. }, .. }) = entries.last_mut() {
            *end = cause;
        }
        let shown = play(opened(entries.clone()), (100, 30), "1", Vec::new()).text();
        let list = play(opened(entries), (100, 30), "H", Vec::new()).text();
        let head: String = shown.lines().take(2).collect();
        let row = list.lines().find(|l| l.contains("0  lab/")).unwrap_or_default().to_owned();
        (head, row)
    };
    for cause in [EndCause::Cancelled, EndCause::Closed, EndCause::Dns] {
        let (head, row) = header_and_row(cause);
        assert!(!head.contains('✔'), "{cause:?}: {head}");
        assert!(!row.contains('✔'), "{cause:?}: {row}");
        if cause == EndCause::Cancelled {
            assert_eq!(head.matches('■').count(), 2, "{head}");
            assert!(row.contains('■'), "{row}");
        }
    }
}

#[test]
fn what_is_piped_in_is_looked_at_first_and_no_request_is_made_up_for_it() {
    let bare =
        EntryKind::Bare { status: None, content_type: None, dialect: None, named_sse: false };
    let mut entries = exchange(0, &reasoning_only());
    entries.retain(|e| matches!(e.kind, EntryKind::Body { .. } | EntryKind::End { .. }));
    entries.insert(0, Entry { exchange: 0, at: Some(0), kind: bare });
    let mut app = sselens::tui::App::new(startup());
    app.resize(100, 30);
    for entry in entries.clone() {
        app.update(0, sselens::tui::Event::News(News::Entry(entry)));
    }
    let area = ratatui::layout::Rect::new(0, 0, 100, 30);
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    app.draw(area, &mut buffer);
    let shown = super::play::text_of(&buffer);
    assert!(shown.contains("─ sselens ── standard input"), "{shown}");
    assert!(shown.contains("━ 2 Frames"), "{shown}");
    assert!(shown.contains("1 Request (draft)"), "{shown}");
    // While a stream from another program runs, it cannot be stopped, so the key quits.
    let mut app = sselens::tui::App::new(startup());
    app.resize(100, 30);
    for entry in &entries[..3] {
        app.update(0, sselens::tui::Event::News(News::Entry(entry.clone())));
    }
    let mut parts = Vec::new();
    for event in keys("<c-c>y") {
        parts.extend(app.update(0, sselens::tui::Event::Input(event)));
    }
    assert_eq!(parts, [Effect::Quit]);
    let played = play(opened(entries), (100, 30), "", Vec::new());
    played.shows("── recording.sselens");
    played.shows("1 Request (draft)");
    // If a recording has its request, the pane shows that one.
    play(opened(exchange(0, &reasoning_only())), (100, 30), "", Vec::new()).hides("(draft)");
    // Nothing has arrived through the pipe.
    let waits = Startup {
        session: Some(Opened::new("standard input", Vec::new(), &Arc::default())),
        ..startup()
    };
    let played = play(waits, (100, 30), "", Vec::new());
    played.shows("── standard input");
    played.shows("Nothing received yet");
}

#[test]
fn copies_go_to_the_terminal_and_are_bounded() {
    let entries = exchange(0, &reasoning_only());
    let played = play(opened(entries), (100, 30), "gy<enter>", Vec::new());
    assert!(played.outside.copies[0].starts_with("data: {\"id\":\"c1\""));
    played.shows("copied frame 0");
    // The path of the selected frame's text, from any pane.
    let played =
        play(opened(exchange(0, &reasoning_only())), (100, 30), "2gjjj1ypath<enter>", Vec::new());
    assert_eq!(played.outside.copies, ["choices[].delta.reasoning"]);
    let long = exchange(0, &[format!(": {}\n\n", "x".repeat(80_000))]);
    let played = play(opened(long), (100, 30), "y<enter>", Vec::new());
    assert!(played.outside.copies.is_empty());
    played.shows("80,004 bytes; terminals accept at most 74,000 bytes");
}

#[test]
fn trouble_with_the_journal_is_told_and_becomes_a_finding() {
    let (news, heard) = unbounded_channel();
    for entry in running() {
        news.send(News::Entry(entry)).unwrap();
    }
    news.send(News::Trouble { x: Some(0), text: "disk full".into() }).unwrap();
    let (ended, outside, shown) = silent(heard, stream::pending::<Signal>(), 100);
    assert!(ended.is_none() && outside.draws > 0);
    assert!(shown.contains("✖ disk full"), "{shown}");
    assert!(shown.contains("save-failed"), "{shown}");
}

/// Runs the loop without any key for a while.
fn silent(
    heard: tokio::sync::mpsc::UnboundedReceiver<News>,
    signals: impl futures_util::Stream<Item = Signal> + Unpin,
    millis: u64,
) -> (Option<Ended>, Outside, String) {
    let outside = RefCell::new(Outside::default());
    let mut terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ended = runtime.block_on(async {
        let on = Run {
            terminal: &mut terminal,
            console: &mut TestScreen(&outside),
            effects: &mut TestEffects(&outside),
            clock: Clock::start(),
        };
        let input = stream::pending::<io::Result<Event>>();
        let run = tui::run(on, startup(), input, signals, heard);
        tokio::time::timeout(Duration::from_millis(millis), run).await.ok()
    });
    let text = super::play::text_of(terminal.backend().buffer());
    (ended, outside.into_inner(), text)
}

#[test]
fn silence_draws_once_and_never_again() {
    let (_news, heard) = unbounded_channel();
    let (ended, outside, _) = silent(heard, stream::pending::<Signal>(), 400);
    assert_eq!((ended, outside.draws), (None, 1));
    // Nor does an engine that is gone wake it.
    let (_, heard) = unbounded_channel();
    let (_, outside, _) = silent(heard, stream::empty::<Signal>(), 400);
    assert!(outside.draws <= 2, "{} draws", outside.draws);
}

#[test]
fn a_running_clock_is_drawn_a_few_times_a_second() {
    let (news, heard) = unbounded_channel();
    for entry in running() {
        news.send(News::Entry(entry)).unwrap();
    }
    let (_, outside, _) = silent(heard, stream::pending::<Signal>(), 900);
    assert!((3..=8).contains(&outside.draws), "{} draws", outside.draws);
}

#[test]
fn a_flood_of_news_is_drawn_at_the_frame_rate_and_no_key_waits_for_it() {
    let (news, heard) = unbounded_channel();
    let pieces: Vec<String> = (0..20_000).map(|i| format!("data: {i}\n\n")).collect();
    for entry in exchange(0, &pieces) {
        news.send(News::Entry(entry)).unwrap();
    }
    let outside = RefCell::new(Outside::default());
    let mut terminal = Terminal::new(TestBackend::new(100, 30)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let on = Run {
            terminal: &mut terminal,
            console: &mut TestScreen(&outside),
            effects: &mut TestEffects(&outside),
            clock: Clock::start(),
        };
        // Ready at once: the flood of news must not come first.
        let input = stream::iter(keys("q").into_iter().map(Ok));
        tui::run(on, startup(), input, stream::pending::<Signal>(), heard).await
    });
    assert!(news.is_closed(), "the loop ended with the flood still waiting");
    assert!(outside.into_inner().draws <= 2);
}

#[test]
fn signals_and_a_vanished_terminal_end_it_quietly() {
    let (_news, heard) = unbounded_channel();
    let signals = stream::iter([Signal::End(143)]);
    assert_eq!(silent(heard, signals, 400).0, Some(Ended::Signal(143)));
    assert_eq!(Ended::Signal(143).status(), 143);
    assert_eq!(play(startup(), (100, 30), "", Vec::new()).ended, Ended::Vanished);
}

#[test]
fn an_unfinished_recording_is_not_a_running_stream() {
    let played = play(opened(running()), (100, 30), "", Vec::new());
    played.shows("unfinished");
    played.shows("The recording ends before the stream does");
    assert!(!running().iter().any(|e| matches!(e.kind, EntryKind::End { .. })));
}

#[test]
fn the_end_of_a_long_stream_and_a_stall_are_told_outside_of_the_screen() {
    let notified = |notify: Notifications, answers: Vec<Entry>| {
        play(Startup { notify, ..startup() }, (100, 30), "<f5>jk", answers).outside.notified
    };
    let bell = |after| Notifications { bell: true, after, ..Notifications::default() };
    let whole = || exchange(0, &reasoning_only());
    let ended = notified(bell(400_000), whole());
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert!(ended[0].starts_with("lab/reasoning-only: Reasoning only"), "{ended:?}");
    assert!(notified(bell(500_000), whole()).is_empty(), "it was short");
    assert!(notified(Notifications::default(), whole()).is_empty(), "nobody asked");
    // A stall is reported once, while it lasts.
    let options = InspectOptions { stall: 0, ..InspectOptions::default() };
    let mut stalls = Startup { notify: bell(0), options: Arc::new(options), ..startup() };
    stalls.session = None;
    let mut app = App::new(stalls);
    app.resize(100, 30);
    let mut text = Vec::new();
    for (at, event) in running().into_iter().map(|e| (e.at.unwrap(), e)) {
        text.extend(app.update(at, tui::Event::News(News::Entry(event))));
    }
    for seconds in 1..6 {
        text.extend(app.update(seconds * 1_000_000, tui::Event::Tick));
    }
    text.retain(|effect| matches!(effect, Effect::Notify(_)));
    assert_eq!(text, [Effect::Notify("lab/reasoning-only: the stream stalls".into())]);
}
