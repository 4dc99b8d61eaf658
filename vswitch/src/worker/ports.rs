//! The doors of one worker: its queues of the ports on this node, and its end of the tunnel.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use packet::offload::Offloads;
use pipeline::object::PortRef;
use slab::Slab;

use super::allowance::{Allowance, End};
use super::send_rate::SendRate;
use super::senders::{Sender, Senders};
use crate::counter::TrafficCounters;
use crate::port::{BATCH, Frame, Port};
use crate::retired::{Retired, Retirement};
use crate::sys::poll::Poll;

/// The most other nodes whose traffic is counted by node; further ones are forwarded uncounted.
pub const TUNNELS: usize = 16_384;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// The tunnel counters of all workers, by the other node's underlay address.
#[derive(Debug, Default)]
pub struct TunnelRegistry(Mutex<Vec<(IpAddr, Arc<TrafficCounters>)>>);

impl TunnelRegistry {
    fn add(&self, remote: IpAddr) -> Arc<TrafficCounters> {
        let counters = Arc::<TrafficCounters>::default();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((remote, counters.clone()));
        counters
    }

    /// What has been counted so far, by node and worker.
    pub fn all(&self) -> Vec<(IpAddr, Arc<TrafficCounters>)> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// By which device packets come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// The tunnel to the other nodes.
    Tunnel,
    /// A port on this node, by its number at this worker.
    Port(usize),
}

impl Door {
    const TUNNEL_TOKEN: u64 = 1;
    const FIRST_PORT_TOKEN: u64 = 2;

    /// What [`Poll`] calls the door.
    pub(super) fn token(self) -> u64 {
        match self {
            Self::Tunnel => Self::TUNNEL_TOKEN,
            Self::Port(id) => Self::FIRST_PORT_TOKEN + id as u64,
        }
    }

    pub(super) fn of_token(token: u64) -> Option<Door> {
        match token {
            Self::TUNNEL_TOKEN => Some(Self::Tunnel),
            _ => token
                .checked_sub(Self::FIRST_PORT_TOKEN)
                .map(|id| Self::Port(id as usize)),
        }
    }
}

/// A port on this node.
pub(super) struct Plugged {
    pub(super) at: PortRef,
    plug: u64,
    pub(super) device: Device,
    pub(super) allowance: Allowance,
    /// What it may send.
    pub(super) rate: SendRate,
}

/// A device and what is on its way to it.
pub(super) struct Device {
    pub(super) port: Box<dyn Port>,
    /// With what work left on them it takes packets.
    pub(super) offloads: Offloads,
    pub(super) staged: Vec<Frame>,
    pub(super) counters: Arc<TrafficCounters>,
}

impl Device {
    fn new(port: Box<dyn Port>, counters: Arc<TrafficCounters>) -> Device {
        Device {
            offloads: port.offloads(),
            port,
            staged: Vec::new(),
            counters,
        }
    }
}

/// All doors.
pub(super) struct Ports {
    plugged: Slab<Plugged>,
    by_ref: Map<PortRef, usize>,
    pub(super) tunnel: Device,
    remotes: Map<IpAddr, Arc<TrafficCounters>>,
    registry: Arc<TunnelRegistry>,
    retirement: Retirement,
    fruitless_per_s: u32,
    senders: Senders,
    /// Ports that have to wait, by their numbers.
    resting: Vec<usize>,
    /// Doors with staged frames, each once.
    pub(super) staged: Vec<Door>,
}

impl Ports {
    pub(super) fn new(
        tunnel: Box<dyn Port>,
        registry: Arc<TunnelRegistry>,
        retirement: Retirement,
        fruitless_per_s: u32,
    ) -> Ports {
        Ports {
            plugged: Slab::new(),
            by_ref: Map::default(),
            tunnel: Device::new(tunnel, Arc::default()),
            remotes: Map::default(),
            registry,
            retirement,
            fruitless_per_s,
            senders: Senders::new(fruitless_per_s),
            resting: Vec::new(),
            staged: Vec::new(),
        }
    }

    /// Plugs a device into a port, in the place of a former one, as the plugging of this number.
    pub(super) fn plug(
        &mut self,
        (at, plug): (PortRef, u64),
        port: Box<dyn Port>,
        counters: Arc<TrafficCounters>,
        poll: &Poll,
    ) {
        self.unplug(at, poll);
        let device = Device::new(port, counters);
        let allowance = Allowance::new(self.fruitless_per_s);
        let id = self.plugged.insert(Plugged {
            at,
            plug,
            device,
            allowance,
            rate: SendRate::default(),
        });
        let port = &self.plugged[id].device.port;
        match poll.add(port.readiness(), Door::Port(id).token()) {
            Ok(()) => {
                self.by_ref.insert(at, id);
            }
            Err(error) => {
                tracing::error!(%error, port = ?at, "cannot wait for the packets of a port");
                self.plugged.remove(id);
            }
        }
    }

    /// Closes the device of `at`, if there is one.
    pub(super) fn unplug(&mut self, at: PortRef, poll: &Poll) {
        if let Some(id) = self.by_ref.remove(&at) {
            self.close(id, poll);
        }
    }

    /// A device is gone by itself; returns the port and the number of the plugging, if it was a port's.
    pub(super) fn lose(&mut self, door: Door, poll: &Poll) -> Option<(PortRef, u64)> {
        match door {
            Door::Port(id) => {
                let &Plugged { at, plug, .. } = self.plugged.get(id)?;
                tracing::debug!(port = ?at, "the device of a port is gone");
                self.by_ref.remove(&at);
                self.close(id, poll);
                Some((at, plug))
            }
            Door::Tunnel => {
                tracing::error!("the tunnel socket failed: nothing will come from other nodes");
                forget(poll, &*self.tunnel.port);
                None
            }
        }
    }

