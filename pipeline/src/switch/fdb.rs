//! `ls_in_lookup_fdb`, `ls_in_put_fdb`: learning behind which port a station is.
//!
//! Places are learned at ports that take unknown addresses and have no port security.

use packet::Mac;

use crate::object::{Attachment, Port, PortKey, SwitchPort};
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::tables::SwitchTables;
use crate::verdict::{Learn, LearnedKey};
use crate::walk::{In, Packet, Walk};

/// How many stations a switch learns at most; further ones are reached by flooding.
pub const MAX_STATIONS: usize = 65_536;

pub(super) fn learn<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    switch: In<'t, SwitchTables>,
    inport: &'t Port,
    kind: &'t SwitchPort,
) {
    if !learns(kind) || packet.passage.is_from_tunnel {
        return;
    }
    walk.depend(switch.datapath.slots.learned);
    let mac = packet.flow.eth_src;
    walk.hit(Stage::InLookupFdb, || lookup_entry(inport));
    if switch.datapath.fdb.get(&mac) == Some(&inport.at.port) {
        return walk.used(LearnedKey::Station(switch.key, mac));
    }
    let is_known = switch.datapath.fdb.contains_key(&mac);
    if mac.is_zero() || !is_known && switch.datapath.fdb.len() >= MAX_STATIONS {
        return;
    }
    walk.hit(Stage::InPutFdb, || put_entry(inport));
    walk.learn(Learn::Station {
        port: inport.at,
        mac,
    });
}

/// Whether the places of stations behind the port are learned.
pub(crate) fn learns(kind: &SwitchPort) -> bool {
    matches!(kind.attachment, Attachment::Vif | Attachment::Nested { .. })
        && kind.has_unknown
        && kind.port_security.is_empty()
}

/// The port behind which `mac` was learned.
pub(super) fn lookup<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    switch: In<'t, SwitchTables>,
    mac: Mac,
) -> Option<PortKey> {
    walk.depend(switch.datapath.slots.learned);
    let port = *switch.datapath.fdb.get(&mac)?;
    walk.used(LearnedKey::Station(switch.key, mac));
    Some(port)
}

/// A port where places are learned, for traces and listings.
pub(crate) fn lookup_entry(inport: &Port) -> Entry {
    let matches = format!("inport == \"{}\"", inport.name);
    Entry::new(
        100,
        matches,
        ["reg0[11] = lookup_fdb(inport, eth.src);", "next;"],
    )
}

/// A port where places are learned, for traces and listings.
pub(crate) fn put_entry(inport: &Port) -> Entry {
    let matches = format!("inport == \"{}\" && reg0[11] == 0", inport.name);
    Entry::new(100, matches, ["put_fdb(inport, eth.src);", "next;"])
}
