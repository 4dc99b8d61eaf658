//! Values as text: `[a, b]`, `{key=value}`, `"quoted text"`.

use std::str::FromStr;

use uuid::Uuid;

use crate::datum::{Atom, Datum};
use crate::schema::ColumnType;

/// An atom, with text quoted where it could be read as something else.
pub fn atom(atom: &Atom) -> String {
    match atom {
        Atom::String(text) if needs_quotes(text) => {
            serde_json::Value::String(text.clone()).to_string()
        }
        _ => bare_atom(atom),
    }
}

/// A column's value: one atom alone where the type allows no more, else in brackets or braces.
pub fn datum(kind: &ColumnType, datum: &Datum) -> String {
    let body = join(datum, atom, ", ");
    match datum {
        _ if kind.max == 1 && datum.len() == 1 => body,
        Datum::Set(_) if !kind.is_map() => format!("[{body}]"),
        _ => format!("{{{body}}}"),
    }
}

/// A column's value for scripts: no quotes, brackets or commas.
pub fn bare(datum: &Datum) -> String {
    join(datum, bare_atom, " ")
}

/// What a column holds, for messages: `string`, `set of up to 1 integers`, `map of (string, string) pairs`.
pub fn column_type(kind: &ColumnType) -> String {
    let key = kind.key.name();
    if kind.is_scalar() {
        return key.to_owned();
    }
    let bounds = match (kind.min, kind.max) {
        (0, usize::MAX) => "of".to_owned(),
        (min, usize::MAX) => format!("of {min} or more"),
        (0, max) => format!("of up to {max}"),
        (min, max) => format!("of {min} to {max}"),
    };
    match kind.value {
        None => format!("set {bounds} {key}s"),
        Some(value) => format!("map {bounds} ({key}, {}) pairs", value.name()),
    }
}

fn join(datum: &Datum, atom: fn(&Atom) -> String, separator: &str) -> String {
    let words: Vec<String> = match datum {
        Datum::Set(set) => set.iter().map(atom).collect(),
        Datum::Map(map) => {
            let pair = |(key, value)| format!("{}={}", atom(key), atom(value));
            map.iter().map(pair).collect()
        }
    };
    words.join(separator)
}

fn bare_atom(atom: &Atom) -> String {
    match atom {
        Atom::Integer(value) => value.to_string(),
        Atom::Real(value) => value.0.to_string(),
        Atom::Boolean(value) => value.to_string(),
        Atom::String(text) => text.clone(),
        Atom::Uuid(uuid) => uuid.to_string(),
    }
}

/// Whether text printed as it is could be taken for something else.
fn needs_quotes(text: &str) -> bool {
    let first_fits = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    !first_fits
        || !text.chars().all(is_word)
        || matches!(text, "true" | "false")
        || (text.len() == 36 && Uuid::from_str(text).is_ok())
}
