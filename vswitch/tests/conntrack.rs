//! The table of tracked connections: against its slow twin, at its bounds, and what it costs.

use std::net::IpAddr;

use packet::flow::{Flow, Fragment, Ip, Network, Transport, ether_type, ip_protocol};
use packet::{Mac, Segment, TcpSegment};
use pipeline::conntrack::{
    Commit, CommitError, Conntrack, Kept, MadeBy, Mark, NatRequest, Settings, Simple, State, Tuple,
    Zone, ZoneKind,
};
use pipeline::object::DatapathKey;
use proptest::prelude::*;
use uuid::Uuid;
use vswitch::conntrack::{ConntrackTable, End, Filter, Member, Tracker, Within, ZoneCounts};

fn zone(number: u32) -> Zone {
    let key = DatapathKey::new(number + 1).expect("a key");
    Zone::new(ZoneKind::Snat(key), Uuid::nil())
}

fn flow(src: (IpAddr, u16), dst: (IpAddr, u16), protocol: u8) -> Flow {
    let (src, dst, sport, dport) = (src.0, dst.0, src.1, dst.1);
    let transport = match protocol {
        ip_protocol::TCP => Transport::Tcp {
            src: sport,
            dst: dport,
            flags: 0,
        },
        ip_protocol::UDP => Transport::Udp {
            src: sport,
            dst: dport,
        },
        _ => Transport::Other,
    };
    Flow {
        eth_src: Mac([2; 6]),
        eth_dst: Mac([4; 6]),
        vlan: None,
        eth_type: ether_type::IPV4,
        network: Network::Ip(Ip {
            src,
            dst,
            protocol,
            ttl: 64,
            dscp: 0,
            ecn: 0,
            label: 0,
            fragment: Fragment::Whole,
            dont_fragment: false,
            transport,
        }),
        length: 60,
    }
}

fn address(number: u32) -> IpAddr {
    IpAddr::V4((0x0a00_0000 + number).into())
}

fn udp(client: u32, port: u16, server: u32) -> Flow {
    flow(
        (address(client), port),
        (address(server), 53),
        ip_protocol::UDP,
    )
}

fn begin(member: &mut Member, flow: &Flow, now_ms: u64) -> Result<(), CommitError> {
    let mut turn = member.begin();
    let mut tracker = Tracker::new(&mut turn, now_ms);
    let commit = Commit::default();
    tracker
        .commit(zone(0), flow, &Segment::Unknown, commit)
        .map(|_| ())
}

fn state(member: &mut Member, flow: &Flow, now_ms: u64) -> State {
    let mut turn = member.begin();
    let mut tracker = Tracker::new(&mut turn, now_ms);
    tracker.track(zone(0), flow, &Segment::Unknown).state - State::TRACKED
}

fn reversed(flow: &Flow) -> Flow {
    let tuple = Tuple::of(flow).expect("a tuple").reversed();
    self::flow(
        (tuple.src, tuple.src_port),
        (tuple.dst, tuple.dst_port),
        tuple.protocol,
    )
}

// === the twin ===

#[derive(Clone, Debug)]
enum Step {
    Track(u32, Flow, Segment),
    /// Commits what was tracked, or what came of that.
    Commit(u32, Flow, Segment, Commit),
    Forget(u32, Flow),
    Attribute(u128),
    NextWalk,
    Wait(u64),
}

fn any_flow() -> impl Strategy<Value = Flow> {
    let end = || (0..4u32, prop_oneof![Just(80u16), Just(4000), Just(4001)]);
    let protocol = prop_oneof![
        3 => Just(ip_protocol::TCP),
        2 => Just(ip_protocol::UDP),
        1 => Just(47u8),
    ];
    (end(), end(), protocol).prop_map(|(src, dst, protocol)| {
        flow((address(src.0), src.1), (address(dst.0), dst.1), protocol)
    })
}

