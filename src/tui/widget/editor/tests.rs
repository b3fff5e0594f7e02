use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;

fn press(editor: &mut Editor, code: KeyCode, modifiers: KeyModifiers) -> Typed {
    editor.typed(KeyEvent::new(code, modifiers))
}

/// Types text; `<` means Escape, as the keymap passes it.
fn type_in(editor: &mut Editor, text: &str) {
    for c in text.chars() {
        match c {
            '<' => drop(editor.leave()),
            '\n' => drop(press(editor, KeyCode::Enter, KeyModifiers::NONE)),
            c => drop(press(editor, KeyCode::Char(c), KeyModifiers::NONE)),
        }
    }
}

fn control(editor: &mut Editor, c: char) -> Typed {
    press(editor, KeyCode::Char(c), KeyModifiers::CONTROL)
}

#[test]
fn a_prompt_is_emptied_with_one_key() {
    let mut prompt = Editor::line("20 4");
    control(&mut prompt, 'u');
    type_in(&mut prompt, "7");
    assert_eq!(prompt.text(), "7");
}

#[test]
fn undo_ends_at_the_text_that_was_filled_in() {
    let mut editor = Editor::new("");
    editor.fill("{\n}");
    type_in(&mut editor, "a");
    for _ in 0..5 {
        editor.undo();
    }
    assert_eq!(editor.text(), "{\n}");
}

#[test]
fn a_replaced_text_comes_back_whole_and_goes_again() {
    let mut editor = Editor::new("one");
    type_in(&mut editor, "a");
    editor.set("two");
    type_in(&mut editor, "b");
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(editor.text());
        editor.undo();
    }
    assert_eq!(seen, ["btwo", "two", "aone", "one"]);
    for _ in 0..4 {
        editor.redo();
    }
    assert_eq!(editor.text(), "btwo");
    editor.undo();
    editor.undo();
    type_in(&mut editor, "c");
    editor.redo();
    assert_eq!(editor.text(), "acone");
}

#[test]
fn undo_takes_words_back_and_not_letters() {
    let mut editor = Editor::new("");
    type_in(&mut editor, "say hello, world");
    let mut seen = Vec::new();
    for _ in 0..4 {
        editor.undo();
        seen.push(editor.text());
    }
    assert_eq!(seen, ["say hello, ", "say ", "", ""]);
    for _ in 0..3 {
        editor.redo();
    }
    assert_eq!(editor.text(), "say hello, world");
    // Text erased in one go is restored in one step.
    for _ in 0..5 {
        press(&mut editor, KeyCode::Backspace, KeyModifiers::NONE);
    }
    assert_eq!(editor.text(), "say hello, ");
    editor.undo();
    assert_eq!(editor.text(), "say hello, world");
}

#[test]
fn what_is_selected_is_replaced_and_one_undo_brings_it_back() {
    let mut editor = Editor::new("one\ntwo");
    editor.select_all();
    assert_eq!(editor.selected().as_deref(), Some("one\ntwo"));
    type_in(&mut editor, "x");
    assert_eq!(editor.text(), "x");
    editor.undo();
    assert_eq!(editor.text(), "one\ntwo");
    let mut editor = Editor::new("abc");
    for _ in 0..2 {
        press(&mut editor, KeyCode::Right, KeyModifiers::SHIFT);
    }
    assert_eq!(editor.selected().as_deref(), Some("ab"));
    editor.cut();
    assert_eq!(editor.text(), "c");
    // A movement ends the selection.
    press(&mut editor, KeyCode::Right, KeyModifiers::SHIFT);
    press(&mut editor, KeyCode::Left, KeyModifiers::NONE);
    assert_eq!(editor.selected(), None);
}

#[test]
fn a_text_is_found_and_counted_whatever_its_signs() {
    let mut editor = Editor::new("a.b\nA.B axb\nend");
    let style = Style::new();
    assert_eq!(editor.find("a.b", style), Some((1, 2)));
    assert_eq!(editor.find_next(true), Some((2, 2)));
    assert_eq!(editor.find_next(true), Some((1, 2)));
    assert_eq!(editor.find_next(false), Some((2, 2)));
    assert_eq!(editor.find("A.B", style), Some((1, 1)), "a capital means itself");
    assert_eq!(editor.find("no such", style), None);
}

/// Checks what vim's keys make of a text.
#[track_caller]
fn vim(text: &str, keys: &str, becomes: &str) {
    let mut editor = Editor::new(text);
    editor.set_preset(Preset::Vim);
    type_in(&mut editor, keys);
    assert_eq!(editor.text(), becomes, "{keys:?} on {text:?}");
}

