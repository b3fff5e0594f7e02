//! Anthropic Messages as LiteLLM reads them (`litellm/llms/anthropic/chat/handler.py`): each line by itself,
//! whatever its event is called, made into a chunk of Chat.

use super::value::{python, python_type, text};
use super::{ClientRun, Reader, calls};
use crate::json::{ErrorKind, Kind, Tape, Value};

/// Makes its reader.
pub(super) fn reader() -> Box<dyn Reader> {
    Box::<LiteLlmMessagesReader>::default()
}

/// Characters that end a line in Python, besides CR and LF.
const LINE_ENDS: &[char] =
    &['\u{b}', '\u{c}', '\u{1c}', '\u{1d}', '\u{1e}', '\u{85}', '\u{2028}', '\u{2029}'];

#[derive(Debug, Default)]
struct LiteLlmMessagesReader {
    /// The JSON that is not whole yet: behind a line that is none, all that follows is added to it.
    pieces: Option<JsonPieces>,
    /// The kind of the block that is open.
    kind: String,
    /// Deltas that arrived for it.
    delta: Option<BlockDeltas>,
    /// Number of calls.
    calls: u64,
    finish: Option<&'static str>,
    /// The finish is the provider's.
    finished: bool,
}

/// JSON that arrives in pieces.
#[derive(Debug, Default)]
struct JsonPieces {
    text: String,
    /// True if it begins with something that is not JSON, which stays there.
    stuck: bool,
}

/// The deltas of a block, as far as it matters whether a call has arguments.
#[derive(Debug)]
struct BlockDeltas {
    /// The kind of the first.
    first: String,
    has_arguments: bool,
}

impl Reader for LiteLlmMessagesReader {
    fn event(&mut self, run: &mut ClientRun, _event: &str, data: &str) {
        for line in data.split(LINE_ENDS) {
            if !run.stopped && !run.done {
                self.line(run, line);
            }
        }
    }

    fn close(&mut self, run: &mut ClientRun) {
        while !run.stopped && self.next_piece(run) {}
        if run.stopped {
            return;
        }
        run.given.fabricated = !self.finished;
        run.given.finish.insert(0, self.finish.unwrap_or("stop").to_owned());
    }
}

impl LiteLlmMessagesReader {
    fn line(&mut self, run: &mut ClientRun, line: &str) {
        let Some(data) = line.strip_prefix("data:") else {
            // A line without data ends the answer once its finish arrived.
            run.done |= self.finish.is_some();
            return;
        };
        if self.pieces.is_none() {
            let mut tape = std::mem::take(&mut run.tape);
            let whole = tape.parse(data).is_ok();
            if let Some(json) = tape.root(data).filter(|_| whole) {
                self.read(run, json);
            }
            run.tape = tape;
            if whole {
                return;
            }
        }
        let pieces = self.pieces.get_or_insert_default();
        if !pieces.stuck {
            pieces.text.push_str(data);
            if pieces.text.trim_end().ends_with(['}', ']']) {
                self.next_piece(run);
            }
        }
    }

    /// Takes the first value from the pieces, and returns whether there was one.
    fn next_piece(&mut self, run: &mut ClientRun) -> bool {
        let Some(pieces) = self.pieces.as_mut().filter(|pieces| !pieces.stuck) else {
            return false;
        };
        let source = std::mem::take(&mut pieces.text);
        let mut tape = Tape::new();
        let error = tape.parse(&source).err().map(|error| error.kind);
        let whole = matches!(error, None | Some(ErrorKind::Trailing));
        let Some(json) = tape.root(&source).filter(|_| whole) else {
            pieces.stuck = !matches!(error, Some(ErrorKind::Eof | ErrorKind::Empty));
            pieces.text = source;
            return false;
        };
        source[json.span().end..].clone_into(&mut pieces.text);
        if json.kind() == Kind::Object {
            self.read(run, json);
        }
        true
    }

    fn read(&mut self, run: &mut ClientRun, json: Value<'_>) {
        run.given.chunks += 1;
        if let Err(words) = self.chunk(run, json) {
            run.raise("", words);
        }
    }

