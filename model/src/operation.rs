//! What a transaction consists of, what it changed, and why it was refused.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use crate::datum::Datum;
use crate::table::{Row, RowError, Table};

/// The columns that an operation names, with their values.
pub type NamedColumns = Vec<(String, Datum)>;

/// One step of a transaction (RFC 7047 section 5.2, with rows named by UUID).
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    /// A new row under a UUID that the client made up; columns not named get their defaults.
    Insert {
        /// The table.
        table: String,
        /// The new row's identity.
        uuid: Uuid,
        /// The columns that differ from their defaults.
        columns: NamedColumns,
    },
    /// Replaces whole columns of a row.
    Update {
        /// The table.
        table: String,
        /// The row.
        uuid: Uuid,
        /// The columns with their new values.
        columns: NamedColumns,
    },
    /// Changes a column relative to what it holds (RFC 7047 section 5.1, `<mutation>`).
    Mutate {
        /// The table.
        table: String,
        /// The row.
        uuid: Uuid,
        /// The column.
        column: String,
        /// How.
        mutator: Mutator,
        /// With what.
        datum: Datum,
    },
    /// Removes a row.
    Delete {
        /// The table.
        table: String,
        /// The row.
        uuid: Uuid,
    },
    /// The transaction conflicts unless the row exists and its columns have these values.
    Verify {
        /// The table.
        table: String,
        /// The row.
        uuid: Uuid,
        /// The columns with the values that they are to have.
        columns: NamedColumns,
    },
    /// The transaction conflicts if the table changed after the revision.
    VerifyTable {
        /// The table.
        table: String,
        /// The revision.
        revision: u64,
    },
    /// A word for the log.
    Comment(String),
}

impl Operation {
    /// Replaces the columns of a row of a declared table.
    pub fn update<T: Table>(
        id: crate::table::Id<T>,
        columns: impl IntoIterator<Item = (&'static str, Datum)>,
    ) -> Self {
        let columns = columns.into_iter();
        Self::Update {
            table: T::NAME.to_owned(),
            uuid: id.uuid(),
            columns: columns
                .map(|(name, datum)| (name.to_owned(), datum))
                .collect(),
        }
    }

    /// Removes a row of a declared table.
    pub fn delete<T: Table>(id: crate::table::Id<T>) -> Self {
        Self::Delete {
            table: T::NAME.to_owned(),
            uuid: id.uuid(),
        }
    }
}

/// How a mutation changes a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutator {
    /// Adds elements to a set, or pairs to a map whose keys it has not.
    Insert,
    /// Removes elements of a set, or pairs of a map (by key, or by key and value).
    Delete,
    /// `+=` on each number.
    Add,
    /// `-=` on each number.
    Subtract,
    /// `*=` on each number.
    Multiply,
    /// `/=` on each number.
    Divide,
    /// `%=` on each integer.
    Modulo,
}

/// Who asks for a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// A user of the northbound API: writes neither reported columns nor internal tables, and touching a row
    /// that is not there is a conflict.
    Client,
    /// northd itself, which reports about rows that a client may just have removed: touching a row that
    /// is not there does nothing.
    System,
}

/// What a transaction changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// The revision that it made.
    pub revision: u64,
    /// The rows by the name of their table; tables without changes are not named.
    pub tables: BTreeMap<&'static str, Vec<RowChange>>,
}

/// A row before and after a transaction; not both are `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange {
    /// The row's identity.
    pub uuid: Uuid,
    /// What it was; `None` when it is new.
    pub old: Option<Arc<Row>>,
    /// What it is; `None` when it is gone.
    pub new: Option<Arc<Row>>,
}

/// A row of a declared table before and after a transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct TypedChange<T> {
    /// The row's identity.
    pub id: crate::table::Id<T>,
    /// What it was; `None` when it is new.
    pub old: Option<T>,
    /// What it is; `None` when it is gone.
    pub new: Option<T>,
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.tables.is_empty()
    }

    /// The changes of one table.
    pub fn of(&self, table: &str) -> &[RowChange] {
        self.tables.get(table).map_or(&[], Vec::as_slice)
    }

    /// The changes of a declared table, in its types.
    pub fn typed<T: Table>(&self) -> impl Iterator<Item = Result<TypedChange<T>, RowError>> {
        let read = |row: &Option<Arc<Row>>| row.as_deref().map(T::from_row).transpose();
        self.of(T::NAME).iter().map(move |change| {
            Ok(TypedChange {
                id: crate::table::Id::new(change.uuid),
                old: read(&change.old)?,
                new: read(&change.new)?,
            })
        })
    }
}

/// Why a transaction was refused. Nothing of it happened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {details}")]
pub struct TransactionError {
    /// What kind of reason.
    pub kind: ErrorKind,
    /// The reason, in a sentence.
    pub details: String,
}

/// The kinds of reasons to refuse a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// A value, the number of rows, or an index is out of its bounds.
    ConstraintViolation,
    /// A strong reference would name a row that is not there.
    ReferentialIntegrity,
    /// What the transaction relied on has changed; it may be tried again on the new state.
    Conflict,
    /// A table, column or type that does not exist.
    Syntax,
    /// A mutation that the column's type does not have.
    MutationNotAllowed,
    /// A division by zero.
    Domain,
    /// An arithmetic result that the type does not hold.
    Range,
    /// A table that this version of weft does not carry out.
    NotSupported,
    /// What only northd writes.
    Permission,
}

impl ErrorKind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::ConstraintViolation,
        Self::ReferentialIntegrity,
        Self::Conflict,
        Self::Syntax,
        Self::MutationNotAllowed,
        Self::Domain,
        Self::Range,
        Self::NotSupported,
        Self::Permission,
    ];

    /// RFC 7047's words for it where it has some.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConstraintViolation => "constraint violation",
            Self::ReferentialIntegrity => "referential integrity violation",
            Self::Conflict => "conflict",
            Self::Syntax => "syntax error",
            Self::MutationNotAllowed => "mutation not allowed",
            Self::Domain => "domain error",
            Self::Range => "range error",
            Self::NotSupported => "not supported",
            Self::Permission => "permission error",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ErrorKind {
    type Err = UnknownErrorKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kind = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        kind.ok_or_else(|| UnknownErrorKind(text.to_owned()))
    }
}

/// Words that name no kind of error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no known kind of transaction error")]
pub struct UnknownErrorKind(pub String);

impl TransactionError {
    /// A refusal of this kind.
    pub fn new(kind: ErrorKind, details: impl Into<String>) -> Self {
        Self {
            kind,
            details: details.into(),
        }
    }

    /// The refusal as ovsdb-server writes it: `{"details":"...","error":"..."}`.
    pub fn to_json(&self) -> String {
        serde_json::json!({ "details": self.details, "error": self.kind.as_str() }).to_string()
    }
}