fn any_segment() -> impl Strategy<Value = Segment> {
    let flags = prop_oneof![
        Just(0x02u16),
        Just(0x12),
        Just(0x10),
        Just(0x11),
        Just(0x04),
        Just(0x14),
        Just(0x18),
    ];
    let number = prop_oneof![
        Just(100u32),
        Just(101),
        Just(200),
        Just(u32::MAX),
        any::<u32>()
    ];
    let tcp = (
        flags,
        number.clone(),
        number,
        any::<u16>(),
        0..2000u32,
        any::<Option<u8>>(),
    );
    prop_oneof![
        1 => Just(Segment::Unknown),
        6 => tcp.prop_map(|(flags, sequence, acknowledgment, window, length, scale)| {
            Segment::Tcp(TcpSegment {
                flags,
                sequence,
                acknowledgment,
                window,
                length,
                window_scale: scale.filter(|_| flags & 2 != 0).map(|scale| scale % 15),
            })
        }),
    ]
}

fn any_commit() -> impl Strategy<Value = Commit> {
    let nat = prop_oneof![
        2 => Just(None),
        1 => (0..4u32).prop_map(|ip| Some(NatRequest::Source(address(ip), 4000..=4003))),
        1 => (0..4u32).prop_map(|ip| Some(NatRequest::Destination(address(ip), 80))),
    ];
    (0..4u8, 0..3u32, nat, any::<bool>()).prop_map(|(mark, label, nat, is_own)| Commit {
        mark: Mark::from_bits_truncate(mark),
        label,
        nat,
        is_own,
    })
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2u32, any_flow(), any_segment())
            .prop_map(|(zone, flow, segment)| Step::Track(zone, flow, segment)),
        4 => (0..2u32, any_flow(), any_segment(), any_commit())
            .prop_map(|(zone, flow, segment, commit)| Step::Commit(zone, flow, segment, commit)),
        1 => (0..2u32, any_flow()).prop_map(|(zone, flow)| Step::Forget(zone, flow)),
        1 => (0..4u128).prop_map(Step::Attribute),
        3 => Just(Step::NextWalk),
        1 => (0..200_000u64).prop_map(Step::Wait),
    ]
}

fn sorted(kept: impl Iterator<Item = Kept>) -> Vec<Kept> {
    let mut kept: Vec<Kept> = kept.collect();
    kept.sort_by_key(|kept| (kept.zone, kept.original));
    kept
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 512,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_table_agrees_with_its_twin(
        walks in proptest::collection::vec(proptest::collection::vec(any_step(), 1..8), 1..24),
        is_liberal: bool,
    ) {
        let settings = Settings { is_liberal, ..Settings::default() };
        let (_table, mut members) = ConntrackTable::new(512, 1, settings);
        let member = &mut members[0];
        let mut twin = Simple::new(settings);
        let mut now_ms = 0;
        for walk in walks {
            let mut turn = member.begin();
            let mut tracker = Tracker::new(&mut turn, now_ms);
            twin.begin();
            for step in walk {
                match step {
                    Step::Track(at, flow, segment) => {
                        let (a, b) = (
                            tracker.track(zone(at), &flow, &segment),
                            twin.track(zone(at), &flow, &segment),
                        );
                        prop_assert_eq!(a, b);
                    }
                    Step::Commit(at, flow, segment, commit) => {
                        let a = tracker.commit(zone(at), &flow, &segment, commit.clone());
                        let b = twin.commit(zone(at), &flow, &segment, commit.clone());
                        prop_assert_eq!(&a, &b);
                        if let Ok(Some(became)) = a {
                            let again = tracker.commit(zone(at), &became, &segment, commit.clone());
                            prop_assert_eq!(again, twin.commit(zone(at), &became, &segment, commit));
                        }
                    }
                    Step::Forget(at, flow) => {
                        tracker.forget(zone(at), &flow);
                        twin.forget(zone(at), &flow);
                    }
                    Step::Attribute(acl) => {
                        let made_by = MadeBy { acls: vec![Uuid::from_u128(acl)], ..MadeBy::default() };
                        tracker.attribute(&made_by);
                        twin.attribute(&made_by);
                    }
                    Step::NextWalk => {
                        tracker.begin();
                        twin.begin();
                    }
                    Step::Wait(ms) => {
                        now_ms += ms;
                        twin.set_now_ms(now_ms);
                        break;
                    }
                }
            }
            drop(turn);
            let listed = member.list(&Filter::default(), usize::MAX, now_ms);
            let listed = sorted(listed.into_iter().map(|listed| listed.kept));
            prop_assert_eq!(listed, sorted(twin.connections().cloned()));
        }
    }
}

