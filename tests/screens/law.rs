//! What holds for every screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;
use sselens::journal::{Entry, EntryKind};
use sselens::text::is_hazard;
use sselens::tui::{App, Event, Looks, Startup};

use super::play::{chunk, exchange, keys, opened, play, reasoning_only, startup, text_of};

/// Keys that bring each part of the screen up.
const WAYS: &[&str] = &[
    "",
    "1",
    "1i",
    "3",
    "3x",
    "3t",
    "3tt",
    "4",
    "4t",
    "4tt",
    "4ttt",
    "4tttt",
    "5",
    "?",
    ":",
    "H",
    "y",
    "/x",
    "ev",
    "1p",
    "1m",
    "z",
    "5z",
    "<c-s>",
    "1u",
    "G",
    "e4",
    "4hhkj",
    "<pgdn>",
    "C",
    "C<enter>",
    "C<enter>t",
    "C<enter>tt",
    "C<enter>ttt",
    "C<enter>TTTT",
    "C<enter>TTT",
    "C<enter>TT",
    "C<enter>T",
    "C<enter>v",
    "C<enter>?",
    "C<enter>Sj",
    "C<enter>xl",
    "C<enter>tLGk",
    "C<enter>t<enter>",
    "C<enter>tteG",
    "5s",
    "5pp",
    "5zl",
    "5zjj j",
];

fn app(startup: Startup, width: u16, height: u16, text: &str) -> App {
    let mut app = App::new(startup);
    app.resize(width, height);
    for event in keys(text) {
        app.update(0, Event::Input(event));
    }
    app
}

fn draw(app: &App, width: u16, height: u16) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    app.draw(area, &mut buffer);
    buffer
}

/// A stream that would take the terminal over.
fn hostile() -> Vec<String> {
    let evil = "\\u001b]0;pwned\\u0007\\u001b[2J\\u009b31m\\u202eevil\\u200b\\u2066日本\\t\\r\\n👩‍👩‍👧";
    let raw = "\u{1b}[31m\u{9b}2J\u{202e}\u{7f}\u{feff}\u{e0041}";
    vec![
        format!(": {raw}\n\n"),
        format!("event: {raw}\nid: {raw}\ndata: {{\"{raw}\":1}}\n\n"),
        chunk(&format!("{{\"content\":\"{evil}\",\"reasoning\":\"{evil}\",\"role\":\"{evil}\"}}")),
        chunk(&format!("{{\"refusal\":\"{evil}\",\"{evil}\":\"{evil}\"}}")),
        chunk(&format!(
            "{{\"tool_calls\":[{{\"index\":0,\"id\":\"{evil}\",\"function\":{{\"name\":\"{evil}\",\"arguments\":\"{evil}\"}}}}]}}"
        )),
        format!("data: {{\"error\":{{\"message\":\"{evil}\",\"code\":\"{evil}\"}}}}\n\n"),
        chunk("{}").replace("null}", &format!("\"{evil}\"}}")),
        format!("data: {raw}"),
    ]
}

fn hostile_exchange() -> Vec<Entry> {
    let mut entries = exchange(0, &hostile());
    let evil = "a\u{1b}[2J\u{9b}b\u{202e}c";
    for entry in &mut entries {
        match &mut entry.kind {
            EntryKind::Request(r) => {
                r.url.push_str(evil);
                r.model.push_str(evil);
                r.headers.push((evil.into(), evil.into()));
                r.warnings.push(evil.into());
            }
            EntryKind::Head(head) => head.headers.push((evil.into(), evil.into())),
            EntryKind::Connected { peer } => *peer = Some(evil.into()),
            EntryKind::End { detail, .. } => *detail = evil.into(),
            _ => {}
        }
    }
    // A second one, to be compared with.
    let mut other = exchange(1, &hostile()[..6]);
    for entry in &mut other {
        match &mut entry.kind {
            EntryKind::Request(r) => {
                r.model = evil.into();
                r.provider = evil.into();
            }
            EntryKind::Head(head) => {
                head.status = 502;
                head.headers = vec![("content-type".into(), evil.into())];
            }
            _ => {}
        }
    }
    entries.extend(other);
    entries
}

