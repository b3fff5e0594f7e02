//! The table of what HTTP libraries accept, and which clients use which.

use std::io::{self, Write};

use crate::client_sim::{HttpOddity, STACKS, Stack, clients};

/// A row's name, and its cell for a library.
type LimitRow = (&'static str, fn(&Stack) -> String);

/// Writes the tables, as Markdown whose columns are aligned.
///
/// # Errors
/// Those of the writer.
pub fn http_limits(out: &mut impl Write) -> io::Result<()> {
    let mut rows = vec![[String::new()].into_iter().chain(names()).collect::<Vec<_>>()];
    let bounds: [LimitRow; 7] = [
        ("Header fields", |stack| stack.fields.to_string()),
        ("One header line, bytes", |stack| stack.line.to_string()),
        ("Headers in all, bytes", |stack| stack.head.to_string()),
        ("Trailer fields", |stack| stack.trailers.to_string()),
        ("One trailer line, bytes", |stack| stack.trailer.to_string()),
        ("Trailers in all, bytes", |stack| stack.trailers_in_all.to_string()),
        ("Chunk extension, bytes", |stack| stack.extension.to_string()),
    ];
    for (name, bound) in bounds {
        rows.push([name.to_owned()].into_iter().chain(STACKS.iter().map(|s| bound(s))).collect());
    }
    for oddity in HttpOddity::ALL {
        let reads = |stack: &&Stack| match stack.refuses.contains(oddity) {
            true => "**no**".to_owned(),
            false => "yes".to_owned(),
        };
        let cells = STACKS.iter().map(reads);
        rows.push([oddity.name().to_owned()].into_iter().chain(cells).collect());
    }
    table(&rows, out)?;
    writeln!(out)?;
    let mut rows = vec![vec!["client".to_owned(), "library".to_owned()]];
    for stack in STACKS {
        let mut names: Vec<_> = clients()
            .filter(|client| client.stack() == *stack)
            .map(|client| client.title())
            .collect();
        names.retain(|name| {
            !name.contains(".stream") && !name.contains(".chat") && !name.contains('+')
        });
        let mut seen = std::collections::BTreeSet::new();
        names.retain(|name| seen.insert(name.clone()));
        if !names.is_empty() {
            rows.push(vec![names.join(", "), stack.name.to_owned()]);
        }
    }
    table(&rows, out)
}

fn names() -> impl Iterator<Item = String> {
    STACKS.iter().map(|stack| stack.name.to_owned())
}

/// A Markdown table whose columns are aligned.
fn table(rows: &[Vec<String>], out: &mut impl Write) -> io::Result<()> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for (n, row) in rows.iter().enumerate() {
        for (cell, width) in row.iter().zip(&widths) {
            write!(out, "| {cell:<width$} ")?;
        }
        writeln!(out, "|")?;
        if n == 0 {
            for width in &widths {
                write!(out, "|{}", "-".repeat(width + 2))?;
            }
            writeln!(out, "|")?;
        }
    }
    Ok(())
}
