//! `sselens show`: a recording, analysed without the screen.

use super::args::{Global, Show};
use super::output::Printer;
use super::{Exit, Failure, input};

pub(super) fn run(global: &Global, args: &Show) -> Result<Exit, Failure> {
    let config = super::load(global)?;
    let mut printer = Printer::new(global, &args.output, &config)?;
    let recording = input::open(global, &args.file, &args.told)?;
    for entry in &recording.entries {
        printer.take(entry)?;
    }
    Ok(printer.exit())
}
