//! What a table may hold: the declarations from which every face of a table is made.

use crate::datum::Atom;

/// A table of a database.
#[derive(Debug)]
pub struct TableSchema {
    /// OVN's name, such as `Logical_Switch`.
    pub name: &'static str,
    /// The columns, in alphabetical order.
    pub columns: &'static [ColumnSchema],
    /// Groups of columns whose values together are unique in the table.
    pub indexes: &'static [&'static [&'static str]],
    /// Rows stay without anybody referring to them.
    pub is_root: bool,
    /// The most rows it may hold (`NB_Global` has one).
    pub max_rows: Option<usize>,
    /// What this version of weft does with its rows.
    pub support: Support,
    /// One sentence for `--help` and the reference.
    pub summary: &'static str,
}

/// Whether what a table says is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Rows can be written and are in force.
    Enforced,
    /// The declaration stands (so that other tables' columns read as OVN's), but rows are refused.
    Declared,
}

/// A column of a table.
#[derive(Debug)]
pub struct ColumnSchema {
    /// OVN's name.
    pub name: &'static str,
    /// What its values are.
    pub kind: ColumnType,
    /// Only northd writes it (`up`, `hv_cfg`...).
    pub is_reported: bool,
}

/// The type of a column (RFC 7047 section 3.2, `<type>`).
#[derive(Clone, Copy, Debug)]
pub struct ColumnType {
    /// The elements of a set, or the keys of a map.
    pub key: BaseType,
    /// The values of a map; `None` for a set.
    pub value: Option<BaseType>,
    /// The fewest elements: 0 or 1.
    pub min: usize,
    /// The most elements; `usize::MAX` for unlimited.
    pub max: usize,
}

/// The type of an atom, with its constraints.
#[derive(Clone, Copy, Debug)]
pub enum BaseType {
    /// A number within bounds, both inclusive.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// A real number.
    Real,
    /// True or false.
    Boolean,
    /// Any text, or one of a few words when `allowed` is not empty.
    String {
        /// The words allowed.
        allowed: &'static [&'static str],
    },
    /// Any UUID, or that of a row.
    Uuid {
        /// The table whose rows are meant.
        refers_to: Option<Reference>,
    },
}

/// A column that names rows of a table.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    /// The table.
    pub table: &'static str,
    /// A strong reference keeps its row and refuses to dangle; a weak one vanishes with its row.
    pub is_strong: bool,
}

impl TableSchema {
    /// The column of this name and its position.
    pub fn column(&self, name: &str) -> Option<(usize, &'static ColumnSchema)> {
        self.columns
            .iter()
            .enumerate()
            .find(|(_, column)| column.name == name)
    }
}

impl BaseType {
    /// What a column of this type holds when nothing was written.
    pub fn default_atom(&self) -> Atom {
        match self {
            Self::Integer { .. } => Atom::Integer(0),
            Self::Real => Atom::Real(crate::datum::Real(0.0)),
            Self::Boolean => Atom::Boolean(false),
            Self::String { .. } => Atom::String(String::new()),
            Self::Uuid { .. } => Atom::Uuid(uuid::Uuid::nil()),
        }
    }
}
