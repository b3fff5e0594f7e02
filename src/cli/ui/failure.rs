//! Reasons that what the screen asked for was not done.

use std::path::{Path, PathBuf};

use crate::storage::request_file::RequestFileError;
use crate::transport::models;
use crate::transport::request::RequestError;

/// Reason that an effect failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum EffectError {
    #[error("{}: {why}", path.display())]
    File { path: PathBuf, why: std::io::Error },
    #[error("{} already exists; it was left unchanged", .0.display())]
    Exists(PathBuf),
    #[error("{} is being recorded; it was not moved", .0.display())]
    Recorded(PathBuf),
    #[error("{} is being recorded; it was not deleted", .0.display())]
    Live(PathBuf),
    #[error(transparent)]
    Request(#[from] RequestFileError),
    #[error(transparent)]
    Models(#[from] models::ModelsError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("{name}: {why}")]
    Side { name: char, why: SendError },
    #[error(transparent)]
    Thread(#[from] std::io::Error),
}

impl EffectError {
    /// Turns an error about a file into one that names it.
    pub(super) fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |why| Self::File { path: path.to_owned(), why }
    }
}

/// Reason that a request cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error("the lab: {0}")]
    Lab(std::io::Error),
    #[error(transparent)]
    Request(#[from] RequestError),
}
