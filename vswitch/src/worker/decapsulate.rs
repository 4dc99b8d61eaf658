//! Step 2: the outer headers of a tunnelled packet.

use packet::flow::Network;
use packet::geneve::{self, GeneveError};
use packet::offload::{PartialChecksum, TransportSum};
use pipeline::DropReason;

use super::ports::Door;
use super::{Forwarder, Moment, Place};
use crate::buffer::Packet;
use crate::port::{Frame, Outer};

/// ECN codepoints (RFC 3168 section 5).
mod ecn {
    pub(super) const NOT_CAPABLE: u8 = 0;
    pub(super) const CAPABLE_1: u8 = 1;
    pub(super) const CAPABLE_0: u8 = 2;
    pub(super) const EXPERIENCED: u8 = 3;
}

impl Forwarder {
    /// The inner frame and where it enters the network.
    pub(super) fn decapsulate(
        &mut self,
        frame: Frame,
        moment: Moment<'_>,
    ) -> Option<(Packet, Place)> {
        let Frame { mut packet, outer } = frame;
        let opened = outer
            .ok_or(DropReason::GeneveUnknownSender)
            .and_then(|outer| self.open(&mut packet, outer, moment));
        match opened {
            Ok(header) => Some((packet, Place::Tunnel(header))),
            Err(reason) => {
                self.ports.count_drop(Door::Tunnel);
                let number = Place::Underlay.number();
                self.counters
                    .count_drop(reason, moment.now_ms, number, packet.bytes());
                self.pool.give(packet);
                None
            }
        }
    }

    /// Takes the Geneve header off a packet from a known node.
    fn open(
        &mut self,
        packet: &mut Packet,
        outer: Outer,
        moment: Moment<'_>,
    ) -> Result<geneve::Header, DropReason> {
        let remote = outer.remote.ip();
        if !moment.snapshot.peers.contains(&remote) {
            return Err(DropReason::GeneveUnknownSender);
        }
        if let Some(counters) = self.ports.remote(remote) {
            counters.rx_packets.add(1);
            counters.rx_bytes.add(packet.len() as u64);
        }
        let (header, sum, inner) = geneve::Header::decode(packet.bytes()).map_err(reason)?;
        let header_length = packet.len() - inner.len();
        packet.pull_front(header_length);
        if sum == TransportSum::Partial && packet.offload.checksum.is_none() {
            packet.offload.checksum = Some(PartialChecksum::OWN);
        }
        pass_on_congestion(packet.bytes_mut(), outer.ecn)?;
        Ok(header)
    }
}

/// Brings the congestion that the underlay marked to the inner header (RFC 6040 section 4.2).
fn pass_on_congestion(frame: &mut [u8], outer: u8) -> Result<(), DropReason> {
    if matches!(outer, ecn::NOT_CAPABLE | ecn::CAPABLE_0) {
        return Ok(());
    }
    // A frame that cannot be read is dropped by the step that follows.
    let Ok((flow, layout)) = packet::parse(frame) else {
        return Ok(());
    };
    let Network::Ip(ip) = flow.network else {
        return Ok(());
    };
    let marked = match (ip.ecn, outer) {
        (ecn::NOT_CAPABLE, ecn::EXPERIENCED) => return Err(DropReason::CongestionLost),
        (ecn::CAPABLE_0, ecn::CAPABLE_1) => ecn::CAPABLE_1,
        (ecn::CAPABLE_0 | ecn::CAPABLE_1, ecn::EXPERIENCED) => ecn::EXPERIENCED,
        _ => return Ok(()),
    };
    packet::rewrite::set_ecn(frame, layout, marked);
    Ok(())
}

fn reason(error: GeneveError) -> DropReason {
    match error {
        GeneveError::Truncated | GeneveError::BadOptionLength | GeneveError::DuplicatePorts => {
            DropReason::GeneveMalformed
        }
        GeneveError::BadVersion => DropReason::GeneveVersion,
        GeneveError::Control | GeneveError::NotEthernet => DropReason::GeneveProtocol,
        GeneveError::UnknownCriticalOption => DropReason::GeneveOption,
        GeneveError::MissingPorts => DropReason::GeneveNoPorts,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    /// An IPv4 frame with these ECN bits and a right header checksum.
    fn frame(inner: u8) -> Vec<u8> {
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        frame.extend([0x45, inner, 0, 20, 0, 0, 0, 0, 64, 255, 0, 0]);
        frame.extend(Ipv4Addr::new(10, 0, 0, 1).octets());
        frame.extend(Ipv4Addr::new(10, 0, 0, 2).octets());
        let checksum = !sum(&frame[14..]);
        frame[24..26].copy_from_slice(&checksum.to_be_bytes());
        frame
    }

    fn sum(header: &[u8]) -> u16 {
        let words = header
            .chunks(2)
            .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
        let sum: u32 = words.sum();
        ((sum & 0xffff) + (sum >> 16)) as u16
    }

    #[test]
    fn the_outer_mark_reaches_the_inner_header_as_rfc_6040_says() {
        // Inner codepoint, then what becomes of it for the outer codepoints 0 to 3.
        let table = [
            (0, [Some(0), Some(0), Some(0), None]),
            (1, [Some(1), Some(1), Some(1), Some(3)]),
            (2, [Some(2), Some(1), Some(2), Some(3)]),
            (3, [Some(3), Some(3), Some(3), Some(3)]),
        ];
        for (inner, expected) in table {
            for (outer, expected) in expected.into_iter().enumerate() {
                let mut bytes = frame(inner);
                let result = pass_on_congestion(&mut bytes, outer as u8);
                let became = result.ok().map(|()| bytes[15] & 3);
                assert_eq!(became, expected, "inner {inner} outer {outer}");
                assert_eq!(sum(&bytes[14..]), 0xffff);
            }
        }
    }
}
