//! `Port_Binding`: the tunnel keys of logical ports.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::table::{Column, Row};
use model::{Changes, Database, Datum, Id, Operation, Table, nb, sb};
use pipeline::object::PortKey;
use uuid::Uuid;

use super::assign::{Owner, assign};
use super::datapaths::requested_key;
use super::learned::forget_learned_at;

/// A place that a port had, or has: tunnel keys of its datapath and its own there.
pub(super) type Place = (i64, i64);

pub(super) fn allocate(database: &Database, changes: &Changes) -> Vec<Operation> {
    let mut plan = Plan {
        database,
        operations: Vec::new(),
        left: BTreeSet::new(),
    };
    plan.remove_gone::<nb::LogicalSwitchPort>(changes);
    plan.remove_gone::<nb::LogicalRouterPort>(changes);
    let mut datapaths = BTreeSet::new();
    plan.concerned::<nb::LogicalSwitch, nb::LogicalSwitchPort>(changes, &mut datapaths);
    plan.concerned::<nb::LogicalRouter, nb::LogicalRouterPort>(changes, &mut datapaths);
    for binding in changes.of(sb::DatapathBinding::NAME) {
        let row = binding.new.as_deref().map(sb::DatapathBinding::from_row);
        datapaths.extend(row.and_then(Result::ok).map(|binding| binding.nb_uuid));
    }
    for datapath in datapaths {
        plan.place_ports_of(datapath);
    }
    plan.operations
        .extend(forget_learned_at(database, &plan.left));
    plan.operations
}

struct Plan<'a> {
    database: &'a Database,
    operations: Vec<Operation>,
    /// The places that ports left.
    left: BTreeSet<Place>,
}

impl Plan<'_> {
    fn remove_gone<Port: Table>(&mut self, changes: &Changes) {
        let gone = changes
            .of(Port::NAME)
            .iter()
            .filter(|change| change.new.is_none());
        for change in gone {
            if let Some(binding) = binding_of(self.database, change.uuid) {
                self.left.insert((binding.datapath, binding.tunnel_key));
                self.operations.push(Operation::delete(binding.id));
            }
        }
    }

    /// The datapaths that ports came to, or whose ports changed their request.
    fn concerned<Datapath: Table, Port: Table>(
        &self,
        changes: &Changes,
        datapaths: &mut BTreeSet<Uuid>,
    ) {
        for change in changes.of(Datapath::NAME) {
            let [old, new] = [&change.old, &change.new].map(ports_in::<Datapath>);
            let moved = old.symmetric_difference(&new);
            datapaths.extend(moved.filter_map(|port| owner_of::<Port>(self.database, *port)));
        }
        for change in changes.of(Port::NAME) {
            let requested =
                |row: &Option<Arc<Row>>| requested_key(row.as_ref()?.get(Port::SCHEMA, "options")?);
            if requested(&change.old) != requested(&change.new) {
                datapaths.extend(owner_of::<Port>(self.database, change.uuid));
            }
        }
    }

    fn place_ports_of(&mut self, datapath: Uuid) {
        let Some(key) = datapath_key(self.database, datapath) else {
            return;
        };
        let ports = ports_of(self.database, datapath).into_iter();
        let places: BTreeMap<Uuid, Option<Place>> = ports
            .clone()
            .map(|(port, _)| (port, place_of(self.database, port)))
            .collect();
        let owners = ports.map(|(port, requested)| {
            let current = places.get(&port).copied().flatten();
            Owner {
                row: port,
                current: current.and_then(|(_, current)| u32::try_from(current).ok()),
                requested,
            }
        });
        let owners: Vec<_> = owners.collect();
        let keys = assign(&owners, u32::from(PortKey::MAX));
        for (port, old) in places {
            let place = keys.get(&port).map(|port| (key, i64::from(*port)));
            if old != place {
                self.place(port, place);
            }
        }
    }

    /// Writes where a port now is. A row that moves is made anew, since two rows may swap keys.
    fn place(&mut self, port: Uuid, place: Option<Place>) {
        let old = binding_of(self.database, port);
        if let Some(old) = &old {
            self.left.insert((old.datapath, old.tunnel_key));
            self.operations.push(Operation::delete(old.id));
        }
        if let Some((datapath, tunnel_key)) = place {
            let binding = sb::PortBinding {
                id: Id::random(),
                nb_uuid: port,
                logical_port: name_of(self.database, port),
                datapath,
                tunnel_key,
                chassis: old.as_ref().and_then(|old| old.chassis.clone()),
                up: old.is_some_and(|old| old.up),
            };
            self.operations.push(binding.insert());
        }
    }
}

