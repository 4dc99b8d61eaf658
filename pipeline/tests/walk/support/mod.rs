//! Small logical networks, packets, and verdicts in words.

pub(crate) mod flows;
pub(crate) mod policy;
pub(crate) mod service;

use packet::Segment;
use pipeline::conntrack::Untracked;
use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use packet::{Flow, Mac};
use pipeline::object::*;
use pipeline::{Branch, Destination, Ingress, Silent, Source, Tables, Verdict, process};
use uuid::Uuid;

/// A logical network under construction. Keys are given in order, from 1.
#[derive(Clone, Default)]
pub(crate) struct Net {
    pub(crate) objects: BTreeMap<ObjectKey, Object>,
    names: BTreeMap<String, DatapathKey>,
    last: Option<ObjectKey>,
}

impl Net {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn chassis(self, name: &str, encap_ip: &str) -> Self {
        let chassis = Chassis {
            name: name.into(),
            encap_ip: encap_ip.parse().unwrap(),
            encap_port: 6081,
            zone: String::new(),
            takes_partial: false,
        };
        self.put(Object::Chassis(chassis))
    }

    pub(crate) fn switch(self, name: &str) -> Self {
        self.datapath(name, DatapathKind::Switch(Switch::default()))
    }

    pub(crate) fn router(self, name: &str) -> Self {
        let kind = DatapathKind::Router(Router::default());
        self.datapath(name, kind)
    }

    pub(crate) fn datapath(mut self, name: &str, kind: DatapathKind) -> Self {
        let key = DatapathKey::new(self.names.len() as u32 + 1).unwrap();
        self.names.insert(name.to_owned(), key);
        let (uuid, name) = (Uuid::from_u128(key.get().into()), name.to_owned());
        self.put(Object::Datapath(Datapath {
            key,
            uuid,
            name,
            kind,
        }))
    }

    /// A port with an interface. `addresses` is one row, which may hold the word `unknown`.
    pub(crate) fn vif(self, switch: &str, name: &str, addresses: &str) -> Self {
        self.switch_port(switch, name, Attachment::Vif, addresses)
    }

    pub(crate) fn switch_port(
        self,
        switch: &str,
        name: &str,
        kind: Attachment,
        addresses: &str,
    ) -> Self {
        let words: Vec<_> = addresses.split_whitespace().collect();
        let port = SwitchPort {
            attachment: kind,
            addresses: station(&words).into_iter().collect(),
            has_unknown: words.contains(&"unknown"),
            port_security: Vec::new(),
            requested_chassis: None,
            max_rate: None,
            min_rate: None,
            chassis: None,
        };
        self.port(switch, name, PortKind::Switch(port))
    }

    /// A router port joined to a new switch port `{switch}-{router}`.
    pub(crate) fn join(mut self, router: &str, switch: &str, mac: &str, networks: &str) -> Self {
        let lrp = self.next_port(router);
        let lsp = self.next_port(switch);
        let (lrp_name, lsp_name) = (format!("{router}-{switch}"), format!("{switch}-{router}"));
        let port = router_port(mac, networks, Some(lsp));
        let addresses = StationAddresses {
            mac: port.mac,
            ipv4: port.ipv4.iter().map(|net| net.addr()).collect(),
            ipv6: port.ipv6.iter().map(|net| net.addr()).collect(),
        };
        self = self
            .connected(lrp, &port)
            .port(router, &lrp_name, PortKind::Router(port));
        let lsp = SwitchPort {
            attachment: Attachment::Router(Some(lrp)),
            addresses: vec![addresses],
            has_unknown: false,
            port_security: Vec::new(),
            requested_chassis: None,
            max_rate: None,
            min_rate: None,
            chassis: None,
        };
        self.port(switch, &lsp_name, PortKind::Switch(lsp))
    }

    /// Two routers joined directly, by ports `{a}-{b}` and `{b}-{a}`.
    pub(crate) fn join_routers(mut self, a: (&str, &str, &str), b: (&str, &str, &str)) -> Self {
        let at = [self.next_port(a.0), self.next_port(b.0)];
        for ((router, mac, networks), own, peer, other) in
            [(a, at[0], at[1], b.0), (b, at[1], at[0], a.0)]
        {
            let port = router_port(mac, networks, Some(peer));
            let name = format!("{router}-{other}");
            self = self
                .connected(own, &port)
                .port(router, &name, PortKind::Router(port));
        }
        self
    }

