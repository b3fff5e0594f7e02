//! Dify's applications: events whose name is in the JSON, about an answer or a workflow.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::emit::{Growing, arguments_of, emit_call, emit_error_in, emit_failure, emit_text};
use super::{Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, Usage};
use crate::json::{Kind, Value};

/// The dialect `dify`.
pub(super) struct Dify;

impl Dialect for Dify {
    fn name(&self) -> &'static str {
        "dify"
    }

    fn about(&self) -> &'static str {
        "Dify chat and workflow applications"
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event_alone(&[])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        let event = json.str("event")?;
        if json.get("task_id").is_some() {
            return Some(Evidence::certain("event beside task_id"));
        }
        let known = match event.as_ref() {
            "error" => json.get("status").is_some() && json.get("code").is_some(),
            "message" | "agent_message" => json.get("answer").is_some(),
            name => json.get("workflow_run_id").is_some() && name.starts_with("workflow_"),
        };
        known.then(|| Evidence::likely(format!("event {}", crate::text::preview(&event, 40))))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<DifyDecoder>::default()
    }
}

/// Reads the events of one application.
#[derive(Default)]
struct DifyDecoder {
    /// The answer so far.
    answer: String,
    /// An agent speaks: a last `message` repeats all of it.
    agent: bool,
    /// True if messages of a chat arrived; `answer` in its workflow's output is all of them.
    chat: bool,
    /// The answer was replaced by another.
    replaced: bool,
    thoughts: Growing,
    /// The agent's calls that were reported, by the thought's id.
    calls: BTreeSet<String>,
    failed: bool,
}

impl Decoder for DifyDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else {
            if payload.event == "error" && !payload.data.is_empty() {
                emit_failure(payload.data.into(), None, emit);
            }
            return;
        };
        let event = json.str("event").unwrap_or(Cow::Borrowed(payload.event));
        match event.as_ref() {
            "message" | "agent_message" => {
                let text = json.str("answer").unwrap_or_default();
                let again = self.agent && event == "message" && text == self.answer;
                self.agent |= event == "agent_message";
                self.chat |= event == "message";
                self.text(Path::new("answer", 0), text, again, emit);
            }
            "message_replace" => {
                self.replace(Path::new("answer", 0), json.str("answer"), emit);
            }
            "text_chunk" => {
                let text = json.at(&["data", "text"]).and_then(Value::as_str);
                self.text(Path::new("data.text", 0), text.unwrap_or_default(), false, emit);
            }
            "text_replace" => {
                let text = json.at(&["data", "text"]).and_then(Value::as_str);
                self.replace(Path::new("data.text", 0), text, emit);
            }
            "reasoning_chunk" => {
                let text = json.at(&["data", "reasoning"]).and_then(Value::as_str);
                emit_text(Channel::Reasoning, Path::new("data.reasoning", 0), text, emit);
            }
            "agent_thought" => self.thought(json, emit),
            "message_end" => {
                let usage = json.at(&["metadata", "usage"]).map(usage_of);
                if let Some(usage) = usage.filter(Usage::is_given) {
                    emit(DecodeEvent::Usage { path: Path::new("metadata.usage", 0), usage });
                }
                emit(DecodeEvent::Terminal);
            }
            "workflow_finished" => self.finished(json, emit),
            "workflow_paused" => emit(DecodeEvent::Terminal),
            "error" => {
                self.failed = true;
                emit_error_in(json, emit);
            }
            // An error before the application is asked has no event.
            _ if json.get("event").is_none()
                && json.get("code").is_some()
                && json.get("message").is_some() =>
            {
                emit_error_in(json, emit);
            }
            _ => {}
        }
    }
}

impl DifyDecoder {
    fn text(
        &mut self,
        path: Path,
        text: Cow<'_, str>,
        duplicate: bool,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        if text.is_empty() {
            return;
        }
        if !duplicate {
            self.answer.push_str(&text);
        }
        emit(DecodeEvent::Text { choice: 0, channel: Channel::Content, path, text, duplicate });
    }

    /// Returns whether what was streamed is all of a chat's answer, which its workflow also returns at the
    /// end.
    fn says_all(&self) -> bool {
        !self.answer.is_empty() && self.chat && !self.replaced && !self.failed
    }

    /// All of the answer anew: what it adds is reported, another answer is only shown.
    fn replace(
        &mut self,
        path: Path,
        text: Option<Cow<'_, str>>,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let text = text.unwrap_or_default();
        self.replaced = true;
        match text.strip_prefix(self.answer.as_str()) {
            Some(rest) => self.text(path, Cow::Borrowed(rest), false, emit),
            None => self.text(path, text, true, emit),
        }
    }

