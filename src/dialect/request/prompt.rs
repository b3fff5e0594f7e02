//! What was asked, in few words.

use serde_json::Value;

use super::{Part, Role, TrackedJson, by_address};
use crate::dialect;

/// The last text of the user in a request's body; `None` where there is none, or the body is none of
/// its dialect. `auto` and unknown names of dialects are decided by the address.
pub fn last_prompt(dialect: &str, url: &str, body: &[u8]) -> Option<String> {
    let side = dialect::find(dialect).or_else(|| by_address(url))?.request()?;
    let body: Value = serde_json::from_slice(body).ok()?;
    let json = TrackedJson::new(&body);
    let ask = (side.read)(json.root());
    let of_user = ask.turns.into_iter().rev().filter(|turn| turn.role == Role::User);
    of_user.flat_map(|turn| turn.parts.into_iter().rev()).find_map(|part| match part.what {
        Part::Text(text) => Some(text),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::last_prompt;

    #[test]
    fn the_prompt_is_the_last_text_of_the_user_in_any_dialect() {
        let of = |dialect, url, body: &str| last_prompt(dialect, url, body.as_bytes());
        let chat = r#"{"messages":[{"role":"user","content":"first"},{"role":"assistant","content":"a"},
            {"role":"user","content":[{"type":"text","text":"second"}]}]}"#;
        assert_eq!(of("openai-chat", "", chat).as_deref(), Some("second"));
        let path = "https://api.example.com/v1/chat/completions";
        assert_eq!(of("auto", path, chat).as_deref(), Some("second"));
        let gemini = r#"{"contents":[{"role":"user","parts":[{"text":"here"}]}]}"#;
        assert_eq!(of("gemini", "", gemini).as_deref(), Some("here"));
        assert_eq!(of("openai-responses", "", r#"{"input":"short"}"#).as_deref(), Some("short"));
        for none in ["", "[", "[]", "{}", "3"] {
            assert_eq!(of("openai-chat", "", none), None, "{none}");
        }
    }
}
