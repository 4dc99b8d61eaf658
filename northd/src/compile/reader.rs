//! What a unit may read, and the note of what it read.

use std::collections::{BTreeMap, HashSet};

use model::table::Column;
use model::{Database, Id, Table, nb, sb};
use packet::Mac;
use pipeline::object::{DatapathKey, PortKey, PortRef};
use uuid::Uuid;

use super::index::{Index, Lookup};

/// The key of `NB_Global.options` that has the MAC address of the station that probes come from.
pub(crate) const PROBE_MAC: &str = "svc_monitor_mac";

/// The option of NB_Global that has every load balancer tell of clients without a backend.
pub(super) const CONTROLLER_EVENT: &str = "controller_event";

/// Something that a unit read. A commit that changes it dirties the unit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Read {
    /// Every column of a row that is not reported.
    Row(&'static str, Uuid),
    /// One column of a row.
    Column(&'static str, Uuid, &'static str),
    /// The answer to a lookup.
    Lookup(Lookup),
}

/// A unit's view of the database.
pub struct Reader<'a> {
    database: &'a Database,
    /// `None` asks the database itself, which is slower for some lookups and needs no preparation.
    index: Option<&'a Index>,
    reads: HashSet<Read>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(database: &'a Database, index: Option<&'a Index>) -> Self {
        Self {
            database,
            index,
            reads: HashSet::new(),
        }
    }

    /// What was read.
    pub(super) fn into_reads(self) -> HashSet<Read> {
        self.reads
    }

    /// A whole row.
    pub(super) fn row<T: Table>(&mut self, uuid: Uuid) -> Option<T> {
        self.reads.insert(Read::Row(T::NAME, uuid));
        self.database.table().get(Id::new(uuid))
    }

    /// One column of a row.
    pub(super) fn column<T: Table, C: Column>(
        &mut self,
        uuid: Uuid,
        column: &'static str,
    ) -> Option<C> {
        self.reads.insert(Read::Column(T::NAME, uuid, column));
        let row = self.database.row(T::NAME, uuid)?;
        row.get(T::SCHEMA, column).and_then(C::from_datum)
    }

    /// The rows that answer a lookup, in the order of their UUIDs.
    pub(super) fn lookup(&mut self, lookup: Lookup) -> Vec<Uuid> {
        let rows = match self.index {
            Some(index) => index.get(&lookup).collect(),
            None => lookup.search(self.database),
        };
        self.reads.insert(Read::Lookup(lookup));
        rows
    }

    /// The row that answers a lookup; of several, the one with the least UUID.
    pub(super) fn find(&mut self, lookup: Lookup) -> Option<Uuid> {
        self.lookup(lookup).first().copied()
    }

    /// The tunnel key of a logical switch or router; `None` when none was free.
    pub(super) fn datapath_key(&mut self, datapath: Uuid) -> Option<DatapathKey> {
        let binding = self.find(Lookup::DatapathBinding(datapath))?;
        let key: i64 = self.column::<sb::DatapathBinding, _>(binding, "tunnel_key")?;
        DatapathKey::new(u32::try_from(key).ok()?).ok()
    }

    /// The tunnel keys of a logical port; `None` when none was free.
    pub(super) fn port_ref(&mut self, port: Uuid) -> Option<PortRef> {
        let binding = self.find(Lookup::PortBinding(port))?;
        let datapath: i64 = self.column::<sb::PortBinding, _>(binding, "datapath")?;
        let port: i64 = self.column::<sb::PortBinding, _>(binding, "tunnel_key")?;
        port_at(datapath, port)
    }

    /// The zone where a node stands: `zone` among its template variables. Empty if that is not known.
    pub(super) fn zone(&mut self, chassis: &str) -> String {
        let row = self.find(Lookup::TemplateVariables(chassis.to_owned()));
        let variables = row.and_then(|row| self.variables(row)).unwrap_or_default();
        variables.get("zone").cloned().unwrap_or_default()
    }

    /// The template variables of a row of `Chassis_Template_Var`.
    pub(super) fn variables(&mut self, row: Uuid) -> Option<BTreeMap<String, String>> {
        self.column::<nb::ChassisTemplateVar, _>(row, "variables")
    }

    /// The station that probes come from (`NB_Global.options:svc_monitor_mac`).
    pub(super) fn probe_mac(&mut self) -> Option<Mac> {
        self.global_option(PROBE_MAC)?.parse().ok()
    }

    /// The truth of a key of `NB_Global.options`.
    pub(super) fn global_flag(&mut self, key: &str) -> bool {
        let text = self.global_option(key);
        text.is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    fn global_option(&mut self, key: &str) -> Option<String> {
        let row = self.find(Lookup::Global)?;
        let options = self.column::<nb::NbGlobal, BTreeMap<String, String>>(row, "options");
        options?.remove(key)
    }

    /// The router port of this name.
    pub(super) fn router_port(&mut self, name: &str) -> Option<nb::LogicalRouterPort> {
        let uuid = self.find(Lookup::RouterPort(name.to_owned()))?;
        self.row(uuid)
    }
}

/// A port from the numbers that a row has.
pub(super) fn port_at(datapath: i64, port: i64) -> Option<PortRef> {
    Some(PortRef {
        datapath: DatapathKey::new(u32::try_from(datapath).ok()?).ok()?,
        port: PortKey::new(u32::try_from(port).ok()?).ok()?,
    })
}
