//! Secrets planted everywhere, searched for everywhere: whole, and in pieces of eight bytes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use base64::Engine as _;

/// Each place has a secret of its own, so that a leak says where it came from.
const HEADER: &str = "Zq7hdrXw01vLmKp93";
const PARAMETER: &str = "Zq7parXw02vLmKp93";
const USER: &str = "Zq7usrXw03vLmKp93";
const PASSWORD: &str = "Zq7pwdXw04vLmKp93";
const BODY: &str = "Zq7bdyXw05vLmKp93";
const SHAPED: &str = "sk-proj-Zq7shpXw06vLmKp93";

const EXPORTS: [&str; 12] = [
    "markdown", "har", "curl", "sse", "ndjson", "raw", "html", "python", "node", "fetch", "otlp",
    "scenario",
];

/// A secret of its own for each of many places.
fn secret_of(place: usize) -> String {
    let mut state = place as u64 + 1;
    let mut letter = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(
            b"abcdefghkmnpqrstuvwxyzABCDEFGHKLMNPQRSTUVWXYZ23456789"[(state >> 33) as usize % 53],
        )
    };
    (0..17).map(|_| letter()).collect()
}

/// A server that quotes all it is sent, and each of `secrets` behind escapes and in deltas of five bytes;
/// the first one is taken apart in more ways.
fn quoting(secrets: &[&str]) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let secrets: Vec<String> = secrets.iter().map(|s| (*s).to_owned()).collect();
    let thread = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(peer.try_clone().unwrap());
        let mut asked = String::new();
        while !asked.ends_with("\r\n\r\n") && reader.read_line(&mut asked).unwrap() > 0 {}
        let length = asked.lines().find_map(|l| {
            l.to_ascii_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
        });
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body).unwrap();
        asked += &String::from_utf8_lossy(&body);
        let delta = |text: String| {
            format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{text}}}}}]}}\n\n")
        };
        let mut answer = String::from("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n");
        secrets.iter().for_each(|secret| answer += &format!("X-Quoted: {secret}\r\n"));
        answer += "Connection: close\r\n\r\n";
        secrets.iter().for_each(|secret| answer += &format!(": {secret}\n"));
        answer += &delta(serde_json::to_string(&asked).unwrap());
        for secret in &secrets {
            let escaped: String = secret.bytes().map(|b| format!("\\u{b:04x}")).collect();
            answer += &delta(format!("\"{escaped}\""));
            answer += &delta("\" it was \"".to_owned());
            for piece in secret.as_bytes().chunks(5) {
                answer += &delta(format!("\"{}\"", str::from_utf8(piece).unwrap()));
            }
        }
        answer += &taken_apart(&secrets[0]);
        answer += "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
        peer.write_all(answer.as_bytes()).unwrap();
    });
    (at, thread)
}

/// `secret` in the deltas of choices and tool calls that alternate, in JSON within strings, whose
/// characters are escaped twice and three times, and as an escaped key.
fn taken_apart(secret: &str) -> String {
    let mut out = String::new();
    for width in [1, 3, 7] {
        for piece in secret.as_bytes().chunks(width) {
            let piece = str::from_utf8(piece).unwrap();
            for (index, text) in [(1, piece), (2, "else"), (3, piece)] {
                out += &format!(
                    "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}},\"index\":{index}}}]}}\n\n"
                );
                out += &format!(
                    "data: {{\"choices\":[{{\"index\":4,\"delta\":{{\"tool_calls\":[{{\"index\":{index},\
                     \"id\":\"call_{index}\",\"function\":{{\"name\":\"f\",\"arguments\":\"{text}\"}}}}]}}}}]}}\n\n"
                );
            }
        }
    }
    for backslashes in ["\\\\", "\\\\\\\\"] {
        let escaped: String = secret.bytes().map(|b| format!("{backslashes}u{b:04x}")).collect();
        out += &format!(
            "data: {{\"choices\":[{{\"index\":5,\"delta\":{{\"content\":\"{{\\\"k\\\":\\\"{escaped}\\\"}}\"}}}}]}}\n\n"
        );
    }
    let escaped: String = secret.bytes().map(|b| format!("\\u{b:04x}")).collect();
    out + &format!("data: {{\"error\":{{\"{escaped}\":[\"a\",\"{escaped}\"]}}}}\n\n")
}

