//! Rules about this program itself: limits that were hit, files that failed, payloads that nothing here can
//! read.

use super::{Code, Detector, FindingPlace, Findings, FrameView, Phase, Severity, refused};
use crate::dialect::{Confidence, Dialect};
use crate::frame::Framing;
use crate::inspect::Facts;
use crate::journal::{EndCause, Limit, Timeout};
use crate::text;

#[derive(Default)]
pub(super) struct SessionDetector;

impl Detector for SessionDetector {
    fn request(&mut self, facts: &Facts, findings: &mut Findings) {
        for warning in facts.request.iter().flat_map(|r| &r.warnings) {
            if warning.to_ascii_lowercase().contains("certificate") {
                findings.raise(
                    Code::TlsUnverified,
                    FindingPlace::default(),
                    text::preview(warning, 160),
                );
            }
        }
    }

    fn frame(&mut self, facts: &Facts, _view: &FrameView<'_>, findings: &mut Findings) {
        // Report another dialect at once only if it is certain: a weaker guess may still change, and is
        // reported at the end.
        if findings.context.misread
            && facts.misread().is_some_and(|found| found.sign.confidence == Confidence::Certain)
        {
            misread(facts, findings);
        }
    }

    fn note(&mut self, _facts: &Facts, code: &str, text: &str, findings: &mut Findings) {
        // A code written by a newer program is unknown here, and not replaced by another.
        if let Some(code) = code.parse::<Code>().ok().filter(|c| c.phase() == Phase::Session) {
            findings.raise(code, FindingPlace::default(), text::preview(text, 300));
        }
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        let Some((cause, detail)) = &facts.end else { return };
        let bytes = text::count(facts.wire_len(), "byte");
        let ended = match cause {
            EndCause::Limit(Limit::Body) => {
                Some((Code::LimitBody, format!("Stopped at --max-body after {bytes}")))
            }
            EndCause::Limit(Limit::Http) => {
                let message = "Limit of sselens: it cannot read all of this response";
                Some((Code::LimitHttp, message.to_owned()))
            }
            EndCause::Timeout(Timeout::Idle) => Some((
                Code::TimeoutIdle,
                format!("Nothing received within --idle-timeout, after {bytes}"),
            )),
            EndCause::Timeout(Timeout::Total) => {
                Some((Code::TimeoutTotal, format!("Stopped at --total-timeout after {bytes}")))
            }
            // In a call recorded by a tap, the client decides when it is over.
            EndCause::Cancelled if detail.starts_with("the client ") => {
                Some((Code::Cancelled, format!("Cancelled: {detail} after {bytes}")))
            }
            EndCause::Cancelled => {
                Some((Code::Cancelled, format!("Cancelled by you after {bytes}")))
            }
            _ => None,
        };
        if let Some((rule, message)) = ended {
            let has_detail = *cause != EndCause::Cancelled;
            let detail = if has_detail { detail.as_str() } else { "" };
            findings.raise_end(rule, rule.severity(), FindingPlace::default(), message, detail);
        }
        misread(facts, findings);
        dialect(facts, findings);
    }
}

/// Names the dialect that the bytes are of, and how to set it.
fn misread(facts: &Facts, findings: &mut Findings) {
    let (Some(found), Some(set)) = (facts.misread(), facts.dialect()) else { return };
    if refused(facts) || findings.tally.of(Code::DialectMismatch) > 0 {
        return;
    }
    let name = found.dialect.name();
    let provider = facts.request.as_ref().map(|r| r.provider.as_str()).filter(|p| !p.is_empty());
    let setting = match provider {
        Some(p) => format!(", or dialect = \"{name}\" for provider {}", text::preview(p, 40)),
        None => String::new(),
    };
    let offset = facts.frames().get(found.frame as usize).map(|f| f.offset);
    let message = format!(
        "The bytes are {name} ({}, by {}), read as {} as configured: use --dialect {name}{setting}",
        found.sign.confidence.name(),
        found.sign.by,
        set.name()
    );
    findings.raise(
        Code::DialectMismatch,
        FindingPlace { frame: Some(found.frame), offset },
        message,
    );
}

fn dialect(facts: &Facts, findings: &mut Findings) {
    let stream = matches!(
        facts.framing(),
        Some(
            Framing::Sse
                | Framing::Ndjson
                | Framing::Array
                | Framing::EventStream
                | Framing::WebSocket
        )
    );
    if refused(facts) || !stream || facts.shape().is_empty() {
        return;
    }
    let names = || {
        let rows = facts.shape().rows();
        let top: Vec<_> = rows.iter().filter(|r| !r.path.contains(['.', '['])).take(6).collect();
        top.iter().map(|r| text::preview(&r.path, 30)).collect::<Vec<_>>().join(", ")
    };
    // A guess does not count if nothing else was found.
    let guessed = facts.dialect_is_guessed()
        && facts.recognized().is_some_and(|f| f.sign.confidence == Confidence::Guess);
    match facts.dialect().filter(|_| !(guessed && is_silent(facts))) {
        // An empty array belongs to no dialect; an error explains itself, and says nothing about the dialect.
        _ if names().is_empty() => {}
        None if !facts.answer().errors.is_empty() => {}
        None => {
            let message = format!("JSON of no known dialect; its fields are {}", names());
            findings.raise(Code::DialectUnknown, FindingPlace::default(), message);
        }
        Some(_) if findings.tally.of(Code::DialectMismatch) > 0 => {}
        // Evidence in the bytes stands, even if little was received.
        Some(dialect) if is_named(facts, dialect) => {}
        Some(dialect) if is_silent(facts) => {
            let name = dialect.name();
            let message = format!("Nothing here is {name}; the fields are {}", names());
            // Neither the requested dialect nor any other was found: there is no answer.
            let severity = match facts.recognized() {
                None if facts.is_over() => Severity::Warn,
                _ => Code::DialectMismatch.severity(),
            };
            findings.raise_as(Code::DialectMismatch, severity, FindingPlace::default(), message);
        }
        Some(_) => {}
    }
}

/// Returns whether the bytes themselves say that they are of this dialect.
fn is_named(facts: &Facts, dialect: &dyn Dialect) -> bool {
    facts.recognized().is_some_and(|found| {
        found.sign.confidence > Confidence::Guess && found.dialect.family() == dialect.family()
    })
}

/// Returns whether the dialect found nothing at all in payloads that are JSON.
fn is_silent(facts: &Facts) -> bool {
    let answer = facts.answer();
    answer.deltas().is_empty()
        && answer.finish().next().is_none()
        && answer.errors.is_empty()
        && answer.usage_seen.is_empty()
        && answer.terminal.is_none()
        && !facts.shape().rows().iter().any(|r| r.path == "choices")
}
