//! Who decided: a packet is credited to the rules that had a part in its verdict, and logged if they say so.

use std::sync::Arc;

use pipeline::{DropReason, Logged, Verdict};
use uuid::Uuid;

use super::parse::{About, Subject};
use super::{Action, Forwarder, Moment};
use crate::acl_log::Logger;
use crate::buffer::Packet;
use crate::credit::{Account, Ledger};

/// A worker's part in counting and logging.
pub(super) struct Credits {
    pub(super) ledger: Arc<Ledger>,
    pub(super) worker: usize,
    pub(super) logger: Logger,
}

impl Forwarder {
    /// A packet with a fresh verdict. Returns where its flow's next packets are counted.
    pub(super) fn credit_fresh(
        &mut self,
        verdict: &Verdict,
        subject: &Subject<'_>,
        moment: Moment<'_>,
    ) -> Option<Arc<Account>> {
        let account = self.credits.ledger.account(verdict);
        if let Some(account) = &account {
            self.add(account, subject, moment);
            if verdict.begins {
                account.add_connection(self.credits.worker);
            }
        }
        self.log(&verdict.logs, subject, moment);
        account
    }

    /// A packet with a remembered verdict.
    pub(super) fn credit_known(
        &mut self,
        action: &Action,
        subject: &Subject<'_>,
        moment: Moment<'_>,
    ) {
        if let Some(account) = &action.account {
            self.add(account, subject, moment);
        }
        self.log(&action.logs, subject, moment);
    }

    fn add(&self, account: &Account, subject: &Subject<'_>, moment: Moment<'_>) {
        let packet = &subject.packet;
        let sum = packet.offload.stands_for(packet.len());
        account.add(self.credits.worker, sum, moment.now_ms);
    }

    fn log(&mut self, logs: &[Logged], subject: &Subject<'_>, moment: Moment<'_>) {
        let about = &*subject.about;
        let tables = &moment.snapshot.tables;
        for logged in logs {
            let packet = (&about.flow, about.place, subject.packet.len() as u64);
            self.credits
                .logger
                .log(logged, packet, tables, moment.now_ms);
        }
    }

    /// Counts the end of a packet that a rule asked for, and takes its buffer back.
    pub(super) fn discard_by(
        &mut self,
        packet: Packet,
        (reason, rule): (DropReason, Option<Uuid>),
        about: &About,
        moment: Moment<'_>,
    ) {
        self.ports.count_drop(about.door);
        let place = about.place.number();
        self.counters
            .count_drop_by((reason, rule), moment.now_ms, place, packet.bytes());
        self.pool.give(packet);
    }
}
