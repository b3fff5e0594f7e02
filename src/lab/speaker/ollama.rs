//! Ollama's own API: one object a line, the last of which has the finish reason and the counts.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::gathered::{Gathered, GatheredCall, Pending, TokenTally};
use super::{Endpoint, Manner, Refusal, Speaker, Speech, SpokenFrame, StreamPolicy, finish_word};
use crate::lab::envelope::Envelope;
use crate::lab::step::TokenCounts;

pub(super) const ROW: Endpoint = Endpoint {
    dialect: "ollama",
    path: "/api/chat",
    query: "",
    streams: StreamPolicy::Unless,
    envelope: Envelope::Lines,
    choices: false,
    // Answers have no id.
    id: "",
    new: |manner| Box::new(OllamaSpeaker::new(manner, true)),
    refusal,
};

/// A prompt instead of messages, and text instead of a message.
pub(super) const GENERATE: Endpoint = Endpoint {
    path: "/api/generate",
    new: |manner| Box::new(OllamaSpeaker::new(manner, false)),
    ..ROW
};

/// Chat's finish reasons in its words. It has none for calls.
const WORDS: &[(&str, &str)] = &[("tool_calls", "stop")];

/// The speaker that produces this dialect on the wire.
struct OllamaSpeaker {
    manner: Manner,
    tally: TokenTally,
    call: Pending,
    chat: bool,
}

/// The content of one line.
#[derive(Default)]
struct OllamaLine<'a> {
    thinking: Option<&'a str>,
    text: &'a str,
    calls: Vec<Value>,
}

impl OllamaSpeaker {
    fn new(manner: Manner, chat: bool) -> Self {
        Self { manner, tally: TokenTally::default(), call: Pending::default(), chat }
    }

    fn line(&self, sent: OllamaLine<'_>) -> Value {
        let seconds = i64::try_from(self.manner.created).unwrap_or(0);
        let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let mut line = json!({
            "model": self.manner.model, "created_at": at.format(&Rfc3339).unwrap_or_default(),
        });
        let mut message = Map::new();
        let mut put = |key: &str, value: Value| message.insert(key.to_owned(), value);
        if self.chat {
            put("role", "assistant".into());
        }
        put(if self.chat { "content" } else { "response" }, sent.text.into());
        if let Some(thinking) = sent.thinking {
            put("thinking", thinking.into());
        }
        if !sent.calls.is_empty() {
            put("tool_calls", sent.calls.into());
        }
        match line.as_object_mut() {
            Some(line) if !self.chat => line.extend(message),
            _ => line["message"] = Value::Object(message),
        }
        line["done"] = false.into();
        line
    }
}

impl Speaker for OllamaSpeaker {
    fn speak(&mut self, _choice: u32, speech: &Speech, out: &mut Vec<SpokenFrame>) {
        if let Some(called) = self.call.take(speech) {
            let message = OllamaLine { calls: vec![call(called)], ..OllamaLine::default() };
            out.push(SpokenFrame::json(self.line(message)));
        }
        self.tally.count(speech);
        match speech {
            // A refusal is plain text.
            Speech::Content(text) | Speech::Refusal(text) => {
                out.push(SpokenFrame::json(
                    self.line(OllamaLine { text, ..OllamaLine::default() }),
                ));
            }
            Speech::Reasoning(text, _) => {
                let message = OllamaLine { thinking: Some(text), ..OllamaLine::default() };
                out.push(SpokenFrame::json(self.line(message)));
            }
            Speech::Finish(reason) => {
                let counts = self.manner.usage.map(|_| self.manner.counts(self.tally));
                let line = self.line(OllamaLine::default());
                out.push(SpokenFrame::json(last(line, Some(reason), counts.as_ref())));
            }
            Speech::Error(body) => out.push(SpokenFrame::json(json!({ "error": body.message }))),
            // The last line was already the end, and has the usage. Calls are sent whole; a role is in every
            // line, and a delta exists only in Chat.
            Speech::Done
            | Speech::Usage(_)
            | Speech::ToolStart { .. }
            | Speech::ToolArguments { .. }
            | Speech::Role(_)
            | Speech::Delta(_) => {}
        }
    }

