//! The tabs that are one text: tool calls, usage, head.

use crate::inspect::Inspection;
use crate::journal::Headers;
use crate::text::{Newlines, count, group, visible};
use crate::tui::model::Exchange;
use crate::tui::theme::Role;
use crate::tui::widget::line::seconds;
use crate::tui::widget::secrets::{shown_url, shown_value};
use crate::tui::widget::{Doc, json};

/// Width of the labels.
const LABEL: usize = 16;
/// Largest number of bytes of one call's arguments that are laid out.
const MAX_ARGUMENTS: usize = 1 << 20;

fn shown(text: &str) -> String {
    visible(text, Newlines::Show).into_owned()
}

/// The tool calls, put together.
pub(super) fn tools(exchange: &Exchange) -> Doc {
    let mut doc = Doc::new();
    let answer = exchange.inspection.answer();
    if answer.tools().is_empty() {
        doc.push(Role::Dim, "No tool calls");
        return doc;
    }
    for tool in answer.tools() {
        let name = tool.name.as_deref().map_or_else(|| "(no name)".to_owned(), shown);
        let id = tool.id.as_deref().map_or_else(|| "no id".to_owned(), shown);
        let choice =
            if tool.choice > 0 { format!(", choice {}", tool.choice) } else { String::new() };
        doc.push(Role::Tool, &format!("{}  {name}", tool.index));
        doc.push(
            Role::Dim,
            &format!("  {id}{choice}, first in frame {}", group(tool.first.into())),
        )
        .line();
        let mut end = tool.arguments.len().min(MAX_ARGUMENTS);
        while !tool.arguments.is_char_boundary(end) {
            end -= 1;
        }
        let mut tape = crate::json::Tape::new();
        match tape.parse(&tool.arguments) {
            Ok(()) => {
                let laid = json::pretty(&tool.arguments[..end]);
                let base = doc.text.len();
                json::marks(&laid, base, &mut doc.marks);
                doc.plain(&laid).line();
            }
            Err(_) if tool.arguments.is_empty() => {
                doc.push(Role::Dim, "(no arguments)").line();
            }
            Err(e) => {
                doc.plain(&tool.arguments[..end]).line();
                let state = if exchange.inspection.is_over() { "Not JSON" } else { "Not JSON yet" };
                doc.push(Role::Warn, &format!("{state}: byte {}: {}", e.offset, e.kind)).line();
            }
        }
        if end < tool.arguments.len() {
            doc.push(
                Role::Warn,
                &format!("… {}", count((tool.arguments.len() - end) as u64, "more byte")),
            );
            doc.line();
        }
        doc.line();
    }
    doc
}

/// Usage, finish, model.
pub(super) fn usage(exchange: &Exchange) -> Doc {
    let mut doc = Doc::new();
    let answer = exchange.inspection.answer();
    let usage = &answer.usage;
    for (name, value) in [
        ("input", usage.input),
        ("output", usage.output),
        ("reasoning", usage.reasoning),
        ("cached", usage.cached),
        ("total", usage.total),
    ] {
        match value {
            Some(n) => doc.row(LABEL, name, &group(n)),
            None => doc
                .push(Role::Label, &format!("{name:<LABEL$}"))
                .push(Role::Dim, "not given")
                .line(),
        };
    }
    for (path, n) in &answer.usage_seen {
        doc.push(Role::Dim, &format!("via {} ×{n}", path.general())).line();
    }
    if let Some(packing) = exchange.inspection.packing() {
        let (per, deltas) = (packing.per_delta(), group(packing.deltas));
        doc.row(LABEL, "per delta", &format!("{per:.1} tokens in {deltas} deltas"));
    }
    if exchange.inspection.usage_is_alone() {
        doc.row(LABEL, "chunk", "without choices (`choices: []`)");
    }
    doc.line();
    if let Some(model) = &answer.model {
        doc.row(LABEL, "model", &shown(model));
    }
    for (choice, finish) in answer.finish() {
        let label = if choice == 0 { "finish".to_owned() } else { format!("finish {choice}") };
        doc.row(LABEL, &label, &format!("{:?}", shown(finish)));
    }
    for error in &answer.errors {
        doc.push(Role::Error, &format!("{:<LABEL$}", "error")).plain(&shown(&error.message));
        doc.push(Role::Dim, &format!("  frame {}", group(error.frame.into()))).line();
    }
    doc
}

fn headers(doc: &mut Doc, headers: &Headers) {
    for (name, value) in headers {
        doc.push(Role::JsonKey, &shown(name)).push(Role::Dim, ": ");
        doc.plain(&shown_value(name, value)).line();
    }
}

