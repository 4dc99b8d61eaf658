//! Rows, generic and typed: how a declared table becomes a Rust struct and back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use uuid::Uuid;

use crate::datum::{Atom, Datum, Real};
use crate::operation::Operation;
use crate::schema::{BaseType, ColumnType, Reference, TableSchema};

/// A row of any table: its identity and its values, in the order of the table's columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The row's identity.
    pub uuid: Uuid,
    /// One value for each column of the schema.
    pub columns: Arc<[Datum]>,
}

impl Row {
    /// A row with the default value in every column.
    pub fn new(uuid: Uuid, schema: &TableSchema) -> Self {
        let columns = schema.columns.iter();
        Self {
            uuid,
            columns: columns.map(|column| column.kind.default_datum()).collect(),
        }
    }

    /// The value of the column of this name; `None` when the table has no such column.
    pub fn get(&self, schema: &TableSchema, column: &str) -> Option<&Datum> {
        let (position, _) = schema.column(column)?;
        self.columns.get(position)
    }
}

/// A declared table, as the struct of its columns.
pub trait Table: Sized {
    /// OVN's name of the table.
    const NAME: &'static str;
    /// Its declaration.
    const SCHEMA: &'static TableSchema;

    /// Reads a row of this table.
    fn from_row(row: &Row) -> Result<Self, RowError>;

    /// The row's identity.
    fn id(&self) -> Id<Self>;

    /// The values in the order of the declaration.
    fn to_columns(&self) -> Vec<Datum>;

    /// The row that says the same.
    fn to_row(&self) -> Row {
        Row {
            uuid: self.id().uuid(),
            columns: self.to_columns().into(),
        }
    }

    /// The operation that adds this row.
    fn insert(&self) -> Operation {
        let names = Self::SCHEMA.columns.iter().map(|c| c.name.to_owned());
        Operation::Insert {
            table: Self::NAME.to_owned(),
            uuid: self.id().uuid(),
            columns: names.zip(self.to_columns()).collect(),
        }
    }
}

/// A row that does not have the shape of its table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{table} row {uuid}: column {column} does not hold what its type says")]
pub struct RowError {
    /// The table.
    pub table: &'static str,
    /// The row.
    pub uuid: Uuid,
    /// The first column that is wrong.
    pub column: &'static str,
}

/// The identity of a row of table `T`.
pub struct Id<T> {
    uuid: Uuid,
    table: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// The identity as one of this table.
    pub const fn new(uuid: Uuid) -> Self {
        Self {
            uuid,
            table: PhantomData,
        }
    }

    /// A new identity, made up at random.
    pub fn random() -> Self {
        Self::new(Uuid::new_v4())
    }

    /// The identity alone.
    pub const fn uuid(self) -> Uuid {
        self.uuid
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> Default for Id<T> {
    fn default() -> Self {
        Self::new(Uuid::nil())
    }
}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl<T> Eq for Id<T> {}

impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.uuid.cmp(&other.uuid)
    }
}

impl<T> std::hash::Hash for Id<T> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.uuid, f)
    }
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.uuid, f)
    }
}

impl<T> From<Id<T>> for Atom {
    fn from(id: Id<T>) -> Self {
        Self::Uuid(id.uuid)
    }
}

/// A Rust type that stands for an atom.
pub trait Element: Sized {
    /// The atom's type.
    const BASE: BaseType;
    /// Reads it; `None` when the atom is of another type.
    fn from_atom(atom: &Atom) -> Option<Self>;
    /// The atom that says the same.
    fn to_atom(&self) -> Atom;
}

/// A Rust type that stands for a column's value.
pub trait Column: Sized {
    /// The column's type, without constraints.
    const KIND: ColumnType;
    /// Reads it; `None` when the value is of another type.
    fn from_datum(datum: &Datum) -> Option<Self>;
    /// The value that says the same.
    fn to_datum(&self) -> Datum;
}

macro_rules! element {
    ($type:ty, $base:expr, $atom:pat => $read:expr, $this:ident => $write:expr) => {
        impl Element for $type {
            const BASE: BaseType = $base;
            fn from_atom(atom: &Atom) -> Option<Self> {
                match atom {
                    $atom => Some($read),
                    _ => None,
                }
            }
            fn to_atom(&self) -> Atom {
                let $this = self;
                $write
            }
        }
    };
}

element!(i64, BaseType::INTEGER, Atom::Integer(v) => *v, this => Atom::Integer(*this));
element!(Real, BaseType::Real, Atom::Real(v) => *v, this => Atom::Real(*this));
element!(bool, BaseType::Boolean, Atom::Boolean(v) => *v, this => Atom::Boolean(*this));
element!(String, BaseType::STRING, Atom::String(v) => v.clone(), this => Atom::String(this.clone()));
element!(Uuid, BaseType::Uuid { refers_to: None }, Atom::Uuid(v) => *v, this => Atom::Uuid(*this));

