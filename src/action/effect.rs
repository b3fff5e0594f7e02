//! Effects outside the state of the screen, and their results.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Draft, DraftPair, Opened, SavedSession, SentRequest, SessionHit, StoredRequest};
use crate::journal::{Entry, ExchangeId, Request};

/// Something to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send a request; its entries arrive as news.
    Send(Box<Draft>),
    /// Send two requests at the same instant, A and B of a comparison.
    Compare(Box<DraftPair>),
    /// The same with a body from a file, byte for byte, as B.
    CompareWith {
        /// A; B is the same but for its body.
        draft: Box<Draft>,
        /// File that holds B's body.
        path: PathBuf,
    },
    /// Stop an exchange; its end arrives as news.
    Cancel(ExchangeId),
    /// Write the session to a file, and keep writing it there.
    SaveSession(PathBuf),
    /// Write bytes to a file.
    WriteFile {
        /// Path of the file.
        path: PathBuf,
        /// Bytes to write.
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
        /// Environment to use, if any, of those that the file names.
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
        /// Path of the file.
        path: PathBuf,
        /// The request.
        draft: Box<Draft>,
        /// It was read from there, and takes the place of what is there.
        replaces: bool,
    },
    /// List the saved sessions.
    ListSessions,
    /// Keep a saved session for good, or let it be pruned again; a new list arrives.
    PinSession(PathBuf),
    /// Search a text in all saved sessions.
    SearchSessions(String),
    /// List what a file's name that is being typed may become.
    CompletePath(String),
    /// Notify the user outside of the screen that something happened.
    Notify(String),
    /// Delete a saved session.
    DeleteSession(PathBuf),
    /// Put text into the clipboard.
    Copy {
        /// Description of the text, for the message: `frame 3`.
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

/// Purpose of an effect that failed, as far as the screen has to know.
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
        /// The attempt that failed.
        attempt: Attempt,
        /// Reason for the failure.
        why: String,
    },
    /// A recording is being read: this much of it is done.
    Loading {
        /// The file's name, for the title.
        name: String,
        /// Number of thousandths of the work that are done.
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
        /// Requests that were sent.
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
    /// Places in the saved sessions where a text was found.
    SessionHits {
        /// The exchanges in which it is, of the newest sessions first.
        hits: Vec<SessionHit>,
        /// Number of sessions that were too large to search.
        skipped: usize,
    },
    /// Completions of a file name that was typed, each in full.
    Completions {
        /// Text that was typed.
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
