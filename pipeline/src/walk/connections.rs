//! What a walk asks of connection tracking, and what it notes of who decides.

use packet::{Flow, Segment};
use uuid::Uuid;

use super::{Origin, Packet, Walk};
use crate::conntrack::{Commit, CommitError, Conntrack, MadeBy, State, Tracked, Zone};
use crate::drop::DropReason;
use crate::object::VipKey;
use crate::record::Recorder;
use crate::rewrite::Rewrite;
use crate::verdict::{Logged, Metered};

impl<'t, R: Recorder> Walk<'t, R> {
    /// What the packet is to the connections of a zone (`ct_next`).
    pub(crate) fn track(&mut self, zone: Zone, packet: &Packet) -> Tracked {
        let segment = self.segment(packet);
        let tracked = self.conntrack.track(zone, &packet.flow, segment);
        match tracked.state.contains(State::NEW) && tracked.made_by.is_none() {
            true => self.new_in.push(zone),
            false => self.is_for_the_beginning_alone(),
        }
        tracked
    }

    /// What a packet says of its connection's progress.
    fn segment(&self, packet: &Packet) -> &'t Segment {
        match packet.origin {
            Origin::Received => self.segment,
            Origin::Answer(_) => &Segment::Unknown,
        }
    }

    /// Keeps the packet's connection in a zone, and changes the packet as its translation says (`ct_commit`).
    pub(crate) fn commit(
        &mut self,
        zone: Zone,
        packet: &mut Packet,
        commit: Commit,
    ) -> Result<(), DropReason> {
        let is_asked = commit.nat.is_some();
        if let Some(translated) = self.note(zone, packet, commit)? {
            packet.flow = *translated;
            if !is_asked {
                self.is_for_the_beginning_alone();
            }
        }
        Ok(())
    }

    /// Keeps the packet's connection, and leaves the packet as it is. Gives what its translation would make of it.
    pub(crate) fn note(
        &mut self,
        zone: Zone,
        packet: &Packet,
        commit: Commit,
    ) -> Result<Option<Box<Flow>>, DropReason> {
        self.has_committed = true;
        let segment = self.segment(packet);
        let kept = self.conntrack.commit(zone, &packet.flow, segment, commit);
        if kept.is_ok()
            && let Some(at) = self.new_in.iter().position(|new_in| *new_in == zone)
        {
            self.new_in.swap_remove(at);
            self.verdict.begins = true;
        }
        kept.map_err(|error| {
            self.is_reusable = false;
            match error {
                CommitError::PortsExhausted => DropReason::NatExhausted,
                CommitError::TableFull => DropReason::ConnectionTableFull,
                CommitError::HalfOpenQuota => DropReason::HalfOpenQuota,
            }
        })
    }

    pub(crate) fn conntrack(&mut self) -> &mut dyn Conntrack {
        self.conntrack
    }

    /// Who decides about the packet, as far as that is known.
    pub(crate) fn made_by(&mut self) -> &mut MadeBy {
        &mut self.verdict.made_by
    }

    /// Nobody serves the VIP that the packet asks for, which is to be reported, of each packet anew.
    pub(crate) fn report_unserved(&mut self, vip: &VipKey) {
        self.verdict.unserved = Some(vip.clone());
        self.is_for_this_packet_alone();
    }

    /// What the network has changed in the packet so far. An answer is not told from what it answers.
    pub(crate) fn changes(&self, packet: &Packet) -> Rewrite {
        match packet.origin {
            Origin::Received => Rewrite::between(self.received, &packet.flow),
            Origin::Answer(_) => Rewrite::default(),
        }
    }

    /// A QoS rule had a part in the verdict.
    pub(crate) fn note_qos(&mut self, rule: Uuid) {
        if !self.verdict.qos.contains(&rule) {
            self.verdict.qos.push(rule);
        }
    }

    /// The packet, and what comes of it, comes under a limit.
    pub(crate) fn charge(&mut self, packet: &mut Packet, metered: Metered) {
        packet.meters.push(self.verdict.meters.len() as u32);
        self.verdict.meters.push(metered);
    }

    pub(crate) fn log(&mut self, record: Logged) {
        self.verdict.logs.push(record);
    }
}
