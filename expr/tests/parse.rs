//! Input: match expressions. Output: the same expression printed again, or what is wrong and where.

use expr::{MAX_DEPTH, MAX_LENGTH, parse};
use proptest::prelude::*;

#[test]
fn expressions_are_read_and_printed() {
    // What is printed is parsed again; `None` means that it is printed as it was written.
    let cases = [
        ("1", None),
        ("!0", None),
        ("ip4", None),
        ("ip4 == 1", Some("ip4")),
        ("!vlan.present", None),
        ("vlan.present == 0", None),
        ("vlan.tci[12]", None),
        ("eth.dst[40] == 1", Some("eth.dst[40]")),
        ("eth.src[0..47] == 5", Some("eth.src == 5")),
        ("ip.ttl[0..7] == 5", Some("ip.ttl == 5")),
        ("((tcp.dst == 80))", Some("tcp.dst == 80")),
        ("80 == tcp.dst", Some("tcp.dst == 80")),
        ("80 < tcp.dst", Some("tcp.dst > 80")),
        (
            "1024 <= tcp.src <= 49151",
            Some("tcp.src >= 1024 && tcp.src <= 49151"),
        ),
        (
            "49151 > tcp.src > 1024",
            Some("tcp.src < 49151 && tcp.src > 1024"),
        ),
        ("ip4 && (tcp || udp)", None),
        (
            "(ip4 && tcp) && tcp.dst == 80",
            Some("ip4 && tcp && tcp.dst == 80"),
        ),
        ("!(ip.frag == 1 || tcp.dst == 80)", None),
        ("!(!(tcp.dst == 80))", None),
        ("!(inport != \"a\")", None),
        ("inport == {\"a\" \"b\",}", Some("inport == {\"a\", \"b\"}")),
        ("inport == \"\\u00e4\\\"\"", Some("inport == \"ä\\\"\"")),
        ("inport == @group && ip4.src != $set", None),
        ("ip4.src == {$set, 10.0.0.1}", None),
        ("ip4.src == 10.0.0.1/8", Some("ip4.src == 10.0.0.0/8")),
        (
            "ip4.src == 10.0.0.0/255.0.0.0",
            Some("ip4.src == 10.0.0.0/8"),
        ),
        ("ip4.src == 10.0.0.1/255.0.0.1", None),
        ("ip4.src == 0.0.0.0/0", None),
        ("ip6.dst == ff02::1:ff00:0/104", None),
        ("ip6.dst == ::ffff:10.0.0.1", None),
        ("ip6.dst == ::/0", None),
        ("eth.src == 00:00:00:00:00:01/00:00:00:00:00:ff", None),
        ("tcp.flags == 0x2/0x12", None),
        ("tcp.flags == 0/0x12", Some("tcp.flags == 0x0/0x12")),
        ("tcp.dst == 5/7", None),
        ("ct_label == 0xffffffffffffffffffffffffffffffff", None),
        ("ct.est && !ct.new && ct_state[5]", None),
        (
            "is_chassis_resident(\"a\") && !is_chassis_resident(\"b\")",
            None,
        ),
        ("ip4 // comment\n && /* another */ tcp", Some("ip4 && tcp")),
        ("ip4.src==10.0.0.1/*comment*/", Some("ip4.src == 10.0.0.1")),
        ("inport == \"ä€\" && ip4", None),
        ("/* ä€ */ ip4", Some("ip4")),
        ("flags.loopback", None),
        ("reg0[0..7] == 5 && xxreg1[127] && xreg4 != 0", None),
        ("pkt.mark == 0x1/0x1 && ct_mark.skip_snat", None),
        // OVN takes it for this; without `!` several bits must be compared.
        ("!tcp.flags", Some("!(tcp.flags != 0)")),
        ("abc::1 == ip6.src", Some("ip6.src == abc::1")),
    ];
    for (source, printed) in cases {
        let parsed = parse(source).unwrap_or_else(|error| panic!("{}", error.render(source)));
        assert_eq!(parsed.to_string(), printed.unwrap_or(source));
        assert_eq!(parse(&parsed.to_string()).as_ref(), Ok(&parsed), "{source}");
    }
}

