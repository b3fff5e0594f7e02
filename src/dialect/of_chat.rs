//! Recognizes whose chunks these are: dialects that stream Chat Completions' chunks and are still separate
//! ones.

use super::Payload;
use crate::json::Value;

/// Returns whether a chunk of Chat Completions is from Mistral itself: one of its models under the name that
/// its API has for it, and no fingerprint, which others who serve these models send.
pub(super) fn is_mistral(chunk: Value<'_>) -> bool {
    const FAMILIES: &[&str] = &[
        "mistral-",
        "magistral-",
        "ministral-",
        "codestral-",
        "devstral-",
        "pixtral-",
        "voxtral-",
        "open-mistral-",
        "open-mixtral-",
    ];
    let chat = chunk.get("object").is_some_and(|o| o.is("chat.completion.chunk"));
    chat && chunk.get("system_fingerprint").is_none()
        && chunk.str("model").is_some_and(|model| {
            let version = model.rsplit('-').next().unwrap_or_default();
            let dated = version.len() == 4 && version.bytes().all(|b| b.is_ascii_digit());
            (dated || version == "latest") && FAMILIES.iter().any(|f| model.starts_with(f))
        })
}

/// Returns whether an event is one of FastGPT's.
pub(super) fn is_fastgpt(payload: &Payload<'_>) -> bool {
    matches!(payload.event, "answer" | "fastAnswer" | "flowNodeStatus" | "flowResponses")
}
