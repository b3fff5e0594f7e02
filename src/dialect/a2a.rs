//! Agent2Agent over SSE: a task's states and artifacts, in JSON-RPC envelopes or bare (the REST
//! binding). Versions 0.3 and 1.0 differ in how they say what a message is.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::emit::{Growing, emit_error_in, emit_failure, emit_text};
use super::{Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload};
use crate::json::{Kind, Value};

/// The dialect `a2a`.
pub(super) struct A2a;

impl Dialect for A2a {
    fn name(&self) -> &'static str {
        "a2a"
    }

    fn about(&self) -> &'static str {
        "Agent2Agent (A2A) tasks, versions 0.3 and 1.0"
    }

    fn ending(&self) -> EndingRules {
        EndingRules::by_event_alone(&[])
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json?;
        if is_result(json) {
            return Some(Evidence::certain("jsonrpc and a task in result"));
        }
        // The REST binding has no envelope.
        (json.get("jsonrpc").is_none() && kind_of(json).is_some())
            .then(|| Evidence::certain("a task's state or artifact"))
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::<A2aDecoder>::default()
    }
}

/// Returns whether a JSON-RPC message has something about a task as its result.
pub(super) fn is_result(json: Value<'_>) -> bool {
    json.get("jsonrpc").is_some() && json.get("result").is_some_and(|r| kind_of(r).is_some())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kinds {
    Task,
    Message,
    Status,
    Artifact,
}

/// Returns what an object is about, and the object that says it.
fn kind_of(json: Value<'_>) -> Option<(Kinds, Value<'_>)> {
    let object = |key: &str| json.get(key).filter(|v| v.kind() == Kind::Object);
    if let Some(kind) = json.str("kind") {
        return match kind.as_ref() {
            "task" if object("status").is_some() => Some((Kinds::Task, json)),
            "message" if json.get("parts").is_some() => Some((Kinds::Message, json)),
            "status-update" if object("status").is_some() => Some((Kinds::Status, json)),
            "artifact-update" if object("artifact").is_some() => Some((Kinds::Artifact, json)),
            _ => None,
        };
    }
    if let Some(update) = object("statusUpdate") {
        return Some((Kinds::Status, update));
    }
    if let Some(update) = object("artifactUpdate") {
        return Some((Kinds::Artifact, update));
    }
    if let Some(task) = object("task").filter(|t| t.at(&["status", "state"]).is_some()) {
        return Some((Kinds::Task, task));
    }
    object("message").filter(|m| m.get("parts").is_some()).map(|m| (Kinds::Message, m))
}

/// Reads one task.
#[derive(Default)]
struct A2aDecoder {
    /// The text of each artifact.
    artifacts: Growing,
    /// Artifacts that arrived in pieces or whole.
    seen: BTreeSet<String>,
    /// True if any of the answer arrived.
    came: bool,
}

impl Decoder for A2aDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let Some(json) = payload.json.filter(|j| j.kind() == Kind::Object) else {
            if payload.event == "error" && !payload.data.is_empty() {
                emit_failure(payload.data.into(), None, emit);
            }
            return;
        };
        if let Some(error) = json.get("error").filter(|e| !e.is_null()) {
            return emit_error_in(error, emit);
        }
        if payload.event == "error" {
            return emit_error_in(json, emit);
        }
        let Some((kind, content)) = kind_of(json.get("result").unwrap_or(json)) else { return };
        match kind {
            Kinds::Artifact => {
                let append = content.get("append").and_then(Value::as_bool) == Some(true);
                if let Some(artifact) = content.get("artifact") {
                    self.artifact(artifact, append, emit);
                }
            }
            Kinds::Message => {
                self.came = true;
                each_text(content, |i, text| {
                    emit_text(Channel::Content, Path::new("parts[#].text", i), Some(text), emit);
                });
                emit(DecodeEvent::Terminal);
            }
            Kinds::Status | Kinds::Task => {
                for artifact in content.get("artifacts").into_iter().flat_map(Value::items) {
                    self.artifact(artifact, false, emit);
                }
                let is_last = content.get("final").and_then(Value::as_bool) == Some(true);
                if let Some(status) = content.get("status") {
                    self.status(status, is_last, emit);
                }
            }
        }
    }
}