#[test]
fn what_is_attributed_survives_that_another_packet_of_the_walk_looks_the_same() {
    const GRE: u8 = 47;
    let (_table, mut members) = ConntrackTable::new(8, 1, Settings::default());
    let mut turn = members[0].begin();
    let mut tracker = Tracker::new(&mut turn, 0);
    let commit = Commit {
        nat: Some(NatRequest::Source(address(3), 1..=1)),
        ..Commit::default()
    };
    let sent = flow((address(0), 0), (address(1), 0), GRE);
    let became = tracker
        .commit(zone(0), &sent, &Segment::Unknown, commit)
        .expect("room")
        .expect("translated");
    tracker.track(zone(0), &became, &Segment::Unknown);
    let made_by = MadeBy {
        acls: vec![Uuid::nil()],
        ..MadeBy::default()
    };
    tracker.attribute(&made_by);
    let found = tracker.track(zone(0), &sent, &Segment::Unknown);
    assert_eq!(found.made_by.as_deref(), Some(&made_by));
}

// === bounds ===

#[test]
fn half_open_connections_give_way_and_established_ones_never_do() {
    const CAPACITY: u32 = 256;
    let settings = Settings {
        half_open_quota: u32::MAX,
        ..Settings::default()
    };
    let (table, mut members) = ConntrackTable::new(CAPACITY, 1, settings);
    let member = &mut members[0];
    for client in 0..200 {
        let request = udp(client, 1, 1_000);
        begin(member, &request, 0).expect("room");
        assert!(state(member, &reversed(&request), 0).contains(State::ESTABLISHED));
    }
    let flood = (1_000..3_000).filter(|client| begin(member, &udp(*client, 2, 1_000), 1).is_ok());
    let taken = flood.count();
    assert!(taken > 1_900, "a new connection finds room: {taken}");
    for client in 0..200 {
        assert_eq!(state(member, &udp(client, 1, 1_000), 1), State::ESTABLISHED);
    }
    let counts = table.counts();
    assert!(
        counts.connections <= CAPACITY && counts.evicted > 1_700,
        "{counts:?}"
    );
    assert_eq!(counts.half_open, u64::from(counts.connections) - 200);
}

#[test]
fn a_connection_that_is_being_opened_outlasts_those_that_have_waited_longer() {
    const CAPACITY: u32 = 1_024;
    let settings = Settings {
        half_open_quota: u32::MAX,
        ..Settings::default()
    };
    let (_table, mut members) = ConntrackTable::new(CAPACITY, 1, settings);
    let member = &mut members[0];
    let mut now_ms = 0;
    for client in 0..20_000_u32 {
        // One of a hundred is answered when fifty others have begun.
        let answered = client.checked_sub(50).filter(|client| client % 100 == 0);
        if let Some(client) = answered {
            let request = udp(client, 1, 1_000);
            let answer = state(member, &reversed(&request), now_ms);
            assert!(answer.contains(State::ESTABLISHED), "client {client}");
        }
        begin(member, &udp(client, 1, 1_000), now_ms).expect("room");
        now_ms += u64::from(client % 10 == 0);
    }
}

#[test]
fn a_table_full_of_established_connections_refuses_new_ones() {
    const CAPACITY: u32 = 64;
    let (table, mut members) = ConntrackTable::new(CAPACITY, 1, Settings::default());
    let member = &mut members[0];
    for client in 0..CAPACITY {
        let request = udp(client, 1, 1_000);
        begin(member, &request, 0).expect("room");
        state(member, &reversed(&request), 0);
    }
    let late = udp(2_000, 1, 1_000);
    assert_eq!(begin(member, &late, 1), Err(CommitError::TableFull));
    assert_eq!(table.counts().refused_full, 1);
    // Answered UDP lives for two minutes.
    let later_ms = 120_000;
    assert_eq!(begin(member, &late, later_ms), Err(CommitError::TableFull));
    assert_eq!(begin(member, &late, later_ms), Ok(()));
}

