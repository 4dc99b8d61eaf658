//! `lr_in_ip_input`: what may not be routed is dropped, what is for the router itself is answered.

use std::net::{IpAddr, Ipv4Addr};

use packet::answer::IcmpError;
use packet::flow::{Fragment, Ip, Transport};
use packet::{Mac, icmp_type};

use super::translation::{self, Role};
use super::{Input, Visit, error, larger_packets};
use crate::answer::AnswerKind;
use crate::balance;
use crate::drop::DropReason;
use crate::object::{ForceSnat, NeighborResponder, RouterPort};
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::tables::RouterTables;
use crate::view;
use crate::walk::{In, Packet, Walk};

/// The least TTL that is routed on.
const ROUTABLE_TTL: u8 = 2;

/// What becomes of the packet: it is routed, it or its answer, or an answer goes straight back.
pub(super) fn decide<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: Packet,
    visit: Visit<'t>,
) -> Result<Input, DropReason> {
    if let Some(error) = larger_packets::check_arrival(walk, &packet, visit)? {
        let mut error = error;
        error.passage.is_own_error = true;
        return match is_to_router(&error, visit.router) {
            true => Err(DropReason::ToRouter),
            false => Ok(Input::Route(error)),
        };
    }
    let Some(ip) = view::ip(&packet.flow) else {
        return answer_arp(walk, &packet, visit);
    };
    let ip = ip.clone();
    check_addresses(walk, &packet, &ip, visit)?;
    if view::solicitation(&packet.flow).is_some() || view::advertisement(&packet.flow).is_some() {
        return answer_solicitation(walk, &packet, visit);
    }
    if is_router_discovery(&ip) {
        return Err(drop(
            walk,
            84,
            "nd_rs || nd_ra",
            DropReason::NeighborNotAnswered,
        ));
    }
    if ip.dst.is_multicast() {
        return Err(drop(
            walk,
            82,
            "ip4.mcast || ip6.mcast",
            DropReason::MulticastNotRouted,
        ));
    }
    let is_own = is_to_router(&packet, visit.router);
    if is_own && let Some(answered) = answer_own(walk, &packet, &ip, visit) {
        return answered;
    }
    if packet.flow.eth_dst.is_broadcast() {
        return Err(drop(walk, 50, "eth.bcast", DropReason::BroadcastNotRouted));
    }
    if ip.ttl < ROUTABLE_TTL {
        return exceed(walk, &packet, &ip, visit);
    }
    walk.limit_ttl(&packet, ROUTABLE_TTL);
    Ok(Input::Route(packet))
}

/// True if the packet's destination is one of the router's own addresses.
pub(super) fn is_to_router(packet: &Packet, router: In<'_, RouterTables>) -> bool {
    view::ip(&packet.flow).is_some_and(|ip| router.tables.addresses.contains_key(&ip.dst))
}

fn drop<R: Recorder>(
    walk: &mut Walk<'_, R>,
    priority: u16,
    matches: &str,
    reason: DropReason,
) -> DropReason {
    walk.hit(Stage::InIpInput, || {
        Entry::new(priority, matches, ["drop;"])
    });
    reason
}

fn check_addresses<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    ip: &Ip,
    visit: Visit<'t>,
) -> Result<(), DropReason> {
    let (IpAddr::V4(src), IpAddr::V4(dst)) = (ip.src, ip.dst) else {
        return Ok(());
    };
    let is_nowhere = |ip: Ipv4Addr| ip.is_loopback() || ip.octets()[0] == 0;
    if src.is_multicast() || src.is_broadcast() || is_nowhere(src) || is_nowhere(dst) {
        return Err(drop(walk, 100, INVALID, DropReason::SourceInvalid));
    }
    let tables = visit.router.tables;
    let is_own = tables.addresses.contains_key(&ip.src) || tables.broadcasts.contains(&src);
    // At a distributed gateway port, translated packets of other nodes come in with the router's source.
    let is_own = is_own && !(visit.kind.gateway.is_some() && tables.nats.is_source(ip.src));
    if is_own && !packet.passage.is_own_error {
        walk.hit(Stage::InIpInput, || {
            Entry::new(
                100,
                format!("ip4.src == {{{src}}} && reg9[0] == 0"),
                ["drop;"],
            )
        });
        return Err(DropReason::SourceIsRouter);
    }
    Ok(())
}

const INVALID: &str = "ip4.src_mcast || ip4.src == 255.255.255.255 || \
    ip4.src == 127.0.0.0/8 || ip4.dst == 127.0.0.0/8 || ip4.src == 0.0.0.0/8 || ip4.dst == 0.0.0.0/8";

