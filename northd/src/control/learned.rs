//! What nodes learned of stations: merged, bounded, and forgotten when no node uses it any more.
//!
//! A row's timestamp is when a node last said that it learned or used the entry; a node that uses one says so
//! several times within its age. The rows that nobody speaks of any more grow old, whoever learned them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{Changes, Database, Datum, Id, Operation, Table, nb, sb};
use packet::Mac;
use southbound_proto::convert::{LearnedNeighbor, LearnedStation};

/// The most learned neighbours of one router; further ones are not shared between nodes.
pub const NEIGHBORS_PER_ROUTER_MAX: usize = 32_768;

/// The most learned stations of one switch; further ones are not shared between nodes.
pub const STATIONS_PER_SWITCH_MAX: usize = 32_768;

/// The most rows that are forgotten at once.
pub(super) const EXPIRED_AT_ONCE_MAX: usize = 1_000;

/// A timestamp is written anew when this part of the row's age has gone by, to spare the database.
const REFRESH_PART_OF_AGE: i64 = 8;

/// How long learned rows live unused, in milliseconds; `None` is for good.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ages {
    /// Of stations.
    pub(super) station_ms: Option<i64>,
    /// Of neighbours.
    pub(super) neighbor_ms: Option<i64>,
}

/// How much is learned, by datapath, and when it was last spoken of.
#[derive(Debug, Default)]
pub(super) struct Counts {
    neighbors: HashMap<i64, usize>,
    stations: HashMap<i64, usize>,
    neighbor_times: BTreeSet<(i64, Id<sb::MacBinding>)>,
    station_times: BTreeSet<(i64, Id<sb::Fdb>)>,
}

impl Counts {
    /// Takes in a commit.
    pub(super) fn absorb(&mut self, changes: &Changes) {
        for change in changes.typed::<sb::MacBinding>().flatten() {
            retime(
                &mut self.neighbor_times,
                change.old.as_ref().map(|row| (row.timestamp, row.id)),
                change.new.as_ref().map(|row| (row.timestamp, row.id)),
            );
            let datapath = |row: sb::MacBinding| row.datapath;
            recount(
                &mut self.neighbors,
                change.old.map(datapath),
                change.new.map(datapath),
            );
        }
        for change in changes.typed::<sb::Fdb>().flatten() {
            retime(
                &mut self.station_times,
                change.old.as_ref().map(|row| (row.timestamp, row.id)),
                change.new.as_ref().map(|row| (row.timestamp, row.id)),
            );
            let datapath = |row: sb::Fdb| row.datapath;
            recount(
                &mut self.stations,
                change.old.map(datapath),
                change.new.map(datapath),
            );
        }
    }

    /// True if there is anything that can grow old.
    pub(super) fn may_expire(&self, ages: Ages) -> bool {
        (ages.neighbor_ms.is_some() && !self.neighbor_times.is_empty())
            || (ages.station_ms.is_some() && !self.station_times.is_empty())
    }

    /// What forgets the oldest of the rows that no node spoke of for their age, [`EXPIRED_AT_ONCE_MAX`] of each
    /// kind.
    pub(super) fn expire(&self, ages: Ages, unix_ms: i64) -> Vec<Operation> {
        let neighbors = expired(&self.neighbor_times, ages.neighbor_ms, unix_ms);
        let stations = expired(&self.station_times, ages.station_ms, unix_ms);
        neighbors
            .map(Operation::delete)
            .chain(stations.map(Operation::delete))
            .collect()
    }

    /// What takes note of what a node learned. What it says of ports that are not there is ignored: they
    /// were just removed. So are addresses that no station can have.
    pub(super) fn merge(
        &self,
        database: &Database,
        neighbors: &[LearnedNeighbor],
        stations: &[LearnedStation],
        ages: Ages,
        unix_ms: i64,
    ) -> Vec<Operation> {
        // The last word on each counts.
        let neighbors: BTreeMap<_, _> = neighbors.iter().map(|n| ((n.port, n.ip), n)).collect();
        let stations: BTreeMap<_, _> = stations
            .iter()
            .map(|s| ((s.port.datapath, s.mac), s))
            .collect();
        let neighbors = neighbors.into_values().filter(|one| is_station(one.mac));
        let neighbors =
            neighbors.filter_map(|one| self.neighbor(database, one, ages.neighbor_ms, unix_ms));
        let stations = stations.into_values().filter(|one| is_station(one.mac));
        let stations =
            stations.filter_map(|one| self.station(database, one, ages.station_ms, unix_ms));
        neighbors.chain(stations).collect()
    }

