//! Which node has which port.
//!
//! A fresh claim, made when a pod is attached, takes the port over from whoever has it. A repeated one, made
//! after a reconnect, only stands while nobody else has the port. `requested-chassis` overrules both.

use std::collections::BTreeSet;

use model::{Changes, Database, Datum, Operation, Table, nb, sb};
use pipeline::object::ChassisName;

use crate::allocate::forget_learned_at;
use crate::compile::{parent, requested_chassis};

/// Why a claim is not granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("there is no logical switch port \"{0}\"")]
    NoSuchPort(String),
    #[error("logical switch port \"{0}\" is of type \"{1}\" and takes no interface")]
    WrongType(String, String),
    #[error("logical switch port \"{0}\" is nested in \"{1}\" and is bound with it")]
    Nested(String, String),
    #[error("logical switch port \"{0}\" has no tunnel key: all are in use")]
    NoKey(String),
    #[error(
        "logical switch port \"{0}\" is to be bound on chassis \"{1}\" (options:requested-chassis)"
    )]
    Requested(String, ChassisName),
    #[error("logical switch port \"{0}\" is bound on chassis \"{1}\"")]
    Taken(String, String),
    #[error("logical switch port \"{0}\" is one localport too many: a node may have {1}")]
    TooManyLocalports(String, usize),
}

/// What binds the port to the node.
pub(super) fn claim(
    database: &Database,
    node: &ChassisName,
    name: &str,
    fresh: bool,
) -> Result<Vec<Operation>, Refusal> {
    let name = name.to_owned();
    let Some(port) = database.table::<nb::LogicalSwitchPort>().named(&name) else {
        return Err(Refusal::NoSuchPort(name));
    };
    if let Some(parent) = parent(&port) {
        return Err(Refusal::Nested(name, parent.to_owned()));
    }
    match port.r#type.as_str() {
        "" => {}
        // Every node has its own; nobody binds it.
        "localport" => return Ok(Vec::new()),
        other => return Err(Refusal::WrongType(name, other.to_owned())),
    }
    if let Some(requested) = requested_chassis(&port).filter(|requested| requested != node) {
        return Err(Refusal::Requested(name, requested));
    }
    let Some(binding) = binding_of(database, &port) else {
        return Err(Refusal::NoKey(name));
    };
    match binding.chassis.as_deref() {
        Some(holder) if holder == &**node => Ok(Vec::new()),
        Some(holder) if !fresh => Err(Refusal::Taken(name, holder.to_owned())),
        _ => Ok(bind(database, &binding, Some(node))),
    }
}

/// Whether the named port is on every node.
pub(super) fn is_localport(database: &Database, name: &str) -> bool {
    let name = name.to_owned();
    let port = database.table::<nb::LogicalSwitchPort>().named(&name);
    port.is_some_and(|port| port.r#type == "localport")
}

/// What frees the port, if the node has it.
pub(super) fn release(database: &Database, node: &ChassisName, name: &str) -> Vec<Operation> {
    let port = database.table::<nb::LogicalSwitchPort>().named(name);
    let binding = port.and_then(|port| binding_of(database, &port));
    match binding {
        Some(binding) if binding.chassis.as_deref() == Some(node) => bind(database, &binding, None),
        _ => Vec::new(),
    }
}

/// The names of the ports that the node has.
pub(super) fn names_bound_to(database: &Database, node: &ChassisName) -> BTreeSet<String> {
    let table = database.table::<nb::LogicalSwitchPort>();
    let bindings = bound_to(database, node).into_iter();
    let ports = bindings.filter_map(|binding| table.get(model::Id::new(binding.nb_uuid)));
    ports.map(|port| port.name).collect()
}

/// What frees all ports of the node.
pub(super) fn release_all(database: &Database, node: &ChassisName) -> Vec<Operation> {
    let bindings = bound_to(database, node);
    let freed = bindings.iter().map(|binding| bind(database, binding, None));
    freed.flatten().collect()
}

/// What frees the ports that may no longer be where they are, after their rows changed.
pub(super) fn enforce(database: &Database, changes: &Changes) -> Vec<Operation> {
    let changed = changes.of(nb::LogicalSwitchPort::NAME).iter();
    let changed: BTreeSet<_> = changed.map(|change| model::Id::new(change.uuid)).collect();
    let mut operations = Vec::new();
    for id in changed {
        let Some(port) = database.table::<nb::LogicalSwitchPort>().get(id) else {
            continue;
        };
        let Some(binding) = binding_of(database, &port) else {
            continue;
        };
        let Some(holder) = binding.chassis.as_deref() else {
            continue;
        };
        let requested = requested_chassis(&port);
        let is_elsewhere = requested.is_some_and(|requested| &*requested != holder);
        if is_elsewhere || !port.r#type.is_empty() || parent(&port).is_some() {
            operations.extend(bind(database, &binding, None));
        }
    }
    operations
}

