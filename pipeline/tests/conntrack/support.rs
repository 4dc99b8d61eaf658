//! Packets and a table to ask about them.

use std::net::IpAddr;

use packet::flow::{Flow, Fragment, Ip, Network, Transport, ether_type, ip_protocol};
use packet::{Mac, Segment, TcpSegment};
use pipeline::conntrack::{
    Commit, CommitError, Conntrack, NatRequest, Settings, Simple, State, Tracked, Zone, ZoneKind,
};
use pipeline::object::DatapathKey;
use uuid::Uuid;

pub(crate) const SYN: u16 = 0x02;
pub(crate) const RST: u16 = 0x04;
pub(crate) const FIN: u16 = 0x01;
pub(crate) const ACK: u16 = 0x10;

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub(crate) fn zone() -> Zone {
    let key = DatapathKey::new(1).expect("a key");
    Zone::new(ZoneKind::Snat(key), Uuid::nil())
}

/// A packet between `src` and `dst` with this transport.
pub(crate) fn flow(src: &str, dst: &str, protocol: u8, transport: Transport) -> Flow {
    let (src, dst) = (ip(src), ip(dst));
    Flow {
        eth_src: Mac([2, 0, 0, 0, 0, 1]),
        eth_dst: Mac([2, 0, 0, 0, 0, 2]),
        vlan: None,
        eth_type: match src {
            IpAddr::V4(_) => ether_type::IPV4,
            IpAddr::V6(_) => ether_type::IPV6,
        },
        network: Network::Ip(Ip {
            src,
            dst,
            protocol,
            ttl: 64,
            dscp: 0,
            ecn: 0,
            label: 0,
            fragment: Fragment::Whole,
            dont_fragment: true,
            transport,
        }),
        length: 60,
    }
}

pub(crate) fn tcp(src: (&str, u16), dst: (&str, u16)) -> Flow {
    let transport = Transport::Tcp {
        src: src.1,
        dst: dst.1,
        flags: 0,
    };
    flow(src.0, dst.0, ip_protocol::TCP, transport)
}

pub(crate) fn udp(src: (&str, u16), dst: (&str, u16)) -> Flow {
    let transport = Transport::Udp {
        src: src.1,
        dst: dst.1,
    };
    flow(src.0, dst.0, ip_protocol::UDP, transport)
}

/// A segment without options or data.
pub(crate) fn segment(flags: u16, sequence: u32, acknowledgment: u32) -> TcpSegment {
    TcpSegment {
        flags,
        sequence,
        acknowledgment,
        window: 1_000,
        length: 0,
        window_scale: None,
    }
}

/// A table with one zone.
pub(crate) struct Table(pub(crate) Simple);

impl Table {
    pub(crate) fn new() -> Table {
        Table(Simple::new(Settings::default()))
    }

    /// Each packet has a walk of its own.
    pub(crate) fn track(&mut self, flow: &Flow) -> Tracked {
        self.0.begin();
        self.0.track(zone(), flow, &Segment::Unknown)
    }

    /// The state of a packet, without the bit that all have.
    pub(crate) fn state(&mut self, flow: &Flow, segment: impl Into<Option<TcpSegment>>) -> State {
        let segment = segment.into().map_or(Segment::Unknown, Segment::Tcp);
        self.0.begin();
        self.0.track(zone(), flow, &segment).state - State::TRACKED
    }

    pub(crate) fn commit(
        &mut self,
        flow: &Flow,
        segment: impl Into<Option<TcpSegment>>,
        nat: Option<NatRequest>,
    ) -> Result<Option<Box<Flow>>, CommitError> {
        let segment = segment.into().map_or(Segment::Unknown, Segment::Tcp);
        let commit = Commit {
            nat,
            ..Commit::default()
        };
        self.0.commit(zone(), flow, &segment, commit)
    }
}
