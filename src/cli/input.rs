//! Opens the recordings that are passed to commands.

use std::path::Path;

use super::args::{BareArgs, Global};
use super::exit::Failure;
use super::request;
use crate::storage::file::{self, Recording};

/// Opens a recording, and prints warnings about the file on standard error.
pub(super) fn open(global: &Global, path: &Path, bare: &BareArgs) -> Result<Recording, Failure> {
    request::dialect(bare.dialect.as_deref())?;
    let hints = file::BodyHints {
        status: bare.status,
        content_type: bare.content_type.clone(),
        dialect: bare.dialect.clone().filter(|d| d != "auto"),
    };
    let recording = file::open(path, &hints)?;
    for warning in &recording.warnings {
        global.notify(&format!("{}: {warning}", path.display()));
    }
    Ok(recording)
}
