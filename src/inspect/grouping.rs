//! The findings as a story: the cause first, what follows from it under it, and what recurs once.

use crate::rule::{Code, Rules};
use std::cmp::Reverse;

use super::{Finding, Inspection, Phase, Severity};

/// All findings of one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Indices into the inspection's findings: first the most severe (of several the first raised), then the
    /// others as they were raised.
    pub findings: Vec<usize>,
    /// The gravest severity among them.
    pub severity: Severity,
    /// They follow from the group above that is not itself under another.
    pub under: bool,
}

/// Returns whether the finding `cause` causes `effect`. Damage to the body that was judged harmless explains
/// nothing.
fn brings(rules: &Rules, cause: &Finding, effect: Code) -> bool {
    rules.of(effect).follows_from.contains(&cause.code)
        && (cause.phase() != Phase::Body || cause.severity >= Severity::Error)
}

impl Inspection {
    /// Returns the findings by their codes: the verdict's cause first, then the most severe. What one of them
    /// causes is right after it, marked as such.
    pub fn story(&self) -> Vec<Group> {
        let (findings, rules) = (self.findings(), &self.options().rules);
        let mut groups: Vec<Group> = Vec::new();
        let mut by_code = std::collections::HashMap::new();
        for (i, finding) in findings.iter().enumerate() {
            let at = *by_code.entry(finding.code).or_insert(groups.len());
            match groups.get_mut(at) {
                None => groups.push(Group {
                    findings: vec![i],
                    severity: finding.severity,
                    under: false,
                }),
                Some(group) if finding.severity > group.severity => {
                    group.findings.insert(0, i);
                    group.severity = finding.severity;
                }
                Some(group) => group.findings.push(i),
            }
        }
        // A more severe finding may have moved the previous first one back: put the rest in order again.
        for group in &mut groups {
            group.findings[1..].sort_unstable();
        }
        let cause = self.cause().map(|f| f.code);
        groups.sort_by_key(|g| {
            let first = g.findings[0];
            (Some(findings[first].code) != cause, Reverse(g.severity), first)
        });
        let mut story: Vec<Group> = Vec::with_capacity(groups.len());
        let effect_of = |effect: &Group| {
            let code = findings[effect.findings[0]].code;
            groups.iter().position(|g| brings(rules, &findings[g.findings[0]], code) && g != effect)
        };
        let over: Vec<Option<usize>> = groups.iter().map(effect_of).collect();
        // A finding that follows from another does not get followers of its own: two levels are enough.
        let under = |i: usize| over[i].filter(|above| over[*above].is_none());
        for i in 0..groups.len() {
            if under(i).is_some() {
                continue;
            }
            story.push(groups[i].clone());
            let below = (0..groups.len()).filter(|j| under(*j) == Some(i));
            story.extend(below.map(|j| Group { under: true, ..groups[j].clone() }));
        }
        story
    }

    /// Returns how often the code of a group was raised, which may be more often than findings were kept.
    pub fn times(&self, group: &Group) -> u64 {
        let code = self.findings()[group.findings[0]].code;
        self.tally().of(code).max(group.findings.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use crate::inspect::{InspectOptions, Inspection};
    use crate::journal::{EndCause, Entry, EntryKind, Head};

    fn story(status: u16, body: &str) -> Vec<String> {
        let mut i = Inspection::new(std::sync::Arc::new(InspectOptions::default()));
        let headers = vec![("content-type".to_owned(), "text/event-stream".to_owned())];
        let bytes = bytes::Bytes::copy_from_slice(body.as_bytes());
        let what = [
            EntryKind::Request(Box::new(crate::journal::Request {
                dialect: "openai-chat".into(),
                ..Default::default()
            })),
            EntryKind::Head(Head { status, headers, ..Head::default() }),
            EntryKind::Body { len: bytes.len() as u32, bytes, masked: Vec::new() },
            EntryKind::End { cause: EndCause::Complete, detail: String::new() },
        ];
        what.into_iter().for_each(|what| i.push(&Entry { exchange: 0, at: None, kind: what }));
        let reported = |g: &super::Group| {
            let code = i.findings()[g.findings[0]].code;
            format!("{}{code} {}", if g.under { "- " } else { "" }, i.times(g))
        };
        i.story().iter().map(reported).filter(|t| !t.starts_with("no-anti")).collect()
    }

    #[test]
    fn what_follows_stands_under_its_cause_and_what_recurs_stands_once() {
        let broken =
            "data: {\"error\":{\"message\":\"no\"}}\n\ndata: {x\n\ndata: {y\n\ndata: [DONE]\n\n";
        let reported = story(200, broken);
        let at = |t: &str| reported.iter().position(|l| l.starts_with(t)).unwrap();
        assert_eq!(at("- done-after-error"), at("error-object") + 1, "{reported:?}");
        assert!(reported.contains(&"json-malformed 2".to_owned()), "{reported:?}");
    }

    #[test]
    fn a_follower_whose_cause_is_not_there_stands_by_itself() {
        let sound = "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
                     \"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
        let reported = story(200, sound);
        assert!(reported.iter().all(|l| !l.starts_with("- ")), "{reported:?}");
        assert!(reported.iter().any(|l| l.starts_with("missing-done")), "{reported:?}");
    }
}
