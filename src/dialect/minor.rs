//! Dialects of which little needs to be known: a row of a table each, with how it is known and how one
//! payload is read. Errors and `[DONE]` are read alike for all.

use std::borrow::Cow;

use super::emit::{
    Growing, arguments_of, emit_call, emit_error_in, emit_failure, emit_text, emit_text_in, word,
};
use super::of_chat::is_fastgpt;
use super::{
    Channel, DecodeEvent, Decoder, Dialect, EndingRules, Evidence, Path, Payload, Usage,
    openai_chat,
};
use crate::frame;
use crate::json::{Kind, Value};

type Emit<'e> = &'e mut dyn FnMut(DecodeEvent<'_>);

/// One of these dialects.
pub(super) struct Minor {
    name: &'static str,
    about: &'static str,
    ending: EndingRules,
    /// `[DONE]` is its terminal event.
    done: bool,
    recognizes: fn(&Payload<'_>) -> Option<Evidence>,
    /// Returns whether a payload that is no JSON object is one of it.
    allows: fn(&Payload<'_>) -> bool,
    read: fn(&mut Kept, &Payload<'_>, Emit<'_>),
}

/// The state that is kept from payload to payload.
#[derive(Default)]
struct Kept {
    texts: Growing,
    failed: bool,
}

/// A row with what most have in common: a terminal event, and objects only.
const ROW: Minor = Minor {
    name: "",
    about: "",
    ending: EndingRules::by_event_alone(&[]),
    done: false,
    recognizes: |_| None,
    allows: |_| false,
    read: |_, _, _| {},
};

pub(super) static REPLICATE: Minor = Minor {
    name: "replicate",
    about: "Replicate prediction streams",
    recognizes: |p| {
        let counted = p.id.and_then(|id| id.split_once(':')).is_some_and(|(time, n)| {
            [time, n].iter().all(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))
        });
        let plain = p.json.is_none_or(|j| j.kind() != Kind::Object);
        match p.event {
            "output" | "logs" if counted => Some(Evidence::certain("events output with ids N:N")),
            "error" | "done" if counted => Some(Evidence::likely("ids N:N")),
            "output" if plain && p.kind == frame::FrameKind::Event => {
                Some(Evidence::likely("plain text in events output"))
            }
            _ => None,
        }
    },
    allows: |p| matches!(p.event, "output" | "logs" | "error" | "done"),
    read: replicate,
    ..ROW
};

pub(super) static CODY: Minor = Minor {
    name: "cody",
    about: "Sourcegraph Cody completions",
    recognizes: |p| {
        let json = p.json.filter(|_| p.event == "completion")?;
        const KNOWN: &[&str] = &["deltaText", "delta_thinking", "delta_tool_calls"];
        if let Some(key) = KNOWN.iter().find(|key| json.get(key).is_some()) {
            return Some(Evidence::certain(*key));
        }
        let own = json.str("type").is_none()
            && (json.str("completion").is_some() || json.get("stopReason").is_some());
        own.then(|| Evidence::likely("event completion"))
    },
    read: cody,
    ..ROW
};

pub(super) static FLOWISE: Minor = Minor {
    name: "flowise",
    about: "Flowise predictions",
    recognizes: |p| {
        let json = p.json.filter(|j| j.len() == 2)?;
        let (event, data) = (json.str("event")?, json.get("data")?);
        let certain = match &*event {
            "token" => data.kind() == Kind::String,
            "agentReasoning"
            | "usedTools"
            | "sourceDocuments"
            | "artifacts"
            | "agentFlowEvent"
            | "nextAgent"
            | "agentFlowExecutedData"
            | "nextAgentFlow"
            | "calledTools" => true,
            "metadata" => data.get("chatId").is_some(),
            "end" => data.is("[DONE]"),
            _ => false,
        };
        let by = || format!("event {} in the JSON", crate::text::preview(&event, 30));
        if certain {
            return Some(Evidence::certain(by()));
        }
        let likely = matches!(&*event, "start" | "error" | "abort") && data.as_str().is_some();
        likely.then(|| Evidence::likely(by()))
    },
    read: flowise,
    ..ROW
};

pub(super) static TGI: Minor = Minor {
    name: "tgi",
    about: "Hugging Face Text Generation Inference, native",
    ending: EndingRules::by_event_alone(&["length", "eos_token", "stop_sequence"]),
    recognizes: |p| {
        let json = p.json?;
        if json.at(&["token", "special"]).is_some() {
            return Some(Evidence::certain("token.special"));
        }
        (json.str("error").is_some() && json.str("error_type").is_some())
            .then(|| Evidence::likely("error_type"))
    },
    read: tgi,
    ..ROW
};

pub(super) static SGLANG: Minor = Minor {
    name: "sglang",
    about: "SGLang, native /generate",
    ending: EndingRules::by_event_alone(&["stop", "length"]),
    done: true,
    recognizes: |p| {
        let json = p.json?;
        json.get("meta_info").filter(|m| m.kind() == Kind::Object)?;
        (json.get("text").is_some() || json.get("output_ids").is_some())
            .then(|| Evidence::certain("text beside meta_info"))
    },
    read: sglang,
    ..ROW
};

pub(super) static TRITON: Minor = Minor {
    name: "triton",
    about: "Triton and KServe generate_stream",
    ending: EndingRules { optional_finish: true, ..EndingRules::by_close(&[]) },
    recognizes: |p| {
        let json = p.json?;
        json.get("text_output")?;
        json.get("model_name").map(|_| Evidence::certain("model_name beside text_output"))
    },
    read: |kept, p, emit| {
        let Some(json) = p.json else { return };
        let text = json.str("text_output").unwrap_or_default();
        let text = kept.texts.rest("", text);
        emit_text(Channel::Content, Path::new("text_output", 0), Some(text), emit);
    },
    ..ROW
};

pub(super) static VLLM: Minor = Minor {
    name: "vllm-generate",
    about: "vLLM's demonstration server, /generate",
    ending: EndingRules { optional_finish: true, ..EndingRules::by_close(&[]) },
    recognizes: |p| {
        let json = p.json.filter(|j| j.len() == 1)?;
        let mut texts = json.get("text").filter(|t| t.kind() == Kind::Array)?.items();
        let all = texts.next().is_some_and(|t| t.kind() == Kind::String)
            && texts.all(|t| t.kind() == Kind::String);
        all.then(|| Evidence::likely("a list of texts"))
    },
    read: |kept, p, emit| {
        let texts = p.json.and_then(|j| j.get("text"));
        for (i, text) in texts.into_iter().flat_map(Value::items).enumerate() {
            let text = kept.texts.rest(&i.to_string(), text.as_str().unwrap_or_default());
            emit_text_in(i as u32, Channel::Content, Path::new("text[#]", i), Some(text), emit);
        }
    },
    ..ROW
};

impl Dialect for Minor {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &'static str {
        self.about
    }

    fn ending(&self) -> EndingRules {
        self.ending
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        (self.recognizes)(payload)
    }

    fn allows(&self, payload: &Payload<'_>) -> bool {
        (self.allows)(payload)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(MinorDecoder { kept: Kept::default(), done: self.done, read: self.read })
    }
}

struct MinorDecoder {
    kept: Kept,
    done: bool,
    read: fn(&mut Kept, &Payload<'_>, Emit<'_>),
}

impl Decoder for MinorDecoder {
    fn decode(&mut self, payload: &Payload<'_>, emit: &mut dyn FnMut(DecodeEvent<'_>)) {
        if payload.data.starts_with("[DONE]") {
            emit(DecodeEvent::Sentinel);
            if self.done {
                emit(DecodeEvent::Terminal);
            }
            return;
        }
        let json = payload.json.filter(|j| j.kind() == Kind::Object);
        let error = json.and_then(|j| j.get("error")).filter(|e| !e.is_null());
        match (json, error) {
            (Some(json), Some(error)) => {
                self.kept.failed = true;
                let text = super::error_text(error);
                let kind = super::emit::error_kind(error);
                emit_failure(text, kind.or_else(|| word(json, "error_type")), emit);
            }
            (Some(json), None) if payload.event == "error" => {
                self.kept.failed = true;
                emit_error_in(json, emit);
            }
            (None, _) if payload.event == "error" && !payload.data.is_empty() => {
                self.kept.failed = true;
                emit_failure(payload.data.into(), None, emit);
            }
            _ => (self.read)(&mut self.kept, payload, emit),
        }
    }
}

