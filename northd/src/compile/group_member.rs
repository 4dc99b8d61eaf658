//! `Logical_Switch_Port` → its part of the `PortGroup`s and `AddressSet`s of the groups that it is in.
//!
//! A group is compiled member by member, so that one port that comes, goes or gets another address costs as much
//! in a large group as in a small one.

use std::collections::BTreeSet;
use std::net::IpAddr;

use expr::Constant;
use model::nb;
use pipeline::object::{AddressSet, Object, PortGroup};
use uuid::Uuid;

use super::address::Station;
use super::address_set::bucket;
use super::index::Lookup;
use super::{Output, Reader};

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let groups = reader.lookup(Lookup::GroupsOf(row));
    if groups.is_empty() {
        return;
    }
    let at = reader.port_ref(row);
    let addresses = addresses(reader, row);
    for group in groups {
        let Some(name) = reader.column::<nb::PortGroup, String>(group, "name") else {
            continue;
        };
        if let Some(at) = at {
            out.object(Object::PortGroup(PortGroup {
                name: name.as_str().into(),
                datapath: at.datapath,
                members: vec![at.port],
            }));
        }
        for address in &addresses {
            out.object(member(&name, *address));
        }
    }
}

/// The addresses that `$group_ip4` and `$group_ip6` have of a port: those written for its stations, and the one
/// that was chosen. As in OVN, those of a router port that it is joined to are not among them.
fn addresses(reader: &mut Reader<'_>, port: Uuid) -> BTreeSet<IpAddr> {
    let written = reader.column::<nb::LogicalSwitchPort, BTreeSet<String>>(port, "addresses");
    let chosen = reader.column::<nb::LogicalSwitchPort, Option<String>>(port, "dynamic_addresses");
    let texts = written.into_iter().flatten().chain(chosen.flatten());
    let stations = texts.filter_map(|text| Station::parse(&text).ok());
    let addresses = stations.flat_map(|station| station.networks);
    addresses.map(|network| network.addr()).collect()
}

/// One address as a part of the set of its family.
fn member(group: &str, address: IpAddr) -> Object {
    let family = if address.is_ipv4() { 4 } else { 6 };
    let constant = Constant::from(address);
    Object::AddressSet(AddressSet {
        name: format!("{group}_ip{family}").into(),
        bucket: bucket(&constant),
        members: vec![constant],
    })
}

/// The group whose set of addresses has this name.
pub(super) fn group_of_set(set: &str) -> Option<&str> {
    set.strip_suffix("_ip4").or(set.strip_suffix("_ip6"))
}
