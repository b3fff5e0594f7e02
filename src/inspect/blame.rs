//! Blame: the party that has to act on a failure, and how sure that is.
//!
//! Each rule names a party by default (its page, otherwise its layer). The evidence of the exchange overrides
//! that: who wrote the response, what the status and the error say, how the transport ended. Where nothing
//! shows it, the answer is "unknown".

use super::author::{Author, words_of};
use super::{Finding, Inspection};
use crate::journal::EndCause;
use crate::rule::{Code, Party, Phase, Severity};
use crate::text;

/// The certainty of a [`Blame`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Certainty {
    /// The recorded bytes leave no other explanation.
    Certain,
    /// The evidence points there.
    Likely,
    /// It is so in most cases.
    Guess,
}

impl Certainty {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The party that has to act, how sure that is, and the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blame {
    /// The party that has to act.
    pub party: Party,
    /// The certainty of that.
    pub confidence: Certainty,
    /// The evidence, a phrase. Text from the wire in it is made visible.
    pub why: String,
}

impl Blame {
    /// As one line: `gateway (likely): nginx wrote the 502 itself`.
    pub fn line(&self) -> String {
        format!("{} ({}): {}", self.party.name(), self.confidence.name(), self.why)
    }

    pub(super) fn new(party: Party, confidence: Certainty, why: impl Into<String>) -> Self {
        Self { party, confidence, why: why.into() }
    }
}

/// Response headers that only gateways and proxies add, and their names; the beginnings of names.
const GATEWAYS: &[(&str, &str)] = &[
    ("x-litellm-", "LiteLLM"),
    ("llm_provider-", "LiteLLM"),
    ("helicone-", "Helicone"),
    ("x-portkey-", "Portkey"),
    ("cf-aig-", "Cloudflare AI Gateway"),
    ("x-bifrost-", "Bifrost"),
    ("x-new-api-", "New API"),
    ("x-oneapi-", "One API"),
];

/// `server` values of programs that only pass responses on, and write pages of their own.
const PROXIES: &[&str] = &[
    "nginx",
    "openresty",
    "envoy",
    "haproxy",
    "caddy",
    "traefik",
    "cloudflare",
    "apache",
    "varnish",
    "kong",
    "awselb",
];

/// Kinds and codes of errors that the request brings about.
const YOURS: &[&str] = &[
    "invalid_request",
    "authentication",
    "permission",
    "not_found",
    "invalid_api_key",
    "insufficient_quota",
    "context_length",
    "validationexception",
    "accessdenied",
    "invalid_argument",
    "unauthorized",
    "badrequest",
    "bad_request",
    "rate_limit",
    "ratelimit",
    "throttl",
    "resource_exhausted",
    "400",
    "401",
    "402",
    "403",
    "404",
    "413",
    "422",
    "429",
];

/// Those of a server that fails.
const THEIRS: &[&str] = &[
    "overloaded",
    "server_error",
    "internal",
    "api_error",
    "unavailable",
    "timeout",
    "modelstreamerror",
    "500",
    "502",
    "503",
    "504",
    "529",
];

impl Inspection {
    /// Returns who has to act; `None` where nothing is above info.
    pub fn blame(&self) -> Option<Blame> {
        let cause = self.cause()?;
        let mut blame = self.by_evidence(cause).unwrap_or_else(|| self.by_rule(cause));
        blame.why = text::visible(&blame.why, text::Newlines::Show).into_owned();
        Some(blame)
    }

    /// Returns the blame where the code alone leaves no doubt, or little.
    fn by_code(&self, code: Code) -> Option<Blame> {
        use Certainty::{Certain, Guess, Likely};
        let (party, certainty, why) = match code {
            Code::Swallowed422 => {
                let why = "a NoneType error is Python of a gateway, never a provider's answer";
                (Party::Gateway, Likely, why)
            }
            Code::ConnectRefused => {
                let url = self.request.as_ref().map_or("", |r| r.url.as_str());
                let local = ["//127.", "//localhost", "//[::1]"].iter().any(|h| url.contains(h));
                let certainty = if local { Certain } else { Likely };
                (Party::You, certainty, "nothing listens at that address")
            }
            Code::ProxyRefused => {
                (Party::Network, Likely, "the proxy did not connect to the server")
            }
            Code::DnsFailure => (Party::You, Likely, "the host name does not resolve"),
            Code::TimeoutTotal | Code::LimitBody => {
                (Party::You, Certain, "a limit that you set was reached")
            }
            Code::LimitHttp => {
                let why = "a limit of sselens was reached; the server did nothing wrong";
                (Party::You, Certain, why)
            }
            Code::DialectMismatch => {
                (Party::You, Certain, "the configured dialect is not what the bytes are")
            }
            Code::IdChanges => {
                let why = "two answers on one stream: something in between joined them";
                (Party::Gateway, Guess, why)
            }
            Code::TimeoutIdle | Code::IdleStall | Code::KeepaliveWarmStall => {
                let (party, who) = self.writer();
                let why = format!("{who} stopped sending without closing the connection");
                return Some(Blame::new(party, Guess, why));
            }
            _ => return None,
        };
        Some(Blame::new(party, certainty, why))
    }

