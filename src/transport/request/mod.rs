//! From a draft to what is sent over the wire, and to what the journal may know of it.

mod address;
mod edit;
mod headers;
mod secrets;
mod variables;
mod warnings;

use std::net::SocketAddr;

use bytes::Bytes;

use super::{Draft, sign};
use crate::config::Config;
use crate::dialect;
use crate::journal::{Request, Secrets, redacted};

pub use super::outgoing::{HttpVersion, Outgoing, Transport};
pub(super) use address::provider_of;
pub use address::{has_model_in_address, speaks};
pub(super) use edit::edit;
pub(crate) use edit::model_of;
pub use edit::{BodyError, set_model, set_prompt};
pub use headers::key_in_words;
pub(crate) use secrets::{mask_header, mask_raw_head, mask_recorded};
pub use variables::{escaped, variables};

use super::tls::TlsError;
use crate::config::UnknownProvider;
use address::{address, dialect_of};
pub(crate) use secrets::mask_body;
use secrets::{mask_url, url_secrets};

/// Reason that a draft cannot be sent. The messages hold no credentials.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The provider is unknown.
    #[error(transparent)]
    Provider(#[from] UnknownProvider),
    /// The provider lacks a setting.
    #[error(
        "provider {name:?}: {problem}: set it (`sselens providers {name}` shows more), or use --url"
    )]
    Incomplete {
        /// The provider's name.
        name: String,
        /// Description of what is missing.
        problem: String,
    },
    /// The method is none.
    #[error("{0:?} is not an HTTP method")]
    Method(String),
    /// The address cannot be parsed.
    #[error("{address:?} is not an address: {why}")]
    Address {
        /// The address, masked.
        address: String,
        /// The parser's words.
        why: url::ParseError,
    },
    /// The address has another scheme than HTTP's.
    #[error("{0:?}: only http:// and https:// addresses can be sent to")]
    Scheme(String),
    /// Variables of the request have no value.
    #[error("{}: set it in the environment, or write a value in its place", unset(.0))]
    Unset(Vec<String>),
    /// The lab does not run.
    #[error("the lab is not running")]
    NoLab,
    /// The dialect has the model in its address.
    #[error("this dialect has the model in its address: name one (--model)")]
    NoModel,
    /// Only the dialect's streams are known, not its requests.
    #[error("{0} can only be read: send a request body of your own (--body)")]
    OnlyRead(&'static str),
    /// A header is not allowed in HTTP.
    #[error("the header {0:?} cannot be sent: HTTP does not allow its name or value")]
    Header(String),
    /// A proxy's address cannot be used.
    #[error("--proxy {address:?}: {why}")]
    Proxy {
        /// The address, masked.
        address: String,
        /// Reason that it cannot be used.
        why: super::ProxyError,
    },
    /// Certificates cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A body cannot be edited.
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// `$A is not set`, `$A and $B are not set`.
fn unset(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("${name}")).collect();
    match names.split_last() {
        Some((last, [])) => format!("{last} is not set"),
        Some((last, others)) => format!("{} and {last} are not set", others.join(", ")),
        None => String::new(),
    }
}

/// A proxy's address that cannot be read, as it may be shown: user and password can be anywhere in
/// it but after its last `@`.
fn masked_proxy(address: &str) -> String {
    let end = address.rfind('@').unwrap_or(address.len());
    let from = address.find("://").map_or(0, |i| i + 3).min(end);
    let mask =
        |part: &str| part.chars().map(|c| if c == ':' { c } else { '*' }).collect::<String>();
    redacted(&format!("{}{}{}", &address[..from], mask(&address[from..end]), &address[end..]))
}

impl Transport {
    /// Finds out whether it can be used, before anything is sent.
    ///
    /// # Errors
    /// When the certificates cannot be read, or the proxy's address is none.
    pub fn check(&self) -> Result<(), RequestError> {
        // Check only what the user supplied. Reading the platform's own certificates takes longer than
        // everything else before the first screen.
        if self.ca_cert.is_some() {
            super::tls::config(self)?;
        }
        match &self.proxy {
            Some(proxy) => super::proxy::check(proxy)
                .map_err(|why| RequestError::Proxy { address: masked_proxy(proxy), why }),
            None => Ok(()),
        }
    }
}

