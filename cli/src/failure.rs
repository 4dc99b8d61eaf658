//! What went wrong, and what would be right.

use std::fmt;

use model::text::ParseError;

use crate::output::{Palette, paint};

/// Why a command line was not carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong, in `ovn-nbctl`'s words where it has some.
    pub message: String,
    /// What would be right, or where to look.
    pub hints: Vec<String>,
    /// The command line itself is wrong, whatever the database holds.
    pub is_usage: bool,
    /// What went wrong is drawn in full, and its message needs no name of the program before it.
    pub is_drawn: bool,
}

/// Who reads standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Somebody at a terminal.
    Person,
    /// A script that calls `vsctl`.
    Script,
    /// A script that calls `ovn-nbctl`, and knows nothing of hints.
    OvnScript,
}

impl Failure {
    /// Something is wrong with what the database holds or cannot take.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hints: Vec::new(),
            is_usage: false,
            is_drawn: false,
        }
    }

    /// Something is wrong with the command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            is_usage: true,
            ..Self::new(message)
        }
    }

    /// A diagnostic that was drawn already.
    pub fn drawn(text: impl Into<String>) -> Self {
        Self {
            is_drawn: true,
            ..Self::new(text)
        }
    }

    /// The same with a line about what would be right.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The text for standard error.
    ///
    /// Scripts compare what is printed there with what `ovn-nbctl` prints, so that hints about the contents
    /// of the database are shown to people only.
    pub fn text(&self, program: &str, reader: Reader, palette: &Palette) -> String {
        if self.is_drawn {
            return format!("{}\n", self.message);
        }
        let program = paint(palette.bad, &format!("{program}:"));
        let mut text = format!("{program} {}\n", self.message);
        let has_hints = match reader {
            Reader::Person => true,
            Reader::Script => self.is_usage,
            Reader::OvnScript => false,
        };
        if has_hints {
            let help = paint(palette.help, "help:");
            for hint in &self.hints {
                text.push_str(&format!("  {help} {hint}\n"));
            }
        }
        text
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<ParseError> for Failure {
    fn from(error: ParseError) -> Self {
        Self::new(error.0)
    }
}

/// A plain message is about what the database holds.
impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::new(message)
    }
}

#[cfg(test)]
mod tests {
    use super::{Failure, Palette, Reader};

    fn check(failure: Failure, expected: &[(Reader, bool)]) {
        for &(reader, is_hinted) in expected {
            let help = if is_hinted { "  help: do\n" } else { "" };
            let text = failure.text("vsctl", reader, &Palette::PLAIN);
            assert_eq!(text, format!("vsctl: wrong\n{help}"), "{reader:?}");
        }
    }

    #[test]
    fn hints_about_the_databases_contents_are_for_people_only() {
        let expected = [
            (Reader::Person, true),
            (Reader::Script, false),
            (Reader::OvnScript, false),
        ];
        check(Failure::new("wrong").hint("do"), &expected);
    }

    #[test]
    fn hints_about_the_command_line_are_for_all_who_call_vsctl_by_its_name() {
        let expected = [
            (Reader::Person, true),
            (Reader::Script, true),
            (Reader::OvnScript, false),
        ];
        check(Failure::usage("wrong").hint("do"), &expected);
    }
}
