//! Every dialect's requests, said in every other.

use serde_json::{Value, json};

use super::tracked::walk;
use super::*;
use crate::dialect::{DIALECTS, Dialect, find};

/// A request with everything in it, and members that only its own dialect knows.
fn rich(dialect: &dyn Dialect) -> Value {
    let schema = json!({
        "type": "object",
        "properties": {"city": {"type": "string", "description": "which city"}},
        "required": ["city"],
    });
    match dialect.name() {
        "openai-chat" => json!({
            "model": "model-1",
            "messages": [
                {"role": "developer", "content": "be brief"},
                {"role": "user", "name": "ann", "content": [
                    {"type": "text", "text": "what is here"},
                    {"type": "image_url", "image_url": {
                        "url": "data:image/jpeg;base64,/9j/AAAA", "detail": "high",
                    }},
                    {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                    {"type": "input_audio", "input_audio": {"data": "UUUU", "format": "wav"}},
                ]},
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "call-a", "type": "function", "function": {
                        "name": "weather", "arguments": "{\"city\":\"Paris\",\"days\":3}",
                    }},
                ]},
                {"role": "tool", "tool_call_id": "call-a", "content": "{\"sky\":\"gray\"}"},
                {"role": "assistant", "content": "it rains", "reasoning_content": "hm"},
                {"role": "system", "content": "and polite"},
                {"role": "user", "content": "thanks"},
            ],
            "tools": [{"type": "function", "function": {
                "name": "weather", "description": "tells it", "strict": true, "parameters": schema,
            }}],
            "tool_choice": {"type": "function", "function": {"name": "weather"}},
            "max_tokens": 4321, "temperature": 0.31, "top_p": 0.83, "seed": 77,
            "presence_penalty": 0.11, "frequency_penalty": 0.12,
            "stop": ["END", "HALT"], "reasoning_effort": "high",
            "stream": true, "stream_options": {"include_usage": true, "include_obfuscation": false},
            "logit_bias": {"50256": -100}, "x unknown": {"deep": [1, {"er": "leaf"}]},
        }),
        "anthropic" => json!({
            "model": "model-1", "max_tokens": 4321,
            "system": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                {"role": "user", "content": [
                    {"type": "image", "source": {
                        "type": "base64", "media_type": "image/png", "data": "iVBORAAA",
                    }},
                    {"type": "text", "text": "what is here"},
                    {"type": "document", "source": {"type": "text", "data": "a document"}},
                ]},
                {"role": "assistant", "content": [
                    {"type": "thinking", "thinking": "let me see", "signature": "sig"},
                    {"type": "tool_use", "id": "toolu_1", "name": "weather",
                        "input": {"city": "Paris"}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "toolu_1", "is_error": false,
                        "content": [{"type": "text", "text": "gray"}]},
                    {"type": "text", "text": "go on"},
                ]},
            ],
            "tools": [
                {"name": "weather", "description": "tells it", "input_schema": schema},
                {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
            ],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
            "temperature": 1, "top_p": 0.83, "top_k": 44, "stop_sequences": ["END"],
            "thinking": {"type": "enabled", "budget_tokens": 2222},
            "metadata": {"user_id": "u-9"}, "stream": true,
        }),
        "gemini" | "gemini-array" => json!({
            "system_instruction": {"parts": [{"text": "be brief"}, {"text": "and polite"}]},
            "contents": [
                {"role": "user", "parts": [
                    {"text": "what is here"},
                    {"inlineData": {"mimeType": "image/webp", "data": "UklGAAA"}},
                    {"fileData": {"mimeType": "image/png", "fileUri": "gs://a/b.png"}},
                    {"inlineData": {"mimeType": "audio/wav", "data": "WWWW"}},
                ]},
                {"role": "model", "parts": [
                    {"text": "a thought", "thought": true},
                    {"functionCall": {"name": "weather", "args": {"city": "Paris"}},
                        "thoughtSignature": "sig"},
                ]},
                {"role": "user", "parts": [
                    {"functionResponse": {"name": "weather", "response": {"output": "gray"}}},
                ]},
            ],
            "tools": [{"functionDeclarations": [{"name": "weather", "parameters": {
                "type": "OBJECT", "properties": {"city": {"type": "STRING"}},
            }}]}, {"googleSearch": {}}],
            "toolConfig": {"functionCallingConfig": {
                "mode": "ANY", "allowedFunctionNames": ["weather"],
            }},
            "generationConfig": {
                "maxOutputTokens": 4321, "temperature": 0.31, "topP": 0.83, "topK": 44,
                "seed": 77, "stopSequences": ["END"], "candidateCount": 2,
                "thinkingConfig": {"thinkingBudget": 2222, "includeThoughts": true},
            },
            "safetySettings": [{"category": "HARM", "threshold": "BLOCK_NONE"}],
        }),
        "openai-responses" => json!({
            "model": "model-1", "instructions": "be brief",
            "input": [
                {"role": "user", "content": [
                    {"type": "input_text", "text": "what is here"},
                    {"type": "input_image", "image_url": "https://example.org/a.png",
                        "detail": "low"},
                    {"type": "input_file", "file_id": "file-1"},
                ]},
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {"type": "message", "role": "assistant", "id": "msg_1", "content": [
                    {"type": "output_text", "text": "a moment", "annotations": []},
                ]},
                {"type": "function_call", "call_id": "call-a", "name": "weather",
                    "arguments": "{\"city\":\"Paris\"}"},
                {"type": "function_call", "call_id": "call-b", "name": "weather",
                    "arguments": "{\"city\":"},
                {"type": "function_call_output", "call_id": "call-a", "output": "gray"},
                {"type": "function_call_output", "call_id": "call-b", "output": "blue"},
            ],
            "tools": [
                {"type": "function", "name": "weather", "parameters": schema, "strict": true},
                {"type": "custom", "name": "grep"},
            ],
            "tool_choice": "required", "max_output_tokens": 4321, "temperature": 0.31,
            "reasoning": {"effort": "minimal", "summary": "auto"},
            "store": false, "previous_response_id": "resp_0", "stream": true,
        }),
        "ollama" => json!({
            "model": "model-1", "messages": [
                {"role": "user", "content": "what is here", "images": ["iVBORAAA"]},
                {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
                    {"function": {"name": "weather", "arguments": {"city": "Paris"}}},
                    {"function": {"name": "weather", "arguments": {"city": "Rome"}}},
                ]},
                {"role": "tool", "tool_name": "weather", "content": "gray"},
                {"role": "tool", "tool_name": "weather", "content": "blue"},
            ],
            "think": "medium", "format": "json", "keep_alive": "5m",
            "options": {"num_predict": 4321, "num_ctx": 8192, "mirostat": 1, "stop": ["END"]},
        }),
        "bedrock-converse" => json!({
            "system": [{"text": "be brief"}, {"cachePoint": {"type": "default"}}],
            "messages": [
                {"role": "user", "content": [
                    {"text": "what is here"},
                    {"image": {"format": "png", "source": {"bytes": "iVBORAAA"}}},
                    {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://a"}}}},
                ]},
                {"role": "assistant", "content": [
                    {"toolUse": {"toolUseId": "t-1", "name": "weather", "input": {"city": "Rome"}}},
                ]},
                {"role": "user", "content": [
                    {"toolResult": {"toolUseId": "t-1", "status": "success",
                        "content": [{"json": {"sky": "gray"}}]}},
                ]},
            ],
            "inferenceConfig": {"maxTokens": 4321, "temperature": 0.31, "stopSequences": ["END"]},
            "toolConfig": {
                "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": schema}}}],
                "toolChoice": {"any": {}},
            },
            "additionalModelRequestFields": {"top_k": 44},
        }),
        _ => {
            let chat = find("openai-chat").unwrap();
            let body = rich(chat).to_string();
            let mut body = translated(chat, dialect, &body);
            body["x unknown"] = json!({"deep": [1, {"er": "leaf"}]});
            body
        }
    }
}

