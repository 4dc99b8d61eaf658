//! Values of columns, in RFC 7047's data model: atoms, and sets and maps of them.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

/// A scalar value (RFC 7047 section 5.1, `<atom>`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Atom {
    /// A 64-bit signed number.
    Integer(i64),
    /// A real number, ordered and compared by its total order.
    Real(Real),
    /// True or false.
    Boolean(bool),
    /// UTF-8 text without NUL.
    String(String),
    /// The identity of a row.
    Uuid(Uuid),
}

/// A finite 64-bit floating point number with a total order, so that it can stand in sets.
#[derive(Clone, Copy, Debug)]
pub struct Real(pub f64);

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.0.total_cmp(&other.0).is_eq()
    }
}

impl Eq for Real {}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl std::hash::Hash for Real {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// The value of a column. A scalar column holds a set of exactly one, an optional one of at most one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Datum {
    /// Distinct atoms, in order.
    Set(BTreeSet<Atom>),
    /// Distinct keys with their values, in the order of the keys.
    Map(BTreeMap<Atom, Atom>),
}
