//! Text as a model emits it: in pieces of a few characters, and, for very long
//! answers, generated on the spot.

use super::random::Random;

/// Cuts a text into pieces the size of a token: a space and the start of a
/// word, the rest of a long word, a number, a mark, some blank lines. Joined,
/// they are the text.
pub(super) fn pieces(text: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut piece = String::new();
    let mut kind = CharClass::None;
    for c in text.chars() {
        let next = CharClass::of(c);
        let full = match (kind, next) {
            (CharClass::None, _) => false,
            // The space before a word belongs to the word.
            (CharClass::Space, CharClass::Letter | CharClass::Digit) => piece.len() > 1,
            (CharClass::Letter, CharClass::Letter) => piece.trim_start().chars().count() >= 7,
            (CharClass::Digit, CharClass::Digit) => piece.trim_start().len() >= 3,
            (CharClass::Line, CharClass::Line | CharClass::Space)
            | (CharClass::Space, CharClass::Space) => false,
            _ => true,
        };
        if full {
            out.push(std::mem::take(&mut piece));
        }
        piece.push(c);
        kind = next;
    }
    if !piece.is_empty() {
        out.push(piece);
    }
    out
}

#[derive(Clone, Copy)]
enum CharClass {
    None,
    Letter,
    Digit,
    Space,
    Line,
    Mark,
}

impl CharClass {
    fn of(c: char) -> Self {
        match c {
            '\n' | '\r' => Self::Line,
            c if c.is_whitespace() => Self::Space,
            c if c.is_ascii_digit() => Self::Digit,
            c if c.is_alphabetic() => Self::Letter,
            _ => Self::Mark,
        }
    }
}

/// Sentences without end, never quite the same twice.
///
/// ASCII only: these answers are sent as fast as the socket takes them, so
/// where the reads end is chance, and no character may be cut by chance.
pub(super) fn sentence(random: &mut Random) -> String {
    const WHO: &[&str] = &[
        "The proxy",
        "A patient reader",
        "The tokenizer",
        "Every buffer",
        "The load balancer",
        "A slow client",
        "The gateway",
        "One small packet",
        "The model",
        "A tired socket",
    ];
    const DOES: &[&str] = &[
        "forwards",
        "counts",
        "forgets",
        "holds back",
        "announces",
        "splits",
        "measures",
        "repeats",
        "swallows",
        "remembers",
    ];
    const WHAT: &[&str] = &[
        "the last frame",
        "a blank line",
        "every token",
        "the closing brace",
        "a late header",
        "the usage numbers",
        "half a word",
        "the keep-alive comment",
        "an early goodbye",
        "the second choice",
    ];
    const WHEN: &[&str] = &[
        "before anyone looks",
        "while the timer runs",
        "after the flush",
        "on a quiet day",
        "without a word",
        "between two reads",
        "in the right order",
        "as the standard asks",
    ];
    format!(
        "{} {} {} {}. ",
        random.pick(WHO),
        random.pick(DOES),
        random.pick(WHAT),
        random.pick(WHEN)
    )
}

/// `count` pieces of made-up text, one at a time.
pub(super) fn generated(mut random: Random, count: usize) -> impl Iterator<Item = String> {
    std::iter::from_fn(move || Some(sentence(&mut random)))
        .flat_map(|sentence| pieces(&sentence))
        .take(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_join_to_the_text() {
        let text =
            "Un café, s'il vous plaît: 12345 extraordinarily  long\n\n* naïve – 日本語です。";
        assert_eq!(pieces(text).concat(), text);
        assert!(pieces(text).iter().all(|piece| piece.chars().count() <= 8));
        assert_eq!(pieces("a b, c"), ["a", " b", ",", " c"]);
        assert!(pieces("").is_empty());
    }

    #[test]
    fn generated_text_has_exactly_as_many_pieces_as_asked() {
        let random = Random::of_exchange(1, 1);
        assert_eq!(generated(random.clone(), 500).count(), 500);
        let joined = generated(random, 500).collect::<String>();
        assert!(joined.is_ascii());
    }
}
