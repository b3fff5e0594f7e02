//! Rules about a WebSocket: how it was closed, and what is against its standard.

use super::{Code, Detector, FindingPlace, Findings, Severity, cut, ours};
use crate::frame::web_socket::Sender;
use crate::inspect::Facts;
use crate::text;

#[derive(Default)]
pub(super) struct WebSocketDetector {
    /// Number of faults that were reported.
    reported: usize,
}

/// Returns the name of a party in a sentence.
fn name(sender: Sender) -> &'static str {
    match sender {
        Sender::Client => "client",
        Sender::Server => "server",
    }
}

/// Returns what a close code means, if the standard says so.
fn meaning(code: u16) -> &'static str {
    match code {
        1000 => "normal",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1007 => "invalid data",
        1008 => "policy violation",
        1009 => "message too big",
        1010 => "extension missing",
        1011 => "server error",
        1012 => "service restart",
        1013 => "try again later",
        1014 => "bad gateway",
        3000 => "unauthorized",
        4000.. => "the application's own code",
        _ => "unknown code",
    }
}

impl WebSocketDetector {
    /// Reports the faults of the frames up to one.
    fn faults(&mut self, facts: &Facts, last: Option<u32>, findings: &mut Findings) {
        let faults = facts.web_socket().map_or(&[][..], |w| &w.faults()[self.reported..]);
        let up_to = |frame: Option<u32>| last.is_none_or(|last| frame.is_some_and(|f| f <= last));
        for (frame, sender, fault) in faults.iter().take_while(|f| up_to(f.0)) {
            self.reported += 1;
            let message = format!("WebSocket protocol error by the {}: {fault}", name(*sender));
            let offset = frame.and_then(|f| facts.frames().get(f as usize)).map(|f| f.offset);
            findings.raise_once(Code::WsProtocol, FindingPlace { frame: *frame, offset }, message);
        }
    }
}

impl Detector for WebSocketDetector {
    fn message(&mut self, facts: &Facts, index: u32, findings: &mut Findings) {
        self.faults(facts, Some(index), findings);
    }

    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        self.faults(facts, None, findings);
        let Some(web_socket) = facts.web_socket() else { return };
        let Some(closing) = web_socket.closing() else {
            // A client that has its answer may disconnect in any way.
            if !ours(facts) && !cut(facts) && !facts.saw_own_end() {
                let message = "WebSocket ended without a close frame (1006)";
                findings.raise(Code::WsClose, FindingPlace::default(), message);
            }
            return;
        };
        let code = match closing.code {
            None | Some(1000 | 1001) => return,
            Some(code) => code,
        };
        let reason = match closing.reason.as_str() {
            "" => String::new(),
            reason => format!(": \"{}\"", text::preview(reason, 120)),
        };
        let message = format!(
            "The {} closed the WebSocket with {code} ({}){reason}",
            name(closing.by),
            meaning(code)
        );
        let severity = match facts.saw_own_end() {
            true => Severity::Warn,
            false => Severity::Error,
        };
        findings.raise_as(Code::WsClose, severity, FindingPlace::default(), message);
    }
}
