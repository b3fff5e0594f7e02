//! Rules about a status that refuses the request: one finding that names it, with the provider's
//! own words.

use super::head::{is_html, page_words, parse};
use super::{Family, Out, Phase, Place, Rule, Severity, refused, rule};
use crate::dialect::error_text;
use crate::inspect::Inspection;
use crate::journal::REDIRECT_FOLLOWED;
use crate::json::{Kind, Value};
use crate::text;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "redirected",
        severity: Severity::Warn,
        phase: Phase::Head,
        means: "The server sends the request to another address. It is an error where nobody follows, so that there is no answer; followed with --location it is a warning if the method, the body or the credentials were lost on the way, and else worth no more than info.",
        example: "HTTP/1.1 301 Moved Permanently⏎Location: https://…",
        breaks: "Clients that follow turn the POST into a GET, or drop the Authorization header for the other host.",
        remedy: "Put the final address into the base URL; mind http/https and a trailing slash.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "swallowed-422",
        severity: Severity::Fatal,
        phase: Phase::Head,
        means: "A 422 that LiteLLM swallows: with drop_params on it tries twice, and after the second 422 returns None instead of an error. Seen directly it is the 422; behind LiteLLM a NoneType error about __aiter__ is what is left of it.",
        example: "HTTP/1.1 500⏎⏎{\"error\":{\"message\":\"'async for' requires an object with __aiter__ method, got NoneType\",\"type\":\"None\",\"param\":\"None\",\"code\":\"500\"}}",
        breaks: "LiteLLM with drop_params: acompletion returns None, the proxy answers 500 with a NoneType text, or 200 with null; the provider's own reason is nowhere.",
        remedy: "Send the very same body to the provider directly and read its 422. Usual suspects: tool_choice as a string, stream_options, an echoed reasoning_content. Switch drop_params off.",
        evidence: "BerriAI/litellm#32221, BerriAI/litellm#27670, replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http-400-param",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "The provider refuses the request as it stands, often for one parameter that it does not know.",
        example: "HTTP/1.1 400⏎⏎{\"error\":{\"message\":\"property 'stream_options' is unsupported\"}}",
        breaks: "Clients that always send include_usage, or echo reasoning fields.",
        remedy: "Read the text, take the named parameter out, send again.",
        evidence: "vercel/ai#1578, anomalyco/opencode#4698",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http-422-param",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "The provider's validation refuses a parameter of the request.",
        example: "HTTP/1.1 422⏎⏎{\"detail\":[{\"loc\":[\"body\",\"tool_choice\"],\"msg\":\"Input should be a valid dictionary\"}]}",
        breaks: "The OpenAI agents SDK, llxprt; LiteLLM with drop_params turns it into None.",
        remedy: "Take the named parameter out of the request, or give it the form that the text asks for.",
        evidence: "openai/openai-agents-python#442, vybestack/llxprt-code#114",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http-413",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "The request is larger than somebody on the way accepts, mostly the edge and not the API (nginx: 1 MB).",
        example: "HTTP/1.1 413⏎Content-Type: text/html⏎⏎<html>…nginx",
        breaks: "Every client; those that expect JSON show a parser error instead.",
        remedy: "See whose page it is; raise client_max_body_size there, or send less.",
        evidence: "ChronoAIProject/NyxID#957, ggml-org/llama.cpp#4500",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http-429",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "Too many requests, or a quota that is used up.",
        example: "HTTP/1.1 429⏎Retry-After: 20",
        breaks: "Clients retry by themselves; LiteLLM maps it to RateLimitError.",
        remedy: "Wait as Retry-After says; if it stays, the text tells whether it is rate or quota.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "retry-after-missing",
        phase: Phase::Head,
        means: "A 429 or 503 without a Retry-After header: nobody knows when to try again.",
        example: "HTTP/1.1 429⏎⏎",
        breaks: "Clients back off blindly.",
        remedy: "Back off exponentially; look for x-ratelimit-* headers.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http-529",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "The provider is overloaded (Anthropic's own status).",
        example: "HTTP/1.1 529⏎⏎{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}",
        breaks: "openai-python raises InternalServerError, LiteLLM APIError.",
        remedy: "Try again later or elsewhere.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http-5xx-html",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "A web page instead of an answer: a proxy in front of the API failed, not the API.",
        example: "HTTP/1.1 502⏎Content-Type: text/html⏎⏎<html>bad gateway",
        breaks: "The page is lost in most messages; openai-python says only \"Error code: 502\".",
        remedy: "The page names the proxy (nginx, Cloudflare, an ingress): look into its log.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "http-error",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "The provider refused the request with a status that has no code of its own here.",
        example: "HTTP/1.1 401⏎⏎{\"error\":{\"message\":\"Incorrect API key\"}}",
        breaks: "Every client, with its own name for the status.",
        remedy: "401/403: the key and where it goes. 404: path or model name. 5xx: the provider's side, try again.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "error-body-lost",
        severity: Severity::Warn,
        phase: Phase::Head,
        means: "The error's JSON has not the shape that the dialect's SDKs read (mostly an `error` member), so they do not find its text.",
        example: "HTTP/1.1 422⏎⏎{\"detail\":[…]}",
        breaks: "openai-python says only \"Error code: 422\", openai-node \"422 status code (no body)\".",
        remedy: "Read the body here; in the client log the raw response.",
        evidence: "replayed against the clients, QwenLM/qwen-code#11045",
        ..Rule::DEFAULT
    },
];

