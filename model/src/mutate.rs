//! The mutations of RFC 7047 section 5.1.

use std::collections::BTreeSet;

use crate::check::{check_atom, check_datum};
use crate::datum::{Atom, Datum, Real};
use crate::operation::{ErrorKind, Mutator, TransactionError};
use crate::schema::{BaseType, ColumnType};

/// What a column holds after a mutation.
pub(crate) fn mutate(
    kind: &ColumnType,
    old: &Datum,
    mutator: Mutator,
    argument: &Datum,
) -> Result<Datum, TransactionError> {
    let new = match mutator {
        Mutator::Insert => insert(kind, old, argument)?,
        Mutator::Delete => delete(kind, old, argument)?,
        _ => arithmetic(kind, old, mutator, argument)?,
    };
    check_datum(kind, &new)?;
    Ok(new)
}

fn insert(kind: &ColumnType, old: &Datum, new: &Datum) -> Result<Datum, TransactionError> {
    match (old, new) {
        (Datum::Set(old), Datum::Set(new)) => {
            new.iter()
                .try_for_each(|atom| check_atom(&kind.key, atom))?;
            Ok(Datum::Set(old.union(new).cloned().collect()))
        }
        (Datum::Map(old), Datum::Map(new)) => {
            let mut pairs = new.clone();
            pairs.extend(old.iter().map(|(k, v)| (k.clone(), v.clone())));
            Ok(Datum::Map(pairs))
        }
        _ => Err(refused("insert needs elements for a set, pairs for a map")),
    }
}

fn delete(kind: &ColumnType, old: &Datum, gone: &Datum) -> Result<Datum, TransactionError> {
    match (old, gone) {
        (Datum::Set(old), Datum::Set(gone)) => {
            gone.iter()
                .try_for_each(|atom| check_type(&kind.key, atom))?;
            Ok(Datum::Set(old.difference(gone).cloned().collect()))
        }
        (Datum::Map(old), Datum::Set(gone)) => {
            gone.iter()
                .try_for_each(|atom| check_type(&kind.key, atom))?;
            let kept = old.iter().filter(|(key, _)| !gone.contains(key));
            Ok(Datum::map(kept.map(|(k, v)| (k.clone(), v.clone()))))
        }
        (Datum::Map(old), Datum::Map(gone)) => {
            let kept = old
                .iter()
                .filter(|(key, value)| gone.get(key) != Some(value));
            Ok(Datum::map(kept.map(|(k, v)| (k.clone(), v.clone()))))
        }
        (Datum::Set(_), Datum::Map(_)) => Err(refused("a set has no pairs to delete")),
    }
}

/// Deleting what a column could never hold is a no-op, unless it is of another type altogether.
fn check_type(base: &BaseType, atom: &Atom) -> Result<(), TransactionError> {
    match check_atom(base, atom) {
        Err(error) if error.kind == ErrorKind::Syntax => Err(error),
        _ => Ok(()),
    }
}

fn arithmetic(
    kind: &ColumnType,
    old: &Datum,
    mutator: Mutator,
    argument: &Datum,
) -> Result<Datum, TransactionError> {
    let (Datum::Set(old), Some(argument)) = (old, argument.as_scalar()) else {
        return Err(refused("arithmetic needs a set of numbers and one number"));
    };
    let results = old.iter().map(|atom| match (atom, argument) {
        (Atom::Integer(a), Atom::Integer(b)) => integers(*a, mutator, *b).map(Atom::Integer),
        (Atom::Real(a), Atom::Real(b)) => reals(a.0, mutator, b.0),
        _ => Err(refused(&format!(
            "no arithmetic on {} with this argument",
            kind.key.name()
        ))),
    });
    let results: BTreeSet<Atom> = results.collect::<Result<_, _>>()?;
    if results.len() != old.len() {
        return Err(TransactionError::new(
            ErrorKind::ConstraintViolation,
            "result of mutation contains duplicate elements",
        ));
    }
    Ok(Datum::Set(results))
}

fn integers(a: i64, mutator: Mutator, b: i64) -> Result<i64, TransactionError> {
    let result = match mutator {
        Mutator::Add => a.checked_add(b),
        Mutator::Subtract => a.checked_sub(b),
        Mutator::Multiply => a.checked_mul(b),
        Mutator::Divide | Mutator::Modulo if b == 0 => return Err(division_by_zero()),
        Mutator::Divide => a.checked_div(b),
        Mutator::Modulo => a.checked_rem(b),
        Mutator::Insert | Mutator::Delete => return Err(refused("not arithmetic")),
    };
    result.ok_or_else(out_of_range)
}

fn reals(a: f64, mutator: Mutator, b: f64) -> Result<Atom, TransactionError> {
    let result = match mutator {
        Mutator::Add => a + b,
        Mutator::Subtract => a - b,
        Mutator::Multiply => a * b,
        Mutator::Divide if b == 0.0 => return Err(division_by_zero()),
        Mutator::Divide => a / b,
        _ => return Err(refused("no modulo of real numbers")),
    };
    if !result.is_finite() {
        return Err(out_of_range());
    }
    Ok(Atom::Real(Real(result)))
}

fn refused(details: &str) -> TransactionError {
    TransactionError::new(ErrorKind::MutationNotAllowed, details)
}

fn division_by_zero() -> TransactionError {
    TransactionError::new(ErrorKind::Domain, "Division by zero.")
}

fn out_of_range() -> TransactionError {
    TransactionError::new(
        ErrorKind::Range,
        "Result of arithmetic is out of the column's range.",
    )
}
