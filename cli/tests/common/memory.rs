//! `vsctl` on a database in memory, without a server.

use cli::chain::{Outcome, prepare, run};
use cli::failure::Failure;
use cli::options::{Action, read};
use cli::rule_stats::RuleStats;
use cli::session::refusal;
use model::{Author, Database};

use super::script::{Output, Side};

/// A database that starts empty.
pub(crate) struct Memory {
    database: Database,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self {
            database: Database::northbound(),
        }
    }

    fn act(&mut self, words: &[String]) -> Result<Output, Failure> {
        let Action::Run(settings, calls) = read(words, |_| None)? else {
            return Ok(Output::default());
        };
        prepare(&calls)?;
        let Outcome::Done(finished) =
            run(&self.database, &RuleStats::default(), &calls, &settings)?
        else {
            return Ok(Output {
                status: 142,
                ..Output::default()
            });
        };
        if !settings.is_dry_run {
            let result = self.database.transact(&finished.operations, Author::Client);
            let (next, _) = result.map_err(|error| refusal(&error))?;
            self.database = next;
        }
        let warnings = finished.warnings.iter();
        Ok(Output {
            stdout: finished.text(&settings),
            stderr: warnings
                .map(|warning| format!("vsctl: warning: {warning}\n"))
                .collect(),
            status: 0,
        })
    }
}

impl Side for Memory {
    fn run(&mut self, words: &[String]) -> Output {
        self.act(words).unwrap_or_else(|failure| Output {
            stderr: failure.text(
                "vsctl",
                cli::failure::Reader::Script,
                &cli::output::Palette::PLAIN,
            ),
            status: 1,
            ..Output::default()
        })
    }
}
