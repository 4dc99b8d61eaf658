//! What a table may hold: the declarations from which every face of a table is made.

use crate::datum::{Atom, Datum, Real};

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
    /// northd's own state: stored like the others, and hidden from clients.
    Internal,
    /// northd's own state that clients read and do not write.
    Reported,
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub struct ColumnSchema {
    /// OVN's name.
    pub name: &'static str,
    /// What its values are.
    pub kind: ColumnType,
    /// Only northd writes it (`up`, `hv_cfg`...).
    pub is_reported: bool,
}

/// The type of a column (RFC 7047 section 3.2, `<type>`).
#[derive(Clone, Copy, Debug, PartialEq)]
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
#[derive(Clone, Copy, Debug, PartialEq)]
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
    /// Any text up to a length, or one of a few words when `allowed` is not empty.
    String {
        /// The words allowed.
        allowed: &'static [&'static str],
        /// The most characters.
        max_length: usize,
    },
    /// Any UUID, or that of a row.
    Uuid {
        /// The table whose rows are meant.
        refers_to: Option<Reference>,
    },
}

/// A column that names rows of a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reference {
    /// The table.
    pub table: &'static str,
    /// A strong reference keeps its row and refuses to dangle; a weak one vanishes with its row.
    pub is_strong: bool,
}

// === impl TableSchema ===

impl TableSchema {
    /// A table with neither indexes nor limits, declared only, and whose rows live by references.
    pub const fn new(
        name: &'static str,
        summary: &'static str,
        columns: &'static [ColumnSchema],
    ) -> Self {
        Self {
            name,
            columns,
            indexes: &[],
            is_root: false,
            max_rows: None,
            support: Support::Declared,
            summary: summary.trim_ascii(),
        }
    }

    /// Its rows stay by themselves.
    pub const fn root(mut self) -> Self {
        self.is_root = true;
        self
    }

    /// Its rows are carried out.
    pub const fn enforced(mut self) -> Self {
        self.support = Support::Enforced;
        self
    }

    /// Its rows are northd's own.
    pub const fn internal(mut self) -> Self {
        self.support = Support::Internal;
        self
    }

    /// Its rows are northd's own, and clients read them.
    pub const fn reported(mut self) -> Self {
        self.support = Support::Reported;
        self
    }

    /// These groups of columns are unique.
    pub const fn unique(mut self, indexes: &'static [&'static [&'static str]]) -> Self {
        self.indexes = indexes;
        self
    }

    /// It holds no more rows than this.
    pub const fn at_most(mut self, rows: usize) -> Self {
        self.max_rows = Some(rows);
        self
    }

    /// The column of this name and its position.
    pub fn column(&self, name: &str) -> Option<(usize, &'static ColumnSchema)> {
        let columns = self.columns;
        let position = columns.binary_search_by(|column| column.name.cmp(name));
        position.ok().map(|position| (position, &columns[position]))
    }
}

// === impl ColumnSchema ===

impl ColumnSchema {
    /// A column that clients write. A name that is a Rust keyword comes as its raw identifier.
    pub const fn new(name: &'static str, kind: ColumnType) -> Self {
        let name = match name.as_bytes() {
            [b'r', b'#', ..] => name.split_at(2).1,
            _ => name,
        };
        Self {
            name,
            kind,
            is_reported: false,
        }
    }

    /// Only northd writes it.
    pub const fn reported(mut self) -> Self {
        self.is_reported = true;
        self
    }

    /// Its references are weak.
    pub const fn weak(mut self) -> Self {
        if let BaseType::Uuid {
            refers_to: Some(reference),
        } = &mut self.kind.key
        {
            reference.is_strong = false;
        }
        self
    }

    /// It cannot be empty.
    pub const fn at_least_one(mut self) -> Self {
        self.kind.min = 1;
        self
    }

    /// Its elements or keys are among these words.
    pub const fn one_of(mut self, words: &'static [&'static str]) -> Self {
        self.kind.key = BaseType::String {
            allowed: words,
            max_length: usize::MAX,
        };
        self
    }

    /// Its elements are no longer than this.
    pub const fn max_length(mut self, length: usize) -> Self {
        self.kind.key = BaseType::String {
            allowed: &[],
            max_length: length,
        };
        self
    }

    /// Its elements lie between these, both inclusive.
    pub const fn range(mut self, least: i64, greatest: i64) -> Self {
        self.kind.key = BaseType::Integer {
            min: least,
            max: greatest,
        };
        self
    }

    /// The values of its map lie between these, both inclusive.
    pub const fn value_range(mut self, least: i64, greatest: i64) -> Self {
        self.kind.value = Some(BaseType::Integer {
            min: least,
            max: greatest,
        });
        self
    }

    /// The table that it refers to.
    pub fn refers_to(&self) -> Option<Reference> {
        self.kind.references().next()
    }
}

// === impl ColumnType ===

impl ColumnType {
    /// Exactly one.
    pub const fn one(key: BaseType) -> Self {
        Self {
            key,
            value: None,
            min: 1,
            max: 1,
        }
    }

    /// One or none.
    pub const fn optional(key: BaseType) -> Self {
        Self {
            min: 0,
            ..Self::one(key)
        }
    }

    /// Any number.
    pub const fn set(key: BaseType) -> Self {
        Self {
            min: 0,
            max: usize::MAX,
            ..Self::one(key)
        }
    }

    /// Any number of pairs.
    pub const fn map(key: BaseType, value: BaseType) -> Self {
        Self {
            value: Some(value),
            ..Self::set(key)
        }
    }

    /// Whether it holds pairs.
    pub const fn is_map(&self) -> bool {
        self.value.is_some()
    }

    /// Whether it holds exactly one atom.
    pub const fn is_scalar(&self) -> bool {
        self.min == 1 && self.max == 1 && self.value.is_none()
    }

    /// What the column holds when nothing was written (RFC 7047 section 5.2.1).
    pub fn default_datum(&self) -> Datum {
        match (self.value, self.min) {
            (None, 0) => Datum::empty_set(),
            (None, _) => Datum::scalar(self.key.default_atom()),
            (Some(_), 0) => Datum::empty_map(),
            (Some(value), _) => Datum::map([(self.key.default_atom(), value.default_atom())]),
        }
    }

    /// The references that its atoms are.
    pub fn references(&self) -> impl Iterator<Item = Reference> {
        [Some(self.key), self.value]
            .into_iter()
            .flatten()
            .filter_map(|base| match base {
                BaseType::Uuid { refers_to } => refers_to,
                _ => None,
            })
    }
}

// === impl BaseType ===

impl BaseType {
    /// Any 64-bit number.
    pub const INTEGER: Self = Self::Integer {
        min: i64::MIN,
        max: i64::MAX,
    };
    /// Any text.
    pub const STRING: Self = Self::String {
        allowed: &[],
        max_length: usize::MAX,
    };

    /// RFC 7047's word for it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Integer { .. } => "integer",
            Self::Real => "real",
            Self::Boolean => "boolean",
            Self::String { .. } => "string",
            Self::Uuid { .. } => "uuid",
        }
    }

    /// What a column of this type holds when nothing was written.
    pub fn default_atom(&self) -> Atom {
        match self {
            Self::Integer { .. } => Atom::Integer(0),
            Self::Real => Atom::Real(Real(0.0)),
            Self::Boolean => Atom::Boolean(false),
            Self::String { .. } => Atom::String(String::new()),
            Self::Uuid { .. } => Atom::Uuid(uuid::Uuid::nil()),
        }
    }
}
