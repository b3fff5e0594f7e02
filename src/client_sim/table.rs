//! The clients, one row each. What a row says was measured: `tests/lens/run.sh` plays every scenario
//! of the lab to the real clients, and `tests/lens/expected.json` has what they gave.

use super::sse::{Dispatch, Rules};

/// One client, and how it reads.
#[derive(Debug)]
pub struct Lens {
    /// Its name in options and output.
    pub name: &'static str,
    /// The version that was measured.
    pub version: &'static str,
    /// What counts as given to its caller.
    pub gives: &'static str,
    /// The dialect that it speaks.
    pub dialect: &'static str,
    /// The address of whoever reported, or of the code that was read.
    pub evidence: &'static str,
    pub(super) sse: Rules,
    pub(super) done: Done,
    pub(super) junk: Junk,
    /// `NaN` and its like are numbers to its JSON reader.
    pub(super) reads_nan: bool,
    /// The members of a delta that it reads as reasoning; the first that is there counts.
    pub(super) reasoning: &'static [&'static str],
    /// It reads every choice, or only the first of a chunk.
    pub(super) all_choices: bool,
    pub(super) cut: Cut,
    pub(super) family: Family,
}

impl Lens {
    /// Its name with its version.
    pub fn title(&self) -> String {
        if self.name.contains(self.version) {
            self.name.to_owned()
        } else {
            format!("{} {}", self.name, self.version)
        }
    }
}

/// What `[DONE]` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Done {
    /// Data that begins so ends the stream.
    Ends,
    /// Data that is exactly so is passed over; what follows is read.
    PassedOver,
    /// It is nothing special.
    Unknown,
}

/// What a payload does that is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Junk {
    /// Ends the stream with an error of this class.
    Raises(&'static str),
    /// Is reported, and the stream goes on.
    Reported,
}

/// What a body does that is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// An error of this class and words.
    Raises(&'static str, &'static str),
    /// The same, but behind `[DONE]` too; and with `Connection: close` a body that is cut counts
    /// as whole.
    Fetch(&'static str, &'static str),
    /// Nothing: it counts as an end.
    Ends,
}

/// Whose ways it has where these are more than a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    OpenAiPython,
    OpenAiNode,
    VercelAi,
    LangChain,
    LiteLlm {
        /// What stands before the words of an error inside the stream.
        wrap: &'static str,
        /// `litellm.drop_params` is set.
        drop_params: bool,
        /// Reasoning that is no string ends in an error when the chunks are put together.
        odd_reasoning_raises: bool,
    },
    Anthropic,
}

const PYTHON: Rules =
    Rules { bom_hides_line: true, strict_utf8: true, dispatch: Dispatch::AnyField };

const OPENAI_PYTHON: Lens = Lens {
    name: "openai-python",
    version: "3.52.0",
    gives: "the chunks' typed members; what the types do not name is in `model_extra`",
    dialect: "openai-chat",
    evidence: "src openai/openai-python src/openai/_streaming.py",
    sse: PYTHON,
    done: Done::Ends,
    junk: Junk::Raises("JSONDecodeError"),
    reads_nan: true,
    reasoning: &[],
    all_choices: true,
    cut: Cut::Raises("APIConnectionError", "Connection error."),
    family: Family::OpenAiPython,
};

const LITELLM_OLD: Lens = Lens {
    name: "litellm-1.81.5",
    version: "1.81.5",
    gives: "the chunks of `acompletion(stream=True)`, reasoning as `reasoning_content`",
    evidence: "src BerriAI/litellm litellm_core_utils/streaming_handler.py, llms/openai/openai.py",
    reasoning: &["reasoning_content"],
    cut: Cut::Ends,
    family: Family::LiteLlm {
        wrap: "litellm.ServiceUnavailableError: litellm.MidStreamFallbackError: \
               litellm.APIConnectionError: APIConnectionError: OpenAIException - ",
        drop_params: false,
        odd_reasoning_raises: true,
    },
    ..OPENAI_PYTHON
};

const LITELLM_NEW: Lens = Lens {
    name: "litellm",
    version: "1.106.2",
    reasoning: &["reasoning_content", "reasoning"],
    cut: Cut::Raises("MidStreamFallbackError", "Response payload is not completed"),
    family: Family::LiteLlm {
        wrap: "litellm.MidStreamFallbackError: litellm.APIConnectionError: \
               APIConnectionError: OpenAIException - ",
        drop_params: false,
        odd_reasoning_raises: false,
    },
    ..LITELLM_OLD
};

const fn dropping(lens: Lens, name: &'static str) -> Lens {
    let family = match lens.family {
        Family::LiteLlm { wrap, odd_reasoning_raises, .. } => {
            Family::LiteLlm { wrap, drop_params: true, odd_reasoning_raises }
        }
        other => other,
    };
    Lens { name, family, ..lens }
}

const OPENAI_NODE: Lens = Lens {
    name: "openai-node",
    version: "6.49.0",
    gives: "the members that its types name; the objects carry the others too",
    evidence: "src openai/openai-node src/core/streaming.ts",
    sse: Rules { bom_hides_line: false, strict_utf8: false, dispatch: Dispatch::DataOrEvent },
    junk: Junk::Raises("SyntaxError"),
    reads_nan: false,
    cut: Cut::Fetch("TypeError", "terminated"),
    family: Family::OpenAiNode,
    ..OPENAI_PYTHON
};

/// Every client, in the order of the switch and of `--lens all`.
pub const LENSES: &[Lens] = &[
    OPENAI_PYTHON,
    LITELLM_OLD,
    dropping(LITELLM_OLD, "litellm-1.81.5+drop_params"),
    LITELLM_NEW,
    dropping(LITELLM_NEW, "litellm+drop_params"),
    Lens {
        name: "langchain-openai",
        version: "1.7.3",
        gives: "the message chunks of `ChatOpenAI.astream`",
        evidence: "src langchain-ai/langchain libs/partners/openai chat_models/base.py",
        all_choices: false,
        cut: Cut::Raises("OpenAIConnectionError", "Connection error."),
        family: Family::LangChain,
        ..OPENAI_PYTHON
    },
    OPENAI_NODE,
    Lens {
        name: "ai",
        version: "6.0.326",
        gives: "the parts of `streamText().fullStream`, over @ai-sdk/openai-compatible 2.0.87",
        evidence: "src vercel/ai packages/openai-compatible/src/chat",
        sse: Rules { dispatch: Dispatch::Data, ..OPENAI_NODE.sse },
        done: Done::PassedOver,
        junk: Junk::Reported,
        reasoning: &["reasoning_content", "reasoning"],
        all_choices: false,
        cut: Cut::Fetch("AI_APICallError", "Failed to process successful response"),
        family: Family::VercelAi,
        ..OPENAI_NODE
    },
    Lens {
        name: "anthropic-python",
        version: "2.11.0",
        gives: "the events of `messages.create(stream=True)`",
        dialect: "anthropic",
        evidence: "src anthropics/anthropic-sdk-python src/anthropic/_streaming.py",
        done: Done::Unknown,
        reasoning: &["thinking"],
        cut: Cut::Raises("APIConnectionError", "Connection error."),
        family: Family::Anthropic,
        ..OPENAI_PYTHON
    },
];

/// The client of that name.
pub fn find(name: &str) -> Option<&'static Lens> {
    LENSES.iter().find(|l| l.name == name)
}
