//! Reads a trace in the form of `ovn-trace --summary`: which packets come out, where, with which headers.
//!
//! The summary is a tree of blocks with one statement a line. Headers are followed through its assignments;
//! what a block changes holds inside it only.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{Ipv6Addr, SocketAddr};

/// The headers that are compared.
const COMPARED: [&str; 15] = [
    "eth.src",
    "eth.dst",
    "ip4.src",
    "ip4.dst",
    "ip6.src",
    "ip6.dst",
    "ip.ttl",
    "icmp4.type",
    "icmp4.code",
    "icmp6.type",
    "icmp6.code",
    "arp.op",
    "arp.spa",
    "arp.tpa",
    "nd.target",
];

/// Actions that make a new packet out of the one at hand.
const MAKERS: [&str; 9] = [
    "arp",
    "nd_ns",
    "nd_na",
    "nd_na_router",
    "icmp4",
    "icmp6",
    "tcp_reset",
    "sctp_abort",
    "clone",
];

/// A packet that comes out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Outcome {
    /// The port by which it leaves.
    pub port: String,
    /// What made it, if it is not the packet that went in: an action's name.
    pub made_by: String,
    /// The compared headers that it has, in their text form.
    pub headers: BTreeMap<String, String>,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.port)?;
        if !self.made_by.is_empty() {
            write!(f, " {}", self.made_by)?;
        }
        self.headers
            .iter()
            .try_for_each(|(name, value)| write!(f, " {name}={value}"))
    }
}

/// What is known at one place of the trace.
#[derive(Clone, Default)]
struct State {
    fields: BTreeMap<String, String>,
    made_by: String,
}

/// All packets that come out according to a summary of the packet `microflow`.
pub fn outcomes(summary: &str, microflow: &str) -> BTreeSet<Outcome> {
    let mut lines = summary
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut outcomes = BTreeSet::new();
    block(&mut lines, State::of(microflow), &mut outcomes);
    outcomes
}

/// Follows the statements of a block to its end.
fn block<'a>(
    lines: &mut impl Iterator<Item = &'a str>,
    mut state: State,
    outcomes: &mut BTreeSet<Outcome>,
) {
    while let Some(line) = lines.next() {
        if line.starts_with('}') {
            return;
        }
        if let Some(opening) = line.strip_suffix('{') {
            block(lines, state.enter(opening), outcomes);
        } else if let Some(port) = output_port(line) {
            outcomes.insert(state.outcome(port));
        } else if !line.contains('{') {
            state.apply(line.trim_end_matches(';'));
        }
    }
}

/// The types of ports that join datapaths.
const JOINTS: [&str; 3] = ["patch", "l3gateway", "chassisredirect"];

/// The port of a comment that says that a packet leaves by a port which does not join datapaths.
fn output_port(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("/* output to \"")?;
    let (port, rest) = rest.split_once('"')?;
    let is_joint = |kind: &&str| rest.contains(&format!("type \"{kind}\""));
    JOINTS.iter().all(|kind| !is_joint(kind)).then_some(port)
}

impl State {
    /// The headers of a packet that is given by an expression of equations.
    fn of(microflow: &str) -> Self {
        let mut state = Self::default();
        for term in microflow.split(" && ") {
            match term.split_once(" == ") {
                Some((name, value)) => drop(state.fields.insert(name.to_owned(), value.to_owned())),
                None if term == "nd_ns" => {
                    drop(state.fields.insert("icmp6.type".into(), "135".into()))
                }
                None => {}
            }
        }
        state
    }

    /// What holds at the beginning of a block.
    fn enter(&self, opening: &str) -> Self {
        let mut inner = self.clone();
        let action = opening.trim();
        if MAKERS.contains(&action) && action != "clone" {
            inner.made_by = action.to_owned();
        }
        inner
    }

