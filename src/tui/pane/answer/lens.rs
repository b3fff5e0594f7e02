//! The answer that a client would have returned to its caller, in place of the channels.

use super::AnswerPane;
use crate::client_sim::{Client, ClientRun, Given, clients};
use crate::inspect::Severity;
use crate::text::{Newlines, count, visible};
use crate::tui::model::{Exchange, Model};
use crate::tui::theme::Role;
use crate::tui::widget::Doc;

/// Largest number of characters of a channel that are laid out: the rest is the stream's, and in the
/// channels.
const MAX_TEXT: usize = 32 << 10;

/// The client that is chosen.
pub(super) fn chosen(pane: &AnswerPane) -> Option<&'static Client> {
    pane.lens.and_then(|at| clients().nth(at))
}

/// Goes to the next client that speaks the exchange's dialect, and from the last one to none.
pub(super) fn next(pane: &mut AnswerPane, model: &mut Model) {
    let dialect = model.exchange().and_then(|e| e.inspection.dialect()).map(|d| d.name());
    let speaks = |client: &Client| dialect.is_none_or(|name| client.dialect == name);
    let nobody = !clients().any(speaks);
    let from = pane.lens.map_or(0, |at| at + 1);
    let mut rows = clients().enumerate().skip(from);
    let next = rows.find(|(_, client)| nobody || speaks(client));
    pane.lens = next.map(|(at, _)| at);
    pane.run.take();
}

/// Returns what the chosen client provides, as far as the stream has arrived.
pub(super) fn doc(pane: &AnswerPane, model: &Model, exchange: &Exchange) -> Doc {
    let mut doc = Doc::new();
    let Some(client) = chosen(pane) else { return doc };
    let mut kept = pane.run.borrow_mut();
    let mut run = match kept.take() {
        Some((shown, run)) if shown == model.shown() => run,
        _ => ClientRun::new(client),
    };
    run.advance(&exchange.inspection);
    lay(&mut doc, &run, exchange);
    *kept = Some((model.shown(), run));
    doc
}

fn lay(doc: &mut Doc, run: &ClientRun, exchange: &Exchange) {
    let (client, given) = (run.client(), run.given());
    doc.push(Role::Info, &format!("as {} sees it", client.title())).line();
    if !run.speaks(&exchange.inspection) {
        doc.push(
            Role::Warn,
            &format!("It reads {}; this stream is something else", client.dialect),
        );
        return;
    }
    if exchange.inspection.is_over() || given.error.is_some() {
        let (role, end) = end(given);
        doc.push(role, &visible(&end, Newlines::Keep)).line();
    } else {
        doc.push(Role::Dim, "reading on …").line();
    }
    for remark in run.remarks(&exchange.inspection) {
        doc.push(Role::Warn, "▲ ").plain(&visible(&remark.text, Newlines::Show)).line();
    }
    for tool in &given.tools {
        let name = tool.name.as_deref().unwrap_or("(no name)");
        doc.line().push(Role::Tool, &visible(name, Newlines::Show)).plain("  ");
        doc.plain(&visible(&tool.arguments, Newlines::Show)).line();
    }
    for (name, role, channel) in [
        ("reasoning", Role::Reasoning, &given.reasoning),
        ("content", Role::Content, &given.content),
    ] {
        if channel.is_empty() {
            doc.line().push(role, name).push(Role::Dim, "  nothing").line();
        }
        for (choice, text) in channel {
            let chars = text.chars().count();
            let which =
                if channel.len() > 1 { format!(" of choice {choice}") } else { String::new() };
            doc.line().push(role, &format!("{name}{which}"));
            doc.push(Role::Dim, &format!("  {}", count(chars as u64, "character"))).line();
            let end = text.char_indices().nth(MAX_TEXT).map_or(text.len(), |(at, _)| at);
            doc.plain(&visible(&text[..end], Newlines::Keep)).line();
            if end < text.len() {
                let more = count((chars - MAX_TEXT) as u64, "more character");
                doc.push(Role::Warn, &format!("… {more}")).line();
            }
        }
    }
}

/// Returns how it ends for the caller, and the role that shows it.
fn end(given: &Given) -> (Role, String) {
    let (severity, words) = crate::report::lens_end(given);
    let role = match severity {
        Some(Severity::Fatal) => Role::Fatal,
        Some(Severity::Error) => Role::Error,
        Some(Severity::Warn) => Role::Warn,
        Some(Severity::Info) => Role::Info,
        None => Role::Ok,
    };
    (role, words)
}
