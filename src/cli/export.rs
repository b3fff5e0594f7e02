//! `sselens export`: a recording in another form.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::sync::Arc;

use super::args::{ExportArgs, ExportFormat, Global};
use super::exit::{Exit, Failure};
use super::{input, output};
use crate::inspect::Inspection;
use crate::inspect::outcomes::{Case, Label, Tally};
use crate::journal::ExchangeId;
use crate::replay;
use crate::report::{self, Language, Ndjson, Origin};
use crate::text::{self, write_json};

pub(super) fn run(global: &Global, args: &ExportArgs) -> Result<Exit, Failure> {
    let config = global.load()?;
    let recording = input::open(global, &args.file, &args.told)?;
    let options = Arc::new(config.options.clone());
    let mut out = BufWriter::new(std::io::stdout());
    let mut exchanges = BTreeMap::<ExchangeId, Inspection>::new();
    let mut lines = BTreeMap::<ExchangeId, Ndjson>::new();
    for entry in &recording.entries {
        if args.exchange.is_some_and(|x| x != entry.exchange) {
            continue;
        }
        let now = exchanges
            .entry(entry.exchange)
            .or_insert_with(|| Inspection::new(Arc::clone(&options)));
        now.push(entry);
        if args.to == ExportFormat::Ndjson {
            lines.entry(entry.exchange).or_default().follow(entry, now, &mut out)?;
        }
    }
    if args.to == ExportFormat::Ndjson && (args.exchange.is_none() || !exchanges.is_empty()) {
        if exchanges.len() > 1 {
            let mut tally = Tally::default();
            for (x, seen) in &exchanges {
                tally.add(&Label::of(seen), *x, Case::of(seen));
            }
            write_json(&mut out, &report::tally(&tally))?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        return Ok(Exit::Ok);
    }
    let all: Vec<_> = exchanges.iter().map(|(x, i)| (*x, i)).collect();
    let several = matches!(
        args.to,
        ExportFormat::Markdown | ExportFormat::Har | ExportFormat::Html | ExportFormat::Otlp
    );
    if several && !all.is_empty() {
        let origin = Origin { created: recording.created, program: recording.program };
        match args.to {
            ExportFormat::Har => report::har(&all, &recording.entries, &origin, &mut out)?,
            ExportFormat::Html => report::html(&all, &origin, &mut out)?,
            ExportFormat::Otlp => report::otlp(&all, &origin, &mut out)?,
            _ => {
                let key = |name: &str| config.providers.get(name).and_then(|p| p.key_env.clone());
                report::markdown(&all, &origin, &key, &mut out)?;
            }
        }
        out.flush()?;
        return Ok(Exit::Ok);
    }
    let (x, one) = single(&exchanges, args)?;
    match args.to {
        ExportFormat::Raw => {
            output::refuse_terminal(args.force)?;
            out.write_all(one.wire())?;
        }
        ExportFormat::Sse => {
            let bytes = report::sse(one).map_err(|e| e.to_string())?;
            output::refuse_terminal(args.force)?;
            out.write_all(bytes)?;
        }
        ExportFormat::Scenario => {
            let recorded = replay::exchanges(&recording.entries);
            let recorded = recorded.iter().find(|r| r.number == x).ok_or(Failure::Closed)?;
            let dialect = one.dialect().map_or("openai-chat", |d| d.name());
            let about = format!("a recording: {}", one.verdict());
            out.write_all(replay::scenario(recorded, &about, dialect).as_bytes())?;
        }
        ExportFormat::Curl => {
            let request = one
                .request
                .as_ref()
                .ok_or("a bare body has no request that curl could send again".to_owned())?;
            let key = config.providers.get(&request.provider).and_then(|p| p.key_env.as_deref());
            let command = report::curl(request, key);
            if command.contains("--aws-sigv4") {
                global.notify(
                    "a signature holds for minutes only: curl (8.9 or later) makes its own",
                );
            }
            writeln!(out, "{}", crate::text::visible(&command, crate::text::Newlines::Keep))?;
        }
        ExportFormat::Python | ExportFormat::Node | ExportFormat::Fetch => {
            let request = one
                .request
                .as_ref()
                .ok_or("a bare body has no request that a program could send again".to_owned())?;
            let key = config.providers.get(&request.provider).and_then(|p| p.key_env.as_deref());
            let language = match args.to {
                ExportFormat::Python => Language::Python,
                ExportFormat::Node => Language::Node,
                _ => Language::Fetch,
            };
            out.write_all(report::program(request, language, key).as_bytes())?;
        }
        ExportFormat::Ndjson
        | ExportFormat::Markdown
        | ExportFormat::Har
        | ExportFormat::Html
        | ExportFormat::Otlp => {}
    }
    out.flush()?;
    Ok(Exit::Ok)
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
