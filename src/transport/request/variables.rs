//! Variables of a request: `${NAME}` and `${NAME:-default}` in its address, model, headers and body,
//! filled in at the moment of sending; `$${` is a `${` that stays.

use std::borrow::Cow;

use super::RequestError;
use crate::action::{Draft, ValueSource, VariableState, Variables};
use crate::config::Environment;
use crate::journal::{is_secret_name, is_secret_variable};
use crate::json::Tape;

/// A piece of a text with variables.
#[derive(Debug, PartialEq, Eq)]
enum TemplatePiece<'a> {
    /// Text that stays.
    Text(&'a str),
    /// A variable, with what holds where it has no value.
    Variable { name: &'a str, default: Option<&'a str> },
}

/// Takes a text apart at its variables. What only looks like one stays as it is.
fn pieces(text: &str) -> Vec<TemplatePiece<'_>> {
    let mut pieces = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while let Some(found) = text[at..].find("${") {
        let dollar = at + found;
        if text[from..dollar].ends_with('$') {
            // `$${` is an escape: remove one of the two dollars.
            pieces.push(TemplatePiece::Text(&text[from..dollar - 1]));
            from = dollar;
            at = dollar + 2;
            continue;
        }
        let Some((name, default, len)) = variable(&text[dollar + 2..]) else {
            at = dollar + 2;
            continue;
        };
        pieces.push(TemplatePiece::Text(&text[from..dollar]));
        pieces.push(TemplatePiece::Variable { name, default });
        from = dollar + 2 + len;
        at = from;
    }
    pieces.push(TemplatePiece::Text(&text[from..]));
    pieces.retain(|piece| *piece != TemplatePiece::Text(""));
    pieces
}

/// The variable whose name begins a text, its default, and its length with the brace that closes it.
fn variable(text: &str) -> Option<(&str, Option<&str>, usize)> {
    let end = text.find('}')?;
    let (name, default) = match text[..end].split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (&text[..end], None),
    };
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_name = begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then_some((name, default, end + 1))
}

/// Returns text in which nothing is a variable, for a request that has some.
pub fn escaped(text: &str) -> String {
    text.replace("${", "$${")
}

/// The values that there are.
struct Values<'a> {
    variables: &'a Variables,
    environment: &'a Environment,
    /// True if a `.env` that was not named is ignored: it does not decide where a request goes.
    only_named: bool,
}

impl Values<'_> {
    /// A variable's value, and where it is from.
    fn of(&self, name: &str) -> Option<(String, ValueSource)> {
        let variables = self.variables;
        let chosen = variables.environment.as_ref().and_then(|e| variables.environments.get(e));
        if let Some(value) = variables.typed.get(name) {
            return Some((value.clone(), ValueSource::Typed));
        }
        if let Some(value) = chosen.and_then(|values| values.get(name)) {
            return Some((value.clone(), ValueSource::Chosen));
        }
        let given = match self.only_named {
            true => self.environment.get(name),
            false => self.environment.anywhere(name),
        };
        if let Some(value) = given.filter(|value| !value.is_empty()) {
            return Some((value, ValueSource::Environment));
        }
        Some((variables.defaults.get(name)?.clone(), ValueSource::File))
    }
}

/// A draft whose variables are filled in.
pub(super) struct FilledDraft<'a> {
    pub(super) draft: Cow<'a, Draft>,
    /// The values that are credentials.
    pub(super) credentials: Vec<String>,
}

/// The way in which a value is put into the text around it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ValuePlace {
    /// The value as it is; `named` if a `.env` that was not named is ignored.
    Plain { named: bool },
    /// A header's value: one from the environment is a credential.
    Header,
    /// A string of JSON, in which quotes and backslashes are escaped.
    Json,
}

/// The variables of a draft while they are filled in.
struct Filling<'a> {
    variables: &'a Variables,
    environment: &'a Environment,
    credentials: Vec<String>,
    states: Vec<VariableState>,
}

