//! From a draft to what goes over the wire, and to what the journal may know of it.

use std::net::SocketAddr;
use std::path::PathBuf;

use bytes::Bytes;

use super::{Draft, sign};
use crate::config::{self, AwsKeys, Config, LAB_URL, Limits, Provider};
use crate::dialect::{self, Dialect};
use crate::journal::{BODY_KEYS, HEADERS, PARAMETERS, Request, Secrets, Span};
use crate::json::{Kind, Tape, Value};

/// How requests travel.
#[derive(Debug, Clone, Default)]
pub struct Transport {
    /// Do not verify certificates.
    pub insecure: bool,
    /// Further trusted roots, PEM.
    pub ca_cert: Option<PathBuf>,
    /// A proxy's address.
    pub proxy: Option<String>,
    /// Only this HTTP version.
    pub version: Option<HttpVersion>,
    /// Follow redirects.
    pub location: bool,
}

impl Transport {
    /// Finds out whether it can be used, before anything is sent.
    ///
    /// # Errors
    /// A sentence that names the file or address that is wrong.
    pub fn check(&self) -> Result<(), String> {
        // Only what the user gave can be wrong. The platform's own certificates take longer to read
        // than all else that the program does before its first screen.
        if self.ca_cert.is_some() {
            super::tls::config(self)?;
        }
        match &self.proxy {
            Some(proxy) => reqwest::Proxy::all(proxy.as_str())
                .map(drop)
                .map_err(|e| format!("--proxy {proxy:?}: {e}")),
            None => Ok(()),
        }
    }
}

/// A forced HTTP version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, without TLS too.
    Http2,
}

/// A request that is ready to be sent. Holds credentials; `Debug` shows none.
#[derive(Clone)]
pub struct Outgoing {
    /// Method.
    pub method: http::Method,
    /// Address.
    pub url: url::Url,
    /// All headers, credentials in clear.
    pub headers: http::HeaderMap,
    /// The body, secrets in clear.
    pub body: Bytes,
    /// What is masked wherever it shows up.
    pub secrets: Secrets,
    /// The request as the journal has it.
    pub request: Request,
    /// How it travels.
    pub transport: Transport,
    /// Its bounds.
    pub limits: Limits,
    /// What signs it when it is sent.
    pub sign: Option<AwsKeys>,
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outgoing({} {})", self.request.method, self.request.url)
    }
}