fn answer_arp<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    visit: Visit<'t>,
) -> Result<Input, DropReason> {
    let Some(arp) = view::arp(&packet.flow).copied() else {
        return Err(match packet.flow.eth_dst.is_broadcast() {
            true => drop(walk, 50, "eth.bcast", DropReason::BroadcastNotRouted),
            false => drop(walk, 0, "1", DropReason::NotIp),
        });
    };
    if arp.operation == view::ARP_REQUEST
        && let Some(mac) = translated_owner(walk, packet, visit, arp.tpa.into())
    {
        walk.hit(Stage::InIpInput, || {
            owner_entry(&visit.inport.name, arp.tpa.into())
        });
        return answer(walk, packet, AnswerKind::ArpReply { mac }).map(Input::Back);
    }
    let is_on_link = visit.kind.ipv4.iter().any(|net| net.contains(&arp.spa));
    let is_own = visit.kind.ipv4.iter().any(|net| net.addr() == arp.tpa);
    if arp.operation != view::ARP_REQUEST || !is_on_link || !is_own {
        return Err(drop(walk, 85, "arp || nd", DropReason::NeighborNotAnswered));
    }
    walk.hit(Stage::InIpInput, || {
        owner_entry(&visit.inport.name, arp.tpa.into())
    });
    answer(
        walk,
        packet,
        AnswerKind::ArpReply {
            mac: visit.kind.mac,
        },
    )
    .map(Input::Back)
}

fn answer_solicitation<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    visit: Visit<'t>,
) -> Result<Input, DropReason> {
    let asked = view::solicitation(&packet.flow).map(|message| message.discovery.target);
    if let Some(target) = asked
        && let Some(mac) = translated_owner(walk, packet, visit, target.into())
    {
        walk.hit(Stage::InIpInput, || {
            owner_entry(&visit.inport.name, target.into())
        });
        let is_router = false;
        return answer(walk, packet, AnswerKind::Advertisement { mac, is_router }).map(Input::Back);
    }
    let target = view::solicitation(&packet.flow)
        .filter(|message| view::is_sent_to_target(*message))
        .map(|message| message.discovery.target)
        .filter(|target| visit.kind.ipv6.iter().any(|net| net.addr() == *target));
    let Some(target) = target else {
        return Err(drop(walk, 85, "arp || nd", DropReason::NeighborNotAnswered));
    };
    walk.hit(Stage::InIpInput, || {
        owner_entry(&visit.inport.name, target.into())
    });
    let kind = AnswerKind::Advertisement {
        mac: visit.kind.mac,
        is_router: true,
    };
    answer(walk, packet, kind).map(Input::Back)
}

/// The station at an address that the router translates or balances, if it answers for that here.
fn translated_owner<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    visit: Visit<'t>,
    target: IpAddr,
) -> Option<Mac> {
    let tables = visit.router.tables;
    let at_port = (visit.inport.at.port, visit.kind);
    let is_gateway = visit.kind.gateway.is_some();
    if let Some(nat) = tables.nats.at(target).next() {
        let answers = !is_gateway || translation::is_done_here(walk, Role::AtPorts, nat, at_port);
        let own = nat.distributed.as_ref().filter(|_| is_gateway);
        return answers.then_some(own.map_or(visit.kind.mac, |own| own.mac));
    }
    let mut ports = tables.addresses.values();
    let mut is_reachable = || {
        ports.any(|key| {
            let port = visit.router.datapath.router_port(*key);
            port.is_some_and(|(_, kind)| kind.is_on_link(target))
        })
    };
    let answers = match balance::responder(walk, packet, visit.router.datapath, target)? {
        NeighborResponder::None => false,
        NeighborResponder::Reachable => is_reachable(),
        NeighborResponder::All => true,
    };
    let chassis = visit.kind.gateway.as_ref();
    let is_here = chassis.is_none_or(|chassis| translation::is_here(walk, chassis));
    (answers && is_here).then_some(visit.kind.mac)
}

fn is_router_discovery(ip: &Ip) -> bool {
    let kinds = [
        icmp_type::ROUTER_SOLICITATION,
        icmp_type::ROUTER_SOLICITATION + 1,
    ];
    ip.src.is_ipv6()
        && matches!(ip.transport, Transport::Icmp { kind, code: 0, .. } if kinds.contains(&kind))
}

