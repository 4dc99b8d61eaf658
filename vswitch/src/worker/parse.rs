//! Step 3: the packet's headers, as a flow.

use packet::flow::{Network, VlanTag};
use packet::offload::{self, Offload};
use packet::{Flow, Layout, Mac, Segment};
use pipeline::DropReason;

use super::allowance::End;
use super::ports::Door;
use super::senders::Sender;
use super::{Forwarder, Moment, Place};
use crate::buffer::Packet;

/// A packet whose headers are known. What is known of it stays where it was read: it is too much to hand round.
pub(super) struct Subject<'a> {
    pub(super) packet: Packet,
    pub(super) about: &'a mut About,
}

/// The link header of a packet as it came in.
#[derive(Clone, Copy)]
pub(super) struct Link {
    eth_src: Mac,
    eth_dst: Mac,
    vlan: Option<VlanTag>,
}

/// What is known of a packet that came in, and stays true of it while its bytes are changed.
pub(super) struct About {
    /// Its headers as it came in. The length of a super-packet is that of the longest packet that it stands for: what an
    /// MTU limits.
    pub(super) flow: Flow,
    /// Where they stand.
    pub(super) layout: Layout,
    /// By which device it came in.
    pub(super) door: Door,
    /// Where it entered the network.
    pub(super) place: Place,
    /// Between whom it came in: other than the flow says if it was held for a neighbour on its way.
    pub(super) link: Link,
}

impl Subject<'_> {
    /// What the packet says of its connection's progress.
    pub(super) fn segment(&self) -> Segment {
        let About { flow, layout, .. } = &*self.about;
        let length = match self.packet.offload.is_super() {
            true => self.packet.len() - usize::from(layout.network),
            false => flow.length as usize,
        };
        Segment::of(self.packet.bytes(), flow, layout, length)
    }
}

impl Link {
    fn of(flow: &Flow) -> Link {
        Link {
            eth_src: flow.eth_src,
            eth_dst: flow.eth_dst,
            vlan: flow.vlan,
        }
    }
}

impl About {
    /// Who has sent it.
    pub(super) fn sender(&self) -> Sender {
        let address = match &self.flow.network {
            Network::Ip(ip) => Some(ip.src),
            _ => None,
        };
        Sender {
            door: self.door,
            place: self.place,
            address,
        }
    }

    /// The flow with the link header of the packet as it came in: what its sender would know it by.
    pub(super) fn as_sent(&self) -> Flow {
        let Link {
            eth_src,
            eth_dst,
            vlan,
        } = self.link;
        Flow {
            eth_src,
            eth_dst,
            vlan,
            ..self.flow.clone()
        }
    }
}

/// Reads the headers, and compares with them what is left to do on the packet.
fn read(packet: &mut Packet) -> Result<(Flow, Layout), DropReason> {
    let (mut flow, layout) = packet::parse(packet.bytes())?;
    if packet.offload == Offload::NONE {
        return Ok((flow, layout));
    }
    let offload = packet.offload;
    let admitted = offload::admit(packet.bytes_mut(), offload, &flow, &layout);
    packet.offload = admitted.map_err(|_| DropReason::OffloadInvalid)?;
    if packet.offload == Offload::NONE {
        // Another checksum than its own was finished, and its sender says where that stands: it may be in the headers.
        return Ok(packet::parse(packet.bytes())?);
    }
    flow.length = packet.offload.longest(flow.length, &layout);
    Ok((flow, layout))
}

impl Forwarder {
    /// Reads the headers; a packet that cannot be read is dropped.
    #[inline(always)]
    pub(super) fn parse(
        &mut self,
        mut packet: Packet,
        door: Door,
        place: Place,
        moment: Moment<'_>,
    ) -> Option<(Packet, About)> {
        match read(&mut packet) {
            Ok((flow, layout)) => {
                let link = Link::of(&flow);
                let about = About {
                    flow,
                    layout,
                    door,
                    place,
                    link,
                };
                Some((packet, about))
            }
            Err(reason) => {
                self.ports.count_drop(door);
                self.ports.charge_port(door, End::Known);
                let number = place.number();
                self.counters
                    .count_drop(reason, moment.now_ms, number, packet.bytes());
                self.pool.give(packet);
                None
            }
        }
    }
}
