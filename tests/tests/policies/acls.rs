//! Policies in OVN's words, the way ovn-kubernetes puts them.
//!
//! - An address set for each namespace, and for each application in it, by family.
//! - A group for each namespace and direction of the pods that some policy selects: all their traffic is dropped
//!   (priority 1000) but ARP and ND (1001).
//! - A group for each policy, whose ACLs allow what its rules allow (1001, `allow-related`).
//! - Egress is decided after load balancing, by the backend's address.
//! - Tier 1 has the administrators' rules, tier 2 the policies, tier 3 the baseline.
//! - A pod may always be its own backend: its packets then come from [`HAIRPIN`].

use std::collections::BTreeSet;

use tests::cluster::address;

use super::model::{APPS, NAMESPACES, PODS};
use super::{Action, AdminRule, Block, Direction, Peer, Policies, Ports, Protocol, Rule, Selector};

/// What a pod sees that is its own client by way of a service, by family.
pub(crate) const HAIRPIN: [&str; 2] = ["169.254.0.5", "fd69::5"];

/// Commands of `vsctl`, each as its words.
type Commands = Vec<Vec<String>>;

/// What is there before any policy: the address sets, and the group of all pods.
pub(crate) fn foundation() -> Commands {
    let mut commands = Commands::new();
    for namespace in NAMESPACES {
        for app in [None, Some(APPS[0]), Some(APPS[1])] {
            let selector = Selector {
                namespaces: vec![namespace],
                app,
            };
            for is_v4 in [true, false] {
                let name = set_name(namespace, app, is_v4);
                commands.push(words(&["create", "Address_Set"], [format!("name={name}")]));
                let command = commands.last_mut().expect("it was just pushed");
                let members = selector
                    .pods()
                    .map(|pod| format!("\"{}\"", address(pod, is_v4)));
                command.push(format!(
                    "addresses={}",
                    members.collect::<Vec<_>>().join(",")
                ));
            }
        }
    }
    let all = PODS.map(|member| member.pod.to_owned());
    commands.push(words(&["pg-add", "cluster"], all));
    let [v4, v6] = HAIRPIN;
    let is_own = format!("outport == @cluster && (ip4.src == {v4} || ip6.src == {v6})");
    commands.push(acl(
        "cluster",
        Direction::Ingress,
        (2, 1001),
        &is_own,
        "allow-related",
    ));
    commands
}

/// The groups of some policies with their ACLs, and the groups' names.
pub(crate) fn of(policies: &Policies) -> (Commands, Vec<String>) {
    let mut written = Written::default();
    for direction in [Direction::Ingress, Direction::Egress] {
        for namespace in NAMESPACES {
            written.default_deny(policies, namespace, direction);
        }
    }
    for (number, policy) in policies.policies.iter().enumerate() {
        let group = format!("policy_{number}");
        written.group(&group, policy.selects.pods());
        for direction in [Direction::Ingress, Direction::Egress] {
            for rule in policy.rules(direction).into_iter().flatten() {
                written.rule(&group, direction, rule);
            }
        }
    }
    written.admin("admin", &policies.admin, (1, 30_000));
    written.admin("baseline", &policies.baseline, (3, 1_750));
    (written.commands, written.groups)
}

#[derive(Default)]
struct Written {
    commands: Commands,
    groups: Vec<String>,
}

impl Written {
    fn group(&mut self, name: &str, pods: impl Iterator<Item = &'static str>) {
        let pods = pods.map(str::to_owned);
        self.commands.push(words(&["pg-add", name], pods));
        self.groups.push(name.to_owned());
    }

    fn default_deny(&mut self, policies: &Policies, namespace: &str, direction: Direction) {
        let selecting = policies.policies.iter();
        let selecting = selecting.filter(|it| it.rules(direction).is_some());
        let pods: BTreeSet<_> = selecting.flat_map(|it| it.selects.pods()).collect();
        let own = PODS.into_iter().filter(|it| it.namespace == namespace);
        let name = format!("{namespace}_deny_{direction:?}");
        self.group(&name, own.map(|it| it.pod).filter(|pod| pods.contains(pod)));
        let all = at(&name, direction);
        let neighbors = format!("{all} && (arp || nd)");
        self.commands
            .push(acl(&name, direction, (2, 1000), &all, "drop"));
        self.commands
            .push(acl(&name, direction, (2, 1001), &neighbors, "allow"));
    }

