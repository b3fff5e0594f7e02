use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::config::keys;

fn rows(file: &str, text: &str) -> Vec<keys::Row> {
    keys::read(file, text).unwrap()
}

#[test]
fn the_default_bindings_are_sound_and_reach_every_action() {
    let rows = keys::built_in().unwrap();
    let keymap = Keymap::new(&rows).unwrap();
    for action in Action::ALL {
        let reached = !keymap.keys_for(Context::ALL, *action).is_empty();
        assert!(reached, "no key reaches {}", action.name());
        assert_eq!(Action::find(action.name()), Some(*action));
    }
    for context in Context::ALL {
        assert_eq!(Context::find(context.name()), Some(*context));
    }
}

#[test]
fn names_are_plain_and_unlike() {
    let names: std::collections::BTreeSet<_> = Action::ALL.iter().map(|a| a.name()).collect();
    assert_eq!(names.len(), Action::ALL.len());
}

#[test]
fn a_users_file_overrides_and_unbinds() {
    let mut all = rows("default", "[keys.panes]\n\"j\" = \"down\"\n\"k\" = \"up\"\n");
    all.extend(rows("mine", "[keys.panes]\n\"j\" = \"\"\n\"k\" = \"top\"\n"));
    let keymap = Keymap::new(&all).unwrap();
    let key = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
    assert_eq!(keymap.action(&[Context::Panes], key('j')), None);
    // What is unbound in one place does not fall through to another.
    assert_eq!(keymap.action(&[Context::Panes, Context::Movement], key('j')), None);
    assert_eq!(keymap.action(&[Context::Panes], key('k')), Some(Action::Top));
}

#[test]
fn mistakes_are_told_with_file_and_line() {
    let told = |text: &str| Keymap::new(&rows("f.toml", text)).unwrap_err().to_string();
    assert_eq!(
        told("\n[keys.panes]\n\"j\" = \"dwon\"\n"),
        "f.toml:3: no action is called \"dwon\""
    );
    assert_eq!(
        told("[keys.panes]\n\"j\" = \"search-nxt\"\n"),
        "f.toml:2: no action is called \"search-nxt\"; did you mean \"search\"?"
    );
    assert_eq!(told("[keys.panes]\n\"blah\" = \"down\"\n"), "f.toml:2: \"blah\" is not a key");
    assert!(told("[keys.nowhere]\n\"j\" = \"down\"\n").starts_with("f.toml:2: no place for keys"));
    assert_eq!(
        told("[keys.panes]\n\"ctrl-s\" = \"down\"\n\"Ctrl-s\" = \"up\"\n"),
        "f.toml:3: the key \"Ctrl-s\" is bound twice in [keys.panes]"
    );
}

#[test]
fn a_key_of_several_contexts_is_told_once() {
    let keymap = Keymap::built_in();
    assert_eq!(keymap.keys_for(Context::ALL, Action::NextProblem), "e");
    assert_eq!(keymap.keys_for(Context::ALL, Action::Send), "F5 ^R ^Enter");
}

#[test]
fn keys_are_shown_short_and_shift_is_in_the_letter() {
    let map = Keymap::new(&rows(
        "f",
        "[keys.panes]\n\"G\" = \"bottom\"\n\"ctrl-s\" = \"save-session\"\n\"shift-tab\" = \"previous-pane\"\n\"?\" = \"help\"\n\"f5\" = \"send\"\n\"pagedown\" = \"page-down\"\n\"ctrl-enter\" = \"send\"\n",
    ))
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

#[test]
fn movement_is_bound_once_and_letters_type_where_letters_type() {
    let keymap = Keymap::built_in();
    let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
    for context in [Context::Frames, Context::Text, Context::Compare, Context::Repetition] {
        let contexts = [context, Context::Movement, Context::Everywhere];
        assert_eq!(keymap.action(&contexts, key(KeyCode::Char('j'))), Some(Action::Down));
        assert_eq!(keymap.key_for(&contexts, Action::Down).as_deref(), Some("j"));
    }
    let list = [Context::List, Context::Movement, Context::Everywhere];
    assert_eq!(keymap.action(&list, key(KeyCode::Char('j'))), None);
    assert_eq!(keymap.action(&list, key(KeyCode::Down)), Some(Action::Down));
    assert_eq!(keymap.key_for(&list, Action::Down).as_deref(), Some("↓"));
    // Each movement has its keys in one table; a list adds only what letters cannot do there.
    for action in Action::ALL.iter().filter(|a| a.scrolls(1).is_some()) {
        for context in Context::ALL.iter().filter(|c| **c != Context::List) {
            let bound = !keymap.keys_for(&[*context], *action).is_empty();
            assert_eq!(
                bound,
                *context == Context::Movement,
                "{} in {}",
                action.name(),
                context.name()
            );
        }
    }
}
