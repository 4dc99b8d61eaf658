//! Verdicts are OVN's: random networks and packets go through `ovn-northd` and `ovn-trace`, and through
//! `northd` and `vsctl trace`. What comes out, where, and with which headers must be the same.
//!
//! A network that fails prints its seed; `WEFT_SEED=N` runs that one alone, `WEFT_SEEDS=N` so many of them.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result};
use ground::programs;
use tests::local::Weft;
use tests::oracle::ovn::Ovn;
use tests::oracle::summary::{Outcome, outcomes};
use tests::random::Seeded;
use tests::random::packet::Packet;
use tests::random::topology::Topology;
use tests::skip::has_program;

/// How many networks are tried, and how many packets in each.
const SEEDS: u64 = 25;
const PACKETS: usize = 40;

/// A difference that is meant: what it is, and how to recognise it.
struct Wart {
    /// Why the oracle's answer is not ours.
    #[expect(dead_code, reason = "it stands here for the reader")]
    reason: &'static str,
    applies: fn(&Case) -> bool,
}

const WARTS: [Wart; 12] = [
    Wart {
        reason: "ovn-trace lets frames that are neither IP nor ARP pass port security with addresses; OVN's nodes drop \
                 whatever no row allows",
        applies: |case| {
            case.microflow.contains("eth.type == 0x88b5") && case.we_drop_for("port-security-ip")
        },
    },
    Wart {
        reason: "ovn-trace lets ARP pass rows of port security that have IPv6 addresses only; OVN's nodes do not",
        applies: |case| {
            case.microflow.contains("arp.op")
                && case.sender_rows.contains("fd00")
                && !case.sender_rows.contains('.')
        },
    },
    Wart {
        reason: "ovn-trace holds neighbour solicitations to the sender's MAC address where the row of port security has \
                 addresses, and lets them claim any where it has none; here both are held to it, as ARP is",
        applies: |case| {
            case.microflow.contains("nd_ns") && case.we_drop_for("port-security-neighbor")
        },
    },
    Wart {
        reason: "in a loop of routers ovn-trace counts the TTL down; here the bound on datapaths comes first",
        applies: |case| case.we_drop_for("recirculation-limit"),
    },
    Wart {
        reason: "ovn-trace floods a router's own solicitation; in OVN as here the switch answers it",
        applies: |case| {
            let is_solicitation = |outcome: &Outcome| outcome.made_by == "nd_ns";
            case.our_trace.contains("nd_na {")
                && case.ours.is_empty()
                && case.theirs.iter().all(is_solicitation)
        },
    },
    Wart {
        reason: "OVN answers packets sent to all stations with errors; RFC 1122 section 3.2.2 forbids it",
        applies: |case| {
            let is_unanswered =
                ["error-unanswered", "ttl-exceeded"].map(|reason| case.we_drop_for(reason));
            case.is_sent_to_a_group() && is_unanswered.contains(&true) && case.we_send_less()
        },
    },
    Wart {
        reason: "OVN says that the TTL of an IPv6 multicast packet ran out; RFC 4443 section 2.4 forbids it",
        applies: |case| case.we_drop_for("multicast-not-routed") && case.we_send_less(),
    },
    Wart {
        reason: "ovn-trace shows the answer to what an ACL rejects with the headers of the rejected packet, and \
                 answers what is sent to a group, which RFC 1122 section 3.2.2 forbids",
        applies: |case| {
            let (theirs, ours) = (answers_bare(&case.theirs), answers_bare(&case.ours));
            let is_quiet = case.is_sent_to_a_group() && ours.is_subset(&theirs);
            case.we_drop_for("acl-reject") && (theirs == ours || is_quiet)
        },
    },
    Wart {
        reason: "OVN rejects ARP, too, with an ICMP error about something that is no IP packet",
        applies: |case| {
            let is_error = |outcome: &Outcome| outcome.made_by.starts_with("icmp");
            case.microflow.contains("arp.op")
                && case.we_drop_for("acl-reject")
                && case.theirs.difference(&case.ours).all(is_error)
        },
    },
    Wart {
        reason: "ovn-trace knows of no client that is its own backend",
        applies: |case| case.our_trace.contains("ct_snat_to_vip"),
    },
    Wart {
        reason: "ovn-trace ends where a gateway router looks for a source that it has translated",
        applies: |case| {
            let mut lines = case.their_trace.lines().map(str::trim);
            lines.any(|line| line == "ct_snat;") && lines.next() == Some("};")
        },
    },
    Wart {
        reason: "ovn-trace shows ACLs a router's own solicitation with the destination of the packet it is sent for",
        applies: |case| {
            let mut only_here_or_there = case.theirs.symmetric_difference(&case.ours);
            case.their_trace.contains("nd_ns {")
                && only_here_or_there.all(|outcome| outcome.made_by == "nd_ns")
        },
    },
];

/// The outcomes, with no headers in answers that a reject makes.
fn answers_bare(outcomes: &BTreeSet<Outcome>) -> BTreeSet<Outcome> {
    const ANSWERS: [&str; 4] = ["icmp4", "icmp6", "tcp_reset", "sctp_abort"];
    let bare = outcomes.iter().cloned().map(|mut outcome| {
        if ANSWERS.contains(&outcome.made_by.as_str()) {
            outcome.headers.clear();
        }
        outcome
    });
    bare.collect()
}

/// One packet with both answers.
struct Case {
    microflow: String,
    /// What it is to its connections.
    states: String,
    /// The rows of the sender's port security.
    sender_rows: String,
    theirs: BTreeSet<Outcome>,
    ours: BTreeSet<Outcome>,
    their_trace: String,
    our_trace: String,
}

