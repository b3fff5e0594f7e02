//! The architecture, held: layers only point down, the core is pure, files stay small.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Every folder of `src`, from the bottom up. One may name only those before it.
const LAYERS: &[&str] = &[
    // pure core
    "rule",
    "json",
    "text",
    "journal",
    "frame",
    "dialect",
    "inspect",
    "client_sim", // vocabulary
    "query",
    "config",
    "action", // shell
    "transport",
    "storage",
    "lab",
    "tap",
    "replay",
    "report",
    "tui",
    "cli",
];

/// The layers that must not know a clock, a network, a disk or a terminal.
const CORE: usize = 8;

/// What the core must not name.
const IMPURE: &[&str] = &[
    "crate::clock",
    "tokio::",
    "reqwest::",
    "ratatui::",
    "crossterm::",
    "std::time",
    "std::fs",
    "std::net",
    "std::env",
    "std::thread",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// A file without comments and without its tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
    text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_str().unwrap();
    name == "tests" || name.ends_with("_tests")
}

#[test]
fn every_folder_is_a_layer() {
    for entry in fs::read_dir(source()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(LAYERS.contains(&name.as_str()), "src/{name} is in no layer: add it to LAYERS");
        }
    }
}

#[test]
fn layers_only_point_down() {
    for (level, layer) in LAYERS.iter().enumerate() {
        let mut all = Vec::new();
        files(&source().join(layer), &mut all);
        for path in all.iter().filter(|p| !is_test(p)) {
            let code = code(path);
            for head in code.split("crate::").skip(1) {
                let name: String =
                    head.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if let Some(named) = LAYERS.iter().position(|l| *l == name) {
                    assert!(
                        named <= level,
                        "{} names crate::{name}, which lies above {layer}",
                        path.display()
                    );
                }
            }
        }
    }
}

#[test]
fn the_core_is_pure() {
    for layer in &LAYERS[..CORE] {
        let mut all = Vec::new();
        files(&source().join(layer), &mut all);
        for path in all.iter().filter(|p| !is_test(p)) {
            let code = code(path);
            for word in IMPURE {
                assert!(!code.contains(word), "{} names {word}", path.display());
            }
        }
    }
}

#[test]
fn no_file_is_much_over_500_lines() {
    let mut all = Vec::new();
    files(&source(), &mut all);
    for path in all {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(
            lines <= 650,
            "{} has {lines} lines: it is more than one thing by now",
            path.display()
        );
    }
}

/// A rule is named by its code, which the compiler checks; the spelling is the pages' and the tests'.
#[test]
fn no_literal_names_a_code() {
    // Names of the journal's format for ends: those of findings by chance, or the other way round.
    const ENDS: &[&str] = &[
        "limit-body",
        "limit-http",
        "timeout-idle",
        "timeout-total",
        "closed-before-head",
        "closed-inside-head",
    ];
    // A word of the summary for why a line was ignored.
    const REASONS: &[&str] = &["unknown-field"];
    // One word alone may be a provider's: `refusal`, `cancelled`.
    let names = sselens::rule::Code::all().map(sselens::rule::Code::name);
    let names: BTreeSet<&str> = names.filter(|name| name.contains('-')).collect();
    let mut all = Vec::new();
    files(&source(), &mut all);
    for path in all.iter().filter(|path| !is_test(path)) {
        let place = path.strip_prefix(source()).unwrap();
        for name in code(path).split('"').filter(|text| names.contains(text)) {
            let is_format = place.ends_with("journal/entry.rs") && ENDS.contains(&name)
                || place.ends_with("frame/sse.rs") && REASONS.contains(&name);
            assert!(is_format, "{} spells {name}", place.display());
        }
    }
}
