//! The judgement about an exchange: what was raised, how bad it is, and how often.

use std::borrow::Cow;
use std::sync::Arc;

use super::InspectOptions;
use crate::dialect::Variant;
use crate::journal::Micros;
use crate::rule::{Code, Phase, Rule, Severity};
use crate::text;

/// One diagnosis.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule that it is a case of.
    pub code: Code,
    /// Severity in this case.
    pub severity: Severity,
    /// The layer it is about: the rule's, unless it happened before that one was reached.
    pub phase: Phase,
    /// The frame that it is about.
    pub frame: Option<u32>,
    /// The byte of the body that it points at.
    pub offset: Option<u64>,
    /// Time when that arrived.
    pub at: Option<Micros>,
    /// A headline about this very case. Text from the wire in it is not yet made visible.
    pub message: String,
    /// Words of the HTTP library, or what was attempted; mostly empty.
    pub detail: String,
}

impl Finding {
    /// The headline with its detail in parentheses.
    pub fn sentence(&self) -> Cow<'_, str> {
        match self.detail.as_str() {
            "" => Cow::Borrowed(&self.message),
            detail => Cow::Owned(format!("{} ({detail})", self.message)),
        }
    }

    /// The page of its rule.
    pub fn rule(&self) -> &'static Rule {
        self.code.rule()
    }

    /// The layer it is about.
    pub fn phase(&self) -> Phase {
        self.phase
    }
}

/// Number of times that each code was raised, kept findings or not.
///
/// A short list in order of the codes: a stream has a dozen of them, and one that recurs in every frame is
/// looked up in every frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CodeCounts(Vec<(Code, u64)>);

impl CodeCounts {
    fn count(&mut self, code: Code) -> u64 {
        if let Some((_, n)) = self.0.iter_mut().find(|(c, _)| *c == code) {
            *n += 1;
            return *n;
        }
        let at = self.0.partition_point(|(c, _)| *c < code);
        self.0.insert(at, (code, 1));
        1
    }

    /// The codes that were counted since this was `before`, each as often as it was.
    pub(super) fn since(&self, before: &CodeCounts) -> Vec<Code> {
        let times = |(code, n): &(Code, u64)| (*code, (n - before.of(*code)) as usize);
        self.0.iter().map(times).flat_map(|(code, n)| std::iter::repeat_n(code, n)).collect()
    }

    /// The codes that were raised.
    fn codes(&self) -> impl Iterator<Item = Code> {
        self.0.iter().map(|(code, _)| *code)
    }

    /// Returns how often `code` was raised.
    pub fn of(&self, code: Code) -> u64 {
        self.0.iter().find(|(c, _)| *c == code).map_or(0, |(_, n)| *n)
    }
}

/// Maximum number of findings of one code that are kept for each exchange; the rest is counted.
pub(super) const MAX_PER_CODE: u64 = 100;

/// Context by which findings are judged besides their rule.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct JudgingContext {
    /// The variant of Chat Completions or Responses that this is.
    pub(super) variant: Option<&'static Variant>,
    /// It is one of Responses.
    pub(super) responses: bool,
    /// The user has it read as a dialect that it is not: what the decoder missed is no news.
    pub(super) misread: bool,
}

impl JudgingContext {
    /// Returns how severe a finding is here, and the variant in which it is normal.
    fn judge(self, rule: &Rule, severity: Severity) -> (Severity, Option<&'static str>) {
        let decoded = matches!(rule.phase, Phase::Schema | Phase::Semantic | Phase::End);
        if self.misread && decoded && !rule.by_bytes {
            return (Severity::Info, None);
        }
        // A loss (fatal) stays a loss, even if it is normal for this variant.
        let is_normal = |v: &&Variant| match self.responses {
            true => v.is_normal_in_responses(rule.code),
            false => v.is_normal(rule.code),
        };
        match self.variant.filter(|v| severity < Severity::Fatal && is_normal(v)) {
            Some(variant) => (Severity::Info, Some(variant.name)),
            None => (severity, None),
        }
    }
}

/// Place that a finding points at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FindingPlace {
    pub(super) frame: Option<u32>,
    pub(super) offset: Option<u64>,
}

