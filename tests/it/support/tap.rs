//! The tap as a program of its own.

/// The program `tap`, with its address; ended by SIGINT when it is asked for its output.
pub(crate) struct RunningTap {
    child: std::process::Child,
    /// The address for clients.
    pub(crate) url: String,
    /// The address for a gateway.
    pub(crate) second: Option<String>,
    errors: std::thread::JoinHandle<String>,
}

impl RunningTap {
    pub(crate) fn start(dir: &std::path::Path, args: &[&str]) -> Self {
        use std::io::{BufRead as _, Read as _};
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sselens"));
        command.args(["tap", "--listen", "127.0.0.1:0"]).args(args).current_dir(dir).env_clear();
        command.env("HOME", dir).stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut errors = std::io::BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let mut address = || {
            let mut next = String::new();
            errors.read_line(&mut next).unwrap();
            line += &next;
            let url = next.split_whitespace().find(|w| w.starts_with("http://"));
            url.unwrap_or_else(|| panic!("{next}")).trim_end_matches(',').to_owned()
        };
        let url = address();
        let second = args.contains(&"--around").then(address);
        let errors = std::thread::spawn(move || {
            let mut rest = String::new();
            errors.read_to_string(&mut rest).unwrap();
            line + &rest
        });
        Self { child, url, second, errors }
    }

    /// Ends it as SIGKILL does: it can do nothing more.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Exit status, standard output, standard error.
    pub(crate) fn stop(mut self) -> (i32, String, String) {
        use std::io::Read as _;
        let id = self.child.id().to_string();
        let kill = std::process::Command::new("kill").args(["-INT", &id]).status();
        assert!(kill.unwrap().success());
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let status = self.child.wait().unwrap();
        (status.code().unwrap(), out, self.errors.join().unwrap())
    }
}
