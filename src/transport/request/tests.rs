use super::*;
use crate::config::{ConfigSources, Environment};

fn config(env: &[(&str, &str)]) -> Config {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = Some(file.path().to_owned());
    let sources =
        ConfigSources { config: path.clone(), env_file: path, environment: Environment::of(env) };
    Config::load(sources).unwrap()
}

fn outgoing(draft: &Draft, env: &[(&str, &str)]) -> Result<Outgoing, RequestError> {
    resolve(draft, &config(env), &Transport::default(), Some(([127, 0, 0, 1], 9).into()))
}

#[test]
fn keys_are_sent_and_never_shown() {
    let key = "sk-0123456789abcdef";
    let draft = Draft {
        provider: "openai".into(),
        body: format!("{{\"model\":\"m\",\"x\":\"{key}\",\"api_key\":\"pw\"}}").into_bytes(),
        headers: vec![("Cookie".into(), "id=1".into())],
        url: Some(format!("http://u:passw0rd@h/p?key=abc&a=1&x={key}")),
        ..Draft::default()
    };
    let out = outgoing(&draft, &[("OPENAI_API_KEY", key)]).unwrap();
    assert_eq!(out.headers["authorization"], format!("Bearer {key}"));
    let r = &out.request;
    assert!(r.headers.contains(&("authorization".into(), "Bearer *******************".into())));
    assert!(r.headers.contains(&("cookie".into(), "****".into())));
    assert_eq!(r.url, "http://*:********@h/p?key=***&a=1&x=*******************");
    assert_eq!(&r.body[..], b"{\"model\":\"m\",\"x\":\"*******************\",\"api_key\":\"**\"}");
    assert_eq!(r.masked, [(18, 19), (50, 2)]);
    let debug = format!("{out:?} {r:?}");
    assert!(!debug.contains("sk-") && !debug.contains("passw0rd"));
    assert_eq!(r.model, "m");
}

#[test]
fn a_key_in_a_header_of_its_own_and_headers_from_variables_are_masked() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "[providers.mine]\nlike = 'anthropic'\nbase_url = 'http://h'\nkey_env = 'K'\n\
                key_header = 'X-Mine'\nheaders = { x-team = '$TEAM', x-plain = 'p', x-no = '$NO' }\n";
    std::fs::write(file.path(), text).unwrap();
    let env_file = tempfile::NamedTempFile::new().unwrap();
    let config = Config::load(ConfigSources {
        config: Some(file.path().to_owned()),
        env_file: Some(env_file.path().to_owned()),
        environment: Environment::of(&[("K", "short"), ("TEAM", "team-0123456789")]),
    })
    .unwrap();
    let draft = Draft { provider: "mine".into(), body: b"{}".to_vec(), ..Draft::default() };
    let out = resolve(&draft, &config, &Transport::default(), None).unwrap();
    assert_eq!(
        (&out.headers["x-mine"], &out.headers["x-team"]),
        (&"short".parse().unwrap(), &"team-0123456789".parse().unwrap())
    );
    assert!(out.headers.get("x-api-key").is_none() && out.headers.get("x-no").is_none());
    assert!(out.headers.get("anthropic-version").is_some());
    let shown =
        |name: &str| out.request.headers.iter().find(|(k, _)| k == name).map(|(_, v)| &v[..]);
    assert_eq!(shown("x-mine"), Some("*****"));
    assert_eq!((shown("x-team"), shown("x-plain")), (Some("***************"), Some("p")));
    assert!(!format!("{config:?}").contains("team-0123"));
}

#[test]
fn the_lab_is_addressed_where_it_runs() {
    let out = outgoing(&Draft { provider: "lab".into(), ..Draft::default() }, &[]).unwrap();
    assert_eq!(out.url.as_str(), "http://127.0.0.1:9/v1/chat/completions");
    let url = Draft { url: Some("ftp://x".into()), ..Draft::default() };
    assert!(outgoing(&url, &[]).unwrap_err().to_string().contains("http://"));
    let nope = Draft { provider: "nope".into(), ..Draft::default() };
    assert!(outgoing(&nope, &[]).unwrap_err().to_string().contains("sselens providers"));
}

#[test]
fn only_the_spans_of_model_and_prompt_change() {
    let body = b"{ \"model\" : \"a\",\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"x\"}]}] }\n";
    let new = set_prompt(&set_model(body, "b\"").unwrap(), "hi").unwrap();
    assert_eq!(
        String::from_utf8(new).unwrap(),
        "{ \"model\" : \"b\\\"\",\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"hi\"}]}] }\n"
    );
    assert_eq!(set_model(b"{}", "m").unwrap(), b"{\"model\":\"m\"}");
    assert_eq!(set_model(b"{\"a\":1}", "m").unwrap(), b"{\"model\":\"m\",\"a\":1}");
    assert!(set_model(b"{\n \"a\": x}", "m").unwrap_err().to_string().contains("line 2, column 7"));
    assert!(set_prompt(b"{}", "m").unwrap_err().to_string().contains("user message"));
}

