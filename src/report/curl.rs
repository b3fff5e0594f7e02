//! A curl command that sends the same request again; credentials as shell variables.

use crate::journal::{Request, credential, is_secret_name};
use crate::storage::curl::quoted;

/// The command, over several lines, ready to paste. A masked header's value is the variable
/// `key_env` (or one that says what belongs there). A signature of AWS holds for some minutes only:
/// curl makes its own (from 8.9 on; before, it
/// signed addresses with a `%3A` in them wrongly).
pub fn curl(request: &Request, key_env: Option<&str>) -> String {
    let mut lines =
        vec![format!("curl -N -X {} {}", quoted(&request.method), quoted(&request.url))];
    let signed = request.headers.iter().find_map(|(k, v)| {
        // AWS4-HMAC-SHA256 Credential=ID/DATE/REGION/SERVICE/aws4_request, …
        let scope = v.strip_prefix("AWS4-HMAC-SHA256 ").filter(|_| k == "authorization")?;
        let mut parts = scope.split(',').next()?.split('/').skip(2);
        Some((parts.next()?, parts.next()?))
    });
    if let Some((region, service)) = signed {
        lines.push(format!("--aws-sigv4 {}", quoted(&format!("aws:amz:{region}:{service}"))));
        lines.push("--user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\"".to_owned());
    }
    for (name, value) in &request.headers {
        match name.as_str() {
            "authorization" | "x-amz-date" if signed.is_some() => continue,
            "x-amz-security-token" => {
                lines.push(format!("-H \"{name}: $AWS_SESSION_TOKEN\""));
                continue;
            }
            _ => {}
        }
        let header = if is_secret_name(name) {
            let variable = key_env.unwrap_or("API_KEY");
            let scheme = value.strip_suffix(credential(value)).unwrap_or_default();
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
        let draft = crate::storage::curl::parse(&command, &key).unwrap().draft;
        assert_eq!(draft.url.as_deref(), Some("http://h/p?x=1&y"));
        assert_eq!(draft.body, request.body);
        assert_eq!(draft.headers[1], ("x-a".to_owned(), "it's".to_owned()));
    }

    #[test]
    fn a_signature_is_made_anew() {
        let header = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let request = Request {
            method: "POST".into(),
            url: "https://bedrock-runtime.eu-west-1.amazonaws.com/model/a%3A0/x".into(),
            headers: vec![
                header("content-type", "application/json"),
                header("x-amz-date", "20260102T030405Z"),
                header("x-amz-security-token", "****"),
                header(
                    "authorization",
                    "AWS4-HMAC-SHA256 Credential=***/20260102/eu-west-1/bedrock/aws4_request, \
                     SignedHeaders=host, Signature=***",
                ),
            ],
            ..Request::default()
        };
        let command = curl(&request, Some("AWS_BEARER_TOKEN_BEDROCK"));
        assert!(command.contains("--aws-sigv4 aws:amz:eu-west-1:bedrock"), "{command}");
        assert!(command.contains("--user \"$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY\""));
        assert!(command.contains("-H \"x-amz-security-token: $AWS_SESSION_TOKEN\""));
        assert!(!command.contains("x-amz-date") && !command.contains("authorization"));
        let back = crate::storage::curl::parse(&command, &|_| Some("k".into())).unwrap();
        assert_eq!(back.draft.url.as_deref(), Some(&*request.url));
        assert!(!back.draft.headers.iter().any(|(k, _)| k == "authorization"));
    }
}
