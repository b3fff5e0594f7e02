//! A small program that sends the same request again: Python or JavaScript, with the vendor's SDK where the
//! address and the body fit it, otherwise with what the language provides. Credentials are read from
//! environment variables.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use crate::journal::{Request, credential, is_secret_name};

/// The language of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Python 3.9 or later.
    Python,
    /// JavaScript, Node.js 18 or later, an ES module.
    Node,
    /// JavaScript with `fetch`, in Node.js and in browsers.
    Fetch,
}

/// The way to call an SDK for one kind of address.
struct SdkCall {
    /// The end of the address that the SDK adds itself.
    suffix: &'static str,
    vendor: Vendor,
    /// The method of its client.
    method: &'static str,
    /// The members that are parameters of the method; the others go as they are.
    parameters: &'static [&'static str],
    /// Expression for the text that a chunk adds, in Python and in JavaScript.
    text: (&'static str, &'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Vendor {
    OpenAi,
    Anthropic,
}

const CALLS: &[SdkCall] = &[
    SdkCall {
        suffix: "/chat/completions",
        vendor: Vendor::OpenAi,
        method: "chat.completions",
        parameters: &["model", "messages", "stream"],
        text: (
            "(chunk.choices[0].delta.content if chunk.choices else None) or \"\"",
            "chunk.choices?.[0]?.delta?.content ?? \"\"",
        ),
    },
    SdkCall {
        suffix: "/responses",
        vendor: Vendor::OpenAi,
        method: "responses",
        parameters: &["model", "input", "stream"],
        text: (
            "chunk.delta if chunk.type == \"response.output_text.delta\" else \"\"",
            "chunk.type === \"response.output_text.delta\" ? chunk.delta : \"\"",
        ),
    },
    SdkCall {
        suffix: "/completions",
        vendor: Vendor::OpenAi,
        method: "completions",
        parameters: &["model", "prompt", "stream"],
        text: (
            "chunk.choices[0].text if chunk.choices else \"\"",
            "chunk.choices?.[0]?.text ?? \"\"",
        ),
    },
    SdkCall {
        suffix: "/v1/messages",
        vendor: Vendor::Anthropic,
        method: "messages",
        parameters: &["model", "messages", "max_tokens", "stream"],
        text: (
            "getattr(chunk.delta, \"text\", \"\") if chunk.type == \"content_block_delta\" else \"\"",
            "chunk.type === \"content_block_delta\" ? (chunk.delta.text ?? \"\") : \"\"",
        ),
    },
];

/// Headers that every client writes itself.
const OWN: &[&str] = &[
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "te",
    "transfer-encoding",
    "user-agent",
    "anthropic-version",
];

/// The program. A masked credential's value is the variable `key_env`, or one that says what
/// belongs there.
pub fn program(request: &Request, language: Language, key_env: Option<&str>) -> String {
    let body = serde_json::from_slice::<Value>(&request.body).ok();
    let streams = |body: &Map<String, Value>| body.get("stream") == Some(&Value::Bool(true));
    if let Some(Value::Object(body)) = &body
        && let Some(call) = call_of(request, body).filter(|_| streams(body))
    {
        match language {
            Language::Python => return python_sdk(request, call, body, key_env),
            Language::Node => return node_sdk(request, call, body, key_env),
            Language::Fetch => {}
        }
    }
    match language {
        Language::Python => python_plain(request, key_env),
        Language::Node | Language::Fetch => fetch(request, key_env),
    }
}

/// The call whose address and required members the request has.
fn call_of(request: &Request, body: &Map<String, Value>) -> Option<&'static SdkCall> {
    let path = request.url.split(['?', '#']).next()?;
    let call = CALLS.iter().find(|call| path.ends_with(call.suffix))?;
    let has_all = call.parameters.iter().all(|p| body.contains_key(*p));
    (request.method == "POST" && has_all).then_some(call)
}

/// Headers that the program has to set, with their values as expressions of its language.
fn headers(
    request: &Request,
    variable: &str,
    text: impl Fn(&str) -> String,
    read: impl Fn(&str) -> String,
) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for (name, value) in &request.headers {
        if OWN.contains(&name.to_ascii_lowercase().as_str()) {
            continue;
        }
        let value = match is_secret_name(name) {
            false => text(value),
            true => match value.strip_suffix(credential(value)).unwrap_or_default() {
                "" => read(variable),
                scheme => format!("{} + {}", text(scheme), read(variable)),
            },
        };
        headers.push((name.clone(), value));
    }
    headers
}

