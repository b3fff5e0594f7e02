//! The words of a command line, as a POSIX shell, bash and Windows' cmd.exe take it apart. Variables
//! without a value are kept as `${NAME}`.

use std::iter::Peekable;
use std::str::Chars;

use crate::transport::request::escaped;

/// The beginning and end of the name of a variable without a value, until the words are split: characters of
/// private use, which no shell looks at. Where they are text, a sign that begins no name follows the first.
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';
const IS_OPEN: &str = "\u{e000}=";
const IS_CLOSE: &str = "\u{e000}-";

/// Writes a character as text.
fn put_text(out: &mut String, c: char) {
    match c {
        OPEN => out.push_str(IS_OPEN),
        CLOSE => out.push_str(IS_CLOSE),
        c => out.push(c),
    }
}

/// The character that [`put_text`] wrote as two, by the second.
fn text_of(second: Option<char>) -> char {
    if second == Some('=') { OPEN } else { CLOSE }
}

/// A word with its variables as `${NAME}`.
fn with_names(word: &str) -> String {
    let mut parts = word.split(OPEN);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        if let Some(rest) = part.strip_prefix('=') {
            out.push(OPEN);
            out.push_str(rest);
        } else if let Some(rest) = part.strip_prefix('-') {
            out.push(CLOSE);
            out.push_str(rest);
        } else {
            out.push_str("${");
            out.push_str(&part.replace(CLOSE, "}"));
        }
    }
    out
}

/// Returns a variable's value.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The words of a command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) words: Vec<String>,
    /// Some hold `${NAME}` for a variable without a value; a `${` that was text is `$${` in them.
    pub(super) has_variables: bool,
}

/// Takes a command line apart; `None` where a quote is not closed.
pub(super) fn words(command: &str, variable: Lookup<'_>) -> Option<Words> {
    let mut plain = String::with_capacity(command.len());
    command.chars().for_each(|c| put_text(&mut plain, c));
    let command = plain.trim().trim_start_matches("$ ");
    let words = match is_for_cmd(command) {
        true => of_cmd(command, variable),
        false => {
            // A `^` at a line end continues the line in cmd.exe.
            let plain = expand(command, variable).replace("^\r\n", " ").replace("^\n", " ");
            shlex::split(&plain)?
        }
    };
    let has_variables = words.iter().any(|word| word.contains(CLOSE));
    let words = words.into_iter().map(|word| match has_variables {
        true => with_names(&escaped(&word)),
        false => with_names(&word),
    });
    Some(Words { words: words.collect(), has_variables })
}

/// Puts a variable into text: its value as `write` writes it, or its name for later.
fn put(out: &mut String, name: &str, variable: Lookup<'_>, write: impl Fn(&mut String, char)) {
    match variable(name) {
        Some(value) => {
            let mut text = String::with_capacity(value.len());
            value.chars().for_each(|c| put_text(&mut text, c));
            text.chars().for_each(|c| write(out, c));
        }
        None => out.extend([OPEN].into_iter().chain(name.chars()).chain([CLOSE])),
    }
}

/// Replaces `$'…'` by a POSIX-quoted word of the same meaning, and `$NAME` by its value, as the shell
/// would that the command was written for.
fn expand(command: &str, variable: Lookup<'_>) -> String {
    let mut out = String::with_capacity(command.len());
    let mut chars = command.chars().peekable();
    let mut quote = None;
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('$', None) if chars.peek() == Some(&'\'') => {
                chars.next();
                out.push_str(&quoted(&unescaped(&mut chars)));
            }
            ('$', None | Some('"')) => match name(&mut chars) {
                Name::Variable(name) => put(&mut out, &name, variable, |out, c| {
                    // These four characters are special inside double quotes; outside, the value must stay
                    // one word.
                    let keep = quote.is_none() && !c.is_alphanumeric() || "\"\\$`".contains(c);
                    out.extend(keep.then_some('\\'));
                    out.push(c);
                }),
                Name::Text(text) => {
                    out.push('$');
                    out.push_str(&text);
                }
            },
            // A line continuation; the pasted text may have either kind of line end.
            ('\\', None | Some('"')) if matches!(chars.peek(), Some('\n' | '\r')) => {
                if chars.next() == Some('\r') {
                    chars.next_if_eq(&'\n');
                }
            }
            ('\\', None | Some('"')) => {
                out.push(c);
                out.extend(chars.next());
            }
            ('\'' | '"', None) => {
                quote = Some(c);
                out.push(c);
            }
            (c, Some(q)) => {
                if c == q {
                    quote = None;
                }
                out.push(c);
            }
            (c, None) => out.push(c),
        }
    }
    out
}

