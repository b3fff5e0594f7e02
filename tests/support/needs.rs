//! What some tests need and a fresh clone may not have. A test without it is skipped, and the last
//! binary says so at the end (`tests/screens/what_was_skipped.rs`).

use std::path::PathBuf;

/// The recorded provider streams, where they lie beside this repository.
pub(crate) fn recordings() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/corpus"))
}

/// Something that is not part of this repository.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Needs {
    /// The official SDKs, from the registries.
    Sdks,
    /// The clients of the client views, from the registries.
    RealClients,
    /// Coding agents, from the registry.
    Agents,
    Recordings,
}

impl Needs {
    /// Whether it is there, or was asked for.
    pub(crate) fn are_met(self) -> bool {
        let asked = |name: &str| std::env::var_os(name).is_some_and(|v| v == "1");
        match self {
            Self::Sdks => asked("SSELENS_SDKS"),
            Self::RealClients => asked("SSELENS_REAL_CLIENTS"),
            Self::Agents => asked("SSELENS_AGENTS"),
            Self::Recordings => recordings().is_dir(),
        }
    }
}
