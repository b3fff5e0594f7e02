use proptest::prelude::*;

use super::*;

fn check(text: &str) -> Result<String, Error> {
    let mut tape = Tape::new();
    tape.parse(text)?;
    let root = tape.root(text).unwrap();
    Ok(root.source().to_owned())
}

/// Builds serde_json's value out of the tape, to hold one against the other.
fn to_serde(v: Value<'_>) -> serde_json::Value {
    match v.kind() {
        Kind::Null => serde_json::Value::Null,
        Kind::Bool => v.as_bool().unwrap().into(),
        Kind::Number => serde_json::from_str(v.source()).unwrap(),
        Kind::String | Kind::Key => v.as_str().unwrap().into_owned().into(),
        Kind::Array => v.items().map(to_serde).collect(),
        Kind::Object => {
            v.entries().map(|(k, v)| (k.as_str().unwrap().into_owned(), to_serde(v))).collect()
        }
    }
}

#[test]
fn errors_name_the_place() {
    for (text, offset, kind) in [
        ("", 0, ErrorKind::Empty),
        ("  ", 2, ErrorKind::Empty),
        ("{", 1, ErrorKind::Eof),
        ("{\"a\":1,}", 7, ErrorKind::Key),
        ("{\"a\" 1}", 5, ErrorKind::Colon),
        ("[1 2]", 3, ErrorKind::Comma),
        ("[01]", 1, ErrorKind::Number),
        ("[1.]", 3, ErrorKind::Number),
        ("\"a\u{1}\"", 2, ErrorKind::Control),
        ("\"\\x\"", 1, ErrorKind::Escape),
        ("nul", 3, ErrorKind::Eof),
        ("nulx", 3, ErrorKind::Unexpected),
        ("{}{}", 2, ErrorKind::Trailing),
        ("[1}", 2, ErrorKind::Comma),
    ] {
        assert_eq!(check(text), Err(Error { offset, kind }), "{text:?}");
    }
}

#[test]
fn trailing_text_leaves_the_value() {
    let mut tape = Tape::new();
    let text = "{\"a\":1}{\"b\":2}";
    assert!(tape.parse(text).is_err());
    assert_eq!(tape.root(text).unwrap().source(), "{\"a\":1}");
}

#[test]
fn depth_costs_no_stack() {
    let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
    assert!(check(&deep).is_ok());
}

#[test]
fn strings_are_unescaped() {
    let mut tape = Tape::new();
    let text = r#"{"a\u0062":"\ud83d\ude00 \ud800 \n\"\/"}"#;
    tape.parse(text).unwrap();
    let root = tape.root(text).unwrap();
    assert_eq!(root.str("ab").unwrap(), "😀 \u{fffd} \n\"/");
}

#[test]
fn nonfinite_numbers_are_flagged() {
    let mut tape = Tape::new();
    tape.parse("[NaN,-Infinity,Infinity]").unwrap();
    assert!(tape.has_nonfinite());
    tape.parse("[1]").unwrap();
    assert!(!tape.has_nonfinite());
}

#[test]
fn columns_count_characters() {
    assert_eq!(line_column("{\n  \"é\": x", 9), (2, 7));
    assert_eq!(line_column("", 5), (1, 1));
}

