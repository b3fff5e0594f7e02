//! The real terminal: taking it, giving it back whatever happens, and its clipboard.

use std::io::{self, BufWriter, Stdout, Write};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, Event,
    KeyboardEnhancementFlags, PopKeyboardEnhancementFlags, PushKeyboardEnhancementFlags,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use futures_util::stream::{self, Stream};
use ratatui::Terminal;
use ratatui::backend::{Backend, ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

use super::background;
use super::run::{Console, EditError, Signal};
use crate::config::{Desktop, Notifications};

/// The terminal, taken. It is released when this is dropped, and before a panic is printed.
pub struct Tty {
    held: Arc<AtomicBool>,
    /// Some thread of the program panicked.
    panicked: Arc<AtomicBool>,
    mouse: bool,
    in_tmux: bool,
    keys: Arc<Keys>,
}

/// The reader of the keyboard: the thread of [`input`], or an editor of the user's.
#[derive(Debug, Default)]
struct Keys {
    state: Mutex<Lent>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Lent {
    /// The keys are to be the editor's.
    wanted: bool,
    /// The thread has stopped reading.
    parked: bool,
}

/// Longest time that the thread of keys may take to stop reading.
const PATIENCE: Duration = Duration::from_secs(1);

impl Keys {
    /// Stops the caller, which is the thread of keys, while they are lent.
    fn wait(&self) {
        let Ok(mut state) = self.state.lock() else { return };
        while state.wanted {
            state.parked = true;
            self.changed.notify_all();
            let Ok(again) = self.changed.wait(state) else { return };
            state = again;
        }
        state.parked = false;
    }

    /// Has the thread stop reading. It sits in a read that only an event ends: a change of the
    /// terminal's size is one that means nothing.
    fn lend(&self) {
        let Ok(mut state) = self.state.lock() else { return };
        state.wanted = true;
        #[cfg(unix)]
        let _ = rustix::process::kill_process(
            rustix::process::getpid(),
            rustix::process::Signal::WINCH,
        );
        let _ = self.changed.wait_timeout_while(state, PATIENCE, |state| !state.parked);
    }

    fn take_back(&self) {
        if let Ok(mut state) = self.state.lock() {
            state.wanted = false;
        }
        self.changed.notify_all();
    }
}

/// The terminal that the cells go to. ratatui's own drop shows the cursor, and complains on standard error
/// where it cannot: a panic if that has vanished, too. The cursor is [`Tty`]'s to show, so no drop.
pub type Cells = ManuallyDrop<Terminal<Quiet>>;

/// The terminal's cells, never asking it anything. ratatui asks for the cursor's place whenever it
/// clears the screen; a terminal that does not answer holds that up for two seconds, and one that
/// has vanished forever. On the alternate screen the answer is of no use.
pub struct Quiet(CrosstermBackend<BufWriter<Stdout>>);

/// Number of bytes that are written to the terminal at once: most drawings are shorter.
const WRITE: usize = 32 << 10;

impl Backend for Quiet {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        self.0.draw(content)
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        self.0.hide_cursor()
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        self.0.show_cursor()
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.0.set_cursor_position(position)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.0.clear()
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        self.0.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        self.0.size()
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        self.0.window_size()
    }

    fn flush(&mut self) -> io::Result<()> {
        Backend::flush(&mut self.0)
    }
}

/// Takes the terminal.
///
/// # Errors
/// There is none, or it cannot be set up.
pub fn take(mouse: bool, in_tmux: bool) -> io::Result<(Cells, Tty)> {
    let (held, panicked) = (Arc::default(), Arc::default());
    let tty = Tty {
        held: Arc::clone(&held),
        panicked: Arc::clone(&panicked),
        mouse,
        in_tmux,
        keys: Arc::default(),
    };
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        panicked.store(true, Ordering::SeqCst);
        give_back(&held);
        before(panic);
    }));
    // Under NO_COLOR crossterm writes a full reset for every color, which also removes the attributes. Colors
    // are removed when cells are drawn instead.
    crossterm::style::force_color_output(true);
    tty.enter()?;
    let cells = BufWriter::with_capacity(WRITE, io::stdout());
    let terminal = Terminal::new(Quiet(CrosstermBackend::new(cells)))?;
    Ok((ManuallyDrop::new(terminal), tty))
}

impl Tty {
    /// Returns whether some thread of the program panicked since the terminal was taken: then it was
    /// released, and the end of the loop is no vanished terminal.
    pub fn panicked(&self) -> bool {
        self.panicked.load(Ordering::SeqCst)
    }