impl Filling<'_> {
    fn fill(&mut self, text: &str, place: ValuePlace) -> String {
        let only_named = place == ValuePlace::Plain { named: true };
        let (variables, environment) = (self.variables, self.environment);
        let values = Values { variables, environment, only_named };
        let mut out = String::new();
        for piece in pieces(text) {
            let (name, default) = match piece {
                TemplatePiece::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                TemplatePiece::Variable { name, default } => (name, default),
            };
            let value = values.of(name);
            let given = default.map(|text| (text.to_owned(), ValueSource::Place));
            let (value, source) = value.or(given).map_or((None, None), |v| (Some(v.0), Some(v.1)));
            if !self.states.iter().any(|s| s.name == name && s.source == source) {
                self.states.push(VariableState { name: name.to_owned(), source });
            }
            let value = value.unwrap_or_default();
            let secret = match source {
                Some(ValueSource::Typed) => true,
                Some(ValueSource::Environment) => {
                    place == ValuePlace::Header || is_secret_variable(name)
                }
                Some(_) => is_secret_name(name),
                None => false,
            };
            let placed = match place {
                ValuePlace::Json => within_json(&value),
                _ => value.clone(),
            };
            if secret {
                self.credentials.extend([value, placed.clone()]);
            }
            out.push_str(&placed);
        }
        out
    }

    fn fill_all(&mut self, draft: &Draft) -> Draft {
        let body = match std::str::from_utf8(&draft.body) {
            Ok(text) => {
                // In a body that is valid JSON with its variables, they can only be inside strings.
                let is_json = Tape::new().parse(text).is_ok();
                let place =
                    if is_json { ValuePlace::Json } else { ValuePlace::Plain { named: false } };
                self.fill(text, place).into_bytes()
            }
            Err(_) => draft.body.clone(),
        };
        Draft {
            provider: draft.provider.clone(),
            model: self.fill(&draft.model, ValuePlace::Plain { named: false }),
            url: draft.url.as_deref().map(|url| self.fill(url, ValuePlace::Plain { named: true })),
            dialect: draft.dialect.clone(),
            method: draft.method.clone(),
            headers: (draft.headers.iter())
                .map(|(name, value)| (name.clone(), self.fill(value, ValuePlace::Header)))
                .collect(),
            body,
            variables: None,
        }
    }
}

/// Returns a text as it is inside the quotes of a JSON string.
fn within_json(text: &str) -> String {
    let quoted = crate::text::to_json(&text);
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// Fills the variables of a draft in.
///
/// # Errors
/// Some have no value.
pub(super) fn fill<'a>(
    draft: &'a Draft,
    environment: &Environment,
) -> Result<FilledDraft<'a>, RequestError> {
    let Some(variables) = draft.variables.as_deref() else {
        return Ok(FilledDraft { draft: Cow::Borrowed(draft), credentials: Vec::new() });
    };
    let mut filling =
        Filling { variables, environment, credentials: Vec::new(), states: Vec::new() };
    let filled = filling.fill_all(draft);
    let unset = filling.states.iter().filter(|s| s.source.is_none());
    let unset: Vec<String> = unset.map(|s| s.name.clone()).collect();
    if !unset.is_empty() {
        return Err(RequestError::Unset(unset));
    }
    Ok(FilledDraft { draft: Cow::Owned(filled), credentials: filling.credentials })
}

