//! Scenarios: what the lab can play, read from `assets/scenarios/NAME.toml`.
//!
//! # The file
//!
//! ```toml
//! about = "one line: what it sends"
//! findings = ["code", "code"]     # what sselens reports (see Scenario::findings)
//! needs = '{"tool_choice":"auto"}' # optional: body members without which the fault doesn't show
//!
//! dialects = ["anthropic"]        # optional; without, what the steps allow (see `plays`)
//!
//! [[answer]]                      # one or more; the first whose `when` holds is played
//! when = { key = "tool_choice", is = "auto", body_over = 50000, chance = 0.3 }
//!                                 # optional; all that are given must hold: a member of the request
//!                                 # (there, or equal to a string), a body longer than so many bytes, a coin,
//!                                 # a part of the path (`path = "/moved/"`)
//! status = 200                    # and `reason = "OK"`
//! headers = { retry-after = "20" } # replace or add to the lab's own; "" leaves one out
//! head = "HTTP/1.1 200 OK"        # the exact bytes of the head instead; "" = none (framing: "eof")
//! head_after = 25                 # ms from the request to the head
//! late_head = true                # the head travels in one write with the first bytes of the body
//! framing = "chunked"             # | "length" | "eof": how the body's end is marked
//! length = 5000                   # with "length": this number instead of the true one
//! coding = "gzip"                 # really compress the body, and say so
//! writes = "each"                 # | "together": one write at the end | "halves" | "mid-character":
//!                                 # frames, or characters beyond ASCII, are cut between two writes
//! buffer = 16384                  # with "together": one write whenever so many bytes are gathered
//! gap = [20, 40]                  # ms before each frame, drawn from the range; or a number
//! prefix = "data: "               # what stands before and after the data of a frame
//! end = "\n\n"
//! set = '{"id":"other"}'          # top-level members to set in every JSON frame
//! usage = "every"                 # running usage in every frame
//! error = { message = "…" }       # a whole answer instead of steps: an error as the dialect has it (members: see
//!                                 # the step of this name)
//! body = '{"error":…}'            # a whole answer, as it is (JSON with a length, by default)
//! steps = [ … ]
//! ```
//!
//! A step is a table with exactly one verb (see `step`); `choice`, `prefix`, `end`, `set` and `gap` may appear
//! beside it. In `raw`, `data`, `delta`, `set`, `body` and `wire`, `$ID`, `$MODEL`, `$CREATED` and `$SEQ` (the
//! number of the frame) are filled in, and `\xHH` in a 'literal' string is one byte.

use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use serde::Deserialize;
use toml::Spanned;

use super::step::{ErrorBody, Gap, RawStep, ScenarioStep, is_object};

/// One thing that the lab can play.
#[derive(Debug)]
pub struct Scenario {
    /// Its name, which is that of its file. The model `lab/NAME` plays it.
    pub name: String,
    /// One line: what it sends.
    pub about: String,
    /// The codes of the findings that it shows, for a request with
    /// `stream: true`, [`needs`](Self::needs) and nothing else out of the
    /// ordinary, in particular without `stream_options`.
    pub findings: Vec<String>,
    /// Members that the request's body must have for the fault to show, as the
    /// text of a JSON object.
    pub needs: Option<String>,
    /// The dialects that it was written for; empty: whatever its steps allow.
    pub(super) only: Vec<String>,
    pub(super) answers: Vec<ScenarioAnswer>,
}

/// All scenarios, sorted by name.
pub fn scenarios() -> &'static [Scenario] {
    static ALL: LazyLock<Vec<Scenario>> = LazyLock::new(|| {
        // A file that doesn't parse fails a test, and is left out here rather
        // than taking the program down.
        let parsed = FILES.iter().map(|(name, _, text)| Scenario::parse(name, text));
        parsed.filter_map(Result::ok).collect()
    });
    &ALL
}

/// Name and `about` of all scenarios, sorted by name. A list is wanted at every start of the
/// screen, and reading all files to the end would take longer than all the rest of it.
pub fn abouts() -> impl Iterator<Item = (&'static str, &'static str)> {
    FILES.iter().map(|(name, about, _)| (*name, *about))
}

/// The scenario of a model's name: `hello`, `lab/hello`, `any/prefix/lab/hello`, or `lab-hello` for
/// clients that take no slash. Ollama's clients append a tag: `lab-hello:latest`.
pub fn find(model: &str) -> Option<&'static Scenario> {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.strip_suffix(":latest").unwrap_or(name);
    // Each file is read when it is asked for: a request plays one of them.
    static READ: LazyLock<Vec<OnceLock<Option<Scenario>>>> =
        LazyLock::new(|| FILES.iter().map(|_| OnceLock::new()).collect());
    let named = |name: &str| {
        let at = FILES.binary_search_by(|file| file.0.cmp(name)).ok()?;
        let (name, _, text) = FILES.get(at)?;
        READ.get(at)?.get_or_init(|| Scenario::parse(name, text).ok()).as_ref()
    };
    named(name).or_else(|| named(name.strip_prefix("lab-")?))
}

