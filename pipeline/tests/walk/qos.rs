//! QoS rules, as ovn-northd 23.03 compiles them. Input: a network and packets, one after the other; output: the branches
//! of each verdict, with marks, and with the limits that they come under by the number of the rule.

use packet::Flow;
use pipeline::object::*;
use pipeline::{Ingress, Tables};
use uuid::Uuid;

use crate::support::flows::*;
use crate::support::policy::World;
use crate::support::{Net, check, in_words, sent};

const A: &str = "0a:00:00:00:00:01";
const B: &str = "0a:00:00:00:00:02";
const A4: &str = "10.0.0.1";
const B4: &str = "10.0.0.2";

impl Net {
    /// Adds a rule to a switch: `from|to priority match => [dscp=N] [rate=N [burst=N]]`. Its UUID is its number, from 1.
    fn qos(self, switch: &str, rule: &str) -> Net {
        let (head, tail) = rule.split_once(" => ").unwrap();
        let mut words = head.splitn(3, ' ');
        let mut word = || words.next().unwrap();
        let direction = match word() {
            "from" => QosDirection::FromLport,
            _ => QosDirection::ToLport,
        };
        let priority = word().parse().unwrap();
        let matches = expr::parse(word()).unwrap().lower();
        let number = |name: &str| -> Option<u32> {
            let mut words = tail.split(' ');
            let found = words.find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            found.map(|number| number.parse().unwrap())
        };
        let is_qos = |key: &&ObjectKey| matches!(key, ObjectKey::Qos(..));
        let uuid = self.objects.keys().filter(is_qos).count() as u128 + 1;
        let switch = self.key(switch);
        self.put(Object::Qos(Qos {
            switch,
            uuid: Uuid::from_u128(uuid),
            direction,
            priority,
            matches,
            dscp: number("dscp").map(|dscp| dscp as u8),
            limit: number("rate").map(|rate| MeterBand {
                rate,
                burst: number("burst").unwrap_or(0),
            }),
        }))
    }
}

fn pair() -> Net {
    Net::new()
        .chassis("n1", "192.0.2.1")
        .chassis("n2", "192.0.2.2")
        .switch("ls")
        .vif("ls", "a", "0a:00:00:00:00:01 10.0.0.1 fd00::1")
        .vif("ls", "b", "0a:00:00:00:00:02 10.0.0.2 fd00::2")
        .bound("a", "n1")
        .bound("b", "n2")
}

fn packet() -> Flow {
    udp((A, B), A4, B4)
}

fn packet6() -> Flow {
    udp((A, B), "fd00::1", "fd00::2")
}

#[test]
fn the_greatest_priority_marks_and_the_greatest_limits_each_for_itself() {
    let net = pair()
        .qos("ls", "from 1 ip4 => dscp=1 rate=1000")
        .qos("ls", "from 2 udp => dscp=2")
        .qos("ls", "from 3 ip6 => rate=3 burst=30")
        .qos("ls", "from 9 inport == \"b\" => dscp=9 rate=9");
    check(
        &net,
        None,
        &[
            ("a", packet(), "limits=1 dscp=2 -> b"),
            ("a", packet6(), "limits=3 dscp=2 -> b"),
            ("b", udp((B, A), B4, A4), "limits=4 dscp=9 -> a"),
        ],
    );
}

#[test]
fn each_direction_has_its_own_rules_and_the_second_mark_stands() {
    let net = pair()
        .qos("ls", "from 1 ip4 => dscp=10 rate=1")
        .qos(
            "ls",
            "to 1 ip.dscp == 10 && outport == \"b\" => dscp=46 rate=1",
        )
        .qos("ls", "to 2 ip.dscp == 46 => rate=2");
    check(
        &net,
        None,
        &[
            ("a", packet(), "limits=1,3 dscp=46 -> b"),
            ("a", packet6(), "-> b"),
        ],
    );
}