#[test]
fn what_is_wrong_is_said_where_it_stands() {
    // Source, part of the message, what it points at.
    let cases = [
        ("", "expected a field or a constant, found the end", ""),
        ("ip4 &&", "expected a constant, found the end", ""),
        (
            "ip4 ip6",
            "expected `&&`, `||` or the end of the expression, found `ip6`",
            "ip6",
        ),
        ("ip4 && tcp || udp", "must be parenthesized", "||"),
        ("ip4 || tcp && udp", "must be parenthesized", "&&"),
        ("(ip4", "expected `)`", ""),
        ("!tcp.dst == 80", "missing parentheses", "tcp.dst == 80"),
        ("!!vlan.present", "expected a constant, found `!`", "!"),
        ("ip4 = 1", "`=` is no comparison", "="),
        ("ip4 & tcp", "`&` is only valid as part of `&&`", "&"),
        ("ip4 | tcp", "`|` is only valid as part of `||`", "|"),
        (
            "ip4 / tcp",
            "`/` is only valid in a constant or a comment",
            "/",
        ),
        ("tcp.dst == 80 # web", "no meaning here", "#"),
        ("ip4 && ä", "no meaning here", "ä"),
        ("ip4 /* open", "`/*` without `*/`", "/*"),
        ("inport == \"a", "no closing quote", "\"a"),
        ("inport == \"\\x\"", "not valid JSON", "\"\\x\""),
        ("inport == $", "expected the name of an address set", "$"),
        ("inport == @1", "expected the name of a port group", "@"),
        (
            "ip4.srcs == 10.0.0.1",
            "there is no field `ip4.srcs`",
            "ip4.srcs",
        ),
        ("nothing", "there is no field `nothing`", "nothing"),
        ("5", "expected a relational operator", ""),
        ("{1} && ip4", "expected a relational operator", "&&"),
        ("1 == 2", "expected the name of a field", "2"),
        (
            "ip4.src == 10.0.0.1.2",
            "invalid numeric constant",
            "10.0.0.1.2",
        ),
        ("ip4.src == 10.0.0.0/", "expected a mask", "10.0.0.0/"),
        (
            "ip4.src == 10.0.0.0/33",
            "incompatible formats",
            "10.0.0.0/33",
        ),
        (
            "ip4.src == 10.0.0.0/0xff",
            "incompatible formats",
            "10.0.0.0/0xff",
        ),
        ("tcp.dst == 080", "leading zeros", "080"),
        ("tcp.dst == 0x", "hexadecimal digits expected", "0x"),
        ("tcp.dst == 0xg", "invalid digit", "0xg"),
        (
            "tcp.dst == 18446744073709551616",
            "less than 2**64",
            "18446744073709551616",
        ),
        (
            "ct_label == 0x100000000000000000000000000000000",
            "more than 128 bits",
            "0x100000000000000000000000000000000",
        ),
        (
            "tcp.dst == 65536",
            "17 bits, more than the 16 of `tcp.dst`",
            "65536",
        ),
        (
            "ip4.src == {10.0.0.1, fd00::1}",
            "128 bits, more than the 32",
            "fd00::1",
        ),
        ("eth.dst[40] == 2", "2 bits, more than the 1", "2"),
        ("ip4.src == \"a\"", "holds an integer, not a name", "\"a\""),
        ("inport == 5", "holds a name, not an integer", "5"),
        ("inport == $set", "holds a name, not an integer", "$set"),
        (
            "ip4.src == @group",
            "holds an integer, not a name",
            "@group",
        ),
        ("!(!tcp.flags)", "`tcp.flags` is not one bit", "tcp.flags"),
        (
            "!(vlan.present && !(tcp.flags))",
            "`tcp.flags` is not one bit",
            "tcp.flags",
        ),
        ("inport", "`inport` is not one bit", "inport"),
        ("tcp.dst", "`tcp.dst` is not one bit", "tcp.dst"),
        ("inport[0]", "which has no bits", "inport[0]"),
        ("tcp.dst[16]", "has 16 bits, the last is 15", "tcp.dst[16]"),
        (
            "ip6.label[20]",
            "has 20 bits, the last is 19",
            "ip6.label[20]",
        ),
        ("tcp.dst[5..4] == 1", "wrong order", "tcp.dst[5..4]"),
        ("tcp.dst[x]", "the number of a bit", "x"),
        ("tcp.dst[0x1]", "the number of a bit", "0x1"),
        ("tcp.dst[1", "expected `]`", ""),
        (
            "ip.proto[0..3] == 1",
            "bits of nominal field",
            "ip.proto[0..3]",
        ),
        (
            "ip.ttl > 5",
            "`>` cannot be used with nominal field `ip.ttl`",
            "ip.ttl",
        ),
        (
            "vlan.present > 0",
            "`>` cannot be used with predicate `vlan.present`",
            "vlan.present",
        ),
        (
            "tcp.dst > {80, 81}",
            "cannot be used with a set",
            "{80, 81}",
        ),
        ("ip4.src > $set", "cannot be used with a set", "$set"),
        (
            "eth.src > 00:00:00:00:11:11/00:00:00:00:ff:ff",
            "masked constant",
            "00:00:00:00:11:11/00:00:00:00:ff:ff",
        ),
        (
            "ip.proto != 6",
            "may only be tested for equality",
            "ip.proto",
        ),
        (
            "!(ip.proto == 6)",
            "may only be tested for equality",
            "ip.proto",
        ),
        (
            "inport != \"a\"",
            "may only be tested for equality",
            "inport",
        ),
        (
            "!ip4",
            "nominal predicate `ip4` may only be tested positively",
            "ip4",
        ),
        ("ip4 == 0", "may only be tested positively", "ip4"),
        ("!(tcp.dst == 80 && tcp)", "nominal predicate `tcp`", "tcp"),
        ("1 < tcp.dst > 2", "must have the form", ">"),
        ("1 == tcp.dst == 2", "must have the form", "=="),
        ("tcp.dst == {}", "expected a constant", "}"),
        ("tcp.dst == {80", "expected a constant", ""),
        ("inport == {\"a\", 5}", "holds a name", "5"),
        (
            "is_chassis_resident(a)",
            "the name of a port as a string",
            "a",
        ),
        ("tcp.dst == 80 == 81", "expected `&&`", "=="),
    ];
    for (source, message, at) in cases {
        let error = parse(source).expect_err(source);
        assert!(
            error.message.contains(message),
            "{source}: {}",
            error.message
        );
        assert_eq!(&source[error.span.start..error.span.end], at, "{source}");
    }
}