    /// Reports a thought, which arrives again whole whenever more of it is known.
    fn thought(&mut self, json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let id = json.str("id").unwrap_or_default();
        let whole = json.str("thought").unwrap_or_default();
        // Agents that call functions repeat their answer here.
        let duplicate = !whole.is_empty() && self.answer.ends_with(whole.as_ref());
        let text = self.thoughts.rest(&id, whole);
        let (channel, path) = (Channel::Reasoning, Path::new("thought", 0));
        if !text.is_empty() {
            emit(DecodeEvent::Text { choice: 0, channel, path, text, duplicate });
        }
        let Some(tool) = json.str("tool").filter(|t| !t.is_empty()) else { return };
        let input = json.get("tool_input").and_then(arguments_of).filter(|i| !i.is_empty());
        if self.calls.insert(id.clone().into_owned()) {
            emit_call(Path::new("tool_input", 0), Some(id), Some(tool), input, emit);
        }
    }

    fn finished(&mut self, json: Value<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let data = json.get("data").unwrap_or(json);
        let total = data.get("total_tokens").and_then(Value::as_u64).filter(|t| *t > 0);
        if total.is_some() {
            let usage = Usage { total, ..Usage::default() };
            emit(DecodeEvent::Usage { path: Path::new("data.total_tokens", 0), usage });
        }
        let status = data.str("status").unwrap_or_default();
        if status == "failed" && !self.failed {
            self.failed = true;
            let why = data.str("error").filter(|e| !e.is_empty());
            let why = why.unwrap_or_else(|| "the workflow failed".into());
            emit_failure(why, Some("failed".into()), emit);
        }
        let outputs = data.get("outputs");
        if let Some(text) = outputs.and_then(|o| o.str("answer")).filter(|_| self.says_all()) {
            emit(DecodeEvent::Whole { choice: 0, channel: Channel::Content, text });
        }
        if self.answer.is_empty() {
            for (_, value) in outputs.into_iter().flat_map(Value::entries) {
                if let Some(text) = value.as_str() {
                    self.text(Path::new("data.outputs", 0), text, false, emit);
                    break;
                }
            }
        }
        emit(DecodeEvent::Terminal);
    }
}

fn usage_of(usage: Value<'_>) -> Usage {
    let count = |key: &str| usage.get(key).and_then(Value::as_u64);
    Usage {
        input: count("prompt_tokens"),
        output: count("completion_tokens"),
        total: count("total_tokens"),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;

    #[test]
    fn what_agents_repeat_is_told_once() {
        let events = script(
            "auto",
            &[
                r#"{"event":"agent_thought","task_id":"t","id":"a","thought":"","tool":"","tool_input":""}"#,
                r#"{"event":"agent_thought","task_id":"t","id":"a","thought":"look","tool":"search","tool_input":"{}"}"#,
                r#"{"event":"agent_thought","task_id":"t","id":"a","thought":"look","tool":"search","tool_input":"{}","observation":"4"}"#,
                r#"{"event":"agent_message","task_id":"t","answer":"fo"}"#,
                r#"{"event":"agent_message","task_id":"t","answer":"ur"}"#,
                r#"{"event":"message","task_id":"t","answer":"four"}"#,
                r#"{"event":"message_end","task_id":"t","metadata":{"usage":{"prompt_tokens":1,"total_price":"0.1"}}}"#,
            ],
        );
        assert_eq!(
            events,
            [
                "reasoning 0 thought: look",
                "tool None tool_input a search {}",
                "content 0 answer: fo",
                "content 0 answer: ur",
                "content 0 answer (again): four",
                "usage metadata.usage 1 - - - -",
                "terminal",
            ]
        );
    }

    #[test]
    fn a_workflow_that_failed_or_never_streamed() {
        let events = script(
            "dify",
            &[
                r#"{"event":"workflow_finished","task_id":"t","data":{"status":"failed","error":"boom","outputs":{}}}"#,
                r#"{"event":"workflow_finished","task_id":"t","data":{"status":"succeeded","outputs":{"n":1,"answer":"four"}}}"#,
                r#"{"event":"message_replace","task_id":"t","answer":"no"}"#,
            ],
        );
        assert_eq!(
            events,
            [
                "error Object failed: boom",
                "terminal",
                "content 0 data.outputs: four",
                "terminal",
                "content 0 answer (again): no",
            ]
        );
    }
}
