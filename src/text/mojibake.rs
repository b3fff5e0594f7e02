//! UTF-8 that was read as Latin-1 or Windows-1252 and encoded again: `é` became `Ã©`.

use std::ops::Range;

/// So many letters make it certain; fewer may be meant.
const MIN_LETTERS: usize = 3;

/// Characters of Windows-1252 for the bytes 0x80 to 0x9f; NUL where it has none (WHATWG Encoding, index
/// windows-1252).
const C1: [char; 32] = [
    '€', '\0', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\0', 'Ž', '\0', '\0', '‘',
    '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\0', 'ž', 'Ÿ',
];

/// The byte that became this character.
fn byte_of(c: char) -> Option<u8> {
    match u32::from(c) {
        code @ 0x80..=0xff => u8::try_from(code).ok(),
        _ => C1.iter().position(|known| *known == c).and_then(|at| u8::try_from(0x80 + at).ok()),
    }
}

/// Returns where the first such letter is in the text and what it was, if everything beyond ASCII in it is of
/// that kind: then it is no accident. One letter that is sound makes it `None`.
pub fn mojibake(text: &str) -> Option<(Range<usize>, String)> {
    if text.is_ascii() {
        return None;
    }
    let mut first = None;
    let mut letters = 0;
    let mut rest = text;
    while let Some(from) = rest.bytes().position(|byte| !byte.is_ascii()) {
        rest = &rest[from..];
        let len = rest.bytes().position(|byte| byte.is_ascii()).unwrap_or(rest.len());
        let (run, after) = rest.split_at(len);
        let start = text.len() - rest.len();
        rest = after;
        let bytes: Vec<u8> = run.chars().map(byte_of).collect::<Option<_>>()?;
        let was = String::from_utf8(bytes).ok()?;
        letters += was.chars().count();
        first.get_or_insert((start..start + len, was));
    }
    first.filter(|_| letters >= MIN_LETTERS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a text as it appears when it is read as Windows-1252.
    fn misread(text: &str) -> String {
        let of = |byte: u8| match byte {
            0x80..=0x9f if C1[usize::from(byte) - 0x80] != '\0' => C1[usize::from(byte) - 0x80],
            _ => char::from(byte),
        };
        text.bytes().map(of).collect()
    }

    #[test]
    fn what_was_read_as_another_encoding_is_found_and_read_back() {
        for text in
            ["Café, naïve résumé", "“quoted” text — with a dash", "日本語", "Größe über Ärger 😀"]
        {
            let damaged = misread(text);
            let (at, was) = mojibake(&damaged).unwrap_or_else(|| panic!("{damaged}"));
            let first = text.split(|c: char| c.is_ascii()).find(|run| !run.is_empty()).unwrap();
            assert_eq!((misread(&was), was.as_str()), (damaged[at].to_owned(), first));
        }
        // Latin-1 has nothing but the control characters there.
        assert!(mojibake("â\u{80}\u{9c}a â\u{80}\u{9d}b Ã\u{a9}").is_some());
    }

    #[test]
    fn sound_text_is_none_however_it_looks() {
        for text in [
            "",
            "plain",
            "Café, naïve résumé",
            "Ärger, Größe, Übel",
            "« à »",
            "日本語",
            // A text about mojibake, with correct characters as well.
            "Ã© and Ã¨ and Ã¼ are é, è, ü",
            // Too little to decide.
            "Ã©",
            "50 â‚¬",
            "Â§ 5",
        ] {
            assert_eq!(mojibake(text), None, "{text}");
        }
    }
}