/// Name, `about` and text of every file in `assets/scenarios`, sorted; see `build.rs`.
static FILES: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/scenarios.rs"));

/// Reason that a scenario's file can't be used.
#[derive(Debug, thiserror::Error)]
#[error("assets/scenarios/{name}.toml:{line}: {message}")]
pub(super) struct ScenarioError {
    name: String,
    line: usize,
    message: String,
}

/// One answer of a scenario: a head and what is played after it.
#[derive(Debug)]
pub(super) struct ScenarioAnswer {
    pub(super) when: When,
    pub(super) status: u16,
    pub(super) reason: Option<String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) head: Option<String>,
    pub(super) head_after: u32,
    pub(super) late_head: bool,
    pub(super) framing: ScenarioFraming,
    pub(super) length: Option<u64>,
    pub(super) coding: Option<Coding>,
    pub(super) writes: Writes,
    pub(super) buffer: Option<usize>,
    pub(super) gap: Gap,
    pub(super) prefix: Option<String>,
    pub(super) end: Option<String>,
    pub(super) set: Option<String>,
    pub(super) usage: UsageMode,
    pub(super) content: Content,
}

/// The content of an answer.
#[derive(Debug)]
pub(super) enum Content {
    /// One whole body.
    Body(String),
    /// One whole body: this error.
    Error(ErrorBody),
    /// A stream.
    Steps(Vec<ScenarioStep>),
}

/// The conditions on a request under which an answer is sent.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    /// A top-level member that the request must have (other than `null`) …
    pub(super) key: Option<String>,
    /// … with this string as its value.
    pub(super) is: Option<String>,
    /// A part of the request's path.
    pub(super) path: Option<String>,
    /// Only bodies longer than so many bytes.
    pub(super) body_over: Option<usize>,
    /// Only now and then, with this probability.
    pub(super) chance: Option<f64>,
}

/// The way the end of the body is marked.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ScenarioFraming {
    #[default]
    Chunked,
    Length,
    Eof,
}

/// A content coding that is really applied.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Coding {
    Gzip,
}

/// The way frames are spread over writes.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Writes {
    #[default]
    Each,
    Together,
    Halves,
    MidCharacter,
}

/// The frames that carry usage by themselves.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum UsageMode {
    /// Only the `usage` steps.
    #[default]
    Steps,
    /// All, counting up.
    Every,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScenario {
    about: String,
    findings: Vec<String>,
    needs: Option<String>,
    #[serde(default)]
    dialects: Vec<String>,
    answer: Vec<Spanned<RawAnswer>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnswer {
    #[serde(default)]
    when: When,
    status: Option<u16>,
    reason: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    head: Option<String>,
    head_after: Option<u32>,
    #[serde(default)]
    late_head: bool,
    framing: Option<ScenarioFraming>,
    length: Option<u64>,
    coding: Option<Coding>,
    #[serde(default)]
    writes: Writes,
    buffer: Option<usize>,
    #[serde(default)]
    gap: Gap,
    prefix: Option<String>,
    end: Option<String>,
    set: Option<String>,
    #[serde(default)]
    usage: UsageMode,
    body: Option<String>,
    error: Option<ErrorBody>,
    #[serde(default)]
    steps: Vec<Spanned<RawStep>>,
}

impl Scenario {
    /// Reads one file; `name` is its name without the extension.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, ScenarioError> {
        let fault = |at: usize, message: String| ScenarioError {
            name: name.to_owned(),
            line: line_of(text, at),
            message,
        };
        let raw: RawScenario = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            fault(at, error.message().to_owned())
        })?;
        if raw.about.is_empty() || raw.about.contains('\n') {
            return Err(fault(0, "`about` must be one line".to_owned()));
        }
        if raw.needs.as_deref().is_some_and(|it| !is_object(it)) {
            return Err(fault(0, "`needs` must be a JSON object".to_owned()));
        }
        let known = super::speaker::dialects();
        if let Some(name) = raw.dialects.iter().find(|it| !known.contains(&it.as_str())) {
            return Err(fault(0, format!("the lab speaks no dialect {name:?}")));
        }
        let mut answers = Vec::new();
        for answer in raw.answer {
            let at = answer.span().start;
            answers.push(ScenarioAnswer::new(answer.into_inner(), at, &fault)?);
        }
        // The last answer accepts every request that the others left.
        if !answers.last().is_some_and(|answer| answer.when.always()) {
            return Err(fault(0, "the last `answer` must have no `when`".to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            about: raw.about,
            findings: raw.findings,
            needs: raw.needs,
            only: raw.dialects,
            answers,
        })
    }
}

impl When {
    fn always(&self) -> bool {
        let Self { key, is: _, path, body_over, chance } = self;
        key.is_none() && path.is_none() && body_over.is_none() && chance.is_none()
    }
}