/// Two sound exchanges.
fn two() -> Vec<Entry> {
    let mut entries = exchange(0, &reasoning_only());
    entries.extend(exchange(1, &reasoning_only()[..9]));
    entries
}

#[test]
fn nothing_from_the_wire_reaches_a_cell_as_a_command() {
    for way in WAYS {
        for (width, height) in [(110, 30), (40, 10)] {
            for frame in 0..8 {
                let text = format!("2g{}{way}", "j".repeat(frame));
                let app = app(opened(hostile_exchange()), width, height, &text);
                for cell in &draw(&app, width, height).content {
                    assert!(
                        !cell.symbol().chars().any(is_hazard),
                        "{:?} at {width}x{height} after {text}",
                        cell.symbol()
                    );
                }
            }
        }
    }
}

#[test]
fn every_size_is_drawn_without_panic() {
    let widths = [1, 2, 3, 7, 20, 39, 40, 41, 50, 59, 60, 76, 80, 99, 100, 101, 130, 160, 300];
    let heights = [1, 2, 5, 9, 10, 11, 13, 14, 17, 18, 24, 25, 26, 30, 45, 100];
    for way in WAYS {
        let mut app = app(opened(two()), 80, 24, way);
        for width in widths {
            for height in heights {
                app.resize(width, height);
                draw(&app, width, height);
            }
        }
    }
}

#[test]
fn keys_at_every_size_do_not_panic() {
    let all = "jjkkGgG<pgdn><pgup><tab><s-tab>tTxezEvq?<esc>4hlkjc<tab>5jkG<enter><esc>1jjjjkip<esc><esc>2C<enter>jjkGgt\
         jkGglh<pgdn>Ltjket jTTTjkxSTj<enter><esc>ev<esc>e<tab><s-tab>";
    for (width, height) in [(1, 1), (10, 3), (39, 12), (40, 10), (60, 15), (100, 26), (300, 100)] {
        for entries in [vec![], two(), hostile_exchange()] {
            let app = app(opened(entries), width, height, all);
            draw(&app, width, height);
        }
    }
}

#[test]
fn two_drawings_of_a_state_are_equal_also_without_caches() {
    for way in WAYS {
        for (width, height) in [(160, 45), (100, 30), (80, 24), (40, 10)] {
            let first = app(opened(hostile_exchange()), width, height, way);
            let once = draw(&first, width, height);
            assert_eq!(once, draw(&first, width, height), "{way} at {width}x{height}");
            let second = app(opened(hostile_exchange()), width, height, way);
            // Drawing at other sizes in between fills the caches with something else.
            let mut third = app(opened(hostile_exchange()), width, height, way);
            third.resize(width + 7, height);
            draw(&third, width + 7, height);
            third.resize(width, height);
            assert_eq!(once, draw(&second, width, height), "{way} at {width}x{height}");
        }
    }
}

#[test]
fn a_million_frames_are_drawn_by_the_window() {
    let stream = ":\n\n".repeat(1_000_000);
    let entries = exchange(0, &[stream]);
    let mut app = app(opened(entries), 160, 45, "");
    for text in ["", "G", "g", "<pgdn>", "kkk"] {
        for event in keys(text) {
            app.update(0, Event::Input(event));
        }
        let buffer = draw(&app, 160, 45);
        assert!(app.rows_drawn() < 45, "{} rows for {text}", app.rows_drawn());
        assert!(text_of(&buffer).contains("1,000,000"));
    }
    for event in keys("G") {
        app.update(0, Event::Input(event));
    }
    assert_eq!(app.selected_frame(), Some(999_999));
}

#[test]
fn a_long_text_is_wrapped_once_and_then_only_at_its_end() {
    // This does not depend on timing: a text that grew must look like the whole text.
    let words: Vec<String> =
        (0..2_000).map(|i| chunk(&format!("{{\"content\":\"word{i} \"}}"))).collect();
    let mut grown = App::new(startup());
    grown.resize(100, 30);
    for entry in exchange(0, &words) {
        grown.update(0, Event::News(sselens::transport::News::Entry(entry)));
        if grown.selected_frame().is_some_and(|f| f % 97 == 0) {
            draw(&grown, 100, 30);
        }
    }
    let mut whole = App::new(startup());
    whole.resize(100, 30);
    for entry in exchange(0, &words) {
        whole.update(0, Event::News(sselens::transport::News::Entry(entry)));
    }
    assert_eq!(draw(&grown, 100, 30), draw(&whole, 100, 30));
    assert!(text_of(&draw(&whole, 100, 30)).contains("word1999"));
}

