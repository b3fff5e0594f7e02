//! Providers from outside: the list, what a LiteLLM configuration becomes, and signed requests.

use std::io::{Read as _, Write as _};
use std::process::Output;

use crate::support::program::{program, text};

fn run(dir: &tempfile::TempDir, env: &[(&str, &str)], args: &[&str]) -> Output {
    program(dir.path(), args).envs(env.iter().copied()).output().unwrap()
}

#[test]
fn the_list_is_narrow_sorted_and_holds_no_key() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("c.toml"),
        "provider = 'zz'\n[providers.zz]\nbase_url = 'http://zz'\nkey_env = 'ZZ'\n",
    )
    .unwrap();
    let env = [
        ("GROQ_API_KEY", "gsk-0123456789"),
        ("OLLAMA_HOST", "0.0.0.0"),
        ("AWS_ACCESS_KEY_ID", "AKIA0123456789"),
        ("AWS_SECRET_ACCESS_KEY", "aws-secret-0123456789"),
    ];
    let out = run(&dir, &env, &["providers", "--config", "c.toml"]);
    let out = text(&out.stdout);
    for line in out.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    let place = |part: &str| out.find(part).unwrap_or_else(|| panic!("no {part:?} in {out}"));
    let order =
        ["Your own", "* zz", "with a key", " groq ", "no key needed", " lab ", "waiting", " xai "];
    let places: Vec<_> = order.iter().map(|part| place(part)).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(out.contains("http://0.0.0.0:11434  (from OLLAMA_HOST)"));
    assert!(out.lines().any(|l| l.contains(" bedrock ") && l.contains(" signs ")));
    for key in ["gsk-0123", "AKIA0123", "aws-secret"] {
        assert!(!out.contains(key), "{key}");
    }
    let json = text(&run(&dir, &env, &["providers", "groq", "--json"]).stdout);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["key"], &json["key_set"], &json["origin"]),
        (&"set".into(), &true.into(), &"built-in".into())
    );
    let sheet = text(&run(&dir, &env, &["providers", "azure"]).stdout);
    assert!(sheet.contains("problem     AZURE_OPENAI_ENDPOINT is not set"), "{sheet}");
}

#[test]
fn a_missing_base_url_is_told_by_its_variable() {
    let dir = tempfile::tempdir().unwrap();
    let out = run(&dir, &[], &["send", "-p", "azure", "hi"]);
    assert_eq!(out.status.code(), Some(2));
    let why = text(&out.stderr);
    assert!(why.contains("AZURE_OPENAI_ENDPOINT is not set"), "{why}");
    // A mistake in the environment affects only providers that use it.
    let env = [("OPENAI_BASE_URL", "gateway/v1")];
    let out = run(&dir, &env, &["send", "-p", "openai", "hi"]);
    assert!(text(&out.stderr).contains("OPENAI_BASE_URL: \"gateway/v1\" has no scheme"));
    assert_eq!(run(&dir, &env, &["send", "-p", "lab", "--pace", "0"]).status.code(), Some(0));
}

#[test]
fn a_litellm_configuration_is_shown_and_used() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("litellm.yaml"),
        "model_list:\n- model_name: fast\n  litellm_params: {model: groq/x, api_key: gsk-pasted-0123}\n\
         - model_name: v\n  litellm_params: {model: vertex_ai/y}\n",
    )
    .unwrap();
    let out = run(&dir, &[], &["providers", "--litellm", "litellm.yaml"]);
    assert_eq!(out.status.code(), Some(0));
    let toml = text(&out.stdout);
    assert!(toml.contains("[providers.\"litellm/fast\"]\nlike = \"groq\""), "{toml}");
    assert!(text(&out.stderr).contains("litellm.yaml:4: v was left out: Vertex AI"));
    assert!(!format!("{out:?}").contains("gsk-pasted"));
    std::fs::write(dir.path().join("c.toml"), "litellm_config = 'litellm.yaml'\n").unwrap();
    let out = run(&dir, &[], &["--config", "c.toml", "providers"]);
    let list = text(&out.stdout);
    assert!(list.starts_with("From your LiteLLM configuration"), "{list}");
    assert!(list.contains("litellm/fast") && list.contains("(from the LiteLLM file)"));
    assert!(!format!("{out:?}").contains("gsk-pasted"));
    let out = run(&dir, &[], &["providers", "--litellm", "missing.yaml"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("missing.yaml: "));
}

