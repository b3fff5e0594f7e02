//! A LiteLLM `config.yaml` as providers: each entry of its `model_list` becomes one that is asked directly, so
//! that one can see whether it is the provider or the gateway.
//!
//! References to variables (`os.environ/NAME`) stay references. A key that is in the file is used from memory
//! and never written or shown. Entries that cannot be asked directly are listed with the reason.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::error::{ImportError, SkipReason};
use super::provider::{ProviderFile, Secret};
use crate::text::{Newlines, visible};

/// The longest file that is read, in bytes.
const MAX_BYTES: u64 = 8 << 20;

/// The result of importing such a file.
#[derive(Debug)]
pub struct Imported {
    file: String,
    pub(super) entries: Vec<LiteLlmEntry>,
    /// The entries that cannot be asked directly: line, name, and why.
    pub skipped: Vec<(u64, String, SkipReason)>,
}

/// One entry, as a provider.
#[derive(Debug)]
pub(super) struct LiteLlmEntry {
    pub(super) name: String,
    pub(super) file: ProviderFile,
    line: u64,
    remarks: Vec<String>,
}

/// A way to ask one of LiteLLM's prefixes directly.
struct LiteLlmPrefix {
    prefix: &'static str,
    /// The preset that it is like.
    like: &'static str,
    /// LiteLLM's variable for the key, where it is another than the preset's.
    key: Option<&'static str>,
    /// The text that LiteLLM puts after `api_base` before its path begins as the preset's does.
    after_base: &'static str,
    /// True if its requests have the fields of Chat Completions.
    chat: bool,
}

const fn row(prefix: &'static str, like: &'static str, key: Option<&'static str>) -> LiteLlmPrefix {
    LiteLlmPrefix { prefix, like, key, after_base: "", chat: true }
}

const fn own(prefix: &'static str, like: &'static str, after_base: &'static str) -> LiteLlmPrefix {
    LiteLlmPrefix { prefix, like, key: None, after_base, chat: false }
}

/// The prefixes of `litellm_params.model` that can be asked directly.
const ROWS: &[LiteLlmPrefix] = &[
    row("openai", "openai", None),
    row("custom_openai", "compatible", None),
    row("openai_like", "compatible", None),
    row("text-completion-openai", "openai-completions", None),
    row("azure", "azure", Some("AZURE_API_KEY")),
    own("anthropic", "anthropic", "/v1"),
    own("gemini", "gemini", ""),
    own("bedrock", "bedrock", ""),
    own("cohere", "cohere", ""),
    own("cohere_chat", "cohere", ""),
    own("ollama", "ollama-native", ""),
    own("ollama_chat", "ollama-native", ""),
    row("mistral", "mistral", None),
    row("cerebras", "cerebras", None),
    row("dashscope", "dashscope", None),
    row("deepinfra", "deepinfra", None),
    row("deepseek", "deepseek", None),
    row("fireworks_ai", "fireworks", None),
    row("groq", "groq", None),
    row("hosted_vllm", "vllm", Some("HOSTED_VLLM_API_KEY")),
    row("litellm_proxy", "litellm", Some("LITELLM_PROXY_API_KEY")),
    row("lm_studio", "lmstudio", Some("LM_STUDIO_API_KEY")),
    row("minimax", "minimax", None),
    row("moonshot", "moonshot", None),
    row("nvidia_nim", "nvidia", Some("NVIDIA_NIM_API_KEY")),
    row("openrouter", "openrouter", None),
    row("perplexity", "perplexity", Some("PERPLEXITYAI_API_KEY")),
    row("scaleway", "scaleway", None),
    row("together_ai", "together", None),
    row("xai", "xai", None),
    row("zai", "zai", None),
];

/// Prefixes that are known and still cannot be asked, with why.
const NOT: &[(&str, &str)] = &[
    ("vertex_ai", "Vertex AI wants a Google token, which an environment variable does not hold"),
    (
        "vertex_ai_beta",
        "Vertex AI wants a Google token, which an environment variable does not hold",
    ),
    ("sagemaker", "SageMaker has a separate endpoint for each model"),
    ("sagemaker_chat", "SageMaker has a separate endpoint for each model"),
    ("azure_ai", "the address of an Azure AI model depends on how it is deployed"),
];

/// Members of Chat Completions that an entry may set for all its requests.
const BODY: &[&str] = &[
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "seed",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "reasoning_effort",
    "response_format",
];

#[derive(Deserialize)]
struct LiteLlmDocument {
    model_list: Option<Vec<Spanned<Value>>>,
}

