//! The real program, with nothing of the user's around it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The program with these arguments, at home in `dir` and with no other variable.
pub(crate) fn program(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sselens"));
    command.args(args).current_dir(dir).env_clear().env("HOME", dir).stdin(Stdio::null());
    command.env("XDG_CONFIG_HOME", dir.join("config")).env("XDG_DATA_HOME", dir.join("data"));
    command
}

/// The program in a temporary folder.
pub(crate) struct Program {
    dir: tempfile::TempDir,
    env: Vec<(&'static str, &'static str)>,
}

impl Program {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// The program with these variables.
    pub(crate) fn with(env: &[(&'static str, &'static str)]) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), env: env.to_vec() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = program(self.dir.path(), args);
        command.envs(self.env.iter().copied());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// What a run prints as JSON lines, however it ends.
    pub(crate) fn lines(&self, args: &[&str]) -> Vec<Value> {
        lines(&self.run(args))
    }

    /// What a run prints that ends with findings at most.
    pub(crate) fn text(&self, args: &[&str]) -> String {
        let out = self.run(args);
        let errors = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.code().is_some_and(|c| c < 2), "{args:?}: {errors}");
        text(&out.stdout)
    }

    /// `send` to the lab at once, as lines.
    pub(crate) fn lab(&self, model: &str) -> Vec<Value> {
        self.lines(&["send", "-p", "lab", "-m", model, "--pace", "0", "-o", "ndjson"])
    }

    /// The summary of a body.
    pub(crate) fn show(&self, body: &[u8], more: &[&str]) -> Value {
        self.write("body.sse", body);
        let out = self.run(&[&["show", "body.sse", "-o", "json"], more].concat());
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", text(&out.stderr)))
    }
}

/// One run of the program in a folder of its own.
pub(crate) fn run(args: &[&str]) -> Output {
    Program::new().run(args)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The lines that a run printed.
pub(crate) fn lines(output: &Output) -> Vec<Value> {
    text(&output.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}
