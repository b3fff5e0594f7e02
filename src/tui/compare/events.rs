//! Events of both sides in one order of time.

use crate::text::{Newlines, group, visible};
use crate::tui::model::Exchange;
use crate::tui::pane::frames::severity_sign;
use crate::tui::theme::Role;

/// One thing that happened on one side: a moment, or all findings of one code.
#[derive(Debug)]
pub(super) struct TimelineEvent {
    /// Microseconds since that side's request; `None` where it was not measured.
    pub(super) at: Option<u64>,
    pub(super) side: usize,
    pub(super) sign: (&'static str, Role),
    pub(super) name: String,
    pub(super) message: String,
}

/// Returns what happened on both sides, in order of time; what has no time is last.
pub(super) fn events(a: &Exchange, b: &Exchange) -> Vec<TimelineEvent> {
    let mut events = Vec::new();
    for (side, exchange) in [a, b].into_iter().enumerate() {
        let inspection = &exchange.inspection;
        let since = |at: Option<u64>| Some(at?.saturating_sub(exchange.origin()?));
        let head = inspection.head.as_ref().map_or(String::new(), |h| h.status.to_string());
        let end = inspection.reason().map_or(String::new(), |r| r.name().to_owned());
        for (name, at) in inspection.timing.moments() {
            let message = match name {
                "head" => head.clone(),
                "end" => end.clone(),
                _ => String::new(),
            };
            if let at @ Some(_) = since(at) {
                events.push(TimelineEvent {
                    at,
                    side,
                    sign: ("·", Role::Dim),
                    name: name.into(),
                    message,
                });
            }
        }
        for of in exchange.story().iter() {
            let finding = &inspection.findings()[of.findings[0]];
            let times = match inspection.times(of) {
                0 | 1 => String::new(),
                n => format!(" ×{}", group(n)),
            };
            events.push(TimelineEvent {
                at: since(finding.at),
                side,
                sign: severity_sign(Some(of.severity)),
                name: format!("{}{times}", finding.code),
                message: visible(&finding.sentence(), Newlines::Show).into_owned(),
            });
        }
    }
    events.sort_by_key(|e| e.at.unwrap_or(u64::MAX));
    events
}
