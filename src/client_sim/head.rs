//! The handling of a refused answer by a client: the class of its error, and its message.

use std::borrow::Cow;

use super::Raised;
use super::client::{Client, Family};
use super::value::{compact, python};
use crate::json::{Kind, Tape, Value};

/// Largest number of characters of a body that an error's message keeps.
const WORDS: usize = 600;

/// The error for a status of 300 and above, with the body's text.
pub(super) fn refused(client: &Client, status: u16, body: &str) -> Raised {
    let mut tape = Tape::new();
    let json = tape.parse(body).ok().and_then(|()| tape.root(body));
    let error = json.and_then(|j| j.get("error"));
    let text = error.and_then(|e| e.str("message"));
    let flat = json.filter(|_| error.is_none()).and_then(|j| j.str("message"));
    let code = format!("Error code: {status}");
    let (class, words) = match client.family {
        Family::OpenAiPython | Family::LangChain => {
            let words = text.or(flat).map_or(code.clone(), |text| format!("{code} - {text}"));
            let class = python_class(status);
            let ours = if client.family == Family::LangChain { langchain(class) } else { class };
            (ours, words)
        }
        // Never called for these clients.
        Family::Codex | Family::Botocore | Family::Cohere | Family::MistralAi => {
            (super::codex::FAILED, code)
        }
        Family::GoogleGenAi => {
            (gemini_class(Some(status.into())), gemini_words(status, body, json))
        }
        Family::AnthropicNode => {
            let words = json.map_or_else(|| body.to_owned(), compact);
            let words = flat.map_or(words, |text| text.into_owned());
            let words = if words.is_empty() { "status code (no body)".into() } else { words };
            (node_class(anthropic_class(status)), format!("{status} {words}"))
        }
        Family::OpenAiNode => {
            let words = node_words(text, error, json, body);
            (node_class(python_class(status)), format!("{status} {words}"))
        }
        Family::VercelAi => {
            let phrase = http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
            let text = text.filter(|_| is_in_schema(client.dialect, json));
            let words = text.map_or(phrase.unwrap_or_default().to_owned(), |s| s.into_owned());
            ("AI_APICallError", words)
        }
        Family::LiteLlm { .. } if client.dialect == "anthropic" => litellm_messages(status, body),
        Family::LiteLlm { .. } if client.dialect == "openai-responses" => litellm(status, body),
        Family::LiteLlm { .. } => {
            let words = litellm_words(text.or(flat), error.or(json), json, (code, body));
            litellm(status, &words)
        }
        Family::Anthropic => {
            let words = match json {
                Some(json) => format!("{code} - {}", python(json)),
                None if body.trim().is_empty() => code,
                None => body.trim().to_owned(),
            };
            (anthropic_class(status), words)
        }
    };
    Raised::new(class, words.chars().take(WORDS).collect::<String>())
}

/// The name of a class of the Python clients in the JavaScript ones.
fn node_class(class: &'static str) -> &'static str {
    if class == "APIStatusError" { "APIError" } else { class }
}

/// The words of OpenAI's client in JavaScript.
fn node_words(
    text: Option<Cow<'_, str>>,
    error: Option<Value<'_>>,
    json: Option<Value<'_>>,
    body: &str,
) -> String {
    match (text, error.filter(|e| !e.is_null())) {
        (Some(text), _) => text.into_owned(),
        (None, Some(error)) => compact(error),
        (None, None) if json.is_some_and(|j| !j.is_null()) || body.is_empty() => {
            "status code (no body)".to_owned()
        }
        (None, None) => body.to_owned(),
    }
}

/// LiteLLM's words for a refused chat: the error's own, what the error is, or the status and the body.
fn litellm_words(
    text: Option<Cow<'_, str>>,
    about: Option<Value<'_>>,
    json: Option<Value<'_>>,
    (code, body): (String, &str),
) -> String {
    match (text, about) {
        (Some(text), _) => text.into_owned(),
        (None, Some(about)) if about.get("message").is_some_and(|m| !m.is_null()) => {
            about.get("message").map(python).unwrap_or_default()
        }
        (None, Some(about)) if about.kind() == Kind::Object => python(about),
        (None, Some(_)) => format!("{code} - {}", json.map(python).unwrap_or_default()),
        (None, None) if body.is_empty() => code,
        (None, None) => body.trim().to_owned(),
    }
}

/// Returns whether a 422 names the parameter that it rejects in the one form that LiteLLM can act upon:
/// `message.detail[].loc` of exactly two steps.
pub(super) fn two_step_place(body: &str) -> bool {
    let mut tape = Tape::new();
    let json = tape.parse(body).ok().and_then(|()| tape.root(body));
    let detail = json.and_then(|j| j.at(&["message", "detail"]));
    detail.into_iter().flat_map(Value::items).any(|d| d.get("loc").is_some_and(|l| l.len() == 2))
}

/// OpenAI's classes, in Python and in JavaScript.
fn python_class(status: u16) -> &'static str {
    match status {
        400 => "BadRequestError",
        401 => "AuthenticationError",
        403 => "PermissionDeniedError",
        404 => "NotFoundError",
        409 => "ConflictError",
        422 => "UnprocessableEntityError",
        429 => "RateLimitError",
        500.. => "InternalServerError",
        _ => "APIStatusError",
    }
}

