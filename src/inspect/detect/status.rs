//! Rules about a status that refuses the request: one finding that names it, with the provider's
//! own words.

use super::page::{is_html, page_words, parse};
use super::{Code, Detector, FindingPlace, Findings, Severity, refused};
use crate::dialect::error_text;
use crate::inspect::Facts;
use crate::journal::REDIRECT_FOLLOWED;
use crate::json::{Kind, Value};
use crate::text;

#[derive(Default)]
pub(super) struct StatusDetector {
    /// The redirect was followed: what that cost the request, in words.
    followed: Option<String>,
}

impl Detector for StatusDetector {
    fn note(&mut self, _facts: &Facts, code: &str, text: &str, _findings: &mut Findings) {
        if code == REDIRECT_FOLLOWED {
            self.followed = Some(text.to_owned());
        }
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        match &self.followed {
            Some(cost) => detour(facts, cost, findings),
            None if refused(facts) => refusal(facts, findings),
            None => {}
        }
    }
}

/// Reports a redirect that was followed: its result is another exchange.
fn detour(facts: &Facts, cost: &str, findings: &mut Findings) {
    let severity = if cost.is_empty() { Severity::Info } else { Severity::Warn };
    let blank = if cost.is_empty() { "" } else { ": " };
    let message = format!("{}, followed{blank}{}", sent_on(facts), text::preview(cost, 120));
    let place = FindingPlace { frame: (!facts.frames().is_empty()).then_some(0), offset: None };
    findings.raise_as(Code::Redirected, severity, place, message);
}

/// Returns where a redirect leads, as a sentence.
fn sent_on(facts: &Facts) -> String {
    let location = facts.head.as_ref().and_then(|h| h.header("location"));
    let status = facts.status().unwrap_or_default();
    match location {
        Some(location) => format!("HTTP {status}: redirect to {}", text::preview(location, 120)),
        None if status == 304 => "HTTP 304 (not modified): no stream".to_owned(),
        None => format!("HTTP {status}: redirect without a Location header"),
    }
}

/// Returns whether a text is what is left of a 422 that LiteLLM swallowed, in both wordings of Python.
pub(super) fn is_swallowed(text: &str) -> bool {
    text.contains("NoneType") && text.contains("__aiter__")
}

/// Advice about a swallowed 422.
pub(super) const WHAT_TO_DO: &str = "Send this body to the provider directly; turn drop_params off";

/// Describes a swallowed 422, around Python's own words: the first line of a traceback.
pub(super) fn swallowed(words: &str) -> String {
    let line = words.lines().find(|l| is_swallowed(l)).unwrap_or(words);
    format!(
        "Most likely a swallowed 422: LiteLLM got None, as after two 422s (\"{}\")",
        text::preview(line.trim(), 120)
    )
}

/// A status of 300 or more: one finding that names it, and the provider's own words.
fn refusal(facts: &Facts, findings: &mut Findings) {
    let status = facts.status().unwrap_or_default();
    let body = facts.body();
    let html = is_html(body);
    let words = provider_words(facts);
    let quoted = match words.as_deref() {
        _ if html => " with a web page".to_owned(),
        Some("") | None if body.is_empty() => " without a body".to_owned(),
        Some("") | None => String::new(),
        Some(words) => format!(": \"{}\"", text::preview(words, 200)),
    };
    let place = FindingPlace { frame: (!facts.frames().is_empty()).then_some(0), offset: None };
    if let Some(words) = words.as_deref().filter(|w| is_swallowed(w)) {
        let message = format!("{}, HTTP {status}. {WHAT_TO_DO}", swallowed(words));
        return findings.raise(Code::Swallowed422, place, message);
    }
    let (rule, message) = by_words(facts, status, words.as_deref().filter(|_| !html), &quoted);
    findings.raise_as(rule, Severity::Error, place, message);
    let retry_after = facts.head.as_ref().map(|h| h.header("retry-after").is_some());
    if matches!(status, 429 | 503) && retry_after == Some(false) {
        let message = format!("HTTP {status} without Retry-After");
        findings.raise(Code::RetryAfterMissing, FindingPlace::default(), message);
    }
    error_body(facts, place, findings);
}

/// The rule of a status, and its sentence, with the provider's words where it has some of its own.
fn by_words(facts: &Facts, status: u16, words: Option<&str>, quoted: &str) -> (Code, String) {
    let body = facts.body();
    let header = |name| facts.head.as_ref().and_then(|h| h.header(name));
    let shown = |what: &str| format!("HTTP {status}{quoted}. {what}");
    match status {
        // The redirect was not followed, so there is no answer: that is worse than a detour.
        300..400 => (Code::Redirected, sent_on(facts)),
        400 => (Code::Http400Param, shown("The provider rejected the request")),
        422 => {
            let why = words.filter(|w| !w.is_empty());
            let why = why.map_or(String::new(), |w| format!(" ({})", text::preview(w, 200)));
            let with = match body {
                [] => "no body",
                _ if is_html(body) => "a web page",
                _ => "an error",
            };
            let message = format!("HTTP 422{why} with {with} instead of a stream");
            (Code::Http422Param, message)
        }
        413 => (Code::Http413, shown("The request is too large for the provider or a proxy")),
        429 => {
            let wait = header("retry-after");
            let wait =
                wait.map_or(String::new(), |w| format!(". Retry after {}", text::preview(w, 40)));
            (Code::Http429, shown(&format!("Rate limit or quota{wait}")))
        }
        529 => (Code::Http529, shown("The provider is overloaded")),
        500.. if is_html(body) => {
            let page = text::preview(&page_words(body), 80);
            let message =
                format!("HTTP {status} with a web page: a proxy failed, not the API ({page})");
            (Code::Http5xxHtml, message)
        }
        _ => (Code::HttpError, format!("HTTP {status}{quoted}")),
    }
}

/// Reports an error whose text is where the dialect's SDKs do not look for it.
fn error_body(facts: &Facts, place: FindingPlace, findings: &mut Findings) {
    let (tape, source) = parse(facts.body());
    let root = tape.root(&source).filter(|v| v.kind() == Kind::Object);
    let dialect = facts.dialect().filter(|_| facts.misread().is_none());
    let members = dialect.map_or(&["error"][..], |d| d.error_members());
    let given = |v: Value<'_>| members.iter().any(|m| v.get(m).is_some_and(|e| !e.is_null()));
    if root.is_none_or(given) {
        return;
    }
    let message = match members {
        ["error"] => "The error's JSON has no \"error\" key: the OpenAI SDKs show the status and lose the text".to_owned(),
        _ => format!(
            "The error's JSON has no \"{}\", where the SDKs look for its text",
            members.join("\" and no \"")
        ),
    };
    findings.raise(Code::ErrorBodyLost, place, message);
}

/// The provider's own words in an error body, as far as there are any.
pub(in crate::inspect) fn provider_words(facts: &Facts) -> Option<String> {
    if let Some(error) = facts.answer().errors.first() {
        return Some(error.message.clone());
    }
    let (tape, source) = parse(facts.body());
    match tape.root(&source) {
        Some(json) => Some(error_text(json).into_owned()),
        // A body that was withheld says nothing.
        None if source.bytes().all(|byte| byte == b'*') => None,
        None => Some(source.trim().to_owned()),
    }
}
