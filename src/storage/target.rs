//! A file that a session is written to: locked while it lives, and never in place of another.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, Error, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::journal::file;

/// Called with a sentence when a file cannot be written any more.
pub(super) type Trouble = Arc<dyn Fn(String) + Send + Sync>;

/// The pause between two requests to the disk to keep what was written.
const SYNC: Duration = Duration::from_millis(60);

/// One file that is written.
pub(super) struct Target {
    file: File,
    pub(super) path: PathBuf,
    /// Number of its bytes that are in whole lines.
    length: u64,
    /// It is a file with a place on a disk, not a pipe or a device.
    regular: bool,
    /// Notifies the syncing thread that there is something to sync.
    dirty: Option<SyncSender<()>>,
    syncer: Option<JoinHandle<()>>,
}

impl Target {
    /// Creates the file for the owner alone, with `bytes` in it. A session that is there already is
    /// kept under another name ([`aside`]).
    ///
    /// # Errors
    /// Those of the file system; the file holds something else, or another program writes to it.
    pub(super) fn create(
        path: &Path,
        bytes: Vec<u8>,
        trouble: &Trouble,
    ) -> std::io::Result<(Self, u64)> {
        let mut file = open(path)?;
        let regular = file.metadata()?.is_file();
        if let Err(e) = file.write_all(&bytes) {
            // The beginning of a session is not a session.
            if regular {
                let _ = file.set_len(0);
            }
            return Err(e);
        }
        let length = bytes.len() as u64;
        let (dirty, syncer) = syncer(&file, path, Arc::clone(trouble)).unzip();
        Ok((Self { file, path: path.to_owned(), length, regular, dirty, syncer }, length))
    }

    /// Returns how many bytes it has.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Returns what was written so far, through the open file: its name may be gone.
    pub(super) fn read(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::FileExt as _;
            bytes.resize(usize::try_from(self.length).unwrap_or(0), 0);
            self.file.read_exact_at(&mut bytes, 0)?;
        }
        #[cfg(not(unix))]
        {
            bytes = std::fs::read(&self.path)?;
        }
        Ok(bytes)
    }

    /// Hands whole lines to the kernel.
    ///
    /// # Errors
    /// The file is lost, as `trouble` says; how many of the lines it still has.
    pub(super) fn write(&mut self, bytes: &[u8], trouble: &Trouble) -> Result<(), usize> {
        if let Err(e) = self.file.write_all(bytes) {
            let kept = self.keep_whole_lines(bytes);
            trouble(lost(&self.path, &e));
            return Err(kept);
        }
        self.length += bytes.len() as u64;
        if self.is_deleted() {
            trouble(self.deleted());
            return Err(lines(bytes));
        }
        if let Some(dirty) = &self.dirty {
            // Full means that it is about to sync anyway.
            let _ = dirty.try_send(());
        }
        Ok(())
    }

    /// Some of the lines found room, and part of one: a file that ends with a whole one is not torn.
    /// Returns how many it has.
    pub(super) fn keep_whole_lines(&mut self, bytes: &[u8]) -> usize {
        if !self.regular {
            return 0;
        }
        let landed = self.file.metadata().map_or(0, |m| m.len().saturating_sub(self.length));
        let landed = &bytes[..usize::try_from(landed).unwrap_or(0).min(bytes.len())];
        let whole = memchr::memrchr(b'\n', landed).map_or(0, |at| at + 1);
        self.length += whole as u64;
        let _ = self.file.set_len(self.length);
        lines(&landed[..whole])
    }

    /// Returns whether the file has no name any more: what is written to it is gone when it is closed.
    pub(super) fn is_deleted(&self) -> bool {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            self.regular && self.file.metadata().is_ok_and(|m| m.nlink() == 0)
        }
        #[cfg(not(unix))]
        {
            false
        }
    }

    /// Returns the message about a file that was deleted.
    pub(super) fn deleted(&self) -> String {
        format!("{} was deleted while it was written; nothing is saved there", self.path.display())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.dirty = None;
        if let Some(thread) = self.syncer.take() {
            let _ = thread.join();
        }
    }
}

fn lines(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}

/// Opens a file for writing: a new one, an empty one, or what is no file at all (a pipe). It is locked
/// before anything in it changes, so that of two programs one writes.
fn open(path: &Path) -> std::io::Result<File> {
    // A program that loses the race for the name sees what the other one created.
    for _ in 0..16 {
        let mut options = OpenOptions::new();
        // A file is read again if it is saved under another name as well; a pipe is not.
        options.read(path.metadata().map_or(true, |m| m.is_file())).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = match options.clone().create_new(true).open(path) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => match options.open(path) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                file => file?,
            },
            file => file?,
        };
        if !file.metadata()?.is_file() {
            return Ok(file);
        }
        // Where locks are not supported, this cannot be checked.
        if matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            return Err(exists("another program is writing to it; it was left unchanged"));
        }
        if is_foreign(path) {
            return Err(exists("is not a session of this program; it was left unchanged"));
        }
        match aside(path) {
            // Hold the lock until the file has its other name.
            Some(kept) => std::fs::rename(path, kept)?,
            None => {
                // The mode above is for new files only.
                #[cfg(unix)]
                file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
                return Ok(file);
            }
        }
    }
    Err(exists("other programs write to it again and again"))
}

fn exists(why: &str) -> Error {
    Error::new(ErrorKind::AlreadyExists, why)
}

/// Returns the name under which a session in `path` is kept when `path` is written anew:
/// `PATH.1`, `PATH.2`, …; `None` where there is none.
pub fn aside(path: &Path) -> Option<PathBuf> {
    if !path.metadata().is_ok_and(|m| m.is_file() && m.len() > 0) {
        return None;
    }
    let name = |n: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{n}"));
        PathBuf::from(name)
    };
    (1..).map(name).find(|kept| kept.symlink_metadata().is_err())
}

/// Returns whether a program is writing to this file, this one included.
pub fn is_live(path: &Path) -> bool {
    let file = File::open(path).ok().filter(|file| file.metadata().is_ok_and(|m| m.is_file()));
    // The lock that is taken here is released when the file is closed.
    file.is_some_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Returns whether a file holds something that this program did not write.
fn is_foreign(path: &Path) -> bool {
    if !path.metadata().is_ok_and(|m| m.is_file() && m.len() > 0) {
        return false;
    }
    let mut line = Vec::new();
    let read = File::open(path).and_then(|f| BufReader::new(f).read_until(b'\n', &mut line));
    read.is_err() || !file::is_session(&line)
}

/// A disk can take its time to sync, and writing must not wait for it: that is a thread again.
fn syncer(file: &File, path: &Path, trouble: Trouble) -> Option<(SyncSender<()>, JoinHandle<()>)> {
    let file = file.try_clone().ok()?;
    let path = path.to_owned();
    let (dirty, queue) = sync_channel(1);
    let work = move || {
        while queue.recv().is_ok() {
            match file.sync_data() {
                Ok(()) => {}
                // Pipes and some file systems cannot sync; nothing is lost by that.
                Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
                    return;
                }
                Err(e) => return trouble(lost(&path, &e)),
            }
            std::thread::sleep(SYNC);
        }
    };
    let thread = std::thread::Builder::new().name("sync".into()).spawn(work).ok()?;
    Some((dirty, thread))
}

fn lost(path: &Path, error: &Error) -> String {
    format!("{}: {error}; what arrives from here on is not saved there", path.display())
}