/// The base of the address, which the SDK takes, and its query.
fn base<'a>(request: &'a Request, call: &SdkCall) -> (&'a str, Vec<(&'a str, &'a str)>) {
    let (path, query) = request.url.split_once('?').unwrap_or((&request.url, ""));
    let base = path.strip_suffix(call.suffix).unwrap_or(path);
    let pairs = query.split('&').filter(|p| !p.is_empty());
    (base, pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect())
}

/// Returns whether a header is the SDK's own, which carries the credential.
fn is_sdk_key(call: &SdkCall, name: &str) -> bool {
    match call.vendor {
        Vendor::OpenAi => name.eq_ignore_ascii_case("authorization"),
        Vendor::Anthropic => name.eq_ignore_ascii_case("x-api-key"),
    }
}

/// The settings of an SDK's client; expressions of the program's language where they are values.
struct SdkSetup<'a> {
    /// The base of the address.
    base: &'a str,
    query: Vec<(&'a str, &'a str)>,
    key: String,
    /// The headers beside the SDK's own.
    others: Vec<(String, String)>,
}

fn setup<'a>(
    request: &'a Request,
    call: &SdkCall,
    key_env: Option<&str>,
    text: impl Fn(&str) -> String,
    read: impl Fn(&str) -> String,
) -> SdkSetup<'a> {
    let variable = key_env.unwrap_or("API_KEY");
    let (base, query) = base(request, call);
    let all = headers(request, variable, &text, &read);
    let keyed = all.iter().any(|(name, _)| is_sdk_key(call, name));
    let key = if keyed { read(variable) } else { text("none") };
    let others = all.into_iter().filter(|(name, _)| !is_sdk_key(call, name)).collect();
    SdkSetup { base, query, key, others }
}

fn python_sdk(
    request: &Request,
    call: &SdkCall,
    body: &Map<String, Value>,
    key_env: Option<&str>,
) -> String {
    let (module, client) = match call.vendor {
        Vendor::OpenAi => ("openai", "OpenAI"),
        Vendor::Anthropic => ("anthropic", "Anthropic"),
    };
    let read = |name: &str| format!("os.environ[{}]", python_text(name));
    let SdkSetup { base, query, key, others } = setup(request, call, key_env, python_text, read);
    let mut lines = vec![
        format!("# pip install {module}"),
        "import os".to_owned(),
        String::new(),
        format!("from {module} import {client}"),
        String::new(),
        format!("client = {client}("),
        format!("    base_url={},", python_text(base)),
        format!("    api_key={key},"),
        "    max_retries=0,".to_owned(),
    ];
    if !others.is_empty() {
        lines.push("    default_headers={".to_owned());
        lines.extend(others.iter().map(|(k, v)| format!("        {}: {v},", python_text(k))));
        lines.push("    },".to_owned());
    }
    if !query.is_empty() {
        let pair = |(k, v): &(&str, &str)| format!("{}: {}", python_text(k), python_text(v));
        let pairs: Vec<_> = query.iter().map(pair).collect();
        lines.push(format!("    default_query={{{}}},", pairs.join(", ")));
    }
    lines.push(")".to_owned());
    lines.push(format!("stream = client.{}.create(", call.method));
    for parameter in call.parameters {
        lines.push(format!("    {parameter}={},", python(&body[*parameter], 1)));
    }
    let rest = rest(body, call);
    if !rest.is_empty() {
        lines.push(format!("    extra_body={},", python(&Value::Object(rest), 1)));
    }
    lines.push(")".to_owned());
    lines.push("for chunk in stream:".to_owned());
    lines.push(format!("    print({}, end=\"\", flush=True)", call.text.0));
    lines.push("print()\n".to_owned());
    lines.join("\n")
}

