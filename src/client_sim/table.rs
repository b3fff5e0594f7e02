//! The clients, one row each. What a row says was measured: `tests/client_sim/run.sh` asks the real clients
//! for every scenario of the lab and for the bodies in `tests/client_sim`, and `tests/client_sim/expected.json`
//! has what they returned.

use super::client::{Client, DoneHandling, Family, Junk, Truncation};
use super::sdk;
use super::sse::{Dispatch, SseRules};
use super::{
    EventTransport, ai_gemini, ai_messages, ai_responses, botocore, chat, chat_node, chat_python,
    codex, cohere, gemini, litellm_messages, litellm_responses, messages, messages_node,
    messages_python, mistral, responses, responses_node, responses_python,
};
use crate::inspect::Standing;

const PYTHON: SseRules =
    SseRules { bom_hides_line: true, strict_utf8: true, dispatch: Dispatch::AnyField };

const OPENAI_PYTHON: Client = Client {
    name: "openai-python",
    version: "3.57.0",
    gives: "the chunks' typed members; what the types do not name is in `model_extra`",
    dialect: "openai-chat",
    transports: &[EventTransport::Sse],
    evidence: "src openai/openai-python src/openai/_streaming.py",
    sse: PYTHON,
    done: DoneHandling::Ends,
    junk: Junk::Raises("JSONDecodeError"),
    reads_nan: true,
    reasoning: &[],
    all_choices: true,
    cut: Truncation::Raises("APIConnectionError", "Connection error."),
    family: Family::OpenAiPython,
    standing: Standing::Official,
    reader: chat::chunks,
};

const LITELLM_OLD: Client = Client {
    standing: Standing::Other,
    name: "litellm-1.81.5",
    version: "1.81.5",
    gives: "the chunks of `acompletion(stream=True)`, reasoning as `reasoning_content`",
    evidence: "src BerriAI/litellm litellm_core_utils/streaming_handler.py, llms/openai/openai.py",
    reasoning: &["reasoning_content"],
    cut: Truncation::Ends,
    family: Family::LiteLlm {
        wrap: "litellm.ServiceUnavailableError: litellm.MidStreamFallbackError: \
               litellm.APIConnectionError: APIConnectionError: OpenAIException - ",
        drop_params: false,
        unknown_is_stop: false,
        odd_reasoning_raises: true,
    },
    ..OPENAI_PYTHON
};

const LITELLM_NEW: Client = Client {
    name: "litellm",
    version: "1.106.2",
    reasoning: &["reasoning_content", "reasoning"],
    cut: Truncation::Raises("MidStreamFallbackError", "Response payload is not completed"),
    family: Family::LiteLlm {
        wrap: "litellm.MidStreamFallbackError: litellm.APIConnectionError: \
               APIConnectionError: OpenAIException - ",
        drop_params: false,
        unknown_is_stop: true,
        odd_reasoning_raises: false,
    },
    ..LITELLM_OLD
};

const LITELLM_MESSAGES: Client = Client {
    gives: "the chunks of `acompletion(stream=True)` of an `anthropic/` model",
    dialect: "anthropic",
    evidence: "src BerriAI/litellm litellm/llms/anthropic/chat/handler.py",
    sse: SseRules { bom_hides_line: true, strict_utf8: false, dispatch: Dispatch::Line },
    done: DoneHandling::Unknown,
    cut: Truncation::Raises(
        "MidStreamFallbackError",
        "APIConnectionError: AnthropicException - Response payload is not completed",
    ),
    family: Family::LiteLlm {
        wrap: "litellm.MidStreamFallbackError: litellm.",
        drop_params: false,
        unknown_is_stop: true,
        odd_reasoning_raises: false,
    },
    reader: litellm_messages::reader,
    ..LITELLM_NEW
};

const LITELLM_RESPONSES: Client = Client {
    gives: "the chunks of `acompletion(stream=True)` of an `openai/responses/` model",
    dialect: "openai-responses",
    evidence: "src BerriAI/litellm litellm/responses/streaming_iterator.py, \
               litellm/completion_extras/litellm_responses_transformation/transformation.py",
    junk: Junk::PassedOver,
    reader: litellm_responses::reader,
    ..LITELLM_NEW
};

