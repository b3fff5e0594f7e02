//! Environment variables inside configuration values: `${NAME}` and `${NAME:-default}`, as a shell
//! writes them. A default may hold variables of its own.

/// A value with its variables put in.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Expanded {
    pub(super) text: String,
    /// The variables that it was taken from.
    pub(super) used: Vec<String>,
    /// Those that are needed and not set.
    pub(super) unset: Vec<String>,
}

/// Reason that the variables of a value cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableError {
    /// Defaults nested too deep.
    #[error("defaults inside defaults, more than {MAX_DEPTH} deep")]
    TooDeep,
    /// A variable is not closed.
    #[error("{0:?}: a `${{` without its `}}`")]
    Unclosed(String),
    /// A variable's name is not one.
    #[error("{value:?}: {name:?} is not the name of a variable")]
    Name {
        /// The whole value.
        value: String,
        /// The text where the name should be.
        name: String,
    },
}

/// Greatest depth of defaults inside defaults.
const MAX_DEPTH: usize = 8;

/// Puts the variables into a value; an empty one counts as not set.
///
/// # Errors
/// A `${` is not closed, its name is not one, or defaults are nested too deep.
pub(super) fn expand(
    value: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Expanded, VariableError> {
    let mut out = Expanded::default();
    put(value, variable, 0, &mut out)?;
    Ok(out)
}

fn put(
    value: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    depth: usize,
    out: &mut Expanded,
) -> Result<(), VariableError> {
    if depth > MAX_DEPTH {
        return Err(VariableError::TooDeep);
    }
    let mut rest = value;
    while let Some((before, after)) = rest.split_once("${") {
        out.text.push_str(before);
        let end = closing(after).ok_or_else(|| VariableError::Unclosed(value.to_owned()))?;
        let (inner, tail) = (&after[..end], &after[end + 1..]);
        rest = tail;
        let (name, default) = match inner.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inner, None),
        };
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            let (value, name) = (value.to_owned(), name.to_owned());
            return Err(VariableError::Name { value, name });
        }
        let given = variable(name).map(|v| v.trim().to_owned()).filter(|v| !v.is_empty());
        match (given, default) {
            (Some(mut given), default) => {
                if let Some(default) = default
                    && !given.contains("://")
                {
                    let mut other = Expanded::default();
                    put(default, variable, depth + 1, &mut other)?;
                    given = completed(given, &other.text);
                }
                let given =
                    if tail.starts_with('/') { given.trim_end_matches('/') } else { &given };
                out.text.push_str(given);
                out.used.push(name.to_owned());
            }
            (None, Some(default)) => put(default, variable, depth + 1, out)?,
            (None, None) => {
                // As written: that is how it is shown.
                out.text.push_str(&format!("${{{name}}}"));
                out.unset.push(name.to_owned());
            }
        }
    }
    out.text.push_str(rest);
    Ok(())
}

/// Returns the index of the `}` that closes what was opened before `text`.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    for (at, c) in text.char_indices() {
        match c {
            '{' if text[..at].ends_with('$') => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}

/// A host without a scheme, where the default is an address: scheme and port are the default's, as
/// Ollama has it for `OLLAMA_HOST=0.0.0.0`.
fn completed(given: String, default: &str) -> String {
    let Some((scheme, rest)) = default.split_once("://") else { return given };
    let host = rest.split('/').next().unwrap_or_default();
    match host.rsplit_once(':') {
        Some((_, port)) if !given.contains([':', '/']) => format!("{scheme}://{given}:{port}"),
        _ => format!("{scheme}://{given}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(value: &str, pairs: &[(&str, &str)]) -> Result<Expanded, VariableError> {
        expand(value, &|name| pairs.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn values_defaults_and_what_is_missing() {
        let region = "b.${AWS_REGION:-${AWS_DEFAULT_REGION:-us-east-1}}.c";
        assert_eq!(with(region, &[]).unwrap().text, "b.us-east-1.c");
        assert_eq!(with(region, &[("AWS_DEFAULT_REGION", "x")]).unwrap().text, "b.x.c");
        let both = [("AWS_DEFAULT_REGION", "x"), ("AWS_REGION", "y")];
        let out = with(region, &both).unwrap();
        assert_eq!((&out.text[..], &out.used[..]), ("b.y.c", &["AWS_REGION".to_owned()][..]));
        let out = with("${E}/openai", &[("E", "https://h//")]).unwrap();
        assert_eq!(out.text, "https://h/openai");
        assert_eq!(with("${E}/openai", &[("E", " ")]).unwrap().unset, ["E"]);
        for wrong in ["${A", "${}", "${A-B}", "${A:-${B}"] {
            assert!(with(wrong, &[]).is_err(), "{wrong}");
        }
        assert!(with(&format!("{}x{}", "${A:-".repeat(99), "}".repeat(99)), &[]).is_err());
    }

    #[test]
    fn a_bare_host_takes_scheme_and_port_from_the_default() {
        for (host, url) in [
            ("0.0.0.0", "http://0.0.0.0:11434/v1"),
            ("box:80", "http://box:80/v1"),
            ("https://o.example/", "https://o.example/v1"),
        ] {
            let out = with("${OLLAMA_HOST:-http://localhost:11434}/v1", &[("OLLAMA_HOST", host)]);
            assert_eq!(out.unwrap().text, url);
        }
    }
}
