//! The models that a provider lists. One small GET and no stream, so that it is reqwest's, with nothing recorded.

use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::request::{HttpVersion, Outgoing, RequestError, Transport, resolve};
use super::{Draft, tls};
use crate::config::Config;
use crate::text::preview;

/// Maximum time that the list may take.
const TIME: Duration = Duration::from_secs(30);

/// The longest list that is read, in bytes: OpenRouter's has 400 models in half a megabyte.
const MAX_BODY: usize = 16 << 20;

/// Reason that there is no list.
#[derive(Debug, thiserror::Error)]
pub enum ModelsError {
    /// The provider cannot be asked.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The dialect has no such list beside its path.
    #[error("{0} has no list of models that is known")]
    None(String),
    /// The runtime could not be started.
    #[error(transparent)]
    Runtime(#[from] std::io::Error),
    /// TLS cannot be configured.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// There was no answer.
    #[error("no answer from {place}: {why}")]
    Http {
        /// The host that was asked.
        place: String,
        /// The library's words.
        why: reqwest::Error,
    },
    /// The provider refused.
    #[error("HTTP {status} from {place}: {words}")]
    Refused {
        /// The status.
        status: u16,
        /// The host that was asked.
        place: String,
        /// Beginning of its body, masked.
        words: String,
    },
    /// The answer is no list.
    #[error("{0} answered with something else than a list of models")]
    Unread(String),
}

/// Makes the request for the list of a provider's models. `lab` is the embedded provider's address, once it
/// runs.
///
/// # Errors
/// The provider is unknown or lacks a setting, or has no such list.
pub fn request(
    provider: &str,
    config: &Config,
    transport: &Transport,
    lab: Option<std::net::SocketAddr>,
) -> Result<Outgoing, ModelsError> {
    let named = config.provider(provider).map_err(RequestError::from)?;
    // Dialects with the model in the address need a model; any will do.
    let model = if named.model.is_empty() { "model".to_owned() } else { named.model.clone() };
    let draft = Draft { provider: provider.to_owned(), model, ..Draft::default() };
    let address = resolve(&draft, config, transport, lab)?.url;
    let list = list_beside(&address).ok_or_else(|| ModelsError::None(provider.to_owned()))?;
    let draft = Draft { url: Some(list.into()), method: "GET".into(), ..draft };
    Ok(resolve(&draft, config, transport, lab)?)
}

/// The address of the list that belongs to an address for requests.
fn list_beside(address: &Url) -> Option<Url> {
    /// Endings of paths for requests, and the endings of the list's path in place of those.
    const ENDS: &[(&str, &str)] = &[
        ("/chat/completions", "/models"),
        ("/responses", "/models"),
        ("/completions", "/models"),
        ("/messages", "/models"),
        ("/interactions", "/models"),
        ("/v2/chat", "/v1/models"),
        ("/api/chat", "/api/tags"),
    ];
    let path = address.path();
    let list = match path.split_once("/models/") {
        // Gemini's paths begin with that of its list.
        Some((before, _)) => format!("{before}/models"),
        None => {
            let (end, instead) = ENDS.iter().find(|(end, _)| path.ends_with(end))?;
            format!("{}{instead}", path.strip_suffix(end)?)
        }
    };
    // Azure's deployments and AWS's models are listed elsewhere, for other keys.
    if path.contains("/deployments/") || path.contains("/model/") {
        return None;
    }
    let mut url = address.clone();
    url.set_path(&list);
    url.set_query(None);
    Some(url)
}

/// Asks for the list and returns the names, in the provider's order. Blocks until the answer is there, at most
/// half a minute.
///
/// # Errors
/// There is no answer, or no list in it.
pub fn models(outgoing: &Outgoing) -> Result<Vec<String>, ModelsError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(ask(outgoing))
}