proptest! {
    #[test]
    fn agrees_with_serde_json(text in "[\\[\\]{}\",:0-9a-e.+\\-\\\\ntrufls \u{e9}]{0,40}") {
        let mine = { let mut t = Tape::new(); t.parse(&text).map(|()| t.root(&text).map(to_serde)) };
        match (serde_json::from_str::<serde_json::Value>(&text), mine) {
            (Ok(a), Ok(b)) => prop_assert_eq!(Some(a), b),
            (Ok(_), Err(e)) => prop_assert!(false, "refused {text:?}: {e}"),
            // serde_json refuses numbers out of range and lone surrogates, which are grammatical.
            (Err(e), Ok(_)) => prop_assert!(e.to_string().contains("out of range") || e.to_string().contains("surrogate"), "took {text:?}: {e}"),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn never_panics(text in "\\PC{0,80}") {
        let _ = check(&text);
    }
}

/// A text of one shape with other values in it, or with something else wrong.
fn values() -> impl Strategy<Value = Vec<String>> {
    let value = prop_oneof![
        Just("null"),
        Just("1"),
        Just("12"),
        Just("-0.5e3"),
        Just("true"),
        Just("\"\""),
        Just("\"a\""),
        Just("\"aé\""),
        Just("\"a\\n\\\"\""),
        Just("NaN"),
        Just("-Infinity"),
        Just("{}"),
        Just("[1,{\"a\":2}]"),
        Just("nul"),
        Just("1]"),
        Just("\"a"),
        Just(" 1"),
        Just(""),
    ];
    let frame = prop::collection::vec(value, 3).prop_map(|v| {
        let (a, b, c) = (v[0], v[1], v[2]);
        format!("{{\"id\":{a},\"choices\":[{{\"d\":{{\"c\":{b}}},\"e\":[]}},{{}}],\"u\":{c}}}")
    });
    prop::collection::vec(frame, 2..6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Earlier texts of a tape have no influence on how it reads a text.
    #[test]
    fn a_text_is_read_the_same_after_any_other(texts in values()) {
        let mut used = Tape::new();
        let mut before: Option<Tape> = None;
        for text in &texts {
            let mut fresh = Tape::new();
            let result = fresh.parse(text);
            prop_assert_eq!(used.parse(text), result, "{}", text);
            prop_assert_eq!(format!("{:?}", used.nodes), format!("{:?}", fresh.nodes));
            prop_assert_eq!(used.has_nonfinite(), fresh.has_nonfinite());
            // A repeated structure has its values at the same nodes.
            let keys = |t: &Tape| -> Vec<_> {
                let container = |k| matches!(k, Kind::Key | Kind::Array | Kind::Object);
                t.nodes.iter().map(|n| (container(n.kind).then_some(n.kind), n.next)).collect()
            };
            if used.repeats() {
                prop_assert_eq!(before.as_ref().map(keys), Some(keys(&fresh)));
            }
            before = Some(fresh);
        }
    }
}

#[test]
fn of_a_text_that_repeats_only_what_differs_is_read() {
    let mut tape = Tape::new();
    let frame = |i: usize, t: &str| format!("{{\"i\":{i},\"c\":[{{\"t\":{t},\"f\":null}}]}}");
    for (text, repeats) in [
        (frame(1, "\"a\""), false),
        (frame(1, "\"a\""), true),
        (frame(23, "\"longer \\n\""), true),
        (frame(4, "null"), true),
        (frame(4, "NaN"), true),
        (frame(4, "1"), false),
        (frame(4, "{}"), false),
        (frame(4, "2"), false),
        (frame(4, "2").replace('f', "g"), false),
        (frame(4, "2").replace('f', "g").replace(',', ", "), false),
    ] {
        assert!(tape.parse(&text).is_ok());
        assert_eq!(tape.repeats(), repeats, "{text}");
        let mut fresh = Tape::new();
        fresh.parse(&text).unwrap();
        assert_eq!(format!("{:?}", tape.nodes), format!("{:?}", fresh.nodes), "{text}");
    }
}

#[test]
fn what_a_giant_text_took_is_given_back() {
    let mut tape = Tape::new();
    let giant = format!("[{}0]", "0,".repeat(1 << 20));
    tape.parse(&giant).unwrap();
    assert!(tape.nodes.capacity() > 1 << 20);
    let small = "{\"a\":[1,2]}";
    tape.parse(small).unwrap();
    assert!(tape.nodes.capacity() <= super::MAX_KEPT);
    assert_eq!(tape.root(small).and_then(|v| v.at(&["a"])).map(|v| v.items().count()), Some(2));
}
