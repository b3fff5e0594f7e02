//! The recorder: writes entries to files as they happen, on a separate thread.
//!
//! What arrived is handed to the kernel at once and survives the process; the disk is asked to keep
//! it at least every 100 ms while bytes arrive. A file that cannot be written any more is said so
//! once and left alone: the stream goes on. Idle, its threads sleep.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufRead as _, BufReader, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::journal::{Entry, file};
use crate::transport::Backlog;

/// The pause between two requests to the disk to keep what was written.
const SYNC: Duration = Duration::from_millis(60);

/// How many entries are written at once, at most: an entry must not wait for a long batch.
const BATCH: usize = 1024;

/// Where a session is kept without being asked for.
#[derive(Debug, Clone)]
pub struct Autosave {
    /// The folder; it is made when the first entry comes.
    pub folder: PathBuf,
    /// How many files are kept in it.
    pub keep_files: usize,
    /// How many bytes are kept in it.
    pub keep_bytes: u64,
}

/// Called with a sentence when a file cannot be written any more.
type Trouble = Arc<dyn Fn(String) + Send + Sync>;

/// A handle on the recorder's thread.
pub struct Recorder {
    orders: Sender<Order>,
    backlog: Backlog,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Write(Entry),
    /// Write everything so far to this file, and all that follows; tell its length so far.
    Also(PathBuf, Sender<std::io::Result<u64>>),
    /// These entries are the session from now on; what comes next goes to files anew.
    Begin(Arc<Vec<Entry>>),
    /// Tell when everything so far is written.
    Flush(Sender<()>),
    Stop,
}

