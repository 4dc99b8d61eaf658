//! A zone and a tuple in it, as they stand in the words of an entry.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use pipeline::conntrack::{Tuple, Zone};

/// A zone and a tuple in it, as machine words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    /// The zone, the protocol and the family.
    pub(super) zone: u64,
    pub(super) src: End,
    pub(super) dst: End,
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct End {
    pub(super) address: [u64; 2],
    pub(super) port: u16,
}

const PROTOCOL_SHIFT: u32 = Zone::BITS;
const IPV6_BIT: u64 = 1 << 63;
const _: () = assert!(Zone::BITS + 8 < 64);

/// The protocol in the word of a zone.
#[inline]
pub(super) fn protocol(zone: u64) -> u8 {
    (zone >> PROTOCOL_SHIFT) as u8
}

impl Key {
    pub(super) fn new(zone: Zone, tuple: &Tuple) -> Key {
        let family = match tuple.src {
            IpAddr::V4(_) => 0,
            IpAddr::V6(_) => IPV6_BIT,
        };
        Key {
            zone: zone.number() | u64::from(tuple.protocol) << PROTOCOL_SHIFT | family,
            src: End::new(tuple.src, tuple.src_port),
            dst: End::new(tuple.dst, tuple.dst_port),
        }
    }

    pub(super) fn reversed(self) -> Key {
        Key {
            zone: self.zone,
            src: self.dst,
            dst: self.src,
        }
    }

    pub(super) fn zone_number(&self) -> u64 {
        self.zone & ((1 << Zone::BITS) - 1)
    }

    pub(super) fn protocol(&self) -> u8 {
        protocol(self.zone)
    }

    pub(super) fn tuple(&self) -> Tuple {
        let is_ipv6 = self.zone & IPV6_BIT != 0;
        Tuple {
            src: self.src.ip(is_ipv6),
            dst: self.dst.ip(is_ipv6),
            protocol: self.protocol(),
            src_port: self.src.port,
            dst_port: self.dst.port,
        }
    }

    /// What is equal for a packet and its answer, to be hashed.
    pub(super) fn unordered(&self) -> [u64; 6] {
        let (a, b) = (self.src.min(self.dst), self.src.max(self.dst));
        let ports = u64::from(a.port) << 16 | u64::from(b.port);
        let [c, d] = [a.address, b.address];
        [self.zone, c[0], c[1], d[0], d[1], ports]
    }
}

impl End {
    fn new(ip: IpAddr, port: u16) -> End {
        let address = match ip {
            IpAddr::V4(ip) => [u64::from(ip.to_bits()), 0],
            IpAddr::V6(ip) => [(ip.to_bits() >> 64) as u64, ip.to_bits() as u64],
        };
        End { address, port }
    }

    fn ip(&self, is_ipv6: bool) -> IpAddr {
        let [high, low] = self.address;
        match is_ipv6 {
            false => Ipv4Addr::from_bits(high as u32).into(),
            true => Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low)).into(),
        }
    }
}
