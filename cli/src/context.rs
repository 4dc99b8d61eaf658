//! What a command works with.

use model::Database;

use crate::output::Table;
use crate::rule_stats::RuleStats;
use crate::symbols::Symbols;
use crate::workspace::Workspace;

/// The state of one line's commands while they run.
#[derive(Debug)]
pub struct Context<'a> {
    /// The rows.
    pub rows: Workspace<'a>,
    /// What rules have come to, if a call asks for it.
    pub stats: &'a RuleStats,
    /// The names given to rows on the line.
    pub symbols: Symbols,
    /// The text that the current command prints.
    pub output: String,
    /// The table that the current command prints instead: one with text, too, only if a format is asked for.
    pub table: Option<Table>,
    /// What people should know though nothing is wrong.
    pub warnings: Vec<String>,
    /// The current command waits for a change of the database.
    pub must_try_again: bool,
    /// Earlier changes are to be waited for, too (`sync`).
    pub must_wait: bool,
}

impl<'a> Context<'a> {
    /// A context over the database as it was read.
    pub fn new(database: &'a Database, stats: &'a RuleStats) -> Self {
        Self {
            rows: Workspace::new(database),
            stats,
            symbols: Symbols::default(),
            output: String::new(),
            table: None,
            warnings: Vec::new(),
            must_try_again: false,
            must_wait: false,
        }
    }

    /// Prints a line.
    pub fn line(&mut self, line: impl AsRef<str>) {
        self.output.push_str(line.as_ref());
        self.output.push('\n');
    }
}
