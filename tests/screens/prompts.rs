//! Lines to type, lists to choose from, and keys that do not count where they are pressed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use sselens::action::{Attempt, Done, Draft, Effect};
use sselens::tui::{App, Event, ProviderInfo, Startup};

use super::play::{Played, exchange, keys, opened, play, reasoning_only, startup, text_of};

fn at(text: &str) -> Played {
    play(opened(exchange(0, &reasoning_only())), (80, 24), text, Vec::new())
}

/// The file that the session would be saved to after these keys.
fn saved(text: &str) -> String {
    let played = at(&format!("<c-s>{text}<enter>"));
    let path = played.outside.effects.iter().find_map(|e| match e {
        Effect::SaveSession(path) => Some(path.display().to_string()),
        _ => None,
    });
    path.unwrap()
}

#[test]
fn what_is_proposed_goes_with_the_first_letter_and_stays_with_an_arrow() {
    let proposed = "lab-reasoning-only-1.jsonl";
    assert_eq!(saved(""), proposed);
    assert_eq!(saved("mine.jsonl"), "mine.jsonl");
    assert_eq!(saved("<paste:/tmp/x.jsonl>"), "/tmp/x.jsonl");
    assert_eq!(saved("<bs>y"), "y");
    assert_eq!(saved("<end>.bak"), format!("{proposed}.bak"));
    assert_eq!(saved("<home>my-"), format!("my-{proposed}"));
    // A click moves the cursor to a place in the name.
    assert_eq!(saved("<click:60,11>2"), format!("{proposed}2"));
    // Text that was typed is not replaced again.
    assert_eq!(saved("ab<bs>c"), "ac");
}

#[test]
fn a_headers_name_stays_where_its_secret_is_typed_anew() {
    let mut start = startup();
    start.draft.headers = vec![("authorization".into(), "Bearer sk-old".into())];
    let played = play(start, (80, 24), "1jjj<enter>Bearer sk-new<enter><f5>", Vec::new());
    let sent = played.outside.effects.iter().find_map(|e| match e {
        Effect::Send(draft) => Some(&draft.headers),
        _ => None,
    });
    assert_eq!(sent.unwrap(), &[("authorization".to_owned(), "Bearer sk-new".to_owned())]);
}

#[test]
fn what_is_refused_stays_with_the_reason() {
    let refused = at("R<c-u>abc<enter>");
    refused.shows("Enter two numbers");
    refused.shows("│ abc");
    // The input is corrected in place.
    let mended = at("R<c-u>abc<enter><bs><bs><bs>2<enter>");
    mended.hides("Enter two numbers");
    assert!(matches!(mended.outside.effects[..], [Effect::Send(_)]));
    at("1a<c-u>no colon<enter>").shows("Write a header as Name: value");
    at("R<c-u>abc<enter><esc>").hides("Enter two numbers");
}

#[test]
fn a_file_that_cannot_be_read_or_written_is_asked_for_again() {
    let failed = || {
        Event::Done(Done::Failed {
            attempt: Attempt::Open,
            why: "/tmp/none.jsonl: No such file".to_owned(),
        })
    };
    let mut app = App::new(opened(exchange(0, &reasoning_only())));
    app.resize(80, 24);
    let press = |app: &mut App, text: &str| {
        keys(text).into_iter().for_each(|key| drop(app.update(0, Event::Input(key))));
    };
    press(&mut app, "<c-o>/tmp/none.jsonl<enter>");
    app.update(0, failed());
    let shown = drawn(&app);
    assert!(shown.contains("│ /tmp/none.jsonl") && shown.contains("No such file"), "{shown}");
    assert!(shown.contains("Open (a session"), "{shown}");
    // A later failure has nothing to do with the prompt.
    press(&mut app, "<esc>");
    app.update(0, failed());
    assert!(!drawn(&app).contains("Open (a session"), "{}", drawn(&app));
}

fn drawn(app: &App) -> String {
    let area = Rect::new(0, 0, 80, 24);
    let mut buffer = Buffer::empty(area);
    app.draw(area, &mut buffer);
    text_of(&buffer)
}

#[test]
fn a_prompt_is_confirmed_and_from_the_help_there_is_no_next_problem() {
    at("<c-s>").shows("Enter confirm");
    at("H").shows("Enter choose");
    at("?").hides("next problem");
    at("v").shows("e next problem");
}

#[test]
fn a_key_that_does_not_count_says_where_it_does() {
    at("2P").shows("P works in 5 Timeline (phase), not here");
    at("2L").shows("L works in 4 Answer (lens), a comparison (link), not here");
    at("2%").shows("% is not bound; ? lists the keys");
    at("4L").hides("works in");
    let mut two = exchange(0, &reasoning_only());
    two.extend(exchange(1, &reasoning_only()));
    let compared = play(opened(two), (80, 24), "C<enter>R", Vec::new());
    compared.shows("R works in the panes (repeat), not here");
}

/// A provider of which no model is listed.
fn unlisted() -> Startup {
    let mut start = startup();
    start.providers.push(ProviderInfo {
        name: "anthropic".into(),
        dialect: "openai-chat".into(),
        base_url: "https://anthropic.example/v1".into(),
        model: "claude-haiku-4-5".into(),
        ..ProviderInfo::default()
    });
    start.draft = Draft { provider: "anthropic".into(), ..start.draft };
    start
}

