//! What is printed: tables of `list` and `find` in several formats, and diagnostics.

mod html;
mod json;
mod table;

pub use table::{Cell, CellFormat, Table, TableFormat, TablePrinter, TableStyle};