#[test]
fn vims_keys_do_what_they_do_there() {
    vim("one two", "x", "ne two");
    vim("one two", "3x", " two");
    vim("one two", "dw", "two");
    vim("one two three", "2dw", "three");
    vim("one two\nthree", "wdw", "one \nthree");
    vim("one two", "cwnew<", "new two");
    vim("one two", "$x", "one tw");
    vim("one two", "wD", "one ");
    vim("one\ntwo\nthree", "dd", "two\nthree");
    vim("one\ntwo\nthree", "2dd", "three");
    vim("one\ntwo\nthree", "Gdd", "one\ntwo");
    vim("one\ntwo\nthree", "jdgg", "three");
    vim("one\ntwo", "yyp", "one\none\ntwo");
    vim("one\ntwo", "jyyP", "one\ntwo\ntwo");
    vim("one\ntwo", "ddp", "two\none");
    vim("one\ntwo", "J", "one two");
    vim("one", "ofour<", "one\nfour");
    vim("one", "Ozero<", "zero\none");
    vim("one", "Aend<", "oneend");
    vim("  one", "Ix<", "  xone");
    vim("one two", "rX", "Xne two");
    vim("one two", "vey", "one two");
    vim("one two", "ved", " two");
    vim("one\ntwo\nthree", "Vjd", "three");
    vim("{\"a\": \"b c\"}", "f:f\"lci\"new<", "{\"a\": \"new\"}");
    vim("{\"a\": \"b c\"}", "dt:", ": \"b c\"}");
    vim("one two", "xxu", "ne two");
    vim("one two three", "wdiw", "one  three");
    // A dot repeats the last change.
    vim("one two three", "dw..", "");
    vim("one two three", "ciwnew<ww.", "new two new");
    vim("abc", "x.u", "bc");
    vim("one\ntwo", "Aend<j.", "oneend\ntwoend");
    vim("abcdef", "2x.", "ef");
    vim("one", ".", "one");
    // Brackets, also over lines.
    vim("{\"a\": [1, 2]}", "f[di[", "{\"a\": []}");
    vim("{\n \"a\": {\"b\": 1}\n}", "jdi{", "{}");
    vim("{\n \"a\": {\"b\": 1}\n}", "jf1da{", "{\n \"a\": \n}");
    vim("f(a, (b)) c", "d% ", " c");
    vim("f(a, (b)) c", "f)%x", "f(a, b)) c");
    vim("(one", "%x", "one");
    // Typing is one step, up to the key that ends it.
    vim("one", "ianother word<uu", "one");
}

#[test]
fn vim_leaves_its_modes_before_the_editor() {
    let mut editor = Editor::new("one");
    editor.set_preset(Preset::Vim);
    type_in(&mut editor, "i");
    assert_eq!(editor.mode(), "INSERT");
    assert!(!editor.leave());
    assert_eq!(editor.mode(), "NORMAL");
    type_in(&mut editor, "d");
    assert!(!editor.leave(), "what was begun is given up first");
    assert!(editor.leave());
    type_in(&mut editor, "xu");
    assert_eq!(control(&mut editor, 'r'), Typed::Restored);
    assert_eq!(editor.text(), "ne");
    let asked = |editor: &mut Editor, c| press(editor, KeyCode::Char(c), KeyModifiers::NONE);
    assert_eq!(asked(&mut editor, '/'), Typed::Asked(Wish::Find));
    assert_eq!(asked(&mut editor, 'N'), Typed::Asked(Wish::FindNext(false)));
}

#[test]
fn emacs_keys_cut_copy_and_yank() {
    let mut editor = Editor::new("one two");
    editor.set_preset(Preset::Emacs);
    control(&mut editor, ' ');
    press(&mut editor, KeyCode::Char('f'), KeyModifiers::ALT);
    control(&mut editor, 'w');
    assert!(!editor.text().contains("one"), "{}", editor.text());
    control(&mut editor, 'e');
    control(&mut editor, 'y');
    assert!(editor.text().ends_with("one ") || editor.text().ends_with("one"), "{}", editor.text());
    control(&mut editor, '/');
    control(&mut editor, '/');
    assert_eq!(editor.text(), "one two");
    control(&mut editor, 'a');
    control(&mut editor, 'k');
    assert_eq!(editor.text(), "");
}

#[test]
fn a_long_line_is_wrapped_and_a_click_finds_its_place() {
    use crate::tui::theme::Theme;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    let theme = Theme::new(&crate::config::theme::Styles::default(), true);
    let mut editor = Editor::new("{\"a\": \"one two three four\"}");
    let shown = |editor: &Editor| {
        let area = Rect::new(0, 0, 12, 4);
        let mut buffer = Buffer::empty(area);
        editor.draw(&theme, true, area, &mut buffer);
        let row =
            |row: &[ratatui::buffer::Cell]| row.iter().map(|c| c.symbol()).collect::<String>();
        buffer.content.chunks(12).map(|r| row(r).trim_end().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(shown(&editor)[1], "");
    assert!(editor.toggle_wrap());
    let rows = shown(&editor);
    assert_eq!(rows.concat().replace(' ', ""), "{\"a\":\"onetwothreefour\"}");
    assert!(rows[1].starts_with("two") || rows[1].starts_with("one"), "{rows:?}");
    editor.click(1, 0);
    type_in(&mut editor, "X");
    let at = editor.text().find('X').unwrap();
    assert!((6..12).contains(&at), "{}", editor.text());
}