/// Makes a request of a draft. `lab` is the embedded provider's address, once it runs.
///
/// # Errors
/// A sentence that says what is wrong with the draft.
pub fn resolve(
    draft: &Draft,
    config: &Config,
    transport: &Transport,
    lab: Option<SocketAddr>,
) -> Result<Outgoing, String> {
    let provider = provider_of(draft, config)?;
    let speaks = dialect_of(draft, &provider);
    let mut url = address(draft, &provider, speaks, lab)?;
    let method = if draft.method.is_empty() { "POST" } else { &draft.method };
    let method = http::Method::from_bytes(method.to_ascii_uppercase().as_bytes())
        .map_err(|_| format!("{method:?} is no HTTP method"))?;
    let mut headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("accept".into(), "text/event-stream, application/json".into()),
        ("accept-encoding".into(), "identity".into()),
        ("user-agent".into(), concat!("sselens/", env!("CARGO_PKG_VERSION")).into()),
    ];
    for (name, value) in speaks.map_or(&[][..], |d| d.request().headers) {
        set(&mut headers, name, value);
    }
    let mut secrets = Secrets::default();
    let (key_header, before) = key_header(&provider, speaks);
    if let Some(key) = config.key(&provider) {
        set(&mut headers, key_header, &format!("{before}{key}"));
        secrets.add(&key);
    }
    for config::Header { name, value, from_environment } in &provider.headers {
        set(&mut headers, name, &value.0);
        if *from_environment {
            secrets.add(&value.0);
        }
    }
    // The user's own take the place of all others of their name; one without a value only that.
    headers.retain(|(k, _)| !draft.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(k)));
    headers.extend(draft.headers.iter().filter(|(_, v)| !v.is_empty()).cloned());
    let given = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(key_header));
    let aws_keys = config.aws_keys(&provider).filter(|_| !given);
    if let Some(keys) = &aws_keys {
        sign::prepare(keys, &mut url, &mut secrets);
    }
    for (name, value) in &headers {
        if HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            secrets.add(credential(value));
        }
    }
    url_secrets(&url, &mut secrets);
    let (body, masked) = mask_body(&draft.body, &mut secrets);
    let mut sent = http::HeaderMap::new();
    for (name, value) in &headers {
        let bad = |_| {
            format!("the header {name:?} cannot be sent: its name or value is not allowed in HTTP")
        };
        let key = http::HeaderName::from_bytes(name.as_bytes()).map_err(|e| bad(e.to_string()))?;
        let mut val = http::HeaderValue::from_str(value).map_err(|e| bad(e.to_string()))?;
        let is_key = name.eq_ignore_ascii_case(key_header);
        val.set_sensitive(is_key || HEADERS.contains(&name.to_ascii_lowercase().as_str()));
        sent.append(key, val);
    }
    let model = model_of(&draft.body).unwrap_or_else(|| draft.model.clone());
    let mut warnings = Vec::new();
    if let Some(why) = config.missing_key(&provider).filter(|_| !given && !provider.is_local()) {
        warnings.push(format!(
            "{why}: the request goes out without a key (set it, or put it into .env here)"
        ));
    }
    if model.is_empty() && draft.url.is_some() {
        warnings.push("no model was given (-m NAME): the request names none".to_owned());
    }
    if transport.insecure {
        warnings.push("TLS certificates are NOT VERIFIED (--insecure): anybody on the way can read and change everything".to_owned());
    }
    let request = Request {
        method: method.to_string(),
        url: mask_url(&url, &secrets),
        headers: headers
            .iter()
            .map(|(k, v)| match k.eq_ignore_ascii_case(key_header) && !v.contains(' ') {
                true => (k.to_ascii_lowercase(), "*".repeat(v.chars().count())),
                false => (k.to_ascii_lowercase(), mask_header(k, v, &secrets)),
            })
            .collect(),
        body,
        provider: provider.name.clone(),
        dialect: draft.dialect.clone().unwrap_or_else(|| provider.dialect.clone()),
        model: secrets.mask(&model),
        masked,
        warnings,
        ..Request::default()
    };
    Ok(Outgoing {
        method,
        url,
        headers: sent,
        body: Bytes::copy_from_slice(&draft.body),
        secrets,
        request,
        transport: transport.clone(),
        limits: config.limits,
        sign: aws_keys,
    })
}

/// The header that carries a provider's key, and what stands before the key in it.
fn key_header<'a>(
    provider: &'a Provider,
    speaks: Option<&'static dyn Dialect>,
) -> (&'a str, &'static str) {
    match provider.key_header.as_deref() {
        Some(name) if name.eq_ignore_ascii_case("authorization") => (name, "Bearer "),
        Some(name) => (name, ""),
        None => speaks.map_or(("authorization", "Bearer "), |d| d.request().key_header),
    }
}

/// A draft for a provider with a fresh body: its model, prompt and extra members.
///
/// # Errors
/// When the provider is unknown.
pub fn compose(
    config: &Config,
    draft: Draft,
    prompt: &str,
    system: Option<&str>,
) -> Result<Draft, String> {
    let provider = provider_of(&draft, config)?;
    let speaks = dialect_of(&draft, &provider).unwrap_or(dialect::DIALECTS[0]);
    let model = if draft.model.is_empty() { provider.model.clone() } else { draft.model.clone() };
    let ask = dialect::request::Ask::minimal(&model, prompt, system);
    let mut members = (speaks.request().write)(&ask, &mut dialect::request::Notes::default());
    members.extend(provider.body.clone());
    let body = serde_json::to_string_pretty(&members).unwrap_or_default();
    Ok(Draft { model, body: body.into_bytes(), ..draft })
}

/// The draft's provider; with a URL of its own and no name, one that is only that URL.
fn provider_of(draft: &Draft, config: &Config) -> Result<Provider, String> {
    match (&draft.url, draft.provider.as_str()) {
        (Some(url), "") => Ok(Provider {
            name: "url".into(),
            dialect: "auto".into(),
            base_url: url.clone(),
            ..Provider::default()
        }),
        (None, "") => config.provider(&config.provider).cloned(),
        (_, name) => config.provider(name).cloned(),
    }
}