#[derive(Default)]
pub(super) struct Status {
    /// The redirect was followed: what that cost the request, in words.
    followed: Option<String>,
}

impl Family for Status {
    fn note(&mut self, _now: &Inspection, code: &str, text: &str, _out: &mut Out<'_>) {
        if code == REDIRECT_FOLLOWED {
            self.followed = Some(text.to_owned());
        }
    }

    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        match &self.followed {
            Some(cost) => detour(now, cost, out),
            None if refused(now) => refusal(now, out),
            None => {}
        }
    }
}

/// A redirect that was followed: what came of it is another exchange.
fn detour(now: &Inspection, cost: &str, out: &mut Out<'_>) {
    let severity = if cost.is_empty() { Severity::Info } else { Severity::Warn };
    let blank = if cost.is_empty() { "" } else { " " };
    let message = format!("{} It was followed{blank}{}.", sent_on(now), text::preview(cost, 120));
    let place = Place { frame: (!now.frames().is_empty()).then_some(0), offset: None };
    out.raise_as(rule!("redirected"), severity, place, message);
}

/// Where a redirect leads to, a sentence.
fn sent_on(now: &Inspection) -> String {
    let location = now.head.as_ref().and_then(|h| h.header("location"));
    let to = text::preview(location.unwrap_or("nowhere"), 120);
    format!("The server answered {}: go to {to}.", now.status().unwrap_or_default())
}

/// Whether a text is what is left of a 422 that LiteLLM swallowed: both wordings of Python.
pub(super) fn is_swallowed(text: &str) -> bool {
    text.contains("NoneType") && text.contains("__aiter__")
}

/// What to do about a swallowed 422.
pub(super) const WHAT_TO_DO: &str = "Ask the provider directly with this very body and look at tool_choice and stream_options; switch drop_params off.";

/// What a swallowed 422 is, around Python's own words: the first line of a traceback.
pub(super) fn swallowed(words: &str) -> String {
    let line = words.lines().find(|l| is_swallowed(l)).unwrap_or(words);
    format!(
        "Most likely a 422 was swallowed: LiteLLM got None, as it does after two 422s of the provider (\"{}\")",
        text::preview(line.trim(), 120)
    )
}

