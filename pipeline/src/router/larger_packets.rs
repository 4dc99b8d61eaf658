//! `lr_in_larger_pkts`: a packet longer than a port's `gateway_mtu` is answered with the MTU.
//!
//! The sender is told even where it allowed fragmentation, as OVN does. A router without an address of the
//! packet's family has nobody to say it with and passes the packet on.

use std::net::IpAddr;

use packet::answer::IcmpError;

use super::routing::Hop;
use super::{Visit, error};
use crate::drop::DropReason;
use crate::object::{Port, RouterPort};
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::view;
use crate::walk::{Packet, Walk};

/// The error about a packet that is too long for the port it came in by.
pub(super) fn check_arrival<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    visit: Visit<'t>,
) -> Result<Option<Packet>, DropReason> {
    check_port(
        walk,
        packet,
        visit,
        visit.kind.gateway_mtu,
        Stage::InIpInput,
    )
}

/// The error about a packet that is too long for the port it leaves by.
pub(super) fn check<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    visit: Visit<'t>,
    hop: &Hop,
) -> Result<Option<Packet>, DropReason> {
    let outport = visit.router.datapath.router_port(hop.outport.port);
    let mtu = outport.and_then(|(_, kind)| kind.gateway_mtu);
    check_port(walk, packet, visit, mtu, Stage::InLargerPkts)
}

fn check_port<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    visit: Visit<'t>,
    mtu: Option<u16>,
    stage: Stage,
) -> Result<Option<Packet>, DropReason> {
    let (Some(mtu), Some(ip)) = (mtu, view::ip(&packet.flow)) else {
        return Ok(None);
    };
    let Some(source) = error_address(visit.kind, ip.src) else {
        return Ok(None);
    };
    if packet.passage.is_own_error {
        return Ok(None);
    }
    if packet.flow.length <= mtu.into() {
        walk.limit_length(packet, mtu.into());
        return Ok(None);
    }
    walk.hit(stage, || entry(&visit.inport.name, source, mtu));
    walk.is_for_this_packet_alone();
    match error(walk, packet, visit, source, IcmpError::TooBig { mtu }) {
        Some(error) => Ok(Some(error)),
        None => Err(DropReason::MtuExceeded),
    }
}

/// The address that a router port sends errors about packets of this family with.
pub(crate) fn error_address(port: &RouterPort, about: IpAddr) -> Option<IpAddr> {
    match about {
        IpAddr::V4(_) => port.ipv4.first().map(|net| net.addr().into()),
        IpAddr::V6(_) => {
            let global = port
                .ipv6
                .iter()
                .find(|net| !net.addr().is_unicast_link_local());
            global.or(port.ipv6.first()).map(|net| net.addr().into())
        }
    }
}

fn entry(inport: &str, source: IpAddr, mtu: u16) -> Entry {
    let family = view::family(source);
    let matches = format!("inport == \"{inport}\" && {family} && reg9[1] && reg9[0] == 0");
    let icmp = match source {
        IpAddr::V4(_) => "icmp4",
        IpAddr::V6(_) => "icmp6",
    };
    let action = format!(
        "{icmp}_error {{ reg9[0] = 1; {family}.dst = {family}.src; {family}.src = {source}; \
         ip.ttl = 255; {icmp}.frag_mtu = {mtu}; next(pipeline=ingress, table=0); }};"
    );
    Entry::new(150, matches, [&action])
}

/// A port with a limit, as packets that come in by it meet it; for listings.
pub(crate) fn arrival_entry(port: &Port, kind: &RouterPort) -> Option<Entry> {
    let mtu = kind.gateway_mtu?;
    Some(entry(&port.name, kind.addresses().next()?, mtu))
}

/// A port with a limit, as packets that leave by it meet it; for listings.
pub(crate) fn limit_entry(port: &Port, kind: &RouterPort) -> Option<Entry> {
    let mtu = kind.gateway_mtu?;
    let matches = format!("outport == \"{}\" && ip && length > {mtu}", port.name);
    let action = format!("icmp_error {{ frag_mtu = {mtu}; next(pipeline=ingress, table=0); }};");
    Some(Entry::new(150, matches, [&action]))
}
