//! The help, made from the commands' and options' declarations.

use std::fmt::Write as _;

use crate::command::{Command, CommandOption, Group, Handler};
use crate::commands::GROUPS;
use crate::options::{GLOBAL_OPTIONS, GlobalOption, Section};
use crate::program::NAME;

/// The column at which explanations begin, and the last column of a line.
const INDENT: usize = 30;
const WIDTH: usize = 100;

/// The version of the program, and of the schema whose tables it knows.
pub fn version() -> String {
    format!(
        "{NAME} (weft) {}\nDB Schema {}\n",
        env!("CARGO_PKG_VERSION"),
        model::nb::OVN_SCHEMA_VERSION
    )
}

/// All commands and options.
pub fn overview() -> String {
    let mut text = format!(
        "{NAME}: scripts the logical network\n\
         usage: {NAME} [OPTIONS] COMMAND [ARG...] [-- COMMAND [ARG...]]...\n\n\
         The commands of one line, with -- between them, happen together or not at all. A command's own \
         options\nstand before its name: {NAME} -- --if-exists ls-del web -- ls-add web\n\
         '{NAME} help COMMAND' explains a command.\n"
    );
    text.push_str(FIRST_STEPS);
    let (supported, unsupported): (Vec<&Group>, Vec<&Group>) =
        GROUPS.iter().partition(|group| !is_unsupported(group));
    for group in supported {
        push_group(&mut text, group);
    }
    push_options(&mut text);
    text.push_str(COLOURS);
    for group in unsupported {
        push_group(&mut text, group);
    }
    text
}

const FIRST_STEPS: &str = "
First steps:
  vsctl ls-add web                                         a switch,
  vsctl lsp-add web web-1                                  a port on it,
  vsctl lsp-set-addresses web-1 '0a:58:0a:00:00:05 10.0.0.5'
  vsctl show                                               and what there is now
  vsctl attach web-1 --netns pod1 --ifname eth0            the port in a pod of this node

When something does not arrive:
  vsctl trace web 'inport == \"web-1\" && ...'               where it would go (vsctl help trace)
  vsctl node drops                                         what this node dropped, and by which rule
  vsctl ct-list                                            its connections, and who decided about each
  vsctl acl-list --stats web                               what each ACL has come to
";

const COLOURS: &str = "
On a terminal, output is coloured; NO_COLOR=1 in the environment says no, CLICOLOR_FORCE=1 yes in any case.
";

fn is_unsupported(group: &Group) -> bool {
    let mut commands = group.commands.iter();
    commands.all(|command| matches!(command.handler, Handler::Unsupported))
}

fn push_group(text: &mut String, group: &Group) {
    let _ = write!(text, "\n{}:\n", group.title);
    if is_unsupported(group) {
        let names: Vec<&str> = group.commands.iter().map(|command| command.name).collect();
        push_wrapped(text, &names.join(" "), 2);
        return;
    }
    for command in group.commands {
        let left = format!("  {} {}", command.name, command.arguments);
        push_row(text, left.trim_end(), command.summary);
    }
}

fn push_options(text: &mut String) {
    for (section, title) in [
        (Section::Connection, "Connection options"),
        (Section::Waiting, "Waiting options"),
        (Section::Output, "Output options"),
        (Section::Other, "Other options"),
    ] {
        let _ = write!(text, "\n{title}:\n");
        for option in GLOBAL_OPTIONS
            .iter()
            .filter(|option| option.section == section)
        {
            push_row(text, &format!("  {}", option.usage()), option.summary);
        }
    }
    text.push_str("\nTaken because scripts written for ovn-nbctl give them, without effect:\n");
    let ignored: Vec<String> = GLOBAL_OPTIONS
        .iter()
        .filter(|option| option.section == Section::Ignored)
        .map(GlobalOption::usage)
        .collect();
    push_wrapped(text, &ignored.join(" "), 2);
}

/// Everything about one command.
pub fn of(command: &Command) -> String {
    if matches!(command.handler, Handler::Unsupported) {
        return format!(
            "{}: a command of ovn-nbctl about a feature that this version of weft does not carry out\n",
            command.name
        );
    }
    let mut text = String::new();
    push_wrapped(
        &mut text,
        &format!("{}: {}", command.name, command.summary),
        0,
    );
    let _ = writeln!(text, "usage: {}", usage(command));
    if !command.details.is_empty() {
        text.push('\n');
        push_wrapped(&mut text, command.details, 0);
    }
    if !command.options.is_empty() {
        text.push_str("\nOptions:\n");
    }
    for option in command.options {
        push_row(&mut text, &format!("  {}", option.usage()), option.summary);
    }
    if !command.examples.is_empty() {
        text.push_str("\nExamples:\n");
    }
    for example in command.examples {
        let _ = writeln!(text, "  {NAME} {example}");
    }
    text
}

/// The command line: OVN's commands take their options before their names, weft's own after them.
fn usage(command: &Command) -> String {
    let options: Vec<String> = command
        .options
        .iter()
        .map(CommandOption::usage)
        .map(|option| format!("[{option}]"))
        .collect();
    let words = match command.handler {
        Handler::Alone(_) => [NAME, command.name, &options.join(" "), command.arguments],
        _ => [NAME, &options.join(" "), command.name, command.arguments],
    };
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// A name with its explanation beside it, or below it where the name is long.
fn push_row(text: &mut String, left: &str, right: &str) {
    if left.chars().count() < INDENT - 1 {
        let start = text.len();
        push_wrapped(text, right, INDENT);
        text.replace_range(start..start + left.len(), left);
    } else {
        let _ = writeln!(text, "{left}");
        push_wrapped(text, right, INDENT);
    }
}

/// Words in lines of at most [`WIDTH`] columns, each after `indent` spaces.
fn push_wrapped(text: &mut String, words: &str, indent: usize) {
    let mut column = 0;
    for word in words.split_whitespace() {
        if column > 0 && column + 1 + word.chars().count() > WIDTH {
            text.push('\n');
            column = 0;
        }
        if column == 0 {
            text.push_str(&" ".repeat(indent));
            column = indent;
        } else {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.chars().count();
    }
    text.push('\n');
}
