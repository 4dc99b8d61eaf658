//! The numbers of datapaths, ports and groups, as they go over the wire.

use std::fmt;

/// A number that stands outside the range its type allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value} is outside {low}..={high}")]
pub struct KeyError {
    /// What the number was meant to be.
    pub what: &'static str,
    /// The refused number.
    pub value: u32,
    /// The least number allowed.
    pub low: u32,
    /// The greatest number allowed.
    pub high: u32,
}

/// The tunnel key of a logical switch or router: the Geneve VNI, 24 bits, never zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatapathKey(u32);

impl DatapathKey {
    /// The greatest key (RFC 8926 section 3.4: the VNI has 24 bits).
    pub const MAX: u32 = 0x00ff_ffff;
    /// The first key.
    pub const FIRST: Self = Self(1);

    /// A key in `1..=DatapathKey::MAX`.
    pub fn new(value: u32) -> Result<Self, KeyError> {
        if (1..=Self::MAX).contains(&value) {
            Ok(Self(value))
        } else {
            Err(KeyError {
                what: "datapath tunnel key",
                value,
                low: 1,
                high: Self::MAX,
            })
        }
    }

    /// The key as a number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// The tunnel key of a logical port, unique in its datapath: 15 bits, never zero.
///
/// Multicast groups share the 16-bit egress key space from [`MulticastGroup::FIRST_KEY`] on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortKey(u16);

impl PortKey {
    /// The greatest key: the Geneve option has 15 bits for the logical ingress port.
    pub const MAX: u16 = 0x7fff;
    /// The first key.
    pub const FIRST: Self = Self(1);

    /// A key in `1..=PortKey::MAX`.
    pub fn new(value: u32) -> Result<Self, KeyError> {
        match u16::try_from(value) {
            Ok(key) if (1..=Self::MAX).contains(&key) => Ok(Self(key)),
            _ => Err(KeyError {
                what: "port tunnel key",
                value,
                low: 1,
                high: u32::from(Self::MAX),
            }),
        }
    }

    /// The key as a number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Debug for DatapathKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dp{}", self.0)
    }
}

impl fmt::Display for DatapathKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for PortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port{}", self.0)
    }
}

impl fmt::Display for PortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A logical port anywhere: its datapath and its key there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRef {
    /// The datapath that the port belongs to.
    pub datapath: DatapathKey,
    /// The port's key in that datapath.
    pub port: PortKey,
}

impl PortRef {
    /// The least of all port references.
    pub(crate) const LEAST: PortRef = PortRef {
        datapath: DatapathKey(1),
        port: PortKey(1),
    };
}

/// The multicast groups every logical switch has, with OVN's tunnel keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum MulticastGroup {
    /// Every enabled port (`_MC_flood`).
    Flood = 32768,
    /// Every enabled port whose addresses include `unknown` (`_MC_unknown`).
    Unknown = 32769,
    /// Every enabled port that is no router port (`_MC_flood_l2`).
    FloodL2 = 32772,
}

impl MulticastGroup {
    /// The least egress key that names a group and not a port.
    pub const FIRST_KEY: u16 = 0x8000;
    /// All groups.
    pub const ALL: [MulticastGroup; 3] = [Self::Flood, Self::Unknown, Self::FloodL2];

    /// The group with this tunnel key, if there is one.
    pub fn from_key(key: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.key() == key)
    }

    /// The 16-bit egress key of the group.
    pub const fn key(self) -> u16 {
        self as u16
    }

    /// OVN's name of the group.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flood => "_MC_flood",
            Self::Unknown => "_MC_unknown",
            Self::FloodL2 => "_MC_flood_l2",
        }
    }
}
