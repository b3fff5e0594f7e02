//! The routes of requests: the upstreams by name, by prefix, and by the ending of the path.

use std::borrow::Cow;
use std::sync::Arc;

use url::Url;

use crate::config::{Config, UnknownProvider};

/// Reason that something cannot be an upstream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// The address cannot be parsed.
    #[error("{address:?} is not an address: {why}")]
    Address {
        /// The address.
        address: String,
        /// The parser's words.
        why: url::ParseError,
    },
    /// The address has another scheme than HTTP's.
    #[error("{address:?}: {scheme}:// is neither http:// nor https://")]
    Scheme {
        /// The address.
        address: String,
        /// Its scheme.
        scheme: String,
    },
    /// The address has no host.
    #[error("{0:?} names no host")]
    NoHost(String),
    /// There is no such provider.
    #[error(transparent)]
    Provider(#[from] UnknownProvider),
    /// The provider lacks a setting.
    #[error("provider {name:?}: {problem}")]
    Incomplete {
        /// The provider's name.
        name: String,
        /// Description of what is missing.
        problem: String,
    },
}

/// Somewhere that requests are forwarded to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its name, which is its prefix too.
    pub name: String,
    /// The address without a path.
    pub origin: Origin,
    /// Beginning of every path, without a version: `/openai`, or nothing.
    base: String,
    /// The version that a path without one gets: `/v1`, or nothing.
    version: String,
    /// The provider's name in the configuration; empty for a bare address.
    pub provider: String,
    /// Name of its dialect, `auto` if the path decides.
    pub dialect: String,
    /// True if what is sent there is kept; otherwise it is only forwarded.
    pub is_recorded: bool,
}

/// Scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// True if it is reached through TLS.
    pub tls: bool,
    /// The host's name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Origin {
    /// Returns the value of the `Host` header: the port only where it is not the scheme's.
    pub fn authority(&self) -> String {
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }

    /// The address, such as `https://api.openai.com`.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }
}

/// Returns whether a path segment is a version: `v1`, `v1beta`, `v2`.
fn is_version(segment: &str) -> bool {
    let rest = segment.strip_prefix('v').unwrap_or_default();
    rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

fn first_segment(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

/// Returns whether `path` is `base` or is below it.
fn is_below(path: &str, base: &str) -> bool {
    path.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

impl Upstream {
    /// An upstream at this address.
    ///
    /// # Errors
    /// It is not an address of `http` or `https`.
    pub fn at(name: &str, address: &str) -> Result<Self, UpstreamError> {
        let address = address.to_owned();
        let url = match Url::parse(&address) {
            Ok(url) => url,
            Err(why) => return Err(UpstreamError::Address { address, why }),
        };
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            scheme => {
                let scheme = scheme.to_owned();
                return Err(UpstreamError::Scheme { address, scheme });
            }
        };
        let host = url.host_str().ok_or(UpstreamError::NoHost(address))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port_or_known_default().unwrap_or(if tls { 443 } else { 80 });
        let path = url.path().trim_end_matches('/');
        let (base, version) = match path.rsplit_once('/') {
            Some((base, last)) if is_version(last) => (base, format!("/{last}")),
            _ => (path, String::new()),
        };
        Ok(Self {
            name: name.to_owned(),
            origin: Origin { tls, host, port },
            base: base.to_owned(),
            version,
            provider: String::new(),
            dialect: "auto".into(),
            is_recorded: true,
        })
    }

    /// The upstream of a configured or built-in provider. `lab` is the embedded one's address.
    ///
    /// # Errors
    /// There is no such provider, or its address is not known.
    pub fn of_provider(
        name: &str,
        provider: &str,
        config: &Config,
        lab: Option<std::net::SocketAddr>,
    ) -> Result<Self, UpstreamError> {
        let known = config.provider(provider)?;
        let address = match lab.filter(|_| known.is_lab()) {
            Some(lab) => format!("http://{lab}/v1"),
            None => match &known.problem {
                Some(problem) => {
                    let (name, problem) = (provider.to_owned(), problem.clone());
                    return Err(UpstreamError::Incomplete { name, problem });
                }
                None => known.base_url.clone(),
            },
        };
        let provider = known.name.clone();
        Ok(Self { provider, ..Self::at(name, &address)? })
    }

    /// The version that a path without one gets: `/v1`, or nothing.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns whether it is the same place as another, whatever the two are called.
    pub fn is_at(&self, other: &Self) -> bool {
        (&self.origin, &self.base, &self.version) == (&other.origin, &other.base, &other.version)
    }

    /// The path of a request here, for one that the client asked the tap for (without the prefix).
    pub fn path(&self, asked: &str) -> String {
        let asked = match asked {
            "" => Cow::Borrowed("/"),
            _ if asked.starts_with('?') => Cow::Owned(format!("/{asked}")),
            _ => Cow::Borrowed(asked),
        };
        let whole = format!("{}{}", self.base, self.version);
        if !asked.starts_with('/') || !self.base.is_empty() && is_below(&asked, &whole) {
            return asked.into_owned();
        }
        let bare = asked.split('?').next().unwrap_or(&asked);
        let version = match bare == "/" || is_version(first_segment(bare)) {
            true => "",
            false => &self.version,
        };
        format!("{}{version}{asked}", self.base)
    }
}

/// The destination of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The upstream.
    pub upstream: Arc<Upstream>,
    /// The target to be sent there.
    pub target: String,
}

/// The upstreams of a tap.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    /// Those that were named; the first has `/` too.
    named: Vec<Arc<Upstream>>,
    /// The built-in ones that a path's ending chooses, where none was named.
    by_suffix: Vec<Arc<Upstream>>,
}

