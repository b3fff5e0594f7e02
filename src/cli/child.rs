//! A program that is started and waited for; its terminal is its own.

use std::ffi::OsString;
use std::fs::File;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::exit::{Exit, Failure};
use super::signals::Signals;

/// Time that a program may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(2);

/// Reason that a program cannot be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum ChildError {
    #[error("no command was given")]
    NoCommand,
    #[error("{program}: {why}")]
    Spawn { program: String, why: std::io::Error },
    #[error(transparent)]
    Thread(#[from] std::io::Error),
}

impl From<ChildError> for Failure {
    fn from(error: ChildError) -> Self {
        Failure::Usage(error.to_string())
    }
}

/// Destination of a program's output.
pub(super) enum Output {
    /// It has the terminal, input and all.
    Terminal,
    /// Into this file; there is no input.
    File(File),
}

/// A program under way.
pub(super) struct Child {
    id: u32,
    ended: oneshot::Receiver<std::io::Result<ExitStatus>>,
}

impl Child {
    /// Starts a program with further arguments right behind its name, and further variables.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) fn start(
        command: &[OsString],
        more: &[String],
        environment: &[(String, String)],
        output: Output,
    ) -> Result<Self, ChildError> {
        let (program, arguments) = command.split_first().ok_or(ChildError::NoCommand)?;
        let mut command = Command::new(program);
        command.args(more).args(arguments);
        command.envs(environment.iter().map(|(k, v)| (k, v)));
        if let Output::File(file) = output {
            let errors = file.try_clone()?;
            command.stdin(Stdio::null()).stdout(file).stderr(errors);
        }
        let mut child = command.spawn().map_err(|why| ChildError::Spawn {
            program: program.to_string_lossy().into_owned(),
            why,
        })?;
        let id = child.id();
        let (sender, ended) = oneshot::channel();
        let wait = move || {
            // The receiver is gone when the program is about to end.
            let _ = sender.send(child.wait());
        };
        std::thread::Builder::new().name("child".into()).spawn(wait)?;
        Ok(Self { id, ended })
    }

    /// Waits for its end, and returns its exit status. An interrupt from the terminal reaches the
    /// program by itself, and is its to answer; other signals are passed on to it.
    pub(super) async fn wait(mut self, mut signals: Signals) -> Exit {
        loop {
            tokio::select! {
                ended = &mut self.ended => return status_of(ended),
                signal = signals.next() => match signal {
                    Exit::Signal(2) => {}
                    Exit::Signal(n) => pass_on(self.id, n),
                    _ => {}
                },
            }
        }
    }

    /// Lets it run and calls `when_ended` when it has ended.
    ///
    /// # Errors
    /// The system has no thread left.
    pub(super) fn running(
        self,
        when_ended: impl FnOnce(Exit) + Send + 'static,
    ) -> Result<RunningProgram, ChildError> {
        let (sender, ended) = mpsc::channel();
        let id = self.id;
        let wait = move || {
            let exit = status_of(self.ended.blocking_recv());
            when_ended(exit);
            // The receiver is gone when the program is about to end.
            let _ = sender.send(exit);
        };
        std::thread::Builder::new().name("child's end".into()).spawn(wait)?;
        Ok(RunningProgram { id, ended })
    }
}

/// A program that runs by itself.
pub(super) struct RunningProgram {
    id: u32,
    ended: mpsc::Receiver<Exit>,
}

impl RunningProgram {
    /// Asks it to end where it has not, and returns its exit status.
    pub(super) fn stop(self) -> Exit {
        if let Ok(exit) = self.ended.try_recv() {
            return exit;
        }
        pass_on(self.id, TERMINATE);
        self.ended.recv_timeout(GRACE).unwrap_or_else(|_| {
            pass_on(self.id, KILL);
            self.ended.recv_timeout(GRACE).unwrap_or(Exit::Signal(KILL))
        })
    }
}

/// SIGTERM and SIGKILL.
const TERMINATE: u8 = 15;
const KILL: u8 = 9;

fn status_of(ended: Result<std::io::Result<ExitStatus>, oneshot::error::RecvError>) -> Exit {
    match ended {
        Ok(Ok(status)) => exit(status),
        _ => Exit::Usage,
    }
}

#[cfg(unix)]
fn exit(status: ExitStatus) -> Exit {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Child(u8::try_from(code).unwrap_or(1)),
        (None, Some(signal)) => Exit::Signal(u8::try_from(signal).unwrap_or(1)),
        (None, None) => Exit::Child(1),
    }
}

#[cfg(not(unix))]
fn exit(status: ExitStatus) -> Exit {
    Exit::Child(status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1)))
}

#[cfg(unix)]
fn pass_on(id: u32, signal: u8) {
    let signal = nix::sys::signal::Signal::try_from(i32::from(signal));
    if let (Ok(signal), Ok(id)) = (signal, i32::try_from(id)) {
        // A program that has ended already needs no signal.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(id), signal);
    }
}

#[cfg(not(unix))]
fn pass_on(_: u32, _: u8) {}
