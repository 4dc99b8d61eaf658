//! What is wrong with a row beyond its columns' types.

/// A column's value that its type allows and that means nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct RowFault {
    /// The column.
    pub column: &'static str,
    /// What is wrong with its value, in a clause that names it.
    pub message: String,
}

impl RowFault {
    /// What is wrong with this column.
    pub fn new(column: &'static str, message: impl Into<String>) -> Self {
        Self {
            column,
            message: message.into(),
        }
    }
}