fn binding_of(database: &Database, port: Uuid) -> Option<sb::PortBinding> {
    let index = vec![Datum::scalar(port)];
    database.table().find(&["nb_uuid"], index)
}

/// Where a port is, without reading the rest of its binding: a switch asks this of each of its ports
/// whenever one comes.
fn place_of(database: &Database, port: Uuid) -> Option<Place> {
    let index = vec![Datum::scalar(port)];
    let row = database.find(sb::PortBinding::NAME, &["nb_uuid"], index)?;
    let number = |column| i64::from_datum(row.get(sb::PortBinding::SCHEMA, column)?);
    Some((number("datapath")?, number("tunnel_key")?))
}

fn name_of(database: &Database, port: Uuid) -> String {
    let tables = [nb::LogicalSwitchPort::SCHEMA, nb::LogicalRouterPort::SCHEMA];
    let mut names = tables.iter().filter_map(|schema| {
        let row = database.row(schema.name, port)?;
        row.get(schema, "name")?.as_str().map(str::to_owned)
    });
    names.next().unwrap_or_default()
}

fn datapath_key(database: &Database, datapath: Uuid) -> Option<i64> {
    let index = vec![Datum::scalar(datapath)];
    let binding = database
        .table::<sb::DatapathBinding>()
        .find(&["nb_uuid"], index)?;
    Some(binding.tunnel_key)
}

/// The ports of a switch or router, with the keys that they request.
fn ports_of(database: &Database, datapath: Uuid) -> Vec<(Uuid, Option<u32>)> {
    let of_switch = of::<nb::LogicalSwitch, nb::LogicalSwitchPort>(database, datapath);
    of_switch
        .or_else(|| of::<nb::LogicalRouter, nb::LogicalRouterPort>(database, datapath))
        .unwrap_or_default()
}

fn of<Datapath: Table, Port: Table>(
    database: &Database,
    datapath: Uuid,
) -> Option<Vec<(Uuid, Option<u32>)>> {
    let row = Some(Arc::clone(database.row(Datapath::NAME, datapath)?));
    let ports = ports_in::<Datapath>(&row).into_iter();
    let ports = ports.filter(|port| owner_of::<Port>(database, *port) == Some(datapath));
    let port = |uuid: Uuid| {
        let row = database.row(Port::NAME, uuid)?;
        let options = row.get(Port::SCHEMA, "options")?;
        let requested = (!options.is_empty()).then(|| requested_key(options));
        Some((uuid, requested.flatten()))
    };
    Some(ports.filter_map(port).collect())
}

/// The rows in column `ports`.
pub(super) fn ports_in<Datapath: Table>(row: &Option<Arc<Row>>) -> BTreeSet<Uuid> {
    let ports = row
        .as_ref()
        .and_then(|row| row.get(Datapath::SCHEMA, "ports"));
    ports.and_then(Column::from_datum).unwrap_or_default()
}

/// The datapath that has a port. Should several name it, the one with the least UUID has it.
pub(super) fn owner_of<Port: Table>(database: &Database, port: Uuid) -> Option<Uuid> {
    let owners = database.referrers(Port::NAME, port);
    let mut owners = owners.filter(|(_, column, _)| column.name == "ports");
    let is_datapath =
        |table: &str| table == nb::LogicalSwitch::NAME || table == nb::LogicalRouter::NAME;
    let owner = owners.find(|(schema, ..)| is_datapath(schema.name));
    owner.map(|(_, _, row)| row)
}
