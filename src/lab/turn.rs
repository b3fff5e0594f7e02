//! The state of a conversation: the tools that a request declares, and whether it brings a tool's result. With
//! these an agent completes its turn: the lab calls a tool that exists, and answers in text once it has been
//! run.

use serde_json::{Map, Value, json};

/// A tool that the request declares.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Declared {
    /// Its name.
    pub(super) name: String,
    /// Arguments with a value for each required property, as JSON.
    pub(super) arguments: String,
    /// Number of required properties.
    required: usize,
}

/// The members of a tool's declaration that hold its schema, over all dialects.
const SCHEMAS: [&str; 4] = ["parameters", "parametersJsonSchema", "input_schema", "inputSchema"];

/// The greatest depth at which tools are searched for and schemas followed.
const MAX_DEPTH: usize = 8;

/// The tools declared in `tools` (or Bedrock's `toolConfig`), the one that asks least of its caller
/// first, and before it those that only look. What is not a function with a schema is left out, and
/// so are the members of a namespace, which are called by another name.
pub(super) fn declared(tools: &Value) -> Vec<Declared> {
    let mut all = Vec::new();
    collect(tools, 0, &mut all);
    all.sort_by_key(|tool| (!only_looks(&tool.name), tool.required));
    all
}

/// Returns whether a tool of that name changes nothing, as far as a name can show: an agent really runs what
/// it is called with.
fn only_looks(name: &str) -> bool {
    const WORDS: [&str; 8] = ["read", "list", "glob", "grep", "get", "search", "view", "look"];
    let name = name.to_ascii_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

fn collect(value: &Value, depth: usize, all: &mut Vec<Declared>) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, depth + 1, all)),
        Value::Object(members) if members.get("type").is_some_and(|t| t == "namespace") => {}
        Value::Object(members) => {
            let schema = SCHEMAS.iter().find_map(|key| members.get(*key));
            if let (Some(Value::String(name)), Some(schema)) = (members.get("name"), schema) {
                // Bedrock has the schema under `json`.
                let schema = schema.get("json").unwrap_or(schema);
                let required = schema["required"].as_array().map_or(0, Vec::len);
                let arguments = example(schema, "", 0).to_string();
                all.push(Declared { name: name.clone(), arguments, required });
                return;
            }
            members.values().for_each(|member| collect(member, depth + 1, all));
        }
        _ => {}
    }
}

