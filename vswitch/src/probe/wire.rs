//! The link between one attempt's TCP/IP stack and the network: packets with their Ethernet headers.

use std::collections::VecDeque;

use packet::Mac;
use packet::flow::ether_type;
use smoltcp::phy::{self, Checksum, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// The longest packet that the stack makes, in bytes of L3. Probes are far shorter.
const MTU: usize = 1280;
/// Received packets that wait for the stack, at most; the peer sends again what does not fit.
const WAITING_MAX: usize = 16;
const ETHERNET_HEADER_LENGTH: usize = 14;

/// A link to one station.
pub(super) struct Wire {
    /// Between whom the frames go: source and destination.
    stations: (Mac, Mac),
    received: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

impl Wire {
    pub(super) fn new(source: Mac, destination: Mac) -> Self {
        Self {
            stations: (source, destination),
            received: VecDeque::new(),
            sent: Vec::new(),
        }
    }

    /// A packet came, without its Ethernet header.
    pub(super) fn receive(&mut self, packet: &[u8]) {
        if self.received.len() < WAITING_MAX {
            self.received.push_back(packet.to_vec());
        }
    }

    /// The frames that the stack has sent since.
    pub(super) fn take_sent(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.sent)
    }
}

impl Device for Wire {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending<'a>;

    fn receive(&mut self, _now: Instant) -> Option<(Received, Sending<'_>)> {
        let packet = self.received.pop_front()?;
        Some((Received(packet), Sending(self)))
    }

    fn transmit(&mut self, _now: Instant) -> Option<Sending<'_>> {
        Some(Sending(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        // What comes from a pod's device may have its checksums still to be made: they are not looked at.
        let checksum = &mut capabilities.checksum;
        checksum.tcp = Checksum::Tx;
        checksum.udp = Checksum::Tx;
        capabilities
    }
}

/// A packet on its way into the stack.
pub(super) struct Received(Vec<u8>);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        take(&self.0)
    }
}

/// Room for a packet out of the stack.
pub(super) struct Sending<'a>(&'a mut Wire);

impl phy::TxToken for Sending<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, make: F) -> R {
        let mut frame = vec![0; ETHERNET_HEADER_LENGTH + length];
        let (header, packet) = frame.split_at_mut(ETHERNET_HEADER_LENGTH);
        let made = make(packet);
        let (source, destination) = self.0.stations;
        let ether_type = match packet.first().map(|byte| byte >> 4) {
            Some(6) => ether_type::IPV6,
            _ => ether_type::IPV4,
        };
        header[..6].copy_from_slice(&destination.0);
        header[6..12].copy_from_slice(&source.0);
        header[12..].copy_from_slice(&ether_type.to_be_bytes());
        self.0.sent.push(frame);
        made
    }
}