impl Case {
    fn is_equal(&self) -> bool {
        self.theirs == self.ours || WARTS.iter().any(|wart| (wart.applies)(self))
    }

    fn we_drop_for(&self, reason: &str) -> bool {
        self.our_trace.contains(&format!("/* drop: {reason}:"))
    }

    fn we_send_less(&self) -> bool {
        self.ours.is_subset(&self.theirs)
    }

    fn is_sent_to_a_group(&self) -> bool {
        let value = |field: &str| {
            let rest = self.microflow.split(field).nth(1).unwrap_or_default();
            rest.trim_start_matches(" == ")
                .split(' ')
                .next()
                .unwrap_or_default()
        };
        let first = value("eth.dst").get(..2).unwrap_or_default();
        let is_group = u8::from_str_radix(first, 16).is_ok_and(|first| first & 1 == 1);
        let is_multicast = |field: &str| {
            let address: Option<IpAddr> = value(field).parse().ok();
            address.is_some_and(|address| {
                address.is_multicast() || address == IpAddr::V4(Ipv4Addr::BROADCAST)
            })
        };
        is_group || is_multicast("ip4.dst") || is_multicast("ip6.dst")
    }

    /// The difference in a few lines.
    fn headline(&self, seed: u64) -> String {
        let list = |outcomes: &BTreeSet<Outcome>| {
            outcomes
                .iter()
                .map(|outcome| format!("\n    {outcome}"))
                .collect::<String>()
        };
        format!(
            "seed {seed}: {} (ct {})\n  OVN:{}\n  weft:{}",
            self.microflow,
            self.states,
            list(&self.theirs),
            list(&self.ours)
        )
    }

    /// All there is to know about the difference.
    fn story(&self, topology: &Topology) -> String {
        let commands: Vec<_> = topology
            .commands
            .iter()
            .map(|command| command.join(" "))
            .collect();
        format!(
            "{}\n--- OVN\n{}\n--- weft\n{}",
            commands.join("\n"),
            self.their_trace,
            self.our_trace
        )
    }
}

/// The cases of one seed; those that the oracle has no answer to are left out.
fn cases(seed: u64) -> Result<(Topology, Vec<Case>)> {
    let mut seeded = Seeded::new(seed);
    let topology = Topology::random(&mut seeded);
    let (ovn, weft) = (Ovn::start()?, Weft::start()?);
    ovn.nbctl(&topology.arguments())?;
    let arguments = [vec!["--wait=sb".to_owned()], topology.arguments()].concat();
    weft.vsctl(&arguments)?;
    let mut cases = Vec::new();
    for _ in 0..PACKETS {
        let Packet {
            switch,
            microflow,
            states,
        } = Packet::random(&mut seeded, &topology);
        let Some(their_trace) = ovn.trace(&switch, &microflow, &states)? else {
            continue;
        };
        let given = states.iter().map(|state| format!("--ct={state}"));
        let words = ["trace", "--summary"].map(str::to_owned).into_iter();
        let words = words
            .chain(given)
            .chain([switch.clone(), microflow.clone()]);
        let our_trace = weft.vsctl(&words.collect::<Vec<_>>())?;
        let (theirs, ours) = (
            outcomes(&their_trace, &microflow),
            outcomes(&our_trace, &microflow),
        );
        let sender_rows = topology.port_security_of(&microflow);
        cases.push(Case {
            sender_rows,
            microflow,
            states: states.join("/"),
            theirs,
            ours,
            their_trace,
            our_trace,
        });
    }
    Ok((topology, cases))
}

fn seeds() -> Result<Vec<u64>> {
    let number = |name: &str| -> Result<Option<u64>> {
        std::env::var(name)
            .ok()
            .map(|text| text.parse().with_context(|| format!("{name} is a number")))
            .transpose()
    };
    if let Some(seed) = number("WEFT_SEED")? {
        return Ok(vec![seed]);
    }
    Ok((0..number("WEFT_SEEDS")?.unwrap_or(SEEDS)).collect())
}

#[test]
fn random_packets_in_random_networks_end_as_with_ovn() -> Result<()> {
    let test = "random_packets_in_random_networks_end_as_with_ovn";
    let tools = [
        ("ovsdb-server", "openvswitch-common"),
        ("ovn-nbctl", "ovn-common"),
        ("ovn-trace", "ovn-common"),
        ("ovn-northd", "ovn-central"),
    ];
    if !tools
        .iter()
        .all(|(program, package)| has_program(test, program, package))
    {
        return Ok(());
    }
    programs::build()?;
    let (mut compared, mut delivered, mut headlines) = (0, 0, Vec::new());
    let mut first_story = None;
    for seed in seeds()? {
        let (topology, cases) = cases(seed).with_context(|| format!("seed {seed}"))?;
        compared += cases.len();
        delivered += cases.iter().filter(|case| !case.theirs.is_empty()).count();
        for case in cases.iter().filter(|case| !case.is_equal()) {
            headlines.push(case.headline(seed));
            first_story.get_or_insert_with(|| case.story(&topology));
        }
    }
    println!(
        "{compared} packets compared, {delivered} of them delivered, {} differ",
        headlines.len()
    );
    let story = first_story.unwrap_or_default();
    assert!(
        headlines.is_empty(),
        "{}\nthe first of them:\n{story}",
        headlines.join("\n")
    );
    assert!(
        delivered * 5 > compared,
        "too few packets are delivered to mean anything"
    );
    Ok(())
}
