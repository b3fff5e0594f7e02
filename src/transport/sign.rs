//! Signatures of AWS (version 4), for requests to Amazon Bedrock without a bearer key.
//!
//! A signature holds for some minutes only, so it is made at the moment of sending.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use http::HeaderValue;

use super::request::Outgoing;
use crate::config::AwsKeys;
use crate::journal::Secrets;

/// The service's name in a signature.
const SERVICE: &str = "bedrock";

/// The headers that a signature adds.
const ADDED: [&str; 3] = ["authorization", "x-amz-date", "x-amz-security-token"];

/// Readies an address for being signed: the colons of a model's name go out encoded, because AWS
/// checks the signature over an address that it has decoded and encoded twice.
pub(super) fn prepare(keys: &AwsKeys, url: &mut url::Url, secrets: &mut Secrets) {
    secrets.add(&keys.id.0);
    secrets.add(&keys.secret.0);
    secrets.add(keys.token.as_ref().map_or("", |token| &token.0));
    let path = url.path().replace(':', "%3A");
    url.set_path(&path);
}

impl Outgoing {
    /// Signs it for this moment, if it is to be signed. What cannot be signed goes out without a
    /// signature, and a warning says why.
    pub(super) fn signed_at(&mut self, now: SystemTime) {
        let Some(keys) = &self.sign else { return };
        match signature(self, keys, now) {
            Ok(headers) => {
                for (name, value) in headers {
                    let Ok(mut sent) = HeaderValue::from_str(&value) else { continue };
                    sent.set_sensitive(true);
                    self.headers.insert(name, sent);
                    // Region, service and what was signed may be seen, and help to find faults.
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
            Err(why) => self.request.warnings.push(format!("the request is not signed: {why}")),
        }
    }
}

/// The headers that sign a request.
fn signature(
    outgoing: &Outgoing,
    keys: &AwsKeys,
    now: SystemTime,
) -> Result<Vec<(&'static str, String)>, String> {
    let token = keys.token.as_ref().map(|t| t.0.clone());
    let identity =
        Credentials::new(&*keys.id.0, &*keys.secret.0, token, None, "environment").into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(&keys.region)
        .name(SERVICE)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(|e| e.to_string())?
        .into();
    // What proxies may change is left out, as AWS's own clients do it.
    let signed = outgoing.headers.iter().filter_map(|(name, value)| {
        let name = name.as_str();
        let listed = name == "content-type" || name.starts_with("x-amz");
        (listed && !ADDED.contains(&name)).then_some((name, value.to_str().ok()?))
    });
    let request = SignableRequest::new(
        outgoing.method.as_str(),
        outgoing.url.as_str(),
        signed,
        SignableBody::Bytes(&outgoing.body),
    )
    .map_err(|e| e.to_string())?;
    let (instructions, _) = sign(request, &params).map_err(|e| e.to_string())?.into_parts();
    let headers = instructions.headers().filter_map(|(name, value)| {
        let name = ADDED.iter().find(|added| **added == name)?;
        Some((*name, value.to_owned()))
    });
    Ok(headers.collect())
}

#[cfg(test)]
#[path = "sign_tests.rs"]
mod tests;
