//! The symbols of the language: fields, parts of fields and predicates, with OVN's names and expansions.

use std::sync::LazyLock;

use crate::field::{Field, PortField};
use crate::{Bits, Match, check, syntax};

/// What may be done with a field (`ovn-sb(5)`, "Level of Measurement").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Only tests for equality.
    Nominal,
    /// Two values: a predicate whose parts are ordinal.
    Boolean,
    /// Any comparison, and bits can be examined one by one.
    Ordinal,
}

/// A symbol, by its place in the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SymbolId(u16);

/// A symbol.
#[derive(Debug)]
pub(crate) struct Symbol {
    pub(crate) name: &'static str,
    pub(crate) meaning: Meaning,
    /// Bits; `None` for what holds a name.
    pub(crate) width: Option<u32>,
    pub(crate) level: Level,
    /// What using the symbol implies.
    pub(crate) prerequisites: Option<Match>,
}

/// What a symbol stands for.
#[derive(Debug)]
pub(crate) enum Meaning {
    /// Some bits of a field.
    Field(Field, Bits),
    /// The name of a port.
    Port(PortField),
    /// An expression.
    Predicate(Match),
}

/// The table of symbols.
#[derive(Debug, Default)]
pub(crate) struct Symbols(Vec<Symbol>);

/// A line of the table. Expansions use symbols of earlier lines only.
enum Line {
    Port(&'static str, PortField),
    /// Name, field, width, level, prerequisites.
    Field(&'static str, Field, u32, Level, &'static str),
    /// Name, prerequisites, expansion.
    Part(&'static str, &'static str, &'static str),
    /// Name, expansion.
    Predicate(&'static str, &'static str),
}

use Level::{Nominal, Ordinal};
use Line::Predicate;

/// All symbols.
const LINES: &[Line] = &[
    Line::Port("inport", PortField::Inport),
    Line::Port("outport", PortField::Outport),
    Line::Field("xxreg0", Field::Xxreg0, 128, Ordinal, ""),
    Line::Field("xxreg1", Field::Xxreg1, 128, Ordinal, ""),
    Line::Part("xreg0", "", "xxreg0[64..127]"),
    Line::Part("xreg1", "", "xxreg0[0..63]"),
    Line::Part("xreg2", "", "xxreg1[64..127]"),
    Line::Part("xreg3", "", "xxreg1[0..63]"),
    Line::Field("xreg4", Field::Xreg4, 64, Ordinal, ""),
    Line::Part("reg0", "", "xxreg0[96..127]"),
    Line::Part("reg1", "", "xxreg0[64..95]"),
    Line::Part("reg2", "", "xxreg0[32..63]"),
    Line::Part("reg3", "", "xxreg0[0..31]"),
    Line::Part("reg4", "", "xxreg1[96..127]"),
    Line::Part("reg5", "", "xxreg1[64..95]"),
    Line::Part("reg6", "", "xxreg1[32..63]"),
    Line::Part("reg7", "", "xxreg1[0..31]"),
    Line::Part("reg8", "", "xreg4[32..63]"),
    Line::Part("reg9", "", "xreg4[0..31]"),
    Line::Field("flags", Field::Flags, 32, Ordinal, ""),
    Line::Part("flags.loopback", "", "flags[0]"),
    Line::Part("flags.force_snat_for_dnat", "", "flags[2]"),
    Line::Part("flags.force_snat_for_lb", "", "flags[3]"),
    Line::Part("flags.skip_snat_for_lb", "", "flags[9]"),
    Line::Part("flags.use_snat_zone", "", "flags[11]"),
    Line::Field("pkt.mark", Field::PktMark, 32, Ordinal, ""),
    Line::Field("ct_mark", Field::CtMark, 32, Ordinal, ""),
    Line::Part("ct_mark.blocked", "", "ct_mark[0]"),
    Line::Part("ct_mark.natted", "", "ct_mark[1]"),
    Line::Part("ct_mark.skip_snat", "", "ct_mark[2]"),
    Line::Part("ct_mark.force_snat", "", "ct_mark[3]"),
    Line::Part("ct_mark.ecmp_reply_port", "", "ct_mark[16..31]"),
    Line::Field("ct_label", Field::CtLabel, 128, Ordinal, ""),
    Line::Part("ct_label.blocked", "", "ct_label[0]"),
    Line::Part("ct_label.natted", "", "ct_label[1]"),
    Line::Part("ct_label.skip_snat", "", "ct_label[2]"),
    Line::Part("ct_label.force_snat", "", "ct_label[3]"),
    Line::Part("ct_label.ecmp_reply_eth", "", "ct_label[32..79]"),
    Line::Part("ct_label.ecmp_reply_port", "", "ct_label[80..95]"),
    Line::Part("ct_label.label", "", "ct_label[96..127]"),
    Line::Field("ct_state", Field::CtState, 32, Ordinal, ""),
    Line::Part("ct.trk", "", "ct_state[5]"),
    Line::Part("ct.new", "ct.trk", "ct_state[0]"),
    Line::Part("ct.est", "ct.trk", "ct_state[1]"),
    Line::Part("ct.rel", "ct.trk", "ct_state[2]"),
    Line::Part("ct.rpl", "ct.trk", "ct_state[3]"),
    Line::Part("ct.inv", "ct.trk", "ct_state[4]"),
    Line::Part("ct.snat", "ct.trk", "ct_state[6]"),
    Line::Part("ct.dnat", "ct.trk", "ct_state[7]"),
    Line::Field("eth.src", Field::EthSrc, 48, Ordinal, ""),
    Line::Field("eth.dst", Field::EthDst, 48, Ordinal, ""),
    Line::Field("eth.type", Field::EthType, 16, Nominal, ""),
    Predicate("eth.bcast", "eth.dst == ff:ff:ff:ff:ff:ff"),
    Line::Part("eth.mcast", "", "eth.dst[40]"),
    Predicate("eth.mcastv6", "eth.dst[32..47] == 0x3333"),
    Line::Field("vlan.tci", Field::VlanTci, 16, Ordinal, ""),
    Predicate("vlan.present", "vlan.tci[12]"),
    Line::Part("vlan.pcp", "vlan.present", "vlan.tci[13..15]"),
    Line::Part("vlan.vid", "vlan.present", "vlan.tci[0..11]"),
    Predicate("ip4", "eth.type == 0x800"),
    Predicate("ip6", "eth.type == 0x86dd"),
    Predicate("ip", "ip4 || ip6"),
    Line::Field("ip.proto", Field::IpProto, 8, Nominal, "ip"),
    Line::Field("ip.dscp", Field::IpDscp, 6, Nominal, "ip"),
    Line::Field("ip.ecn", Field::IpEcn, 2, Nominal, "ip"),
    Line::Field("ip.ttl", Field::IpTtl, 8, Nominal, "ip"),
    Line::Field("ip4.src", Field::Ip4Src, 32, Ordinal, "ip4"),
    Line::Field("ip4.dst", Field::Ip4Dst, 32, Ordinal, "ip4"),
    Predicate("ip4.src_mcast", "ip4.src[28..31] == 0xe"),
    Predicate("ip4.mcast", "eth.mcast && ip4.dst[28..31] == 0xe"),
    Predicate("icmp4", "ip4 && ip.proto == 1"),
    Line::Field("icmp4.type", Field::Icmp4Type, 8, Nominal, "icmp4"),
    Line::Field("icmp4.code", Field::Icmp4Code, 8, Nominal, "icmp4"),
    Predicate("igmp", "ip4 && ip.proto == 2"),
    Line::Field("ip6.src", Field::Ip6Src, 128, Ordinal, "ip6"),
    Line::Field("ip6.dst", Field::Ip6Dst, 128, Ordinal, "ip6"),
    Line::Field("ip6.label", Field::Ip6Label, 20, Ordinal, "ip6"),
    Predicate(
        "ip6.mcast_rsvd",
        "ip6.dst[116..127] == 0xff0 && ip6.dst[0..111] == 0x0",
    ),
    Predicate(
        "ip6.mcast_all_nodes",
        "ip6.dst == ff01::1 || ip6.dst == ff02::1",
    ),
    Predicate(
        "ip6.mcast_all_rtrs",
        "ip6.dst == ff01::2 || ip6.dst == ff02::2 || ip6.dst == ff05::2",
    ),
    Predicate("ip6.mcast_sol_node", "ip6.dst == ff02::1:ff00:0000/104"),
    Predicate(
        "ip6.mcast_flood",
        "eth.mcastv6 && (ip6.mcast_rsvd || ip6.mcast_all_nodes || ip6.mcast_all_rtrs || \
         ip6.mcast_sol_node)",
    ),
    Predicate("ip6.mcast", "eth.mcastv6 && ip6.dst[120..127] == 0xff"),
    Predicate("icmp6", "ip6 && ip.proto == 58"),
    Line::Field("icmp6.type", Field::Icmp6Type, 8, Nominal, "icmp6"),
    Line::Field("icmp6.code", Field::Icmp6Code, 8, Nominal, "icmp6"),
    Predicate("icmp", "icmp4 || icmp6"),
    Line::Field("ip.frag", Field::IpFrag, 2, Ordinal, "ip"),
    Predicate("ip.is_frag", "ip.frag[0]"),
    Predicate("ip.later_frag", "ip.frag[1]"),
    Predicate("ip.first_frag", "ip.is_frag && !ip.later_frag"),
    Predicate("arp", "eth.type == 0x806"),
    Line::Field("arp.op", Field::ArpOp, 16, Nominal, "arp"),
    Line::Field("arp.spa", Field::ArpSpa, 32, Ordinal, "arp"),
    Line::Field("arp.sha", Field::ArpSha, 48, Ordinal, "arp"),
    Line::Field("arp.tpa", Field::ArpTpa, 32, Ordinal, "arp"),
    Line::Field("arp.tha", Field::ArpTha, 48, Ordinal, "arp"),
    Predicate("rarp", "eth.type == 0x8035"),
    Line::Field("rarp.op", Field::ArpOp, 16, Nominal, "rarp"),
    Line::Field("rarp.spa", Field::ArpSpa, 32, Ordinal, "rarp"),
    Line::Field("rarp.sha", Field::ArpSha, 48, Ordinal, "rarp"),
    Line::Field("rarp.tpa", Field::ArpTpa, 32, Ordinal, "rarp"),
    Line::Field("rarp.tha", Field::ArpTha, 48, Ordinal, "rarp"),
    Predicate(
        "nd",
        "icmp6.type == {135, 136} && icmp6.code == 0 && ip.ttl == 255",
    ),
    Predicate(
        "nd_ns",
        "icmp6.type == 135 && icmp6.code == 0 && ip.ttl == 255",
    ),
    Predicate(
        "nd_ns_mcast",
        "ip6.mcast && icmp6.type == 135 && icmp6.code == 0 && ip.ttl == 255",
    ),
    Predicate(
        "nd_na",
        "icmp6.type == 136 && icmp6.code == 0 && ip.ttl == 255",
    ),
    Predicate(
        "nd_rs",
        "icmp6.type == 133 && icmp6.code == 0 && ip.ttl == 255",
    ),
    Predicate(
        "nd_ra",
        "icmp6.type == 134 && icmp6.code == 0 && ip.ttl == 255",
    ),
    Line::Field("nd.target", Field::NdTarget, 128, Ordinal, "nd"),
    Line::Field("nd.sll", Field::NdSll, 48, Ordinal, "nd_ns"),
    Line::Field("nd.tll", Field::NdTll, 48, Ordinal, "nd_na"),
    Predicate(
        "mldv1",
        "ip6.src == fe80::/10 && icmp6.type == {130, 131, 132}",
    ),
    Predicate("mldv2", "ip6.dst == ff02::16 && icmp6.type == 143"),
    Predicate("tcp", "ip.proto == 6"),
    Line::Field("tcp.src", Field::TcpSrc, 16, Ordinal, "tcp"),
    Line::Field("tcp.dst", Field::TcpDst, 16, Ordinal, "tcp"),
    Line::Field("tcp.flags", Field::TcpFlags, 12, Ordinal, "tcp"),
    Predicate("udp", "ip.proto == 17"),
    Line::Field("udp.src", Field::UdpSrc, 16, Ordinal, "udp"),
    Line::Field("udp.dst", Field::UdpDst, 16, Ordinal, "udp"),
    Predicate("sctp", "ip.proto == 132"),
    Line::Field("sctp.src", Field::SctpSrc, 16, Ordinal, "sctp"),
    Line::Field("sctp.dst", Field::SctpDst, 16, Ordinal, "sctp"),
];

static SYMBOLS: LazyLock<Symbols> = LazyLock::new(|| {
    let mut symbols = Symbols::default();
    for line in LINES {
        let symbol = symbols.build(line);
        symbols.0.push(symbol);
    }
    symbols
});

/// The table of all symbols.
pub(crate) fn all() -> &'static Symbols {
    &SYMBOLS
}

/// The name of a field, and how many bits it has.
pub(crate) fn field(field: Field) -> (&'static str, u32) {
    let lines = LINES.iter().filter_map(|line| match line {
        Line::Field(name, of, width, ..) => Some((*of, *name, *width)),
        _ => None,
    });
    let mut named = lines.filter(|(of, ..)| *of == field);
    named
        .next()
        .map_or(("", 1), |(_, name, width)| (name, width))
}

impl Symbols {
    /// The symbol with this name.
    pub(crate) fn find(&self, name: &str) -> Option<(SymbolId, &Symbol)> {
        let index = self.0.iter().position(|symbol| symbol.name == name)?;
        Some((SymbolId(u16::try_from(index).ok()?), &self.0[index]))
    }

