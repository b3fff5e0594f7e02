//! Signs of a credential: its name, its place in an address, its shape.

use std::ops::Range;

/// The shortest run of a secret that is masked, in bytes.
pub const RUN: usize = 8;

/// Parts of a name, anywhere in it.
const CONTAINED: &[&str] = &[
    "apikey",
    "accesskey",
    "privatekey",
    "secret",
    "password",
    "passwd",
    "passphrase",
    "cookie",
    "credential",
    "authorization",
    "authentication",
    "passcode",
];

/// Endings of a name.
const ENDINGS: &[&str] = &["key", "token", "auth", "jwt", "bearer", "assertion"];

/// Last words of names; too short to be found within words (`format` ends in one).
const LAST_WORDS: &[&str] = &["pass", "pwd", "pat", "sas"];

/// Names like these that hold no credential: protocol fields, and words of the models' own APIs.
const PUBLIC: &[&str] = &[
    "accesscontrolallowcredentials",
    "idempotencykey",
    "xidempotencykey",
    "secwebsocketkey",
    "promptcachekey",
    "cachekey",
    "xcachekey",
    "surrogatekey",
    "xsurrogatekey",
    "partitionkey",
    "publickey",
    "bostoken",
    "eostoken",
    "padtoken",
    "unktoken",
    "septoken",
    "clstoken",
    "masktoken",
    "starttoken",
    "endtoken",
    "stoptoken",
];

/// Names that hold credentials only as parameters of an address.
const SIGNED: &[&str] = &["sig", "signature", "xamzsignature", "xgoogsignature", "code"];

/// Beginnings of well-known keys, and the least number of characters that follow.
const SHAPES: &[(&str, usize)] = &[
    ("sk-", 16),
    ("sk_", 16),
    ("pk-lf-", 16),
    ("rk_", 16),
    ("gsk_", 16),
    ("xai-", 16),
    ("hf_", 16),
    ("pplx-", 16),
    ("nvapi-", 16),
    ("csk-", 16),
    ("fw_", 16),
    ("r8_", 16),
    ("tgp_v1_", 16),
    ("AIza", 30),
    ("AQ.", 30),
    ("ya29.", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("ABSK", 30),
    ("bedrock-api-key-", 16),
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("eyJhbGciOi", 20),
];

/// A name without case and separators.
fn flat(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

/// Returns whether the value of a header or of a key of this name is a credential.
///
/// ```
/// use sselens::journal::is_secret_name;
///
/// assert!(is_secret_name("X-LiteLLM-API-Key") && is_secret_name("authorization_token"));
/// assert!(!is_secret_name("max_tokens") && !is_secret_name("prompt_cache_key"));
/// ```
pub fn is_secret_name(name: &str) -> bool {
    let flat = flat(name);
    !PUBLIC.contains(&flat.as_str())
        && (CONTAINED.iter().any(|part| flat.contains(part))
            || ENDINGS.iter().any(|end| flat.ends_with(end))
            || LAST_WORDS.iter().any(|word| last_word(name).eq_ignore_ascii_case(word)))
}

/// Returns whether the value of a variable of the environment of this name is a credential: `PWD` is the working
/// directory.
pub fn is_secret_variable(name: &str) -> bool {
    !matches!(name, "PWD" | "OLDPWD") && is_secret_name(name)
}

/// The last word of a name: `x-api-pwd`, `apiPwd`.
fn last_word(name: &str) -> &str {
    let from = name
        .char_indices()
        .rev()
        .find(|(i, c)| {
            let after_lower = name[..*i].ends_with(|b: char| b.is_ascii_lowercase());
            !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && after_lower)
        })
        .map_or(0, |(i, c)| if c.is_ascii_alphanumeric() { i } else { i + c.len_utf8() });
    &name[from..]
}

/// Returns whether the value of an address's parameter of this name is a credential.
pub fn is_secret_parameter(name: &str) -> bool {
    is_secret_name(name) || SIGNED.contains(&flat(name).as_str())
}

/// Schemes of the header `authorization`, lower case.
const SCHEMES: &[&str] = &[
    "bearer",
    "basic",
    "token",
    "apikey",
    "api-key",
    "key",
    "digest",
    "negotiate",
    "ntlm",
    "dpop",
    "hmac",
    "sso-key",
    "aws4-hmac-sha256",
];

/// Returns the part of a header's value that is secret: what follows the scheme (`Bearer`, `Basic`).
pub fn credential(value: &str) -> &str {
    match value.split_once(' ') {
        Some((scheme, rest)) if SCHEMES.contains(&scheme.to_ascii_lowercase().as_str()) => {
            rest.trim()
        }
        _ => value,
    }
}

/// The credentials in addresses: user and password, and the values of secret parameters. In text
/// of any kind; ascending.
pub fn in_addresses(text: &str) -> Vec<Range<usize>> {
    let ends_address = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '\\');
    let mut found = Vec::new();
    for (at, _) in text.match_indices("://") {
        let from = at + 3;
        let rest = &text[from..];
        let address = &rest[..rest.find(ends_address).unwrap_or(rest.len())];
        let authority = &address[..address.find(['/', '?', '#']).unwrap_or(address.len())];
        if let Some(end) = authority.rfind('@') {
            found.push(from..from + end);
        }
    }
    found.extend(in_encoded_queries(text));
    for (at, _) in text.match_indices(['?', '&']) {
        let rest = &text[at + 1..];
        let pair = &rest[..rest.find(['&', '#', '?']).unwrap_or(rest.len())];
        let pair = &pair[..pair.find(ends_address).unwrap_or(pair.len())];
        if let Some((name, value)) = pair.split_once('=')
            && !value.is_empty()
            && is_secret_parameter(name)
        {
            let from = at + 1 + name.len() + 1;
            found.push(from..from + value.len());
        }
    }
    sorted(found)
}

