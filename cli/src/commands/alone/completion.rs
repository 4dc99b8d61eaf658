//! `completion`: what shells need to complete command lines.

use clap_complete::{Shell, generate};

use crate::command::Call;
use crate::failure::Failure;
use crate::listing::clap_command;
use crate::options::Settings;
use crate::program;

pub(super) fn completion(_: &Settings, call: &Call) -> Result<String, Failure> {
    let shell = match call.argument(0) {
        "bash" => Shell::Bash,
        "zsh" => Shell::Zsh,
        "fish" => Shell::Fish,
        other => {
            return Err(
                Failure::usage(format!("{other}: no completions for this shell"))
                    .hint("it is one of: bash, zsh, fish"),
            );
        }
    };
    let mut script = Vec::new();
    generate(shell, &mut clap_command(), program::NAME, &mut script);
    Ok(String::from_utf8_lossy(&script).into_owned())
}
