//! What tracked connections cost, measured by what the process occupies. Nothing else runs in it.

use std::net::IpAddr;

use packet::flow::{Flow, Fragment, Ip, Network, Transport, ether_type, ip_protocol};
use packet::{Mac, Segment};
use pipeline::conntrack::{Commit, Conntrack, NatRequest, Settings, State, Tuple, Zone, ZoneKind};
use pipeline::object::DatapathKey;
use uuid::Uuid;
use vswitch::conntrack::{ConntrackTable, Tracker};

fn zone() -> Zone {
    let key = DatapathKey::new(1).expect("a key");
    Zone::new(ZoneKind::Dnat(key), Uuid::nil())
}

fn address(number: u32) -> IpAddr {
    IpAddr::V4((0x0a00_0000 + number).into())
}

fn udp(src: (IpAddr, u16), dst: (IpAddr, u16)) -> Flow {
    Flow {
        eth_src: Mac([2; 6]),
        eth_dst: Mac([4; 6]),
        vlan: None,
        eth_type: ether_type::IPV4,
        network: Network::Ip(Ip {
            src: src.0,
            dst: dst.0,
            protocol: ip_protocol::UDP,
            ttl: 64,
            dscp: 0,
            ecn: 0,
            label: 0,
            fragment: Fragment::Whole,
            dont_fragment: false,
            transport: Transport::Udp {
                src: src.1,
                dst: dst.1,
            },
        }),
        length: 60,
    }
}

fn reversed(flow: &Flow) -> Flow {
    let tuple = Tuple::of(flow).expect("a tuple");
    udp((tuple.dst, tuple.dst_port), (tuple.src, tuple.src_port))
}

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("the kernel says");
    let pages = text.split_whitespace().nth(1).expect("resident pages");
    pages.parse::<usize>().expect("a number") * 4_096
}

#[test]
fn a_million_connections_cost_no_more_than_150_bytes_each() {
    const CONNECTIONS: u32 = 1_000_000;
    let before = resident_bytes();
    let settings = Settings {
        half_open_quota: u32::MAX,
        ..Settings::default()
    };
    let (table, mut members) = ConntrackTable::new(CONNECTIONS, 1, settings);
    let member = &mut members[0];
    let mut refused = 0;
    for number in 0..CONNECTIONS {
        let packet = udp(
            (address(number >> 4), 1_000 + (number & 15) as u16),
            (address(0x00f0_0000), 53),
        );
        // Half of them are translated, and stand in the table twice.
        let nat = (number % 2 == 0).then(|| NatRequest::Destination(address(0x00e0_0000), 53));
        let commit = Commit {
            nat,
            ..Commit::default()
        };
        let mut turn = member.begin();
        let mut tracker = Tracker::new(&mut turn, 0);
        match tracker.commit(zone(), &packet, &Segment::Unknown, commit) {
            Ok(became) => {
                let became = became.unwrap_or_else(|| Box::new(packet));
                tracker.begin();
                let answer = tracker.track(zone(), &reversed(&became), &Segment::Unknown);
                assert!(answer.state.contains(State::ESTABLISHED));
            }
            Err(_) => refused += 1,
        }
    }
    let bytes = resident_bytes() - before;
    let counts = table.counts();
    assert_eq!(counts.connections + refused, CONNECTIONS);
    let each = bytes as f64 / f64::from(counts.connections);
    println!(
        "{each:.1} bytes for each of {} connections",
        counts.connections
    );
    assert!(refused < CONNECTIONS / 1_000, "{refused} found no slot");
    assert!(each <= 150.0, "{each} bytes");
}
