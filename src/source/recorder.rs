//! The recorder: writes entries to a file as they happen, on a thread of its own.
//!
//! What arrived is handed to the kernel at once and survives the process; the disk is asked to keep
//! it at least every 100 ms while bytes arrive. A recorder that cannot write says so once and
//! stands aside: the stream goes on.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::journal::{Entry, file};

/// The pause between two requests to the disk to keep what was written.
const SYNC: Duration = Duration::from_millis(60);

/// How many entries are written at once, at most: an entry must not wait for a long batch.
const BATCH: usize = 1024;

/// A handle on the recorder's thread.
#[derive(Debug)]
pub struct Recorder {
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
}

#[derive(Debug)]
enum Order {
    Write(Entry),
    /// Write everything so far to another file too, and tell how that went.
    Copy(PathBuf, Sender<std::io::Result<u64>>),
    /// Nothing more comes.
    Stop,
}

/// Creates `path` for the owner alone, with the header line and `before` in it.
///
/// # Errors
/// Those of the file system.
fn create(path: &Path, created: &str, before: &[Entry]) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    // The mode above is for new files only; one that is overwritten keeps its own.
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let mut bytes = file::header(env!("CARGO_PKG_VERSION"), created).into_bytes();
    for entry in before {
        file::encode(entry, &mut bytes);
    }
    file.write_all(&bytes)?;
    Ok(file)
}

impl Recorder {
    /// Begins a file. `trouble` is called, once, with a sentence when writing fails later.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn start(
        path: &Path,
        created: &str,
        before: &[Entry],
        trouble: impl Fn(String) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let file = create(path, created, before)?;
        let (orders, queue) = channel();
        let own = path.to_owned();
        let thread = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || record(file, &own, &queue, trouble))?;
        Ok(Self { orders, thread: Some(thread), path: path.to_owned() })
    }

    /// Where it writes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A function that hands over entries; it never blocks.
    pub fn writer(&self) -> impl Fn(&Entry) + Send + Sync + Clone + 'static {
        let orders = std::sync::Arc::new(std::sync::Mutex::new(self.orders.clone()));
        move |entry| {
            if let Ok(orders) = orders.lock() {
                // A recorder that has given up does not read any more; it has said so.
                let _ = orders.send(Order::Write(entry.clone()));
            }
        }
    }

    /// Copies everything recorded so far to `path`, and gives its length in bytes.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn copy_to(&self, path: &Path) -> std::io::Result<u64> {
        let (reply, answer) = channel();
        let gone = || std::io::Error::other("the recorder has stopped");
        self.orders.send(Order::Copy(path.to_owned(), reply)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
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

fn record(
    mut file: File,
    own: &Path,
    queue: &Receiver<Order>,
    trouble: impl Fn(String) + Send + Sync + 'static,
) {
    let trouble = Arc::new(trouble);
    let syncer = syncer(&file, own, Arc::clone(&trouble));
    let mut buffer = Vec::new();
    while let Ok(first) = queue.recv() {
        buffer.clear();
        let (mut copies, mut stop) = (Vec::new(), false);
        for order in std::iter::once(first).chain(queue.try_iter().take(BATCH)) {
            match order {
                Order::Write(entry) => file::encode(&entry, &mut buffer),
                Order::Copy(path, reply) => copies.push((path, reply)),
                Order::Stop => stop = true,
            }
        }
        if let Err(e) = file.write_all(&buffer) {
            trouble(lost(own, &e));
            break;
        }
        if let Some((dirty, _)) = &syncer {
            // Full means that it is about to sync anyway.
            let _ = dirty.try_send(());
        }
        for (path, reply) in copies {
            let _ = reply.send(copy(own, &path));
        }
        if stop {
            break;
        }
    }
    if let Some((dirty, thread)) = syncer {
        drop(dirty);
        let _ = thread.join();
    }
}

/// A disk can take its time to sync, and writing must not wait for it: that is a thread again.
/// It sleeps until something was written.
fn syncer(
    file: &File,
    own: &Path,
    trouble: Arc<impl Fn(String) + Send + Sync + 'static>,
) -> Option<(SyncSender<()>, JoinHandle<()>)> {
    let file = file.try_clone().ok()?;
    let own = own.to_owned();
    let (dirty, queue) = sync_channel(1);
    let work = move || {
        while queue.recv().is_ok() {
            match file.sync_data() {
                Ok(()) => {}
                // Pipes and some file systems cannot; nothing is lost by that.
                Err(e) if matches!(e.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {
                    return;
                }
                Err(e) => {
                    trouble(lost(&own, &e));
                    return;
                }
            }
            std::thread::sleep(SYNC);
        }
    };
    let thread = std::thread::Builder::new().name("sync".into()).spawn(work).ok()?;
    Some((dirty, thread))
}

fn lost(own: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}; what arrives from here on is not saved", own.display())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<u64> {
    let mut source = File::open(from)?;
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut target = options.open(to)?;
    let length = std::io::copy(&mut source, &mut target)?;
    target.sync_data()?;
    Ok(length)
}
