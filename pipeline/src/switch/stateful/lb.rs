//! `ls_in_lb`: a new connection to a VIP gets a backend.

use super::{Ended, Findings, Passing};
use crate::record::Recorder;
use crate::walk::{Packet, Walk};

/// Whether the switch balances load at all.
pub(super) fn has_vips<R: Recorder>(_walk: &mut Walk<'_, R>, _at: Passing<'_>) -> bool {
    false
}

/// Translates the destination: to the backend that the connection has, or for a new one to one that is chosen.
pub(super) fn balance<'t, R: Recorder>(
    _walk: &mut Walk<'t, R>,
    packet: &mut Packet,
    _at: Passing<'t>,
    found: &mut Findings,
) -> Result<(), Ended> {
    if let Some(translated) = found.tracked.translated.take() {
        packet.flow = *translated;
    }
    Ok(())
}
