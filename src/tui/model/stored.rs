//! Saved sessions, requests in files, and the variables of the request being edited.

use std::path::{Path, PathBuf};

use super::Model;
use crate::action::{
    Draft, Effect, SavedSession, SentRequest, SessionHit, StoredRequest, ValueSource,
    VariableState, Variables,
};
use crate::dialect::request::likely_field;
use crate::json::Tape;
use crate::text::{Newlines, count, visible};

/// A longer body is not searched for misspelled fields after each key.
const MAX_LOOKED_AT: usize = 1 << 20;

/// The screen's knowledge of saved sessions, of requests in files, and of variables.
#[derive(Debug, Default)]
pub(super) struct Stored {
    /// The saved sessions, the newest first; `None` until they are read.
    sessions: Option<Vec<SavedSession>>,
    /// Places where a text was found in the saved sessions; `None` until they are searched.
    session_hits: Option<Vec<SessionHit>>,
    /// The requests in files; `None` until they are read.
    list: Option<Vec<StoredRequest>>,
    /// The requests that were sent, in saved sessions; `None` until they are read.
    sent: Option<Vec<SentRequest>>,
    /// The variables that the request uses.
    variables: Vec<VariableState>,
    /// A field of the body that is most likely misspelled, and what was meant.
    misspelled: Option<(String, &'static str)>,
    /// Number of changes of the request when they were looked for.
    looked: Option<u64>,
}

impl Model {
    /// The saved sessions, the newest first; `None` until they are read.
    pub(in crate::tui) fn saved_sessions(&self) -> Option<&[SavedSession]> {
        self.stored.sessions.as_deref()
    }

    pub(in crate::tui) fn set_saved_sessions(&mut self, saved: Option<Vec<SavedSession>>) {
        self.stored.sessions = saved;
    }

    /// Returns where a text was found in the saved sessions; `None` until they are searched.
    pub(in crate::tui) fn session_hits(&self) -> Option<&[SessionHit]> {
        self.stored.session_hits.as_deref()
    }

    /// Has a text searched in all saved sessions.
    pub(in crate::tui) fn search_sessions(&mut self, text: &str) {
        self.stored.session_hits = None;
        self.effect(Effect::SearchSessions(text.to_owned()));
    }

    /// They are searched, but for some that are too large.
    pub(in crate::tui) fn sessions_searched(&mut self, hits: Vec<SessionHit>, skipped: usize) {
        self.stored.session_hits = Some(hits);
        if skipped > 0 {
            let sessions = count(skipped as u64, "session");
            self.notify(format!("{sessions} of more than 32 MB not searched: open and use /"));
        }
    }

    /// The requests in files; `None` until they are read.
    pub(in crate::tui) fn stored_requests(&self) -> Option<&[StoredRequest]> {
        self.stored.list.as_deref()
    }

    /// Has the requests in files and those that were sent read anew.
    pub(in crate::tui) fn list_requests(&mut self) {
        (self.stored.list, self.stored.sent) = (None, None);
        self.effect(Effect::ListRequests);
        self.effect(Effect::ListSent);
    }

    pub(in crate::tui) fn set_stored_requests(&mut self, list: Vec<StoredRequest>) {
        self.stored.list = Some(list);
    }

    /// The requests that were sent, in saved sessions; `None` until they are read.
    pub(in crate::tui) fn sent_requests(&self) -> Option<&[SentRequest]> {
        self.stored.sent.as_deref()
    }

    pub(in crate::tui) fn set_sent_requests(&mut self, list: Vec<SentRequest>) {
        self.stored.sent = Some(list);
    }

    /// The folder with requests in files.
    pub(in crate::tui) fn requests_folder(&self) -> &Path {
        &self.settings.requests
    }

    /// The file that a request of this session's would be written to.
    pub(in crate::tui) fn free_request_name(&self) -> String {
        let draft = self.request.draft();
        if let Some(file) = draft.variables.as_ref().and_then(|v| v.file.as_ref()) {
            return file.display().to_string();
        }
        let model = draft.model.rsplit('/').next().unwrap_or_default();
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let name: String = model.chars().map(plain).collect();
        let name = if name.is_empty() { "request".to_owned() } else { name };
        self.settings.requests.join(name + ".toml").display().to_string()
    }

    /// Writes the request to a file, in place of the one that it was read from if that is the same.
    pub(in crate::tui) fn store_request(&mut self, path: &str) {
        let path = PathBuf::from(path);
        let draft = Box::new(self.request.to_send());
        let own = draft.variables.as_ref().and_then(|v| v.file.as_ref());
        let replaces = own == Some(&path);
        self.effect(Effect::StoreRequest { path, draft, replaces });
    }