/// What takes note of the ports that are wholly in force on the node; the node's others are not.
pub(super) fn ports_up(
    database: &Database,
    node: &ChassisName,
    ports: &BTreeSet<String>,
) -> Vec<Operation> {
    let own = bound_to(database, node);
    let parents: BTreeSet<&str> = own.iter().map(|binding| &*binding.logical_port).collect();
    let nested = nested_in(database, &parents, ports);
    let bindings = own.iter().chain(&nested);
    let differs = bindings.filter(|binding| binding.up != ports.contains(&binding.logical_port));
    let written = differs.map(|binding| {
        let up = Datum::scalar(!binding.up);
        Operation::update(binding.id, [("up", up)])
    });
    written.collect()
}

/// The bindings of ports nested in one of `parents` that are up, or are to be.
fn nested_in(
    database: &Database,
    parents: &BTreeSet<&str>,
    ports: &BTreeSet<String>,
) -> Vec<sb::PortBinding> {
    let table = database.table::<nb::LogicalSwitchPort>();
    let to_be = ports.iter().filter(|name| !parents.contains(name.as_str()));
    let to_be = to_be.filter_map(|name| table.named(name));
    let truth = Datum::scalar(true);
    let up = with(database, "up", &truth);
    let up = up.filter(|binding| binding.chassis.is_none());
    let up = up.filter_map(|binding| table.get(model::Id::new(binding.nb_uuid)));
    let nested = to_be
        .chain(up)
        .filter(|port| parent(port).is_some_and(|parent| parents.contains(parent)));
    let mut bindings: Vec<_> = nested
        .filter_map(|port| binding_of(database, &port))
        .collect();
    bindings.sort_by_key(|binding| binding.id);
    bindings.dedup_by_key(|binding| binding.id);
    bindings
}

/// Gives the port to a node, or to none. It is not up until that node says so, and the stations that were
/// learned behind it are gone with the move.
fn bind(
    database: &Database,
    binding: &sb::PortBinding,
    node: Option<&ChassisName>,
) -> Vec<Operation> {
    let chassis = Datum::set(node.map(|node| node.to_string()));
    let columns = [("chassis", chassis), ("up", Datum::scalar(false))];
    let mut operations = vec![Operation::update(binding.id, columns)];
    let place = BTreeSet::from([(binding.datapath, binding.tunnel_key)]);
    operations.extend(forget_learned_at(database, &place));
    operations
}

fn binding_of(database: &Database, port: &nb::LogicalSwitchPort) -> Option<sb::PortBinding> {
    let index = vec![Datum::scalar(port.id.uuid())];
    database.table().find(&["nb_uuid"], index)
}

fn bound_to(database: &Database, node: &ChassisName) -> Vec<sb::PortBinding> {
    with(database, "chassis", &Datum::scalar(node.to_string())).collect()
}

/// The bindings with this value in a column, without reading the others.
fn with<'a>(
    database: &'a Database,
    column: &'a str,
    value: &'a Datum,
) -> impl Iterator<Item = sb::PortBinding> + 'a {
    let schema = sb::PortBinding::SCHEMA;
    let rows = database.rows(sb::PortBinding::NAME);
    let rows = rows.filter(move |row| row.get(schema, column) == Some(value));
    rows.filter_map(|row| sb::PortBinding::from_row(row).ok())
}
