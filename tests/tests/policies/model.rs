//! What network policies mean, in the plainest words: the slow twin of what ACLs do.
//!
//! A connection passes if its sender's egress and its receiver's ingress allow it. For either, administrators' rules
//! come first, in order, and may pass the question on; then the policies that select the pod, which deny all that none
//! of them allows; and where there is none, the baseline. What nobody decides is allowed.

use std::net::IpAddr;

use ipnet::IpNet;
use tests::cluster::address;

/// A pod with its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) pod: &'static str,
    pub(crate) namespace: &'static str,
    pub(crate) app: &'static str,
}

const fn member(pod: &'static str, namespace: &'static str, app: &'static str) -> Member {
    Member {
        pod,
        namespace,
        app,
    }
}

/// The pods, three on each node.
pub(crate) const PODS: [Member; 6] = [
    member("a1", "red", "web"),
    member("a2", "red", "db"),
    member("a3", "blue", "web"),
    member("b1", "red", "web"),
    member("b2", "blue", "db"),
    member("b3", "blue", "web"),
];
pub(crate) const NAMESPACES: [&str; 2] = ["red", "blue"];
pub(crate) const APPS: [&str; 2] = ["web", "db"];

/// All policies of the cluster.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies {
    pub(crate) admin: Vec<AdminRule>,
    pub(crate) policies: Vec<Policy>,
    pub(crate) baseline: Vec<AdminRule>,
}

/// A policy of a namespace. Directions without rules are not its matter; an empty list denies all.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) selects: Selector,
    pub(crate) ingress: Option<Vec<Rule>>,
    pub(crate) egress: Option<Vec<Rule>>,
}

/// What is allowed. Where there are no peers or ports, all are meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rule {
    pub(crate) peers: Vec<Peer>,
    pub(crate) ports: Vec<Ports>,
}

/// A rule of an administrator, about all pods of some namespaces.
#[derive(Clone, Debug)]
pub(crate) struct AdminRule {
    pub(crate) subject: Selector,
    pub(crate) direction: Direction,
    pub(crate) action: Action,
    pub(crate) peer: Selector,
    pub(crate) ports: Vec<Ports>,
}

#[derive(Clone, Debug)]
pub(crate) enum Peer {
    Pods(Selector),
    Block(Block),
}

/// Pods of these namespaces, with this label if one is named.
#[derive(Clone, Debug)]
pub(crate) struct Selector {
    pub(crate) namespaces: Vec<&'static str>,
    pub(crate) app: Option<&'static str>,
}

/// `ipBlock`.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) network: IpNet,
    pub(crate) except: Option<IpNet>,
}

/// A range of ports, both ends included.
#[derive(Clone, Debug)]
pub(crate) struct Ports {
    pub(crate) protocol: Protocol,
    pub(crate) first: u16,
    pub(crate) last: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Ingress,
    Egress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Allow,
    Deny,
    Pass,
}

/// A connection that somebody tries to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) from: Member,
    pub(crate) to: Member,
    pub(crate) is_v4: bool,
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
}

impl Policies {
    /// Whether a connection passes.
    pub(crate) fn allow(&self, attempt: &Attempt) -> bool {
        self.allow_side(attempt, Direction::Egress) && self.allow_side(attempt, Direction::Ingress)
    }

    fn allow_side(&self, attempt: &Attempt, direction: Direction) -> bool {
        match decide(&self.admin, attempt, direction) {
            Some(Action::Allow) => return true,
            Some(Action::Deny) => return false,
            Some(Action::Pass) | None => {}
        }
        let (own, _) = attempt.sides(direction);
        let selecting = self.policies.iter().filter(|it| it.selects.admits(own));
        let lists: Vec<_> = selecting.filter_map(|it| it.rules(direction)).collect();
        if !lists.is_empty() {
            let mut rules = lists.into_iter().flatten();
            return rules.any(|rule| rule.admits(attempt, direction));
        }
        decide(&self.baseline, attempt, direction) != Some(Action::Deny)
    }
}

/// The first rule that has something to say.
fn decide(rules: &[AdminRule], attempt: &Attempt, direction: Direction) -> Option<Action> {
    let (own, other) = attempt.sides(direction);
    let mut rules = rules.iter();
    let found = rules.find(|rule| {
        rule.direction == direction
            && rule.subject.admits(own)
            && rule.peer.admits(other)
            && admit_port(&rule.ports, attempt)
    })?;
    Some(found.action)
}

fn admit_port(ports: &[Ports], attempt: &Attempt) -> bool {
    let fits = |ports: &Ports| {
        ports.protocol == attempt.protocol && (ports.first..=ports.last).contains(&attempt.port)
    };
    ports.is_empty() || ports.iter().any(fits)
}

impl Attempt {
    /// The pod that a direction is about, and the one at the other end.
    fn sides(&self, direction: Direction) -> (Member, Member) {
        match direction {
            Direction::Ingress => (self.to, self.from),
            Direction::Egress => (self.from, self.to),
        }
    }
}

impl Policy {
    pub(crate) fn rules(&self, direction: Direction) -> Option<&Vec<Rule>> {
        match direction {
            Direction::Ingress => self.ingress.as_ref(),
            Direction::Egress => self.egress.as_ref(),
        }
    }
}

impl Rule {
    fn admits(&self, attempt: &Attempt, direction: Direction) -> bool {
        let (_, other) = attempt.sides(direction);
        let address = address(other.pod, attempt.is_v4);
        let is_meant = |peer: &Peer| match peer {
            Peer::Pods(selector) => selector.admits(other),
            Peer::Block(block) => block.admits(address),
        };
        let is_peer = self.peers.is_empty() || self.peers.iter().any(is_meant);
        is_peer && admit_port(&self.ports, attempt)
    }
}

impl Block {
    fn admits(&self, address: IpAddr) -> bool {
        self.network.contains(&address) && !self.except.is_some_and(|net| net.contains(&address))
    }
}

impl Selector {
    /// Whether a pod is meant.
    pub(crate) fn admits(&self, member: Member) -> bool {
        self.namespaces.contains(&member.namespace) && self.app.is_none_or(|app| app == member.app)
    }

    /// The pods that are meant.
    pub(crate) fn pods(&self) -> impl Iterator<Item = &'static str> + '_ {
        let meant = PODS.into_iter().filter(|member| self.admits(*member));
        meant.map(|member| member.pod)
    }
}
