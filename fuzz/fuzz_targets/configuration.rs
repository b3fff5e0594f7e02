//! Configurations: the program's own (TOML) and LiteLLM's (YAML), by the first byte.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sselens::config::{Config, Environment, Sources, import};

fuzz_target!(|input: &[u8]| {
    let [which, text @ ..] = input else { return };
    let file = std::env::temp_dir().join(format!("sselens-fuzz-{}", std::process::id()));
    if std::fs::write(&file, text).is_err() {
        return;
    }
    if which % 2 == 0 {
        if let Ok(imported) = import(&file) {
            let _ = imported.to_toml();
        }
    } else {
        let environment = Environment::of(&[]);
        let _ = Config::load(Sources { config: Some(file), env_file: None, environment });
    }
});
