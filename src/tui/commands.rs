//! The actions that belong to no single screen, and the texts about keys and findings.

use crossterm::event::KeyEvent;

use super::model::{Model, ReportSubject};
use super::pane::{self, frames::severity_sign};
use super::screen::{Confirm, ReadingScreen, RepetitionScreen, history, pickers};
use super::theme::Role;
use super::widget::Doc;
use crate::action::{Action, Context, Effect, types_instead};
use crate::inspect::{Rule, Severity};
use crate::text::{Newlines, visible};

/// Returns whether an action opens something over the panes.
pub(super) fn opens(action: Action) -> bool {
    matches!(
        action,
        Action::Send
            | Action::Help
            | Action::Palette
            | Action::SaveSession
            | Action::ExportMarkdown
            | Action::OpenFile
            | Action::History
            | Action::SearchSessions
            | Action::Search
            | Action::FilterFrames
            | Action::Repeat
            | Action::Copy
            | Action::PickProvider
            | Action::PickModel
            | Action::PickTheme
            | Action::Compare
    )
}

/// Does what an action means whichever screen is on top. `contexts` are those of that screen.
pub(super) fn act(model: &mut Model, contexts: &[Context], action: Action) {
    match action {
        Action::Send => model.send(),
        Action::Repeat if model.repetition().is_some() => model.push(RepetitionScreen::default()),
        Action::Repeat => pickers::repetition(model),
        Action::Stop => model.stop(),
        Action::Interrupt if model.loading().is_some() => model.stop(),
        Action::Interrupt if model.is_running() && !model.only_piped() => model.stop(),
        Action::Interrupt if !model.only_piped() => model.effect(Effect::Quit),
        Action::Quit | Action::Interrupt if model.is_live() => {
            let question = "A stream is running. Quit anyway?  y yes   n no";
            model.push(Confirm::new(question, Effect::Quit));
        }
        Action::Quit if model.would_lose_edits() => {
            let question = "The request was edited and is not kept. Quit anyway?  y yes   n no";
            model.push(Confirm::new(question, Effect::Quit));
        }
        Action::Quit => model.effect(Effect::Quit),
        Action::Help => help(model, contexts),
        Action::Palette => pickers::palette(model),
        Action::SaveSession => pickers::save(model),
        Action::ExportMarkdown if model.exchanges().is_empty() => {
            model.notify("Nothing to report yet: send a request or open a recording");
        }
        Action::ExportMarkdown => {
            pickers::report(model, ReportSubject::Session, "Write a bug report (Markdown) to");
        }
        Action::OpenFile => pickers::open(model),
        Action::PickProvider => pickers::provider(model),
        Action::PickModel => pickers::model(model),
        Action::History => history::history(model),
        Action::SearchSessions => history::search(model),
        Action::NextExchange => model.step_exchange(1),
        Action::PreviousExchange => model.step_exchange(-1),
        Action::Search => pickers::search(model),
        Action::FilterFrames => pickers::filter(model),
        Action::SearchNext => model.search(true),
        Action::SearchPrevious => model.search(false),
        Action::Compare => super::compare::pick(model),
        Action::SwapSides | Action::ExpectSame | Action::LinkSides => {
            model.notify("Only available in a comparison");
        }
        Action::PickTheme => pickers::theme(model),
        Action::ReloadConfig => model.effect(Effect::ReloadConfig { if_changed: false }),
        Action::Redraw => model.effect(Effect::Redraw),
        Action::Suspend => model.effect(Effect::Suspend),
        Action::Back if model.is_running() && !model.only_piped() => model.stop(),
        // All other actions apply to some screens only.
        _ => {}
    }
}

fn help(model: &mut Model, contexts: &[Context]) {
    let mut doc = Doc::hanging();
    for context in contexts {
        let mut listed: Vec<Action> = Vec::new();
        doc.push(Role::Title, context.title()).line();
        for binding in model.keys().of(*context) {
            let action = binding.action;
            if listed.contains(&action) || types_instead(contexts, *context, binding.key) {
                continue;
            }
            listed.push(action);
            let keys = model.keys().keys_for(&[*context], action);
            doc.push(Role::Key, &format!("  {keys:<14}"));
            doc.plain(" ").plain(action.help()).line();
        }
        doc.line();
    }
    doc.push(Role::Title, "Mouse").line();
    doc.plain("  A click goes to a pane, selects a frame, a finding, a tab, a place in the text;")
        .line();
    doc.plain("  a second click on a finding explains it. The wheel scrolls what it is over.")
        .line();
    doc.plain("  Shift and drag selects text as the terminal does.").line();
    model.push(ReadingScreen::help(doc));
}

/// A key that means nothing here: says where it counts, and for what.
pub(super) fn say_where(model: &mut Model, contexts: &[Context], key: KeyEvent) {
    let mut places: Vec<(Context, String)> = pane::all()
        .iter()
        .enumerate()
        .map(|(i, pane)| (pane.spec().context(), format!("{} {}", i + 1, pane.spec().title.0)))
        .collect();
    places.push((Context::Panes, "the panes".to_owned()));
    places.push((Context::Compare, "a comparison".to_owned()));
    let found: Vec<String> = places
        .iter()
        .filter_map(|(context, place)| {
            let action = model.keys().action(&[*context], key)?;
            Some(format!("{place} ({})", action.short()))
        })
        .collect();
    let key = crate::action::show(crate::action::combination(key));
    if found.is_empty() {
        let help = model.keys().key_for(contexts, Action::Help).unwrap_or_default();
        model.notify(format!("{key} is not bound; {help} lists the keys"));
    } else {
        model.notify(format!("{key} works in {}, not here", found.join(", ")));
    }
}

/// The subject of an explanation: a finding, a stall in progress, or a difference.
pub(super) struct Explained<'a> {
    pub(super) rule: &'static Rule,
    pub(super) severity: Severity,
    /// The finding, in one line.
    pub(super) headline: &'a str,
    /// The library's words about it; mostly empty.
    pub(super) detail: &'a str,
    /// Place where it was found; empty if that is no single place.
    pub(super) place: &'a str,
}

/// Explains a finding or a difference: what was found where, and the page of its rule. Who breaks on it and
/// what to do precede what only illustrates it, since there may be room for little.
pub(super) fn explanation(of: &Explained<'_>) -> Doc {
    let mut doc = Doc::new();
    let (sign, role) = severity_sign(Some(of.severity));
    doc.push(role, &format!("{sign} {}", of.severity.name()));
    let place = if of.place.is_empty() { String::new() } else { format!(" · {}", of.place) };
    doc.push(Role::Dim, &format!("  {}{place}", of.rule.phase.name())).line();
    doc.plain(&visible(of.headline, Newlines::Show)).line();
    let mut sections = crate::report::sections(of.rule);
    sections.sort_by_key(|(title, _)| match *title {
        "What it is" => 0,
        "Who it breaks" => 1,
        "Fix" => 2,
        _ => 3,
    });
    let after = sections.iter().position(|(title, _)| *title == "Fix").map_or(0, |i| i + 1);
    if !of.detail.is_empty() {
        let detail = visible(of.detail, Newlines::Show).into_owned();
        sections.insert(after, ("Details", detail));
    }
    for (title, text) in sections {
        doc.line();
        if !title.is_empty() {
            doc.push(Role::Title, title).line();
        }
        doc.plain(&text).line();
    }
    doc
}
