//! The live screen of what the taps record, and a program whose output is kept separate meanwhile.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use super::super::args::{Global, LabFlags, RequestArgs, TapArgs as Args, UiArgs};
use super::super::child::{Child, Output, RunningProgram};
use super::super::exit::{Exit, Failure};
use super::super::ui;
use super::setup::Setup;
use crate::tap::{Tap, TapNews};
use crate::text;

/// Shows what the taps record on the screen.
pub(super) fn run(global: &Global, args: &Args) -> Result<Exit, Failure> {
    let config = Global { quiet: true, ..global.clone() }.load()?;
    let setup = Setup::new(args, &config)?;
    let program = Arc::new(Mutex::new(None::<BackgroundProgram>));
    let (command, started) = (args.command.clone(), Arc::clone(&program));
    let start = move |feed: ui::Feed| {
        let taps = setup.start(&feed.numbers, |_, options| {
            let (entry, notify) = (Arc::clone(&feed.entry), Arc::clone(&feed.notify));
            Tap::start(options, feed.clock, move |news: TapNews| match news {
                TapNews::Entry(e) => entry(e),
                TapNews::Trouble(text) => notify(text, true),
                TapNews::ReportedUntil(_) => {}
            })
        })?;
        let mut about = taps.about.join(" · ");
        if let Some(name) = command.first() {
            let (more, environment) = setup.environment(&name.to_string_lossy(), &taps.url);
            let program = BackgroundProgram::start(&command, &more, &environment, feed.notify)?;
            about = format!("output in {} · {about}", program.output.display());
            if let Ok(mut started) = started.lock() {
                *started = Some(program);
            }
        }
        let close = Box::new(move || {
            taps.taps.into_iter().for_each(Tap::close);
            drop(setup);
        });
        Ok(ui::Feeding { about, close })
    };
    let screen = UiArgs {
        file: None,
        save: args.save.clone(),
        request: RequestArgs::default(),
        lab: LabFlags::clone(&args.lab),
    };
    let exit = ui::run_with(global, &screen, Some(Box::new(start)));
    let program = program.lock().ok().and_then(|mut program| program.take());
    let stopped = program.map(|program| program.stop(global));
    Ok(match (exit?, stopped) {
        (Exit::Ok, Some(status)) => status,
        (exit, _) => exit,
    })
}

/// A program that runs while the screen has the terminal.
struct BackgroundProgram {
    running: RunningProgram,
    output: PathBuf,
}

impl BackgroundProgram {
    /// Starts it with its output in a file, and has its end said.
    fn start(
        command: &[std::ffi::OsString],
        more: &[String],
        environment: &[(String, String)],
        notify: Arc<dyn Fn(String, bool) + Send + Sync>,
    ) -> Result<Self, Failure> {
        let name = command.first().map(PathBuf::from).unwrap_or_default();
        let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (output, file) = output_file(&name).map_err(|e| format!("the output's file: {e}"))?;
        let child = Child::start(command, more, environment, Output::File(file))?;
        let (file, name) = (output.display().to_string(), text::preview(&name, 40));
        let running = child.running(move |exit| {
            notify(format!("{name} ended with {}; its output is in {file}", exit.code()), false);
        })?;
        Ok(Self { running, output })
    }

    /// Ends it where it still runs, and returns its exit status.
    fn stop(self, global: &Global) -> Exit {
        let exit = self.running.stop();
        global.notify(&format!("output in {}", self.output.display()));
        exit
    }
}

/// A new file in the folder for temporary files, for its owner only.
fn output_file(name: &str) -> std::io::Result<(PathBuf, File)> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = name.chars().take(40).map(plain).collect();
    for n in 0..100 {
        let file = format!("sselens-{name}-{}-{n}.log", std::process::id());
        let path = std::env::temp_dir().join(file);
        let mut options = File::options();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(std::io::ErrorKind::AlreadyExists.into())
}
