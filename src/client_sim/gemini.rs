//! Gemini's `generateContent`, as google-genai reads it (`google/genai/_api_client.py`): line by line,
//! where every line that is neither blank nor `data: ` counts as JSON.

use super::head::gemini_class;
use super::sdk::{Gate, plain};
use super::value::python;
use super::value::{field, text};
use super::{ClientRun, ClientToolCall, Reader};
use crate::json::{Kind, Value};

/// Makes its reader.
pub(super) fn reader() -> Box<dyn Reader> {
    plain(&GATE, deliver)
}

/// Gemini's gate: every payload is a chunk, or an error.
const GATE: Gate = Gate { admits: |_, _, _| true, is_error: in_band_error };

/// Raises an error inside the stream, where the first key of a payload is `error`. Returns whether there was
/// one.
fn in_band_error(run: &mut ClientRun, json: Value<'_>) -> bool {
    let Some((key, error)) = json.entries().next().filter(|(key, _)| key.is("error")) else {
        return false;
    };
    let _ = key;
    let code = error.get("code").and_then(Value::as_u64);
    let status = text(Some(error), "status").unwrap_or_else(|| "None".into());
    let number = code.map_or_else(|| "None".into(), |code| code.to_string());
    run.raise(gemini_class(code), format!("{number} {status}. {}", python(json)));
    true
}

/// Adds what a careful loop reads from a chunk.
fn deliver(run: &mut ClientRun, json: Value<'_>) {
    run.given.chunks += 1;
    for candidate in json.get("candidates").into_iter().flat_map(Value::items) {
        let index = candidate.get("index").and_then(Value::as_u64).unwrap_or(0);
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let parts = field(field(Some(candidate), "content"), "parts");
        for part in parts.into_iter().flat_map(Value::items) {
            let thought = part.get("thought").and_then(Value::as_bool) == Some(true);
            let channel = if thought { &mut run.given.reasoning } else { &mut run.given.content };
            if let Some(text) = part.str("text").filter(|text| !text.is_empty()) {
                channel.entry(index).or_default().push_str(&text);
            }
            let Some(call) = field(Some(part), "functionCall") else { continue };
            if call.get("partialArgs").is_some() || call.get("willContinue").is_some() {
                run.given.elsewhere = Some("its caller joins the pieces of a call".into());
            }
            run.given.tools.push(ClientToolCall {
                choice: index,
                name: text(Some(call), "name").filter(|name| !name.is_empty()),
                arguments: field(Some(call), "args").map_or("{}", Value::source).to_owned(),
                ..ClientToolCall::default()
            });
        }
        if candidate.get("finishReason").is_some_and(|f| f.kind() == Kind::Number) {
            run.given.elsewhere = Some("it never asks for enums as numbers".into());
        }
        if let Some(finish) = text(Some(candidate), "finishReason").filter(|f| !f.is_empty()) {
            run.given.finish.insert(index, finish);
        }
    }
}
