//! Azure OpenAI by deployment: Chat Completions behind another address and another key header.
//!
//! Answers are chunks of Chat Completions and cannot be recognized by anything that every chunk has, so `auto`
//! treats them as `openai-chat`; only the request is Azure's own.

use serde_json::{Map, Value as Json};

use super::request::{ChatRequest, Notes, TrackedValue};
use super::{
    Decoder, Dialect, EndingRules, Evidence, Payload, RequestSide,
    openai_chat::{self, OpenAiChat},
};

/// The dialect `azure`.
pub(super) struct Azure;

impl Dialect for Azure {
    fn name(&self) -> &'static str {
        "azure"
    }

    fn about(&self) -> &'static str {
        "Azure OpenAI: Chat Completions of a deployment"
    }

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide {
            path: "/openai/deployments/{model}/chat/completions?api-version=2024-10-21",
            key_header: ("api-key", ""),
            headers: &[],
            read,
            write,
        })
    }

    fn ending(&self) -> EndingRules {
        OpenAiChat.ending()
    }

    fn recognizes(&self, _payload: &Payload<'_>) -> Option<Evidence> {
        None
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        OpenAiChat.decoder()
    }

    fn speaks_chat(&self) -> bool {
        true
    }
}

fn read(body: TrackedValue<'_>) -> ChatRequest {
    openai_chat::read(body)
}

/// Writes the body as OpenAI's, but without the model: the deployment in the address replaces it.
fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut named = request.clone();
    let model = named.model.replace(String::new().into());
    if let Some(model) = model {
        notes.elsewhere(&model.at, "the address names the deployment");
    }
    let mut body = openai_chat::write(&named, notes);
    body.remove("model");
    body
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;
    use super::*;
    use crate::dialect::find;

    #[test]
    fn the_deployment_stands_in_the_address_only() {
        let side = Azure.request().unwrap();
        let mut notes = Notes::default();
        let body =
            (side.write)(&ChatRequest::minimal("my-gpt", "Hi", Some("Be kind.")), &mut notes);
        assert!(
            side.path.starts_with("/openai/deployments/{model}/") && body.get("model").is_none()
        );
        assert_eq!(body["messages"][1]["content"], "Hi");
        assert_eq!((side.key_header, &body["stream"]), (("api-key", ""), &true.into()));
    }

    #[test]
    fn its_answer_is_read_as_chat() {
        let events = script(
            "azure",
            &[
                r#"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0}]}"#,
                r#"{"choices":[{"index":0,"delta":{"content":"Hi"},"content_filter_results":{}}],"model":"gpt-x"}"#,
                "[DONE]",
            ],
        );
        assert_eq!(events, ["model gpt-x", "content 0 choices[0].delta.content: Hi", "sentinel"]);
        let chat: Vec<_> = ["azure", "mistral", "openai-chat", "ollama"]
            .map(|name| find(name).is_some_and(Dialect::speaks_chat))
            .to_vec();
        assert_eq!(chat, [true, true, true, false]);
    }
}
