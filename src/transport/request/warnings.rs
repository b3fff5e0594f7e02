//! Warnings for the user about how a request is sent.

use super::Transport;
use crate::config::{Config, Provider};
use crate::transport::Draft;

/// Returns the warnings, as sentences.
pub(super) fn of(
    draft: &Draft,
    provider: &Provider,
    config: &Config,
    transport: &Transport,
    model: &str,
    has_key: bool,
) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(why) = config.missing_key(provider).filter(|_| !has_key && !provider.is_local()) {
        warnings.push(format!(
            "{why}: the request goes out without a key (set it, or put it into .env here)"
        ));
    }
    if model.is_empty() && draft.url.is_some() {
        warnings.push("no model was given (-m NAME): the request names none".to_owned());
    }
    if transport.insecure {
        warnings.push("TLS certificates are NOT VERIFIED (--insecure): anyone in between can read and change everything".to_owned());
    }
    warnings
}