    /// Follows one statement; those that set no field change nothing.
    fn apply(&mut self, statement: &str) {
        if let Some((left, right)) = statement.split_once(" <-> ") {
            let (first, second) = (self.value(left), self.value(right));
            self.fields.insert(left.to_owned(), second);
            self.fields.insert(right.to_owned(), first);
        } else if let Some((name, value)) = statement.split_once(" = ") {
            let value = self.value(value);
            self.fields.insert(name.to_owned(), value);
        } else if statement == "ip.ttl--" {
            let ttl: u8 = self.value("ip.ttl").parse().unwrap_or(0);
            self.fields
                .insert("ip.ttl".to_owned(), ttl.saturating_sub(1).to_string());
        } else if let Some((action, argument)) = statement.split_once('(') {
            self.translate(action, argument);
        }
    }

    /// Follows a translation to one address, such as `ct_dnat(10.0.0.1)` or `ct_lb_mark(backends=[fd00::1]:80)`.
    fn translate(&mut self, action: &str, argument: &str) {
        let side = match action {
            _ if action.starts_with("ct_snat") => "src",
            _ if action.starts_with("ct_dnat") || action.starts_with("ct_lb") => "dst",
            _ => return,
        };
        let text = argument
            .trim_end_matches(')')
            .trim_start_matches("backends=");
        let text = text.split([',', ';']).next().unwrap_or_default();
        let socket = text.parse().map(|end: SocketAddr| end.ip());
        let Ok(ip) = socket.or_else(|_| text.parse()) else {
            return;
        };
        let family = if ip.is_ipv4() { "ip4" } else { "ip6" };
        self.fields
            .insert(format!("{family}.{side}"), ip.to_string());
    }

    /// The value of a field, or the text itself when it names none.
    fn value(&self, text: &str) -> String {
        self.fields
            .get(text)
            .cloned()
            .unwrap_or_else(|| text.to_owned())
    }

    fn outcome(&self, port: &str) -> Outcome {
        // Where a solicitation goes follows from its target; not all traces spell it out.
        let is_implied =
            |name: &str| self.made_by == "nd_ns" && ["eth.dst", "ip6.dst"].contains(&name);
        let headers = COMPARED
            .iter()
            .filter(|name| !is_implied(name))
            .filter_map(|name| Some(((*name).to_owned(), normal(self.fields.get(*name)?))))
            .collect();
        Outcome {
            port: port.to_owned(),
            made_by: self.made_by.clone(),
            headers,
        }
    }
}

/// IPv6 addresses have several text forms; others have one.
fn normal(value: &str) -> String {
    value
        .parse::<Ipv6Addr>()
        .map_or_else(|_| value.to_owned(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUMMARY: &str = r#"
# udp,reg14=0x1
ingress(dp="s", inport="a") {
    next;
    ip.ttl--;
    eth.dst <-> eth.src;
    arp { eth.dst = ff:ff:ff:ff:ff:ff; output; };
    arp {
        eth.dst = ff:ff:ff:ff:ff:ff;
        egress(dp="s", inport="a", outport="b") {
            /* output to "b", type "" */;
        };
    };
    egress(dp="s", inport="a", outport="r") {
        /* output to "r", type "patch" */;
        ingress(dp="r", inport="r-s") {
            /* output to "c", type "localport" */;
        };
    };
};
"#;

    #[test]
    fn what_a_block_changes_holds_inside_it_only() {
        let microflow = r#"inport == "a" && eth.src == 1 && eth.dst == 2 && ip.ttl == 64"#;
        let seen: Vec<_> = outcomes(SUMMARY, microflow)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            seen,
            [
                "b arp eth.dst=ff:ff:ff:ff:ff:ff eth.src=2 ip.ttl=63",
                "c eth.dst=1 eth.src=2 ip.ttl=63"
            ]
        );
    }

    #[test]
    fn a_drop_has_no_outcome() {
        assert!(
            outcomes(
                "ingress(dp=\"s\", inport=\"a\") {\n    drop;\n};",
                "inport == \"a\""
            )
            .is_empty()
        );
    }
}