/// Reads a LiteLLM configuration.
///
/// # Errors
/// It cannot be read, is not YAML, or has no `model_list`.
pub fn import(path: &Path) -> Result<Imported, ImportError> {
    let file = path.display().to_string();
    let read = |why| ImportError::Read { file: file.clone(), why };
    if std::fs::metadata(path).map_err(read)?.len() > MAX_BYTES {
        return Err(ImportError::TooLong(file));
    }
    parse(&file, &std::fs::read_to_string(path).map_err(read)?)
}

fn parse(file: &str, text: &str) -> Result<Imported, ImportError> {
    let document: LiteLlmDocument = serde_saphyr::from_str(text).map_err(|e| {
        // Keep only the error's own sentence: the quoted lines around it may hold keys.
        let place = e.location().map_or(String::new(), |l| format!(":{}:{}", l.line(), l.column()));
        let why = first_line(&e.without_snippet().to_string());
        ImportError::Yaml { place: format!("{file}{place}"), why }
    })?;
    let Some(list) = document.model_list else {
        return Err(ImportError::NoModels(file.to_owned()));
    };
    let mut out = Imported { file: file.to_owned(), entries: Vec::new(), skipped: Vec::new() };
    let mut taken = BTreeMap::new();
    for item in list {
        let line = item.referenced.line();
        let shown = item.value.get("model_name").and_then(Value::as_str).unwrap_or("?").to_owned();
        match entry(&item.value) {
            Ok((name, file, remarks)) => {
                let name = free(&mut taken, name);
                out.entries.push(LiteLlmEntry { name, file, line, remarks });
            }
            Err(why) => out.skipped.push((line, shown, why)),
        }
    }
    Ok(out)
}

/// The name, or with `#2`, `#3`, … where it is taken: LiteLLM balances between entries of one name.
fn free(taken: &mut BTreeMap<String, u64>, name: String) -> String {
    let Some(count) = taken.get(&name) else {
        taken.insert(name.clone(), 1);
        return name;
    };
    let mut count = *count;
    loop {
        count += 1;
        let free = format!("{name}#{count}");
        if !taken.contains_key(&free) {
            taken.insert(name, count);
            taken.insert(free.clone(), 1);
            return free;
        }
    }
}

/// Returns an error's sentence without what follows it, and without what is in quotes: that may be a value of
/// the file.
fn first_line(why: &str) -> String {
    let line = why.lines().next().unwrap_or_default();
    let mut out = String::new();
    for (i, part) in line.split(['"', '`']).enumerate() {
        out.push_str(if i % 2 == 0 { part } else { "…" });
    }
    out
}

/// A value as a reference to a variable: LiteLLM's `os.environ/NAME`.
fn reference(value: &str) -> Option<&str> {
    value.strip_prefix("os.environ/").map(str::trim).filter(|name| !name.is_empty())
}

/// A value with its reference as this program writes it.
fn referring(value: &str) -> String {
    reference(value).map_or_else(|| value.to_owned(), |name| format!("${{{name}}}"))
}

/// Reads one entry: the provider's name, what it is, and what was not taken over.
fn entry(value: &Value) -> Result<(String, ProviderFile, Vec<String>), SkipReason> {
    let name = value.get("model_name").and_then(Value::as_str).ok_or(SkipReason::NoName)?;
    let none = Map::new();
    let params = value.get("litellm_params").and_then(Value::as_object).unwrap_or(&none);
    let text = |key: &str| params.get(key).and_then(Value::as_str).filter(|v| !v.is_empty());
    let model = text("model").ok_or(SkipReason::NoModel)?;
    let mode = value.get("model_info").and_then(|i| i.get("mode")).and_then(Value::as_str);
    if let Some(mode) = mode.filter(|m| !matches!(*m, "chat" | "completion" | "responses")) {
        return Err(SkipReason::Mode(mode.to_owned()));
    }
    if text("litellm_credential_name").is_some() {
        return Err(SkipReason::CredentialList);
    }
    let (row, model) = row_of(model, text("custom_llm_provider"))?;
    let (mut like, mut model) = (row.like, model);
    if let Some(rest) = model.strip_prefix("responses/").filter(|_| like == "openai") {
        (like, model) = ("openai-responses", rest);
    } else if mode == Some("responses") && like == "openai" {
        like = "openai-responses";
    }
    let mut remarks = Vec::new();
    let mut file = ProviderFile::default();
    if row.prefix == "bedrock" {
        (like, model) = bedrock(model, params, &mut file, &mut remarks)?;
    }
    let wildcard = model.contains('*');
    file.model = (!wildcard).then(|| match row.prefix {
        "fireworks_ai" if !model.starts_with("accounts/") => {
            format!("accounts/fireworks/models/{model}")
        }
        _ => model.to_owned(),
    });
    if wildcard {
        remarks.push("any model: name it with -m".to_owned());
    }
    if let Some(base) = text("api_base").or_else(|| text("base_url")) {
        file.base_url = Some(base_url(row, base)?);
    } else if like == "compatible" {
        return Err(SkipReason::NoBase(row.prefix));
    }
    if row.prefix == "azure" {
        like = azure(params, &mut file);
    }
    match text("api_key") {
        Some(key) => match reference(key) {
            Some(variable) => file.key_env = Some(variable.to_owned()),
            None if key.eq_ignore_ascii_case("none") => {}
            None => file.key = Some(Secret(key.to_owned())),
        },
        None => file.key_env = file.key_env.or(row.key.map(Into::into)),
    }
    headers(params, &mut file, &mut remarks);
    body(row, params, &mut file, &mut remarks);
    file.like = Some(like.to_owned());
    file.about = Some(format!("LiteLLM's {name}, asked directly"));
    let name = if wildcard { row.prefix } else { name };
    Ok((format!("litellm/{name}"), file, remarks))
}

