//! Fields that requests of a dialect have at their top, for the user who misspells one: a server
//! mostly ignores a field that it does not know, and says nothing.

/// Fields of Chat Completions, those of common imitators included.
const CHAT: &[&str] = &[
    "model",
    "messages",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "n",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "user",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "seed",
    "service_tier",
    "reasoning_effort",
    "reasoning",
    "modalities",
    "audio",
    "prediction",
    "store",
    "metadata",
    "verbosity",
    "thinking",
    "web_search_options",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "functions",
    "function_call",
    "extra_body",
    "include_reasoning",
    "enable_thinking",
    "provider",
    "transforms",
    "models",
    "route",
    "plugins",
    "chat_template_kwargs",
    "guided_json",
    "ignore_eos",
];

const RESPONSES: &[&str] = &[
    "model",
    "input",
    "instructions",
    "stream",
    "stream_options",
    "temperature",
    "top_p",
    "max_output_tokens",
    "max_tool_calls",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "reasoning",
    "text",
    "truncation",
    "store",
    "metadata",
    "include",
    "previous_response_id",
    "conversation",
    "background",
    "prompt",
    "service_tier",
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "top_logprobs",
];

const MESSAGES: &[&str] = &[
    "model",
    "messages",
    "system",
    "max_tokens",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "metadata",
    "tools",
    "tool_choice",
    "thinking",
    "service_tier",
    "container",
    "context_management",
    "mcp_servers",
    "output_config",
    "output_format",
    "betas",
    "anthropic_version",
    "cache_control",
    "inference_geo",
    "speed",
];

const GEMINI: &[&str] = &[
    "contents",
    "systemInstruction",
    "generationConfig",
    "safetySettings",
    "tools",
    "toolConfig",
    "cachedContent",
    "model",
    "labels",
    "system_instruction",
    "generation_config",
    "safety_settings",
    "tool_config",
    "cached_content",
];

const OLLAMA: &[&str] = &[
    "model",
    "messages",
    "stream",
    "tools",
    "format",
    "options",
    "keep_alive",
    "think",
    "template",
    "logprobs",
    "top_logprobs",
    "prompt",
    "suffix",
    "images",
    "system",
    "raw",
];

/// The fields of a dialect; `None` where they are not listed.
fn known(dialect: &str) -> Option<&'static [&'static str]> {
    Some(match dialect {
        "openai-chat" | "azure" | "mistral" => CHAT,
        "openai-responses" => RESPONSES,
        "anthropic" => MESSAGES,
        "gemini" | "gemini-array" => GEMINI,
        "ollama" => OLLAMA,
        _ => return None,
    })
}

/// The field that was most likely meant by one that a dialect does not have; `None` of one that it
/// has, and of one that is like none.
///
/// ```
/// use sselens::dialect::request::likely_field;
///
/// assert_eq!(likely_field("openai-chat", "max_token"), Some("max_tokens"));
/// assert_eq!(likely_field("openai-chat", "max_tokens"), None);
/// assert_eq!(likely_field("openai-chat", "x_my_gateway"), None);
/// ```
pub fn likely_field(dialect: &str, field: &str) -> Option<&'static str> {
    let known = known(dialect)?;
    if known.contains(&field) || field.len() > 40 {
        return None;
    }
    // A field with the same words in another spelling is meant, however many letters differ.
    let flat = |text: &str| text.replace(['_', '-'], "").to_ascii_lowercase();
    if let Some(same) = known.iter().find(|k| flat(k) == flat(field)) {
        return Some(same);
    }
    let most = (field.chars().count() / 4).min(2);
    let nearest = known.iter().map(|k| (distance(k, field), *k)).min_by_key(|(n, _)| *n);
    nearest.filter(|(n, _)| (1..=most).contains(n)).map(|(_, k)| k)
}

/// Returns how many letters are to be inserted, left out, exchanged or swapped to turn one word into another.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i];
        for j in 1..=b.len() {
            let same = a[i - 1] == b[j - 1];
            let mut best = (row[j - 1] + usize::from(!same)).min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_is_named_and_what_is_known_or_strange_is_not() {
        for (dialect, field, meant) in [
            ("openai-chat", "mesages", Some("messages")),
            ("openai-chat", "temprature", Some("temperature")),
            ("openai-chat", "max_tokens ", Some("max_tokens")),
            ("openai-chat", "maxTokens", Some("max_tokens")),
            ("openai-chat", "stream_option", Some("stream_options")),
            ("openai-chat", "steram", Some("stream")),
            ("anthropic", "stop_sequence", Some("stop_sequences")),
            ("anthropic", "max_token", Some("max_tokens")),
            ("gemini", "generation-config", Some("generationConfig")),
            ("openai-chat", "n", None),
            ("openai-chat", "x", None),
            ("openai-chat", "custom_thing", None),
            ("dify", "mesages", None),
        ] {
            assert_eq!(likely_field(dialect, field), meant, "{field}");
        }
    }
}