    fn neighbor(
        &self,
        database: &Database,
        learned: &LearnedNeighbor,
        age_ms: Option<i64>,
        unix_ms: i64,
    ) -> Option<Operation> {
        let row = sb::MacBinding {
            id: Id::random(),
            datapath: i64::from(learned.port.datapath.get()),
            port: i64::from(learned.port.port.get()),
            ip: learned.ip.to_string(),
            mac: learned.mac.to_string(),
            timestamp: unix_ms,
        };
        let place = [row.datapath, row.port].map(Datum::scalar);
        let [datapath, port] = place.clone();
        let index = vec![datapath, port, Datum::scalar(row.ip.clone())];
        let old: Option<sb::MacBinding> = database.table().find(&["datapath", "port", "ip"], index);
        let is_full = is_full(&self.neighbors, row.datapath, NEIGHBORS_PER_ROUTER_MAX);
        match old {
            Some(old) if learned.expired => (old.mac == row.mac).then(|| Operation::delete(old.id)),
            Some(old) if old.mac == row.mac => {
                let is_due = is_refresh_due(old.timestamp, age_ms, unix_ms);
                is_due.then(|| Operation::update(old.id, [("timestamp", Datum::scalar(unix_ms))]))
            }
            Some(old) => Some(Operation::update(
                old.id,
                [
                    ("mac", Datum::scalar(row.mac)),
                    ("timestamp", Datum::scalar(unix_ms)),
                ],
            )),
            None if learned.expired || is_full => None,
            None => is_port_of::<nb::LogicalRouterPort>(database, place).then(|| row.insert()),
        }
    }

    fn station(
        &self,
        database: &Database,
        learned: &LearnedStation,
        age_ms: Option<i64>,
        unix_ms: i64,
    ) -> Option<Operation> {
        let row = sb::Fdb {
            id: Id::random(),
            datapath: i64::from(learned.port.datapath.get()),
            port: i64::from(learned.port.port.get()),
            mac: learned.mac.to_string(),
            timestamp: unix_ms,
        };
        let place = [row.datapath, row.port].map(Datum::scalar);
        let index = vec![Datum::scalar(row.datapath), Datum::scalar(row.mac.clone())];
        let old: Option<sb::Fdb> = database.table().find(&["datapath", "mac"], index);
        let is_full = is_full(&self.stations, row.datapath, STATIONS_PER_SWITCH_MAX);
        match old {
            Some(old) if learned.expired => {
                (old.port == row.port).then(|| Operation::delete(old.id))
            }
            Some(old) if old.port == row.port => {
                let is_due = is_refresh_due(old.timestamp, age_ms, unix_ms);
                is_due.then(|| Operation::update(old.id, [("timestamp", Datum::scalar(unix_ms))]))
            }
            _ if learned.expired => None,
            _ if !is_port_of::<nb::LogicalSwitchPort>(database, place) => None,
            Some(old) => Some(Operation::update(
                old.id,
                [
                    ("port", Datum::scalar(row.port)),
                    ("timestamp", Datum::scalar(unix_ms)),
                ],
            )),
            None => (!is_full).then(|| row.insert()),
        }
    }
}

/// Group addresses and zero belong to no station.
fn is_station(mac: Mac) -> bool {
    !mac.is_multicast() && !mac.is_zero()
}

fn is_refresh_due(timestamp_ms: i64, age_ms: Option<i64>, unix_ms: i64) -> bool {
    let unspoken_ms = unix_ms.saturating_sub(timestamp_ms);
    age_ms.is_some_and(|age_ms| unspoken_ms >= age_ms / REFRESH_PART_OF_AGE)
}

fn retime<Row: Ord>(
    times: &mut BTreeSet<(i64, Row)>,
    old: Option<(i64, Row)>,
    new: Option<(i64, Row)>,
) {
    if let Some(old) = old {
        times.remove(&old);
    }
    times.extend(new);
}

fn expired<Row: Copy>(
    times: &BTreeSet<(i64, Row)>,
    age_ms: Option<i64>,
    unix_ms: i64,
) -> impl Iterator<Item = Row> {
    let is_old = move |timestamp_ms: i64| {
        age_ms.is_some_and(|age_ms| unix_ms.saturating_sub(timestamp_ms) >= age_ms)
    };
    let oldest = times.iter().take(EXPIRED_AT_ONCE_MAX);
    oldest
        .take_while(move |(timestamp_ms, _)| is_old(*timestamp_ms))
        .map(|(_, row)| *row)
}

fn recount(counts: &mut HashMap<i64, usize>, old: Option<i64>, new: Option<i64>) {
    if let Some(datapath) = new {
        *counts.entry(datapath).or_default() += 1;
    }
    if let Some(datapath) = old
        && let Some(count) = counts.get_mut(&datapath)
    {
        *count -= 1;
        if *count == 0 {
            counts.remove(&datapath);
        }
    }
}

fn is_full(counts: &HashMap<i64, usize>, datapath: i64, most: usize) -> bool {
    counts.get(&datapath).is_some_and(|count| *count >= most)
}

/// Whether the port at this place is one of the table.
fn is_port_of<Port: Table>(database: &Database, place: [Datum; 2]) -> bool {
    let table = database.table::<sb::PortBinding>();
    let binding = table.find(&["datapath", "tunnel_key"], place.to_vec());
    binding.is_some_and(|binding| database.row(Port::NAME, binding.nb_uuid).is_some())
}
