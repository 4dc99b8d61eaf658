//! Echo replies (RFC 792, RFC 4443 section 4.2).

use zerocopy::FromBytes;

use super::{ANSWER_TTL, ip, is_host};
use crate::flow::{Fragment, Transport};
use crate::header::{Ethernet, Icmp, Ipv4, Ipv6, icmp_type};
use crate::{Flow, Layout, checksum};

/// The reply to an echo request: the request with its addresses swapped. `None` if the packet is no whole
/// echo request to one station.
///
/// The message checksum is adjusted, not computed: a reply to a damaged request is as damaged.
pub fn echo_reply(frame: &[u8], flow: &Flow, layout: Layout) -> Option<Vec<u8>> {
    let request = ip(flow)?;
    let Transport::Icmp { kind, code: 0, .. } = request.transport else {
        return None;
    };
    let reply_kind = match (kind, request.src.is_ipv6()) {
        (icmp_type::ECHO_REQUEST, false) => icmp_type::ECHO_REPLY,
        (icmp_type::V6_ECHO_REQUEST, true) => icmp_type::V6_ECHO_REPLY,
        _ => return None,
    };
    if request.fragment != Fragment::Whole || !is_host(request.dst) {
        return None;
    }
    let network = usize::from(layout.network);
    let mut reply = frame.get(..network + flow.length as usize)?.to_vec();

    let (ethernet, _) = Ethernet::mut_from_prefix(&mut reply).ok()?;
    (ethernet.src, ethernet.dst) = (ethernet.dst, ethernet.src);
    swap_addresses(reply.get_mut(network..)?, request.src.is_ipv6())?;

    let message = reply.get_mut(usize::from(layout.transport)..)?;
    let (icmp, _) = Icmp::mut_from_prefix(message).ok()?;
    let word = |kind| u16::from_be_bytes([kind, icmp.code]);
    let checksum = checksum::adjusted(icmp.checksum.get(), word(icmp.kind), word(reply_kind));
    icmp.checksum.set(checksum);
    icmp.kind = reply_kind;
    Some(reply)
}

/// Swaps source and destination of an IP packet and gives it a full TTL.
fn swap_addresses(packet: &mut [u8], is_ipv6: bool) -> Option<()> {
    if is_ipv6 {
        let (header, _) = Ipv6::mut_from_prefix(packet).ok()?;
        (header.src, header.dst) = (header.dst, header.src);
        header.hop_limit = ANSWER_TTL;
        return Some(());
    }
    let (header, _) = Ipv4::mut_from_prefix(packet).ok()?;
    let word = |ttl| u16::from_be_bytes([ttl, header.protocol]);
    let checksum = checksum::adjusted(header.checksum.get(), word(header.ttl), word(ANSWER_TTL));
    header.checksum.set(checksum);
    header.ttl = ANSWER_TTL;
    (header.src, header.dst) = (header.dst, header.src);
    Some(())
}
