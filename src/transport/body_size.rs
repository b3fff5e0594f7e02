//! Making a request's body longer, in a way that its dialect takes: a longer user message.

use std::ops::Range;

use super::request::{BodyError, RequestError, edit};
use crate::dialect::request::user_text::prompt_in;
use crate::json::Kind;

/// Text before the filler, so that whoever reads the request knows what it is.
const MARK: &str =
    " [sselens padding: what follows only makes the request longer, take no notice of it] ";

/// The filler: words that no tokenizer has for rare and nothing has to escape.
const WORDS: &str = "the river runs down to the sea and the rain brings it back to the hills ";

/// Lengthens the last user message of a body until the whole is `size` bytes long; only that text's
/// own span changes. `None` when the body is that long already.
///
/// # Errors
/// When the body is not a JSON object with a user message whose content is text.
pub fn pad(body: &[u8], size: usize) -> Result<Option<Vec<u8>>, RequestError> {
    let missing = size.saturating_sub(body.len());
    if missing == 0 {
        return Ok(None);
    }
    let filler: String = MARK.chars().chain(WORDS.chars().cycle()).take(missing).collect();
    edit(body, |root| match prompt_in(root).filter(|text| text.kind() == Kind::String) {
        // Insert before the closing quote.
        Some(text) => Ok((text.span().end - 1..text.span().end - 1, filler)),
        None => Err(BodyError::NoText),
    })
    .map(Some)
}

/// Returns the range of the filler in a body that [`pad`] lengthened, from its mark on; `None` if there is
/// none, or not even the whole mark.
pub fn filler(body: &[u8]) -> Option<Range<usize>> {
    let text = std::str::from_utf8(body).ok()?;
    let start = text.find(MARK)?;
    let rest = &text[start + MARK.len()..];
    let words = rest.bytes().zip(WORDS.bytes().cycle()).take_while(|(a, b)| a == b).count();
    Some(start..start + MARK.len() + words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::{DIALECTS, request};

    #[test]
    fn every_dialects_request_gets_the_very_length_asked_for_and_stays_what_it_is() {
        for dialect in DIALECTS {
            let Some(side) = dialect.request() else { continue };
            let ask = request::ChatRequest::minimal("m", "Say \"hello\".", Some("Be brief."));
            let body = (side.write)(&ask, &mut request::Notes::default());
            let body = serde_json::to_string(&body).unwrap_or_default();
            for size in [body.len() + 1, body.len() + 40, 56 << 10] {
                let padded = pad(body.as_bytes(), size);
                let padded = padded.unwrap_or_else(|why| panic!("{}: {why}", dialect.name()));
                let padded = String::from_utf8(padded.unwrap_or_default()).unwrap_or_default();
                assert_eq!(padded.len(), size, "{}", dialect.name());
                let value: serde_json::Value = serde_json::from_str(&padded).unwrap_or_default();
                assert!(value.is_object(), "{}: {padded}", dialect.name());
                assert!(padded.contains("Say \\\"hello\\\". "), "{}: {padded}", dialect.name());
                if size == 56 << 10 {
                    let filler = filler(padded.as_bytes()).unwrap_or_default();
                    assert_eq!(filler.len(), size - body.len(), "{}", dialect.name());
                }
            }
        }
    }

    #[test]
    fn only_the_last_user_messages_text_changes() {
        let body = br#"{ "messages":[{"role":"user","content":"a"}, {"role":"user",
            "content":[{"type":"text","text":"b"}]},{"role":"assistant","content":"c"}] }"#;
        let padded = pad(body, body.len() + 10).unwrap_or_default().unwrap_or_default();
        let text = String::from_utf8(padded).unwrap_or_default();
        assert_eq!(text.replacen(&MARK[..10], "", 1).as_bytes(), body);
        assert!(text.contains("\"b [sselens \""), "{text}");
    }

    #[test]
    fn what_is_long_enough_stays_and_what_has_no_text_is_refused() {
        assert_eq!(pad(br#"{"prompt":"hello"}"#, 5).unwrap(), None);
        let why = pad(br#"{"messages":[]}"#, 500).unwrap_err();
        assert!(why.to_string().contains("no user message"), "{why}");
        assert!(pad(b"not json", 500).is_err());
    }
}