/// Further fields of the body.
fn body(
    row: &LiteLlmPrefix,
    params: &Map<String, Value>,
    file: &mut ProviderFile,
    remarks: &mut Vec<String>,
) {
    let set: Vec<_> = BODY.iter().filter(|key| params.contains_key(**key)).collect();
    if row.chat {
        let mut body: Map<_, _> =
            set.iter().map(|key| ((**key).to_owned(), params[**key].clone())).collect();
        let extra = params.get("extra_body").and_then(Value::as_object).cloned();
        body.extend(extra.unwrap_or_default());
        body.retain(|k, v| !v.is_null() && !crate::journal::is_secret_name(k));
        file.body = Some(body).filter(|b| !b.is_empty());
    } else if !set.is_empty() {
        let names: Vec<_> = set.iter().map(|key| **key).collect();
        remarks.push(format!("not taken over: {}", names.join(", ")));
    }
}

/// Returns how a model is asked, by its prefix; and the model without it.
fn row_of<'a>(
    model: &'a str,
    provider: Option<&str>,
) -> Result<(&'static LiteLlmPrefix, &'a str), SkipReason> {
    let (prefix, rest) = match (provider, model.split_once('/')) {
        (Some(provider), Some((prefix, rest))) if prefix == provider => (provider, rest),
        (Some(provider), _) => (provider, model),
        (None, Some((prefix, rest))) => (prefix, rest),
        // LiteLLM has a list of all models; these are the ones that can only be one provider's.
        (None, None)
            if ["gpt-", "o1", "o3", "o4", "chatgpt-"].iter().any(|p| model.starts_with(p)) =>
        {
            ("openai", model)
        }
        (None, None) if model.starts_with("claude-") => ("anthropic", model),
        (None, None) if model == "*" => {
            return Err(SkipReason::Router);
        }
        (None, None) => {
            return Err(SkipReason::NoProvider(model.to_owned()));
        }
    };
    if let Some(row) = ROWS.iter().find(|row| row.prefix == prefix) {
        return Ok((row, rest));
    }
    Err(match NOT.iter().find(|(known, _)| *known == prefix) {
        Some((_, why)) => SkipReason::NotDirect(why),
        None => SkipReason::NoPreset(prefix.to_owned()),
    })
}

/// The base URL of an entry, so that the preset's path can follow.
fn base_url(row: &LiteLlmPrefix, base: &str) -> Result<String, SkipReason> {
    if row.prefix == "gemini" {
        return Err(SkipReason::GeminiBase);
    }
    let base = referring(base);
    let base = base.trim_end_matches('/');
    if !base.contains("://") && !base.starts_with("${") {
        return Err(SkipReason::NoScheme(base.to_owned()));
    }
    // For some providers LiteLLM also accepts the whole address.
    let base = match row.prefix {
        "cohere" | "cohere_chat" => base.trim_end_matches("/chat"),
        "anthropic" => base.trim_end_matches("/messages").trim_end_matches("/v1"),
        "azure" => base.trim_end_matches("/openai"),
        _ => base,
    };
    Ok(format!("{base}{}", row.after_base))
}

