//! `sselens explain`: what a finding means.

use std::io::Write as _;

use super::args::{ExplainArgs, Global};
use super::exit::{Exit, Failure};
use crate::report;
use crate::rule::Code;

pub(super) fn run(global: &Global, args: &ExplainArgs) -> Result<Exit, Failure> {
    let mut out = std::io::BufWriter::new(std::io::stdout());
    if args.markdown {
        report::findings(&mut out)?;
        out.flush()?;
        return Ok(Exit::Ok);
    }
    if args.http_limits {
        report::http_limits(&mut out)?;
        out.flush()?;
        return Ok(Exit::Ok);
    }
    let Some(code) = &args.code else {
        let width = Code::all().map(|code| code.name().len()).max().unwrap_or(0);
        for r in Code::all().map(Code::rule) {
            let means = r.what.split(['.', ';']).next().unwrap_or_default();
            writeln!(
                out,
                "{:<width$}  {:<5}  {:<8}  {means}",
                r.name,
                r.severity.name(),
                r.phase.name()
            )?;
        }
        out.flush()?;
        return Ok(Exit::Ok);
    };
    let Ok(found) = code.parse::<Code>() else {
        let similar_codes = similar_codes(code);
        let hint = if similar_codes.is_empty() {
            "`sselens explain` lists all".to_owned()
        } else {
            format!("did you mean {}?", similar_codes.join(", "))
        };
        return Err(Failure::Usage(format!("no finding has the code {code:?}; {hint}")));
    };
    let palette = global.palette();
    let mut page = crate::text::Page::new(palette.color);
    report::explain(found.rule(), palette, &mut page)?;
    out.write_all(page.as_bytes())?;
    out.flush()?;
    Ok(Exit::Ok)
}

/// Codes that resemble `code`.
fn similar_codes(code: &str) -> Vec<&'static str> {
    let mut all: Vec<_> = Code::all()
        .map(Code::name)
        .map(|name| (strsim::sorensen_dice(code, name), name))
        .filter(|(similarity, _)| *similarity > 0.6)
        .collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    all.into_iter().take(3).map(|(_, c)| c).collect()
}
