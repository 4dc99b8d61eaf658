//! Translations: what a packet and its answers become.

use std::collections::HashMap;

use packet::flow::{Flow, Transport, ip_protocol};
use packet::icmp_type;
use pipeline::conntrack::{CommitError, Conntrack, NatRequest, Simple, State, Tuple};
use proptest::prelude::*;

use super::support::*;

fn source(address: &str, first: u16, last: u16) -> Option<NatRequest> {
    Some(NatRequest::Source(ip(address), first..=last))
}

fn destination(address: &str, port: u16) -> Option<NatRequest> {
    Some(NatRequest::Destination(ip(address), port))
}

fn reversed(flow: &Flow) -> Flow {
    let tuple = Tuple::of(flow).expect("a tuple").reversed();
    let make = match tuple.protocol {
        ip_protocol::TCP => tcp,
        _ => udp,
    };
    let (src, dst) = (tuple.src.to_string(), tuple.dst.to_string());
    make((&src, tuple.src_port), (&dst, tuple.dst_port))
}

/// Commits, and checks that forward packets and answers are translated there and back.
fn check(table: &mut Table, packet: &Flow, nat: Option<NatRequest>, expected: &Flow) {
    let became = table.commit(packet, None, nat).expect("room");
    assert_eq!(became.as_deref(), Some(expected));
    assert_eq!(table.track(packet).translated.as_deref(), Some(expected));
    let answer = table.track(&reversed(expected));
    assert!(answer.state.contains(State::ESTABLISHED | State::REPLY));
    assert_eq!(answer.translated, Some(Box::new(reversed(packet))));
}

#[test]
fn a_source_keeps_its_port_if_it_can() {
    let mut table = Table::new();
    let server = ("8.8.8.8", 53);
    let nat = source("1.1.1.1", 1024, 65535);
    let first = udp(("10.0.0.1", 4000), server);
    check(
        &mut table,
        &first,
        nat.clone(),
        &udp(("1.1.1.1", 4000), server),
    );
    let second = udp(("10.0.0.2", 4000), server);
    let became = table
        .commit(&second, None, nat)
        .expect("room")
        .expect("translated");
    let port = Tuple::of(&became).expect("a tuple").src_port;
    assert!(port != 4000 && port >= 1024, "{port}");
    assert_eq!(
        table.track(&udp(server, ("1.1.1.1", port))).translated,
        Some(Box::new(udp(server, ("10.0.0.2", 4000))))
    );
}

#[test]
fn a_range_is_used_up_to_the_last_port_for_each_peer() {
    let mut table = Table::new();
    let nat = source("1.1.1.1", 5000, 5009);
    let mut ports = Vec::new();
    for client in 0..10 {
        let packet = tcp(("10.0.0.1", 4000 + client), ("8.8.8.8", 80));
        let became = table
            .commit(&packet, None, nat.clone())
            .expect("room")
            .expect("translated");
        ports.push(Tuple::of(&became).expect("a tuple").src_port);
    }
    ports.sort_unstable();
    assert_eq!(ports, (5000..=5009).collect::<Vec<_>>());
    let one_more = tcp(("10.0.0.1", 5000), ("8.8.8.8", 80));
    assert_eq!(
        table.commit(&one_more, None, nat.clone()),
        Err(CommitError::PortsExhausted)
    );
    let other_peer = tcp(("10.0.0.1", 5000), ("8.8.4.4", 80));
    assert!(table.commit(&other_peer, None, nat).is_ok());
}

#[test]
fn a_destination_is_translated_there_and_back() {
    let client = ("fd00::1", 4000);
    for protocol in [udp, tcp] {
        let packet = protocol(client, ("fd00::100", 80));
        let expected = protocol(client, ("fd00::2", 8080));
        check(
            &mut Table::new(),
            &packet,
            destination("fd00::2", 8080),
            &expected,
        );
        let expected = protocol(client, ("fd00::2", 80));
        check(
            &mut Table::new(),
            &packet,
            destination("fd00::2", 0),
            &expected,
        );
    }
}

#[test]
fn two_services_with_one_backend_do_not_take_each_others_answers() {
    let mut table = Table::new();
    let client = ("10.0.0.1", 4000);
    let backend = destination("10.0.0.9", 8080);
    let first = udp(client, ("10.96.0.1", 80));
    check(
        &mut table,
        &first,
        backend.clone(),
        &udp(client, ("10.0.0.9", 8080)),
    );
    let second = udp(client, ("10.96.0.2", 80));
    let became = table
        .commit(&second, None, backend)
        .expect("room")
        .expect("translated");
    let tuple = Tuple::of(&became).expect("a tuple");
    assert_ne!(tuple.src_port, 4000);
    assert_eq!(
        table.track(&reversed(&became)).translated,
        Some(Box::new(reversed(&second)))
    );
    // Asking the backend itself is a third connection.
    let direct = udp(client, ("10.0.0.9", 8080));
    assert_eq!(table.state(&direct, None), State::NEW);
    let became = table
        .commit(&direct, None, None)
        .expect("room")
        .expect("translated");
    assert_eq!(
        table.track(&reversed(&became)).translated,
        Some(Box::new(reversed(&direct)))
    );
}

