//! The rows that commands mean by a RECORD.

use model::{Atom, Datum, Row, TableSchema};
use uuid::Uuid;

use crate::command::nearest;
use crate::context::Context;
use crate::failure::Failure;
use crate::symbols::parse_uuid;

/// The fewest digits of a UUID that stand for it.
const MIN_UUID_DIGITS: usize = 4;

/// A column by which a table's rows are named, after their UUIDs.
struct Identifier {
    table: &'static str,
    column: &'static str,
    key: Option<&'static str>,
}

const IDENTIFIERS: &[Identifier] = &[
    by("ACL", "name"),
    by("Address_Set", "name"),
    by("Chassis_Template_Var", "chassis"),
    by("Connection", "target"),
    by("Forwarding_Group", "name"),
    by("HA_Chassis", "chassis_name"),
    by("HA_Chassis_Group", "name"),
    by("Load_Balancer", "name"),
    by("Load_Balancer_Group", "name"),
    by("Load_Balancer_Health_Check", "vip"),
    by("Logical_Router", "name"),
    by_external_id("Logical_Router", "neutron:router_name"),
    by("Logical_Router_Port", "name"),
    by("Logical_Switch", "name"),
    by_external_id("Logical_Switch", "neutron:network_name"),
    by("Logical_Switch_Port", "name"),
    by_external_id("Logical_Switch_Port", "neutron:port_name"),
    by("Meter", "name"),
    by("NAT", "external_ip"),
    by("Port_Group", "name"),
];

const fn by(table: &'static str, column: &'static str) -> Identifier {
    Identifier {
        table,
        column,
        key: None,
    }
}

const fn by_external_id(table: &'static str, key: &'static str) -> Identifier {
    Identifier {
        table,
        column: "external_ids",
        key: Some(key),
    }
}

impl Identifier {
    /// What the row is called.
    fn name<'a>(&self, table: &TableSchema, row: &'a Row) -> Option<&'a str> {
        let atom = match (row.get(table, self.column)?, self.key) {
            (datum, None) => datum.as_scalar()?,
            (Datum::Map(pairs), Some(key)) => pairs.get(&Atom::from(key))?,
            _ => return None,
        };
        match atom {
            Atom::String(name) => Some(name),
            _ => None,
        }
    }
}

/// The row that `record` names; `None` when there is none and it need not exist.
pub(super) fn find(
    context: &Context<'_>,
    table: &'static TableSchema,
    record: &str,
    must_exist: bool,
) -> Result<Option<Uuid>, Failure> {
    if let Some(row) = parse_uuid(record).and_then(|uuid| context.rows.row(table, uuid)) {
        return Ok(Some(row.uuid));
    }
    let rows = context.rows.rows(table);
    if let (".", [only]) = (record, rows.as_slice()) {
        return Ok(Some(only.uuid));
    }
    if let Some(row) = named(table, &rows, record)? {
        return Ok(Some(row));
    }
    match by_partial_uuid(table, &rows, record)? {
        None if must_exist => Err(missing(table, &rows, record)),
        row => Ok(row),
    }
}

fn named(table: &TableSchema, rows: &[&Row], record: &str) -> Result<Option<Uuid>, Failure> {
    for identifier in IDENTIFIERS
        .iter()
        .filter(|identifier| identifier.table == table.name)
    {
        let mut matches = rows
            .iter()
            .filter(|row| identifier.name(table, row) == Some(record));
        if let Some(row) = matches.next() {
            if matches.next().is_some() {
                return Err(Failure::new(format!(
                    "multiple rows in {} match \"{record}\"",
                    table.name
                )));
            }
            return Ok(Some(row.uuid));
        }
    }
    Ok(None)
}

fn by_partial_uuid(
    table: &TableSchema,
    rows: &[&Row],
    record: &str,
) -> Result<Option<Uuid>, Failure> {
    if record.len() < MIN_UUID_DIGITS {
        return Ok(None);
    }
    let beginning = record.to_ascii_lowercase();
    let mut matches = rows
        .iter()
        .filter(|row| row.uuid.to_string().starts_with(&beginning));
    match (matches.next(), matches.next()) {
        (Some(first), Some(second)) => Err(Failure::new(format!(
            "{} contains 2 or more rows whose UUIDs begin with {record}: at least {} and {}",
            table.name, first.uuid, second.uuid
        ))),
        (first, _) => Ok(first.map(|row| row.uuid)),
    }
}

fn missing(table: &TableSchema, rows: &[&Row], record: &str) -> Failure {
    let failure = Failure::new(format!("no row \"{record}\" in table {}", table.name));
    let names = IDENTIFIERS
        .iter()
        .filter(|identifier| identifier.table == table.name)
        .flat_map(|identifier| rows.iter().filter_map(|row| identifier.name(table, row)));
    match nearest(record, names) {
        Some(nearest) => failure.hint(format!("did you mean \"{nearest}\"?")),
        None => failure,
    }
}
