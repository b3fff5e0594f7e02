//! Mistral's chat, as mistralai reads it (`mistralai/client/utils/eventstreaming.py`): every payload is held
//! against the types of its SDK, and one that does not fit ends the stream with an error.

use super::value::text;
use super::{ClientRun, Reader, calls};
use crate::json::{Kind, Value};

/// Makes its reader.
pub(super) fn reader() -> Box<dyn Reader> {
    Box::new(MistralReader)
}

#[derive(Debug)]
struct MistralReader;

impl Reader for MistralReader {
    fn event(&mut self, run: &mut ClientRun, _event: &str, data: &str) {
        if data == "[DONE]" {
            run.done = true;
            return;
        }
        let mut tape = std::mem::take(&mut run.tape);
        let whole = tape.parse(data).is_ok();
        let mut misfits = Misfits::default();
        match tape.root(data).filter(|_| whole) {
            Some(json) => chunk(json, &mut misfits),
            None => misfits.add(""),
        }
        if let Some(words) = misfits.words() {
            run.raise("ResponseValidationError", words);
        } else if let Some(json) = tape.root(data) {
            deliver(run, json);
        }
        run.tape = tape;
    }
}

/// Adds what a careful loop reads from a chunk.
fn deliver(run: &mut ClientRun, json: Value<'_>) {
    run.given.chunks += 1;
    for choice in json.get("choices").into_iter().flat_map(Value::items) {
        let index = choice.get("index").map_or(0, |index| integer(index).unwrap_or(0));
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let delta = choice.get("delta");
        let content = delta.and_then(|delta| delta.get("content"));
        let mut add = |thought: bool, words: Option<String>| {
            let channel = if thought { &mut run.given.reasoning } else { &mut run.given.content };
            if let Some(words) = words.filter(|words| !words.is_empty()) {
                channel.entry(index).or_default().push_str(&words);
            }
        };
        add(false, text(delta, "content"));
        for part in content.into_iter().flat_map(Value::items) {
            match text(Some(part), "type").as_deref() {
                Some("text") => add(false, text(Some(part), "text")),
                Some("thinking") => {
                    let thoughts = part.get("thinking").into_iter().flat_map(Value::items);
                    thoughts.for_each(|thought| add(true, text(Some(thought), "text")));
                }
                _ => {}
            }
        }
        for call in delta.and_then(|d| d.get("tool_calls")).into_iter().flat_map(Value::items) {
            let at = call.get("index").and_then(integer).and_then(|at| u64::try_from(at).ok());
            let function = call.get("function");
            let name = text(function, "name").filter(|name| !name.is_empty());
            let arguments = function.and_then(|function| function.get("arguments"));
            let tool = calls::at(run, index, at.or(Some(0)));
            tool.name = tool.name.take().or(name);
            let arguments = arguments.map(|a| a.as_str().unwrap_or_else(|| a.source().into()));
            tool.arguments.push_str(&arguments.unwrap_or_default());
        }
        if let Some(reason) = text(Some(choice), "finish_reason").filter(|r| !r.is_empty()) {
            run.given.finish.insert(index, reason);
        }
    }
}

/// Values that do not fit the types.
#[derive(Debug, Default)]
struct Misfits {
    count: u32,
    /// The first, below the payload.
    first: String,
    /// One of several types would have fitted: each is counted.
    several: bool,
}

impl Misfits {
    fn add(&mut self, path: &str) {
        if self.count == 0 {
            path.clone_into(&mut self.first);
        }
        self.count += 1;
    }

    /// The beginning of the SDK's words, if anything does not fit.
    fn words(&self) -> Option<String> {
        if self.count == 0 {
            return None;
        }
        let failed = "Response validation failed: ";
        if self.several {
            return Some(failed.to_owned());
        }
        let (n, s) = (self.count, if self.count == 1 { "" } else { "s" });
        Some(format!("{failed}{n} validation error{s} for Unmarshaller\nbody.data{}", self.first))
    }

