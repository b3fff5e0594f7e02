//! Writer's text completions: events of one member, the next piece of text. Nothing says that the
//! text is over, or why.

use serde_json::{Map, Value as Json, json};

use super::emit::{emit_text, emit_text_in};
use super::request::{
    ChatRequest, Notes, Numbers, Param, TrackedValue, joined_prompt, lose_effort, lose_tools,
    read_common, read_prompt, read_stop, write_model, write_numbers, write_stop, write_stream,
};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, ErrorShape, Evidence, InBandError, Path,
    Payload, RequestSide, openai_chat,
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

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide::bearer("/completions", read, write))
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_close(&[])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json.filter(|_| payload.kind == frame::FrameKind::Event)?;
        let value = json.get("value").is_some_and(|v| v.kind() == Kind::String);
        (value && json.entries().count() == 1).then(|| Evidence::likely("value and nothing else"))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(WriterCompletionsDecoder)
    }
}

const NUMBERS: Numbers = &[
    (Param::MaxTokens, &["max_tokens"]),
    (Param::Temperature, &["temperature"]),
    (Param::TopP, &["top_p"]),
    (Param::Seed, &["random_seed"]),
];

fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_common(body, NUMBERS, &mut request);
    read_prompt(body.get("prompt"), &mut request);
    read_stop(body.get("stop"), &mut request);
    request.stream = body.get("stream").and_then(TrackedValue::located_bool);
    request.usage = Some(true.into());
    request
}

fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    write_model(request, &mut body, notes);
    body.insert("prompt".into(), json!(joined_prompt(request, notes)));
    lose_tools(request, notes);
    write_numbers(request, NUMBERS, &mut body, notes);
    write_stop(request, &["stop"], &mut body);
    lose_effort(request, notes);
    if let Some(usage) = &request.usage {
        notes.lost(&usage.at, "it never reports its usage");
    }
    write_stream(request, &mut body, notes);
    body
}

struct WriterCompletionsDecoder;

impl Decoder for WriterCompletionsDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if payload.data.starts_with("[DONE]") {
            return emit(DecodeEvent::Sentinel);
        }
        let object = payload.json.filter(|j| j.kind() == Kind::Object);
        // `{"tpe":"NotFound","errors":[{"description":…,"key":…}]}`
        let refused = object
            .and_then(|json| json.get("errors"))
            .and_then(|errors| errors.items().next())
            .and_then(|error| error.str("description"));
        if let Some(message) = refused {
            let kind = object.and_then(|json| json.str("tpe"));
            return emit(DecodeEvent::Error(InBandError {
                message,
                kind,
                shape: ErrorShape::Flat,
            }));
        }
        if let Some(error) = openai_chat::error_in(payload) {
            return emit(DecodeEvent::Error(error));
        }
        let Some(json) = object else { return };
        emit_text(Channel::Content, Path::new("value", 0), json.str("value"), emit);
        // A body that was not streamed.
        for (i, choice) in json.get("choices").into_iter().flat_map(Value::items).enumerate() {
            let path = Path::new("choices[#].text", i);
            emit_text_in(i as u32, Channel::Content, path, choice.str("text"), emit);
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
            ["content 0 value: Sure", "content 0 value: ,", "error Flat NotFound: No such model"]
        );
        let whole = script("writer-completions", &[r#"{"choices":[{"text":"a"}],"model":"m"}"#]);
        assert_eq!(whole, ["content 0 choices[0].text: a"]);
    }
}