#[test]
fn a_translated_packet_belongs_to_its_connection_for_the_rest_of_its_walk() {
    let mut table = Table::new();
    let packet = udp(("10.0.0.1", 4000), ("10.96.0.1", 80));
    let became = table
        .commit(&packet, None, destination("10.0.0.9", 8080))
        .expect("room")
        .expect("translated");
    assert_eq!(table.commit(&became, None, None), Ok(None));
    assert_eq!(table.0.connections().count(), 1);
    table.0.forget(zone(), &became);
    assert_eq!(table.0.connections().count(), 0);
}

#[test]
fn an_echo_is_told_from_another_by_its_identifier() {
    let echo = |src, dst, kind, identifier| {
        let transport = Transport::Icmp {
            kind,
            code: 0,
            identifier,
            discovery: None,
            quoted: None,
        };
        flow(src, dst, ip_protocol::ICMP, transport)
    };
    let mut table = Table::new();
    let mut ask = |client| {
        let request = echo(client, "8.8.8.8", icmp_type::ECHO_REQUEST, 7);
        let became = table
            .commit(&request, None, source("1.1.1.1", 0, 65535))
            .expect("room");
        Tuple::of(&became.expect("translated"))
            .expect("a tuple")
            .src_port
    };
    let (first, second) = (ask("10.0.0.1"), ask("10.0.0.2"));
    assert_eq!(first, 7);
    assert_ne!(second, 7);
    let reply = echo("8.8.8.8", "1.1.1.1", icmp_type::ECHO_REPLY, second);
    let expected = echo("8.8.8.8", "10.0.0.2", icmp_type::ECHO_REPLY, 7);
    assert_eq!(table.track(&reply).translated.as_deref(), Some(&expected));
}

proptest! {
    #[test]
    fn translation_is_a_bijection_while_it_lives(
        requests in proptest::collection::vec((0..6u8, 0..3u16, 0..3u8, 0..4u8), 1..120),
    ) {
        let mut table = Table::new();
        let mut answers: HashMap<Tuple, Tuple> = HashMap::new();
        for (client, port, server, kind) in requests {
            let packet = udp(
                (&format!("10.0.0.{client}"), 2000 + port),
                (&format!("10.1.0.{server}"), 53),
            );
            let nat = match kind {
                0 => None,
                1 => source("1.1.1.1", 2000, 2005),
                2 => source("1.1.1.1", 2001, 2001),
                _ => destination("10.1.0.0", 53),
            };
            let original = Tuple::of(&packet).expect("a tuple");
            if table.state(&packet, None) != State::NEW {
                continue;
            }
            let Ok(became) = table.commit(&packet, None, nat) else {
                continue;
            };
            let became = became.unwrap_or_else(|| Box::new(packet.clone()));
            let answer = Tuple::of(&became).expect("a tuple").reversed();
            let before = answers.insert(answer, original);
            prop_assert!(before.is_none_or(|before| before == original));
        }
        for (answer, original) in answers {
            let (src, dst) = (answer.src.to_string(), answer.dst.to_string());
            let packet = udp((&src, answer.src_port), (&dst, answer.dst_port));
            let found = table.track(&packet);
            let became = found.translated.unwrap_or_else(|| Box::new(packet));
            prop_assert_eq!(Tuple::of(&became).map(Tuple::reversed), Some(original));
        }
    }

    #[test]
    fn choices_never_repeat_and_stay_in_the_range(
        first: u16, length in 0..3000u16, port: u16, client: u32,
    ) {
        let last = first.saturating_add(length);
        let client = std::net::Ipv4Addr::from_bits(client).to_string();
        let tuple = Tuple::of(&udp((&client, port), ("8.8.8.8", 53))).expect("a tuple");
        let request = source("1.1.1.1", first, last).expect("a request");
        let ports: Vec<u16> = pipeline::conntrack::choices(&tuple, Some(&request))
            .map(|choice| choice.src_port)
            .collect();
        let distinct: std::collections::HashSet<_> = ports.iter().collect();
        prop_assert_eq!(distinct.len(), ports.len());
        prop_assert!(ports.iter().all(|port| (first..=last).contains(port)));
        if last < 1024 && first > 0 {
            prop_assert_eq!(ports.len(), usize::from(last - first) + 1);
        }
    }
}

#[test]
fn what_is_attributed_stands_with_the_connection() {
    let mut table = Table::new();
    let packet = udp(("10.0.0.1", 1), ("10.0.0.2", 2));
    table.commit(&packet, None, None).expect("room");
    let acl = uuid::Uuid::from_u128(9);
    let made_by = pipeline::conntrack::MadeBy {
        acls: vec![acl],
        ..Default::default()
    };
    let simple: &mut Simple = &mut table.0;
    simple.attribute(&made_by);
    simple.attribute(&Default::default());
    let found = table.track(&packet).made_by.expect("a maker");
    assert_eq!(*found, made_by);
}