    /// Asks the terminal for its background, together with the next drawing; nothing waits for the answer.
    pub fn ask_background(&self) {
        let silent = std::env::var_os("TERM").is_some_and(|t| t == "linux" || t == "dumb");
        if !silent {
            let _ = background::ask(&mut io::stdout());
        }
    }

    /// Runs the user's editor on a file; the keys are its own meanwhile.
    fn run_editor(&mut self, path: &Path) -> io::Result<ExitStatus> {
        let editor = ["VISUAL", "EDITOR"]
            .into_iter()
            .find_map(|name| std::env::var(name).ok().filter(|value| !value.trim().is_empty()));
        let editor = editor.unwrap_or_else(|| "vi".to_owned());
        self.keys.lend();
        give_back(&self.held);
        // The variable is a command line, as git and crontab take it.
        let status = Command::new("sh")
            .args(["-c", &format!("exec {editor} \"$1\""), "sh"])
            .arg(path)
            .status();
        let entered = self.enter();
        self.keys.take_back();
        entered?;
        status
    }

    fn enter(&self) -> io::Result<()> {
        enable_raw_mode()?;
        self.held.store(true, Ordering::SeqCst);
        let mut out = io::stdout();
        queue!(out, EnterAlternateScreen, cursor::Hide, EnableBracketedPaste)?;
        if self.mouse {
            queue!(out, EnableMouseCapture)?;
        }
        // Asking whether the terminal supports these takes seconds if it does not answer; a terminal that
        // does not support them ignores them.
        let flags = KeyboardEnhancementFlags::DISAMBIGUATE_ESCAPE_CODES;
        let _ = queue!(out, PushKeyboardEnhancementFlags(flags));
        out.flush()
    }
}

/// Releases the terminal, once.
fn give_back(held: &AtomicBool) {
    if !held.swap(false, Ordering::SeqCst) {
        return;
    }
    let mut out = io::stdout();
    // One call each: a terminal that refuses one may accept the next.
    let _ = execute!(out, EndSynchronizedUpdate);
    let _ = execute!(out, PopKeyboardEnhancementFlags);
    let _ = execute!(out, DisableMouseCapture);
    let _ = execute!(out, DisableBracketedPaste);
    let _ = execute!(out, LeaveAlternateScreen);
    let _ = execute!(out, cursor::Show);
    let _ = disable_raw_mode();
    let _ = out.flush();
}

impl Drop for Tty {
    fn drop(&mut self) {
        give_back(&self.held);
    }
}

impl Console for Tty {
    fn begin(&mut self) -> io::Result<()> {
        // A panic in another thread restored the terminal: anything drawn now would go to the shell.
        if !self.held.load(Ordering::SeqCst) {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        queue!(io::stdout(), BeginSynchronizedUpdate)
    }

    fn end(&mut self) -> io::Result<()> {
        execute!(io::stdout(), EndSynchronizedUpdate)
    }

    fn copy(&mut self, text: &str) -> io::Result<String> {
        execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text))?;
        // tmux drops the sequence by default, and takes it from its own client.
        if self.in_tmux && to_tmux(text).is_ok() {
            return Ok(", through tmux".to_owned());
        }
        Ok(", handed to the terminal (OSC 52)".to_owned())
    }

    fn notify(&mut self, how: Notifications, text: &str) -> io::Result<()> {
        let mut out = io::stdout();
        // No character of the text may end the sequence, or separate its fields.
        let plain = |c: char| if c.is_control() || c == ';' { ' ' } else { c };
        let text: String = text.chars().map(plain).collect();
        match how.desktop {
            Desktop::Off => {}
            Desktop::Osc9 => write!(out, "\x1b]9;{text}\x1b\\")?,
            Desktop::Osc777 => write!(out, "\x1b]777;notify;sselens;{text}\x1b\\")?,
        }
        if how.bell {
            out.write_all(b"\x07")?;
        }
        out.flush()
    }

    fn suspend(&mut self) -> io::Result<()> {
        give_back(&self.held);
        // The whole job stops here, as with any program, and continues here after `fg`.
        let _ = Command::new("sh").args(["-c", "kill -TSTP 0"]).stdin(Stdio::null()).status();
        self.enter()
    }

    fn edit(&mut self, bytes: &[u8]) -> io::Result<Result<Vec<u8>, EditError>> {
        // Only its owner may read it, and it is removed with the folder.
        let path = match private_file(bytes) {
            Ok(path) => path,
            Err(why) => return Ok(Err(why.into())),
        };
        let status = self.run_editor(&path);
        let edited = std::fs::read(&path);
        if let Some(folder) = path.parent() {
            let _ = std::fs::remove_dir_all(folder);
        }
        match (status, edited) {
            (Ok(status), Ok(edited)) if status.success() => Ok(Ok(edited)),
            (Ok(status), Ok(_)) => Ok(Err(EditError::Status(status))),
            (Err(why), _) | (_, Err(why)) => Ok(Err(why.into())),
        }
    }

    fn resume(&mut self) -> io::Result<()> {
        // The keyboard flags are a stack: do not push them on top of the old ones.
        let _ = execute!(io::stdout(), PopKeyboardEnhancementFlags);
        self.held.store(false, Ordering::SeqCst);
        self.enter()
    }
}