    /// Returns the blame that the exchange itself proves or points at.
    fn by_evidence(&self, cause: &Finding) -> Option<Blame> {
        use Certainty::{Guess, Likely};
        if let Some(blame) = self.by_code(cause.code) {
            return Some(blame);
        }
        if let Some(status) = self.status().filter(|s| *s >= 400) {
            return Some(self.by_status(status));
        }
        if let Some(name) = self.written_by(cause) {
            let why = format!("{name} wrote that itself: it lost the server behind it");
            return Some(Blame::new(Party::Gateway, Likely, why));
        }
        // An error inside the stream shows who caused it.
        let error = self.answer().errors.first();
        if let Some(error) = error.filter(|e| cause.frame == Some(e.frame) || cause.frame.is_none())
            && matches!(
                cause.phase(),
                Phase::Semantic | Phase::Schema | Phase::Frame | Phase::End | Phase::Head
            )
        {
            let kind = error.kind.as_deref().unwrap_or_default();
            return Some(self.by_error(kind, &error.message));
        }
        if cause.phase() == Phase::Body
            && cause.severity >= Severity::Warn
            && self.rule(cause.code).blame.is_none()
        {
            let why = match self.gateway() {
                Some(name) => format!("the connection ended early; {name} is in between"),
                None => "the connection ended early; who closed it is not visible here".to_owned(),
            };
            let confidence = if self.gateway().is_some() { Guess } else { Likely };
            return Some(Blame::new(Party::Network, confidence, why));
        }
        None
    }

    /// Returns the program in between whose words appear instead of an event, or in an error of the stream.
    fn written_by(&self, cause: &Finding) -> Option<&'static str> {
        /// Number of bytes that are looked at.
        const LOOKED_AT: usize = 4096;
        let error = self.answer().errors.first().filter(|e| cause.frame == Some(e.frame));
        if let Some(error) = error {
            return words_of(&error.message);
        }
        let codes = [Code::WrongContentType, Code::Html200, Code::HtmlInStream];
        if !codes.contains(&cause.code) && cause.code != Code::TruncatedMidFrame {
            return None;
        }
        let start = usize::try_from(cause.offset.unwrap_or(0)).ok()?;
        let rest = self.body().get(start..)?;
        words_of(&String::from_utf8_lossy(&rest[..rest.len().min(LOOKED_AT)]))
    }

    /// By an error status: the request is refused, or the server fails.
    fn by_status(&self, status: u16) -> Blame {
        use Certainty::{Certain, Guess, Likely};
        let body = self.body();
        let html = body.trim_ascii_start().first() == Some(&b'<');
        let proxy = self.proxy();
        if let Some(blame) = self.by_author(status) {
            return blame;
        }
        match (status, proxy) {
            (502..=504, Some(name)) if html || body.is_empty() => {
                let why = format!(
                    "{} wrote the {status} itself: it got no answer upstream",
                    text::preview(name, 40)
                );
                Blame::new(Party::Gateway, Likely, why)
            }
            (413, Some(name)) if html => {
                let why = format!("{} refused the size of the request", text::preview(name, 40));
                Blame::new(Party::Gateway, Likely, why)
            }
            (429, _) => Blame::new(Party::You, Likely, "HTTP 429: your rate limit or quota"),
            (407, _) => {
                let why = "HTTP 407: the proxy in between wants a login";
                Blame::new(Party::You, Certain, why)
            }
            (401 | 403, _) => {
                let why = format!("HTTP {status}: the key or its rights");
                Blame::new(Party::You, Certain, why)
            }
            // Text Generation Inference's status for a model that failed while it generated.
            (424, _) => {
                let why = "HTTP 424: what the server depends on failed";
                Blame::new(Party::Provider, Likely, why)
            }
            (408, _) => {
                Blame::new(Party::Network, Guess, "HTTP 408: the request arrived too slowly")
            }
            (400..500, _) => {
                let why = format!("HTTP {status}: the request was rejected");
                let confidence = if html { Likely } else { Certain };
                Blame::new(Party::You, confidence, why)
            }
            _ => match self.gateway() {
                Some(name) => {
                    let why =
                        format!("HTTP {status} through {name}; the failure may be upstream of it");
                    Blame::new(Party::Gateway, Guess, why)
                }
                None => {
                    let confidence = if html { Guess } else { Likely };
                    let why = format!("HTTP {status}: the server failed");
                    Blame::new(Party::Provider, confidence, why)
                }
            },
        }
    }

