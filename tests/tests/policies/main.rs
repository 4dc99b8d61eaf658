//! Network policies of a cluster, as its network plugin writes them: port groups, address sets and ACLs.
//!
//! The network is that of [`tests::cluster`], its pods in two namespaces with two applications ([`model::PODS`]).

mod acls;
mod changes;
mod matrix;
mod model;
mod random;

use model::{
    Action, AdminRule, Block, Direction, Peer, Policies, Policy, Ports, Protocol, Rule, Selector,
};
