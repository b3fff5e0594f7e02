//! Rules about this program itself: bounds that were hit, files that failed, payloads that nobody
//! here can read.

use super::{Family, Out, Phase, Place, Rule, Seen, Severity, refused, rule, rules};
use crate::dialect::Confidence;
use crate::frame::Framing;
use crate::inspect::Inspection;
use crate::journal::{EndCause, Limit, Timeout};
use crate::text;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "save-failed",
        severity: Severity::Error,
        phase: Phase::Session,
        means: "The session file could not be written any more; the stream went on and is in memory only.",
        example: "No space left on device",
        breaks: "Nobody on the wire. The file ends before the stream does.",
        remedy: "Make room and save again from the running program.",
        see: "It is about this program's own disk. `sselens send -p lab --save /dev/full hi`",
        ..Rule::DEFAULT
    },
    Rule {
        code: "journal-behind",
        severity: Severity::Warn,
        phase: Phase::Session,
        means: "The disk takes the session file more slowly than the stream comes.",
        example: "a network drive, a full cache",
        breaks: "Nobody on the wire. After a crash the last seconds would be missing.",
        remedy: "Save to a local disk.",
        see: "It is about this program's own disk: save to one that is slower than the stream.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "body-withheld",
        severity: Severity::Warn,
        phase: Phase::Session,
        means: "The server quoted a secret of yours inside of a compressed answer. It cannot be masked there, so this program keeps the answer only up to there.",
        example: "Content-Encoding: gzip⏎⏎{\"error\":{\"message\":\"Incorrect API key provided: sk-…\"}}",
        breaks: "Nobody on the wire. What came after is not looked at here.",
        remedy: "Switch compression off for this answer: this program asks for none. A key that servers and proxies quote may stand in their logs as well.",
        see: "The lab does not quote keys inside of a coding.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "session-torn",
        severity: Severity::Warn,
        phase: Phase::Session,
        means: "The session file's last line is cut: the program that wrote it was killed there.",
        example: "{\"type\":\"body\",\"x\":0,\"at\":3.2",
        breaks: "Nobody: the entries before that line are whole.",
        remedy: "What is missing came within the last 100 ms.",
        see: "It is about a saved session: cut the last line of one and `sselens show` it.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "limit-body",
        severity: Severity::Warn,
        phase: Phase::Session,
        means: "The body reached --max-body, and this program stopped reading.",
        example: "--max-body 1048576",
        breaks: "Nobody on the wire: the rest was not looked at.",
        remedy: "Raise --max-body, or find out why an answer is that long.",
        see: "It is a bound of your own. `sselens send -p lab --max-body 1000 hi`",
        ..Rule::DEFAULT
    },
    Rule {
        code: "timeout-idle",
        severity: Severity::Error,
        phase: Phase::Session,
        means: "Nothing came for as long as --idle-timeout allows, and this program gave up.",
        example: "--idle-timeout 30",
        breaks: "Clients without such a bound hang for ever.",
        remedy: "Raise the bound if the model thinks that long; else the server or a proxy hangs.",
        see: "It is a bound of your own. `sselens send -p lab -m lab/idle-stall --idle-timeout 3 hi`",
        ..Rule::DEFAULT
    },
    Rule {
        code: "timeout-total",
        severity: Severity::Error,
        phase: Phase::Session,
        means: "The exchange took longer than --total-timeout allows, and this program gave up.",
        example: "--total-timeout 60",
        breaks: "Nobody on the wire.",
        remedy: "Raise the bound, or ask for less.",
        see: "It is a bound of your own. `sselens send -p lab -m lab/slow --total-timeout 2 hi`",
        ..Rule::DEFAULT
    },
    Rule {
        code: "cancelled",
        phase: Phase::Session,
        means: "You stopped it; what is missing is nobody's fault.",
        example: "Esc, Ctrl-C",
        breaks: "Nobody.",
        remedy: "Send it again.",
        see: "It is your own doing. `sselens send -p lab -m lab/slow hi`, and Ctrl-C",
        ..Rule::DEFAULT
    },
    Rule {
        code: "tls-unverified",
        phase: Phase::Session,
        means: "Certificates are not verified: anybody on the way can read the key and forge the answer.",
        example: "--insecure",
        breaks: "Nobody, which is the danger.",
        remedy: "Give the missing root with --ca-cert instead.",
        see: "The lab speaks no TLS. `sselens send --insecure --url https://… hi`",
        ..Rule::DEFAULT
    },
    Rule {
        code: "dialect-mismatch",
        phase: Phase::Session,
        means: "The payloads are not of the dialect that they are read as, which was set: they are read as told, so little or nothing of the answer is found.",
        example: "--dialect openai-chat for data: {\"type\":\"content_block_delta\",…}",
        breaks: "Nobody: it is a setting of this program. What the decoder misses is worth no more than info beside it.",
        remedy: "The message names the right dialect where the bytes tell it: set that, or auto.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "dialect-unknown",
        phase: Phase::Session,
        means: "The payloads are JSON of no dialect that this program knows: only JSON and shape are shown.",
        example: "data: {\"token\":\"Hel\"}⏎⏎",
        breaks: "Clients of the OpenAI kind find no choices in it.",
        remedy: "Is it the right endpoint? Set --dialect if you know what it speaks.",
        see: "The lab speaks known dialects only. `printf 'data: {\"token\":\"a\"}\\n\\n' | sselens show -`",
        ..Rule::DEFAULT
    },
];

