//! Command lines that send a request, as people paste them from documents and browsers: read, and
//! written.

use super::command::basic;
pub use super::command::{Curl, CurlError};
pub use super::shell::quoted;
use super::{httpie, shell};
use crate::transport::request::escaped;

/// Curl's short options that take a value.
const VALUED: &str = "AbcCdDeEFHKmoPQrtTuUwxXyYz";

/// Long options of curl's that take a value and mean nothing for the bytes that are sent.
const IGNORED_WITH_VALUE: &[&str] = &[
    "--output",
    "--write-out",
    "--max-time",
    "--connect-timeout",
    "--retry",
    "--retry-delay",
    "--retry-max-time",
    "--cookie-jar",
    "--dump-header",
    "--resolve",
    "--interface",
    "--cacert",
    "--cert",
    "--key",
    "--limit-rate",
    "--speed-time",
    "--speed-limit",
    "--trace",
    "--trace-ascii",
    "--stderr",
    "--max-redirs",
];

/// Options of curl's that say how its output looks: nothing is lost without them.
const HARMLESS: &[&str] = &[
    "-s",
    "-S",
    "-N",
    "-i",
    "-v",
    "-f",
    "--silent",
    "--show-error",
    "--no-buffer",
    "--include",
    "--verbose",
    "--fail",
    "--fail-with-body",
    "--no-progress-meter",
];

/// Returns whether a text begins like a command line that [`parse`] reads.
pub fn is_command(text: &str) -> bool {
    let text = text.trim_start().trim_start_matches("$ ");
    let word = text.split([' ', '\t', '\\', '\n', '^']).next().unwrap_or_default();
    word != text && (word == "curl" || word == "curl.exe" || httpie::is_httpie(word))
}

