//! Requests in files, variables, and commands that are pasted.

use sselens::action::{Draft, Effect, Variables};
use sselens::tui::Startup;

use super::play::{Played, play, startup};

fn at(text: &str) -> Played {
    play(startup(), (100, 30), text, Vec::new())
}

/// The request that F5 sends after these keys.
fn sent(text: &str) -> Draft {
    let played = at(&format!("{text}<f5>"));
    let sent = played.outside.effects.iter().find_map(|e| match e {
        Effect::Send(draft) => Some((**draft).clone()),
        _ => None,
    });
    assert!(sent.is_some(), "nothing was sent:\n{}", played.text());
    sent.unwrap()
}

#[test]
fn requests_are_chosen_from_their_folder_with_an_environment() {
    let listed = at("1O");
    listed.shows("╭─ Requests in files, requests sent ─");
    let text = listed.text();
    for file in ["requests/hello.toml  ", "requests/hello.toml · prod  "] {
        let row = text.lines().find(|row| row.contains(file)).unwrap_or_default();
        assert!(row.contains("lab · lab/hello · greets"), "{row}");
    }
    listed.shows("✖ requests/broken.toml");
    let opens = |text: &str| {
        let played = at(text);
        match played.outside.effects.last() {
            Some(Effect::OpenRequest { path, environment }) => {
                (path.display().to_string(), environment.clone())
            }
            other => (format!("{other:?}"), None),
        }
    };
    assert_eq!(opens("1O<enter>"), ("requests/hello.toml".into(), None));
    assert_eq!(opens("1O<down><enter>"), ("requests/hello.toml".into(), Some("prod".into())));
}

#[test]
fn a_request_that_was_sent_in_another_session_is_taken_again() {
    let listed = at("1O");
    listed.shows("✖ 2026-11-28 20:11  Say hello · gpt-5");
    listed.shows("api.example.com");
    at("1Ohello").shows("Say hello");
    let taken = at("1Osay<enter>");
    taken.shows("Request loaded as it was sent");
    taken.shows(r#"{"sent": "before"}"#);
    let draft = sent("1Osay<enter>");
    assert_eq!((draft.provider.as_str(), draft.model.as_str()), ("lab", "lab/hello"));
}

#[test]
fn a_request_is_saved_to_a_file_that_is_proposed_by_its_model() {
    let saved = |text: &str| {
        let played = at(text);
        let stored = played.outside.effects.iter().rev().find_map(|e| match e {
            Effect::StoreRequest { path, replaces, .. } => {
                Some((path.display().to_string(), *replaces))
            }
            _ => None,
        });
        played.shows("Request saved to");
        stored.unwrap()
    };
    assert_eq!(saved("1W<enter>"), ("requests/reasoning-only.toml".into(), false));
    assert_eq!(saved("1Wmine.toml<enter>"), ("mine.toml".into(), false));
    let mut start = startup();
    start.draft.body = b"{}".to_vec();
    let file = Some("requests/own.toml".into());
    start.draft.variables = Some(Box::new(Variables { file, ..Variables::default() }));
    let played = play(start, (100, 30), "1W<enter>", Vec::new());
    let replaced = matches!(
        played.outside.effects.last(),
        Some(Effect::StoreRequest { path, replaces: true, .. }) if path.ends_with("own.toml")
    );
    assert!(replaced, "{:?}", played.outside.effects);
}

const CURL: &str = "curl https://api.example.com/v1/chat/completions \
    -H \"authorization: Bearer $MY_KEY\" --data-raw '{\"model\":\"m\"}'";

#[test]
fn a_variable_without_a_value_is_shown_and_set_from_the_screen() {
    let pasted = at(&format!("<paste:{CURL}>"));
    pasted.shows("Request loaded; $MY_KEY is not set, V sets it");
    pasted.shows("▲ not set: $MY_KEY");
    pasted.shows("authorization: Bea");
    let prompt = at(&format!("<paste:{CURL}>V<enter>typed-secret"));
    prompt.shows("Value of $MY_KEY");
    prompt.shows("••••••••••••");
    prompt.hides("typed-secret");
    // Nothing is sent without it, and the key that sets it works at once.
    let refused = at(&format!("<paste:{CURL}><f5>"));
    refused.shows("✖ $MY_KEY is not set, V sets it");
    assert!(!refused.outside.effects.iter().any(|e| matches!(e, Effect::Send(_))));
    at(&format!("<paste:{CURL}><f5>V<enter>")).shows("Value of $MY_KEY");
    let set = at(&format!("<paste:{CURL}>V<enter>typed-secret<enter>"));
    set.hides("not set");
    let draft = sent(&format!("<paste:{CURL}>V<enter>typed-secret<enter>"));
    assert_eq!(draft.headers[0].1, "Bearer ${MY_KEY}", "it is filled in when it leaves");
    assert_eq!(draft.variables.unwrap().typed["MY_KEY"], "typed-secret");
}

#[test]
fn the_provider_is_recognized_from_the_address() {
    let of = |command: &str| {
        let draft = sent(&format!("<paste:{command}>"));
        (draft.provider, draft.url)
    };
    let own = "curl https://api.openai.com/v1/chat/completions -d '{\"model\":\"m\"}'";
    assert_eq!(of(own), ("openai".into(), None));
    let path = "curl https://api.openai.com/v1/responses -d '{\"model\":\"m\"}'";
    let url = Some("https://api.openai.com/v1/responses".to_owned());
    assert_eq!(of(path), ("openai".into(), url));
    assert_eq!(of(&CURL.replace("$MY_KEY", "own")).0, "");
    let httpie = "http POST https://api.openai.com/v1/chat/completions model=m";
    assert_eq!(of(httpie), ("openai".into(), None));
}

#[test]
fn variables_are_only_filled_in_where_they_are_asked_for() {
    let body = |text: &str| {
        let mut start = startup();
        start.draft.body = b"{\"a\": \"${TEST_SET}\"}".to_vec();
        play(Startup { ..start }, (100, 30), text, Vec::new())
    };
    let plain = body("<f5>");
    let is_plain = |e: &Effect| matches!(e, Effect::Send(draft) if draft.variables.is_none());
    assert!(plain.outside.effects.iter().any(is_plain));
    body("1V").shows("${TEST_SET}  from the environment");
    let asked = body("1V<esc><f5>");
    assert!(!asked.outside.effects.iter().any(is_plain));
    at("1V").shows("Write ${NAME} into the body or a header");
}