fn run(dir: &Path, env: &[(&str, &str)], args: &[&str]) -> Vec<u8> {
    let out = Command::new(env!("CARGO_BIN_EXE_sselens"))
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("HOME", dir)
        .envs(env.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    [out.stdout, out.stderr].concat()
}

/// Asserts that no eight bytes in a row of `secret` are in `bytes`.
#[track_caller]
fn assert_absent(bytes: &[u8], secret: &str, place: &str) {
    for run in secret.as_bytes().windows(8) {
        if let Some(at) = memchr::memmem::find(bytes, run) {
            let around = &bytes[at.saturating_sub(80)..(at + 80).min(bytes.len())];
            panic!("{place}: {secret} is in: {}", String::from_utf8_lossy(around));
        }
    }
}

/// Sends one request for every output, and shows and exports what was saved of it.
#[track_caller]
fn nowhere(env: &[(&str, &str)], args: &[&str], secrets: &[&str]) {
    for output in ["text", "json", "ndjson", "raw"] {
        let dir = tempfile::tempdir().unwrap();
        let (at, server) = quoting(secrets);
        let args: Vec<String> = args.iter().map(|a| a.replace("HOST", &at)).collect();
        let mut all = vec!["send", "-o", output, "--save", "s.jsonl", "--idle-timeout", "5"];
        all.extend(["--log", "own.log"]);
        all.extend(args.iter().map(String::as_str));
        let mut seen = run(dir.path(), env, &all);
        server.join().unwrap();
        let saved = std::fs::read(dir.path().join("s.jsonl")).unwrap();
        assert!(saved.windows(5).any(|w| w == b"\"end\""), "{}", String::from_utf8_lossy(&seen));
        seen.extend(&saved);
        let log = dir.path().join("own.log");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |name: &str| dir.path().join(name).metadata().unwrap().permissions().mode();
            assert_eq!((mode("own.log") & 0o777, mode("s.jsonl") & 0o777), (0o600, 0o600));
        }
        let log = std::fs::read(log).unwrap();
        assert!(log.windows(7).any(|w| w == b"sending"), "{}", String::from_utf8_lossy(&log));
        seen.extend(log);
        // The saved session is the same, whatever was printed.
        let exports = if output == "text" { &EXPORTS[..] } else { &[] };
        seen.extend(run(dir.path(), env, &["show", "s.jsonl"]));
        for to in exports {
            seen.extend(run(dir.path(), env, &["export", "s.jsonl", "--to", to]));
        }
        for secret in secrets {
            assert_absent(&seen, secret, &format!("-o {output} {args:?}"));
        }
    }
}