/// A packet for one of the router's own addresses; `None` if it may be for somebody else.
fn answer_own<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    ip: &Ip,
    visit: Visit<'t>,
) -> Option<Result<Input, DropReason>> {
    if is_echo_request(ip) && ip.fragment != Fragment::Later {
        walk.hit(Stage::InIpInput, || echo_entry(ip.dst));
        return Some(answer(walk, packet, AnswerKind::EchoReply).map(Input::Route));
    }
    let is_silent = translation::role(visit.router) != Role::Plain;
    if ip.fragment != Fragment::Later && !is_dhcpv6_reply(ip) && !is_silent {
        return Some(refuse(walk, packet, ip));
    }
    if is_translated(walk, packet, visit, ip.dst) {
        return None;
    }
    walk.hit(Stage::InIpInput, || {
        Entry::new(60, own_match(ip.dst), ["drop;"])
    });
    Some(Err(DropReason::ToRouter))
}

/// The router has no use for what is not an echo request.
fn refuse<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &Packet,
    ip: &Ip,
) -> Result<Input, DropReason> {
    let source = packet::answer::ErrorSource {
        mac: packet.flow.eth_dst,
        ip: ip.dst,
    };
    let (priority, protocol, kind) = match ip.transport {
        Transport::Tcp { .. } => (80, " && tcp", AnswerKind::TcpReset),
        Transport::Sctp { .. } => (80, " && sctp", AnswerKind::SctpAbort),
        Transport::Udp { .. } => {
            let error = IcmpError::PortUnreachable;
            (80, " && udp", AnswerKind::Error { source, error })
        }
        _ => {
            let error = IcmpError::ProtocolUnreachable;
            (70, "", AnswerKind::Error { source, error })
        }
    };
    walk.hit(Stage::InIpInput, || {
        let matches = format!("{} && !ip.later_frag{protocol}", own_match(ip.dst));
        let action = format!(
            "{} {{ eth.dst <-> eth.src; ip.dst <-> ip.src; next; }};",
            kind.action().unwrap_or_default()
        );
        Entry::new(priority, matches, [&action])
    });
    answer(walk, packet, kind).map(Input::Route)
}

/// True if what is for this address of the router may be for somebody else.
fn is_translated<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &Packet,
    visit: Visit<'_>,
    dst: IpAddr,
) -> bool {
    let router = visit.router;
    let settings = router.datapath.router();
    router.tables.nats.is_source(dst)
        || settings.is_some_and(|settings| settings.lb_force_snat == ForceSnat::RouterIp)
        || balance::is_vip(walk, packet, router.datapath, dst)
}

fn is_echo_request(ip: &Ip) -> bool {
    let expected = match ip.src {
        IpAddr::V4(_) => icmp_type::ECHO_REQUEST,
        IpAddr::V6(_) => icmp_type::V6_ECHO_REQUEST,
    };
    matches!(ip.transport, Transport::Icmp { kind, code: 0, .. } if kind == expected)
}

fn is_dhcpv6_reply(ip: &Ip) -> bool {
    ip.src.is_ipv6() && ip.transport == Transport::Udp { src: 547, dst: 546 }
}

fn answer<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &Packet,
    kind: AnswerKind,
) -> Result<Packet, DropReason> {
    walk.answer(packet, kind).ok_or(DropReason::ErrorUnanswered)
}

fn exceed<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    ip: &Ip,
    visit: Visit<'t>,
) -> Result<Input, DropReason> {
    walk.is_for_this_packet_alone();
    let own = match ip.src {
        IpAddr::V4(_) => visit.kind.ipv4.first().map(|net| IpAddr::V4(net.addr())),
        IpAddr::V6(src) => {
            let mut networks = visit.kind.ipv6.iter();
            let own =
                networks.find(|net| !net.addr().is_unicast_link_local() && net.contains(&src));
            own.map(|net| IpAddr::V6(net.addr()))
        }
    };
    // Behind a distributed gateway port the router has no name of its own: whom it was for seems to answer.
    let source = match visit.kind.gateway {
        Some(_) => own.map(|_| ip.dst),
        None => own,
    };
    let answered =
        source.and_then(|source| error(walk, packet, visit, source, IcmpError::TimeExceeded));
    match answered {
        Some(answer) => {
            walk.hit(Stage::InIpInput, || exceeded_entry(visit, ip.src));
            Ok(Input::Back(answer))
        }
        None => Err(drop(walk, 30, "ip.ttl == {0, 1}", DropReason::TtlExceeded)),
    }
}

const TIME_EXCEEDED: &str = "icmp_error { eth.dst <-> eth.src; ip.dst = ip.src; ip.ttl = 254; \
    outport = inport; flags.loopback = 1; output; };";

