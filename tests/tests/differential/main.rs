//! Verdicts are OVN's: random networks and packets go through `ovn-northd` and `ovn-trace`, and through
//! `northd` and `vsctl trace`. What comes out, where, and with which headers must be the same.
//!
//! A network that fails prints its seed; `WEFT_SEED=N` runs that one alone, `WEFT_SEEDS=N` so many of them.

mod case;
mod warts;

use anyhow::{Context, Result};
use case::Case;
use ground::programs;
use tests::local::Weft;
use tests::oracle::ovn::Ovn;
use tests::oracle::summary::outcomes;
use tests::random::Seeded;
use tests::random::packet::{LOOKUPS_MAX, Packet};
use tests::random::topology::Topology;
use tests::skip::has_program;

/// How many networks are tried, and how many packets in each.
const SEEDS: u64 = 40;
const PACKETS: usize = 40;

/// A network in OVN and in weft.
struct Network {
    topology: Topology,
    ovn: Ovn,
    weft: Weft,
}

impl Network {
    fn new(topology: Topology) -> Result<Self> {
        let (ovn, weft) = (Ovn::start()?, Weft::start()?);
        ovn.nbctl(&topology.arguments())?;
        let arguments = [vec!["--wait=sb".to_owned()], topology.arguments()].concat();
        weft.vsctl(&arguments)?;
        Ok(Self {
            topology,
            ovn,
            weft,
        })
    }

    /// What both make of a packet; `None` where the oracle has no answer. Of what it is known to take for something
    /// else it is asked again.
    fn ask(&self, packet: &Packet) -> Result<Option<Case>> {
        let case = self.ask_of(packet, &packet.states)?;
        match case.as_ref().and_then(|case| plainer(case, &packet.states)) {
            Some(states) => self.ask_of(packet, &states),
            None => Ok(case),
        }
    }

    fn ask_of(&self, packet: &Packet, states: &[&'static str]) -> Result<Option<Case>> {
        let Packet {
            switch, microflow, ..
        } = packet;
        let Some(their_trace) = self.ovn.trace(switch, microflow, states)? else {
            return Ok(None);
        };
        let given = states.iter().map(|state| format!("--ct={state}"));
        let words = ["trace", "--summary"].map(str::to_owned).into_iter();
        let words = words
            .chain(given)
            .chain([switch.clone(), microflow.clone()]);
        let our_trace = self.weft.vsctl(&words.collect::<Vec<_>>())?;
        Ok(Some(Case {
            sender_rows: self.topology.port_security_of(microflow),
            microflow: microflow.clone(),
            states: told(states),
            theirs: outcomes(&their_trace, microflow),
            ours: outcomes(&our_trace, microflow),
            their_trace,
            our_trace,
        }))
    }
}

/// What the packet is to be to its connections in the place of what the oracle cannot model.
fn plainer(case: &Case, states: &[&'static str]) -> Option<Vec<&'static str>> {
    let (first, trace) = (states.first()?, &case.their_trace);
    let is_translated = ["ct_dnat(ip", "ct_dnatin_czone(ip"]
        .iter()
        .any(|action| trace.contains(action));
    if is_translated && *first != "new" {
        // It translates destinations by the rules at hand; OVN's nodes do so for new connections only.
        return Some(vec!["new"; LOOKUPS_MAX]);
    }
    // The states are given out in the order of the lookups, and the members of a group have no order.
    let is_mixed = states.iter().any(|state| state != first);
    (is_mixed && trace.contains("multicast(")).then(|| vec![*first; LOOKUPS_MAX])
}

/// The states, lookup by lookup, or the one that they all are.
fn told(states: &[&str]) -> String {
    match states {
        [first, rest @ ..] if rest.iter().all(|state| state == first) => (*first).to_owned(),
        _ => states.join("/"),
    }
}

/// The cases of one seed; those that the oracle has no answer to are left out.
fn cases(seed: u64) -> Result<(Topology, Vec<Case>)> {
    let mut seeded = Seeded::new(seed);
    let network = Network::new(Topology::random(&mut seeded))?;
    let mut cases = Vec::new();
    for _ in 0..PACKETS {
        let packet = Packet::random(&mut seeded, &network.topology);
        cases.extend(network.ask(&packet)?);
    }
    Ok((network.topology, cases))
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
