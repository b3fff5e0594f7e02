//! Lists `assets/scenarios/*.toml` for the lab, so that adding a scenario is
//! adding a file: nothing else has to be told.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    // A directory is watched for files that come and go, each file for edits.
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=assets/scenarios");
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let target = PathBuf::from(variable("OUT_DIR")?).join("scenarios.rs");
    fs::write(target, list(&root.join("assets/scenarios"))?)
}

/// The source text of a slice of `(name, contents)`, sorted by name.
fn list(folder: &Path) -> io::Result<String> {
    let mut rows = Vec::new();
    for file in fs::read_dir(folder)? {
        let path = file?.path();
        let name = path.file_stem().and_then(|name| name.to_str());
        if let (Some(name), Some("toml")) = (name, path.extension().and_then(|it| it.to_str())) {
            println!("cargo::rerun-if-changed={}", path.display());
            rows.push((name.to_owned(), path.display().to_string()));
        }
    }
    rows.sort();
    let mut source = String::from("&[\n");
    for (name, path) in rows {
        // `{:?}` also escapes the backslashes of a Windows path.
        writeln!(source, "    ({name:?}, include_str!({path:?})),").map_err(io::Error::other)?;
    }
    source.push_str("]\n");
    Ok(source)
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(|error| io::Error::other(format!("{name}: {error}")))
}
