//! Where the oracle's answer is not ours, on purpose.

use std::collections::BTreeSet;

use tests::oracle::summary::Outcome;

use crate::case::Case;

/// A difference that is meant: what it is, and how to recognise it.
pub(crate) struct Wart {
    /// Why the oracle's answer is not ours.
    #[expect(dead_code, reason = "it stands here for the reader")]
    reason: &'static str,
    /// How it is recognised.
    pub(crate) applies: fn(&Case) -> bool,
}

/// All of them.
pub(crate) const WARTS: [Wart; 17] = [
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
        reason: "ovn-trace shows the answer to what is rejected with the headers of the rejected packet, looks for \
                 another neighbour to send it to, and answers errors and what is sent to a group, which RFC 1122 section \
                 3.2.2 forbids",
        applies: |case| {
            let bare = |outcomes| {
                let answers = without(outcomes, &ANSWERS, |_| true);
                without(&answers, &["arp", "nd_ns"], |_| true)
            };
            let (theirs, ours) = (bare(&case.theirs), bare(&case.ours));
            let is_about_error = case.our_trace.contains("icmp_error {");
            let is_quiet = (is_about_error || case.is_sent_to_a_group()) && ours.is_subset(&theirs);
            case.our_trace.contains("reject {") && (theirs == ours || is_quiet)
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
    Wart {
        reason: "ovn-trace knows in the next switch what a packet is to its sender's connections; OVN's nodes forget it \
                 between datapaths, as the scenarios show",
        applies: |case| {
            let is_answer = |outcome: &Outcome| ANSWERS.contains(&outcome.made_by.as_str());
            case.ours.difference(&case.theirs).all(is_answer) && case.they_remember_the_sender()
        },
    },
    Wart {
        reason: "ovn-trace translates the sources of a router's own errors; OVN's nodes do not, as they belong to no \
                 connection, which the scenarios show",
        applies: |case| {
            let sourceless = |outcomes| without(outcomes, &["icmp4", "icmp6"], is_source);
            case.their_trace.contains("ct_snat(")
                && case.our_trace.contains("icmp_error {")
                && sourceless(&case.theirs) == sourceless(&case.ours)
        },
    },
    Wart {
        reason: "ovn-trace forgets on the way out that a router takes the place of a load balancer's clients; OVN's \
                 nodes do not, as the scenarios show",
        applies: |case| {
            let sourceless = |outcomes| without(outcomes, &[""], is_source);
            case.their_trace.contains("flags.force_snat_for_lb = 1;")
                && case.our_trace.contains("ct_snat(")
                && sourceless(&case.theirs) == sourceless(&case.ours)
        },
    },
    Wart {
        reason: "ovn-trace takes networks of port security for hosts: to OVN's nodes their broadcast addresses are the \
                 receiver's as well",
        applies: |case| {
            let mut only_ours = case.ours.difference(&case.theirs);
            case.microflow.contains("ip4.dst == 10.0.1.255")
                && case.theirs.is_subset(&case.ours)
                && only_ours.all(|outcome| outcome.made_by.is_empty())
        },
    },
    Wart {
        reason: "ovn-trace does not exchange the ports of what a reset answers, so that other ACLs match it",
        applies: |case| {
            let mut only_here_or_there = case.theirs.symmetric_difference(&case.ours);
            only_here_or_there.all(|outcome| {
                let is_reset = ["tcp_reset", "sctp_abort"].contains(&outcome.made_by.as_str());
                is_reset && case.both_make(&outcome.made_by)
            })
        },
    },
];

/// What is made of packets that are rejected.
const ANSWERS: [&str; 4] = ["icmp4", "icmp6", "tcp_reset", "sctp_abort"];

fn is_source(header: &str) -> bool {
    ["ip4.src", "ip6.src"].contains(&header)
}

/// The outcomes; those that are made by one of the actions without the headers that are told.
fn without(
    outcomes: &BTreeSet<Outcome>,
    actions: &[&str],
    is_left_out: impl Fn(&str) -> bool,
) -> BTreeSet<Outcome> {
    let bare = outcomes.iter().cloned().map(|mut outcome| {
        if actions.contains(&outcome.made_by.as_str()) {
            outcome.headers.retain(|name, _| !is_left_out(name));
        }
        outcome
    });
    bare.collect()
}
