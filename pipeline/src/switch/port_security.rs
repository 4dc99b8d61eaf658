//! `ls_in_check_port_sec`, `ls_out_check_port_sec`: may the sender send this, and the receiver receive it?
//!
//! A port without rows is not restricted. Each row allows a MAC address and, if it names any, only its
//! IP addresses, in IP packets as well as in the claims of ARP and neighbour discovery. What one row allows
//! is allowed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use packet::Mac;
use packet::flow::{Arp, Ip, Network, Transport};

use crate::drop::DropReason;
use crate::object::{Port, PortSecurity, SwitchPort};
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::view;
use crate::walk::{Packet, Walk};

/// Types of multicast listener reports, which are sent before a host has an address (RFC 3590).
const LISTENER_REPORTS: [u8; 2] = [131, 143];
const SOLICITATION: u8 = packet::icmp_type::NEIGHBOR_SOLICITATION;

pub(super) fn check_sender<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &Packet,
    inport: &Port,
    kind: &SwitchPort,
    vlan_passthru: bool,
) -> Result<(), DropReason> {
    let stage = Stage::InCheckPortSec;
    if packet.flow.eth_src.is_multicast() {
        walk.hit(stage, multicast_source_entry);
        return Err(DropReason::MulticastSource);
    }
    if !inport.enabled {
        walk.hit(stage, || disabled_entry(inport));
        return Err(DropReason::PortDisabled);
    }
    if packet.flow.vlan.is_some() && !vlan_passthru {
        walk.hit(stage, vlan_entry);
        return Err(DropReason::VlanUnexpected);
    }
    let rows = &kind.port_security;
    if rows.is_empty() {
        walk.hit(stage, unrestricted_sender_entry);
        return Ok(());
    }
    let judged = may_send(rows, packet);
    walk.hit(stage, || match judged {
        Ok(()) => sender_entry(inport, rows),
        Err(_) => sender_default_entry(inport),
    });
    judged
}

fn may_send(rows: &[PortSecurity], packet: &Packet) -> Result<(), DropReason> {
    let flow = &packet.flow;
    let of_sender = || rows.iter().filter(|row| row.mac == flow.eth_src);
    if of_sender().next().is_none() {
        return Err(DropReason::PortSecurityEthernet);
    }
    let is_allowed = |reason, allows: &dyn Fn(&PortSecurity) -> bool| match of_sender().any(allows)
    {
        true => Ok(()),
        false => Err(reason),
    };
    match &flow.network {
        Network::Ip(ip) => {
            is_allowed(DropReason::PortSecurityIp, &|row| sends_ip(row, ip))?;
            is_allowed(DropReason::PortSecurityNeighbor, &|row| claims(row, packet))
        }
        Network::Arp(arp) if view::arp(flow).is_some() => {
            is_allowed(DropReason::PortSecurityNeighbor, &|row| sends_arp(row, arp))
        }
        // A row with addresses allows those and nothing else.
        _ => is_allowed(DropReason::PortSecurityIp, &has_no_addresses),
    }
}

fn has_no_addresses(row: &PortSecurity) -> bool {
    row.ipv4.is_empty() && row.ipv6.is_empty()
}

fn sends_ip(row: &PortSecurity, ip: &Ip) -> bool {
    if has_no_addresses(row) {
        return true;
    }
    match (ip.src, ip.dst) {
        (IpAddr::V4(src), dst) => {
            row.ipv4.iter().any(|net| allows_ipv4(net, src))
                || !row.ipv4.is_empty() && is_dhcp_request(src, dst, &ip.transport)
        }
        (IpAddr::V6(src), dst) => {
            !row.ipv6.is_empty()
                && (src == row.mac.link_local()
                    || row.ipv6.iter().any(|net| allows_ipv6(net, src))
                    || src.is_unspecified() && is_sent_before_address(dst, &ip.transport))
        }
    }
}

fn is_dhcp_request(src: Ipv4Addr, dst: IpAddr, transport: &Transport) -> bool {
    src.is_unspecified()
        && dst == IpAddr::V4(Ipv4Addr::BROADCAST)
        && *transport == Transport::Udp { src: 68, dst: 67 }
}

fn is_sent_before_address(dst: IpAddr, transport: &Transport) -> bool {
    let IpAddr::V6(dst) = dst else { return false };
    dst.segments()[0] == 0xff02
        && matches!(transport, Transport::Icmp { kind, code: 0, .. }
            if *kind == SOLICITATION || LISTENER_REPORTS.contains(kind))
}

fn sends_arp(row: &PortSecurity, arp: &Arp) -> bool {
    arp.sha == row.mac
        && (has_no_addresses(row) || row.ipv4.iter().any(|net| allows_ipv4(net, arp.spa)))
}

/// What a neighbour message claims must be the sender's own, also where the row has no addresses: a MAC address
/// that is not its own would be learned from it. Other packets claim nothing.
fn claims(row: &PortSecurity, packet: &Packet) -> bool {
    let is_own = |mac: Option<Mac>| mac.is_none_or(|mac| mac == row.mac || mac.is_zero());
    if let Some(solicitation) = view::solicitation(&packet.flow) {
        return is_own(solicitation.discovery.source_mac);
    }
    let Some(advertisement) = view::advertisement(&packet.flow) else {
        return true;
    };
    let target = advertisement.discovery.target;
    is_own(advertisement.discovery.target_mac)
        && (row.ipv6.is_empty()
            || target == row.mac.link_local()
            || row.ipv6.iter().any(|net| allows_ipv6(net, target)))
}

