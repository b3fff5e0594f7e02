//! A recording that plays on the screen: pace, steps, seeks, and what was known at each moment.

use sselens::journal::Entry;
use sselens::tui::{App, Event};

use super::play::{chunk, exchange, keys, opened, play, text_of};

/// A stream of twenty words, one every 100 ms, and an error near its end.
fn recording() -> Vec<Entry> {
    let mut pieces = vec![chunk(r#"{"role":"assistant","content":""}"#)];
    pieces.extend((0..20).map(|i| chunk(&format!("{{\"content\":\"word{i} \"}}"))));
    pieces.push("data: {\"error\":{\"message\":\"out of memory\"}}\n\n".to_owned());
    let mut entries = exchange(0, &pieces);
    let mut at = 1_000_000;
    for entry in &mut entries {
        entry.at = Some(at);
        at += 100_000;
    }
    entries
}

fn app(size: (u16, u16)) -> App {
    let mut app = App::new(opened(recording()));
    app.resize(size.0, size.1);
    app.begin();
    app
}

fn shown(app: &App, size: (u16, u16)) -> String {
    let area = ratatui::layout::Rect::new(0, 0, size.0, size.1);
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    app.draw(area, &mut buffer);
    text_of(&buffer)
}

/// Types keys at a time.
fn press(app: &mut App, at: u64, text: &str) {
    for key in keys(text) {
        app.update(at, Event::Input(key));
    }
}

const SIZE: (u16, u16) = (120, 36);

#[test]
fn a_recording_plays_at_its_pace_and_every_pane_shows_what_was_known() {
    let mut app = app(SIZE);
    let whole = shown(&app, SIZE);
    assert!(whole.contains("word19") && whole.contains("out of memory"), "{whole}");
    press(&mut app, 0, "2 ");
    let text = shown(&app, SIZE);
    assert!(!text.contains("word0") && text.contains("▶ 1×  0.000 of"), "{text}");
    // Request, connection and headers arrive before the first frame.
    app.update(1_000_000, Event::Tick);
    let text = shown(&app, SIZE);
    assert!(text.contains("word5") && !text.contains("word9"), "{text}");
    assert!(!text.contains("out of memory") && text.contains("STREAMING"), "{text}");
    assert!(app.wakes_in().is_some_and(|wait| wait <= 100_000));
    // Twice as fast.
    press(&mut app, 1_000_000, ">");
    assert!(shown(&app, SIZE).contains("▶ 2×  1.000 of"));
    app.update(1_400_000, Event::Tick);
    assert!(shown(&app, SIZE).contains("▶ 2×  1.800 of"), "{}", shown(&app, SIZE));
    // Paused, nothing moves and nothing wakes.
    press(&mut app, 1_400_000, " ");
    app.update(9_000_000, Event::Tick);
    let text = shown(&app, SIZE);
    assert!(text.contains("‖ 2×  1.800 of") && text.contains("play"), "{text}");
    assert_eq!(app.wakes_in(), None);
    // Play to the end, and then show the whole again.
    press(&mut app, 9_000_000, " ");
    app.update(30_000_000, Event::Tick);
    assert!(shown(&app, SIZE).contains("out of memory"));
    assert_eq!(app.wakes_in(), None);
    press(&mut app, 30_000_000, "<esc>");
    let text = shown(&app, SIZE);
    assert!(!text.contains("‖") && text.contains("word19"), "{text}");
}

#[test]
fn steps_go_on_and_back_and_a_moment_looks_the_same_from_either_side() {
    let mut app = app(SIZE);
    press(&mut app, 0, "2 ......");
    let at_six = shown(&app, SIZE);
    assert!(at_six.contains("‖"), "{at_six}");
    press(&mut app, 0, "....");
    assert_ne!(shown(&app, SIZE), at_six);
    press(&mut app, 0, ",,,,");
    assert_eq!(shown(&app, SIZE), at_six);
    // Back past the beginning, and forward past the end.
    press(&mut app, 0, &",".repeat(40));
    press(&mut app, 0, &".".repeat(60));
    assert!(shown(&app, SIZE).contains("out of memory"));
    // A filter and a selection end with what they applied to.
    press(&mut app, 0, "<esc>");
    press(&mut app, 0, "fkind:event<enter>G ,,,");
    assert!(!shown(&app, SIZE).contains("word19"));
    press(&mut app, 0, "<s-right><s-left><s-right>");
    shown(&app, SIZE);
}

/// An exchange of 3 MB in 30 reads, one every 100 ms.
fn large() -> App {
    let pieces: Vec<_> = (0..30)
        .map(|i| chunk(&format!("{{\"content\":\"part{i} {}\"}}", "x".repeat(100 << 10))))
        .collect();
    let mut entries = exchange(0, &pieces);
    for (at, entry) in (10..).zip(&mut entries) {
        entry.at = Some(at * 100_000);
    }
    let mut app = App::new(opened(entries));
    app.resize(SIZE.0, SIZE.1);
    app.begin();
    app
}

#[test]
fn going_back_far_is_folded_in_the_background_and_only_the_last_moment_counts() {
    let frames = |app: &App| app.selected_frame();
    let mut app = large();
    press(&mut app, 0, "2 ");
    // On to the end, a part with each event: no key waits for all of it.
    press(&mut app, 0, &".".repeat(40));
    for _ in 0..10 {
        app.update(0, Event::Tick);
    }
    assert_eq!((frames(&app), app.wakes_in()), (Some(29), None));
    // The end is judged aside: first what the clients return, then the rest.
    for _ in 0..2 {
        let reports = std::cell::RefCell::new(Vec::new());
        let work = app.take_work();
        assert_eq!(work.len(), 1);
        work.into_iter().for_each(|work| work.run(&|report| reports.borrow_mut().push(report)));
        for report in reports.into_inner() {
            app.update(0, Event::Worked(report));
        }
    }
    assert!(app.take_work().is_empty());
    press(&mut app, 0, ",,,");
    let work = app.take_work();
    assert_eq!(work.len(), 3, "each step back asks for an earlier moment");
    // Until the fold is done the screen stays as it is, and says so.
    assert_eq!((frames(&app), app.wakes_in()), (Some(29), None));
    assert!(shown(&app, SIZE).contains("… 1×"), "{}", shown(&app, SIZE));
    // One step forward again: it is taken in after the fold.
    press(&mut app, 0, ".");
    assert!(app.take_work().is_empty());
    let reports = std::cell::RefCell::new(Vec::new());
    for work in work {
        work.run(&|report| reports.borrow_mut().push(report));
    }
    let reports = reports.into_inner();
    assert_eq!(reports.len(), 1, "what is no longer wanted is stopped");
    for report in reports {
        app.update(0, Event::Worked(report));
    }
    // The end of the exchange is one step, its last frame another.
    assert_eq!(frames(&app), Some(28));
    assert!(shown(&app, SIZE).contains("‖ 1×"), "{}", shown(&app, SIZE));
    // Ending the playback ends the fold, too.
    press(&mut app, 0, "<s-left>");
    let work = app.take_work();
    press(&mut app, 0, "<esc>");
    let done = std::cell::Cell::new(0);
    work.into_iter().for_each(|work| work.run(&|_| done.set(done.get() + 1)));
    // The selection stays where it was.
    assert_eq!((done.get(), frames(&app)), (0, Some(28)));
}

#[test]
fn what_was_not_timed_or_arrives_now_does_not_play() {
    let played = play(opened(recording()), SIZE, "2 ", Vec::new());
    played.shows("0.000 of");
    let mut bare = recording();
    bare.iter_mut().for_each(|entry| entry.at = None);
    let played = play(opened(bare), SIZE, "2 ", Vec::new());
    played.shows("Only a recording with times plays");
    let played = play(super::play::startup(), SIZE, "2 ", Vec::new());
    played.shows("Only a recording with times plays");
}

#[test]
fn the_playback_at_every_common_size() {
    for (width, height) in [(160, 45), (100, 30), (80, 24)] {
        let mut app = app((width, height));
        press(&mut app, 0, "2 ");
        app.update(1_250_000, Event::Tick);
        press(&mut app, 1_250_000, " ");
        insta::with_settings!({
            snapshot_path => "snapshots", prepend_module_to_snapshot => false
        }, {
            insta::assert_snapshot!(
                format!("playback-{width}x{height}"),
                shown(&app, (width, height))
            );
        });
    }
}