    fn rule(&mut self, group: &str, direction: Direction, rule: &Rule) {
        let ports = ports(&rule.ports);
        let mut allow = |peers: &str| {
            let matched = format!("{peers}{ports} && {}", at(group, direction));
            let command = acl(group, direction, (2, 1001), &matched, "allow-related");
            self.commands.push(command);
        };
        if rule.peers.is_empty() {
            return allow("(ip4 || ip6)");
        }
        for peer in &rule.peers {
            match peer {
                Peer::Pods(selector) => allow(&in_sets(selector, direction)),
                Peer::Block(block) => allow(&in_block(block, direction)),
            }
        }
    }

    /// Rules of administrators; the first has the greatest priority.
    fn admin(&mut self, name: &str, rules: &[AdminRule], (tier, priority): (u8, u16)) {
        for (rule, number) in rules.iter().zip(0..) {
            let group = format!("{name}_{number}");
            self.group(&group, rule.subject.pods());
            let (peers, ports) = (in_sets(&rule.peer, rule.direction), ports(&rule.ports));
            let matched = format!("{peers}{ports} && {}", at(&group, rule.direction));
            let action = match rule.action {
                Action::Allow => "allow-related",
                Action::Deny => "drop",
                Action::Pass => "pass",
            };
            let order = (tier, priority - number);
            self.commands
                .push(acl(&group, rule.direction, order, &matched, action));
        }
    }
}

fn words<'w>(
    first: &[&'w str],
    others: impl IntoIterator<Item = String, IntoIter: 'w>,
) -> Vec<String> {
    let first = first.iter().map(|word| (*word).to_owned());
    first.chain(others).collect()
}

fn acl(
    group: &str,
    direction: Direction,
    (tier, priority): (u8, u16),
    matched: &str,
    action: &str,
) -> Vec<String> {
    let tier = format!("--tier={tier}");
    let mut command = vec![tier, "--may-exist".to_owned()];
    let side = match direction {
        Direction::Ingress => "to-lport",
        Direction::Egress => {
            command.push("--apply-after-lb".to_owned());
            "from-lport"
        }
    };
    let priority = priority.to_string();
    let rest = ["acl-add", group, side, &priority, matched, action];
    command.extend(rest.map(str::to_owned));
    command
}

fn at(group: &str, direction: Direction) -> String {
    match direction {
        Direction::Ingress => format!("outport == @{group}"),
        Direction::Egress => format!("inport == @{group}"),
    }
}

/// The field with the other end's address, by family.
fn peer_field(direction: Direction, is_v4: bool) -> &'static str {
    match (direction, is_v4) {
        (Direction::Ingress, true) => "ip4.src",
        (Direction::Ingress, false) => "ip6.src",
        (Direction::Egress, true) => "ip4.dst",
        (Direction::Egress, false) => "ip6.dst",
    }
}

fn set_name(namespace: &str, app: Option<&str>, is_v4: bool) -> String {
    let family = if is_v4 { "v4" } else { "v6" };
    format!("{namespace}_{}_{family}", app.unwrap_or("all"))
}

fn in_sets(selector: &Selector, direction: Direction) -> String {
    let in_family = |is_v4| {
        let names = selector.namespaces.iter();
        let names = names.map(|namespace| format!("${}", set_name(namespace, selector.app, is_v4)));
        let names = names.collect::<Vec<_>>().join(", ");
        format!("{} == {{{names}}}", peer_field(direction, is_v4))
    };
    format!("({} || {})", in_family(true), in_family(false))
}

fn in_block(block: &Block, direction: Direction) -> String {
    let field = peer_field(direction, block.network.addr().is_ipv4());
    let network = format!("{field} == {}", block.network);
    match block.except {
        Some(except) => format!("({network} && {field} != {{{except}}})"),
        None => format!("({network})"),
    }
}

fn ports(ports: &[Ports]) -> String {
    let one = |ports: &Ports| {
        let name = match ports.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        match ports.first == ports.last {
            true => format!("({name} && {name}.dst == {})", ports.first),
            false => format!("({name} && {}<={name}.dst<={})", ports.first, ports.last),
        }
    };
    match ports {
        [] => String::new(),
        ports => format!(
            " && ({})",
            ports.iter().map(one).collect::<Vec<_>>().join(" || ")
        ),
    }
}