    /// A field that may be missing where `optional`, and be null where `nullable`.
    fn field<'a>(
        &mut self,
        of: Value<'a>,
        path: &str,
        fits: fn(Value<'_>) -> bool,
        (optional, nullable): (bool, bool),
    ) -> Option<Value<'a>> {
        let name = path.rsplit('.').next().unwrap_or(path);
        match of.get(name) {
            None if optional => None,
            Some(value) if value.is_null() && nullable => None,
            Some(value) if fits(value) => Some(value),
            _ => {
                self.add(path);
                None
            }
        }
    }
}

const REQUIRED: (bool, bool) = (false, false);
const OPTIONAL: (bool, bool) = (true, true);

fn chunk(json: Value<'_>, misfits: &mut Misfits) {
    if json.kind() != Kind::Object {
        return misfits.add("");
    }
    misfits.field(json, ".id", is_text, REQUIRED);
    misfits.field(json, ".model", is_text, REQUIRED);
    let choices = misfits.field(json, ".choices", |c| c.kind() == Kind::Array, REQUIRED);
    for (n, item) in choices.into_iter().flat_map(Value::items).enumerate() {
        let path = format!(".choices.{n}");
        match item.kind() {
            Kind::Object => choice(item, &path, misfits),
            _ => misfits.add(&path),
        }
    }
    misfits.field(json, ".object", is_text, OPTIONAL);
    misfits.field(json, ".created", is_integer, OPTIONAL);
    if let Some(usage) = misfits.field(json, ".usage", is_object, OPTIONAL) {
        for count in ["prompt_tokens", "completion_tokens", "total_tokens", "prompt_audio_seconds"]
        {
            misfits.field(usage, &format!(".usage.{count}"), is_integer, OPTIONAL);
        }
    }
}

fn choice(item: Value<'_>, path: &str, misfits: &mut Misfits) {
    misfits.field(item, &format!("{path}.index"), is_integer, REQUIRED);
    if let Some(delta) = misfits.field(item, &format!("{path}.delta"), is_object, REQUIRED) {
        misfits.field(delta, &format!("{path}.delta.role"), is_text, OPTIONAL);
        let content = delta.get("content").filter(|content| !content.is_null());
        if content.is_some_and(|content| !is_content(content)) {
            misfits.several = true;
            misfits.add("");
        }
        let list = format!("{path}.delta.tool_calls");
        let calls = misfits.field(delta, &list, |c| c.kind() == Kind::Array, OPTIONAL);
        for call in calls.into_iter().flat_map(Value::items) {
            let function = call.get("function");
            let arguments = function.and_then(|function| function.get("arguments"));
            let is_whole = text(function, "name").is_some()
                && arguments.is_some_and(|a| is_text(a) || is_object(a))
                && call.get("id").is_none_or(|id| id.is_null() || is_text(id))
                && call.get("index").is_none_or(|index| index.is_null() || is_integer(index));
            if !is_whole {
                misfits.several = true;
                misfits.add("");
            }
        }
    }
    misfits.field(item, &format!("{path}.finish_reason"), is_text, (false, true));
}

fn is_text(value: Value<'_>) -> bool {
    value.kind() == Kind::String
}

fn is_object(value: Value<'_>) -> bool {
    value.kind() == Kind::Object
}

fn is_integer(value: Value<'_>) -> bool {
    integer(value).is_some()
}

/// A whole number as pydantic reads it: also one that is written as text, or with an empty fraction.
fn integer(value: Value<'_>) -> Option<i64> {
    let written = match value.kind() {
        Kind::Number => value.source().into(),
        Kind::String => value.as_str()?,
        Kind::Bool => return Some(i64::from(value.as_bool() == Some(true))),
        _ => return None,
    };
    let whole = written.trim().split_once('.').filter(|(_, rest)| rest.bytes().all(|b| b == b'0'));
    whole.map_or(written.trim(), |(whole, _)| whole).parse().ok()
}

/// A text, or a list of parts of which each fits the type that it names; an unknown one fits.
fn is_content(content: Value<'_>) -> bool {
    let part = |part: Value<'_>| match text(Some(part), "type").as_deref() {
        Some("text") => part.get("text").is_some_and(is_text),
        Some("thinking") => part.get("thinking").is_some_and(|t| t.kind() == Kind::Array),
        Some(_) => true,
        None => false,
    };
    is_text(content) || content.kind() == Kind::Array && content.items().all(part)
}