fn replicate(kept: &mut Kept, payload: &Payload<'_>, emit: Emit<'_>) {
    match payload.event {
        "output" => {
            let text = Cow::Borrowed(payload.data);
            emit_text(Channel::Content, Path::new("", 0), Some(text), emit);
        }
        "logs" => {
            let text = Cow::Borrowed(payload.data);
            emit_text(Channel::Other, Path::new("", 0), Some(text), emit);
        }
        "done" => {
            let reason = payload.json.and_then(|j| j.str("reason")).filter(|r| !r.is_empty());
            match reason {
                Some(reason) if reason == "error" && !kept.failed => {
                    emit_failure("the prediction failed".into(), None, emit);
                }
                Some(reason) if reason != "error" && !kept.failed => {
                    emit_failure(format!("the prediction was {reason}").into(), None, emit);
                }
                _ => {}
            }
            emit(DecodeEvent::Terminal);
        }
        _ => {}
    }
}

fn cody(kept: &mut Kept, payload: &Payload<'_>, emit: Emit<'_>) {
    if payload.event == "done" {
        return emit(DecodeEvent::Terminal);
    }
    let Some(json) = payload.json else { return };
    let thought = json.str("delta_thinking");
    emit_text(Channel::Reasoning, Path::new("delta_thinking", 0), thought, emit);
    emit_text(Channel::Content, Path::new("deltaText", 0), json.str("deltaText"), emit);
    if let Some(whole) = json.str("completion") {
        let rest = kept.texts.rest("", whole);
        emit_text(Channel::Content, Path::new("completion", 0), Some(rest), emit);
    }
    for (i, call) in json.get("delta_tool_calls").into_iter().flat_map(Value::items).enumerate() {
        let function = call.get("function").unwrap_or(call);
        let arguments = function.get("arguments").and_then(arguments_of);
        let path = Path::new("delta_tool_calls[#]", i);
        emit_call(path, call.str("id"), function.str("name"), arguments, emit);
    }
    let usage = json.get("usage").filter(|u| u.kind() == Kind::Object).map(Usage::openai);
    if let Some(usage) = usage.filter(Usage::is_given) {
        emit(DecodeEvent::Usage { path: Path::new("usage", 0), usage });
    }
    if let Some(reason) = json.str("stopReason").filter(|r| !r.is_empty()) {
        emit(DecodeEvent::Finish { choice: 0, reason });
    }
}

