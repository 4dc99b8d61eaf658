//! Whose connections end because a service changed, where the balancer wants that (`ct_flush`).

use std::net::IpAddr;
use std::sync::Arc;

use super::Balancing;
use crate::object::VipKey;

/// A service, or one backend of it, whose connections end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ended {
    /// The VIP.
    pub vip: VipKey,
    /// The backend; `None` for all of them.
    pub backend: Option<(IpAddr, u16)>,
}

impl Balancing {
    /// What `after` has no more of what balancers with `ct_flush` had.
    pub(crate) fn ended(&self, after: &Balancing) -> Vec<Ended> {
        if Arc::ptr_eq(&self.services, &after.services) {
            return Vec::new();
        }
        let services = self.services.values().flatten();
        let flushed = services.filter(|service| {
            let balancer = self.balancers.get(&service.vip.key.balancer);
            balancer.is_some_and(|balancer| balancer.ct_flush)
        });
        let ended = flushed.flat_map(|service| {
            let vip = &service.vip.key;
            let all = |backend| Ended {
                vip: vip.clone(),
                backend,
            };
            let Some(now) = after.named(vip) else {
                return vec![all(None)];
            };
            if Arc::ptr_eq(service, now) {
                return Vec::new();
            }
            let backends = service.vip.backends.iter();
            let backends = backends.map(|backend| (backend.ip, backend.port));
            let gone = backends.filter(|backend| !now.keeps(*backend));
            gone.map(Some).map(all).collect()
        });
        ended.collect()
    }
}
