//! Input: frames and what a router says to them. Output: the answers, byte for byte or read back, with every
//! checksum verified by another library.

mod support;

use std::net::{IpAddr, Ipv6Addr};

use packet::answer::*;
use packet::flow::{Discovery, Network, Transport, VlanTag};
use packet::{Mac, parse, solicited_node};
use support::{frame, hex, ip, parse_checked};

const ROUTER: Mac = Mac([2, 0, 0, 0, 0, 0xfe]);
const HOST: Mac = Mac([2, 0, 0, 0, 0, 1]);

fn source(ip: &str) -> ErrorSource {
    ErrorSource {
        mac: ROUTER,
        ip: ip.parse().unwrap(),
    }
}

/// A UDP packet from 10.0.0.1 to `dst` with this fragment word and `length` bytes of L3.
fn ipv4_udp(dst: &str, fragment: &str, length: usize) -> Vec<u8> {
    let header = format!("4500 {length:04x} 0000 {fragment} 01 11 0000 0a000001 {dst}");
    frame(
        0x0800,
        &format!("{header} 1234 0035 0008 0000 {}", "5a".repeat(length - 28)),
    )
}

/// A UDP packet from 2001:db8::1 to `dst` with `length` bytes of L3.
fn ipv6_udp(dst: &str, length: usize) -> Vec<u8> {
    let header = format!(
        "60000000 {:04x} 11 01 20010db8000000000000000000000001 {dst}",
        length - 40
    );
    frame(
        0x86dd,
        &format!("{header} 1234 0035 0008 0000 {}", "5a".repeat(length - 48)),
    )
}

const V4_HOST: &str = "0a000002";
const V6_HOST: &str = "20010db8000000000000000000000002";

#[test]
fn arp_asks_everybody_and_answers_the_asker() {
    let request = arp_request(
        HOST,
        "10.0.0.1".parse().unwrap(),
        "10.0.0.2".parse().unwrap(),
    );
    let expected = "ffffffffffff 020000000001 0806
        0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002";
    assert_eq!(request, hex(expected));

    let (mut flow, _) = parse(&request).unwrap();
    let reply = arp_reply(&flow, ROUTER).unwrap();
    let expected = "020000000001 0200000000fe 0806
        0001 0800 06 04 0002 0200000000fe 0a000002 020000000001 0a000001";
    assert_eq!(reply, hex(expected));
    assert_eq!(arp_reply(&parse(&reply).unwrap().0, HOST), None);

    flow.vlan = Some(VlanTag { id: 5, priority: 0 });
    let tagged = parse(&arp_reply(&flow, ROUTER).unwrap()).unwrap().0;
    assert_eq!(tagged.vlan, flow.vlan);
    assert!(matches!(tagged.network, Network::Arp(_)));

    let announcement = gratuitous_arp(HOST, "10.0.0.1".parse().unwrap());
    let Network::Arp(arp) = parse(&announcement).unwrap().0.network else {
        panic!("expected ARP");
    };
    assert_eq!((arp.operation, arp.spa, arp.sha), (1, arp.tpa, HOST));
}

fn discovery(frame: &[u8]) -> (u8, Discovery) {
    let (flow, _) = parse_checked(frame);
    assert_eq!(ip(&flow).ttl, 255);
    match ip(&flow).transport {
        Transport::Icmp {
            kind,
            code: 0,
            discovery: Some(found),
            ..
        } => (kind, found),
        ref other => panic!("expected a neighbour message, got {other:?}"),
    }
}

#[test]
fn a_solicitation_goes_to_the_solicited_node_and_is_answered_to_the_asker() {
    let own: Ipv6Addr = "fe80::1".parse().unwrap();
    let target: Ipv6Addr = "2001:db8::12:3456".parse().unwrap();
    let solicitation = neighbor_solicitation(HOST, own, target);
    let expected = Discovery {
        target,
        source_mac: Some(HOST),
        target_mac: None,
        flags: 0,
    };
    assert_eq!(discovery(&solicitation), (135, expected));
    let (flow, _) = parse(&solicitation).unwrap();
    assert_eq!(flow.eth_dst.to_string(), "33:33:ff:12:34:56");
    assert_eq!(ip(&flow).dst, IpAddr::V6(solicited_node(target)));

    for (is_router, flags) in [(false, 0x60), (true, 0xe0)] {
        let answer = neighbor_advertisement(&flow, ROUTER, is_router).unwrap();
        let expected = Discovery {
            target,
            source_mac: None,
            target_mac: Some(ROUTER),
            flags,
        };
        assert_eq!(discovery(&answer), (136, expected));
        let (answer, _) = parse(&answer).unwrap();
        assert_eq!((answer.eth_src, answer.eth_dst), (ROUTER, HOST));
        assert_eq!(
            (ip(&answer).src, ip(&answer).dst),
            (target.into(), own.into())
        );
        assert_eq!(neighbor_advertisement(&answer, HOST, false), None);
    }
}

