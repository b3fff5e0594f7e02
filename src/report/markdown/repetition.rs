//! The report of one request that was sent many times.

use std::io::{self, Write};

use super::super::har::RecordingOrigin;
use super::super::markup::{code, in_cell};
use super::many::{interval, sentence, who, worst};
use super::{KeyVariable, origin_of};
use crate::inspect::outcomes::Tally;
use crate::inspect::{Inspection, Outcome};
use crate::journal::ExchangeId;
use crate::text::{count, group};

/// Writes what became of how many, and the examples of what is wrong in full. `asked` is how many
/// were to be sent, `examples` are the exchanges that were kept of those that the tally counts.
///
/// # Errors
/// Those of the writer.
pub fn repeated(
    (tally, asked): (&Tally, u64),
    examples: &[(ExchangeId, &Inspection)],
    origin: &RecordingOrigin,
    key: KeyVariable<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let kinds: Vec<_> = tally.groups().iter().flat_map(|g| &g.kinds).collect();
    let of = |wanted| -> u64 {
        kinds.iter().filter(|k| k.case.outcome == wanted).map(|k| k.count).sum()
    };
    let n = tally.total();
    writeln!(out, "**{}**\n", sentence(of(Outcome::Failed), of(Outcome::Degraded), n))?;
    if let Some((_, first)) = examples.first() {
        let size = first.request.as_ref().map_or(0, |r| r.body.len() as u64);
        writeln!(out, "One request of {}, sent to {}.", count(size, "byte"), code(&who(first)))?;
    }
    if n < asked {
        let (n, asked) = (group(n), group(asked));
        writeln!(out, "{n} of {asked} planned requests ended and are counted.")?;
    }
    writeln!(
        out,
        "\n| what became of them | n | share (95 %) | for example, exchange |\n|---|--:|--:|---|"
    )?;
    for kind in kinds {
        let by = kind.case.code.map_or(String::new(), |code| format!(" `{code}`"));
        let parts = format!("{} ({}){by}", kind.case.outcome.name(), kind.case.reason_name());
        let share = interval(kind.count, n);
        let few: Vec<_> = kind.examples.iter().map(u32::to_string).collect();
        let few = few.join(", ");
        writeln!(out, "| {} | {} | {share} | {few} |", in_cell(&parts), group(kind.count))?;
    }
    writeln!(out)?;
    worst(examples, key, out)?;
    origin_of(origin, out)
}
