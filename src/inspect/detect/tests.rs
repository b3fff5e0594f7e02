#[test]
fn every_detector_is_listed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/inspect/detect");
    let source = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // Not every file has a detector: some hold what several of them share.
        if std::fs::read_to_string(&path).unwrap().contains("\nimpl Detector for") {
            let listed = source.contains(&format!("Box::<{file}::"));
            assert!(listed, "{file} is not in detectors()");
        }
    }
}