    /// The names that share the part before the first dot, or start with what was written.
    pub(crate) fn similar(&self, name: &str) -> Vec<&'static str> {
        let group = name.split_inclusive('.').next().unwrap_or(name);
        let names = self.0.iter().map(|symbol| symbol.name);
        names.filter(|known| known.starts_with(group)).collect()
    }

    fn symbol(&self, id: SymbolId) -> &Symbol {
        &self.0[usize::from(id.0)]
    }

    fn build(&self, line: &Line) -> Symbol {
        match *line {
            Line::Port(name, port) => Symbol {
                name,
                meaning: Meaning::Port(port),
                width: None,
                level: Level::Nominal,
                prerequisites: None,
            },
            Line::Field(name, field, width, level, prerequisites) => Symbol {
                name,
                meaning: Meaning::Field(field, whole(width)),
                width: Some(width),
                level,
                prerequisites: self.parse_optional(prerequisites),
            },
            Line::Part(name, prerequisites, expansion) => {
                let (field, bits) = self.part(expansion);
                Symbol {
                    name,
                    meaning: Meaning::Field(field, bits),
                    width: Some(bits.width()),
                    level: Level::Ordinal,
                    prerequisites: self.parse_optional(prerequisites),
                }
            }
            Line::Predicate(name, expansion) => {
                let expansion = self.parse(expansion);
                Symbol {
                    name,
                    level: self.level(&expansion),
                    meaning: Meaning::Predicate(expansion),
                    width: Some(1),
                    prerequisites: None,
                }
            }
        }
    }

