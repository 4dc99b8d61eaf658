//! The health checks of the backends that are on this node, and what northd is told of them.

use std::time::{Duration, Instant};

use pipeline::Tables;
use pipeline::object::Probe;
use southbound_proto::southbound as wire;

use crate::datapath::PortFrame;
use crate::probe::{Prober, Report};

/// How long a change waits for others, so that many at once make one message.
const REPORT_DELAY: Duration = Duration::from_millis(20);

/// The node's prober, and whether its findings are still to be told.
pub(super) struct Probing {
    prober: Prober,
    report_at: Option<Instant>,
}

impl std::fmt::Debug for Probing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Probing")
            .field("health", &self.prober.health())
            .field("report_at", &self.report_at)
            .finish()
    }
}

impl Probing {
    /// Nothing to probe.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            prober: Prober::new(seed),
            report_at: None,
        }
    }

    /// Probes the backends whose ports are on this node.
    pub(super) fn configure<'a>(
        &mut self,
        probes: impl Iterator<Item = &'a Probe>,
        tables: &Tables,
        now: Instant,
    ) {
        let is_here = |probe: &&Probe| tables.interface(probe.key.port).is_some();
        self.prober.configure(probes.filter(is_here), now);
    }

    /// Frames to the probes' station came.
    pub(super) fn receive(&mut self, frames: &[PortFrame], now: Instant) {
        for frame in frames {
            self.prober.receive(frame, now);
        }
    }

    /// Does what is due; returns the frames to be put out.
    pub(super) fn advance(&mut self, now: Instant) -> Vec<PortFrame> {
        let frames = self.prober.advance(now);
        if self.prober.take_changed() {
            self.report_at.get_or_insert(now + REPORT_DELAY);
        }
        frames
    }

    /// What northd is to be told now, if there is something.
    pub(super) fn report_due(&mut self, now: Instant) -> Option<wire::Health> {
        self.report_at.take_if(|at| *at <= now)?;
        Some(self.health())
    }

    /// How all backends fare of which that is known.
    pub(super) fn health(&self) -> wire::Health {
        let probes = self.prober.health();
        wire::Health {
            probes: probes.iter().map(Into::into).collect(),
        }
    }

    /// When there is something to do next.
    pub(super) fn deadline(&self, is_connected: bool) -> Option<Instant> {
        let report_at = self.report_at.filter(|_| is_connected);
        [self.prober.deadline(), report_at]
            .into_iter()
            .flatten()
            .min()
    }

    /// All backends.
    pub(super) fn reports(&self) -> Vec<Report> {
        self.prober.reports()
    }
}
