//! Providers: as a file has them, and as they are asked.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::variables::{Expanded, VariableError, expand};
use super::{Config, Environment};
use crate::journal::redacted;

/// The base URL of the embedded provider, which has no address before it is started.
pub const LAB_URL: &str = "lab://";

/// An endpoint, how it speaks, and what a request to it begins with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Provider {
    /// Its name.
    pub name: String,
    /// One line for lists.
    pub about: String,
    /// The dialect that it speaks, or `auto`.
    pub dialect: String,
    /// Everything before the path.
    pub base_url: String,
    /// The variables that the base URL was taken from.
    pub base_url_from: Vec<String>,
    /// The path after it, where it is not the dialect's.
    pub path: Option<String>,
    /// The environment variable that holds the key.
    pub key_env: Option<String>,
    /// A key that is in another program's file; it is used and never written anywhere.
    pub key: Option<Secret>,
    /// The header that carries the key, where it is not the dialect's.
    pub key_header: Option<String>,
    /// The region to sign for, where AWS credentials do instead of a key.
    pub aws_region: Option<String>,
    /// The model of a new request.
    pub model: String,
    /// Further headers, variables already put in.
    pub headers: Vec<ProviderHeader>,
    /// Further members of a new request's body.
    pub body: serde_json::Map<String, serde_json::Value>,
    /// The origin of its definition.
    pub origin: ProviderOrigin,
    /// Reason that it cannot be asked as things are: what is missing, and what to do.
    pub problem: Option<String>,
}

/// Reason that a provider cannot be made from a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// A value's variables cannot be expanded.
    #[error("{key}: {why}")]
    Variable {
        /// The value's key.
        key: &'static str,
        /// The problem.
        why: VariableError,
    },
    /// It has no address.
    #[error("no base_url")]
    NoBaseUrl,
    /// Its address has no scheme.
    #[error("base_url {0}")]
    NoScheme(NoScheme),
    /// Its dialect does not exist.
    #[error("unknown dialect {name:?}; known are auto, {}", crate::dialect::names().join(", "))]
    Dialect {
        /// Its name.
        name: String,
    },
}

/// An address without a scheme, masked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} has no scheme; http://{0} perhaps?")]
pub struct NoScheme(String);

impl NoScheme {
    fn of(address: &str) -> Self {
        let guess = redacted(&format!("http://{address}"));
        Self(guess.strip_prefix("http://").unwrap_or(&guess).to_owned())
    }
}

/// A header of all requests to a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderHeader {
    /// Its name.
    pub name: String,
    /// Its value, variables already put in.
    pub value: Secret,
    /// True if a variable was put in: it is then masked as a credential is.
    pub from_environment: bool,
}

/// The origin of a provider's definition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProviderOrigin {
    /// The user's own file, wholly or in part.
    User,
    /// A LiteLLM configuration that the user's file names.
    LiteLlm,
    /// The program.
    #[default]
    BuiltIn,
}

impl ProviderOrigin {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        match self {
            ProviderOrigin::User => "config",
            ProviderOrigin::LiteLlm => "litellm",
            ProviderOrigin::BuiltIn => "built-in",
        }
    }
}

/// A text that may be a credential: `Debug` does not show it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// AWS credentials of the environment, and the region to sign for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsKeys {
    /// The access key's id.
    pub id: Secret,
    /// The secret access key.
    pub secret: Secret,
    /// The session token of temporary credentials.
    pub token: Option<Secret>,
    /// The region.
    pub region: String,
}

impl Provider {
    /// Returns whether this is the embedded provider.
    pub fn is_lab(&self) -> bool {
        self.base_url.starts_with(LAB_URL)
    }

    /// Returns whether it runs on this machine, where a key is rarely required.
    pub fn is_local(&self) -> bool {
        let host = self.base_url.split_once("://").map_or("", |(_, rest)| rest);
        ["localhost", "127.", "0.0.0.0", "[::1]"].iter().any(|local| host.starts_with(local))
    }
}

/// Returns whether this looks like the name of an environment variable. A key that was written there by
/// mistake has letters of both cases, or digits and no `_`.
fn looks_like_variable(name: &str) -> bool {
    let has = |is: fn(&char) -> bool| name.chars().any(|c| is(&c));
    let both_cases = has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase);
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !both_cases
        && (!has(char::is_ascii_digit) || name.len() < 16 || name.contains('_'))
        && redacted(name) == name
}

impl Config {
    /// The key of a provider, if its variable is set and not empty.
    pub fn key(&self, provider: &Provider) -> Option<String> {
        if let Some(key) = &provider.key {
            return Some(key.0.clone());
        }
        self.variable(provider.key_env.as_deref()?)
    }

