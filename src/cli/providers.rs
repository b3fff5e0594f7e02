//! `sselens providers`: who can be asked, and which keys are set.

use std::io::Write as _;

use serde_json::json;

use super::args::{Global, Providers};
use super::{Exit, Failure};
use crate::text::to_json;

pub(super) fn run(global: &Global, args: &Providers) -> Result<Exit, Failure> {
    let config = super::load(global)?;
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let width = config.providers.keys().map(String::len).max().unwrap_or(0);
    let urls = config.providers.values().map(|p| p.base_url.len()).max().unwrap_or(0);
    let dialects = config.providers.values().map(|p| p.dialect.len()).max().unwrap_or(0);
    for (name, p) in &config.providers {
        let set = config.key(p).is_some();
        if args.json {
            let line = json!({"name": name, "about": p.about, "dialect": p.dialect, "base_url": p.base_url,
                "model": p.model, "key_env": p.key_env, "key_set": set, "default": *name == config.provider});
            writeln!(out, "{}", to_json(&line))?;
            continue;
        }
        let key = match &p.key_env {
            None => "no key needed".to_owned(),
            Some(v) if set => format!("{v} is set"),
            Some(v) => format!("{v} is not set"),
        };
        let mark = if *name == config.provider { "*" } else { " " };
        writeln!(
            out,
            "{mark} {name:<width$}  {:<dialects$}  {:<urls$}  {key}",
            p.dialect, p.base_url
        )?;
        if !p.about.is_empty() {
            writeln!(out, "  {:<width$}  {}", "", p.about)?;
        }
    }
    out.flush()?;
    Ok(Exit::Ok)
}
