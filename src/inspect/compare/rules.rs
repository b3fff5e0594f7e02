//! What can differ, as rules: the phase `compare`, explained like all others.

use crate::inspect::rule::{Phase, Rule, Severity};

const fn row(code: &'static str, severity: Severity) -> Rule {
    Rule { code, severity, phase: Phase::Compare, ..Rule::DEFAULT }
}

/// Every difference that has a name.
pub(in crate::inspect) const RULES: &[Rule] = &[
    Rule {
        means: "The direct call had no proper end; through the gateway it has a finish, as if all were well.",
        example: "A: content, then EOF · B: content, {\"finish_reason\":\"stop\"}, [DONE]",
        breaks: "Every client: a cut or empty answer counts as a success, is cached, billed and not tried again.",
        remedy: "Don't trust the finish behind this gateway; look at the direct call's end. Report it to the gateway with both recordings.",
        evidence: "seen with LiteLLM 1.81.5, 1.85.0 and 1.106.2 on empty bodies, HTML, JSON errors, cut and reset streams; bigduu/Bamboo-agent#355, brightwave-inc/tidebreak#1122",
        ..row("gw-fabricated-finish", Severity::Fatal)
    },
    Rule {
        means: "The direct call failed and said so; through the gateway no error arrives.",
        example: "A: data: {\"error\":{\"message\":\"boom\"}}⏎⏎ · B: data: [DONE]⏎⏎",
        breaks: "Every client: the cause is gone, and what came counts as the answer.",
        remedy: "Take the error from the direct call; look in the gateway's log.",
        evidence: "bigduu/Bamboo-agent#355, vllm-project/vllm#57082",
        ..row("gw-error-swallowed", Severity::Fatal)
    },
    Rule {
        means: "The upstream's error came through as bare JSON between the events: no event stream parser sees it.",
        example: "A: data: {\"error\":…}⏎⏎ · B: {\"error\":…}⏎",
        breaks: "SDKs skip the line and end in silence.",
        remedy: "The gateway must frame what it forwards.",
        evidence: "lemonade-sdk/lemonade#2826",
        ..row("gw-error-unframed", Severity::Fatal)
    },
    Rule {
        means: "The names of the events (`event:` lines) are gone behind the gateway.",
        example: "A: event: message_start⏎data: … · B: data: …",
        breaks: "anthropic-python takes the kind of an event from that line only: it sees no event at all. Responses (a warning) and Chat (info) are read by their data.",
        remedy: "The gateway must forward whole events, not data lines.",
        evidence: "no named gateway; the effect on the client was tried",
        ..row("gw-event-name-stripped", Severity::Fatal)
    },
    Rule {
        means: "The direct call gave an answer; through the gateway only the end marker arrives.",
        example: "A: content ×40 · B: data: [DONE]⏎⏎",
        breaks: "Clients return an empty answer and no error.",
        remedy: "Look for a guardrail or a filter in the gateway that takes the whole answer away.",
        evidence: "BerriAI/litellm#26547",
        ..row("gw-guardrail-emptied", Severity::Fatal)
    },
    Rule {
        means: "Tool calls with indexes of their own came; behind the gateway all have one index.",
        example: "A: index 0 and 1 · B: index 0 and 0",
        breaks: "Clients that merge by index glue the arguments of two calls together.",
        remedy: "Ask for one call at a time (parallel_tool_calls: false), or go direct.",
        evidence: "mcowger/plexus#691, BerriAI/litellm#16194",
        ..row("gw-tool-index-collapsed", Severity::Fatal)
    },
    Rule {
        means: "The native route of the same server says an error; its OpenAI route swallows it.",
        example: "A: {\"error\":\"…\"} · B: an empty chunk, and no [DONE]",
        breaks: "Clients of the /v1 route get an empty answer.",
        remedy: "Read the error on the native route.",
        evidence: "by reading ollama/ollama middleware/openai.go",
        ..row("ollama-v1-error-erased", Severity::Fatal)
    },
    Rule {
        means: "Text of the answer that the direct call has is missing, added or changed behind the gateway.",
        example: "A: 120 characters · B: 80 of them",
        breaks: "Users read another answer than the model gave.",
        remedy: "With temperature 0 and a seed, or from recordings, this is the gateway's doing; else send it again before you blame it.",
        ..row("gw-content-changed", Severity::Error)
    },
    Rule {
        means: "The stream behind the gateway begins a second answer in the middle of the first: it fell back to another model.",
        example: "A: one id · B: id and model change in mid-stream",
        breaks: "Clients glue both answers together.",
        remedy: "Switch mid-stream fallbacks off in the gateway.",
        evidence: "BerriAI/litellm#38153, vercel/ai spliced-message-start",
        ..row("gw-fallback-spliced", Severity::Error)
    },
    Rule {
        means: "The reasoning that the direct call has does not arrive behind the gateway; the time it took stays as a hole.",
        example: "A: delta.reasoning ×213 · B: none",
        breaks: "Users see a hang; agents lose the chain of thought.",
        remedy: "Let the gateway pass the field on, or go direct.",
        evidence: "BerriAI/litellm#20246, BerriAI/litellm#9100, BerriAI/litellm#15233",
        ..row("gw-reasoning-dropped", Severity::Warn)
    },
    Rule {
        means: "The gateway puts the reasoning into the content, between <think> tags.",
        example: "A: delta.reasoning · B: delta.content \"<think>…\"",
        breaks: "Clients show the thoughts as the answer.",
        remedy: "Switch the merging off in the gateway, or take the tags out.",
        evidence: "BerriAI/litellm#15233",
        ..row("gw-reasoning-to-think-tags", Severity::Warn)
    },
    Rule {
        means: "The upstream gave no usage; the gateway's is its own estimate.",
        example: "A: no usage · B: prompt_tokens 8, completion_tokens 1",
        breaks: "Bills and budgets rest on a guess.",
        remedy: "Ask for usage (stream_options.include_usage), and check that the upstream gives it.",
        evidence: "seen with LiteLLM 1.81.5, 1.85.0 and 1.106.2",
        ..row("gw-fabricated-usage", Severity::Warn)
    },
    Rule {
        means: "The upstream gave usage; behind the gateway there is none.",
        example: "A: usage 16/300 · B: none",
        breaks: "Costs are booked as 0.",
        remedy: "Ask the gateway for usage too.",
        evidence: "BerriAI/litellm#36114",
        ..row("gw-usage-dropped", Severity::Warn)
    },
    Rule {
        means: "Both give usage, with other counts.",
        example: "A: prompt_tokens 2852 · B: prompt_tokens 22",
        breaks: "Bills and budgets differ from the provider's.",
        remedy: "Trust the upstream's figures.",
        evidence: "BerriAI/litellm#36114",
        ..row("gw-usage-wrong", Severity::Warn)
    },
    Rule {
        means: "The answer's id changes from chunk to chunk behind the gateway.",
        example: "A: one id · B: a new id in every chunk",
        breaks: "Clients that merge by id make many messages of one.",
        remedy: "Merge by choice, not by id.",
        evidence: "BerriAI/litellm#32607, BerriAI/litellm#38098",
        ..row("gw-id-per-chunk", Severity::Warn)
    },
    Rule {
        means: "The gateway gave the answer an id of its own.",
        example: "A: chatcmpl-1 · B: chatcmpl-9f…",
        breaks: "The provider's support finds no such request.",
        remedy: "Quote the upstream's id; gateways log it.",
        evidence: "BerriAI/litellm#32607",
        ..row("gw-id-rewritten", Severity::Info)
    },
    Rule {
        means: "The reason why the answer ended is another behind the gateway.",
        example: "A: tool_calls · B: stop",
        breaks: "Agent loops go on, or end, at the wrong moment.",
        remedy: "Look at what came (a tool call), not at the word.",
        evidence: "ollama/ollama openai/openai.go FinishChunk",
        ..row("gw-finish-rewritten", Severity::Warn)
    },
    Rule {
        means: "The upstream's comments (keep-alives) do not come through.",
        example: "A: : keep-alive ×12 · B: none",
        breaks: "Idle timeouts further down cut long pauses.",
        remedy: "Let the gateway forward them or make its own; lengthen the timeouts.",
        evidence: "frontman-ai/frontman#731",
        ..row("gw-comment-stripped", Severity::Warn)
    },
    Rule {
        means: "The gateway collects the stream and hands it on in bursts.",
        example: "A: 40 frames in 40 reads · B: 40 frames in one",
        breaks: "Users wait for the whole answer.",
        remedy: "Switch buffering and compression off in the gateway and what stands before it.",
        evidence: "dstackai/dstack#4269, BerriAI/litellm#29557",
        ..row("gw-buffered", Severity::Warn)
    },
    Rule {
        means: "The two requests are not the same: a parameter of one is missing in the other.",
        example: "A: \"stream_options\" · B: none",
        breaks: "What follows from the parameter is missing too: usage, tools, reasoning.",
        remedy: "Send the same body both ways; for a gateway look at drop_params.",
        evidence: "seen with LiteLLM 1.81.5",
        ..row("gw-params-dropped", Severity::Warn)
    },
    Rule {
        means: "Two requests to one address are not the same: a member of the one is missing in the other. A retry left it out without a word.",
        example: "first: \"stream_options\":{…} · then: none",
        breaks: "What follows from the member is missing without an error: usage, tools, reasoning.",
        remedy: "Find out who edits the request (drop_params of LiteLLM takes out what a 422 names), and send only what the provider takes.",
        evidence: "seen with LiteLLM 1.81.5: a 422 that names a parameter, then the request without it",
        ..row("request-mutated", Severity::Warn)
    },
    Rule {
        means: "The very request that got a 422 was sent again, and got it again.",
        example: "POST … 422, then the same bytes: POST … 422",
        breaks: "LiteLLM with drop_params returns None after the second one, and its caller fails with a NoneType error.",
        remedy: "Read the 422's body and send the request without what it names; switch drop_params off to see the error.",
        evidence: "seen with LiteLLM 1.81.5, 1.85.0 and 1.105.0; BerriAI/litellm#32221",
        ..row("duplicate-request-after-422", Severity::Warn)
    },
    Rule {
        means: "Both failed, but the gateway tells another status, type or text.",
        example: "A: 422 · B: 500 {\"type\":\"None\"}",
        breaks: "Retries go wrong: a request that can never succeed looks like a passing fault.",
        remedy: "Read the upstream's error.",
        evidence: "seen with LiteLLM 1.81.5 and 1.106.2: 422 becomes 500",
        ..row("gw-error-rewrapped", Severity::Info)
    },
    Rule {
        means: "The reasoning comes in another field behind the gateway.",
        example: "A: delta.reasoning ×213 · B: delta.reasoning_content ×213",
        breaks: "A client that reads the one name sees nothing in the other.",
        remedy: "Read both names.",
        evidence: "azrtydxb/Fastllm-proxy#23; seen with LiteLLM 1.106.2",
        ..row("gw-reasoning-renamed", Severity::Info)
    },
    Rule {
        means: "The usage chunk has another shape: with a choice in it, or without.",
        example: "A: \"choices\":[] · B: \"choices\":[{\"index\":0,\"delta\":{}}]",
        breaks: "Clients that wait for the empty list miss the usage.",
        remedy: "Read usage wherever it stands.",
        evidence: "seen with LiteLLM 1.81.5 and 1.106.2",
        ..row("gw-usage-chunk-reshaped", Severity::Info)
    },
    Rule {
        means: "The gateway names another model than the upstream.",
        example: "A: gpt-4.1-mini-2025-04-14 · B: my-alias",
        breaks: "Logs and bills by model.",
        remedy: "Map aliases back.",
        evidence: "seen with LiteLLM 1.81.5 and 1.106.2",
        ..row("gw-model-rewritten", Severity::Info)
    },
    Rule {
        means: "The same text comes in other pieces.",
        example: "A: 40 deltas · B: 12",
        breaks: "Nobody who joins the pieces.",
        remedy: "None needed.",
        evidence: "dstackai/dstack#4269",
        ..row("gw-rechunked", Severity::Info)
    },
    Rule {
        means: "The gateway adds the role to chunks that had none.",
        example: "A: role ×1 · B: role ×40",
        breaks: "Clients that begin a message at every role.",
        remedy: "Begin a message once.",
        evidence: "seen with LiteLLM",
        ..row("gw-role-injected", Severity::Info)
    },
    Rule {
        means: "Members of the chunks are gone behind the gateway, with what stood in them.",
        example: "A: \"citations\":[\"https://…\"] · B: no citations",
        breaks: "Whoever reads them: sources, log probabilities, a provider's own figures.",
        remedy: "Ask directly where you need them, or look for a setting that hands unknown members on.",
        evidence: "seen with LiteLLM 1.106.2: citations",
        ..row("gw-fields-dropped", Severity::Info)
    },
    Rule {
        means: "Behind the gateway there are members that the upstream does not send.",
        example: "A: no model · B: \"model\":\"alias\" in every event",
        breaks: "Strict decoders that refuse what they don't know.",
        remedy: "None needed for a client that leaves unknown members alone.",
        evidence: "seen with LiteLLM 1.106.2: Responses, model in every event",
        ..row("gw-fields-added", Severity::Info)
    },
    Rule {
        means: "Whole types of events that the direct call has do not come through the gateway.",
        example: "A: response.created, response.output_item.added, … · B: response.output_text.delta, response.completed",
        breaks: "Clients that build the answer from its events: openai's helpers need response.created, Anthropic's need content_block_start.",
        remedy: "Look whether the gateway fakes the stream from a whole answer; tell it to hand the stream on, or go direct.",
        evidence: "seen with LiteLLM 1.81.5 and 1.106.2: Responses of a model that it does not know",
        ..row("gw-events-dropped", Severity::Warn)
    },
    Rule {
        means: "Members that were null are gone behind the gateway.",
        example: "A: \"finish_reason\":null · B: no finish_reason",
        breaks: "Strict decoders that require the member.",
        remedy: "Take a missing member for null.",
        evidence: "seen with LiteLLM 1.81.5",
        ..row("gw-null-stripped", Severity::Info)
    },
    Rule {
        means: "The members of a chunk stand in another order.",
        example: "A: id, object, created · B: id, created, model",
        breaks: "Parsers that cut JSON by position.",
        remedy: "None needed for a JSON parser.",
        evidence: "seen with LiteLLM",
        ..row("gw-key-order", Severity::Info)
    },
    Rule {
        means: "The gateway tried more than once before it answered.",
        example: "B: x-litellm-attempted-retries: 2",
        breaks: "Latency and cost that nobody sees.",
        remedy: "Set the gateway's retries to 0 while you debug.",
        evidence: "seen with LiteLLM",
        ..row("gw-retry-hidden", Severity::Info)
    },
    Rule {
        means: "The two calls came to another end: one failed, was cut or answered with another status.",
        example: "A: complete, finish \"stop\" · B: status 500",
        breaks: "Whoever depends on the one that failed.",
        remedy: "Begin with the findings of the one that failed.",
        ..row("ends-differ", Severity::Error)
    },
    Rule {
        means: "Two answers of their own (two models, two providers) are of another kind: a channel that only one has or that comes by other members, another finish, usage at another place, one that streams and one that comes in lumps. What they say is not compared.",
        example: "A: delta.reasoning ×42 · B: delta.reasoning_content ×42",
        breaks: "A client that was written for the one misses a part of the other.",
        remedy: "Read the members of both; --same compares word for word.",
        evidence: "vllm-project/vllm#27755",
        ..row("kinds-differ", Severity::Info)
    },
    Rule {
        means: "The bytes of the two bodies differ, where nothing that has a name explains it.",
        example: "A: …\"content\":\"a\"… · B: …\"content\":\"b\"…",
        breaks: "Depends on the bytes.",
        remedy: "Look at the first differing frame on both sides.",
        ..row("bytes-differ", Severity::Info)
    },
    Rule {
        means: "Behind the gateway there is a content type, or a status among the good ones, that differs.",
        example: "A: text/event-stream · B: application/json",
        breaks: "Clients that choose their parser by it.",
        remedy: "Forward the upstream's.",
        ..row("heads-differ", Severity::Info)
    },
    Rule {
        means: "The tool calls differ: in number, name or arguments.",
        example: "A: get_weather({\"city\":\"Paris\"}) · B: get_weather({})",
        breaks: "Agents call the wrong thing.",
        remedy: "Compare the pieces of the arguments on both sides.",
        ..row("gw-tools-changed", Severity::Error)
    },
];

