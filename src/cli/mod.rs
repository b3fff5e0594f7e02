//! The command line: arguments, one file a subcommand, and exit statuses.

mod args;
mod around;
mod child;
mod compare;
mod config;
mod exit;
mod explain;
mod export;
mod input;
mod intercept;
mod lab;
mod listen;
mod log;
mod otlp;
mod output;
mod progress;
mod prove;
mod providers;
mod repair;
mod repeat;
mod replay;
mod request;
mod runner;
mod secrets;
mod send;
mod sent;
mod sessions;
mod show;
mod signals;
mod tap;
mod ui;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser as _};

use crate::config::Environment;
use args::{Command, Program, ScreenProgram};
use exit::{Exit, Failure, alarm};

/// Reads the arguments. Options of the screen before a subcommand would be lost: that is an error.
fn parse() -> Result<Program, clap::Error> {
    if std::env::args_os().len() <= 1 {
        return ScreenProgram::try_parse().map(Program::from);
    }
    let mut command = Program::command();
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    let given = |id: &&clap::Id| {
        matches.value_source(id.as_str()) == Some(clap::parser::ValueSource::CommandLine)
    };
    let of_screen = |id: &&clap::Id| {
        let argument = command.get_arguments().find(|a| a.get_id() == *id);
        argument.is_some_and(|a| !a.is_global_set())
    };
    if let Some((name, _)) = matches.subcommand()
        && let Some(id) = matches.ids().filter(given).find(of_screen)
    {
        let why = format!("--{id} belongs after the subcommand: sselens {name} --{id} …");
        return Err(command.error(clap::error::ErrorKind::ArgumentConflict, why));
    }
    Program::from_arg_matches(&matches)
}

/// Keeps the process's memory, which holds keys, out of core dumps.
fn forbid_core_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { maximum, .. } = getrlimit(Resource::Core);
        // If this is refused, core dumps stay as the user's system configures them.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
    }
}

/// Prints the parser's message; what it quotes of the arguments may be a key.
fn print_usage(error: &clap::Error) {
    let text = error.render().to_string();
    let masked = secrets::masked(&text);
    if masked == text {
        // clap knows which stream the message belongs to; ignore a closed one.
        let _ = error.print();
    } else {
        let _ = write!(std::io::stderr(), "{masked}");
    }
}

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    forbid_core_dumps();
    let args = std::env::args_os().skip(1).filter_map(|arg| arg.into_string().ok());
    secrets::learn(&Environment::of_process(), args);
    let program = match parse() {
        Ok(program) => program,
        Err(e) => {
            print_usage(&e);
            return ExitCode::from(e.exit_code() as u8);
        }
    };
    match run(program) {
        Ok(exit) => exit.into(),
        Err(Failure::Closed) => Exit::Ok.into(),
        Err(Failure::Usage(why)) => {
            alarm(&why);
            Exit::Usage.into()
        }
    }
}

fn run(program: Program) -> Result<Exit, Failure> {
    let global = &program.global;
    if let Some(path) = &global.log {
        log::begin(path)?;
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "started");
    let result = command(&program);
    match &result {
        Ok(exit) => tracing::info!(?exit, "ended"),
        Err(failure) => tracing::error!(?failure, "ended"),
    }
    result
}

fn command(program: &Program) -> Result<Exit, Failure> {
    let global = &program.global;
    match &program.command {
        None => ui::run(global, &program.ui),
        Some(Command::Send(args)) => send::run(global, args),
        Some(Command::Compare(args)) => compare::run(global, args),
        Some(Command::Show(args)) => show::run(global, args),
        Some(Command::Export(args)) => export::run(global, args),
        Some(Command::Tap(args)) => tap::run(global, args),
        Some(Command::Replay(args)) => replay::run(global, args),
        Some(Command::Sessions(args)) => sessions::run(global, args),
        Some(Command::Repair(args)) => repair::run(global, args),
        Some(Command::Lab(args)) => lab::run(args),
        Some(Command::Explain(args)) => explain::run(global, args),
        Some(Command::Providers(args)) => providers::run(global, args),
        Some(Command::Config(args)) => config::run(global, args),
        Some(Command::Completions { shell }) => {
            let mut out = Vec::new();
            clap_complete::generate(*shell, &mut Program::command(), "sselens", &mut out);
            std::io::stdout().write_all(&out)?;
            Ok(Exit::Ok)
        }
        Some(Command::Man) => {
            let mut out = Vec::new();
            clap_mangen::Man::new(Program::command()).render(&mut out)?;
            std::io::stdout().write_all(&out)?;
            Ok(Exit::Ok)
        }
    }
}
