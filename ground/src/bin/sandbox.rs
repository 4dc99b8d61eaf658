//! Runs a program in a sandbox of its own: `sandbox PROGRAM [ARGUMENT]...`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next() else {
        eprintln!("usage: sandbox PROGRAM [ARGUMENT]...");
        return ExitCode::FAILURE;
    };
    let status = ground::sandbox::wrap(Path::new(&program))
        .and_then(|mut command| Ok(command.args(arguments).status()?));
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{}: {error:#}", program.display());
            ExitCode::FAILURE
        }
    }
}
