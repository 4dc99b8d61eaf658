//! The options before the first command: those of the program and those of that command.

mod getopt;
mod global;
mod settings;

pub use getopt::{Given, GivenOption, parse};
pub use global::{GLOBAL_OPTIONS, GlobalOption, Section};
pub use settings::{Action, Settings, Wait, read};
