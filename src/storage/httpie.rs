//! HTTPie command lines: `http POST h/path Header:value name=text name:=json name==parameter`.

use serde_json::{Map, Value};

use super::command::{Curl, CurlError, basic};
use super::shell::Words;

/// Options that take a value and change nothing that is sent.
const IGNORED_WITH_VALUE: &[&str] =
    &["--print", "-p", "--pretty", "--style", "-s", "--output", "-o", "--timeout", "--session"];

/// Returns whether a command's first word is HTTPie.
pub(super) fn is_httpie(word: &str) -> bool {
    matches!(word, "http" | "https" | "xh" | "xhs")
}

/// A command line while it is read.
#[derive(Default)]
struct HttpieReading {
    curl: Curl,
    /// The words that are no options.
    plain: Vec<String>,
    raw: Option<String>,
    auth: Option<String>,
    bearer: bool,
    form: bool,
}

/// Reads an HTTPie command line.
///
/// # Errors
/// The command cannot be understood.
pub(super) fn parse(words: Words) -> Result<Curl, CurlError> {
    let mut args = words.words.into_iter();
    let https = args.next().is_some_and(|name| name == "https" || name == "xhs");
    let mut reading = HttpieReading::default();
    while let Some(arg) = args.next() {
        reading.take(&arg, &mut || args.next().ok_or_else(|| CurlError::NoValue(arg.clone())))?;
    }
    reading.finish(https, words.has_variables)
}

impl HttpieReading {
    fn take(
        &mut self,
        arg: &str,
        value: &mut dyn FnMut() -> Result<String, CurlError>,
    ) -> Result<(), CurlError> {
        let (name, attached) = match arg.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value.to_owned())),
            _ => (arg, None),
        };
        let mut value = || attached.clone().map_or_else(&mut *value, Ok);
        match name {
            "--raw" => self.raw = Some(value()?),
            "-a" | "--auth" => self.auth = Some(value()?),
            "-A" | "--auth-type" => self.bearer = value()? == "bearer",
            "--proxy" => self.curl.proxy = value()?.split_once(':').map(|(_, url)| url.to_owned()),
            "--verify" => self.curl.insecure = matches!(&*value()?, "no" | "false"),
            "-F" | "--follow" => self.curl.location = true,
            "-f" | "--form" | "--multipart" => self.form = true,
            name if IGNORED_WITH_VALUE.contains(&name) => {
                value()?;
                self.curl.ignored.push(name.to_owned());
            }
            // Other options only format the output.
            name if name.starts_with('-') && name.len() > 1 => {}
            _ => self.plain.push(arg.to_owned()),
        }
        Ok(())
    }

    fn finish(self, https: bool, has_variables: bool) -> Result<Curl, CurlError> {
        let mut plain = self.plain.into_iter().peekable();
        let is_method = |word: &String| word.chars().all(|c| c.is_ascii_uppercase());
        let method = plain.next_if(is_method);
        let address = plain.next().ok_or(CurlError::NoAddress)?;
        let mut curl = self.curl;
        let mut parameters = Vec::new();
        let mut body = Map::new();
        for item in plain {
            take_item(&item, &mut curl.draft.headers, &mut parameters, &mut body)?;
        }
        if self.form && (!body.is_empty() || self.raw.is_some()) {
            return Err(CurlError::Form);
        }
        let draft = &mut curl.draft;
        if let Some(auth) = &self.auth {
            let value = match self.bearer {
                true => format!("Bearer {auth}"),
                false => basic(auth)?,
            };
            draft.headers.push(("authorization".into(), value));
        }
        draft.url = Some(address_of(&address, https, &parameters));
        draft.body = match self.raw {
            Some(raw) => raw.into_bytes(),
            None if body.is_empty() => Vec::new(),
            None => Value::Object(body).to_string().into_bytes(),
        };
        let has_body = !draft.body.is_empty();
        draft.method = method.unwrap_or_else(|| if has_body { "POST" } else { "GET" }.to_owned());
        if has_body {
            for (name, value) in
                [("content-type", "application/json"), ("accept", "application/json, */*;q=0.5")]
            {
                if !draft.headers.iter().any(|(k, _)| k.eq_ignore_ascii_case(name)) {
                    draft.headers.push((name.to_owned(), value.to_owned()));
                }
            }
        }
        draft.variables = has_variables.then(Box::default);
        Ok(curl)
    }
}

