//! What a walk asks of connection tracking, and what it notes of who decides.

use packet::{Flow, Segment};

use super::{Origin, Packet, Walk};
use crate::conntrack::{Commit, CommitError, Conntrack, MadeBy, Tracked, Zone};
use crate::drop::DropReason;
use crate::record::Recorder;
use crate::verdict::Logged;

impl<'t, R: Recorder> Walk<'t, R> {
    /// What the packet is to the connections of a zone (`ct_next`).
    pub(crate) fn track(&mut self, zone: Zone, packet: &Packet) -> Tracked {
        let segment = self.segment(packet);
        self.conntrack.track(zone, &packet.flow, segment)
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
        if let Some(translated) = self.note(zone, packet, commit)? {
            packet.flow = *translated;
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

    pub(crate) fn log(&mut self, record: Logged) {
        self.verdict.logs.push(record);
    }
}
