//! `sselens providers`: who can be asked, and which keys are set.

use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use super::args::{Global, LabFlags, ProvidersArgs};
use super::exit::{Exit, Failure};
use super::{request, secrets};
use crate::config::{self, Config, Provider, ProviderOrigin};
use crate::text::{Newlines, to_json, visible};
use crate::transport::request::Transport;
use crate::transport::{Draft, models};

pub(super) fn run(global: &Global, args: &ProvidersArgs) -> Result<Exit, Failure> {
    if let Some(file) = &args.litellm {
        return litellm(global, file);
    }
    let config = global.load()?;
    let shown: Vec<_> = match &args.name {
        Some(name) => vec![config.provider(name)?],
        None => sorted(&config),
    };
    let mut out = std::io::BufWriter::new(std::io::stdout());
    if let Some(name) = args.name.as_ref().filter(|_| args.models) {
        for model in models(&config, name)? {
            match args.json {
                true => writeln!(out, "{}", to_json(&json!(model)))?,
                false => writeln!(out, "{}", visible(&model, Newlines::Show))?,
            }
        }
    } else if args.json {
        for p in shown {
            writeln!(out, "{}", to_json(&as_json(&config, p)))?;
        }
    } else if args.name.is_some() {
        for p in shown {
            out.write_all(sheet(&config, p).as_bytes())?;
        }
    } else {
        out.write_all(table(&config, &shown).as_bytes())?;
    }
    out.flush()?;
    Ok(Exit::Ok)
}

/// The models that a provider lists, asked now.
fn models(config: &Config, name: &str) -> Result<Vec<String>, Failure> {
    let draft = Draft { provider: name.to_owned(), ..Draft::default() };
    let lab = request::lab([&draft], &LabFlags::default(), config)?;
    let transport = Transport::default();
    let asked = models::request(name, config, &transport, lab.as_ref().map(|lab| lab.addr));
    let listed = asked.and_then(|outgoing| models::models(&outgoing));
    listed.map_err(|why| Failure::Usage(why.to_string()))
}

/// The user's own first, then those that can be asked as things are.
fn sorted(config: &Config) -> Vec<&Provider> {
    let mut all: Vec<_> = config.providers.values().collect();
    all.sort_by_key(|p| (p.origin, group(config, p)));
    all
}

/// Returns the group that a provider is listed in, by how ready it is.
fn group(config: &Config, p: &Provider) -> u8 {
    match key_state(config, p) {
        _ if p.problem.is_some() => 2,
        "unset" => 2,
        "set" | "signs" => 0,
        _ => 1,
    }
}

/// Returns whether a provider's key is present, as a word that can be searched for.
fn key_state(config: &Config, p: &Provider) -> &'static str {
    match &p.key_env {
        _ if config.key(p).is_some() => "set",
        _ if config.aws_keys(p).is_some() => "signs",
        None => "none",
        Some(_) if p.is_local() => "optional",
        Some(_) => "unset",
    }
}

/// Returns the key's variable, or what is shown in its place.
fn key_name(config: &Config, p: &Provider) -> String {
    match &p.key_env {
        _ if p.key.is_some() => "(from the LiteLLM file)".into(),
        Some(_) if key_state(config, p) == "signs" => "AWS_ACCESS_KEY_ID".into(),
        Some(variable) => variable.clone(),
        None => String::new(),
    }
}

