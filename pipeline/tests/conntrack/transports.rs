//! UDP, echo, SCTP and others: packets in, states out; and what bounds the table.

use packet::flow::{Transport, ip_protocol};
use packet::{Segment, icmp_type};
use pipeline::conntrack::{CommitError, Conntrack, Settings, Simple, State};

use super::support::*;

const NEW: State = State::NEW;
const ESTABLISHED: State = State::ESTABLISHED;
const INVALID: State = State::INVALID;

fn answered() -> State {
    State::ESTABLISHED | State::REPLY
}

#[test]
fn datagrams_are_established_by_an_answer() {
    let client = ("fd00::1", 5000);
    let server = ("fd00::2", 53);
    let mut table = Table::new();
    assert_eq!(table.state(&udp(client, server), None), NEW);
    // Not kept yet: an answer would begin another connection.
    assert_eq!(table.state(&udp(server, client), None), NEW);
    table
        .commit(&udp(client, server), None, None)
        .expect("room");
    assert_eq!(table.state(&udp(client, server), None), NEW);
    assert_eq!(table.state(&udp(server, client), None), answered());
    assert_eq!(table.state(&udp(client, server), None), ESTABLISHED);
    table.0.forget(zone(), &udp(server, client));
    assert_eq!(table.state(&udp(client, server), None), NEW);
}

#[test]
fn an_echo_reply_needs_its_request() {
    let echo = |src, dst, kind, identifier| {
        let is_ipv6 = ip(src).is_ipv6();
        let protocol = if is_ipv6 {
            ip_protocol::ICMPV6
        } else {
            ip_protocol::ICMP
        };
        let transport = Transport::Icmp {
            kind,
            code: 0,
            identifier,
            discovery: None,
            quoted: None,
        };
        flow(src, dst, protocol, transport)
    };
    let cases = [
        (
            "10.0.0.1",
            "10.0.0.2",
            icmp_type::ECHO_REQUEST,
            icmp_type::ECHO_REPLY,
        ),
        (
            "fd00::1",
            "fd00::2",
            icmp_type::V6_ECHO_REQUEST,
            icmp_type::V6_ECHO_REPLY,
        ),
    ];
    for (client, server, request, reply) in cases {
        let mut table = Table::new();
        assert_eq!(table.state(&echo(server, client, reply, 7), None), INVALID);
        let asked = echo(client, server, request, 7);
        assert_eq!(table.state(&asked, None), NEW);
        table.commit(&asked, None, None).expect("room");
        assert_eq!(table.state(&echo(server, client, reply, 8), None), INVALID);
        assert_eq!(
            table.state(&echo(server, client, reply, 7), None),
            answered()
        );
        // The other end's own request is another connection.
        assert_eq!(table.state(&echo(server, client, request, 7), None), NEW);
    }
}

#[test]
fn an_association_is_guarded_by_its_tags() {
    const INIT: u8 = 1;
    const INIT_ACK: u8 = 2;
    const ABORT: u8 = 6;
    const COOKIE_ECHO: u8 = 10;
    const COOKIE_ACK: u8 = 11;
    const DATA: u8 = 0;
    let (client, server) = ("10.0.0.1", "10.0.0.2");
    let packet = |is_forward| {
        let (src, dst, ports) = match is_forward {
            true => (client, server, (9, 10)),
            false => (server, client, (10, 9)),
        };
        let transport = Transport::Sctp {
            src: ports.0,
            dst: ports.1,
        };
        flow(src, dst, ip_protocol::SCTP, transport)
    };
    let steps = [
        (false, INIT_ACK, 5, 6, INVALID, ""),
        (true, INIT, 1, 77, INVALID, ""),
        (true, INIT, 0, 77, NEW, "COOKIE_WAIT"),
        (false, INIT_ACK, 78, 88, INVALID, "COOKIE_WAIT"),
        (false, INIT_ACK, 77, 88, answered(), "COOKIE_WAIT"),
        (true, COOKIE_ECHO, 88, 0, ESTABLISHED, "COOKIE_ECHOED"),
        (false, COOKIE_ACK, 77, 0, answered(), "ESTABLISHED"),
        (true, DATA, 88, 0, ESTABLISHED, "ESTABLISHED"),
        (true, DATA, 89, 0, INVALID, "ESTABLISHED"),
        // An INIT that comes again does not change the tags.
        (true, INIT, 0, 99, ESTABLISHED, "ESTABLISHED"),
        (false, DATA, 77, 0, answered(), "ESTABLISHED"),
        // An ABORT may carry its sender's tag.
        (false, ABORT, 88, 0, answered(), "CLOSED"),
        (true, INIT, 0, 5, NEW, "COOKIE_WAIT"),
    ];
    let mut table = Simple::new(Settings::default());
    for (is_forward, chunk, tag, initiate_tag, expected, name) in steps {
        let packet = packet(is_forward);
        let segment = Segment::Sctp {
            tag,
            chunk,
            initiate_tag,
        };
        let state = table.track(zone(), &packet, &segment).state - State::TRACKED;
        assert_eq!(state, expected, "chunk {chunk} tag {tag}");
        if state == NEW {
            table
                .commit(zone(), &packet, &segment, Default::default())
                .expect("room");
        }
        let names: Vec<_> = table
            .connections()
            .map(|kept| kept.progress.name())
            .collect();
        assert_eq!(names.concat(), name, "chunk {chunk} tag {tag}");
    }
}

#[test]
fn a_source_has_so_many_unanswered_connections_and_no_more() {
    let settings = Settings {
        half_open_quota: 2,
        ..Settings::default()
    };
    let mut table = Table(Simple::new(settings));
    let server = ("10.0.0.2", 53);
    let ask = |table: &mut Table, port| {
        table
            .commit(&udp(("10.0.0.1", port), server), None, None)
            .map(|_| ())
    };
    assert_eq!(ask(&mut table, 1), Ok(()));
    assert_eq!(ask(&mut table, 2), Ok(()));
    assert_eq!(ask(&mut table, 3), Err(CommitError::HalfOpenQuota));
    let other = udp(("10.0.0.3", 1), server);
    assert_eq!(table.commit(&other, None, None).map(|_| ()), Ok(()));
    table.track(&udp(server, ("10.0.0.1", 1)));
    assert_eq!(ask(&mut table, 3), Ok(()));
}

#[test]
fn other_protocols_are_connections_between_two_hosts() {
    const GRE: u8 = 47;
    let packet = |src, dst| flow(src, dst, GRE, Transport::Other);
    let mut table = Table::new();
    let request = packet("10.0.0.1", "10.0.0.2");
    table.commit(&request, None, None).expect("room");
    assert_eq!(
        table.state(&packet("10.0.0.2", "10.0.0.1"), None),
        answered()
    );
    // A header that is cut short belongs to nothing.
    let short = flow("10.0.0.1", "10.0.0.2", ip_protocol::TCP, Transport::Other);
    assert_eq!(table.state(&short, None), INVALID);
}