/// Returns the provider that a path belongs to, by its ending. A path of OpenAI's may belong to a dozen
/// hosts; OpenAI is what a client that knows no other address means.
fn by_suffix(path: &str) -> Option<&'static str> {
    const ENDINGS: &[(&str, &[&str])] = &[
        ("anthropic", &["/messages", "/messages/count_tokens", "/complete"]),
        ("ollama", &["/api/chat", "/api/generate", "/api/tags", "/api/show", "/api/version"]),
        ("cohere", &["/v2/chat", "/v1/chat", "/v2/embed"]),
        ("gemini", &["/interactions"]),
        ("openai", &["/chat/completions", "/responses", "/completions", "/embeddings", "/models"]),
    ];
    let path = path.split('?').next().unwrap_or(path).trim_end_matches('/');
    // Check this first: google-genai for Python also uses paths under /v1.
    let last = path.rsplit('/').next().unwrap_or_default();
    if last.contains(':') && path.contains("/models/") {
        return Some("gemini");
    }
    let converse = ["converse", "converse-stream", "invoke", "invoke-with-response-stream"];
    if converse.contains(&last) && path.contains("/model/") {
        return Some("bedrock");
    }
    let ends = |suffix: &&str| path.ends_with(*suffix);
    let found = ENDINGS.iter().find(|(_, suffixes)| suffixes.iter().any(ends));
    found.map(|(name, _)| *name)
}

impl Routes {
    /// Routes to these upstreams, the first of which has `/` too.
    pub fn to(named: Vec<Upstream>) -> Self {
        Self { named: named.into_iter().map(Arc::new).collect(), by_suffix: Vec::new() }
    }

    /// The same, with the built-in providers for paths that no prefix claims.
    pub fn with_suffixes(mut self, config: &Config) -> Self {
        let names = ["openai", "anthropic", "gemini", "ollama", "cohere", "bedrock"];
        let known = |name: &&str| Upstream::of_provider(name, name, config, None).ok();
        self.by_suffix = names.iter().filter_map(known).map(Arc::new).collect();
        self
    }

    /// The upstreams that were named.
    pub fn named(&self) -> &[Arc<Upstream>] {
        &self.named
    }