fn translated(from: &dyn Dialect, to: &dyn Dialect, body: &str) -> Value {
    serde_json::from_str(&translate(from, to, body, None).unwrap().body).unwrap()
}

/// Every value in a body that is no list and no object with anything in it.
fn leaves(body: &Value) -> Vec<(String, &Value)> {
    let mut list = Vec::new();
    walk(body, &mut String::new(), &mut |path, value| {
        let inner = value.as_array().is_some_and(|a| !a.is_empty())
            || value.as_object().is_some_and(|o| !o.is_empty());
        if !inner && !value.is_null() {
            list.push((path.to_owned(), value));
        }
        true
    });
    list
}

fn is_noted(path: &str, notes: &[Note]) -> bool {
    notes.iter().any(|n| {
        let rest = path.strip_prefix(n.path.as_str());
        n.disposition != Disposition::Added
            && rest.is_some_and(|r| r.is_empty() || r.starts_with(['.', '[']))
    })
}

/// Returns whether the target says it too: the text as it is or in a longer one, JSON in a string as such.
fn is_in(value: &Value, target: &[(String, &Value)]) -> bool {
    let text = match value {
        Value::String(text) => text,
        other => return target.iter().any(|(_, t)| *t == other || in_string(other, t)),
    };
    if let Some(inside) = text.strip_prefix("data:") {
        let (media, data) = inside.split_once(";base64,").unwrap();
        return is_in(&json!(data), target) && is_in(&json!(media), target);
    }
    if let Some(Ok(inner)) = text.starts_with('{').then(|| serde_json::from_str::<Value>(text)) {
        return target.iter().any(|(_, t)| t.as_str() == Some(text))
            || leaves(&inner).iter().all(|(_, v)| is_in(v, target));
    }
    // Bedrock sends a format instead of a media type.
    let text = text.strip_prefix("image/").unwrap_or(text);
    target.iter().any(|(_, t)| t.as_str().is_some_and(|t| t.contains(text)))
}

