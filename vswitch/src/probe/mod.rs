//! Health checks of load balancers' backends, without I/O: (probes, now, frames in) in, frames out.
//!
//! The node that has a backend's port probes it from an address in the logical network. Nothing of the kernel is
//! involved: an attempt is a TCP/IP stack of its own, whose frames are put out by the backend's port, and what the
//! backend sends to the probes' station comes back here.
//!
//! As in OVN a backend is `online` or `offline` after as many findings in a row as its health check asks for, and
//! has no status before that: until it is found to be offline it takes connections. The next probe begins an
//! interval after the last one's end. A UDP probe that nobody objected to in time has succeeded.

mod attempt;
mod http;
mod standing;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use packet::flow::{Fragment, Ip, Network, Transport, ip_protocol};
use pipeline::object::{PortRef, Probe, ProbeKey};
use southbound_proto::convert::{ProbeHealth, ProbeStatus};

use crate::datapath::PortFrame;
use attempt::{Attempt, Ticket};
pub use standing::Finding;
use standing::Standing;

/// The most backends that a node probes. Others have the status `error`.
pub const PROBES_MAX: usize = 4_096;
/// The most probes that are worked on before the caller has its turn.
const TURN_MAX: usize = 64;
/// The least port that probes come from.
const LOCAL_PORT_MIN: u16 = 1_024;

/// All probes of a node.
pub struct Prober {
    probes: BTreeMap<ProbeKey, Runner>,
    /// What is to be worked on, by time.
    due: BTreeSet<(Instant, ProbeKey)>,
    seed: u64,
    attempts: u64,
    is_changed: bool,
}

/// A backend, how it stands, and the probe under way.
struct Runner {
    probe: Probe,
    standing: Standing,
    attempt: Option<Attempt>,
    due: Instant,
}

/// A backend as others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it is probed.
    pub probe: Probe,
    /// What that made of it, if anything yet.
    pub status: Option<ProbeStatus>,
    /// Since when.
    pub since: Instant,
    /// What the last probe found.
    pub last: Option<Finding>,
}

impl Prober {
    /// Nothing to probe. The seed makes the ports and sequence numbers of probes hard to guess.
    pub fn new(seed: u64) -> Self {
        Self {
            probes: BTreeMap::new(),
            due: BTreeSet::new(),
            seed,
            attempts: 0,
            is_changed: false,
        }
    }

