//! A verdict as it is remembered.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use pipeline::{Branch, Deps, Destination, LearnedKey, Logged, Verdict};

use crate::credit::Account;
use crate::meter::Meter;

/// What to do with the packets of a flow, and what that was made of. Equal ones are kept once.
#[derive(Debug, PartialEq, Eq)]
pub struct Action {
    /// The packets that come of one, in order.
    pub branches: Box<[Branch]>,
    /// The learned entries that the flow uses.
    pub used: Box<[LearnedKey]>,
    /// What the verdict depends on.
    pub deps: Deps,
    /// Where the packets are counted by who decided about them.
    pub account: Option<Arc<Account>>,
    /// The limits that the branches come under.
    pub meters: Box<[Arc<Meter>]>,
    /// What is logged of them.
    pub logs: Box<[Logged]>,
}

impl Action {
    /// What is remembered of a verdict.
    pub fn new(verdict: Verdict, account: Option<Arc<Account>>, meters: Box<[Arc<Meter>]>) -> Self {
        Action {
            branches: verdict.branches.into_vec().into_boxed_slice(),
            used: verdict.used.into_vec().into_boxed_slice(),
            deps: verdict.deps,
            account,
            meters,
            logs: verdict.logs.into_boxed_slice(),
        }
    }
}

/// Enough to tell most actions apart: what they depend on and where their first packet goes.
impl Hash for Action {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.deps.hash(state);
        self.used.hash(state);
        self.branches.len().hash(state);
        if let Some(branch) = self.branches.first() {
            branch.rewrite.eth_dst.hash(state);
            match &branch.to {
                Destination::Output { port, interface } => (0, port, interface).hash(state),
                Destination::Tunnel(to) => {
                    (1, to.encap_ip, to.datapath, to.inport, to.outport).hash(state);
                }
                Destination::Hold(hold) => (2, hold.port, hold.next_hop).hash(state),
                Destination::Monitor { inport } => (4, inport).hash(state),
                Destination::Drop { reason, rule, .. } => (3, reason, rule).hash(state),
            }
        }
    }
}
