//! Fragments follow their first, in and out of order, and who floods with them harms nobody else.

mod common;

use common::*;
use pipeline::DropReason;
use pipeline::object::*;

/// To c, only datagrams from port 4000 may go.
fn node() -> Node {
    let mut objects = network();
    let to_c = format!("outport == \"p{}-{}\"", c().datapath, c().port);
    let allowed = format!("{to_c} && udp.src == 4000");
    objects.push(acl(
        1,
        AclStage::ToLport,
        1000,
        &allowed,
        AclAction::AllowRelated,
    ));
    objects.push(acl(
        2,
        AclStage::ToLport,
        1,
        &format!("{to_c} && ip"),
        AclAction::Drop,
    ));
    Node::new("one", objects)
}

fn shape(port: u16) -> Shape {
    Shape {
        payload: 3 * CUT - 100,
        dont_fragment: false,
        port,
        ..Shape::default()
    }
}

/// The fragments of two datagrams from a to c, the same over either family.
fn both(port: u16, identification: u16) -> [Vec<Vec<u8>>; 2] {
    [
        fragments4(&udp4(a(), c(), shape(port)), identification),
        fragments6(&udp6(a(), c(), shape(port)), identification.into()),
    ]
}

#[test]
fn the_fragments_of_an_allowed_datagram_pass_and_those_of_a_denied_one_do_not() {
    let mut one = node();
    for (port, identification) in [(4000, 1), (4000, 2), (4001, 3)] {
        for fragments in both(port, identification) {
            assert_eq!(fragments.len(), 3);
            for fragment in &fragments {
                one.send(a(), fragment);
            }
            let expected = if port == 4000 { fragments } else { Vec::new() };
            assert_eq!(one.received(c()), expected);
        }
    }
    assert_eq!(one.counters.dropped(DropReason::AclDrop), 6);
    one.check_sum();
}

#[test]
fn fragments_that_come_before_their_first_wait_for_it() {
    let mut one = node();
    for fragments in both(4000, 1) {
        for fragment in fragments.iter().rev().take(2) {
            one.send(a(), fragment);
        }
        assert_eq!(one.totals().holding, 2);
        assert!(one.received(c()).is_empty());
        one.send(a(), &fragments[0]);
        assert_eq!(
            one.received(c()),
            [0, 2, 1].map(|number: usize| fragments[number].clone())
        );
        assert_eq!(one.totals().holding, 0);
    }
    for fragments in both(4000, 2) {
        one.send(a(), &fragments[1]);
    }
    one.pass(6_000);
    assert_eq!(one.counters.dropped(DropReason::FragmentOrphan), 2);
    assert_eq!(one.totals().holding, 0);
    one.check_sum();
}

#[test]
fn a_fragment_whose_ports_nobody_asks_for_waits_for_nothing() {
    let mut one = Node::new("one", network());
    for fragments in both(4000, 1) {
        one.send(a(), &fragments[2]);
        assert_eq!(one.received(c()), [fragments[2].clone()]);
    }
}

#[test]
fn a_teardrop_and_what_belongs_to_it_go_nowhere() {
    let mut one = node();
    let fragments = fragments4(&udp4(a(), c(), shape(4000)), 1);
    let mut teardrop = fragments[2].clone();
    // It begins eight bytes before the end of the first.
    let offset = (CUT as u16 - 8) / 8;
    teardrop[20..22].copy_from_slice(&offset.to_be_bytes());
    one.send_together(a(), &[fragments[0].clone(), teardrop, fragments[1].clone()]);
    assert_eq!(one.received(c()), [fragments[0].clone()]);
    assert_eq!(one.counters.dropped(DropReason::FragmentOverlap), 2);
    one.check_sum();
}

#[test]
fn a_first_fragment_without_ports_goes_nowhere() {
    let mut one = node();
    let datagram = udp4(a(), c(), shape(4000));
    let mut tiny = fragments4(&datagram, 1).swap_remove(0);
    // Four bytes of payload, as the header says with a checksum that nobody but the receiver reads.
    tiny[16..18].copy_from_slice(&24u16.to_be_bytes());
    one.send(a(), &tiny);
    assert!(one.received(c()).is_empty());
    assert_eq!(one.counters.dropped(DropReason::FragmentMalformed), 1);
    one.check_sum();
}

#[test]
fn a_flood_of_fragments_from_one_port_leaves_the_others_room() {
    let mut one = node();
    let theirs = fragments4(&udp4(u(), c(), shape(4000)), 1);
    one.send(u(), &theirs[1]);
    one.send(u(), &theirs[2]);
    let flood = udp4(a(), c(), shape(4000));
    for identification in 0..2_000 {
        one.send(a(), &fragments4(&flood, identification)[1]);
    }
    assert!(one.counters.dropped(DropReason::FragmentRoom) > 0);
    assert!(one.totals().holding <= 2 + 32, "{:?}", one.totals());
    one.send(u(), &theirs[0]);
    let came: Vec<_> = one.received(c());
    assert_eq!(came.len(), 3);
    one.check_sum();
}