#[test]
fn a_signed_request_is_sent_and_nothing_of_the_keys_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    // A server that quotes what it was sent, as AWS does when a signature does not match.
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !request.ends_with(b"}") {
            let n = socket.read(&mut buffer).unwrap();
            assert!(n > 0);
            request.extend_from_slice(&buffer[..n]);
        }
        let request = text(&request);
        let quoted = serde_json::json!({ "message": request }).to_string();
        let head = "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\n";
        write!(
            socket,
            "{head}content-length: {}\r\nconnection: close\r\n\r\n{quoted}",
            quoted.len()
        )
        .unwrap();
        request
    });
    let env = [
        ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", endpoint.as_str()),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE0123456789"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        ("AWS_SESSION_TOKEN", "FwoGZXIvYXdzEXAMPLETOKEN"),
        ("AWS_REGION", "eu-west-1"),
    ];
    let args = ["send", "-p", "bedrock", "--save", "s.jsonl", "-o", "ndjson", "hi"];
    let out = run(&dir, &env, &args);
    let sent = server.join().unwrap();
    let head = sent.split("\r\n\r\n").next().unwrap();
    assert!(
        head.starts_with(
            "POST /model/us.anthropic.claude-haiku-4-5-20251001-v1%3A0/converse-stream "
        ),
        "{head}"
    );
    assert!(head.contains("Credential=AKIAEXAMPLE0123456789/"), "{head}");
    assert!(head.contains("/eu-west-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-security-token, Signature="));
    let signature = head.split("Signature=").nth(1).unwrap().lines().next().unwrap();
    assert_eq!(signature.len(), 64);
    let session = std::fs::read_to_string(dir.path().join("s.jsonl")).unwrap();
    let shown = format!("{}{}{session}", text(&out.stdout), text(&out.stderr));
    for secret in ["AKIAEXAMPLE", "wJalrXUt", "FwoGZXIv", signature] {
        assert!(!shown.contains(secret), "{secret}");
    }
    assert!(session.contains("/eu-west-1/bedrock/aws4_request"));
    let curl = text(&run(&dir, &[], &["export", "s.jsonl", "--to", "curl"]).stdout);
    assert!(curl.contains("--aws-sigv4 aws:amz:eu-west-1:bedrock"), "{curl}");
    assert!(curl.contains("$AWS_SECRET_ACCESS_KEY") && !curl.contains("authorization"));
    // Without a key the request is sent unsigned, and a notice says so.
    let env = [("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "http://192.0.2.1:9")];
    let args = ["send", "-p", "bedrock", "--connect-timeout", "0.05", "hi"];
    let why = text(&run(&dir, &env, &args).stderr);
    assert!(why.contains("neither AWS_BEARER_TOKEN_BEDROCK nor AWS_ACCESS_KEY_ID"), "{why}");
}

/// A server that answers one request with `{}`, and gives the request's head.
fn answers_once() -> (String, std::thread::JoinHandle<String>) {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", server.local_addr().unwrap());
    let head = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let (mut read, mut head) = ([0; 4096], Vec::new());
        while !head.windows(4).any(|w| w == b"\r\n\r\n") {
            let n = stream.read(&mut read).unwrap();
            head.extend_from_slice(&read[..n]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        String::from_utf8_lossy(&head).into_owned()
    });
    (address, head)
}

/// Whoever made the folder may have put a `.env` there: it must not send the user's key elsewhere.
#[test]
fn a_dot_env_that_nobody_named_gives_keys_only() {
    let dir = tempfile::tempdir().unwrap();
    let (own, head) = answers_once();
    std::fs::write(
        dir.path().join("c.toml"),
        format!(
            "[providers.mine]\nbase_url = '{own}'\nbase_url_env = 'MINE_URL'\nkey_env = 'MINE_KEY'\n\
             [providers.yours]\nbase_url = '${{YOURS_URL:-http://yours}}'\nkey_env = 'YOURS_KEY'\n"
        ),
    )
    .unwrap();
    let dot_env = "MINE_URL=http://evil.invalid\nYOURS_URL=http://evil.invalid\nOPENAI_BASE_URL=http://evil.invalid\n\
                   YOURS_KEY=from-the-file\nSSELENS_CONFIG=evil.toml\nDATABASE_URL=x\nAWS_REGION=evil\n";
    std::fs::write(dir.path().join(".env"), dot_env).unwrap();
    let env = [("MINE_KEY", "of-the-process")];
    let out = run(&dir, &env, &["send", "--config", "c.toml", "-p", "mine", "-o", "json", "hi"]);
    let reported = text(&out.stderr);
    assert!(text(&out.stdout).contains("\"status\":200"), "{reported}");
    assert!(head.join().unwrap().contains("Bearer of-the-process"));
    assert!(reported.contains("took from .env here: YOURS_KEY"), "{reported}");
    let ignored = "AWS_REGION, MINE_URL, OPENAI_BASE_URL, SSELENS_CONFIG, YOURS_URL;";
    assert!(reported.contains(ignored) && reported.contains("--env-file .env"), "{reported}");
    assert!(!reported.contains("from-the-file"));
    let listed = text(&run(&dir, &env, &["providers", "--config", "c.toml"]).stdout);
    assert!(!listed.contains("evil"), "{listed}");
    assert!(listed.lines().any(|l| l.contains(" yours ") && l.contains(" set ")), "{listed}");
    // A file named by the user may set any variable.
    let named = ["providers", "--config", "c.toml", "--env-file", ".env"];
    let listed = text(&run(&dir, &env, &named).stdout);
    assert!(listed.contains("http://evil.invalid  (from MINE_URL)"), "{listed}");
}

#[test]
fn a_provider_is_asked_for_its_models() {
    let dir = tempfile::tempdir().unwrap();
    let listed = |out: &Output| text(&out.stdout).lines().map(str::to_owned).collect::<Vec<_>>();
    let out = run(&dir, &[], &["providers", "lab", "--models"]);
    assert_eq!(out.status.code(), Some(0), "{}", text(&out.stderr));
    assert!(listed(&out).contains(&"lab/reasoning-delta".to_owned()), "{:?}", listed(&out));

    // A server that reports what it received, and refuses the second request with the key in its message.
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let asked = std::thread::spawn(move || {
        let list = r#"{"data":[{"id":"a-1"},{"id":"b\u001b[2J"}]}"#;
        let refusal = r#"{"error":"no such key: sk-own-0123456789abcdef"}"#;
        [("200 OK", list), ("401 Unauthorized", refusal)].map(|(status, body)| {
            let (mut stream, _) = server.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let length = body.len();
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}").unwrap();
            String::from_utf8(head).unwrap()
        })
    });
    let config =
        format!("[providers.own]\nbase_url = 'http://127.0.0.1:{port}/v1'\nkey_env = 'OWN'\n");
    std::fs::write(dir.path().join("c.toml"), config).unwrap();
    let env = [("OWN", "sk-own-0123456789abcdef")];
    let args = ["providers", "own", "--models", "--config", "c.toml"];
    let out = run(&dir, &env, &args);
    assert_eq!(listed(&out), ["a-1", "b\u{241b}[2J"]);
    let out = run(&dir, &env, &args);
    assert_eq!(out.status.code(), Some(2));
    let error = text(&out.stderr);
    assert!(error.contains("HTTP 401 from 127.0.0.1") && error.contains("no such key"), "{error}");
    assert!(!error.contains("0123456789"), "{error}");
    for head in asked.join().unwrap() {
        let head = head.to_ascii_lowercase();
        assert!(head.starts_with("get /v1/models http/1.1"), "{head}");
        assert!(head.contains("authorization: bearer sk-own-0123456789abcdef"), "{head}");
    }
}
