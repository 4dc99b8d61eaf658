//! Input: an expression and a packet. Output: whether it matches.

use std::collections::BTreeMap;

use expr::{Bits, Constant, Element, Match, Members, Packet, parse};
use packet::{Flow, parse as parse_frame};

/// Address sets and port groups as a test names them.
#[derive(Default)]
struct Names {
    addresses: BTreeMap<&'static str, Vec<Constant>>,
    members: BTreeMap<&'static str, Vec<&'static str>>,
}

impl Members for Names {
    fn has_address(&self, set: &str, value: u128, bits: Bits) -> bool {
        let constants = self.addresses.get(set).into_iter().flatten();
        constants
            .into_iter()
            .any(|constant| constant.is_member(value, bits))
    }

    fn has_port(&self, group: &str, port: &str) -> bool {
        self.members
            .get(group)
            .is_some_and(|ports| ports.contains(&port))
    }

    fn is_resident(&self, port: &str) -> bool {
        port == "here"
    }
}

/// The constants of `{...}`, as an address set has them.
fn constants(set: &str) -> Vec<Constant> {
    let Match::Test(test) = parse(&format!("ip6.src == {set}")).unwrap() else {
        panic!("expected a test");
    };
    let constants = test.elements.into_iter().map(|element| match element {
        Element::Integer(constant) => constant,
        other => panic!("expected a constant, got {other}"),
    });
    constants.collect()
}

fn frame(hex: &str) -> Flow {
    let digits: String = hex.split_whitespace().collect();
    let bytes: Vec<u8> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect();
    parse_frame(&bytes).unwrap().0
}

/// From 10.0.0.1 port 4660 to 10.0.0.2 port 80, flags SYN, DSCP 46, ECN 1, TTL 64.
fn tcp() -> Flow {
    frame(
        "020000000002 020000000001 0800 45b9 0028 0000 0000 40 06 0000 0a000001 0a000002
         1234 0050 00000000 00000000 5002 0000 0000 0000",
    )
}

fn check(flow: &Flow, cases: &[(&str, bool)]) {
    let names = Names {
        addresses: [
            ("v4", constants("{10.0.0.2, 192.168.0.0/16}")),
            ("mixed", constants("{fd00::/8, 10.0.0.0/24}")),
        ]
        .into(),
        members: [("web", vec!["a", "b"])].into(),
    };
    let packet = Packet {
        outport: "b",
        flags: 1,
        ct_state: 0x22,
        ct_mark: 2,
        ct_label: 7 << 96,
        ..Packet::entering(flow, "a")
    };
    for (source, expected) in cases {
        let expression = parse(source).unwrap_or_else(|error| panic!("{}", error.render(source)));
        assert_eq!(expression.matches(&packet, &names), *expected, "{source}");
        let lowered = expression.lower();
        assert_eq!(
            lowered.matches(&packet, &names),
            *expected,
            "{source}: {lowered:?}"
        );
        let printed = lowered.to_string();
        // The negation of a nominal predicate has no expression of its own.
        if let Ok(again) = parse(&printed) {
            let again = again.lower().matches(&packet, &names);
            assert_eq!(again, *expected, "{source}: {printed}");
        } else {
            assert!(printed.contains("eth.type != "), "{source}: {printed}");
        }
    }
}

#[test]
fn fields_are_compared() {
    check(
        &tcp(),
        &[
            ("1", true),
            ("0", false),
            ("!0", true),
            ("eth.src == 02:00:00:00:00:01", true),
            ("eth.dst == 02:00:00:00:00:02/02:00:00:00:00:02", true),
            ("eth.dst[1] && !eth.dst[0]", true),
            ("eth.dst[40..47] == 2", true),
            ("eth.mcast || eth.bcast", false),
            ("ip && ip4", true),
            ("ip6", false),
            ("ip4.src == 10.0.0.0/24", true),
            ("ip4.src != 10.0.0.0/24", false),
            ("ip4.src == 10.1.0.0/16", false),
            ("ip4.dst == {10.0.0.3, 10.0.0.2}", true),
            ("ip4.dst != {10.0.0.3, 10.0.0.2}", false),
            ("ip.ttl == {63, 64}", true),
            ("ip.dscp == 46", true),
            ("ip.dscp == 45", false),
            ("ip.ecn == 1", true),
            ("ip.proto == 6 && tcp", true),
            ("tcp.flags == 2", true),
            ("tcp.flags == 0x2/0x12", true),
            ("tcp.flags == 0x10/0x12", false),
            ("tcp.dst == 80 && tcp.src == 0x1234", true),
            ("79 < tcp.dst <= 80", true),
            ("80 < tcp.dst <= 90", false),
            (
                "tcp.dst >= 80 && tcp.dst <= 80 && tcp.dst < 81 && tcp.dst > 79",
                true,
            ),
            ("tcp.dst[0..7] == 0x50 && tcp.dst[4..6] == 5", true),
            ("udp.dst == 80", false),
            ("ip.is_frag || ip.later_frag", false),
        ],
    );
}

