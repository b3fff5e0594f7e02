//! Effects outside the state of the screen, and their results.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Draft, DraftPair, Opened, SavedSession, SentRequest, SessionHit, StoredRequest};
use crate::journal::{Entry, ExchangeId, Request};

/// Something to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send a request; its entries come as news.
    Send(Box<Draft>),
    /// Send two requests at the same instant, A and B of a comparison.
    Compare(Box<DraftPair>),
    /// The same with a body from a file, byte for byte, as B.
    CompareWith {
        /// A; B is the same but for its body.
        draft: Box<Draft>,
        /// Where B's body is.
        path: PathBuf,
    },
    /// Stop an exchange; its end comes as news.
    Cancel(ExchangeId),
    /// Write the session to a file, and keep writing it there.
    SaveSession(PathBuf),
    /// Write bytes to a file.
    WriteFile {
        /// Where.
        path: PathBuf,
        /// What.
        bytes: Vec<u8>,
    },
    /// Read a saved session, a raw body, a capture.
    LoadFile(PathBuf),
    /// Read a recording whose exchanges join those of the session.
    LoadBeside(PathBuf),
    /// Stop reading the recording that is being opened.
    StopLoading,
    /// Make these entries the session: the recorder begins anew with them.
    BeginSession(Arc<Vec<Entry>>),
    /// Read a file into the request's body.
    LoadRequest(PathBuf),
    /// Keep the request being edited, for the next start.
    KeepDraft(Box<Draft>),
    /// Edit the request's body in the user's own editor.
    EditOutside(Vec<u8>),
    /// Read the configuration again.
    ReloadConfig {
        /// Only where its file was changed since.
        if_changed: bool,
    },
    /// Ask a provider for the models that it has.
    ListModels(String),
    /// List the requests in files.
    ListRequests,
    /// Read a request from its file, with the values of one of its environments.
    OpenRequest {
        /// Its file.
        path: PathBuf,
        /// Which of the environments that it names, if one.
        environment: Option<String>,
    },
    /// List the requests that were sent, in saved sessions.
    ListSent,
    /// Read a request that was sent from its session.
    TakeSent {
        /// The session's file.
        path: PathBuf,
        /// The exchange in it.
        exchange: ExchangeId,
    },
    /// Write a request to a file, whose folder is made where there is none.
    StoreRequest {
        /// Where.
        path: PathBuf,
        /// The request.
        draft: Box<Draft>,
        /// It was read from there, and takes the place of what is there.
        replaces: bool,
    },
    /// List the saved sessions.
    ListSessions,
    /// Keep a saved session for good, or let it be pruned again; the list comes anew.
    PinSession(PathBuf),
    /// Search a text in all saved sessions.
    SearchSessions(String),
    /// List what a file's name that is being typed may become.
    CompletePath(String),
    /// Tell the user that something happened, outside of the screen.
    Notify(String),
    /// Delete a saved session.
    DeleteSession(PathBuf),
    /// Put text into the clipboard.
    Copy {
        /// What it is, for the message: `frame 3`.
        what: String,
        /// The text.
        text: String,
    },
    /// Draw every cell anew.
    Redraw,
    /// Go to the background of the shell.
    Suspend,
    /// End the program.
    Quit,
}

/// What an effect that failed was to do, as far as the screen has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Send a request, or two.
    Send,
    /// Open a recording.
    Open,
    /// Anything else.
    Other,
}

/// The result of an effect.
#[derive(Debug)]
pub enum Done {
    /// It went well, and here is a sentence about it.
    Notice(String),
    /// It failed.
    Failed {
        /// What was attempted.
        attempt: Attempt,
        /// Why it failed.
        why: String,
    },
    /// A recording is being read: this much of it is done.
    Loading {
        /// The file's name, for the title.
        name: String,
        /// How many thousandths of the work are done.
        permille: u16,
    },
    /// A recording was read, to take the place of the session so far.
    Loaded(Box<Opened>),
    /// The beginning of the recording that is being opened was read.
    Begun(Box<Opened>),
    /// Reading a recording was stopped, or failed at the start of the program, which ends.
    NotLoaded {
        /// The program was started to show this recording.
        ends: bool,
    },
    /// Two requests are on their way.
    Comparing {
        /// What was sent.
        pair: Box<DraftPair>,
        /// The numbers of A and B.
        ids: [ExchangeId; 2],
    },
    /// A file's exchanges, under unused numbers, to join those of the session.
    Beside(Box<Opened>),
    /// The body that [`Effect::CompareWith`] read.
    BodyBeside {
        /// The request, A.
        draft: Box<Draft>,
        /// The body of B.
        body: Vec<u8>,
    },
    /// The saved sessions, the newest first.
    Sessions(Vec<SavedSession>),
    /// Where a text was found in the saved sessions.
    SessionHits {
        /// The exchanges in which it is, of the newest sessions first.
        hits: Vec<SessionHit>,
        /// How many sessions were too large to be searched.
        skipped: usize,
    },
    /// What the name of a file that was typed may become, each in full.
    Completions {
        /// What was typed.
        typed: String,
        /// The names.
        names: Vec<String>,
    },
    /// The models that a provider listed.
    Models {
        /// The provider.
        provider: String,
        /// Their names.
        models: Vec<String>,
    },
    /// The requests in files.
    Requests(Vec<StoredRequest>),
    /// The requests that were sent, the newest first.
    Sent(Vec<SentRequest>),
    /// The request that [`Effect::TakeSent`] read.
    SentRequest(Box<Request>),
    /// The request that [`Effect::OpenRequest`] read.
    RequestOpened(Box<Draft>),
    /// The request is in this file now; a sentence about it.
    RequestStored(PathBuf, String),
    /// The bytes that [`Effect::LoadRequest`] read.
    Request(Vec<u8>),
}