fn flowise(kept: &mut Kept, payload: &Payload<'_>, emit: Emit<'_>) {
    let Some(json) = payload.json else { return };
    let data = json.get("data");
    match json.str("event").as_deref() {
        Some("token") => {
            let text = data.and_then(Value::as_str);
            emit_text(Channel::Content, Path::new("data", 0), text, emit);
        }
        Some("error") => {
            kept.failed = true;
            if let Some(error) = data {
                emit_error_in(error, emit);
            }
        }
        Some("abort") => {
            emit_failure("the prediction was aborted".into(), Some("abort".into()), emit);
            emit(DecodeEvent::Terminal);
        }
        Some("end") => emit(DecodeEvent::Terminal),
        _ => {}
    }
}

fn tgi(_: &mut Kept, payload: &Payload<'_>, emit: Emit<'_>) {
    let Some(json) = payload.json else { return };
    let token = json.get("token");
    let special = token.and_then(|t| t.get("special")).and_then(Value::as_bool) == Some(true);
    if let Some(text) = token.and_then(|t| t.str("text")).filter(|_| !special) {
        emit_text(Channel::Content, Path::new("token.text", 0), Some(text), emit);
    }
    let Some(whole) = json.get("generated_text").filter(|whole| !whole.is_null()) else { return };
    if let Some(text) = whole.as_str() {
        emit(DecodeEvent::Whole { choice: 0, channel: Channel::Content, text });
    }
    if let Some(details) = json.get("details").filter(|d| d.kind() == Kind::Object) {
        let count = |key: &str| details.get(key).and_then(Value::as_u64);
        let (input, output) = (count("input_length"), count("generated_tokens"));
        let usage = Usage { input, output, ..Usage::default() };
        if usage.is_given() {
            emit(DecodeEvent::Usage { path: Path::new("details", 0), usage });
        }
        if let Some(reason) = details.str("finish_reason") {
            emit(DecodeEvent::Finish { choice: 0, reason });
        }
    }
    emit(DecodeEvent::Terminal);
}

fn sglang(kept: &mut Kept, payload: &Payload<'_>, emit: Emit<'_>) {
    let Some(json) = payload.json else { return };
    let choice = json.get("index").and_then(Value::as_u64).unwrap_or(0) as u32;
    if let Some(text) = json.str("text") {
        let text = kept.texts.rest(&choice.to_string(), text);
        emit_text_in(choice, Channel::Content, Path::new("text", 0), Some(text), emit);
    }
    let Some(about) = json.get("meta_info") else { return };
    let count = |key: &str| about.get(key).and_then(Value::as_u64);
    let usage = Usage {
        input: count("prompt_tokens"),
        output: count("completion_tokens"),
        cached: count("cached_tokens"),
        ..Usage::default()
    };
    let Some(finish) = about.get("finish_reason").filter(|f| !f.is_null()) else { return };
    if usage.is_given() {
        emit(DecodeEvent::Usage { path: Path::new("meta_info", 0), usage });
    }
    let reason = finish.as_str().or_else(|| finish.str("type")).unwrap_or_default();
    if reason == "abort" {
        kept.failed = true;
        let content = finish.str("message").unwrap_or_else(|| "the generation was aborted".into());
        return emit_failure(content, Some(reason), emit);
    }
    emit(DecodeEvent::Finish { choice, reason });
}

/// The dialect `fastgpt`: chunks of Chat Completions among events about the workflow.
pub(super) struct FastGpt;

impl Dialect for FastGpt {
    fn name(&self) -> &'static str {
        "fastgpt"
    }

    fn about(&self) -> &'static str {
        "FastGPT with detail: Chat Completions among workflow events"
    }

    fn ending(&self) -> EndingRules {
        openai_chat::OpenAiChat.ending()
    }

    fn recognizes(&self, payload: &Payload<'_>) -> Option<Evidence> {
        let json = payload.json.filter(|_| is_fastgpt(payload))?;
        let own = payload.event.starts_with("flow") || json.get("choices").is_some();
        own.then(|| Evidence::certain(format!("event {}", payload.event)))
    }

    fn allows(&self, payload: &Payload<'_>) -> bool {
        payload.event.starts_with("flow") && payload.json.is_some()
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        openai_chat::OpenAiChat.decoder()
    }

    fn speaks_chat(&self) -> bool {
        true
    }
}

#[cfg(test)]
#[path = "minor_tests.rs"]
mod tests;
