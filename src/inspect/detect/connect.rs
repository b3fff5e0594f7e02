//! Rules about getting as far as an answer: name, connection, TLS, the head's arrival.

use super::{Code, Detector, Findings, Place};
use crate::inspect::Facts;
use crate::journal::{EndCause, Timeout};
use crate::text;

#[derive(Default)]
pub(super) struct Connect;

impl Detector for Connect {
    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        let Some((cause, detail)) = &facts.end else { return };
        let words = said(detail);
        let (rule, message) = match cause {
            EndCause::Dns => (Code::DnsFailure, format!("The host name has no address{words}.")),
            EndCause::Refused => (
                Code::ConnectRefused,
                format!("No connection: nobody answers at that address and port{words}."),
            ),
            EndCause::Timeout(Timeout::Connect) => (
                Code::ConnectTimeout,
                format!("The connection did not stand within the time limit{words}."),
            ),
            EndCause::Tls => tls(detail),
            EndCause::ClosedBeforeHead => (
                Code::ClosedBeforeHead,
                format!(
                    "The server closed the connection before the head of an answer was complete{words}."
                ),
            ),
            EndCause::ClosedInsideHead => (
                Code::ClosedInsideHead,
                format!("The server closed the connection inside the response head{words}."),
            ),
            EndCause::Protocol if facts.head.is_none() => {
                (Code::ProtocolError, format!("What the server sent is not HTTP{words}."))
            }
            _ => return,
        };
        findings.raise(rule, Place::default(), message);
    }
}

fn tls(detail: &str) -> (Code, String) {
    let lower = detail.to_ascii_lowercase();
    let words = said(detail);
    let names = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if names(&["certificate", "unknownissuer", "notvalidforname", "self-signed", "self signed"]) {
        (Code::TlsUntrusted, format!("The server's certificate is not trusted{words}."))
    } else if names(&["eof", "closed", "unexpected end", "reset"]) {
        (Code::TlsEof, format!("The server hung up in the middle of the TLS handshake{words}."))
    } else {
        (Code::TlsFailed, format!("The TLS handshake failed{words}."))
    }
}

/// The HTTP library's words, as the tail of a sentence.
pub(in crate::inspect) fn said(detail: &str) -> String {
    match detail.trim() {
        "" => String::new(),
        words => format!(" ({})", text::preview(words.trim_end_matches('.'), 160)),
    }
}