impl<T: Table> Element for Id<T> {
    const BASE: BaseType = BaseType::Uuid {
        refers_to: Some(Reference {
            table: T::NAME,
            is_strong: true,
        }),
    };
    fn from_atom(atom: &Atom) -> Option<Self> {
        Uuid::from_atom(atom).map(Self::new)
    }
    fn to_atom(&self) -> Atom {
        Atom::Uuid(self.uuid)
    }
}

impl<T: Element> Column for T {
    const KIND: ColumnType = ColumnType::one(T::BASE);
    fn from_datum(datum: &Datum) -> Option<Self> {
        T::from_atom(datum.as_scalar()?)
    }
    fn to_datum(&self) -> Datum {
        Datum::scalar(self.to_atom())
    }
}

impl<T: Element> Column for Option<T> {
    const KIND: ColumnType = ColumnType::optional(T::BASE);
    fn from_datum(datum: &Datum) -> Option<Self> {
        match datum {
            Datum::Set(set) if set.is_empty() => Some(None),
            _ => T::from_datum(datum).map(Some),
        }
    }
    fn to_datum(&self) -> Datum {
        Datum::set(self.iter().map(T::to_atom))
    }
}

impl<T: Element + Ord> Column for BTreeSet<T> {
    const KIND: ColumnType = ColumnType::set(T::BASE);
    fn from_datum(datum: &Datum) -> Option<Self> {
        match datum {
            Datum::Set(set) => set.iter().map(T::from_atom).collect(),
            Datum::Map(_) => None,
        }
    }
    fn to_datum(&self) -> Datum {
        Datum::set(self.iter().map(T::to_atom))
    }
}

impl<K: Element + Ord, V: Element> Column for BTreeMap<K, V> {
    const KIND: ColumnType = ColumnType::map(K::BASE, V::BASE);
    fn from_datum(datum: &Datum) -> Option<Self> {
        let Datum::Map(map) = datum else { return None };
        map.iter()
            .map(|(key, value)| Some((K::from_atom(key)?, V::from_atom(value)?)))
            .collect()
    }
    fn to_datum(&self) -> Datum {
        Datum::map(
            self.iter()
                .map(|(key, value)| (key.to_atom(), value.to_atom())),
        )
    }
}

/// Declares tables: for each its struct, its [`Table`] and its place in `TABLES`.
///
/// A table is `"Its_Name" ItsStruct => property(), ... { column: RustType => constraint(), ...; ... }`, with
/// the columns in alphabetical order. Properties are the builder functions of [`TableSchema`], constraints
/// those of [`crate::schema::ColumnSchema`]. The doc comment is the summary.
macro_rules! tables {
    ($(
        #[doc = $summary:literal]
        $name:literal $type:ident $(=> $($property:ident($($setting:expr),*)),+)? {
            $(
                $(#[doc = $doc:literal])*
                $column:ident: $kind:ty $(=> $($constraint:ident($($bound:expr),*)),+)?;
            )*
        }
    )*) => {
        $(
            #[doc = $summary]
            #[derive(Clone, Debug, Default, PartialEq, Eq)]
            pub struct $type {
                /// The row's identity.
                pub id: $crate::table::Id<$type>,
                $(
                    #[doc = concat!("Column `", stringify!($column), "`.")]
                    $(#[doc = $doc])*
                    pub $column: $kind,
                )*
            }

            impl $crate::table::Table for $type {
                const NAME: &'static str = $name;
                const SCHEMA: &'static $crate::schema::TableSchema =
                    &$crate::schema::TableSchema::new($name, $summary, &[$(
                        $crate::schema::ColumnSchema::new(
                            stringify!($column),
                            <$kind as $crate::table::Column>::KIND,
                        )$($(.$constraint($($bound),*))+)?,
                    )*])$($(.$property($($setting),*))+)?;

                fn from_row(row: &$crate::table::Row) -> Result<Self, $crate::table::RowError> {
                    let mut columns = $crate::table::Columns::of::<Self>(row);
                    Ok(Self {
                        id: $crate::table::Id::new(row.uuid),
                        $($column: columns.next()?,)*
                    })
                }

                fn id(&self) -> $crate::table::Id<Self> {
                    self.id
                }

                fn to_columns(&self) -> Vec<$crate::datum::Datum> {
                    vec![$($crate::table::Column::to_datum(&self.$column),)*]
                }
            }
        )*

        /// All tables declared here.
        pub static TABLES: &[&$crate::schema::TableSchema] =
            &[$(<$type as $crate::table::Table>::SCHEMA,)*];
    };
}
pub(crate) use tables;

/// Reads the columns of a row one after the other.
pub(crate) struct Columns<'a> {
    schema: &'static TableSchema,
    row: &'a Row,
    position: usize,
}

impl<'a> Columns<'a> {
    pub(crate) fn of<T: Table>(row: &'a Row) -> Self {
        Self {
            schema: T::SCHEMA,
            row,
            position: 0,
        }
    }

    pub(crate) fn next<C: Column>(&mut self) -> Result<C, RowError> {
        let position = self.position;
        self.position += 1;
        let datum = self.row.columns.get(position);
        datum.and_then(C::from_datum).ok_or(RowError {
            table: self.schema.name,
            uuid: self.row.uuid,
            column: self.schema.columns[position].name,
        })
    }
}
