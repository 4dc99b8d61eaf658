//! Values in RFC 7047's JSON (section 5.1), as `-f json` prints them.

use serde_json::{Value, json};

use crate::datum::{Atom, Datum};

/// An atom: a bare JSON value, or `["uuid", "..."]`.
pub fn atom(atom: &Atom) -> Value {
    match atom {
        Atom::Integer(value) => json!(value),
        Atom::Real(value) => json!(value.0),
        Atom::Boolean(value) => json!(value),
        Atom::String(value) => json!(value),
        Atom::Uuid(value) => json!(["uuid", value.to_string()]),
    }
}

/// A column's value: the atom of a set of one, `["set", [...]]` or `["map", [[key, value], ...]]`.
pub fn datum(datum: &Datum) -> Value {
    match (datum.as_scalar(), datum) {
        (Some(only), _) => atom(only),
        (None, Datum::Set(set)) => json!(["set", set.iter().map(atom).collect::<Vec<_>>()]),
        (None, Datum::Map(map)) => {
            let pairs: Vec<_> = map.iter().map(|(k, v)| json!([atom(k), atom(v)])).collect();
            json!(["map", pairs])
        }
    }
}
