//! One packet, what OVN and what weft make of it.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use tests::oracle::summary::Outcome;
use tests::random::topology::Topology;

use crate::warts::WARTS;

/// One packet with both answers.
pub(crate) struct Case {
    /// The packet.
    pub(crate) microflow: String,
    /// What it is to its connections.
    pub(crate) states: String,
    /// The rows of the sender's port security.
    pub(crate) sender_rows: String,
    /// What comes out of OVN.
    pub(crate) theirs: BTreeSet<Outcome>,
    /// What comes out of weft.
    pub(crate) ours: BTreeSet<Outcome>,
    /// The trace of OVN.
    pub(crate) their_trace: String,
    /// The trace of weft.
    pub(crate) our_trace: String,
}

impl Case {
    /// True if both agree, or are meant not to.
    pub(crate) fn is_equal(&self) -> bool {
        self.theirs == self.ours || WARTS.iter().any(|wart| (wart.applies)(self))
    }

    /// True if weft drops the packet, or what comes of it, for this reason.
    pub(crate) fn we_drop_for(&self, reason: &str) -> bool {
        self.our_trace.contains(&format!("/* drop: {reason}:"))
    }

    /// True if nothing comes out of weft that does not come out of OVN.
    pub(crate) fn we_send_less(&self) -> bool {
        self.ours.is_subset(&self.theirs)
    }

    /// True if the packet is for more than one station.
    pub(crate) fn is_sent_to_a_group(&self) -> bool {
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

    /// True if both make a packet of this kind of their own.
    pub(crate) fn both_make(&self, action: &str) -> bool {
        let begins = |line: &str| line.trim().strip_suffix(" {") == Some(action);
        [&self.their_trace, &self.our_trace]
            .iter()
            .all(|trace| trace.lines().any(begins))
    }

    /// True if an ACL of weft drops what comes into a switch from a router, and OVN takes it for what it was to its
    /// sender's connections.
    pub(crate) fn they_remember_the_sender(&self) -> bool {
        // Before the first way there is the packet, and that one is the sender's own.
        let (ours, theirs) = (ways(&self.our_trace), ways(&self.their_trace));
        ours.iter().skip(2).any(|our| {
            let is_dropped = our.iter().any(|line| line.starts_with("/* drop: acl-"));
            let mut same = theirs.iter().skip(2).filter(|their| their[0] == our[0]);
            is_dropped
                && our[0].starts_with("ingress(")
                && same.any(|their| their.contains(&"reg0[17] = 1;"))
        })
    }

    /// The difference in a few lines.
    pub(crate) fn headline(&self, seed: u64) -> String {
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
    pub(crate) fn story(&self, topology: &Topology) -> String {
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

/// What a trace says of the ways into datapaths and to their ports: the line that begins a way, and all up to the next.
fn ways(trace: &str) -> Vec<Vec<&str>> {
    const WAYS: [&str; 3] = ["ingress(", "egress(", "multicast("];
    let is_first = |line: &str| WAYS.iter().any(|way| line.starts_with(way));
    let lines: Vec<_> = trace.lines().map(str::trim).collect();
    let ways = lines.chunk_by(|_, next| !is_first(next));
    ways.map(<[_]>::to_vec).collect()
}
