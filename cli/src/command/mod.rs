//! The command language: what a command is, and what was called.
//!
//! Every command is declared once, as a [`Command`] in its family's [`Group`]. Parsing, help, completions
//! and manual pages are made from that declaration.

mod call;
mod nearest;

use crate::context::Context;
use crate::failure::Failure;
use crate::options::Settings;

pub use call::{Call, parse_calls};
pub use nearest::nearest;

/// Any number of arguments.
pub const ANY: usize = usize::MAX;

/// A family of commands.
#[derive(Debug)]
pub struct Group {
    /// The heading of the family in the help.
    pub title: &'static str,
    /// The commands, in the order of the help.
    pub commands: &'static [Command],
}

/// The declaration of a command.
#[derive(Debug)]
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// Its arguments as the help shows them.
    pub arguments: &'static str,
    /// The fewest arguments.
    pub min_arguments: usize,
    /// The most arguments.
    pub max_arguments: usize,
    /// The options that it takes before its name.
    pub options: &'static [CommandOption],
    /// One line about what it does.
    pub summary: &'static str,
    /// More about it; may be empty.
    pub details: &'static str,
    /// Command lines to learn from, without the program's name.
    pub examples: &'static [&'static str],
    /// What it does.
    pub handler: Handler,
}

/// An option of a command, written before the command's name.
#[derive(Clone, Copy, Debug)]
pub struct CommandOption {
    /// Its name with the dashes.
    pub name: &'static str,
    /// Whether a value follows it.
    pub value: OptionValue,
    /// One line about what it does.
    pub summary: &'static str,
    /// It can be given several times, to a command that stands alone; its values are joined by semicolons.
    pub is_repeatable: bool,
    /// OVN's command of the name does not have it: it may follow the command's name, too.
    pub is_own: bool,
}

/// Whether an option has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionValue {
    /// `--option`.
    None,
    /// `--option=VALUE`; the word is what the help calls the value.
    Required(&'static str),
    /// `--option` or `--option=VALUE`.
    Optional(&'static str),
}

/// Checks a call against the schema alone, before anything is read.
pub type Prepare = fn(&Call) -> Result<(), Failure>;

/// Carries out a call on the local copy of the database.
pub type Run = fn(&mut Context<'_>, &Call) -> Result<(), Failure>;

/// Carries out a call that has nothing to do with the database's rows, and returns what to print.
pub type RunAlone = fn(&Settings, &Call) -> Result<String, Failure>;

/// What a command does.
#[derive(Clone, Copy, Debug)]
pub enum Handler {
    /// Works on the rows; several of these make one transaction.
    Rows {
        /// The first check, if there is one.
        prepare: Option<Prepare>,
        /// The work.
        run: Run,
    },
    /// Works by itself, and must be the only command of its line.
    Alone(RunAlone),
    /// Is a command of OVN about a feature that this version does not carry out.
    Unsupported,
}

impl Command {
    /// A command that works on rows.
    pub const fn rows(
        name: &'static str,
        (arguments, min_arguments, max_arguments): (&'static str, usize, usize),
        summary: &'static str,
        run: Run,
    ) -> Self {
        Self::new(
            name,
            (arguments, min_arguments, max_arguments),
            summary,
            Handler::Rows { prepare: None, run },
        )
    }

    /// A command that works by itself.
    pub const fn alone(
        name: &'static str,
        (arguments, min_arguments, max_arguments): (&'static str, usize, usize),
        summary: &'static str,
        run: RunAlone,
    ) -> Self {
        Self::new(
            name,
            (arguments, min_arguments, max_arguments),
            summary,
            Handler::Alone(run),
        )
    }

    /// A command of OVN that this version refuses.
    pub const fn unsupported(name: &'static str) -> Self {
        Self::new(name, ("...", 0, ANY), "", Handler::Unsupported)
    }

    const fn new(
        name: &'static str,
        (arguments, min_arguments, max_arguments): (&'static str, usize, usize),
        summary: &'static str,
        handler: Handler,
    ) -> Self {
        Self {
            name,
            arguments,
            min_arguments,
            max_arguments,
            options: &[],
            summary,
            details: "",
            examples: &[],
            handler,
        }
    }

    /// The same with these options.
    pub const fn options(mut self, options: &'static [CommandOption]) -> Self {
        self.options = options;
        self
    }

    /// The same with more to say about it.
    pub const fn details(mut self, details: &'static str) -> Self {
        self.details = details;
        self
    }

    /// The same with examples.
    pub const fn examples(mut self, examples: &'static [&'static str]) -> Self {
        self.examples = examples;
        self
    }

    /// The same with a first check; only for commands that work on rows.
    pub const fn prepare(mut self, prepare: Prepare) -> Self {
        if let Handler::Rows { run, .. } = self.handler {
            self.handler = Handler::Rows {
                prepare: Some(prepare),
                run,
            };
        }
        self
    }
}

impl CommandOption {
    /// An option without a value.
    pub const fn flag(name: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            value: OptionValue::None,
            summary,
            is_repeatable: false,
            is_own: false,
        }
    }

    /// An option with a value.
    pub const fn value(name: &'static str, value: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            value: OptionValue::Required(value),
            summary,
            is_repeatable: false,
            is_own: false,
        }
    }

    /// An option with or without a value.
    pub const fn optional(name: &'static str, value: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            value: OptionValue::Optional(value),
            summary,
            is_repeatable: false,
            is_own: false,
        }
    }

    /// The same, which can be given several times.
    pub const fn repeatable(mut self) -> Self {
        self.is_repeatable = true;
        self
    }

    /// The same, which OVN's command does not have.
    pub const fn own(mut self) -> Self {
        self.is_own = true;
        self
    }

    /// The option as the help shows it.
    pub fn usage(&self) -> String {
        match self.value {
            OptionValue::None => self.name.to_owned(),
            OptionValue::Required(value) => format!("{}={value}", self.name),
            OptionValue::Optional(value) => format!("{}[={value}]", self.name),
        }
    }
}

/// The option of commands that make something: what is there already is left as it is.
pub const MAY_EXIST: CommandOption =
    CommandOption::flag("--may-exist", "do nothing if it is there already");

/// The option of commands that need something: what is not there is passed over.
pub const IF_EXISTS: CommandOption =
    CommandOption::flag("--if-exists", "do nothing if it is not there");
