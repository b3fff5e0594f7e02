use super::*;
use crate::journal::{EndCause, EntryKind};

fn entry(x: u32) -> Entry {
    Entry {
        exchange: x,
        at: Some(1),
        kind: EntryKind::End { cause: EndCause::Complete, detail: String::new() },
    }
}

fn entries(path: &Path) -> Vec<u32> {
    let session = file::read(&std::fs::read(path).unwrap()[..]).unwrap();
    session.entries.iter().map(|e| e.exchange).collect()
}

#[test]
fn a_session_in_memory_is_written_when_a_file_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = Recorder::start("t".into(), None, |_| {}).unwrap();
    let write = recorder.writer();
    recorder.begin(Arc::new(vec![entry(0)]));
    write(&entry(1));
    let path = dir.path().join("s");
    recorder.also(&path).unwrap();
    assert_eq!(entries(&path), [0, 1]);
    write(&entry(2));
    recorder.close();
    assert_eq!(entries(&path), [0, 1, 2]);
}

#[test]
fn an_earlier_session_is_kept_and_a_live_one_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    for x in 0..3 {
        let recorder = Recorder::start("t".into(), None, |_| {}).unwrap();
        recorder.also(&path).unwrap();
        recorder.writer()(&entry(x));
        recorder.written();
        let other = Recorder::start("t".into(), None, |_| {}).unwrap();
        let error = other.also(&path).unwrap_err();
        assert!(error.to_string().contains("another program"), "{error}");
        other.close();
        recorder.close();
    }
    let kept = |name: &str| entries(&dir.path().join(name));
    assert_eq!((kept("s"), kept("s.1"), kept("s.2")), (vec![2], vec![0], vec![1]));
}

#[test]
fn a_deleted_autosave_is_still_saved_whole() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("sessions");
    let autosave = Autosave { folder: folder.clone(), keep_files: 3, keep_bytes: 1 << 20 };
    for autosave in [Some(autosave), None] {
        let deletes = autosave.is_some();
        let recorder = Recorder::start("t".into(), autosave, |_| {}).unwrap();
        let first = dir.path().join("first");
        if !deletes {
            recorder.also(&first).unwrap();
        }
        recorder.writer()(&entry(0));
        recorder.written();
        if deletes {
            std::fs::remove_dir_all(&folder).unwrap();
        } else {
            std::fs::remove_file(&first).unwrap();
        }
        recorder.writer()(&entry(1));
        let path = dir.path().join(if deletes { "a" } else { "b" });
        recorder.also(&path).unwrap();
        recorder.close();
        assert_eq!(entries(&path), [0, 1]);
    }
}

#[test]
fn autosave_begins_with_the_first_entry_and_keeps_a_bound() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("sessions");
    for round in 0..5 {
        let autosave = Autosave { folder: folder.clone(), keep_files: 3, keep_bytes: 1 << 20 };
        let recorder =
            Recorder::start(format!("2026-01-0{round}"), Some(autosave), |_| {}).unwrap();
        assert_eq!(folder.exists(), round > 0);
        recorder.writer()(&entry(round));
        recorder.also(&dir.path().join("copy")).unwrap();
        recorder.close();
        assert_eq!(entries(&dir.path().join("copy")), [round]);
    }
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names.len(), 3);
    assert!(names[0].starts_with("2026-01-02"));
}

#[test]
fn a_file_that_fails_is_told_once_and_the_rest_goes_on() {
    if !Path::new("/dev/full").exists() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let reports = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&reports);
    let recorder = Recorder::start("t".into(), None, move |t| log.lock().unwrap().push(t)).unwrap();
    let path = dir.path().join("s");
    recorder.also(&path).unwrap();
    // A file system that fills up while it is written cannot be had here; a broken pipe can.
    assert!(recorder.also(Path::new("/dev/full")).is_err());
    recorder.writer()(&entry(7));
    recorder.close();
    assert_eq!(entries(&path), [7]);
    assert!(reports.lock().unwrap().is_empty());
}
