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
#[derive(Clone, Copy, Debug, Default)]
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Datum {
    /// Distinct atoms, in order.
    Set(BTreeSet<Atom>),
    /// Distinct keys with their values, in the order of the keys.
    Map(BTreeMap<Atom, Atom>),
}

impl Datum {
    /// The set without elements.
    pub const fn empty_set() -> Self {
        Self::Set(BTreeSet::new())
    }

    /// The map without pairs.
    pub const fn empty_map() -> Self {
        Self::Map(BTreeMap::new())
    }

    /// A set of one.
    pub fn scalar(atom: impl Into<Atom>) -> Self {
        Self::Set(BTreeSet::from([atom.into()]))
    }

    /// A set of these; equal ones count once.
    pub fn set<A: Into<Atom>>(atoms: impl IntoIterator<Item = A>) -> Self {
        Self::Set(atoms.into_iter().map(Into::into).collect())
    }

    /// A map of these; of equal keys the last one counts.
    pub fn map<K: Into<Atom>, V: Into<Atom>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let pairs = pairs.into_iter();
        Self::Map(pairs.map(|(k, v)| (k.into(), v.into())).collect())
    }

    /// The number of elements or pairs.
    pub fn len(&self) -> usize {
        match self {
            Self::Set(set) => set.len(),
            Self::Map(map) => map.len(),
        }
    }

    /// Whether there is no element and no pair.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The only element of a set of one.
    pub fn as_scalar(&self) -> Option<&Atom> {
        match self {
            Self::Set(set) if set.len() == 1 => set.first(),
            _ => None,
        }
    }

    /// The text of a set of one string.
    pub fn as_str(&self) -> Option<&str> {
        match self.as_scalar() {
            Some(Atom::String(text)) => Some(text),
            _ => None,
        }
    }

    /// All atoms: a set's elements, a map's keys and values.
    pub fn atoms(&self) -> impl Iterator<Item = &Atom> {
        let (set, map) = match self {
            Self::Set(set) => (Some(set), None),
            Self::Map(map) => (None, Some(map)),
        };
        let pairs = map.into_iter().flatten();
        set.into_iter()
            .flatten()
            .chain(pairs.flat_map(|(k, v)| [k, v]))
    }
}

impl From<i64> for Atom {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Atom {
    fn from(value: f64) -> Self {
        Self::Real(Real(value))
    }
}

impl From<bool> for Atom {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<&str> for Atom {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Atom {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

impl From<Uuid> for Atom {
    fn from(value: Uuid) -> Self {
        Self::Uuid(value)
    }
}
