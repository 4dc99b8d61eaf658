//! Which datapaths a change of load balancers, translations and address sets concerns.

use std::sync::Arc;

use super::Touched;
use crate::object::{Nat, NatPeers};
use crate::tables::Tables;

impl Tables {
    /// What a router translates is known to the switches it is joined to.
    pub(super) fn note_joined(&self, touched: &mut Touched) {
        for router in &touched.routers {
            let ports = self.datapaths.get(router).map(|datapath| &datapath.ports);
            let at = ports.into_iter().flat_map(|ports| ports.values());
            touched.router_ports.extend(at.map(|port| port.at));
        }
    }

    /// Finds the datapaths that balance load now and did not before, or the other way round.
    pub(super) fn note_balancing(&mut self, touched: &mut Touched) {
        if !touched.is_rebalanced && touched.configured.is_empty() {
            return;
        }
        let changed: Vec<_> = self
            .datapaths
            .iter()
            .filter(|(key, _)| touched.is_rebalanced || touched.configured.contains(key))
            .map(|(key, datapath)| {
                (
                    *key,
                    datapath,
                    self.balancing.has_vips(datapath.balancers()),
                )
            })
            .filter(|(_, datapath, balances)| datapath.balances != *balances)
            .map(|(key, _, balances)| (key, balances))
            .collect();
        for (key, balances) in changed {
            touched.configured.insert(key);
            self.edit(key, touched).balances = balances;
        }
    }

    /// Routers count as changed when the address sets that their NATs name change.
    pub(super) fn note_sets(&self, touched: &mut Touched) {
        if touched.set_names.is_empty() {
            return;
        }
        let names = std::mem::take(&mut touched.set_names);
        let names_one = |nat: &Arc<Nat>| match &nat.peers {
            NatPeers::All => false,
            NatPeers::Only(set) | NatPeers::AllBut(set) => names.contains(set),
        };
        let concerned = self
            .datapaths
            .iter()
            .filter(|(_, datapath)| datapath.nats.values().any(names_one));
        touched.configured.extend(concerned.map(|(key, _)| *key));
    }
}
