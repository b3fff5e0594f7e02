//! The program: everything is in the library, see `sselens::cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    sselens::cli::main()
}
