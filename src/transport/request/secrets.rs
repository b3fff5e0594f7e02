//! The secrets of a request, and how it is shown without them.

use std::ops::Range;

use bytes::Bytes;
use percent_encoding::percent_decode_str;

use crate::inspect::ContentDecoder;
use crate::journal::{
    Request, Secrets, Span, credential, is_secret_name, is_secret_parameter, starred,
};
use crate::json::{Kind, Tape, Value};

/// Returns a header's value as it may be shown: of a secret one only the scheme is left.
pub(crate) fn mask_header(name: &str, value: &str, secrets: &Secrets) -> String {
    if !is_secret_name(name) {
        return mask_text(value, secrets);
    }
    let secret = credential(value);
    value.replacen(secret, &"*".repeat(secret.chars().count()), usize::from(!secret.is_empty()))
}

/// Returns the bytes of a head with its secrets masked: as long as before, line for line.
pub(crate) fn mask_raw_head(raw: &[u8], secrets: &Secrets) -> Bytes {
    let mut out = Vec::with_capacity(raw.len());
    for (i, line) in raw.split_inclusive(|b| *b == b'\n').enumerate() {
        let text = String::from_utf8_lossy(line);
        // In HTTP/2 the first line is a field, too.
        let is_field = |name: &str| i > 0 || !name.contains([' ', '\t']);
        let masked = match text.split_once(':').filter(|(name, _)| is_field(name)) {
            Some((name, rest)) => {
                let value = rest.trim();
                let shown = mask_header(name.trim(), value, secrets);
                let at = rest.len() - rest.trim_start().len();
                format!("{name}:{}{shown}{}", &rest[..at], &rest[at + value.len()..])
            }
            // A request line has the target between spaces.
            None => {
                text.split(' ').map(|part| mask_text(part, secrets)).collect::<Vec<_>>().join(" ")
            }
        };
        if masked.len() == line.len() {
            out.extend_from_slice(masked.as_bytes());
        } else if *masked == *text {
            out.extend_from_slice(line);
        } else {
            // Invalid bytes in a line with a secret: keep nothing of it but its line end.
            let end = line.iter().rev().take_while(|b| matches!(b, b'\r' | b'\n')).count();
            out.resize(out.len() + line.len() - end, b'*');
            out.extend_from_slice(&line[line.len() - end..]);
        }
    }
    out.into()
}

/// Returns an address as it may be shown.
pub(super) fn mask_url(url: &url::Url, secrets: &Secrets) -> String {
    mask_text(url.as_str(), secrets)
}

/// Returns text with the credentials of its addresses and known secrets masked.
fn mask_text(text: &str, secrets: &Secrets) -> String {
    let mut spans = crate::journal::in_addresses(text);
    // A relative address has no scheme; its parameters are still found.
    spans.retain(|span| !span.is_empty());
    let shown = starred(text, &keep_login_colon(text, spans));
    secrets.mask(&shown)
}

/// Leaves the colon between a user and a password.
fn keep_login_colon(text: &str, spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let split = |span: Range<usize>| {
        let login = text[..span.start].ends_with("://");
        match text[span.clone()].find(':').filter(|_| login) {
            Some(colon) => [span.start..span.start + colon, span.start + colon + 1..span.end],
            None => [span, 0..0],
        }
    };
    spans.into_iter().flat_map(split).filter(|span| !span.is_empty()).collect()
}

/// Adds what an address holds of secrets, as it is written and decoded.
pub(super) fn url_secrets(url: &url::Url, secrets: &mut Secrets) {
    for pair in url.query().unwrap_or_default().split('&') {
        if let Some((name, value)) = pair.split_once('=')
            && is_secret_parameter(name)
        {
            secrets.add(value);
        }
    }
    for (name, value) in url.query_pairs() {
        if is_secret_parameter(&name) {
            secrets.add(&value);
        }
    }
    let (user, password) = (url.username(), url.password().unwrap_or_default());
    secrets.add_login(user, password);
    secrets.add_login(&decoded(user), &decoded(password));
}

/// Adds the user and the password of a proxy.
pub(super) fn add_proxy(proxy: &str, secrets: &mut Secrets) {
    let whole = if proxy.contains("://") { proxy.to_owned() } else { format!("http://{proxy}") };
    match url::Url::parse(&whole) {
        Ok(url) => url_secrets(&url, secrets),
        Err(_) => drop(secrets.add_from_text(&whole, true)),
    }
}