    /// The request is in that file now.
    pub(in crate::tui) fn request_stored(&mut self, path: PathBuf, about: &str) {
        if let Some(variables) = &mut self.request.draft_mut().variables {
            variables.file = Some(path);
        }
        self.notify(about);
    }

    /// Edits the request that was read from a file.
    pub(in crate::tui) fn request_opened(&mut self, mut draft: Draft) {
        if draft.provider.is_empty() && draft.url.is_none() {
            draft.provider.clone_from(&self.request.draft().provider);
        }
        let known = self.providers().iter().any(|p| p.name == draft.provider);
        if draft.url.is_none() && !known {
            let name = visible(&draft.provider, Newlines::Show).into_owned();
            return self.notify_error(&format!("No provider is called {name:?}"));
        }
        let variables = draft.variables.clone().unwrap_or_default();
        let without_body = draft.body.is_empty();
        self.request.take(draft);
        if without_body {
            self.request.reset(&self.settings.providers, &self.settings.tools);
        }
        let file = variables.file.as_deref().and_then(Path::file_name);
        let file = file.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let environment = variables.environment.map(|e| format!(", environment {e}"));
        self.notify(format!("Request loaded from {file}{}", environment.unwrap_or_default()));
    }

    /// The variables that the request uses, as of the last event.
    pub(in crate::tui) fn variables(&self) -> &[VariableState] {
        &self.stored.variables
    }

    /// Looks for the variables of the request again: a file that has their values may have changed.
    pub(in crate::tui) fn look_again_for_variables(&mut self) {
        self.stored.looked = None;
        self.look_for_variables();
    }

    /// Looks for the variables of the request where it was changed since.
    pub(in crate::tui) fn look_for_variables(&mut self) {
        let changes = self.request.changes();
        if self.stored.looked == Some(changes) {
            return;
        }
        self.stored.looked = Some(changes);
        self.stored.variables = match self.request.draft().variables {
            Some(_) => (self.settings.tools.variables)(&self.request.to_send()),
            None => Vec::new(),
        };
        self.stored.misspelled = self.look_for_misspelled();
    }

    /// A field at the top of the body that the dialect does not have, but one like it.
    fn look_for_misspelled(&self) -> Option<(String, &'static str)> {
        let own = self.provider().map(|p| p.dialect.as_str());
        let dialect = self.request.draft().dialect.as_deref().or(own)?;
        let text = self.request.text();
        let mut tape = Tape::new();
        if text.len() > MAX_LOOKED_AT || tape.parse(&text).is_err() {
            return None;
        }
        let fields = tape.root(&text)?.entries();
        fields.filter_map(|(name, _)| name.as_str().map(|name| name.into_owned())).find_map(
            |name| {
                let meant = likely_field(dialect, &name)?;
                Some((name, meant))
            },
        )
    }

    /// A field of the body that is most likely misspelled, and what was meant; as of the last event.
    pub(in crate::tui) fn misspelled(&self) -> Option<&(String, &'static str)> {
        self.stored.misspelled.as_ref()
    }

    /// Fills what looks like variables in the request in from now on, if there are any.
    pub(in crate::tui) fn fill_variables(&mut self) {
        if self.request.draft().variables.is_some() {
            return;
        }
        let draft = Draft { variables: Some(Box::default()), ..self.request.to_send() };
        if !(self.settings.tools.variables)(&draft).is_empty() {
            self.request.draft_mut().variables = draft.variables;
            self.look_for_variables();
            self.notify("Variables are filled in when the request is sent; $${ stays ${");
        }
    }

    /// Chooses an environment of the request's file.
    pub(in crate::tui) fn choose_environment(&mut self, name: &str) {
        if let Some(variables) = &mut self.request.draft_mut().variables {
            variables.environment = Some(name.to_owned());
        }
        self.notify(format!("Environment {}", visible(name, Newlines::Show)));
    }

    /// Sets the value of a variable for this run; an empty one removes it.
    pub(in crate::tui) fn set_variable(&mut self, name: &str, value: &str) {
        let variables: &mut Variables = self.request.draft_mut().variables.get_or_insert_default();
        match value {
            "" => drop(variables.typed.remove(name)),
            value => drop(variables.typed.insert(name.to_owned(), value.to_owned())),
        }
    }
}

/// Returns the source of a variable's value, in words.
pub(in crate::tui) fn source_words(source: Option<ValueSource>) -> &'static str {
    match source {
        None => "not set",
        Some(ValueSource::Typed) => "typed, for this run",
        Some(ValueSource::Chosen) => "from the chosen environment of the file",
        Some(ValueSource::Environment) => "from the environment",
        Some(ValueSource::File) => "from the file",
        Some(ValueSource::Place) => "its default",
    }
}
