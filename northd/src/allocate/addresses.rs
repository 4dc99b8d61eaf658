//! `Logical_Switch_Port.dynamic_addresses`: the addresses that northd chooses.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use model::table::Row;
use model::{Changes, Database, Datum, Id, Operation, Table, nb};
use packet::Mac;
use uuid::Uuid;

use super::ports::{owner_of, ports_in};
use crate::compile::stations_of;
use crate::ipam::{MacPrefix, Pool, Wish};

/// The key of `NB_Global.options` that has the first half of all MAC addresses chosen.
const MAC_PREFIX: &str = "mac_prefix";

pub(super) fn allocate(database: &Database, changes: &Changes) -> Vec<Operation> {
    let mut plan = Plan {
        database,
        macs: OnceCell::new(),
        chosen: BTreeSet::new(),
        operations: Vec::new(),
    };
    for (switch, ports) in concerned(database, changes) {
        plan.switch(switch, &ports);
    }
    plan.operations
}

/// The switches that may have to choose anew, with the ports that are the reason.
fn concerned(database: &Database, changes: &Changes) -> BTreeMap<Uuid, BTreeSet<Uuid>> {
    let mut concerned = BTreeMap::<Uuid, BTreeSet<Uuid>>::new();
    for change in changes.of(nb::LogicalSwitch::NAME) {
        let [old, new] = [&change.old, &change.new].map(ports_in::<nb::LogicalSwitch>);
        let config = |row: &Option<Arc<Row>>| {
            let row = row.as_ref()?;
            row.get(nb::LogicalSwitch::SCHEMA, "other_config").cloned()
        };
        let is_new = config(&change.old) != config(&change.new);
        let ports = concerned.entry(change.uuid).or_default();
        ports.extend(new.difference(&old));
        ports.extend(new.iter().filter(|_| is_new));
    }
    for change in changes.of(nb::LogicalSwitchPort::NAME) {
        if let Some(switch) = owner_of::<nb::LogicalSwitchPort>(database, change.uuid) {
            concerned.entry(switch).or_default().insert(change.uuid);
        }
    }
    let mut globals = changes.of(nb::NbGlobal::NAME).iter();
    let has_new_options = globals.any(|change| {
        let [old, new] = [&change.old, &change.new].map(|row| options(row.as_ref()));
        old != new
    });
    if has_new_options || !changes.of(nb::LogicalRouterPort::NAME).is_empty() {
        let switches = database.rows(nb::LogicalSwitch::NAME);
        for switch in switches.filter(|switch| pool(database, switch.uuid).is_in_use()) {
            concerned.entry(switch.uuid).or_default();
        }
    }
    concerned
}

fn options(global: Option<&Arc<Row>>) -> Option<&Datum> {
    global?.get(nb::NbGlobal::SCHEMA, "options")
}

fn pool(database: &Database, switch: Uuid) -> Pool {
    let row = database.row(nb::LogicalSwitch::NAME, switch);
    let config = row.and_then(|row| row.get(nb::LogicalSwitch::SCHEMA, "other_config"));
    let config = config.and_then(model::table::Column::from_datum);
    Pool::parse(&config.unwrap_or_default())
}

struct Plan<'a> {
    database: &'a Database,
    /// The MAC addresses in the database, gathered when one has to be chosen.
    macs: OnceCell<BTreeSet<Mac>>,
    /// Those chosen since.
    chosen: BTreeSet<Mac>,
    operations: Vec<Operation>,
}

/// A port that asks for addresses, with those that it has.
struct Client {
    port: nb::LogicalSwitchPort,
    wish: Wish,
    mac: Option<Mac>,
    ipv4: Option<Ipv4Addr>,
}

