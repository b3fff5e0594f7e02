//! How the other call was delivered: cut off by a timeout, refused by the gateway itself, compressed,
//! or merely later. These come first, since what is missing because of them is their consequence.

use super::side::Side;
use super::{Check, Found, both};
use crate::inspect::{Reason, Severity, Timing};
use crate::journal::Micros;
use crate::rule::Code;
use crate::text::preview;

/// Microseconds of silence below which a closed connection points at no timeout.
const MIN_SILENCE: Micros = 500_000;

/// Microseconds of delay that are worth a word.
const MIN_DELAY: Micros = 200_000;

/// Seconds, as people read them.
fn seconds(t: Micros) -> String {
    format!("{:.1} s", t as f64 / 1e6)
}

/// The time from the request to a moment.
fn since(timing: &Timing, of: Option<Micros>) -> Option<Micros> {
    timing.request.zip(of).map(|(from, to)| to.saturating_sub(from))
}

/// When each sign of life came: the request, the headers, every read.
fn moments(s: &Side<'_>) -> impl Iterator<Item = Micros> {
    let timing = &s.seen.timing;
    let reads = s.seen.reads().iter().filter_map(|read| read.at);
    timing.request.into_iter().chain(timing.head).chain(reads)
}

/// The longest silence of a call, up to its end.
fn longest_silence(s: &Side<'_>) -> Micros {
    let mut moments: Vec<_> = moments(s).chain(s.seen.timing.end).collect();
    moments.sort_unstable();
    moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
}

/// How long a call had been silent when it ended.
fn last_silence(s: &Side<'_>) -> Option<Micros> {
    let end = s.seen.timing.end?;
    moments(s).max().map(|last| end.saturating_sub(last))
}

/// Where the other has headers of success and no body.
pub(super) const EMPTY: &[Check] = &[empty];

/// A 200 with nothing in it is one loss, not a list of them.
fn empty(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let status = b.seen.status().unwrap_or(200);
    let chars = crate::text::count(a.seen.body().len() as u64, "byte");
    let message = format!("{b} answered {status} with an empty body; {a} sent {chars}.");
    found.add(Code::GwGuardrailEmptied, both(chars, "empty body"), message);
}

/// Whether `b` has headers of success and no body, and `a` has an answer.
pub(super) fn is_empty(a: &Side<'_>, b: &Side<'_>) -> bool {
    let answered = b.seen.status().is_some_and(|status| status < 300);
    let ended = matches!(b.seen.reason(), Some(Reason::Complete | Reason::Closed));
    answered && ended && b.seen.body().is_empty() && a.carriers > 0 && a.error().is_none()
}

/// A read timeout in between: the other was closed while the direct call was silent.
pub(super) fn timeout(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    if a.failed() || b.was_stopped() || !b.seen.is_over() {
        return;
    }
    let silence = longest_silence(a);
    // 504 is a gateway's word for it; 408 some proxies' for the same.
    let gateway_timeout = matches!(b.seen.status(), Some(504 | 408));
    let cut = matches!(
        b.seen.reason(),
        Some(Reason::Truncated | Reason::Reset | Reason::Closed | Reason::Protocol)
    );
    let unfinished = cut && b.error().is_none() && !b.seen.answer().finished();
    let Some(waited) = (if gateway_timeout {
        since(&b.seen.timing, b.seen.timing.head)
    } else {
        last_silence(b).filter(|_| unfinished)
    }) else {
        return;
    };
    // The direct call was silent for longer than the other was given.
    if waited < MIN_SILENCE || silence < waited {
        return;
    }
    let (left, right) = (format!("silent for {}", seconds(silence)), seconds(waited));
    let how = match b.seen.status().filter(|_| gateway_timeout) {
        Some(status) => format!("{b} answered {status} after {right}"),
        None => format!("{b} was closed after {right} of silence"),
    };
    let message = format!("{how} ({a} was {left}): a read timeout between you and the provider.");
    found.add(Code::GwTimeout, both(left, format!("closed after {right}")), message);
}

