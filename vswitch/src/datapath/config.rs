//! What a data path is started with, and why it may not start.

use std::io;
use std::net::{IpAddr, SocketAddr};

use nix::errno::Errno;
use pipeline::conntrack::Settings;

use crate::port::overhead;
use crate::sys::processor::may_use;
use crate::worker::Polling;

/// The most worker threads.
pub const MAX_WORKERS: usize = 64;
/// The most connections that can be tracked at once.
pub const MAX_CONNECTIONS: u32 = 64 << 20;
/// What a data path is started with.
#[derive(Clone, Debug)]
pub struct DataPathConfig {
    /// Worker threads, `1..=`[`MAX_WORKERS`]. Each port must bring one queue for each of them.
    pub workers: usize,
    /// The underlay address that Geneve packets are sent from and received on.
    pub encap_ip: IpAddr,
    /// The UDP port of the Geneve socket; 0 takes any free one, see [`super::DataPath::encap_port`].
    pub encap_port: u16,
    /// The MTU of the underlay, in bytes of L3: a longer tunnel packet is never sent.
    pub underlay_mtu: u16,
    /// The most connections that are tracked at once, `1..=`[`MAX_CONNECTIONS`]. Verdicts are remembered for twice as
    /// many flows: each connection has two.
    pub max_connections: u32,
    /// How connections are judged and kept.
    pub tracking: Settings,
    /// Packets a second of one port that may lead nowhere before it has to wait, on each worker; not 0.
    pub fruitless_per_s: u32,
    /// How workers wait for packets.
    pub polling: Polling,
    /// The processor of each worker; those without one run where the kernel puts them.
    pub processors: Vec<usize>,
}

/// Why a data path could not be started, or a port not be plugged.
#[derive(Debug, thiserror::Error)]
pub enum DataPathError {
    /// A number of workers that cannot be.
    #[error("{0} workers are outside 1..={MAX_WORKERS}")]
    BadWorkers(usize),
    /// A number of connections that cannot be.
    #[error("{0} connections are outside 1..={MAX_CONNECTIONS}")]
    BadConnections(u32),
    /// The underlay carries less than the tunnel must take.
    #[error(
        "the underlay MTU {0} leaves no room for packets of {MIN_TUNNEL_MTU} bytes in the tunnel"
    )]
    UnderlayMtu(u16),
    /// The Geneve socket could not be bound.
    #[error("cannot bind the Geneve socket to {address}")]
    Tunnel {
        /// Where to.
        address: SocketAddr,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A port must bring one queue for each worker.
    #[error("the port has {queues} queues for {workers} workers")]
    Queues {
        /// How many it brought.
        queues: usize,
        /// How many workers there are.
        workers: usize,
    },
    /// A processor that the process may not use.
    #[error("processor {processor} cannot be used")]
    Processor {
        /// Its number.
        processor: usize,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// A thread or what it waits with could not be made.
    #[error("cannot start a worker")]
    Worker(#[source] io::Error),
}

/// The least L3 length that the tunnel must take.
const MIN_TUNNEL_MTU: u16 = 576;

pub(super) fn check(config: &DataPathConfig) -> Result<(), DataPathError> {
    if !(1..=MAX_WORKERS).contains(&config.workers) {
        return Err(DataPathError::BadWorkers(config.workers));
    }
    if !(1..=MAX_CONNECTIONS).contains(&config.max_connections) {
        return Err(DataPathError::BadConnections(config.max_connections));
    }
    for &processor in &config.processors {
        may_use(processor).map_err(|source| DataPathError::Processor { processor, source })?;
    }
    check_mtu(config.underlay_mtu, config.encap_ip)
}

pub(super) fn check_mtu(underlay_mtu: u16, encap_ip: IpAddr) -> Result<(), DataPathError> {
    if underlay_mtu < overhead(encap_ip) + MIN_TUNNEL_MTU {
        return Err(DataPathError::UnderlayMtu(underlay_mtu));
    }
    Ok(())
}

pub(super) fn check_queues(queues: usize, workers: usize) -> Result<(), DataPathError> {
    if queues == workers {
        Ok(())
    } else {
        Err(DataPathError::Queues { queues, workers })
    }
}
