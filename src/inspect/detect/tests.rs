#[test]
fn every_detector_is_listed() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/inspect/detect");
    let source = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
    let files = |folder: &std::path::Path| {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let detects = |path: &std::path::Path| {
        std::fs::read_to_string(path).unwrap().contains("\nimpl Detector for")
    };
    for path in files(&folder) {
        let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
        // A folder holds the parts of the detector in the file of the same name. Files without a detector
        // hold code that several of them share.
        if path.is_dir() {
            assert!(!files(&path).iter().any(|part| detects(part)), "a detector inside {file}/");
        } else if detects(&path) {
            let listed = source.contains(&format!("Box::<{file}::"));
            assert!(listed, "{file} is not in detectors()");
        }
    }
}
