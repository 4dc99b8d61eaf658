//! Between wire types and the model: one file a type, strict and total.
//!
//! Encoding cannot fail. Decoding refuses what the model does not allow with a [`WireError`] that says where
//! it stands; it never panics and never guesses. Whether tables and columns exist is the transaction's
//! question, not the wire's.

mod atom;
mod change;
mod datum;
mod error;
mod operation;
mod row;
mod transaction_error;

pub use atom::{atom_from_wire, atom_to_wire, uuid_from_wire, uuid_to_wire};
pub use change::{chunk_changes, chunk_rows};
pub use datum::{datum_from_wire, datum_to_wire};
pub use error::WireError;
pub use operation::{operation_from_wire, operation_to_wire, operations_from_wire};
pub use row::{columns_from_wire, columns_to_wire, row_from_wire, row_size_bound, row_to_wire};
pub use transaction_error::{transaction_error_from_wire, transaction_error_to_wire};
