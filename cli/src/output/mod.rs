//! What is printed: tables of `list` and `find` in several formats, and their colours.

mod html;
mod json;
mod palette;
mod table;

pub use palette::{Palette, paint};
pub use table::{Cell, CellFormat, Table, TableFormat, TablePrinter, TableStyle};
