//! ICMP errors about connections: state and translation, outside and inside.

use packet::flow::{Flow, Quoted, Transport, ip_protocol};
use packet::icmp_type;
use pipeline::conntrack::{NatRequest, State};

use super::support::*;

fn error(src: &str, dst: &str, quoted: (&str, u16, &str, u16)) -> Flow {
    let transport = Transport::Icmp {
        kind: icmp_type::UNREACHABLE,
        code: 1,
        identifier: 0,
        discovery: None,
        quoted: Some(Box::new(Quoted {
            src: ip(quoted.0),
            dst: ip(quoted.2),
            protocol: ip_protocol::UDP,
            src_port: quoted.1,
            dst_port: quoted.3,
        })),
    };
    flow(src, dst, ip_protocol::ICMP, transport)
}

#[test]
fn an_error_about_a_connection_is_related_and_one_about_nothing_is_invalid() {
    let mut table = Table::new();
    let packet = udp(("10.0.0.1", 4000), ("10.0.0.2", 53));
    table.commit(&packet, None, None).expect("room");
    let about = error("10.9.9.9", "10.0.0.1", ("10.0.0.1", 4000, "10.0.0.2", 53));
    assert_eq!(table.state(&about, None), State::RELATED | State::REPLY);
    let back = error("10.9.9.9", "10.0.0.2", ("10.0.0.2", 53, "10.0.0.1", 4000));
    assert_eq!(table.state(&back, None), State::RELATED);
    let nothing = error("10.9.9.9", "10.0.0.1", ("10.0.0.1", 4001, "10.0.0.2", 53));
    assert_eq!(table.state(&nothing, None), State::INVALID);
    // It makes nothing established.
    assert_eq!(table.state(&packet, None), State::NEW);
}

#[test]
fn an_error_is_translated_outside_and_inside() {
    let mut table = Table::new();
    let packet = udp(("10.0.0.1", 4000), ("8.8.8.8", 53));
    let nat = NatRequest::Source(ip("1.1.1.1"), 6000..=6000);
    table.commit(&packet, None, Some(nat)).expect("room");
    // From a router on the way on the side that is not translated: its own address stays.
    let about = error("9.9.9.9", "1.1.1.1", ("1.1.1.1", 6000, "8.8.8.8", 53));
    let expected = error("9.9.9.9", "10.0.0.1", ("10.0.0.1", 4000, "8.8.8.8", 53));
    assert_eq!(table.track(&about).translated.as_deref(), Some(&expected));
}

#[test]
fn an_error_of_the_backend_itself_comes_from_the_service() {
    let mut table = Table::new();
    let packet = udp(("10.0.0.1", 4000), ("10.96.0.1", 53));
    let nat = NatRequest::Destination(ip("10.0.0.9"), 5353);
    table.commit(&packet, None, Some(nat)).expect("room");
    let about = error("10.0.0.9", "10.0.0.1", ("10.0.0.1", 4000, "10.0.0.9", 5353));
    let expected = error("10.96.0.1", "10.0.0.1", ("10.0.0.1", 4000, "10.96.0.1", 53));
    assert_eq!(table.track(&about).translated.as_deref(), Some(&expected));
    // So does that of a router behind the service, as Open vSwitch has it.
    let about = error("10.0.7.7", "10.0.0.1", ("10.0.0.1", 4000, "10.0.0.9", 5353));
    assert_eq!(table.track(&about).translated.as_deref(), Some(&expected));
}
