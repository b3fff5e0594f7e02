//! From the arguments to drafts and bounds.

use std::io::Read as _;
use std::path::Path;

use super::args;
use super::exit::Failure;
use crate::config::Config;
use crate::journal::file::micros;
use crate::lab;
use crate::storage::{curl, request_file};
use crate::transport::Draft;
use crate::transport::request::{
    HttpVersion, Transport, compose, has_model_in_address, set_model, set_prompt,
};

/// Prompt to send when there is no other.
pub(super) const PROMPT: &str = "In two sentences: what is a server-sent event?";

/// The draft that the arguments describe and how it travels; the bounds go into the configuration.
pub(super) fn draft(
    global: &args::Global,
    args: &args::RequestArgs,
    prompt: Option<&str>,
    config: &mut Config,
) -> Result<(Draft, Transport), Failure> {
    let mut transport = transport(args);
    bounds(args, config);
    dialect(args.dialect.as_deref())?;
    let prompt = match prompt {
        Some("-") => {
            let text = str::from_utf8(stdin()?).map_err(|e| format!("standard input: {e}"))?;
            Some(text.trim_end_matches('\n').to_owned())
        }
        other => other.map(Into::into),
    };
    let mut draft = Draft {
        provider: args.provider.clone().unwrap_or_default(),
        model: args.model.clone().unwrap_or_default(),
        url: args.url.clone(),
        dialect: args.dialect.clone(),
        method: args.method.clone().unwrap_or_default(),
        ..Draft::default()
    };
    let verbatim = take_body(global, args, config, &mut draft, &mut transport)?;
    add_headers(&args.headers, &mut draft)?;
    transport.check()?;
    if !verbatim {
        let prompt = prompt.as_deref().unwrap_or(PROMPT);
        return Ok((compose(config, draft, prompt, args.system.as_deref())?, transport));
    }
    if !draft.model.is_empty() && !has_model_in_address(&draft, config) {
        draft.body = set_model(&draft.body, &draft.model).map_err(|why| format!("-m: {why}"))?;
    }
    if let Some(prompt) = prompt {
        draft.body = set_prompt(&draft.body, &prompt).map_err(|why| format!("PROMPT: {why}"))?;
    }
    Ok((draft, transport))
}

/// Takes the body of `--body`, or all of `--curl` or `--request`; returns whether there is one to be sent byte for
/// byte.
fn take_body(
    global: &args::Global,
    args: &args::RequestArgs,
    config: &Config,
    draft: &mut Draft,
    transport: &mut Transport,
) -> Result<bool, Failure> {
    if let Some(file) = &args.request {
        return take_stored(file, args.environment.as_deref(), draft);
    }
    Ok(match (&args.body, &args.curl) {
        (Some(file), _) => {
            draft.body = if file == Path::new("-") {
                stdin()?.to_vec()
            } else {
                std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))?
            };
            true
        }
        (None, Some(command)) => {
            take_curl(global, command, config, draft, transport)?;
            true
        }
        (None, None) => false,
    })
}

/// Takes the request of a file; returns whether it has a body.
fn take_stored(file: &Path, environment: Option<&str>, draft: &mut Draft) -> Result<bool, Failure> {
    let read = request_file::read(file, environment);
    let stored = read.map_err(|e| Failure::Usage(e.to_string()))?;
    let verbatim = !stored.body.is_empty();
    let given = std::mem::take(draft);
    let or = |given: String, stored: String| if given.is_empty() { stored } else { given };
    // The command line wins; a provider or an address on it replaces both of the file's.
    let elsewhere = !given.provider.is_empty() || given.url.is_some();
    // The file's model is already in its body.
    let model = if verbatim { given.model } else { or(given.model, stored.model) };
    *draft = Draft {
        model,
        provider: if elsewhere { given.provider } else { stored.provider },
        url: if elsewhere { given.url } else { stored.url },
        dialect: given.dialect.or(stored.dialect.filter(|_| !elsewhere)),
        method: or(given.method, stored.method),
        ..stored
    };
    Ok(verbatim)
}

