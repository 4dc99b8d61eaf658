//! Runs a program in a sandbox of its own: `sandbox PROGRAM [ARGUMENT]...`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: sandbox PROGRAM [ARGUMENT]...");
        return ExitCode::FAILURE;
    };
    let arguments: Vec<_> = arguments.collect();
    match ground::sandbox::wrap(Path::new(&program), &arguments) {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
