//! Changes to a frame in place: what a switch or router does to a packet that it passes on.

mod stamp;
mod translate;

use zerocopy::FromBytes;

use crate::flow::{VlanTag, ether_type};
use crate::header::{ETHERNET_LENGTH, Ethernet, Ipv4, Ipv6, VLAN_TAG_LENGTH, Vlan};
use crate::{Layout, Mac, checksum};

pub use stamp::Stamp;
pub use translate::{Translation, translate};

/// Bytes of the two addresses that start an Ethernet header.
const ADDRESSES_LENGTH: usize = 12;

/// Sets the source station. A frame without an Ethernet header stays as it is.
#[inline]
pub fn set_eth_src(frame: &mut [u8], mac: Mac) {
    if let Ok((ethernet, _)) = Ethernet::mut_from_prefix(frame) {
        ethernet.src = mac;
    }
}

/// Sets the destination station. A frame without an Ethernet header stays as it is.
#[inline]
pub fn set_eth_dst(frame: &mut [u8], mac: Mac) {
    if let Ok((ethernet, _)) = Ethernet::mut_from_prefix(frame) {
        ethernet.dst = mac;
    }
}

/// Inserts an 802.1Q tag before all others.
///
/// `buffer` is [`VLAN_TAG_LENGTH`] spare bytes and then the frame; the longer frame fills it all. False, and
/// nothing changed, if the buffer does not hold an Ethernet header.
pub fn push_vlan(buffer: &mut [u8], tag: VlanTag) -> bool {
    if buffer.len() < VLAN_TAG_LENGTH + ETHERNET_LENGTH {
        return false;
    }
    buffer.copy_within(VLAN_TAG_LENGTH..VLAN_TAG_LENGTH + ADDRESSES_LENGTH, 0);
    let place = &mut buffer[ADDRESSES_LENGTH..][..VLAN_TAG_LENGTH];
    place[..2].copy_from_slice(&ether_type::VLAN.to_be_bytes());
    place[2..].copy_from_slice(&tag.control().to_be_bytes());
    true
}

/// Removes the outermost tag: the frame then starts [`VLAN_TAG_LENGTH`] bytes later. False, and nothing
/// changed, if the frame has no tag.
pub fn pop_vlan(frame: &mut [u8]) -> bool {
    let is_tagged = Ethernet::ref_from_prefix(frame).is_ok_and(|(ethernet, rest)| {
        let eth_type = ethernet.eth_type.get();
        matches!(eth_type, ether_type::VLAN | ether_type::SERVICE_VLAN)
            && rest.len() >= size_of::<Vlan>()
    });
    if is_tagged {
        frame.copy_within(..ADDRESSES_LENGTH, VLAN_TAG_LENGTH);
    }
    is_tagged
}

/// Lowers the TTL or hop limit by `hops`, and adjusts the IPv4 header checksum (RFC 1624). False, and
/// nothing changed, if there is no IP header at `layout.network` or fewer than `hops` remain.
#[inline]
pub fn decrement_ttl(frame: &mut [u8], layout: Layout, hops: u8) -> bool {
    let Some((link, packet)) = frame.split_at_mut_checked(usize::from(layout.network)) else {
        return false;
    };
    // The EtherType stands right before the network header, with or without a tag.
    match link.last_chunk().map(|bytes| u16::from_be_bytes(*bytes)) {
        Some(ether_type::IPV4) => decrement_ipv4(packet, hops),
        Some(ether_type::IPV6) => decrement_ipv6(packet, hops),
        _ => None,
    }
    .is_some()
}

#[inline]
fn decrement_ipv4(packet: &mut [u8], hops: u8) -> Option<()> {
    let (header, _) = Ipv4::mut_from_prefix(packet).ok()?;
    let ttl = header.ttl.checked_sub(hops)?;
    let word = |ttl| u16::from_be_bytes([ttl, header.protocol]);
    let checksum = checksum::adjusted(header.checksum.get(), word(header.ttl), word(ttl));
    header.checksum.set(checksum);
    header.ttl = ttl;
    Some(())
}

fn decrement_ipv6(packet: &mut [u8], hops: u8) -> Option<()> {
    let (header, _) = Ipv6::mut_from_prefix(packet).ok()?;
    header.hop_limit = header.hop_limit.checked_sub(hops)?;
    Some(())
}

/// Sets the explicit congestion notification bits (RFC 3168), and adjusts the IPv4 header checksum. False, and
/// nothing changed, if there is no IP header at `layout.network`.
pub fn set_ecn(frame: &mut [u8], layout: Layout, ecn: u8) -> bool {
    set_traffic_class(frame, layout, ecn, 3)
}

/// Sets the differentiated services code point (RFC 2474), and adjusts the IPv4 header checksum. False, and nothing
/// changed, if there is no IP header at `layout.network`.
pub fn set_dscp(frame: &mut [u8], layout: Layout, dscp: u8) -> bool {
    set_traffic_class(frame, layout, dscp << 2, !3)
}

/// Sets the bits of `mask` in the type of service or traffic class.
fn set_traffic_class(frame: &mut [u8], layout: Layout, bits: u8, mask: u8) -> bool {
    let Some(packet) = frame.get_mut(usize::from(layout.network)..) else {
        return false;
    };
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => set_ipv4_class(packet, bits, mask),
        Some(6) => set_ipv6_class(packet, bits, mask),
        _ => None,
    }
    .is_some()
}

fn set_ipv4_class(packet: &mut [u8], bits: u8, mask: u8) -> Option<()> {
    let (header, _) = Ipv4::mut_from_prefix(packet).ok()?;
    let tos = header.tos & !mask | bits & mask;
    let word = |tos| u16::from_be_bytes([header.version_length, tos]);
    let checksum = checksum::adjusted(header.checksum.get(), word(header.tos), word(tos));
    header.checksum.set(checksum);
    header.tos = tos;
    Some(())
}

fn set_ipv6_class(packet: &mut [u8], bits: u8, mask: u8) -> Option<()> {
    /// Where the bits stand in the first word.
    const SHIFT: u32 = 20;
    let (header, _) = Ipv6::mut_from_prefix(packet).ok()?;
    let others = header.version_class_label.get() & !(u32::from(mask) << SHIFT);
    let word = others | u32::from(bits & mask) << SHIFT;
    header.version_class_label.set(word);
    Some(())
}
