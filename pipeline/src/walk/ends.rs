//! Where packets end: out of an interface, in a tunnel, or nowhere.

use uuid::Uuid;

use super::{Origin, Packet, Walk};
use crate::drop::DropReason;
use crate::object::{ChassisName, DatapathKey, PortRef};
use crate::record::{Event, Recorder};
use crate::rewrite::Rewrite;
use crate::tables::Slot;
use crate::verdict::{Branch, Destination, Source, Tunnel};

impl<R: Recorder> Walk<'_, R> {
    pub(crate) fn drop(&mut self, reason: DropReason, datapath: Option<DatapathKey>) {
        self.recorder.event(|| Event::Drop(reason));
        self.verdict.branches.push(Branch {
            packet: Source::Received,
            rewrite: Rewrite::default(),
            meters: Box::default(),
            to: Destination::Drop {
                reason,
                datapath,
                rule: None,
            },
        });
    }

    /// A rule ends the packet.
    pub(crate) fn drop_by(&mut self, reason: DropReason, datapath: DatapathKey, rule: Uuid) {
        self.recorder.event(|| Event::Drop(reason));
        self.verdict.branches.push(Branch {
            packet: Source::Received,
            rewrite: Rewrite::default(),
            meters: Box::default(),
            to: Destination::Drop {
                reason,
                datapath: Some(datapath),
                rule: Some(rule),
            },
        });
    }

    /// A packet of which nothing came ends.
    pub(crate) fn drop_unless_sent(&mut self, reason: DropReason, datapath: DatapathKey) {
        if self.verdict.branches.is_empty() {
            self.drop(reason, Some(datapath));
        }
    }

    /// The packet answers a probe of this node.
    pub(crate) fn monitor(&mut self, packet: &Packet, inport: PortRef) {
        self.is_for_this_packet_alone();
        self.branch(packet, Destination::Monitor { inport });
    }

    pub(crate) fn output(&mut self, packet: &Packet, port: PortRef, interface: PortRef) {
        self.branch(packet, Destination::Output { port, interface });
    }

    pub(crate) fn tunnel(
        &mut self,
        packet: &Packet,
        chassis: &ChassisName,
        datapath: DatapathKey,
        inport: u16,
        outport: u16,
    ) {
        self.depend(Slot::CHASSIS);
        let Some(node) = self.tables.chassis(chassis) else {
            return self.drop(DropReason::ChassisUnknown, Some(datapath));
        };
        self.recorder.event(|| Event::Tunnel {
            chassis: chassis.to_string(),
        });
        let tunnel = Tunnel {
            chassis: chassis.clone(),
            encap_ip: node.encap_ip,
            encap_port: node.encap_port,
            takes_partial: node.takes_partial,
            datapath,
            inport,
            outport,
            routed_by: packet.passage.routed_by,
        };
        self.branch(packet, Destination::Tunnel(Box::new(tunnel)));
    }

    pub(crate) fn branch(&mut self, packet: &Packet, to: Destination) {
        let (source, before) = match &packet.origin {
            Origin::Received => (
                Source::Received,
                Rewrite::between(self.received, &packet.flow),
            ),
            Origin::Answer(answer) => {
                let made = answer.flow();
                let rewrite = made.map(|made| Rewrite::between(&made, &packet.flow));
                (
                    Source::Answer(Box::new((**answer).clone())),
                    rewrite.unwrap_or_default(),
                )
            }
        };
        self.verdict.branches.push(Branch {
            packet: source,
            rewrite: before,
            meters: packet.meters.as_slice().into(),
            to,
        });
    }
}