/// What a difference is, as a part of a sentence that names several.
pub(super) fn brief(code: &'static str) -> &'static str {
    BRIEF.iter().find(|row| row.0 == code).map_or(code, |row| row.1)
}

const BRIEF: &[(&str, &str)] = &[
    ("gw-fabricated-finish", "its end is made up"),
    ("gw-error-swallowed", "an error is swallowed"),
    ("gw-error-unframed", "an error stands outside of the events"),
    ("gw-event-name-stripped", "the event names are gone"),
    ("gw-guardrail-emptied", "only [DONE] comes"),
    ("gw-tool-index-collapsed", "tool calls share an index"),
    ("ollama-v1-error-erased", "an error is erased"),
    ("gw-content-changed", "text is lost or changed"),
    ("gw-fallback-spliced", "a second answer begins inside of the first"),
    ("gw-reasoning-dropped", "reasoning is lost"),
    ("gw-reasoning-to-think-tags", "reasoning comes as <think> tags"),
    ("gw-fabricated-usage", "its usage is made up"),
    ("gw-usage-dropped", "the usage is lost"),
    ("gw-usage-wrong", "the usage differs"),
    ("gw-id-per-chunk", "the id changes from chunk to chunk"),
    ("gw-id-rewritten", "another id"),
    ("gw-finish-rewritten", "another finish"),
    ("gw-comment-stripped", "comments are not handed on"),
    ("gw-buffered", "it comes in bursts"),
    ("gw-params-dropped", "the requests differ"),
    ("request-mutated", "the requests differ"),
    ("duplicate-request-after-422", "a refused request was sent again"),
    ("gw-error-rewrapped", "the error is told otherwise"),
    ("gw-reasoning-renamed", "the reasoning in another field"),
    ("gw-usage-chunk-reshaped", "another shape of the usage chunk"),
    ("gw-model-rewritten", "another name of the model"),
    ("gw-rechunked", "the text in other pieces"),
    ("gw-role-injected", "more roles"),
    ("gw-fields-dropped", "missing members"),
    ("gw-fields-added", "more members"),
    ("gw-events-dropped", "events are missing"),
    ("gw-null-stripped", "no null members"),
    ("gw-key-order", "another order of the members"),
    ("gw-retry-hidden", "more than one try"),
    ("ends-differ", "the ends differ"),
    ("kinds-differ", "another kind of answer"),
    ("bytes-differ", "other bytes"),
    ("heads-differ", "another head"),
    ("gw-tools-changed", "the tool calls differ"),
];