async fn ask(outgoing: &Outgoing) -> Result<Vec<String>, ModelsError> {
    let place = outgoing.url.host_str().unwrap_or_default().to_owned();
    let failed = |why: reqwest::Error| {
        // The address may hold a key.
        ModelsError::Http { place: place.clone(), why: why.without_url() }
    };
    let request = client(outgoing)?.get(outgoing.url.clone()).headers(outgoing.headers.clone());
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&piece[..piece.len().min(MAX_BODY - body.len())]);
        if body.len() == MAX_BODY {
            break;
        }
    }
    if !status.is_success() {
        let words = outgoing.secrets.mask(&String::from_utf8_lossy(&body));
        let words = preview(words.trim(), 200);
        return Err(ModelsError::Refused { status: status.as_u16(), place, words });
    }
    let names = serde_json::from_slice(&body).ok().as_ref().and_then(names);
    names.ok_or(ModelsError::Unread(place))
}

fn client(outgoing: &Outgoing) -> Result<reqwest::Client, ModelsError> {
    let transport = &outgoing.transport;
    let secure = outgoing.url.scheme() == "https" || transport.proxy.is_some();
    // Without TLS the trust store is not needed, and may not be there.
    let tls = match secure {
        true => tls::config(transport)?,
        false => tls::config(&Transport { insecure: true, ..transport.clone() })?,
    };
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .timeout(TIME)
        .tls_backend_preconfigured(tls);
    builder = match transport.version {
        Some(HttpVersion::Http1) => builder.http1_only(),
        Some(HttpVersion::Http2) => builder.http2_prior_knowledge(),
        None => builder,
    };
    let failed = |why: reqwest::Error| ModelsError::Http { place: "the client".into(), why };
    let builder = match &transport.proxy {
        Some(proxy) => builder.proxy(reqwest::Proxy::all(proxy.as_str()).map_err(failed)?),
        // A proxy from the environment does not apply to this machine itself.
        None if is_loopback(&outgoing.url) => builder.no_proxy(),
        None => builder,
    };
    builder.build().map_err(failed)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// The names in a list: OpenAI's and Anthropic's `data[].id`, Gemini's, Cohere's and Ollama's `models[].name`.
fn names(list: &Value) -> Option<Vec<String>> {
    let items = ["data", "models"].iter().find_map(|key| list.get(key)?.as_array());
    let items = items.or_else(|| list.as_array())?;
    let name = |item: &Value| {
        let named = ["id", "name", "model"].iter().find_map(|key| item.get(key)?.as_str());
        let name = named.or_else(|| item.as_str())?;
        Some(name.strip_prefix("models/").unwrap_or(name).to_owned())
    };
    Some(items.iter().filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_list_is_beside_the_path_for_requests() {
        for (address, list) in [
            ("https://h/v1/chat/completions", Some("https://h/v1/models")),
            ("https://h/v1/responses?x=1", Some("https://h/v1/models")),
            ("https://h/v1/messages", Some("https://h/v1/models")),
            (
                "https://h/v1beta/models/m:streamGenerateContent?alt=sse",
                Some("https://h/v1beta/models"),
            ),
            ("http://h:11434/api/chat", Some("http://h:11434/api/tags")),
            ("https://h/v2/chat", Some("https://h/v1/models")),
            ("https://h/openai/deployments/m/chat/completions?api-version=1", None),
            ("https://h/model/m/converse-stream", None),
        ] {
            let found = list_beside(&Url::parse(address).unwrap());
            assert_eq!(found.as_ref().map(Url::as_str), list, "{address}");
        }
    }

    #[test]
    fn names_are_read_in_every_shape() {
        for list in [
            json!({"object": "list", "data": [{"id": "a"}, {"id": "b"}]}),
            json!({"models": [{"name": "models/a"}, {"name": "models/b"}]}),
            json!({"models": [{"name": "a", "model": "a"}, {"model": "b"}]}),
            json!([{"id": "a"}, {"id": "b"}]),
        ] {
            assert_eq!(names(&list), Some(vec!["a".to_owned(), "b".to_owned()]), "{list}");
        }
        assert_eq!(names(&json!({"error": "no"})), None);
    }
}
