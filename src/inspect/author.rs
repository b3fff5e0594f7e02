//! The author of an error response: a proxy, a gateway, or the provider behind them.
//!
//! A proxy puts its name on what it only forwards, so `server: nginx` proves nothing. Its own pages do: each
//! program has its own words and form for them.

use super::Inspection;
use crate::text::preview;

/// The author of an error response, and the evidence for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Author {
    /// A program in between wrote it: its name, and the evidence.
    Gateway(&'static str, String),
    /// The provider wrote it, whoever passed it on; the evidence.
    Provider(String),
    /// Nothing shows who wrote it.
    Unknown,
}

/// Marks of a program's pages: its name, and words that all appear in them (in lower case).
const PAGES: &[(&str, &[&str])] = &[
    ("OpenResty", &["<center>openresty"]),
    ("nginx", &["<center>nginx"]),
    ("Cloudflare", &["cloudflare", "<html"]),
    ("Cloudflare", &["error code: 1"]),
    ("Cloudflare", &["error code: 5"]),
    ("Cloudflare", &["| 5", ": a timeout occurred"]),
    ("Cloudflare", &["just a moment...", "<html"]),
    ("Apache", &["<!doctype html public \"-//ietf//dtd html 2.0//en\">", "<h1>"]),
    ("HAProxy", &["<html><body><h1>", "</h1>\n", "\n</body></html>"]),
    ("Envoy", &["upstream connect error or disconnect/reset before headers"]),
    ("Envoy", &["upstream request timeout"]),
    ("Envoy", &["no healthy upstream"]),
    ("Traefik", &["bad gateway", "traefik"]),
    ("Varnish", &["<title>503 backend fetch failed</title>"]),
    ("AWS ELB", &["<center><h1>", "awselb"]),
    ("LiteLLM", &["authentication error, ", "litellm"]),
    ("LiteLLM", &["invalid proxy server token"]),
    ("LiteLLM", &["no deployments available"]),
    ("LiteLLM", &["exceededbudget"]),
    ("LiteLLM", &["'nonetype' object has no attribute"]),
    ("LiteLLM", &["got nonetype"]),
];

/// Programs and services that write errors of their own, known by a response header and by words of theirs in the
/// body (in lower case; none for any body). The header alone is on what they only pass on.
const SIGNED: &[(&str, &str, &str, &[&str])] = &[
    ("Amazon API Gateway", "x-amz-apigw-id", "", &["endpoint request timed out"]),
    ("Amazon API Gateway", "x-amz-apigw-id", "", &["{\"message\": \"internal server error\"}"]),
    ("Amazon API Gateway", "x-amz-apigw-id", "", &["{\"message\":\"service unavailable\"}"]),
    ("Amazon API Gateway", "x-amz-apigw-id", "", &["{\"message\":\"too many requests\"}"]),
    ("Amazon API Gateway", "x-amz-apigw-id", "", &["{\"message\":\"limit exceeded\"}"]),
    ("Amazon API Gateway", "x-amzn-errortype", "forbiddenexception", &[]),
    ("Amazon API Gateway", "x-amzn-errortype", "missingauthenticationtokenexception", &[]),
    ("CloudFront", "x-cache", "error from cloudfront", &["<html", "cloudfront"]),
    ("Cloudflare", "cf-mitigated", "", &[]),
    ("Cloudflare", "server", "cloudflare", &["<html"]),
    ("Akamai", "server", "akamaighost", &["<html"]),
    ("Azure Front Door", "x-azure-ref", "", &["<html"]),
    ("Google's load balancer", "via", "1.1 google", &["no healthy upstream"]),
    ("Google's load balancer", "via", "1.1 google", &["upstream request timeout"]),
    ("Heroku's router", "server", "heroku", &["<html", "application error"]),
    ("Heroku's router", "server", "cowboy", &["<html", "application error"]),
    ("Vercel", "x-vercel-error", "", &[]),
    ("Railway", "x-railway-fallback", "true", &[]),
    ("Kong", "server", "kong", &["\"message\":", "request_id"]),
    ("Squid", "x-squid-error", "", &[]),
    ("Squid", "server", "squid", &["<html"]),
    ("Istio", "server", "istio-envoy", &["upstream"]),
    ("Istio", "server", "istio-envoy", &["rbac: access denied"]),
];

