//! The verdict: one sentence about an exchange, the cause before what followed from it.

use crate::rule::Code;
use std::cmp::Reverse;

use super::{Finding, Inspection, Phase, Severity};
use crate::dialect::Channel;
use crate::text;

impl Inspection {
    /// One line on what became of the exchange, the worst cause first: what is wrong, where, and
    /// what follows from it.
    pub fn verdict(&self) -> String {
        self.verdict_by(|finding| finding.sentence().into_owned())
    }

    /// The same without what the HTTP library said.
    pub fn short_verdict(&self) -> String {
        self.verdict_by(|finding| finding.message.clone())
    }

    fn verdict_by(&self, words: impl Fn(&Finding) -> String) -> String {
        let mismatch = self.findings().iter().find(|f| f.code == Code::DialectMismatch);
        let parts = match self.cause() {
            // What the wrong decoder missed was reduced to info, so what remains is true in any dialect.
            Some(cause) if cause.code != Code::DialectMismatch && self.misread().is_some() => {
                let first = mismatch.map(&words);
                first.into_iter().chain(self.failed(cause, words(cause))).collect()
            }
            Some(cause) => self.failed(cause, words(cause)),
            None if !self.is_over() => {
                vec![mismatch.map_or_else(|| self.running(), words)]
            }
            None => match self.findings().iter().find(|f| self.rule(f.code).leads) {
                Some(finding) => vec![words(finding)],
                None => vec![self.sound()],
            },
        };
        text::visible(&parts.join(" · "), text::Newlines::Show).into_owned()
    }

    /// The finding that the others follow from: of the gravest, the one that lies deepest.
    pub fn cause(&self) -> Option<&Finding> {
        let worst = self.worst().filter(|s| *s > Severity::Info)?;
        // An error and the [DONE] that hides it (fatal) belong together: the error is the cause.
        let from = worst.min(Severity::Error);
        let has = |code: Code| self.findings().iter().any(|f| f.code == code);
        let follows = |code: Code| {
            let rule = self.rule(code);
            rule.aside || rule.follows_from.iter().any(|cause| has(*cause))
        };
        self.findings()
            .iter()
            .filter(|f| f.severity >= from)
            .min_by_key(|f| (follows(f.code), Reverse(f.severity), depth(f.phase())))
    }

    /// A failure: its cause, and what the reader asks next.
    fn failed(&self, cause: &Finding, words: String) -> Vec<String> {
        let mut parts = vec![words];
        let has = |code: Code| self.findings().iter().any(|f| f.code == code);
        match cause.code {
            Code::Http422Param => {
                parts.push("LiteLLM with drop_params turns this into None".to_owned());
            }
            code if has(Code::DoneAfterError) && code != Code::DoneAfterError => {
                parts.push("[DONE] follows it".to_owned());
            }
            // If the answer was truncated, the next question is how much had arrived.
            _ if cause.phase() == Phase::Body && !self.answer().deltas().is_empty() => {
                parts.push(format!("{} before that", self.counts()));
            }
            _ => {}
        }
        parts
    }

    fn running(&self) -> String {
        if self.head.is_none() && self.frames().is_empty() {
            return "Waiting for the response".to_owned();
        }
        format!("Streaming: {} so far", self.counts())
    }

    /// A stream with nothing above info in it.
    fn sound(&self) -> String {
        let answer = self.answer();
        let mut parts = vec![self.counts()];
        let mut finishes: Vec<_> = answer.finish().map(|f| f.1).collect();
        finishes.dedup();
        if !finishes.is_empty() {
            let quoted: Vec<_> =
                finishes.iter().take(3).map(|f| format!("\"{}\"", text::preview(f, 40))).collect();
            // Responses has one finish reason for every end that is not a regular one: the cause names it.
            let cause = answer.cause(0).map(|c| format!(" ({})", text::preview(c, 40)));
            parts.push(format!("finish {}{}", quoted.join(" and "), cause.unwrap_or_default()));
        }
        if let Some(total) = answer.usage.total.filter(|t| *t > 0) {
            parts.push(text::count(total, "token"));
        } else if let Some(output) = answer.usage.output {
            parts.push(text::count(output, "output token"));
        }
        let resumable = self.dialect().is_some_and(|d| d.ending().resumable);
        if resumable && self.ending().terminal == Some(false) {
            let id = text::preview(self.sse().map_or("", |s| s.final_id()), 40);
            return format!("No response yet: the client can resume after event id \"{id}\"");
        }
        let wants_sentinel = self.dialect().is_some_and(|d| d.ending().sentinel);
        if wants_sentinel && answer.sentinel.is_none() && self.frames().len() > 1 {
            parts.push("no [DONE]".to_owned());
        }
        // A protocol without finish reasons: its terminal event is the only sign of its end.
        let ended = self.ending().terminal == Some(true);
        let what = parts.join(", ");
        match (answer.finished() || self.needs_no_finish() || ended, answer.deltas().is_empty()) {
            (true, _) => format!("Healthy stream: {what}"),
            (false, true) => "No answer received".to_owned(),
            (false, false) => format!("No errors on the wire, no finish: {what}"),
        }
    }

    /// Returns what arrived, in numbers: `213 reasoning + 40 content deltas, 1 tool call`.
    fn counts(&self) -> String {
        let answer = self.answer();
        let named = [
            (Channel::Reasoning, "reasoning"),
            (Channel::Content, "content"),
            (Channel::Refusal, "refusal"),
            (Channel::Other, "other"),
        ];
        let deltas: Vec<_> = named
            .iter()
            .map(|(channel, name)| (answer.count(*channel), name))
            .filter(|(n, _)| *n > 0)
            .collect();
        let mut parts = Vec::new();
        if let Some((last, _)) = deltas.last() {
            let list: Vec<_> =
                deltas.iter().map(|(n, name)| format!("{} {name}", text::group(*n))).collect();
            let one = deltas.len() == 1 && *last == 1;
            parts.push(format!("{} delta{}", list.join(" + "), if one { "" } else { "s" }));
        }
        if !answer.tools().is_empty() {
            parts.push(text::count(answer.tools().len() as u64, "tool call"));
        }
        if parts.is_empty() {
            return text::count(self.frames().len() as u64, "frame");
        }
        let choices = answer.choices().len() as u64;
        if choices > 1 {
            parts.push(text::count(choices, "choice"));
        }
        parts.join(", ")
    }
}

/// Returns the depth of a layer: what breaks below shows above.
fn depth(phase: Phase) -> u8 {
    match phase {
        Phase::Connect => 0,
        Phase::Tls => 1,
        Phase::Head => 2,
        Phase::Body => 3,
        Phase::Frame => 4,
        Phase::Json => 5,
        Phase::Schema => 6,
        Phase::Semantic => 7,
        Phase::Timing => 8,
        Phase::End => 9,
        Phase::Compare => 10,
        Phase::Session => 11,
    }
}