    pub(crate) fn port(mut self, datapath: &str, name: &str, kind: PortKind) -> Self {
        let at = self.next_port(datapath);
        let uuid = Uuid::from_u128(u128::from(at.datapath.get()) << 16 | u128::from(at.port.get()));
        let port = Port {
            at,
            uuid,
            name: name.to_owned(),
            enabled: true,
            kind,
        };
        self.last = Some(ObjectKey::Port(at));
        self.put(Object::Port(port))
    }

    /// Changes the port named `name`.
    pub(crate) fn edit(mut self, name: &str, change: impl FnOnce(&mut Port)) -> Self {
        let port = self.objects.values_mut().find_map(|object| match object {
            Object::Port(port) if port.name == name => Some(port),
            _ => None,
        });
        change(port.unwrap_or_else(|| panic!("no port {name}")));
        self
    }

    pub(crate) fn edit_switch_port(self, name: &str, change: impl FnOnce(&mut SwitchPort)) -> Self {
        self.edit(name, |port| match &mut port.kind {
            PortKind::Switch(kind) => change(kind),
            PortKind::Router(_) => panic!("a router port"),
        })
    }

    pub(crate) fn edit_router_port(self, name: &str, change: impl FnOnce(&mut RouterPort)) -> Self {
        self.edit(name, |port| match &mut port.kind {
            PortKind::Router(kind) => change(kind),
            PortKind::Switch(_) => panic!("a switch port"),
        })
    }

    pub(crate) fn bound(self, name: &str, chassis: &str) -> Self {
        self.edit_switch_port(name, |port| port.chassis = Some(chassis.into()))
    }

    pub(crate) fn disabled(self, name: &str) -> Self {
        self.edit(name, |port| port.enabled = false)
    }

    /// Adds a row of port security: a MAC address and prefixes.
    pub(crate) fn secured(self, name: &str, row: &str) -> Self {
        let mut words = row.split_whitespace();
        let mac = words.next().unwrap().parse().unwrap();
        let (ipv4, ipv6) = prefixes(words);
        self.edit_switch_port(name, |port| {
            port.port_security.push(PortSecurity { mac, ipv4, ipv6 });
        })
    }

    /// A static route. A next hop is `gateway via port` or `discard`.
    pub(crate) fn route(self, router: &str, prefix: &str, next_hops: &[&str]) -> Self {
        self.route_in(router, "", RoutePolicy::Destination, prefix, next_hops)
    }

    pub(crate) fn route_in(
        self,
        router: &str,
        table: &str,
        policy: RoutePolicy,
        prefix: &str,
        next_hops: &[&str],
    ) -> Self {
        let hop = |text: &str| {
            let (gateway, port) = text.split_once(" via ").unwrap();
            let (key, kind) = self.router_port_named(port);
            let gateway: IpAddr = gateway.parse().unwrap();
            let own = kind
                .addresses()
                .filter(|ip| ip.is_ipv4() == gateway.is_ipv4());
            NextHop {
                port: key,
                gateway: Some(gateway),
                source: own.last().unwrap(),
            }
        };
        let key = RouteKey {
            table: table.to_owned(),
            policy,
            prefix: prefix.parse().unwrap(),
            origin: RouteOrigin::Static,
            inport: None,
        };
        let (discards, ways): (Vec<_>, Vec<_>) =
            next_hops.iter().partition(|text| **text == "discard");
        let next_hops = ways.into_iter().map(hop).collect();
        let router = self.names[router];
        self.put(Object::Route(Route {
            router,
            key,
            next_hops,
            discards: discards.len() as u16,
        }))
    }

    pub(crate) fn neighbor(
        self,
        port: &str,
        ip: &str,
        learned: Option<&str>,
        fixed: Option<(&str, bool)>,
    ) -> Self {
        let neighbor = Neighbor {
            port: self.at(port),
            ip: ip.parse().unwrap(),
            fixed: fixed.map(|(mac, overrides_learned)| FixedBinding {
                mac: mac.parse().unwrap(),
                overrides_learned,
            }),
            learned: learned.map(|mac| mac.parse().unwrap()),
        };
        self.put(Object::Neighbor(neighbor))
    }

