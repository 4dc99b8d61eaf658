//! Input: microflow expressions. Output: the packet, or what is wrong and where.

use expr::microflow::{self, Microflow};
use expr::{Bits, Constant, Members, Packet};
use packet::flow::{Arp, Discovery, Fragment, Ip, Network, Transport, VlanTag};
use proptest::prelude::*;

fn parse(source: &str) -> Microflow {
    microflow::parse(source).unwrap_or_else(|error| panic!("{}", error.render(source)))
}

fn ip(source: &str) -> Ip {
    match parse(source).flow.network {
        Network::Ip(ip) => ip,
        other => panic!("{source}: expected IP, got {other:?}"),
    }
}

#[test]
fn fields_make_a_packet_and_the_rest_is_zero() {
    let microflow = parse(
        r#"inport == "lp1" && eth.src == f0:00:00:00:01:11 && eth.dst == 00:00:00:00:ff:11
           && ip4.src == 192.168.11.1 && ip4.dst == 192.168.22.2 && ip.ttl == 64 && icmp4.type == 8"#,
    );
    assert_eq!(microflow.inport, "lp1");
    assert_eq!(microflow.flow.eth_src.to_string(), "f0:00:00:00:01:11");
    assert_eq!(microflow.flow.eth_dst.to_string(), "00:00:00:00:ff:11");
    assert_eq!(
        (microflow.flow.eth_type, microflow.flow.vlan),
        (0x800, None)
    );
    let Network::Ip(ip) = microflow.flow.network else {
        panic!("expected IP");
    };
    let expected = Ip {
        src: [192, 168, 11, 1].into(),
        dst: [192, 168, 22, 2].into(),
        protocol: 1,
        ttl: 64,
        dscp: 0,
        ecn: 0,
        label: 0,
        fragment: Fragment::Whole,
        dont_fragment: false,
        transport: Transport::Icmp {
            kind: 8,
            code: 0,
            identifier: 0,
            discovery: None,
            quoted: None,
        },
    };
    assert_eq!(ip, expected);
}