#[test]
fn negation_keeps_what_a_comparison_implies_but_turns_predicates_round() {
    check(
        &tcp(),
        &[
            ("!(tcp.dst == 80)", false),
            ("!(tcp.dst == 81)", true),
            ("!(tcp.dst == {80, 81})", false),
            // Not UDP at all, so neither equal nor unequal.
            ("udp.dst == 80 || udp.dst != 80", false),
            ("!(udp.dst == 80)", false),
            ("!(udp.dst == 80 && tcp.dst == 80)", false),
            ("!(tcp.dst == 81 || tcp.dst == 82)", true),
            ("!(!(tcp.dst == 80))", true),
            ("!vlan.present", true),
            ("vlan.present == 0", true),
            ("vlan.present != 0", false),
            ("vlan.vid == 0", false),
            ("!ip.is_frag", true),
            ("!ip.first_frag", true),
            ("!(ip.proto != 6)", true),
        ],
    );
}

#[test]
fn ports_sets_and_connections_are_looked_up() {
    check(
        &tcp(),
        &[
            ("inport == \"a\" && outport == \"b\"", true),
            ("inport == {\"b\", \"c\"}", false),
            ("!(inport != \"a\")", true),
            ("inport == @web && outport == @web", true),
            ("inport == @nobody", false),
            ("ip4.dst == $v4", true),
            ("ip4.src == $v4", false),
            ("ip4.src != $v4", true),
            ("ip4.src == {$v4, 10.0.0.1}", true),
            ("ip4.src == $mixed", true),
            ("ip4.src == $nothing", false),
            ("ip4.src != $nothing", true),
            (
                "is_chassis_resident(\"here\") && !is_chassis_resident(\"there\")",
                true,
            ),
            ("ct.trk && ct.est && !ct.new", true),
            ("ct_state == 0x22", true),
            ("ct_mark.natted && !ct_mark.blocked", true),
            ("ct_label.label == 7", true),
            ("flags.loopback", true),
        ],
    );
}

#[test]
fn a_tagged_ipv6_fragment_has_no_ports() {
    let flow = frame(
        "333300000001 020000000001 8100 6005 86dd 600abcde 0010 2c ff
         fe800000000000000000000000000001 ff020000000000000000000000000001
         11 00 0008 00000001 1234 0035 0008 0000",
    );
    check(
        &flow,
        &[
            ("vlan.present && vlan.vid == 5 && vlan.pcp == 3", true),
            ("vlan.tci == 0x7005", true),
            (
                "ip6 && udp && ip6.mcast && eth.mcastv6 && ip6.mcast_all_nodes",
                true,
            ),
            ("ip6.src == fe80::/10", true),
            ("ip6.label == 0xabcde && ip6.label[16..19] == 10", true),
            ("ip6.label < 0xabcde", false),
            ("ip6.mcast_flood && !ip6.mcast_rsvd", true),
            ("ip.is_frag && ip.later_frag && ip.frag == 3", true),
            ("ip.first_frag", false),
            ("udp.dst == 53", false),
            ("udp.dst == 0", true),
            ("icmp6 || nd", false),
        ],
    );
}

#[test]
fn arp_and_neighbour_messages_have_fields() {
    let arp = frame(
        "ffffffffffff 020000000001 0806
         0001 0800 06 04 0001 020000000001 0a000001 000000000000 0a000002",
    );
    check(
        &arp,
        &[
            ("arp && eth.bcast && arp.op == 1", true),
            ("arp.spa == 10.0.0.1 && arp.tpa == 10.0.0.2", true),
            (
                "arp.sha == 02:00:00:00:00:01 && arp.tha == 00:00:00:00:00:00",
                true,
            ),
            ("rarp.op == 1 || ip", false),
        ],
    );
    let solicitation = frame(
        "3333ff000002 020000000001 86dd 60000000 0020 3a ff
         fe800000000000000000000000000001 ff0200000000000000000001ff000002
         87 00 0000 00000000 fe800000000000000000000000000002 0101 020000000001",
    );
    check(
        &solicitation,
        &[
            ("nd && nd_ns && icmp6 && icmp && nd_ns_mcast", true),
            ("nd.target == fe80::2 && nd.sll == 02:00:00:00:00:01", true),
            ("ip6.mcast_sol_node", true),
            (
                "nd_na || nd.tll == 00:00:00:00:00:00 || nd_rs || nd_ra",
                false,
            ),
            ("icmp6.type == 135 && icmp6.code == 0", true),
            ("icmp4.type == 135", false),
        ],
    );
}

#[test]
fn only_what_is_read_is_told() {
    use expr::Field::*;
    let flow = tcp();
    let packet = Packet::entering(&flow, "a");
    for (source, expected) in [
        ("tcp.flags == 2", vec![EthType, IpProto, TcpFlags]),
        ("udp && ip.ttl == 64", vec![EthType, IpProto]),
        ("arp || ip.ttl == 64", vec![EthType, EthType, IpTtl]),
        ("inport == \"a\"", vec![]),
    ] {
        let mut read = Vec::new();
        let lowered = parse(source).unwrap().lower();
        lowered.matches_reading(&packet, &Names::default(), &mut |field| read.push(field));
        read.retain(|field| *field != EthType);
        let expected: Vec<_> = expected
            .into_iter()
            .filter(|field| *field != EthType)
            .collect();
        assert_eq!(read, expected, "{source}");
    }
}
