//! Writer's text completions: events of one member, the next piece of text. Nothing says that the
//! text is over, or why.

use super::{
    Channel, Decoder, Dialect, EndingRules, ErrorShape, Fact, InBandError, Path, Payload,
    RequestParts, RequestSide, openai_chat,
};
use crate::frame;
use crate::json::{Kind, Value};

/// The dialect `writer-completions`.
pub(super) struct WriterCompletions;

impl Dialect for WriterCompletions {
    fn name(&self) -> &'static str {
        "writer-completions"
    }

    fn about(&self) -> &'static str {
        "Writer's text completions"
    }

    fn request(&self) -> RequestSide {
        RequestSide {
            path: "/completions",
            key_header: ("authorization", "Bearer "),
            headers: &[],
            body: request_body,
        }
    }

    fn ending(&self) -> EndingRules {
        EndingRules { sentinel: false, terminal: false, finishes: &[] }
    }

    fn recognises(&self, payload: &Payload<'_>) -> bool {
        payload.kind == frame::Kind::Event
            && payload.json.is_some_and(|json| {
                let value = json.get("value").is_some_and(|v| v.kind() == Kind::String);
                value && json.entries().count() == 1
            })
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Pieces)
    }
}

fn request_body(parts: &RequestParts<'_>) -> String {
    // There are no roles: a system prompt can only stand before the rest.
    let prompt = match parts.system {
        Some(system) => format!("{system}\n\n{}", parts.prompt),
        None => parts.prompt.to_owned(),
    };
    let body = serde_json::json!({"model": parts.model, "prompt": prompt, "stream": true});
    serde_json::to_string_pretty(&body).unwrap_or_default()
}

struct Pieces;

impl Decoder for Pieces {
    fn decode(&mut self, payload: &Payload<'_>, tell: &mut dyn FnMut(Fact<'_>)) {
        if payload.data.starts_with("[DONE]") {
            return tell(Fact::Sentinel);
        }
        let object = payload.json.filter(|j| j.kind() == Kind::Object);
        // `{"tpe":"NotFound","errors":[{"description":…,"key":…}]}`
        let refused = object
            .and_then(|json| json.get("errors"))
            .and_then(|errors| errors.items().next())
            .and_then(|error| error.str("description"));
        if let Some(message) = refused {
            let kind = object.and_then(|json| json.str("tpe"));
            return tell(Fact::Error(InBandError { message, kind, shape: ErrorShape::Flat }));
        }
        if let Some(error) = openai_chat::error_in(payload) {
            return tell(Fact::Error(error));
        }
        let Some(json) = object else { return };
        let mut say = |template, at: usize, text: Option<std::borrow::Cow<'_, str>>| {
            if let Some(text) = text.filter(|t| !t.is_empty()) {
                let (choice, channel) = (at as u32, Channel::Content);
                let path = Path::new(template, at);
                tell(Fact::Text { choice, channel, path, text, duplicate: false });
            }
        };
        say("value", 0, json.str("value"));
        // A body that was not streamed.
        for (i, choice) in json.get("choices").into_iter().flat_map(Value::items).enumerate() {
            say("choices[#].text", i, choice.str("text"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;

    #[test]
    fn values_are_the_text() {
        let s = script(
            "auto",
            &[
                r#"{"value":"Sure"}"#,
                r#"{"value":","}"#,
                r#"{"tpe":"NotFound","errors":[{"description":"No such model","key":"k"}]}"#,
            ],
        );
        assert_eq!(
            s,
            ["content 0 value: Sure", "content 0 value: ,", "error NotFound: No such model"]
        );
        let whole = script("writer-completions", &[r#"{"choices":[{"text":"a"}],"model":"m"}"#]);
        assert_eq!(whole, ["content 0 choices[0].text: a"]);
    }
}
