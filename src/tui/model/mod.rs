//! The data that the screens show: the session and its exchanges, the selection in them, the request being
//! edited, the settings. How it is looked at is each screen's own.
//!
//! Pure: no IO, no clock, no runtime. What is to happen outside, and what screens ask of the stack, goes out as
//! [`ScreenCommand`]s.

mod arrival;
mod arriving;
mod clipboard;
mod comparison;
mod drafts;
mod exchange;
mod notify;
mod opening;
mod pairs;
mod playback;
mod recordings;
mod refusal;
mod repetition;
mod reports;
mod request;
mod requests;
mod search;
mod stored;

pub(super) use arriving::{Task, TaskResult};
pub(super) use clipboard::COPIES;
pub(super) use comparison::SideExchange;
pub(super) use exchange::Exchange;
use notify::Notified;
pub(super) use opening::Loading;
pub(super) use pairs::PairedCall;
pub(super) use playback::Refold;
pub(super) use refusal::PromptError;
pub(super) use repetition::{PROPOSED, RepeatedRequest};
pub(super) use reports::ReportSubject;
pub(super) use request::RequestEditor;
pub(super) use requests::is_json;
use search::{FrameFilter, Search};
use stored::Stored;
pub(super) use stored::source_words;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use ratatui::layout::Rect;

use self::comparison::ComparisonModel;
use self::drafts::Drafts;
use super::pane::PaneId;
use super::screen::{Screen, ScreenCommand};
use super::theme::Theme;
use super::{Looks, ProviderInfo, Reloaded, Startup, Tools};
use crate::action::{Action, Context, Effect, Keymap, Opened};
use crate::config::Notifications;
use crate::inspect::InspectOptions;
use crate::inspect::around::Pairs;
use crate::journal::{Entry, Micros};

/// A line at the bottom of the screen, until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    /// It is about something that failed.
    pub is_error: bool,
    /// Its text, made visible.
    pub text: String,
}

/// The values that the program was started with, and those that do not change while it runs.
struct Settings {
    keys: Keymap,
    looks: Looks,
    /// The theme that is shown.
    theme: Theme,
    providers: Vec<ProviderInfo>,
    options: Arc<InspectOptions>,
    tools: Tools,
    /// The folder with requests in files.
    requests: std::path::PathBuf,
    notify: Notifications,
}

/// Something to be found in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFind<'a> {
    /// This text, from the cursor on.
    Text(&'a str),
    /// The next place of the last one, or the previous one.
    Next(bool),
}

/// The data that the screens show.
pub(super) struct Model {
    settings: Settings,
    /// The terminal's size, for which everything is laid out.
    size: Rect,
    /// True if a text is beside the panes, which make room for it.
    docked: bool,
    now: Micros,
    /// Number of entries that were received and are not shown yet.
    behind: usize,
    exchanges: Vec<Exchange>,
    /// Index of the exchange that is shown.
    shown: usize,
    /// Number of tasks that other threads were asked for.
    tasks: u64,
    /// Number of times that another exchange was shown: what screens remember of one is no longer true then.
    revision: u64,
    /// A request was handed out and its first entry has not arrived.
    sending: bool,
    drafts: Drafts,
    /// Name of the file that was opened.
    file: Option<String>,
    loading: Option<Loading>,
    /// The saved sessions; `None` until they are read.
    stored: Stored,
    /// Notifications outside of the screen.
    notified: Notified,
    comparison: Option<ComparisonModel>,
    /// Number of comparisons so far.
    comparisons: u64,
    repetition: Option<RepeatedRequest>,
    request: RequestEditor,
    /// Number of changes to the request when it was last kept.
    kept: u64,
    /// Edits are kept for the next start.
    keeps_drafts: bool,
    /// The entries of the recording that was opened; the recorder has the same.
    recorded: Arc<Vec<Entry>>,
    playback: Option<Box<playback::Playback>>,
    /// The exchanges of a gateway in pairs: which it made for which, where both its sides are recorded.
    pairs: Pairs,
    search: Search,
    filter: Option<FrameFilter>,
    notice: Option<Notice>,
    /// Notices that are shown once the keys that hide the present one have passed.
    later: Vec<String>,
    /// Names of files that were asked for, which are proposed no second time.
    proposed: BTreeSet<String>,
    commands: Vec<ScreenCommand>,
    /// Number of rows of frames that the last drawing formatted, for the test that this does not grow with
    /// the stream.
    rows_drawn: Cell<usize>,
}

