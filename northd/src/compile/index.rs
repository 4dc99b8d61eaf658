//! Looking rows up by what other rows say of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use model::operation::RowChange;
use model::table::{Column, Row};
use model::{Database, Datum, Table, nb, sb};
use pipeline::object::ProbeKey;
use uuid::Uuid;

use super::address::stations_of;
use super::health;

/// A question to the index; the answer is a set of rows of one table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lookup {
    /// The `Logical_Switch_Port` of this name.
    SwitchPort(String),
    /// The `Logical_Router_Port` of this name.
    RouterPort(String),
    /// The `Logical_Switch` whose `ports` has this row.
    SwitchOf(Uuid),
    /// The `Logical_Router` whose `ports`, `static_routes` or `nat` has this row.
    RouterOf(Uuid),
    /// The `Logical_Switch`es whose `acls` has this row.
    SwitchesOfAcl(Uuid),
    /// The `Logical_Switch`es whose `qos_rules` has this row.
    SwitchesOfQos(Uuid),
    /// The `Port_Group`s whose `acls` has this row.
    GroupsOfAcl(Uuid),
    /// The `Port_Group`s whose `ports` has this row.
    GroupsOf(Uuid),
    /// The `Address_Set` of this name.
    AddressSet(String),
    /// The `Port_Group` of this name.
    PortGroup(String),
    /// The `Chassis_Template_Var` of the node of this name.
    TemplateVariables(String),
    /// All `Chassis_Template_Var`s.
    AllTemplateVariables,
    /// The `Meter` of this name.
    Meter(String),
    /// The `Logical_Switch_Port`s of type `router` that name this router port.
    JoinedTo(String),
    /// The `Datapath_Binding` of this row.
    DatapathBinding(Uuid),
    /// The `Port_Binding` of this row.
    PortBinding(Uuid),
    /// The `Logical_Switch_Port`s that have this address. Without an index there is no answer: nothing that is
    /// said to the writer of a row depends on it.
    PortsWith(IpAddr),
    /// The `Load_Balancer`s with `options:add_route`.
    BalancersWithRoutes,
    /// The `NB_Global`.
    Global,
    /// The `Service_Monitor` of this probe.
    ServiceMonitor(ProbeKey),
    /// The `Port_Binding` with these tunnel keys.
    PortAt(i64, i64),
}

