//! The slow, obvious twins of the lookups: scans over all objects.

use packet::Segment;
use pipeline::conntrack::Untracked;
use std::collections::BTreeMap;
use std::net::IpAddr;

use packet::flow::*;
use packet::{Flow, Mac};
use pipeline::object::*;
use pipeline::{Destination, Ingress, Silent, Tables, process};
use proptest::prelude::*;

use super::random::row;

/// Checks where a switch sends a frame from an unrestricted port that only this test has.
pub(super) fn check_switch(
    ports: Vec<Port>,
    stations: Vec<(Mac, PortKey)>,
    flow: Flow,
) -> Result<(), TestCaseError> {
    let switch = DatapathKey::new(1).unwrap();
    let place = |port: u32| PortRef {
        datapath: switch,
        port: PortKey::new(port).unwrap(),
    };
    let mut unique: BTreeMap<PortKey, Port> = BTreeMap::new();
    for mut port in ports {
        let PortKind::Switch(kind) = &mut port.kind else {
            continue;
        };
        // Only interfaces: each output is then a branch of its own.
        (kind.attachment, kind.port_security) = (Attachment::Vif, Vec::new());
        port.at.datapath = switch;
        unique.insert(port.at.port, port);
    }
    let sender = Port {
        at: place(100),
        uuid: uuid::Uuid::nil(),
        name: "sender".to_owned(),
        enabled: true,
        kind: PortKind::Switch(SwitchPort {
            attachment: Attachment::Vif,
            addresses: Vec::new(),
            has_unknown: false,
            port_security: Vec::new(),
            requested_chassis: None,
            max_rate: None,
            min_rate: None,
            chassis: None,
        }),
    };
    let learned: BTreeMap<Mac, PortKey> = stations.into_iter().collect();
    let fdb = learned.iter().map(|(mac, port)| {
        Object::Fdb(FdbEntry {
            switch,
            mac: *mac,
            port: *port,
        })
    });
    let objects = unique
        .values()
        .cloned()
        .chain([sender])
        .map(Object::Port)
        .chain(fdb);
    let tables = Tables::new(None)
        .apply(objects.chain([row((switch, true, true))]), [])
        .unwrap();
    let found = process(
        &tables,
        &mut Untracked,
        Ingress::Interface(place(100)),
        (&flow, &Segment::Unknown),
        &mut Silent,
    );
    let reached: Vec<_> = found
        .branches
        .iter()
        .filter_map(|branch| match branch.to {
            Destination::Output { port, .. } => Some(port.port),
            _ => None,
        })
        .collect();
    prop_assert_eq!(reached, reach(&unique, &learned, &flow, place(100).port));
    Ok(())
}

/// The ports that a scan finds, in order.
fn reach(
    ports: &BTreeMap<PortKey, Port>,
    learned: &BTreeMap<Mac, PortKey>,
    flow: &Flow,
    sender: PortKey,
) -> Vec<PortKey> {
    if flow.eth_src.is_multicast() {
        return Vec::new();
    }
    let switch_port = |port: &Port| match &port.kind {
        PortKind::Switch(kind) => kind.clone(),
        PortKind::Router(_) => unreachable!("the caller filters"),
    };
    let owns = |port: &Port, ip: IpAddr| {
        switch_port(port).addresses.iter().any(|station| match ip {
            IpAddr::V4(ip) => station.ipv4.contains(&ip),
            IpAddr::V6(ip) => station.ipv6.contains(&ip),
        })
    };
    if let Some(target) = question(flow)
        && ports
            .values()
            .any(|port| !switch_port(port).has_unknown && owns(port, target))
    {
        return vec![sender];
    }
    let enabled = || ports.values().filter(|port| port.enabled);
    if flow.eth_dst.is_multicast() {
        return enabled().map(|port| port.at.port).collect();
    }
    let has = |port: &&Port| {
        switch_port(port)
            .addresses
            .iter()
            .any(|station| station.mac == flow.eth_dst)
    };
    if let Some(owner) = enabled().find(has) {
        return vec![owner.at.port];
    }
    if ports.values().any(|port| has(&port)) {
        return Vec::new();
    }
    if let Some(port) = learned.get(&flow.eth_dst).and_then(|key| ports.get(key)) {
        return port.enabled.then_some(port.at.port).into_iter().collect();
    }
    let takes_unknown = enabled().filter(|port| switch_port(port).has_unknown);
    takes_unknown.map(|port| port.at.port).collect()
}

