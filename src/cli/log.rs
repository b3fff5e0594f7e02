//! `--log FILE`: what this program does, for itself; masked, and silent without the option.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

use super::exit::Failure;
use super::secrets;

/// Begins to write the log to `path`, which is made for its owner alone; an older log is continued.
pub(super) fn begin(path: &Path) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|e| format!("--log {}: {e}", path.display()))?;
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_ansi(false)
        .with_span_events(FmtSpan::NONE)
        .with_writer(LogFile(Arc::new(Mutex::new(file))))
        .finish();
    // It is set once, before anything else runs.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}

/// The log's file.
struct LogFile(Arc<Mutex<File>>);

impl<'a> MakeWriter<'a> for LogFile {
    type Writer = LogLine;

    fn make_writer(&'a self) -> LogLine {
        LogLine { file: Arc::clone(&self.0), text: Vec::new() }
    }
}

/// One event. It is masked as a whole when it is complete, because its parts arrive one by one.
struct LogLine {
    file: Arc<Mutex<File>>,
    text: Vec<u8>,
}

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        let text = secrets::masked(text.trim_end_matches('\n'));
        let text = crate::text::visible(&text, crate::text::Newlines::Show);
        if let Ok(mut file) = self.file.lock() {
            // A log that cannot be written is no reason to stop anything.
            let _ = writeln!(file, "{text}");
        }
    }
}