/// The values of secret parameters in an address that is itself the value of a parameter.
fn in_encoded_queries(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    for (at, sign) in text.match_indices("%3") {
        // `%3D` is the sign between name and value, `%3F` and `%26` precede a name.
        let equals = at + sign.len();
        if !text[equals..].starts_with(['d', 'D']) {
            continue;
        }
        let before = &text[..at];
        let name = last_of(before, is_part_of_name);
        // The name follows two hexadecimal digits: `%3Fapi_key`, `%26key`.
        let encoded = before[..before.len() - name.len()].ends_with('%');
        let name = if encoded { name.get(2..).unwrap_or_default() } else { name };
        let rest = &text[equals + 1..];
        let value = &rest[..rest.find(|c| !is_part_of_name(c)).unwrap_or(rest.len())];
        if !value.is_empty() && is_secret_parameter(name) {
            found.push(equals + 1..equals + 1 + value.len());
        }
    }
    found
}

fn is_part_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~')
}

/// The user and password before the `@` of an address that has no scheme; ascending.
fn in_bare_addresses(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`');
    for (at, _) in text.match_indices('@') {
        let before = &text[..at];
        let word = last_of(before, |c| !ends(c));
        let login = &word[word.rfind('/').map_or(0, |i| i + 1)..];
        if login.contains(':') {
            found.push(at - login.len()..at);
        }
    }
    found
}

/// The characters of one kind that a text ends with.
fn last_of(text: &str, is: impl Fn(char) -> bool) -> &str {
    &text[text.trim_end_matches(is).len()..]
}

/// Credentials after a scheme of authorization, and values of variables whose names say secret:
/// `Bearer abc…`, `OPENAI_API_KEY=abc…`. In text of any kind, prose too, so that both must look
/// like it: at least [`RUN`] characters with a digit among them.
fn after_schemes(text: &str) -> Vec<Range<usize>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.~+/=".contains(c);
    let value_at = |from: usize| {
        let rest = &text[from..];
        let len = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let is_key = len >= RUN && rest[..len].bytes().any(|b| b.is_ascii_digit());
        is_key.then(|| from..from + len)
    };
    let mut found = Vec::new();
    for scheme in ["Bearer ", "bearer ", "Basic "] {
        let places = text.match_indices(scheme).map(|(at, _)| at + scheme.len());
        found.extend(places.filter_map(value_at));
    }
    for (at, _) in text.match_indices('=') {
        let before = &text[..at];
        let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let name = last_of(before, is_name);
        if name.contains('_') && is_secret_name(name) {
            let quote =
                text[at + 1..].chars().take_while(|c| matches!(c, '"' | '\'' | '\\')).count();
            found.extend(value_at(at + 1 + quote));
        }
    }
    found
}

/// Returns what looks like a well-known key, in text of any kind; ascending.
pub(super) fn of_known_shape(text: &str) -> Vec<Range<usize>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+');
    let mut found = Vec::new();
    // To prepare a search takes longer than to see that a text is too short.
    let fits = |(prefix, least): &&(&str, usize)| text.len() >= prefix.len() + least;
    for (prefix, least) in SHAPES.iter().filter(fits) {
        for (at, _) in text.match_indices(prefix) {
            let inside = text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            let rest = &text[at + prefix.len()..];
            let len = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            // A hyphenated word ("sk-learn-based-approach") has no digit in it.
            let is_key = rest[..len].bytes().any(|b| b.is_ascii_digit());
            if !inside && len >= *least && is_key {
                found.push(at..at + prefix.len() + len);
            }
        }
    }
    found.extend(after_schemes(text));
    sorted(found)
}

/// Returns the values beside secret names in text that is not JSON: `name=value`, `name: value`, `"name":
/// "value"`, `<name>value</name>`, and the parts of a multipart form.
pub(super) fn beside_names(text: &str) -> Vec<Range<usize>> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_filler = |c: char| matches!(c, ' ' | '\t' | '"' | '\'' | '\\');
    let mut found = in_addresses(text);
    for (at, sign) in text.match_indices(['=', ':', '>']) {
        let before = text[..at].trim_end_matches(is_filler);
        let name = last_of(before, is_name);
        let tag = before[..before.len() - name.len()].ends_with('<');
        let rest = &text[at + 1..];
        if sign == "=" && name.eq_ignore_ascii_case("name") {
            found.extend(part_of_form(rest, at + 1));
            continue;
        }
        if name.is_empty() || tag != (sign == ">") || !is_secret_name(name) {
            continue;
        }
        let value = rest.trim_start_matches([' ', '\t', '\\']);
        let from = at + 1 + rest.len() - value.len();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
        let (from, value) = match quote {
            Some(_) => (from + 1, &value[1..]),
            None => (from, value),
        };
        let ends = |c: char| match (quote, sign) {
            (Some(quote), _) => c == quote || c == '\\' || c == '\n',
            (None, ":") => matches!(c, '\r' | '\n' | ',' | '}' | '"' | '\''),
            (None, ">") => c == '<',
            (None, _) => c.is_whitespace() || matches!(c, '&' | ';' | ',' | '"' | '\'' | '<'),
        };
        let value = &value[..value.find(ends).unwrap_or(value.len())];
        let secret = credential(value.trim_end());
        if !secret.is_empty() {
            let from = from + value.find(secret).unwrap_or(0);
            found.push(from..from + secret.len());
        }
    }
    sorted(found)
}

