//! `sselens send`: one request without the screen, once or many times.

use super::args::{Global, SendArgs};
use super::exit::{Exit, Failure};
use super::output::Printer;
use super::progress::Progress;
use super::repeat::{Repeat, RoundRequest};
use super::runner::{Once, Runner};
use super::{request, secrets};
use crate::transport::request::resolve;

pub(super) fn run(global: &Global, args: &SendArgs) -> Result<Exit, Failure> {
    let mut config = global.load()?;
    let (draft, transport) =
        request::draft(global, &args.request, args.prompt.as_deref(), &mut config)?;
    let mut printer = Printer::new(global, &args.output, &config)?.warned(!global.quiet);
    let lab = request::lab([&draft], &args.lab, &config)?;
    let lab = lab.as_ref().map(|l| l.addr);
    let outgoing = resolve(&draft, &config, &transport, lab)?;
    secrets::add(&outgoing.secrets);
    for warning in &outgoing.request.warnings {
        global.notify(&format!("!! {warning}"));
    }
    let mut progress = Progress::new(global, args.output.output);
    if args.repeat.is_many() {
        let sides = vec![RoundRequest { draft, transport, side: None }];
        let save = args.save.as_deref();
        let repeat = Repeat::new(global, &args.repeat, &args.output, save, &config, lab, sides)?;
        return repeat.run(printer.keeping(), progress, &mut ());
    }
    let mut runner = Runner::start(args.save.as_deref(), &config)?;
    let result = runner.run(&mut Once::of(vec![outgoing]), &mut printer, &mut progress);
    let ended = runner.close();
    result?;
    Ok(ended.exit(printer.exit()))
}