/// Programs that answer errors of their own without a body, by their `server`.
const SILENT: &[(&str, &str)] = &[("caddy", "Caddy"), ("envoy", "Envoy"), ("traefik", "Traefik")];

/// Response headers that only a provider's own servers set.
const PROVIDERS: &[&str] = &[
    "openai-processing-ms",
    "openai-organization",
    "anthropic-organization-id",
    "x-amzn-requestid",
    "x-amzn-errortype",
    "apim-request-id",
    "x-groq-region",
    "mistral-correlation-id",
    "x-goog-request-id",
];

/// Number of bytes of a body that are looked at.
const LOOKED_AT: usize = 4096;

/// The program in between whose own words a text has.
pub(super) fn words_of(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let page = PAGES.iter().find(|(_, words)| words.iter().all(|word| text.contains(word)));
    page.filter(|_| !text.contains("exception - ")).map(|(name, _)| *name)
}

impl Inspection {
    /// Returns who wrote this response; used for errors.
    pub(super) fn author(&self) -> Author {
        let body = self.body();
        let body = String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT)]).to_lowercase();
        let body = body.trim();
        let header = |name| self.head.as_ref().and_then(|h| h.header(name));
        let page = PAGES.iter().find(|(_, words)| words.iter().all(|w| body.contains(w)));
        // LiteLLM's text about a provider's exception is that provider's error.
        let passed_on = body.contains("exception - ");
        if let Some((name, _)) = page.filter(|_| !passed_on) {
            return Author::Gateway(name, format!("the body is {name}'s own"));
        }
        let signed = SIGNED.iter().find(|(_, mark, value, words)| {
            let has = |held: &str| held.to_ascii_lowercase().contains(value);
            header(mark).is_some_and(has) && words.iter().all(|w| body.contains(w))
        });
        if let Some((name, mark, ..)) = signed.filter(|_| !passed_on) {
            return Author::Gateway(name, format!("header {mark} and the form of the body"));
        }
        let server = header("server").unwrap_or_default().to_ascii_lowercase();
        let silent = SILENT.iter().find(|(mark, _)| body.is_empty() && server.contains(mark));
        if let Some((_, name)) = silent {
            return Author::Gateway(
                name,
                format!("an empty body with server: {}", preview(&server, 40)),
            );
        }
        if passed_on {
            return Author::Provider("the gateway quotes the provider's error".to_owned());
        }
        if let Some(name) = PROVIDERS.iter().find(|name| header(name).is_some()) {
            return Author::Provider(format!("it has the provider's own header {name}"));
        }
        Author::Unknown
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::inspect::{Blame, Certainty, InspectOptions};
    use crate::journal::{EndCause, Entry, EntryKind, Head};
    use crate::rule::Party;

    fn refused(status: u16, headers: &[(&str, &str)], body: &str) -> Blame {
        let mut i = Inspection::new(Arc::new(InspectOptions::default()));
        let mut push = |at, kind| i.push(&Entry { exchange: 0, at: Some(at), kind });
        push(0, EntryKind::Request(Box::default()));
        let headers = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        push(9, EntryKind::Head(Head { status, headers, ..Head::default() }));
        if !body.is_empty() {
            let bytes = Bytes::copy_from_slice(body.as_bytes());
            push(9, EntryKind::Body { len: bytes.len() as u32, bytes, masked: Vec::new() });
        }
        push(10, EntryKind::End { cause: EndCause::Complete, detail: String::new() });
        i.blame().unwrap()
    }

    const NGINX: &str = "<html><head><title>x</title></head><body><center><h1>x</h1></center><hr>\
        <center>nginx/1.22.1</center></body></html>";
    const HAPROXY: &str = "<html><body><h1>504 Gateway Time-out</h1>\n\
        The server didn't respond in time.\n</body></html>\n";
    const APACHE: &str = "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n\
        <title>502 Proxy Error</title>\n</head><body>\n<h1>Proxy Error</h1></body></html>";
    const TIMED_OUT: &str = r#"{"message": "Endpoint request timed out"}"#;
    const OPENAI: &str = r#"{"error":{"message":"busy","type":"server_error","code":null}}"#;

    #[test]
    fn a_page_of_its_own_convicts_a_proxy_and_its_name_alone_does_not() {
        let nginx = [("server", "nginx/1.22.1"), ("content-type", "text/html")];
        for (status, headers, body, name) in [
            (502, &nginx[..], NGINX, "nginx"),
            (413, &nginx, NGINX, "nginx"),
            (429, &nginx, NGINX, "nginx"),
            (504, &[("content-type", "text/html")], HAPROXY, "HAProxy"),
            (502, &[("server", "Apache/2.4.71 (Debian)")], APACHE, "Apache"),
            (502, &[("server", "Caddy")], "", "Caddy"),
            (504, &[("server", "envoy")], "upstream request timeout", "Envoy"),
            (502, &[("server", "cloudflare")], "error code: 502", "Cloudflare"),
            (524, &[("server", "cloudflare")], "<html><title>524</title></html>", "Cloudflare"),
            (403, &[("server", "cloudflare"), ("cf-mitigated", "challenge")], "", "Cloudflare"),
            (504, &[("x-amz-apigw-id", "a"), ("x-amzn-requestid", "b")], TIMED_OUT, "Amazon"),
            (503, &[("via", "1.1 google")], "no healthy upstream", "Envoy"),
            (502, &[("x-vercel-error", "ROUTER_EXTERNAL_TARGET_ERROR")], "x", "Vercel"),
        ] {
            let blame = refused(status, headers, body);
            assert_eq!(blame.party, Party::Gateway, "{status} {name}: {blame:?}");
            assert!(blame.why.starts_with(name), "{blame:?}");
        }
        // A provider's error passed on by nginx or Cloudflare: they add their names to everything that they
        // pass on.
        for server in ["nginx/1.22.1", "cloudflare", "Caddy", "envoy"] {
            let blame = refused(500, &[("server", server)], OPENAI);
            assert_ne!(blame.party, Party::Gateway, "{server}: {blame:?}");
        }
        let own = [("server", "cloudflare"), ("openai-processing-ms", "12")];
        let blame = refused(503, &own, OPENAI);
        assert_eq!((blame.party, blame.confidence), (Party::Provider, Certainty::Likely));
    }

    #[test]
    fn a_gateway_that_quotes_a_provider_did_not_write_the_error() {
        let litellm = [("x-litellm-version", "1.81.5"), ("content-type", "application/json")];
        let quoted = r#"{"error":{"message":"litellm.ServiceUnavailableError: OpenAIException - Overloaded","type":null,"code":"503"}}"#;
        let blame = refused(503, &litellm, quoted);
        assert_eq!(blame.party, Party::Provider, "{blame:?}");
        let key = r#"{"error":{"message":"Authentication Error, Invalid proxy server token passed","type":"auth_error","code":"401"}}"#;
        let blame = refused(401, &litellm, key);
        assert_eq!(blame.party, Party::You, "{blame:?}");
        assert!(blame.why.starts_with("LiteLLM refused the key"), "{blame:?}");
        // The user's own limit, at a provider without a gateway in front.
        let blame = refused(429, &[("x-request-id", "req_1")], OPENAI);
        assert_eq!(blame.party, Party::You, "{blame:?}");
    }
}
