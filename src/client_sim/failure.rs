//! Errors that a client raises when the connection or the content coding fails: those of its HTTP library, or
//! what it turns them into.

use super::client::{Client, Family};
use super::{Facts, Raised};
use crate::journal::EndCause;

/// The error of a connection that brought no answer.
pub(super) fn unanswered(client: &Client, cause: EndCause) -> Raised {
    match client.family {
        Family::VercelAi => Raised::new("AI_APICallError", "Cannot connect to API: "),
        Family::LiteLlm { .. } => {
            // LiteLLM calls Chat through openai-python, and the other APIs directly.
            let words = match cause {
                _ if client.dialect == "openai-chat" => "Connection error.",
                EndCause::ClosedBeforeHead => "Server disconnected",
                EndCause::Reset => "[Errno 104] Connection reset by peer",
                _ => "",
            };
            let provider = match client.dialect {
                "anthropic" => "AnthropicException",
                _ => "InternalServerError: OpenAIException",
            };
            let words = format!("litellm.InternalServerError: {provider} - {words}");
            Raised::new("InternalServerError", words)
        }
        Family::LangChain => Raised::new("OpenAIConnectionError", "Connection error."),
        Family::GoogleGenAi | Family::Cohere | Family::MistralAi => match cause {
            EndCause::Reset => Raised::new("ReadError", ""),
            EndCause::Protocol => Raised::new("RemoteProtocolError", ""),
            EndCause::ClosedBeforeHead | EndCause::ClosedInsideHead | EndCause::Truncated => {
                let words = "Server disconnected without sending a response.";
                Raised::new("RemoteProtocolError", words)
            }
            _ => Raised::new("ConnectError", ""),
        },
        Family::Botocore => match cause {
            EndCause::Tls => Raised::new("SSLError", "SSL validation failed for "),
            EndCause::Dns | EndCause::Refused => {
                Raised::new("EndpointConnectionError", "Could not connect to the endpoint URL: ")
            }
            EndCause::ProxyRefused => {
                Raised::new("ProxyConnectionError", "Failed to connect to proxy URL: ")
            }
            EndCause::Protocol => Raised::new("HTTPClientError", ""),
            _ => Raised::new(
                "ConnectionClosedError",
                "Connection was closed before we received a valid response from endpoint URL: ",
            ),
        },
        _ => Raised::new("APIConnectionError", "Connection error."),
    }
}

/// The error of a body that is coded otherwise than its headers say.
pub(super) fn undecoded(client: &Client) -> Raised {
    match client.family {
        Family::VercelAi => Raised::new("AI_APICallError", "Failed to process successful response"),
        Family::OpenAiNode | Family::AnthropicNode => Raised::new("TypeError", "terminated"),
        Family::LangChain => Raised::new("OpenAIConnectionError", "Connection error."),
        Family::Anthropic | Family::GoogleGenAi | Family::Cohere | Family::MistralAi => {
            Raised::new("DecodingError", "")
        }
        _ => Raised::new("APIConnectionError", "Connection error."),
    }
}

/// The error of httpx about a body that was cut.
pub(super) fn httpx(cause: EndCause) -> Raised {
    match cause {
        EndCause::Reset => Raised::new("ReadError", ""),
        EndCause::Protocol => Raised::new("RemoteProtocolError", "illegal chunk header: "),
        _ => Raised::new(
            "RemoteProtocolError",
            "peer closed connection without sending complete message body",
        ),
    }
}

/// Returns the error of urllib3 about a truncated body; none if only `Content-Length` shows it, because
/// botocore does not let urllib3 check the body against that.
pub(super) fn urllib3(seen: &Facts, cause: EndCause) -> Option<Raised> {
    let is_chunked = seen.head.as_ref().is_none_or(|head| {
        let coding = head.header("transfer-encoding");
        coding.is_some_and(|coding| coding.to_ascii_lowercase().contains("chunked"))
    });
    let words = match cause {
        EndCause::Reset => "(\"Connection broken: ConnectionResetError(104, ",
        EndCause::Protocol => "(\"Connection broken: InvalidChunkLength(got length b",
        _ if !is_chunked => return None,
        // The text says whether the connection broke inside a chunk; the recordings do not show where it
        // broke.
        _ => "",
    };
    Some(Raised::new("ProtocolError", words))
}