fn in_string(value: &Value, target: &Value) -> bool {
    let Some(Ok(inner)) = target.as_str().map(serde_json::from_str::<Value>) else { return false };
    leaves(&inner).iter().any(|(_, v)| *v == value)
}

/// Words that only say what kind of thing something is: each dialect has its own for it.
fn is_kind(path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap();
    matches!(last, "type" | "role" | "mode" | "anthropic_version")
        || last.starts_with("tool_choice")
        || path.contains("toolChoice")
}

fn pairs() -> impl Iterator<Item = (&'static dyn Dialect, &'static dyn Dialect)> {
    asked().flat_map(|a| asked().map(move |b| (a, b)))
}

/// The dialects whose requests are known.
fn asked() -> impl Iterator<Item = &'static dyn Dialect> {
    DIALECTS.iter().copied().filter(|d| d.request().is_some())
}

#[test]
fn nothing_is_dropped_silently() {
    for (from, to) in pairs() {
        let source = rich(from);
        let done = translate(from, to, &source.to_string(), None).unwrap();
        let target: Value = serde_json::from_str(&done.body).unwrap();
        let text = leaves(&target);
        for (path, value) in leaves(&source) {
            assert!(
                is_noted(&path, &done.notes) || is_kind(&path) || is_in(value, &text),
                "{} → {}: {path} = {value} is gone\n{}\n{:#?}",
                from.name(),
                to.name(),
                done.body,
                done.notes
            );
        }
        for note in &done.notes {
            let at = if note.disposition == Disposition::Added { &target } else { &source };
            let mut found = false;
            walk(at, &mut String::new(), &mut |path, _| {
                found |= path == note.path;
                true
            });
            // A generated id and an address are at that path in neither body.
            assert!(
                found || note.disposition == Disposition::Added,
                "{} → {}: {note:?}",
                from.name(),
                to.name()
            );
        }
    }
}

/// A body for each place in it: without that, or with something odd there.
fn spoilt(body: &Value) -> Vec<Value> {
    fn at<'a>(body: &'a mut Value, path: &[usize]) -> Option<&'a mut Value> {
        let Some((first, rest)) = path.split_first() else { return Some(body) };
        let inner = match body {
            Value::Array(items) => items.get_mut(*first),
            Value::Object(members) => members.values_mut().nth(*first),
            _ => None,
        };
        at(inner?, rest)
    }
    fn places(body: &Value, path: &mut Vec<usize>, out: &mut Vec<Vec<usize>>) {
        let inner: Vec<&Value> = match body {
            Value::Array(items) => items.iter().collect(),
            Value::Object(members) => members.values().collect(),
            _ => return,
        };
        for (i, value) in inner.into_iter().enumerate() {
            path.push(i);
            out.push(path.clone());
            places(value, path, out);
            path.pop();
        }
    }
    let mut all = Vec::new();
    places(body, &mut Vec::new(), &mut all);
    let odd = [json!(91.5), json!("odd"), json!({"odd": [92]})];
    let mut out = Vec::new();
    for path in all {
        for value in &odd {
            let mut spoilt = body.clone();
            *at(&mut spoilt, &path).unwrap() = value.clone();
            out.push(spoilt);
        }
    }
    out
}

