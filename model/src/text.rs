//! Values as `ovs-vsctl` and `ovn-nbctl` print them, and their reading from command lines.

mod parse;
mod print;

pub use parse::{ParseError, SymbolTable, parse_atom, parse_datum, split_token};
pub use print::{atom, bare, column_type, datum};
