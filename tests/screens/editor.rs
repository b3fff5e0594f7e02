//! The body of the request, typed: presets of keys, selecting, finding, wrapping.

use sselens::action::{Effect, Keymap};
use sselens::config::keys::{Preset, built_in};
use sselens::tui::Startup;

use super::play::{Played, play, startup};

fn with(preset: Preset, body: &str, text: &str) -> Played {
    let rows = [built_in(), preset.rows().unwrap()].concat();
    let keys = Keymap::new(&rows, &sselens::tui::pane_contexts()).unwrap();
    let mut start = Startup { keys, keymap: preset, ..startup() };
    start.draft.body = body.as_bytes().to_vec();
    play(start, (100, 30), text, Vec::new())
}

/// The body that F5 sends after these keys.
#[track_caller]
fn sent(preset: Preset, body: &str, text: &str) -> String {
    let played = with(preset, body, &format!("{text}<f5>"));
    let sent = played.outside.effects.iter().find_map(|e| match e {
        Effect::Send(draft) => Some(String::from_utf8(draft.body.clone()).unwrap()),
        _ => None,
    });
    assert!(sent.is_some(), "nothing was sent:\n{}", played.text());
    sent.unwrap()
}

#[test]
fn the_whole_body_is_selected_and_replaced_and_comes_back() {
    let all = |text: &str| sent(Preset::Default, "{\"a\": 1}", text);
    assert_eq!(all("1i<c-a>[]"), "[]");
    assert_eq!(all("1i<c-a>[]<c-u><c-u>"), "{\"a\": 1}");
    let cut = with(Preset::Default, "{\"a\": 1}", "1i<c-a><c-x>");
    assert_eq!(cut.outside.copies, ["{\"a\": 1}"]);
    cut.shows("copied the selection");
}

#[test]
fn a_text_is_found_in_the_body_with_its_count() {
    let body = "{\"one\": \"two\",\n \"Two\": \"three\"}";
    let found = with(Preset::Default, body, "1i<c-f>two<enter>");
    found.shows("1/2 two");
    let next = with(Preset::Default, body, "1i<c-f>two<enter><c-g>");
    next.shows("2/2 two");
    with(Preset::Default, body, "1i<c-f>four<enter>").shows("four is not in the body");
    // Typing continues at that place.
    assert!(sent(Preset::Default, body, "1i<c-f>three<enter>x").contains("\"xthree\""));
}

#[test]
fn vims_modes_are_left_one_after_the_other() {
    let body = "{\"model\": \"m\"}";
    with(Preset::Vim, body, "1i").shows("body · NORMAL");
    with(Preset::Vim, body, "1ii").shows("body · INSERT");
    with(Preset::Vim, body, "1ii<esc>").shows("body · NORMAL");
    with(Preset::Vim, body, "1ii<esc><esc>").hides("NORMAL");
    assert_eq!(sent(Preset::Vim, body, "1i3f\"ci\"other"), "{\"model\": \"other\"}");
    assert_eq!(sent(Preset::Vim, body, "1ix<esc>"), "\"model\": \"m\"}");
    assert_eq!(sent(Preset::Vim, body, "1ixu<c-r>u"), body);
    with(Preset::Vim, body, "1i/model<enter>").shows("1/1 model");
    with(Preset::Vim, body, "1i:").shows("╭─ Commands ─");
}

#[test]
fn emacs_keys_move_everywhere_and_type_in_the_body() {
    let body = "{\"model\": \"m\"}";
    assert_eq!(sent(Preset::Emacs, body, "1i<c-k>[]"), "[]");
    assert_eq!(sent(Preset::Emacs, body, "1i<c-e>x<c-a>y"), "y{\"model\": \"m\"}x");
    with(Preset::Emacs, body, "<c-s>").shows("Search text");
    with(Preset::Emacs, body, "<c-s><c-g>").hides("Search text");
}

#[test]
fn long_lines_are_wrapped_unless_the_user_says_otherwise() {
    let body = "{\"content\": \"one two three four five six seven eight nine ten\"}";
    with(Preset::Default, body, "1i").shows("eight nine");
    with(Preset::Default, body, "1z").shows("eight nine");
    // In the narrow pane the lines stay as they are.
    with(Preset::Default, body, "").hides("eight nine");
    let flat = with(Preset::Default, body, "1i<esc>:wrap long<enter>i");
    flat.hides("eight nine");
    let flat = with(Preset::Default, body, ":wrap long<enter>");
    flat.shows("Long lines are not wrapped");
}
