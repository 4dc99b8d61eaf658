//! `help`: the commands, explained.

use crate::command::{Call, nearest};
use crate::commands::{all, find};
use crate::failure::Failure;
use crate::help;
use crate::options::Settings;

pub(super) fn help(_: &Settings, call: &Call) -> Result<String, Failure> {
    let Some(name) = call.arguments().first() else {
        return Ok(help::overview());
    };
    match find(name) {
        Some(command) => Ok(help::of(command)),
        None => {
            let failure = Failure::usage(format!("unknown command '{name}'; use --help for help"));
            Err(match nearest(name, all().map(|command| command.name)) {
                Some(nearest) => failure.hint(format!("did you mean '{nearest}'?")),
                None => failure,
            })
        }
    }
}
