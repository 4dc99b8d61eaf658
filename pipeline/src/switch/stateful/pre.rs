//! `ls_in_pre_acl`, `ls_in_pre_lb`, `ls_in_pre_stateful` and their like on the way out: is the packet's
//! connection looked up, and what is it?

use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;

use packet::Mac;
use packet::flow::Transport;
use packet::icmp_type;

use super::{Findings, Lookup, Passing, acl, lb};
use crate::conntrack::Tracked;
use crate::record::{Entry, Event, Recorder};
use crate::stage::Stage;
use crate::view;
use crate::walk::{Packet, Walk};

/// Types of router and neighbour solicitations and advertisements (RFC 4861).
const DISCOVERY: RangeInclusive<u8> =
    icmp_type::ROUTER_SOLICITATION..=icmp_type::NEIGHBOR_ADVERTISEMENT;
/// Types of multicast listener messages (RFC 2710).
const LISTENER_MESSAGES: RangeInclusive<u8> = 130..=132;
/// The type of a multicast listener report of version 2, and whom it is sent to (RFC 3810 section 5.2).
const LISTENER_REPORT: u8 = 143;
const ALL_MLDV2_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);

/// ACLs that keep connections have IP packets looked up, but for what no connection is made of. What an ACL lets
/// pass without connection tracking passes load balancers too.
pub(super) fn acl<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    at: Passing<'t>,
    found: &mut Findings,
) {
    let keeps_connections = at.policy().keeps_connections();
    if !keeps_connections && !lb::has_vips(walk, at) {
        return;
    }
    found.is_stateful = true;
    found.is_stateless = acl::is_stateless(walk, packet, at, found);
    if found.is_stateless || !keeps_connections {
        return;
    }
    if let Some(escape) = escape(walk, packet, at, Lookup::State) {
        walk.hit(at.stage(Stage::InPreAcl, Stage::OutPreAcl), || {
            escape.entry(at)
        });
    } else if view::ip(&packet.flow).is_some() {
        walk.hit(at.stage(Stage::InPreAcl, Stage::OutPreAcl), || {
            Entry::new(100, "ip", ["reg0[0] = 1;", "next;"])
        });
        found.lookup = Lookup::State;
    }
}

/// Load balancers have IP packets looked up and what was translated once translated again.
pub(super) fn lb<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    at: Passing<'t>,
    found: &mut Findings,
) {
    if !lb::has_vips(walk, at) {
        return;
    }
    if found.is_stateless {
        return;
    }
    if let Some(escape) = escape(walk, packet, at, Lookup::Translation) {
        walk.hit(at.stage(Stage::InPreLb, Stage::OutPreLb), || {
            escape.entry(at)
        });
    } else if view::ip(&packet.flow).is_some() {
        walk.hit(at.stage(Stage::InPreLb, Stage::OutPreLb), || {
            Entry::new(100, "ip", ["reg0[2] = 1;", "next;"])
        });
        found.lookup = Lookup::Translation;
    }
}

/// The lookup. On the way out the translation is undone at once; on the way in ACLs see the packet as the sender
/// sees it, and it is translated where new connections are ([`lb::balance`]).
pub(super) fn stateful<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    at: Passing<'t>,
    found: &mut Findings,
) {
    if let (None, Some(sender), true) = (at.zone, packet.sender, at.policy().keeps_connections()) {
        found.tracked = Tracked {
            state: sender.state,
            mark: sender.mark,
            label: sender.label,
            ..Tracked::default()
        };
    }
    let (Some(zone), true) = (at.zone, found.lookup != Lookup::None) else {
        return;
    };
    found.tracked = walk.track(zone, packet);
    let is_translating = found.lookup == Lookup::Translation;
    walk.hit(
        at.stage(Stage::InPreStateful, Stage::OutPreStateful),
        || lookup_entry(is_translating),
    );
    let state = found.tracked.state;
    walk.event(|| Event::Note(format!("ct_state = {}", state.words())));
    if found.lookup != Lookup::Translation {
        found.tracked.translated = None;
    }
    if !at.is_ingress()
        && let Some(translated) = found.tracked.translated.take()
    {
        packet.flow = *translated;
    }
}

/// Why a packet is not looked up.
#[derive(Clone, Copy)]
enum Escape {
    Probe,
    Multicast,
    /// The port is a router's.
    Router,
    Link,
    Dhcpv6Request,
}