const fn dropping(client: Client, name: &'static str) -> Client {
    let family = match client.family {
        Family::LiteLlm { wrap, unknown_is_stop, odd_reasoning_raises, .. } => {
            Family::LiteLlm { wrap, drop_params: true, unknown_is_stop, odd_reasoning_raises }
        }
        other => other,
    };
    Client { name, family, ..client }
}

const OPENAI_NODE: Client = Client {
    name: "openai-node",
    version: "6.49.0",
    gives: "the members that its types name; the objects carry the others too",
    evidence: "src openai/openai-node src/core/streaming.ts",
    sse: SseRules { bom_hides_line: false, strict_utf8: false, dispatch: Dispatch::DataOrEvent },
    junk: Junk::Raises("SyntaxError"),
    reads_nan: false,
    cut: Truncation::Fetch("TypeError", "terminated"),
    family: Family::OpenAiNode,
    ..OPENAI_PYTHON
};

const AI: Client = Client {
    name: "ai",
    version: "6.0.326",
    gives: "the parts of `streamText().fullStream`, over @ai-sdk/openai-compatible 2.0.87",
    evidence: "src vercel/ai packages/openai-compatible/src/chat",
    standing: Standing::Other,
    sse: SseRules { dispatch: Dispatch::Data, ..OPENAI_NODE.sse },
    done: DoneHandling::PassedOver,
    junk: Junk::Reported,
    reasoning: &["reasoning_content", "reasoning"],
    all_choices: false,
    cut: Truncation::Fetch("AI_APICallError", "Failed to process successful response"),
    family: Family::VercelAi,
    ..OPENAI_NODE
};

const AI_MESSAGES: Client = Client {
    gives: "the parts of `streamText().fullStream`, over @ai-sdk/anthropic 3.0.140",
    dialect: "anthropic",
    evidence: "src vercel/ai packages/anthropic/src/anthropic-messages-language-model.ts",
    reasoning: &["thinking"],
    reader: ai_messages::reader,
    ..AI
};

const AI_GEMINI: Client = Client {
    gives: "the parts of `streamText().fullStream`, over @ai-sdk/google 3.0.141",
    dialect: "gemini",
    evidence: "src vercel/ai packages/google/src/google-generative-ai-language-model.ts",
    reader: ai_gemini::reader,
    ..AI
};

const AI_RESPONSES: Client = Client {
    gives: "the parts of `streamText().fullStream`, over @ai-sdk/openai 3.0.141",
    dialect: "openai-responses",
    evidence: "src vercel/ai packages/openai/src/responses/openai-responses-language-model.ts",
    reader: ai_responses::reader,
    ..AI
};

const CODEX: Client = Client {
    name: "codex",
    version: "0.171.0",
    gives: "what a turn of `codex exec --json` completes: messages, thoughts, calls",
    dialect: "openai-responses",
    evidence: "src openai/codex codex-rs/codex-api/src/sse/responses.rs",
    standing: Standing::Other,
    sse: SseRules { dispatch: Dispatch::Data, ..OPENAI_NODE.sse },
    done: DoneHandling::PassedOver,
    junk: Junk::PassedOver,
    reads_nan: false,
    reasoning: &[],
    all_choices: false,
    cut: Truncation::Raises(codex::FAILED, codex::DISCONNECTED),
    family: Family::Codex,
    reader: codex::reader,
    ..OPENAI_PYTHON
};

const RESPONSES_PYTHON: Client = Client {
    gives: "the events of `responses.create(stream=True)`",
    dialect: "openai-responses",
    reader: || sdk::plain(&chat::GATE, responses::deliver),
    ..OPENAI_PYTHON
};

const RESPONSES_NODE: Client = Client {
    gives: "the events of `responses.create({ stream: true })`",
    dialect: "openai-responses",
    reader: || sdk::plain(&chat::GATE, responses::deliver),
    ..OPENAI_NODE
};