impl Recorder {
    /// Starts one. `created` is the wall-clock time for the files' headers. With `autosave` a file
    /// is begun when the first entry comes; without, entries stay in memory until a file is named.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(
        created: String,
        autosave: Option<Autosave>,
        trouble: impl Fn(String) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let (orders, queue) = channel();
        let backlog = Backlog::default();
        let worker = Worker {
            created,
            autosave,
            trouble: Arc::new(trouble),
            before: Arc::default(),
            memory: Vec::new(),
            files: Vec::new(),
            begun: false,
            backlog: backlog.clone(),
        };
        let thread = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || worker.run(&queue))?;
        Ok(Self { orders, backlog, thread: Some(thread) })
    }

    /// A function that hands over entries; it never blocks.
    pub fn writer(&self) -> impl Fn(&Entry) + Send + Sync + Clone + 'static {
        let orders = Arc::new(std::sync::Mutex::new(self.orders.clone()));
        let backlog = self.backlog.clone();
        move |entry| {
            if let Ok(orders) = orders.lock() {
                backlog.add(entry);
                // A recorder that has stopped does not read any more.
                let _ = orders.send(Order::Write(entry.clone()));
            }
        }
    }

    /// What was handed over and is not written yet.
    pub fn backlog(&self) -> Backlog {
        self.backlog.clone()
    }

    /// A function that waits until everything handed over so far is with the kernel, or until
    /// `most` has passed; from any thread.
    pub fn flusher(&self) -> impl Fn(Duration) + Send + 'static {
        let orders = self.orders.clone();
        move |most| {
            let (reply, answer) = channel();
            if orders.send(Order::Flush(reply)).is_ok() {
                let _ = answer.recv_timeout(most);
            }
        }
    }

    /// Writes everything recorded so far to `path`, and whatever follows; gives its length so far.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn also(&self, path: &Path) -> std::io::Result<u64> {
        self.saver()(path)
    }

    /// [`Recorder::also`] for another thread: it blocks until the file holds everything so far.
    pub fn saver(&self) -> impl FnOnce(&Path) -> std::io::Result<u64> + Send + 'static {
        let orders = self.orders.clone();
        move |path| {
            let (reply, answer) = channel();
            let gone = || std::io::Error::other("the recorder has stopped");
            orders.send(Order::Also(path.to_owned(), reply)).map_err(|_| gone())?;
            answer.recv().map_err(|_| gone())?
        }
    }

    /// Waits until everything handed over so far is with the kernel, or could not be written.
    pub fn written(&self) {
        let (reply, answer) = channel();
        if self.orders.send(Order::Flush(reply)).is_ok() {
            let _ = answer.recv();
        }
    }

    /// Begins a new session that holds `entries` already: they are written to a file only together
    /// with the next entry.
    pub fn begin(&self, entries: Arc<Vec<Entry>>) {
        let _ = self.orders.send(Order::Begin(entries));
    }

    /// Waits until everything handed over so far is written and the disk was asked to keep it.
    /// Writers that are still about are not listened to any more.
    pub fn close(mut self) {
        let _ = self.orders.send(Order::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What the recorder's thread works with.
struct Worker {
    created: String,
    autosave: Option<Autosave>,
    trouble: Trouble,
    /// The entries of an opened session.
    before: Arc<Vec<Entry>>,
    /// The entries since: all of them where autosave may fail or be deleted (the screen has them in
    /// memory, too), else while no file has them.
    memory: Vec<Entry>,
    files: Vec<Target>,
    /// Something was written or is kept: autosave has had its turn.
    begun: bool,
    backlog: Backlog,
}

impl Worker {
    fn run(mut self, queue: &Receiver<Order>) {
        let mut buffer = Vec::new();
        while let Ok(first) = queue.recv() {
            buffer.clear();
            let (mut others, mut waiting) = (Vec::new(), Vec::new());
            for order in std::iter::once(first).chain(queue.try_iter().take(BATCH)) {
                match order {
                    Order::Write(entry) => {
                        self.begin_autosave();
                        waiting.push(entry.clone());
                        if !self.files.is_empty() {
                            file::encode(&entry, &mut buffer);
                        }
                        if self.autosave.is_some() || self.files.is_empty() {
                            self.memory.push(entry);
                        }
                    }
                    // What stands before it must be written before it.
                    other => {
                        self.flush(&mut buffer);
                        others.push(other);
                        break;
                    }
                }
            }
            self.flush(&mut buffer);
            waiting.iter().for_each(|entry| self.backlog.done(entry));
            for order in others {
                match order {
                    Order::Also(path, reply) => drop(reply.send(self.also(&path))),
                    Order::Flush(reply) => drop(reply.send(())),
                    Order::Begin(entries) => {
                        self.before = entries;
                        self.memory.clear();
                        self.files.clear();
                        self.begun = false;
                    }
                    Order::Stop | Order::Write(_) => return,
                }
            }
        }
    }

    fn begin_autosave(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        let Some(autosave) = &self.autosave else { return };
        let begun = autosave
            .prepare(&self.created)
            .and_then(|path| Target::create(&path, false, self.all(), &self.trouble));
        match begun {
            Ok((target, _)) => self.files.push(target),
            Err(e) => (self.trouble)(format!(
                "{}: {e}; this session is not kept",
                autosave.folder.display()
            )),
        }
    }

    /// The whole session as a file holds it.
    fn all(&self) -> Vec<u8> {
        let mut bytes = file::header(env!("CARGO_PKG_VERSION"), &self.created).into_bytes();
        for entry in self.before.iter().chain(&self.memory) {
            file::encode(entry, &mut bytes);
        }
        bytes
    }

    fn also(&mut self, path: &Path) -> std::io::Result<u64> {
        let so_far = match self.files.first().filter(|_| self.autosave.is_none()) {
            Some(target) => target.read()?,
            None => self.all(),
        };
        let own = self.files.iter().any(|target| target.path == path);
        self.files.retain(|target| target.path != path);
        let (target, length) = Target::create(path, own, so_far, &self.trouble)?;
        if self.autosave.is_none() {
            self.memory = Vec::new();
        }
        self.begun = true;
        self.files.push(target);
        Ok(length)
    }

    fn flush(&mut self, buffer: &mut Vec<u8>) {
        if buffer.is_empty() {
            return;
        }
        let trouble = Arc::clone(&self.trouble);
        self.files.retain_mut(|target| target.write(buffer, &trouble));
        buffer.clear();
    }
}

/// One file that is written.
struct Target {
    file: File,
    path: PathBuf,
    /// Tells the syncing thread that there is something to sync.
    dirty: Option<SyncSender<()>>,
    syncer: Option<JoinHandle<()>>,
}

impl Target {
    /// Creates the file for the owner alone, with `bytes` in it. A session that is there already is
    /// kept under another name ([`aside`]), unless it is this program's `own` of a moment ago.
    fn create(
        path: &Path,
        own: bool,
        bytes: Vec<u8>,
        trouble: &Trouble,
    ) -> std::io::Result<(Self, u64)> {
        if is_foreign(path) {
            let why = "is not a session of this program; it was left unchanged";
            return Err(std::io::Error::new(ErrorKind::AlreadyExists, why));
        }
        if is_live(path) {
            let why = "another program is writing to it; it was left unchanged";
            return Err(std::io::Error::new(ErrorKind::AlreadyExists, why));
        }
        if let Some(kept) = aside(path).filter(|_| !own) {
            std::fs::rename(path, kept)?;
        }
        let regular = path.metadata().map_or(true, |m| m.is_file());
        let mut options = OpenOptions::new();
        // It is read again where it is to be saved under another name as well; a pipe is not.
        options.read(regular).write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        // The mode above is for new files only; one that is overwritten keeps its own.
        #[cfg(unix)]
        if file.metadata()?.is_file() {
            file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        }
        // It is locked while it is written to. Where there are no locks, nothing can be said.
        if regular && matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
            let why = "another program is writing to it";
            return Err(std::io::Error::new(ErrorKind::AlreadyExists, why));
        }
        file.write_all(&bytes)?;
        let (dirty, syncer) = syncer(&file, path, Arc::clone(trouble)).unzip();
        Ok((Self { file, path: path.to_owned(), dirty, syncer }, bytes.len() as u64))
    }

    /// Returns what was written so far, through the open file: its name may be gone.
    fn read(&self) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        #[cfg(unix)]
        {
            use std::os::unix::fs::FileExt as _;
            bytes.resize(usize::try_from(self.file.metadata()?.len()).unwrap_or(0), 0);
            self.file.read_exact_at(&mut bytes, 0)?;
        }
        #[cfg(not(unix))]
        {
            bytes = std::fs::read(&self.path)?;
        }
        Ok(bytes)
    }

    /// Hands bytes to the kernel; false when this file is lost.
    fn write(&mut self, bytes: &[u8], trouble: &Trouble) -> bool {
        if let Err(e) = self.file.write_all(bytes) {
            trouble(lost(&self.path, &e));
            return false;
        }
        if let Some(dirty) = &self.dirty {
            // Full means that it is about to sync anyway.
            let _ = dirty.try_send(());
        }
        true
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
    (1..).map(name).find(|kept| !kept.exists())
}

/// Whether a program is writing to this file.
fn is_live(path: &Path) -> bool {
    let file = File::open(path).ok().filter(|file| file.metadata().is_ok_and(|m| m.is_file()));
    // The lock that is taken here is released when the file is closed.
    file.is_some_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

/// Whether a file holds something that this program did not write.
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
                // Pipes and some file systems cannot; nothing is lost by that.
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

fn lost(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}; what arrives from here on is not saved there", path.display())
}

impl Autosave {
    /// Makes the folder and room in it, and gives the new file's path.
    fn prepare(&self, created: &str) -> std::io::Result<PathBuf> {
        std::fs::create_dir_all(&self.folder)?;
        #[cfg(unix)]
        std::fs::set_permissions(
            &self.folder,
            std::os::unix::fs::PermissionsExt::from_mode(0o700),
        )?;
        self.prune();
        let stamp = created.replace(':', "-");
        let name = |n: u32| {
            self.folder.join(format!(
                "{stamp}-{}{}.jsonl",
                std::process::id(),
                if n == 0 { String::new() } else { format!("-{n}") }
            ))
        };
        Ok((0..).map(name).find(|p| !p.exists()).unwrap_or_else(|| name(0)))
    }

    /// Removes the oldest sessions until there is room for one more. Names begin with the time.
    fn prune(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        let mut files: Vec<_> = entries
            .flatten()
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == "jsonl"))
            .collect();
        files.sort_unstable_by(|a, b| b.cmp(a));
        let mut bytes = 0;
        for (i, path) in files.iter().enumerate() {
            bytes += path.metadata().map_or(0, |m| m.len());
            let is_old = i + 1 >= self.keep_files.max(1) || bytes > self.keep_bytes;
            // Another instance may be writing to it.
            if is_old && !is_live(path) {
                // A file that cannot be removed is no reason to keep this session from being kept.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
