//! A recorded exchange as a scenario of the lab.

use std::fmt::Write as _;

use super::fault::writes;
use super::recording::Recorded;
use crate::journal::EndCause;
use crate::text::is_hazard;

/// A scenario that plays this exchange: the text of a file for `assets/scenarios/`. `dialect` is how
/// it speaks.
pub fn scenario(recorded: &Recorded, about: &str, dialect: &str) -> String {
    let mut out = String::new();
    // Writing to memory does not fail.
    let _ = writeln!(out, "about = {}", quoted(about.as_bytes(), false));
    let _ = writeln!(out, "findings = []");
    let _ = writeln!(out, "dialects = [{}]\n", quoted(dialect.as_bytes(), false));
    let _ = writeln!(out, "[[answer]]");
    if let Some((delay, head)) = &recorded.head {
        let _ = writeln!(out, "status = {}", head.status);
        let _ = writeln!(out, "head_after = {}", delay / 1000);
        let own = ["content-length", "transfer-encoding", "connection", "date", "set-cookie"];
        let headers: Vec<_> = head
            .headers
            .iter()
            .filter(|(k, _)| !own.contains(&k.to_ascii_lowercase().as_str()))
            .map(|(k, v)| {
                format!("{} = {}", quoted(k.as_bytes(), false), quoted(v.as_bytes(), false))
            })
            .collect();
        if !headers.is_empty() {
            let _ = writeln!(out, "headers = {{ {} }}", headers.join(", "));
        }
        let is = |name: &str| head.headers.iter().any(|(k, _)| k.eq_ignore_ascii_case(name));
        let framing = match is("content-length") {
            true => "length",
            false if recorded.end == EndCause::Closed => "eof",
            false => "chunked",
        };
        let _ = writeln!(out, "framing = \"{framing}\"");
    }
    let _ = writeln!(out, "gap = 0\nsteps = [");
    for (delay, bytes) in writes(&recorded.body) {
        if delay >= 1000 {
            let _ = writeln!(out, "  {{ wait = {} }},", delay as f64 / 1000.0);
        }
        let _ = writeln!(out, "  {{ raw = {} }},", quoted(&bytes, true));
    }
    match recorded.end {
        EndCause::Reset => out += "  { reset = true },\n",
        EndCause::Timeout(_) => out += "  { stall = true },\n",
        EndCause::Complete | EndCause::Closed | EndCause::Unknown => {}
        _ => out += "  { cut = true },\n",
    }
    out += "]\n";
    out
}

/// Bytes as a TOML string. In a step's `raw` what the lab would fill in or undo is escaped for it.
fn quoted(bytes: &[u8], raw: bool) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '$' | '\\' if raw => text += &format!("\\x{:02x}", c as u32),
                _ => text.push(c),
            }
        }
        for byte in chunk.invalid() {
            match raw {
                true => text += &format!("\\x{byte:02x}"),
                false => text.push(char::REPLACEMENT_CHARACTER),
            }
        }
    }
    // TOML's basic strings have JSON's escapes, and another one for characters beyond U+FFFF.
    let mut out = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        match c as u32 {
            code @ 0x1_0000.. if is_hazard(c) => out += &format!("\\U{code:08x}"),
            code if is_hazard(c) => out += &format!("\\u{code:04x}"),
            _ => out.push(c),
        }
    }
    out
}