/// The text of `$'…'`, behind its first quote, up to and with the last.
fn unescaped(chars: &mut Peekable<Chars<'_>>) -> String {
    // Escapes may write a character byte by byte.
    let mut text = Vec::new();
    while let Some(c) = chars.next() {
        match c {
            '\'' => break,
            '\\' => escape(chars, &mut text),
            c => {
                let c = if c == OPEN { text_of(chars.next()) } else { c };
                text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
    }
    let mut plain = String::new();
    String::from_utf8_lossy(&text).chars().for_each(|c| put_text(&mut plain, c));
    plain
}

/// The text after a `$`.
enum Name {
    /// A variable.
    Variable(String),
    /// Nothing that is one.
    Text(String),
}

/// Reads the name after a `$`: `NAME` or `{NAME}`.
fn name(chars: &mut Peekable<Chars<'_>>) -> Name {
    let braces = chars.next_if_eq(&'{').is_some();
    let mut name = String::new();
    while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        name.push(c);
    }
    let closed = !braces || chars.next_if_eq(&'}').is_some();
    if closed && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
        return Name::Variable(name);
    }
    let close = if braces && closed { "}" } else { "" };
    Name::Text(format!("{}{name}{close}", if braces { "{" } else { "" }))
}

/// Reads what follows a backslash in `$'…'`.
fn escape(chars: &mut Peekable<Chars<'_>>, out: &mut Vec<u8>) {
    let Some(c) = chars.next() else { return };
    let mut push = |c: char| out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    match c {
        'n' => push('\n'),
        't' => push('\t'),
        'r' => push('\r'),
        'u' => hex(chars, 4).and_then(char::from_u32).into_iter().for_each(push),
        'U' => hex(chars, 8).and_then(char::from_u32).into_iter().for_each(push),
        'x' => out.extend(hex(chars, 2).and_then(|byte| u8::try_from(byte).ok())),
        c => push(c),
    }
}

fn hex(chars: &mut Peekable<Chars<'_>>, max: usize) -> Option<u32> {
    let mut code = String::new();
    while code.len() < max
        && let Some(h) = chars.next_if(char::is_ascii_hexdigit)
    {
        code.push(h);
    }
    u32::from_str_radix(&code, 16).ok()
}

/// Returns whether a command is written for cmd.exe, as browsers copy it there: its first quote has a caret
/// before it, or quoted arguments have lines that end with one. Inside of other quotes a caret is text.
fn is_for_cmd(command: &str) -> bool {
    let ends = command.lines().any(|line| line.trim_end().ends_with('^'));
    let first = command.find(['"', '\'']).map(|at| command.split_at(at));
    let escaped =
        first.is_some_and(|(before, after)| before.ends_with('^') && after.starts_with('"'));
    escaped || (ends && !command.contains('\''))
}

/// A character after cmd.exe has read it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct CmdChar {
    c: char,
    /// True if a caret was before it.
    escaped: bool,
}