    /// Parses an expansion with the symbols that are there already.
    fn parse(&self, expansion: &str) -> Match {
        syntax::parse(expansion)
            .and_then(|syntax| check::check(&syntax, self))
            .unwrap_or_else(|error| panic!("expansion {expansion:?} is sound: {error}"))
    }

    fn parse_optional(&self, expansion: &str) -> Option<Match> {
        (!expansion.is_empty()).then(|| self.parse(expansion))
    }

    /// The bits of a field that `field[low..high]` names. The comparison makes an expression of it.
    fn part(&self, expansion: &str) -> (Field, Bits) {
        let Match::Test(test) = self.parse(&format!("{expansion} == 0")) else {
            panic!("{expansion:?} is no part of a field");
        };
        match (&self.symbol(test.symbol).meaning, test.bits) {
            (Meaning::Field(field, _), Some(bits)) => (*field, bits),
            _ => panic!("{expansion:?} is no part of a field"),
        }
    }

    /// A predicate with anything nominal in it is nominal.
    fn level(&self, expansion: &Match) -> Level {
        match expansion {
            Match::Test(test) if self.symbol(test.symbol).level == Level::Nominal => Level::Nominal,
            Match::Constant(_) | Match::Test(_) | Match::Resident(_) => Level::Boolean,
            Match::Not(inner) => self.level(inner),
            Match::All(operands) | Match::Any(operands) => operands
                .iter()
                .map(|operand| self.level(operand))
                .find(|level| *level == Level::Nominal)
                .unwrap_or(Level::Boolean),
        }
    }
}

fn whole(width: u32) -> Bits {
    Bits {
        low: 0,
        high: width - 1,
    }
}

impl Symbol {
    /// A predicate that may only be tested positively.
    pub(crate) fn is_nominal_predicate(&self) -> bool {
        matches!(self.meaning, Meaning::Predicate(_)) && self.level == Level::Nominal
    }
}

impl SymbolId {
    pub(crate) fn symbol(self) -> &'static Symbol {
        SYMBOLS.symbol(self)
    }

    /// The name in expressions.
    pub fn name(self) -> &'static str {
        self.symbol().name
    }

    /// Its level of measurement.
    pub fn level(self) -> Level {
        self.symbol().level
    }
}

impl std::fmt::Debug for SymbolId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "symbol {}", self.0)
    }
}
