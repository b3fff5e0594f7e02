//! OpenAI Completions: text and nothing else.

use serde_json::{Value, json};

use super::gathered::{Gathered, TokenTally};
use super::openai_chat::{done, error_frame, refusal, usage};
use super::{Endpoint, Manner, Speaker, Speech, SpokenFrame, StreamPolicy};
use crate::lab::envelope::Envelope;

pub(super) const ROW: Endpoint = Endpoint {
    dialect: "openai-completions",
    path: "/completions",
    query: "",
    streams: StreamPolicy::IfAsked,
    envelope: Envelope::Sse,
    choices: true,
    id: "cmpl-lab",
    new: |manner| Box::new(OpenAiCompletionsSpeaker { manner, tally: TokenTally::default() }),
    refusal,
};

/// The speaker that produces this dialect on the wire.
struct OpenAiCompletionsSpeaker {
    manner: Manner,
    tally: TokenTally,
}

impl OpenAiCompletionsSpeaker {
    fn object(&self, choices: Value) -> Value {
        json!({
            "id": self.manner.id, "object": "text_completion", "created": self.manner.created,
            "model": self.manner.model, "choices": choices,
        })
    }

    fn chunk(&self, choice: u32, text: &str, finish: Option<&str>) -> SpokenFrame {
        let mut chunk = self.object(json!([one(choice, text, finish)]));
        if self.manner.include_usage {
            chunk["usage"] = Value::Null;
        }
        SpokenFrame::json(chunk)
    }
}

fn one(index: u32, text: &str, finish: Option<&str>) -> Value {
    json!({ "text": text, "index": index, "logprobs": null, "finish_reason": finish })
}

impl Speaker for OpenAiCompletionsSpeaker {
    fn speak(&mut self, choice: u32, speech: &Speech, out: &mut Vec<SpokenFrame>) {
        self.tally.count(speech);
        match speech {
            Speech::Content(text) => out.push(self.chunk(choice, text, None)),
            Speech::Finish(reason) => out.push(self.chunk(choice, "", Some(reason))),
            // As in Chat: only on request, unless the scenario has its own counts.
            Speech::Usage(given) if given.is_some() || self.manner.include_usage => {
                let mut chunk = self.object(json!([]));
                chunk["usage"] = usage(&self.manner.counts(self.tally));
                out.push(SpokenFrame::json(chunk));
            }
            Speech::Error(body) => out.push(error_frame(body)),
            Speech::Done => out.push(done()),
            // There are no roles; a scenario with the rest of these doesn't play here.
            Speech::Role(_)
            | Speech::Usage(_)
            | Speech::Reasoning(..)
            | Speech::Refusal(_)
            | Speech::ToolStart { .. }
            | Speech::ToolArguments { .. }
            | Speech::Delta(_) => {}
        }
    }

    fn whole(&mut self, spoken: &mut dyn Iterator<Item = (u32, Speech)>) -> Value {
        let all = Gathered::new(spoken);
        let choices = all.choices.iter();
        let choices: Value =
            choices.map(|(index, it)| one(*index, &it.content, it.finish.as_deref())).collect();
        let mut whole = self.object(choices);
        whole["usage"] = usage(&all.counts(self.manner.input_tokens));
        whole
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{frames, whole};
    use super::*;

    #[test]
    fn text_and_nothing_else() {
        let spoken = [
            Speech::Role("assistant".to_owned()),
            Speech::Content("Hi".to_owned()),
            Speech::Finish("length".to_owned()),
            Speech::Usage(None),
            Speech::Done,
        ];
        let chunk = |text: &str, finish: &str| {
            format!(
                " {{\"id\":\"cmpl-lab1\",\"object\":\"text_completion\",\"created\":7,\
                 \"model\":\"lab/x\",\"choices\":[{{\"text\":\"{text}\",\"index\":0,\
                 \"logprobs\":null,\"finish_reason\":{finish}}}]}}"
            )
        };
        // No usage was requested.
        let all = [chunk("Hi", "null"), chunk("", "\"length\""), " [DONE]".to_owned()];
        assert_eq!(frames(&ROW, &spoken), all);
        let whole = whole(&ROW, &spoken);
        assert_eq!(
            (&whole["choices"][0]["text"], &whole["usage"]["total_tokens"]),
            (&json!("Hi"), &json!(6))
        );
    }
}
