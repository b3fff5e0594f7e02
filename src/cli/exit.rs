//! The end of a subcommand: exit statuses, and messages on standard error.

use std::io::Write as _;
use std::process::ExitCode;

use super::secrets;

/// A way for the program to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Nothing at or above `--fail-on`.
    Ok,
    /// A finding at or above it, or a save that failed.
    Found,
    /// Usage, configuration, unreadable input: nothing was sent.
    Usage,
    /// A defect of this program; its message was printed.
    Panicked,
    /// A signal, by its number.
    Signal(u8),
    /// The exit status of a program that was started.
    Child(u8),
}

impl Exit {
    /// The process's exit status.
    pub(super) fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Found => 1,
            Exit::Usage => 2,
            Exit::Panicked => 101,
            Exit::Signal(n) => 128 + n,
            Exit::Child(n) => n,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// Reason that a command ended early.
#[derive(Debug)]
pub(super) enum Failure {
    /// Status 2, with a sentence.
    Usage(String),
    /// Standard output was closed: end quietly.
    Closed,
}

impl From<String> for Failure {
    fn from(why: String) -> Self {
        Failure::Usage(why)
    }
}

/// Errors whose texts are fit for the user as they are.
macro_rules! usage {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Failure::Usage(error.to_string())
            }
        })*
    };
}

usage!(
    crate::config::ConfigError,
    crate::config::ImportError,
    crate::storage::file::OpenError,
    crate::config::UnknownProvider,
    crate::tap::TapError,
    crate::transport::request::RequestError,
);

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        match e.kind() {
            std::io::ErrorKind::BrokenPipe => Failure::Closed,
            _ => Failure::Usage(format!("standard output: {e}")),
        }
    }
}

/// Prints what went wrong on standard error, even where it is to be quiet.
pub(super) fn alarm(what: &str) {
    let what = secrets::masked(what);
    tracing::warn!("{what}");
    let what = crate::text::visible(&what, crate::text::Newlines::Keep);
    // Standard error may be closed; that is no failure.
    let _ = writeln!(std::io::stderr(), "sselens: {what}");
}