/// Azure by deployment, or by its newer address without one.
fn azure(params: &Map<String, Value>, file: &mut ProviderFile) -> &'static str {
    let text = |key: &str| params.get(key).and_then(Value::as_str);
    if let Some(variable) = text("azure_ad_token").and_then(reference) {
        file.key_env = Some(variable.to_owned());
        file.key_header = Some("authorization".into());
    }
    // An unquoted date is a string in YAML 1.2 too; a version `1` would be a number.
    let version = params.get("api_version").map(|v| match v.as_str() {
        Some(text) => referring(text),
        None => v.to_string(),
    });
    match (&mut file.base_url, version) {
        (Some(base), version)
            if base.ends_with("/openai/v1")
                || matches!(version.as_deref(), Some("v1" | "preview" | "latest")) =>
        {
            if !base.ends_with("/openai/v1") {
                base.push_str("/openai/v1");
            }
            return "azure-v1";
        }
        (None, _) => file.base_url = Some("${AZURE_API_BASE}".into()),
        _ => {}
    }
    let version = params.get("api_version").map(|v| v.as_str().map_or(v.to_string(), referring));
    if let Some(version) = version.filter(|v| v != "null") {
        file.path =
            Some(format!("/openai/deployments/{{model}}/chat/completions?api-version={version}"));
    }
    "azure"
}

/// Bedrock: which of its ways, and the region.
fn bedrock<'a>(
    model: &'a str,
    params: &Map<String, Value>,
    file: &mut ProviderFile,
    remarks: &mut Vec<String>,
) -> Result<(&'static str, &'a str), SkipReason> {
    let text = |key: &str| params.get(key).and_then(Value::as_str).filter(|v| !v.is_empty());
    for (key, variable) in [
        ("aws_access_key_id", "AWS_ACCESS_KEY_ID"),
        ("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY"),
        ("aws_session_token", "AWS_SESSION_TOKEN"),
    ] {
        if text(key).is_some_and(|value| reference(value) != Some(variable)) {
            return Err(SkipReason::AwsKey { key, variable });
        }
    }
    for key in ["aws_profile_name", "aws_role_name", "aws_web_identity_token"] {
        if params.contains_key(key) {
            remarks.push(format!("{key} is not followed: the keys are read from the environment"));
        }
    }
    file.aws_region = text("aws_region_name").map(referring);
    file.base_url = text("aws_bedrock_runtime_endpoint").map(referring);
    Ok(match model.split_once('/') {
        Some(("converse", rest)) => ("bedrock", rest),
        Some(("invoke", rest)) => ("bedrock-invoke", rest),
        _ => ("bedrock", model),
    })
}

/// Further headers. What may be a credential is only taken as a reference.
fn headers(params: &Map<String, Value>, file: &mut ProviderFile, remarks: &mut Vec<String>) {
    let mut headers = BTreeMap::new();
    if let Some(organization) = params.get("organization").and_then(Value::as_str) {
        headers.insert("OpenAI-Organization".to_owned(), referring(organization));
    }
    for (name, value) in
        params.get("extra_headers").and_then(Value::as_object).into_iter().flatten()
    {
        let lower = name.to_ascii_lowercase();
        let secret = crate::journal::is_secret_name(name)
            || ["key", "token", "secret", "auth"].iter().any(|word| lower.contains(word));
        match value.as_str() {
            Some(value) if reference(value).is_some() => {
                headers.insert(name.clone(), referring(value));
            }
            Some(value) if !secret && !value.contains('$') => {
                headers.insert(name.clone(), value.to_owned());
            }
            _ => remarks.push(format!(
                "the header {name:?} is not taken over: it may be a credential; \
                 put it into a variable and write headers = {{ {name:?} = \"$NAME\" }}"
            )),
        }
    }
    file.headers = Some(headers).filter(|h| !h.is_empty());
}

impl Imported {
    /// Returns the providers as tables for a configuration file, with comments on what they lack. Holds no
    /// key: one that is in the LiteLLM file is the name of a variable here.
    pub fn to_toml(&self) -> String {
        let comment = |text: &str| format!("# {}\n", visible(text, Newlines::Show));
        let mut out = comment(&format!("from {}, for your configuration", self.file));
        for (line, name, why) in &self.skipped {
            out.push_str(&comment(&format!("line {line}: not {name:?}: {why}")));
        }
        for LiteLlmEntry { name, file, line, remarks } in &self.entries {
            out.push_str(&format!("\n# line {line}\n"));
            let mut file = file.clone();
            if file.key.take().is_some() {
                let variable: String = name
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
                    .collect();
                out.push_str(&comment(&format!(
                    "its key is in the file: put it into the variable {variable}_KEY"
                )));
                file.key_env = Some(format!("{variable}_KEY"));
            }
            for remark in remarks {
                out.push_str(&comment(remark));
            }
            let table = BTreeMap::from([("providers", BTreeMap::from([(name, file)]))]);
            out.push_str(&toml::to_string(&table).unwrap_or_default());
        }
        out
    }
}

#[cfg(test)]
#[path = "litellm_tests.rs"]
mod tests;
