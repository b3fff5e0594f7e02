//! AWS Bedrock InvokeAgent: the answer's text in base64, with the agent's traces around it.
//!
//! Traces repeat what the models behind the agent were asked and said; they are no part of the
//! answer and stay in the JSON. Nothing says that the answer is over, or why.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::emit::emit_text;
use super::request::{
    ChatRequest, Notes, TrackedValue, joined_prompt, lose_tools, read_prompt, write_numbers,
};
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, RequestSide,
    ToolPiece, bedrock, bedrock_invoke::inner,
};
use crate::frame;
use crate::json::{Kind, Tape, Value};

/// The dialect `bedrock-agent`.
pub(super) struct Agent;

impl Dialect for Agent {
    fn name(&self) -> &'static str {
        "bedrock-agent"
    }

    fn about(&self) -> &'static str {
        "AWS Bedrock agents (InvokeAgent); the model is the agent's id"
    }

    fn request(&self) -> Option<RequestSide> {
        Some(RequestSide {
            headers: bedrock::ACCEPT,
            ..RequestSide::bearer(
                // The alias that every agent has, for its working draft.
                "/agents/{model}/agentAliases/TSTALIASID/sessions/sselens/text",
                read,
                write,
            )
        })
    }

    fn error_members(&self) -> &'static [&'static str] {
        &["message", "Message"]
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_close(&[])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json.filter(|_| payload.kind == frame::FrameKind::Message)?;
        let certain = match payload.event {
            "trace" => json.get("trace").is_some(),
            "returnControl" => json.get("invocationInputs").is_some(),
            _ => false,
        };
        if certain {
            return Some(Evidence::certain(format!("event type {}", payload.event)));
        }
        // Models send their own JSON in such chunks, agents plain text.
        let text = inner(json).filter(|_| payload.event == "chunk")?;
        let mut tape = Tape::new();
        let plain =
            tape.parse(&text).is_err() || tape.root(&text).is_none_or(|j| j.kind() != Kind::Object);
        plain.then(|| Evidence::likely("plain text in a chunk"))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<AgentDecoder>::default()
    }
}

fn read(body: TrackedValue<'_>) -> ChatRequest {
    let mut request = ChatRequest::default();
    read_prompt(body.get("inputText"), &mut request);
    let streams = body.at(&["streamingConfigurations", "streamFinalResponse"]);
    request.stream = streams.and_then(TrackedValue::located_bool);
    request.usage = Some(true.into());
    request
}

/// Writes the body. An agent has its own system prompt, tools and parameters; another system prompt can only
/// precede the rest.
fn write(request: &ChatRequest, notes: &mut Notes) -> Map<String, Json> {
    let mut body = Map::new();
    if let Some(model) = &request.model {
        notes.elsewhere(&model.at, "the address names the agent");
    }
    body.insert("inputText".into(), json!(joined_prompt(request, notes)));
    lose_tools(request, notes);
    write_numbers(request, &[], &mut body, notes);
    for stop in &request.stop {
        notes.lost(&stop.at, "the agent has parameters of its own");
    }
    if let Some(effort) = &request.effort {
        notes.lost(&effort.at, "the agent has parameters of its own");
    }
    if let Some(usage) = &request.usage {
        notes.lost(&usage.at, "its traces emit the usage");
    }
    let stream = request.stream.as_ref().is_none_or(|s| s.value);
    body.insert("streamingConfigurations".into(), json!({"streamFinalResponse": stream}));
    body
}

#[derive(Default)]
struct AgentDecoder {
    /// Number of calls that arrived; they carry no index.
    calls: u64,
}

impl Decoder for AgentDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if bedrock::exception(payload, emit) {
            return;
        }
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else { return };
        if payload.kind != frame::FrameKind::Message {
            return bedrock::refusal(json, emit);
        }
        match payload.event {
            "chunk" => {
                let text = inner(json).map(Cow::Owned);
                emit_text(Channel::Content, Path::new("bytes", 0), text, emit);
            }
            // The agent asks the client to run its calls.
            "returnControl" => {
                let calls = json.get("invocationInputs").into_iter().flat_map(Value::items);
                for (i, call) in calls.enumerate() {
                    self.call(call, json.str("invocationId"), i, emit);
                }
            }
            _ => {}
        }
    }
}

impl AgentDecoder {
    fn call(
        &mut self,
        call: Value<'_>,
        id: Option<Cow<'_, str>>,
        position: usize,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let (input, name, arguments) = match call.get("functionInvocationInput") {
            Some(input) => (input, "function", "parameters"),
            None => (call.get("apiInvocationInput").unwrap_or(call), "apiPath", "parameters"),
        };
        let arguments = input.get(arguments).filter(|a| !a.is_null());
        let index = Some(self.calls);
        self.calls += 1;
        emit(DecodeEvent::Tool(Box::new(ToolPiece {
            choice: 0,
            path: Path::new("invocationInputs[#]", position),
            index,
            id,
            name: input.str(name).filter(|n| !n.is_empty()),
            arguments: arguments.map(|a| Cow::Borrowed(a.source())),
            free_text: false,
        })));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script_of_events;
    use super::*;

    #[test]
    fn text_comes_in_chunks_and_calls_are_handed_back() {
        let events = script_of_events(
            frame::FrameKind::Message,
            "bedrock-agent",
            &[
                ("trace", r#"{"trace":{"orchestrationTrace":{"rationale":{"text":"hm"}}}}"#),
                ("chunk", r#"{"bytes":"SGkg"}"#),
                (
                    "returnControl",
                    r#"{"invocationId":"i","invocationInputs":[{"functionInvocationInput":{"function":"f","parameters":[{"name":"a","value":"1"}]}},{"apiInvocationInput":{"apiPath":"/g"}}]}"#,
                ),
                ("dependencyFailedException", r#"{"message":"no lambda"}"#),
            ],
        );
        assert_eq!(
            events,
            [
                "content 0 bytes: Hi ",
                "tool Some(0) invocationInputs[0] i f [{\"name\":\"a\",\"value\":\"1\"}]",
                "tool Some(1) invocationInputs[1] i /g -",
                "error Object dependencyFailedException: no lambda",
            ]
        );
    }

    #[test]
    fn chunks_of_plain_text_are_an_agents() {
        for (bytes, is) in [("SGkg", true), ("eyJ0eXBlIjoibWVzc2FnZV9zdG9wIn0=", false)] {
            let data = format!(r#"{{"bytes":"{bytes}"}}"#);
            let mut tape = Tape::new();
            tape.parse(&data).unwrap();
            let (kind, json) = (frame::FrameKind::Message, tape.root(&data));
            let payload = Payload { kind, event: "chunk", data: &data, json, id: None };
            assert_eq!(Agent.recognizes(&payload).is_some(), is);
        }
    }
}
