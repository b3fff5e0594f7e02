//! A rule about what clients return where the wire is complete.

use super::{Code, Detector, FindingPlace, Findings, Severity, cut, ours, refused};
use crate::inspect::{ClientView, Facts, Returned, Standing};
use crate::text;

/// Looks at the client views.
#[derive(Default)]
pub(super) struct ClientDetector;

impl Detector for ClientDetector {
    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        let failing = |view: &&ClientView| view.result != Returned::Ok && !view.by_design;
        let mut views: Vec<_> = facts.clients().iter().filter(failing).collect();
        if views.is_empty() || !is_complete(facts) {
            return;
        }
        // For a bare body, it is unknown whether a stream was requested.
        let alone = facts.status().is_none() && facts.content_type().is_none();
        if alone && found(findings, Code::JsonCompletion200) {
            return;
        }
        views.sort_by_key(|view| match view.standing {
            Standing::Official => 0,
            Standing::Helper => 1,
            Standing::Other => 2,
        });
        // Helpers return a final object without items; that is judged as final-output-empty.
        let judged = |view: &&&ClientView| {
            view.result == Returned::Error || !found(findings, Code::FinalOutputEmpty)
        };
        let is_grave = views.iter().filter(judged).any(|view| match view.standing {
            Standing::Official => true,
            Standing::Helper => is_vendors(facts),
            Standing::Other => false,
        });
        let severity = if is_grave { Severity::Error } else { Severity::Warn };
        let (failing, all) = (views.len(), facts.clients().len());
        let mut frames = views.iter().filter_map(|view| view.frame);
        let frame = frames.next();
        // If they fail in different places, each client is shown with its own.
        let apart = frames.any(|other| Some(other) != frame);
        // One is described; the list of clients has them all.
        let Some(first) = views.first().map(|view| match view.frame.filter(|_| apart) {
            Some(frame) => format!("{} at frame {frame}", describe(view)),
            None => describe(view),
        }) else {
            return;
        };
        // A finding that is harmless by itself is the cause here; a more severe one comes first anyway.
        let there = findings.list.iter().filter(|f| f.frame == frame && frame.is_some());
        let cause = there.rev().max_by_key(|f| f.severity).filter(|f| f.severity < severity);
        let place = frame.filter(|_| !apart).map_or(String::new(), |n| format!(" at frame {n}"));
        let message = match cause {
            Some(cause) if failing > 1 => {
                format!(
                    "{}: {first}; {} fail",
                    cause.message,
                    text::count(failing as u64, "client")
                )
            }
            Some(cause) => format!("{}: {first}", cause.message),
            None if failing > 1 => {
                format!("Finished on the wire, but {failing} of {all} clients fail{place}: {first}")
            }
            None => format!("Finished on the wire, but {first}"),
        };
        let offset = frame.and_then(|frame| facts.frames().get(frame as usize)).map(|f| f.offset);
        findings.raise_as(Code::ClientFails, severity, FindingPlace { frame, offset }, message);
    }
}

fn found(findings: &Findings, code: Code) -> bool {
    findings.list.iter().any(|finding| finding.code == code)
}

/// Returns whether the answer arrived up to its finish, so that a client that has less of it lost the rest by
/// itself.
fn is_complete(facts: &Facts) -> bool {
    !(refused(facts) || ours(facts) || cut(facts))
        && facts.misread().is_none()
        && facts.answer().errors.is_empty()
        && facts.answer().finish().next().is_some()
        // Data after the end does not matter to the answer, but it may to a client.
        && (facts.tail_is_intact() || facts.saw_own_end())
}

/// Returns whether the stream is from the dialect's own vendor, or from a gateway that acts for it, judging
/// by its model. A variant of Chat is someone else's.
fn is_vendors(facts: &Facts) -> bool {
    let model = facts.answer().model.as_deref().unwrap_or_default().to_ascii_lowercase();
    let names: &[&str] = match facts.dialect().map(|d| d.name()) {
        Some("openai-chat") if facts.variant().is_some() || model.is_empty() => return false,
        Some("openai-chat" | "openai-responses") => {
            &["gpt-", "chatgpt", "codex", "o1", "o3", "o4", "computer-use"]
        }
        Some("anthropic") => &["claude"],
        _ => return true,
    };
    // A gateway may put a provider's name in front.
    // Anyone may serve the open weights.
    let open =
        model.contains("gpt-oss") && facts.dialect().is_some_and(|d| d.name() == "openai-chat");
    let mut parts = model.split(['/', '.', ':']);
    let named = parts.any(|part| names.iter().any(|name| part.starts_with(name)));
    model.is_empty() || (named && !open)
}

fn describe(view: &ClientView) -> String {
    let verb = match view.result {
        Returned::Error => "raises",
        Returned::Partial | Returned::Ok => "returns",
        Returned::Empty => "returns nothing:",
        Returned::Hang => return format!("{} {}", view.client, view.detail),
    };
    format!("{} {verb} {}", view.client, view.detail)
}
