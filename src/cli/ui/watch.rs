//! Reads the configuration again when its file was changed, or when the user asks for it. Nothing wakes
//! up for that: the file is looked at after a key.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{looks, providers, tools};
use crate::action::Keymap;
use crate::cli::args::{Global, RequestArgs};
use crate::cli::exit::Failure;
use crate::cli::request;
use crate::config::Config;
use crate::tui::{Reloaded, Signal};

/// The configuration that counts now.
#[derive(Clone)]
pub(super) struct Current(Arc<Mutex<Arc<Config>>>);

impl Current {
    pub(super) fn new(config: Arc<Config>) -> Self {
        Self(Arc::new(Mutex::new(config)))
    }

    pub(super) fn get(&self) -> Arc<Config> {
        // A panic in another thread does not damage the configuration.
        match self.0.lock() {
            Ok(config) => Arc::clone(&config),
            Err(poisoned) => Arc::clone(&poisoned.into_inner()),
        }
    }

    fn set(&self, config: Arc<Config>) {
        if let Ok(mut current) = self.0.lock() {
            *current = config;
        }
    }
}

/// Everything that reading the configuration needs.
pub(super) struct Watch {
    pub(super) global: Global,
    /// Bounds of the command line, which replace those of the file.
    pub(super) request: RequestArgs,
    pub(super) current: Current,
}

/// Reads the configuration on a separate thread whenever something is sent, until the returned sender is
/// dropped: true where that is only to be done if the file was changed.
pub(super) fn start(watch: Watch) -> (Sender<bool>, UnboundedReceiver<Signal>) {
    let (ask, asked) = channel();
    let (sender, receiver) = unbounded_channel();
    let work = move || run(&watch, &asked, &sender);
    // Without the thread the configuration stays as it is.
    let _ = std::thread::Builder::new().name("config".into()).spawn(work);
    (ask, receiver)
}

/// Returns the time and size that show whether a file changed.
fn stamp(path: Option<&Path>) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path?).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

fn run(watch: &Watch, asked: &Receiver<bool>, sender: &UnboundedSender<Signal>) {
    let environment = &watch.current.get().environment;
    let path: Option<PathBuf> = crate::config::path(watch.global.config.as_deref(), environment);
    let mut seen = stamp(path.as_deref());
    while let Ok(if_changed) = asked.recv() {
        let now = stamp(path.as_deref());
        if now == seen && if_changed {
            continue;
        }
        seen = now;
        let signal = match read(watch) {
            Ok(reloaded) => Signal::Configured(Box::new(reloaded)),
            Err(why) => Signal::Misconfigured(why),
        };
        if sender.send(signal).is_err() {
            return;
        }
    }
}

/// Reads it; what is wrong in it leaves everything as it was.
fn read(watch: &Watch) -> Result<Reloaded, String> {
    let global = Global { quiet: true, ..watch.global.clone() };
    let mut config = match global.load() {
        Ok(config) => config,
        Err(Failure::Usage(why)) => return Err(why),
        Err(Failure::Closed) => return Err("standard output was closed".to_owned()),
    };
    request::bounds(&watch.request, &mut config);
    let keys =
        Keymap::new(&config.keys, &crate::tui::pane_contexts()).map_err(|e| e.to_string())?;
    let looks = looks(&watch.global, &config).map_err(|e| e.to_string())?;
    let config = Arc::new(config);
    let reloaded = Reloaded {
        providers: providers(&config),
        requests: config.requests.clone(),
        notify: config.notify,
        options: Arc::new(config.options.clone()),
        keys,
        keymap: config.keymap,
        looks,
        tools: tools(&config),
    };
    watch.current.set(config);
    Ok(reloaded)
}