impl A2aDecoder {
    fn artifact(
        &mut self,
        artifact: Value<'_>,
        append: bool,
        emit: &mut dyn FnMut(DecodeEvent<'_>),
    ) {
        let id = artifact.str("artifactId").unwrap_or_default();
        let fresh = self.seen.insert(id.clone().into_owned());
        let (artifacts, came) = (&mut self.artifacts, &mut self.came);
        each_text(artifact, |i, text| {
            let path = Path::new("artifact.parts[#].text", i);
            let key = format!("{id}#{i}");
            *came = true;
            if append || fresh {
                artifacts.add(&key, &text);
                return emit_text(Channel::Content, path, Some(text), emit);
            }
            // The agent repeats text that was already sent, longer or changed.
            if text.starts_with(artifacts.held(&key)) {
                let rest = artifacts.rest(&key, text);
                return emit_text(Channel::Content, path, Some(rest), emit);
            }
            let channel = Channel::Content;
            emit(DecodeEvent::Text { choice: 0, channel, path, text, duplicate: true });
        });
    }

    fn status(&mut self, status: Value<'_>, is_last: bool, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        let state = status.str("state").unwrap_or_default().to_ascii_lowercase();
        let state = state.strip_prefix("task_state_").unwrap_or(&state).replace('_', "-");
        let message = status.get("message");
        match state.as_str() {
            "failed" | "rejected" => {
                let mut content = String::new();
                message.into_iter().for_each(|m| each_text(m, |_, text| content.push_str(&text)));
                if content.is_empty() {
                    content = format!("the task is {state}");
                }
                emit_failure(content.into(), Some(state.clone().into()), emit);
            }
            _ => {
                let ends =
                    matches!(state.as_str(), "completed" | "input-required" | "auth-required");
                // If an artifact holds the answer, the text of the status is not the answer.
                let channel = if ends && !self.came { Channel::Content } else { Channel::Other };
                message.into_iter().for_each(|m| {
                    each_text(m, |i, text| {
                        let path = Path::new("status.message.parts[#].text", i);
                        emit_text(channel, path, Some(text), emit);
                    });
                });
            }
        }
        const LAST: &[&str] =
            &["completed", "failed", "rejected", "canceled", "input-required", "auth-required"];
        if is_last || LAST.contains(&state.as_str()) {
            emit(DecodeEvent::Terminal);
        }
    }
}

/// Each text among the parts of a message or artifact.
fn each_text<'a>(content: Value<'a>, mut take: impl FnMut(usize, Cow<'a, str>)) {
    for (i, part) in content.get("parts").into_iter().flat_map(Value::items).enumerate() {
        if let Some(text) = part.str("text").filter(|t| !t.is_empty()) {
            take(i, text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::script;

    #[test]
    fn both_versions_and_the_binding_without_an_envelope() {
        let old = script(
            "auto",
            &[
                r#"{"jsonrpc":"2.0","id":1,"result":{"kind":"task","id":"t","status":{"state":"submitted"}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"kind":"artifact-update","artifact":{"artifactId":"a","parts":[{"kind":"text","text":"four"}]}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"kind":"status-update","status":{"state":"completed"},"final":true}}"#,
            ],
        );
        assert_eq!(old, ["content 0 artifact.parts[0].text: four", "terminal"]);
        let new = script(
            "auto",
            &[
                r#"{"task":{"id":"t","status":{"state":"TASK_STATE_WORKING"}}}"#,
                r#"{"artifactUpdate":{"artifact":{"artifactId":"a","parts":[{"text":"two "}]}}}"#,
                r#"{"artifactUpdate":{"artifact":{"artifactId":"a","parts":[{"text":"plus"}]},"append":true}}"#,
                r#"{"artifactUpdate":{"artifact":{"artifactId":"a","parts":[{"text":"two plus"}]},"append":false}}"#,
                r#"{"statusUpdate":{"status":{"state":"TASK_STATE_INPUT_REQUIRED","message":{"parts":[{"text":"which?"}]}}}}"#,
            ],
        );
        assert_eq!(
            new,
            [
                "content 0 artifact.parts[0].text: two ",
                "content 0 artifact.parts[0].text: plus",
                "other 0 status.message.parts[0].text: which?",
                "terminal",
            ]
        );
    }

    #[test]
    fn a_failed_task_says_why() {
        let events = script(
            "auto",
            &[
                r#"{"jsonrpc":"2.0","id":1,"result":{"statusUpdate":{"status":{"state":"TASK_STATE_FAILED","message":{"parts":[{"text":"529"}]}}}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"statusUpdate":{"status":{"state":"TASK_STATE_REJECTED"}}}}"#,
            ],
        );
        assert_eq!(
            events,
            [
                "error Object failed: 529",
                "terminal",
                "error Object rejected: the task is rejected",
                "terminal",
            ]
        );
    }
}