/// The address that the switch may answer for.
fn question(flow: &Flow) -> Option<IpAddr> {
    match &flow.network {
        Network::Arp(arp) if arp.operation == 1 => Some(arp.tpa.into()),
        Network::Ip(Ip {
            dst,
            ttl: 255,
            transport:
                Transport::Icmp {
                    kind: 135,
                    code: 0,
                    discovery: Some(nd),
                    ..
                },
            ..
        }) => {
            let group = packet::solicited_node(nd.target);
            let is_sent_to_it = [IpAddr::V6(nd.target), group.into()].contains(dst);
            is_sent_to_it.then_some(nd.target.into())
        }
        _ => None,
    }
}

/// The route that a scan over all of them finds must be the one by which the packet leaves.
pub(super) fn check_route(
    routes: &[Route],
    table: &str,
    src: IpAddr,
    dst: IpAddr,
) -> Result<(), TestCaseError> {
    let router = DatapathKey::new(2).unwrap();
    let key = |port: u32| PortKey::new(port).unwrap();
    let ports = (1..=4).map(|port| {
        Object::Port(Port {
            at: PortRef {
                datapath: router,
                port: key(port),
            },
            uuid: uuid::Uuid::nil(),
            name: format!("p{port}"),
            enabled: true,
            kind: PortKind::Router(RouterPort {
                mac: Mac([0x0a, 0, 0, 0, 9, port as u8]),
                ipv4: Vec::new(),
                ipv6: Vec::new(),
                peer: None,
                gateway_mtu: None,
                route_table: table.to_owned(),
                gateway: None,
            }),
        })
    });
    // One object per key, as everywhere; the last one counts.
    let mut unique = std::collections::BTreeMap::new();
    for route in routes {
        unique.insert(
            route.key.clone(),
            Route {
                router,
                ..route.clone()
            },
        );
    }
    let tables = Tables::new(None)
        .apply(
            ports
                .chain(unique.values().cloned().map(Object::Route))
                .chain([row((router, true, true))]),
            [],
        )
        .unwrap();
    let inport = key(1);
    let expected = scan(unique.values(), table, inport, src, dst);
    let found = process(
        &tables,
        &mut Untracked,
        Ingress::Interface(PortRef {
            datapath: router,
            port: inport,
        }),
        (&plain(src, dst), &Segment::Unknown),
        &mut Silent,
    );
    match (expected, &found.branches[0].to) {
        (_, Destination::Drop { .. }) if src.is_ipv4() != dst.is_ipv4() => {}
        (None, Destination::Drop { reason, .. }) => prop_assert_eq!(reason.name(), "no-route"),
        (Some(route), Destination::Drop { reason, .. }) => {
            prop_assert!(route.next_hops.is_empty() || route.discards > 0);
            prop_assert_eq!(reason.name(), "route-discards");
        }
        (Some(route), Destination::Hold(hold)) => {
            let is_by = |hop: &NextHop| {
                hop.port == hold.port.port && hop.gateway.unwrap_or(dst) == hold.next_hop
            };
            prop_assert!(route.next_hops.iter().any(is_by), "{route:?} {hold:?}");
        }
        (expected, found) => prop_assert!(false, "{expected:?} {found:?}"),
    }
    Ok(())
}

fn scan<'a>(
    routes: impl Iterator<Item = &'a Route>,
    table: &str,
    inport: PortKey,
    src: IpAddr,
    dst: IpAddr,
) -> Option<&'a Route> {
    let holds = |route: &&Route| {
        let key = &route.key;
        let address = match key.policy {
            RoutePolicy::Destination => dst,
            RoutePolicy::Source => src,
        };
        let is_shared = key.origin == RouteOrigin::Connected || key.policy == RoutePolicy::Source;
        key.prefix.contains(&address)
            && key.inport.is_none_or(|port| port == inport)
            && (key.table == table || key.table.is_empty() && is_shared)
    };
    let rank = |route: &&Route| {
        let key = &route.key;
        let class = match (key.policy, key.origin) {
            (RoutePolicy::Source, _) => 0,
            (_, RouteOrigin::Static) => 1,
            (_, RouteOrigin::Connected) => 2,
        };
        let is_own = key.table == table;
        (
            key.prefix.prefix_len(),
            class,
            is_own,
            std::cmp::Reverse(key.clone()),
        )
    };
    routes.filter(holds).max_by_key(rank)
}

fn plain(src: IpAddr, dst: IpAddr) -> Flow {
    Flow {
        eth_src: Mac([0x0a, 0, 0, 0, 0, 1]),
        eth_dst: Mac([0x0a, 0, 0, 0, 9, 1]),
        vlan: None,
        eth_type: if src.is_ipv4() {
            ether_type::IPV4
        } else {
            ether_type::IPV6
        },
        network: Network::Ip(Ip {
            src,
            dst,
            protocol: 17,
            ttl: 64,
            dscp: 0,
            ecn: 0,
            label: 0,
            fragment: Fragment::Whole,
            dont_fragment: false,
            transport: Transport::Udp { src: 1, dst: 2 },
        }),
        length: 100,
    }
}
