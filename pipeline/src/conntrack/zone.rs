//! Zones: spaces of connections that know nothing of each other.

use uuid::Uuid;

use crate::object::{DatapathKey, PortKey, PortRef};

/// A zone, in 56 bits. It is a function of its owner, so that it needs no allocation and means the same on every
/// node and after every restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone(u64);

/// Whose zone it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ZoneKind {
    /// An interface's: what it sends and receives.
    Port(PortRef),
    /// A router's, for translations of the destination.
    Dnat(DatapathKey),
    /// A router's, for translations of the source; a switch's, for hairpins.
    Snat(DatapathKey),
}

impl ZoneKind {
    /// The datapath that the zone is of.
    pub fn datapath(self) -> DatapathKey {
        match self {
            Self::Port(at) => at.datapath,
            Self::Dnat(datapath) | Self::Snat(datapath) => datapath,
        }
    }
}

const PORT_BITS: u32 = 16;
const DATAPATH_BITS: u32 = 24;
const OWNER_BITS: u32 = 14;
/// Port numbers that are no port's.
const DNAT: u64 = 0xffff;
const SNAT: u64 = 0xfffe;

impl Zone {
    /// The number of bits that a zone has.
    pub const BITS: u32 = PORT_BITS + DATAPATH_BITS + OWNER_BITS;

    /// The zone of `kind`. Keys are handed out again when their owner is gone, so 14 bits of the owner's `uuid` keep
    /// the connections of the one from the other.
    pub fn new(kind: ZoneKind, owner: Uuid) -> Zone {
        let (datapath, port) = match kind {
            ZoneKind::Port(at) => (at.datapath, u64::from(at.port.get())),
            ZoneKind::Dnat(datapath) => (datapath, DNAT),
            ZoneKind::Snat(datapath) => (datapath, SNAT),
        };
        let owner = owner.as_u128() as u64 & ((1 << OWNER_BITS) - 1);
        Zone(owner << (DATAPATH_BITS + PORT_BITS) | u64::from(datapath.get()) << PORT_BITS | port)
    }

    /// The zone as a number of [`Zone::BITS`] bits.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The zone with this number, if there can be one.
    pub fn of_number(number: u64) -> Option<Zone> {
        let zone = Zone(number);
        (number >> Self::BITS == 0 && zone.kind().is_some()).then_some(zone)
    }

    /// Whose zone it is; `None` for a number that is no zone's.
    pub fn kind(self) -> Option<ZoneKind> {
        let datapath = self.0 >> PORT_BITS & ((1 << DATAPATH_BITS) - 1);
        let datapath = DatapathKey::new(datapath as u32).ok()?;
        match self.0 & ((1 << PORT_BITS) - 1) {
            DNAT => Some(ZoneKind::Dnat(datapath)),
            SNAT => Some(ZoneKind::Snat(datapath)),
            port => {
                let port = PortKey::new(port as u32).ok()?;
                Some(ZoneKind::Port(PortRef { datapath, port }))
            }
        }
    }
}