/// The classes that LangChain makes of OpenAI's.
pub(super) fn langchain(class: &'static str) -> &'static str {
    match class {
        "BadRequestError" => "OpenAIInvalidRequestError",
        "AuthenticationError" => "OpenAIAuthenticationError",
        "PermissionDeniedError" => "OpenAIPermissionDeniedError",
        "NotFoundError" => "OpenAIModelNotFoundError",
        "RateLimitError" => "OpenAIRateLimitError",
        "InternalServerError" => "OpenAIAPIError",
        "APIConnectionError" => "OpenAIConnectionError",
        other => other,
    }
}

fn anthropic_class(status: u16) -> &'static str {
    match status {
        408 => "RequestTimeoutError",
        402 => "PaymentRequiredError",
        413 => "ContentTooLargeError",
        503 => "ServiceUnavailableError",
        504 => "GatewayTimeoutError",
        529 => "OverloadedError",
        status => python_class(status),
    }
}

/// The class and the words that LiteLLM makes of an error of OpenAI's.
pub(super) fn litellm(status: u16, words: &str) -> (&'static str, String) {
    let class = match status {
        300..=399 | 400 | 405 | 422 => "BadRequestError",
        401 => "AuthenticationError",
        404 => "NotFoundError",
        408 | 504 => "Timeout",
        429 => "RateLimitError",
        500 => "InternalServerError",
        502 => "BadGatewayError",
        503 => "ServiceUnavailableError",
        _ => "APIError",
    };
    let again = match class {
        "BadRequestError" => String::new(),
        "Timeout" => "Timeout Error: ".into(),
        class => format!("{class}: "),
    };
    (class, format!("litellm.{class}: {again}OpenAIException - {words}"))
}

/// Returns whether the AI SDK's schema of a provider's errors accepts this one. The SDK reads no message from
/// any other.
fn is_in_schema(dialect: &str, json: Option<Value<'_>>) -> bool {
    let text =
        |path: &[&str]| json.and_then(|j| j.at(path)).is_some_and(|v| v.kind() == Kind::String);
    match dialect {
        "anthropic" => text(&["type"]) && text(&["error", "type"]),
        "gemini" => text(&["error", "status"]),
        _ => true,
    }
}

/// The class and the words that LiteLLM makes of a refusal of Anthropic's: the bytes of the body. Some it knows by
/// their words.
fn litellm_messages(status: u16, body: &str) -> (&'static str, String) {
    let is_long = body.contains("prompt is too long") || body.contains("prompt: length");
    let is_overloaded = body.contains("overloaded_error") || body.contains("Overloaded");
    let (class, mark) = match status {
        _ if is_long => {
            let begin =
                "litellm.ContextWindowExceededError: litellm.BadRequestError: AnthropicError";
            return ("ContextWindowExceededError", format!("{begin} - {}", python_bytes(body)));
        }
        _ if is_overloaded => {
            let begin = "litellm.InternalServerError: AnthropicError";
            return ("InternalServerError", format!("{begin} - {}", python_bytes(body)));
        }
        401 => ("AuthenticationError", ""),
        402 => ("PaymentRequiredError", ""),
        403 => ("PermissionDeniedError", ""),
        404 => ("NotFoundError", ""),
        408 => ("Timeout", ""),
        504 => ("Timeout", " Timeout"),
        429 => ("RateLimitError", ""),
        502 => ("BadGatewayError", " BadGatewayError"),
        503 => ("ServiceUnavailableError", ""),
        500.. => ("InternalServerError", ""),
        _ => ("BadRequestError", ""),
    };
    let words = python_bytes(body);
    (class, format!("litellm.{class}: AnthropicException{mark} - {words}"))
}

/// Text as Python writes its bytes.
fn python_bytes(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let bytes = text.as_bytes().escape_ascii().to_string().replace("\\\"", "\"");
    let bytes = if quote == '"' { bytes.replace("\\'", "'") } else { bytes };
    format!("b{quote}{bytes}{quote}")
}

/// The words of google-genai about an answer that is no stream.
fn gemini_words(status: u16, body: &str, json: Option<Value<'_>>) -> String {
    let Some(json) = json else {
        let reason = http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
        let reason = reason.unwrap_or_default();
        let mut tape = Tape::new();
        let text = serde_json::Value::from(body).to_string();
        let text = tape.parse(&text).ok().and_then(|()| tape.root(&text)).map(python);
        let text = text.unwrap_or_default();
        return format!("{status} {reason}. {{'message': {text}, 'status': '{reason}'}}");
    };
    // If the body is a list, the client takes its first item.
    let first = json.items().next().filter(|_| json.kind() == Kind::Array).unwrap_or(json);
    let name = first.get("error").and_then(|error| error.str("status"));
    let name = name.as_deref().unwrap_or("None");
    let words = match first.kind() {
        Kind::String => first.as_str().unwrap_or_default().into_owned(),
        _ => python(first),
    };
    format!("{status} {name}. {words}")
}

/// The class of an error of google-genai, by its HTTP status.
pub(super) fn gemini_class(code: Option<u64>) -> &'static str {
    match code {
        Some(400..=499) => "ClientError",
        Some(500..=599) => "ServerError",
        _ => "APIError",
    }
}