impl Escape {
    /// By which a packet is not looked up.
    fn entry(self, at: Passing<'_>) -> Entry {
        let matches = match self {
            Self::Probe => probe_match(at.is_ingress()).to_owned(),
            Self::Multicast => "eth.mcast".to_owned(),
            Self::Router => {
                let way = if at.is_ingress() { "inport" } else { "outport" };
                let port = at.outport.or(at.inport);
                let name = port.map_or("", |port| port.name.as_str());
                format!("ip && {way} == \"{name}\"")
            }
            Self::Link => LINK.to_owned(),
            Self::Dhcpv6Request => DHCPV6_REQUEST.to_owned(),
        };
        Entry::new(110, matches, ["next;"])
    }
}

fn escape<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &Packet,
    at: Passing<'_>,
    lookup: Lookup,
) -> Option<Escape> {
    let is_ip = view::ip(&packet.flow).is_some();
    if is_of_probe(walk, packet, at) {
        Some(Escape::Probe)
    } else if packet.flow.eth_dst.is_multicast() {
        Some(Escape::Multicast)
    } else if is_ip && at.zone.is_none() {
        Some(Escape::Router)
    } else if is_of_link(packet) {
        Some(Escape::Link)
    } else if lookup == Lookup::State && is_dhcpv6_request(packet) {
        Some(Escape::Dhcpv6Request)
    } else {
        None
    }
}

/// The entry of the lookup, for traces and listings.
pub(crate) fn lookup_entry(is_translating: bool) -> Entry {
    match is_translating {
        true => Entry::new(110, "reg0[2] == 1", ["ct_lb_mark;"]),
        false => Entry::new(100, "reg0[0] == 1", ["ct_next;"]),
    }
}

/// What is never looked up for ACLs, on either side, and what is; for listings.
pub(crate) fn general_entries(is_ingress: bool) -> [Entry; 4] {
    let untracked = [probe_match(is_ingress), "eth.mcast"].map(str::to_owned);
    let link = format!("{LINK} || ({DHCPV6_REQUEST})");
    let [probe, multicast] = untracked.map(|matches| Entry::new(110, matches, ["next;"]));
    let link = Entry::new(110, link, ["next;"]);
    let tracked = Entry::new(100, "ip", ["reg0[0] = 1;", "next;"]);
    [probe, multicast, link, tracked]
}

const DHCPV6_REQUEST: &str = "udp && udp.src == 546 && udp.dst == 547";
pub(super) const LINK: &str = "nd || nd_rs || nd_ra || mldv1 || mldv2";

/// Neighbour and router discovery and multicast listener messages: what a link cannot work without.
pub(super) fn is_of_link(packet: &Packet) -> bool {
    let Some(ip) = view::ip(&packet.flow) else {
        return false;
    };
    let (IpAddr::V6(src), IpAddr::V6(dst)) = (ip.src, ip.dst) else {
        return false;
    };
    match ip.transport {
        Transport::Icmp { kind, code, .. } if DISCOVERY.contains(&kind) => {
            code == 0 && ip.ttl == u8::MAX
        }
        Transport::Icmp { kind, .. } if LISTENER_MESSAGES.contains(&kind) => {
            src.is_unicast_link_local()
        }
        Transport::Icmp { kind, .. } => kind == LISTENER_REPORT && dst == ALL_MLDV2_ROUTERS,
        _ => false,
    }
}

fn is_dhcpv6_request(packet: &Packet) -> bool {
    view::ip(&packet.flow).is_some_and(|ip| ip.transport == Transport::Udp { src: 546, dst: 547 })
}

pub(super) fn probe_match(is_ingress: bool) -> &'static str {
    match is_ingress {
        true => "eth.dst == $svc_monitor_mac",
        false => "eth.src == $svc_monitor_mac",
    }
}

/// It is an answer to a probe of a backend, or the probe.
pub(super) fn is_of_probe<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &Packet,
    at: Passing<'_>,
) -> bool {
    let probe = walk.global().probe_mac;
    let mac: Mac = match at.is_ingress() {
        true => packet.flow.eth_dst,
        false => packet.flow.eth_src,
    };
    !probe.is_zero() && mac == probe
}
