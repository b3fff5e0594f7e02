//! `sselens show`: a recording, analyzed without the screen.

use super::args::{Global, Show};
use super::output::Printer;
use super::{Exit, Failure, input};
use crate::client_sim::{LENSES, Lens};

pub(super) fn run(global: &Global, args: &Show) -> Result<Exit, Failure> {
    let config = super::load(global)?;
    let lenses = args.lens.as_deref().map(lenses).transpose()?;
    let mut printer = Printer::new(global, &args.output, &config)?.through(lenses)?;
    let recording = input::open(global, &args.file, &args.told)?;
    if recording.entries.is_empty() {
        global.say(&format!("{} holds no exchange", args.file.display()));
    }
    // Each is given up when it was taken in: the inspection has its bytes.
    for entry in recording.entries {
        printer.take(&entry)?;
    }
    printer.count()?;
    Ok(printer.exit())
}

/// The clients that `--lens` names.
fn lenses(name: &str) -> Result<&'static [Lens], Failure> {
    if name == "all" {
        return Ok(LENSES);
    }
    let lens = crate::client_sim::find(name).map(std::slice::from_ref);
    lens.ok_or_else(|| {
        let names: Vec<_> = LENSES.iter().map(|l| l.name).collect();
        Failure::Usage(format!("no client {name:?}; there are {}, and all", names.join(", ")))
    })
}
