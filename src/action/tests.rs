use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::config::keys;

fn rows(file: &str, text: &str) -> Vec<keys::WrittenBinding> {
    keys::read(file, text).unwrap()
}

/// A pane that brings an action of its own.
static TOY: OwnContext = OwnContext {
    name: "toy",
    title: "In the toy",
    actions: &[&OwnAction {
        name: "wind-up",
        short: "wind",
        help: "wind it up",
        keys: &["W", "f9"],
    }],
};

#[test]
fn a_pane_brings_actions_and_keys_which_the_configuration_may_bind_otherwise() {
    let (toy, key) = (Context::Own(&TOY), |code| KeyEvent::new(code, KeyModifiers::NONE));
    let keymap = Keymap::new(&[], &[&TOY]).unwrap();
    let wind = Action::Own(TOY.actions[0]);
    assert_eq!(
        (keymap.actions().find(|a| a.name() == "wind-up"), wind.short()),
        (Some(wind), "wind")
    );
    assert_eq!(
        keymap.action(&[toy], KeyEvent::new(KeyCode::Char('W'), KeyModifiers::SHIFT)),
        Some(wind)
    );
    assert_eq!(keymap.action(&[Context::Panes], key(KeyCode::F(9))), None);
    assert_eq!(keymap.all_keys_for(wind), "W F9");
    let text = "[keys.toy]\n\"f9\" = \"\"\n\"W\" = \"quit\"\n\"w\" = \"wind-up\"\n";
    let keymap = Keymap::new(&rows("mine", text), &[&TOY]).unwrap();
    assert_eq!(keymap.all_keys_for(wind), "w");
    assert_eq!(keymap.action(&[toy], key(KeyCode::F(9))), None);
    let unknown = Keymap::new(&rows("mine", text), &[]).unwrap_err().to_string();
    assert!(unknown.starts_with("mine:2: no place for keys is called \"toy\""), "{unknown}");
}

#[test]
fn a_users_file_overrides_and_unbinds() {
    let mut all = rows("default", "[keys.panes]\n\"j\" = \"down\"\n\"k\" = \"up\"\n");
    all.extend(rows("mine", "[keys.panes]\n\"j\" = \"\"\n\"k\" = \"top\"\n"));
    let keymap = Keymap::new(&all, &[]).unwrap();
    let key = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
    assert_eq!(keymap.action(&[Context::Panes], key('j')), None);
    // An action that is unbound in one context does not fall through to another.
    assert_eq!(keymap.action(&[Context::Panes, Context::Movement], key('j')), None);
    assert_eq!(keymap.action(&[Context::Panes], key('k')), Some(Action::Top));
}

#[test]
fn mistakes_are_told_with_file_and_line() {
    let problem = |text: &str| Keymap::new(&rows("f.toml", text), &[]).unwrap_err().to_string();
    assert_eq!(
        problem("\n[keys.panes]\n\"j\" = \"dwon\"\n"),
        "f.toml:3: no action is called \"dwon\""
    );
    assert_eq!(
        problem("[keys.panes]\n\"j\" = \"search-nxt\"\n"),
        "f.toml:2: no action is called \"search-nxt\"; did you mean \"search-next\"?"
    );
    assert_eq!(problem("[keys.panes]\n\"blah\" = \"down\"\n"), "f.toml:2: \"blah\" is not a key");
    assert!(
        problem("[keys.nowhere]\n\"j\" = \"down\"\n").starts_with("f.toml:2: no place for keys")
    );
    assert_eq!(
        problem("[keys.panes]\n\"ctrl-s\" = \"down\"\n\"Ctrl-s\" = \"up\"\n"),
        "f.toml:3: the key \"Ctrl-s\" is bound twice in [keys.panes]"
    );
}

#[test]
fn keys_are_shown_short_and_shift_is_in_the_letter() {
    let map = Keymap::new(&rows(
        "f",
        "[keys.panes]\n\"G\" = \"bottom\"\n\"ctrl-s\" = \"save-session\"\n\"shift-tab\" = \"previous-pane\"\n\"?\" = \"help\"\n\"f5\" = \"send\"\n\"pagedown\" = \"page-down\"\n\"ctrl-enter\" = \"send\"\n",
    ), &[])
    .unwrap();
    let shown: Vec<_> = map.of(Context::Panes).map(|b| show(b.key)).collect();
    assert_eq!(shown, ["G", "^S", "S-Tab", "?", "F5", "PgDn", "^Enter"]);
    let event = |code, mods| map.action(&[Context::Panes], KeyEvent::new(code, mods));
    assert_eq!(event(KeyCode::Char('G'), KeyModifiers::SHIFT), Some(Action::Bottom));
    assert_eq!(event(KeyCode::Char('G'), KeyModifiers::NONE), Some(Action::Bottom));
    assert_eq!(event(KeyCode::Char('g'), KeyModifiers::NONE), None);
    assert_eq!(event(KeyCode::Char('?'), KeyModifiers::SHIFT), Some(Action::Help));
    assert_eq!(event(KeyCode::BackTab, KeyModifiers::SHIFT), Some(Action::PreviousPane));
}
