//! What a port may send (`qos_max_rate`): who has sent more waits.
//!
//! A batch is taken whole, whatever it comes to. When that is more than the rate has granted, the port's queue is not
//! read again before it has. So the packets wait where they come from, whose sender feels it, and none is lost here. All
//! workers that read from the port owe to one bucket, and each waits for what all of them have taken.

use std::sync::Arc;

use pipeline::Metered;
use pipeline::object::{PortKind, PortRef};

use super::ports::Door;
use super::{Forwarder, Moment};
use crate::meter::Bucket;

/// A port's rate, as the tables of a number have it.
#[derive(Debug, Default)]
pub(super) struct SendRate {
    tables_number: Option<u64>,
    bucket: Option<Arc<Bucket>>,
}

impl Forwarder {
    /// Notes what a port has sent. The batch holds it.
    pub(super) fn hold_back(&mut self, door: Door, moment: Moment<'_>) {
        let Door::Port(id) = door else {
            return;
        };
        self.renew_rate(id, moment);
        let Some(plugged) = self.ports.plugged_mut(id) else {
            return;
        };
        let Some(bucket) = &plugged.rate.bucket else {
            return;
        };
        let frames = self.batch.frames.iter();
        let bytes = frames.map(|frame| frame.packet.offload.stands_for(frame.packet.len()).1);
        let wait_ms = bucket.owe(bytes.sum(), moment.now_ms);
        plugged.allowance.hold_back(moment.now_ms + wait_ms);
    }

    /// Looks the port's rate up where the tables are new.
    fn renew_rate(&mut self, id: usize, moment: Moment<'_>) {
        let snapshot = moment.snapshot;
        let Some(plugged) = self.ports.plugged_mut(id) else {
            return;
        };
        if plugged.rate.tables_number == Some(snapshot.tables_number) {
            return;
        }
        let rate = rate(plugged.at, moment);
        plugged.rate = SendRate {
            tables_number: Some(snapshot.tables_number),
            bucket: rate.map(|rate| self.meters.bucket(rate)),
        };
    }
}

fn rate(at: PortRef, moment: Moment<'_>) -> Option<Metered> {
    let port = moment.snapshot.tables.port(at)?;
    let PortKind::Switch(kind) = &port.kind else {
        return None;
    };
    Some(Metered {
        rule: port.uuid,
        limit: kind.max_rate?,
    })
}