impl Model {
    pub(super) fn new(startup: Startup) -> Self {
        let (draft, tools) = (startup.draft, &startup.tools);
        let mut request = RequestEditor::new(draft, &startup.providers, tools, startup.keymap);
        let theme = startup.looks.theme();
        request.set_theme(&theme);
        let settings = Settings {
            keys: startup.keys,
            theme,
            looks: startup.looks,
            providers: startup.providers,
            options: startup.options,
            tools: startup.tools,
            requests: startup.requests,
            notify: startup.notify,
        };
        let mut model = Self {
            settings,
            size: Rect::default(),
            docked: false,
            now: 0,
            behind: 0,
            exchanges: Vec::new(),
            shown: 0,
            revision: 0,
            tasks: 0,
            sending: false,
            drafts: Drafts::default(),
            file: None,
            loading: None,
            stored: Stored::default(),
            notified: Notified::default(),
            comparison: None,
            comparisons: 0,
            repetition: None,
            kept: request.changes(),
            keeps_drafts: startup.keeps_drafts,
            request,
            recorded: Arc::default(),
            playback: None,
            pairs: Pairs::default(),
            search: Search::default(),
            filter: None,
            notice: None,
            later: startup.messages,
            proposed: BTreeSet::new(),
            commands: Vec::new(),
            rows_drawn: Cell::default(),
        };
        model.look_for_variables();
        model.begin_with(startup.session, startup.open);
        model.next_notice();
        model
    }

    /// Opens what is shown first: a recording that is whole, or the beginning of the file that is still read.
    fn begin_with(&mut self, session: Option<Opened>, file: Option<std::path::PathBuf>) {
        match file {
            Some(path) => {
                self.begin_loading(path);
                session.into_iter().for_each(|opened| self.begun(opened));
            }
            None => session.into_iter().for_each(|opened| {
                self.open(opened);
                self.focus(super::pane::frames::ID);
            }),
        }
    }

    pub(super) fn keys(&self) -> &Keymap {
        &self.settings.keys
    }

    pub(super) fn theme(&self) -> &Theme {
        &self.settings.theme
    }

    pub(super) fn providers(&self) -> &[ProviderInfo] {
        &self.settings.providers
    }

    /// Puts the models that a provider listed in place of those that were known.
    pub(in crate::tui) fn set_models(&mut self, provider: &str, models: Vec<String>) {
        let named = self.settings.providers.iter_mut().find(|p| p.name == provider);
        if let Some(named) = named {
            named.models = models.into_iter().map(|name| (name, String::new())).collect();
        }
    }

    /// Returns whether a provider of that name is the embedded lab.
    pub(super) fn is_lab(&self, provider: &str) -> bool {
        self.providers().iter().any(|p| p.name == provider && p.is_lab())
    }

    pub(super) fn tools(&self) -> &Tools {
        &self.settings.tools
    }

    /// The themes, and which is shown.
    pub(super) fn looks(&self) -> &Looks {
        &self.settings.looks
    }

    /// Shows a theme, without choosing it.
    pub(super) fn show_theme(&mut self, name: &str) {
        self.settings.theme = self.settings.looks.named(name);
        self.request.set_theme(&self.settings.theme);
    }

    /// Chooses a theme for this run.
    pub(super) fn choose_theme(&mut self, name: &str) {
        self.settings.looks.choose(name);
        self.show_theme(name);
        self.notify(format!("[theme] name = {name:?} in the configuration keeps it"));
    }

    /// The terminal is light, or dark.
    pub(super) fn set_light(&mut self, light: bool) {
        self.settings.looks.set_light(light);
        let chosen = self.settings.looks.chosen().to_owned();
        self.show_theme(&chosen);
    }

    /// The configuration was read again.
    pub(super) fn configure(&mut self, new: Reloaded) {
        let settings = &mut self.settings;
        settings.keys = new.keys;
        settings.providers = new.providers;
        settings.requests = new.requests;
        settings.notify = new.notify;
        settings.options = new.options;
        settings.tools = new.tools;
        settings.looks.reload(new.looks);
        self.request.set_keymap(new.keymap);
        let chosen = self.settings.looks.chosen().to_owned();
        self.show_theme(&chosen);
        self.notify("The configuration was read again");
    }

