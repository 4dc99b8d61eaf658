//! L1 of the house: the northbound tables, each declared once, and the transactions over them. Pure.

pub mod datum;
pub mod schema;
