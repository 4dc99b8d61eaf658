//! Refusals of a transaction.

use model::{ErrorKind, TransactionError};

use super::WireError;
use crate::northbound as wire;

/// The refusal on the wire.
pub fn transaction_error_to_wire(error: &TransactionError) -> wire::TransactionError {
    wire::TransactionError {
        kind: error.kind.as_str().to_owned(),
        details: error.details.clone(),
        conflict: error.kind == ErrorKind::Conflict,
    }
}

/// The refusal from the wire.
pub fn transaction_error_from_wire(
    error: wire::TransactionError,
) -> Result<TransactionError, WireError> {
    let kind = error.kind.parse();
    let kind = kind.map_err(|_| WireError::new("transaction error", "of no kind known here"))?;
    Ok(TransactionError::new(kind, error.details))
}
