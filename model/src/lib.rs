//! L1 of the house: the northbound tables, each declared once, and the transactions over them. Pure.
//!
//! A table is declared in [`nb`] (or [`sb`], northd's own state) and has from there its typed struct, its
//! generic rows, its text forms and its rules. What the texts of a row mean beyond that is said by the row's
//! value in [`acl`], [`lb`], [`nat`] or [`qos`]. A [`Database`] is an immutable revision; a transaction makes
//! the next one of it.

mod cow;
mod integrity;
mod mutate;
mod transact;

pub mod acl;
pub mod check;
pub mod database;
pub mod datum;
pub mod endpoint;
pub mod fault;
pub mod json;
pub mod lb;
pub mod nat;
pub mod nb;
pub mod operation;
pub mod qos;
pub mod sb;
pub mod schema;
pub mod table;
pub mod text;

pub use database::{Database, visible_tables};
pub use datum::{Atom, Datum};
pub use fault::RowFault;
pub use operation::{
    Author, Changes, ErrorKind, Mutator, Operation, RowChange, TransactionError, TypedChange,
};
pub use schema::{ColumnSchema, Support, TableSchema};
pub use table::{Id, Row, Table};
