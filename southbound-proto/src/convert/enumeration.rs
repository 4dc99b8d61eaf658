//! Enumerations: stable numbers on the wire, of which 0 stands for nothing.

use expr::{Field, Notation, PortField};
use pipeline::object::{
    AclAction, AclStage, BackendState, MeterUnit, NatKind, NeighborResponder, QosDirection,
    SelectionField, Severity, TrafficPolicy, WhenEmpty,
};

use super::error::Problem;
use super::health::ProbeStatus;
use crate::southbound as wire;

/// A value that crosses the wire as a number.
pub(super) trait Enumeration: Copy + Sized {
    /// The number of the value.
    fn number(self) -> i32;
    /// The value of a number.
    fn from_number(number: i32) -> Result<Self, Problem>;
}

/// Ties an enum to that of the wire whose values, but for the unspecified one, have the same names.
macro_rules! enumeration {
    ($($name:ident { $($value:ident),* $(,)? })*) => {$(
        impl Enumeration for $name {
            fn number(self) -> i32 {
                let value = match self {
                    $(Self::$value => wire::$name::$value,)*
                };
                value.into()
            }

            fn from_number(number: i32) -> Result<Self, Problem> {
                match wire::$name::try_from(number) {
                    $(Ok(wire::$name::$value) => Ok(Self::$value),)*
                    Ok(wire::$name::Unspecified) => Err(Problem::Missing),
                    Err(_) => Err(Problem::Unknown(number)),
                }
            }
        }
    )*};
}

enumeration! {
    AclAction { Allow, AllowRelated, AllowStateless, Drop, Reject, Pass }
    AclStage { FromLport, FromLportAfterLb, ToLport }
    BackendState { Ready, Serving, Draining, Offline }
    Field {
        Xxreg0, Xxreg1, Xreg4, Flags, PktMark, CtMark, CtLabel, CtState,
        EthSrc, EthDst, EthType, VlanTci,
        IpProto, IpDscp, IpEcn, IpTtl, IpFrag, Ip4Src, Ip4Dst, Ip6Src, Ip6Dst,
        Icmp4Type, Icmp4Code, Icmp6Type, Icmp6Code,
        ArpOp, ArpSpa, ArpSha, ArpTpa, ArpTha, NdTarget, NdSll, NdTll,
        TcpSrc, TcpDst, TcpFlags, UdpSrc, UdpDst, SctpSrc, SctpDst, Ip6Label,
    }
    MeterUnit { Kilobits, Packets }
    NatKind { Snat, Dnat, DnatAndSnat }
    NeighborResponder { None, Reachable, All }
    Notation { Decimal, Hexadecimal, Ipv4, Ipv6, Ethernet }
    PortField { Inport, Outport }
    ProbeStatus { Online, Offline, Error }
    QosDirection { FromLport, ToLport }
    SelectionField { EthSrc, EthDst, IpSrc, IpDst, TransportSrc, TransportDst }
    Severity { Alert, Warning, Notice, Info, Debug }
    TrafficPolicy { Cluster, Local, PreferLocal, PreferZone }
    WhenEmpty { Drop, Reject }
}
