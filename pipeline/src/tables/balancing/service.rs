//! A VIP and the choice among its backends.

use std::net::IpAddr;
use std::sync::OnceLock;

use super::maglev::Maglev;
use crate::object::{Backend, BackendState, ChassisName, TrafficPolicy, Vip};

/// A VIP with its tables of backends. They are functions of the VIP and the node, and made when first needed.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) vip: Vip,
    everywhere: OnceLock<Maglev>,
    /// The backends on this node.
    local: OnceLock<Maglev>,
    /// The backends in this node's zone.
    zonal: OnceLock<Maglev>,
}

/// The node that a client is on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whereabouts<'t> {
    /// Its name, if that is known.
    pub(crate) node: Option<&'t ChassisName>,
    /// Its zone; empty if that is not known.
    pub(crate) zone: &'t str,
    /// It is the node that the tables are for, always.
    pub(crate) is_home: bool,
}

impl Service {
    pub(super) fn new(vip: Vip) -> Service {
        Service {
            vip,
            everywhere: OnceLock::new(),
            local: OnceLock::new(),
            zonal: OnceLock::new(),
        }
    }

    /// The backend for a new connection; `None` if there is none that takes one.
    pub(crate) fn choose(
        &self,
        policy: TrafficPolicy,
        client: Whereabouts<'_>,
        hash: u64,
    ) -> Option<&Backend> {
        let is_local =
            |backend: &Backend| client.node.is_some() && backend.chassis.as_ref() == client.node;
        let is_zonal = |backend: &Backend| !client.zone.is_empty() && backend.zone == client.zone;
        let all = || self.pick(client, &self.everywhere, hash, |_| true);
        let local = || self.pick(client, &self.local, hash, is_local);
        match policy {
            TrafficPolicy::Cluster => all(),
            TrafficPolicy::Local => local(),
            TrafficPolicy::PreferLocal => local().or_else(all),
            TrafficPolicy::PreferZone => {
                self.pick(client, &self.zonal, hash, is_zonal).or_else(all)
            }
        }
    }

    /// The backend with this address, if it takes a connection of a client that it has had before.
    pub(crate) fn returning(&self, (ip, port): (IpAddr, u16)) -> Option<&Backend> {
        let mut backends = self.vip.backends.iter();
        backends.find(|backend| {
            let takes = matches!(backend.state, BackendState::Ready | BackendState::Serving);
            (backend.ip, backend.port) == (ip, port) && takes && backend.weight > 0
        })
    }

    /// True if the backend with this address keeps the connections it has.
    pub(crate) fn keeps(&self, (ip, port): (IpAddr, u16)) -> bool {
        self.vip.backends.iter().any(|backend| {
            let is_same = backend.ip == ip && (backend.port == port || backend.port == 0);
            is_same && backend.state != BackendState::Offline
        })
    }

    fn pick(
        &self,
        client: Whereabouts<'_>,
        table: &OnceLock<Maglev>,
        hash: u64,
        is_near: impl Fn(&Backend) -> bool,
    ) -> Option<&Backend> {
        let index = match client.is_home {
            true => table.get_or_init(|| self.fill(is_near)).pick(hash),
            false => self.fill(is_near).pick(hash),
        };
        self.vip.backends.get(usize::from(index?))
    }

    /// Those that are ready, and those that serve while they terminate only where none is ready.
    fn fill(&self, is_near: impl Fn(&Backend) -> bool) -> Maglev {
        let in_state = |state| {
            let backends = (0..).zip(&self.vip.backends);
            let taken = backends.filter(|(_, backend)| {
                backend.state == state
                    && backend.ip.is_ipv4() == self.vip.key.ip.is_ipv4()
                    && is_near(backend)
            });
            let taken = taken.map(|(index, it)| (index, (it.ip, it.port), it.weight));
            Maglev::fill(taken)
        };
        let ready = in_state(BackendState::Ready);
        match ready.is_empty() {
            true => in_state(BackendState::Serving),
            false => ready,
        }
    }
}
