//! What the ports of this node send to the others, while parts of the uplink are promised (`qos_min_rate`).
//!
//! What a batch has put into the tunnel is counted when it is sent, as long as it is on the wire, and its port waits when it
//! has had its [turn](crate::meter::Turn). So the packets wait where they come from, as with [`super::send_rate`].

use std::net::IpAddr;
use std::sync::Arc;

use packet::geneve;
use pipeline::Metered;
use uuid::Uuid;

use super::ports::Door;
use super::{Forwarder, Moment};
use crate::buffer::Packet;
use crate::meter::{Bucket, Meters, Purpose, Terms};
use crate::port::overhead;

/// A worker's part in sharing the uplink.
#[derive(Debug, Default)]
pub(super) struct Share {
    /// Bytes on the wire that it has sent and that nobody has answered for yet.
    pub(super) sent_bytes: u64,
    bucket: Option<(Terms, Arc<Bucket>)>,
}

impl Share {
    fn bucket(&mut self, terms: Terms, meters: &Meters) -> &Bucket {
        let bucket = self.bucket.take().filter(|(known, _)| *known == terms);
        let bucket =
            bucket.unwrap_or_else(|| (terms, meters.bucket(Purpose::Uplink, whole(terms))));
        &self.bucket.insert(bucket).1
    }
}

/// The limit on what all send, which is no rule's.
fn whole(terms: Terms) -> Metered {
    Metered {
        rule: Uuid::nil(),
        limit: terms.whole(),
    }
}

impl Forwarder {
    /// Charges what has been sent to other nodes to the port by which it came.
    pub(super) fn share_uplink(&mut self, door: Door, moment: Moment<'_>) {
        let bytes = std::mem::take(&mut self.share.sent_bytes);
        let Some(terms) = self.meters.uplink().terms() else {
            return;
        };
        if bytes == 0 {
            return;
        }
        let bucket = self.share.bucket(terms, &self.meters);
        let plugged = match door {
            Door::Port(id) => self.ports.plugged_mut(id),
            Door::Tunnel => None,
        };
        let Some(plugged) = plugged else {
            bucket.owe(bytes, moment.now_ms);
            return;
        };
        let until_ms = plugged.rate.sent_over(bytes, bucket, terms, moment.now_ms);
        if until_ms > moment.now_ms {
            plugged.device.counters.uplink_waits.add(1);
        }
        plugged.allowance.hold_back(until_ms);
    }
}

/// Bytes on the wire of the packets that a frame in the tunnel stands for, without preambles and checksums of frames.
pub(super) fn wire_bytes(packet: &Packet, remote: IpAddr) -> u64 {
    let inner = packet.len().saturating_sub(geneve::HEADER_LENGTH);
    let (packets, bytes) = packet.offload.stands_for(inner);
    bytes + packets * u64::from(overhead(remote))
}
