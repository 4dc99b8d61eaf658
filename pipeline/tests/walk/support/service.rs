//! Load balancers and translations in networks, and packets as they arrive.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use packet::flow::{Network, Transport, ip_protocol};
use packet::{Flow, Segment};
use pipeline::conntrack::Simple;
use pipeline::object::*;
use pipeline::{Branch, Destination, Ingress, Resume, Rewrite, Silent, Source, Tables, process};
use uuid::Uuid;

use super::Net;

/// The UUID of the balancer of this name.
pub(crate) fn uuid(name: &str) -> Uuid {
    let bytes = name
        .bytes()
        .fold(0, |sum, byte| sum << 8 | u128::from(byte));
    Uuid::from_u128(bytes)
}

/// `10.0.0.1:80` or `10.0.0.1`.
fn end(text: &str) -> (IpAddr, u16) {
    match text.parse::<SocketAddr>() {
        Ok(end) => (end.ip(), end.port()),
        Err(_) => (text.parse().unwrap(), 0),
    }
}

pub(crate) fn backend(text: &str) -> Backend {
    let (ip, port) = end(text);
    Backend {
        ip,
        port,
        weight: 1,
        state: BackendState::Ready,
        chassis: None,
        zone: String::new(),
    }
}

impl Net {
    /// A balancer with one VIP, or one more VIP of a balancer: `vip => backend backend`.
    pub(crate) fn vip(self, name: &str, protocol: u8, rule: &str) -> Self {
        self.edited_vip(name, protocol, rule, |_| {})
    }

    pub(crate) fn edited_vip(
        self,
        name: &str,
        protocol: u8,
        rule: &str,
        edit: impl FnOnce(&mut Vip),
    ) -> Self {
        let (vip, backends) = rule.split_once(" =>").unwrap();
        let (ip, port) = end(vip);
        let mut vip = Vip {
            key: VipKey {
                balancer: uuid(name),
                ip,
                protocol: if port == 0 { 0 } else { protocol },
                port,
                chassis: None,
            },
            backends: backends.split_whitespace().map(backend).collect(),
        };
        edit(&mut vip);
        let known = self.objects.contains_key(&ObjectKey::Balancer(uuid(name)));
        let net = if known {
            self
        } else {
            self.balancer(name, |_| {})
        };
        net.put(Object::Vip(vip))
    }

    /// A balancer's settings.
    pub(crate) fn balancer(self, name: &str, edit: impl FnOnce(&mut Balancer)) -> Self {
        let mut balancer = Balancer::new(uuid(name), name);
        edit(&mut balancer);
        self.put(Object::Balancer(balancer))
    }

    /// Gives a switch or router balancers.
    pub(crate) fn balanced(self, datapath: &str, names: &[&str]) -> Self {
        let mut own: Vec<_> = names.iter().map(|name| uuid(name)).collect();
        own.sort_unstable();
        self.edit_balancers(datapath, |balancers| balancers.own = own)
    }

    /// Gives a switch or router a group of balancers, whose name is that of the group.
    pub(crate) fn balanced_by_group(self, datapath: &str, group: &str, names: &[&str]) -> Self {
        let mut balancers: Vec<_> = names.iter().map(|name| uuid(name)).collect();
        balancers.sort_unstable();
        let group = BalancerGroup {
            uuid: uuid(group),
            name: group.to_owned(),
            balancers,
        };
        let of = group.uuid;
        self.put(Object::BalancerGroup(group))
            .edit_balancers(datapath, |balancers| balancers.groups = vec![of])
    }

    fn edit_balancers(mut self, datapath: &str, edit: impl FnOnce(&mut Balancers)) -> Self {
        let key = ObjectKey::Datapath(self.key(datapath));
        match self.objects.get_mut(&key) {
            Some(Object::Datapath(row)) => edit(match &mut row.kind {
                DatapathKind::Switch(switch) => &mut switch.balancers,
                DatapathKind::Router(router) => &mut router.balancers,
            }),
            _ => panic!("no datapath {datapath}"),
        }
        self
    }

    pub(crate) fn edit_router(mut self, name: &str, edit: impl FnOnce(&mut Router)) -> Self {
        let key = ObjectKey::Datapath(self.key(name));
        match self.objects.get_mut(&key) {
            Some(Object::Datapath(Datapath {
                kind: DatapathKind::Router(router),
                ..
            })) => edit(router),
            _ => panic!("no router {name}"),
        }
        self
    }

    /// A NAT: `snat external logical`, or `dnat`, or `both`. Its UUID is that of its external address as a name.
    pub(crate) fn nat(self, router: &str, rule: &str) -> Self {
        self.edited_nat(router, rule, |_| {})
    }

