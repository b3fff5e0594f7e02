//! The keys and actions that every pane brings.

use std::collections::BTreeSet;

use super::*;
use crate::action::Keymap;
use crate::config::keys;
use crossterm::event::{KeyCode, KeyModifiers};

fn keymap() -> Keymap {
    Keymap::new(&keys::built_in(), &crate::tui::pane_contexts()).unwrap()
}

#[test]
fn every_action_has_a_key_and_a_name_of_its_own() {
    let keymap = keymap();
    for action in keymap.actions() {
        let reached = !keymap.all_keys_for(action).is_empty();
        assert!(reached, "no key reaches {}", action.name());
        assert_eq!(
            keymap.actions().find(|a| a.name() == action.name()),
            Some(action),
            "two actions have one name"
        );
    }
    let names: BTreeSet<_> = keymap.contexts().map(Context::name).collect();
    assert_eq!(names.len(), keymap.contexts().count(), "two contexts have one name");
    assert_eq!(keymap.all_keys_for(Action::NextProblem), "e");
    assert!(keymap.all_keys_for(Action::Send).starts_with("F5 ^R"));
}

#[test]
fn every_key_of_a_pane_is_one() {
    for pane in crate::tui::pane_contexts() {
        for action in pane.actions {
            let bound = Keymap::new(&[], &[pane]).unwrap().all_keys_for(Action::Own(action));
            let all = bound.split(' ').filter(|k| !k.is_empty()).count();
            assert_eq!(all, action.keys.len(), "{}: {bound}", action.name);
        }
    }
}

#[test]
fn movement_is_bound_once_and_letters_type_where_letters_type() {
    let keymap = keymap();
    let key = |code| KeyEvent::new(code, KeyModifiers::NONE);
    let panes = all().into_iter().map(|p| p.spec().context());
    for context in panes.chain([Context::Text, Context::Compare, Context::Repetition]) {
        let contexts = [context, Context::Movement, Context::Everywhere];
        assert_eq!(keymap.action(&contexts, key(KeyCode::Char('j'))), Some(Action::Down));
        assert_eq!(keymap.key_for(&contexts, Action::Down).as_deref(), Some("j"));
    }
    let list = [Context::List, Context::Movement, Context::Everywhere];
    assert_eq!(keymap.action(&list, key(KeyCode::Char('j'))), None);
    assert_eq!(keymap.action(&list, key(KeyCode::Down)), Some(Action::Down));
    assert_eq!(keymap.key_for(&list, Action::Down).as_deref(), Some("↓"));
    // Each movement has its keys in one table; a list adds only what letters cannot do there.
    for action in keymap.actions().filter(|a| a.scrolls(1).is_some()) {
        for context in keymap.contexts().filter(|c| *c != Context::List) {
            let bound = !keymap.keys_for(&[context], action).is_empty();
            let (action, name) = (action.name(), context.name());
            assert_eq!(bound, context == Context::Movement, "{action} in {name}");
        }
    }
}

#[test]
fn pickers_send_save_and_quit_have_one_key_in_every_pane() {
    let keymap = keymap();
    let everywhere = [
        (Action::PickProvider, KeyCode::Char('p'), KeyModifiers::NONE),
        (Action::PickModel, KeyCode::Char('m'), KeyModifiers::NONE),
        (Action::Send, KeyCode::F(5), KeyModifiers::NONE),
        (Action::SaveSession, KeyCode::Char('s'), KeyModifiers::CONTROL),
        (Action::Quit, KeyCode::Char('q'), KeyModifiers::NONE),
    ];
    for pane in all() {
        let contexts =
            [pane.spec().context(), Context::Panes, Context::Movement, Context::Everywhere];
        for (action, code, modifiers) in everywhere {
            let key = KeyEvent::new(code, modifiers);
            let place = pane.spec().id.0;
            assert_eq!(keymap.action(&contexts, key), Some(action), "{key:?} in {place}");
        }
    }
}