#[test]
fn a_flood_leaves_other_zones_and_other_sources_alone() {
    const QUOTA: u32 = 100;
    let settings = Settings {
        half_open_quota: QUOTA,
        ..Settings::default()
    };
    let (table, mut members) = ConntrackTable::new(1_024, 1, settings);
    let mut begin = |zone: Zone, is_own, packet: &Flow| {
        let mut turn = members[0].begin();
        let mut tracker = Tracker::new(&mut turn, 0);
        let commit = Commit {
            is_own,
            ..Commit::default()
        };
        tracker.commit(zone, packet, &Segment::Unknown, commit)
    };
    let refused = Err(CommitError::HalfOpenQuota);
    // An interface has one quota, whatever addresses it makes up.
    let kept = (0..500).filter(|client| begin(zone(0), true, &udp(*client, 1, 9)).is_ok());
    assert_eq!(kept.count() as u32, QUOTA);
    // Each who speaks to it has one of its own.
    let kept = (0..500_u16).filter(|port| begin(zone(0), false, &udp(7, 1 + port, 8)).is_ok());
    assert_eq!(kept.count() as u32, QUOTA);
    assert_eq!(begin(zone(0), false, &udp(6, 1, 8)), Ok(None));
    assert_eq!(begin(zone(1), true, &udp(7, 1, 9)), Ok(None));
    // An answer makes room where it was taken.
    assert_eq!(begin(zone(0), true, &udp(600, 1, 9)), refused);
    state(&mut members[0], &reversed(&udp(0, 1, 9)), 0);
    let mut turn = members[0].begin();
    let mut tracker = Tracker::new(&mut turn, 0);
    let own = Commit {
        is_own: true,
        ..Commit::default()
    };
    let packet = udp(600, 1, 9);
    assert_eq!(
        tracker.commit(zone(0), &packet, &Segment::Unknown, own),
        Ok(None)
    );
    assert_eq!(table.counts().half_open, u64::from(2 * QUOTA + 2));
}

#[test]
fn sweeps_end_what_has_expired_and_nothing_else() {
    let (table, mut members) = ConntrackTable::new(4_096, 1, Settings::default());
    let member = &mut members[0];
    for client in 0..300 {
        let request = udp(client, 1, 9_000);
        begin(member, &request, 0).expect("room");
        if client < 100 {
            state(member, &reversed(&request), 0);
        }
    }
    // Unanswered UDP lives for 30 s.
    member.begin().sweep(4_096, 29_999);
    assert_eq!(table.counts().connections, 300);
    member.begin().sweep(2_048, 30_000);
    member.begin().sweep(2_048, 30_000);
    let counts = table.counts();
    assert_eq!(
        (counts.connections, counts.expired, counts.half_open),
        (100, 200, 0)
    );
}

#[test]
fn a_flush_ends_what_its_filter_admits() {
    let (table, mut members) = ConntrackTable::new(8_192, 2, Settings::default());
    let member = &mut members[0];
    for client in 0..3_000 {
        begin(member, &udp(client, 1 + (client % 2) as u16, 9_000), 0).expect("room");
    }
    let port = Filter {
        either: of(None, Some(2)),
        ..Filter::default()
    };
    assert_eq!(member.list(&port, 10, 0).len(), 10);
    assert_eq!(members[1].flush(&port, 0), 1_500);
    let ip = Filter {
        src: of(Some("10.0.0.4"), None),
        within: Some(Within::Zone(zone(0))),
        protocol: Some(ip_protocol::UDP),
        state: Some("unreplied".into()),
        ..Filter::default()
    };
    assert_eq!(members[1].flush(&ip, 0), 1);
    let elsewhere = Filter {
        within: DatapathKey::new(7).ok().map(Within::Datapath),
        ..Filter::default()
    };
    assert_eq!(members[1].flush(&elsewhere, 0), 0);
    assert_eq!(table.counts().connections, 1_499);
}

