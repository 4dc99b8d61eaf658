//! Changes that were worked out beforehand: what a router and a translation do to most packets.
//!
//! A [`Stamp`] says which bits become what, for whole words at fixed places, so that putting it on a packet takes a few
//! loads and stores. What it makes of a packet, checksums included, is what [`decrement_ttl`](super::decrement_ttl) and
//! [`translate`](super::translate()) make of it.

use std::net::IpAddr;

use super::Translation;
use crate::checksum::Delta;
use crate::flow::ip_protocol;
use crate::offload::TransportSum;
use crate::{Glimpse, Mac};

/// Bits of a word that stay, and those that the others become, in the order in which they stand in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Word<T> {
    kept: T,
    put: T,
}

/// Changes of the addresses, the TTL and the ports of a packet that can be [glimpsed](Glimpse).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The link addresses, and what follows them.
    link: Word<u128>,
    hops: u8,
    ips: Addresses,
    /// Source and destination port, if they change.
    ports: Option<Word<u32>>,
}

/// Source and destination.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Addresses {
    /// They stay.
    Kept,
    Ipv4(Word<u64>),
    Ipv6(Box<[Word<u64>; 4]>),
}

/// Where fields stand in a frame.
mod at {
    pub(super) const TTL: usize = 22;
    pub(super) const IPV4_CHECKSUM: usize = 24;
    pub(super) const IPV4_ADDRESSES: usize = 26;
    pub(super) const HOP_LIMIT: usize = 21;
    pub(super) const IPV6_ADDRESSES: usize = 22;
    /// From the start of the transport header.
    pub(super) const TCP_CHECKSUM: usize = 16;
    pub(super) const UDP_CHECKSUM: usize = 6;
}

impl Stamp {
    /// The stamp for these changes; `None` if there are others than a stamp can make: of ICMP.
    pub fn new(
        (eth_src, eth_dst): (Option<Mac>, Option<Mac>),
        hops: u8,
        translation: &Translation,
    ) -> Option<Stamp> {
        let Translation {
            ip_src,
            ip_dst,
            port_src,
            port_dst,
            identifier,
            quoted,
        } = *translation;
        if identifier.is_some() || quoted.is_some() {
            return None;
        }
        let macs = [eth_dst, eth_src].map(|mac| mac.map(|mac| mac.0));
        let ports = [port_src, port_dst].map(|port| port.map(u16::to_be_bytes));
        let (kept, put) = masks::<6, 16>(macs);
        let link = Word {
            kept: u128::from_ne_bytes(kept),
            put: u128::from_ne_bytes(put),
        };
        let ports = ports.iter().any(Option::is_some).then(|| {
            let (kept, put) = masks::<2, 4>(ports);
            Word {
                kept: u32::from_ne_bytes(kept),
                put: u32::from_ne_bytes(put),
            }
        });
        Some(Stamp {
            link,
            hops,
            ips: Addresses::new([ip_src, ip_dst])?,
            ports,
        })
    }

    /// Changes a frame, of which `glimpse` is what was read, and whose TCP or UDP checksum is `sum`.
    #[inline]
    pub fn put(&self, frame: &mut [u8], glimpse: &Glimpse, sum: TransportSum) {
        exchange(frame, 0, |old| {
            let link = u128::from_ne_bytes(old) & self.link.kept | self.link.put;
            link.to_ne_bytes()
        });
        let addresses = match glimpse.is_ipv4() {
            true => self.put_ipv4(frame, glimpse.ttl),
            false => self.put_ipv6(frame),
        };
        if self.ips != Addresses::Kept || self.ports.is_some() {
            self.put_above(frame, glimpse, addresses, sum);
        }
    }

    /// Returns how the sum over the addresses changes.
    #[inline]
    fn put_ipv4(&self, frame: &mut [u8], ttl: u8) -> Delta {
        let addresses = match &self.ips {
            Addresses::Ipv4(word) => word.put(frame, at::IPV4_ADDRESSES),
            _ => Delta::default(),
        };
        let mut header = addresses;
        if self.hops > 0 && ttl >= self.hops {
            exchange(frame, at::TTL, |[ttl]| [ttl - self.hops]);
            header = header.and(Delta::of([ttl, 0], [ttl - self.hops, 0]));
        }
        if header != Delta::default() {
            exchange(frame, at::IPV4_CHECKSUM, |old| changed(old, header));
        }
        addresses
    }

