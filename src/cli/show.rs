//! `sselens show`: a recording, analyzed without the screen.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::args::{Global, ShowArgs};
use super::around::{Around, GatewayPair};
use super::exit::{Exit, Failure};
use super::input;
use super::output::Printer;
use crate::client_sim::{Client, clients, find};
use crate::inspect::{InspectOptions, Inspection};
use crate::journal::{Entry, EntryKind, ExchangeId, Side};
use crate::query::{Filter, FilterError};

pub(super) fn run(global: &Global, args: &ShowArgs) -> Result<Exit, Failure> {
    let config = global.load()?;
    let clients = args.lens.as_deref().map(named).transpose()?;
    let mut printer = Printer::new(global, &args.output, &config)?.through(clients)?;
    if let Some(filter) = filter(args)? {
        printer = printer.only(filter)?;
    }
    // For a folder, show all its sessions one after the other, with exchange numbers that continue.
    let files = super::sessions::expanded(std::slice::from_ref(&args.file));
    if files.is_empty() {
        return Err(format!("{} holds no session", args.file.display()).into());
    }
    let mut first = 0;
    let mut worst = None;
    for file in files {
        let recording = input::open(global, &file, &args.bare)?;
        if recording.entries.is_empty() {
            global.notify(&format!("{} holds no exchange", file.display()));
        }
        let number = recording.entries.first().map(|entry| entry.exchange);
        if recording.entries.iter().any(|entry| Some(entry.exchange) != number) {
            printer.number_all();
        }
        let mut next = first;
        let mut sides = SessionSides::of(&recording.entries, &config.options);
        // Drop each entry once it was taken in: the inspection has its bytes.
        for mut entry in recording.entries {
            entry.exchange += first;
            next = next.max(entry.exchange + 1);
            printer.take(&entry)?;
            if let Some(sides) = &mut sides {
                sides.take(&entry);
            }
        }
        first = next;
        for pair in sides.map(SessionSides::pairs).into_iter().flatten() {
            worst = worst.max(pair.worst());
            printer.pair(&pair)?;
        }
    }
    printer.count()?;
    let differs = worst >= Some(args.output.fail_on.severity());
    Ok(if differs { Exit::Found } else { printer.exit() })
}

/// Both sides of a gateway, in a session that has them.
struct SessionSides {
    around: Around,
    open: BTreeMap<ExchangeId, (Side, Inspection)>,
    options: Arc<InspectOptions>,
}

impl SessionSides {
    /// Of a recording with both sides; `None` for any other.
    fn of(entries: &[Entry], options: &InspectOptions) -> Option<Self> {
        let has = |side| {
            let on = |e: &Entry| matches!(&e.kind, EntryKind::Request(r) if r.side == Some(side));
            entries.iter().any(on)
        };
        (has(Side::Client) && has(Side::Upstream)).then(|| Self {
            around: Around::default(),
            open: BTreeMap::new(),
            options: Arc::new(options.clone()),
        })
    }

    fn take(&mut self, entry: &Entry) {
        let x = entry.exchange;
        if let EntryKind::Request(request) = &entry.kind
            && let Some(side) = request.side
        {
            self.open.insert(x, (side, Inspection::new(Arc::clone(&self.options))));
        }
        let Some((side, inspection)) = self.open.get_mut(&x) else { return };
        let side = *side;
        inspection.push(entry);
        self.around.entry(side, entry);
        if matches!(entry.kind, EntryKind::End { .. })
            && let Some((_, over)) = self.open.remove(&x)
        {
            self.around.over(side, x, entry.at, over);
        }
    }

    /// The pairs, when all was taken in.
    fn pairs(mut self) -> Vec<GatewayPair> {
        self.around.rest()
    }
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
        names.sort_unstable();
        names.dedup();
        let names = names.join(", ");
        return Err(Failure::Usage(format!("no client {name:?}; there are {names}, and all")));
    }
    Ok(rows)
}
