use std::collections::HashSet;

use super::*;

#[test]
fn codes_are_unique_and_rules_are_explained() {
    let mut codes = HashSet::new();
    for r in rules() {
        assert!(codes.insert(r.code), "{} stands twice", r.code);
        assert!(
            r.code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
            "{}",
            r.code
        );
        for (what, text) in
            [("means", r.means), ("example", r.example), ("breaks", r.breaks), ("remedy", r.remedy)]
        {
            assert!(!text.is_empty(), "{}: no {what}", r.code);
        }
    }
}

#[test]
fn every_file_of_the_folder_is_listed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/inspect/rule");
    let source = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let family = name.trim_end_matches(".rs");
        if !matches!(family, "mod" | "tests") {
            assert!(source.contains(&format!("{family}::RULES")), "{family} is not in TABLES");
            assert!(source.contains(&format!("Box::<{family}::")), "{family} is not in families()");
        }
    }
}