    pub(crate) fn station(self, port: &str, mac: &str) -> Self {
        let at = self.at(port);
        let entry = FdbEntry {
            switch: at.datapath,
            mac: mac.parse().unwrap(),
            port: at.port,
        };
        self.put(Object::Fdb(entry))
    }

    pub(crate) fn put(mut self, object: Object) -> Self {
        self.objects.insert(object.key(), object);
        self
    }

    pub(crate) fn key(&self, datapath: &str) -> DatapathKey {
        self.names[datapath]
    }

    pub(crate) fn at(&self, name: &str) -> PortRef {
        let mut ports = self.objects.values().filter_map(|object| match object {
            Object::Port(port) if port.name == name => Some(port.at),
            _ => None,
        });
        ports.next().unwrap_or_else(|| panic!("no port {name}"))
    }

    /// The tables of a node, or of no node in particular.
    pub(crate) fn tables(&self, home: Option<&str>) -> Tables {
        let empty = Tables::new(home.map(Into::into));
        empty.apply(self.objects.values().cloned(), []).unwrap()
    }

    fn router_port_named(&self, name: &str) -> (PortKey, &RouterPort) {
        let at = self.at(name);
        match &self.objects[&ObjectKey::Port(at)] {
            Object::Port(Port {
                kind: PortKind::Router(kind),
                ..
            }) => (at.port, kind),
            _ => panic!("{name} is no router port"),
        }
    }

    fn next_port(&self, datapath: &str) -> PortRef {
        let datapath = self.names[datapath];
        let is_here =
            |key: &&ObjectKey| matches!(key, ObjectKey::Port(at) if at.datapath == datapath);
        let port = PortKey::new(self.objects.keys().filter(is_here).count() as u32 + 1).unwrap();
        PortRef { datapath, port }
    }

    fn connected(mut self, at: PortRef, port: &RouterPort) -> Self {
        let ipv4 = port
            .ipv4
            .iter()
            .map(|net| (IpNet::V4(net.trunc()), IpAddr::V4(net.addr())));
        let ipv6 = port
            .ipv6
            .iter()
            .map(|net| (IpNet::V6(net.trunc()), IpAddr::V6(net.addr())));
        for (prefix, source) in ipv4.chain(ipv6) {
            let is_link_local = matches!(source, IpAddr::V6(ip) if ip.is_unicast_link_local());
            let key = RouteKey {
                table: String::new(),
                policy: RoutePolicy::Destination,
                prefix,
                origin: RouteOrigin::Connected,
                inport: is_link_local.then_some(at.port),
            };
            let next_hops = vec![NextHop {
                port: at.port,
                gateway: None,
                source,
            }];
            self = self.put(Object::Route(Route {
                router: at.datapath,
                key,
                next_hops,
                discards: 0,
            }));
        }
        self
    }
}

fn station(words: &[&str]) -> Option<StationAddresses> {
    let mut station = StationAddresses {
        mac: words.first()?.parse().ok()?,
        ..Default::default()
    };
    for word in &words[1..] {
        match word.parse() {
            Ok(IpAddr::V4(ip)) => station.ipv4.push(ip),
            Ok(IpAddr::V6(ip)) => station.ipv6.push(ip),
            Err(_) => assert_eq!(*word, "unknown"),
        }
    }
    Some(station)
}

fn prefixes<'a>(words: impl Iterator<Item = &'a str>) -> (Vec<Ipv4Net>, Vec<Ipv6Net>) {
    let (mut ipv4, mut ipv6) = (Vec::new(), Vec::new());
    for word in words {
        let net = word
            .parse()
            .unwrap_or_else(|_| IpNet::from(word.parse::<IpAddr>().unwrap()));
        match net {
            IpNet::V4(net) => ipv4.push(net),
            IpNet::V6(net) => ipv6.push(net),
        }
    }
    (ipv4, ipv6)
}