fn dialect_of(draft: &Draft, provider: &Provider) -> Option<&'static dyn Dialect> {
    dialect::find(draft.dialect.as_deref().unwrap_or(&provider.dialect))
}

/// The dialect that a draft's body has to be of: that of its provider, or what its address tells.
pub fn speaks(draft: &Draft, config: &Config) -> Option<&'static dyn Dialect> {
    let provider = provider_of(draft, config).ok()?;
    let told = dialect_of(draft, &provider);
    told.or_else(|| dialect::request::by_address(draft.url.as_deref()?))
}

fn address(
    draft: &Draft,
    provider: &Provider,
    speaks: Option<&'static dyn Dialect>,
    lab: Option<SocketAddr>,
) -> Result<url::Url, String> {
    let text = match &draft.url {
        Some(url) => url.clone(),
        None => {
            if let Some(problem) = &provider.problem {
                let name = &provider.name;
                return Err(format!(
                    "provider {name:?}: {problem}: set it (`sselens providers {name}` tells more), or give --url"
                ));
            }
            let base = match (provider.base_url.strip_prefix(LAB_URL), lab) {
                (Some(rest), Some(lab)) => match speaks.map(|d| d.name()) {
                    None | Some("openai-chat") => format!("http://{lab}/v1{rest}"),
                    // Dialects may share a path. The lab knows them by their names in front.
                    Some(name) => format!("http://{lab}/{name}/v1{rest}"),
                },
                (Some(_), None) => return Err("the lab is not running".into()),
                (None, _) => provider.base_url.trim_end_matches('/').to_owned(),
            };
            let side = speaks.unwrap_or(dialect::DIALECTS[0]).request();
            let path = provider.path.as_deref().unwrap_or(side.path);
            format!("{base}{path}")
        }
    };
    let text = place_model(text, draft, provider, speaks)?;
    let url = url::Url::parse(&text).map_err(|e| format!("{text:?} is no address: {e}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("{text:?}: only http:// and https:// can be sent to"));
    }
    Ok(url)
}

/// Whether the draft's dialect has the model in the address and not in the body.
pub fn has_model_in_address(draft: &Draft, config: &Config) -> bool {
    let Ok(provider) = provider_of(draft, config) else { return false };
    let path = dialect_of(draft, &provider).map(|d| d.request().path);
    provider.path.as_deref().or(path).is_some_and(|path| path.contains("{model}"))
}

/// Puts the model into the address, where the dialect has it there (Gemini): for `{model}`, or in
/// a given address in place of the one that stands between `/models/` and the method's colon.
fn place_model(
    text: String,
    draft: &Draft,
    provider: &Provider,
    speaks: Option<&'static dyn Dialect>,
) -> Result<String, String> {
    const SLOT: &str = "{model}";
    if text.contains(SLOT) {
        let model = if draft.model.is_empty() { &provider.model } else { &draft.model };
        if model.is_empty() {
            return Err("this dialect has the model in its address: name one (--model)".into());
        }
        return Ok(text.replace(SLOT, &dialect::in_address(model)));
    }
    if draft.url.is_some()
        && !draft.model.is_empty()
        && speaks.is_some_and(|d| d.request().path.contains(SLOT))
        && let Some((before, rest)) = text.split_once("/models/")
        && let Some((_, method)) = rest.split_once(':')
    {
        return Ok(format!("{before}/models/{}:{method}", dialect::in_address(&draft.model)));
    }
    Ok(text)
}

fn set(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    match headers.iter_mut().find(|(k, _)| k.eq_ignore_ascii_case(name)) {
        Some(header) => header.1 = value.to_owned(),
        None => headers.push((name.to_owned(), value.to_owned())),
    }
}

/// The part of a header's value that is secret: what follows the scheme (`Bearer`, `Basic`).
fn credential(value: &str) -> &str {
    match value.split_once(' ') {
        Some((scheme, rest)) if scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => {
            rest.trim()
        }
        _ => value,
    }
}

/// A header's value as it may be shown: of a listed one only the scheme is left.
pub(crate) fn mask_header(name: &str, value: &str, secrets: &Secrets) -> String {
    let name = name.to_ascii_lowercase();
    if matches!(name.as_str(), "location" | "content-location" | "link" | "refresh") {
        return mask_query(value, secrets);
    }
    if !HEADERS.contains(&name.as_str()) {
        return secrets.mask(value);
    }
    let secret = credential(value);
    value.replacen(secret, &"*".repeat(secret.chars().count()), usize::from(!secret.is_empty()))
}

/// The bytes of a head with its secrets masked: as long as before, line for line.
pub(crate) fn mask_raw_head(raw: &[u8], secrets: &Secrets) -> Bytes {
    let mut out = Vec::with_capacity(raw.len());
    for (i, line) in raw.split_inclusive(|b| *b == b'\n').enumerate() {
        let text = String::from_utf8_lossy(line);
        let masked = match text.split_once(':').filter(|_| i > 0) {
            Some((name, rest)) => {
                let value = rest.trim();
                let shown = mask_header(name.trim(), value, secrets);
                let at = rest.len() - rest.trim_start().len();
                format!("{name}:{}{shown}{}", &rest[..at], &rest[at + value.len()..])
            }
            // A request line has the target between spaces.
            None => {
                text.split(' ').map(|part| mask_query(part, secrets)).collect::<Vec<_>>().join(" ")
            }
        };
        if masked.len() == line.len() {
            out.extend_from_slice(masked.as_bytes());
        } else if *masked == *text {
            out.extend_from_slice(line);
        } else {
            // Odd bytes in a line with a secret: none of it is kept but its end.
            let end = line.iter().rev().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            out.resize(out.len() + line.len() - end, b'*');
            out.extend_from_slice(&line[line.len() - end..]);
        }
    }
    out.into()
}

fn mask_url(url: &url::Url, secrets: &Secrets) -> String {
    let mut shown = url.clone();
    if let Some(password) = url.password() {
        let _ = shown.set_password(Some(&"*".repeat(password.len())));
    }
    mask_query(shown.as_str(), secrets)
}

/// An address (a relative one too) with the values of its secret parameters masked.
fn mask_query(address: &str, secrets: &Secrets) -> String {
    let Some((path, query)) = address.split_once('?') else { return secrets.mask(address) };
    let query: Vec<_> = query
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((k, v)) if PARAMETERS.contains(&k.to_ascii_lowercase().as_str()) => {
                format!("{k}={}", "*".repeat(v.len()))
            }
            _ => pair.to_owned(),
        })
        .collect();
    secrets.mask(&format!("{path}?{}", query.join("&")))
}

