//! The entries of a logical switch.

use super::{policy, translating};
use crate::object::{DatapathKind, Port, PortKey, Switch, SwitchPort};
use crate::record::Entry;
use crate::stage::Stage;
use crate::switch::{arp_nd_responder, fdb, l2_lookup, port_security};
use crate::tables::{SwitchTables, Tables};
use crate::walk::In;

pub(super) fn entries(stage: Stage, tables: &Tables, switch: In<'_, SwitchTables>) -> Vec<Entry> {
    match stage {
        Stage::InCheckPortSec => admission(switch),
        Stage::InLookupFdb => learning(switch, fdb::lookup_entry),
        Stage::InPutFdb => learning(switch, fdb::put_entry),
        Stage::InArpRsp => responders(switch),
        Stage::InL2Lkup => destinations(switch),
        Stage::InL2Unknown => unknown_destinations(switch),
        Stage::OutCheckPortSec => receivers(switch),
        Stage::InLb | Stage::InNatHairpin | Stage::InHairpin => {
            translating::of_switch(stage, tables, switch)
        }
        _ => policy::entries(stage, tables, switch),
    }
}

fn ports<'t>(switch: In<'t, SwitchTables>) -> impl Iterator<Item = (&'t Port, &'t SwitchPort)> {
    switch
        .datapath
        .ports
        .keys()
        .filter_map(move |key| switch.datapath.switch_port(*key))
}

fn name(switch: In<'_, SwitchTables>, port: PortKey) -> &str {
    switch
        .datapath
        .port(port)
        .map_or("", |port| port.name.as_str())
}

fn next() -> Entry {
    Entry::new(0, "1", ["next;"])
}

fn admission(switch: In<'_, SwitchTables>) -> Vec<Entry> {
    let mut entries = vec![port_security::multicast_source_entry()];
    let is_passed = matches!(
        switch.datapath.row.as_ref().map(|row| &row.kind),
        Some(DatapathKind::Switch(Switch {
            vlan_passthru: true,
            ..
        }))
    );
    if !is_passed {
        entries.push(port_security::vlan_entry());
    }
    for (port, kind) in ports(switch) {
        if !port.enabled {
            entries.push(port_security::disabled_entry(port));
        } else if !kind.port_security.is_empty() {
            entries.push(port_security::sender_entry(port, &kind.port_security));
            entries.push(port_security::sender_default_entry(port));
        }
    }
    entries.push(port_security::unrestricted_sender_entry());
    entries
}

fn learning(switch: In<'_, SwitchTables>, entry: impl Fn(&Port) -> Entry) -> Vec<Entry> {
    let learning = ports(switch).filter(|(_, kind)| fdb::learns(kind));
    learning
        .map(|(port, _)| entry(port))
        .chain([next()])
        .collect()
}

fn responders(switch: In<'_, SwitchTables>) -> Vec<Entry> {
    let responders = &switch.tables.responders;
    let both = responders.iter().flat_map(|(ip, owner)| {
        let own = arp_nd_responder::own_entry(*ip, name(switch, owner.port));
        [own, arp_nd_responder::entry(*ip, owner)]
    });
    let probes = switch.tables.probe_sources.iter();
    let probes = probes.map(|(ip, mac)| arp_nd_responder::probe_entry(*ip, *mac));
    probes.chain(both).chain([next()]).collect()
}

fn destinations(switch: In<'_, SwitchTables>) -> Vec<Entry> {
    let tables = switch.tables;
    let routers = tables.router_addresses.iter();
    let mut entries = vec![l2_lookup::monitor_entry()];
    entries.extend(routers.map(|(ip, port)| l2_lookup::router_entry(*ip, name(switch, *port))));
    entries.extend(
        tables
            .router_macs
            .iter()
            .map(|mac| l2_lookup::own_discovery_entry(*mac)),
    );
    entries.push(l2_lookup::flood_entry());
    for (mac, key) in &tables.stations {
        let is_enabled = switch.datapath.port(*key).is_some_and(|port| port.enabled);
        entries.push(l2_lookup::station_entry(
            *mac,
            name(switch, *key),
            is_enabled,
        ));
    }
    entries.push(l2_lookup::learned_entry());
    entries
}

fn unknown_destinations(switch: In<'_, SwitchTables>) -> Vec<Entry> {
    let learned = switch.datapath.fdb.iter();
    let mut entries: Vec<_> = learned
        .map(|(mac, port)| {
            let outport = format!("outport = \"{}\";", name(switch, *port));
            Entry::new(
                60,
                format!("eth.dst == {mac} /* learned */"),
                [&outport, "output;"],
            )
        })
        .collect();
    entries.push(l2_lookup::unknown_entry(!switch.tables.unknown.is_empty()));
    entries.push(Entry::new(0, "1", ["output;"]));
    entries
}

fn receivers(switch: In<'_, SwitchTables>) -> Vec<Entry> {
    let secured = ports(switch).filter(|(_, kind)| !kind.port_security.is_empty());
    let both = |(port, kind): (&Port, &SwitchPort)| {
        let allowed = port_security::receiver_entry(port, &kind.port_security);
        [allowed, port_security::receiver_default_entry(port)]
    };
    let always = [
        port_security::group_entry(),
        port_security::unrestricted_receiver_entry(),
    ];
    secured.flat_map(both).chain(always).collect()
}
