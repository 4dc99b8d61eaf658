//! Handing out numbers: the tunnel keys of datapaths and ports, and the VLAN tags and addresses that northd
//! chooses.
//!
//! Numbers are rows of the database (`Datapath_Binding`, `Port_Binding`, `Logical_Switch_Port.tag`,
//! `.dynamic_addresses`), so they
//! stay over restarts. Whoever has one keeps it until its row goes, unless another row requests it.

mod addresses;
mod assign;
mod datapaths;
mod learned;
mod ports;
mod probe_mac;
mod tags;

use model::{Changes, Database, Operation, Table, nb, sb};

pub(crate) use learned::forget_learned_at;

/// What has to be written so that everything in `database` that needs a number has one, given that this was
/// so before `changes`. Where numbers have run out, rows stay without.
///
/// The operations of one call may shift what the next one sees; after they are committed, calling again with
/// their changes gives the rest, and nothing in the end.
pub fn allocate(database: &Database, changes: &Changes) -> Vec<Operation> {
    let mut operations = datapaths::allocate(database, changes);
    if operations.is_empty() {
        operations = ports::allocate(database, changes);
    }
    operations.extend(tags::allocate(database, changes));
    let addresses = addresses::allocate(database, changes);
    // Both may write NB_Global.options; one at a time, or the second would undo the first.
    match addresses.is_empty() {
        true => operations.extend(probe_mac::allocate(database, changes)),
        false => operations.extend(addresses),
    }
    operations
}

/// Removes the numbers of rows that are gone: what a northd that was killed between two commits left.
pub fn sweep(database: &Database) -> Vec<Operation> {
    let exists = |tables: [&str; 2], row| {
        let mut tables = tables.into_iter();
        tables.any(|table| database.row(table, row).is_some())
    };
    let datapaths = [nb::LogicalSwitch::NAME, nb::LogicalRouter::NAME];
    let ports = [nb::LogicalSwitchPort::NAME, nb::LogicalRouterPort::NAME];
    let datapath_bindings = database.table::<sb::DatapathBinding>().iter();
    let datapath_bindings = datapath_bindings.filter(|row| !exists(datapaths, row.nb_uuid));
    let port_bindings = database.table::<sb::PortBinding>().iter();
    let port_bindings = port_bindings.filter(|row| !exists(ports, row.nb_uuid));
    datapath_bindings
        .map(|row| Operation::delete(row.id))
        .chain(port_bindings.map(|row| Operation::delete(row.id)))
        .collect()
}
