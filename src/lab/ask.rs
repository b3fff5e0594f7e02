//! The things that a request asks of the lab.

use std::collections::HashMap;

use serde_json::value::RawValue;

use super::random::Random;
use super::scenario::{Scenario, ScenarioAnswer, When};
use super::speaker::StreamPolicy;
use super::turn::{self, Declared};
use crate::json::{Kind, Tape, Value};

/// Fields in which the dialects have what is said to the model.
const PROMPTS: &[&str] = &[
    "system",
    "systemInstruction",
    "system_instruction",
    "instructions",
    "messages",
    "contents",
    "input",
    "prompt",
    "message",
];

/// Returns the number of characters of text; `counts` says whether a string here is text.
fn characters(value: Value<'_>, counts: bool) -> u64 {
    let text = |key: &str| matches!(key, "content" | "text" | "parts");
    match value.kind() {
        Kind::String if counts => value.as_str().map_or(0, |s| s.chars().count() as u64),
        Kind::Array => value.items().map(|item| characters(item, counts)).sum(),
        Kind::Object => {
            let members = value.entries();
            members.map(|(k, v)| characters(v, k.as_str().is_some_and(|k| text(&k)))).sum()
        }
        _ => 0,
    }
}

/// The part of a request's body that the lab looks at.
#[derive(Debug)]
pub(super) struct Ask {
    /// The top-level members, unparsed: a body may be megabytes of messages.
    members: HashMap<String, Box<RawValue>>,
    path: String,
    /// The model in the path.
    named: Option<String>,
    body_len: usize,
}

impl Ask {
    /// Reads the body; returns `None` if it isn't a JSON object. `named` is the model in the path.
    pub(super) fn parse(path: &str, named: Option<String>, body: &[u8]) -> Option<Self> {
        Some(Self {
            members: serde_json::from_slice(body).ok()?,
            path: path.to_owned(),
            named,
            body_len: body.len(),
        })
    }

    /// Returns the model's name, if there is one.
    pub(super) fn model(&self) -> Option<String> {
        self.named.clone().or_else(|| self.string("model"))
    }

    /// Returns whether a stream is wanted.
    pub(super) fn stream(&self, streams: StreamPolicy) -> bool {
        match streams {
            StreamPolicy::IfAsked => self.text("stream") == Some("true"),
            StreamPolicy::Unless => self.text("stream") != Some("false"),
            StreamPolicy::Always => true,
            StreamPolicy::Never => false,
        }
    }

    /// Returns whether OpenAI's usage chunk is wanted.
    pub(super) fn include_usage(&self) -> bool {
        let options = self.text("stream_options").unwrap_or("null");
        let options: Option<HashMap<String, serde_json::Value>> =
            serde_json::from_str(options).ok();
        options.is_some_and(|it| it.get("include_usage") == Some(&true.into()))
    }

    /// Roughly how many tokens the prompt has; the lab has no tokenizer. Only what is said counts, so
    /// that one prompt has one count in every dialect, however its JSON is written.
    pub(super) fn input_tokens(&self) -> u64 {
        let mut tape = Tape::new();
        let mut chars = 0;
        for text in PROMPTS.iter().filter_map(|key| self.text(key)) {
            if tape.parse(text).is_ok() {
                chars += tape.root(text).map_or(0, |root| characters(root, true));
            }
        }
        (chars / 4).max(1)
    }

    /// The answer of a scenario that this request gets.
    pub(super) fn choose<'a>(
        &self,
        scenario: &'a Scenario,
        random: &mut Random,
    ) -> Option<&'a ScenarioAnswer> {
        let mut answers = scenario.answers.iter();
        answers.find(|answer| self.meets(&answer.when, random))
    }

    fn meets(&self, when: &When, random: &mut Random) -> bool {
        if let Some(key) = &when.key {
            let there = match &when.is {
                Some(value) => self.string(key).as_ref() == Some(value),
                None => self.text(key).is_some_and(|text| text != "null"),
            };
            if !there {
                return false;
            }
        }
        if when.path.as_ref().is_some_and(|part| !self.path.contains(part)) {
            return false;
        }
        if when.body_over.is_some_and(|bytes| self.body_len <= bytes) {
            return false;
        }
        when.chance.is_none_or(|chance| random.unit() < chance)
    }

    /// The tools that the request declares.
    pub(super) fn tools(&self) -> Vec<Declared> {
        let lists = ["tools", "toolConfig"].iter().filter_map(|key| self.value(key));
        lists.flat_map(|list| turn::declared(&list)).collect()
    }

    /// Returns whether the newest turn brings a tool's result.
    pub(super) fn brings_result(&self) -> bool {
        let mut lists = ["messages", "contents", "input"].iter().filter_map(|key| self.value(key));
        lists.any(|list| turn::brings_result(&list))
    }

    fn value(&self, key: &str) -> Option<serde_json::Value> {
        serde_json::from_str(self.text(key)?).ok()
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.members.get(key).map(|value| value.get())
    }

    fn string(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.text(key)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_prompt_has_one_count_however_it_is_written() {
        let count = |body: &str| Ask::parse("/", None, body.as_bytes()).unwrap().input_tokens();
        let chat = r#"{"messages":[{"role":"user","content":"Good morning, how are you?"}]}"#;
        assert_eq!(count(chat), 6);
        for other in [
            "{ \"messages\" : [ { \"role\" : \"user\" , \"content\" : \"Good morning, how are you?\" } ] }",
            r#"{"contents":[{"role":"user","parts":[{"text":"Good morning, how are you?"}]}]}"#,
            r#"{"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Good morning, how are you?"}]}]}"#,
            r#"{"prompt":"Good morning, how are you?"}"#,
        ] {
            assert_eq!(count(other), 6, "{other}");
        }
        assert_eq!(count("{}"), 1);
    }

    #[test]
    fn reads_what_matters_and_ignores_the_rest() {
        let body = br#"{"model":"lab/x","stream":true,"messages":[1,2],"tool_choice":"auto",
                        "stream_options":{"include_usage":true},"other":{"deep":[[]]}}"#;
        let ask = Ask::parse("/", None, body).unwrap();
        assert_eq!(ask.model().unwrap(), "lab/x");
        assert!(ask.stream(StreamPolicy::IfAsked) && ask.include_usage());
        let mut random = Random::of_exchange(0, 0);
        let when = |is: &str| When {
            key: Some("tool_choice".to_owned()),
            is: Some(is.to_owned()),
            ..When::default()
        };
        assert!(ask.meets(&when("auto"), &mut random));
        assert!(!ask.meets(&when("none"), &mut random));
        assert!(Ask::parse("/", None, b"[]").is_none());
        assert!(Ask::parse("/", None, b"{").is_none());
        let bare = Ask::parse("/", Some("lab/y".to_owned()), b"{}").unwrap();
        assert!(!bare.stream(StreamPolicy::IfAsked) && bare.stream(StreamPolicy::Unless));
        assert_eq!(bare.model().unwrap(), "lab/y");
    }
}
