//! Step 3: the packet's headers, as a flow.

use packet::flow::VlanTag;
use packet::{Flow, Layout, Mac, Segment};

use super::ports::Door;
use super::{Forwarder, Moment, Place};
use crate::buffer::Packet;

/// A packet whose headers are known.
pub(super) struct Subject {
    pub(super) packet: Packet,
    pub(super) about: About,
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
    /// Its headers as it came in.
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

impl Subject {
    /// What the packet says of its connection's progress.
    pub(super) fn segment(&self) -> Segment {
        Segment::of(self.packet.bytes(), &self.about.flow, &self.about.layout)
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

impl Forwarder {
    /// Reads the headers; a packet that cannot be read is dropped.
    pub(super) fn parse(
        &mut self,
        packet: Packet,
        door: Door,
        place: Place,
        moment: Moment<'_>,
    ) -> Option<Subject> {
        match packet::parse(packet.bytes()) {
            Ok((flow, layout)) => {
                let link = Link::of(&flow);
                let about = About {
                    flow,
                    layout,
                    door,
                    place,
                    link,
                };
                Some(Subject { packet, about })
            }
            Err(error) => {
                self.ports.count_drop(door);
                let number = place.number();
                self.counters
                    .count_drop(error.into(), moment.now_ms, number, packet.bytes());
                self.pool.give(packet);
                None
            }
        }
    }
}