/// Takes an item by the first sign in it: `Name:value`, `name==value`, `name:=json`, `name=text`.
fn take_item(
    item: &str,
    headers: &mut Vec<(String, String)>,
    parameters: &mut Vec<(String, String)>,
    body: &mut Map<String, Value>,
) -> Result<(), CurlError> {
    let unknown = || CurlError::Item(item.split(['=', ':']).next().unwrap_or_default().to_owned());
    let at = item.find([':', '=', '@']).ok_or_else(unknown)?;
    let (name, rest) = item.split_at(at);
    if let Some(text) = rest.strip_prefix(":=") {
        let value = serde_json::from_str(text).map_err(|_| unknown())?;
        body.insert(name.to_owned(), value);
    } else if let Some(text) = rest.strip_prefix("==") {
        parameters.push((name.to_owned(), text.to_owned()));
    } else if let Some(text) = rest.strip_prefix(':') {
        headers.push((name.to_owned(), text.to_owned()));
    } else if let Some(text) = rest.strip_prefix('=') {
        body.insert(name.to_owned(), Value::String(text.to_owned()));
    } else {
        return Err(unknown());
    }
    Ok(())
}

/// The address: `:8000/path` is this machine, and what has no scheme is the program's.
fn address_of(address: &str, https: bool, parameters: &[(String, String)]) -> String {
    let scheme = if https { "https" } else { "http" };
    let mut url = match address.strip_prefix(':') {
        _ if address.contains("://") => address.to_owned(),
        Some(rest) if rest.starts_with('/') || rest.is_empty() => {
            format!("{scheme}://localhost{rest}")
        }
        Some(rest) => format!("{scheme}://localhost:{rest}"),
        None => format!("{scheme}://{address}"),
    };
    for (i, (name, value)) in parameters.iter().enumerate() {
        let before = if i > 0 || url.contains('?') { '&' } else { '?' };
        let encode = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
        };
        url.push_str(&format!("{before}{}={}", encode(name), encode(value)));
    }
    url
}

#[cfg(test)]
mod tests {
    use crate::storage::curl::{Curl, CurlError, parse};

    fn read(command: &str) -> Result<Curl, CurlError> {
        parse(command, &|_| None)
    }

    #[test]
    fn items_become_headers_parameters_and_a_body() {
        let curl = read(
            "http --stream POST :8000/v1/chat Authorization:\"Bearer $MY_KEY\" model=m stream:=true \
             messages:='[{\"role\": \"user\", \"content\": \"a=b: c\"}]' tag==x\\ y",
        )
        .unwrap();
        let draft = curl.draft;
        assert_eq!(draft.url.as_deref(), Some("http://localhost:8000/v1/chat?tag=x%20y"));
        assert_eq!(draft.headers[0], ("Authorization".into(), "Bearer ${MY_KEY}".into()));
        let body = r#"{"model":"m","stream":true,"messages":[{"role":"user","content":"a=b: c"}]}"#;
        assert_eq!(String::from_utf8(draft.body).unwrap(), body);
        assert_eq!((draft.method.as_str(), draft.variables.is_some()), ("POST", true));
    }

    #[test]
    fn methods_schemes_and_raw_bodies() {
        let curl = read("https -A bearer -a tok --raw '{\"a\": 1}' api.example/v1 -v").unwrap();
        assert_eq!(curl.draft.url.as_deref(), Some("https://api.example/v1"));
        assert_eq!(curl.draft.headers[0], ("authorization".into(), "Bearer tok".into()));
        assert_eq!((&*curl.draft.body, &*curl.draft.method), (&b"{\"a\": 1}"[..], "POST"));
        assert_eq!(read("http h").unwrap().draft.method, "GET");
        assert!(read("http -f POST h a=b").is_err());
        assert!(read("http POST h file@x").unwrap_err().to_string().contains("file"));
    }
}
