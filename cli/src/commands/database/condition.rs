//! Conditions of `find` and `wait-until`: `COLUMN[:KEY]OPERATOR VALUE`.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use model::schema::ColumnType;
use model::{Atom, Datum, Row, TableSchema};

use super::columns::parse_column;
use crate::failure::Failure;
use crate::symbols::Symbols;
use model::text::{parse_atom, parse_datum};

/// All operators; those in braces compare sets.
const OPERATORS: [&str; 14] = [
    "=", "!=", "<", ">", "<=", ">=", "{=}", "{!=}", "{<}", "{>}", "{<=}", "{>=}", "{in}",
    "{not-in}",
];

/// Whether the row satisfies the condition.
///
/// # Errors
/// What is wrong with the condition.
pub(super) fn is_satisfied(
    table: &'static TableSchema,
    row: &Row,
    argument: &str,
    symbols: &mut Symbols,
) -> Result<bool, Failure> {
    let parsed = parse_column(table, argument)?;
    let (operator, value) = parsed.operation(argument, &OPERATORS)?;
    let column = parsed.column;
    let Some(have) = row.get(table, column.name) else {
        return Ok(false);
    };
    let Some(key) = &parsed.key else {
        let want = parse_datum(&column.kind, value, symbols)?;
        return Ok(compare(have, operator, &want));
    };
    let (Some(kind), Datum::Map(pairs)) = (column.kind.value, have) else {
        return Err(Failure::usage(format!(
            "cannot specify key to check for non-map column {}",
            column.name
        )));
    };
    let key = parse_atom(&column.kind.key, key, symbols)?;
    let kind = ColumnType {
        key: kind,
        value: None,
        min: column.kind.min,
        max: usize::MAX,
    };
    let want = parse_datum(&kind, value, symbols)?;
    let have: BTreeSet<Atom> = pairs.get(&key).cloned().into_iter().collect();
    if have.is_empty() && !operator.starts_with('{') {
        return Ok(false);
    }
    Ok(compare(&Datum::Set(have), operator, &want))
}

fn compare(have: &Datum, operator: &str, want: &Datum) -> bool {
    match operator {
        "=" | "{=}" => order(have, want).is_eq(),
        "!=" | "{!=}" => order(have, want).is_ne(),
        "<" => order(have, want).is_lt(),
        ">" => order(have, want).is_gt(),
        "<=" => order(have, want).is_le(),
        ">=" => order(have, want).is_ge(),
        "{<}" => have.len() < want.len() && includes(want, have),
        "{>}" => have.len() > want.len() && includes(have, want),
        "{<=}" | "{in}" => includes(want, have),
        "{>=}" => includes(have, want),
        _ => excludes(have, want),
    }
}

/// The one with fewer elements comes first; of equally many, the elements decide in their order.
fn order(left: &Datum, right: &Datum) -> Ordering {
    left.len()
        .cmp(&right.len())
        .then_with(|| match (left, right) {
            (Datum::Map(left), Datum::Map(right)) => left
                .keys()
                .cmp(right.keys())
                .then_with(|| left.values().cmp(right.values())),
            _ => left.cmp(right),
        })
}

fn includes(whole: &Datum, part: &Datum) -> bool {
    match (whole, part) {
        (Datum::Set(whole), Datum::Set(part)) => part.is_subset(whole),
        (Datum::Map(whole), Datum::Map(part)) => part
            .iter()
            .all(|(key, value)| whole.get(key) == Some(value)),
        _ => false,
    }
}

fn excludes(left: &Datum, right: &Datum) -> bool {
    match (left, right) {
        (Datum::Set(left), Datum::Set(right)) => left.is_disjoint(right),
        (Datum::Map(left), Datum::Map(right)) => left
            .iter()
            .all(|(key, value)| right.get(key) != Some(value)),
        _ => true,
    }
}
