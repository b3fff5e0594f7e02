//! The program's own TOML: configurations, and requests in files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sselens::config::{Config, Environment, ConfigSources};
use sselens::storage::request_file;
use sselens_fuzz::file;

fuzz_target!(|input: &[u8]| {
    let [which, text @ ..] = input else { return };
    let Some(file) = file("toml", text) else { return };
    if which % 2 == 0 {
        let _ = request_file::read(&file, None);
        let _ = request_file::read(&file, Some("staging"));
    } else {
        let environment = Environment::of(&[]);
        let _ = Config::load(ConfigSources { config: Some(file), env_file: None, environment });
    }
});