    fn whole(&mut self, spoken: &mut dyn Iterator<Item = (u32, Speech)>) -> Value {
        let mut all = Gathered::new(spoken);
        let counts = all.counts(self.manner.input_tokens);
        let choice = all.only();
        let text = choice.content + choice.refusal.as_deref().unwrap_or_default();
        let line = self.line(OllamaLine {
            thinking: choice.reasoning.as_ref().map(|(_, text)| text.as_str()),
            text: &text,
            calls: choice.tools.into_iter().map(call).collect(),
        });
        last(line, choice.finish.as_deref(), Some(&counts))
    }
}

/// Makes a line the last one. Its times, in ns, are what a quick machine might take.
fn last(mut line: Value, finish: Option<&str>, counts: Option<&TokenCounts>) -> Value {
    line["done"] = true.into();
    if let Some(reason) = finish {
        line["done_reason"] = finish_word(reason, WORDS).into();
    }
    let Some(counts) = counts else { return line };
    let load: u64 = 100_000_000;
    let prompt = counts.input.saturating_mul(1_000_000);
    let eval = counts.output.saturating_mul(20_000_000);
    line["total_duration"] = load.saturating_add(prompt).saturating_add(eval).into();
    line["load_duration"] = load.into();
    line["prompt_eval_count"] = counts.input.into();
    line["prompt_eval_duration"] = prompt.into();
    line["eval_count"] = counts.output.into();
    line["eval_duration"] = eval.into();
    line
}

fn call((index, tool): (u32, GatheredCall)) -> Value {
    let arguments = tool.input();
    let function = json!({ "index": index, "name": tool.name, "arguments": arguments });
    json!({ "id": tool.id, "function": function })
}

/// A sentence is all that it says of an error.
fn refusal(refusal: &Refusal<'_>) -> Value {
    json!({ "error": refusal.message })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{boom, everything, frames, whole};
    use super::*;

    #[test]
    fn lines_of_a_chat() {
        let frames = frames(&ROW, &everything());
        let line = |message: &str| {
            format!(
                " {{\"model\":\"lab/x\",\"created_at\":\"1970-01-01T00:00:07Z\",\
                 \"message\":{{\"role\":\"assistant\",{message}}},\"done\":false}}"
            )
        };
        assert_eq!(frames[0], line("\"content\":\"\",\"thinking\":\"hm\""));
        assert_eq!(frames[1], line("\"content\":\"Hel\""));
        assert_eq!(
            frames[3],
            line(
                "\"content\":\"\",\"tool_calls\":[{\"id\":\"call_1\",\"function\":\
                 {\"index\":0,\"name\":\"f\",\"arguments\":{\"a\":1}}}]"
            )
        );
        assert_eq!(frames.len(), 5);
        let end = "\"done\":true,\"done_reason\":\"stop\",\"total_duration\":205000000,\
                   \"load_duration\":100000000,\"prompt_eval_count\":5,\
                   \"prompt_eval_duration\":5000000,\"eval_count\":5,\"eval_duration\":100000000}";
        assert!(frames[4].ends_with(end), "{}", frames[4]);
    }

    #[test]
    fn what_is_generated_stands_at_the_top() {
        let frames = frames(&GENERATE, &everything());
        assert!(frames[0].contains("\"response\":\"\",\"thinking\":\"hm\",\"done\":false"));
        assert!(frames[2].contains("\"response\":\"lo\",\"done\":false"), "{}", frames[2]);
        assert_eq!(whole(&GENERATE, &everything())["response"], "Hello");
    }

    #[test]
    fn errors_are_a_sentence() {
        assert_eq!(frames(&ROW, &[boom()]), [" {\"error\":\"boom\"}"]);
    }

    #[test]
    fn a_whole_answer_is_one_last_line() {
        let whole = whole(&ROW, &everything());
        assert_eq!(whole["message"]["content"], "Hello");
        assert_eq!(whole["message"]["thinking"], "hm");
        assert_eq!(whole["message"]["tool_calls"][0]["function"]["arguments"]["a"], 1);
        assert_eq!((&whole["done"], &whole["eval_count"]), (&json!(true), &json!(5)));
    }
}
