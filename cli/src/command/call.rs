//! From words to calls: `-- OPTIONS NAME ARGUMENTS -- ...`.

use std::collections::BTreeMap;

use super::{ANY, Command, CommandOption, Handler, OptionValue, nearest};
use crate::commands::{all, find};
use crate::failure::Failure;

/// The options of one call: names with the dashes, and values where there are some.
pub(super) type CallOptions = BTreeMap<String, Option<String>>;

const MISSING_NAME: &str = "missing command name (use --help for help)";

/// One command of the line, with what was given to it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The command's declaration.
    pub command: &'static Command,
    options: CallOptions,
    arguments: Vec<String>,
}

impl Call {
    /// Whether the option was given.
    pub fn has(&self, option: &str) -> bool {
        self.options.contains_key(option)
    }

    /// The option's value, if it was given one.
    pub fn option(&self, option: &str) -> Option<&str> {
        self.options.get(option)?.as_deref()
    }

    /// The arguments.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// The argument at `index`, which the declaration must promise.
    pub fn argument(&self, index: usize) -> &str {
        &self.arguments[index]
    }
}

/// Splits the words after the global options into calls. `first_options` are those of the first command
/// that were read among the global ones.
///
/// # Errors
/// Unknown commands and options, and wrong numbers of arguments.
pub fn parse_calls(words: &[String], first_options: CallOptions) -> Result<Vec<Call>, Failure> {
    let mut options = first_options;
    let mut calls = Vec::new();
    for words in words.split(|word| word == "--") {
        if !words.is_empty() {
            calls.push(parse_call(words, std::mem::take(&mut options))?);
        } else if !options.is_empty() {
            return Err(Failure::usage(MISSING_NAME));
        }
    }
    if calls.is_empty() {
        return Err(Failure::usage(MISSING_NAME));
    }
    Ok(calls)
}

fn parse_call(words: &[String], mut options: CallOptions) -> Result<Call, Failure> {
    let mut words = words.iter();
    let name = loop {
        let word = words.next().ok_or_else(|| Failure::usage(MISSING_NAME))?;
        if !word.starts_with('-') {
            break word;
        }
        let (option, value) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        if options.insert(option.to_owned(), value).is_some() {
            return Err(Failure::usage(format!(
                "'{word}' option specified multiple times"
            )));
        }
    };
    let command = find(name).ok_or_else(|| unknown_command(name))?;
    if matches!(command.handler, Handler::Unsupported) {
        return Err(unsupported_command(name));
    }
    let arguments = take_options(command, words, &mut options)?;
    for (option, value) in &options {
        check_option(command, option, value.is_some())?;
    }
    check_count(command, &arguments)?;
    Ok(Call {
        command,
        options,
        arguments,
    })
}

/// Takes the options out of the words after the name of a command: all of a command that stands alone, since such
/// commands are not OVN's, and else those that OVN does not have. They take `=` or a space before the value.
fn take_options<'a>(
    command: &Command,
    words: impl Iterator<Item = &'a String>,
    options: &mut CallOptions,
) -> Result<Vec<String>, Failure> {
    let is_alone = matches!(command.handler, Handler::Alone(_));
    let mut words = words;
    let mut arguments = Vec::new();
    while let Some(word) = words.next() {
        let (name, mut value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let declared = command.options.iter().find(|option| option.name == name);
        let is_option = match is_alone {
            true => word.starts_with("--"),
            false => declared.is_some_and(|option| option.is_own),
        };
        if !is_option {
            arguments.push(word.clone());
            continue;
        }
        let needs_value =
            declared.is_some_and(|option| matches!(option.value, OptionValue::Required(_)));
        if needs_value && value.is_none() {
            value = words.next().cloned();
        }
        let before = options.remove(name);
        let is_repeatable = declared.is_some_and(|option| option.is_repeatable);
        let value = match before {
            None => value,
            Some(before) if is_repeatable => Some(joined(before, value)),
            Some(_) => {
                return Err(Failure::usage(format!(
                    "'{word}' option specified multiple times"
                )));
            }
        };
        options.insert(name.to_owned(), value);
    }
    Ok(arguments)
}

fn unknown_command(name: &str) -> Failure {
    let failure = Failure::usage(format!("unknown command '{name}'; use --help for help"));
    match nearest(name, all().map(|command| command.name)) {
        Some(nearest) => failure.hint(format!("did you mean '{nearest}'?")),
        None => failure,
    }
}

fn joined(before: Option<String>, value: Option<String>) -> String {
    [before.unwrap_or_default(), value.unwrap_or_default()].join(";")
}

fn unsupported_command(name: &str) -> Failure {
    Failure::usage(format!("'{name}' command is not supported")).hint(
        "ovn-nbctl has this command; this version of weft does not carry out what it configures",
    )
}

fn check_option(command: &Command, option: &str, has_value: bool) -> Result<(), Failure> {
    let name = command.name;
    let Some(declared) = command.options.iter().find(|known| known.name == option) else {
        let failure = Failure::usage(format!("'{name}' command has no '{option}' option"));
        return Err(failure.hint(options_hint(command)));
    };
    match (declared.value, has_value) {
        (OptionValue::None, true) => Err(Failure::usage(format!(
            "'{option}' option on '{name}' does not accept an argument"
        ))),
        (OptionValue::Required(_), false) => Err(Failure::usage(format!(
            "missing argument to '{option}' option on '{name}' command"
        ))),
        _ => Ok(()),
    }
}

fn options_hint(command: &Command) -> String {
    let options: Vec<String> = command.options.iter().map(CommandOption::usage).collect();
    if options.is_empty() {
        "it takes no options".to_owned()
    } else {
        format!("its options are: {}", options.join(", "))
    }
}

fn check_count(command: &Command, arguments: &[String]) -> Result<(), Failure> {
    let (name, min, max) = (command.name, command.min_arguments, command.max_arguments);
    let failure = if arguments.len() < min {
        Failure::usage(format!(
            "'{name}' command requires at least {min} arguments"
        ))
    } else if max != ANY && arguments.len() > max {
        let note = if arguments.iter().any(|argument| argument.starts_with('-')) {
            " (note that options must precede command names and follow a \"--\" argument)"
        } else {
            ""
        };
        Failure::usage(format!(
            "'{name}' command takes at most {max} arguments{note}"
        ))
    } else {
        return Ok(());
    };
    Err(failure.hint(
        format!("usage: {name} {}", command.arguments)
            .trim_end()
            .to_owned(),
    ))
}
