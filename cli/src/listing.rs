//! The commands and options for other programs: shells' completions, manual pages, `--commands`, `--options`.

use clap::{Arg, ArgAction, Command as ClapCommand};

use crate::command::{ANY, Command, CommandOption, Handler, OptionValue};
use crate::commands::{GROUPS, all};
use crate::options::{GLOBAL_OPTIONS, GlobalOption, Section};
use crate::{help, program};

/// Every command, a line each: its options in brackets, its name, its arguments.
pub(crate) fn commands() -> String {
    supported()
        .map(|command| {
            let options: String = command
                .options
                .iter()
                .map(|option| format!("[{}] ", option.usage()))
                .collect();
            format!("{options},{},{}\n", command.name, command.arguments)
        })
        .collect()
}

/// Every option, a line each.
pub(crate) fn options() -> String {
    let mut lines: Vec<String> = Vec::new();
    let commands = supported().flat_map(|command| command.options);
    let names = GLOBAL_OPTIONS
        .iter()
        .map(|option| (format!("--{}", option.name), option.value, option.short))
        .chain(commands.map(|option| (option.name.to_owned(), option.value, None)));
    for (name, value, short) in names {
        let argument = if value == OptionValue::None {
            ""
        } else {
            "=ARG"
        };
        let line = format!("{name}{argument}\n");
        if !lines.contains(&line) {
            lines.push(line);
            lines.extend(short.map(|short| format!("-{short}{}\n", argument.replace('=', " "))));
        }
    }
    lines.concat()
}

/// The program as clap describes programs.
pub(crate) fn clap_command() -> ClapCommand {
    let mut program = ClapCommand::new(program::NAME)
        .about("Scripts the logical network")
        .long_about(help::overview())
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .disable_help_flag(true)
        .disable_version_flag(true);
    let is_shown =
        |option: &&GlobalOption| !matches!(option.section, Section::Ignored | Section::Refused);
    for option in GLOBAL_OPTIONS.iter().filter(is_shown) {
        let arg = Arg::new(option.name).long(option.name).help(option.summary);
        let arg = match option.short {
            Some(short) => arg.short(short),
            None => arg,
        };
        program = program.arg(with_value(arg, option.value));
    }
    for option in leading_options() {
        program = program.arg(command_option(option).hide(true));
    }
    program.subcommands(supported().map(subcommand))
}

/// The commands that this version carries out.
fn supported() -> impl Iterator<Item = &'static Command> {
    all().filter(|command| !matches!(command.handler, Handler::Unsupported))
}

/// The options that stand before the names of commands, each once.
fn leading_options() -> Vec<&'static CommandOption> {
    let mut options: Vec<&CommandOption> = Vec::new();
    let commands = GROUPS.iter().flat_map(|group| group.commands);
    let rows = commands.filter(|command| matches!(command.handler, Handler::Rows { .. }));
    for option in rows.flat_map(|command| command.options) {
        if options.iter().all(|known| known.name != option.name) {
            options.push(option);
        }
    }
    options
}

fn subcommand(command: &'static Command) -> ClapCommand {
    let mut subcommand = ClapCommand::new(command.name)
        .about(command.summary)
        .long_about(help::of(command))
        .disable_help_flag(true);
    if command.max_arguments > 0 {
        let count = command.min_arguments..=command.max_arguments.min(ANY - 1);
        subcommand = subcommand.arg(
            Arg::new("arguments")
                .value_name(command.arguments)
                .num_args(count)
                .action(ArgAction::Append),
        );
    }
    if matches!(command.handler, Handler::Alone(_)) {
        for option in command.options {
            subcommand = subcommand.arg(command_option(option));
        }
    }
    subcommand
}

fn command_option(option: &'static CommandOption) -> Arg {
    let name = option.name.trim_start_matches('-');
    let arg = Arg::new(name).long(name).help(option.summary);
    with_value(arg, option.value)
}

fn with_value(arg: Arg, value: OptionValue) -> Arg {
    match value {
        OptionValue::None => arg.action(ArgAction::SetTrue),
        OptionValue::Required(name) => arg.value_name(name),
        OptionValue::Optional(name) => arg.value_name(name).num_args(0..=1),
    }
}
