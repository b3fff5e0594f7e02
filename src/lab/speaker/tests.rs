//! Helpers that the tests of all speakers share, and the tests of the table.

use super::*;
use crate::lab::step::ReasoningField;

/// A speaker of this row, for an answer whose id is that of the row and `1`.
pub(super) fn speaker(row: &Endpoint) -> Box<dyn Speaker> {
    (row.new)(Manner {
        id: format!("{}1", row.id),
        model: "lab/x".to_owned(),
        created: 7,
        input_tokens: 5,
        usage: Some(UsageStep::True),
        ..Manner::default()
    })
}

/// The frames of these speeches: name, space, data.
pub(super) fn frames(row: &Endpoint, spoken: &[Speech]) -> Vec<String> {
    let mut speaker = speaker(row);
    let mut out = Vec::new();
    for speech in spoken {
        speaker.speak(0, speech, &mut out);
    }
    let line = |SpokenFrame { event, data }: SpokenFrame| {
        let data = match data {
            Data::Json(map) => Value::Object(map).to_string(),
            Data::Text(text) | Data::Bare(text) => text,
        };
        format!("{} {data}", event.unwrap_or_default())
    };
    out.into_iter().map(line).collect()
}

/// The same answer as a whole.
pub(super) fn whole(row: &Endpoint, spoken: &[Speech]) -> Value {
    speaker(row).whole(&mut spoken.iter().cloned().map(|speech| (0, speech)))
}

/// A thought, a text, a call, and how it ends.
pub(super) fn everything() -> Vec<Speech> {
    let reasoning = Speech::Reasoning("hm".to_owned(), ReasoningField::default());
    let arguments = |text: &str| Speech::ToolArguments { index: 0, text: text.to_owned() };
    vec![
        Speech::Role("assistant".to_owned()),
        reasoning,
        Speech::Content("Hel".to_owned()),
        Speech::Content("lo".to_owned()),
        Speech::ToolStart { index: 0, id: "call_1".to_owned(), name: "f".to_owned() },
        arguments("{\"a\""),
        arguments(":1}"),
        Speech::Finish("tool_calls".to_owned()),
        Speech::Usage(None),
        Speech::Done,
    ]
}

/// An error as a scenario has it.
pub(super) fn boom() -> Speech {
    Speech::Error(ErrorBody {
        message: "boom".to_owned(),
        kind: "server_error".to_owned(),
        code: Some("500".to_owned()),
        param: None,
    })
}

#[test]
fn every_row_is_a_dialect_and_is_found_where_that_is_sent() {
    for row in SPEAKERS {
        let dialect = crate::dialect::find(row.dialect).unwrap();
        let sent = dialect
            .request()
            .unwrap()
            .path
            .replace("{model}", &crate::dialect::in_address("lab/x"));
        let (path, query) = sent.split_once('?').unwrap_or((&sent, ""));
        let (found, model) = at(&format!("/{}/v1{path}", row.dialect), query).unwrap();
        assert_eq!(found.dialect, row.dialect);
        assert_eq!(model.is_some(), row.path.contains("{model}"));
        assert!(model.is_none_or(|it| it == "lab/x"));
    }
}

#[test]
fn of_dialects_that_share_a_path_the_name_tells() {
    let dialect = |path: &str| at(path, "").map(|(row, _)| row.dialect);
    assert_eq!(dialect("/v1/chat/completions"), Some("openai-chat"));
    assert_eq!(dialect("/any/prefix/chat/completions"), Some("openai-chat"));
    assert_eq!(dialect("/mistral/v1/chat/completions"), Some("mistral"));
    assert_eq!(dialect("/v1/completions"), Some("openai-completions"));
    assert_eq!(dialect("/mistral/v1/messages"), None);
    assert_eq!(dialect("/v1/nothing"), None);
}

#[test]
fn only_the_words_of_chat_are_translated() {
    let words = [("stop", "end_turn")];
    assert_eq!(finish_word("stop", &words), "end_turn");
    assert_eq!(finish_word("eos", &words), "eos");
}
