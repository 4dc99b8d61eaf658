//! The packets that the network itself sends: neighbour discovery, echo replies, ICMP errors, TCP resets
//! and SCTP aborts.
//!
//! Each function returns a whole Ethernet frame that is ready to enter the logical pipeline. An answer to a
//! packet keeps the packet's tag.

mod abort;
mod arp;
mod discovery;
mod echo;
mod icmp_error;
mod reset;

use std::net::IpAddr;

use crate::Flow;
use crate::build::Link;
use crate::flow::{Ip, Network};

pub use abort::{ABORT_LENGTH, sctp_abort};
pub use arp::{arp_reply, arp_request, gratuitous_arp};
pub use discovery::{neighbor_advertisement, neighbor_solicitation, unsolicited_advertisement};
pub use echo::echo_reply;
pub use icmp_error::{
    ErrorSource, ICMP_ERROR_LENGTH, IcmpError, MAX_ERROR_LENGTH, MAX_V6_ERROR_LENGTH, icmp_error,
};
pub use reset::tcp_reset;

/// TTL of an answer, and what neighbour discovery demands (RFC 4861 section 7.1).
const ANSWER_TTL: u8 = 255;
/// TTL of TCP resets and SCTP aborts. It is OVN's.
pub const RESET_TTL: u8 = 63;

/// The link header of an answer from the station that the packet was sent to.
fn back(flow: &Flow) -> Link {
    Link {
        src: flow.eth_dst,
        dst: flow.eth_src,
        vlan: flow.vlan,
    }
}

fn ip(flow: &Flow) -> Option<&Ip> {
    match &flow.network {
        Network::Ip(ip) => Some(ip),
        _ => None,
    }
}

/// True for an address that stands for one station.
fn is_host(ip: IpAddr) -> bool {
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !(is_broadcast || ip.is_multicast() || ip.is_unspecified() || ip.is_loopback())
}
