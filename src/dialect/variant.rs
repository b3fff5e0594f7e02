//! The variants of Chat Completions (and of Responses): who speaks it with an accent, and what is normal there.
//!
//! One row a provider or server in [`VARIANTS`]. A variant changes nothing about how a stream is
//! read: it says what is expected of it, so that no rule has to know a provider. Where recorded
//! bytes of a provider have nothing that only this provider sends, it is recognized by its address, or
//! not at all: no name is better than a wrong one.

use std::borrow::Cow;

use crate::json::{Kind, Value};
use crate::rule::Code;

/// One provider's or server's way of Chat Completions.
#[derive(Debug)]
pub struct Variant {
    /// Its name in output.
    pub name: &'static str,
    /// Other names under which a provider is configured that speaks so.
    also: &'static [&'static str],
    /// The hosts that speak so: each name, and all below it.
    hosts: &'static [&'static str],
    /// Prefixes of response headers that no one else sends.
    headers: &'static [&'static str],
    /// Marks of chunks that no one else's have: one list that fits is enough.
    marks: &'static [&'static [Has]],
    /// The members of a delta that carry reasoning.
    pub reasoning: &'static [&'static str],
    /// The places of usage.
    pub usage: &'static [UsageAt],
    /// Finish reasons beside Chat Completions' own that are a proper end.
    pub finishes: &'static [&'static str],
    /// True if `[DONE]` follows an error; `None` where no one recorded one.
    pub done_after_error: Option<bool>,
    /// Codes of findings that are normal there, and do not follow from the columns above. They are here
    /// and not on the pages of the rules, since they are what one provider does: a new provider is a
    /// row of this table.
    pub normal: &'static [Code],
    /// The same where it speaks OpenAI's Responses; empty where no accent is known there. What its own SDK
    /// reads is no fault, whatever OpenAI's make of it.
    pub normal_in_responses: &'static [Code],
}

/// A place of usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsageAt {
    /// In a separate chunk, whose `choices` are empty.
    Own,
    /// In a chunk that has choices, mostly the one that finishes.
    Finish,
    /// In every chunk, each time the sum so far.
    Every,
    /// In a member that OpenAI does not have.
    In(&'static str),
}

impl UsageAt {
    /// Returns that place, in words.
    pub fn place(self) -> &'static str {
        match self {
            UsageAt::Own => "a chunk of its own",
            UsageAt::Finish => "a chunk with choices",
            UsageAt::Every => "every chunk",
            UsageAt::In(member) => member,
        }
    }
}

/// Something that a chunk has. In a path, `[]` represents a list's first item.
#[derive(Debug, Clone, Copy)]
enum Has {
    /// A member, whatever its value.
    Member(&'static str),
    /// A list or object with something in it.
    Filled(&'static str),
    /// A string that begins so.
    Begins(&'static str, &'static str),
    /// No such member.
    Lacks(&'static str),
}

use Has::{Begins, Filled, Lacks, Member};
use UsageAt::{Every, Finish, In, Own};

impl Variant {
    const PLAIN: Variant = Variant {
        name: "",
        also: &[],
        hosts: &[],
        headers: &[],
        marks: &[],
        reasoning: &[],
        usage: &[Own],
        finishes: &[],
        done_after_error: None,
        normal: &[],
        normal_in_responses: &[],
    };

    /// Returns whether a finding of that code is what this variant's streams of Responses are like.
    pub fn is_normal_in_responses(&self, code: Code) -> bool {
        self.normal_in_responses.contains(&code)
    }

    /// Returns whether a finding of that code is what this variant's streams of Chat are like.
    pub fn is_normal(&self, code: Code) -> bool {
        match code {
            Code::UsageEveryChunk => self.usage.contains(&Every),
            Code::UsageInNonemptyChoices => self.usage.iter().any(|u| *u != Own),
            Code::UsageNonstandardPlace => self.usage.iter().any(|u| matches!(u, In(_))),
            Code::ReasoningDroppedByClient => self.reasoning.contains(&"reasoning"),
            Code::ReasoningTwoChannels => self.reasoning.len() > 1,
            Code::NoDoneAfterError => self.done_after_error == Some(false),
            _ => self.normal.contains(&code),
        }
    }

    /// The variant that a provider of this name in the configuration is.
    pub fn of_provider(provider: &str) -> Option<&'static Self> {
        let is = |name: &&str| name.eq_ignore_ascii_case(provider);
        VARIANTS.iter().find(|v| is(&v.name) || v.also.iter().any(is))
    }

    /// Returns the variant that is spoken at an address, and the host that indicates it.
    pub fn of_address(url: &str) -> Option<(&'static Self, &'static str)> {
        let host = host(url).to_ascii_lowercase();
        VARIANTS.iter().find_map(|v| {
            let below = |h: &&&str| host.strip_suffix(**h).is_some_and(is_parent);
            v.hosts.iter().find(below).map(|h| (v, *h))
        })
    }

    /// Returns the variant that a response header indicates by its name, and what indicates it.
    pub fn of_header(name: &str) -> Option<(&'static Self, &'static str)> {
        let name = name.to_ascii_lowercase();
        VARIANTS
            .iter()
            .find_map(|v| v.headers.iter().find(|h| name.starts_with(**h)).map(|h| (v, *h)))
    }

    /// Returns the variant that a chunk indicates, and the field that does.
    pub fn of_chunk(chunk: Value<'_>) -> Option<(&'static Self, &'static str)> {
        VARIANTS.iter().find_map(|v| v.marked(chunk).map(|by| (v, by)))
    }

    fn marked(&self, chunk: Value<'_>) -> Option<&'static str> {
        let marks = self.marks.iter().find(|all| all.iter().all(|has| has.holds(chunk)))?;
        marks.first().map(|has| has.path())
    }
}

/// Returns whether this text before a host's name leaves it that host or makes one below it.
fn is_parent(before: &str) -> bool {
    before.is_empty() || before.ends_with('.')
}

/// The host of an address, without user, port and path.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.split(':').next().unwrap_or_default()
}

impl Has {
    fn path(self) -> &'static str {
        match self {
            Member(path) | Filled(path) | Begins(path, _) | Lacks(path) => path,
        }
    }

    fn holds(self, chunk: Value<'_>) -> bool {
        let value = look_up(chunk, self.path());
        match self {
            Member(_) => value.is_some(),
            Filled(_) => value
                .is_some_and(|v| matches!(v.kind(), Kind::Array | Kind::Object) && !v.is_empty()),
            Begins(_, text) => {
                value.and_then(Value::as_str).unwrap_or(Cow::Borrowed("")).starts_with(text)
            }
            Lacks(_) => value.is_none(),
        }
    }
}

fn look_up<'a>(chunk: Value<'a>, path: &str) -> Option<Value<'a>> {
    path.split('.').try_fold(chunk, |value, part| match part.strip_suffix("[]") {
        Some(list) => value.get(list)?.items().next(),
        None => value.get(part),
    })
}

