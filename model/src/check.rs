//! Whether a value fits its column, in ovsdb-server's words where it has some.

use crate::datum::{Atom, Datum};
use crate::operation::{ErrorKind, TransactionError};
use crate::schema::{BaseType, ColumnType};

/// The longest text that any column holds, in bytes.
pub const MAX_STRING_BYTES: usize = 1 << 20;

/// The most elements or pairs that any column holds.
pub const MAX_ELEMENTS: usize = 1 << 17;

/// Refuses a value that the column's type does not allow.
pub fn check_datum(kind: &ColumnType, datum: &Datum) -> Result<(), TransactionError> {
    let word = if kind.is_map() { "map" } else { "set" };
    match (datum, kind.value) {
        (Datum::Set(set), None) => set
            .iter()
            .try_for_each(|atom| check_atom(&kind.key, atom))?,
        (Datum::Map(map), Some(value)) => map.iter().try_for_each(|(key, atom)| {
            check_atom(&kind.key, key)?;
            check_atom(&value, atom)
        })?,
        _ => return Err(syntax(format!("the column holds a {word}"))),
    }
    let count = datum.len();
    if count < kind.min || count > kind.max {
        let bounds = match (kind.min, kind.max) {
            (min, usize::MAX) => format!("{min} or more members"),
            (1, 1) => "exactly one member".to_owned(),
            (min, max) => format!("{min} to {max} members"),
        };
        return Err(syntax(format!(
            "{word} must have {bounds} but {count} are present"
        )));
    }
    if count > MAX_ELEMENTS {
        return Err(constraint(format!(
            "{word} of {count} members is larger than the maximum of {MAX_ELEMENTS}"
        )));
    }
    Ok(())
}

/// Refuses an atom of another type or outside its constraints.
pub fn check_atom(base: &BaseType, atom: &Atom) -> Result<(), TransactionError> {
    match (base, atom) {
        (BaseType::Integer { min, max }, Atom::Integer(value)) => check_range(*min, *max, *value),
        (BaseType::Real, Atom::Real(value)) if value.0.is_finite() => Ok(()),
        (BaseType::Real, Atom::Real(_)) => Err(constraint("a real number must be finite")),
        (BaseType::Boolean, Atom::Boolean(_)) | (BaseType::Uuid { .. }, Atom::Uuid(_)) => Ok(()),
        (
            BaseType::String {
                allowed,
                max_length,
            },
            Atom::String(text),
        ) => check_text(allowed, *max_length, text),
        _ => Err(syntax(format!("expected {}", base.name()))),
    }
}

fn check_range(min: i64, max: i64, value: i64) -> Result<(), TransactionError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(constraint(match (min, max) {
        (i64::MIN, _) => format!("{value} exceeds maximum allowed value {max}"),
        (_, i64::MAX) => format!("{value} is less than minimum allowed value {min}"),
        _ => format!("{value} is not in the valid range {min} to {max} (inclusive)"),
    }))
}

fn check_text(allowed: &[&str], max_length: usize, text: &str) -> Result<(), TransactionError> {
    if !allowed.is_empty() && !allowed.contains(&text) {
        let mut words = allowed.to_vec();
        words.sort_unstable();
        let words = words.join(", ");
        return Err(constraint(format!(
            "{} is not one of the allowed values ([{words}])",
            crate::text::atom(&Atom::from(text)),
        )));
    }
    let length = text.chars().count();
    if length > max_length {
        return Err(constraint(format!(
            "\"{text}\" length {length} is greater than maximum allowed length {max_length}"
        )));
    }
    if text.len() > MAX_STRING_BYTES {
        let length = text.len();
        return Err(constraint(format!(
            "a string of {length} bytes is longer than the maximum of {MAX_STRING_BYTES}"
        )));
    }
    if text.contains('\0') {
        return Err(constraint("a string cannot contain a null byte"));
    }
    Ok(())
}

fn syntax(details: String) -> TransactionError {
    TransactionError::new(ErrorKind::Syntax, details)
}

fn constraint(details: impl Into<String>) -> TransactionError {
    TransactionError::new(ErrorKind::ConstraintViolation, details)
}
