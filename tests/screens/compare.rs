//! Two exchanges side by side, in the real loop.

use std::sync::Arc;

use sselens::action::{Draft, DraftPair, Effect, Opened};
use sselens::dialect::{find, request};
use sselens::journal::{EndCause, Entry, EntryKind};
use sselens::transport::News;
use sselens::tui::{App, Event, ProviderInfo, Startup, Tools};

use super::play::{Played, chunk, exchange, keys, opened, play, reasoning_only, startup, text_of};

/// A stream that reasons and answers, its reasoning in a member of this name.
fn reasons(member: &str, answer: &str) -> Vec<String> {
    let mut frames = vec![chunk(r#"{"role":"assistant","content":""}"#)];
    for word in ["The ", "user ", "greets. "] {
        frames.push(chunk(&format!("{{\"{member}\":\"{word}\"}}")));
    }
    for word in answer.split_inclusive(' ') {
        frames.push(chunk(&format!("{{\"content\":\"{word}\"}}")));
    }
    frames.push(chunk("{}").replace("null}", "\"stop\"}"));
    frames.push("data: [DONE]\n\n".into());
    frames
}

/// Two exchanges of a session: each its frames, and how it ended.
fn pair(a: &[String], cause: EndCause, b: &[String]) -> Vec<Entry> {
    let mut entries = exchange(0, a);
    if let Some(Entry { kind: EntryKind::End { cause: end, .. }, .. }) = entries.last_mut() {
        *end = cause;
    }
    let mut other = exchange(1, b);
    for entry in &mut other {
        // B's clock differs from A's: only the time since the request counts.
        entry.at = entry.at.map(|t| t * 2 + 7_000_000);
        if let EntryKind::Request(r) = &mut entry.kind {
            r.provider = "litellm".into();
        }
    }
    entries.extend(other);
    entries
}

fn renamed() -> Vec<Entry> {
    let a = reasons("reasoning", "Hello there, all of you!");
    let b = reasons("reasoning_content", "Hello here, all of you!");
    pair(&a, EndCause::Complete, &b)
}

/// A direct call that was cut, and a gateway that says all is well.
fn fabricated() -> Vec<Entry> {
    let whole = reasons("reasoning", "Hello there!");
    pair(&whole[..5], EndCause::Reset, &whole)
}

fn on(entries: Vec<Entry>, size: (u16, u16), text: &str) -> Played {
    play(opened(entries), size, text, Vec::new())
}

fn snapshot(name: &str, played: &Played) {
    insta::with_settings!({ snapshot_path => "snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, played.text());
    });
}

#[test]
fn two_exchanges_of_a_session_stand_side_by_side_at_every_common_size() {
    for (width, height) in [(160, 45), (120, 40), (80, 24), (40, 10)] {
        let size = (width, height);
        snapshot(&format!("compare-{width}x{height}"), &on(renamed(), size, "C<enter>"));
        snapshot(&format!("compare-frames-{width}x{height}"), &on(renamed(), size, "C<enter>tjjj"));
    }
    for (tab, text) in [("content", "tt"), ("paths", "ttttt"), ("timeline", "TT"), ("figures", "T")]
    {
        let played = on(renamed(), (80, 24), &format!("C<enter>{text}"));
        snapshot(&format!("compare-{tab}-80x24"), &played);
    }
}

#[test]
fn a_made_up_end_is_the_verdict_and_its_rule_is_explained() {
    let played = on(fabricated(), (120, 40), "C<enter>");
    played.shows("✖ gw-fabricated-finish");
    played.shows("fatal  gw-fabricated-finish");
    let verdict = played.text().lines().nth(1).unwrap_or_default().to_owned();
    assert!(verdict.starts_with(" ✖ "), "{verdict}");
    on(fabricated(), (120, 40), "C<enter><enter>").shows("Who it breaks");
    // The screen shows everything that `explain` prints, in the same words.
    let rule = sselens::rule::Code::GwFabricatedFinish.rule();
    let explained = on(fabricated(), (200, 60), "C<enter>v");
    let mut written = sselens::text::Page::default();
    sselens::report::explain(rule, sselens::report::Palette { color: false }, &mut written)
        .unwrap();
    let written = written.as_str();
    assert!(written.contains("Reproduce\n"), "{written}");
    let shown: String = explained.text().split(|c: char| !c.is_alphanumeric()).collect();
    for line in written.lines().skip(1) {
        for word in line.split(|c: char| !c.is_alphanumeric()) {
            assert!(shown.contains(word), "{word} of {line}");
        }
    }
    // Seen the other way round the direct call is the one that is whole.
    on(fabricated(), (120, 40), "C<enter>x").hides("gw-fabricated-finish");
}

/// What is missing has no frame of its own: beside the frame of A stands what B had at that time.
#[test]
fn what_only_one_side_shows_stands_beside_the_other_sides_moment() {
    let answer = "Hello there, all of you, in so many words that no screen has them all at once!";
    let whole = reasons("reasoning", answer);
    let without: Vec<_> = whole.iter().filter(|f| !f.contains("\"reasoning\"")).cloned().collect();
    let played = on(pair(&whole, EndCause::Complete, &without), (120, 40), "C<enter>");
    played.shows("▲ gw-reasoning-dropped");
    // At that time B had its first frame at most.
    played.shows("│▸   0 ");
}

#[test]
fn one_answer_in_two_dialects_has_no_difference() {
    let event =
        |kind: &str, rest: &str| format!("event: {kind}\ndata: {{\"type\":\"{kind}\"{rest}}}\n\n");
    let text = |t: &str| {
        let delta = format!(r#","index":0,"delta":{{"type":"text_delta","text":"{t}"}}"#);
        event("content_block_delta", &delta)
    };
    let messages = |word: &str| {
        [
            event(
                "message_start",
                r#","message":{"id":"msg_1","type":"message","role":"assistant","model":"qwen3-32b","content":[],"stop_reason":null,"usage":{"input_tokens":7,"output_tokens":1}}"#,
            ),
            event("content_block_start", r#","index":0,"content_block":{"type":"text","text":""}"#),
            text("Hello "),
            text("there!"),
            event("content_block_stop", r#","index":0"#),
            event(
                "message_delta",
                &format!(r#","delta":{{"stop_reason":"{word}"}},"usage":{{"output_tokens":2}}"#),
            ),
            event("message_stop", ""),
        ]
    };
    let usage = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"qwen3-32b\",\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}\n\n";
    let mut chat = vec![
        chunk(r#"{"role":"assistant","content":""}"#),
        chunk(r#"{"content":"Hello "}"#),
        chunk(r#"{"content":"there!"}"#),
        chunk("{}").replace("null}", "\"stop\"}"),
    ];
    chat.extend([usage.to_owned(), "data: [DONE]\n\n".to_owned()]);
    let both = |word: &str| {
        let mut entries = pair(&chat, EndCause::Complete, &messages(word));
        for entry in entries.iter_mut().filter(|e| e.exchange == 1) {
            if let EntryKind::Request(r) = &mut entry.kind {
                r.dialect = "anthropic".into();
            }
        }
        on(entries, (120, 40), "C<enter>")
    };
    let same = both("end_turn");
    same.shows("The same answer in two dialects: openai-chat, anthropic");
    same.hides("gw-");
    both("max_tokens").shows("gw-finish-rewritten");
}

#[test]
fn paths_of_one_side_come_first() {
    let played = on(renamed(), (120, 40), "C<enter>ttttt");
    let text = played.text();
    let rows: Vec<&str> = text.lines().skip_while(|l| !l.contains("path  ")).skip(1).collect();
    assert!(rows[0].contains("choices[].delta.reasoning "), "{text}");
    assert!(rows[0].contains("3") && rows[0].contains("only in A"), "{text}");
    assert!(rows[1].contains("choices[].delta.reasoning_content"), "{text}");
    assert!(rows[1].contains("only in B"), "{text}");
}

#[test]
fn the_words_that_differ_are_marked_in_both_texts_and_in_no_other() {
    let played = on(renamed(), (80, 24), "C<enter>tt");
    let (_, marked) = reversed(&played);
    assert_eq!(marked, ["there", "here"]);
    played.shows("Content 1");
    // Two independent answers differ everywhere, so nothing is marked.
    let played = on(renamed(), (80, 24), "C<enter>Stt");
    assert!(reversed(&played).1.is_empty());
    played.shows("not marked");
}

/// The stretches of the screen below the tabs that have the style of a mark, row by row.
fn reversed(played: &Played) -> (usize, Vec<String>) {
    let width = usize::from(played.buffer.area.width);
    let mut found = Vec::new();
    for row in played.buffer.content.chunks(width).skip(4) {
        let mut piece = String::new();
        for cell in row {
            if cell.bg == ratatui::style::Color::Cyan {
                piece.push_str(cell.symbol());
            } else if !piece.is_empty() {
                found.push(std::mem::take(&mut piece));
            }
        }
        if !piece.is_empty() {
            found.push(piece);
        }
    }
    (width, found)
}

/// The numbers of the selected frames, A's and B's.
fn selected(played: &Played) -> Vec<String> {
    let text = played.text();
    let number = |half: String| {
        let after = half.split_once('▸')?.1.to_owned();
        after.split_whitespace().find(|w| w.parse::<u32>().is_ok()).map(Into::into)
    };
    let width = usize::from(played.buffer.area.width);
    let half = |from: usize| {
        text.lines().find_map(|l| number(l.chars().skip(from).take(width / 2).collect()))
    };
    [half(0), half(width / 2)].into_iter().flatten().collect()
}

#[test]
fn frames_are_linked_by_time_by_number_or_not_at_all() {
    let at = |text: &str| selected(&on(renamed(), (100, 30), &format!("C<enter>tg{text}")));
    // A's frame 6 arrived after 0.2 s; B runs at half the pace.
    assert_eq!(at("jjjjjj"), ["6", "1"]);
    assert_eq!(at("Ljjjjjj"), ["6", "6"]);
    assert_eq!(at("LLjjjjjj"), ["6", "0"]);
    assert_eq!(at("LLjjljj"), ["2", "2"]);
    assert_eq!(at("ljj"), ["8", "2"]);
    let linked = on(renamed(), (100, 30), "C<enter>tL");
    linked.shows("linked by frame");
    let rows: Vec<String> = linked.text().lines().map(Into::into).collect();
    assert!(rows.iter().any(|r| r.matches('▸').count() == 2), "on one line: {}", linked.text());
    on(renamed(), (100, 30), "C<enter>tgjjjj<enter>").shows("A · frame 4");
}

#[test]
fn texts_are_linked_by_what_brought_them() {
    let words: Vec<String> = (0..300).map(|i| format!("word{i} ")).collect();
    let stream = reasons("reasoning", &words.concat());
    let first = |text: &str| -> Vec<usize> {
        let entries = pair(&stream, EndCause::Complete, &stream);
        let played = on(entries, (100, 30), &format!("C<enter>tt{text}"));
        let shown = played.text();
        let row = shown.lines().skip_while(|l| !l.contains("Timeline")).nth(1).unwrap();
        let number = |half: &str| {
            let word = half.split_whitespace().find_map(|w| w.strip_prefix("word"));
            word.unwrap().parse().unwrap()
        };
        let (a, b) = row.split_once('│').unwrap();
        vec![number(a), number(b)]
    };
    assert_eq!(first(""), [0, 0]);
    let [a, b] = first("jjjjjjjjjjjj")[..] else { panic!() };
    // A's word n arrived 20 (n + 4) ms after the first frame, B's after twice that; a line has several words.
    let there = (80 + 20 * (a + 4) - 160) / 40 - 4;
    assert!(a > 40 && b <= there && there - b <= 8, "{a} {b}");
    let [a, b] = first("Ljjjjjjjjjjjj")[..] else { panic!() };
    assert!(a > 40 && a.abs_diff(b) <= 8, "{a} {b}");
    let [a, b] = first("LLjjjjjjjjjjjj")[..] else { panic!() };
    assert!(a > 40 && b == 0, "{a} {b}");
}

#[test]
fn a_difference_brings_its_frames() {
    // The text differs in frame 5 of both.
    let played = on(renamed(), (120, 40), "C<enter>");
    played.shows("gw-content-changed");
    let played = on(renamed(), (120, 40), "C<enter>eE");
    played.shows("frame 5 of A, frame 5 of B");
    assert_eq!(selected(&on(renamed(), (120, 40), "C<enter>eEt")), ["5", "5"]);
}

#[test]
fn what_is_seen_is_copied_as_the_command_writes_it() {
    let played = on(renamed(), (100, 30), "C<enter>y");
    let copied = played.outside.copies.concat();
    assert!(copied.contains("choices[].delta.reasoning_content ×3 only in B"), "{copied}");
    assert!(copied.contains("verdict "), "{copied}");
    assert!(!copied.contains('\u{1b}'));
}

#[test]
fn leaving_leads_back_to_the_panes_and_what_is_theirs_leaves() {
    for text in ["C<enter>q", "C<enter><esc>", "C<enter>:go to the frames<enter>"] {
        let played = on(renamed(), (100, 30), text);
        played.hides("A and B");
        played.shows("2 Frames");
    }
    on(renamed(), (100, 30), "C<enter>?").shows("In a comparison");
    on(renamed(), (100, 30), "C<enter><f5>").shows("nothing to send again");
}

#[test]
fn the_mouse_chooses_tabs_frames_and_sides() {
    let played = on(renamed(), (100, 30), "C<enter>");
    let text = played.text();
    let y = text.lines().position(|l| l.contains("Timeline")).unwrap();
    let line = text.lines().nth(y).unwrap();
    let x = line[..line.find("Frames").unwrap()].chars().count();
    let on_frames = format!("C<enter><click:{x},{y}>");
    on(renamed(), (100, 30), &on_frames).shows("preview");
    let row = y + 4;
    let chosen = selected(&on(renamed(), (100, 30), &format!("{on_frames}gL<click:70,{row}>")));
    assert_eq!(chosen, ["2", "2"]);
    let wheeled = selected(&on(renamed(), (100, 30), &format!("{on_frames}gLL<wheel:70,{row}>")));
    assert_eq!(wheeled, ["0", "3"]);
}

/// Providers that speak differently, and a body of the user's own.
fn sending() -> Startup {
    let mut start = startup();
    start.providers.push(ProviderInfo {
        name: "anthropic".into(),
        dialect: "anthropic".into(),
        base_url: "https://anthropic.example/v1".into(),
        model: "claude-sonnet-5".into(),
        ..ProviderInfo::default()
    });
    start.tools = Tools {
        body: std::sync::Arc::new(|provider, prompt| {
            let side = find(&provider.dialect).unwrap().request().unwrap();
            let ask = request::ChatRequest::minimal(&provider.model, prompt, None);
            let body = (side.write)(&ask, &mut request::Notes::default());
            serde_json::to_string(&body).unwrap()
        }),
        ..start.tools
    };
    let body = br#"{"model":"lab/hello","messages":[{"role":"user","content":"Hi"}],"logit_bias":{"5":1},"stream":true}"#;
    let headers = vec![
        ("authorization".to_owned(), "Bearer mine".to_owned()),
        ("x-trace".to_owned(), "7".to_owned()),
    ];
    start.draft = Draft { body: body.to_vec(), headers, ..start.draft };
    start
}

fn sent(played: &Played) -> &[Draft; 2] {
    let both = played.outside.effects.iter().find_map(|e| match e {
        Effect::Compare(pair) => Some(&pair.drafts),
        _ => None,
    });
    both.unwrap()
}

#[test]
fn one_request_goes_to_two_models_of_one_provider() {
    let played = play(sending(), (120, 40), "Csend to lab<enter>empty<enter>", Vec::new());
    let [a, b] = sent(&played);
    assert_eq!((&*a.model, &*b.model), ("lab/hello", "lab/empty-stream"));
    assert_eq!((&a.provider, &a.headers), (&b.provider, &b.headers));
    let body = |d: &Draft| String::from_utf8(d.body.clone()).unwrap();
    assert_eq!(body(b), body(a).replace("lab/hello", "lab/empty-stream"));
}

#[test]
fn where_the_dialects_differ_what_is_lost_is_told_before_anything_is_sent() {
    let asked = "Csend to anthropic<enter><enter>";
    let played = play(sending(), (120, 40), asked, Vec::new());
    played.shows("openai-chat → anthropic");
    played.shows("✖ lost      logit_bias");
    assert!(played.outside.effects.is_empty());
    let played = play(sending(), (120, 40), &format!("{asked}<enter>"), Vec::new());
    let [a, b] = sent(&played);
    assert_eq!((&*b.provider, &*b.model), ("anthropic", "claude-sonnet-5"));
    let body: serde_json::Value = serde_json::from_slice(&b.body).unwrap();
    assert_eq!(body["model"], "claude-sonnet-5");
    assert!(body.get("logit_bias").is_none() && body["max_tokens"].is_u64(), "{body}");
    // A's key is not sent to B; headers that are not secret are.
    assert_eq!(a.headers.len(), 2);
    assert_eq!(b.headers, [("x-trace".to_owned(), "7".to_owned())]);
    // The text in the editor is as it was.
    let played = play(sending(), (120, 40), &format!("{asked}n"), Vec::new());
    let [a, b] = sent(&played);
    assert_eq!(a.body, b.body);
    let played = play(sending(), (120, 40), &format!("{asked}<esc>"), Vec::new());
    played.shows("Nothing was sent");
    assert!(played.outside.effects.is_empty());
}

#[test]
fn a_file_is_asked_for_and_joins_the_session() {
    let asked = "Cfile<enter>/tmp/other.sse<enter>";
    let played = on(exchange(0, &reasoning_only()), (100, 30), asked);
    assert_eq!(played.outside.effects, [Effect::LoadBeside("/tmp/other.sse".into())]);
    let mut app = App::new(opened(exchange(0, &reasoning_only())));
    app.resize(100, 30);
    let beside = |entries: Vec<Entry>| {
        let opened = Opened::new("/tmp/other.sse", entries, &Arc::default());
        Event::Done(sselens::action::Done::Beside(Box::new(opened)))
    };
    app.update(0, beside(exchange(1, &reasoning_only()[..9])));
    let shown = drawn(&app);
    assert!(shown.contains("A and B compared"), "{shown}");
    // If the file has several exchanges, one is chosen.
    let mut several = exchange(2, &reasoning_only());
    several.extend(exchange(3, &reasoning_only()));
    app.update(0, beside(several));
    assert!(drawn(&app).contains("exchange 3"), "{}", drawn(&app));
}

fn drawn(app: &App) -> String {
    let area = ratatui::layout::Rect::new(0, 0, 100, 30);
    let mut buffer = ratatui::buffer::Buffer::empty(area);
    app.draw(area, &mut buffer);
    text_of(&buffer)
}

#[test]
fn while_both_stream_it_is_told_as_it_comes_and_can_be_sent_again() {
    let mut app = App::new(sending());
    app.resize(100, 30);
    let drafts = [Draft::default(), Draft { model: "other".into(), ..Draft::default() }];
    let pair = Box::new(DraftPair { drafts, apart: false });
    let done = sselens::action::Done::Comparing { pair: pair.clone(), ids: [0, 1] };
    app.update(0, Event::Done(done));
    assert!(drawn(&app).contains("not begun"), "{}", drawn(&app));
    let feed = |app: &mut App, entries: &[Entry], plus: u64| {
        for entry in entries {
            let now = entry.at.unwrap_or(0) + plus;
            app.update(now, Event::News(News::Entry(entry.clone())));
        }
    };
    let all = renamed();
    let (a, b): (Vec<Entry>, Vec<Entry>) = all.into_iter().partition(|e| e.exchange == 0);
    feed(&mut app, &a[..5], 0);
    feed(&mut app, &b[..5], 0);
    let shown = drawn(&app);
    assert!(shown.contains("Both so far"), "{shown}");
    let parts: Vec<Effect> =
        keys("<c-c>").into_iter().flat_map(|k| app.update(0, Event::Input(k))).collect();
    assert_eq!(parts, [Effect::Cancel(0), Effect::Cancel(1)]);
    feed(&mut app, &a[5..], 0);
    feed(&mut app, &b[5..], 0);
    let shown = drawn(&app);
    assert!(shown.contains("gw-content-changed") && !shown.contains("Both so far"), "{shown}");
    let parts: Vec<Effect> =
        keys("x<f5>").into_iter().flat_map(|k| app.update(0, Event::Input(k))).collect();
    let [a, b] = pair.drafts;
    let swapped = DraftPair { drafts: [b, a], apart: false };
    assert_eq!(parts, [Effect::Compare(Box::new(swapped))]);
}

/// The screen after keys, fed with what comes from outside: deeds are what the test makes of them.
struct Live {
    app: App,
    effects: Vec<Effect>,
}

impl Live {
    fn new() -> Self {
        let mut app = App::new(sending());
        app.resize(100, 30);
        Self { app, effects: Vec::new() }
    }

    fn event(&mut self, event: Event) {
        self.effects.extend(self.app.update(0, event));
    }

    fn press(&mut self, text: &str) {
        keys(text).into_iter().for_each(|key| self.event(Event::Input(key)));
    }

    /// An exchange whose request has this body comes and goes.
    fn comes(&mut self, x: u32, body: &[u8]) {
        for mut entry in exchange(x, &reasons("reasoning", "Hello.")) {
            if let EntryKind::Request(r) = &mut entry.kind {
                r.body = body.to_vec().into();
            }
            self.event(Event::News(News::Entry(entry)));
        }
    }

    fn sent(&self) -> Vec<Draft> {
        let one = |e: &Effect| match e {
            Effect::Send(draft) => Some(Draft::clone(draft)),
            _ => None,
        };
        self.effects.iter().filter_map(one).collect()
    }

    /// The two that went out last.
    fn pair(&self) -> &DraftPair {
        let pair = self.effects.iter().rev().find_map(|e| match e {
            Effect::Compare(pair) => Some(pair),
            _ => None,
        });
        pair.unwrap()
    }
}

const SHORT: &[u8] = br#"{"model":"lab/hello","messages":[]}"#;

#[test]
fn what_an_exchange_sent_goes_out_once_more_as_b_beside_the_editors_request() {
    let mut live = Live::new();
    live.press("<f5>");
    let [first] = &live.sent()[..] else { panic!("{:?}", live.effects) };
    let first = first.clone();
    live.comes(0, &first.body);
    // As long as the editor has the same request, there is no other to send.
    live.press("C");
    assert!(!drawn(&live.app).contains("request as B"), "{}", drawn(&live.app));
    live.press("<esc>");
    live.event(Event::Done(sselens::action::Done::Request(SHORT.to_vec())));
    live.press("<f5>");
    live.comes(1, SHORT);
    live.press("C");
    let shown = drawn(&live.app);
    let rows: Vec<&str> = shown.lines().filter(|l| l.contains("request as B")).collect();
    let [row] = rows[..] else { panic!("{shown}") };
    assert!(row.contains("send exchange 0's request as B"), "{shown}");
    assert!(row.contains("body 35 B ↔ 100 B, from byte 33 on (logit_bias, messages"), "{shown}");
    assert_eq!(shown.matches("A goes to lab").count(), 1, "{shown}");
    live.press("request as B<enter>");
    let pair = live.pair().clone();
    assert!(pair.apart);
    assert_eq!(pair.drafts[0].body, SHORT);
    assert_eq!(pair.drafts[1], first, "byte for byte, with its own headers");
    // Both answers arrive: two requests, shown as such, and not treated as one stream.
    let done = sselens::action::Done::Comparing { pair: Box::new(pair), ids: [2, 3] };
    live.event(Event::Done(done));
    live.comes(2, SHORT);
    live.comes(3, &first.body);
    let shown = drawn(&live.app);
    assert!(shown.contains("two requests: body 35 B ↔ 100 B, from byte 33 on"), "{shown}");
    assert!(shown.contains("independent streams"), "{shown}");
    // So does the report.
    live.press("B<enter>");
    let Some(Effect::WriteFile { bytes, .. }) = live.effects.last() else { panic!("no report") };
    let page = String::from_utf8_lossy(bytes);
    assert!(page.contains("Their requests differ: `body 35 B ↔ 100 B, from byte"), "{page}");
    // The user can expect one stream; when sent again, they are two requests again.
    live.press("S");
    assert!(drawn(&live.app).contains("expected to be one stream"), "{}", drawn(&live.app));
    live.press("x<f5>");
    let again = live.pair();
    assert!(again.apart && again.drafts[1].body == SHORT);
}

#[test]
fn a_body_from_a_file_goes_out_as_b() {
    let played = play(sending(), (100, 30), "Csend a body<enter>/tmp/b.json<enter>", Vec::new());
    let [Effect::CompareWith { draft, path }] = &played.outside.effects[..] else {
        panic!("{:?}", played.outside.effects)
    };
    assert_eq!(path, std::path::Path::new("/tmp/b.json"));
    assert_eq!(draft.headers.len(), 2);
    // Nothing is sent for an empty name.
    let played = play(sending(), (100, 30), "Csend a body<enter><enter>", Vec::new());
    assert!(played.outside.effects.is_empty());
}

#[test]
fn a_recorded_request_is_offered_only_where_the_key_of_the_editor_may_go() {
    let recorded = |url: &str, masked: bool| {
        let mut entries = exchange(0, &reasoning_only());
        if let EntryKind::Request(r) = &mut entries[0].kind {
            r.url = url.to_owned();
            r.body = SHORT.to_vec().into();
            r.masked = if masked { vec![(1, 9)] } else { vec![] };
        }
        let session = Some(Opened::new("r.jsonl", entries, &Arc::default()));
        Startup { session, ..sending() }
    };
    let at =
        |url: &str, masked, text: &str| play(recorded(url, masked), (100, 30), text, Vec::new());
    let there = "http://127.0.0.1:4000/v1/chat/completions";
    at(there, false, "C").shows("send exchange 0's request as B");
    let played = at(there, false, "Crequest as B<enter>");
    let [a, b] = sent(&played);
    assert_eq!((&b.body[..], &b.provider, &b.url), (SHORT, &a.provider, &None));
    assert_eq!(b.headers, a.headers);
    for (url, masked) in [
        ("http://127.0.0.1:4001/v1/chat/completions", false),
        ("https://127.0.0.1:4000/v1/chat/completions", false),
        ("http://127.0.0.1:4000.evil.example/v1/chat/completions", false),
        (there, true),
        ("http://127.0.0.1:4000/v1/chat/completions?api-key=********", false),
    ] {
        at(url, masked, "C").hides("request as B");
    }
    // Another path of the same host stays as it was recorded.
    let played = at("http://127.0.0.1:4000/other", false, "Crequest as B<enter>");
    assert_eq!(sent(&played)[1].url.as_deref(), Some("http://127.0.0.1:4000/other"));
}

/// The report that was written, and where.
fn written(played: &Played) -> (String, String) {
    let written = played.outside.effects.iter().find_map(|e| match e {
        Effect::WriteFile { path, bytes } => Some((path.display().to_string(), bytes.clone())),
        _ => None,
    });
    let (path, bytes) = written.unwrap();
    (path, String::from_utf8(bytes).unwrap())
}

#[test]
fn the_report_of_a_comparison_is_about_these_two_as_they_are_compared() {
    let mut entries = renamed();
    entries.extend(exchange(2, &reasoning_only()));
    let (path, page) = written(&on(entries.clone(), (100, 30), "C<enter>B<enter>"));
    assert_eq!(path, "lab-reasoning-only-4-comparison.md");
    assert!(page.starts_with("**A and B compared:** The content differs"), "{page}");
    assert!(page.contains("`gw-content-changed`") && page.contains("## B, exchange 1"), "{page}");
    assert!(!page.contains("exchange 2"), "{page}");
    // With the user's expectation, and in the user's order.
    let (_, page) = written(&on(entries, (100, 30), "C<enter>SxB<enter>"));
    assert!(page.contains("independent answers") && page.contains("## B, exchange 0"), "{page}");
}

#[test]
fn b_is_typed_as_on_the_command_line() {
    let effects = |keys: &str| play(sending(), (120, 40), keys, Vec::new()).outside.effects;
    let pair = |effects: Vec<Effect>| match effects.into_iter().rev().find_map(|e| match e {
        Effect::Compare(pair) => Some(*pair),
        _ => None,
    }) {
        Some(pair) => pair,
        None => panic!("nothing is compared"),
    };
    let by_name = pair(effects("Clab:lab/empty-stream<enter>"));
    assert_eq!((by_name.drafts[1].model.as_str(), by_name.apart), ("lab/empty-stream", false));
    let by_address = pair(effects("Chttp://127.0.0.1:4000/v1/x<enter>"));
    assert_eq!(by_address.drafts[1].url.as_deref(), Some("http://127.0.0.1:4000/v1/x"));
    let file = effects("C./other.jsonl<enter>");
    assert!(file.contains(&Effect::LoadBeside("./other.jsonl".into())), "{file:?}");
}