    pub(crate) fn edited_nat(self, router: &str, rule: &str, edit: impl FnOnce(&mut Nat)) -> Self {
        let words: Vec<_> = rule.split_whitespace().collect();
        let [kind, external, logical] = words[..] else {
            panic!("no NAT: {rule}");
        };
        let host = || ipnet::IpNet::from(logical.parse::<IpAddr>().unwrap());
        let mut nat = Nat {
            router: self.key(router),
            uuid: uuid(external),
            kind: match kind {
                "snat" => NatKind::Snat,
                "dnat" => NatKind::Dnat,
                _ => NatKind::DnatAndSnat,
            },
            external_ip: external.parse().unwrap(),
            logical: logical.parse().unwrap_or_else(|_| host()),
            external_ports: None,
            distributed: None,
            peers: NatPeers::All,
            is_stateless: false,
            add_route: false,
            gateway_port: None,
        };
        edit(&mut nat);
        self.put(Object::Nat(nat))
    }
}

/// Nodes with their tables and connections.
pub(crate) struct Nodes {
    /// The packet that was held last, where, and how it goes on.
    held: Option<(Option<String>, Resume, Flow)>,
    nodes: BTreeMap<Option<String>, (Tables, Simple)>,
}

/// A packet at the end of its way: the port, or why it got nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) at: String,
    pub(crate) flow: Flow,
    /// The nodes that it crossed to.
    pub(crate) crossed: Vec<String>,
}

impl Nodes {
    /// One node that sees all ports as its own.
    pub(crate) fn one(net: &Net) -> Nodes {
        let nodes = [(None, (net.tables(None), Simple::default()))];
        Nodes {
            held: None,
            nodes: nodes.into(),
        }
    }

    pub(crate) fn named(net: &Net, names: &[&str]) -> Nodes {
        let node = |name: &&str| {
            let tables = net.tables(Some(name));
            (Some((*name).to_owned()), (tables, Simple::default()))
        };
        Nodes {
            held: None,
            nodes: names.iter().map(node).collect(),
        }
    }

    /// The network changes; connections stay.
    pub(crate) fn become_like(&mut self, net: &Net) {
        for (name, (tables, _)) in &mut self.nodes {
            *tables = net.tables(name.as_deref());
        }
    }

    pub(crate) fn conntrack(&mut self) -> &mut Simple {
        &mut self.nodes.values_mut().next().unwrap().1
    }

    /// What becomes of a packet that a port on `node` sends.
    pub(crate) fn send_on(
        &mut self,
        node: Option<&str>,
        inport: &str,
        flow: &Flow,
    ) -> Vec<Arrived> {
        let node = node.map(str::to_owned);
        let port = self.nodes[&node].0.port_named(inport).unwrap().at;
        let mut arrived = Vec::new();
        self.carry(node, Ingress::Interface(port), flow, &[], &mut arrived);
        arrived
    }

    pub(crate) fn send(&mut self, inport: &str, flow: &Flow) -> Vec<Arrived> {
        self.send_on(None, inport, flow)
    }

    /// What becomes of the packet that was held last.
    #[track_caller]
    pub(crate) fn check_held(&mut self, expected: &str) -> Flow {
        let (node, resume, flow) = self.held.take().expect("a held packet");
        let mut arrived = Vec::new();
        self.carry(node, Ingress::Resume(resume), &flow, &[], &mut arrived);
        let found: Vec<_> = arrived.iter().map(in_words).collect();
        assert_eq!(found.join(" | "), expected);
        arrived[0].flow.clone()
    }

    fn carry(
        &mut self,
        node: Option<String>,
        ingress: Ingress,
        flow: &Flow,
        crossed: &[String],
        arrived: &mut Vec<Arrived>,
    ) {
        let (tables, conntrack) = self.nodes.get_mut(&node).expect("a node");
        let input = (flow, &Segment::Unknown);
        let verdict = process(tables, conntrack, ingress, input, &mut Silent);
        let tables = tables.clone();
        for branch in verdict.branches {
            let flow = leaving(flow, &branch);
            let end = |at: String| Arrived {
                at,
                flow: flow.clone(),
                crossed: crossed.to_vec(),
            };
            match &branch.to {
                Destination::Output { port, .. } => {
                    arrived.push(end(tables.port(*port).unwrap().name.clone()));
                }
                Destination::Drop { reason, .. } => arrived.push(end(format!("drop {reason}"))),
                Destination::Hold(hold) => {
                    arrived.push(end(format!("held for {}", hold.next_hop)));
                    self.held = Some((node.clone(), hold.resume.clone(), flow.clone()));
                }
                Destination::Monitor { .. } => arrived.push(end("monitor".to_owned())),
                Destination::Tunnel(tunnel) => {
                    let to = tunnel.chassis.to_string();
                    let ingress = Ingress::Tunnel {
                        vni: tunnel.datapath.get(),
                        inport: tunnel.inport,
                        outport: tunnel.outport,
                    };
                    let crossed = [crossed, std::slice::from_ref(&to)].concat();
                    self.carry(Some(to), ingress, &flow, &crossed, arrived);
                }
            }
        }
    }

    /// Sends a packet; there must be one that comes of it, and it must be this one.
    #[track_caller]
    pub(crate) fn check(&mut self, inport: &str, flow: &Flow, expected: &str) -> Flow {
        self.check_on(None, inport, flow, expected)
    }