fn of(network: Option<&str>, port: Option<u16>) -> End {
    let network = network.map(|text| {
        let address = || text.parse::<IpAddr>().map(Into::into);
        text.parse().or_else(|_| address()).expect("a network")
    });
    End { network, port }
}

#[test]
fn filters_see_a_connection_before_and_after_its_translation() {
    let (_, mut members) = ConntrackTable::new(64, 1, Settings::default());
    let member = &mut members[0];
    let to_backend = NatRequest::Destination(address(9), 5_353);
    let commit = Commit {
        nat: Some(to_backend),
        ..Commit::default()
    };
    let mut turn = member.begin();
    let mut tracker = Tracker::new(&mut turn, 0);
    let question = udp(1, 4_000, 2);
    tracker
        .commit(zone(0), &question, &Segment::Unknown, commit)
        .expect("room");
    drop(turn);
    let any = End::default();
    let cases = [
        (of(Some("10.0.0.1"), Some(4_000)), any, true),
        (any, of(Some("10.0.0.2"), Some(53)), true),
        (any, of(Some("10.0.0.9"), Some(5_353)), true),
        (any, of(Some("10.0.0.8/30"), None), true),
        (any, of(Some("10.0.0.2"), Some(5_353)), false),
        (of(Some("10.0.0.2"), None), any, false),
        (any, of(Some("10.0.0.1"), None), false),
        (any, of(Some("fd00::/8"), None), false),
    ];
    for (src, dst, expected) in cases {
        let filter = Filter {
            src,
            dst,
            ..Filter::default()
        };
        let is_found = !member.list(&filter, 1, 0).is_empty();
        assert_eq!(is_found, expected, "{filter:?}");
    }
}

#[test]
fn a_survey_counts_by_state_and_zone_and_refusals_stay_with_their_zone() {
    let settings = Settings {
        half_open_quota: 3,
        ..Settings::default()
    };
    let (table, mut members) = ConntrackTable::new(64, 1, settings);
    let member = &mut members[0];
    for client in 0..5 {
        let is_kept = begin(member, &udp(7, 1 + client as u16, 100), 0).is_ok();
        assert_eq!(is_kept, client < 3);
    }
    state(member, &reversed(&udp(7, 1, 100)), 0);
    let survey = member.survey(0);
    let states = [(17, "REPLIED", 1), (17, "UNREPLIED", 2)];
    let counted = survey.states.into_iter();
    assert!(counted.eq(states.map(|(protocol, state, count)| ((protocol, state), count))));
    let counts = ZoneCounts {
        connections: 3,
        half_open: 2,
    };
    assert_eq!(
        survey.zones.into_iter().collect::<Vec<_>>(),
        [(zone(0), counts)]
    );
    assert_eq!(
        (table.refused_of(zone(0)), table.refused_of(zone(1))),
        (2, 0)
    );
    assert!(member.survey(1_000_000).zones.is_empty());
}

// === threads ===

#[test]
fn translations_of_four_threads_never_meet() {
    use std::sync::{Mutex, PoisonError};
    const THREADS: u32 = 4;
    const CLIENTS: u32 = 300;
    let (table, members) = ConntrackTable::new(8_192, THREADS as usize, Settings::default());
    let ports = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (thread, mut member) in members.into_iter().enumerate() {
            let ports = &ports;
            scope.spawn(move || {
                for client in 0..CLIENTS {
                    let packet = udp(client * THREADS + thread as u32, 4000, 1_000_000);
                    let mut turn = member.begin();
                    let mut tracker = Tracker::new(&mut turn, 0);
                    let commit = Commit {
                        nat: Some(NatRequest::Source(address(2_000_000), 2_000..=3_300)),
                        ..Commit::default()
                    };
                    let became = tracker
                        .commit(zone(0), &packet, &Segment::Unknown, commit)
                        .expect("room")
                        .expect("translated");
                    let port = Tuple::of(&became).expect("a tuple").src_port;
                    ports
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(port);
                }
            });
        }
    });
    let mut ports = ports.into_inner().unwrap_or_else(PoisonError::into_inner);
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), (THREADS * CLIENTS) as usize);
    assert_eq!(table.counts().half_open, u64::from(THREADS * CLIENTS));
}
