//! The secrets of this run: what standard error and lists of providers must not show.

use std::sync::Mutex;

use crate::config::Environment;
use crate::journal::{self, Secrets, is_secret_name, is_secret_variable};

/// All that is known so far.
static KNOWN: Mutex<Option<Secrets>> = Mutex::new(None);

/// Learns the secrets in the environment (variables whose names say so) and in the arguments.
pub(super) fn learn(environment: &Environment, args: impl Iterator<Item = String>) {
    let mut secrets = Secrets::default();
    for (name, value) in environment.process() {
        if is_secret_variable(name) {
            secrets.add(value);
        }
        secrets.add_from_text(value, true);
    }
    for arg in args {
        // A header, a curl command or a body typed on the line: `name: value` in each.
        secrets.add_from_text(&arg, false);
        if let Some((name, value)) = arg.split_once(':')
            && is_secret_name(name.trim_start_matches("-H").trim())
        {
            secrets.add_header(value.trim());
        }
    }
    add(&secrets);
}

/// Adds the secrets of a request.
pub(super) fn add(secrets: &Secrets) {
    if let Ok(mut known) = KNOWN.lock() {
        known.get_or_insert_default().extend(secrets);
    }
}

/// Returns text with known secrets, the credentials of addresses, and what looks like a key masked.
pub(super) fn masked(text: &str) -> String {
    let text = journal::redacted(text);
    match KNOWN.lock() {
        Ok(known) => known.as_ref().map_or(text.clone(), |secrets| secrets.mask(&text)),
        Err(_) => text,
    }
}

/// Returns a request body with the values of secret names masked.
pub(super) fn masked_body(body: &str) -> String {
    let masked = crate::transport::request::masked_body(body.as_bytes());
    self::masked(&String::from_utf8_lossy(&masked))
}