#[test]
fn arp_neighbour_messages_and_tags_have_their_fields() {
    let arp = parse(
        r#"inport == "a" && arp.op == 1 && arp.sha == f0:00:00:00:01:11 && arp.spa == 192.168.1.11
           && arp.tha == ff:ff:ff:ff:ff:ff && arp.tpa == 192.168.2.22 && vlan.vid == 5 && vlan.pcp == 2"#,
    );
    assert_eq!(arp.flow.vlan, Some(VlanTag { id: 5, priority: 2 }));
    let expected = Arp {
        operation: 1,
        sha: "f0:00:00:00:01:11".parse().unwrap(),
        spa: [192, 168, 1, 11].into(),
        tha: packet::Mac::BROADCAST,
        tpa: [192, 168, 2, 22].into(),
    };
    assert_eq!(arp.flow.network, Network::Arp(expected));

    let solicitation =
        ip(r#"inport == "a" && nd_ns && nd.target == fd00::1 && nd.sll == 02:00:00:00:00:01"#);
    assert_eq!((solicitation.ttl, solicitation.protocol), (255, 58));
    let discovery = Some(Discovery {
        target: "fd00::1".parse().unwrap(),
        source_mac: Some("02:00:00:00:00:01".parse().unwrap()),
        target_mac: None,
        flags: 0,
    });
    let expected = Transport::Icmp {
        kind: 135,
        code: 0,
        identifier: 0,
        discovery,
        quoted: None,
    };
    assert_eq!(solicitation.transport, expected);
}

#[test]
fn what_a_field_implies_decides_between_alternatives() {
    let udp = Transport::Udp { src: 0, dst: 53 };
    let tcp = |flags| Transport::Tcp {
        src: 0,
        dst: 80,
        flags,
    };
    let cases = [
        ("ip4 && udp.dst == 53", udp.clone()),
        ("udp.dst == 53 && ip6.src == fd00::1", udp.clone()),
        ("udp.dst == {53, 54} && ip4 && udp.dst[0] == 1", udp.clone()),
        (
            "ip4 && (tcp.src == 1 || udp) && ip.proto == 17 && udp.dst == 53",
            udp.clone(),
        ),
        (
            "ip4 && udp && udp.dst[1..15] == 26 && udp.dst[0]",
            udp.clone(),
        ),
        (
            "eth.type == 0x800 && ip.proto == 0x11 && 53 == udp.dst",
            udp,
        ),
        ("ip4 && tcp.dst == 80 && tcp.flags == 2", tcp(2)),
        (
            "ip4 && !(tcp.dst[4] == 0) && tcp.dst[6] && !ip.is_frag",
            tcp(0),
        ),
        (
            "ip4 && tcp.dst == 80 && tcp.dst > 79 && tcp.dst != 81 && 1 < tcp.dst <= 80",
            tcp(0),
        ),
        ("ip4 && tcp.dst == {80, 80}", tcp(0)),
        (
            "(tcp.dst == 80 || udp) && ip.proto == 6 && (ip4 || arp)",
            tcp(0),
        ),
        ("ip4 && tcp.dst == 80 && ip.first_frag", tcp(0)),
        ("ip4 && tcp.dst == 80 && ip.later_frag", Transport::Other),
        ("ip4 && ip.proto == 89 && 1", Transport::Other),
    ];
    for (source, expected) in cases {
        let source = format!("inport == \"a\" && {}", source);
        assert_eq!(ip(&source).transport, expected, "{source}");
    }
}

/// `$one` and `$two` have so many addresses, `@one` and `@two` so many ports.
struct Numbered;

impl microflow::Sets for Numbered {
    fn addresses(&self, set: &str) -> Option<Vec<Constant>> {
        let all = ["10.0.0.1", "10.0.0.2", "fd00::1"];
        let count = ["none", "one", "two", "three"]
            .iter()
            .position(|name| *name == set)?;
        let constants = all[..count].iter();
        Some(constants.map(|text| text.parse().unwrap()).collect())
    }

    fn ports(&self, group: &str) -> Option<Vec<String>> {
        let count = ["none", "one", "two"]
            .iter()
            .position(|name| *name == group)?;
        Some(
            ["a", "b"][..count]
                .iter()
                .map(|&name| name.to_owned())
                .collect(),
        )
    }
}

#[test]
fn a_set_stands_for_the_member_that_the_rest_leaves() {
    let contradiction = "this contradicts the rest of the microflow";
    let ambiguity = "this leaves open which packet is meant";
    for (source, expected) in [
        ("inport == @one && ip4.src == $one", Ok(("a", "10.0.0.1"))),
        (
            "inport == @two && inport == \"b\" && ip4.src == $one",
            Ok(("b", "10.0.0.1")),
        ),
        (
            "inport == \"a\" && ip4.src == $three && ip4.src[0] == 0",
            Ok(("a", "10.0.0.2")),
        ),
        (
            "inport == \"a\" && ip4.src == $two && ip4.src != $one",
            Ok(("a", "10.0.0.2")),
        ),
        ("inport == \"a\" && ip4.src == $two", Err(ambiguity)),
        ("inport == @two && ip4", Err(ambiguity)),
        ("inport == \"a\" && ip4.src == $none", Err(contradiction)),
        ("inport == @none && ip4", Err(contradiction)),
        ("inport == @nosuch && ip4", Err("there is no set @nosuch")),
        (
            "inport == \"a\" && ip4.src == $nosuch",
            Err("there is no set $nosuch"),
        ),
    ] {
        let found = microflow::parse_with(source, &Numbered);
        let found = found.map(|microflow| match microflow.flow.network {
            Network::Ip(ip) => (microflow.inport, ip.src.to_string()),
            other => panic!("{source}: expected IP, got {other:?}"),
        });
        let found = found.as_ref();
        let found = found.map(|(port, src)| (port.as_str(), src.as_str()));
        assert_eq!(
            found.map_err(|error| error.message.as_str()),
            expected,
            "{source}"
        );
    }
}

#[test]
fn connection_state_is_read() {
    let microflow =
        parse(r#"inport == "a" && ct.est && !ct.new && ct_mark.blocked && ct_label == 0x5"#);
    assert_eq!(
        (microflow.ct_state, microflow.ct_mark, microflow.ct_label),
        (0x22, 1, 5)
    );
}

#[test]
fn what_is_wrong_is_said_where_it_stands() {
    let contradiction = "this contradicts the rest of the microflow";
    let ambiguity = "this leaves open which packet is meant";
    // Source, message, what it points at.
    let cases = [
        (r#"inport == "a" && ip4 && ip6"#, contradiction, "ip6"),
        (
            r#"inport == "a" && inport == "b""#,
            contradiction,
            r#"inport == "b""#,
        ),
        (
            r#"inport == "a" && ip4 && ip6.src == fd00::1"#,
            contradiction,
            "ip6.src == fd00::1",
        ),
        (
            r#"inport == "a" && ip.ttl == 64 && ip4 && ip.ttl == 63"#,
            contradiction,
            "ip.ttl == 63",
        ),
        (
            r#"inport == "a" && ip4 && tcp.dst == 80 && tcp.dst < 80"#,
            contradiction,
            "tcp.dst < 80",
        ),
        (
            r#"inport == "a" && vlan.present == 0 && vlan.vid == 5"#,
            contradiction,
            "vlan.vid == 5",
        ),
        (
            r#"inport == "a" && tcp.dst == 80"#,
            ambiguity,
            "tcp.dst == 80",
        ),
        (r#"inport == "a" && ip"#, ambiguity, "ip"),
        (r#"inport == "a" && (ip4 || ip6)"#, ambiguity, "ip4 || ip6"),
        (
            r#"inport == {"a", "b"}"#,
            ambiguity,
            r#"inport == {"a", "b"}"#,
        ),
        (
            r#"inport == "a" && ip4 && tcp.dst > 79"#,
            ambiguity,
            "tcp.dst > 79",
        ),
        (
            r#"inport == "a" && ip4.src == {10.0.0.1, 10.0.0.2}"#,
            ambiguity,
            "ip4.src == {10.0.0.1, 10.0.0.2}",
        ),
        (
            r#"inport == "a" && ip4.src == $set"#,
            "there is no set $set",
            "ip4.src == $set",
        ),
        (
            "eth.bcast",
            "the microflow does not say where the packet enters",
            "",
        ),
        (
            r#"inport == "a" && ip4 &"#,
            "`&` is only valid as part of `&&`",
            "&",
        ),
    ];
    for (source, message, at) in cases {
        let error = microflow::parse(source).expect_err(source);
        assert_eq!(error.message, message, "{source}");
        assert_eq!(&source[error.span.start..error.span.end], at, "{source}");
    }
    let long = "1 && ".repeat(microflow::MAX_LENGTH / 5) + "1 && 1";
    assert!(
        microflow::parse(&long)
            .unwrap_err()
            .message
            .contains("longer than")
    );
}

struct NoMembers;

impl Members for NoMembers {
    fn has_address(&self, _set: &str, _value: u128, _bits: Bits) -> bool {
        false
    }

    fn has_port(&self, _group: &str, _port: &str) -> bool {
        false
    }

    fn is_resident(&self, _port: &str) -> bool {
        false
    }
}

fn any_term() -> impl Strategy<Value = String> {
    let terms = [
        "ip4",
        "ip6",
        "ip",
        "tcp",
        "udp",
        "icmp",
        "arp",
        "nd_ns",
        "eth.bcast",
        "!eth.mcast",
        "vlan.present",
        "ip.ttl == 64",
        "ip4.dst == 10.0.0.1",
        "ip4.src == 10.0.0.0/8",
        "ip6.dst == fe80::/10",
        "tcp.dst == 80",
        "tcp.dst[0..7] == 0x50",
        "udp.src == {53, 80}",
        "ip.frag == 1",
        "!(tcp.src == 0)",
        "vlan.vid == 7",
        "eth.dst == 02:00:00:00:00:01",
        "ip.proto == 17",
        "ip4.mcast",
        "ip6.mcast",
        "ip.first_frag",
        "1",
        "(ip4 || arp)",
        "(tcp || udp)",
        "icmp6.type == 128",
        "arp.op == 1",
        "0x10 < tcp.dst < 0x60",
        "igmp",
    ];
    prop::sample::select(terms.to_vec()).prop_map(str::to_owned)
}

proptest! {
    #[test]
    fn the_packet_matches_the_expression_that_describes_it(
        terms in prop::collection::vec(any_term(), 0..6),
    ) {
        let source = [vec!["inport == \"a\"".to_owned()], terms].concat().join(" && ");
        if let Ok(found) = microflow::parse(&source) {
            let expression = expr::parse(&source).unwrap();
            let packet = Packet::entering(&found.flow, &found.inport);
            prop_assert!(expression.matches(&packet, &NoMembers), "{} gives {:?}", source, found);
        }
    }
}