const ANTHROPIC_PYTHON: Client = Client {
    name: "anthropic-python",
    version: "2.14.0",
    gives: "the events of `messages.create(stream=True)`",
    dialect: "anthropic",
    evidence: "src anthropics/anthropic-sdk-python src/anthropic/_streaming.py",
    done: DoneHandling::Unknown,
    reasoning: &["thinking"],
    cut: Truncation::Httpx,
    family: Family::Anthropic,
    reader: || sdk::plain(&messages::GATE, messages::deliver),
    ..OPENAI_PYTHON
};

const ANTHROPIC_NODE: Client = Client {
    name: "anthropic-typescript",
    version: "1.14.0",
    gives: "the events of `messages.create({ stream: true })`",
    evidence: "src anthropics/anthropic-sdk-typescript src/core/streaming.ts",
    sse: OPENAI_NODE.sse,
    junk: Junk::Raises("SyntaxError"),
    reads_nan: false,
    cut: Truncation::Fetch("TypeError", "terminated"),
    family: Family::AnthropicNode,
    ..ANTHROPIC_PYTHON
};

/// The clients of OpenAI Chat.
const CHAT: &[Client] = &[
    OPENAI_PYTHON,
    Client {
        name: "openai-python.stream",
        gives: "the final completion of `chat.completions.stream()`",
        evidence: "src openai/openai-python src/openai/lib/streaming/chat/_completions.py",
        standing: Standing::Helper,
        reader: || {
            sdk::helper(&chat::GATE, chat::deliver, Box::<chat_python::PythonChatStream>::default())
        },
        ..OPENAI_PYTHON
    },
    LITELLM_OLD,
    dropping(LITELLM_OLD, "litellm-1.81.5+drop_params"),
    LITELLM_NEW,
    dropping(LITELLM_NEW, "litellm+drop_params"),
    Client {
        name: "langchain-openai",
        version: "1.7.3",
        gives: "the message chunks of `ChatOpenAI.astream`",
        evidence: "src langchain-ai/langchain libs/partners/openai chat_models/base.py",
        standing: Standing::Other,
        all_choices: false,
        cut: Truncation::Raises("OpenAIConnectionError", "Connection error."),
        family: Family::LangChain,
        ..OPENAI_PYTHON
    },
    OPENAI_NODE,
    Client {
        name: "openai-node.stream",
        gives: "the final completion of `chat.completions.stream()`",
        evidence: "src openai/openai-node src/lib/ChatCompletionStream.ts",
        standing: Standing::Helper,
        reader: || {
            sdk::helper(&chat::GATE, chat::deliver, Box::<chat_node::NodeChatStream>::default())
        },
        ..OPENAI_NODE
    },
    AI,
];

/// The clients of OpenAI Responses.
const RESPONSES: &[Client] = &[
    RESPONSES_PYTHON,
    Client {
        name: "openai-python.stream",
        gives: "the final response of `responses.stream()`",
        evidence: "src openai/openai-python src/openai/lib/streaming/responses/_responses.py",
        standing: Standing::Helper,
        reader: || {
            let helper = Box::<responses_python::PythonResponseStream>::default();
            sdk::helper(&chat::GATE, responses::deliver, helper)
        },
        ..RESPONSES_PYTHON
    },
    RESPONSES_NODE,
    Client {
        name: "openai-node.stream",
        gives: "the final response of `responses.stream()`",
        evidence: "src openai/openai-node src/lib/responses/ResponseAccumulator.ts",
        standing: Standing::Helper,
        reader: || {
            let helper = Box::<responses_node::NodeResponseStream>::default();
            sdk::helper(&chat::GATE, responses::deliver, helper)
        },
        ..RESPONSES_NODE
    },
    AI_RESPONSES,
    LITELLM_RESPONSES,
    CODEX,
];