/// Adds what an address holds of secrets.
fn url_secrets(url: &url::Url, secrets: &mut Secrets) {
    for (name, value) in url.query_pairs() {
        if PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) {
            secrets.add(&value);
        }
    }
    secrets.add(url.password().unwrap_or_default());
}

impl Outgoing {
    /// Sends it elsewhere: what the new address holds of secrets is masked from now on.
    pub(super) fn go_to(&mut self, url: url::Url) {
        url_secrets(&url, &mut self.secrets);
        self.request.url = mask_url(&url, &self.secrets);
        self.url = url;
    }
}

/// Masks a request that another program wrote down; gives its secrets, which the answer may quote.
pub(crate) fn mask_recorded(request: &mut Request) -> Secrets {
    let mut secrets = Secrets::default();
    for (name, value) in &request.headers {
        if HEADERS.contains(&name.as_str()) {
            secrets.add(credential(value));
        }
    }
    let url = url::Url::parse(&request.url).ok();
    if let Some(url) = &url {
        url_secrets(url, &mut secrets);
    }
    (request.body, request.masked) = mask_body(&request.body, &mut secrets);
    request.url = match &url {
        Some(url) => mask_url(url, &secrets),
        None => mask_query(&request.url, &secrets),
    };
    for (name, value) in &mut request.headers {
        *value = mask_header(name, value, &secrets);
    }
    request.model = secrets.mask(&request.model);
    secrets
}

/// The body with its secrets masked, and where. The values of listed keys become secrets.
fn mask_body(body: &[u8], secrets: &mut Secrets) -> (Bytes, Vec<Span>) {
    let mut spans: Vec<std::ops::Range<usize>> = Vec::new();
    if let Ok(text) = std::str::from_utf8(body) {
        let mut tape = Tape::new();
        if tape.parse(text).is_ok()
            && let Some(root) = tape.root(text)
        {
            listed(root, &mut |value| {
                let span = value.span();
                spans.push(span.start + 1..span.end - 1);
                secrets.add(&value.as_str().unwrap_or_default());
            });
        }
    }
    spans.extend(secrets.find(body));
    let mut masked = body.to_vec();
    for span in &spans {
        masked[span.clone()].fill(b'*');
    }
    spans.sort_by_key(|s| s.start);
    let spans =
        spans.into_iter().filter(|s| !s.is_empty()).map(|s| (s.start as u64, s.len() as u64));
    (masked.into(), spans.collect())
}

