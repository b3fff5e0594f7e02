//! The options of every command, and what they decide.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::exit::{Failure, alarm};
use crate::config::{Config, ConfigSources, Environment};
use crate::report::Palette;

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Everywhere")]
pub(in crate::cli) struct Global {
    /// The configuration file, instead of the usual place
    #[arg(long, value_name = "FILE", global = true)]
    pub(in crate::cli) config: Option<PathBuf>,
    /// Read variables from this file too. Without it, a `.env` in the working directory provides keys
    /// only
    #[arg(long, value_name = "FILE", global = true)]
    pub(in crate::cli) env_file: Option<PathBuf>,
    /// Do not save the screen's sessions in the data directory
    #[arg(long, global = true)]
    pub(in crate::cli) no_autosave: bool,
    /// Choose when to use colors
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub(in crate::cli) color: Color,
    /// Write the program's own log to FILE; keys are masked in it
    #[arg(long, value_name = "FILE", global = true)]
    pub(in crate::cli) log: Option<PathBuf>,
    /// Print only errors
    #[arg(short, long, global = true)]
    pub(in crate::cli) quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Color {
    Auto,
    Always,
    Never,
}

impl Global {
    /// Prints a message on standard error, unless asked to be quiet.
    pub(in crate::cli) fn notify(&self, what: &str) {
        if !self.quiet {
            alarm(what);
        }
    }

    /// Returns the palette of standard output, with or without colors: <https://no-color.org>, then the
    /// terminal.
    pub(in crate::cli) fn palette(&self) -> Palette {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = is_dumb();
        let color = match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => !no_color && !dumb && std::io::stdout().is_terminal(),
        };
        Palette { color: color && !no_color }
    }

    /// Reads the configuration, and notes the sources of keys on standard error.
    pub(in crate::cli) fn load(&self) -> Result<Config, Failure> {
        let sources = ConfigSources {
            config: self.config.clone(),
            env_file: self.env_file.clone(),
            environment: Environment::of_process(),
        };
        let config = Config::load(sources).map_err(|e| Failure::Usage(e.to_string()))?;
        tracing::debug!(providers = config.providers.len(), notes = ?config.notes, "configured");
        for note in &config.notes {
            self.notify(note);
        }
        Ok(config)
    }
}

/// Returns whether the terminal says that it understands no escape sequence.
pub(in crate::cli) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}
