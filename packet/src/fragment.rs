//! Fragments: cutting IPv4 packets (RFC 791 section 3.2), and where one stands in its datagram.

use zerocopy::{FromBytes, IntoBytes};

use crate::flow::ether_type;
use crate::header::{IPV4_LENGTH, Ipv4, ipv4_fragment};
use crate::parse::{piece_of_ipv4, piece_of_ipv6};
use crate::{Flow, Layout, checksum};

/// The least MTU that IPv4 allows (RFC 791 section 3.2): the longest header and 8 bytes.
pub const MIN_IPV4_MTU: u16 = 68;

/// Where a fragment stands in its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What all fragments of the datagram share; 16 bits in IPv4.
    pub identification: u32,
    /// Bytes of the datagram before it, a multiple of 8.
    pub offset: u32,
    /// Bytes of the datagram in it: after the IPv4 header or the IPv6 fragment header.
    pub length: u32,
    /// It is not the last one.
    pub has_more: bool,
}

impl Piece {
    /// Where the IP packet of a frame that was parsed stands in its datagram; `None` if it is not a fragment.
    pub fn of(frame: &[u8], flow: &Flow, layout: &Layout) -> Option<Piece> {
        let start = usize::from(layout.network);
        let packet = frame.get(start..start + flow.length as usize)?;
        match flow.eth_type {
            ether_type::IPV4 => piece_of_ipv4(packet),
            ether_type::IPV6 => piece_of_ipv6(packet),
            _ => None,
        }
    }
}

/// Why a packet cannot be fragmented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// There is no IPv4 packet of the length that the flow has.
    #[error("not an IPv4 packet")]
    NotIpv4,
    /// The sender forbids it.
    #[error("the packet must not be fragmented")]
    DontFragment,
    /// Less than [`MIN_IPV4_MTU`].
    #[error("an MTU of {0} is below the least of IPv4, {MIN_IPV4_MTU}")]
    MtuTooSmall(u16),
}

/// Cuts the IPv4 packet of a frame into fragments of at most `mtu` bytes each, L3 length, and returns whole
/// frames in order. A packet that fits comes back as it is, without padding. Fragments of fragments are sound.
pub fn fragment_ipv4(
    frame: &[u8],
    flow: &Flow,
    layout: Layout,
    mtu: u16,
) -> Result<Vec<Vec<u8>>, FragmentError> {
    if flow.eth_type != ether_type::IPV4 {
        return Err(FragmentError::NotIpv4);
    }
    let (link, packet) = frame
        .split_at_checked(usize::from(layout.network))
        .ok_or(FragmentError::NotIpv4)?;
    let packet = packet
        .get(..flow.length as usize)
        .ok_or(FragmentError::NotIpv4)?;
    let (header, _) = Ipv4::ref_from_prefix(packet).map_err(|_| FragmentError::NotIpv4)?;
    let header_length = header.header_length();
    if header.version_length >> 4 != 4 || !(IPV4_LENGTH..=packet.len()).contains(&header_length) {
        return Err(FragmentError::NotIpv4);
    }
    if packet.len() <= usize::from(mtu) {
        return Ok(vec![[link, packet].concat()]);
    }
    if header.fragment.get() & ipv4_fragment::DONT != 0 {
        return Err(FragmentError::DontFragment);
    }
    if mtu < MIN_IPV4_MTU {
        return Err(FragmentError::MtuTooSmall(mtu));
    }
    let (options, payload) = packet[IPV4_LENGTH..].split_at(header_length - IPV4_LENGTH);
    let cutter = Cutter { link, header, mtu };
    Ok(cutter.cut(options, payload))
}

/// What all fragments of a packet have in common.
struct Cutter<'a> {
    link: &'a [u8],
    header: &'a Ipv4,
    mtu: u16,
}

impl Cutter<'_> {
    fn cut(&self, options: &[u8], mut payload: &[u8]) -> Vec<Vec<u8>> {
        let bits = self.header.fragment.get();
        let mut offset = bits & ipv4_fragment::OFFSET;
        let copied = copied_options(options);
        let mut options = options;
        let mut fragments = Vec::new();
        loop {
            let room = usize::from(self.mtu) - IPV4_LENGTH - options.len();
            let is_last = payload.len() <= room;
            let length = if is_last { payload.len() } else { room & !7 };
            let (data, rest) = payload.split_at(length);
            let more = if is_last {
                bits & ipv4_fragment::MORE
            } else {
                ipv4_fragment::MORE
            };
            // Offsets past the field's end cannot come from a packet that was itself possible.
            fragments.push(self.fragment(more | offset & ipv4_fragment::OFFSET, options, data));
            if is_last {
                return fragments;
            }
            payload = rest;
            offset += (length / 8) as u16;
            options = &copied;
        }
    }

    fn fragment(&self, bits: u16, options: &[u8], data: &[u8]) -> Vec<u8> {
        let header_length = IPV4_LENGTH + options.len();
        let mut header = *self.header;
        header.version_length = 0x40 | (header_length / 4) as u8;
        header.total_length = ((header_length + data.len()) as u16).into();
        header.fragment = bits.into();
        header.checksum = 0.into();
        header.checksum = checksum::of(&[header.as_bytes(), options].concat()).into();
        [self.link, header.as_bytes(), options, data].concat()
    }
}

/// The options that every fragment carries: those with the copied flag, padded to whole words.
fn copied_options(mut options: &[u8]) -> Vec<u8> {
    const END: u8 = 0;
    const NO_OPERATION: u8 = 1;
    const COPIED: u8 = 0x80;
    let mut copied = Vec::new();
    while let Some(&kind) = options.first() {
        let length = match kind {
            END => break,
            NO_OPERATION => 1,
            _ => options.get(1).map_or(0, |&length| usize::from(length)),
        };
        let Some((option, rest)) = options.split_at_checked(length).filter(|_| length > 0) else {
            break;
        };
        if kind & COPIED != 0 {
            copied.extend_from_slice(option);
        }
        options = rest;
    }
    copied.resize(copied.len().next_multiple_of(4), END);
    copied
}
