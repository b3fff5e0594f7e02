//! Both sides of a gateway in the exchange list: live and in a recording.

use bytes::Bytes;
use sselens::action::Effect;
use sselens::inspect::around::LATE;
use sselens::journal::{EndCause, Entry, EntryKind, Head, Request, Side};
use sselens::transport::News;
use sselens::tui::{App, Event};

use super::play::{chunk, keys, opened, play, startup, text_of};

/// A call that was recorded on a side of the gateway: from `at`, for `took` ms.
fn call(x: u32, side: Side, (at, took): (u64, u64), prompt: &str, status: u16) -> Vec<Entry> {
    let ms = |at: u64| Some(at * 1_000);
    let entry = |at, kind| Entry { exchange: x, at: ms(at), kind };
    let place = match side {
        Side::Client => "http://127.0.0.1:4000/v1/chat/completions",
        Side::Upstream => "http://127.0.0.1:9000/v1/chat/completions",
    };
    let headers = |list: &[(&str, &str)]| {
        list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Vec<_>>()
    };
    let body = format!(
        "{{\"model\":\"m\",\"messages\":[{{\"role\":\"user\",\"content\":\"{prompt}\"}}]}}"
    );
    let request = Request {
        method: "POST".into(),
        url: place.into(),
        headers: headers(&[
            ("authorization", "Bearer ********"),
            ("content-type", "application/json"),
            ("x-feature", "on"),
        ]),
        raw: Bytes::from_static(b"POST /v1/chat/completions HTTP/1.1\r\n\r\n"),
        body: body.into(),
        provider: "gateway".into(),
        dialect: "openai-chat".into(),
        model: "m".into(),
        side: Some(side),
        ..Request::default()
    };
    let is_stream = status == 200;
    let content_type = if is_stream { "text/event-stream" } else { "application/json" };
    let head = Head {
        status,
        version: "HTTP/1.1".into(),
        headers: headers(&[("content-type", content_type)]),
        ..Head::default()
    };
    let body = match is_stream {
        true => {
            let stop = chunk("{}").replace("null}", "\"stop\"}");
            format!("{}{stop}data: [DONE]\n\n", chunk(r#"{"role":"assistant","content":"Hello."}"#))
        }
        false => r#"{"error":{"message":"Input should be a valid dictionary"}}"#.to_owned(),
    };
    let (len, bytes) = (body.len() as u32, Bytes::from(body));
    vec![
        entry(at, EntryKind::Request(Box::new(request))),
        entry(at + took - 2, EntryKind::Head(head)),
        entry(at + took - 1, EntryKind::Body { len, bytes, masked: Vec::new() }),
        entry(at + took, EntryKind::End { cause: EndCause::Complete, detail: String::new() }),
    ]
}

/// A gateway that tries one call twice and answers 500 itself, and one that it passes on.
fn session() -> Vec<Entry> {
    let mut entries = [
        call(0, Side::Client, (10, 100), "first", 500),
        call(1, Side::Upstream, (20, 30), "first", 422),
        call(2, Side::Upstream, (60, 30), "first", 422),
        call(3, Side::Client, (200, 100), "second", 200),
        call(4, Side::Upstream, (210, 60), "second", 200),
    ]
    .concat();
    // Sort by time, as a recorder does.
    entries.sort_by_key(|e| e.at);
    entries
}

/// The rows of the exchange list, from their numbers on.
fn rows(text: &str) -> Vec<String> {
    let is_row = |l: &&str| {
        l.contains('#') && (l.contains(" 200 ") || l.contains(" 422 ") || l.contains(" 500 "))
    };
    let row = |l: &str| {
        let from = l.find(['├', '└', '#']).unwrap();
        l[from..].split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    };
    text.lines().filter(is_row).map(row).collect()
}

#[test]
fn what_a_gateway_did_is_below_the_call_that_caused_it() {
    for size in [(160, 45), (100, 30), (80, 24)] {
        let played = play(opened(session()), size, "6", Vec::new());
        let text = played.text();
        let branches: Vec<_> =
            text.lines().filter(|l| l.contains("├ #") || l.contains("└ #")).collect();
        assert_eq!(branches.len(), 3, "{text}");
        assert!(branches[0].contains("├ #1") && branches[0].contains("422"), "{text}");
        assert!(branches[1].contains("└ #2") && branches[2].contains("└ #4"), "{text}");
        // The row shows how the calls were paired.
        assert!(branches.iter().all(|row| row.contains("by body")), "{text}");
        let zoomed = play(opened(session()), size, "6z", Vec::new());
        zoomed.shows("#0 → #1, #2 by body");
        insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("pairs-{}x{}", size.0, size.1), text);
        });
    }
}