/// Returns what is known beside the body.
pub(super) fn head(exchange: &Exchange) -> Doc {
    let mut doc = Doc::new();
    let inspection = &exchange.inspection;
    if let Some(request) = &inspection.request {
        doc.push(Role::Title, &format!("{} {}", shown(&request.method), shown_url(&request.url)))
            .line();
        headers(&mut doc, &request.headers);
        let body = count(request.body.len() as u64, "byte");
        doc.push(Role::Dim, &format!("{body} of body")).line();
        for warning in &request.warnings {
            doc.push(Role::Warn, &format!("▲ {}", shown(warning))).line();
        }
        doc.line();
    }
    for (_, interim) in &inspection.interim {
        doc.push(Role::Title, &format!("{} {}", shown(&interim.version), interim.status)).line();
        headers(&mut doc, &interim.headers);
    }
    match &inspection.head {
        Some(head) => {
            doc.push(Role::Title, &format!("{} {}", shown(&head.version), head.status)).line();
            headers(&mut doc, &head.headers);
        }
        None if inspection.bare.is_some() => {
            doc.push(Role::Dim, "A bare body: its headers are unknown").line();
        }
        None => {
            doc.push(Role::Dim, "No response headers").line();
        }
    }
    if let Some(trailers) = &inspection.trailers {
        doc.push(Role::Title, "Trailers").line();
        headers(&mut doc, trailers);
    }
    doc.line();
    ending(&mut doc, inspection);
    timing(&mut doc, exchange);
    doc
}

fn ending(doc: &mut Doc, inspection: &Inspection) {
    doc.push(Role::Title, "Connection and end").line();
    for fact in &inspection.connection {
        doc.plain(&shown(fact)).line();
    }
    spoken(doc, inspection);
    if let Some(framing) = inspection.framing() {
        doc.row(LABEL, "framing", framing.name());
    }
    let Some(reason) = inspection.reason() else { return };
    let end = inspection.ending();
    let yes = |b: bool| if b { "yes" } else { "no" };
    doc.row(LABEL, "reason", reason.name());
    doc.row(LABEL, "transport", end.transport.name());
    doc.row(LABEL, "[DONE]", yes(end.sentinel));
    doc.row(LABEL, "finish", yes(end.finish));
    if let Some(terminal) = end.terminal {
        doc.row(LABEL, "terminal event", yes(terminal));
    }
    if let Some((_, detail)) = &inspection.end
        && !detail.is_empty()
    {
        doc.row(LABEL, "in the client", &shown(detail));
    }
    doc.line();
}

/// The dialect, by what it was recognized, and what is normal for who speaks it.
fn spoken(doc: &mut Doc, inspection: &Inspection) {
    let dialect = inspection.spoken().unwrap_or_else(|| "not recognized".to_owned());
    doc.row(LABEL, "dialect", &dialect);
    if let Some(how) = inspection.how_recognized() {
        doc.row(LABEL, "recognized", &shown(&how));
    }
    if let Some(found) = inspection.misread() {
        let what = format!("the bytes are {}, by {}", found.dialect.name(), found.sign.by);
        doc.push(Role::Warn, &format!("{:<LABEL$}", "▲ but")).plain(&shown(&what)).line();
    }
    let Some((variant, by)) = inspection.variant() else { return };
    doc.row(LABEL, "variant", &format!("{}, by {}", variant.name, shown(by)));
    let mut normal = Vec::new();
    if !variant.reasoning.is_empty() {
        normal.push(format!("reasoning in delta.{}", variant.reasoning.join(", delta.")));
    }
    let usage: Vec<_> = variant.usage.iter().map(|u| u.place()).collect();
    normal.push(format!("usage in {}", usage.join(", ")));
    if !variant.finishes.is_empty() {
        normal.push(format!("finish {}", variant.finishes.join(", ")));
    }
    if let Some(done) = variant.done_after_error {
        normal.push(format!("{} after an error", if done { "[DONE]" } else { "no [DONE]" }));
    }
    doc.row(LABEL, "normal there", &normal.join("; "));
}

fn timing(doc: &mut Doc, exchange: &Exchange) {
    let inspection = &exchange.inspection;
    let t = &inspection.timing;
    doc.push(Role::Title, "Counts and times (seconds since the request)").line();
    doc.row(LABEL, "bytes", &group(inspection.wire_len()));
    if inspection.coding().is_some() {
        doc.row(LABEL, "decoded bytes", &group(inspection.body().len() as u64));
    }
    doc.row(LABEL, "reads", &group(inspection.reads().len() as u64));
    doc.row(LABEL, "frames", &group(inspection.frames().len() as u64));
    for (name, moment) in t.moments() {
        if let (Some(from), Some(moment)) = (exchange.origin(), moment) {
            doc.row(LABEL, name, &seconds(moment.saturating_sub(from)));
        }
    }
    // The waits must be sorted, so do it only once the stream is over.
    if let Some(gaps) = inspection.is_over().then(|| t.gap_summary()).flatten() {
        let parts = format!(
            "median {}, p99 {}, longest {}",
            seconds(gaps.p50),
            seconds(gaps.p99),
            seconds(gaps.max)
        );
        doc.row(LABEL, "between deltas", &parts);
    }
}