/// Writes bytes to `body.json` in a new folder that only its owner can enter.
fn private_file(bytes: &[u8]) -> io::Result<PathBuf> {
    let unique = std::process::id();
    let folder = (0..100).find_map(|n| {
        let folder = std::env::temp_dir().join(format!("sselens-{unique}-{n}"));
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder).ok().map(|()| folder)
    });
    let folder = folder.ok_or_else(|| io::Error::other("no temporary folder could be made"))?;
    let path = folder.join("body.json");
    std::fs::write(&path, bytes)?;
    Ok(path)
}

fn to_tmux(text: &str) -> io::Result<()> {
    let mut child = Command::new("tmux")
        .args(["load-buffer", "-w", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(text.as_bytes())?;
    }
    match child.wait()?.success() {
        true => Ok(()),
        false => Err(io::Error::other("tmux did not take it")),
    }
}

/// Returns what the user does, read by a separate thread.
///
/// crossterm 0.29 never returns from reading a terminal that has vanished (its own `EventStream` blocks
/// whoever polls it, too). Whatever it does, the loop must continue: SIGHUP ends it then.
///
/// # Errors
/// The thread cannot be made.
///
/// What the terminal says about its background arrives as signals, in the second stream.
pub fn input(
    tty: &Tty,
) -> io::Result<(
    impl Stream<Item = io::Result<Event>> + Unpin + use<>,
    impl Stream<Item = Signal> + Unpin + use<>,
)> {
    let keys = Arc::clone(&tty.keys);
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let (answer, mut answered) = tokio::sync::mpsc::unbounded_channel();
    let mut background = background::BackgroundAnswer::default();
    let read = move || {
        loop {
            keys.wait();
            let event = match crossterm::event::read() {
                Ok(event) => event,
                Err(broken) => return drop(sender.send(Err(broken))),
            };
            let (events, light) = background.take(event);
            if let Some(light) = light {
                // Without a listener the screen is gone.
                let _ = answer.send(Signal::Background { light });
            }
            for event in events {
                if sender.send(Ok(event)).is_err() {
                    return;
                }
            }
        }
    };
    std::thread::Builder::new().name("keys".into()).spawn(read)?;
    let events = stream::poll_fn(move |cx| receiver.poll_recv(cx));
    Ok((events, stream::poll_fn(move |cx| answered.poll_recv(cx))))
}

/// The signals that end the loop or bring the screen back. Call it inside a runtime.
///
/// # Errors
/// The handlers cannot be set.
#[cfg(unix)]
pub fn signals() -> io::Result<impl Stream<Item = Signal> + Unpin> {
    use tokio::signal::unix::{SignalKind, signal};
    // SIGCONT has no name in tokio; its number is 18 on Linux and 19 on the BSDs and macOS.
    let cont = if cfg!(target_os = "linux") { 18 } else { 19 };
    let kinds = [
        (SignalKind::terminate(), Signal::End(143)),
        (SignalKind::hangup(), Signal::End(129)),
        (SignalKind::interrupt(), Signal::End(130)),
        (SignalKind::from_raw(cont), Signal::Continued),
    ];
    let mut streams = Vec::new();
    for (kind, means) in kinds {
        let signal = signal(kind)?;
        streams.push(Box::pin(stream::unfold(signal, move |mut signal| {
            let means = means.clone();
            async move { signal.recv().await.map(|()| (means, signal)) }
        })));
    }
    Ok(stream::select_all(streams))
}

/// Returns a stream without signals, where there are none.
///
/// # Errors
/// None.
#[cfg(not(unix))]
pub fn signals() -> io::Result<impl Stream<Item = Signal> + Unpin> {
    Ok(stream::pending())
}