#[test]
fn nothing_is_dropped_silently_of_what_is_odd() {
    for from in asked() {
        for source in spoilt(&rich(from)) {
            for to in ["anthropic", "ollama"].map(|name| find(name).unwrap()) {
                let Ok(done) = translate(from, to, &source.to_string(), None) else { continue };
                let target: Value = serde_json::from_str(&done.body).unwrap();
                let text = leaves(&target);
                for (path, value) in leaves(&source) {
                    assert!(
                        is_noted(&path, &done.notes) || is_kind(&path) || is_in(value, &text),
                        "{} → {}: {path} = {value} of {source}\n{}",
                        from.name(),
                        to.name(),
                        done.body
                    );
                }
            }
        }
    }
}

/// Returns what of a request does not depend on where it was read.
fn plain(request: &ChatRequest) -> (Vec<String>, Vec<(String, String)>) {
    let mut all = Vec::new();
    for turn in &request.turns {
        for part in &turn.parts {
            let value = match &part.value {
                // Dialects without ids do not keep them.
                TurnPart::Call { name, arguments, .. } => format!("call {name} {arguments}"),
                TurnPart::Result { text, .. } => format!("result {text}"),
                other => format!("{:?} {other:?}", turn.role),
            };
            all.push((part.at.clone(), value));
        }
    }
    all.extend(request.tools.iter().map(|t| (t.at.clone(), format!("{} {:?}", t.name, t.schema))));
    all.extend(request.system.iter().map(|s| (s.at.clone(), s.value.clone())));
    all.extend(request.stop.iter().map(|s| (s.at.clone(), s.value.clone())));
    all.extend(request.numbers.iter().map(|(k, n)| (n.at.clone(), format!("{k:?} {}", n.value))));
    all.extend(request.choice.iter().map(|c| (c.at.clone(), format!("{:?}", c.value))));
    all.extend(request.effort.iter().map(|e| (e.at.clone(), format!("{:?}", e.value))));
    (all.iter().map(|(_, what)| what.clone()).collect(), all)
}

#[test]
fn there_and_back_keeps_what_both_can_say() {
    for (from, to) in pairs() {
        let source = rich(from);
        let there = translate(from, to, &source.to_string(), None).unwrap();
        let back = translate(to, from, &there.body, None).unwrap();
        let read = |text: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            let sheet = TrackedJson::new(&value);
            (from.request().unwrap().read)(sheet.root())
        };
        let (_, before) = plain(&read(&source.to_string()));
        let (after, _) = plain(&read(&back.body));
        for (at, what) in before {
            // In dialects without roles, the text is joined with others.
            let text = what.split_once("(\"").and_then(|(_, t)| t.strip_suffix("\")"));
            let joined = after.iter().any(|a| a.contains(text.unwrap_or(&what)));
            assert!(
                is_noted(&at, &there.notes) || joined || what.contains("be brief"),
                "{} → {} → back: {at}: {what}\n{after:#?}\n{}",
                from.name(),
                to.name(),
                there.body
            );
        }
    }
}

#[test]
fn a_minimal_request_is_read_as_it_was_written() {
    for dialect in asked() {
        let request = ChatRequest::minimal("model-1", "hello", Some("be brief"));
        let side = dialect.request().unwrap();
        let body = Value::Object((side.write)(&request, &mut Notes::default()));
        let sheet = TrackedJson::new(&body);
        let read = (side.read)(sheet.root());
        assert_eq!(sheet.unread(), Vec::<String>::new(), "{}", dialect.name());
        let TurnPart::Text(text) = &read.turns[0].parts[0].value else { panic!("{read:?}") };
        assert!(text.ends_with("hello"), "{}", dialect.name());
        assert_eq!(read.stream.map(|s| s.value), Some(true), "{}", dialect.name());
        assert_eq!(read.usage.map(|s| s.value), Some(true), "{}", dialect.name());
    }
}

fn notes(from: &str, to: &str, body: &str, model: Option<&str>) -> Vec<String> {
    let done = translate(find(from).unwrap(), find(to).unwrap(), body, model).unwrap();
    let line = |n: &Note| format!("{} {} {}: {}", n.disposition.name(), n.path, n.value, n.why);
    done.notes.iter().map(line).collect()
}

