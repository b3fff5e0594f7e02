//! `sselens lab`: the embedded provider, for any client.

use std::io::Write as _;

use serde_json::json;

use super::args::LabArgs;
use super::exit::{Exit, Failure};
use super::listen;
use crate::lab::{scenarios, serve};
use crate::text::to_json;

pub(super) fn run(args: &LabArgs) -> Result<Exit, Failure> {
    if args.list {
        return list(args.json);
    }
    let greeting = |at| {
        format!(
            "the lab listens at http://{at}/v1 (any key; model lab/NAME; GET / lists its endpoints; \
             Ctrl-C ends it)"
        )
    };
    listen::until_signal(args.listen, greeting, |listener, cancel| {
        serve(listener, args.options.options(), cancel)
    })
}

fn list(json: bool) -> Result<Exit, Failure> {
    let mut out = std::io::BufWriter::new(std::io::stdout());
    let width = scenarios().iter().map(|s| s.name.len()).max().unwrap_or(0) + 4;
    for s in scenarios() {
        let name = format!("lab/{}", s.name);
        if json {
            let line = json!({
                "model": name, "about": s.about, "findings": s.findings, "needs": s.needs,
                "dialects": s.dialects(),
            });
            writeln!(out, "{}", to_json(&line))?;
            continue;
        }
        let shows = if s.findings.is_empty() {
            String::new()
        } else {
            format!("  [{}]", s.findings.join(", "))
        };
        let only = match s.dialects().as_slice() {
            [one] => format!("  (only in {one})"),
            _ => String::new(),
        };
        let needs = s.needs.as_ref().map_or(String::new(), |n| format!("  (with {n})"));
        writeln!(out, "{name:<width$}  {}{needs}{only}{shows}", s.about)?;
    }
    out.flush()?;
    Ok(Exit::Ok)
}