#[test]
fn the_senders_node_asks_the_rules_from_lport_and_the_receivers_those_to_lport() {
    let net = pair()
        .qos("ls", "from 1 ip4 => dscp=10 rate=1")
        .qos("ls", "to 1 ip.dscp == {0, 10} => dscp=0 rate=1");
    check(
        &net,
        Some("n1"),
        &[("a", packet(), "limits=1 dscp=10 -> n2 1/1/2")],
    );
    let mut marked = packet();
    let packet::flow::Network::Ip(ip) = &mut marked.network else {
        panic!("an IP packet");
    };
    ip.dscp = 10;
    let mut there = World::at(&net, Some("n2"));
    let ingress = Ingress::Tunnel {
        vni: 1,
        inport: 1,
        outport: 2,
    };
    let verdict = there.enter(ingress, &marked);
    assert_eq!(in_words(&there.tables, &verdict), "limits=2 dscp=0 -> b");
}

#[test]
fn a_mark_that_is_there_already_changes_nothing() {
    let net = pair().qos("ls", "from 1 ip => dscp=0");
    check(&net, None, &[("a", packet(), "-> b")]);
}

#[test]
fn only_ip_is_marked_and_everything_may_be_limited() {
    let net = pair().qos("ls", "from 1 1 => dscp=5 rate=1");
    check(
        &net,
        None,
        &[
            ("a", frame(A, B), "limits=1 -> b"),
            ("a", packet(), "limits=1 dscp=5 -> b"),
        ],
    );
}

#[test]
fn what_an_acl_drops_before_comes_under_no_limit_and_its_answer_under_the_receivers() {
    let net = pair()
        .acl("ls", "from 1 udp => reject")
        .qos("ls", "from 1 ip => rate=1")
        .qos("ls", "to 1 ip => dscp=7 rate=2");
    let tables = net.tables(None);
    let verdict = sent(&tables, "a", &packet());
    let found = in_words(&tables, &verdict);
    let (dropped, answered) = found.split_once('\n').unwrap();
    assert_eq!(dropped, "drop acl-reject");
    assert!(answered.starts_with("limits=2 icmp3/3"), "{answered}");
    assert!(answered.ends_with("dscp=7 -> a"), "{answered}");
}

#[test]
fn copies_come_under_the_senders_limit_once_and_each_under_its_receivers() {
    let net = pair()
        .vif("ls", "c", "0a:00:00:00:00:03")
        .qos("ls", "from 1 ip => rate=1")
        .qos("ls", "to 1 ip => rate=2");
    let tables = net.tables(None);
    let verdict = sent(&tables, "a", &udp((A, "ff:ff:ff:ff:ff:ff"), A4, B4));
    let expected = "limits=1,2 -> b\nlimits=1,2 -> c";
    assert_eq!(in_words(&tables, &verdict), expected);
    let places: Vec<_> = verdict.branches.iter().map(|b| b.meters.to_vec()).collect();
    assert_eq!(places, [[0, 1], [0, 2]]);
    assert_eq!(verdict.qos, [1, 2].map(Uuid::from_u128));
}

#[test]
fn a_change_of_a_rule_or_of_its_set_voids_what_it_marked_or_could() {
    let net = pair()
        .set("s", "{10.0.0.9}")
        .qos("ls", "from 1 ip4.src == $s => dscp=3");
    let before = net.tables(None);
    let verdict = sent(&before, "a", &packet());
    let check = |after: &Tables, expected: &str| {
        assert!(!after.uphold(&verdict, &packet()));
        let verdict = sent(after, "a", &packet());
        assert_eq!(in_words(after, &verdict), expected);
    };
    let set = |members: &str| {
        let net = pair().set("s", members);
        let key = ObjectKey::AddressSet("s".into(), 0);
        net.objects[&key].clone()
    };
    check(
        &before.apply([set("{10.0.0.1}")], []).unwrap(),
        "dscp=3 -> b",
    );
    let without = pair().tables(None);
    let verdict = sent(&without, "a", &packet());
    let added = net.qos("ls", "from 2 ip => dscp=4");
    let rules = added
        .objects
        .values()
        .filter(|o| matches!(o, Object::Qos(_)));
    let after = without.apply(rules.cloned(), []).unwrap();
    assert!(!after.uphold(&verdict, &packet()));
    let keys = after.apply(
        [],
        added
            .objects
            .keys()
            .filter(|k| matches!(k, ObjectKey::Qos(..)))
            .cloned(),
    );
    let verdict = sent(&keys.unwrap(), "a", &packet());
    assert!(verdict.qos.is_empty());
}
