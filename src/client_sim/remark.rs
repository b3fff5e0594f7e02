//! Remarks beyond what the caller receives: what is left unread, hidden or fabricated.

use super::client::Family;
use super::{ClientRun, Given};
use crate::dialect::Channel;
use crate::inspect::Facts;

/// Number of characters of an error's message that are looked for and reported.
const WORDS: usize = 200;

/// One thing that the caller can't see from what it receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// A sentence.
    pub text: String,
    /// Evidence for it: a scenario of the lab, and whoever reported it.
    pub evidence: &'static str,
}

/// Counts that a run keeps as it reads.
#[derive(Debug, Default)]
pub(super) struct RunNotes {
    unread: Vec<(&'static str, u64)>,
    pub choices_empty: u64,
    pub choices_none: u64,
    pub delta_none: u64,
    pub content_odd: u64,
    pub reasoning_odd: u64,
    pub nameless: u64,
    pub finish_renamed: Option<String>,
    /// LiteLLM has reported the finish: with the first chunk behind it that is empty.
    pub finish_settled: bool,
    /// The body was cut, and the client took that for an end.
    pub cut_passed: bool,
    /// True if the call returned `None` where a stream was promised.
    pub none: bool,
}

impl RunNotes {
    /// Notes a delta that held reasoning in a field that no one reads.
    pub(super) fn unread(&mut self, name: &'static str) {
        match self.unread.iter_mut().find(|(n, _)| *n == name) {
            Some((_, n)) => *n += 1,
            None => self.unread.push((name, 1)),
        }
    }
}

/// A count with its noun, and whether more than one is meant.
fn many(n: u64, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

fn are(n: u64) -> &'static str {
    if n == 1 { "is" } else { "are" }
}

pub(super) fn remarks(run: &ClientRun, seen: &Facts) -> Vec<Remark> {
    let mut all = Vec::new();
    if !run.speaks(seen) {
        return all;
    }
    let mut say = |text: String, evidence| all.push(Remark { text, evidence });
    if let Some(why) = &run.http {
        say(why.clone(), "tests/http_limits");
    }
    refused(run, seen, &mut say);
    unread(run, &mut say);
    careless(run, &mut say);
    untold(run, &mut say);
    compared(&run.given, seen, &mut say);
    if run.given.waits {
        say(
            "the caller still waits: there is no time limit inside a stream".into(),
            "lab/idle-stall",
        );
    }
    all
}

/// Reports deltas that the caller does not receive as they arrived.
fn unread(run: &ClientRun, say: &mut impl FnMut(String, &'static str)) {
    let (notes, family) = (&run.notes, run.client.family);
    for (name, n) in &notes.unread {
        let kept = match family {
            Family::OpenAiPython => "; they are in `delta.model_extra`",
            Family::OpenAiNode => "; the types do not name them, the objects have them",
            _ => "",
        };
        say(
            format!("{} at choices[].delta.{name} {} not read{kept}", many(*n, "delta"), are(*n)),
            "lab/reasoning-delta, lab/reasoning-content; BerriAI/litellm#20246, #9100",
        );
    }
    if notes.reasoning_odd > 0 {
        let n = notes.reasoning_odd;
        say(
            format!("{} of reasoning {} no string", many(n, "delta"), are(n)),
            "lab/reasoning-not-string",
        );
    }
    if notes.content_odd > 0 {
        let n = notes.content_odd;
        let what = match family {
            Family::LiteLlm { .. } => "dropped",
            _ => "given as a list, where the type promises a string",
        };
        say(
            format!("{} of content {} no string: {what}", many(n, "delta"), are(n)),
            "lab/thinking-list",
        );
    }
}

/// Reports what the client silently skips, changes or fabricates.
fn untold(run: &ClientRun, say: &mut impl FnMut(String, &'static str)) {
    let (notes, given) = (&run.notes, &run.given);
    if notes.nameless > 0 {
        say(
            format!(
                "{} without an `event:` line {} passed over",
                many(notes.nameless, "event"),
                are(notes.nameless)
            ),
            "src anthropics/anthropic-sdk-python src/anthropic/_streaming.py",
        );
    }
    if given.fabricated {
        say(
            "the finish `stop` is fabricated: none arrived".into(),
            "lab/empty-stream, lab/finish-missing, lab/json-error-200",
        );
    }
    if let Some(reason) = &notes.finish_renamed {
        say(
            format!(
                "the finish `{reason}` is given as `{}`",
                given.finish.get(&0).map_or("", |f| f)
            ),
            "lab/finish-unknown",
        );
    }
    if notes.cut_passed {
        say(
            "the body was cut, and it takes that for the end".into(),
            "lab/truncated-chunked-conn-close, lab/truncated-chunked",
        );
    }
}

/// A 422, which LiteLLM swallows where it is set to drop parameters.
fn refused(run: &ClientRun, seen: &Facts, say: &mut impl FnMut(String, &'static str)) {
    if run.notes.none {
        say(
            "`acompletion` returns None: it asked twice, was refused twice, and falls off its end \
             without an error; behind its proxy this is an HTTP 500 with the same words"
                .into(),
            "lab/http-422; BerriAI/litellm#27670, #32221",
        );
    } else if matches!(run.client.family, Family::LiteLlm { .. }) && seen.status() == Some(422) {
        say(
            "with `litellm.drop_params = True` there is no error: `acompletion` returns None"
                .into(),
            "lab/http-422; BerriAI/litellm#32221",
        );
    }
}

/// Reports what breaks a caller that relies on `chunk.choices[0].delta.content` being there.
fn careless(run: &ClientRun, say: &mut impl FnMut(String, &'static str)) {
    let notes = &run.notes;
    let python = run.client.family == Family::OpenAiPython;
    if !python && run.client.family != Family::OpenAiNode {
        return;
    }
    let error = |python_name: &'static str| if python { python_name } else { "a TypeError" };
    for (n, what, whole, class, evidence) in [
        (
            notes.choices_empty,
            "`choices: []`",
            "chunk.choices[0]",
            "an IndexError",
            "lab/azure-first-chunk; simonw/llm#294",
        ),
        (
            notes.choices_none,
            "no `choices`",
            "chunk.choices[0]",
            "a TypeError",
            "lab/choices-null, lab/choices-missing",
        ),
        (
            notes.delta_none,
            "no `delta`",
            "chunk.choices[0].delta.content",
            "an AttributeError",
            "lab/delta-null; langchain-ai/langchain#18977",
        ),
    ] {
        if n > 0 {
            let have = if n == 1 { "has" } else { "have" };
            say(
                format!(
                    "{} {have} {what}: a loop that takes `{whole}` ends there with {}",
                    many(n, "chunk"),
                    error(class)
                ),
                evidence,
            );
        }
    }
}

/// Reports what the stream had and the caller has not.
fn compared(given: &Given, seen: &Facts, say: &mut impl FnMut(String, &'static str)) {
    let answer = seen.answer();
    let chars = |text: &str| text.chars().count();
    let had = answer.chars(Channel::Content);
    let has: usize = given.content.values().map(|t| chars(t)).sum();
    if has < had && seen.is_over() {
        say(
            format!(
                "{} of {} of content do not reach the caller",
                had - has,
                many(had as u64, "character")
            ),
            "lab/done-early, lab/json-completion-200",
        );
    }
    let (made, given_calls) = (answer.tools().len(), given.tools.len());
    if given_calls < made && seen.is_over() {
        say(
            format!(
                "the stream has {}, the caller gets {given_calls}",
                many(made as u64, "tool call")
            ),
            "lab/tool-name-missing, lab/tool-index-collision; \
             src vercel/ai packages/provider-utils",
        );
    }
    let lost_finish =
        answer.finish().next().filter(|_| given.finish.is_empty() || given.fabricated);
    if let Some((_, reason)) = lost_finish.filter(|_| seen.is_over()) {
        say(
            format!("the finish `{reason}` does not reach the caller"),
            "lab/sse-no-final-blank, lab/done-early",
        );
    }
    other_error(given, seen, say);
    let nothing = given.chunks == 0 && given.error.is_none() && given.elsewhere.is_none();
    if nothing && seen.is_over() && !given.waits {
        let bytes = seen.body().len() as u64;
        let what = if bytes == 0 {
            "there is nothing to read".to_owned()
        } else {
            format!("none of the {} is an event to it", many(bytes, "byte"))
        };
        say(
            format!("{what}, and it raises no error"),
            "lab/empty-stream, lab/html-200, lab/ndjson-in-sse",
        );
    }
}

/// An error of the stream whose words the caller does not get.
fn other_error(given: &Given, seen: &Facts, say: &mut impl FnMut(String, &'static str)) {
    let parts = given.error.as_ref().map_or("", |e| e.message.as_str());
    let begin = |text: &str| text.chars().take(WORDS).collect::<String>();
    if let Some(error) = seen.answer().errors.iter().find(|e| !parts.contains(&begin(&e.message))) {
        let words = begin(&error.message);
        let how = match given.error {
            None => "no error is raised",
            Some(_) => "other words are given",
        };
        say(
            format!("the error \u{201c}{words}\u{201d} does not reach the caller: {how}"),
            "lab/error-flat, lab/json-error-200, lab/error-string; block/goose#8031",
        );
    }
}