    /// Returns the credentials that sign requests to a provider, where AWS credentials suffice and are set.
    pub fn aws_keys(&self, provider: &Provider) -> Option<AwsKeys> {
        Some(AwsKeys {
            region: provider.aws_region.clone()?,
            id: Secret(self.variable("AWS_ACCESS_KEY_ID")?),
            secret: Secret(self.variable("AWS_SECRET_ACCESS_KEY")?),
            token: self.variable("AWS_SESSION_TOKEN").map(Secret),
        })
    }

    /// The variables that would have to be set for a request with credentials, in words; `None`
    /// where one is or none is needed.
    pub fn missing_key(&self, provider: &Provider) -> Option<String> {
        let variable = provider.key_env.as_deref()?;
        if self.key(provider).is_some() || self.aws_keys(provider).is_some() {
            return None;
        }
        Some(match provider.aws_region {
            Some(_) => {
                format!(
                    "neither {variable} nor AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set"
                )
            }
            None => format!("{variable} is not set"),
        })
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.environment.key(name).filter(|k| !k.trim().is_empty())
    }
}

/// A provider as it appears in a file: everything may be missing.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ProviderFile {
    /// Begin as a copy of this provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) like: Option<String>,
    /// One line for the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) about: Option<String>,
    /// The dialect that it speaks; `auto` recognizes it from the bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) dialect: Option<String>,
    /// Everything before the path; `${NAME}` and `${NAME:-default}` are taken from the environment,
    /// `{region}` is `aws_region`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base_url: Option<String>,
    /// An environment variable that wins over `base_url` where it is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base_url_env: Option<String>,
    /// Another path than the dialect's; variables as in `base_url`, `{model}` is the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    /// The environment variable that holds the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_env: Option<String>,
    /// Another header for the key than the dialect's, such as `api-key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_header: Option<String>,
    /// Amazon Bedrock: sign for this region with `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`
    /// where the key's variable is not set; variables as in `base_url`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aws_region: Option<String>,
    /// The model of a new request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<String>,
    /// Further headers; a value `$NAME` is taken from the environment, and the header left out
    /// where the variable is not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) headers: Option<BTreeMap<String, String>>,
    /// Further members of a new request's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<serde_json::Map<String, serde_json::Value>>,
    /// See [`Provider::key`]. It has no name in a file of ours.
    #[serde(skip)]
    pub(super) key: Option<Secret>,
}

impl ProviderFile {
    /// Overrides these values with another file's.
    pub(super) fn lay(&mut self, over: Self) {
        let set = |slot: &mut Option<String>, value: Option<String>| {
            if value.is_some() {
                *slot = value;
            }
        };
        set(&mut self.about, over.about);
        set(&mut self.dialect, over.dialect);
        set(&mut self.base_url, over.base_url);
        set(&mut self.base_url_env, over.base_url_env);
        set(&mut self.path, over.path);
        if over.key_env.is_some() {
            self.key = None;
        }
        set(&mut self.key_env, over.key_env);
        set(&mut self.key_header, over.key_header);
        set(&mut self.aws_region, over.aws_region);
        set(&mut self.model, over.model);
        self.key = over.key.or(self.key.take());
        for (name, value) in over.headers.into_iter().flatten() {
            let headers = self.headers.get_or_insert_default();
            headers.retain(|k, _| !k.eq_ignore_ascii_case(&name));
            headers.insert(name, value);
        }
        if let Some(body) = over.body {
            self.body.get_or_insert_default().extend(body);
        }
    }

    /// The provider that these words describe.
    pub(super) fn build(
        self,
        name: &str,
        origin: ProviderOrigin,
        environment: &Environment,
    ) -> Result<Provider, ProviderError> {
        let mut values = ProviderValues { environment, problem: None };
        let aws_region = values.expand(self.aws_region, "aws_region")?.map(|out| out.text);
        let path = values.expand(self.path, "path")?.map(|out| out.text);
        let (base_url, base_url_from) =
            values.base_url(self.base_url_env, self.base_url, aws_region.as_deref())?;
        let mut problem = values.problem;
        if problem.is_none() {
            problem = without_scheme(&base_url, base_url_from.first())?;
        }
        let key_env = match self.key_env {
            // It is not repeated: it may be the key itself. Those of the built-in providers are names.
            Some(name) if origin != ProviderOrigin::BuiltIn && !is_variable(&name, environment) => {
                problem = Some(NOT_A_VARIABLE.to_owned());
                None
            }
            key_env => key_env,
        };
        Ok(Provider {
            name: name.to_owned(),
            about: self.about.unwrap_or_default(),
            dialect: known_dialect(self.dialect)?,
            base_url,
            base_url_from,
            path,
            key_env,
            key: self.key,
            key_header: self.key_header,
            aws_region,
            model: self.model.unwrap_or_default(),
            headers: headers_of(self.headers.unwrap_or_default(), environment)?,
            body: self.body.unwrap_or_default(),
            origin,
            problem,
        })
    }
}

