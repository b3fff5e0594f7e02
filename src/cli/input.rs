//! Opens the recordings that commands are given.

use std::path::Path;

use super::args::{BareArgs, Global};
use super::exit::Failure;
use super::request;
use crate::storage::file::{self, Recording};

/// Opens a recording, and tells on standard error what is odd about the file.
pub(super) fn open(global: &Global, path: &Path, told: &BareArgs) -> Result<Recording, Failure> {
    request::dialect(told.dialect.as_deref())?;
    let told = file::Told {
        status: told.status,
        content_type: told.content_type.clone(),
        dialect: told.dialect.clone().filter(|d| d != "auto"),
    };
    let recording = file::open(path, &told)?;
    for warning in &recording.warnings {
        global.notify(&format!("{}: {warning}", path.display()));
    }
    Ok(recording)
}
