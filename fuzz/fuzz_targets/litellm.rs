//! LiteLLM's configurations (YAML): what is imported is TOML that this program reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sselens::config::{Config, Environment, ConfigSources, import};
use sselens_fuzz::file;

fuzz_target!(|input: &[u8]| {
    let Some(yaml) = file("yaml", input) else { return };
    let Ok(imported) = import(&yaml) else { return };
    let toml = imported.to_toml();
    let Some(own) = file("toml", toml.as_bytes()) else { return };
    let environment = Environment::of(&[]);
    let config = Config::load(ConfigSources { config: Some(own), env_file: None, environment });
    if let Err(why) = config {
        panic!("{why}\n{toml}");
    }
});
