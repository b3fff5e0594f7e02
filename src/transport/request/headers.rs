//! The headers of a request: defaults, the dialect's, the key, the provider's, the user's own.

use super::RequestError;
use super::secrets::mask_header;
use crate::config::{self, Config, Provider};
use crate::dialect::Dialect;
use crate::journal::{self, Secrets, is_secret_name, redacted};
use crate::transport::Draft;

/// The headers of a request, credentials in clear.
pub(super) struct RequestHeaders<'a> {
    all: Vec<(String, String)>,
    /// The header that carries the key.
    key: &'a str,
}

impl<'a> RequestHeaders<'a> {
    /// Collects them; what of them is a secret of the configuration is added to `secrets`.
    pub(super) fn of(
        draft: &Draft,
        provider: &'a Provider,
        config: &Config,
        speaks: Option<&'static dyn Dialect>,
        secrets: &mut Secrets,
    ) -> Self {
        let mut all = vec![
            ("content-type".to_owned(), "application/json".to_owned()),
            ("accept".into(), "text/event-stream, application/json".into()),
            ("accept-encoding".into(), "identity".into()),
            ("user-agent".into(), concat!("sselens/", env!("CARGO_PKG_VERSION")).into()),
        ];
        for (name, value) in speaks.and_then(|d| d.request()).map_or(&[][..], |side| side.headers) {
            set(&mut all, name, value);
        }
        let (key_header, before) = key_header(provider, speaks);
        if let Some(key) = config.key(provider) {
            set(&mut all, key_header, &format!("{before}{key}"));
            secrets.add(&key);
        }
        for config::ProviderHeader { name, value, from_environment } in &provider.headers {
            set(&mut all, name, &value.0);
            if *from_environment {
                secrets.add(&value.0);
            }
        }
        // A header from the user replaces all others of that name; one without a value only removes them.
        all.retain(|(k, _)| !draft.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(k)));
        all.extend(draft.headers.iter().filter(|(_, v)| !v.is_empty()).cloned());
        Self { all, key: key_header }
    }

    /// Returns whether one of them carries the key.
    pub(super) fn has_key(&self) -> bool {
        self.all.iter().any(|(name, _)| self.is_key(name))
    }

    fn is_key(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(self.key)
    }

    /// Adds what they hold of credentials.
    pub(super) fn add_secrets(&self, secrets: &mut Secrets) {
        for (name, value) in &self.all {
            if self.is_key(name) || is_secret_name(name) {
                secrets.add_header(value);
            }
            secrets.add_from_text(value, true);
        }
    }

    /// Returns them as they are sent.
    pub(super) fn sent(&self) -> Result<http::HeaderMap, RequestError> {
        let mut sent = http::HeaderMap::new();
        for (name, value) in &self.all {
            let bad = || RequestError::Header(redacted(name));
            let key = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
            let mut value = http::HeaderValue::from_str(value).map_err(|_| bad())?;
            value.set_sensitive(self.is_key(name) || is_secret_name(name));
            sent.append(key, value);
        }
        Ok(sent)
    }

    /// Returns them as the journal may have them.
    pub(super) fn shown(&self, secrets: &Secrets) -> journal::Headers {
        let shown =
            |(name, value): &(String, String)| match self.is_key(name) && !value.contains(' ') {
                true => (name.to_ascii_lowercase(), "*".repeat(value.chars().count())),
                false => (name.to_ascii_lowercase(), mask_header(name, value, secrets)),
            };
        self.all.iter().map(shown).collect()
    }
}

/// Returns the header that carries the key of a draft's provider, with the key's variable as its value:
/// for a file that names an address and no provider.
pub fn key_in_words(draft: &Draft, config: &Config) -> Option<(String, String)> {
    let provider = config.providers.get(&draft.provider)?;
    let variable = provider.key_env.as_deref()?;
    let (name, before) = key_header(provider, super::dialect_of(draft, provider));
    Some((name.to_owned(), format!("{before}${{{variable}}}")))
}

/// Returns the header that carries a provider's key, and the text before the key in it.
fn key_header<'a>(
    provider: &'a Provider,
    speaks: Option<&'static dyn Dialect>,
) -> (&'a str, &'static str) {
    match provider.key_header.as_deref() {
        Some(name) if name.eq_ignore_ascii_case("authorization") => (name, "Bearer "),
        Some(name) => (name, ""),
        None => speaks
            .and_then(|d| d.request())
            .map_or(("authorization", "Bearer "), |side| side.key_header),
    }
}

fn set(headers: &mut Vec<(String, String)>, name: &str, value: &str) {
    match headers.iter_mut().find(|(k, _)| k.eq_ignore_ascii_case(name)) {
        Some(header) => header.1 = value.to_owned(),
        None => headers.push((name.to_owned(), value.to_owned())),
    }
}
