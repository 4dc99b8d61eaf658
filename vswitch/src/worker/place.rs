//! Where a packet entered, as one number: part of a flow's key, and of what is kept of a dropped packet.

use packet::geneve;
use pipeline::Ingress;
use pipeline::object::{DatapathKey, PortKey, PortRef};

/// Where a packet entered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// By the interface of a port on this node.
    Port(PortRef),
    /// From another node, with these numbers in the Geneve header.
    Tunnel(geneve::Header),
    /// From another node, before the Geneve header was understood.
    #[default]
    Underlay,
}

const TUNNEL_BIT: u64 = 1 << 63;
/// No VNI has as many bits.
const UNDERLAY: u64 = u64::MAX;
const PORT_BITS: u32 = 15;

impl Place {
    /// The number of the place. Keys are never handed to another port while a flow may remember them, because
    /// their datapath's generation changes with it.
    pub fn number(self) -> u64 {
        match self {
            Self::Port(at) => u64::from(at.datapath.get()) << PORT_BITS | u64::from(at.port.get()),
            Self::Tunnel(header) => {
                TUNNEL_BIT
                    | u64::from(header.vni) << 31
                    | u64::from(header.ingress) << 16
                    | u64::from(header.egress)
            }
            Self::Underlay => UNDERLAY,
        }
    }

    /// The number of who sends: the same for all that it sends to other nodes' ports.
    pub fn sender(self) -> u64 {
        match self {
            Self::Tunnel(header) => Self::Tunnel(geneve::Header {
                egress: 0,
                ..header
            })
            .number(),
            Self::Port(_) | Self::Underlay => self.number(),
        }
    }

    /// How packets from there enter the pipeline; `None` before that is known.
    pub fn ingress(self) -> Option<Ingress> {
        match self {
            Self::Port(at) => Some(Ingress::Interface(at)),
            Self::Tunnel(header) => Some(Ingress::Tunnel {
                vni: header.vni,
                inport: header.ingress,
                outport: header.egress,
            }),
            Self::Underlay => None,
        }
    }

    /// The logical port that packets come in by, if it is told.
    pub fn port(self) -> Option<PortRef> {
        match self {
            Self::Port(at) => Some(at),
            Self::Tunnel(header) => Some(PortRef {
                datapath: DatapathKey::new(header.vni).ok()?,
                port: PortKey::new(header.ingress.into()).ok()?,
            }),
            Self::Underlay => None,
        }
    }

    /// The place with this number, if there can be one.
    pub fn of_number(number: u64) -> Option<Place> {
        if number == UNDERLAY {
            return Some(Self::Underlay);
        }
        if number & TUNNEL_BIT != 0 {
            return Some(Self::Tunnel(geneve::Header {
                vni: (number >> 31) as u32 & geneve::MAX_VNI,
                ingress: (number >> 16) as u16 & geneve::MAX_INGRESS,
                egress: number as u16,
            }));
        }
        let datapath = DatapathKey::new(u32::try_from(number >> PORT_BITS).ok()?).ok()?;
        let port = PortKey::new(number as u32 & ((1 << PORT_BITS) - 1)).ok()?;
        Some(Self::Port(PortRef { datapath, port }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again_by_its_number() {
        let at = |datapath, port| PortRef {
            datapath: DatapathKey::new(datapath).expect("a key"),
            port: PortKey::new(port).expect("a key"),
        };
        let tunnel = |vni, ingress, egress| {
            Place::Tunnel(geneve::Header {
                vni,
                ingress,
                egress,
            })
        };
        for place in [
            Place::Port(at(1, 1)),
            Place::Port(at(DatapathKey::MAX, PortKey::MAX.into())),
            tunnel(0, 0, 0),
            tunnel(geneve::MAX_VNI, geneve::MAX_INGRESS, u16::MAX),
            Place::Underlay,
        ] {
            assert_eq!(Place::of_number(place.number()), Some(place));
        }
        assert_eq!(Place::of_number(0), None);
    }
}
