#[test]
fn every_file_of_the_folder_is_listed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/inspect/detect");
    let source = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let family = name.trim_end_matches(".rs");
        if !matches!(family, "mod" | "tests") {
            let listed = source.contains(&format!("Box::<{family}::"));
            assert!(listed, "{family} is not in detectors()");
        }
    }
}
