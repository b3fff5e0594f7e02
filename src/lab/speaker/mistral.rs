//! Mistral's Chat Completions: thoughts are parts of a content that is a list, calls arrive in one piece, and
//! usage with the finish reason.

use serde_json::{Value, json};

use super::gathered::{Gathered, GatheredCall, GatheredChoice, TokenTally};
use super::openai_chat::done;
use super::{Endpoint, Manner, Refusal, Speaker, Speech, SpokenFrame, StreamPolicy};
use crate::lab::envelope::Envelope;
use crate::lab::step::TokenCounts;

pub(super) const ROW: Endpoint = Endpoint {
    dialect: "mistral",
    path: "/chat/completions",
    query: "",
    streams: StreamPolicy::IfAsked,
    envelope: Envelope::Sse,
    choices: true,
    // Its ids are 32 hexadecimal digits.
    id: "1ab01ab01ab01ab0",
    new: |manner| Box::new(MistralSpeaker { manner, tally: TokenTally::default(), call: None }),
    refusal,
};

/// The speaker that produces this dialect on the wire.
struct MistralSpeaker {
    manner: Manner,
    tally: TokenTally,
    /// A call whose arguments are still being said: it goes out in one piece.
    call: Option<(u32, GatheredCall)>,
}

impl MistralSpeaker {
    fn object(&self, kind: &str, choices: Value) -> Value {
        json!({
            "id": self.manner.id, "object": kind, "created": self.manner.created,
            "model": self.manner.model, "choices": choices,
        })
    }

    fn chunk(&self, choice: u32, delta: Value, finish: Option<&str>) -> Value {
        let choice = json!({ "index": choice, "delta": delta, "finish_reason": finish });
        self.object("chat.completion.chunk", json!([choice]))
    }
}

impl Speaker for MistralSpeaker {
    fn speak(&mut self, choice: u32, speech: &Speech, out: &mut Vec<SpokenFrame>) {
        self.tally.count(speech);
        if !matches!(speech, Speech::ToolArguments { .. })
            && let Some(call) = self.call.take()
        {
            out.push(SpokenFrame::json(self.chunk(
                choice,
                json!({ "tool_calls": [tool_call(call)] }),
                None,
            )));
        }
        let delta = match speech {
            Speech::Role(role) => json!({ "role": role, "content": "" }),
            Speech::Content(text) | Speech::Refusal(text) => json!({ "content": text }),
            Speech::Reasoning(text, _) => json!({ "content": [thought(text)] }),
            Speech::ToolStart { index, id, name } => {
                let (id, name) = (id.clone(), name.clone());
                self.call = Some((*index, GatheredCall { id, name, arguments: String::new() }));
                return;
            }
            Speech::ToolArguments { text, .. } => {
                if let Some((_, tool)) = &mut self.call {
                    tool.arguments += text;
                }
                return;
            }
            Speech::Finish(reason) => {
                let mut chunk = self.chunk(choice, json!({ "content": "" }), Some(reason));
                if self.manner.usage.is_some() {
                    chunk["usage"] = usage(&self.manner.counts(self.tally));
                }
                return out.push(SpokenFrame::json(chunk));
            }
            Speech::Error(body) => {
                let error = refusal(&Refusal {
                    status: 500,
                    message: &body.message,
                    kind: Some(&body.kind),
                    param: body.param.as_deref(),
                    code: body.code.as_deref(),
                });
                return out.push(SpokenFrame::json(error));
            }
            Speech::Done => return out.push(done()),
            // Usage was sent with the finish reason; a delta exists only in Chat.
            Speech::Usage(_) | Speech::Delta(_) => return,
        };
        out.push(SpokenFrame::json(self.chunk(choice, delta, None)));
    }

    fn whole(&mut self, spoken: &mut dyn Iterator<Item = (u32, Speech)>) -> Value {
        let all = Gathered::new(spoken);
        let counts = all.counts(self.manner.input_tokens);
        let choices = all.choices.into_iter().map(|(index, choice)| message(index, choice));
        let mut whole = self.object("chat.completion", choices.collect());
        whole["usage"] = usage(&counts);
        whole
    }
}

fn thought(text: &str) -> Value {
    json!({ "type": "thinking", "thinking": [{ "type": "text", "text": text }] })
}

fn tool_call((index, tool): (u32, GatheredCall)) -> Value {
    let function = json!({ "name": tool.name, "arguments": tool.arguments });
    json!({ "id": tool.id, "function": function, "index": index })
}

/// One choice of an answer that is no stream.
fn message(index: u32, choice: GatheredChoice) -> Value {
    let text = choice.content + choice.refusal.as_deref().unwrap_or_default();
    let content = match choice.reasoning {
        Some((_, thinking)) => json!([thought(&thinking), { "type": "text", "text": text }]),
        None => text.into(),
    };
    let mut message = json!({ "role": "assistant", "content": content, "tool_calls": null });
    if !choice.tools.is_empty() {
        message["tool_calls"] = choice.tools.into_iter().map(tool_call).collect();
    }
    json!({ "index": index, "message": message, "finish_reason": choice.finish })
}

fn usage(counts: &TokenCounts) -> Value {
    let total = counts.total.unwrap_or(counts.input + counts.output);
    json!({
        "prompt_tokens": counts.input, "total_tokens": total, "completion_tokens": counts.output,
    })
}

fn refusal(refusal: &Refusal<'_>) -> Value {
    let kind = refusal.kind.unwrap_or("invalid_request_error");
    json!({
        "object": "error", "message": refusal.message, "type": kind,
        "param": refusal.param, "code": refusal.code, "raw_status_code": refusal.status,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{boom, everything, frames, whole};
    use super::*;

    #[test]
    fn thoughts_are_parts_and_usage_comes_with_the_finish_reason() {
        let frames = frames(&ROW, &everything());
        let thought = "\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":\"text\",\"text\":\"hm\"}]}]";
        assert!(frames[1].contains(thought), "{}", frames[1]);
        assert!(frames[2].contains("\"delta\":{\"content\":\"Hel\"}"), "{}", frames[2]);
        let end = "\"finish_reason\":\"tool_calls\"}],\
                   \"usage\":{\"prompt_tokens\":5,\"total_tokens\":10,\"completion_tokens\":5}}";
        assert!(
            frames[4].contains("\"arguments\":\"{\\\"a\\\":1}\"},\"index\":0}]}"),
            "{}",
            frames[4]
        );
        assert!(frames[5].ends_with(end), "{}", frames[5]);
        assert_eq!(&frames[6..], [" [DONE]"]);
        assert!(frames.iter().all(|it| !it.contains("system_fingerprint")));
        let message = &whole(&ROW, &everything())["choices"][0]["message"];
        assert_eq!(message["content"][1]["text"], "Hello");
        assert_eq!(message["tool_calls"][0]["function"]["arguments"], "{\"a\":1}");
    }

    #[test]
    fn errors_are_flat() {
        let frames = frames(&ROW, &[boom()]);
        assert!(
            frames[0].starts_with(" {\"object\":\"error\",\"message\":\"boom\","),
            "{frames:?}"
        );
    }
}