/// Every string under a listed key, however deep (the depth of a request is the user's own).
fn listed<'a>(root: Value<'a>, found: &mut impl FnMut(Value<'a>)) {
    let mut todo = vec![root];
    while let Some(value) = todo.pop() {
        todo.extend(value.items());
        for (key, member) in value.entries() {
            let name = key.as_str().unwrap_or_default().to_ascii_lowercase();
            if member.kind() == Kind::String && BODY_KEYS.contains(&name.as_str()) {
                found(member);
            } else {
                todo.push(member);
            }
        }
    }
}

/// The `model` member of a JSON body.
pub(crate) fn model_of(body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let mut tape = Tape::new();
    tape.parse(text).ok()?;
    tape.root(text)?.str("model").map(Into::into)
}

/// Sets the model of a body that is sent byte for byte: only the value's own span changes; where
/// there is none, a member is put in front.
///
/// # Errors
/// When the body is not a JSON object.
pub fn set_model(body: &[u8], model: &str) -> Result<Vec<u8>, String> {
    let value = serde_json::to_string(model).unwrap_or_default();
    edit(body, |root| {
        if let Some(old) = root.get("model") {
            return Ok((old.span(), value));
        }
        let at = root.span().start + 1;
        let comma = if root.is_empty() { "" } else { "," };
        Ok((at..at, format!("\"model\":{value}{comma}")))
    })
}

/// Sets the text of the last user message of a body: only its own span changes.
///
/// # Errors
/// When the body is not a JSON object with a user message whose content is text.
pub fn set_prompt(body: &[u8], prompt: &str) -> Result<Vec<u8>, String> {
    let value = serde_json::to_string(prompt).unwrap_or_default();
    edit(body, |root| match prompt_in(root) {
        Some(text) => Ok((text.span(), value)),
        None => Err("the body has no user message whose text PROMPT could replace".into()),
    })
}

/// A message's text; of a list of parts the last one.
fn text_of(content: Value<'_>) -> Option<Value<'_>> {
    match content.kind() {
        Kind::String => Some(content),
        _ => content.items().filter_map(|p| p.get("text")).last(),
    }
}

/// The text of a body's last user message: `messages`, Gemini's `contents`, the `input` of
/// Responses and Interactions (DashScope's has the `messages`), or one text that is all of it.
pub(super) fn prompt_in(root: Value<'_>) -> Option<Value<'_>> {
    let list = ["messages", "contents", "input"].iter().find_map(|key| root.get(key));
    let Some(list) = list else {
        let texts = ["prompt", "message", "inputText"].iter().find_map(|key| root.get(key));
        return texts.filter(|p| p.kind() == Kind::String);
    };
    let list = list.get("messages").unwrap_or(list);
    if list.kind() == Kind::String {
        return Some(list);
    }
    let is_user = |message: &Value<'_>| {
        message.str("role").is_some_and(|r| r == "user")
            || message.str("type").is_some_and(|t| t == "user_input")
    };
    let message = list.items().filter(is_user).last()?;
    message.get("content").or_else(|| message.get("parts")).and_then(text_of)
}

pub(super) fn edit(
    body: &[u8],
    change: impl FnOnce(Value<'_>) -> Result<(std::ops::Range<usize>, String), String>,
) -> Result<Vec<u8>, String> {
    let text = std::str::from_utf8(body).map_err(|e| format!("the body is not UTF-8: {e}"))?;
    let mut tape = Tape::new();
    tape.parse(text).map_err(|e| {
        let (line, column) = crate::json::line_column(text, e.offset);
        format!("the body is not JSON: line {line}, column {column}: {}", e.kind)
    })?;
    let root = tape.root(text).filter(|r| r.kind() == Kind::Object);
    let (span, new) = change(root.ok_or("the body is not a JSON object")?)?;
    Ok(format!("{}{new}{}", &text[..span.start], &text[span.end..]).into_bytes())
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