    /// Returns the route of a target in origin form; `None` if nothing determines one.
    pub fn route(&self, target: &str) -> Option<Route> {
        for upstream in &self.named {
            let prefix = format!("/{}", upstream.name);
            if is_below(target, &prefix) {
                let asked = &target[prefix.len()..];
                return Some(Route {
                    upstream: Arc::clone(upstream),
                    target: upstream.path(asked),
                });
            }
        }
        let first = match self.by_suffix.is_empty() {
            true => self.named.first(),
            false => {
                let name = by_suffix(target)?;
                self.by_suffix.iter().find(|u| u.name == name)
            }
        };
        first.map(|u| Route { upstream: Arc::clone(u), target: u.path(target) })
    }

    /// The upstream of all requests, whatever they say: there is one, and nothing else is known.
    pub(super) fn sole(&self) -> Option<&Arc<Upstream>> {
        self.only().filter(|_| self.named.len() == 1)
    }

    /// The upstream of what is no HTTP request: there is one only where nothing has to be chosen.
    pub fn only(&self) -> Option<&Arc<Upstream>> {
        self.named.first().filter(|_| self.by_suffix.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Upstream {
        Upstream::at("x", address).unwrap()
    }

    #[test]
    fn paths_get_the_base_and_no_second_version() {
        for (base, asked, path) in [
            ("https://api.openai.com/v1", "/v1/chat/completions", "/v1/chat/completions"),
            ("https://api.openai.com/v1", "/chat/completions?a=/v1", "/v1/chat/completions?a=/v1"),
            (
                "https://h/v1beta",
                "/v1/models/m:streamGenerateContent",
                "/v1/models/m:streamGenerateContent",
            ),
            (
                "https://h/v1beta",
                "/models/m:streamGenerateContent",
                "/v1beta/models/m:streamGenerateContent",
            ),
            ("http://h:4000", "/v1/chat/completions", "/v1/chat/completions"),
            ("http://h:4000", "/..%2fa//b/./c?x=%41", "/..%2fa//b/./c?x=%41"),
            ("http://h/openai/v1/", "/v1/responses", "/openai/v1/responses"),
            ("http://h/openai/v1", "/openai/v1/responses", "/openai/v1/responses"),
            ("http://h/openai/v1", "/responses", "/openai/v1/responses"),
            ("https://api.anthropic.com/v1", "/", "/"),
            ("https://api.anthropic.com/v1", "", "/"),
            ("http://h", "", "/"),
            ("http://h", "*", "*"),
        ] {
            assert_eq!(at(base).path(asked), path, "{base} {asked}");
        }
        assert_eq!(at("https://h:8443/x").origin.authority(), "h:8443");
        assert_eq!(at("http://[::1]:80").origin.authority(), "[::1]");
        assert!(Upstream::at("x", "ftp://h").is_err() && Upstream::at("x", "h:80").is_err());
    }

    #[test]
    fn a_prefix_is_cut_and_the_first_upstream_has_the_rest() {
        let routes = Routes::to(vec![
            Upstream::at("a", "http://a/v1").unwrap(),
            Upstream::at("b", "http://b").unwrap(),
        ]);
        let to = |target: &str| {
            let route = routes.route(target).unwrap();
            (route.upstream.name.clone(), route.target)
        };
        assert_eq!(to("/b/v1/messages?x"), ("b".into(), "/v1/messages?x".into()));
        assert_eq!(to("/a/chat/completions"), ("a".into(), "/v1/chat/completions".into()));
        assert_eq!(to("/ab/c"), ("a".into(), "/v1/ab/c".into()));
        assert_eq!(to("/b?x"), ("b".into(), "/?x".into()));
    }

    #[test]
    fn the_ending_of_a_path_chooses_a_provider() {
        for (path, name) in [
            ("/v1/messages?beta=true", Some("anthropic")),
            ("/messages", Some("anthropic")),
            ("/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse", Some("gemini")),
            ("/v1beta/models/m:generateContent", Some("gemini")),
            ("/v1/chat/completions", Some("openai")),
            ("/responses", Some("openai")),
            ("/v1/completions", Some("openai")),
            ("/api/chat", Some("ollama")),
            ("/v2/chat", Some("cohere")),
            ("/model/M%2Fx/converse-stream", Some("bedrock")),
            ("/", None),
        ] {
            assert_eq!(by_suffix(path), name, "{path}");
        }
    }
}