#[test]
fn headers_of_every_vendor_are_masked() {
    let names = [
        "Authorization",
        "x-litellm-api-key",
        "Helicone-Auth",
        "cf-aig-authorization",
        "x-portkey-api-key",
        "apikey",
        "x-functions-key",
        "x-access-token",
        "X-Auth-Key",
        "Cookie",
        "Proxy-Authorization",
        "api-key",
        "X-My-Secret",
        "X-API-PWD",
        "x-pat",
        "Authentication",
    ];
    let secrets: Vec<String> = (0..names.len()).map(secret_of).collect();
    let headers = names.iter().zip(&secrets).map(|(name, secret)| format!("{name}: {secret}"));
    let headers: Vec<String> = headers.collect();
    let mut args = vec!["--url", "http://HOST/v1/chat/completions", "hi"];
    headers.iter().for_each(|header| args.extend(["-H", header]));
    nowhere(&[], &args, &secrets.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn basic_authentication_is_masked_decoded_too() {
    let both = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    let header = format!("Authorization: Basic {both}");
    nowhere(&[], &["--url", "http://HOST/", "-H", &header, "hi"], &[PASSWORD, USER, &both]);
    let url = format!("http://{USER}:{PASSWORD}@HOST/");
    nowhere(&[], &["--url", &url, "hi"], &[PASSWORD, USER, &both]);
}

#[test]
fn values_of_a_requests_variables_are_masked() {
    let folder = tempfile::tempdir().unwrap();
    let request = folder.path().join("request.toml");
    let text = "model = 'm'\nbody = '{\"a\": \"${MY_API_TOKEN}\"}'\n\
                [headers]\nauthorization = 'Bearer ${CRED}'\nx-tenant = '${TENANT}'\n";
    std::fs::write(&request, text).unwrap();
    let file = folder.path().join("named.env");
    std::fs::write(&file, format!("MY_API_TOKEN={BODY}\n")).unwrap();
    let env = [("CRED", HEADER), ("TENANT", PASSWORD)];
    let (request, file) = (request.to_str().unwrap(), file.to_str().unwrap());
    let url = "http://HOST/v1/chat/completions";
    let args = ["--url", url, "--request", request, "--env-file", file];
    nowhere(&env, &args, &[HEADER, PASSWORD, BODY]);
}

#[test]
fn parameters_of_addresses_are_masked() {
    let names = ["key", "subscription-key", "api_token", "auth_token", "client_secret", "password"];
    let secrets: Vec<String> = (0..names.len()).map(secret_of).collect();
    let pairs = names.iter().zip(&secrets).map(|(name, secret)| format!("&{name}={secret}"));
    let url = format!("http://HOST/x?a=1{}", pairs.collect::<String>());
    nowhere(&[], &["--url", &url, "hi"], &secrets.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn bodies_are_masked_whatever_they_are() {
    // Each `$` becomes a separate secret.
    for body in [
        r#"{"model":"m","authorization_token":"$","aws_secret_access_key":"$","token":{"value":"$"},
            "tools":[{"type":"mcp","headers":{"X-Auth-Key":"Bearer $"},"server_url":"https://$@h/x"}],
            "image_url":"https://h/x?a=1&api_key=$","arguments":"{\"api_key\":\"$\"}",
            "env":[{"name":"API_KEY","value":"$"}],"headers":[["x-api-key","$"]],
            "next":"https%3A%2F%2Fh%3Fapi_key%3D$","messages":[
            {"content":"send Authorization: Bearer $ along"},{"content":"export OPENAI_API_KEY=$"}]}"#,
        r#"{"api_key": "$", broken"#,
        "model=m&api_key=$&x=1",
        "api_key: $\n",
        "<r><password>$</password></r>",
    ] {
        let secrets: Vec<String> = (0..body.matches('$').count()).map(secret_of).collect();
        let mut parts = body.split('$');
        let mut body = parts.next().unwrap().to_owned();
        parts.zip(&secrets).for_each(|(part, secret)| body += &format!("{secret}{part}"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("b");
        std::fs::write(&file, &body).unwrap();
        let args = ["--url", "http://HOST/", "-b", file.to_str().unwrap()];
        nowhere(&[], &args, &secrets.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[test]
fn keys_of_the_environment_and_of_known_shape_are_masked() {
    let env = [("OPENAI_API_KEY", SHAPED)];
    let args = ["-p", "openai", "--url", "http://HOST/v1/chat/completions", "hi"];
    nowhere(&env, &args, &[SHAPED]);
    let prompt = format!("my key is {SHAPED}, why?");
    nowhere(&[], &["--url", "http://HOST/", &prompt], &[SHAPED]);
}

#[test]
fn the_password_of_the_environments_proxy_is_masked() {
    let both = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    for output in ["text", "ndjson"] {
        let dir = tempfile::tempdir().unwrap();
        let (at, server) = quoting(&[PASSWORD]);
        let proxy = format!("http://{USER}:{PASSWORD}@{at}");
        let args =
            ["send", "-o", output, "--save", "s.jsonl", "--url", "http://example.test/", "hi"];
        let mut seen = run(dir.path(), &[("http_proxy", &proxy)], &args);
        server.join().unwrap();
        seen.extend(std::fs::read(dir.path().join("s.jsonl")).unwrap());
        assert!(seen.windows(8).any(|w| w == b"********"));
        for secret in [USER, PASSWORD, &both] {
            assert_absent(&seen, secret, output);
        }
    }
}

#[test]
fn what_is_malformed_is_not_repeated() {
    let dir = tempfile::tempdir().unwrap();
    let bearer = format!("Authorization Bearer {HEADER}");
    let named = format!("{SHAPED}: x y\u{1}");
    let (no_port, no_host) =
        (format!("http://{USER}:{PASSWORD}@h:99999/"), format!("http://{USER}:{PASSWORD}@"));
    let scheme = format!("ftp://{USER}:{PASSWORD}@h/?key={PARAMETER}");
    let (bare, bare_port) = (format!("{USER}:{PASSWORD}@h/"), format!("{USER}:{PASSWORD}@h:bad"));
    let login = format!("{USER}:{PASSWORD}");
    for args in [
        ["-H", &bearer],
        ["-H", &named],
        ["--url", &no_port],
        ["--url", &no_host],
        ["--url", &scheme],
        ["--proxy", &no_port],
        ["--proxy", &no_host],
        ["--url", &bare],
        ["--proxy", &bare_port],
        ["--proxy", &login],
        ["--max-body", SHAPED],
    ] {
        let seen = run(dir.path(), &[], &[&["send", "hi"][..], &args].concat());
        assert!(!seen.is_empty());
        for secret in [HEADER, SHAPED, USER, PASSWORD, PARAMETER] {
            assert_absent(&seen, secret, &format!("{args:?}"));
        }
    }
}

#[test]
fn lists_of_providers_show_no_password_and_no_key() {
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "[providers.a]\nbase_url = 'http://{USER}:{PASSWORD}@h/v1?key={PARAMETER}'\n\
         key_env = '{SHAPED}'\n"
    );
    std::fs::write(dir.path().join("c.toml"), config).unwrap();
    let mut seen = Vec::new();
    for args in [
        &["providers"][..],
        &["providers", "a"],
        &["providers", "--json"],
        &["config", "check"],
        &["send", "-p", "a", "hi"],
    ] {
        seen.extend(run(dir.path(), &[], &[args, &["--config", "c.toml"]].concat()));
    }
    assert!(seen.windows(5).any(|w| w == b"key_e"), "the mistake is named");
    for secret in [USER, PASSWORD, PARAMETER, SHAPED] {
        assert_absent(&seen, secret, "providers");
    }
}

#[test]
fn a_key_in_the_place_of_a_variable_is_not_shown() {
    let dir = tempfile::tempdir().unwrap();
    let config = format!(
        "[providers.a]\nbase_url = 'ht!tp//{USER}:{PASSWORD}@h'\n\
         [providers.b]\nbase_url = 'http://h.invalid:9'\nkey_env = '{HEADER}'\n\
         body = {{ api_key = '{BODY}' }}\n"
    );
    std::fs::write(dir.path().join("c.toml"), &config).unwrap();
    // The first provider is rejected, so test the others alone as well.
    let second = config[config.find("[providers.b]").unwrap()..].to_owned();
    std::fs::write(dir.path().join("d.toml"), second).unwrap();
    for file in ["c.toml", "d.toml"] {
        for args in [
            &["providers"][..],
            &["providers", "b"],
            &["providers", "--json"],
            &["config", "check"],
            &["send", "-p", "b", "hi"],
        ] {
            let seen = run(dir.path(), &[], &[args, &["--config", file]].concat());
            assert!(!seen.is_empty());
            for secret in [USER, PASSWORD, HEADER, BODY] {
                assert_absent(&seen, secret, &format!("{file} {args:?}"));
            }
        }
    }
}

#[test]
fn tables_made_of_a_litellm_file_hold_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let file = format!(
        "model_list:\n- model_name: a\n  litellm_params:\n    model: openai/gpt\n    \
         api_base: http://{USER}:{PASSWORD}@h/v1?key={PARAMETER}\n    api_key: {BODY}\n\
         - model_name: {SHAPED}\n  litellm_params:\n    model: nope/x\n\
         - model_name: b\n  litellm_params:\n    model: azure/x\n    \
         api_base: {USER}:{PASSWORD}@h\n"
    );
    std::fs::write(dir.path().join("l.yaml"), file).unwrap();
    let seen = run(dir.path(), &[], &["providers", "--litellm", "l.yaml"]);
    assert!(seen.windows(9).any(|w| w == b"[provider"), "{}", String::from_utf8_lossy(&seen));
    for secret in [USER, PASSWORD, PARAMETER, BODY, SHAPED] {
        assert_absent(&seen, secret, "--litellm");
    }
}

#[test]
fn imported_captures_are_masked_before_any_export() {
    let dir = tempfile::tempdir().unwrap();
    let har = serde_json::json!({"log": {"version": "1.2", "entries": [{
        "startedDateTime": "2026-01-01T00:00:00Z",
        "request": {
            "method": "POST", "url": format!("http://{USER}:{PASSWORD}@h/?token={PARAMETER}"),
            "headers": [{"name": "X-Portkey-Api-Key", "value": HEADER}],
            "postData": {"mimeType": "text/plain", "text": format!("api_key={BODY}")}
        },
        "response": {
            "status": 200, "headers": [{"name": "Set-Cookie", "value": format!("s={HEADER}2")}],
            "content": {"mimeType": "text/event-stream",
                        "text": format!("data: {SHAPED} {BODY} {HEADER} {PASSWORD}\n\n")}
        }
    }]}});
    std::fs::write(dir.path().join("a.har"), har.to_string()).unwrap();
    let curl = format!(
        "HTTP/1.1 200 OK\r\nX-Auth-Token: {HEADER}\r\ncontent-type: text/event-stream\r\n\r\n\
         data: {SHAPED}\n\n"
    );
    std::fs::write(dir.path().join("a.curl"), curl).unwrap();
    let session = format!(
        "{{\"sselens\":\"session\",\"format\":1,\"version\":\"0\",\"created\":\"\"}}\n\
         {{\"type\":\"request\",\"x\":0,\"at\":0.1,\"method\":\"POST\",\"url\":\"http://h/?key={PARAMETER}\",\
         \"headers\":[[\"authorization\",\"Bearer {HEADER}\"]],\"text\":\"{{}}\"}}\n\
         {{\"type\":\"body\",\"x\":0,\"at\":0.2,\"len\":20,\"text\":\"{HEADER}\\n\\n\"}}\n"
    );
    std::fs::write(dir.path().join("a.jsonl"), session).unwrap();
    for file in ["a.har", "a.curl", "a.jsonl"] {
        let mut seen = run(dir.path(), &[], &["show", file]);
        for to in EXPORTS {
            seen.extend(run(dir.path(), &[], &["export", file, "--to", to]));
        }
        for secret in [HEADER, PARAMETER, USER, PASSWORD, BODY, SHAPED] {
            assert_absent(&seen, secret, file);
        }
    }
}

/// A session that somebody else wrote: everything of an exchange is masked by what its request and its messages hold,
/// also heads to the byte, reads that cut a secret to pieces, notes, and the messages of a WebSocket.
#[test]
fn no_part_of_a_session_by_another_hand_shows_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let quoted = format!("data: {{\"error\":{{\"message\":\"bad key {HEADER} {BODY}\"}}}}\n\n");
    let message = |text: &str, key: [u8; 4]| {
        let mask = if key == [0; 4] { 0 } else { 0x80 };
        let mut out = vec![0x81, mask | 126, 0, text.len() as u8];
        out.extend(key.iter().filter(|_| mask != 0));
        out.extend(text.bytes().enumerate().map(|(i, b)| b ^ key[i % 4]));
        base64::engine::general_purpose::STANDARD.encode(out)
    };
    let mut lines = vec![
        serde_json::json!({"sselens": "session", "format": 1, "version": "0", "created": ""}),
        serde_json::json!({"type": "request", "x": 0, "at": 0.1, "method": "POST",
            "url": format!("http://h/?key={PARAMETER}"), "headers": [["authorization", format!("Bearer {HEADER}")]],
            "raw": [format!("POST /?key={PARAMETER} HTTP/1.1\r\nAuthorization: Bearer {HEADER}\r\nX-Api-Key: ****\r\n\r\n")],
            "text": format!("{{\"api_key\":\"{BODY}\"}}"), "warnings": [format!("the key {HEADER} is odd")]}),
        serde_json::json!({"type": "head", "x": 0, "at": 0.2, "status": 200, "version": "HTTP/1.1",
            "headers": [["set-cookie", format!("s={USER}")], ["x-quoted", HEADER]],
            "raw": [format!("HTTP/1.1 200 OK\r\nset-cookie: s={USER}\r\nx-quoted: {HEADER}\r\n\r\n")]}),
    ];
    // In reads of five bytes no piece is long enough to be recognized.
    for piece in quoted.as_bytes().chunks(5) {
        let text = String::from_utf8_lossy(piece);
        lines.push(serde_json::json!({"type": "body", "x": 0, "at": 0.3, "len": piece.len(), "text": text}));
    }
    let text = format!("the server said {HEADER}");
    lines.extend([
        serde_json::json!({"type": "trailers", "x": 0, "at": 0.4, "headers": [["x-t", HEADER]]}),
        serde_json::json!({"type": "note", "x": 0, "at": 0.4, "code": "tap-unread", "text": text}),
        serde_json::json!({"type": "end", "x": 0, "at": 0.5, "cause": "reset", "text": text}),
        serde_json::json!({"type": "request", "x": 1, "at": 1, "method": "GET", "url": "http://h/v1/realtime"}),
        serde_json::json!({"type": "head", "x": 1, "at": 1.1, "status": 101, "version": "HTTP/1.1",
            "headers": [["upgrade", "websocket"], ["connection", "upgrade"]]}),
        serde_json::json!({"type": "sent", "x": 1, "at": 1.2, "pieces": [{"base64":
            message(&format!("{{\"type\":\"session.update\",\"api_key\":\"{PASSWORD}\"}}"), [7, 77, 177, 200])}]}),
        serde_json::json!({"type": "body", "x": 1, "at": 1.3, "pieces": [{"base64":
            message(&format!("{{\"type\":\"error\",\"error\":{{\"message\":\"{PASSWORD}\"}}}}"), [0; 4])}]}),
        serde_json::json!({"type": "end", "x": 1, "at": 1.5, "cause": "closed"}),
    ]);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(dir.path().join("a.jsonl"), text).unwrap();
    let run = |args: &[&str]| run(dir.path(), &[], args);
    let mut seen = [run(&["show", "a.jsonl"]), run(&["show", "a.jsonl", "-o", "ndjson"])].concat();
    for to in EXPORTS {
        for exchange in ["0", "1"] {
            seen.extend(run(&["export", "a.jsonl", "--exchange", exchange, "--to", to]));
        }
    }
    assert!(String::from_utf8_lossy(&seen).contains("session.update"));
    for secret in [HEADER, PARAMETER, BODY, USER, PASSWORD] {
        assert_absent(&seen, secret, "a session by another hand");
    }
    // The archive's content is masked, too, in the bytes that it keeps for the journal.
    let har = run(&["export", "a.jsonl", "--to", "har"]);
    let har: serde_json::Value = serde_json::from_slice(&har).unwrap();
    for kept in har.to_string().split('"').filter(|text| text.len() > 20) {
        if let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(kept) {
            let key = [7_u8, 77, 177, 200];
            for from in 0..4 {
                let clear: Vec<u8> =
                    bytes.iter().enumerate().map(|(i, b)| b ^ key[(i + from) % 4]).collect();
                assert_absent(&clear, PASSWORD, "an archive");
            }
            assert_absent(&bytes, PASSWORD, "an archive");
        }
    }
}

#[test]
fn the_working_directory_is_no_password() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let missing = format!("{folder}/missing.jsonl");
    let env = [("PWD", folder), ("OLDPWD", folder), ("SERVICE_PWD", "a-password-of-mine")];
    let shown = String::from_utf8(run(dir.path(), &env, &["show", &missing])).unwrap();
    assert!(shown.contains(&missing), "{shown}");
    let shown = run(dir.path(), &env, &["show", "a-password-of-mine"]);
    assert_absent(&shown, "a-password-of-mine", "a message");
}

/// The same where bodies are under a content coding, of the response and of the request.
#[test]
fn no_coded_body_of_a_session_by_another_hand_holds_a_secret() {
    use std::io::Write as _;
    let coded = |coding: &str, text: &str| match coding {
        "gzip" => {
            let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            e.write_all(text.as_bytes()).unwrap();
            e.finish().unwrap()
        }
        "deflate" => {
            let mut e = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            e.write_all(text.as_bytes()).unwrap();
            e.finish().unwrap()
        }
        "zstd" => zstd::encode_all(text.as_bytes(), 3).unwrap(),
        _ => text.as_bytes().to_vec(),
    };
    let undone = |bytes: &[u8]| {
        let mut all = vec![bytes.to_vec()];
        for coding in ["gzip", "deflate", "zstd"] {
            let mut coding = sselens::inspect::ContentDecoder::of(coding).unwrap();
            let mut out = Vec::new();
            let _ = coding.feed(bytes, &mut out).and_then(|()| coding.finish(&mut out));
            all.push(out);
        }
        all.concat()
    };
    let base64 = base64::engine::general_purpose::STANDARD;
    let dir = tempfile::tempdir().unwrap();
    let asked = format!("{{\"model\":\"m\",\"api_key\":\"{BODY}\",\"messages\":[]}}");
    let before = "some text before it, and more of it ".repeat(9);
    let said =
        format!("data: {{\"error\":{{\"message\":\"{before} bad key {HEADER} {BODY}\"}}}}\n\n");
    for (of_request, of_response, cut) in [
        ("gzip", "identity", 9999),
        ("zstd", "gzip", 9999),
        ("identity", "gzip", 7),
        ("deflate", "deflate", 7),
        ("identity", "zstd", 9999),
        ("gzip", "zstd", 50),
    ] {
        let mut lines = vec![
            serde_json::json!({"sselens": "session", "format": 1, "version": "0", "created": ""}),
            serde_json::json!({"type": "request", "x": 0, "at": 0.1, "method": "POST", "url": "http://h/",
                "headers": [["authorization", format!("Bearer {HEADER}")], ["content-encoding", of_request]],
                "pieces": [{"base64": base64.encode(coded(of_request, &asked))}]}),
            serde_json::json!({"type": "head", "x": 0, "at": 0.2, "status": 200, "version": "HTTP/1.1",
                "headers": [["content-type", "text/event-stream"], ["content-encoding", of_response]]}),
        ];
        for piece in coded(of_response, &said).chunks(cut) {
            lines.push(serde_json::json!({"type": "body", "x": 0, "at": 0.3, "len": piece.len(),
                "pieces": [{"base64": base64.encode(piece)}]}));
        }
        lines.push(serde_json::json!({"type": "end", "x": 0, "at": 0.5, "cause": "complete"}));
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(dir.path().join("a.jsonl"), text).unwrap();
        let run = |args: &[&str]| run(dir.path(), &[], args);
        let mut all = vec![run(&["show", "a.jsonl"]), run(&["show", "a.jsonl", "-o", "raw"])];
        all.push(run(&["show", "a.jsonl", "--lens", "all"]));
        all.extend(EXPORTS.iter().map(|to| run(&["export", "a.jsonl", "--to", to])));
        let what = format!(
            "a request under {of_request} and its answer under {of_response}, in reads of {cut}"
        );
        for seen in all {
            // Data that is compressed inside base64 is searched, too.
            let texts = String::from_utf8_lossy(&seen).into_owned();
            let inside = texts.split(['"', '\n', ' ']).filter_map(|word| base64.decode(word).ok());
            let seen = [undone(&seen), inside.flat_map(|bytes| undone(&bytes)).collect()].concat();
            for secret in [HEADER, BODY] {
                assert_absent(&seen, secret, &what);
            }
        }
    }
}

/// A request with a secret in its address, its header and its body.
fn request(body: &str) -> String {
    let all = format!(
        "{{\"model\":\"m\",\"stream\":true,\"metadata\":{{\"api_key\":\"{BODY}\"}},\"messages\":\
         [{{\"role\":\"user\",\"content\":\"why is {SHAPED} refused? {body}\"}}]}}"
    );
    format!(
        "POST /v1/chat/completions?api_token={PARAMETER} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\
         X-Portkey-Api-Key: {HEADER}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{all}",
        all.len()
    )
}

const TAPPED: [&str; 4] = [HEADER, PARAMETER, BODY, SHAPED];

/// Sends bytes to `HOST:PORT` and returns what comes back.
fn ask(at: &str, bytes: &str) -> Vec<u8> {
    let mut stream = std::net::TcpStream::connect(at.trim_start_matches("http://")).unwrap();
    stream.write_all(bytes.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn what_a_tap_forwards_is_masked_wherever_it_is_kept() {
    for output in ["text", "ndjson"] {
        let dir = tempfile::tempdir().unwrap();
        let (at, server) = quoting(&[HEADER]);
        let args = ["--to", &format!("http://{at}"), "--save", "s.jsonl", "--log", "own.log"];
        let tap =
            crate::support::RunningTap::start(dir.path(), &[&args[..], &["-o", output]].concat());
        let answer = ask(&tap.url, &request(""));
        server.join().unwrap();
        // The client receives what the server sent.
        for secret in TAPPED {
            assert!(answer.windows(secret.len()).any(|w| w == secret.as_bytes()), "{secret}");
        }
        let (_, out, err) = tap.stop();
        let mut seen = [out.into_bytes(), err.into_bytes()].concat();
        let saved = std::fs::read(dir.path().join("s.jsonl")).unwrap();
        assert!(saved.windows(5).any(|w| w == b"\"end\""));
        seen.extend(saved);
        seen.extend(std::fs::read(dir.path().join("own.log")).unwrap());
        seen.extend(run(dir.path(), &[], &["show", "s.jsonl"]));
        for to in EXPORTS {
            seen.extend(run(dir.path(), &[], &["export", "s.jsonl", "--to", to]));
        }
        for secret in TAPPED {
            assert_absent(&seen, secret, output);
        }
    }
}

#[test]
fn what_clients_ask_a_replay_and_the_lab_is_printed_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.sse"), "data: {\"choices\":[]}\n\ndata: [DONE]\n\n").unwrap();
    for command in [&["replay", "a.sse"][..], &["lab"]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sselens"))
            .args(command)
            .args(["--listen", "127.0.0.1:0", "--log", "own.log"])
            .current_dir(dir.path())
            .env_clear()
            .env("HOME", dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let at = line.split_whitespace().find(|w| w.starts_with("http://")).unwrap();
        let at = at.trim_end_matches(',').trim_start_matches("http://").split('/').next().unwrap();
        let (asked, malformed) = (request(""), request("").replacen("HTTP/1.1", "HTTP/9", 1));
        let elsewhere = request("").replacen("/v1/chat/completions", "/nowhere", 1);
        for bytes in [&asked, &elsewhere, &malformed] {
            ask(at, bytes);
        }
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let mut seen = line.clone().into_bytes();
        out.read_to_end(&mut seen).unwrap();
        child.stderr.take().unwrap().read_to_end(&mut seen).unwrap();
        child.wait().unwrap();
        let log = std::fs::read(dir.path().join("own.log")).unwrap();
        for secret in TAPPED {
            assert_absent(&[&seen[..], &log].concat(), secret, &format!("{command:?}"));
        }
    }
}

/// The program's memory holds keys: no core is dumped of it.
#[cfg(target_os = "linux")]
#[test]
fn no_core_is_dumped() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_sselens"))
        .args(["lab", "--listen", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program has started once it prints its address.
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    let core = limits.lines().find(|l| l.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
}