    /// Nothing is staged between batches, when devices are closed.
    fn close(&mut self, id: usize, poll: &Poll) {
        self.resting.retain(|other| *other != id);
        let plugged = self.plugged.remove(id);
        forget(poll, &*plugged.device.port);
        self.retirement.take(Retired::Device(plugged.device.port));
    }

    /// A packet has ended: whoever sent it answers for that.
    pub(super) fn charge(&mut self, sender: Sender, end: End) {
        match sender.door {
            Door::Port(_) => self.charge_port(sender.door, end),
            Door::Tunnel => self.senders.charge(sender, end),
        }
    }

    /// A packet has ended that came in by `door`, or goes out there and opens a connection.
    pub(super) fn charge_port(&mut self, door: Door, end: End) {
        if let Door::Port(id) = door
            && let Some(plugged) = self.plugged.get_mut(id)
        {
            plugged.allowance.charge(end);
        }
    }

    /// Whether the pipeline may be asked about a packet: not if its sender, on another node, has asked for too much.
    pub(super) fn admit(&mut self, sender: Sender, now_ms: u64) -> bool {
        match sender.door {
            Door::Port(_) => true,
            Door::Tunnel => self.senders.admit(sender, now_ms),
        }
    }

    /// How many frames to take from a door at once.
    pub(super) fn portion(&self, door: Door) -> usize {
        match door {
            Door::Tunnel => BATCH,
            Door::Port(id) => self.plugged.get(id).map_or(BATCH, |port| {
                port.allowance.portion().min(port.rate.portion)
            }),
        }
    }

    /// Lets a port wait if its packets cost too much. True if it has to.
    pub(super) fn settle(&mut self, door: Door, now_ms: u64, poll: &Poll) -> bool {
        let Door::Port(id) = door else {
            return false;
        };
        let Some(plugged) = self.plugged.get_mut(id) else {
            return false;
        };
        let has_to = plugged.allowance.settle(now_ms).is_some();
        if has_to {
            match poll.pause(plugged.device.port.readiness(), door.token()) {
                Ok(()) => self.resting.push(id),
                Err(error) => tracing::debug!(%error, "a device cannot be made to wait"),
            }
        }
        has_to
    }

    /// Looks again at ports that have waited long enough.
    pub(super) fn rouse(&mut self, now_ms: u64, poll: &Poll) {
        let plugged = &self.plugged;
        self.resting.retain(|id| {
            let Some(port) = plugged.get(*id) else {
                return false;
            };
            if port
                .allowance
                .rests_until_ms
                .is_some_and(|until| until > now_ms)
            {
                return true;
            }
            let token = Door::Port(*id).token();
            if let Err(error) = poll.resume(port.device.port.readiness(), token) {
                tracing::error!(%error, port = ?port.at, "cannot wait for the packets of a port");
            }
            false
        });
    }

    /// When a port has waited long enough.
    pub(super) fn next_ms(&self) -> Option<u64> {
        let resting = self.resting.iter().filter_map(|id| self.plugged.get(*id));
        resting
            .filter_map(|port| port.allowance.rests_until_ms)
            .min()
    }

    /// The door of a port on this node.
    #[inline]
    pub(super) fn door(&self, at: PortRef) -> Option<Door> {
        self.by_ref.get(&at).copied().map(Door::Port)
    }

    /// The port behind a number.
    pub(super) fn plugged(&self, id: usize) -> Option<&Plugged> {
        self.plugged.get(id)
    }

    /// The port behind a number, to be changed.
    pub(super) fn plugged_mut(&mut self, id: usize) -> Option<&mut Plugged> {
        self.plugged.get_mut(id)
    }

    /// The device at a door.
    #[inline]
    pub(super) fn device(&mut self, door: Door) -> Option<&mut Device> {
        match door {
            Door::Tunnel => Some(&mut self.tunnel),
            Door::Port(id) => self.plugged.get_mut(id).map(|plugged| &mut plugged.device),
        }
    }

    /// The counters of the tunnel to a node; `None` beyond [`TUNNELS`].
    pub(super) fn remote(&mut self, remote: IpAddr) -> Option<&TrafficCounters> {
        if !self.remotes.contains_key(&remote) {
            if self.remotes.len() >= TUNNELS {
                return None;
            }
            self.remotes.insert(remote, self.registry.add(remote));
        }
        self.remotes.get(&remote).map(|counters| &**counters)
    }

    /// Counts a packet that came in by `door` and was dropped.
    pub(super) fn count_drop(&mut self, door: Door) {
        if let Some(device) = self.device(door) {
            device.counters.rx_dropped.add(1);
        }
    }

    /// Puts a frame on its way out of `door`; gives it back if nothing is there.
    #[inline]
    pub(super) fn stage(&mut self, door: Door, frame: Frame) -> Result<(), Frame> {
        let Some(device) = self.device(door) else {
            return Err(frame);
        };
        let is_first = device.staged.is_empty();
        device.staged.push(frame);
        if is_first {
            self.staged.push(door);
        }
        Ok(())
    }
}

/// Stops waiting for a device. One that the kernel has taken away is forgotten by it already.
fn forget(poll: &Poll, port: &dyn Port) {
    if let Err(error) = poll.remove(port.readiness()) {
        tracing::debug!(%error, "a device was not waited for any more");
    }
}