impl Plan<'_> {
    fn switch(&mut self, switch: Uuid, changed: &BTreeSet<Uuid>) {
        let pool = pool(self.database, switch);
        if !pool.is_in_use() {
            for port in self.rows(changed) {
                self.write(&port, None);
            }
            return;
        }
        let row = self.database.row(nb::LogicalSwitch::NAME, switch).cloned();
        let mut used = BTreeSet::new();
        let mut clients = Vec::new();
        for port in self.rows(&ports_in::<nb::LogicalSwitch>(&row)) {
            used.extend(fixed_addresses(self.database, &port));
            match Wish::first(&port.addresses) {
                Some(wish) => clients.push(client(port, wish)),
                None => self.write(&port, None),
            }
        }
        clients.sort_by(|one, other| one.port.name.cmp(&other.port.name));
        give_ipv4(&pool, &mut used, &mut clients);
        for client in clients {
            let Some(mac) = self.mac(&client) else {
                continue;
            };
            let ipv6 = pool.ipv6(mac, client.wish.ipv6);
            let words = [
                Some(mac.to_string()),
                client.ipv4.map(|ip| ip.to_string()),
                ipv6.map(|ip| ip.to_string()),
            ];
            let words: Vec<_> = words.into_iter().flatten().collect();
            self.write(&client.port, Some(words.join(" ")));
        }
    }

    fn rows(&self, ports: &BTreeSet<Uuid>) -> Vec<nb::LogicalSwitchPort> {
        let table = self.database.table::<nb::LogicalSwitchPort>();
        let rows = ports.iter().filter_map(|port| table.get(Id::new(*port)));
        rows.collect()
    }

    fn write(&mut self, port: &nb::LogicalSwitchPort, text: Option<String>) {
        if port.dynamic_addresses != text {
            let column = [("dynamic_addresses", Datum::set(text))];
            self.operations.push(Operation::update(port.id, column));
        }
    }

    /// The MAC address of a client: its own, the one it has, or the one that follows its IPv4 address, as far
    /// as that is free.
    fn mac(&mut self, client: &Client) -> Option<Mac> {
        if client.wish.mac.is_some() {
            return client.wish.mac;
        }
        let prefix = self.prefix();
        if let Some(mac) = client.mac.filter(|mac| prefix.covers(*mac)) {
            return Some(mac);
        }
        let database = self.database;
        let macs = self.macs.get_or_init(|| macs_in_use(database));
        let base = client.wish.ipv4.or(client.ipv4).map_or(0, u32::from);
        let is_used = |mac| macs.contains(&mac) || self.chosen.contains(&mac);
        let mac = prefix.choose(base, is_used)?;
        self.chosen.insert(mac);
        Some(mac)
    }

    /// The prefix that the options say; one is made up and written there when they do not.
    fn prefix(&mut self) -> MacPrefix {
        let global = self.database.table::<nb::NbGlobal>().iter().next();
        let text = global.as_ref().and_then(|row| row.options.get(MAC_PREFIX));
        if let Some(prefix) = text.and_then(|text| MacPrefix::parse(text)) {
            return prefix;
        }
        let [a, b, c, ..] = global
            .as_ref()
            .map_or([0; 16], |row| row.id.uuid().into_bytes());
        let prefix = MacPrefix::local([a, b, c]);
        if let Some(mut global) = global {
            let text = prefix.to_string();
            global.options.insert(MAC_PREFIX.to_owned(), text);
            let options = Datum::map(global.options);
            let written = Operation::update(global.id, [("options", options)]);
            if !self.operations.contains(&written) {
                self.operations.push(written);
            }
        }
        prefix
    }
}

fn client(port: nb::LogicalSwitchPort, wish: Wish) -> Client {
    let has = port.dynamic_addresses.as_deref().unwrap_or_default();
    let mut words = has.split_whitespace();
    Client {
        mac: words.next().and_then(|mac| mac.parse().ok()),
        ipv4: words.find_map(|ip| ip.parse().ok()),
        port,
        wish,
    }
}

/// Gives IPv4 addresses. Who has what he wants, or wants nothing certain, keeps what he has; then wishes are
/// fulfilled, as far as they are free; the rest get what is left, lowest first.
fn give_ipv4(pool: &Pool, used: &mut BTreeSet<Ipv4Addr>, clients: &mut [Client]) {
    let mut take = |ip: Ipv4Addr| pool.may_give(ip) && used.insert(ip);
    let mut given: Vec<Option<Ipv4Addr>> = clients
        .iter()
        .map(|client| {
            let keeps = client.wish.ipv4.is_none() || client.wish.ipv4 == client.ipv4;
            client.ipv4.filter(|ip| keeps && take(*ip))
        })
        .collect();
    for (client, given) in clients.iter().zip(&mut given) {
        let wished = [client.wish.ipv4, client.ipv4];
        let mut wished = wished.into_iter().flatten();
        *given = given.or_else(|| wished.find(|ip| take(*ip)));
    }
    for (client, given) in clients.iter_mut().zip(given) {
        client.ipv4 = given.or_else(|| pool.choose(|ip| used.contains(&ip)));
        used.extend(client.ipv4);
    }
}

/// The IPv4 addresses that a port of the switch has without asking.
fn fixed_addresses(database: &Database, port: &nb::LogicalSwitchPort) -> Vec<Ipv4Addr> {
    if port.r#type == "router" {
        let peer = port.options.get("router-port");
        let table = database.table::<nb::LogicalRouterPort>();
        let peer = peer.and_then(|name| table.named(name));
        let networks = peer.into_iter().flat_map(|peer| peer.networks);
        let addresses = networks.filter_map(|text| text.split('/').next()?.parse().ok());
        return addresses.collect();
    }
    let stations = stations_of(&port.addresses);
    stations.flat_map(|station| station.ipv4).collect()
}

/// The MAC addresses of all ports.
fn macs_in_use(database: &Database) -> BTreeSet<Mac> {
    let mut macs = BTreeSet::new();
    for port in database.table::<nb::LogicalSwitchPort>().iter() {
        let texts = port.addresses.iter().chain(&port.dynamic_addresses);
        let first = texts.filter_map(|text| text.split_whitespace().next());
        macs.extend(first.filter_map(|word| word.parse::<Mac>().ok()));
    }
    let routers = database.table::<nb::LogicalRouterPort>().iter();
    macs.extend(routers.filter_map(|port| port.mac.parse::<Mac>().ok()));
    macs
}