fn node_sdk(
    request: &Request,
    call: &SdkCall,
    body: &Map<String, Value>,
    key_env: Option<&str>,
) -> String {
    let (module, client) = match call.vendor {
        Vendor::OpenAi => ("openai", "OpenAI"),
        Vendor::Anthropic => ("@anthropic-ai/sdk", "Anthropic"),
    };
    let read = |name: &str| format!("process.env[{}]", javascript_text(name));
    let SdkSetup { base, query, key, others } =
        setup(request, call, key_env, javascript_text, read);
    let mut lines = vec![
        format!("// npm install {module}; save as request.mjs"),
        format!("import {client} from {};", javascript_text(module)),
        String::new(),
        format!("const client = new {client}({{"),
        format!("  baseURL: {},", javascript_text(base)),
        format!("  apiKey: {key},"),
        "  maxRetries: 0,".to_owned(),
    ];
    if !others.is_empty() {
        lines.push("  defaultHeaders: {".to_owned());
        lines.extend(others.iter().map(|(k, v)| format!("    {}: {v},", javascript_text(k))));
        lines.push("  },".to_owned());
    }
    if !query.is_empty() {
        let pair =
            |(k, v): &(&str, &str)| format!("{}: {}", javascript_text(k), javascript_text(v));
        let pairs: Vec<_> = query.iter().map(pair).collect();
        lines.push(format!("  defaultQuery: {{ {} }},", pairs.join(", ")));
    }
    lines.push("});".to_owned());
    let json = javascript(&Value::Object(body.clone()));
    lines.push(format!("const stream = await client.{}.create({json});", call.method));
    lines.push("for await (const chunk of stream) {".to_owned());
    lines.push(format!("  process.stdout.write({});", call.text.1));
    lines.push("}\nconsole.log();\n".to_owned());
    lines.join("\n")
}