#[test]
fn what_anthropic_needs_is_added_and_told() {
    let chat = r#"{"model":"a","messages":[{"role":"user","content":"hi"}],"stream":true,
        "reasoning_effort":"low","max_tokens":100,"temperature":0.5,"n":2}"#;
    assert_eq!(
        notes("openai-chat", "anthropic", chat, Some("b")),
        [
            "lost temperature 0.5: none may be set beside thinking",
            "lost n 2: it has no counterpart there",
            "changed model \"a\": \"b\": the new provider's",
            "changed reasoning_effort \"low\": a budget of 1024 tokens replaces it",
            "changed max_tokens 100: 1124: it must be more than thinking's budget",
        ]
    );
    let chat = r#"{"model":"a","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
    assert_eq!(
        notes("openai-chat", "anthropic", chat, None),
        ["added max_tokens 1024: it must be there"]
    );
}

#[test]
fn mistral_gets_no_stream_options() {
    let chat = r#"{"model":"a","messages":[{"role":"user","content":"hi"}],"stream":true,
        "stream_options":{"include_usage":true}}"#;
    let done =
        translate(find("openai-chat").unwrap(), find("mistral").unwrap(), chat, None).unwrap();
    assert!(!done.body.contains("stream_options"), "{}", done.body);
    assert_eq!(done.count(Disposition::Lost), 0);
    assert_eq!(done.count(Disposition::Elsewhere), 1);
}

#[test]
fn what_a_relative_has_alike_is_carried_over() {
    let chat = r#"{"model":"a","messages":[{"role":"user","content":"hi"}],"stream":true,
        "response_format":{"type":"json_object"},"logit_bias":{"1":2}}"#;
    let events = notes("openai-chat", "mistral", chat, None);
    assert_eq!(events, [r#"lost logit_bias {"1":2}: it has no counterpart there"#]);
    let body = translated(find("openai-chat").unwrap(), find("mistral").unwrap(), chat);
    assert_eq!(body["response_format"], json!({"type": "json_object"}));
    assert_eq!(notes("openai-chat", "anthropic", chat, None).len(), 3);
}

#[test]
fn a_key_written_twice_is_told() {
    let body = r#"{"contents":[{"parts":[{"text":"one","text":"two"}]}]}"#;
    let events = notes("gemini", "openai-chat", body, Some("m"));
    assert!(
        events[0].starts_with("lost contents[0].parts[0].text \"two\": written twice"),
        "{events:?}"
    );
}

#[test]
fn an_address_tells_the_dialect() {
    for (url, name) in [
        ("https://api.openai.com/v1/chat/completions", "openai-chat"),
        ("https://api.anthropic.com/v1/messages?beta=true", "anthropic"),
        ("http://localhost:11434/api/chat", "ollama"),
        ("https://api.cohere.com/v2/chat", "cohere-v2"),
        ("https://g.example/v1beta/models/gemini-3:streamGenerateContent?alt=sse", "gemini"),
        ("https://b.example/model/a.b-1%3A0/converse-stream", "bedrock-converse"),
    ] {
        assert_eq!(by_address(url).map(|d| d.name()), Some(name), "{url}");
    }
    assert!(by_address("https://example.org/hello").is_none());
}

#[test]
fn a_number_beyond_64_bits_is_told() {
    let body = r#"{"messages":[{"role":"user","content":"hi"}],"seed":123456789012345678901234}"#;
    let events = notes("openai-chat", "mistral", body, Some("m"));
    assert!(events[0].starts_with("changed seed 1.2345"), "{events:?}");
}

#[test]
fn what_is_written_alike_stays_byte_for_byte() {
    let body = "{ \"contents\": [ {\"parts\": [{\"text\":\"hi\"}]} ] }";
    let (a, b) = (find("gemini").unwrap(), find("gemini-array").unwrap());
    let done = translate(a, b, body, Some("other")).unwrap();
    assert_eq!(done.body, body);
    assert!(done.notes.is_empty());
}

#[test]
fn what_cannot_be_read_is_said() {
    let chat = find("openai-chat").unwrap();
    let claude = find("anthropic").unwrap();
    let why = |body| translate(chat, claude, body, None).unwrap_err().to_string();
    assert!(why("{\"a\": 1,}").starts_with("it is not JSON: "));
    assert_eq!(why("[1]"), "a request is a JSON object");
    assert_eq!(why("{\"a\": 1}"), "there is no message in it as openai-chat has them");
    let deep = format!("{{\"messages\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(why(&deep).starts_with("it is not JSON: "));
}