/// Makes a request of a draft. `lab` is the embedded provider's address, once it runs.
///
/// # Errors
/// When the draft cannot be sent as it is.
pub fn resolve(
    draft: &Draft,
    config: &Config,
    transport: &Transport,
    lab: Option<SocketAddr>,
) -> Result<Outgoing, RequestError> {
    let filled = variables::fill(draft, &config.environment)?;
    let draft = &*filled.draft;
    let provider = provider_of(draft, config)?;
    let speaks = dialect_of(draft, &provider);
    let mut url = address(draft, &provider, speaks, lab)?;
    let method = if draft.method.is_empty() { "POST" } else { &draft.method };
    let method = http::Method::from_bytes(method.to_ascii_uppercase().as_bytes())
        .map_err(|_| RequestError::Method(redacted(method)))?;
    let mut secrets = Secrets::default();
    filled.credentials.iter().for_each(|credential| secrets.add(credential));
    let headers = headers::RequestHeaders::of(draft, &provider, config, speaks, &mut secrets);
    let aws_keys = config.aws_keys(&provider).filter(|_| !headers.has_key());
    if let Some(keys) = &aws_keys {
        sign::prepare(keys, &mut url, &mut secrets);
    }
    if let Some(proxy) = &transport.proxy {
        secrets::add_proxy(proxy, &mut secrets);
    } else {
        secrets::add_environment_proxy(&url, &mut secrets);
    }
    headers.add_secrets(&mut secrets);
    url_secrets(&url, &mut secrets);
    let (body, masked) = mask_body(&draft.body, &mut secrets);
    let model = model_of(&draft.body).unwrap_or_else(|| draft.model.clone());
    let request = Request {
        method: method.to_string(),
        url: mask_url(&url, &secrets),
        headers: headers.shown(&secrets),
        body,
        provider: provider.name.clone(),
        dialect: draft.dialect.clone().unwrap_or_else(|| provider.dialect.clone()),
        model: secrets.mask(&model),
        masked,
        warnings: warnings::of(draft, &provider, config, transport, &model, headers.has_key()),
        ..Request::default()
    };
    Ok(Outgoing {
        method,
        url,
        headers: headers.sent()?,
        body: Bytes::copy_from_slice(&draft.body),
        secrets,
        request,
        transport: transport.clone(),
        limits: config.limits,
        sign: aws_keys,
    })
}

/// Returns a draft for a provider with a fresh body: its model, prompt and extra fields.
///
/// # Errors
/// When the provider is unknown, or what a request of its dialect looks like.
pub fn compose(
    config: &Config,
    draft: Draft,
    prompt: &str,
    system: Option<&str>,
) -> Result<Draft, RequestError> {
    let provider = provider_of(&draft, config)?;
    let speaks = dialect_of(&draft, &provider).unwrap_or(dialect::DIALECTS[0]);
    let model = if draft.model.is_empty() { provider.model.clone() } else { draft.model.clone() };
    let ask = dialect::request::ChatRequest::minimal(&model, prompt, system);
    let side = speaks.request().ok_or(RequestError::OnlyRead(speaks.name()))?;
    let mut members = (side.write)(&ask, &mut dialect::request::Notes::default());
    members.extend(provider.body.clone());
    let body = serde_json::to_string_pretty(&members).unwrap_or_default();
    Ok(Draft { model, body: body.into_bytes(), ..draft })
}

/// Returns a request body with its secrets masked.
pub(crate) fn masked_body(body: &[u8]) -> Bytes {
    mask_body(body, &mut Secrets::default()).0
}

impl Outgoing {
    /// Sends it elsewhere: what the new address holds of secrets is masked from now on.
    pub(super) fn go_to(&mut self, url: url::Url) {
        url_secrets(&url, &mut self.secrets);
        self.request.url = mask_url(&url, &self.secrets);
        self.url = url;
    }
}

#[cfg(test)]
mod tests;