#[test]
fn the_tree_is_walked_row_by_row_and_enter_opens_one() {
    let at = |keys: &str| play(opened(session()), (160, 45), &format!("6z{keys}"), Vec::new());
    at("j").shows("#0 → #1 by body");
    at("jj").shows("#0 → #1, #2 by body");
    at("jjj").shows("#3 → #4 by body");
    at("jjjjz").shows("HTTP/1.1 200 OK");
    let frames = at("jjjjz<enter>");
    frames.shows("C \"Hello.\"");
    assert!(frames.text().contains("━ 2 Frames"), "{}", frames.text());
    // The upstream call that made a call fail stays visible; pairs without a fault are hidden.
    let failed = at("s");
    assert_eq!(rows(&failed.text()).len(), 3, "{}", failed.text());
}

#[test]
fn a_pair_is_compared_on_both_sides() {
    let compared = play(opened(session()), (160, 45), "6C", Vec::new());
    compared.shows("The gateway sent the request twice, got 422 twice");
    compared.shows("gw-retry-hidden");
    // One try by itself.
    let first = play(opened(session()), (160, 45), "6jC", Vec::new());
    first.hides("sent the request twice");
    first.shows("422");
    // In the other panes it is the first entry in the list of exchanges to compare with.
    let listed = play(opened(session()), (160, 45), "2C", Vec::new());
    listed.shows("both sides of the gateway: exchanges 2 and 0");
    play(opened(session()), (160, 45), "2C<enter>", Vec::new()).shows("sent the request twice");
    // An exchange without another side is compared as ever.
    let alone: Vec<Entry> =
        session().into_iter().filter(|e| [1, 3].contains(&e.exchange)).collect();
    play(opened(alone), (160, 45), "6C", Vec::new()).shows("Compare exchange 1 with");
}

#[test]
fn a_call_is_sent_again_from_the_editor_without_what_is_masked() {
    let played = play(opened(session()), (160, 45), "6j<f5>", Vec::new());
    let sent = played.outside.effects.iter().find_map(|effect| match effect {
        Effect::Send(draft) => Some(draft),
        _ => None,
    });
    let draft = sent.expect("nothing was sent");
    assert_eq!(draft.url.as_deref(), Some("http://127.0.0.1:9000/v1/chat/completions"));
    assert!(draft.body.windows(5).any(|w| w == b"first"));
    let names: Vec<_> = draft.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "x-feature"]);
    played.shows("Sent without authorization, which is masked here");
}

/// The screen of a live tap, after these entries.
fn live(entries: &[Entry], size: (u16, u16)) -> App {
    let mut app = App::new(startup());
    app.resize(size.0, size.1);
    app.begin();
    for entry in entries {
        app.update(entry.at.unwrap_or(0), Event::News(News::Tapped(entry.clone())));
    }
    app
}

fn shown(app: &App, size: (u16, u16)) -> String {
    let area = ratatui::layout::Rect::new(0, 0, size.0, size.1);
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    app.draw(area, &mut buffer);
    text_of(&buffer)
}

fn press(app: &mut App, at: u64, text: &str) -> Vec<Effect> {
    keys(text).into_iter().flat_map(|key| app.update(at, Event::Input(key))).collect()
}

