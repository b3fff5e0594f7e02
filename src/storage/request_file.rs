//! A request in a file that a person writes and git keeps: provider or address, headers, body, and
//! variables with their values. TOML, or JSON of the same shape.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::action::{Draft, StoredRequest, Variables};
use crate::journal::{Request, credential, is_secret_name};
use crate::transport::request::{escaped, mask_recorded};

/// Reason that a request's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RequestFileError {
    /// It, or the file with its body, cannot be read.
    #[error("{}: {why}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The system's word.
        why: std::io::Error,
    },
    /// It is not TOML or JSON, or holds what a request has not.
    #[error("{place}: {why}")]
    Form {
        /// The file with the line.
        place: String,
        /// The parser's word.
        why: String,
    },
    /// It says where to send to twice.
    #[error("{}: `provider` and `url` are both given; with `url` no key is sent but in `headers`", .0.display())]
    TwoTargets(PathBuf),
    /// It has a body twice.
    #[error("{}: `body` and `body_file` are both given", .0.display())]
    TwoBodies(PathBuf),
    /// A header's value is not text.
    #[error("{}: the header {name:?} is not text", file.display())]
    Header {
        /// The file.
        file: PathBuf,
        /// The header's name.
        name: String,
    },
    /// It has no environment of that name.
    #[error("{}: no environment is called {name:?}{known}", file.display())]
    Environment {
        /// The file.
        file: PathBuf,
        /// The name.
        name: String,
        /// `; there are …`
        known: String,
    },
}

/// The file as it is written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RequestFile {
    #[serde(skip_serializing_if = "Option::is_none")]
    about: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    headers: serde_json::Map<String, Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    variables: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    environments: BTreeMap<String, BTreeMap<String, String>>,
}

fn is_json(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"))
}

/// Reads a request; `environment` chooses one of those that the file names.
///
/// # Errors
/// The file cannot be read or is not a request, or has no such environment.
pub fn read(path: &Path, environment: Option<&str>) -> Result<Draft, RequestFileError> {
    let unread = |file: &Path| {
        let file = file.to_owned();
        move |why| RequestFileError::Read { file, why }
    };
    let text = std::fs::read_to_string(path).map_err(unread(path))?;
    let file = parse(path, &text)?;
    if file.provider.is_some() && file.url.is_some() {
        return Err(RequestFileError::TwoTargets(path.to_owned()));
    }
    let body = match (file.body, file.body_file) {
        (Some(_), Some(_)) => return Err(RequestFileError::TwoBodies(path.to_owned())),
        (Some(Value::String(text)), None) => text.into_bytes(),
        (Some(value), None) => serde_json::to_vec_pretty(&value).unwrap_or_default(),
        (None, Some(beside)) => {
            let beside = path.parent().unwrap_or(Path::new("")).join(beside);
            std::fs::read(&beside).map_err(unread(&beside))?
        }
        (None, None) => Vec::new(),
    };
    if let Some(name) = environment.filter(|name| !file.environments.contains_key(*name)) {
        let names: Vec<&str> = file.environments.keys().map(String::as_str).collect();
        let known = match names.as_slice() {
            [] => "; it has none".to_owned(),
            names => format!("; there are {}", names.join(", ")),
        };
        let (file, name) = (path.to_owned(), name.to_owned());
        return Err(RequestFileError::Environment { file, name, known });
    }
    let mut headers = Vec::new();
    for (name, value) in file.headers {
        match value {
            Value::String(text) => headers.push((name, text)),
            _ => return Err(RequestFileError::Header { file: path.to_owned(), name }),
        }
    }
    Ok(Draft {
        provider: file.provider.unwrap_or_default(),
        model: file.model.unwrap_or_default(),
        url: file.url,
        dialect: file.dialect,
        method: file.method.unwrap_or_default(),
        headers,
        body,
        variables: Some(Box::new(Variables {
            file: Some(path.to_owned()),
            defaults: file.variables,
            environments: file.environments,
            environment: environment.map(str::to_owned),
            ..Variables::default()
        })),
    })
}

fn parse(path: &Path, text: &str) -> Result<RequestFile, RequestFileError> {
    if is_json(path) {
        return serde_json::from_str(text).map_err(|e| {
            let place = format!("{}:{}:{}", path.display(), e.line(), e.column());
            // serde_json's message ends with the place; remove it.
            let why = e.to_string();
            let why = why.split(" at line ").next().unwrap_or_default().to_owned();
            RequestFileError::Form { place, why }
        });
    }
    toml::from_str(text).map_err(|e| {
        let at = e.span().map_or(String::new(), |span| {
            let (line, column) = crate::json::line_column(text, span.start);
            format!(":{line}:{column}")
        });
        let place = format!("{}{at}", path.display());
        RequestFileError::Form { place, why: e.message().to_owned() }
    })
}

