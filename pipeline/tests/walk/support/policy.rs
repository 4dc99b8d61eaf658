//! Policies in networks, and conversations over them.

use std::sync::Arc;

use expr::{Element, Match};
use packet::{Flow, Segment};
use pipeline::conntrack::Simple;
use pipeline::object::*;
use pipeline::{Ingress, Silent, Tables, Verdict, process};
use uuid::Uuid;

use super::{Net, in_words};

/// The constants of `{...}`, as an address set has them.
pub(crate) fn constants(members: &str) -> Vec<expr::Constant> {
    let Match::Test(test) = expr::parse(&format!("ip6.src == {members}")).unwrap() else {
        panic!("expected a test");
    };
    let constants = test.elements.into_iter().map(|element| match element {
        Element::Integer(constant) => constant,
        other => panic!("expected a constant, got {other}"),
    });
    constants.collect()
}

/// An ACL, in words: `[tier N] direction [after-lb] priority match => action`.
pub(crate) fn acl(net: &Net, owner: &str, uuid: u128, rule: &str) -> Acl {
    let (head, action) = rule.split_once(" => ").unwrap();
    let mut words = head.split_whitespace().peekable();
    let tier = match words.next_if_eq(&"tier") {
        Some(_) => words.next().unwrap().parse().unwrap(),
        None => 0,
    };
    let stage = match words.next().unwrap() {
        "to" => AclStage::ToLport,
        "from" if words.next_if_eq(&"after-lb").is_some() => AclStage::FromLportAfterLb,
        _ => AclStage::FromLport,
    };
    let priority = words.next().unwrap().parse().unwrap();
    let matches: Vec<_> = words.collect();
    let matches = expr::parse(&matches.join(" ")).unwrap().lower();
    Acl {
        owner: match owner.strip_prefix('@') {
            Some(group) => PolicyOwner::Group(group.into()),
            None => PolicyOwner::Switch(net.key(owner)),
        },
        uuid: Uuid::from_u128(uuid),
        name: String::new(),
        stage,
        tier,
        priority,
        matches,
        action: match action {
            "allow" => AclAction::Allow,
            "allow-related" => AclAction::AllowRelated,
            "allow-stateless" => AclAction::AllowStateless,
            "drop" => AclAction::Drop,
            "reject" => AclAction::Reject,
            "pass" => AclAction::Pass,
            other => panic!("no action {other}"),
        },
        label: 0,
        log: None,
    }
}

impl Net {
    /// Adds an ACL to a switch or, with `@`, to a port group. Its UUID is its number, from 1.
    pub(crate) fn acl(self, owner: &str, rule: &str) -> Self {
        self.edited_acl(owner, rule, |_| {})
    }

    pub(crate) fn edited_acl(self, owner: &str, rule: &str, edit: impl FnOnce(&mut Acl)) -> Self {
        let is_acl = |key: &&ObjectKey| matches!(key, ObjectKey::Acl(..));
        let uuid = self.objects.keys().filter(is_acl).count() as u128 + 1;
        let mut acl = acl(&self, owner, uuid, rule);
        edit(&mut acl);
        self.put(Object::Acl(acl))
    }

    /// The address set of this name, all in one part. `members` is as in a match: `{10.0.0.1, ...}`.
    pub(crate) fn set(self, name: &str, members: &str) -> Self {
        self.put(Object::AddressSet(AddressSet {
            name: name.into(),
            bucket: 0,
            members: constants(members),
        }))
    }

    /// A port group, with ports of any switches.
    pub(crate) fn group(mut self, name: &str, ports: &[&str]) -> Self {
        let name: Arc<str> = name.into();
        self.objects
            .retain(|key, _| !matches!(key, ObjectKey::PortGroup(own, _) if *own == name));
        let ports: Vec<_> = ports.iter().map(|port| self.at(port)).collect();
        for datapath in ports.iter().map(|at| at.datapath).collect::<Vec<_>>() {
            let here = ports.iter().filter(|at| at.datapath == datapath);
            let mut members: Vec<_> = here.map(|at| at.port).collect();
            members.sort_unstable();
            self = self.put(Object::PortGroup(PortGroup {
                name: name.clone(),
                datapath,
                members,
            }));
        }
        self
    }

    pub(crate) fn global(self, edit: impl FnOnce(&mut Global)) -> Self {
        let mut global = Global::default();
        edit(&mut global);
        self.put(Object::Global(global))
    }
}

/// A network with connections.
pub(crate) struct World {
    pub(crate) tables: Tables,
    pub(crate) conntrack: Simple,
}

impl World {
    pub(crate) fn new(net: &Net) -> World {
        World::at(net, None)
    }

    /// As the node `home` has it.
    pub(crate) fn at(net: &Net, home: Option<&str>) -> World {
        World {
            tables: net.tables(home),
            conntrack: Simple::default(),
        }
    }

    /// The network changes; connections stay.
    pub(crate) fn become_like(&mut self, net: &Net) {
        self.tables = net.tables(None);
    }

    pub(crate) fn send(&mut self, inport: &str, flow: &Flow) -> Verdict {
        let port = self.tables.port_named(inport).unwrap();
        let ingress = Ingress::Interface(port.at);
        self.enter(ingress, flow)
    }

    pub(crate) fn enter(&mut self, ingress: Ingress, flow: &Flow) -> Verdict {
        let segment = (flow, &Segment::Unknown);
        process(
            &self.tables,
            &mut self.conntrack,
            ingress,
            segment,
            &mut Silent,
        )
    }

    /// Checks what becomes of packets, one after the other: `(inport, packet, expected branches)`.
    #[track_caller]
    pub(crate) fn check(&mut self, cases: &[(&str, Flow, &str)]) {
        for (index, (inport, flow, expected)) in cases.iter().enumerate() {
            let verdict = self.send(inport, flow);
            let found = in_words(&self.tables, &verdict);
            let expected = expected.split(" | ").collect::<Vec<_>>().join("\n");
            let packet = super::flows::in_words(flow);
            assert_eq!(found, expected, "{index}: {inport}: {packet}");
        }
    }
}
