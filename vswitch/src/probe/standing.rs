//! How a backend stands: what the last probes found, and what that makes of it.

use std::fmt;
use std::time::Instant;

use pipeline::object::Probe;
use southbound_proto::convert::ProbeStatus;

/// What came of one probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The TCP connection was opened.
    Connected,
    /// The HTTP request was answered with this status.
    Answered(u16),
    /// Nobody said that nobody listens at the UDP port.
    Unopposed,
    /// The TCP connection was refused.
    Refused,
    /// There is nobody at the UDP port.
    Unreachable,
    /// The connection was closed before the request was answered.
    Closed,
    /// The answer to the request was not HTTP.
    NotHttp,
    /// Nothing came in time.
    TimedOut,
    /// The backend cannot be probed the way it is asked for.
    Impossible,
}

impl Finding {
    /// True if the backend does its work.
    pub fn is_success(self) -> bool {
        match self {
            Self::Connected | Self::Unopposed => true,
            Self::Answered(status) => (200..400).contains(&status),
            Self::Refused
            | Self::Unreachable
            | Self::Closed
            | Self::NotHttp
            | Self::TimedOut
            | Self::Impossible => false,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answered(status) => return write!(f, "HTTP {status}"),
            Self::Connected => "connected",
            Self::Unopposed => "no objection",
            Self::Refused => "refused",
            Self::Unreachable => "port unreachable",
            Self::Closed => "closed unanswered",
            Self::NotHttp => "not HTTP",
            Self::TimedOut => "timed out",
            Self::Impossible => "impossible",
        })
    }
}

/// How a backend stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    /// `None` until enough probes in a row agreed.
    pub(super) status: Option<ProbeStatus>,
    /// Since when.
    pub(super) since: Instant,
    /// What the last probe found.
    pub(super) last: Option<Finding>,
    /// How many of the last findings were alike.
    in_a_row: u16,
}

impl Standing {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            status: None,
            since: now,
            last: None,
            in_a_row: 0,
        }
    }

    /// Takes note of a finding; true if the status is another one now.
    pub(super) fn note(&mut self, finding: Finding, probe: &Probe, now: Instant) -> bool {
        let is_success = finding.is_success();
        let is_alike = self
            .last
            .is_some_and(|last| last.is_success() == is_success);
        self.in_a_row = if is_alike {
            self.in_a_row.saturating_add(1)
        } else {
            1
        };
        self.last = Some(finding);
        let (needed, status) = match (finding, is_success) {
            (Finding::Impossible, _) => (1, ProbeStatus::Error),
            (_, true) => (probe.success_count, ProbeStatus::Online),
            (_, false) => (probe.failure_count, ProbeStatus::Offline),
        };
        if self.in_a_row < needed || self.status == Some(status) {
            return false;
        }
        self.status = Some(status);
        self.since = now;
        true
    }
}