#[test]
fn a_fresh_body_has_model_prompt_and_extras() {
    let mut config = config(&[]);
    let lab = config.providers.get_mut("lab").unwrap();
    lab.body.insert("temperature".into(), 0.into());
    let draft = compose(
        &config,
        Draft { provider: "lab".into(), ..Draft::default() },
        "hi",
        Some("be brief"),
    )
    .unwrap();
    let body: serde_json::Value = serde_json::from_slice(&draft.body).unwrap();
    assert_eq!(body["model"], draft.model);
    assert_eq!(body["messages"][0]["content"], "be brief");
    assert_eq!(body["messages"][1]["content"], "hi");
    assert_eq!((&body["stream"], &body["temperature"]), (&true.into(), &0.into()));
}

#[test]
fn geminis_model_stands_in_the_address() {
    let draft = Draft {
        provider: "lab".into(),
        dialect: Some("gemini".into()),
        model: "tuned models/a:b".into(),
        ..Draft::default()
    };
    let out = outgoing(&draft, &[]).unwrap();
    let tail = "/gemini/v1/models/tuned%20models%2Fa:b:streamGenerateContent?alt=sse";
    assert_eq!(out.url.as_str(), format!("http://127.0.0.1:9{tail}"));
    let draft = Draft {
        url: Some("http://h/v1beta/models/old:streamGenerateContent?alt=sse".into()),
        model: "new".into(),
        dialect: Some("gemini".into()),
        ..Draft::default()
    };
    let out = outgoing(&draft, &[]).unwrap();
    assert_eq!(out.url.as_str(), "http://h/v1beta/models/new:streamGenerateContent?alt=sse");
}

#[test]
fn the_prompt_is_found_in_every_dialects_body() {
    for (body, new) in [
        (
            r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}]}"#,
            r#"{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}"#,
        ),
        (r#"{"input":"a"}"#, r#"{"input":"hi"}"#),
        (
            r#"{"input":[{"role":"user","content":"a"}]}"#,
            r#"{"input":[{"role":"user","content":"hi"}]}"#,
        ),
        (r#"{"prompt":"a"}"#, r#"{"prompt":"hi"}"#),
    ] {
        assert_eq!(set_prompt(body.as_bytes(), "hi").unwrap(), new.as_bytes());
    }
}

#[test]
fn a_dialect_brings_its_headers_and_its_path() {
    let speaking = |dialect: &str, model: &str| Draft {
        provider: "openai".into(),
        dialect: Some(dialect.into()),
        model: model.into(),
        ..Draft::default()
    };
    let env = [("OPENAI_API_KEY", "sk-0123456789abcdef")];
    let out = outgoing(&speaking("anthropic", "m"), &env).unwrap();
    assert!(out.url.path().ends_with("/messages"));
    assert_eq!(out.headers["x-api-key"], "sk-0123456789abcdef");
    assert_eq!(out.headers["anthropic-version"], "2023-06-01");
    assert!(out.headers.get("authorization").is_none());
    let draft = Draft {
        headers: vec![("Anthropic-Version".into(), "2099-01-01".into())],
        ..speaking("anthropic", "m")
    };
    assert_eq!(outgoing(&draft, &env).unwrap().headers["anthropic-version"], "2099-01-01");
    let out = outgoing(&speaking("bedrock-converse", "arn:aws:x/y v1:0"), &env).unwrap();
    assert!(out.url.path().ends_with("/model/arn:aws:x%2Fy%20v1:0/converse-stream"));
    assert!(out.headers["accept"].to_str().unwrap().contains("eventstream"));
    assert!(has_model_in_address(&speaking("bedrock-invoke", "m"), &config(&[])));
    assert!(!has_model_in_address(&speaking("anthropic", "m"), &config(&[])));
}

/// HTTP/2 has no status line: the first line of such a head is a field like the others.
#[test]
fn the_first_line_of_a_head_is_masked_where_it_is_a_field() {
    let none = Secrets::default();
    let shown =
        |raw: &str| String::from_utf8(mask_raw_head(raw.as_bytes(), &none).to_vec()).unwrap();
    assert_eq!(
        shown("set-cookie: s=1\r\n:status: 200\r\n\r\n"),
        "set-cookie: ***\r\n:status: 200\r\n\r\n"
    );
    let line = "HTTP/1.1 200 token: fine\r\nx: y\r\n\r\n";
    assert_eq!(shown(line), line);
}

#[test]
fn a_coded_body_with_a_secret_is_withheld_and_its_secret_known() {
    use std::io::Write as _;
    let coded = |text: &str| {
        let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        e.write_all(text.as_bytes()).unwrap();
        Bytes::from(e.finish().unwrap())
    };
    let of = |body: Bytes| {
        let headers = vec![("Content-Encoding".to_owned(), "gzip".to_owned())];
        let mut request = Request { headers, body, ..Request::default() };
        let secrets = mask_recorded(&mut request);
        (request, secrets)
    };
    let (request, secrets) = of(coded(r#"{"model":"m","api_key":"correct-horse-battery"}"#));
    assert!(request.body.iter().all(|b| *b == b'*') && !request.body.is_empty());
    assert_eq!(request.masked, [(0, request.body.len() as u64)]);
    assert_eq!(secrets.mask("your correct-horse-battery"), "your *********************");
    let plain = coded(r#"{"model":"m","messages":[]}"#);
    let (request, _) = of(plain.clone());
    assert_eq!((&request.body, request.masked.len()), (&plain, 0));
    // A body that is not gzip is searched as it is.
    let (request, _) = of(Bytes::from_static(b"{\"api_key\":\"correct-horse-battery\"}"));
    assert_eq!(request.body, &b"{\"api_key\":\"*********************\"}"[..]);
}
