//! What a unit puts out.

use std::fmt;

use model::Datum;
use pipeline::object::Object;
use uuid::Uuid;

/// What compiling one row gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// The name of the row, for those who read its warnings.
    pub(super) name: String,
    pub(super) objects: Vec<Object>,
    pub(super) warnings: Vec<Warning>,
    pub(super) reports: Vec<Report>,
}

/// What a column says that is not in force, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Warning {
    pub(super) column: &'static str,
    pub(super) message: String,
}

/// The value that a reported column of the row should have.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Report {
    pub(super) column: &'static str,
    pub(super) value: Datum,
}

impl Output {
    /// Names the row.
    pub(super) fn name(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// Adds an object.
    pub(super) fn object(&mut self, object: Object) {
        self.objects.push(object);
    }

    /// Says that something in this column is not in force.
    pub(super) fn warn(&mut self, column: &'static str, message: impl Into<String>) {
        self.warnings.push(Warning {
            column,
            message: message.into(),
        });
    }

    /// Says what a reported column of the row should hold.
    pub(super) fn report(&mut self, column: &'static str, value: Datum) {
        self.reports.push(Report { column, value });
    }

    /// The warnings, with the row that they are about.
    pub(super) fn row_warnings(&self, table: &'static str, row: Uuid) -> Vec<RowWarning> {
        let warnings = self.warnings.iter().map(|warning| RowWarning {
            table,
            row,
            name: self.name.clone(),
            column: warning.column,
            message: warning.message.clone(),
        });
        warnings.collect()
    }

    /// The value, or a warning that says why there is none.
    pub(super) fn checked<T>(
        &mut self,
        column: &'static str,
        value: Result<T, impl fmt::Display>,
    ) -> Option<T> {
        match value {
            Ok(value) => Some(value),
            Err(error) => {
                self.warn(column, error.to_string());
                None
            }
        }
    }
}

/// A row that is stored but not, or not wholly, in force.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowWarning {
    /// The table.
    pub table: &'static str,
    /// The row.
    pub row: Uuid,
    /// The row's name, as far as it has one.
    pub name: String,
    /// The column.
    pub column: &'static str,
    /// What is wrong, in a sentence without a full stop.
    pub message: String,
}

impl fmt::Display for RowWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, row, .. } = self;
        match self.name.as_str() {
            "" => write!(f, "{table} {row}: ")?,
            name => write!(f, "{table} {name}: ")?,
        }
        write!(f, "{}: {}", self.column, self.message)
    }
}