/// Every variant. Facts: the providers' documents, recorded streams, and reports of their users.
pub const VARIANTS: &[Variant] = &[
    Variant {
        name: "openrouter",
        hosts: &["openrouter.ai"],
        headers: &["x-generation-id"],
        marks: &[&[Member("choices[].native_finish_reason"), Member("provider")]],
        reasoning: &["reasoning", "reasoning_details"],
        usage: &[Own, Finish],
        done_after_error: Some(true),
        normal: &[
            Code::SseComment,
            Code::RoleRepeated,
            Code::FinishRepeated,
            Code::UnknownField,
            Code::ErrorRawHidden,
        ],
        ..Variant::PLAIN
    },
    Variant {
        name: "groq",
        hosts: &["api.groq.com"],
        headers: &["x-groq-"],
        marks: &[&[Member("x_groq")]],
        reasoning: &["reasoning"],
        usage: &[Own, Finish, In("x_groq.usage")],
        normal: &[Code::CreatedChanges, Code::IdChanges, Code::UnknownField],
        ..Variant::PLAIN
    },
    Variant {
        name: "deepseek",
        hosts: &["api.deepseek.com"],
        marks: &[&[
            Member("usage.prompt_cache_hit_tokens"),
            Member("usage.prompt_cache_miss_tokens"),
        ]],
        reasoning: &["reasoning_content"],
        usage: &[Finish],
        normal: &[Code::ContentNull, Code::SseComment],
        ..Variant::PLAIN
    },
    Variant {
        name: "xai",
        hosts: &["api.x.ai"],
        // Azure sells the same models, and adds a service tier.
        marks: &[&[Member("usage.num_sources_used"), Lacks("service_tier")]],
        reasoning: &["reasoning_content"],
        normal: &[Code::FinishKeyAbsent, Code::CreatedChanges],
        ..Variant::PLAIN
    },
    // An engine behind many hosts, which hide or add the fields that could identify it.
    Variant {
        name: "vllm",
        reasoning: &["reasoning", "reasoning_content"],
        usage: &[Own, Every],
        done_after_error: Some(true),
        normal: &[Code::UnknownField],
        ..Variant::PLAIN
    },
    Variant {
        // No marks: its `matched_stop` arrives through Azure as well.
        name: "sglang",
        reasoning: &["reasoning_content", "reasoning"],
        normal: &[Code::ContentNull, Code::RoleNull, Code::UnknownField],
        ..Variant::PLAIN
    },
    Variant {
        name: "scaleway",
        hosts: &["api.scaleway.ai"],
        reasoning: &["reasoning"],
        normal: &[Code::UnknownField],
        ..Variant::PLAIN
    },
    Variant {
        name: "cerebras",
        hosts: &["api.cerebras.ai"],
        marks: &[&[Member("time_info")]],
        reasoning: &["reasoning"],
        usage: &[Finish],
        normal: &[Code::FinishKeyAbsent, Code::MissingDone, Code::UnknownField],
        ..Variant::PLAIN
    },
    Variant {
        name: "fireworks",
        hosts: &["api.fireworks.ai"],
        headers: &["fireworks-"],
        marks: &[&[Member("perf_metrics")]],
        reasoning: &["reasoning_content"],
        usage: &[Finish, Every],
        normal: &[Code::UnknownField],
        ..Variant::PLAIN
    },
    Variant {
        name: "together",
        hosts: &["api.together.xyz", "api.together.ai"],
        marks: &[&[Member("choices[].delta.token_id"), Member("choices[].text")]],
        reasoning: &["reasoning", "reasoning_content"],
        usage: &[Finish],
        finishes: &["eos"],
        normal: &[Code::RoleRepeated, Code::UnknownField],
        ..Variant::PLAIN
    },
    Variant {
        name: "moonshot",
        also: &["kimi"],
        hosts: &["api.moonshot.ai", "api.moonshot.cn"],
        marks: &[&[Member("choices[].usage")]],
        reasoning: &["reasoning_content"],
        usage: &[Finish, In("choices[].usage")],
        ..Variant::PLAIN
    },
    Variant {
        name: "minimax",
        hosts: &["api.minimax.io", "api.minimaxi.com", "api.minimax.chat"],
        marks: &[&[Member("usage.total_characters")], &[Member("input_sensitive")]],
        reasoning: &["reasoning_content", "reasoning_details"],
        usage: &[Own, Finish],
        normal: &[
            Code::FinishKeyAbsent,
            Code::FinishRepeated,
            Code::FullObjectInStream,
            Code::MissingDone,
            Code::RoleEmpty,
            Code::RoleRepeated,
            Code::UnknownField,
        ],
        ..Variant::PLAIN
    },
    Variant {
        name: "zai",
        also: &["glm", "zhipu", "bigmodel"],
        hosts: &["api.z.ai", "open.bigmodel.cn"],
        // An id that begins with the time, as 20251103…
        marks: &[&[Begins("id", "20"), Begins("model", "glm-")]],
        reasoning: &["reasoning_content"],
        usage: &[Finish],
        finishes: &["sensitive", "model_context_window_exceeded"],
        normal: &[Code::FinishKeyAbsent, Code::FinishRepeated, Code::RoleRepeated],
        ..Variant::PLAIN
    },
    Variant {
        name: "litellm-proxy",
        also: &["litellm"],
        headers: &["x-litellm-"],
        // The proxy repeats a field of the request.
        marks: &[&[Member("stream_options")]],
        reasoning: &["reasoning_content"],
        usage: &[Own, Finish],
        done_after_error: Some(false),
        normal: &[Code::FinishKeyAbsent, Code::UnknownField],
        ..Variant::PLAIN
    },
    Variant {
        name: "llamacpp",
        also: &["llama.cpp", "llama-cpp"],
        marks: &[&[Filled("timings")]],
        reasoning: &["reasoning_content"],
        done_after_error: Some(true),
        normal: &[Code::ContentNull, Code::SseComment, Code::SseEmptyData, Code::UnknownField],
        ..Variant::PLAIN
    },
    Variant {
        name: "ollama",
        marks: &[&[Begins("system_fingerprint", "fp_ollama")]],
        reasoning: &["reasoning"],
        normal: &[Code::CreatedChanges, Code::RoleRepeated],
        ..Variant::PLAIN
    },
    Variant {
        name: "copilot",
        also: &["github-copilot"],
        hosts: &["githubcopilot.com"],
        // Azure's first chunk, from which Copilot removes the `object`.
        marks: &[&[Member("copilot_usage")], &[Filled("prompt_filter_results"), Lacks("object")]],
        usage: &[Finish],
        normal: &[Code::ContentNull, Code::DeltaMissing, Code::FinishKeyAbsent, Code::UnknownField],
        ..Variant::PLAIN
    },
    Variant {
        name: "azure",
        also: &["azure-openai"],
        hosts: &["openai.azure.com", "ai.azure.com", "cognitiveservices.azure.com"],
        // The first chunk, about the prompt; the chunks of the asynchronous filter.
        marks: &[
            &[Filled("prompt_filter_results"), Member("object")],
            &[Filled("prompt_annotations")],
            &[Member("choices[].content_filter_offsets")],
        ],
        reasoning: &["reasoning_content"],
        normal: &[
            Code::ContentNull,
            Code::CreatedChanges,
            Code::DeltaMissing,
            Code::FinishRepeated,
            Code::IdEmpty,
            Code::RoleNull,
            Code::UnknownField,
            Code::UsageReasoningZero,
        ],
        ..Variant::PLAIN
    },
    Variant {
        name: "perplexity",
        hosts: &["api.perplexity.ai"],
        marks: &[
            &[Begins("object", "chat.completion.done")],
            &[Filled("citations"), Member("search_results")],
            // The Agent API speaks Responses, and reports its searches.
            &[Begins("type", "response.reasoning.started")],
            &[Begins("type", "response.reasoning.search_")],
            &[Begins("type", "response.reasoning.fetch_url_")],
            &[Begins("type", "response.reasoning.stopped")],
            &[Begins("type", "response.skill.loaded")],
        ],
        usage: &[Every],
        normal: &[
            Code::CreatedChanges,
            Code::DeltaAndMessage,
            Code::FinishKeyAbsent,
            Code::IdChanges,
            Code::MissingDone,
            Code::RoleRepeated,
            Code::UnknownField,
        ],
        // It announces no parts, and not every item: its own SDK does not assemble anything.
        normal_in_responses: &[Code::BlockNotOpened, Code::ClientFails, Code::UnknownEventType],
        ..Variant::PLAIN
    },
    Variant {
        name: "watsonx",
        also: &["ibm", "watsonx-ai"],
        hosts: &["ml.cloud.ibm.com"],
        marks: &[&[Member("model_version"), Member("model_id")]],
        normal: &[Code::MissingDone, Code::SseIdRetry, Code::UnknownField],
        ..Variant::PLAIN
    },
    Variant {
        name: "alibaba",
        also: &["dashscope", "qwen"],
        hosts: &["dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com"],
        reasoning: &["reasoning_content"],
        normal: &[Code::ContentNull, Code::FinishKeyAbsent, Code::ToolIdOrNameEmptyRepeat],
        ..Variant::PLAIN
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Tape;

    fn of(text: &str) -> Option<&'static str> {
        let mut tape = Tape::new();
        tape.parse(text).unwrap();
        tape.root(text).and_then(Variant::of_chunk).map(|(v, _)| v.name)
    }

    #[test]
    fn hosts_are_whole_names() {
        let of = |url| Variant::of_address(url).map(|(v, _)| v.name);
        assert_eq!(of("https://api.groq.com/openai/v1/chat/completions"), Some("groq"));
        assert_eq!(of("https://me.openai.azure.com:443/openai/deployments/x"), Some("azure"));
        assert_eq!(of("https://user:pass@API.DeepSeek.com"), Some("deepseek"));
        assert_eq!(of("https://notopenrouter.ai/api"), None);
        assert_eq!(of("http://127.0.0.1:4000/?host=api.groq.com"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn chunks_tell_their_variant() {
        for (name, chunk) in [
            (Some("groq"), r#"{"x_groq":{"id":"req"},"choices":[]}"#),
            (Some("openrouter"), r#"{"provider":"Z","choices":[{"native_finish_reason":null}]}"#),
            (None, r#"{"choices":[{"native_finish_reason":null}]}"#),
            (Some("ollama"), r#"{"system_fingerprint":"fp_ollama","choices":[]}"#),
            (None, r#"{"system_fingerprint":"fp_other","choices":[]}"#),
            (Some("azure"), r#"{"choices":[],"object":"","prompt_filter_results":[{}]}"#),
            (Some("copilot"), r#"{"choices":[],"prompt_filter_results":[{}]}"#),
            (Some("xai"), r#"{"choices":[],"usage":{"num_sources_used":0}}"#),
            (None, r#"{"choices":[],"usage":{"num_sources_used":0},"service_tier":"default"}"#),
            (None, r#"{"citations":null,"search_results":null,"choices":[]}"#),
            (None, r#"{"choices":[{"matched_stop":1}]}"#),
            (Some("perplexity"), r#"{"type":"response.skill.loaded"}"#),
            (None, r#"{"type":"response.reasoning.delta","delta":"hm"}"#),
        ] {
            assert_eq!(of(chunk), name, "{chunk}");
        }
    }

    #[test]
    fn a_name_or_mark_is_one_variants() {
        for (i, a) in VARIANTS.iter().enumerate() {
            let names = |v: &Variant| [&[v.name], v.also].concat();
            let all = |v: &Variant| [names(v), v.hosts.to_vec(), v.headers.to_vec()].concat();
            for b in &VARIANTS[..i] {
                assert!(!all(a).iter().any(|x| all(b).contains(x)), "{} and {}", a.name, b.name);
            }
            assert!(names(a).iter().all(|n| Variant::of_provider(n).unwrap().name == a.name));
        }
    }
}
