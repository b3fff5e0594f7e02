use super::*;
use crate::config::{Config, ConfigError, ConfigSources, Environment, ProviderOrigin};

/// As people have it: anchors, references, copies of one name, and things that cannot be asked.
const REAL: &str = r#"
defaults: &defaults
  temperature: 0.2
  max_tokens: 512
  rpm: 60

model_list:
  - model_name: gpt-4o
    litellm_params:
      <<: *defaults
      model: openai/gpt-4o
      api_key: os.environ/OPENAI_KEY_EU
  - model_name: gpt-4o          # load balanced
    litellm_params:
      model: azure/gpt-4o-eu
      api_base: https://my-eu.openai.azure.com/
      api_version: "2025-01-01-preview"
      api_key: os.environ/AZURE_EU_KEY
  - model_name: claude
    litellm_params: {model: claude-haiku-4-5, max_tokens: 99}
  - model_name: local/qwen
    litellm_params:
      model: hosted_vllm/Qwen/Qwen3-8B
      api_base: os.environ/VLLM_BASE
      extra_headers: {X-Team: search, X-Gate-Token: tok-0123456789, X-Env: os.environ/TEAM}
      extra_body: {chat_template_kwargs: {enable_thinking: true}}
  - model_name: sonnet
    litellm_params:
      model: bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0
      aws_region_name: eu-central-1
      aws_profile_name: dev
  - model_name: pasted
    litellm_params: {model: mistral/mistral-small-latest, api_key: sk-pasted-0123456789}
  - model_name: "openai/*"
    litellm_params: {model: openai/*, api_key: os.environ/OPENAI_API_KEY}
  - model_name: think
    litellm_params: {model: ollama_chat/qwen3, api_base: "http://gpu:11434"}
  - model_name: "*"
    litellm_params: {model: "*"}
  - model_name: flash
    litellm_params: {model: vertex_ai/gemini-2.5-flash}
  - model_name: embed
    litellm_params: {model: openai/text-embedding-3-small}
    model_info: {mode: embedding}
  - model_name: odd
    litellm_params: {model: watsonx/ibm/granite}
  - litellm_params: {model: openai/x}
  - not a table
litellm_settings:
  drop_params: true
general_settings:
  master_key: sk-1234
"#;

fn load(yaml: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("litellm.yaml"), yaml).unwrap();
    let config = dir.path().join("config.toml");
    std::fs::write(&config, "litellm_config = 'litellm.yaml'\n").unwrap();
    let env_file = dir.path().join("env");
    std::fs::write(&env_file, "").unwrap();
    let environment = Environment::of(env);
    Config::load(ConfigSources { config: Some(config), env_file: Some(env_file), environment })
}

#[test]
fn a_real_looking_file_becomes_providers() {
    let env = [("VLLM_BASE", "http://gpu:8000/v1"), ("OPENAI_KEY_EU", "k1"), ("TEAM", "blue-team")];
    let config = load(REAL, &env).unwrap();
    let get = |name: &str| config.provider(name).unwrap();
    let eu = get("litellm/gpt-4o");
    assert_eq!((&*eu.base_url, &*eu.model), ("https://api.openai.com/v1", "gpt-4o"));
    assert_eq!((eu.origin, config.key(eu).as_deref()), (ProviderOrigin::LiteLlm, Some("k1")));
    assert_eq!((&eu.body["temperature"], &eu.body["max_tokens"]), (&0.2.into(), &512.into()));
    let azure = get("litellm/gpt-4o#2");
    assert_eq!(azure.base_url.trim_end_matches('/'), "https://my-eu.openai.azure.com");
    assert!(
        azure
            .path
            .as_deref()
            .unwrap()
            .ends_with("/chat/completions?api-version=2025-01-01-preview")
    );
    assert_eq!(
        (azure.key_env.as_deref(), azure.key_header.as_deref()),
        (Some("AZURE_EU_KEY"), Some("api-key"))
    );
    let claude = get("litellm/claude");
    assert_eq!((&*claude.dialect, &*claude.model), ("anthropic", "claude-haiku-4-5"));
    assert!(claude.body.is_empty());
    let vllm = get("litellm/local/qwen");
    assert_eq!((&*vllm.base_url, &*vllm.model), ("http://gpu:8000/v1", "Qwen/Qwen3-8B"));
    assert_eq!(vllm.body["chat_template_kwargs"]["enable_thinking"], true);
    let headers: Vec<_> =
        vllm.headers.iter().map(|h| (&*h.name, &*h.value.0, h.from_environment)).collect();
    assert_eq!(headers, [("X-Env", "blue-team", true), ("X-Team", "search", false)]);
    let sonnet = get("litellm/sonnet");
    assert_eq!(sonnet.base_url, "https://bedrock-runtime.eu-central-1.amazonaws.com");
    assert_eq!(sonnet.aws_region.as_deref(), Some("eu-central-1"));
    let think = get("litellm/think");
    assert_eq!((&*think.dialect, &*think.base_url), ("ollama", "http://gpu:11434"));
    assert_eq!(get("litellm/openai").key_env.as_deref(), Some("OPENAI_API_KEY"));
    // A key written in the file is used, but shown nowhere.
    assert_eq!(config.key(get("litellm/pasted")).as_deref(), Some("sk-pasted-0123456789"));
    assert!(!format!("{config:?}").contains("sk-pasted"));
    assert!(config.notes.iter().any(|n| n.contains("6 of its models")), "{:?}", config.notes);
}

#[test]
fn what_cannot_be_asked_is_told_with_line_and_reason() {
    let imported = parse("f.yaml", REAL).unwrap();
    let reported: Vec<_> =
        imported.skipped.iter().map(|(line, name, why)| format!("{line} {name}: {why}")).collect();
    for (part, i) in [
        ("*: LiteLLM chooses", 0),
        ("flash: Vertex AI", 1),
        ("embed: its mode is \"embedding\"", 2),
        ("odd: no preset is like \"watsonx\"", 3),
        ("no model_name", 4),
        ("no model_name", 5),
    ] {
        assert!(reported[i].contains(part), "{reported:?} lacks {part:?}");
    }
    let line = REAL.lines().position(|l| l.contains("name: flash")).unwrap() + 1;
    assert_eq!(imported.skipped[1].0, line as u64);
}

#[test]
fn the_tables_are_a_configuration_without_a_key() {
    let toml = parse("f.yaml", REAL).unwrap().to_toml();
    for part in [
        "[providers.\"litellm/gpt-4o#2\"]",
        "key_env = \"AZURE_EU_KEY\"",
        "put it into the variable LITELLM_PASTED_KEY",
        "X-Env = \"${TEAM}\"",
        "aws_profile_name is not followed",
        "\"X-Gate-Token\" is not taken over",
    ] {
        assert!(toml.contains(part), "no {part:?} in:\n{toml}");
    }
    for secret in ["sk-pasted", "tok-0123", "sk-1234"] {
        assert!(!toml.contains(secret), "{secret}");
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    std::fs::write(&file, &toml).unwrap();
    let env_file = Some(file.with_extension("env"));
    std::fs::write(env_file.as_ref().unwrap(), "").unwrap();
    let environment = Environment::of(&[("LITELLM_PASTED_KEY", "k"), ("VLLM_BASE", "http://v")]);
    let pasted = Config::load(ConfigSources { config: Some(file), env_file, environment }).unwrap();
    let imported = load(REAL, &[("VLLM_BASE", "http://v")]).unwrap();
    // Pasted and imported providers are the same, except for their origin and the key.
    for (name, mut provider) in imported.providers {
        let mut other = pasted.providers[&name].clone();
        if name == "litellm/pasted" {
            assert_eq!(pasted.key(&other).as_deref(), Some("k"));
            (provider.key, provider.key_env) = (None, other.key_env.clone());
        }
        other.origin = provider.origin;
        assert_eq!(other, provider);
    }
}

#[test]
fn broken_files_are_told_by_place_and_never_quoted() {
    for (yaml, parts) in [
        ("model_list:\n  - model_name: \"x\n", &["f.yaml:"][..]),
        ("model_list:\n  - api_key: sk-secret-1234: x\n    b: [\n", &["f.yaml:2:"]),
        ("model_list: sk-secret-1234\n", &["f.yaml:1"]),
        ("- sk-secret-1234\n", &["f.yaml:1"]),
        ("general_settings: {}\n", &["no model_list", "litellm --config"]),
        ("a: *sk-secret-1234\n", &["f.yaml:1"]),
        ("", &["f.yaml"]),
    ] {
        let error = parse("f.yaml", yaml).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{error:?} lacks {part:?}");
        }
        assert!(!error.contains("secret") && !error.contains('\n'), "{error}");
    }
    let error = load("model_list: [", &[]).unwrap_err().to_string();
    assert!(error.contains("config.toml: litellm_config: ") && error.contains("litellm.yaml:1"));
}

#[test]
fn bombs_are_refused_in_time() {
    let nested = format!("model_list: {}", "[".repeat(100_000));
    assert!(parse("f", &nested).is_err());
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..10 {
        let alias = format!("*a{}, ", i - 1).repeat(10);
        laughs.push_str(&format!("a{i}: &a{i} [{alias}]\n"));
    }
    laughs.push_str("model_list: *a9\n");
    assert!(parse("f", &laughs).is_err());
    let many = format!(
        "model_list:\n{}",
        "- {model_name: a, litellm_params: {model: openai/x}}\n".repeat(20_000)
    );
    let imported = parse("f", &many).unwrap();
    assert_eq!(imported.entries.len(), 20_000);
    assert_eq!(imported.entries[19_999].name, "litellm/a#20000");
}

#[test]
fn copies_of_a_name_are_numbered_past_names_that_look_so() {
    let one =
        |name: &str| format!("- {{model_name: '{name}', litellm_params: {{model: xai/x}}}}\n");
    let list = ["a", "a#2", "a", "a"].map(one).concat();
    let names = parse("f", &format!("model_list:\n{list}")).unwrap().entries;
    let names: Vec<_> = names.iter().map(|e| e.name.trim_start_matches("litellm/")).collect();
    assert_eq!(names, ["a", "a#2", "a#3", "a#4"]);
}