#[derive(Default)]
pub(super) struct Session;

impl Family for Session {
    fn request(&mut self, now: &Inspection, out: &mut Out<'_>) {
        for warning in now.request.iter().flat_map(|r| &r.warnings) {
            if warning.to_ascii_lowercase().contains("certificate") {
                out.raise(rule!("tls-unverified"), Place::default(), text::preview(warning, 160));
            }
        }
    }

    fn frame(&mut self, now: &Inspection, _seen: &Seen<'_>, out: &mut Out<'_>) {
        // Surely another: what is less sure may still be settled, and is told at the end.
        if out.context.misread
            && now.misread().is_some_and(|found| found.sign.confidence == Confidence::Certain)
        {
            misread(now, out);
        }
    }

    fn note(&mut self, _now: &Inspection, code: &str, text: &str, out: &mut Out<'_>) {
        // A code that a newer program wrote is not known here, and not made up either.
        if let Some(rule) = rules().find(|r| r.code == code && r.phase == Phase::Session) {
            out.raise(rule, Place::default(), text::preview(text, 300));
        }
    }

    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        let Some((cause, detail)) = &now.end else { return };
        let bytes = text::count(now.wire_len(), "byte");
        let words = super::connect::said(detail);
        let ended = match cause {
            EndCause::Limit(Limit::Body) => {
                Some((rule!("limit-body"), format!("Stopped at --max-body, after {bytes}{words}.")))
            }
            EndCause::Timeout(Timeout::Idle) => Some((
                rule!("timeout-idle"),
                format!("Gave up: nothing came within --idle-timeout, after {bytes}{words}."),
            )),
            EndCause::Timeout(Timeout::Total) => Some((
                rule!("timeout-total"),
                format!("Gave up at --total-timeout, after {bytes}{words}."),
            )),
            EndCause::Cancelled => {
                Some((rule!("cancelled"), format!("You stopped it after {bytes}.")))
            }
            _ => None,
        };
        if let Some((rule, message)) = ended {
            out.raise(rule, Place::default(), message);
        }
        misread(now, out);
        dialect(now, out);
    }
}

/// Names the dialect that the bytes are of, and how to set it.
fn misread(now: &Inspection, out: &mut Out<'_>) {
    let (Some(found), Some(set)) = (now.misread(), now.dialect()) else { return };
    if refused(now) || out.tally.of("dialect-mismatch") > 0 {
        return;
    }
    let name = found.dialect.name();
    let provider = now.request.as_ref().map(|r| r.provider.as_str()).filter(|p| !p.is_empty());
    let setting = match provider {
        Some(p) => format!(", or dialect = \"{name}\" of provider {}", text::preview(p, 40)),
        None => String::new(),
    };
    let offset = now.frames().get(found.frame as usize).map(|f| f.offset);
    let message = format!(
        "This is {name} ({}, by {}), and read as {}, as was set: use --dialect {name}{setting}.",
        found.sign.confidence.name(),
        found.sign.by,
        set.name()
    );
    out.raise(rule!("dialect-mismatch"), Place { frame: Some(found.frame), offset }, message);
}

fn dialect(now: &Inspection, out: &mut Out<'_>) {
    let stream = matches!(
        now.framing(),
        Some(Framing::Sse | Framing::Ndjson | Framing::Array | Framing::EventStream)
    );
    if refused(now) || !stream || now.shape().is_empty() {
        return;
    }
    let names = || {
        let rows = now.shape().rows();
        let top: Vec<_> = rows.iter().filter(|r| !r.path.contains(['.', '['])).take(6).collect();
        top.iter().map(|r| text::preview(&r.path, 30)).collect::<Vec<_>>().join(", ")
    };
    // A guess by [DONE] alone is none, where nothing else was found.
    let guessed = now.dialect_is_guessed()
        && now.recognized().is_some_and(|f| f.sign.confidence == Confidence::Guess);
    match now.dialect().filter(|_| !(guessed && is_silent(now))) {
        // An array of nothing is of no dialect; an error says what it is, and nothing of the dialect.
        _ if names().is_empty() => {}
        None if !now.answer().errors.is_empty() => {}
        None => {
            let message = format!("JSON of no known dialect; its fields are {}.", names());
            out.raise(rule!("dialect-unknown"), Place::default(), message);
        }
        Some(_) if out.tally.of("dialect-mismatch") > 0 => {}
        Some(dialect) if is_silent(now) => {
            let name = dialect.name();
            let message = format!("Nothing of this is {name}; the fields are {}.", names());
            out.raise(rule!("dialect-mismatch"), Place::default(), message);
        }
        Some(_) => {}
    }
}

/// Whether the dialect found nothing at all in payloads that are JSON.
fn is_silent(now: &Inspection) -> bool {
    let answer = now.answer();
    answer.deltas().is_empty()
        && answer.finish().next().is_none()
        && answer.errors.is_empty()
        && answer.usage_seen.is_empty()
        && answer.terminal.is_none()
        && !now.shape().rows().iter().any(|r| r.path == "choices")
}