#[test]
fn a_test_for_duplicates_is_answered_to_all_nodes() {
    let target: Ipv6Addr = "fe80::2".parse().unwrap();
    let probe = neighbor_solicitation(HOST, Ipv6Addr::UNSPECIFIED, target);
    let (flow, _) = parse(&probe).unwrap();
    let answer = neighbor_advertisement(&flow, ROUTER, false).unwrap();
    assert_eq!(discovery(&answer).1.flags, 0x20);
    let (answer, _) = parse(&answer).unwrap();
    assert_eq!(answer.eth_dst.to_string(), "33:33:00:00:00:01");
    assert_eq!(ip(&answer).dst.to_string(), "ff02::1");

    let announcement = unsolicited_advertisement(ROUTER, target, true);
    assert_eq!(discovery(&announcement).1.flags, 0xa0);
}

#[test]
fn echo_requests_come_back_with_their_addresses_swapped() {
    let requests = [
        frame(
            0x0800,
            "4500 0020 1234 4000 07 01 4da7 0a000001 0a000002 08 00 2104 1234 0001 61626364",
        ),
        frame(
            0x0800,
            "4600 0024 1234 4000 07 01 4aa2 0a000001 0a000002 01010100 08 00 2104 1234 0001 61626364",
        ),
        frame(
            0x86dd,
            "60000000 000c 3a 07 fe800000000000000000000000000001 fe800000000000000000000000000002
            80 00 abb8 1234 0001 61626364",
        ),
    ];
    for mut request in requests {
        let (flow, layout) = parse_checked(&request);
        request.extend([0xee; 9]);
        let reply = echo_reply(&request, &flow, layout).unwrap();
        let (back, _) = parse_checked(&reply);
        assert_eq!((back.eth_src, back.eth_dst), (flow.eth_dst, flow.eth_src));
        assert_eq!(
            (ip(&back).src, ip(&back).dst),
            (ip(&flow).dst, ip(&flow).src)
        );
        assert_eq!(ip(&back).ttl, 255);
        assert!(matches!(
            ip(&back).transport,
            Transport::Icmp {
                kind: 0 | 129,
                code: 0,
                identifier: 0x1234,
                ..
            }
        ));
        assert_eq!(reply[reply.len() - 6..], hex("0001 61626364"));
        assert_eq!(echo_reply(&reply, &back, layout), None);
    }
}

#[test]
fn errors_say_what_was_wrong_and_quote_as_much_as_fits() {
    use IcmpError::*;
    let cases = [
        (TimeExceeded, "0b00 00000000", "0300 00000000"),
        (NetworkUnreachable, "0300 00000000", "0100 00000000"),
        (HostUnreachable, "0301 00000000", "0103 00000000"),
        (ProtocolUnreachable, "0302 00000000", "0103 00000000"),
        (PortUnreachable, "0303 00000000", "0104 00000000"),
        (AdministrativelyProhibited, "030d 00000000", "0101 00000000"),
        (TooBig { mtu: 1400 }, "0304 00000578", "0200 00000578"),
        (
            ParameterProblem { pointer: 6 },
            "0c00 06000000",
            "0400 00000006",
        ),
    ];
    for (error, v4, v6) in cases {
        check_error(
            error,
            ipv4_udp(V4_HOST, "0000", 100),
            "10.0.0.254",
            v4,
            20,
            100,
        );
        check_error(
            error,
            ipv4_udp(V4_HOST, "0000", 600),
            "10.0.0.254",
            v4,
            20,
            548,
        );
        check_error(error, ipv6_udp(V6_HOST, 100), "2001:db8::fe", v6, 40, 100);
        check_error(error, ipv6_udp(V6_HOST, 1300), "2001:db8::fe", v6, 40, 1232);
    }
}