    /// Returns how the sum over the addresses changes.
    #[inline]
    fn put_ipv6(&self, frame: &mut [u8]) -> Delta {
        exchange(frame, at::HOP_LIMIT, |[hops]| {
            [hops.checked_sub(self.hops).unwrap_or(hops)]
        });
        let Addresses::Ipv6(words) = &self.ips else {
            return Delta::default();
        };
        let places = (at::IPV6_ADDRESSES..).step_by(8);
        let changes = words
            .iter()
            .zip(places)
            .map(|(word, at)| word.put(frame, at));
        changes.fold(Delta::default(), Delta::and)
    }

    #[inline]
    fn put_above(&self, frame: &mut [u8], glimpse: &Glimpse, addresses: Delta, sum: TransportSum) {
        let transport = usize::from(glimpse.layout().transport);
        let mut changes = addresses;
        if let Some(ports) = &self.ports {
            exchange(frame, transport, |old| {
                let new = (u32::from_ne_bytes(old) & ports.kept | ports.put).to_ne_bytes();
                changes = changes.and(Delta::of(old, new));
                new
            });
        }
        let is_udp = glimpse.protocol() == ip_protocol::UDP;
        let checksum = match is_udp {
            true => transport + at::UDP_CHECKSUM,
            false => transport + at::TCP_CHECKSUM,
        };
        exchange(frame, checksum, |old| match sum {
            TransportSum::Partial => addresses.added_to(u16::from_be_bytes(old)).to_be_bytes(),
            // A UDP checksum of zero is none, and one that comes out as zero is sent as all ones (RFC 768).
            TransportSum::Complete if is_udp && old == [0, 0] => old,
            TransportSum::Complete if changes == Delta::default() => old,
            TransportSum::Complete => match changed(old, changes) {
                [0, 0] if is_udp => [0xff, 0xff],
                new => new,
            },
        });
    }
}

impl Word<u64> {
    /// Changes a word of a frame; returns how the sum over it changes.
    #[inline]
    fn put(&self, frame: &mut [u8], at: usize) -> Delta {
        let mut change = Delta::default();
        exchange(frame, at, |old| {
            let new = (u64::from_ne_bytes(old) & self.kept | self.put).to_ne_bytes();
            change = Delta::of(old, new);
            new
        });
        change
    }
}

impl Addresses {
    /// Source and destination as they become; `None` if they are of different families.
    fn new(ips: [Option<IpAddr>; 2]) -> Option<Addresses> {
        let word = |kept, put| Word {
            kept: u64::from_ne_bytes(kept),
            put: u64::from_ne_bytes(put),
        };
        Some(match ips {
            [None, None] => Addresses::Kept,
            [None | Some(IpAddr::V4(_)), None | Some(IpAddr::V4(_))] => {
                let octets = |ip| match ip {
                    Some(IpAddr::V4(ip)) => Some(ip.octets()),
                    _ => None,
                };
                let (kept, put) = masks::<4, 8>(ips.map(octets));
                Addresses::Ipv4(word(kept, put))
            }
            [None | Some(IpAddr::V6(_)), None | Some(IpAddr::V6(_))] => {
                let octets = |ip| match ip {
                    Some(IpAddr::V6(ip)) => Some(ip.octets()),
                    _ => None,
                };
                let (kept, put) = masks::<16, 32>(ips.map(octets));
                let (kept, put) = (kept.as_chunks().0, put.as_chunks().0);
                Addresses::Ipv6(Box::new(std::array::from_fn(|at| word(kept[at], put[at]))))
            }
            _ => return None,
        })
    }
}

/// For two fields beside each other, which bytes stay and what the others become.
fn masks<const N: usize, const M: usize>(fields: [Option<[u8; N]>; 2]) -> ([u8; M], [u8; M]) {
    let (mut kept, mut put) = ([0xff; M], [0; M]);
    for (at, field) in fields.into_iter().enumerate() {
        if let Some(field) = field {
            kept[at * N..][..N].fill(0);
            put[at * N..][..N].copy_from_slice(&field);
        }
    }
    (kept, put)
}

/// A checksum field after a change.
#[inline]
fn changed(field: [u8; 2], delta: Delta) -> [u8; 2] {
    delta.applied_to(u16::from_be_bytes(field)).to_be_bytes()
}

/// Changes the bytes at a place, if they are there.
#[inline]
fn exchange<const N: usize>(frame: &mut [u8], at: usize, change: impl FnOnce([u8; N]) -> [u8; N]) {
    if let Some(bytes) = frame.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *bytes = change(*bytes);
    }
}