/// The members that are no parameters of the SDK's method.
fn rest(body: &Map<String, Value>, call: &SdkCall) -> Map<String, Value> {
    let others = body.iter().filter(|(key, _)| !call.parameters.contains(&key.as_str()));
    others.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// A program without an SDK, which prints the bytes of the answer.
fn python_plain(request: &Request, key_env: Option<&str>) -> String {
    let variable = key_env.unwrap_or("API_KEY");
    let read = |name: &str| format!("os.environ[{}]", python_text(name));
    let mut lines = vec![
        "import os".to_owned(),
        "import sys".to_owned(),
        "import urllib.error".to_owned(),
        "import urllib.request".to_owned(),
        String::new(),
        "request = urllib.request.Request(".to_owned(),
        format!("    {},", python_text(&request.url)),
        format!("    method={},", python_text(&request.method)),
        "    headers={".to_owned(),
    ];
    let content_type = header(request, "content-type").unwrap_or("application/json");
    lines.push(format!("        \"content-type\": {},", python_text(content_type)));
    for (name, value) in versions(request).map(|(k, v)| (k.to_owned(), python_text(v))) {
        lines.push(format!("        {}: {value},", python_text(&name)));
    }
    for (name, value) in headers(request, variable, python_text, read) {
        lines.push(format!("        {}: {value},", python_text(&name)));
    }
    lines.push("    },".to_owned());
    if !request.body.is_empty() {
        let body = match std::str::from_utf8(&request.body) {
            Ok(text) => format!("{}.encode()", python_text(text)),
            Err(_) => {
                let bytes = |b: &u8| b.escape_ascii().to_string().replace('"', "\\\"");
                format!("b\"{}\"", request.body.iter().map(bytes).collect::<String>())
            }
        };
        lines.push(format!("    data={body},"));
    }
    lines.push(")".to_owned());
    lines.push("try:".to_owned());
    lines.push("    response = urllib.request.urlopen(request)".to_owned());
    lines.push("except urllib.error.HTTPError as error:".to_owned());
    lines.push("    response = error".to_owned());
    lines.push("print(response.status, response.headers, file=sys.stderr)".to_owned());
    lines.push("while chunk := response.read1():".to_owned());
    lines.push("    sys.stdout.buffer.write(chunk)".to_owned());
    lines.push("    sys.stdout.flush()\n".to_owned());
    lines.join("\n")
}

fn fetch(request: &Request, key_env: Option<&str>) -> String {
    let variable = key_env.unwrap_or("API_KEY");
    let read = |name: &str| format!("process.env[{}]", javascript_text(name));
    let mut lines = vec![
        format!("const response = await fetch({}, {{", javascript_text(&request.url)),
        format!("  method: {},", javascript_text(&request.method)),
        "  headers: {".to_owned(),
    ];
    let content_type = header(request, "content-type").unwrap_or("application/json");
    lines.push(format!("    \"content-type\": {},", javascript_text(content_type)));
    for (name, value) in versions(request).map(|(k, v)| (k.to_owned(), javascript_text(v))) {
        lines.push(format!("    {}: {value},", javascript_text(&name)));
    }
    for (name, value) in headers(request, variable, javascript_text, read) {
        lines.push(format!("    {}: {value},", javascript_text(&name)));
    }
    lines.push("  },".to_owned());
    if !request.body.is_empty() {
        let body = match serde_json::from_slice::<Value>(&request.body) {
            Ok(json) => format!("JSON.stringify({})", javascript(&json).replace('\n', "\n  ")),
            Err(_) => match std::str::from_utf8(&request.body) {
                Ok(text) => javascript_text(text),
                Err(_) => format!("Buffer.from(\"{}\", \"base64\")", BASE64.encode(&request.body)),
            },
        };
        lines.push(format!("  body: {body},"));
    }
    lines.push("});".to_owned());
    lines.push("console.error(response.status, Object.fromEntries(response.headers));".to_owned());
    lines.push("const decoder = new TextDecoder();".to_owned());
    lines.push("for await (const chunk of response.body) {".to_owned());
    lines.push("  process.stdout.write(decoder.decode(chunk, { stream: true }));".to_owned());
    lines.push("}\n".to_owned());
    lines.join("\n")
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let found = request.headers.iter().find(|(k, _)| k.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// The header with the version of the API, which an SDK sets itself.
fn versions(request: &Request) -> impl Iterator<Item = (&str, &str)> {
    header(request, "anthropic-version").into_iter().map(|v| ("anthropic-version", v))
}

/// A string as Python writes it. Everything that a terminal might obey is escaped.
fn python_text(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if crate::text::is_hazard(c) => out.push_str(&format!("\\U{:08x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A string as JavaScript writes it, which is as JSON does.
fn javascript_text(text: &str) -> String {
    crate::text::to_json(&text)
}

/// A JSON value as a literal of Python, indented.
fn python(value: &Value, depth: usize) -> String {
    let (inner, outer) = ("    ".repeat(depth + 1), "    ".repeat(depth));
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => python_text(text),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Array(items) => {
            let items: Vec<_> =
                items.iter().map(|v| format!("{inner}{},\n", python(v, depth + 1))).collect();
            format!("[\n{}{outer}]", items.concat())
        }
        Value::Object(members) => {
            let member = |(key, value): (&String, &Value)| {
                format!("{inner}{}: {},\n", python_text(key), python(value, depth + 1))
            };
            format!("{{\n{}{outer}}}", members.iter().map(member).collect::<String>())
        }
    }
}

/// A JSON value as a literal of JavaScript, indented.
fn javascript(value: &Value) -> String {
    let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
    // Escape as for a terminal; only strings can need it.
    let escaped = |c: char| match c {
        '\n' => "\n".to_owned(),
        c if crate::text::is_hazard(c) => {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().map(|u| format!("\\u{u:04x}")).collect()
        }
        c => c.to_string(),
    };
    pretty.chars().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str, body: &str) -> Request {
        Request {
            method: "POST".into(),
            url: url.into(),
            headers: vec![
                ("authorization".into(), "Bearer ****".into()),
                ("x-trace".into(), "it's \"1\"".into()),
            ],
            body: body.as_bytes().to_vec().into(),
            ..Request::default()
        }
    }

    #[test]
    fn the_sdk_is_called_where_address_and_body_fit_it() {
        let body = r#"{"model":"m","messages":[{"role":"user","content":"a\u001b\"b"}],"stream":true,"seed":1,"logprobs":null}"#;
        let chat = request("http://h:1/v1/chat/completions?v=2", body);
        let python = program(&chat, Language::Python, Some("KEY"));
        for line in [
            "    base_url=\"http://h:1/v1\",",
            "    api_key=os.environ[\"KEY\"],",
            "        \"x-trace\": \"it's \\\"1\\\"\",",
            "    default_query={\"v\": \"2\"},",
            "stream = client.chat.completions.create(",
            "            \"content\": \"a\\U0000001b\\\"b\",",
            "        \"logprobs\": None,",
        ] {
            assert!(python.lines().any(|l| l == line), "{line}\n{python}");
        }
        let node = program(&chat, Language::Node, None);
        assert!(node.contains("apiKey: process.env[\"API_KEY\"]"), "{node}");
        assert!(node.contains("await client.chat.completions.create({"), "{node}");
    }

    #[test]
    fn what_fits_no_sdk_is_sent_as_it_is() {
        let other = request("http://h/api/chat", "{\"stream\":true}");
        assert!(program(&other, Language::Python, None).contains("urllib.request.Request("));
        assert!(
            program(&other, Language::Node, None).contains("await fetch(\"http://h/api/chat\"")
        );
        let not_json = request("http://h/v1/chat/completions", "{\"a");
        assert!(program(&not_json, Language::Python, None).contains("data=\"{\\\"a\".encode()"));
        let fetched = program(&other, Language::Fetch, Some("KEY"));
        assert!(fetched.contains("\"authorization\": \"Bearer \" + process.env[\"KEY\"]"));
    }
}