/// Expands the values of a provider, and notes the first one that lacks a variable.
struct ProviderValues<'a> {
    environment: &'a Environment,
    /// Reason that the provider cannot be asked.
    problem: Option<String>,
}

impl ProviderValues<'_> {
    fn expand(
        &mut self,
        value: Option<String>,
        what: &'static str,
    ) -> Result<Option<Expanded>, ProviderError> {
        let Some(value) = value else { return Ok(None) };
        let out = expand(&value, &|name| self.environment.get(name))
            .map_err(|why| ProviderError::Variable { key: what, why })?;
        if let Some(unset) = out.unset.first() {
            self.problem.get_or_insert_with(|| format!("{unset} is not set; its {what} needs it"));
        }
        Ok(Some(out))
    }

    /// The base URL, from its variable or its template, and the variables that it was taken from.
    fn base_url(
        &mut self,
        variable: Option<String>,
        template: Option<String>,
        region: Option<&str>,
    ) -> Result<(String, Vec<String>), ProviderError> {
        let from_env = variable.as_deref().and_then(|v| {
            let url = self.environment.get(v).map(|url| url.trim().to_owned());
            url.filter(|url| !url.is_empty())
        });
        match (from_env, template) {
            (Some(url), _) => Ok((url, variable.into_iter().collect())),
            (None, Some(template)) => {
                let template = template.replace("{region}", region.unwrap_or_default());
                let out = self.expand(Some(template), "base URL")?.unwrap_or_default();
                Ok((out.text, out.used))
            }
            (None, None) => {
                let unset = variable.ok_or(ProviderError::NoBaseUrl)?;
                self.problem = Some(format!("{unset} is not set; its base URL needs it"));
                Ok((format!("${{{unset}}}"), Vec::new()))
            }
        }
    }
}

/// The problem of a provider whose key is where the name of its variable should be.
const NOT_A_VARIABLE: &str = "its key_env is not the name of an environment variable, and a key \
    does not belong in the configuration";

/// The problem of an address without a scheme, if it is from a variable.
///
/// # Errors
/// It is from the configuration.
fn without_scheme(url: &str, from: Option<&String>) -> Result<Option<String>, ProviderError> {
    if url.contains("://") {
        return Ok(None);
    }
    let why = NoScheme::of(url);
    // A mistake in the environment is no reason to stop: other providers still work.
    let problem = from.map(|from| format!("its base URL, from {from}: {why}"));
    problem.ok_or(ProviderError::NoScheme(why)).map(Some)
}

/// Returns whether a text is the name of a variable, and not a key.
fn is_variable(name: &str, environment: &Environment) -> bool {
    looks_like_variable(name) || (redacted(name) == name && environment.key(name).is_some())
}

/// The dialect's name, if it is one.
fn known_dialect(name: Option<String>) -> Result<String, ProviderError> {
    match name {
        None => Ok("auto".to_owned()),
        Some(name) if name == "auto" || crate::dialect::find(&name).is_some() => Ok(name),
        Some(name) => Err(ProviderError::Dialect { name }),
    }
}

/// The headers whose variables are set.
fn headers_of(
    headers: BTreeMap<String, String>,
    environment: &Environment,
) -> Result<Vec<ProviderHeader>, ProviderError> {
    let mut out = Vec::new();
    for (name, value) in headers {
        let expanded = expand(&as_expanded(&value), &|name| environment.key(name))
            .map_err(|why| ProviderError::Variable { key: "headers", why })?;
        if expanded.unset.is_empty() {
            let from_environment = !expanded.used.is_empty();
            out.push(ProviderHeader { name, value: Secret(expanded.text), from_environment });
        }
    }
    Ok(out)
}

/// A header's value with a lone `$NAME` as `${NAME}`.
pub(super) fn as_expanded(value: &str) -> Cow<'_, str> {
    match value.strip_prefix('$') {
        Some(name) if !name.starts_with('{') => format!("${{{name}}}").into(),
        _ => value.into(),
    }
}
