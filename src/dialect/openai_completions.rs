//! OpenAI's older Completions: text continues where the prompt ends. vLLM, llama.cpp and Fireworks still serve
//! it, with `reasoning_content` beside the text here and there.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::emit::model_once;
use super::request::{
    ChatRequest, Notes, Numbers, Param, TrackedValue, chat, joined_prompt, lose_effort, lose_tools,
    read_common, read_prompt, read_same, read_stop, write_model, write_numbers, write_same,
    write_stop,
};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, RequestSide,
    Usage, Varying, openai_chat,
};
use crate::json::{Kind, Value};

/// The dialect `openai-completions`.
pub(super) struct OpenAiCompletions;

impl Dialect for OpenAiCompletions {
    fn name(&self) -> &'static str {
        "openai-completions"
    }

    fn about(&self) -> &'static str {
        "OpenAI Completions (text), as vLLM and llama.cpp serve it too"
    }

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide::bearer("/completions", read, write))
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_sentinel(&["stop", "length", "content_filter"])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        match json.str("object") {
            Some(o) if o == "text_completion" => Some(Evidence::member("object", o)),
            Some(_) => None,
            None => {
                let first = json.get("choices").and_then(|c| c.items().next())?;
                let text = first.get("text").is_some_and(|t| t.kind() == Kind::String)
                    && first.get("delta").is_none()
                    && first.get("message").is_none();
                text.then(|| Evidence::likely("choices[].text"))
            }
        }
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<OpenAiCompletionsDecoder>::default()
    }
}

const NUMBERS: Numbers = &[
    (Param::MaxTokens, &["max_tokens"]),
    (Param::Temperature, &["temperature"]),
    (Param::TopP, &["top_p"]),
    (Param::Seed, &["seed"]),
    (Param::PresencePenalty, &["presence_penalty"]),
    (Param::FrequencyPenalty, &["frequency_penalty"]),
];

/// Members as Chat Completions has them, too.
const SAME: &[&str] = &["n", "logit_bias", "user"];

fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_common(body, NUMBERS, &mut request);
    read_prompt(body.get("prompt"), &mut request);
    read_stop(body.get("stop"), &mut request);
    chat::read_stream(body, &mut request);
    read_same(body, SAME, &mut request);
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
    chat::write_stream(request, &mut body, notes);
    write_same(request, SAME, &mut body);
    body
}

#[derive(Default)]
struct OpenAiCompletionsDecoder {
    model_named: bool,
}

impl Decoder for OpenAiCompletionsDecoder {
    fn repeats(&self) -> Option<&'static [Varying]> {
        Some(&[Varying::Id, Varying::Created])
    }

    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if payload.data.starts_with("[DONE]") {
            emit(DecodeEvent::Sentinel);
            return;
        }
        if let Some(error) = openai_chat::error_in(payload) {
            emit(DecodeEvent::Error(error));
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else { return };
        model_once(&mut self.model_named, || json.str("model"), emit);
        let usage = json.get("usage").filter(|u| u.kind() == Kind::Object).map(Usage::openai);
        if let Some(usage) = usage.filter(Usage::is_given) {
            emit(DecodeEvent::Usage { path: Path::new("usage", 0), usage });
        }
        let choices = json.get("choices").into_iter().flat_map(Value::items);
        for (position, choice) in choices.enumerate() {
            read_choice(choice, position, emit);
        }
    }
}

fn read_choice(json: Value<'_>, position: usize, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
    let choice = json.get("index").map_or(0, super::choice_number);
    let fields = [
        (Channel::Reasoning, "reasoning_content", "choices[#].reasoning_content"),
        (Channel::Reasoning, "reasoning", "choices[#].reasoning"),
        (Channel::Content, "text", "choices[#].text"),
    ];
    let mut thought: Option<Cow<'_, str>> = None;
    for (channel, member, path) in fields {
        let Some(text) = json.str(member).filter(|t| !t.is_empty()) else { continue };
        let duplicate = channel == Channel::Reasoning && thought.as_ref() == Some(&text);
        if channel == Channel::Reasoning {
            thought = Some(text.clone());
        }
        emit(DecodeEvent::Text {
            choice,
            channel,
            path: Path::new(path, position),
            text,
            duplicate,
        });
    }
    if let Some(reason) = json.str("finish_reason").filter(|r| !r.is_empty()) {
        emit(DecodeEvent::Finish { choice, reason });
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;

    #[test]
    fn text_of_several_choices_and_usage() {
        let s = script(
            "auto",
            &[
                r#"{"object":"text_completion","model":"m","choices":[{"text":"a","index":0,"finish_reason":null},{"text":"b","index":1,"finish_reason":""}]}"#,
                r#"{"object":"text_completion","model":"m","choices":[{"text":"","index":0,"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}"#,
                "[DONE]",
            ],
        );
        assert_eq!(
            s,
            [
                "model m",
                "content 0 choices[0].text: a",
                "content 1 choices[1].text: b",
                "usage usage 1 2 - - 3",
                "finish 0 stop",
                "sentinel"
            ]
        );
    }

    #[test]
    fn thought_beside_the_text_and_errors() {
        let s = script(
            "openai-completions",
            &[
                r#"{"choices":[{"text":"","reasoning_content":"hm","reasoning":"hm"}]}"#,
                r#"{"error":{"message":"boom","type":"t"}}"#,
            ],
        );
        assert_eq!(
            s,
            [
                "reasoning 0 choices[0].reasoning_content: hm",
                "reasoning 0 choices[0].reasoning (again): hm",
                "error Object t: boom"
            ]
        );
    }
}