#[test]
fn an_error_is_shown_under_its_place() {
    let source = "ip4 && tcp.port == 80";
    let error = parse(source).unwrap_err();
    assert_eq!(error.column(source), 8);
    let expected = "\
error: there is no field `tcp.port`
  |
1 | ip4 && tcp.port == 80
  |        ^^^^^^^^
  |
  = help: there is tcp.src, tcp.dst, tcp.flags";
    assert_eq!(error.render(source), expected);
}

#[test]
fn nesting_and_length_are_bounded() {
    let nested = |depth| format!("{}ip4{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    let error = parse(&nested(MAX_DEPTH + 1)).unwrap_err();
    assert_eq!(error.message, "parentheses are nested too deeply");
    assert!(parse(&"(".repeat(MAX_LENGTH)).is_err());
    let long = "ip4 && ".repeat(MAX_LENGTH / 7) + "ip4 && ip4";
    assert!(parse(&long).unwrap_err().message.contains("longer than"));
}

/// A random expression of the language, often one that passes all checks.
fn any_source() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "0",
            "1",
            "ip4",
            "arp",
            "vlan.present",
            "eth.mcast",
            "ct.est",
            "ip.is_frag",
            "tcp.dst[3]",
            "inport == \"a\"",
            "inport == @g",
            "ip4.src == $s",
            "is_chassis_resident(\"a\")",
            "flags.loopback",
            "eth.src == 02:00:00:00:00:01/ff:ff:00:00:00:00",
            "ip6.src == {fd00::/8, ::1}",
            "ip.proto == 6",
        ])
        .prop_map(str::to_owned),
        (
            any::<u16>(),
            prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="])
        )
            .prop_map(|(port, relation)| format!("udp.dst {relation} {port}")),
        any::<[u8; 4]>().prop_map(|[a, b, c, d]| format!("ip4.dst == {a}.{b}.{c}.{d}/{}", d % 33)),
        any::<(u16, u16)>().prop_map(|(a, b)| format!("{a} <= tcp.src < {b}")),
        any::<u128>().prop_map(|value| format!("ct_label == {value:#x}")),
        (0..12u32, 0..12u32).prop_map(|(a, b)| format!("eth.dst[{a}..{}] == 0", a + b)),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|operands| format!("({})", operands.join(" && "))),
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|operands| format!("({})", operands.join(" || "))),
            inner.prop_map(|operand| format!("!({operand})")),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same(source in any_source()) {
        if let Ok(parsed) = parse(&source) {
            let printed = parsed.to_string();
            prop_assert_eq!(parse(&printed), Ok(parsed), "{} is printed as {}", source, printed);
        }
    }

    #[test]
    fn any_text_is_read_or_refused_within_its_bounds(text in "\\PC{0,40}") {
        if let Err(error) = parse(&text) {
            prop_assert!(error.span.start <= error.span.end && error.span.end <= text.len());
            error.render(&text);
        }
    }

    #[test]
    fn any_tokens_are_read_or_refused(
        tokens in prop::collection::vec(prop::sample::select(vec![
            "(", ")", "{", "}", "[", "]", "!", "&&", "||", "==", "!=", "<", "<=", "..", ",", "0", "1", "80",
            "0x5", "10.0.0.0/8", "fd00::1", "ff:ff:ff:ff:ff:ff", "\"a\"", "$s", "@g", "ip4", "tcp.dst",
            "inport", "vlan.present", "is_chassis_resident", " ", "/", "//", "/*", "*/", "\n", "ä",
        ]), 0..20),
    ) {
        let text = tokens.join("");
        match parse(&text) {
            Ok(parsed) => prop_assert_eq!(parse(&parsed.to_string()), Ok(parsed)),
            Err(error) => {
                prop_assert!(text.get(error.span.start..error.span.end).is_some());
                error.render(&text);
            }
        }
    }
}