/// Returns the variables that a draft uses, in the order of their places: address, headers, body.
pub fn variables(draft: &Draft, environment: &Environment) -> Vec<VariableState> {
    let Some(variables) = draft.variables.as_deref() else { return Vec::new() };
    let mut filling =
        Filling { variables, environment, credentials: Vec::new(), states: Vec::new() };
    filling.fill_all(draft);
    let mut states: Vec<VariableState> = Vec::new();
    // A variable that lacks a value in one place counts as missing.
    for state in filling.states {
        match states.iter_mut().find(|s| s.name == state.name) {
            Some(known) if state.source.is_none() => known.source = None,
            Some(_) => {}
            None => states.push(state),
        }
    }
    states
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(body: &str) -> Draft {
        let mut variables = Variables::default();
        variables.defaults.insert("NAME".into(), "Ada \"the\" first".into());
        variables.defaults.insert("MODEL".into(), "default".into());
        variables.environments.insert("b".into(), [("MODEL".into(), "chosen".into())].into());
        Draft {
            url: Some("http://h/${PATH_PART:-v1}".into()),
            headers: vec![("authorization".into(), "Bearer ${MY_KEY}".into())],
            body: body.into(),
            variables: Some(Box::new(variables)),
            ..Draft::default()
        }
    }

    fn environment() -> Environment {
        Environment::of(&[("MY_KEY", "sk-from-the-environment"), ("TENANT", "blue-department")])
    }

    #[test]
    fn variables_are_filled_in_by_place_and_order() {
        let mut draft =
            draft("{\"model\": \"${MODEL}\", \"say\": \"${NAME} $${x} $5 ${not a name}\"}");
        let filled = |draft: &Draft| fill(draft, &environment()).map(|f| f.draft.into_owned());
        let body = |draft: &Draft| String::from_utf8(filled(draft).unwrap().body).unwrap();
        let say = "\"say\": \"Ada \\\"the\\\" first ${x} $5 ${not a name}\"}";
        assert_eq!(body(&draft), format!("{{\"model\": \"default\", {say}"));
        draft.variables.as_mut().unwrap().environment = Some("b".into());
        assert_eq!(body(&draft), format!("{{\"model\": \"chosen\", {say}"));
        draft.variables.as_mut().unwrap().typed.insert("MODEL".into(), "typed".into());
        assert_eq!(body(&draft), format!("{{\"model\": \"typed\", {say}"));
        let filled = filled(&draft).unwrap();
        assert_eq!(filled.url.as_deref(), Some("http://h/v1"));
        assert_eq!(filled.headers[0].1, "Bearer sk-from-the-environment");
        // With a number outside of quotes the body is not valid JSON, and nothing is escaped.
        draft.body = b"{\"n\": ${N:-5}, \"say\": \"${NAME}\"}".to_vec();
        assert_eq!(body(&draft), "{\"n\": 5, \"say\": \"Ada \"the\" first\"}");
    }

    #[test]
    fn what_has_no_value_is_named_and_nothing_is_sent() {
        let draft = draft("${ONE} ${TWO} ${ONE}");
        let Err(RequestError::Unset(names)) = fill(&draft, &environment()) else {
            unreachable!("it was filled in")
        };
        assert_eq!(names, ["ONE", "TWO"]);
        let states = variables(&draft, &environment());
        let of = |name: &str| states.iter().find(|s| s.name == name).unwrap().source;
        assert_eq!((of("ONE"), of("MY_KEY")), (None, Some(ValueSource::Environment)));
        assert_eq!(of("PATH_PART"), Some(ValueSource::Place));
    }

    #[test]
    fn without_variables_nothing_is_filled_in() {
        let plain = Draft { body: b"${HOME} $${x}".to_vec(), ..Draft::default() };
        assert_eq!(fill(&plain, &environment()).unwrap().draft.body, b"${HOME} $${x}");
    }

    #[test]
    fn credentials_are_what_names_and_places_say() {
        let mut draft = draft("{\"a\": \"${TENANT} ${TYPED}\"}");
        draft.headers.push(("x-tenant".into(), "${TENANT}".into()));
        draft.variables.as_mut().unwrap().typed.insert("TYPED".into(), "typed \"by\" hand".into());
        let found = fill(&draft, &environment()).unwrap().credentials;
        for credential in ["sk-from-the-environment", "blue-department", "typed \"by\" hand"] {
            assert!(found.iter().any(|c| c == credential), "{credential}");
        }
        assert!(found.iter().any(|c| c == "typed \\\"by\\\" hand"), "as JSON has it");
        draft.headers.pop();
        let found = fill(&draft, &environment()).unwrap().credentials;
        assert!(!found.iter().any(|c| c == "blue-department"), "in a body a name decides");
    }
}
