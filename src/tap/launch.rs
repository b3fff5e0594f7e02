//! Ways to make a program send its requests to the tap: the variables that SDKs and agents read.
//!
//! Each row was measured with the client itself. A value that was set becomes the upstream, so a gateway stays
//! in the path.

use super::route::Upstream;

/// One variable that holds a base address.
struct Variable {
    name: &'static str,
    /// The provider whose clients read it; also the prefix.
    group: &'static str,
    /// The end of the value, besides the address.
    suffix: &'static str,
    /// True if it is set even where it was not before. Others mean more than the model's calls, or work only
    /// together with what else a user sets.
    always: bool,
}

const fn row(
    name: &'static str,
    group: &'static str,
    suffix: &'static str,
    always: bool,
) -> Variable {
    Variable { name, group, suffix, always }
}

const VARIABLES: &[Variable] = &[
    row("OPENAI_BASE_URL", "openai", "/v1", true),
    row("OPENAI_API_BASE", "openai", "/v1", true),
    // goose: the path is a separate variable.
    row("OPENAI_HOST", "openai", "", true),
    row("ANTHROPIC_BASE_URL", "anthropic", "", true),
    row("ANTHROPIC_API_BASE", "anthropic", "", true),
    row("GOOGLE_GEMINI_BASE_URL", "gemini", "", true),
    row("GEMINI_API_BASE", "gemini", "/v1beta", true),
    row("OLLAMA_HOST", "ollama", "", true),
    row("OLLAMA_API_BASE", "ollama", "", true),
    row("CO_API_URL", "cohere", "", true),
    row("AZURE_OPENAI_ENDPOINT", "azure", "", false),
    row("AZURE_API_BASE", "azure", "", false),
    row("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "bedrock", "", false),
    // This applies to all of AWS, so it points to the tap only if the user had already set it.
    row("AWS_ENDPOINT_URL", "aws", "", false),
    row("COPILOT_PROVIDER_BASE_URL", "copilot", "/v1", false),
];

/// The variables that make a client send its requests to a proxy.
const PROXY: &[&str] =
    &["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// The variables that name a file of certificates to be trusted.
pub const CA_FILE: &[&str] = &[
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "AWS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "CODEX_CA_CERTIFICATE",
];

/// The variables of a program that is to take the tap for its proxy, and to trust the certificates in
/// a file. Hosts of this machine are asked for past the tap, unless one of them is decrypted.
pub fn through_proxy(
    tap: &str,
    file: &str,
    get: impl Fn(&str) -> Option<String>,
    decrypted: &[&str],
) -> Vec<(String, String)> {
    let all = |names: &[&str], value: &str| -> Vec<(String, String)> {
        names.iter().map(|name| ((*name).to_owned(), value.to_owned())).collect()
    };
    let mut environment = all(PROXY, tap);
    environment.extend(all(CA_FILE, file));
    // Node ignores proxy variables by default; newer versions use them if this is set.
    environment.push(("NODE_USE_ENV_PROXY".into(), "1".into()));
    let local = LOOPBACK.iter().filter(|host| !decrypted.contains(host));
    environment.extend(no_proxy(get, &local.copied().collect::<Vec<_>>()));
    environment
}

/// `NO_PROXY` and its like, with these hosts too.
fn no_proxy(get: impl Fn(&str) -> Option<String>, more: &[&str]) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for name in ["NO_PROXY", "no_proxy"] {
        let value = get(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let mut hosts: Vec<String> =
            value.iter().flat_map(|v| v.split(',')).map(|h| h.trim().into()).collect();
        if hosts.iter().any(|h| h == "*") {
            continue;
        }
        for host in more {
            if !hosts.iter().any(|h| h == host) {
                hosts.push((*host).to_owned());
            }
        }
        all.push((name.into(), hosts.join(",")));
    }
    all
}

/// Hosts that no proxy is asked for: clients send even these to one otherwise.
const LOOPBACK: &[&str] = &["127.0.0.1", "localhost", "::1"];

/// The settings that a program is started with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Launch {
    /// The upstreams that its variables named, and the providers' own.
    pub upstreams: Vec<Upstream>,
    /// Its environment, where it is not that of the tap: by variable, with a path behind the tap's
    /// address.
    paths: Vec<(String, String)>,
    /// `NO_PROXY` and its like.
    no_proxy: Vec<(String, String)>,
}

impl Launch {
    /// Reads the environment with `get`; `default` makes the upstream of a provider that no
    /// variable names. With `named` upstreams these are taken and nothing of the environment.
    pub fn new(
        get: impl Fn(&str) -> Option<String>,
        default: impl Fn(&str) -> Option<Upstream>,
        named: &[Upstream],
    ) -> Self {
        let mut launch = Self::default();
        let value = |name: &str| get(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        let set = |v: &Variable| {
            let value = value(v.name).filter(|_| named.is_empty())?;
            // Ollama's variable may be a host alone.
            let address = if value.contains("://") { value } else { format!("http://{value}") };
            Upstream::at(v.group, &address).ok().filter(|u| !u.origin.host.is_empty())
        };
        for v in VARIABLES {
            // The value that an unset variable stands for: that of another one in the group, or the
            // provider's.
            let own = set(v);
            let siblings = || VARIABLES.iter().filter(|o| o.group == v.group).find_map(set);
            let suffix = |u: &Upstream| u.version().to_owned();
            if !named.is_empty() {
                let prefix = match named.iter().any(|u| u.name == v.group) {
                    true => format!("/{}", v.group),
                    false => String::new(),
                };
                if v.always || value(v.name).is_some() {
                    launch.paths.push((v.name.into(), prefix + v.suffix));
                }
                continue;
            }
            let (upstream, suffix) = match own {
                Some(u) => {
                    let suffix = suffix(&u);
                    (u, suffix)
                }
                None if !v.always => continue,
                None => match siblings().or_else(|| default(v.group)) {
                    Some(u) => (u, v.suffix.to_owned()),
                    None => continue,
                },
            };
            let name = launch.add(upstream, v.name);
            launch.paths.push((v.name.into(), format!("/{name}{suffix}")));
        }
        launch.no_proxy = no_proxy(&get, LOOPBACK);
        launch
    }

    /// Adds an upstream, and returns the prefix that it has.
    fn add(&mut self, mut upstream: Upstream, variable: &str) -> String {
        if let Some(same) = self.upstreams.iter().find(|u| u.is_at(&upstream)) {
            return same.name.clone();
        }
        if self.upstreams.iter().any(|u| u.name == upstream.name) {
            upstream.name = variable.to_ascii_lowercase();
        }
        let name = upstream.name.clone();
        self.upstreams.push(upstream);
        name
    }

    /// The variables of the program, for a tap at this address.
    pub fn environment(&self, tap: &str) -> Vec<(String, String)> {
        let paths = self.paths.iter().map(|(name, path)| (name.clone(), format!("{tap}{path}")));
        paths.chain(self.no_proxy.iter().cloned()).collect()
    }
}

/// The arguments that a program needs besides, because it reads no variable; behind its name.
pub fn arguments(program: &str, environment: &[(String, String)]) -> Vec<String> {
    let name = std::path::Path::new(program).file_stem().and_then(|n| n.to_str());
    let openai = environment.iter().find(|(k, _)| k == "OPENAI_BASE_URL");
    match (name, openai) {
        (Some("codex"), Some((_, url))) => {
            vec!["-c".into(), format!("openai_base_url={}", serde_json::Value::from(url.as_str()))]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn default(name: &str) -> Option<Upstream> {
        Upstream::at(name, &format!("https://{name}.example/v1")).ok()
    }

    fn of(pairs: &[(&str, &str)], named: &[Upstream]) -> (Launch, Vec<(String, String)>) {
        let get = |name: &str| pairs.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned());
        let launch = Launch::new(get, default, named);
        let environment = launch.environment("http://t");
        (launch, environment)
    }

    fn value<'a>(environment: &'a [(String, String)], name: &str) -> Option<&'a str> {
        environment.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    #[test]
    fn each_client_gets_its_own_suffix() {
        let (launch, env) = of(&[], &[]);
        for (name, expected) in [
            ("OPENAI_BASE_URL", Some("http://t/openai/v1")),
            ("ANTHROPIC_BASE_URL", Some("http://t/anthropic")),
            ("GEMINI_API_BASE", Some("http://t/gemini/v1beta")),
            ("OLLAMA_HOST", Some("http://t/ollama")),
            ("AZURE_OPENAI_ENDPOINT", None),
            ("AWS_ENDPOINT_URL", None),
            ("NO_PROXY", Some("127.0.0.1,localhost,::1")),
        ] {
            assert_eq!(value(&env, name), expected, "{name}");
        }
        assert_eq!(launch.upstreams.len(), 5);
    }

    #[test]
    fn a_value_that_was_set_is_the_upstream() {
        let (launch, env) = of(
            &[
                ("OPENAI_API_BASE", "http://gw:4000/api"),
                ("OLLAMA_HOST", "127.0.0.1:9999"),
                ("AWS_ENDPOINT_URL", "http://aws:1"),
                ("no_proxy", "corp.example, localhost"),
            ],
            &[],
        );
        // LiteLLM reads the first of the two: it must lead to the same upstream as the second.
        assert_eq!(value(&env, "OPENAI_API_BASE"), Some("http://t/openai"));
        assert_eq!(value(&env, "OPENAI_BASE_URL"), Some("http://t/openai/v1"));
        assert_eq!(value(&env, "AWS_ENDPOINT_URL"), Some("http://t/aws"));
        assert_eq!(value(&env, "no_proxy"), Some("corp.example,localhost,127.0.0.1,::1"));
        let at = |name: &str| {
            let found = launch.upstreams.iter().find(|u| u.name == name);
            found.map(|u| (u.origin.url(), u.path("/chat/completions")))
        };
        assert_eq!(at("openai"), Some(("http://gw:4000".into(), "/api/chat/completions".into())));
        assert_eq!(at("ollama").map(|u| u.0).as_deref(), Some("http://127.0.0.1:9999"));
        let (launch, env) =
            of(&[("OPENAI_BASE_URL", "http://a/v1"), ("OPENAI_API_BASE", "http://b/v1")], &[]);
        assert_eq!(value(&env, "OPENAI_API_BASE"), Some("http://t/openai_api_base/v1"));
        assert_eq!(launch.upstreams[1].origin.url(), "http://b");
    }

    #[test]
    fn named_upstreams_take_everything() {
        let named = [default("lab").unwrap(), default("anthropic").unwrap()];
        let (launch, env) = of(&[("OPENAI_BASE_URL", "http://gw/v1")], &named);
        assert!(launch.upstreams.is_empty());
        assert_eq!(value(&env, "OPENAI_BASE_URL"), Some("http://t/v1"));
        assert_eq!(value(&env, "ANTHROPIC_BASE_URL"), Some("http://t/anthropic"));
    }

    #[test]
    fn a_proxy_is_named_to_every_client_and_its_certificates() {
        let get = |name: &str| (name == "NO_PROXY").then(|| "corp.example".to_owned());
        let env = through_proxy("http://t", "/f.pem", get, &["api.openai.com", "127.0.0.1"]);
        for (name, expected) in [
            ("HTTPS_PROXY", "http://t"),
            ("http_proxy", "http://t"),
            ("SSL_CERT_FILE", "/f.pem"),
            ("NODE_EXTRA_CA_CERTS", "/f.pem"),
            ("NO_PROXY", "corp.example,localhost,::1"),
        ] {
            assert_eq!(value(&env, name), Some(expected), "{name}");
        }
        assert_eq!(value(&env, "OPENAI_BASE_URL"), None);
    }

    #[test]
    fn codex_gets_an_argument() {
        let env = [("OPENAI_BASE_URL".to_owned(), "http://t/v1".to_owned())];
        let codex = ["-c", "openai_base_url=\"http://t/v1\""];
        assert_eq!(arguments("/usr/bin/codex", &env), codex);
        assert!(arguments("python", &env).is_empty());
    }
}
