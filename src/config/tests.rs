use super::*;

fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("config.toml");
    std::fs::write(&file, text).unwrap();
    let env_file = dir.path().join("env");
    std::fs::write(&env_file, "").unwrap();
    let sources = ConfigSources {
        config: Some(file),
        env_file: Some(env_file),
        environment: Environment::of(env),
    };
    Config::load(sources)
}

#[test]
fn the_default_loads_and_the_lab_is_selected() {
    let config =
        load("", &[("OPENAI_API_KEY", "sk-1"), ("OPENAI_BASE_URL", "http://h/v1")]).unwrap();
    assert_eq!(config.provider, "lab");
    assert!(config.provider("lab").unwrap().is_lab());
    let openai = config.provider("openai").unwrap();
    assert_eq!(openai.base_url, "http://h/v1");
    assert_eq!(config.key(openai).as_deref(), Some("sk-1"));
    assert_eq!(config.limits.total_timeout, None);
    assert!(!format!("{config:?}").contains("sk-1"));
}

#[test]
fn a_file_is_laid_over_the_default() {
    let text = "provider = 'mine'\n[providers.mine]\nbase_url = 'http://x'\nheaders = { a = '$A' }\n\
                body = { temperature = 0 }\n[providers.openai]\nmodel = 'm'\n[findings.severity]\njson-malformed = 'off'\n";
    let config = load(text, &[("A", "1")]).unwrap();
    let mine = config.provider("mine").unwrap();
    assert_eq!((mine.dialect.as_str(), &mine.headers[0].value.0[..]), ("auto", "1"));
    assert_eq!(config.provider("openai").unwrap().model, "m");
    assert_eq!(config.options.severities[&crate::rule::Code::JsonMalformed], None);
}

#[test]
fn errors_name_file_line_and_remedy() {
    for (text, parts) in [
        ("provider = 'lab'\n[providers.x]\nbase-url = 'y'\n", &["config.toml:3:1", "base-url"][..]),
        ("[findings.severity]\nnope = 'info'\n", &["config.toml", "\"nope\"", "explain"]),
        ("provider = 'nope'\n", &["\"nope\"", "sselens providers"]),
        ("a = [\n", &["config.toml:"]),
        ("[providers.x]\nbase_url='http://x'\ndialect='klingon'", &["klingon", "openai-chat"]),
    ] {
        let error = load(text, &[]).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
    }
}

#[test]
fn env_files_are_read_and_never_quoted() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(".env");
    std::fs::write(&file, "# c\nexport A=1 # x\nB='two # 2'\n\nC=\n").unwrap();
    let mut env = Environment::of(&[("A", "process")]);
    assert_eq!(env.add_file(&file).unwrap(), ["A", "B", "C"]);
    assert_eq!(env.get("A").unwrap(), "process");
    assert_eq!(env.get("B").unwrap(), "two # 2");
    std::fs::write(&file, "sk-secret\n").unwrap();
    let error = env.add_file(&file).unwrap_err().to_string();
    assert!(error.ends_with(":1: not NAME=value") && !error.contains("sk-secret"));
}

#[test]
fn what_init_writes_is_a_configuration() {
    assert!(load(&starter(), &[]).is_ok());
}
