//! The timeline: its lanes, its list, its filters, and a silence that goes on.

use sselens::journal::{EndCause, Entry, EntryKind};
use sselens::transport::News;
use sselens::tui::{App, Event};

use super::play::{chunk, exchange, keys, opened, play, startup, text_of};

/// A stream with reasoning, keep-alives in a silence of 13 seconds, content, broken chunks, an
/// error, and a `[DONE]` that hides it.
fn eventful() -> Vec<Entry> {
    let mut pieces = vec![chunk(r#"{"role":"assistant","content":""}"#)];
    pieces.extend((0..20).map(|i| chunk(&format!("{{\"reasoning\":\"thought {i} \"}}"))));
    pieces.extend((0..3).map(|_| ": keep-alive\n\n".to_owned()));
    pieces.extend((0..30).map(|i| chunk(&format!("{{\"content\":\"word {i} \"}}"))));
    pieces.extend((0..4).map(|i| format!("data: {{\"broken\": {i}\n\n")));
    pieces.push("data: {\"error\":{\"message\":\"out of memory\"}}\n\n".to_owned());
    pieces.push("data: [DONE]\n\n".to_owned());
    let mut entries = exchange(0, &pieces);
    // The keep-alives are frames 21 to 23; the entries before them are the request, the connection and the
    // headers.
    for (i, entry) in entries.iter_mut().enumerate() {
        let later = match i {
            0..24 => 0,
            24..27 => (i as u64 - 23) * 4_000_000,
            _ => 13_000_000,
        };
        entry.at = entry.at.map(|at| at + later);
    }
    entries
}

#[test]
fn the_timeline_at_every_common_size() {
    for (width, height) in [(160, 45), (120, 36), (100, 30), (80, 24), (60, 15), (40, 10)] {
        for (name, text) in [("small", "5"), ("zoomed", "5z")] {
            let played = play(opened(eventful()), (width, height), text, Vec::new());
            insta::with_settings!({
                snapshot_path => "snapshots", prepend_module_to_snapshot => false
            }, {
                insta::assert_snapshot!(
                    format!("timeline-{name}-{width}x{height}"),
                    played.text()
                );
            });
        }
    }
}

#[test]
fn a_group_opens_and_closes_and_the_cause_comes_first() {
    let play = |text: &str| play(opened(eventful()), (120, 36), text, Vec::new());
    let text = play("5z").text();
    let row = |what: &str| text.lines().position(|l| l.contains(what)).unwrap();
    // The verdict's cause: what broke first and lies deepest.
    let broken = row("json-malformed");
    assert_eq!(row("└ done-after-error"), row(" error-object") + 1, "{text}");
    assert_eq!(broken + 1, row(" error-object"), "{text}");
    assert!(text.lines().nth(broken).unwrap().contains("×4"), "{text}");
    for open in ["l", "<space>"] {
        let open = play(&format!("5zg{}", open.replace("<space>", " ")));
        open.shows("- ");
        open.shows("frame 55");
        open.shows("frame 57");
    }
    play("5zgljj").shows("frame 56");
    play("5zgljjh").hides("    frame 55");
}

#[test]
fn filters_hide_by_severity_and_phase_and_escape_shows_all_again() {
    let play = |text: &str| play(opened(eventful()), (120, 36), text, Vec::new());
    play("5z").shows("sse-comment");
    let warn = play("5zs");
    warn.hides("sse-comment");
    warn.shows("≥ warn · ");
    play("5zss").shows("≥ error · ");
    play("5zsss").shows("sse-comment");
    play("5zP").shows("phase head · ");
    let phase = play("5zPP");
    phase.shows("phase frame · ");
    phase.hides("error-object  ");
    play("5zsP<esc>").shows("sse-comment");
    // The next problem is the same, whatever the list shows.
    play("5Pe").shows("frame 54 ");
}

#[test]
fn a_click_into_the_drawing_selects_what_came_then() {
    let play = |text: &str| play(opened(eventful()), (120, 36), text, Vec::new());
    let text = play("5").text();
    let y = text.lines().position(|l| l.contains("5 Timeline")).unwrap() + 1;
    play(&format!("5<click:1,{y}>")).shows("frame 0 ");
    play(&format!("5<click:118,{y}>")).shows("frame 56 ");
    // When zoomed, a click at the second keep-alive selects it even in another lane.
    let lanes = play("5z").text();
    let y = lanes.lines().position(|l| l.contains(" keep-alive")).unwrap();
    let line: Vec<char> = lanes.lines().nth(y).unwrap().chars().collect();
    let x = line.iter().enumerate().filter(|(_, c)| **c == '╎').nth(1).unwrap().0;
    play(&format!("5z<click:{x},{}>z", y + 1)).shows("frame 22 ");
}

/// A stream that runs, looked at so many microseconds after its last entry.
fn running(entries: Vec<Entry>, later: u64) -> App {
    let mut app = App::new(startup());
    app.resize(120, 36);
    let last = entries.iter().filter_map(|e| e.at).max().unwrap();
    for entry in entries {
        app.update(entry.at.unwrap(), Event::News(News::Entry(entry)));
    }
    app.update(last + later, Event::Tick);
    app
}

fn shown(app: &App) -> String {
    let area = ratatui::layout::Rect::new(0, 0, 120, 36);
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    app.draw(area, &mut buffer);
    text_of(&buffer)
}

#[test]
fn a_stall_is_a_finding_while_it_lasts() {
    let until = |pieces: &[String]| {
        let mut entries = exchange(0, pieces);
        entries.retain(|e| !matches!(e.kind, EntryKind::End { .. }));
        entries
    };
    let data: Vec<String> = (0..4).map(|_| chunk(r#"{"content":"a"}"#)).collect();
    assert!(!shown(&running(until(&data), 1_000_000)).contains("No bytes for"));
    assert!(shown(&running(until(&data), 3_200_000)).contains("No bytes for 3.2 s since frame 3"));
    let stalled = shown(&running(until(&data), 12_300_000));
    assert!(stalled.contains("● STALLED  No bytes for 12.3 s since frame 3"), "{stalled}");
    assert!(stalled.contains("╌ 12.3 s ╌"), "{stalled}");
    assert!(stalled.contains("now  error idle-stall  No bytes for 12.3 s"), "{stalled}");
    let mut warm = data.clone();
    warm.extend((0..6).map(|_| ": ping\n\n".to_owned()));
    let warm = shown(&running(until(&warm), 11_000_000));
    let text = "No data for 11.1 s since frame 3; 6 keep-alives since then, the last 11.0 s ago";
    assert!(warm.contains(text), "{warm}");
    assert!(warm.contains("keepalive-warm-stall  No data"), "{warm}");
    // A stream that is over is not stalled.
    let mut entries = until(&data);
    let end = EntryKind::End { cause: EndCause::Complete, detail: String::new() };
    entries.push(Entry { exchange: 0, at: Some(200_000), kind: end });
    assert!(!shown(&running(entries, 30_000_000)).contains("STALLED"));
}

#[test]
fn what_comes_in_one_read_has_lanes() {
    let mut app = App::new(opened(exchange(0, &[chunk(r#"{"content":"a"}"#).repeat(20_000)])));
    app.resize(120, 36);
    for event in keys("5z") {
        app.update(0, Event::Input(event));
    }
    let text = shown(&app);
    assert!(text.contains("20,000 deltas"), "{text}");
}

#[test]
fn a_million_keep_alives_have_a_lane() {
    let stream = ":\n\n".repeat(1_000_000);
    let mut app = App::new(opened(exchange(0, &[stream])));
    app.resize(120, 36);
    for event in keys("5z") {
        app.update(0, Event::Input(event));
    }
    for _ in 0..20 {
        assert!(shown(&app).contains("1,000,000"));
    }
}