    /// Reads one payload.
    ///
    /// # Errors
    /// What LiteLLM says of the error that it runs into.
    fn chunk(&mut self, run: &mut ClientRun, json: Value<'_>) -> Result<(), String> {
        if json.kind() != Kind::Object {
            let kind = python_type(json);
            return Err(failed(format!("{kind} object has no attribute 'get'")));
        }
        match json.str("type").as_deref() {
            Some("content_block_delta") => self.delta(run, key(json, "delta")?),
            Some("content_block_start") => self.open(run, json),
            Some("content_block_stop") => self.stop(run),
            Some("message_delta") => {
                let reason = text(Some(dictionary(key(json, "delta")?)?), "stop_reason");
                self.finished = reason.as_ref().is_some_and(|reason| !reason.is_empty());
                self.finish = Some(finish(reason.as_deref().unwrap_or_default()));
                Ok(())
            }
            Some("message_start") => dictionary(key(json, "message")?).map(drop),
            Some("error") => {
                let said = text(json.get("error"), "message").filter(|said| !said.is_empty());
                let words = said.unwrap_or_else(|| python(json));
                Err(format!("InternalServerError: AnthropicError - {words}"))
            }
            _ => Ok(()),
        }
    }

    fn delta(&mut self, run: &mut ClientRun, delta: Value<'_>) -> Result<(), String> {
        let delta = dictionary(delta)?;
        if let Some(words) = delta.get("text") {
            add(&mut run.given.content, words);
            return Ok(());
        }
        let arguments = delta.get("partial_json");
        let deltas = self.delta.get_or_insert_with(|| BlockDeltas {
            first: text(Some(delta), "type").unwrap_or_default(),
            has_arguments: false,
        });
        if let Some(piece) = arguments {
            let piece = piece.as_str().unwrap_or_default();
            deltas.has_arguments |= !piece.is_empty();
            if self.is_call() {
                let index = self.calls.checked_sub(1);
                calls::at(run, 0, index).arguments.push_str(&piece);
            }
        } else if let Some(thought) = delta.get("thinking") {
            add(&mut run.given.reasoning, thought);
        }
        Ok(())
    }

    fn open(&mut self, run: &mut ClientRun, json: Value<'_>) -> Result<(), String> {
        let block = key(json, "content_block")?;
        if block.kind() != Kind::Object {
            let kind = python_type(block);
            return Err(failed(format!("{kind} object has no attribute 'get'")));
        }
        self.delta = None;
        self.kind = key(block, "type")?.as_str().unwrap_or_default().into_owned();
        match self.kind.as_str() {
            "text" => add(&mut run.given.content, key(block, "text")?),
            "tool_use" | "server_tool_use" => {
                let name = key(block, "name")?.as_str().filter(|name| !name.is_empty());
                let name = name.map(std::borrow::Cow::into_owned);
                key(block, "id")?;
                calls::at(run, 0, Some(self.calls)).name = name;
                self.calls += 1;
            }
            "redacted_thinking" => drop(key(block, "data")?),
            _ => {}
        }
        Ok(())
    }

    fn stop(&mut self, run: &mut ClientRun) -> Result<(), String> {
        let empty = self.delta.as_ref().is_some_and(|delta| {
            !delta.has_arguments && !matches!(delta.first.as_str(), "text_delta" | "thinking_delta")
        });
        if self.is_call() && empty {
            let index = self.calls.checked_sub(1);
            calls::at(run, 0, index).arguments.push_str("{}");
        }
        self.kind.clear();
        Ok(())
    }

    /// Returns whether the open block is a call.
    fn is_call(&self) -> bool {
        matches!(self.kind.as_str(), "tool_use" | "server_tool_use")
    }
}

fn add(channel: &mut std::collections::BTreeMap<u32, String>, words: Value<'_>) {
    if let Some(words) = words.as_str().filter(|words| !words.is_empty()) {
        channel.entry(0).or_default().push_str(&words);
    }
}

/// A separate error, as it is reported.
fn failed(words: String) -> String {
    format!("APIConnectionError: {words}")
}

/// Returns a field that it expects to be there.
fn key<'a>(of: Value<'a>, name: &str) -> Result<Value<'a>, String> {
    of.get(name).ok_or_else(|| failed(format!("'{name}'")))
}

/// A value in which it looks for a key.
fn dictionary(value: Value<'_>) -> Result<Value<'_>, String> {
    match value.is_null() {
        true => Err(failed("argument of type 'NoneType' is not iterable".into())),
        false => Ok(value),
    }
}

/// A finish in OpenAI's words; one that it does not know is `stop`.
pub(super) fn finish(reason: &str) -> &'static str {
    match reason {
        "max_tokens" | "MAX_TOKENS" | "compaction" | "length" => "length",
        "tool_use" | "tool_calls" => "tool_calls",
        "function_call" => "function_call",
        "refusal"
        | "content_filtered"
        | "content_filter"
        | "guardrail_intervened"
        | "sensitive"
        | "SAFETY"
        | "RECITATION"
        | "ERROR_TOXIC"
        | "LANGUAGE"
        | "OTHER"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "NO_IMAGE"
        | "IMAGE_RECITATION"
        | "IMAGE_OTHER"
        | "ESCALATION" => "content_filter",
        _ => "stop",
    }
}
