//! A curl command that sends the same request again; credentials as shell variables.

use crate::journal::{Request, credential, is_secret_name};
use crate::storage::curl::quoted;
use crate::text::is_hazard;

/// The command, over several lines, ready to paste. A masked header's value is the variable
/// `key_env` (or one that says what belongs there). A signature of AWS holds for some minutes only:
/// curl makes its own (from 8.9 on; before, it
/// signed addresses with a `%3A` in them wrongly).
pub fn curl(request: &Request, key_env: Option<&str>) -> String {
    let to = exactly(request.url.as_bytes());
    let mut lines = vec![format!("curl -N -X {} {to}", quoted(&request.method))];
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
            exactly(format!("{name}: {value}").as_bytes())
        };
        lines.push(format!("-H {header}"));
    }
    // No argument can hold a zero byte: such a body is piped in.
    let piped = request.body.contains(&0);
    match (request.body.is_empty(), piped) {
        (true, _) => {}
        (_, true) => lines.push("--data-binary @-".to_owned()),
        (_, false) => lines.push(format!("--data-raw {}", exactly(&request.body))),
    }
    let command = lines.join(" \\\n  ");
    match piped {
        true => format!("printf {} |\n  {command}", printed(&request.body)),
        false => command,
    }
}

/// One word of a shell that is these bytes, written with visible characters only: what a report shows
/// is what the shell runs. `$'…'` is of bash, zsh and POSIX 2024.
fn exactly(bytes: &[u8]) -> String {
    if let Ok(text) = std::str::from_utf8(bytes)
        && !text.chars().any(|c| is_hazard(c) && c != '\n')
    {
        return quoted(text);
    }
    let escape = |out: &mut String, byte: u8| match byte {
        b'\t' => out.push_str("\\t"),
        b'\r' => out.push_str("\\r"),
        b'\'' | b'\\' => out.extend(['\\', char::from(byte)]),
        _ => out.push_str(&format!("\\x{byte:02x}")),
    };
    format!("$'{}'", escaped(bytes, &['\'', '\\'], escape))
}

/// The argument of `printf` that prints these bytes.
fn printed(bytes: &[u8]) -> String {
    let escape = |out: &mut String, byte: u8| match byte {
        b'%' => out.push_str("%%"),
        b'\\' => out.push_str("\\\\"),
        b'\'' => out.push_str("'\\''"),
        _ => out.push_str(&format!("\\{byte:03o}")),
    };
    format!("'{}'", escaped(bytes, &['%', '\\', '\''], escape))
}

/// Text with its line feeds, everything else that is hazardous, one of these or no text escaped byte by
/// byte.
fn escaped(bytes: &[u8], special: &[char], escape: impl Fn(&mut String, u8)) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match special.contains(&c) || (is_hazard(c) && c != '\n') {
                true => c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| escape(&mut out, b)),
                false => out.push(c),
            }
        }
        chunk.invalid().iter().for_each(|b| escape(&mut out, *b));
    }
    out
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

    /// Checks that the shell runs what a report shows of a command, byte for byte.
    #[cfg(unix)]
    #[test]
    fn a_body_survives_the_shell_byte_for_byte() {
        for body in [
            &b"{\"a\":\"tab\there\",\"b\":\"cr\rx\",\"c\":\"soft\xc2\xadhy\xe2\x80\xaex\"}"[..],
            b"quote's $X `y` \\n %s !\x1b[31m\x7f",
            b"\xff\xfe tab\t 'x' \\",
            b"zero\0 %d 'x' \\ \xff1",
            b"@file",
            b"a\nb\r\nc\n",
            b"-x",
        ] {
            let request = Request { body: body.into(), url: "u".into(), ..Request::default() };
            let command = curl(&request, None);
            let shown = crate::text::visible(&command, crate::text::Newlines::Keep);
            assert_eq!(shown, command);
            // A stand-in for curl: prints what it would send, its last argument or its input.
            let fake = "curl() { for a; do :; done; \
                        if [ \"$a\" = @- ]; then cat; else printf %s \"$a\"; fi; }\n";
            let mut bash = std::process::Command::new("bash");
            let Ok(out) = bash.arg("-c").arg(format!("{fake}{command}")).output() else { return };
            assert_eq!(out.stdout, body, "{command}");
            if std::str::from_utf8(body).is_ok() && !body.contains(&0) {
                let back = crate::storage::curl::parse(&command, &|_| None).unwrap();
                assert_eq!(back.draft.body, body, "{command}");
            }
        }
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