/// The value of a part of a multipart form whose name is a secret's: `"NAME"` is the rest.
fn part_of_form(rest: &str, at: usize) -> Option<Range<usize>> {
    let (name, after) = rest.strip_prefix('"')?.split_once('"')?;
    let blank = after.find("\r\n\r\n").map(|i| i + 4);
    let start = blank.or_else(|| after.find("\n\n").map(|i| i + 2))?;
    let value = &after[start..];
    let value = &value[..value.find(['\r', '\n']).unwrap_or(value.len())];
    let from = at + 1 + name.len() + 1 + start;
    (is_secret_name(name) && !value.is_empty()).then(|| from..from + value.len())
}

/// `text` with the credentials in its addresses and all that looks like a key masked.
pub fn redacted(text: &str) -> String {
    let mut spans = in_addresses(text);
    spans.extend(in_bare_addresses(text));
    spans.extend(of_known_shape(text));
    starred(text, &sorted(spans))
}

/// `text` with these spans masked; they are ascending and apart.
pub fn starred(text: &str, spans: &[Range<usize>]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for span in spans {
        bytes[span.clone()].fill(b'*');
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Spans in order, those that touch each other as one.
pub(super) fn sorted(mut spans: Vec<Range<usize>>) -> Vec<Range<usize>> {
    spans.sort_by_key(|span| (span.start, span.end));
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if last.end >= span.start => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_hold() {
        for secret in [
            "Authorization",
            "x-litellm-api-key",
            "Helicone-Auth",
            "cf-aig-authorization",
            "x-portkey-api-key",
            "apikey",
            "x-functions-key",
            "x-access-token",
            "x-auth-key",
            "subscription-key",
            "api_token",
            "auth_token",
            "client_secret",
            "password",
            "apiKey",
            "authorization_token",
            "aws_secret_access_key",
            "Ocp-Apim-Subscription-Key",
            "Cookie",
            "set-cookie",
            "x-goog-api-key",
            "key",
            "token",
            "accessToken",
            "X-Amz-Security-Token",
        ] {
            assert!(is_secret_name(secret), "{secret}");
        }
        for public in [
            "max_tokens",
            "max_completion_tokens",
            "content-type",
            "prompt_cache_key",
            "tool_choice",
            "idempotency-key",
            "eos_token",
            "x-ratelimit-remaining-tokens",
            "www-authenticate",
            "access-control-allow-credentials",
            "author",
            "keyword",
            "signature",
            "tokens",
            "model",
        ] {
            assert!(!is_secret_name(public), "{public}");
        }
        for secret in ["x-pat", "apiPwd", "X-API-PWD", "pass", "x-jwt-assertion", "Authentication"]
        {
            assert!(is_secret_name(secret), "{secret}");
        }
        for public in ["format", "compat", "bypass", "class", "compass"] {
            assert!(!is_secret_name(public), "{public}");
        }
        assert!(is_secret_parameter("sig") && is_secret_parameter("X-Amz-Signature"));
    }

    #[track_caller]
    fn shown(spans: fn(&str) -> Vec<Range<usize>>, text: &str, want: &str) {
        assert_eq!(starred(text, &spans(text)), want);
    }

    #[test]
    fn addresses_are_searched_wherever_they_stand() {
        shown(
            in_addresses,
            "GET https://us:pw@h/x?a=1&key=k%201#f",
            "GET https://*****@h/x?a=1&key=*****#f",
        );
        shown(in_addresses, "\"url\":\"http://h?api_token=t\"", "\"url\":\"http://h?api_token=*\"");
        shown(in_addresses, "mail a@b.c and x://h/@y", "mail a@b.c and x://h/@y");
    }

    #[test]
    fn addresses_without_a_scheme_and_within_others_are_searched() {
        assert_eq!(redacted("--url \"us:pw@h/x\""), "--url \"*****@h/x\"");
        assert_eq!(redacted("ht!tp//us:pw@h a@b.c"), "ht!tp//*****@h a@b.c");
        shown(
            in_addresses,
            "u=https%3A%2F%2Fh%3Fkey%3Dk1%26a%3Db",
            "u=https%3A%2F%2Fh%3Fkey%3D**%26a%3Db",
        );
        shown(in_addresses, "a%3Db%26max_tokens%3D5", "a%3Db%26max_tokens%3D5");
    }

    #[test]
    fn prose_holds_credentials_only_where_they_look_like_it() {
        shown(of_known_shape, "use Bearer abcdefgh1 now", "use Bearer ********* now");
        shown(of_known_shape, "export A_KEY=\"abcdefgh1\"", "export A_KEY=\"*********\"");
        for prose in
            ["a Bearer token is sent", "Basic authentication", "MAX_KEY=12", "KEY = value1234"]
        {
            shown(of_known_shape, prose, prose);
        }
    }

    #[test]
    fn keys_of_known_shape_are_found() {
        shown(of_known_shape, "a sk-proj-abc123DEF456ghi789, b", "a **************************, b");
        shown(
            of_known_shape,
            "task-1234567890123456789 sk-learn-based-approaches",
            "task-1234567890123456789 sk-learn-based-approaches",
        );
        shown(of_known_shape, "AKIAABCDEFGH12345678", "********************");
    }

    #[test]
    fn values_beside_names_are_found_in_any_text() {
        shown(beside_names, "a=1&api_key=k+1&b=2", "a=1&api_key=***&b=2");
        shown(
            beside_names,
            "{\"api_key\": \"abc\", \"b\": 1,}",
            "{\"api_key\": \"***\", \"b\": 1,}",
        );
        shown(beside_names, "Authorization: Bearer abc\nX: y", "Authorization: Bearer ***\nX: y");
        shown(beside_names, "<password>p w</password>", "<password>***</password>");
        shown(
            beside_names,
            "name=\"api_key\"\r\n\r\nabc\r\n--b",
            "name=\"api_key\"\r\n\r\n***\r\n--b",
        );
        shown(beside_names, "{\\\"token\\\":\\\"abc\\\"}", "{\\\"token\\\":\\\"***\\\"}");
    }

    proptest::proptest! {
        /// Letters of any alphabet before the signs that a value follows.
        #[test]
        fn any_text_can_be_looked_through(
            pieces in proptest::collection::vec(
                (proptest::sample::select(vec![
                    "=", ":", ">", "@", "%3D", "%3F", "&", "\"", "'", "\\", "<", "/", " ", "\n", "name=\"",
                    "_KEY", "api_key", "token", "Bearer ", "sk-", "https://", "password", "1234567890", "ß", "ܔ",
                ]), proptest::prelude::any::<char>()),
                0..20,
            ),
        ) {
            let text: String = pieces.iter().flat_map(|(piece, c)| [(*piece).to_owned(), c.to_string()]).collect();
            for text in [&text, &text.replace(|c: char| !c.is_ascii(), "ß")] {
                for span in [beside_names(text), of_known_shape(text), in_addresses(text)].concat() {
                    proptest::prop_assert!(text.get(span).is_some());
                }
                let _ = redacted(text);
            }
        }
    }

    #[test]
    fn a_secret_stands_behind_a_letter_of_two_bytes() {
        let masked = |text: &str| starred(text, &beside_names(text));
        assert_eq!(
            masked("Größe: 5, ßpassword: hunter2hunter2"),
            "Größe: 5, ßpassword: **************"
        );
        assert_eq!(redacted("é=ß_KEY=abcdefgh1"), "é=ß_KEY=*********");
    }
}