    /// The terminal's size.
    pub(super) fn size(&self) -> Rect {
        self.size
    }

    /// Returns whether a text is beside the panes.
    pub(super) fn is_docked(&self) -> bool {
        self.docked
    }

    pub(super) fn set_docked(&mut self, docked: bool) {
        self.docked = docked;
    }

    pub(super) fn resize(&mut self, size: Rect) {
        self.size = size;
    }

    /// The time of the last event, in microseconds since the session's epoch; while a recording plays,
    /// its own.
    pub(super) fn now(&self) -> Micros {
        self.playback().map_or(self.now, playback::Playback::at)
    }

    pub(super) fn at(&mut self, now: Micros) {
        self.now = now;
        self.advance_playback();
        self.settle_pairs();
    }

    /// So many entries were received and are not shown yet: nothing is known of a silence then.
    pub(super) fn set_behind(&mut self, entries: usize) {
        if self.behind > 0 || entries > 0 {
            self.exchanges.iter_mut().for_each(|exchange| exchange.behind = entries > 0);
        }
        self.behind = entries;
    }

    /// Returns the number of entries that were received and are not shown yet.
    pub(super) fn behind(&self) -> usize {
        self.behind
    }

    pub(super) fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// The index of the shown exchange.
    pub(super) fn shown(&self) -> usize {
        self.shown
    }

    /// Changes when another exchange is shown.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// The shown exchange.
    pub(super) fn exchange(&self) -> Option<&Exchange> {
        self.exchanges.get(self.shown)
    }

    pub(super) fn exchange_mut(&mut self) -> Option<&mut Exchange> {
        self.exchanges.get_mut(self.shown)
    }

    /// Name of the file that was opened.
    pub(super) fn file(&self) -> Option<&str> {
        self.file.as_deref()
    }

    /// The request being edited.
    pub(super) fn request(&self) -> &RequestEditor {
        &self.request
    }

    pub(super) fn request_mut(&mut self) -> &mut RequestEditor {
        &mut self.request
    }

    /// Finds a text in the body that is being typed, or its next or previous place, and says which.
    pub(super) fn find_in_body(&mut self, find: BodyFind<'_>) {
        let found = match find {
            BodyFind::Text(text) => self.request.find(text, &self.settings.theme),
            BodyFind::Next(forward) => self.request.find_next(forward),
        };
        let needle = crate::text::preview(self.request.needle(), 40);
        match found {
            Some((n, all)) => self.notify(format!("{n}/{all} {needle}")),
            None if needle.is_empty() => {}
            None => self.notify(format!("{needle} is not in the body")),
        }
    }

    /// Has the request kept for the next start where it was changed since.
    pub(super) fn keep_draft(&mut self) {
        let changes = self.request.changes();
        if self.keeps_drafts && changes != self.kept {
            self.kept = changes;
            self.effect(Effect::KeepDraft(Box::new(self.request.to_send())));
        }
    }

    /// Returns whether ending the program now would lose edits.
    pub(super) fn would_lose_edits(&self) -> bool {
        !self.keeps_drafts && self.request.changes() != self.kept && !self.request.is_untouched()
    }

    /// Returns whether a request was handed out and its first entry has not arrived.
    pub(super) fn is_sending(&self) -> bool {
        self.sending
    }

    /// Returns whether a stream runs that this program asked for, or that is piped in.
    pub(super) fn is_running(&self) -> bool {
        let mut arriving = self.exchanges.iter().filter(|e| e.is_arriving());
        self.sending || self.is_repeating() || arriving.any(|e| !e.tapped)
    }

    /// Returns whether any stream runs, including those of another program.
    pub(super) fn is_live(&self) -> bool {
        self.is_running() || self.exchanges.iter().any(Exchange::is_arriving)
    }

    /// Returns whether what runs cannot be stopped from here, because another program writes it.
    pub(super) fn only_piped(&self) -> bool {
        let arriving = self.exchanges.iter().filter(|e| e.is_arriving() && !e.tapped);
        let mut running = arriving.peekable();
        !self.sending
            && !self.is_repeating()
            && running.peek().is_some()
            && running.all(|e| e.inspection.request.is_none())
    }

