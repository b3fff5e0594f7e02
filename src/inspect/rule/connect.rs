//! Rules about getting as far as an answer: name, connection, TLS, the head's arrival.

use super::{Family, Out, Phase, Place, Rule, Severity, rule};
use crate::inspect::Inspection;
use crate::journal::{EndCause, Timeout};
use crate::text;

pub(super) const RULES: &[Rule] = &[
    Rule {
        code: "dns-failure",
        severity: Severity::Error,
        phase: Phase::Connect,
        means: "The host name of the address has no IP address.",
        example: "NXDOMAIN for api.exmaple.com",
        breaks: "Every client; the SDKs print only \"Connection error.\" and hide the name.",
        remedy: "Check the base URL for a typing error, then the resolver and the VPN.",
        see: "The lab has no name to look up. `sselens send --url http://nowhere.invalid/ hi`",
        ..Rule::DEFAULT
    },
    Rule {
        code: "connect-refused",
        severity: Severity::Error,
        phase: Phase::Connect,
        means: "Nobody takes connections at that address and port.",
        example: "SYN → RST",
        breaks: "Every client; the SDKs print the same \"Connection error.\" as for a bad name.",
        remedy: "Is the server running, on that port, on that interface? Is a proxy in between?",
        see: "Nobody listens, so there is no lab. `sselens send --url http://127.0.0.1:9/ hi`",
        ..Rule::DEFAULT
    },
    Rule {
        code: "connect-timeout",
        severity: Severity::Error,
        phase: Phase::Connect,
        means: "The connection did not stand within the time allowed for it.",
        example: "SYN → (nothing)",
        breaks: "Clients with one timeout for everything count it as a slow model.",
        remedy: "A firewall drops the packets, or the route is down: try another network, or raise --connect-timeout.",
        see: "The lab answers at once. `sselens send --url http://192.0.2.1/ --connect-timeout 2 hi`",
        ..Rule::DEFAULT
    },
    Rule {
        code: "tls-untrusted",
        severity: Severity::Error,
        phase: Phase::Tls,
        means: "The server's certificate is not one that this machine trusts for that name.",
        example: "invalid peer certificate: UnknownIssuer",
        breaks: "Rust clients without the system's roots, behind proxies that inspect TLS; Python with its own certifi bundle.",
        remedy: "Look who issued the certificate. Behind an inspecting proxy give its root with --ca-cert.",
        evidence: "nolabs-ai/nono#889, simonw/llm#979",
        see: "The lab speaks no TLS. It takes a server whose certificate you signed yourself.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "tls-eof",
        severity: Severity::Error,
        phase: Phase::Tls,
        means: "The server closed the connection in the middle of the TLS handshake.",
        example: "ClientHello → FIN",
        breaks: "Every client, with a message about an unexpected end of file.",
        remedy: "Often a port that speaks no TLS, or a gateway that rejects the server name; try http:// or another network.",
        evidence: "rust-lang/rustup#4305",
        see: "The lab speaks no TLS: it needs a server that closes during the handshake.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "tls-failed",
        severity: Severity::Error,
        phase: Phase::Tls,
        means: "The TLS handshake failed for another reason than an untrusted certificate.",
        example: "received fatal alert: HandshakeFailure",
        breaks: "Every client.",
        remedy: "The library's words name the alert; a port without TLS answers with something that is no handshake.",
        see: "The lab speaks no TLS. Send https to a plain port: `sselens lab --listen 127.0.0.1:8080`, `sselens send --url https://127.0.0.1:8080/ hi`",
        ..Rule::DEFAULT
    },
    Rule {
        code: "closed-before-head",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "The server took the request and closed the connection without an answer: no byte of one, or only a piece of its head, which the HTTP library does not tell apart.",
        example: "POST … → FIN",
        breaks: "openai-python, openai-node and LiteLLM report a generic connection error and retry: the request may be billed twice.",
        remedy: "Look into the server's or gateway's log for a crash at that moment; a kept-alive connection that had just been closed looks the same once.",
        evidence: "replayed against the clients",
        ..Rule::DEFAULT
    },
    Rule {
        code: "closed-inside-head",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "The connection was closed before the response head was complete. The HTTP library of this program cannot tell it from no answer at all, so a live request shows closed-before-head; recordings of other makers can show this.",
        example: "HTTP/1.1 200 OK⏎Content-Type: text/ev",
        breaks: "openai-python, openai-node and LiteLLM report a generic connection error and retry.",
        remedy: "The server or a proxy died while answering; its log knows.",
        evidence: "replayed against the clients",
        see: "The HTTP library tells it no more from a head that never began: what the lab sends (lab/closed-inside-head) shows as closed-before-head.",
        ..Rule::DEFAULT
    },
    Rule {
        code: "protocol-error",
        severity: Severity::Error,
        phase: Phase::Head,
        means: "What came back is not HTTP, or breaks its rules.",
        example: "SSH-2.0-OpenSSH_9.6⏎",
        breaks: "Every client.",
        remedy: "Check port and scheme: another service may listen there, or plain HTTP where TLS is spoken.",
        ..Rule::DEFAULT
    },
];

#[derive(Default)]
pub(super) struct Connect;

impl Family for Connect {
    fn end(&mut self, now: &Inspection, out: &mut Out<'_>) {
        let Some((cause, detail)) = &now.end else { return };
        let words = said(detail);
        let (rule, message) = match cause {
            EndCause::Dns => {
                (rule!("dns-failure"), format!("The host name has no address{words}."))
            }
            EndCause::Refused => (
                rule!("connect-refused"),
                format!("No connection: nobody answers at that address and port{words}."),
            ),
            EndCause::Timeout(Timeout::Connect) => (
                rule!("connect-timeout"),
                format!("The connection did not stand within the time limit{words}."),
            ),
            EndCause::Tls => tls(detail),
            EndCause::ClosedBeforeHead => (
                rule!("closed-before-head"),
                format!(
                    "The server closed the connection before the head of an answer was complete{words}."
                ),
            ),
            EndCause::ClosedInsideHead => (
                rule!("closed-inside-head"),
                format!("The server closed the connection inside the response head{words}."),
            ),
            EndCause::Protocol if now.head.is_none() => {
                (rule!("protocol-error"), format!("What the server sent is not HTTP{words}."))
            }
            _ => return,
        };
        out.raise(rule, Place::default(), message);
    }
}

fn tls(detail: &str) -> (&'static Rule, String) {
    let lower = detail.to_ascii_lowercase();
    let words = said(detail);
    let names = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    if names(&["certificate", "unknownissuer", "notvalidforname", "self-signed", "self signed"]) {
        (rule!("tls-untrusted"), format!("The server's certificate is not trusted{words}."))
    } else if names(&["eof", "closed", "unexpected end", "reset"]) {
        (rule!("tls-eof"), format!("The server hung up in the middle of the TLS handshake{words}."))
    } else {
        (rule!("tls-failed"), format!("The TLS handshake failed{words}."))
    }
}

/// The HTTP library's words, as the tail of a sentence.
pub(in crate::inspect) fn said(detail: &str) -> String {
    match detail.trim() {
        "" => String::new(),
        words => format!(" ({})", text::preview(words.trim_end_matches('.'), 160)),
    }
}