/// The clients of Anthropic Messages.
const ANTHROPIC: &[Client] = &[
    ANTHROPIC_PYTHON,
    Client {
        name: "anthropic-python.stream",
        gives: "the final message of `messages.stream()`",
        evidence: "src anthropics/anthropic-sdk-python src/anthropic/lib/streaming/_messages.py",
        standing: Standing::Helper,
        reader: || {
            let helper = Box::<messages_python::PythonMessageStream>::default();
            sdk::helper(&messages::GATE, messages::deliver, helper)
        },
        ..ANTHROPIC_PYTHON
    },
    ANTHROPIC_NODE,
    Client {
        name: "anthropic-typescript.stream",
        gives: "the final message of `messages.stream()`",
        evidence: "src anthropics/anthropic-sdk-typescript src/lib/MessageStream.ts",
        standing: Standing::Helper,
        reader: || {
            let helper = Box::<messages_node::NodeMessageStream>::default();
            sdk::helper(&messages::GATE, messages::deliver, helper)
        },
        ..ANTHROPIC_NODE
    },
    AI_MESSAGES,
    LITELLM_MESSAGES,
];

/// Gemini's own SDK.
const GOOGLE_GENAI: Client = Client {
    name: "google-genai",
    version: "3.6.1",
    gives: "the chunks of `generate_content_stream`",
    dialect: "gemini",
    evidence: "src googleapis/python-genai google/genai/_api_client.py",
    sse: SseRules { bom_hides_line: true, strict_utf8: false, dispatch: Dispatch::DataOrJson },
    done: DoneHandling::Unknown,
    junk: Junk::Raises("UnknownApiResponseError"),
    cut: Truncation::Httpx,
    family: Family::GoogleGenAi,
    reader: gemini::reader,
    ..OPENAI_PYTHON
};

/// The clients of Gemini.
const GEMINI: &[Client] = &[
    GOOGLE_GENAI,
    Client {
        name: "google-genai.chat",
        gives: "the chunks of a chat's `send_message_stream`",
        evidence: "src googleapis/python-genai google/genai/chats.py",
        ..GOOGLE_GENAI
    },
    AI_GEMINI,
];

/// The clients of Bedrock's Converse.
const BEDROCK: &[Client] = &[Client {
    name: "botocore",
    version: "1.44.8",
    gives: "the events of `converse_stream`",
    dialect: "bedrock-converse",
    transports: &[EventTransport::EventStream],
    evidence: "src boto/botocore botocore/eventstream.py, botocore/parsers.py",
    sse: SseRules { dispatch: Dispatch::Message, ..GOOGLE_GENAI.sse },
    cut: Truncation::Urllib3,
    family: Family::Botocore,
    reader: botocore::reader,
    ..GOOGLE_GENAI
}];

/// The clients of Cohere.
const COHERE: &[Client] = &[Client {
    name: "cohere",
    version: "7.3.1",
    gives: "the events of `chat_stream`",
    dialect: "cohere-v2",
    evidence: "src cohere-ai/cohere-python src/cohere/v2/raw_client.py",
    sse: SseRules { dispatch: Dispatch::Data, ..GOOGLE_GENAI.sse },
    junk: Junk::PassedOver,
    cut: Truncation::Httpx,
    family: Family::Cohere,
    reader: cohere::reader,
    ..GOOGLE_GENAI
}];

/// The clients of Mistral.
const MISTRAL: &[Client] = &[Client {
    name: "mistralai",
    version: "3.7.0",
    gives: "the chunks of `chat.stream`",
    dialect: "mistral",
    evidence: "src mistralai/client-python src/mistralai/client/utils/eventstreaming.py",
    sse: SseRules { bom_hides_line: false, strict_utf8: true, dispatch: Dispatch::DataOrEnd },
    cut: Truncation::Httpx,
    family: Family::MistralAi,
    reader: mistral::reader,
    ..GOOGLE_GENAI
}];

/// The families, in the order of the switch and of `--lens all`.
const FAMILIES: &[&[Client]] = &[CHAT, RESPONSES, ANTHROPIC, GEMINI, BEDROCK, COHERE, MISTRAL];

/// Returns every client, once for each dialect that it speaks.
pub fn clients() -> impl Iterator<Item = &'static Client> + Clone {
    FAMILIES.iter().copied().flatten()
}

/// Returns the rows of the client of that name: one for each dialect.
pub fn find(name: &str) -> impl Iterator<Item = &'static Client> + Clone {
    clients().filter(move |client| client.name == name)
}