/// The words of a command for cmd.exe: its carets and `%NAME%` first, then quotes and backslashes as
/// programs there take them.
fn of_cmd(command: &str, variable: Lookup<'_>) -> Vec<String> {
    let read = without_carets(command);
    let text: Vec<char> = with_values(&read, variable);
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    let mut at = 0;
    while let Some(c) = text.get(at).copied() {
        at += 1;
        match c {
            '\\' => {
                let run = 1 + text[at..].iter().take_while(|c| **c == '\\').count();
                at += run - 1;
                let before_quote = text.get(at) == Some(&'"');
                let word = word.get_or_insert_default();
                let kept = if before_quote { run / 2 } else { run };
                word.extend(std::iter::repeat_n('\\', kept));
                if before_quote && run % 2 == 1 {
                    word.push('"');
                    at += 1;
                }
            }
            '"' if quoted && text.get(at) == Some(&'"') => {
                word.get_or_insert_default().push('"');
                at += 1;
            }
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Takes cmd.exe's carets out: one before a line end continues the line, one before two of them is a
/// line feed, and one before anything else takes its meaning away.
fn without_carets(command: &str) -> Vec<CmdChar> {
    let mut out = Vec::new();
    let mut chars = command.chars().filter(|c| *c != '\r').peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '^' if !quoted => match chars.next() {
                Some('\n') => {
                    out.extend(chars.next_if_eq(&'\n').map(|c| CmdChar { c, escaped: true }))
                }
                Some(c) => out.push(CmdChar { c, escaped: true }),
                None => {}
            },
            c => {
                quoted ^= c == '"';
                out.push(CmdChar { c, escaped: false });
            }
        }
    }
    out
}

/// Puts the values of `%NAME%` in.
fn with_values(read: &[CmdChar], variable: Lookup<'_>) -> Vec<char> {
    let mut out = String::new();
    let mut at = 0;
    while let Some(CmdChar { c, escaped }) = read.get(at).copied() {
        at += 1;
        let rest = &read[at..];
        let len = rest.iter().take_while(|r| r.c.is_ascii_alphanumeric() || r.c == '_').count();
        let closed = rest.get(len).is_some_and(|r| r.c == '%' && !r.escaped);
        let begins = rest.first().is_some_and(|r| r.c.is_ascii_alphabetic() || r.c == '_');
        if c == '%' && !escaped && closed && begins {
            let name: String = rest[..len].iter().map(|r| r.c).collect();
            put(&mut out, &name, variable, |out, c| {
                out.extend((c == '"').then_some('\\'));
                out.push(c);
            });
            at += len + 1;
        } else {
            out.push(c);
        }
    }
    out.chars().collect()
}

/// One word of a POSIX shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn split(command: &str) -> Vec<String> {
        let variable = |name: &str| (name == "KEY").then(|| "sk \"1\"".to_owned());
        words(command, &variable).unwrap().words
    }

    #[test]
    fn a_caret_before_a_quote_is_text_inside_of_other_quotes() {
        for text in ["\u{1a}^\"", "[^\"]*", "a ^\"b^\"", "^"] {
            assert_eq!(split(&format!("curl '{text}' b")), ["curl", text, "b"]);
        }
        assert_eq!(split("curl \"a^\" \"b\""), ["curl", "a^", "b"]);
        assert_eq!(split("curl http://h/ -d ^\"a^\""), ["curl", "http://h/", "-d", "a"]);
    }

    #[test]
    fn characters_of_private_use_are_text() {
        for text in ["\u{e000}", "\u{e001}", "\u{e000}=", "a\u{e000}-\u{e001}b \u{e000}\u{e000}"] {
            assert_eq!(
                split(&format!("curl '{text}' \"{text}\" $'{text}'")),
                ["curl", text, text, text]
            );
            assert_eq!(split(&format!("curl ^\"{text}^\" ^\r\n b")), ["curl", text, "b"]);
            let with = words(&format!("curl '{text}' $NO"), &|_| None).unwrap();
            assert_eq!((&with.words[1][..], &with.words[2][..]), (text, "${NO}"));
            let value = words("curl \"$A\"", &|_| Some(text.to_owned())).unwrap();
            assert_eq!((&value.words[1][..], value.has_variables), (text, false));
        }
        assert_eq!(split("curl $'\\ue000' $'\\xee\\x80\\x80='"), ["curl", "\u{e000}", "\u{e000}="]);
    }

    #[test]
    fn a_browsers_command_for_cmd_is_read() {
        let command = "curl ^\"https://h/v1/chat^\" ^\r\n  -H ^\"content-type: application/json^\" ^\r\n  \
            -H ^\"authorization: Bearer %KEY%^\" ^\r\n  --data-raw \
            ^\"^{^\\^\"model^\\^\":^\\^\"m^\\^\",^\\^\"say^\\^\":^\\^\"50^% \\\\^\\^\"x^\\^\"^\r\n\r\n^}^\"";
        let words = split(command);
        assert_eq!(
            words[..4],
            ["curl", "https://h/v1/chat", "-H", "content-type: application/json"]
        );
        assert_eq!(words[5], "authorization: Bearer sk \"1\"");
        assert_eq!(words[7], "{\"model\":\"m\",\"say\":\"50% \\\"x\"\n}");
    }

    #[test]
    fn the_older_form_for_cmd_is_read() {
        let command = "curl \"https://h/v1\" ^\n -H \"accept: */*\" ^\n --data-raw \"{\\\"a\\\":\\\"b ^& c\\\"}\"";
        assert_eq!(split(command)[1..4], ["https://h/v1", "-H", "accept: */*"]);
        assert_eq!(split(command)[5], "{\"a\":\"b & c\"}");
    }

    #[test]
    fn variables_without_a_value_are_kept() {
        let of = |command: &str| words(command, &|_| None).unwrap();
        let found =
            of("curl h -H \"a: Bearer $MY_KEY\" -d '{\"x\":\"${y}\"}' \"${Z}\" \"$5 ${a-b}\"");
        assert!(found.has_variables);
        assert_eq!(found.words[3], "a: Bearer ${MY_KEY}");
        assert_eq!(found.words[5], "{\"x\":\"$${y}\"}", "text stays text");
        assert_eq!(found.words[6..], ["${Z}", "$5 $${a-b}"]);
        let none = of("curl h -d '${y}'");
        assert_eq!((none.has_variables, &*none.words[3]), (false, "${y}"));
        assert_eq!(of("curl ^\"h^\" -H ^\"a: %MY_KEY%^\"").words[3], "a: ${MY_KEY}");
    }
}