/// A harmless value that fits a schema.
fn example(schema: &Value, name: &str, depth: usize) -> Value {
    let first = |key: &str| schema[key].as_array().and_then(|values| values.first()).cloned();
    if let Some(given) = schema.get("const").cloned().or_else(|| first("enum")) {
        return given;
    }
    if let Some(given) = schema.get("default").filter(|value| !value.is_null()) {
        return given.clone();
    }
    let kind = match &schema["type"] {
        // A list of types: the first that is not null.
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null"),
        kind => kind.as_str(),
    };
    // Gemini writes the types in upper case.
    match kind.unwrap_or_default().to_ascii_lowercase().as_str() {
        "string" => json!(word(name)),
        "integer" | "number" => json!(1),
        "boolean" => json!(false),
        "array" if depth < MAX_DEPTH => json!([example(&schema["items"], name, depth + 1)]),
        "array" => json!([]),
        "null" => Value::Null,
        _ if depth >= MAX_DEPTH => json!({}),
        _ => {
            let required = schema["required"].as_array().into_iter().flatten();
            let members = required
                .filter_map(Value::as_str)
                .map(|key| (key.to_owned(), example(&schema["properties"][key], key, depth + 1)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}

/// A text for a property of that name. A client may really run what it is called with, so it must
/// not do any harm.
fn word(name: &str) -> &'static str {
    let name = name.to_ascii_lowercase();
    let has = |part: &str| name.contains(part);
    match () {
        () if has("command") || has("cmd") => "true",
        () if has("path") || has("file") || has("dir") => ".",
        () if has("url") || has("uri") => "http://127.0.0.1:9/",
        () if has("city") || has("location") => "Paris",
        () => "lab",
    }
}

/// Returns whether a conversation's newest turn contains the result of a tool. Text that the client adds
/// after it makes no difference; an answer of the model after it does.
pub(super) fn brings_result(conversation: &Value) -> bool {
    let Some(items) = conversation.as_array() else { return false };
    for item in items.iter().rev() {
        let text = |key: &str| item[key].as_str().unwrap_or_default();
        let (role, kind) = (text("role"), text("type"));
        // Chat, Ollama, Cohere and Mistral have a role for it, Responses items.
        if role == "tool" || kind.ends_with("_output") {
            return true;
        }
        if matches!(role, "assistant" | "model") || kind.ends_with("_call") || kind == "reasoning" {
            return false;
        }
        // Anthropic, Gemini and Bedrock put it among the parts of a user's message.
        let parts = ["content", "parts"].iter().filter_map(|key| item[*key].as_array()).flatten();
        for part in parts {
            let names = ["functionResponse", "function_response", "toolResult"];
            if part["type"] == "tool_result" || names.iter().any(|key| part.get(key).is_some()) {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_found_in_every_dialects_declaration() {
        let schema = json!({"type": "object", "required": ["city"],
            "properties": {"city": {"type": "string"}, "unit": {"type": "string"}}});
        for tools in [
            json!([{"type": "function", "function": {"name": "look", "parameters": schema}}]),
            json!([{"type": "function", "name": "look", "parameters": schema}]),
            json!([{"name": "look", "input_schema": schema}]),
            json!([{"functionDeclarations": [{"name": "look", "parametersJsonSchema": schema}]}]),
            json!({"tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": schema}}}]}),
        ] {
            let all = declared(&tools);
            assert_eq!(all.len(), 1, "{tools}");
            assert_eq!(
                (all[0].name.as_str(), all[0].arguments.as_str()),
                ("look", r#"{"city":"Paris"}"#)
            );
        }
        assert!(declared(&json!([{"type": "web_search"}, 3, null, "x"])).is_empty());
    }

    #[test]
    fn the_tool_that_asks_least_comes_first_and_gets_what_fits() {
        let tools = json!([
            {"name": "run", "input_schema": {"type": "object", "required": ["command", "n", "how"],
                "properties": {"command": {"type": "array", "items": {"type": "string"}},
                    "n": {"type": ["null", "integer"]}, "how": {"enum": ["fast", "slow"]}}}},
            {"name": "list", "input_schema": {"type": "OBJECT", "required": ["path"],
                "properties": {"path": {"type": "STRING"}}}},
        ]);
        let all = declared(&tools);
        let namespace = json!([{"type": "namespace", "name": "n", "tools": tools}]);
        assert!(declared(&namespace).is_empty());
        assert_eq!(all[0].arguments, r#"{"path":"."}"#);
        assert_eq!(all[1].arguments, r#"{"command":["true"],"n":1,"how":"fast"}"#);
    }

    #[test]
    fn what_only_looks_is_called_before_what_may_change_something() {
        let tool = |name, required: &[&str]| json!({"name": name, "input_schema": {"type": "object", "required": required}});
        let all = declared(&json!([tool("EnterWorktree", &[]), tool("Read", &["file_path"])]));
        let names: Vec<_> = all.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names, ["Read", "EnterWorktree"]);
    }

    #[test]
    fn a_result_counts_until_the_model_has_answered() {
        let result = [
            json!([{"role": "user", "content": "hi"}, {"role": "tool", "content": "42"}]),
            json!([{"type": "function_call"}, {"type": "function_call_output", "output": "42"}]),
            json!([{"role": "user", "content": [{"type": "tool_result"}, {"type": "text"}]},
                   {"role": "user", "content": "reminder"}]),
            json!([{"role": "user", "parts": [{"functionResponse": {}}]}]),
            json!([{"role": "user", "content": [{"toolResult": {}}]}]),
        ];
        for conversation in result {
            assert!(brings_result(&conversation), "{conversation}");
            let mut answered = conversation;
            answered.as_array_mut().unwrap().push(json!({"role": "assistant", "content": "ok"}));
            assert!(!brings_result(&answered));
        }
        for none in
            [json!([]), json!("hi"), json!([{"role": "user", "content": "hi"}]), json!(null)]
        {
            assert!(!brings_result(&none), "{none}");
        }
    }
}
