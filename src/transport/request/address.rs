//! The destination of a request: the provider, its dialect, the address, and the model in it.

use std::net::SocketAddr;

use super::RequestError;
use crate::config::{Config, LAB_URL, Provider};
use crate::dialect::{self, Dialect};
use crate::journal::redacted;
use crate::transport::Draft;

/// Returns the draft's provider; for a draft with a URL and no name, one that is only that URL.
pub(in crate::transport) fn provider_of(
    draft: &Draft,
    config: &Config,
) -> Result<Provider, RequestError> {
    match (&draft.url, draft.provider.as_str()) {
        (Some(url), "") => Ok(Provider {
            name: "url".into(),
            dialect: "auto".into(),
            base_url: url.clone(),
            ..Provider::default()
        }),
        (None, "") => Ok(config.provider(&config.provider)?.clone()),
        (_, name) => Ok(config.provider(name)?.clone()),
    }
}

pub(super) fn dialect_of(draft: &Draft, provider: &Provider) -> Option<&'static dyn Dialect> {
    dialect::find(draft.dialect.as_deref().unwrap_or(&provider.dialect))
}

/// Returns the dialect that a draft's body must be in: its provider's, or what its address says.
pub fn speaks(draft: &Draft, config: &Config) -> Option<&'static dyn Dialect> {
    let provider = provider_of(draft, config).ok()?;
    dialect_of(draft, &provider).or_else(|| dialect::request::by_address(draft.url.as_deref()?))
}

pub(super) fn address(
    draft: &Draft,
    provider: &Provider,
    speaks: Option<&'static dyn Dialect>,
    lab: Option<SocketAddr>,
) -> Result<url::Url, RequestError> {
    let text = match &draft.url {
        Some(url) => url.clone(),
        None => {
            if let Some(problem) = &provider.problem {
                let (name, problem) = (provider.name.clone(), problem.clone());
                return Err(RequestError::Incomplete { name, problem });
            }
            let base = match (provider.base_url.strip_prefix(LAB_URL), lab) {
                (Some(rest), Some(lab)) => match speaks.map(|d| d.name()) {
                    None | Some("openai-chat") => format!("http://{lab}/v1{rest}"),
                    // Dialects may share a path, so the lab needs the dialect's name in front.
                    Some(name) => format!("http://{lab}/{name}/v1{rest}"),
                },
                (Some(_), None) => return Err(RequestError::NoLab),
                (None, _) => provider.base_url.trim_end_matches('/').to_owned(),
            };
            let side = speaks.unwrap_or(dialect::DIALECTS[0]).request();
            // If no path is known, the base URL is the endpoint.
            let known = side.map_or("", |side| side.path);
            let path = provider.path.as_deref().unwrap_or(known);
            format!("{base}{path}")
        }
    };
    let text = place_model(text, draft, provider, speaks)?;
    let url = url::Url::parse(&text)
        .map_err(|why| RequestError::Address { address: redacted(&text), why })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(RequestError::Scheme(redacted(&text)));
    }
    Ok(url)
}

/// Returns whether the draft's dialect has the model in the address and not in the body.
pub fn has_model_in_address(draft: &Draft, config: &Config) -> bool {
    let Ok(provider) = provider_of(draft, config) else { return false };
    let side = dialect_of(draft, &provider).and_then(|d| d.request());
    let path = side.map(|side| side.path);
    provider.path.as_deref().or(path).is_some_and(|path| path.contains("{model}"))
}

/// Puts the model into the address, where the dialect has it there (Gemini): for `{model}`, or in an address
/// that the draft has, in place of the one between `/models/` and the method's colon.
fn place_model(
    text: String,
    draft: &Draft,
    provider: &Provider,
    speaks: Option<&'static dyn Dialect>,
) -> Result<String, RequestError> {
    const SLOT: &str = "{model}";
    if text.contains(SLOT) {
        let model = if draft.model.is_empty() { &provider.model } else { &draft.model };
        if model.is_empty() {
            return Err(RequestError::NoModel);
        }
        return Ok(text.replace(SLOT, &dialect::in_address(model)));
    }
    if draft.url.is_some()
        && !draft.model.is_empty()
        && speaks.and_then(|d| d.request()).is_some_and(|side| side.path.contains(SLOT))
        && let Some((before, rest)) = text.split_once("/models/")
        && let Some((_, method)) = rest.split_once(':')
    {
        return Ok(format!("{before}/models/{}:{method}", dialect::in_address(&draft.model)));
    }
    Ok(text)
}
