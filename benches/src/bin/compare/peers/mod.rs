//! The systems, one a file.

mod bare;
mod linux;
mod ovn;
mod ovs;
mod weft;

use crate::peer::Peer;

/// All of them, the one that the others are compared with first.
pub(crate) fn all() -> Vec<Box<dyn Peer>> {
    vec![
        Box::new(weft::Weft),
        Box::new(bare::Bare { moves_many: false }),
        Box::new(bare::Bare { moves_many: true }),
        Box::new(linux::Linux),
        Box::new(ovs::Ovs { segments: false }),
        Box::new(ovs::Ovs { segments: true }),
        Box::new(ovn::Ovn { segments: false }),
        Box::new(ovn::Ovn { segments: true }),
    ]
}
