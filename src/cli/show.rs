//! `sselens show`: a recording, analyzed without the screen.

use super::args::{Global, ShowArgs};
use super::exit::{Exit, Failure};
use super::input;
use super::output::Printer;
use crate::client_sim::{Client, clients, find};
use crate::query::{Filter, FilterError};

pub(super) fn run(global: &Global, args: &ShowArgs) -> Result<Exit, Failure> {
    let config = global.load()?;
    let clients = args.lens.as_deref().map(named).transpose()?;
    let mut printer = Printer::new(global, &args.output, &config)?.through(clients)?;
    if let Some(filter) = filter(args)? {
        printer = printer.only(filter)?;
    }
    // Of a folder every session, one after the other; their exchanges are numbered through.
    let files = super::sessions::expanded(std::slice::from_ref(&args.file));
    if files.is_empty() {
        return Err(format!("{} holds no session", args.file.display()).into());
    }
    let mut first = 0;
    for file in files {
        let recording = input::open(global, &file, &args.bare)?;
        if recording.entries.is_empty() {
            global.notify(&format!("{} holds no exchange", file.display()));
        }
        let mut next = first;
        // Each is given up when it was taken in: the inspection has its bytes.
        for mut entry in recording.entries {
            entry.exchange += first;
            next = next.max(entry.exchange + 1);
            printer.take(&entry)?;
        }
        first = next;
    }
    printer.count()?;
    Ok(printer.exit())
}

/// The filter that the arguments ask for.
fn filter(args: &ShowArgs) -> Result<Option<Filter>, Failure> {
    let wrong = |option: &str, why: FilterError| Failure::Usage(format!("{option}: {why}"));
    if let Some(terms) = &args.filter {
        return Filter::parse(terms).map(Some).map_err(|e| wrong("--filter", e));
    }
    let query = args.query.as_ref().map(|path| Filter::query_of(path));
    query.transpose().map_err(|e| wrong("--query", e))
}

/// The clients that `--lens` names: a client has a row for each dialect.
fn named(name: &str) -> Result<Vec<&'static Client>, Failure> {
    let rows: Vec<_> = if name == "all" { clients().collect() } else { find(name).collect() };
    if rows.is_empty() {
        let mut names: Vec<_> = clients().map(|client| client.name).collect();
        names.dedup();
        let names = names.join(", ");
        return Err(Failure::Usage(format!("no client {name:?}; there are {names}, and all")));
    }
    Ok(rows)
}
