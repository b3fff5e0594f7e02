//! Writes exchanges to standard output in the format asked for, as they happen or afterwards.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;

use super::args::{Format, Global, OutputArgs};
use super::around::GatewayPair;
use super::exit::{Exit, Failure};
use crate::client_sim::Client;
use crate::config::Config;
use crate::inspect::outcomes::{Case, Label, Tally};
use crate::inspect::{InspectOptions, Inspection, Severity};
use crate::journal::{Entry, EntryKind, ExchangeId};
use crate::query::Filter;
use crate::report::{self, FindingsDetail, Ndjson, Palette};
use crate::text::{Page, write_json};

/// Follows a session and writes it out.
pub(super) struct Printer {
    format: Format,
    palette: Palette,
    fail_on: Severity,
    options: Arc<InspectOptions>,
    exchanges: BTreeMap<ExchangeId, (Inspection, Ndjson)>,
    printed: usize,
    /// The first one has its number above it, as the others do.
    numbered: bool,
    /// Outcomes of the exchanges of a recording.
    cases: BTreeMap<ExchangeId, (Label, Case)>,
    worst: Option<Severity>,
    /// Inspections that are over stay here, and have no separate report in text.
    kept: Option<BTreeMap<ExchangeId, Inspection>>,
    out: io::Stdout,
    /// Warnings about a request were printed before it was sent.
    warned: bool,
    /// True if a signal arrived. What is not printed yet stays so, except for how each exchange ended.
    stopped: bool,
    /// The clients whose view of each exchange is shown too.
    clients: Option<Vec<&'static Client>>,
    /// Only these frames are shown.
    only: Option<Arc<Filter>>,
}

/// Refuses unsanitized bytes where a terminal would obey them.
pub(super) fn refuse_terminal(force: bool) -> Result<(), Failure> {
    if !force && io::stdout().is_terminal() {
        let why = "raw bytes go to a file or a pipe; --force writes them to the terminal";
        return Err(Failure::Usage(why.into()));
    }
    Ok(())
}

/// Returns the width of a line in a list: the terminal's columns, or what is easy to read.
pub(super) fn width() -> usize {
    let terminal = io::stderr().is_terminal().then(crossterm::terminal::size);
    match terminal {
        Some(Ok((columns, _))) if columns > 0 => columns.into(),
        _ => 100,
    }
}

/// The row for the exchange's dialect where all rows are of one client; else all of them.
fn one<'a>(
    rows: &'a [&'static Client],
    seen: &Inspection,
) -> Result<&'static Client, &'a [&'static Client]> {
    let first = rows.first().copied().ok_or(rows)?;
    if rows.iter().any(|row| row.name != first.name) {
        return Err(rows);
    }
    let dialect = seen.dialect().map(|d| d.name());
    Ok(rows.iter().find(|row| Some(row.dialect) == dialect).copied().unwrap_or(first))
}

