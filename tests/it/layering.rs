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
    // Names of ends in the journal's format, some of which are codes as well.
    const ENDS: &[&str] = &[
        "limit-body",
        "limit-http",
        "timeout-idle",
        "timeout-total",
        "proxy-refused",
        "closed-before-head",
        "closed-inside-head",
    ];
    // In the summary, this is the reason why a line was ignored.
    const REASONS: &[&str] = &["unknown-field"];
    // A single word may belong to a provider: `refusal`, `cancelled`.
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

/// The paths that a `use` names, its braces taken apart: `a::{b, c::D}` is `a::b` and `a::c::D`.
fn spread(path: &str, before: &str, out: &mut Vec<String>) {
    let mut depth = 0;
    let parts = path.split(|c| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    });
    for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
        match part.split_once('{') {
            Some((head, inner)) => {
                let inner = inner.rsplit_once('}').map_or(inner, |(inner, _)| inner);
                spread(inner, &format!("{before}{}", head.trim()), out);
            }
            None => out.push(format!("{before}{}", part.split(" as ").next().unwrap().trim())),
        }
    }
}

/// The paths that a file names.
fn paths(code: &str) -> Vec<String> {
    let mut out = Vec::new();
    for part in code.split("use ").skip(1) {
        spread(part.split(';').next().unwrap(), "", &mut out);
    }
    let words = code.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    out.extend(words.filter(|word| word.contains("::")).map(str::to_owned));
    out
}

/// Files that need another of their folder that needs them.
const CIRCLES: &[&str] = &[];

/// Sibling files build on each other in one direction, too. A folder's `mod.rs` is its list and its words,
/// and stands apart; what it hands on counts as the file that has it.
#[test]
fn no_two_files_of_a_folder_need_each_other() {
    let mut folders = vec![source()];
    let mut i = 0;
    while i < folders.len() {
        for entry in fs::read_dir(&folders[i]).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            }
        }
        i += 1;
    }
    let (mut links, mut circles) = (0, BTreeSet::new());
    for folder in &folders[1..] {
        let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let siblings: Vec<PathBuf> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "rs") && !is_test(path))
            .filter(|path| !path.ends_with("mod.rs"))
            .collect();
        let has = |stem: &str| siblings.iter().any(|path| name(path) == stem);
        // The names that `mod.rs` re-exports, each with its file.
        let list = folder.join("mod.rs");
        let list = if list.exists() { code(&list) } else { String::new() };
        let handed: std::collections::BTreeMap<String, String> = paths(&list)
            .into_iter()
            .filter_map(|path| {
                let (file, item) = path.split_once("::")?;
                (has(file) && !item.is_empty()).then(|| (item.to_owned(), file.to_owned()))
            })
            .collect();
        let layer = folder.strip_prefix(source()).unwrap().to_str().unwrap().replace('/', "::");
        let above = format!("crate::{layer}::");
        let needs: Vec<(String, BTreeSet<String>)> = siblings
            .iter()
            .map(|path| {
                let code = code(path);
                let named = paths(&code).into_iter().filter_map(|path| {
                    let path =
                        path.strip_prefix("super::").or(path.strip_prefix(&above))?.to_owned();
                    let first = path.split("::").next().unwrap().to_owned();
                    if has(&first) { Some(first) } else { handed.get(&first).cloned() }
                });
                let own = name(path);
                let named: BTreeSet<String> = named.filter(|named| *named != own).collect();
                (own, named)
            })
            .collect();
        links += needs.iter().map(|(_, named)| named.len()).sum::<usize>();
        for (file, _) in &needs {
            let mut seen = BTreeSet::new();
            let mut next = vec![file.clone()];
            while let Some(at) = next.pop() {
                let named = needs.iter().find(|(own, _)| *own == at).map(|(_, named)| named);
                for named in
                    named.into_iter().flatten().filter(|named| seen.insert((*named).clone()))
                {
                    if named == file {
                        circles.insert(format!("{layer}::{file}"));
                    }
                    next.push(named.clone());
                }
            }
        }
    }
    assert!(links > 100, "only {links} links between files were seen");
    let circles: Vec<&str> = circles.iter().map(String::as_str).collect();
    assert_eq!(circles, CIRCLES, "files that need each other");
}

/// Words that a doc comment does not begin with: it says what the item is or does.
const NO_BEGINNING: &[&str] =
    &["What", "Whether", "Which", "Who", "Whose", "Where", "How", "When", "Why"];

#[test]
fn doc_comments_begin_with_a_verb_or_a_noun_phrase() {
    let mut all = Vec::new();
    files(&source(), &mut all);
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for path in all {
        let text = fs::read_to_string(&path).unwrap();
        let mut before = None;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim_start();
            let mark = ["///", "//!"].into_iter().find(|mark| line.starts_with(mark));
            if mark.is_some() && mark != before {
                seen += 1;
                let first = line[3..].split_whitespace().next().unwrap_or_default();
                if NO_BEGINNING.contains(&first.trim_end_matches([',', ':'])) {
                    wrong.push(format!("{}:{}: {line}", path.display(), number + 1));
                }
            }
            before = mark;
        }
    }
    assert!(seen > 5000, "only {seen} doc comments were seen");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