    #[track_caller]
    pub(crate) fn check_on(
        &mut self,
        node: Option<&str>,
        inport: &str,
        flow: &Flow,
        expected: &str,
    ) -> Flow {
        let arrived = self.send_on(node, inport, flow);
        let found: Vec<_> = arrived.iter().map(in_words).collect();
        assert_eq!(found.join(" | "), expected, "{inport}: {}", ends(flow));
        arrived[0].flow.clone()
    }
}

/// The packet of a branch, as it leaves.
fn leaving(flow: &Flow, branch: &Branch) -> Flow {
    let mut flow = match &branch.packet {
        Source::Received => flow.clone(),
        Source::Answer(answer) => answer.flow().expect("an answer in a verdict has a flow"),
    };
    let Rewrite {
        eth_src,
        eth_dst,
        vlan,
        ttl_decrement,
        dscp,
        translation,
    } = branch.rewrite;
    flow.eth_src = eth_src.unwrap_or(flow.eth_src);
    flow.eth_dst = eth_dst.unwrap_or(flow.eth_dst);
    flow.vlan = vlan.unwrap_or(flow.vlan);
    let Network::Ip(ip) = &mut flow.network else {
        return flow;
    };
    ip.ttl -= ttl_decrement;
    ip.dscp = dscp.unwrap_or(ip.dscp);
    ip.src = translation.ip_src.unwrap_or(ip.src);
    ip.dst = translation.ip_dst.unwrap_or(ip.dst);
    match &mut ip.transport {
        Transport::Tcp { src, dst, .. }
        | Transport::Udp { src, dst }
        | Transport::Sctp { src, dst } => {
            *src = translation.port_src.unwrap_or(*src);
            *dst = translation.port_dst.unwrap_or(*dst);
        }
        Transport::Icmp {
            identifier, quoted, ..
        } => {
            *identifier = translation.identifier.unwrap_or(*identifier);
            if let Some(changed) = translation.quoted {
                *quoted = Some(Box::new(changed));
            }
        }
        Transport::Other => {}
    }
    flow
}

/// Where a packet goes from and to.
pub(crate) fn ends(flow: &Flow) -> String {
    let Network::Ip(ip) = &flow.network else {
        return super::flows::in_words(flow);
    };
    match &ip.transport {
        Transport::Tcp { src, dst, .. }
        | Transport::Udp { src, dst }
        | Transport::Sctp { src, dst } => {
            let end = |ip, port| SocketAddr::new(ip, port).to_string();
            format!("{}>{}", end(ip.src, *src), end(ip.dst, *dst))
        }
        Transport::Icmp {
            kind,
            identifier,
            quoted: None,
            ..
        } => format!("{}>{} icmp{kind} {identifier}", ip.src, ip.dst),
        Transport::Icmp {
            kind,
            quoted: Some(quoted),
            ..
        } => format!(
            "{}>{} icmp{kind} about {}>{}",
            ip.src,
            ip.dst,
            SocketAddr::new(quoted.src, quoted.src_port),
            SocketAddr::new(quoted.dst, quoted.dst_port),
        ),
        Transport::Other => format!("{}>{}", ip.src, ip.dst),
    }
}

fn in_words(arrived: &Arrived) -> String {
    let Arrived { at, flow, crossed } = arrived;
    if at.starts_with("drop") {
        return at.clone();
    }
    let over = match crossed.is_empty() {
        true => String::new(),
        false => format!(" over {}", crossed.join(",")),
    };
    format!("{}{over} -> {at}", ends(flow))
}

/// A packet of the protocol between two ends.
pub(crate) fn between(eth: (&str, &str), protocol: u8, src: &str, dst: &str) -> Flow {
    let ((src, src_port), (dst, dst_port)) = (end(src), end(dst));
    let transport = match protocol {
        ip_protocol::TCP => Transport::Tcp {
            src: src_port,
            dst: dst_port,
            flags: 2,
        },
        ip_protocol::SCTP => Transport::Sctp {
            src: src_port,
            dst: dst_port,
        },
        _ => Transport::Udp {
            src: src_port,
            dst: dst_port,
        },
    };
    super::flows::ip(eth, &src.to_string(), &dst.to_string(), transport)
}

/// The answer of whoever gets this packet.
pub(crate) fn answer(flow: &Flow) -> Flow {
    let mut answer = flow.clone();
    (answer.eth_src, answer.eth_dst) = (flow.eth_dst, flow.eth_src);
    let Network::Ip(ip) = &mut answer.network else {
        panic!("no IP packet");
    };
    (ip.src, ip.dst) = (ip.dst, ip.src);
    ip.ttl = 64;
    match &mut ip.transport {
        Transport::Tcp { src, dst, flags } => {
            (*src, *dst) = (*dst, *src);
            *flags = 0x12;
        }
        Transport::Udp { src, dst } | Transport::Sctp { src, dst } => {
            (*src, *dst) = (*dst, *src);
        }
        Transport::Icmp { kind, .. } => {
            *kind = match *kind {
                8 => 0,
                128 => 129,
                other => other,
            };
        }
        Transport::Other => {}
    }
    answer
}