/// Takes the request of a curl command, or of a file with one (`@FILE`).
fn take_curl(
    global: &args::Global,
    command: &str,
    config: &Config,
    draft: &mut Draft,
    transport: &mut Transport,
) -> Result<(), Failure> {
    let command = match command.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?,
        None => command.to_owned(),
    };
    let variable = |name: &str| config.environment.key(name);
    let curl = curl::parse(&command, &variable).map_err(|why| format!("--curl: {why}"))?;
    draft.variables.clone_from(&curl.draft.variables);
    for option in &curl.ignored {
        global.notify(&format!("--curl: {option} is not taken over"));
    }
    transport.insecure |= curl.insecure;
    transport.location |= curl.location;
    transport.proxy = transport.proxy.take().or(curl.proxy);
    let taken = curl.draft;
    // The very same call to another address is allowed.
    draft.url = draft.url.take().or(taken.url);
    draft.headers = taken.headers;
    draft.body = taken.body;
    if draft.method.is_empty() {
        draft.method = taken.method;
    }
    Ok(())
}

/// Adds the headers of `-H`, each in place of those of its name.
fn add_headers(headers: &[String], draft: &mut Draft) -> Result<(), Failure> {
    let mut own = Vec::new();
    for (i, header) in headers.iter().enumerate() {
        // The text is not repeated: it may be a key whose header's name was forgotten.
        let (k, v) = header
            .split_once(':')
            .ok_or_else(|| format!("-H, number {}: a header is `Name: value`", i + 1))?;
        own.push((k.trim().to_owned(), v.trim().to_owned()));
    }
    draft.headers.retain(|(old, _)| !own.iter().any(|(k, _)| old.eq_ignore_ascii_case(k)));
    draft.headers.extend(own);
    Ok(())
}

/// Checks a dialect's name.
pub(super) fn dialect(name: Option<&str>) -> Result<(), Failure> {
    let Some(name) = name else { return Ok(()) };
    if name == "auto" || crate::dialect::find(name).is_some() {
        return Ok(());
    }
    let known: Vec<_> = crate::dialect::DIALECTS.iter().map(|d| d.name()).collect();
    Err(Failure::Usage(format!(
        "--dialect {name:?} is unknown; known are auto, {}",
        known.join(", ")
    )))
}

/// Reason that standard input cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("standard input: {0}")]
pub(super) struct StdinError(&'static std::io::Error);

impl From<StdinError> for Failure {
    fn from(error: StdinError) -> Self {
        Failure::Usage(error.to_string())
    }
}

/// All of standard input. It can be read once only, and a comparison wants it twice.
fn stdin() -> Result<&'static [u8], StdinError> {
    static READ: std::sync::OnceLock<std::io::Result<Vec<u8>>> = std::sync::OnceLock::new();
    let read = || {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
    };
    READ.get_or_init(read).as_deref().map_err(StdinError)
}

/// Replaces the bounds of the configuration with those of the command line.
pub(super) fn bounds(args: &args::RequestArgs, config: &mut Config) {
    let limits = &mut config.limits;
    for (slot, value) in [
        (&mut limits.connect_timeout, args.connect_timeout),
        (&mut limits.idle_timeout, args.idle_timeout),
        (&mut limits.total_timeout, args.total_timeout),
    ] {
        if let Some(seconds) = value {
            *slot = Some(micros(seconds)).filter(|m| *m > 0);
        }
    }
    if let Some(bytes) = args.max_body {
        limits.max_body = Some(bytes).filter(|b| *b > 0);
    }
}

/// Returns how the request is sent.
fn transport(args: &args::RequestArgs) -> Transport {
    Transport {
        insecure: args.insecure,
        ca_cert: args.ca_cert.clone(),
        proxy: args.proxy.clone(),
        version: match (args.http1, args.http2) {
            (true, _) => Some(HttpVersion::Http1),
            (_, true) => Some(HttpVersion::Http2),
            _ => None,
        },
        location: args.location,
    }
}

/// The embedded provider, running, if one of these drafts goes to it.
pub(super) fn lab<'a>(
    drafts: impl IntoIterator<Item = &'a Draft>,
    options: &args::LabFlags,
    config: &Config,
) -> Result<Option<lab::RunningLab>, Failure> {
    let wanted = drafts.into_iter().any(|draft| wants_lab(draft, config));
    let lab = wanted.then(|| lab::start(options.options())).transpose();
    lab.map_err(|e| Failure::Usage(format!("the lab: {e}")))
}

/// Returns whether a draft goes to the embedded provider.
pub(super) fn wants_lab(draft: &Draft, config: &Config) -> bool {
    let name = if draft.provider.is_empty() { &config.provider } else { &draft.provider };
    draft.url.is_none() && config.providers.get(name).is_some_and(|p| p.is_lab())
}
