//! A verdict as it is remembered.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use pipeline::{Branch, Deps, Destination, LearnedKey, Logged, Verdict};

use super::Quick;
use crate::connection::Like;
use crate::credit::Account;
use crate::meter::Meter;

/// What to do with the packets of a flow, and what that was made of. Equal ones are kept once. What most packets need
/// comes first, so that it is fetched first.
#[derive(Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Action {
    /// How usual packets are carried without looking further, if they can be.
    pub quick: Option<Quick>,
    /// Where the packets are counted by who decided about them.
    pub account: Option<Arc<Account>>,
    /// The learned entries that the flow uses.
    pub used: Box<[LearnedKey]>,
    /// The packets that come of one, in order.
    pub branches: Box<[Branch]>,
    /// What the verdict depends on.
    pub deps: Deps,
    /// The limits that the branches come under.
    pub meters: Box<[Arc<Meter>]>,
    /// What is logged of them.
    pub logs: Box<[Logged]>,
}

/// A fresh verdict, with what it adds to an action.
pub(super) struct Decided {
    /// Too large to be moved each time that it changes hands.
    pub(super) verdict: Box<Verdict>,
    pub(super) account: Option<Arc<Account>>,
    pub(super) meters: Box<[Arc<Meter>]>,
}

impl Hash for Action {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash((&self.deps, &self.used, &self.branches), state);
    }
}

impl Like<Action> for Decided {
    fn hash_as(&self, state: &mut impl Hasher) {
        let verdict = &self.verdict;
        hash((&verdict.deps, &verdict.used, &verdict.branches), state);
    }

    fn is(&self, action: &Action) -> bool {
        let verdict = &self.verdict;
        action.deps == verdict.deps
            && action.branches[..] == verdict.branches[..]
            && action.used[..] == verdict.used[..]
            && action.logs[..] == verdict.logs[..]
            && action.account == self.account
            && action.meters == self.meters
    }

    fn make(self) -> Action {
        let verdict = *self.verdict;
        let is_logged = !verdict.logs.is_empty();
        Action {
            quick: Quick::of(&verdict.branches).filter(|_| !is_logged),
            branches: verdict.branches.into_vec().into_boxed_slice(),
            used: verdict.used.into_vec().into_boxed_slice(),
            deps: verdict.deps,
            account: self.account,
            meters: self.meters,
            logs: verdict.logs.into_boxed_slice(),
        }
    }
}

/// Enough to tell most actions apart: what they depend on, and what becomes of their first packet. Services have many
/// actions that differ in nothing but the translation.
fn hash((deps, used, branches): (&Deps, &[LearnedKey], &[Branch]), state: &mut impl Hasher) {
    deps.hash(state);
    used.hash(state);
    branches.len().hash(state);
    let Some(branch) = branches.first() else {
        return;
    };
    let translation = &branch.rewrite.translation;
    branch.rewrite.eth_dst.hash(state);
    (translation.ip_src, translation.ip_dst).hash(state);
    (translation.port_src, translation.port_dst).hash(state);
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
