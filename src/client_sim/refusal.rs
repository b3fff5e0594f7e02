//! The handling by the SDKs of Bedrock, Cohere and Mistral of an answer that they do not read as a stream.

use super::client::Family;
use super::value::python;
use super::{Facts, Raised};
use crate::json::{Kind, Tape, Value};

/// The classes that botocore makes of Bedrock's exceptions.
const EXCEPTIONS: &[&str] = &[
    "AccessDeniedException",
    "ConflictException",
    "InternalServerException",
    "ModelErrorException",
    "ModelNotReadyException",
    "ModelStreamErrorException",
    "ModelTimeoutException",
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
    "ServiceUnavailableException",
    "ThrottlingException",
    "ValidationException",
];

/// The error for an answer of status 300 and above.
pub(super) fn refused(family: Family, status: u16, seen: &Facts) -> Raised {
    let text = String::from_utf8_lossy(seen.body());
    let mut tape = Tape::new();
    let json = tape.parse(&text).ok().and_then(|()| tape.root(&text));
    match family {
        Family::Botocore => botocore(status, seen, &text, json),
        Family::Cohere => cohere(status, seen, &text, json),
        _ => mistral(status, seen, &text, json),
    }
}

/// Returns the error of a client that requires a content type before it reads a stream, if this answer has
/// another. A body without headers counts as a stream.
pub(super) fn not_a_stream(family: Family, seen: &Facts) -> Option<Raised> {
    let head = seen.head.as_ref()?;
    let kind = head.header("content-type").unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    match family {
        Family::Cohere if !essence.contains("text/event-stream") => {
            let words = format!(
                "Expected response header Content-Type to contain 'text/event-stream', got '{essence}'"
            );
            Some(Raised::new("SSEError", words))
        }
        Family::MistralAi if !essence.eq_ignore_ascii_case("text/event-stream") => Some(unread(
            seen,
            "Unexpected response received: ",
            head.status,
            &String::from_utf8_lossy(seen.body()),
        )),
        _ => None,
    }
}

fn botocore(status: u16, seen: &Facts, text: &str, json: Option<Value<'_>>) -> Raised {
    let trimmed = text.trim();
    let page = status >= 500 && (trimmed.is_empty() || trimmed.starts_with("<html>"));
    if let Some(json) = json.filter(|json| !page && json.kind() != Kind::Object) {
        let kind = super::value::python_type(json);
        return Raised::new("AttributeError", format!("{kind} object has no attribute 'get'"));
    }
    let field = |names: [&str; 2]| {
        let value = names.iter().find_map(|name| json?.get(name))?;
        Some(value.as_str().map_or_else(|| value.source().into(), String::from))
    };
    let reason = http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason());
    let (code, words) = match (page, json) {
        (true, _) => (None, reason.unwrap_or_default().to_owned()),
        (false, Some(_)) => {
            let header = seen.head.as_ref().and_then(|head| head.header("x-amzn-errortype"));
            let named = header.map(str::to_owned).or_else(|| field(["code", "Code"]));
            let code = named.or_else(|| field(["__type", "__type"]));
            (code, field(["message", "Message"]).unwrap_or_default())
        }
        (false, None) => (None, text.to_owned()),
    };
    let code = code.unwrap_or_else(|| status.to_string());
    let code = code.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default();
    let class = EXCEPTIONS.iter().find(|class| **class == code).unwrap_or(&"ClientError");
    let operation = "when calling the ConverseStream operation";
    Raised::new(class, format!("An error occurred ({code}) {operation}: {words}"))
}

fn cohere(status: u16, seen: &Facts, text: &str, json: Option<Value<'_>>) -> Raised {
    let class = match status {
        // A body that is not JSON is an error without a class.
        _ if json.is_none() => "ApiError",
        400 => "BadRequestError",
        401 => "UnauthorizedError",
        403 => "ForbiddenError",
        404 => "NotFoundError",
        422 => "UnprocessableEntityError",
        429 => "TooManyRequestsError",
        498 => "InvalidTokenError",
        499 => "ClientClosedRequestError",
        500 => "InternalServerError",
        501 => "NotImplementedError",
        503 => "ServiceUnavailableError",
        504 => "GatewayTimeoutError",
        _ => "ApiError",
    };
    let headers = seen.head.iter().flat_map(|head| &head.headers);
    let headers: Vec<_> = headers
        .map(|(name, value)| format!("'{}': '{value}'", name.to_ascii_lowercase()))
        .collect();
    let body = json.map_or_else(|| text.to_owned(), python);
    let headers = headers.join(", ");
    Raised::new(class, format!("headers: {{{headers}}}, status_code: {status}, body: {body}"))
}

fn mistral(status: u16, seen: &Facts, text: &str, json: Option<Value<'_>>) -> Raised {
    let kind = seen.content_type().unwrap_or_default();
    if status == 422 && json.is_some() && kind.starts_with("application/json") {
        return Raised::new("HTTPValidationError", text);
    }
    unread(seen, "API error occurred: ", status, text)
}

/// Mistral's error of an answer that is no stream. It trips over one without a body.
fn unread(seen: &Facts, begin: &str, status: u16, text: &str) -> Raised {
    if text.is_empty() {
        let words =
            "Attempted to access streaming response content, without having called `read()`.";
        return Raised::new("ResponseNotRead", words);
    }
    let kind = match seen.content_type().unwrap_or_default() {
        "application/json" => String::new(),
        kind if kind.is_empty() || kind.contains(' ') => format!(" Content-Type \"{kind}\""),
        kind => format!(" Content-Type {kind}"),
    };
    Raised::new("SDKError", format!("{begin}Status {status}{kind}. Body: {text}"))
}
