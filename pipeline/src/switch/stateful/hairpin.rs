//! `ls_in_hairpin`: a client that is its own backend gets its packets back.

use super::{Ended, Findings, Passing};
use crate::record::Recorder;
use crate::walk::{Packet, Walk};

/// Sends the packet back to where it came from, if that is the backend.
pub(super) fn turn_round<'t, R: Recorder>(
    _walk: &mut Walk<'t, R>,
    _packet: &mut Packet,
    _at: Passing<'t>,
    _found: &mut Findings,
) -> Result<(), Ended> {
    Ok(())
}
