//! What the control side tells a worker to do.

use std::sync::Arc;

use pipeline::object::PortRef;

use super::{Place, PortFrame, Status, Worker};
use crate::counter::TrafficCounters;
use crate::port::Port;

/// What [`Poll`](crate::sys::poll::Poll) calls the waker.
pub(super) const TOKEN: u64 = 0;

/// What the control side tells a worker to do.
pub enum Command {
    /// Plug a device into a port, in the place of a former one.
    Plug {
        /// The port.
        at: PortRef,
        /// Numbers the pluggings of a data path, so that a device that is gone is not taken for its successor.
        plug: u64,
        /// This worker's queue of the device.
        device: Box<dyn Port>,
        /// Where to count its traffic.
        counters: Arc<TrafficCounters>,
    },
    /// Close the device of a port, and forget the flows that entered by it.
    Unplug {
        /// The port.
        at: PortRef,
    },
    /// The underlay's MTU is another one.
    Mtu {
        /// The greatest L3 length of an untagged packet that fits the tunnel.
        tunnel_mtu: u16,
    },
    /// Send a probe to the backend at a port.
    Probe(PortFrame),
    /// Stop.
    Stop,
}

impl Worker {
    /// Takes note that it was woken: who wakes it from now on wakes it again.
    pub(super) fn heed(&mut self) {
        if self.ready.contains(&TOKEN) {
            self.waker.clear();
            self.ready.retain(|token| *token != TOKEN);
        }
    }

    /// Obeys all commands so far.
    pub(super) fn obey(&mut self) -> Status {
        while let Ok(command) = self.commands.try_recv() {
            let ports = &mut self.forwarder.ports;
            match command {
                Command::Plug {
                    at,
                    plug,
                    device,
                    counters,
                } => ports.plug((at, plug), device, counters, &self.poll),
                Command::Unplug { at } => {
                    ports.unplug(at, &self.poll);
                    self.upkeep.forget_flows_of(Place::Port(at));
                }
                Command::Mtu { tunnel_mtu } => self.forwarder.tunnel_mtu = tunnel_mtu,
                Command::Probe(frame) => self.probes.push(frame),
                Command::Stop => return Status::Stopped,
            }
        }
        Status::Running
    }
}
