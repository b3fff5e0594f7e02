//! `sselens export`: a recording in another form.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use super::args::{ExportArgs, ExportFormat, Global};
use super::exit::{Exit, Failure};
use super::{input, output};
use crate::config::Config;
use crate::inspect::Inspection;
use crate::inspect::outcomes::{Case, Label, Tally};
use crate::journal::ExchangeId;
use crate::replay;
use crate::report::{self, Language, Ndjson, RecordingOrigin};
use crate::storage::file::Recording;
use crate::text::{self, write_json};

pub(super) fn run(global: &Global, args: &ExportArgs) -> Result<Exit, Failure> {
    let config = global.load()?;
    let recording = input::open(global, &args.file, &args.bare)?;
    let options = Arc::new(config.options.clone());
    let mut out = BufWriter::new(std::io::stdout());
    let mut exchanges = BTreeMap::<ExchangeId, Inspection>::new();
    let mut lines = BTreeMap::<ExchangeId, Ndjson>::new();
    for entry in &recording.entries {
        if args.exchange.is_some_and(|x| x != entry.exchange) {
            continue;
        }
        let inspection = exchanges
            .entry(entry.exchange)
            .or_insert_with(|| Inspection::new(Arc::clone(&options)));
        inspection.push(entry);
        if args.to == ExportFormat::Ndjson {
            lines.entry(entry.exchange).or_default().follow(entry, inspection, &mut out)?;
        }
    }
    match args.to {
        ExportFormat::Ndjson if args.exchange.is_none() || !exchanges.is_empty() => {
            write_tally(&exchanges, &mut out)?;
        }
        ExportFormat::Markdown | ExportFormat::Har | ExportFormat::Html | ExportFormat::Otlp
            if !exchanges.is_empty() =>
        {
            write_page(args.to, &exchanges, recording, &config, &mut out)?;
        }
        _ => {
            let (x, inspection) = single(&exchanges, args)?;
            match args.to {
                ExportFormat::Raw => {
                    output::refuse_terminal(args.force)?;
                    out.write_all(inspection.wire())?;
                }
                ExportFormat::Sse => {
                    let bytes = report::sse(inspection).map_err(|e| e.to_string())?;
                    output::refuse_terminal(args.force)?;
                    out.write_all(bytes)?;
                }
                ExportFormat::Scenario => {
                    let recorded = replay::exchanges(&recording.entries);
                    let recorded = recorded.iter().find(|r| r.number == x);
                    let dialect = inspection.dialect().map_or("openai-chat", |d| d.name());
                    let about = format!("a recording: {}", inspection.verdict());
                    let recorded = recorded.ok_or(Failure::Closed)?;
                    out.write_all(replay::scenario(recorded, &about, dialect).as_bytes())?;
                }
                to => write_request(global, to, inspection, &config, &mut out)?,
            }
        }
    }
    out.flush()?;
    Ok(Exit::Ok)
}

/// Writes how often each outcome occurred, where there are several exchanges.
fn write_tally(
    exchanges: &BTreeMap<ExchangeId, Inspection>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    if exchanges.len() > 1 {
        let mut tally = Tally::default();
        for (x, inspection) in exchanges {
            tally.add(&Label::of(inspection), *x, Case::of(inspection));
        }
        write_json(&mut *out, &report::tally(&tally))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Writes all exchanges as one document.
fn write_page(
    to: ExportFormat,
    exchanges: &BTreeMap<ExchangeId, Inspection>,
    recording: Recording,
    config: &Config,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let all: Vec<_> = exchanges.iter().map(|(x, i)| (*x, i)).collect();
    let origin = RecordingOrigin { created: recording.created, program: recording.program };
    match to {
        ExportFormat::Har => report::har(&all, &recording.entries, &origin, out)?,
        ExportFormat::Html => report::html(&all, &origin, out)?,
        ExportFormat::Otlp => report::otlp(&all, &origin, out)?,
        _ => {
            let key = |name: &str| config.providers.get(name).and_then(|p| p.key_env.clone());
            report::markdown(&all, &origin, &key, out)?;
        }
    }
    Ok(())
}

/// Writes an exchange's request as a command or a program that sends it again.
fn write_request(
    global: &Global,
    to: ExportFormat,
    inspection: &Inspection,
    config: &Config,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let sender = if to == ExportFormat::Curl { "curl" } else { "a program" };
    let request = inspection
        .request
        .as_ref()
        .ok_or_else(|| format!("a bare body has no request that {sender} could send again"))?;
    let key = config.providers.get(&request.provider).and_then(|p| p.key_env.as_deref());
    let language = match to {
        ExportFormat::Python => Language::Python,
        ExportFormat::Node => Language::Node,
        ExportFormat::Fetch => Language::Fetch,
        _ => {
            let command = report::curl(request, key);
            if command.contains("--aws-sigv4") {
                global.notify(
                    "a signature holds for minutes only: curl (8.9 or later) makes its own",
                );
            }
            writeln!(out, "{}", text::visible(&command, text::Newlines::Keep))?;
            return Ok(());
        }
    };
    out.write_all(report::program(request, language, key).as_bytes())?;
    Ok(())
}

/// The one exchange that is meant.
fn single<'a>(
    exchanges: &'a BTreeMap<ExchangeId, Inspection>,
    args: &ExportArgs,
) -> Result<(ExchangeId, &'a Inspection), Failure> {
    match (args.exchange, exchanges.len()) {
        (_, 1) => exchanges.iter().next().map(|(x, i)| (*x, i)).ok_or(Failure::Closed),
        (Some(x), _) => {
            Err(Failure::Usage(format!("there is no exchange {x} in {}", args.file.display())))
        }
        (None, 0) => Err(Failure::Usage(format!("{} holds no exchange", args.file.display()))),
        (None, _) => {
            let width = output::width();
            let mut why = format!(
                "{} holds {} exchanges; say which with --exchange:",
                args.file.display(),
                exchanges.len()
            );
            for (x, i) in exchanges {
                let model = i.request.as_ref().map_or("", |r| r.model.as_str());
                let line = format!("  {x}  {model}  {}", i.verdict());
                why.push('\n');
                why.push_str(&text::clip(&text::visible(&line, text::Newlines::Show), width));
            }
            Err(Failure::Usage(why))
        }
    }
}
