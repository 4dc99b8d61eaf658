//! `ls_in_lb`: a new connection to a VIP gets a backend.
//!
//! Only what a station sends is balanced: what comes from a router has met the balancers of the sender's switch, or
//! the router's own.

use super::{Ended, Findings, Lookup, Passing, reject};
use crate::balance::{self, Asked, Unserved};
use crate::conntrack::{Commit, Mark, State};
use crate::object::WhenEmpty;
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::walk::{Packet, Walk};

/// Whether the switch balances load at all.
pub(super) fn has_vips<R: Recorder>(_walk: &mut Walk<'_, R>, at: Passing<'_>) -> bool {
    at.switch.datapath.balances
}

/// Translates the destination: to the backend that the connection has, or for a new one to one that is chosen.
pub(super) fn balance<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    at: Passing<'t>,
    found: &mut Findings,
) -> Result<(), Ended> {
    let (Some(zone), Lookup::Translation) = (at.zone, found.lookup) else {
        return Ok(());
    };
    if balance::go_on(walk, packet, zone, &mut found.tracked) {
        return Ok(());
    }
    let state = found.tracked.state;
    if !state.contains(State::NEW) {
        return Ok(());
    }
    let Some(asked) = balance::asked(walk, packet, at.switch.datapath) else {
        return Ok(());
    };
    walk.hit(Stage::InLb, || entry(asked));
    let commit = Commit {
        mark: Mark::NATTED,
        label: found.keep.take().unwrap_or_default(),
        nat: None,
        is_own: true,
    };
    match balance::begin(walk, packet, zone, asked, commit.clone()) {
        Ok(Ok(())) => {
            (found.tracked.mark, found.tracked.label) = (commit.mark, commit.label);
            Ok(())
        }
        Ok(Err(unserved)) => Err(refuse(walk, packet, at, unserved)),
        Err(reason) => {
            walk.drop(reason, Some(at.switch.key));
            Err(Ended)
        }
    }
}

/// Tells the client that nobody serves it, if the balancer wants that.
fn refuse<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &Packet,
    at: Passing<'t>,
    unserved: Unserved,
) -> Ended {
    let answer = match unserved {
        Unserved::Empty(WhenEmpty::Reject) => walk.reject(packet),
        _ => None,
    };
    match answer {
        Some(answer) => reject::send(walk, answer, at),
        None => walk.drop(unserved.reason(), Some(at.switch.key)),
    }
    Ended
}

/// The entry of a service, for traces and listings.
pub(crate) fn entry(asked: Asked<'_>) -> Entry {
    let reject = "reject { outport <-> inport; next(pipeline=egress,table=5);};";
    balance::entry(asked, "ct.new", ["reg0 = 0;", reject], &["reg0[1] = 0;"])
}