/// Lists the requests of a folder, those of its folders too; what is no request is left out.
pub fn list(folder: &Path) -> Vec<StoredRequest> {
    let mut found = Vec::new();
    let mut todo = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = todo.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
            if path.is_dir() && depth < MAX_DEPTH {
                todo.push((path, depth + 1));
            } else if path.extension().is_some_and(|e| e == "toml" || e == "json") {
                found.extend(stored(&path));
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

/// The greatest depth of folders searched in the folder of requests.
const MAX_DEPTH: usize = 3;

/// A file as the list shows it; `None` where it is no request, but somebody's other TOML or JSON.
fn stored(path: &Path) -> Option<StoredRequest> {
    let text = std::fs::read_to_string(path).ok()?;
    let (about, environments) = match parse(path, &text) {
        Ok(file) => {
            let target = file.provider.or(file.url).unwrap_or_default();
            let parts = [target, file.model.unwrap_or_default(), file.about.unwrap_or_default()];
            let parts: Vec<String> = parts.into_iter().filter(|p| !p.is_empty()).collect();
            (Ok(parts.join(" · ")), file.environments.into_keys().collect())
        }
        // Most likely a body.
        Err(_) if is_json(path) => return None,
        Err(why) => (Err(why.to_string()), Vec::new()),
    };
    Some(StoredRequest { path: path.to_owned(), about, environments })
}

/// A request as the text of its file, and what of it was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file's text.
    pub text: String,
    /// The variables that replace credentials.
    pub replaced: Vec<String>,
    /// Something in the address or the body was replaced by stars.
    pub starred: bool,
}

/// Writes a request for a file of that name. Credentials are not written: variables of their headers' names
/// replace them, or stars where they are within the body. `key` is the header of the provider's key with its
/// value, for a request that names its own address.
pub fn write(path: &Path, draft: &Draft, key: Option<(&str, String)>) -> Written {
    let is_template = draft.variables.is_some();
    let own = |text: &str| if is_template { text.to_owned() } else { escaped(text) };
    let mut replaced = Vec::new();
    let mut headers = serde_json::Map::new();
    for (name, value) in &draft.headers {
        let secret = credential(value);
        let written = if is_secret_name(name) && !secret.is_empty() && !secret.contains("${") {
            let variable = variable_name(name);
            let at = value.rfind(secret).unwrap_or(0);
            let written = format!("{}${{{variable}}}", own(&value[..at]));
            replaced.push(variable);
            written
        } else {
            own(value)
        };
        headers.insert(name.clone(), Value::String(written));
    }
    if let Some((name, value)) = key.filter(|_| draft.url.is_some())
        && !headers.keys().any(|k| k.eq_ignore_ascii_case(name))
    {
        headers.insert(name.to_owned(), Value::String(value));
    }
    let mut masked = Request {
        url: draft.url.clone().unwrap_or_default(),
        body: draft.body.clone().into(),
        ..Request::default()
    };
    mask_recorded(&mut masked);
    let starred = masked.body != draft.body || draft.url.as_ref().is_some_and(|u| *u != masked.url);
    let body = own(&String::from_utf8_lossy(&masked.body));
    let body = match serde_json::from_str::<Value>(&body) {
        Ok(value) if is_json(path) => Some(value),
        _ => Some(Value::String(body)),
    };
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let variables = draft.variables.as_deref().cloned().unwrap_or_default();
    let file = RequestFile {
        provider: some(&draft.provider).filter(|_| draft.url.is_none()),
        url: draft.url.as_ref().map(|_| own(&masked.url)),
        dialect: draft.dialect.clone(),
        method: some(&draft.method),
        model: some(&own(&draft.model)),
        body,
        headers,
        variables: without_secrets(variables.defaults),
        environments: variables
            .environments
            .into_iter()
            .map(|(name, values)| (name, without_secrets(values)))
            .collect(),
        ..RequestFile::default()
    };
    let text = match is_json(path) {
        true => serde_json::to_string_pretty(&file).unwrap_or_default() + "\n",
        false => toml::to_string_pretty(&file).unwrap_or_default(),
    };
    Written { text, replaced, starred }
}

/// Returns the name of the variable for the value of a header: `x-api-key` is `X_API_KEY`.
fn variable_name(header: &str) -> String {
    let upper = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    header.chars().map(upper).collect()
}

fn without_secrets(mut values: BTreeMap<String, String>) -> BTreeMap<String, String> {
    values.retain(|name, _| !is_secret_name(name));
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(name: &str, draft: &Draft) -> (Draft, Written) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        let written = write(&path, draft, None);
        std::fs::write(&path, &written.text).unwrap();
        let mut again = read(&path, None).unwrap();
        again.variables.as_mut().unwrap().file = None;
        (again, written)
    }

    #[test]
    fn a_request_comes_back_from_its_file() {
        for name in ["a.toml", "a.json"] {
            let draft = Draft {
                provider: "openai".into(),
                model: "m".into(),
                headers: vec![("x-tenant".into(), "blue".into())],
                body: b"{\n  \"model\": \"m\",\n  \"say\": \"it's '''so''' \\\"x\\\"\"\n}".to_vec(),
                variables: Some(Box::default()),
                ..Draft::default()
            };
            let (again, written) = written(name, &draft);
            assert_eq!(again, draft, "{name}: {}", written.text);
        }
    }

    #[test]
    fn what_looks_like_a_variable_stays_text() {
        let draft = Draft {
            url: Some("http://h".into()),
            body: b"{\"a\":\"${HOME}\"}".to_vec(),
            ..Draft::default()
        };
        let (again, _) = written("a.toml", &draft);
        assert_eq!(again.body, b"{\"a\":\"$${HOME}\"}");
    }

    #[test]
    fn no_credential_is_written() {
        let draft = Draft {
            url: Some("http://u:secret-password@h/v1?api_key=0123456789abcdef".into()),
            headers: vec![
                ("Authorization".into(), "Bearer sk-0123456789abcdef".into()),
                ("x-api-key".into(), "${KEY}".into()),
            ],
            body: b"{\"api_key\": \"abcdefgh12345678\"}".to_vec(),
            variables: Some(Box::new(Variables {
                defaults: [("MY_TOKEN".into(), "tok-123456".into())].into(),
                typed: [("KEY".into(), "typed-secret".into())].into(),
                ..Variables::default()
            })),
            ..Draft::default()
        };
        let (again, written) = written("a.toml", &draft);
        for secret in
            ["sk-0123", "secret-password", "0123456789abcdef", "abcdefgh", "tok-", "typed"]
        {
            assert!(!written.text.contains(secret), "{secret} in {}", written.text);
        }
        assert_eq!(again.headers[0].1, "Bearer ${AUTHORIZATION}");
        assert_eq!((written.replaced, written.starred), (vec!["AUTHORIZATION".to_owned()], true));
    }

    #[test]
    fn mistakes_name_the_file_and_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            read(&path, Some("staging")).unwrap_err().to_string()
        };
        assert!(
            refused("a.toml", "provider = 'x'\nboddy = 'y'\n")
                .contains("a.toml:2:1: unknown field")
        );
        assert!(refused("a.json", "{\n\"provider\": 1}").contains("a.json:2:"));
        assert!(refused("b.toml", "provider = 'x'\nurl = 'http://h'\n").contains("both given"));
        assert!(
            refused("c.toml", "provider = 'x'\n").contains("no environment is called \"staging\"")
        );
        let known = "provider = 'x'\n[environments.prod]\nA = '1'\n";
        assert!(refused("d.toml", known).contains("there are prod"));
    }

    #[test]
    fn a_folder_is_listed_without_what_is_no_request() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("chat")).unwrap();
        let put = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        put("a.toml", "provider = 'lab'\nmodel = 'lab/hello'\nabout = 'greets'\n");
        put("chat/b.json", "{\"url\": \"http://h\", \"environments\": {\"prod\": {}}}");
        put("body.json", "{\"messages\": []}");
        put("notes.txt", "x");
        put("z.toml", "what = 1\n");
        let listed = list(folder.path());
        let name = |r: &StoredRequest| r.path.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(listed.iter().map(name).collect::<Vec<_>>(), ["a.toml", "b.json", "z.toml"]);
        assert_eq!(listed[0].about.as_deref(), Ok("lab · lab/hello · greets"));
        assert_eq!(listed[1].environments, ["prod"]);
        assert!(listed[2].about.as_ref().unwrap_err().contains("z.toml:1:1"));
    }
}