fn check_error(
    error: IcmpError,
    mut offending: Vec<u8>,
    router: &str,
    message: &str,
    header_length: usize,
    quoted: usize,
) {
    offending.extend([0xee; 3]);
    let (flow, layout) = parse(&offending).unwrap();
    let answer = icmp_error(&offending, &flow, layout, source(router), error).unwrap();
    let (back, at) = parse_checked(&answer);
    assert_eq!((back.eth_src, back.eth_dst), (ROUTER, HOST));
    assert_eq!(ip(&back).src, router.parse::<IpAddr>().unwrap());
    assert_eq!(ip(&back).dst, ip(&flow).src);
    assert_eq!(
        ip(&back).ttl,
        if error == IcmpError::TimeExceeded {
            254
        } else {
            255
        }
    );
    assert_eq!(back.length as usize, header_length + 8 + quoted);
    let icmp = &answer[usize::from(at.transport)..];
    assert_eq!(
        [&icmp[..2], &icmp[4..8]].concat(),
        hex(message),
        "{error:?}"
    );
    assert_eq!(icmp[8..], offending[14..][..quoted]);
    assert_eq!(
        icmp_error(&answer, &back, at, source(router), error),
        None,
        "an error about an error"
    );
}

#[test]
fn no_error_is_sent_where_it_could_multiply() {
    let all_nodes = "ff020000000000000000000000000001";
    let mut to_all_stations = ipv4_udp(V4_HOST, "0000", 60);
    to_all_stations[..6].copy_from_slice(&[0xff; 6]);
    let mut from_nobody = ipv4_udp(V4_HOST, "0000", 60);
    from_nobody[26..30].copy_from_slice(&[0; 4]);
    let arp = arp_request(
        HOST,
        "10.0.0.1".parse().unwrap(),
        "10.0.0.2".parse().unwrap(),
    );
    let cases = [
        (ipv4_udp(V4_HOST, "0000", 60), true, true),
        (ipv4_udp(V4_HOST, "2000", 60), true, true),
        (ipv4_udp(V4_HOST, "2001", 60), false, false),
        (ipv4_udp("e0000001", "0000", 60), false, false),
        (ipv4_udp("ffffffff", "0000", 60), false, false),
        (to_all_stations, false, false),
        (from_nobody, false, false),
        (ipv6_udp(V6_HOST, 60), true, true),
        (ipv6_udp(all_nodes, 60), false, true),
        (arp, false, false),
    ];
    for (frame, time_exceeded, too_big) in cases {
        let (flow, _) = parse(&frame).unwrap();
        assert_eq!(
            IcmpError::TimeExceeded.may_answer(&flow),
            time_exceeded,
            "{flow:?}"
        );
        assert_eq!(
            IcmpError::TooBig { mtu: 1280 }.may_answer(&flow),
            too_big,
            "{flow:?}"
        );
    }
}

/// A TCP segment with sequence 1000, acknowledgment 7000, these offset and flags, and two bytes of data.
fn segment(is_ipv6: bool, offset_flags: &str) -> Vec<u8> {
    let tcp = format!("1234 0050 000003e8 00001b58 {offset_flags} 1000 0000 0000 6869");
    if is_ipv6 {
        let header = "60000000 0016 06 40 20010db8000000000000000000000001";
        return frame(0x86dd, &format!("{header} {V6_HOST} {tcp}"));
    }
    frame(
        0x0800,
        &format!("4500 002a 0000 4000 40 06 0000 0a000001 {V4_HOST} {tcp}"),
    )
}