impl Lookup {
    /// The answer out of the database alone, in the order of the UUIDs.
    pub(super) fn search(&self, database: &Database) -> Vec<Uuid> {
        let find = |table: &str, columns: &[&str], values: Vec<Datum>| {
            let row = database.find(table, columns, values);
            row.map(|row| row.uuid).into_iter().collect()
        };
        let named =
            |table: &str, name: &String| find(table, &["name"], vec![Datum::scalar(name.clone())]);
        let owners = |owner: &str, part: &str, row: &Uuid| owners(database, owner, part, *row);
        match self {
            Self::SwitchPort(name) => named(nb::LogicalSwitchPort::NAME, name),
            Self::RouterPort(name) => named(nb::LogicalRouterPort::NAME, name),
            Self::AddressSet(name) => named(nb::AddressSet::NAME, name),
            Self::PortGroup(name) => named(nb::PortGroup::NAME, name),
            Self::Meter(name) => named(nb::Meter::NAME, name),
            Self::TemplateVariables(chassis) => {
                let chassis = vec![Datum::scalar(chassis.clone())];
                find(nb::ChassisTemplateVar::NAME, &["chassis"], chassis)
            }
            Self::AllTemplateVariables => {
                let rows = database.rows(nb::ChassisTemplateVar::NAME);
                rows.map(|row| row.uuid).collect()
            }
            Self::SwitchOf(row) => {
                owners(nb::LogicalSwitch::NAME, nb::LogicalSwitchPort::NAME, row)
            }
            Self::SwitchesOfAcl(row) => owners(nb::LogicalSwitch::NAME, nb::Acl::NAME, row),
            Self::SwitchesOfQos(row) => owners(nb::LogicalSwitch::NAME, nb::Qos::NAME, row),
            Self::GroupsOfAcl(row) => owners(nb::PortGroup::NAME, nb::Acl::NAME, row),
            Self::GroupsOf(row) => owners(nb::PortGroup::NAME, nb::LogicalSwitchPort::NAME, row),
            Self::RouterOf(row) => {
                let parts = [
                    nb::LogicalRouterPort::NAME,
                    nb::LogicalRouterStaticRoute::NAME,
                    nb::Nat::NAME,
                ];
                parts
                    .map(|part| owners(nb::LogicalRouter::NAME, part, row))
                    .concat()
            }
            Self::JoinedTo(_) => {
                let answers =
                    |row: &&Arc<Row>| keys(nb::LogicalSwitchPort::NAME, Some(row)).contains(self);
                let rows = database.rows(nb::LogicalSwitchPort::NAME).filter(answers);
                rows.map(|row| row.uuid).collect()
            }
            Self::PortsWith(_) => Vec::new(),
            Self::BalancersWithRoutes => {
                let adds = |row: &&Arc<Row>| adds_routes(row);
                let rows = database.rows(nb::LoadBalancer::NAME).filter(adds);
                rows.map(|row| row.uuid).collect()
            }
            Self::Global => {
                let rows = database.rows(nb::NbGlobal::NAME);
                rows.map(|row| row.uuid).collect()
            }
            Self::ServiceMonitor(probe) => find(
                sb::ServiceMonitor::NAME,
                &health::INDEX,
                health::index_of(probe),
            ),
            Self::DatapathBinding(row) => find(
                sb::DatapathBinding::NAME,
                &["nb_uuid"],
                vec![Datum::scalar(*row)],
            ),
            Self::PortBinding(row) => find(
                sb::PortBinding::NAME,
                &["nb_uuid"],
                vec![Datum::scalar(*row)],
            ),
            Self::PortAt(datapath, key) => {
                let place = vec![Datum::scalar(*datapath), Datum::scalar(*key)];
                find(sb::PortBinding::NAME, &["datapath", "tunnel_key"], place)
            }
        }
    }
}

/// The rows of `table` that refer to a row of `part`.
fn owners(database: &Database, table: &str, part: &str, row: Uuid) -> Vec<Uuid> {
    let referrers = database.referrers(part, row);
    let owners = referrers.filter(|(schema, ..)| schema.name == table);
    owners.map(|(_, _, owner)| owner).collect()
}

/// The answers to all lookups, kept up to date change by change.
#[derive(Debug, Default)]
pub(super) struct Index {
    rows: HashMap<Lookup, BTreeSet<Uuid>>,
}

impl Index {
    /// The rows that answer a lookup, in the order of their UUIDs.
    pub(super) fn get(&self, lookup: &Lookup) -> impl Iterator<Item = Uuid> + use<'_> {
        self.rows.get(lookup).into_iter().flatten().copied()
    }

    /// Takes in a change and returns the lookups whose answers it changed.
    pub(super) fn update(&mut self, table: &str, change: &RowChange) -> Vec<Lookup> {
        let old = keys(table, change.old.as_deref());
        let new = keys(table, change.new.as_deref());
        for gone in old.difference(&new) {
            self.remove(gone, change.uuid);
        }
        for come in new.difference(&old) {
            let answer = self.rows.entry(come.clone()).or_default();
            answer.insert(change.uuid);
        }
        old.symmetric_difference(&new).cloned().collect()
    }

    fn remove(&mut self, lookup: &Lookup, row: Uuid) {
        if let Some(answer) = self.rows.get_mut(lookup) {
            answer.remove(&row);
            if answer.is_empty() {
                self.rows.remove(lookup);
            }
        }
    }
}