/// Adds the user and the password of the environment's proxy, where one is on the way to `url`.
pub(super) fn add_environment_proxy(url: &url::Url, secrets: &mut Secrets) {
    let matcher = hyper_util::client::proxy::matcher::Matcher::from_system();
    let proxy = url.as_str().parse().ok().and_then(|uri| matcher.intercept(&uri));
    let Some(proxy) = proxy else { return };
    if let Some(basic) = proxy.basic_auth().and_then(|value| value.to_str().ok()) {
        secrets.add_header(basic);
    }
    if let Some((user, password)) = proxy.raw_auth() {
        secrets.add_login(user, password);
    }
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Masks a request that another program or a person wrote down; returns its secrets, which the
/// answer may quote.
pub(crate) fn mask_recorded(request: &mut Request) -> Secrets {
    let mut secrets = Secrets::default();
    // A masked value keeps its readable part: a scheme, the scope of a signature.
    let is_masked = |value: &str| value.contains("**");
    // A credential can be anywhere: in a line that lost its beginning, it is read as the method or as a name.
    secrets.add_from_text(&request.method, true);
    for (name, _) in &request.headers {
        secrets.add_from_text(name, true);
    }
    secrets.add_from_text(&String::from_utf8_lossy(&request.raw), true);
    for (name, value) in request.headers.iter().filter(|(_, value)| !is_masked(value)) {
        if is_secret_name(name) {
            secrets.add_header(value);
        }
        secrets.add_from_text(value, true);
    }
    let url = url::Url::parse(&request.url).ok();
    if let Some(url) = &url {
        url_secrets(url, &mut secrets);
    }
    secrets.add_from_text(&request.url, true);
    let (body, spans) = match holds_secret_decoded(request, &mut secrets) {
        true => withheld(&request.body),
        false => mask_body(&request.body, &mut secrets),
    };
    request.body = body;
    // Spans that were masked before stay listed.
    let new = spans.into_iter().filter(|span| !request.masked.contains(span)).collect::<Vec<_>>();
    request.masked.extend(new);
    request.url = mask_text(&request.url, &secrets);
    for (name, value) in request.headers.iter_mut().filter(|(_, value)| !is_masked(value)) {
        *value = mask_header(name, value, &secrets);
    }
    for text in [&mut request.model, &mut request.method] {
        *text = secrets.mask(text);
    }
    for (name, _) in &mut request.headers {
        *name = secrets.mask(name);
    }
    secrets
}

/// So much of a coded body is searched.
const MAX_SEARCHED: usize = 64 << 20;

/// Returns whether a body under a content coding holds secrets, as far as it can be decoded; they become
/// known.
fn holds_secret_decoded(request: &Request, secrets: &mut Secrets) -> bool {
    let is_coding = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("content-encoding");
    let value = request.headers.iter().find(is_coding).map(|(_, value)| value);
    let Some(mut coding) = value.and_then(|value| ContentDecoder::of(value)) else { return false };
    let mut decoded = Vec::new();
    for part in request.body.chunks(4 << 10) {
        if coding.feed(part, &mut decoded).is_err() || decoded.len() > MAX_SEARCHED {
            break;
        }
    }
    let _ = coding.finish(&mut decoded);
    !mask_body(&decoded, secrets).1.is_empty()
}

/// A body of which nothing may be shown.
fn withheld(body: &[u8]) -> (Bytes, Vec<Span>) {
    (vec![b'*'; body.len()].into(), vec![(0, body.len() as u64)])
}

/// Returns the body with its secrets masked, and where. The values of secret names become secrets.
pub(crate) fn mask_body(body: &[u8], secrets: &mut Secrets) -> (Bytes, Vec<Span>) {
    let mut spans: Vec<Range<usize>> = Vec::new();
    if let Ok(text) = std::str::from_utf8(body) {
        let mut tape = Tape::new();
        let is_json = tape.parse(text).is_ok();
        if is_json && let Some(root) = tape.root(text) {
            named(root, &mut |value| {
                let span = value.span();
                let (from, to) = (span.start + 1, span.end - 1);
                let shown = value.as_str().unwrap_or_default();
                // A header's value keeps its scheme.
                let secret = credential(&text[from..to]);
                secrets.add(credential(&shown));
                secrets.add_header(&shown);
                let from = from + text[from..to].rfind(secret).unwrap_or(0);
                spans.push(from..to);
            });
            for inside in nested(root, text) {
                let found = secrets.add_from_text(&text[inside.clone()], false);
                spans.extend(
                    found.into_iter().map(|s| inside.start + s.start..inside.start + s.end),
                );
            }
        }
        spans.extend(secrets.add_from_text(text, is_json));
    } else {
        // Text in another encoding, or binary data: search its ASCII parts.
        for chunk in body.utf8_chunks() {
            let text = chunk.valid();
            let at = text.as_ptr() as usize - body.as_ptr() as usize;
            let found = secrets.add_from_text(text, false);
            spans.extend(found.into_iter().map(|s| at + s.start..at + s.end));
        }
    }
    spans.extend(secrets.find(body));
    spans.retain(|span| !span.is_empty() && body[span.clone()].iter().any(|b| *b != b'*'));
    let mut masked = body.to_vec();
    for span in &spans {
        masked[span.clone()].fill(b'*');
    }
    (masked.into(), merged(spans))
}

/// Returns spans as the journal lists them: in order and apart.
fn merged(mut spans: Vec<Range<usize>>) -> Vec<Span> {
    spans.sort_by_key(|span| (span.start, span.end));
    let mut out: Vec<Range<usize>> = Vec::new();
    for span in spans {
        match out.last_mut() {
            Some(last) if last.end >= span.start => last.end = last.end.max(span.end),
            _ => out.push(span),
        }
    }
    out.into_iter().map(|span| (span.start as u64, span.len() as u64)).collect()
}

/// Keys that a list of named values uses for the name, and for the value.
const NAMES: [&str; 4] = ["name", "key", "header", "k"];
const VALUES: [&str; 3] = ["value", "v", "val"];

/// Calls `found` for every string under a secret name, however deep (the depth of a request is the
/// user's own); of a list under one, for each of its strings; of an object under one, for its
/// `value`. Named pairs count too: `{"name": "x-api-key", "value": …}`, `["x-api-key", …]`.
fn named<'a>(root: Value<'a>, found: &mut impl FnMut(Value<'a>)) {
    let mut todo = vec![(root, false)];
    while let Some((value, is_secret)) = todo.pop() {
        todo.extend(value.items().map(|item| (item, false)));
        if let Some(pair) = pair_of_secret(value) {
            found(pair);
        }
        for (key, field) in value.entries() {
            let key = key.as_str().unwrap_or_default();
            let secret = is_secret_name(&key) || (is_secret && VALUES.contains(&key.as_ref()));
            match field.kind() {
                Kind::String if secret => found(field),
                Kind::Array if secret => {
                    field.items().filter(|item| item.kind() == Kind::String).for_each(&mut *found);
                    todo.push((field, false));
                }
                _ => todo.push((field, secret)),
            }
        }
    }
}

/// The value of a pair whose name says secret. A list of two words is no pair: the value of one
/// looks like a credential.
fn pair_of_secret(value: Value<'_>) -> Option<Value<'_>> {
    let text = |value: Value<'_>| {
        value.as_str().filter(|t| is_secret_name(t) && !t.contains(' ')).is_some()
    };
    if value.kind() == Kind::Array {
        let mut items = value.items();
        let (name, second) = (items.next()?, items.next()?);
        let shown = second.as_str()?;
        let is_key = shown.len() >= 8 && shown.bytes().any(|b| b.is_ascii_digit());
        return (items.next().is_none() && is_key && text(name)).then_some(second);
    }
    let field = |names: &[&str]| {
        value
            .entries()
            .find(|(key, _)| key.as_str().is_some_and(|key| names.contains(&key.as_ref())))
            .map(|(_, field)| field)
    };
    let second = field(&VALUES).filter(|field| field.kind() == Kind::String)?;
    field(&NAMES).filter(|name| text(*name)).map(|_| second)
}

/// The JSON that strings of JSON hold (`"{\"api_key\":…}"`): as spans of the text.
fn nested(root: Value<'_>, text: &str) -> Vec<Range<usize>> {
    let mut todo = vec![root];
    let mut found = Vec::new();
    while let Some(value) = todo.pop() {
        todo.extend(value.items());
        todo.extend(value.entries().map(|(_, field)| field));
        let span = value.span();
        let inside = span.start + 1..span.end.saturating_sub(1);
        let is_json = |text: &str| text.starts_with(['{', '[']) && text.contains('"');
        if value.kind() == Kind::String && text.get(inside.clone()).is_some_and(is_json) {
            found.push(inside);
        }
    }
    found
}