/// What tells that the gateway, and not the provider, wrote a refusal.
fn signature(a: &Side<'_>, b: &Side<'_>) -> Option<String> {
    let body = String::from_utf8_lossy(b.seen.body());
    let page = body.trim_start().starts_with('<');
    let server = |s: &Side<'_>| s.header("server").map(str::to_ascii_lowercase);
    if b.is_gateway {
        return Some("its own headers".to_owned());
    }
    if let Some(name) = server(b).filter(|name| server(a).as_ref() != Some(name)) {
        return Some(format!("server: {}", preview(&name, 40)));
    }
    if let Some(via) = b.header("via").filter(|_| a.header("via").is_none()) {
        return Some(format!("via: {}", preview(via, 40)));
    }
    page.then(|| "an HTML page".to_owned())
}

/// The gateway's own refusal of a request that the provider answers.
pub(super) fn refused(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let Some(status) = b.seen.status().filter(|status| *status >= 400) else { return };
    let answered = a.seen.status().is_some_and(|status| status < 300) && a.error().is_none();
    if !answered || a.carriers == 0 || found.has(Code::GwTimeout) {
        return;
    }
    let Some(signature) = signature(a, b) else { return };
    let words = b.said().filter(|said| !said.trim_start().starts_with('<'));
    let words = words.map_or(String::new(), |said| format!(": {:?}", preview(&said, 80)));
    let right = format!("{status}{words}");
    let message = format!(
        "{b} refused the request itself with {right} ({signature}); {a} answered. \
         Whether it asked the provider is unknown without a tap."
    );
    found.add(Code::GwRefused, both("answered", right), message);
}

/// A content coding that only the other has.
pub(super) fn compressed(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let coding = |s: &Side<'_>| {
        s.header("content-encoding")
            .filter(|c| !c.eq_ignore_ascii_case("identity"))
            .map(str::to_owned)
    };
    let (None, Some(coding)) = (coding(a), coding(b)) else { return };
    let first = |s: &Side<'_>| since(&s.seen.timing, s.seen.timing.first_frame);
    let late = first(a).zip(first(b)).map_or(0, |(x, y)| y.saturating_sub(x));
    let bursts = b.found(&[Code::BurstDelivery]) && !a.found(&[Code::BurstDelivery]);
    let delays = bursts || late >= MIN_DELAY;
    let effect = match (bursts, delays) {
        (true, _) => " and delivers it in bursts",
        (_, true) => " and delays it",
        _ => "",
    };
    let coding = preview(&coding, 20);
    let message = format!("{b} compresses the stream ({coding}){effect}; {a} does not.");
    let severity = if delays { Severity::Warn } else { Severity::Info };
    found.add_as(Code::GwCompressed, severity, both("identity", coding), message);
}

/// A steady delay before the headers: buffering is another matter.
pub(super) fn delayed(a: &Side<'_>, b: &Side<'_>, found: &mut Found) {
    let head = |s: &Side<'_>| since(&s.seen.timing, s.seen.timing.head);
    let (Some(x), Some(y)) = (head(a), head(b)) else { return };
    let late = y.saturating_sub(x);
    let answers = a.carriers > 0 && b.carriers > 0;
    if late < MIN_DELAY || !answers || found.has(Code::GwBuffered) || found.has(Code::GwCompressed)
    {
        return;
    }
    // What passes between the headers and the first content is delay in the stream.
    let after = |s: &Side<'_>| {
        s.seen.timing.head.zip(s.seen.timing.first_frame).map(|(from, to)| to.saturating_sub(from))
    };
    let inside = after(a).zip(after(b)).map_or(0, |(x, y)| y.saturating_sub(x));
    if inside * 2 > late {
        return;
    }
    let (left, right) = (seconds(x), seconds(y));
    let message = format!(
        "{b} was {} later than {a}, all before the response headers: queue, authentication, retry or cold start.",
        seconds(late)
    );
    found.add(Code::GwDelayed, both(left, right), message);
}

/// Whether the headers of a call clearly preceded its first frame, so that holding them back would
/// show.
pub(super) fn head_came_first(s: &Side<'_>) -> bool {
    let timing = &s.seen.timing;
    timing.head.zip(timing.first_frame).is_some_and(|(head, first)| first >= head + MIN_DELAY)
}