/// The lookups that a row answers.
fn keys(table: &str, row: Option<&Row>) -> HashSet<Lookup> {
    let Some(row) = row else {
        return HashSet::new();
    };
    match table {
        nb::LogicalSwitch::NAME => members::<nb::LogicalSwitch>(row, "ports")
            .map(Lookup::SwitchOf)
            .chain(members::<nb::LogicalSwitch>(row, "acls").map(Lookup::SwitchesOfAcl))
            .chain(members::<nb::LogicalSwitch>(row, "qos_rules").map(Lookup::SwitchesOfQos))
            .collect(),
        nb::LogicalRouter::NAME => ["ports", "static_routes", "nat"]
            .into_iter()
            .flat_map(|column| members::<nb::LogicalRouter>(row, column))
            .map(Lookup::RouterOf)
            .collect(),
        nb::PortGroup::NAME => members::<nb::PortGroup>(row, "ports")
            .map(Lookup::GroupsOf)
            .chain(members::<nb::PortGroup>(row, "acls").map(Lookup::GroupsOfAcl))
            .chain(name::<nb::PortGroup>(row).map(Lookup::PortGroup))
            .collect(),
        nb::AddressSet::NAME => name::<nb::AddressSet>(row)
            .map(Lookup::AddressSet)
            .into_iter()
            .collect(),
        nb::ChassisTemplateVar::NAME => typed(row, |variables: nb::ChassisTemplateVar| {
            vec![
                Lookup::TemplateVariables(variables.chassis),
                Lookup::AllTemplateVariables,
            ]
        }),
        nb::Meter::NAME => name::<nb::Meter>(row)
            .map(Lookup::Meter)
            .into_iter()
            .collect(),
        nb::LogicalSwitchPort::NAME => typed(row, switch_port_keys),
        nb::LogicalRouterPort::NAME => typed(row, |port: nb::LogicalRouterPort| {
            vec![Lookup::RouterPort(port.name)]
        }),
        sb::DatapathBinding::NAME => typed(row, |binding: sb::DatapathBinding| {
            vec![Lookup::DatapathBinding(binding.nb_uuid)]
        }),
        nb::NbGlobal::NAME => [Lookup::Global].into(),
        nb::LoadBalancer::NAME if adds_routes(row) => [Lookup::BalancersWithRoutes].into(),
        sb::ServiceMonitor::NAME => typed(row, |monitor: sb::ServiceMonitor| {
            let probe = health::probe_of(&monitor).map(Lookup::ServiceMonitor);
            probe.into_iter().collect()
        }),
        sb::PortBinding::NAME => typed(row, |binding: sb::PortBinding| {
            vec![
                Lookup::PortBinding(binding.nb_uuid),
                Lookup::PortAt(binding.datapath, binding.tunnel_key),
            ]
        }),
        _ => HashSet::new(),
    }
}

fn switch_port_keys(mut port: nb::LogicalSwitchPort) -> Vec<Lookup> {
    let joined = port.options.remove("router-port");
    let joined = joined.filter(|_| port.r#type == "router");
    let joined = joined.map(Lookup::JoinedTo);
    let texts: Vec<_> = port
        .addresses
        .into_iter()
        .chain(port.dynamic_addresses)
        .collect();
    let addresses = stations_of(&texts).flat_map(|station| {
        let ipv4 = station.ipv4.into_iter().map(IpAddr::from);
        ipv4.chain(station.ipv6.into_iter().map(IpAddr::from))
    });
    joined
        .into_iter()
        .chain(addresses.map(Lookup::PortsWith))
        .chain([Lookup::SwitchPort(port.name)])
        .collect()
}

fn typed<T: Table>(row: &Row, keys: impl Fn(T) -> Vec<Lookup>) -> HashSet<Lookup> {
    let row = T::from_row(row).ok();
    row.into_iter().flat_map(keys).collect()
}

/// Whether a load balancer has `options:add_route`.
fn adds_routes(row: &Row) -> bool {
    let options = row.get(nb::LoadBalancer::SCHEMA, "options");
    let options = options.and_then(BTreeMap::<String, String>::from_datum);
    let text = options.and_then(|mut options| options.remove("add_route"));
    text.is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// The name of a row, without reading the rest of it.
fn name<T: Table>(row: &Row) -> Option<String> {
    row.get(T::SCHEMA, "name").and_then(String::from_datum)
}

/// The rows that a column refers to, without reading the rest of the row.
fn members<T: Table>(row: &Row, column: &str) -> impl Iterator<Item = Uuid> {
    let datum = row.get(T::SCHEMA, column);
    let atoms = datum.into_iter().flat_map(Datum::atoms);
    atoms.filter_map(|atom| match atom {
        model::Atom::Uuid(uuid) => Some(*uuid),
        _ => None,
    })
}