const SIZE: (u16, u16) = (160, 45);

#[test]
fn a_live_tap_shows_the_same_tree() {
    let mut app = live(&session(), SIZE);
    let now = 300_000 + LATE + 1;
    app.update(now, Event::Tick);
    press(&mut app, now, "6");
    let recorded = play(opened(session()), SIZE, "6", Vec::new()).text();
    assert_eq!(rows(&shown(&app, SIZE)), rows(&recorded));
    press(&mut app, now, "<home>C");
    assert!(shown(&app, SIZE).contains("sent the request twice"), "{}", shown(&app, SIZE));
}

#[test]
fn whichever_side_reports_first_a_call_is_below_its_client_s() {
    let mut entries = call(0, Side::Upstream, (20, 300), "hi", 200);
    entries.truncate(1);
    entries.extend(call(1, Side::Client, (10, 400), "hi", 200).into_iter().take(1));
    let mut app = live(&entries, SIZE);
    // The pair is decided once the other side has had time to report, without any further news.
    assert!(app.wakes_in().is_some());
    app.update(20_000 + LATE + 1, Event::Tick);
    assert!(app.wakes_in().is_none());
    press(&mut app, 600_000, "6");
    let text = shown(&app, SIZE);
    let lines: Vec<_> = text.lines().collect();
    let row = |what: &str| lines.iter().rposition(|line| line.contains(what));
    assert_eq!(row("└ #0"), row("● #1 ").map(|client| client + 1), "{text}");
}

#[test]
fn what_another_program_streams_does_not_keep_the_user_from_sending() {
    let mut entries = call(0, Side::Client, (10, 400), "hi", 200);
    entries.truncate(2);
    let mut app = live(&entries, SIZE);
    let effects = press(&mut app, 500_000, "2<f5>");
    assert!(effects.iter().any(|e| matches!(e, Effect::Send(_))), "{effects:?}");
    // Nor is it mistaken for what was sent.
    let mut app = live(&entries, SIZE);
    press(&mut app, 500_000, "<f5>");
    for entry in call(1, Side::Client, (600, 50), "other", 200) {
        app.update(600_000, Event::News(News::Tapped(entry)));
    }
    let effects = press(&mut app, 700_000, "<c-c>");
    assert!(effects.iter().all(|e| !matches!(e, Effect::Cancel(1))), "{effects:?}");
}

#[test]
fn a_recorded_web_socket_has_no_body_and_is_not_sent_again() {
    let headers = vec![("upgrade".to_owned(), "websocket".to_owned())];
    let request = Request {
        method: "GET".into(),
        url: "http://127.0.0.1:4000/v1/realtime".into(),
        raw: Bytes::from_static(b"GET /v1/realtime HTTP/1.1\r\n\r\n"),
        ..Request::default()
    };
    let head = Head { status: 101, version: "HTTP/1.1".into(), headers, ..Head::default() };
    let bytes = Bytes::from_static(b"\x81\x02hi");
    let kinds = |x: u32| {
        let kinds = [
            EntryKind::Request(Box::new(request.clone())),
            EntryKind::Head(head.clone()),
            EntryKind::Body { len: 4, bytes: bytes.clone(), masked: Vec::new() },
            EntryKind::End { cause: EndCause::Closed, detail: String::new() },
        ];
        let timed = (1..).zip(kinds);
        timed.map(move |(at, kind)| Entry { exchange: x, at: Some(at * 1_000), kind })
    };
    let two: Vec<_> = kinds(0).chain(kinds(1)).collect();
    let played = play(opened(two.clone()), (160, 45), "2", Vec::new());
    played.shows("a WebSocket: see the frames");
    played.hides("the body is empty");
    let again = play(opened(two), (160, 45), "6<f5>", Vec::new());
    again.shows("A WebSocket cannot be sent again");
    assert!(!again.outside.effects.iter().any(|e| matches!(e, Effect::Send(_))));
}