#[test]
fn where_no_models_are_listed_the_usual_one_is_and_any_name_can_be_typed() {
    let picked = |text: &str| {
        let played = play(unlisted(), (80, 24), &format!("1m{text}<enter><f5>"), Vec::new());
        let sent = played.outside.effects.iter().find_map(|e| match e {
            Effect::Send(draft) => Some(draft.model.clone()),
            _ => None,
        });
        sent.unwrap()
    };
    let shown = play(unlisted(), (80, 24), "1m", Vec::new());
    shown.shows("type a model's name");
    shown.shows("claude-haiku-4-5  anthropic's usual model");
    assert_eq!(picked(""), "claude-haiku-4-5");
    assert_eq!(picked("claude-opus-9"), "claude-opus-9");
    // A short name can be chosen even if a longer one begins with it.
    assert_eq!(picked("claude-haiku<down>"), "claude-haiku");
    assert_eq!(picked("claude-haiku"), "claude-haiku-4-5");
    let again = play(unlisted(), (80, 24), "1mopus<enter>m", Vec::new());
    again.shows("opus              as in the request");
    again.shows("claude-haiku-4-5  anthropic's usual model");
}

#[test]
fn file_names_complete_with_tab() {
    let typed = |text: &str| at(&format!("<c-o>{text}"));
    typed("out/<tab>").shows("│ out/a-");
    typed("out/<tab>").shows("a-1.jsonl  a-2.jsonl");
    typed("out/<tab>1<tab>").shows("│ out/a-1.jsonl");
    typed("oth<tab>").shows("│ other/");
    typed("nothing<tab>").shows("No file begins so");
    // Completion continues from the proposed name.
    at("<c-s><tab>").shows("No file begins so");
}

#[test]
fn saved_sessions_are_pinned_and_searched_through() {
    let pinned = at("H<down><c-b>");
    assert!(pinned.outside.effects.contains(&Effect::PinSession("/saved/old.jsonl".into())));
    pinned.shows("2026-11-28 20:11  ◆ gpt-5");
    at("H<c-b>").shows("Only saved sessions can be deleted or pinned");
    let found = at("H<c-f>teapot<enter>");
    assert!(found.outside.effects.contains(&Effect::SearchSessions("teapot".into())));
    found.shows("╭─ Saved sessions with teapot ─");
    found.shows("2026-11-28 20:11  #0 gpt-5");
    found.shows("3 places");
    let opened = at("H<c-f>teapot<enter><enter>");
    assert!(opened.outside.effects.contains(&Effect::LoadFile("/saved/old.jsonl".into())));
    at(":all saved sessions<enter>").shows("Search in all saved sessions");
}

#[test]
fn a_provider_can_be_asked_for_its_models_and_one_of_them_chosen() {
    let shown = play(unlisted(), (80, 24), "1m", Vec::new());
    shown.shows("ask anthropic for its models");
    let asked = play(unlisted(), (80, 24), "1m<down><enter>", Vec::new());
    assert_eq!(asked.outside.effects, [Effect::ListModels("anthropic".into())]);
    asked.shows("asked-1");
    asked.shows("asked-2");
    let sent = play(unlisted(), (80, 24), "1m<down><enter>asked-2<enter><f5>", Vec::new());
    let model = sent.outside.effects.iter().find_map(|e| match e {
        Effect::Send(draft) => Some(draft.model.clone()),
        _ => None,
    });
    assert_eq!(model.as_deref(), Some("asked-2"));
}

#[test]
fn commands_are_found_by_their_words_and_names_best_first() {
    for (typed, first) in [
        ("save", "save the session to a file"),
        ("send", "send the request"),
        ("quit", "quit (asks if a stream is running)"),
        ("open", "open a saved session or a raw body"),
        ("help", "show the keys of this pane"),
        ("theme", "choose the colors, shown at once"),
        ("vari", "set variables ${NAME}"),
        ("provider", "choose the provider"),
        ("compare", "compare: one request at two providers"),
    ] {
        let list = play(startup(), (140, 36), &format!(":{typed}"), Vec::new());
        let text = list.text();
        let row = text.lines().find(|l| l.contains("▸ ")).unwrap_or_default();
        assert!(row.contains(first), "{typed}: {row}");
    }
}

#[test]
fn a_misspelled_field_is_named_below_the_body() {
    let with = |body: &str| {
        let mut start = startup();
        start.draft.body = body.as_bytes().to_vec();
        play(start, (100, 30), "", Vec::new())
    };
    let wrong = with("{\"model\": \"m\", \"max_token\": 5}");
    wrong.shows("▲ unknown field \"max_token\"");
    wrong.shows("did you mean max_tokens?");
    with("{\"model\": \"m\", \"max_tokens\": 5}").shows("✔ JSON");
    with("{\"model\": \"m\", \"my_own\": 5}").shows("✔ JSON");
}

#[test]
fn an_address_shows_its_host_where_there_is_little_room() {
    let mut start = startup();
    start.draft.url = Some("https://gateway.example.com/a/long/path/chat/completions".into());
    start.draft.body = b"{}".to_vec();
    play(start, (100, 30), "", Vec::new()).shows("gateway.example.com");
}