    /// Probes these backends from now on, and no others. What is known of a backend stays known while it is
    /// probed, however that is changed.
    pub fn configure<'a>(&mut self, probes: impl IntoIterator<Item = &'a Probe>, now: Instant) {
        let mut before = std::mem::take(&mut self.probes);
        self.due.clear();
        for (count, probe) in probes.into_iter().enumerate() {
            let runner = match before.remove(&probe.key) {
                Some(same) if same.probe == *probe => same,
                other => {
                    let known = other.map(|other| other.standing);
                    Runner {
                        probe: probe.clone(),
                        standing: known.unwrap_or(Standing::new(now)),
                        attempt: None,
                        due: now,
                    }
                }
            };
            match count < PROBES_MAX {
                true => {
                    self.due.insert((runner.due, probe.key.clone()));
                    self.probes.insert(probe.key.clone(), runner);
                }
                false => self.give_up(runner, now),
            }
        }
        self.is_changed |= before.values().any(|gone| gone.standing.status.is_some());
    }

    /// There is no room to probe it.
    fn give_up(&mut self, mut runner: Runner, now: Instant) {
        runner.attempt = None;
        let (standing, probe) = (&mut runner.standing, &runner.probe);
        self.is_changed |= standing.note(Finding::Impossible, probe, now);
        self.probes.insert(probe.key.clone(), runner);
    }

    /// A frame to the probes' station came from a port.
    pub fn receive(&mut self, frame: &PortFrame, now: Instant) {
        let Ok((flow, layout)) = packet::parse(&frame.bytes) else {
            return;
        };
        let Network::Ip(ip) = &flow.network else {
            return;
        };
        let Some((key, local_port)) = subject(frame.at, ip) else {
            return;
        };
        let Some(runner) = self.probes.get_mut(&key) else {
            return;
        };
        if ip.dst != runner.probe.source_ip {
            return;
        }
        let Some(attempt) = &mut runner.attempt else {
            return;
        };
        let was_due = runner.due;
        match &ip.transport {
            Transport::Tcp { .. } => {
                let start = usize::from(layout.network);
                attempt.segment(local_port, frame.bytes.get(start..).unwrap_or_default());
                runner.due = runner.due.min(now);
            }
            message => {
                if let Some(finding) = attempt.error(message, local_port) {
                    self.is_changed |= runner.found(finding, now);
                }
            }
        }
        let due = runner.due;
        self.due.remove(&(was_due, key.clone()));
        self.due.insert((due, key));
    }

    /// Works on what is due, at most a turn of it; returns the frames to be put out by the backends' ports.
    pub fn advance(&mut self, now: Instant) -> Vec<PortFrame> {
        let mut frames = Vec::new();
        for _ in 0..TURN_MAX {
            if self.deadline().is_none_or(|due| due > now) {
                break;
            }
            let Some((_, key)) = self.due.pop_first() else {
                break;
            };
            let ticket = self.ticket();
            let Some(runner) = self.probes.get_mut(&key) else {
                continue;
            };
            self.is_changed |= runner.work(ticket, now, &mut frames);
            self.due.insert((runner.due, key));
        }
        frames
    }

    /// When [`Prober::advance`] is due next.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Whether [`Prober::health`] is another one than when this was asked last.
    pub fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.is_changed)
    }

    /// How the backends fare of which that is known.
    pub fn health(&self) -> Vec<ProbeHealth> {
        let known = self.probes.iter().filter_map(|(key, runner)| {
            let (key, status) = (key.clone(), runner.standing.status?);
            Some(ProbeHealth { key, status })
        });
        known.collect()
    }

    /// All backends.
    pub fn reports(&self) -> Vec<Report> {
        let report = |runner: &Runner| Report {
            probe: runner.probe.clone(),
            status: runner.standing.status,
            since: runner.standing.since,
            last: runner.standing.last,
        };
        self.probes.values().map(report).collect()
    }

    /// The ports follow one another, the seeds do not.
    fn ticket(&mut self) -> Ticket {
        self.attempts += 1;
        let number = self.seed.wrapping_add(self.attempts);
        let ports = u64::from(u16::MAX - LOCAL_PORT_MIN) + 1;
        Ticket {
            local_port: LOCAL_PORT_MIN + (number % ports) as u16,
            seed: scatter(number),
        }
    }
}

impl Runner {
    /// Begins a probe, or goes on with the one under way. True if the status is another one now.
    fn work(&mut self, ticket: Ticket, now: Instant, frames: &mut Vec<PortFrame>) -> bool {
        if self.attempt.is_none() {
            self.attempt = Attempt::start(&self.probe, ticket, now);
        }
        let Some(attempt) = &mut self.attempt else {
            return self.found(Finding::Impossible, now);
        };
        let finding = attempt.work(now);
        let at = self.probe.key.port;
        let sent = attempt.take_frames().into_iter();
        frames.extend(sent.map(|bytes| PortFrame { at, bytes }));
        match finding {
            Some(finding) => self.found(finding, now),
            None => {
                self.due = attempt.due(now);
                false
            }
        }
    }

    /// The probe is over.
    fn found(&mut self, finding: Finding, now: Instant) -> bool {
        self.attempt = None;
        self.due = now + self.interval();
        self.standing.note(finding, &self.probe, now)
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(self.probe.interval_s.into())
    }
}

/// The backend that a packet is from or an error speaks of, and the port of the probe that it answers.
fn subject(at: PortRef, ip: &Ip) -> Option<(ProbeKey, u16)> {
    let key = |protocol, transport_port| ProbeKey {
        port: at,
        ip: ip.src,
        protocol,
        transport_port,
    };
    match &ip.transport {
        Transport::Tcp { src, dst, .. } if ip.fragment == Fragment::Whole => {
            Some((key(ip_protocol::TCP, *src), *dst))
        }
        Transport::Icmp {
            quoted: Some(quoted),
            ..
        } if quoted.dst == ip.src => Some((key(quoted.protocol, quoted.dst_port), quoted.src_port)),
        _ => None,
    }
}

/// A number that says little of the one before it (SplitMix64).
fn scatter(number: u64) -> u64 {
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}