#[test]
fn without_color_the_attributes_stay() {
    let looks = Looks::built_in("dark").without_color();
    let plain = Startup { looks, ..opened(hostile_exchange()) };
    let buffer = draw(&app(plain, 100, 30, ""), 100, 30);
    assert!(buffer.content.iter().all(|c| c.fg == Color::Reset && c.bg == Color::Reset));
    assert!(buffer.content.iter().any(|c| !c.modifier.is_empty()));
}

#[test]
fn a_click_selects_what_it_hits() {
    let at = |text: &str| play(opened(exchange(0, &reasoning_only())), (100, 30), text, vec![]);
    at("2g<click:50,8>").shows("frame 2 ");
    // The JSON tab of the bytes pane.
    let shown = at("").text();
    let y = shown.lines().position(|l| l.contains("Raw ─ JSON")).unwrap();
    let line: Vec<char> = shown.lines().nth(y).unwrap().chars().collect();
    let x = (0..line.len()).find(|i| line[*i..].starts_with(&['J', 'S', 'O', 'N'])).unwrap();
    at(&format!("<click:{x},{y}>")).shows("\"id\": \"c1\"");
    // A place in the reasoning selects the frame that brought it.
    let y = shown.lines().position(|l| l.contains("The user greets")).unwrap();
    let line: Vec<char> = shown.lines().nth(y).unwrap().chars().collect();
    let x = (0..line.len()).find(|i| line[*i..].starts_with(&['g', 'r', 'e', 'e'])).unwrap();
    at(&format!("<click:{x},{y}>")).shows("frame 4 ");
}

#[test]
fn no_walk_of_keys_clicks_sizes_and_entries_panics() {
    let letters: Vec<char> =
        "jkhlgGtTxzeEvyq?:/nNHipsmuMadfcrowXCSLRB12345[] {}\"é日\t".chars().collect();
    let others = [
        "<tab>",
        "<s-tab>",
        "<enter>",
        "<enter>",
        "<esc>",
        "<esc>",
        "<up>",
        "<down>",
        "<pgdn>",
        "<pgup>",
        "<home>",
        "<end>",
        "<bs>",
        "<f5>",
        "<f1>",
        "<c-p>",
        "<c-s>",
        "<c-d>",
        "<c-u>",
        "<c-c>",
        "<c-o>",
        "<c-f>",
        "<c-y>",
        "<paste:{\"a\":\u{1b}[1]}\n日本>",
        "<paste:curl http://x -d '{}'>",
    ];
    for seed in 1..=12u64 {
        // A walk that is the same in each run.
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut pick = |n: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % n as u64) as usize
        };
        let mut app = App::new(if seed % 2 == 0 { opened(hostile_exchange()) } else { startup() });
        let (mut width, mut height) = (100, 30);
        app.resize(width, height);
        let mut coming = hostile_exchange().into_iter();
        for step in 0..400 {
            let text = match pick(10) {
                0..5 => letters[pick(letters.len())].to_string(),
                5..8 => others[pick(others.len())].to_owned(),
                8 => format!("<click:{},{}>", pick(width.into()), pick(height.into())),
                _ => format!("<wheel:{},{}>", pick(width.into()), pick(height.into())),
            };
            for event in keys(&text) {
                app.update(step * 10_000, Event::Input(event));
            }
            if pick(20) == 0
                && let Some(entry) = coming.next()
            {
                app.update(step * 10_000, Event::News(sselens::transport::News::Entry(entry)));
            }
            if pick(30) == 0 {
                (width, height) =
                    ([1, 40, 61, 80, 100, 160][pick(6)], [1, 10, 15, 24, 30, 50][pick(6)]);
                app.resize(width, height);
            }
            let buffer = draw(&app, width, height);
            for cell in &buffer.content {
                assert!(!cell.symbol().chars().any(is_hazard), "{:?}", cell.symbol());
            }
            assert_eq!(buffer, draw(&app, width, height), "seed {seed}, step {step}");
        }
    }
}
