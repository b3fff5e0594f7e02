//! A terminal for tests: a pty with the program in it, and what a real terminal would show.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Longer than anything here takes on a busy machine: no wait is for ever.
const PATIENCE: Duration = Duration::from_secs(20);
const STEP: Duration = Duration::from_millis(5);

/// The columns and rows to begin with.
pub(crate) const SIZE: (u16, u16) = (120, 36);

/// Set for what runs in a terminal of a test.
pub(crate) const CHILD: &str = "SSELENS_TEST_CHILD";

/// A folder of its own for a program, with nothing of the user's around it.
pub(crate) struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The sessions that the program kept of its own accord.
    pub(crate) fn sessions(&self) -> Vec<PathBuf> {
        let folder = std::fs::read_dir(self.path("data/sselens/sessions"));
        let mut files: Vec<_> = folder.into_iter().flatten().map(|e| e.unwrap().path()).collect();
        files.sort();
        files
    }

    /// The summary of the one session that was kept, as a later run of the program reads it.
    pub(crate) fn kept(&self) -> serde_json::Value {
        let sessions = self.sessions();
        let [session] = &sessions[..] else { panic!("one session expected: {sessions:?}") };
        let out = Command::new(env!("CARGO_BIN_EXE_sselens"))
            .args(["show", "-o", "json"])
            .arg(session)
            .env_clear()
            .env("HOME", self.dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let reported = String::from_utf8_lossy(&out.stderr);
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {reported}"))
    }

    /// Opens a terminal with the program in it.
    pub(crate) fn run(&self, args: &[&str]) -> Terminal {
        self.start(env!("CARGO_BIN_EXE_sselens").as_ref(), args)
    }

    /// Opens a terminal with the program in it, and further environment variables.
    pub(crate) fn run_with(&self, args: &[&str], env: &[(&str, &str)]) -> Terminal {
        let mut command = self.command(env!("CARGO_BIN_EXE_sselens").as_ref(), args);
        env.iter().for_each(|(name, value)| command.env(name, value));
        Terminal::new(command)
    }

    /// Opens a terminal with any program in it.
    pub(crate) fn start(&self, program: &Path, args: &[&str]) -> Terminal {
        Terminal::new(self.command(program, args))
    }

    fn command(&self, program: &Path, args: &[&str]) -> CommandBuilder {
        let mut command = CommandBuilder::new(program);
        command.args(args);
        command.cwd(self.dir.path());
        command.env_clear();
        command.env("HOME", self.dir.path());
        command.env("XDG_CONFIG_HOME", self.path("config"));
        command.env("XDG_DATA_HOME", self.path("data"));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("TERM", "xterm-256color");
        command.env(CHILD, "1");
        command
    }
}

/// What came out of the pty.
struct Seen {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    ended: bool,
}

/// A terminal with a program in it.
pub(crate) struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    pty: Option<Box<dyn MasterPty + Send>>,
    keys: Option<Box<dyn Write + Send>>,
    seen: Arc<Mutex<Seen>>,
    /// Tells the reader to let go of the pty at its next read.
    let_go: Arc<AtomicBool>,
}

fn cells(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap()
}

fn size((cols, rows): (u16, u16)) -> PtySize {
    PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }
}

#[expect(clippy::disallowed_methods, reason = "the test has a clock of its own")]
fn now() -> Instant {
    Instant::now()
}

/// Waits until something is so, and says what it waited for in vain.
fn wait_for(what: &str, mut so: impl FnMut() -> bool, state: impl FnOnce() -> String) {
    let begun = now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}\n{}", state());
        std::thread::sleep(STEP);
    }
}

impl Terminal {
    fn new(command: CommandBuilder) -> Self {
        let pair = native_pty_system().openpty(size(SIZE)).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let keys = pair.master.take_writer().unwrap();
        let parser = vt100::Parser::new(cells(SIZE.1), cells(SIZE.0), 0);
        let seen = Arc::new(Mutex::new(Seen { parser, bytes: Vec::new(), ended: false }));
        let let_go = Arc::new(AtomicBool::new(false));
        let (into, stop) = (Arc::clone(&seen), Arc::clone(&let_go));
        std::thread::spawn(move || {
            let mut buffer = [0; 16384];
            // When the last program has closed its end, Linux returns EIO, other systems 0.
            while let Ok(n) = reader.read(&mut buffer) {
                if n == 0 || stop.load(Ordering::SeqCst) {
                    break;
                }
                let mut seen = into.lock().unwrap();
                seen.parser.process(&buffer[..n]);
                seen.bytes.extend_from_slice(&buffer[..n]);
            }
            drop(reader);
            into.lock().unwrap().ended = true;
        });
        Self { child, pty: Some(pair.master), keys: Some(keys), seen, let_go }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    /// The text on the screen.
    pub(crate) fn text(&self) -> String {
        self.seen().parser.screen().contents()
    }

    /// What came out after the last of these bytes.
    pub(crate) fn after(&self, what: &str) -> String {
        let seen = self.seen();
        let out = String::from_utf8_lossy(&seen.bytes);
        out.rsplit(what).next().unwrap_or_default().to_owned()
    }

    /// All that came out.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.seen().bytes.clone()
    }