/// The findings of an exchange, and what they are judged by. Detectors put theirs in with
/// [`Findings::raise`].
#[derive(Debug, Clone)]
pub struct Findings {
    pub(super) options: Arc<InspectOptions>,
    pub(super) list: Vec<Finding>,
    pub(super) tally: CodeCounts,
    pub(super) context: JudgingContext,
    /// Time when what is looked at arrived.
    pub(super) at: Option<Micros>,
    /// A detector counts the frame at hand: see [`Findings::count_frame`].
    pub(super) is_frame_counted: bool,
}

impl Findings {
    /// No findings yet, to be judged by `options`.
    pub(super) fn new(options: Arc<InspectOptions>) -> Self {
        Self {
            options,
            list: Vec::new(),
            tally: CodeCounts::default(),
            context: JudgingContext::default(),
            at: None,
            is_frame_counted: false,
        }
    }

    /// Forbids the short way for frames that repeat the one at hand: each is read in full. For a detector
    /// that counts frames in a field of its own, and is not asked about repetitions ([`super::detect::Look`]).
    pub(super) fn count_frame(&mut self) {
        self.is_frame_counted = true;
    }

    /// Sets by what the next findings are judged, and when what they are about arrived.
    pub(super) fn judge_by(&mut self, context: JudgingContext, at: Option<Micros>) {
        (self.context, self.at) = (context, at);
    }

    /// Raises a finding of the rule's own severity.
    pub(super) fn raise(&mut self, code: Code, place: FindingPlace, message: impl Into<String>) {
        self.raise_as(code, code.severity(), place, message);
    }

    /// Raises a finding of another severity.
    pub(super) fn raise_as(
        &mut self,
        code: Code,
        severity: Severity,
        place: FindingPlace,
        message: impl Into<String>,
    ) {
        if self.is_hidden(code) {
            return;
        }
        let (severity, normal) = self.context.judge(self.options.rules.of(code), severity);
        let Some(severity) = self.options.severity(code, severity) else { return };
        let n = self.tally.count(code);
        if n > MAX_PER_CODE {
            return;
        }
        let mut message = message.into();
        if let Some(name) = normal {
            message.push_str(&format!(" (normal at {name})"));
        }
        self.list.push(Finding {
            code,
            severity,
            phase: code.phase(),
            frame: place.frame,
            offset: place.offset,
            at: self.at,
            message,
            detail: String::new(),
        });
    }

    /// Raises a finding about how the exchange ended, with the HTTP library's words about that.
    pub(super) fn raise_end(
        &mut self,
        code: Code,
        severity: Severity,
        place: FindingPlace,
        message: impl Into<String>,
        detail: &str,
    ) {
        let before = self.list.len();
        self.raise_as(code, severity, place, message);
        for finding in &mut self.list[before..] {
            finding.detail = text::preview(detail.trim(), 160);
        }
    }

    /// [`Findings::raise_end`] about another layer than the rule's.
    pub(super) fn raise_end_in(
        &mut self,
        phase: Phase,
        code: Code,
        severity: Severity,
        message: &str,
        detail: &str,
    ) {
        let before = self.list.len();
        self.raise_end(code, severity, FindingPlace::default(), message, detail);
        self.list[before..].iter_mut().for_each(|finding| finding.phase = phase);
    }

    /// Counts codes once more whose findings are not kept any longer.
    pub(super) fn count_again(&mut self, codes: &[Code]) {
        for code in codes {
            self.tally.count(*code);
        }
    }

    /// Returns whether a finding that was raised leaves nothing to add for this rule.
    pub(super) fn is_hidden(&self, code: Code) -> bool {
        self.tally.codes().any(|raised| self.options.rules.of(raised).hides.contains(&code))
    }

    /// Raises a finding once in an exchange: for what repeats frame after frame, and of which the first place
    /// shows all.
    pub(super) fn raise_once(
        &mut self,
        code: Code,
        place: FindingPlace,
        message: impl Into<String>,
    ) {
        if !self.again(code) {
            self.raise(code, place, message);
        }
    }

    /// Returns whether the rule was raised before, and then counts this time too. For what repeats and whose
    /// message should not be built each time.
    pub(super) fn again(&mut self, code: Code) -> bool {
        let again = self.tally.of(code) > 0;
        if again {
            self.tally.count(code);
        }
        again
    }
}