/// Reads a command line of curl's, as bash or cmd.exe take it, or of HTTPie's; a variable in it
/// (`$NAME`, `%NAME%`) is what `variable` says. One without a value stays in the draft as `${NAME}`,
/// to be filled in when it is sent. The draft's headers are the command's; `content-type` is what curl would send where the command names none.
///
/// # Errors
/// The command cannot be understood, or what it sends cannot be read.
pub fn parse(command: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Curl, CurlError> {
    let words = shell::words(command, variable).ok_or(CurlError::Quote)?;
    if words.words.first().is_some_and(|word| httpie::is_httpie(word)) {
        return httpie::parse(words);
    }
    let mut args = std::collections::VecDeque::from(words.words);
    if args.pop_front().is_none_or(|w| w != "curl" && !w.ends_with("/curl") && w != "curl.exe") {
        return Err(CurlError::NotCurl);
    }
    let mut reading = CurlReading { has_variables: words.has_variables, ..CurlReading::default() };
    while let Some(arg) = args.pop_front() {
        let (name, mut attached, others) = split(&arg);
        if let Some(others) = others {
            args.push_front(others);
        }
        let mut value = || {
            let value = attached.take().or_else(|| args.pop_front());
            value.ok_or_else(|| CurlError::NoValue(name.clone()))
        };
        let known = reading.send(&name, &mut value)? || reading.travel(&name, &mut value)?;
        if !known {
            reading.other(&name, &arg, &mut value)?;
        }
    }
    reading.finish()
}

/// Returns an option's value.
type OptionValue<'a> = &'a mut dyn FnMut() -> Result<String, CurlError>;

/// A command line while it is read.
#[derive(Default)]
struct CurlReading {
    curl: Curl,
    /// The words hold variables without a value.
    has_variables: bool,
    data: Vec<Vec<u8>>,
    json: bool,
    get: bool,
    signed: bool,
}

impl CurlReading {
    /// Takes in an option about the body or the headers; returns whether it was one.
    fn send(&mut self, name: &str, value: OptionValue<'_>) -> Result<bool, CurlError> {
        let draft = &mut self.curl.draft;
        match name {
            "-H" | "--header" => {
                let header = value()?;
                let (k, v) =
                    header.split_once(':').ok_or_else(|| CurlError::Header(name.to_owned()))?;
                draft.headers.push((k.trim().to_owned(), v.trim().to_owned()));
            }
            "-d" | "--data" | "--data-ascii" => {
                self.data.push(read(&value()?, true, self.has_variables)?);
            }
            "--data-raw" => self.data.push(value()?.into_bytes()),
            "--data-binary" => self.data.push(read(&value()?, false, self.has_variables)?),
            "--json" => {
                self.json = true;
                self.data.push(read(&value()?, false, self.has_variables)?);
            }
            "-u" | "--user" => {
                draft.headers.push(("authorization".into(), basic(&value()?)?));
            }
            "--aws-sigv4" => {
                value()?;
                self.signed = true;
            }
            "--oauth2-bearer" => {
                let token = value()?;
                draft.headers.push(("authorization".into(), format!("Bearer {token}")));
            }
            "-A" | "--user-agent" => draft.headers.push(("user-agent".into(), value()?)),
            "-e" | "--referer" => draft.headers.push(("referer".into(), value()?)),
            "-b" | "--cookie" => draft.headers.push(("cookie".into(), value()?)),
            "--data-urlencode" => return Err(CurlError::Form),
            "-F" | "--form" => return Err(CurlError::Multipart),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes in an option about where and how the request is sent; returns whether it was one.
    fn travel(&mut self, name: &str, value: OptionValue<'_>) -> Result<bool, CurlError> {
        match name {
            "-X" | "--request" => self.curl.draft.method = value()?,
            "-I" | "--head" => self.curl.draft.method = "HEAD".into(),
            "--url" => self.curl.draft.url = Some(value()?),
            "-G" | "--get" => self.get = true,
            "-k" | "--insecure" => self.curl.insecure = true,
            "-L" | "--location" => self.curl.location = true,
            "-x" | "--proxy" => self.curl.proxy = Some(value()?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Takes in the address, or an option that changes nothing that is sent.
    fn other(&mut self, name: &str, arg: &str, value: OptionValue<'_>) -> Result<(), CurlError> {
        let url = &mut self.curl.draft.url;
        let ignored = &mut self.curl.ignored;
        match name {
            name if HARMLESS.contains(&name) => {}
            name if IGNORED_WITH_VALUE.contains(&name) || is_valued(name) => {
                // Not the value, which may be a password.
                value()?;
                ignored.push(name.to_owned());
            }
            name if name.starts_with('-') && name.len() > 1 => ignored.push(name.to_owned()),
            // Most likely the value of an option that is not known here.
            _ if url.as_ref().is_some_and(|u| u.contains("://")) && !arg.contains("://") => {
                ignored.push("what is neither option nor address".to_owned());
            }
            _ => *url = Some(arg.to_owned()),
        }
        Ok(())
    }

    /// The whole command.
    fn finish(self) -> Result<Curl, CurlError> {
        let mut curl = self.curl;
        let draft = &mut curl.draft;
        let url = draft.url.take().ok_or(CurlError::NoAddress)?;
        draft.url = Some(if url.contains("://") { url } else { format!("http://{url}") });
        if self.signed {
            // Then `--user` holds the signing keys, and is no header; this program signs with the provider's
            // AWS keys.
            draft.headers.retain(|(k, v)| k != "authorization" || !v.starts_with("Basic "));
            curl.ignored.push("--aws-sigv4 (a provider with aws_region signs: -p bedrock)".into());
        }
        draft.body = self.data.join(&b'&');
        let by_default: &[(&str, &str)] = match (self.json, draft.body.is_empty()) {
            (true, _) => &[("content-type", "application/json"), ("accept", "application/json")],
            (false, false) => &[("content-type", "application/x-www-form-urlencoded")],
            (false, true) => &[],
        };
        for (name, value) in by_default {
            if !draft.headers.iter().any(|(k, _)| k.eq_ignore_ascii_case(name)) {
                draft.headers.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        if self.get {
            return Err(CurlError::Get);
        }
        draft.variables = self.has_variables.then(Box::default);
        if draft.method.is_empty() {
            draft.method = if draft.body.is_empty() { "GET" } else { "POST" }.into();
        }
        Ok(curl)
    }
}

/// Returns whether a short option takes a value.
fn is_valued(name: &str) -> bool {
    name.strip_prefix('-').is_some_and(|letter| letter.len() == 1 && VALUED.contains(letter))
}

/// An option's name and the value that is attached to it: `--name=value`, `-Nvalue`. Of a cluster
/// of flags (`-sSN`) the first, and what is left of the cluster.
fn split(arg: &str) -> (String, Option<String>, Option<String>) {
    if arg.starts_with("--") {
        return match arg.split_once('=') {
            Some((name, value)) if name.len() > 2 => {
                (name.to_owned(), Some(value.to_owned()), None)
            }
            _ => (arg.to_owned(), None, None),
        };
    }
    let mut chars = arg.chars();
    let (Some('-'), Some(letter)) = (chars.next(), chars.next()) else {
        return (arg.to_owned(), None, None);
    };
    let rest = Some(chars.as_str().to_owned()).filter(|rest| !rest.is_empty());
    if VALUED.contains(letter) {
        return (format!("-{letter}"), rest, None);
    }
    (format!("-{letter}"), None, rest.map(|rest| format!("-{rest}")))
}

/// `@file` is read; with `-d`, curl takes the line ends out. Beside variables its text stays text.
fn read(value: &str, strip: bool, has_variables: bool) -> Result<Vec<u8>, CurlError> {
    let Some(file) = value.strip_prefix('@') else { return Ok(value.as_bytes().to_vec()) };
    let mut bytes =
        std::fs::read(file).map_err(|why| CurlError::File { file: file.to_owned(), why })?;
    if strip {
        bytes.retain(|b| !matches!(b, b'\r' | b'\n'));
    }
    if has_variables && let Ok(text) = std::str::from_utf8(&bytes) {
        bytes = escaped(text).into_bytes();
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(command: &str) -> Result<crate::transport::Draft, CurlError> {
        let variable = |name: &str| (name == "KEY").then(|| "sk \"$1\"".to_owned());
        super::parse(command, &variable).map(|c| c.draft)
    }

    #[test]
    fn what_is_not_taken_over_is_told() {
        let curl =
            super::parse("curl -sS h -k -L -x http://p:1 -m 3 --frobnicate", &|_| None).unwrap();
        assert!(curl.insecure && curl.location);
        assert_eq!(curl.proxy.as_deref(), Some("http://p:1"));
        assert_eq!(curl.ignored, ["-m", "--frobnicate"]);
        let more =
            super::parse("curl -sSfkL http://h --foo bar -E cert -sXPUT", &|_| None).unwrap();
        assert!(more.insecure && more.location);
        assert_eq!((more.draft.url.as_deref(), &*more.draft.method), (Some("http://h"), "PUT"));
        assert_eq!(more.ignored, ["--foo", "what is neither option nor address", "-E"]);
        let unset = super::parse("curl h -H \"a: $NOPE\"", &|_| None).unwrap().draft;
        assert_eq!((&*unset.headers[0].1, unset.variables.is_some()), ("${NOPE}", true));
        let login = super::parse("curl h -u \"me:$NOPE\"", &|_| None).unwrap_err();
        assert!(login.to_string().contains("$NOPE"));
        let single = super::parse("curl h -H 'a: $NOPE'", &|_| None).unwrap();
        assert_eq!(single.draft.headers[0].1, "$NOPE");
    }

    #[test]
    fn documents_and_browsers_are_understood() {
        let draft = parse(
            "$ curl -sSN https://api.example/v1/chat/completions \\\n  -H 'Content-Type: application/json' \\\n  \
             -H \"Authorization: Bearer $KEY\" --max-time 3 -d '{\"model\": \"m\",\n\"x\":\"it'\\''s\"}'",
        )
        .unwrap();
        assert_eq!(draft.url.as_deref(), Some("https://api.example/v1/chat/completions"));
        assert_eq!(draft.method, "POST");
        assert_eq!(draft.headers[1], ("Authorization".into(), "Bearer sk \"$1\"".into()));
        assert_eq!(draft.body, b"{\"model\": \"m\",\n\"x\":\"it's\"}");
        let draft = parse("curl 'h/p' -XPUT --json '{}' -u a:b --compressed").unwrap();
        assert_eq!((draft.url.as_deref(), draft.method.as_str()), (Some("http://h/p"), "PUT"));
        assert!(draft.headers.contains(&("authorization".into(), "Basic YTpi".into())));
        let draft = parse("curl h --data-raw $'{\"a\":\"\\u00e9\\'\\n\"}'").unwrap();
        assert_eq!(draft.body, "{\"a\":\"é'\n\"}".as_bytes());
        assert_eq!(draft.headers[0].1, "application/x-www-form-urlencoded");
    }

    #[test]
    fn what_is_no_command_is_said() {
        assert!(parse("wget x").unwrap_err().to_string().contains("curl"));
        assert!(parse("curl -H 'a: b'").unwrap_err().to_string().contains("address"));
        assert!(parse("curl 'x").unwrap_err().to_string().contains("quote"));
        assert!(parse("curl x -H").unwrap_err().to_string().contains("missing"));
        assert!(parse("curl x -d @/nowhere/at/all").unwrap_err().to_string().contains("/nowhere"));
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("a-b"), "a-b");
        assert_eq!(quoted("it's $x"), "'it'\\''s $x'");
        assert_eq!(shlex::split(&quoted("it's \"x\"\n")).unwrap(), ["it's \"x\"\n"]);
    }
}
