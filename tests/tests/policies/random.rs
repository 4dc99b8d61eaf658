//! Policies by chance, the same ones for the same seed.

use tests::random::Seeded;

use super::model::{APPS, NAMESPACES};
use super::{
    Action, AdminRule, Block, Direction, Peer, Policies, Policy, Ports, Protocol, Rule, Selector,
};

/// Networks of pods, some with a hole.
const BLOCKS: [(&str, Option<&str>); 6] = [
    ("10.244.1.0/24", Some("10.244.1.2/32")),
    ("10.244.0.0/16", Some("10.244.2.0/30")),
    ("0.0.0.0/0", None),
    ("fd00:244:1::/64", None),
    ("fd00:244::/32", Some("fd00:244:2::2/127")),
    ("::/0", Some("fd00:244:1::/64")),
];

/// Ranges of ports; servers listen on 8080 and 9090.
const RANGES: [(u16, u16); 4] = [(8080, 8080), (9090, 9090), (8000, 9000), (1, 9089)];

pub(crate) fn policies(seed: u64) -> Policies {
    let mut chance = Seeded::new(seed);
    Policies {
        admin: several(&mut chance, 3, admin_rule),
        policies: several(&mut chance, 4, policy),
        baseline: several(&mut chance, 2, |chance| {
            let mut rule = admin_rule(chance);
            if rule.action == Action::Pass {
                rule.action = Action::Deny;
            }
            rule
        }),
    }
}

fn several<T>(chance: &mut Seeded, most: usize, mut make: impl FnMut(&mut Seeded) -> T) -> Vec<T> {
    let count = chance.within(0..most + 1);
    (0..count).map(|_| make(chance)).collect()
}

fn policy(chance: &mut Seeded) -> Policy {
    let directions = chance.within(0..3);
    let mut rules = |is_meant: bool| is_meant.then(|| several(chance, 3, rule));
    let (ingress, egress) = (rules(directions != 1), rules(directions != 0));
    let selects = Selector {
        namespaces: vec![*chance.pick(&NAMESPACES)],
        app: app(chance),
    };
    Policy {
        selects,
        ingress,
        egress,
    }
}

fn rule(chance: &mut Seeded) -> Rule {
    Rule {
        peers: several(chance, 2, peer),
        ports: several(chance, 2, ports),
    }
}

fn admin_rule(chance: &mut Seeded) -> AdminRule {
    AdminRule {
        subject: selector(chance),
        direction: *chance.pick(&[Direction::Ingress, Direction::Egress]),
        action: *chance.pick(&[Action::Allow, Action::Deny, Action::Pass]),
        peer: selector(chance),
        ports: several(chance, 1, ports),
    }
}

fn peer(chance: &mut Seeded) -> Peer {
    if chance.percent(60) {
        return Peer::Pods(selector(chance));
    }
    let (network, except) = chance.pick(&BLOCKS);
    let parse = |text: &str| text.parse().expect("a network");
    Peer::Block(Block {
        network: parse(network),
        except: except.map(parse),
    })
}

fn selector(chance: &mut Seeded) -> Selector {
    let namespaces = match chance.percent(30) {
        true => NAMESPACES.to_vec(),
        false => vec![*chance.pick(&NAMESPACES)],
    };
    Selector {
        namespaces,
        app: app(chance),
    }
}

fn app(chance: &mut Seeded) -> Option<&'static str> {
    chance.percent(50).then(|| *chance.pick(&APPS))
}

fn ports(chance: &mut Seeded) -> Ports {
    let (first, last) = *chance.pick(&RANGES);
    Ports {
        protocol: *chance.pick(&[Protocol::Tcp, Protocol::Tcp, Protocol::Udp]),
        first,
        last,
    }
}
