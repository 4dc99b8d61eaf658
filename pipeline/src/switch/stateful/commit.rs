//! `ls_in_stateful`, `ls_out_stateful`: connections are kept when everything else has agreed to them.

use super::{Ended, Findings, Passing};
use crate::conntrack::{Commit, Mark, State};
use crate::record::{Entry, Recorder};
use crate::stage::Stage;
use crate::walk::{Packet, Walk};

/// Keeps the packet's connection if a stage has asked for it. One that is kept as it should be is left alone.
pub(super) fn keep<'t, R: Recorder>(
    walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    at: Passing<'t>,
    found: &Findings,
) -> Result<(), Ended> {
    let (Some(label), Some(zone)) = (found.keep, at.noting_zone(packet)) else {
        return Ok(());
    };
    let tracked = &found.tracked;
    if !tracked.state.contains(State::TRACKED) {
        return Ok(());
    }
    walk.hit(at.stage(Stage::InStateful, Stage::OutStateful), || {
        entry(label)
    });
    let commit = Commit {
        mark: tracked.mark - Mark::BLOCKED,
        label: match label {
            0 => tracked.label,
            label => label,
        },
        nat: None,
        is_own: at.outport.is_none(),
    };
    let is_kept = !tracked.state.contains(State::NEW);
    if is_kept && commit.mark == tracked.mark && commit.label == tracked.label {
        return Ok(());
    }
    // A connection that begins may get another source port, if its answers would be taken for another's.
    let kept = match !is_kept && tracked.made_by.is_none() {
        true => walk.commit(zone, packet, commit),
        false => walk.note(zone, packet, commit).map(drop),
    };
    kept.map_err(|reason| {
        walk.drop(reason, Some(at.switch.key));
        Ended
    })
}

/// The entry for a connection with this label (0: none), for traces and listings.
pub(crate) fn entry(label: u32) -> Entry {
    let (matches, action) = match label {
        0 => (
            "reg0[1] == 1 && reg0[13] == 0",
            "ct_commit { ct_mark.blocked = 0; };",
        ),
        _ => (
            "reg0[1] == 1 && reg0[13] == 1",
            "ct_commit { ct_mark.blocked = 0; ct_label.label = reg3; };",
        ),
    };
    Entry::new(100, matches, [action, "next;"])
}