/// A status of 300 or more: one finding that names it, and the provider's own words.
fn refusal(now: &Inspection, out: &mut Out<'_>) {
    let status = now.status().unwrap_or_default();
    let body = now.body();
    let html = is_html(body);
    let words = provider_words(now);
    let quoted = match words.as_deref() {
        _ if html => " with a web page".to_owned(),
        Some("") | None if body.is_empty() => " without a body".to_owned(),
        Some("") | None => String::new(),
        Some(words) => format!(": \"{}\"", text::preview(words, 200)),
    };
    let place = Place { frame: (!now.frames().is_empty()).then_some(0), offset: None };
    if let Some(words) = words.as_deref().filter(|w| is_swallowed(w)) {
        let message = format!("{}, and answers {status}. {WHAT_TO_DO}", swallowed(words));
        return out.raise(rule!("swallowed-422"), place, message);
    }
    let (rule, message) = told(now, status, words.as_deref().filter(|_| !html), &quoted);
    out.raise_as(rule, Severity::Error, place, message);
    if status == 422 {
        let message = format!(
            "The provider answered 422{quoted}; LiteLLM with drop_params returns None to its caller for this: after a second 422 there is no error any more, only a NoneType error about __aiter__."
        );
        out.raise(rule!("swallowed-422"), place, message);
    }
    let retry_after = now.head.as_ref().map(|h| h.header("retry-after").is_some());
    if matches!(status, 429 | 503) && retry_after == Some(false) {
        let message = format!("The {status} does not say when to try again.");
        out.raise(rule!("retry-after-missing"), Place::default(), message);
    }
    error_body(now, place, out);
}

/// The rule of a status, and its sentence, with the provider's words where it has some of its own.
fn told(
    now: &Inspection,
    status: u16,
    words: Option<&str>,
    quoted: &str,
) -> (&'static Rule, String) {
    let body = now.body();
    let header = |name| now.head.as_ref().and_then(|h| h.header(name));
    let said = |what: &str| format!("The provider answered {status}{quoted}; {what}");
    match status {
        // Not followed, so there is no answer: that is worse than a detour.
        300..400 => (rule!("redirected"), sent_on(now)),
        400 => (rule!("http-400-param"), said("it refuses the request as it stands.")),
        422 => {
            let why = words.filter(|w| !w.is_empty());
            let why = why.map_or(String::new(), |w| format!(" ({})", text::preview(w, 200)));
            let with = match body {
                [] => "no body",
                _ if is_html(body) => "a web page",
                _ => "an error",
            };
            let message = format!("The provider answered 422{why} with {with}; this is no stream.");
            (rule!("http-422-param"), message)
        }
        413 => (rule!("http-413"), said("the request is too large for somebody on the way.")),
        429 => {
            let wait = header("retry-after");
            let wait =
                wait.map_or(String::new(), |w| format!(" Retry-After: {}.", text::preview(w, 40)));
            (rule!("http-429"), said(&format!("too many requests or no quota.{wait}")))
        }
        529 => (rule!("http-529"), said("it is overloaded.")),
        500.. if is_html(body) => {
            let page = text::preview(&page_words(body), 80);
            let message =
                format!("{status} with a web page: a proxy failed, not the API ({page}).");
            (rule!("http-5xx-html"), message)
        }
        _ => (rule!("http-error"), format!("The provider answered {status}{quoted}.")),
    }
}

/// An error whose text stands where the dialect's SDKs do not look for it.
fn error_body(now: &Inspection, place: Place, out: &mut Out<'_>) {
    let (tape, source) = parse(now.body());
    let root = tape.root(&source).filter(|v| v.kind() == Kind::Object);
    let dialect = now.dialect().filter(|_| now.misread().is_none());
    let members = dialect.map_or(&["error"][..], |d| d.error_members());
    let given = |v: Value<'_>| members.iter().any(|m| v.get(m).is_some_and(|e| !e.is_null()));
    if root.is_none_or(given) {
        return;
    }
    let message = match members {
        ["error"] => "The error's JSON has no \"error\" member: openai-python and openai-node show the status and lose this text.".to_owned(),
        _ => format!(
            "The error's JSON has no \"{}\", where this dialect's SDKs look for its text.",
            members.join("\" and no \"")
        ),
    };
    out.raise(rule!("error-body-lost"), place, message);
}

/// The provider's own words in an error body, as far as there are any.
pub(in crate::inspect) fn provider_words(now: &Inspection) -> Option<String> {
    if let Some(error) = now.answer().errors.first() {
        return Some(error.message.clone());
    }
    let (tape, source) = parse(now.body());
    match tape.root(&source) {
        Some(json) => Some(error_text(json).into_owned()),
        None => (!source.is_empty()).then(|| source.trim().to_owned()),
    }
}