pub(crate) fn router_port(mac: &str, networks: &str, peer: Option<PortRef>) -> RouterPort {
    let mac: Mac = mac.parse().unwrap();
    let (ipv4, mut ipv6) = prefixes(networks.split_whitespace());
    ipv6.push(Ipv6Net::new(mac.link_local(), 64).unwrap());
    RouterPort {
        mac,
        ipv4,
        ipv6,
        peer,
        gateway_mtu: None,
        route_table: String::new(),
        gateway: None,
    }
}

/// What becomes of a packet that enters by the port named `inport`.
pub(crate) fn sent(tables: &Tables, inport: &str, flow: &Flow) -> Verdict {
    let port = tables
        .port_named(inport)
        .unwrap_or_else(|| panic!("no port {inport}"));
    process(
        tables,
        &mut Untracked,
        Ingress::Interface(port.at),
        (flow, &Segment::Unknown),
        &mut Silent,
    )
}

/// The branches of a verdict in words, one a line.
pub(crate) fn in_words(tables: &Tables, verdict: &Verdict) -> String {
    let lines: Vec<_> = verdict
        .branches
        .iter()
        .map(|branch| limits_in_words(verdict, branch) + &branch_in_words(tables, branch))
        .collect();
    lines.join("\n")
}

/// The limits that a branch comes under, by the numbers of their rules.
fn limits_in_words(verdict: &Verdict, branch: &Branch) -> String {
    let rule = |place: &u32| verdict.meters[*place as usize].rule.as_u128().to_string();
    let rules: Vec<_> = branch.meters.iter().map(rule).collect();
    match rules.is_empty() {
        true => String::new(),
        false => format!("limits={} ", rules.join(",")),
    }
}

fn name(tables: &Tables, at: PortRef) -> String {
    tables
        .port(at)
        .map_or_else(|| format!("{at:?}"), |port| port.name.clone())
}

fn branch_in_words(tables: &Tables, branch: &Branch) -> String {
    let mut words = Vec::new();
    if let Source::Answer(answer) = &branch.packet {
        words.push(flows::in_words(
            &answer.flow().expect("an answer in a verdict has a flow"),
        ));
    }
    let rewrite = &branch.rewrite;
    words.extend(rewrite.eth_src.map(|mac| format!("src={mac}")));
    words.extend(rewrite.eth_dst.map(|mac| format!("dst={mac}")));
    words.extend(rewrite.vlan.map(|tag| match tag {
        Some(tag) => format!("vlan={}", tag.id),
        None => "untagged".to_owned(),
    }));
    if rewrite.ttl_decrement > 0 {
        words.push(format!("ttl-{}", rewrite.ttl_decrement));
    }
    words.extend(rewrite.dscp.map(|dscp| format!("dscp={dscp}")));
    words.push(match &branch.to {
        Destination::Output { port, interface } if port == interface => {
            format!("-> {}", name(tables, *port))
        }
        Destination::Output { port, interface } => {
            format!("-> {} on {}", name(tables, *port), name(tables, *interface))
        }
        Destination::Tunnel(tunnel) => format!(
            "-> {} {}/{}/{}",
            tunnel.chassis, tunnel.datapath, tunnel.inport, tunnel.outport
        ),
        Destination::Hold(hold) => {
            let asked: Vec<_> = hold
                .solicitation
                .iter()
                .map(|branch| branch_in_words(tables, branch))
                .collect();
            let port = name(tables, hold.port);
            format!(
                "held for {} at {port} [{}]",
                hold.next_hop,
                asked.join("; ")
            )
        }
        Destination::Monitor { inport } => format!("monitor {}", name(tables, *inport)),
        Destination::Drop { reason, .. } => format!("drop {reason}"),
    });
    words.join(" ")
}

/// Checks what becomes of packets: `(inport, packet, expected branches)`.
#[track_caller]
pub(crate) fn check(net: &Net, home: Option<&str>, cases: &[(&str, Flow, &str)]) {
    let tables = net.tables(home);
    for (inport, flow, expected) in cases {
        let verdict = sent(&tables, inport, flow);
        let found = in_words(&tables, &verdict);
        let expected: Vec<_> = expected.split(" | ").collect();
        assert_eq!(
            found,
            expected.join("\n"),
            "{inport}: {}",
            flows::in_words(flow)
        );
    }
}
