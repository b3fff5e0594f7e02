//! `sselens config`: where it is, whether it is right, and a start.

use std::io::Write as _;

use super::args::{ConfigArgs, ConfigCommand, Global};
use super::exit::{Exit, Failure};
use crate::config::{Environment, path, schema, starter};

pub(super) fn run(global: &Global, args: &ConfigArgs) -> Result<Exit, Failure> {
    let mut out = std::io::stdout();
    let file = path(global.config.as_deref(), &Environment::of_process()).ok_or_else(|| {
        "this system has no folder for configurations; name a file with --config".to_owned()
    });
    match args.command {
        ConfigCommand::Path => writeln!(out, "{}", file?.display())?,
        ConfigCommand::Check => {
            let config = global.load()?;
            crate::action::Keymap::new(&config.keys, &crate::tui::pane_contexts())
                .map_err(|e| e.to_string())?;
            crate::tui::Looks::new(config.themes.clone(), crate::tui::Colors::All, None)
                .map_err(|e| e.to_string())?;
            let file = file?;
            let what =
                if file.exists() { "OK" } else { "not found; the built-in configuration applies" };
            writeln!(out, "{}: {what} ({} providers)", file.display(), config.providers.len())?;
        }
        ConfigCommand::Schema => {
            let schema = serde_json::to_string_pretty(&schema()).unwrap_or_default();
            writeln!(out, "{schema}")?;
        }
        ConfigCommand::Init => {
            let file = file?;
            if let Some(folder) = file.parent() {
                std::fs::create_dir_all(folder)
                    .map_err(|e| format!("{}: {e}", folder.display()))?;
            }
            let new = std::fs::OpenOptions::new().write(true).create_new(true).open(&file);
            new.and_then(|mut f| f.write_all(starter().as_bytes())).map_err(|e| {
                match e.kind() {
                    std::io::ErrorKind::AlreadyExists => {
                        format!("{} already exists; it was left unchanged", file.display())
                    }
                    _ => format!("{}: {e}", file.display()),
                }
            })?;
            writeln!(out, "wrote {}", file.display())?;
        }
    }
    Ok(Exit::Ok)
}
