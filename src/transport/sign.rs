//! Signatures of AWS (version 4), for requests to Amazon Bedrock without a bearer key.
//!
//! A signature is valid for a few minutes only, so it is made at the moment of sending. The
//! algorithm is AWS's "Create a signed AWS API request"; the tests hold it against botocore.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::SystemTime;

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ring::{digest, hmac};
use time::OffsetDateTime;

use super::outgoing::Outgoing;
use crate::config::AwsKeys;
use crate::journal::Secrets;

/// The service's name in a signature.
const SERVICE: &str = "bedrock";

/// The headers that a signature adds.
const ADDED: [&str; 3] = ["authorization", "x-amz-date", "x-amz-security-token"];

/// Characters that are percent-encoded in a query: all but RFC 3986's unreserved characters.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Characters that are percent-encoded in a path.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// Readies an address for being signed: the colons of a model's name are sent encoded, because AWS
/// checks the signature over an address that it has decoded and encoded twice.
pub(super) fn prepare(keys: &AwsKeys, url: &mut url::Url, secrets: &mut Secrets) {
    secrets.add(&keys.id.0);
    secrets.add(&keys.secret.0);
    secrets.add(keys.token.as_ref().map_or("", |token| &token.0));
    let path = url.path().replace(':', "%3A");
    url.set_path(&path);
}

impl Outgoing {
    /// Signs it for this moment, if it is to be signed.
    pub(super) fn signed_at(&mut self, now: SystemTime) {
        let Some(keys) = &self.sign else { return };
        for (name, value) in signature(self, keys, SERVICE, now) {
            let Ok(mut sent) = HeaderValue::from_str(&value) else { continue };
            sent.set_sensitive(true);
            self.headers.insert(name, sent);
            // Region, service and signed headers may be shown; they help with debugging.
            if let Some((_, signature)) = value.split_once("Signature=") {
                self.secrets.add(signature);
            }
            let shown = match name {
                "x-amz-security-token" => "*".repeat(value.len()),
                _ => self.secrets.mask(&value),
            };
            self.request.headers.retain(|(k, _)| k != name);
            self.request.headers.push((name.to_owned(), shown));
        }
    }
}

/// Returns the headers that sign a request for `service` at `now`.
fn signature(
    outgoing: &Outgoing,
    keys: &AwsKeys,
    service: &str,
    now: SystemTime,
) -> Vec<(&'static str, String)> {
    let time = timestamp(now);
    let scope = format!("{}/{}/{service}/aws4_request", &time[..8], keys.region);
    let mut added = vec![("x-amz-date", time.clone())];
    added.extend(keys.token.as_ref().map(|token| ("x-amz-security-token", token.0.clone())));

    let headers = signed_headers(outgoing, &added);
    let names = headers.keys().map(String::as_str).collect::<Vec<_>>().join(";");
    let mut canonical = format!(
        "{}\n{}\n{}\n",
        outgoing.method,
        canonical_path(outgoing.url.path()),
        canonical_query(&outgoing.url)
    );
    for (name, value) in &headers {
        canonical.extend([name, ":", value, "\n"]);
    }
    canonical.extend(["\n", &names, "\n", &hash(&outgoing.body)]);

    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(canonical.as_bytes()));
    let secret = format!("AWS4{}", keys.secret.0);
    let parts = [&time[..8], &keys.region, service, "aws4_request", &to_sign];
    let signature = parts.iter().fold(secret.into_bytes(), |key, part| mac(&key, part.as_bytes()));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
        keys.id.0,
        hex(&signature)
    );
    added.push(("authorization", authorization));
    added
}

/// Returns `now` as AWS writes it, `20260102T030405Z`.
fn timestamp(now: SystemTime) -> String {
    let t = OffsetDateTime::from(now);
    let (year, month, day) = t.to_calendar_date();
    let (hour, minute, second) = t.to_hms();
    format!("{year:04}{:02}{day:02}T{hour:02}{minute:02}{second:02}Z", u8::from(month))
}

/// Returns the headers that are signed, by name. What proxies may change is left out, as AWS's own
/// clients do it.
fn signed_headers(
    outgoing: &Outgoing,
    added: &[(&'static str, String)],
) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::<String, String>::new();
    let own = outgoing.headers.iter().filter_map(|(name, value)| {
        let name = name.as_str();
        let listed = name == "content-type" || name.starts_with("x-amz");
        (listed && !ADDED.contains(&name)).then_some((name, value.to_str().ok()?))
    });
    let host = &outgoing.url[url::Position::BeforeHost..url::Position::AfterPort];
    let added = added.iter().map(|(name, value)| (*name, value.as_str()));
    for (name, value) in own.chain([("host", host)]).chain(added) {
        let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
        match headers.get_mut(name) {
            Some(before) => before.extend([",", &value]),
            None => drop(headers.insert(name.to_owned(), value)),
        }
    }
    headers
}

/// Returns a path without empty segments, encoded once more than it is sent.
fn canonical_path(path: &str) -> String {
    let segments = path.split('/').filter(|segment| !segment.is_empty()).collect::<Vec<_>>();
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    utf8_percent_encode(&format!("/{}{end}", segments.join("/")), PATH).to_string()
}

/// Returns the parameters of an address, encoded and in order.
fn canonical_query(url: &url::Url) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, QUERY).to_string();
    let mut pairs: Vec<_> = url.query_pairs().map(|(k, v)| (encoded(&k), encoded(&v))).collect();
    pairs.sort();
    pairs.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join("&")
}

fn hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn mac(key: &[u8], data: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), data).as_ref().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string does not fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