/// Host bits make it the address of one host; none make it a network.
fn allows_ipv4(net: &Ipv4Net, ip: Ipv4Addr) -> bool {
    match net.addr() == net.network() {
        true => net.contains(&ip),
        false => net.addr() == ip,
    }
}

fn allows_ipv6(net: &Ipv6Net, ip: Ipv6Addr) -> bool {
    match net.addr() == net.network() {
        true => net.contains(&ip),
        false => net.addr() == ip,
    }
}

pub(super) fn check_receiver<R: Recorder>(
    walk: &mut Walk<'_, R>,
    packet: &Packet,
    outport: &Port,
    kind: &SwitchPort,
) -> Result<(), DropReason> {
    let stage = Stage::OutCheckPortSec;
    if packet.flow.eth_dst.is_multicast() {
        walk.hit(stage, group_entry);
        return Ok(());
    }
    let rows = &kind.port_security;
    if rows.is_empty() {
        walk.hit(stage, unrestricted_receiver_entry);
        return Ok(());
    }
    let judged = may_receive(rows, packet);
    walk.hit(stage, || match judged {
        Ok(()) => receiver_entry(outport, rows),
        Err(_) => receiver_default_entry(outport),
    });
    judged
}

fn may_receive(rows: &[PortSecurity], packet: &Packet) -> Result<(), DropReason> {
    let mut of_receiver = rows
        .iter()
        .filter(|row| row.mac == packet.flow.eth_dst)
        .peekable();
    if of_receiver.peek().is_none() {
        return Err(DropReason::PortSecurityReceiver);
    }
    let Some(ip) = view::ip(&packet.flow) else {
        return Ok(());
    };
    // A row with addresses withdraws what one without them allows.
    let (with, without): (Vec<_>, Vec<_>) = of_receiver.partition(|row| !has_no_addresses(row));
    let is_allowed = match with.is_empty() {
        true => !without.is_empty(),
        false => with.iter().any(|row| receives_ip(row, ip)),
    };
    is_allowed
        .then_some(())
        .ok_or(DropReason::PortSecurityReceiverIp)
}

fn receives_ip(row: &PortSecurity, ip: &Ip) -> bool {
    match ip.dst {
        IpAddr::V4(dst) => {
            !row.ipv4.is_empty() && (dst.is_broadcast() || dst.is_multicast())
                || row
                    .ipv4
                    .iter()
                    .any(|net| allows_ipv4(net, dst) || is_broadcast_of(net, dst))
        }
        IpAddr::V6(dst) => {
            !row.ipv6.is_empty() && (dst == row.mac.link_local() || dst.is_multicast())
                || row.ipv6.iter().any(|net| allows_ipv6(net, dst))
        }
    }
}

fn is_broadcast_of(net: &Ipv4Net, ip: Ipv4Addr) -> bool {
    net.addr() != net.network() && net.prefix_len() < 32 && net.broadcast() == ip
}

// === in words ===

pub(crate) fn multicast_source_entry() -> Entry {
    Entry::new(100, "eth.src[40]", ["drop;"])
}

pub(crate) fn vlan_entry() -> Entry {
    Entry::new(100, "vlan.present", ["drop;"])
}

pub(crate) fn group_entry() -> Entry {
    Entry::new(100, "eth.mcast", ["output;"])
}

pub(crate) fn disabled_entry(port: &Port) -> Entry {
    Entry::new(100, format!("inport == \"{}\"", port.name), ["drop;"])
}

pub(crate) fn unrestricted_sender_entry() -> Entry {
    Entry::new(50, "1", ["next;"])
}

pub(crate) fn unrestricted_receiver_entry() -> Entry {
    Entry::new(0, "1", ["output;"])
}

pub(crate) fn sender_entry(port: &Port, rows: &[PortSecurity]) -> Entry {
    let matches = format!("inport == \"{}\" && ({})", port.name, in_words(rows, "src"));
    Entry::new(90, matches, ["next;"])
}

pub(crate) fn receiver_entry(port: &Port, rows: &[PortSecurity]) -> Entry {
    let matches = format!(
        "outport == \"{}\" && ({})",
        port.name,
        in_words(rows, "dst")
    );
    Entry::new(90, matches, ["output;"])
}

/// What no row allows.
pub(crate) fn sender_default_entry(port: &Port) -> Entry {
    Entry::new(80, format!("inport == \"{}\"", port.name), ["drop;"])
}

/// What no row allows.
pub(crate) fn receiver_default_entry(port: &Port) -> Entry {
    Entry::new(80, format!("outport == \"{}\"", port.name), ["drop;"])
}

fn in_words(rows: &[PortSecurity], side: &str) -> String {
    let row_in_words = |row: &PortSecurity| {
        let mut words = format!("eth.{side} == {}", row.mac);
        let ipv4 = row.ipv4.iter().map(|net| shown(IpNet::V4(*net)));
        let ipv6 = row.ipv6.iter().map(|net| shown(IpNet::V6(*net)));
        let addresses: Vec<_> = ipv4.chain(ipv6).collect();
        if !addresses.is_empty() {
            words += &format!(" && ip.{side} == {{{}}}", addresses.join(", "));
        }
        words
    };
    rows.iter()
        .map(row_in_words)
        .collect::<Vec<_>>()
        .join(" || ")
}

fn shown(net: IpNet) -> String {
    match net.addr() == net.network() && net.prefix_len() < net.max_prefix_len() {
        true => net.to_string(),
        false => net.addr().to_string(),
    }
}