#[test]
fn a_reset_fits_the_segment_that_it_answers() {
    // Flags of the segment; sequence, acknowledgment and flags of the reset.
    let cases = [
        ("5002", Some((0, 1003, 0x14))),
        ("5001", Some((0, 1003, 0x14))),
        ("5000", Some((0, 1002, 0x14))),
        ("5010", Some((7000, 0, 0x04))),
        ("5012", Some((7000, 0, 0x04))),
        ("5004", None),
        ("5014", None),
        ("7002", None),
    ];
    for (offset_flags, expected) in cases {
        for is_ipv6 in [false, true] {
            let segment = segment(is_ipv6, offset_flags);
            let (flow, layout) = parse(&segment).unwrap();
            let reset = tcp_reset(&segment, &flow, layout);
            let found = reset.map(|reset| {
                let (back, at) = parse_checked(&reset);
                assert_eq!(
                    (ip(&back).src, ip(&back).dst, ip(&back).ttl),
                    (ip(&flow).dst, ip(&flow).src, 63)
                );
                assert_eq!((back.eth_src, back.eth_dst), (flow.eth_dst, flow.eth_src));
                let Transport::Tcp {
                    src: 0x50,
                    dst: 0x1234,
                    flags,
                } = ip(&back).transport
                else {
                    panic!("expected the ports swapped, got {back:?}");
                };
                let word = |from: usize| {
                    let bytes = &reset[usize::from(at.transport) + from..][..4];
                    u32::from_be_bytes(bytes.try_into().unwrap())
                };
                (word(4), word(8), flags)
            });
            assert_eq!(found, expected, "{offset_flags}");
        }
    }
}

/// An SCTP packet with this verification tag and these chunks.
fn association(is_ipv6: bool, tag: &str, chunks: &str) -> Vec<u8> {
    let sctp = format!("1234 0050 {tag} 00000000 {chunks}");
    let length = hex(&sctp).len();
    if is_ipv6 {
        let header = format!("60000000 {length:04x} 84 40 20010db8000000000000000000000001");
        return frame(0x86dd, &format!("{header} {V6_HOST} {sctp}"));
    }
    let length = length + 20;
    let header = format!("4500 {length:04x} 0000 4000 40 84 0000 0a000001 {V4_HOST}");
    frame(0x0800, &format!("{header} {sctp}"))
}

#[test]
fn an_abort_is_accepted_by_who_sent_the_packet_that_it_answers() {
    const INIT: &str = "01000014 aabbccdd 00010000 0001 0001 00000007";
    const COOKIE_ECHO: &str = "0a000006 0102 0000";
    const HEARTBEAT: &str = "04000008 00010004";
    let of_the_initiator = "00501234aabbccddba4e3d3a06000004";
    let reflected = "005012340102030400656fb706010004";
    let with_tag_zero = "00501234000000006e10c82b06010004";
    // The packet's tag and chunks, and the abort with its checksum.
    let cases = [
        ("00000000", INIT.to_owned(), Some(of_the_initiator)),
        ("01020304", INIT.to_owned(), Some(reflected)),
        ("01020304", HEARTBEAT.to_owned(), Some(reflected)),
        ("00000000", HEARTBEAT.to_owned(), Some(with_tag_zero)),
        (
            "01020304",
            format!("{COOKIE_ECHO} {HEARTBEAT}"),
            Some(reflected),
        ),
        ("01020304", "0a000000".to_owned(), Some(reflected)),
        ("01020304", "0a00ffff".to_owned(), Some(reflected)),
        // Cut short.
        ("00000000", INIT[..36].to_owned(), None),
        ("01020304", String::new(), None),
        ("01020304", "0a".to_owned(), None),
        // ABORT, SHUTDOWN COMPLETE, COOKIE ACK.
        ("01020304", "06010004".to_owned(), None),
        ("01020304", "0e000004".to_owned(), None),
        ("01020304", "0b000004".to_owned(), None),
        ("01020304", format!("{COOKIE_ECHO} 06000004"), None),
    ];
    for (tag, chunks, expected) in cases {
        for is_ipv6 in [false, true] {
            let packet = association(is_ipv6, tag, &chunks);
            let (flow, layout) = parse(&packet).unwrap();
            let found = sctp_abort(&packet, &flow, layout).map(|abort| {
                let (back, at) = parse_checked(&abort);
                assert_eq!(
                    (ip(&back).src, ip(&back).dst, ip(&back).ttl),
                    (ip(&flow).dst, ip(&flow).src, 63)
                );
                assert_eq!((back.eth_src, back.eth_dst), (flow.eth_dst, flow.eth_src));
                abort[usize::from(at.transport)..].to_vec()
            });
            assert_eq!(found, expected.map(hex), "{tag} {chunks}");
        }
    }
}

#[test]
fn what_was_sent_to_many_is_not_aborted() {
    let mut packet = association(false, "00000000", "04000008 00010004");
    packet[..6].copy_from_slice(&[0xff; 6]);
    let (flow, layout) = parse(&packet).unwrap();
    assert_eq!(sctp_abort(&packet, &flow, layout), None);
}
