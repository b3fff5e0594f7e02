//! A curl command that sends the same request again; credentials as shell variables.

use crate::journal::{HEADERS, Request};
use crate::source::curl::quoted;

/// The command, over several lines, ready to paste. A masked header's value is the variable
/// `key_env` (or one that says what belongs there).
pub fn curl(request: &Request, key_env: Option<&str>) -> String {
    let mut lines =
        vec![format!("curl -N -X {} {}", quoted(&request.method), quoted(&request.url))];
    for (name, value) in &request.headers {
        let header = if HEADERS.contains(&name.as_str()) {
            let variable = key_env.unwrap_or("API_KEY");
            let scheme = value.split_once(' ').map_or(String::new(), |(s, _)| format!("{s} "));
            // Double quotes, so that the shell puts the variable in.
            format!("\"{name}: {scheme}${variable}\"")
        } else {
            quoted(&format!("{name}: {value}"))
        };
        lines.push(format!("-H {header}"));
    }
    if !request.body.is_empty() {
        lines.push(format!("--data-binary {}", quoted(&String::from_utf8_lossy(&request.body))));
    }
    lines.join(" \\\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_reads_back_and_has_no_secret() {
        let request = Request {
            method: "POST".into(),
            url: "http://h/p?x=1&y".into(),
            headers: vec![
                ("authorization".into(), "Bearer ****".into()),
                ("x-a".into(), "it's".into()),
            ],
            body: bytes::Bytes::from_static(b"{\"a\":\n\"'b'\"}"),
            ..Request::default()
        };
        let command = curl(&request, Some("KEY"));
        assert!(command.contains("\"authorization: Bearer $KEY\""));
        let key = |name: &str| (name == "KEY").then(|| "k".to_owned());
        let draft = crate::source::curl::parse(&command, &key).unwrap().draft;
        assert_eq!(draft.url.as_deref(), Some("http://h/p?x=1&y"));
        assert_eq!(draft.body, request.body);
        assert_eq!(draft.headers[1], ("x-a".to_owned(), "it's".to_owned()));
    }
}
