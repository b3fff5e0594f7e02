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

/// The screen may be gone before its threads start.
#[test]
fn what_arrives_before_there_is_a_thread_is_written() {
    for runs in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("sessions");
        let autosave =
            AutosaveFolder { folder: folder.clone(), keep_files: 3, keep_bytes: 1 << 20 };
        let mut recorder = Recorder::new("t".into(), Some(autosave), |_| {});
        recorder.begin(Arc::default());
        recorder.writer()(&entry(7));
        if runs {
            recorder.run().unwrap();
            recorder.run().unwrap();
        }
        recorder.writer()(&entry(8));
        recorder.close();
        let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        assert_eq!(entries(&file), [7, 8]);
    }
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
    let autosave = AutosaveFolder { folder: folder.clone(), keep_files: 3, keep_bytes: 1 << 20 };
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

/// Deleted while it is written: that is said once, and all of it is saved elsewhere.
#[cfg(unix)]
#[test]
fn after_a_file_failed_everything_is_saved_elsewhere() {
    for autosave in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("sessions");
        let own = AutosaveFolder { folder: folder.clone(), keep_files: 3, keep_bytes: 1 << 20 };
        let reports = Arc::new(std::sync::Mutex::new(Vec::new()));
        let log = Arc::clone(&reports);
        let trouble = move |text| log.lock().unwrap().push(text);
        let recorder = Recorder::start("t".into(), autosave.then_some(own), trouble).unwrap();
        let (first, second) = (dir.path().join("first"), dir.path().join("second"));
        if !autosave {
            recorder.also(&first).unwrap();
        }
        let write = recorder.writer();
        (0..3).for_each(|x| write(&entry(x)));
        recorder.written();
        let written = match autosave {
            true => std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path(),
            false => first,
        };
        // The file is deleted: what is in it is still read through the open handle.
        std::fs::remove_file(&written).unwrap();
        (3..6).for_each(|x| write(&entry(x)));
        recorder.written();
        assert_eq!(reports.lock().unwrap().len(), 1, "{:?}", reports.lock().unwrap());
        assert!(reports.lock().unwrap()[0].contains("was deleted"));
        (6..9).for_each(|x| write(&entry(x)));
        recorder.also(&second).unwrap();
        (9..12).for_each(|x| write(&entry(x)));
        recorder.close();
        assert_eq!(entries(&second), (0..12).collect::<Vec<_>>(), "{autosave}");
    }
}

#[test]
fn a_file_that_has_room_for_some_lines_keeps_those() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let trouble: Trouble = Arc::new(|_| {});
    let (mut target, _) = Target::create(&path, b"{}\n".to_vec(), &trouble).unwrap();
    // The state that the kernel leaves when the disk is full.
    std::fs::write(&path, b"{}\n1\n22\n3").unwrap();
    assert_eq!(target.keep_whole_lines(b"1\n22\n333\n"), 2);
    assert_eq!(std::fs::read(&path).unwrap(), b"{}\n1\n22\n");
    assert_eq!(target.read().unwrap(), b"{}\n1\n22\n");
}

#[test]
fn a_file_is_not_emptied_before_it_is_known_to_be_free() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let recorder = Recorder::start("t".into(), None, |_| {}).unwrap();
    recorder.also(&path).unwrap();
    recorder.writer()(&entry(5));
    recorder.written();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || {
                let other = Recorder::start("t".into(), None, |_| {}).unwrap();
                let refused = other.also(&path).is_err();
                other.close();
                refused
            })
        })
        .collect();
    assert!(threads.into_iter().all(|t| t.join().unwrap()));
    assert_eq!(recorder.also(&path).unwrap(), path.metadata().unwrap().len());
    recorder.writer()(&entry(6));
    recorder.close();
    assert_eq!(entries(&path), [5, 6]);
}

#[test]
fn autosave_begins_with_the_first_entry_and_keeps_a_bound() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("sessions");
    for round in 0..5 {
        let autosave =
            AutosaveFolder { folder: folder.clone(), keep_files: 3, keep_bytes: 1 << 20 };
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
    // A file system that fills up while it is written is not available here; a broken pipe is.
    assert!(recorder.also(Path::new("/dev/full")).is_err());
    recorder.writer()(&entry(7));
    recorder.close();
    assert_eq!(entries(&path), [7]);
    assert!(reports.lock().unwrap().is_empty());
}

/// Room is made by removing old sessions, but none that another instance is writing.
#[test]
fn a_session_that_is_recorded_is_not_removed_to_make_room() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("sessions");
    let start = |created: &str| {
        let autosave = AutosaveFolder { folder: folder.clone(), keep_files: 1, keep_bytes: 1 };
        Recorder::start(created.into(), Some(autosave), |_| {}).unwrap()
    };
    let living = start("2026-01-01");
    living.writer()(&entry(0));
    living.written();
    for day in 2..5 {
        let other = start(&format!("2026-01-0{day}"));
        other.writer()(&entry(day));
        other.close();
    }
    living.writer()(&entry(1));
    living.close();
    let files = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert_eq!(files.len(), 2, "{files:?}");
    assert_eq!((entries(&files[0]), entries(&files[1])), (vec![0, 1], vec![4]));
}