impl RawAnswer {
    /// Returns the framing of the body, if what is said about it is consistent.
    fn checked_framing(&self) -> Result<ScenarioFraming, &'static str> {
        if self.when.is.is_some() && self.when.key.is_none() {
            return Err("`when.is` needs a `when.key`");
        }
        let contents = [self.body.is_some(), self.error.is_some(), !self.steps.is_empty()];
        if contents.into_iter().filter(|given| *given).count() > 1 {
            return Err("`body`, `error` and `steps` exclude each other");
        }
        if self.set.as_deref().is_some_and(|set| !is_object(set)) {
            return Err("`set` must be a JSON object");
        }
        let usual = match self.body.is_some() || self.error.is_some() {
            true => ScenarioFraming::Length,
            false => ScenarioFraming::Chunked,
        };
        let framing = self.framing.unwrap_or(usual);
        if self.length.is_some() && framing != ScenarioFraming::Length {
            return Err("`length` goes with `framing = \"length\"`");
        }
        if self.coding.is_some() && framing == ScenarioFraming::Length {
            return Err("the length of a compressed body isn't known beforehand");
        }
        if self.head.is_some() && framing != ScenarioFraming::Eof {
            return Err("`head` goes with `framing = \"eof\"`");
        }
        Ok(framing)
    }
}

impl ScenarioAnswer {
    /// Builds an answer. `at` is its position in the file, for the errors that `fault` creates.
    fn new(
        raw: RawAnswer,
        at: usize,
        fault: &impl Fn(usize, String) -> ScenarioError,
    ) -> Result<Self, ScenarioError> {
        let framing = raw.checked_framing().map_err(|why| fault(at, why.to_owned()))?;
        let content = match (raw.body, raw.error) {
            (Some(body), _) => Content::Body(body),
            (None, Some(error)) => Content::Error(error),
            (None, None) => Content::Steps(
                raw.steps
                    .into_iter()
                    .map(|step| {
                        let at = step.span().start;
                        ScenarioStep::new(step.into_inner())
                            .map_err(|why| fault(at, why.to_string()))
                    })
                    .collect::<Result<_, _>>()?,
            ),
        };
        Ok(Self {
            when: raw.when,
            status: raw.status.unwrap_or(200),
            reason: raw.reason,
            headers: raw.headers,
            head: raw.head,
            head_after: raw.head_after.unwrap_or(25),
            late_head: raw.late_head,
            framing,
            length: raw.length,
            coding: raw.coding,
            writes: raw.writes,
            buffer: raw.buffer,
            gap: raw.gap,
            prefix: raw.prefix,
            end: raw.end,
            set: raw.set,
            usage: raw.usage,
            content,
        })
    }
}

/// The number, from 1, of the line with this byte.
fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or_default();
    before.iter().filter(|&&byte| byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_parses_and_is_found_by_its_name() {
        assert!(FILES.len() > 100, "{} scenarios", FILES.len());
        let parsed = FILES.iter().map(|(name, _, text)| Scenario::parse(name, text));
        let errors: Vec<String> = parsed.filter_map(|it| it.err().map(|e| e.to_string())).collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
        for (name, ..) in FILES {
            assert_eq!(find(&format!("lab/{name}")).unwrap().name, *name);
        }
        assert_eq!(scenarios().len(), FILES.len());
        assert_eq!(find("openai/lab/hello").unwrap().name, "hello");
        assert_eq!(find("hello").unwrap().name, "hello");
        assert!(find("lab/").is_none());
    }

    #[test]
    fn every_file_begins_with_what_it_is_about() {
        for ((name, about), scenario) in abouts().zip(scenarios()) {
            assert_eq!((name, about), (scenario.name.as_str(), scenario.about.as_str()));
        }
    }

    #[test]
    fn every_finding_is_spelled_like_a_code() {
        for scenario in scenarios() {
            for code in &scenario.findings {
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                assert!(code.chars().all(plain), "{}: {code}", scenario.name);
            }
        }
    }

    #[test]
    fn errors_name_the_file_and_the_line() {
        let head = "about = \"x\"\nfindings = []\n[[answer]]\n";
        let error = |rest: &str| {
            let text = format!("{head}{rest}");
            Scenario::parse("bad", &text).unwrap_err().to_string()
        };
        let unknown = error("stepps = []\n");
        assert!(unknown.starts_with("assets/scenarios/bad.toml:4: unknown field"));
        let two = error("steps = [\n{ done = true },\n{ content = \"a\", done = true },\n]\n");
        assert!(two.starts_with("assets/scenarios/bad.toml:6: "), "{two}");
        let none = error("steps = [\n{ choice = 1 },\n]\n");
        assert!(none.starts_with("assets/scenarios/bad.toml:5: "), "{none}");
        let json = error("steps = [\n{ delta = '{' },\n]\n");
        assert!(json.starts_with("assets/scenarios/bad.toml:5: "), "{json}");
        let when = error("when = { chance = 0.5 }\n");
        assert!(when.contains("must have no `when`"), "{when}");
    }
}