/// The line of an exchange in JSON, with what these clients make of it.
fn summary(
    x: ExchangeId,
    inspection: &Inspection,
    clients: Option<&[&'static Client]>,
) -> serde_json::Value {
    let mut summary = report::summary(x, inspection, FindingsDetail::Listed);
    match clients.map(|rows| one(rows, inspection)) {
        Some(Ok(client)) => summary["lens"] = report::lens(client, inspection),
        Some(Err(all)) => {
            summary["lenses"] = all.iter().map(|c| report::lens(c, inspection)).collect();
        }
        None => {}
    }
    summary
}

/// Writes what these clients make of an exchange.
fn lenses(
    inspection: &Inspection,
    clients: Option<&[&'static Client]>,
    palette: Palette,
    page: &mut Page,
) -> io::Result<()> {
    match clients.map(|rows| one(rows, inspection)) {
        Some(Ok(client)) => report::lens_text(client, inspection, palette, page),
        Some(Err(all)) => report::lens_table(all, inspection, palette, page),
        None => Ok(()),
    }
}

impl Printer {
    pub(super) fn new(
        global: &Global,
        output: &OutputArgs,
        config: &Config,
    ) -> Result<Self, Failure> {
        if output.output == Format::Raw {
            refuse_terminal(output.force)?;
        }
        Ok(Self {
            format: output.output,
            palette: global.palette(),
            fail_on: output.fail_on.severity(),
            options: Arc::new(config.options.clone()),
            exchanges: BTreeMap::new(),
            printed: 0,
            numbered: false,
            cases: BTreeMap::new(),
            worst: None,
            kept: None,
            out: io::stdout(),
            clients: None,
            only: None,
            warned: false,
            stopped: false,
        })
    }

    /// Prints no more than how the exchanges end.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
    }

    /// The same, without what was printed on standard error already.
    pub(super) fn warned(self, warned: bool) -> Self {
        Self { warned, ..self }
    }

    /// The same, but what is over can be asked for with [`Printer::kept`].
    pub(super) fn keeping(self) -> Self {
        Self { kept: Some(BTreeMap::new()), ..self }
    }

    /// An exchange that is over.
    pub(super) fn kept(&self, x: ExchangeId) -> Option<&Inspection> {
        self.kept.as_ref()?.get(&x)
    }

    /// Shows each exchange as these clients see it, too.
    pub(super) fn through(
        mut self,
        clients: Option<Vec<&'static Client>>,
    ) -> Result<Self, Failure> {
        if clients.is_some() && !matches!(self.format, Format::Text | Format::Json) {
            return Err(Failure::Usage("--lens goes with -o text and -o json".into()));
        }
        self.clients = clients;
        Ok(self)
    }

    /// Writes the number of the first exchange above it, too: others follow.
    pub(super) fn number_all(&mut self) {
        self.numbered = true;
    }

    /// Shows only the frames that a filter selects.
    pub(super) fn only(mut self, filter: Filter) -> Result<Self, Failure> {
        if !matches!(self.format, Format::Text | Format::Ndjson) {
            return Err(Failure::Usage(
                "--filter and --query go with -o text and -o ndjson".into(),
            ));
        }
        self.only = Some(Arc::new(filter));
        Ok(self)
    }

    /// Takes out an exchange that is over: what is counted need not be kept.
    pub(super) fn withdraw(&mut self, x: ExchangeId) -> Option<Inspection> {
        self.kept.as_mut()?.remove(&x)
    }

    /// Takes in an entry and writes what results. Returns whether its exchange is over.
    pub(super) fn take(&mut self, entry: &Entry) -> io::Result<bool> {
        let (options, only) = (&self.options, &self.only);
        let (inspection, lines) = self
            .exchanges
            .entry(entry.exchange)
            .or_insert_with(|| (Inspection::new(Arc::clone(options)), Ndjson::only(only.clone())));
        inspection.push(entry);
        let over = matches!(entry.kind, EntryKind::End { .. });
        match self.format {
            Format::Ndjson | Format::Raw if self.stopped && !over => {
                lines.follow(entry, inspection, &mut io::sink())?;
            }
            Format::Ndjson => lines.follow(entry, inspection, &mut self.out)?,
            Format::Raw => {
                if let EntryKind::Body { bytes, .. } = &entry.kind {
                    self.out.write_all(bytes)?;
                    self.out.flush()?;
                }
            }
            Format::Json if over => {
                let summary = summary(entry.exchange, inspection, self.clients.as_deref());
                write_json(&mut self.out, &summary)?;
                self.out.write_all(b"\n")?;
            }
            Format::Text if over && self.kept.is_none() => {
                if self.printed > 0 {
                    writeln!(self.out)?;
                }
                if self.printed > 0 || self.numbered {
                    let name = format!("── #{} ", entry.exchange);
                    let rule = "─".repeat(72_usize.saturating_sub(name.chars().count()));
                    writeln!(self.out, "{name}{rule}\n")?;
                }
                // Write the whole report at once: it is long, and each line would be a system call otherwise.
                let mut page = Page::new(self.palette.color);
                match &self.only {
                    Some(filter) => report::frames(inspection, filter, self.palette, &mut page)?,
                    None => report::text(inspection, !self.warned, self.palette, &mut page)?,
                }
                lenses(inspection, self.clients.as_deref(), self.palette, &mut page)?;
                self.out.write_all(page.as_bytes())?;
            }
            Format::Json | Format::Text => {}
        }
        if over {
            self.printed += 1;
            self.out.flush()?;
            self.worst = self.worst.max(inspection.worst());
            if self.kept.is_none() {
                self.cases.insert(entry.exchange, (Label::of(inspection), Case::of(inspection)));
            }
            // Drop exchanges that are not needed again, so that many of them do not pile up.
            let done = self.exchanges.remove(&entry.exchange);
            if let (Some(kept), Some((done, _))) = (&mut self.kept, done) {
                kept.insert(entry.exchange, done);
            }
        }
        Ok(over)
    }

    /// Writes a call around a gateway, with what it did for it.
    pub(super) fn pair(&mut self, pair: &GatewayPair) -> io::Result<()> {
        match self.format {
            Format::Ndjson => {
                for line in pair.lines() {
                    write_json(&mut self.out, &line)?;
                    self.out.write_all(b"\n")?;
                }
            }
            Format::Text => {
                let mut page = Page::new(self.palette.color);
                writeln!(page, "\n{}\n", "─".repeat(72))?;
                writeln!(page, "{}", pair.text())?;
                self.out.write_all(page.as_bytes())?;
            }
            Format::Json | Format::Raw => {}
        }
        self.out.flush()
    }

    /// Counts the exchanges of a recording in a last line for scripts, where there are several.
    pub(super) fn count(&mut self) -> io::Result<()> {
        if self.cases.len() > 1 && matches!(self.format, Format::Ndjson | Format::Json) {
            let mut tally = Tally::default();
            for (x, (label, case)) in &self.cases {
                tally.add(label, *x, *case);
            }
            write_json(&mut self.out, &report::tally(&tally))?;
            self.out.write_all(b"\n")?;
        }
        self.out.flush()
    }

    /// The exchange `x`, while it runs.
    pub(super) fn running(&self, x: ExchangeId) -> Option<&Inspection> {
        self.exchanges.get(&x).map(|e| &e.0)
    }

    /// The exit status for what was found.
    pub(super) fn exit(&self) -> Exit {
        match self.worst {
            Some(worst) if worst >= self.fail_on => Exit::Found,
            _ => Exit::Ok,
        }
    }
}