    /// How many bytes came out.
    pub(crate) fn written(&self) -> usize {
        self.seen().bytes.len()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    /// Presses keys, as the bytes that a terminal sends for them.
    pub(crate) fn press(&mut self, keys: &str) {
        let pty = self.keys.as_mut().unwrap();
        pty.write_all(keys.as_bytes()).unwrap();
        pty.flush().unwrap();
    }

    pub(crate) fn resize(&self, to: (u16, u16)) {
        // First the terminal, then the program: what it draws for the new size must find it there.
        self.seen().parser.screen_mut().set_size(cells(to.1), cells(to.0));
        self.pty.as_ref().unwrap().resize(size(to)).unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits until the screen has this text.
    pub(crate) fn until(&self, text: &str) {
        self.until_so(text, |screen| screen.contains(text));
    }

    /// Waits until the screen is so.
    pub(crate) fn until_so(&self, what: &str, so: impl Fn(&str) -> bool) {
        wait_for(what, || so(&self.text()), || self.text());
    }

    /// Waits until nothing comes out for a while.
    pub(crate) fn until_quiet(&self, quiet: Duration) {
        let mut last = (self.written(), now());
        wait_for(
            "quiet",
            || {
                let written = self.written();
                if written != last.0 {
                    last = (written, now());
                }
                last.1.elapsed() >= quiet
            },
            || self.text(),
        );
    }

    /// The number of frames in the title, once there are at least so many.
    pub(crate) fn until_frames(&self, least: u64) -> u64 {
        self.until_so(&format!("{least} frames"), |s| frames(s) >= least);
        frames(&self.text())
    }

    /// Takes the terminal away, as a closed window does.
    pub(crate) fn vanish(&mut self) {
        self.let_go.store(true, Ordering::SeqCst);
        // The reader holds the pty, too, and notices only when it receives something. A redraw is enough.
        self.press("\x0c");
        wait_for("the reader to let go", || self.seen().ended, String::new);
        self.keys = None;
        self.pty = None;
    }

    /// Kills the program.
    pub(crate) fn kill(&mut self) {
        self.signal("-KILL");
        self.child.wait().unwrap();
    }

    /// Waits for the program's end; gives its exit status.
    pub(crate) fn ended(&mut self) -> u32 {
        let begun = now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end:\n{}", self.text());
            std::thread::sleep(STEP);
        };
        assert_eq!(status.signal(), None);
        wait_for("the last bytes", || self.seen().ended, || self.text());
        status.exit_code()
    }

    /// Asserts that the program, which has ended, left the terminal as it found it.
    pub(crate) fn assert_clean(&self) {
        let seen = self.seen();
        let screen = seen.parser.screen();
        assert!(!screen.alternate_screen(), "the alternate screen was not left");
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        assert!(!screen.bracketed_paste(), "bracketed paste is on");
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None, "the mouse is on");
        let count = |what: &[u8]| seen.bytes.windows(what.len()).filter(|w| *w == what).count();
        let (pushed, popped) = (count(b"\x1b[>1u"), count(b"\x1b[<1u"));
        assert!(pushed == 1 && popped == 1, "keyboard flags: pushed {pushed}, popped {popped}");
        assert!(count(b"\x1b[?1049h") == 1 && count(b"\x1b[?1049l") == 1, "left more than once");
        assert!(count(b"\x1b[?2026l") >= count(b"\x1b[?2026h"), "a drawing is left open");
        drop(seen);
        if let Some(modes) = self.pty.as_ref().and_then(|p| p.get_termios()) {
            let modes = format!("{:?}", modes.local_flags);
            assert!(modes.contains("ICANON") && modes.contains("ECHO"), "raw mode is on: {modes}");
        }
    }
}

/// The number before "frames" in a screen's title.
fn frames(screen: &str) -> u64 {
    let title = screen.lines().next().unwrap_or_default();
    let before = title.split(" frame").next().filter(|b| b.len() < title.len());
    let number = before.and_then(|b| b.rsplit("  ").next()).unwrap_or("0");
    number.chars().filter(char::is_ascii_digit).collect::<String>().parse().unwrap_or(0)
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Only this very program, and only if it is still there.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
