//! The recorder: writes entries to files as they happen, on a separate thread.
//!
//! What arrived is passed to the kernel at once and survives the process; the disk is asked to keep it at least
//! every 100 ms while bytes arrive. A file that can no longer be written is reported once and left alone: the
//! stream continues. Idle, its threads sleep.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::target::{Target, Trouble, is_live};
use crate::journal::{Entry, file};
use crate::transport::Backlog;

/// The most entries written at once: an entry must not wait for a long batch.
const BATCH: usize = 1024;

/// The place where a session is kept without being asked for.
#[derive(Debug, Clone)]
pub struct AutosaveFolder {
    /// The folder; it is created when the first entry arrives.
    pub folder: PathBuf,
    /// The most files kept in it.
    pub keep_files: usize,
    /// The most bytes kept in it.
    pub keep_bytes: u64,
}

/// A handle on the recorder's thread.
pub struct Recorder {
    orders: Sender<Order>,
    backlog: Backlog,
    thread: Option<JoinHandle<()>>,
    /// The work of the thread, until there is one.
    waiting: Option<(Worker, Receiver<Order>)>,
}

enum Order {
    Write(Entry),
    /// Write everything so far to this file, and all that follows; report its length so far.
    Also(PathBuf, Sender<std::io::Result<u64>>),
    /// These entries are the session from now on; what arrives next is written to new files.
    Begin(Arc<Vec<Entry>>),
    /// Report when everything so far is written.
    Flush(Sender<()>),
    Stop,
}

impl Recorder {
    /// Starts one, as [`Recorder::new`] makes it.
    ///
    /// # Errors
    /// The thread cannot be created.
    pub fn start(
        created: String,
        autosave: Option<AutosaveFolder>,
        trouble: impl Fn(String) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let mut recorder = Self::new(created, autosave, trouble);
        recorder.run()?;
        Ok(recorder)
    }

    /// Makes one that does nothing before [`Recorder::run`]: until then it holds what it is given. `created` is
    /// the wall-clock time for the files' headers. With `autosave` a file is begun when the first entry
    /// arrives; without, entries stay in memory until a file is named.
    pub fn new(
        created: String,
        autosave: Option<AutosaveFolder>,
        trouble: impl Fn(String) + Send + Sync + 'static,
    ) -> Self {
        let (orders, queue) = channel();
        let backlog = Backlog::default();
        let worker = Worker {
            created,
            autosave,
            trouble: Arc::new(trouble),
            before: Arc::default(),
            memory: Vec::new(),
            files: Vec::new(),
            lost: None,
            begun: false,
            backlog: backlog.clone(),
        };
        Self { orders, backlog, thread: None, waiting: Some((worker, queue)) }
    }

    /// Starts the thread, if there is none yet. Without it nobody answers whoever waits for a file.
    ///
    /// # Errors
    /// The thread cannot be created.
    pub fn run(&mut self) -> std::io::Result<()> {
        let Some((worker, queue)) = self.waiting.take() else { return Ok(()) };
        let name = "recorder".into();
        let thread = std::thread::Builder::new().name(name).spawn(move || worker.run(&queue))?;
        self.thread = Some(thread);
        Ok(())
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

    /// Returns the backlog: what was received and is not written yet.
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

    /// Writes everything recorded so far to `path`, and whatever follows; returns its length so far.
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
        if let Some((worker, queue)) = self.waiting.take() {
            worker.run(&queue);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The state of the recorder's thread.
struct Worker {
    created: String,
    autosave: Option<AutosaveFolder>,
    trouble: Trouble,
    /// The entries of an opened session.
    before: Arc<Vec<Entry>>,
    /// The entries since: all of them where autosave may fail or be deleted (the screen has them in
    /// memory, too), else while no file has them.
    memory: Vec<Entry>,
    files: Vec<Target>,
    /// The last file that could not be written any more, where nothing else has its contents.
    lost: Option<Target>,
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
                    // Entries received before this order must be written before it.
                    other => {
                        others.push(other);
                        break;
                    }
                }
            }
            self.flush(&mut buffer, &waiting);
            waiting.iter().for_each(|entry| self.backlog.done(entry));
            for order in others {
                match order {
                    Order::Also(path, reply) => drop(reply.send(self.also(&path))),
                    Order::Flush(reply) => {
                        self.look_for_deleted();
                        let _ = reply.send(());
                    }
                    Order::Begin(entries) => {
                        self.before = entries;
                        self.memory.clear();
                        self.files.clear();
                        self.lost = None;
                        self.begun = false;
                    }
                    Order::Stop | Order::Write(_) => return self.look_for_deleted(),
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
            .and_then(|path| Target::create(&path, self.all(), &self.trouble));
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
        let same = |target: &&Target| target.path == path && !target.is_deleted();
        if let Some(target) = self.files.iter().find(same) {
            return Ok(target.length());
        }
        // With autosave everything is in memory.
        let (target, more) = match (self.files.first(), &self.lost) {
            _ if self.autosave.is_some() => (None, &[][..]),
            (Some(target), _) => (Some(target), &[][..]),
            (None, lost) => (lost.as_ref(), &self.memory[..]),
        };
        let so_far = match target {
            Some(target) => {
                let mut bytes = target.read()?;
                more.iter().for_each(|entry| file::encode(entry, &mut bytes));
                bytes
            }
            None => self.all(),
        };
        let (target, length) = Target::create(path, so_far, &self.trouble)?;
        self.files.retain(|target| target.path != path);
        if self.autosave.is_none() {
            self.memory = Vec::new();
            self.lost = None;
        }
        self.begun = true;
        self.files.push(target);
        Ok(length)
    }

    /// Hands lines to all files; `entries` are those in them.
    fn flush(&mut self, buffer: &mut Vec<u8>, entries: &[Entry]) {
        if buffer.is_empty() {
            return;
        }
        let mut kept = 0;
        for mut target in std::mem::take(&mut self.files) {
            match target.write(buffer, &self.trouble) {
                Ok(()) => self.files.push(target),
                Err(lines) => {
                    kept = lines.min(entries.len());
                    self.lost = Some(target);
                }
            }
        }
        // No file has the others; with autosave the memory has them already.
        if self.files.is_empty() && self.autosave.is_none() {
            self.memory.extend_from_slice(&entries[kept..]);
        }
        buffer.clear();
    }

    /// Says of each file that was deleted that nothing is saved there; a line may have been the last.
    fn look_for_deleted(&mut self) {
        for target in std::mem::take(&mut self.files) {
            match target.is_deleted() {
                false => self.files.push(target),
                true => {
                    (self.trouble)(target.deleted());
                    self.lost = Some(target);
                }
            }
        }
    }
}

impl AutosaveFolder {
    /// Creates the folder, makes room in it, and returns the new file's path.
    fn prepare(&self, created: &str) -> std::io::Result<PathBuf> {
        std::fs::create_dir_all(&self.folder)?;
        #[cfg(unix)]
        std::fs::set_permissions(
            &self.folder,
            std::os::unix::fs::PermissionsExt::from_mode(0o700),
        )?;
        self.prune();
        // File names begin with the time, to the second.
        let stamp = crate::text::to_the_second(created).replace(':', "-");
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
                // A file that cannot be removed is no reason not to save this session.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
