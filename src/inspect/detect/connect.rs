//! Rules about getting as far as an answer: name, connection, TLS, the head's arrival.

use super::{Code, Detector, FindingPlace, Findings};
use crate::inspect::Facts;
use crate::journal::{EndCause, Timeout};

#[derive(Default)]
pub(super) struct ConnectDetector;

impl Detector for ConnectDetector {
    fn end(&mut self, facts: &Facts, findings: &mut Findings) {
        let Some((cause, detail)) = &facts.end else { return };
        let (rule, message) = match cause {
            EndCause::Dns => (Code::DnsFailure, "Host name does not resolve"),
            EndCause::Refused => (
                Code::ConnectRefused,
                "Connection refused: nothing is listening at that address and port",
            ),
            EndCause::ProxyRefused => {
                (Code::ProxyRefused, "The proxy did not connect to the server")
            }
            EndCause::Timeout(Timeout::Connect) => (Code::ConnectTimeout, "Connection timed out"),
            EndCause::Tls => tls(detail),
            EndCause::ClosedBeforeHead => (
                Code::ClosedBeforeHead,
                "Server closed the connection before the response headers were complete",
            ),
            EndCause::ClosedInsideHead => {
                (Code::ClosedInsideHead, "Server closed the connection inside the response headers")
            }
            EndCause::Protocol if facts.head.is_none() => {
                (Code::ProtocolError, "The server's response is not HTTP")
            }
            _ => return,
        };
        findings.raise_end(rule, rule.severity(), FindingPlace::default(), message, detail);
    }
}

fn tls(detail: &str) -> (Code, &'static str) {
    let lower = detail.to_ascii_lowercase();
    let names = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if names(&["certificate", "unknownissuer", "notvalidforname", "self-signed", "self signed"]) {
        (Code::TlsUntrusted, "Server certificate is not trusted")
    } else if names(&["eof", "closed", "unexpected end", "reset"]) {
        (Code::TlsEof, "Server closed the connection during the TLS handshake")
    } else {
        (Code::TlsFailed, "TLS handshake failed")
    }
}