// === in words ===

fn own_match(ip: IpAddr) -> String {
    format!("{}.dst == {ip}", view::family(ip))
}

fn exceeded_entry(visit: Visit<'_>, about: IpAddr) -> Entry {
    let (inport, family) = (&visit.inport.name, view::family(about));
    let matches =
        format!("inport == \"{inport}\" && {family} && ip.ttl == {{0, 1}} && !ip.later_frag");
    Entry::new(31, matches, [TIME_EXCEEDED])
}

/// The port answers for its own address.
pub(crate) fn owner_entry(port: &str, ip: IpAddr) -> Entry {
    let matches = match ip {
        IpAddr::V4(ip) => format!("inport == \"{port}\" && arp.op == 1 && arp.tpa == {ip}"),
        IpAddr::V6(ip) => {
            let group = packet::solicited_node(ip);
            format!(
                "inport == \"{port}\" && ip6.dst == {{{ip}, {group}}} && nd_ns && nd.target == {ip}"
            )
        }
    };
    let action = match ip {
        IpAddr::V4(_) => {
            "arp_reply { eth.src = xreg0[0..47]; arp.sha = xreg0[0..47]; arp.tpa <-> arp.spa; \
             outport = inport; flags.loopback = 1; output; };"
        }
        IpAddr::V6(_) => {
            "nd_na_router { eth.src = xreg0[0..47]; ip6.src = nd.target; \
             nd.tll = xreg0[0..47]; outport = inport; flags.loopback = 1; output; };"
        }
    };
    Entry::new(90, matches, [action])
}

/// The router answers echo requests for the address, whichever port they come by.
pub(crate) fn echo_entry(ip: IpAddr) -> Entry {
    let (icmp, request, reply) = match ip {
        IpAddr::V4(_) => ("icmp4", icmp_type::ECHO_REQUEST, icmp_type::ECHO_REPLY),
        IpAddr::V6(_) => (
            "icmp6",
            icmp_type::V6_ECHO_REQUEST,
            icmp_type::V6_ECHO_REPLY,
        ),
    };
    let family = view::family(ip);
    let matches = format!(
        "{} && {icmp}.type == {request} && {icmp}.code == 0",
        own_match(ip)
    );
    let swap = format!("{family}.dst <-> {family}.src;");
    let set = format!("{icmp}.type = {reply};");
    Entry::new(
        90,
        matches,
        [&swap, "ip.ttl = 255;", &set, "flags.loopback = 1;", "next;"],
    )
}

/// The port's own and its networks' broadcast addresses are no sources.
pub(crate) fn own_source_entry(kind: &RouterPort) -> Entry {
    let own = kind.ipv4.iter().map(|net| net.addr().to_string());
    let broadcasts = kind.ipv4.iter().filter(|net| net.prefix_len() < 31);
    let sources: Vec<_> = own
        .chain(broadcasts.map(|net| net.broadcast().to_string()))
        .collect();
    let matches = format!("ip4.src == {{{}}} && reg9[0] == 0", sources.join(", "));
    Entry::new(100, matches, ["drop;"])
}

/// What holds for every router; for listings.
pub(crate) fn general_entries() -> Vec<Entry> {
    let drops = [
        (100, INVALID),
        (85, "arp || nd"),
        (84, "nd_rs || nd_ra"),
        (82, "ip4.mcast || ip6.mcast"),
        (60, "ip.dst is the router's && ip.later_frag"),
        (50, "eth.bcast"),
        (30, "ip.ttl == {0, 1}"),
    ];
    let answers = [
        (
            80,
            "ip.dst is the router's && !ip.later_frag && tcp",
            "tcp_reset { next; };",
        ),
        (
            80,
            "ip.dst is the router's && !ip.later_frag && sctp",
            "sctp_abort { next; };",
        ),
        (
            80,
            "ip.dst is the router's && !ip.later_frag && udp",
            "icmp port unreachable { next; };",
        ),
        (
            70,
            "ip.dst is the router's && !ip.later_frag",
            "icmp protocol unreachable { next; };",
        ),
        (31, "ip.ttl == {0, 1} && !ip.later_frag", TIME_EXCEEDED),
        (0, "ip", "next;"),
    ];
    let drops = drops.map(|(priority, matches)| Entry::new(priority, matches, ["drop;"]));
    let answers =
        answers.map(|(priority, matches, action)| Entry::new(priority, matches, [action]));
    drops.into_iter().chain(answers).collect()
}
