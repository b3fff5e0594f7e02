//! Finds the last text of the user in a body, in whatever dialect that is.

use crate::json::{Kind, Tape, Value};

/// The text of the last user message of a JSON body.
pub(crate) fn prompt_of(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let mut tape = Tape::new();
    tape.parse(text).ok()?;
    prompt_in(tape.root(text)?)?.as_str().map(Into::into)
}

/// The text of a body's last user message: `messages`, Gemini's `contents`, the `input` of
/// Responses and Interactions (DashScope's has the `messages`), or one text that is all of it.
pub(crate) fn prompt_in(root: Value<'_>) -> Option<Value<'_>> {
    let list = ["messages", "contents", "input"].iter().find_map(|key| root.get(key));
    let Some(list) = list else {
        let texts = ["prompt", "message", "inputText"].iter().find_map(|key| root.get(key));
        return texts.filter(|p| p.kind() == Kind::String);
    };
    let list = list.get("messages").unwrap_or(list);
    if list.kind() == Kind::String {
        return Some(list);
    }
    let is_user = |message: &Value<'_>| {
        message.str("role").is_some_and(|r| r == "user")
            || message.str("type").is_some_and(|t| t == "user_input")
    };
    let message = list.items().filter(is_user).last()?;
    message.get("content").or_else(|| message.get("parts")).and_then(text_of)
}

/// A message's text; of a list of parts the last one.
fn text_of(content: Value<'_>) -> Option<Value<'_>> {
    match content.kind() {
        Kind::String => Some(content),
        _ => content.items().filter_map(|p| p.get("text")).last(),
    }
}

#[cfg(test)]
mod tests {
    use super::prompt_of;

    #[test]
    fn the_prompt_is_the_last_text_of_the_user_in_any_dialect() {
        let of = |body: &str| prompt_of(body.as_bytes());
        let chat = r#"{"messages":[{"role":"user","content":"first"},{"role":"assistant","content":"a"},
            {"role":"user","content":[{"type":"text","text":"second"}]}]}"#;
        assert_eq!(of(chat).as_deref(), Some("second"));
        let gemini = r#"{"contents":[{"role":"user","parts":[{"text":"here"}]}]}"#;
        assert_eq!(of(gemini).as_deref(), Some("here"));
        assert_eq!(of(r#"{"input":"short"}"#).as_deref(), Some("short"));
        for none in ["", "[", "[]", "{}", "3"] {
            assert_eq!(of(none), None, "{none}");
        }
    }
}