fn table(config: &Config, shown: &[&Provider]) -> String {
    let width = |of: fn(&Provider) -> usize, most: usize| {
        shown.iter().map(|p| of(p)).max().unwrap_or(0).min(most)
    };
    let (names, dialects) = (width(|p| p.name.chars().count(), 30), width(|p| p.dialect.len(), 19));
    let mut out = String::new();
    let mut heading = "";
    for p in shown {
        let new = match (p.origin, group(config, p)) {
            (ProviderOrigin::User, _) => "Your own",
            (ProviderOrigin::LiteLlm, _) => "From your LiteLLM configuration, called directly",
            (ProviderOrigin::BuiltIn, 0) => "Built in, with a key",
            (ProviderOrigin::BuiltIn, 1) => "Built in, no key needed",
            (ProviderOrigin::BuiltIn, _) => "Built in, waiting for a variable",
        };
        if new != heading {
            let before = if heading.is_empty() { "" } else { "\n" };
            out.push_str(&format!("{before}{new}\n"));
            heading = new;
        }
        let mark = if p.name == config.provider { '*' } else { ' ' };
        let (state, key) = (key_state(config, p), key_name(config, p));
        let line =
            format!("{mark} {:<names$}  {:<dialects$}  {state:<8}  {key}", p.name, p.dialect);
        // Names can come from another program's file.
        let line = secrets::masked(line.trim_end());
        let line = visible(&line, Newlines::Show);
        let url = secrets::masked(&p.base_url);
        let url = visible(&url, Newlines::Show);
        out.push_str(&format!("{line}\n    {url}{}\n", from(p)));
    }
    out.push_str("\n* is the default; `sselens providers NAME` shows more\n");
    out
}

/// Returns the source of the base URL, if it is from the environment.
fn from(p: &Provider) -> String {
    match p.base_url_from.as_slice() {
        [] => String::new(),
        variables => format!("  (from {})", variables.join(", ")),
    }
}

/// Everything about one provider.
fn sheet(config: &Config, p: &Provider) -> String {
    let path =
        p.path.as_deref().or_else(|| Some(crate::dialect::find(&p.dialect)?.request()?.path));
    let headers: Vec<_> = p.headers.iter().map(|h| h.name.as_str()).collect();
    let key = match (key_state(config, p), key_name(config, p)) {
        ("none", _) => "none needed".to_owned(),
        (state, name) => format!("{name} ({state})"),
    };
    let rows = [
        ("name", p.name.clone()),
        ("about", p.about.clone()),
        ("defined by", p.origin.name().to_owned()),
        ("dialect", p.dialect.clone()),
        ("base url", format!("{}{}", p.base_url, from(p))),
        ("path", path.unwrap_or_default().to_owned()),
        ("key", key),
        ("key header", p.key_header.clone().unwrap_or_default()),
        ("aws region", p.aws_region.clone().unwrap_or_default()),
        ("model", p.model.clone()),
        ("headers", headers.join(", ")),
        (
            "body",
            if p.body.is_empty() {
                String::new()
            } else {
                secrets::masked_body(&to_json(&json!(p.body)))
            },
        ),
        ("problem", p.problem.clone().unwrap_or_default()),
    ];
    let rows = rows.iter().filter(|(_, value)| !value.is_empty());
    rows.map(|(name, value)| {
        format!("{name:<12}{}\n", visible(&secrets::masked(value), Newlines::Show))
    })
    .collect()
}

fn as_json(config: &Config, p: &Provider) -> serde_json::Value {
    let state = key_state(config, p);
    json!({
        "name": secrets::masked(&p.name), "about": secrets::masked(&p.about), "origin": p.origin.name(), "dialect": p.dialect,
        "base_url": secrets::masked(&p.base_url), "base_url_from": p.base_url_from,
        "path": p.path.as_deref().map(secrets::masked), "model": secrets::masked(&p.model),
        "key_env": p.key_env,
        "key_set": matches!(state, "set" | "signs"), "key": state,
        "default": p.name == config.provider, "problem": p.problem.as_deref().map(secrets::masked),
    })
}

/// Prints a LiteLLM configuration as tables for one's own.
fn litellm(global: &Global, file: &Path) -> Result<Exit, Failure> {
    let imported = config::import(file)?;
    for (line, name, why) in &imported.skipped {
        global.notify(&format!("{}:{line}: {name} was left out: {why}", file.display()));
    }
    let mut out = std::io::stdout();
    let toml = secrets::masked(&imported.to_toml());
    out.write_all(visible(&toml, Newlines::Keep).as_bytes())?;
    Ok(Exit::Ok)
}