    /// Returns the blame by who wrote an error response, where its form shows it.
    fn by_author(&self, status: u16) -> Option<Blame> {
        use Certainty::Likely;
        let (name, evidence) = match self.author() {
            Author::Gateway(name, evidence) => (name, evidence),
            Author::Provider(evidence) if status >= 500 => {
                let why = format!("HTTP {status} from the provider: {evidence}");
                return Some(Blame::new(Party::Provider, Likely, why));
            }
            _ => return None,
        };
        let (party, what) = match status {
            // The key is not the problem: Cloudflare takes the client for a robot.
            403 | 503 if name == "Cloudflare" => (Party::Gateway, "blocked the request itself"),
            407 => (Party::You, "wants a login"),
            401 | 403 => (Party::You, "refused the key, or its rights, itself"),
            400 | 404 => (Party::You, "rejected the request itself"),
            429 => (Party::Gateway, "limits the rate itself; the provider was not asked"),
            413 => (Party::Gateway, "refused the size of the request"),
            408 | 504 | 522 | 524 => (Party::Gateway, "waited no longer for the provider"),
            502 | 503 | 520 | 521 | 523 | 525 | 526 | 530 => {
                (Party::Gateway, "got no answer from the provider")
            }
            _ => (Party::Gateway, "failed itself"),
        };
        Some(Blame::new(party, Likely, format!("{name} {what} ({status}: {evidence})")))
    }

    /// By an error that the stream carries.
    fn by_error(&self, kind: &str, message: &str) -> Blame {
        use Certainty::{Guess, Likely};
        let kind = kind.to_ascii_lowercase();
        let named = if kind.is_empty() {
            "the error in the stream".to_owned()
        } else {
            format!("the error in the stream is \"{}\"", text::preview(&kind, 40))
        };
        let is = |words: &[&str]| words.iter().any(|w| kind.contains(w));
        if is(THEIRS) {
            let (party, _) = self.writer();
            let party = if party == Party::Gateway { Party::Unknown } else { Party::Provider };
            let confidence = if party == Party::Unknown { Guess } else { Likely };
            return Blame::new(party, confidence, named);
        }
        if is(YOURS) {
            return Blame::new(Party::You, Likely, named);
        }
        if message.contains("litellm.") || message.contains("NoneType") {
            let why = "the error's text is written by LiteLLM";
            return Blame::new(Party::Gateway, Guess, why);
        }
        let (party, who) = self.writer();
        let confidence = if self.head.is_some() { Likely } else { Guess };
        Blame::new(party, confidence, format!("{who} sent an error in the stream"))
    }

    /// By the rule's own party, and by who wrote the response where that is the provider.
    fn by_rule(&self, cause: &Finding) -> Blame {
        use Certainty::{Certain, Guess, Likely};
        let party = self.rule(cause.code).party();
        match party {
            Party::Provider => {
                let (writer, who) = self.writer();
                // A capture does not say how the connection ended, and may end before the answer did.
                let is_observed = self.end.as_ref().is_none_or(|end| end.0 != EndCause::Unknown);
                let is_end_unknown = cause.phase() == Phase::End && !is_observed;
                let confidence = match (writer, &self.head) {
                    (Party::Provider, Some(_)) if !is_end_unknown => Likely,
                    _ => Guess,
                };
                let what = match cause.phase() {
                    Phase::Timing => "kept the connection open and was silent for so long",
                    Phase::Semantic => "sent the text in this form",
                    Phase::End => "ended the answer this way",
                    Phase::Head => "answered this way",
                    _ => "sent bytes that break the protocol",
                };
                Blame::new(writer, confidence, format!("{who} {what}"))
            }
            Party::Gateway => {
                let confidence =
                    if self.gateway().or(self.proxy()).is_some() { Likely } else { Guess };
                let why = match self.gateway().or(self.proxy()) {
                    Some(name) => format!("{} is in between", text::preview(name, 40)),
                    None => "typical of a gateway or proxy; nothing names one".to_owned(),
                };
                Blame::new(party, confidence, why)
            }
            Party::Network => {
                Blame::new(party, Guess, "the transport failed; who closed it is not visible here")
            }
            Party::Client => {
                Blame::new(party, Likely, "the stream is correct, and a client misreads it")
            }
            Party::You => Blame::new(party, Certain, "your request or your settings"),
            Party::Unknown => Blame::new(party, Guess, "nothing here says who"),
        }
    }

    /// Returns who wrote the response, as far as its headers say, and what to call them.
    fn writer(&self) -> (Party, String) {
        match self.gateway() {
            Some(name) => (Party::Gateway, format!("{name} (or what is behind it)")),
            None => (Party::Provider, "the server".to_owned()),
        }
    }

    /// The gateway that left its marks in the response headers.
    fn gateway(&self) -> Option<&'static str> {
        let headers = &self.head.as_ref()?.headers;
        headers.iter().find_map(|(name, _)| {
            let name = name.to_ascii_lowercase();
            GATEWAYS.iter().find(|(mark, _)| name.starts_with(mark)).map(|(_, who)| *who)
        })
    }

    /// The proxy that calls itself the server.
    fn proxy(&self) -> Option<&str> {
        let server = self.head.as_ref()?.header("server")?;
        let lower = server.to_ascii_lowercase();
        PROXIES.iter().any(|p| lower.contains(p)).then_some(server)
    }
}
