//! Deeds outside the state of the screen, and what comes of them.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Draft, Pair};
use crate::journal::{Entry, ExchangeId};

/// Something to be done outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Send a request; its entries come as news.
    Send(Box<Draft>),
    /// Send two requests at the same instant, A and B of a comparison.
    Compare(Box<Pair>),
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
    /// Read a file into the request's body.
    LoadRequest(PathBuf),
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

/// What became of an effect.
#[derive(Debug, Clone)]
pub enum Done {
    /// It went well, and here is a sentence about it.
    Said(String),
    /// It failed, and here is why.
    Failed(String),
    /// A file's entries, instead of the session's so far.
    Loaded {
        /// The file's name, for the title.
        name: String,
        /// Its entries, which the recorder has too.
        entries: Arc<Vec<Entry>>,
    },
    /// Two requests are on their way.
    Comparing {
        /// What was sent.
        pair: Box<Pair>,
        /// The numbers of A and B.
        ids: [ExchangeId; 2],
    },
    /// A file's exchanges, under numbers of their own.
    Beside {
        /// The file's name, for the title.
        name: String,
        /// Its entries.
        entries: Vec<Entry>,
    },
    /// The bytes that [`Effect::LoadRequest`] read.
    Request(Vec<u8>),
}
