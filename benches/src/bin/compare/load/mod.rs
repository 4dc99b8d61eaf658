//! The traffic that is measured. Every load is bounded in time and leaves nothing running.

mod connect;
mod echo;
mod flood;
mod idle;
mod machine;
mod stream;

use std::fmt;
use std::time::Duration;

use anyhow::Result;

use crate::peer::{Path, Standing};

/// The port of all servers and services, TCP and UDP.
pub(crate) const PORT: u16 = 5201;

/// How long anything may take that should happen at once.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Load {
    /// TCP streams beside each other.
    Streams(usize),
    /// UDP frames of so many bytes, as fast as they are forwarded.
    Frames(usize),
    /// A datagram to and fro.
    UdpEcho,
    /// Bytes on a TCP connection to and fro.
    TcpEcho,
    /// TCP connections, so many at a time.
    Connects(usize),
    /// Nothing at all.
    Idle,
}

/// What is measured of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Metric {
    /// Gbit/s that the receiving programs got.
    Throughput,
    /// Seconds of processor time of the whole machine a gigabyte.
    ProcessorTime,
    /// Thousands of frames a second that reached the other station.
    Frames,
    /// Frames that did not reach it, in thousandths.
    Lost,
    /// The median round trip in us.
    MedianRoundTrip,
    /// The 99th percentile of round trips in us.
    SlowRoundTrip,
    /// Connections a second.
    Connects,
    /// Percent of a processor that the system's programs use.
    Idle,
}

/// One measurement: values by what they are of.
pub(crate) type Values = Vec<(Metric, f64)>;

impl Load {
    /// Sends it along a path for some time.
    pub(crate) fn run(self, path: &Path, system: &Standing, time: Duration) -> Result<Values> {
        match self {
            Load::Streams(count) => stream::run(path, count, time),
            Load::Frames(bytes) => flood::run(path, bytes, time),
            Load::UdpEcho => echo::run_udp(path, time),
            Load::TcpEcho => echo::run_tcp(path, time),
            Load::Connects(at_once) => connect::run(path, at_once, time),
            Load::Idle => idle::run(system, time),
        }
    }
}

impl fmt::Display for Load {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Load::Streams(1) => formatter.write_str("TCP, 1 stream"),
            Load::Streams(count) => write!(formatter, "TCP, {count} streams"),
            Load::Frames(bytes) => write!(formatter, "UDP, {bytes} B frames"),
            Load::UdpEcho => formatter.write_str("UDP round trip"),
            Load::TcpEcho => formatter.write_str("TCP round trip"),
            Load::Connects(count) => write!(formatter, "TCP connects, {count} at a time"),
            Load::Idle => formatter.write_str("idle"),
        }
    }
}

impl Metric {
    /// Its unit.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Metric::Throughput => "Gbit/s",
            Metric::ProcessorTime => "CPU s/GB",
            Metric::Frames => "kframes/s",
            Metric::Lost => "lost, 1/1000",
            Metric::MedianRoundTrip => "p50 us",
            Metric::SlowRoundTrip => "p99 us",
            Metric::Connects => "1/s",
            Metric::Idle => "% of a CPU",
        }
    }
}