    /// The key that means `action` here or everywhere, for sentences; empty where none does.
    pub(super) fn key_of(&self, context: Context, action: Action) -> String {
        self.keys().key_for(&[context, Context::Everywhere], action).unwrap_or_default()
    }

    /// Returns the number of rows of frames that the last drawing formatted.
    pub(super) fn rows_drawn(&self) -> &Cell<usize> {
        &self.rows_drawn
    }

    /// Shows an exchange.
    pub(super) fn show(&mut self, index: usize) {
        if index < self.exchanges.len() {
            self.end_playback();
            self.shown = index;
            self.revision += 1;
        }
    }

    /// Shows the exchange some steps on.
    pub(super) fn step_exchange(&mut self, by: isize) {
        let to = self.shown.saturating_add_signed(by);
        if to < self.exchanges.len() && to != self.shown {
            self.show(to);
        } else {
            let all = crate::text::count(self.exchanges.len() as u64, "exchange");
            self.notify(format!("The session has {all}"));
        }
    }

    /// Stops what runs: the repetition, the shown stream, or any.
    pub(super) fn stop(&mut self) {
        if self.loading.is_some() {
            self.effect(Effect::StopLoading);
            return;
        }
        if self.is_repeating() {
            self.stop_repetition();
            return;
        }
        if self.only_piped() {
            self.notify("Input comes from a pipe; stop the program that writes it");
            return;
        }
        let own = |e: &&Exchange| e.is_arriving() && !e.tapped;
        let shown = self.exchange().filter(own).map(|e| e.id);
        let any = || self.exchanges.iter().find(own).map(|e| e.id);
        match shown.or_else(any) {
            Some(id) => self.effect(Effect::Cancel(id)),
            None if self.is_live() => {
                self.notify("Another program sends this; stop that program");
            }
            None => self.notify("No stream is running"),
        }
    }

    /// Selects the next finding that matters; returns whether there is one.
    pub(super) fn select_problem(&mut self, forward: bool) -> bool {
        let Some(exchange) = self.exchange_mut() else { return false };
        match exchange.next_problem(forward) {
            Some(finding) => {
                exchange.point_at(finding);
                return true;
            }
            None if exchange.inspection.findings().is_empty() => self.notify("No findings"),
            None => self.notify("No warnings or errors"),
        }
        false
    }

    /// Shows a notice until the next key.
    pub(super) fn notify(&mut self, text: impl Into<String>) {
        self.post(text.into(), false);
    }

    /// Shows until the next key that something failed.
    pub(super) fn notify_error(&mut self, text: &str) {
        self.post(text.to_owned(), true);
    }

    fn post(&mut self, text: String, is_error: bool) {
        let text = crate::text::preview(&text, 500);
        // A success message does not hide an error.
        if self.notice.as_ref().is_some_and(|n| n.is_error) && !is_error {
            self.later.push(text);
            return;
        }
        self.notice = Some(Notice { is_error, text });
    }

    /// The notice that is shown.
    pub(super) fn notice(&self) -> Option<&Notice> {
        self.notice.as_ref()
    }

    /// A key was pressed: the notice was read.
    pub(super) fn next_notice(&mut self) {
        self.notice = None;
        if !self.later.is_empty() {
            let text = self.later.remove(0);
            self.notify(text);
        }
    }

    /// Asks for something to be done outside.
    pub(super) fn effect(&mut self, effect: Effect) {
        self.commands.push(ScreenCommand::Effect(effect));
    }

    /// Puts a screen on top of the others.
    pub(super) fn push(&mut self, screen: impl Screen + 'static) {
        self.commands.push(ScreenCommand::Push(Box::new(screen)));
    }

    /// Puts a pane in focus.
    pub(super) fn focus(&mut self, pane: PaneId) {
        self.commands.push(ScreenCommand::Focus(pane));
    }

    /// Asks the stack for something.
    pub(super) fn command(&mut self, command: ScreenCommand) {
        self.commands.push(command);
    }

    /// Returns what was asked for since the last call.
    pub(super) fn take_commands(&mut self) -> Vec<ScreenCommand> {
        std::mem::take(&mut self.commands)
    }
}
