//! JSON for files and pipes in which nothing can act on a terminal.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter};

/// Compact JSON in which every hazard ([`super::is_hazard`]) of a string is escaped as `\u`, so
/// that printing a line of it can neither move a cursor nor reorder text. The value is the same.
#[derive(Debug, Clone, Default)]
pub struct SafeFormatter(CompactFormatter);

impl Formatter for SafeFormatter {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut plain = 0;
        // Every hazard that serde_json does not escape itself is DEL or beyond ASCII.
        if fragment.is_ascii() && !fragment.as_bytes().contains(&0x7f) {
            return self.0.write_string_fragment(writer, fragment);
        }
        for (i, c) in fragment.char_indices() {
            if super::is_hazard(c) {
                writer.write_all(&fragment.as_bytes()[plain..i])?;
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    write!(writer, "\\u{unit:04x}")?;
                }
                plain = i + c.len_utf8();
            }
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }
}

/// Writes `value` as one line of safe JSON, without a line end.
///
/// # Errors
/// Those of the writer.
pub fn write_json<W: io::Write>(writer: W, value: &impl Serialize) -> io::Result<()> {
    let mut out = serde_json::Serializer::with_formatter(writer, SafeFormatter::default());
    value.serialize(&mut out).map_err(io::Error::from)
}

/// `value` as safe JSON text.
pub fn to_json(value: &impl Serialize) -> String {
    let mut out = Vec::new();
    // Writing to memory cannot fail, and every type that is written here serializes.
    if write_json(&mut out, value).is_err() {
        return String::from("null");
    }
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hazards_are_escaped_and_the_value_is_kept() {
        let text = "a\u{7f}b\u{9b}c\u{202e}d\u{e0041}é\n\"";
        let json = to_json(&text);
        assert_eq!(json, r#""a\u007fb\u009bc\u202ed\udb40\udc41é\n\"""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
