//! The uplink that ports share (`qos_min_rate`). Input: an uplink, what is promised to senders and what they want to send,
//! and a clock. Output: what each of them gets.

mod common;

use common::*;
use pipeline::object::*;
use proptest::collection::vec;
use proptest::prelude::*;
use vswitch::meter::{Bucket, Terms, Turn};

const START_MS: u64 = 1_000_000;

/// Megabits a second, and what a batch of a sender comes to.
#[derive(Clone, Copy, Debug)]
struct Wish {
    promised: u32,
    /// `None` for all that it gets.
    wanted: Option<u32>,
    batch_bytes: u64,
}

fn wish(promised: u32, wanted: Option<u32>) -> Wish {
    Wish {
        promised,
        wanted,
        batch_bytes: 64 * 1_500,
    }
}

struct Sender {
    wish: Wish,
    promise: Option<Bucket>,
    turn: Turn,
    until_ms: u64,
    sent_bytes: u64,
}

impl Sender {
    fn new(wish: Wish, terms: Terms) -> Sender {
        let promise =
            (wish.promised > 0).then(|| Bucket::new(terms.promise(wish.promised * 1_000)));
        Sender {
            wish,
            promise,
            turn: Turn::default(),
            until_ms: 0,
            sent_bytes: 0,
        }
    }

    /// Sends what it has, a batch at most; false if it has nothing or has to wait.
    fn send(&mut self, uplink: &Bucket, terms: Terms, now_ms: u64) -> bool {
        let wanted = self.wish.wanted.map(|wanted| {
            let wanted_bytes = u64::from(wanted) * 125 * (now_ms - START_MS);
            wanted_bytes.saturating_sub(self.sent_bytes)
        });
        let bytes = self.wish.batch_bytes.min(wanted.unwrap_or(u64::MAX));
        if self.until_ms > now_ms || bytes == 0 {
            return false;
        }
        self.sent_bytes += bytes;
        let buckets = (uplink, self.promise.as_ref());
        self.until_ms = self
            .turn
            .sent(bytes, buckets, terms.quantum_bytes(), now_ms);
        true
    }
}

/// What each sender gets of an uplink of so many megabits a second, in megabits a second.
fn shares(megabits: u32, wishes: &[Wish]) -> Vec<f64> {
    const TIME_MS: u64 = 5_000;
    let promised: u32 = wishes.iter().map(|wish| wish.promised).sum();
    let terms = Terms {
        kilobits: megabits * 1_000,
        promised_kilobits: u64::from(promised) * 1_000,
    };
    let uplink = Bucket::new(terms.whole());
    let mut senders: Vec<_> = wishes
        .iter()
        .map(|wish| Sender::new(*wish, terms))
        .collect();
    let mut before = Vec::new();
    for now_ms in START_MS..START_MS + 2 * TIME_MS {
        // Bursts are over.
        if now_ms == START_MS + TIME_MS {
            before = senders.iter().map(|sender| sender.sent_bytes).collect();
        }
        let mut goes_on = true;
        while goes_on {
            goes_on = false;
            for sender in &mut senders {
                goes_on |= sender.send(&uplink, terms, now_ms);
            }
        }
    }
    let shares = senders.iter().zip(before);
    let bytes = shares.map(|(sender, before)| sender.sent_bytes - before);
    bytes
        .map(|bytes| bytes as f64 / TIME_MS as f64 / 125.0)
        .collect()
}

fn check(megabits: u32, wishes: &[Wish], expected: &[f64]) {
    let shares = shares(megabits, wishes);
    for (share, expected) in shares.iter().zip(expected) {
        let error = (share - expected).abs();
        assert!(
            error <= expected * 0.03 + f64::from(megabits) * 0.01,
            "{wishes:?} of {megabits}: {shares:?}"
        );
    }
}

#[test]
fn who_is_promised_a_part_gets_it_and_its_turn_of_the_rest() {
    let all = None;
    for megabits in [100, 1_000, 10_000] {
        let part = |percent: u32| megabits / 100 * percent;
        let due = |percent: u32| f64::from(part(percent));
        check(
            megabits,
            &[wish(part(60), all), wish(0, all)],
            &[due(80), due(20)],
        );
        check(
            megabits,
            &[wish(part(60), all), wish(part(20), all)],
            &[due(70), due(30)],
        );
        // What is promised and not used is the others', and who wants less than its turn gets all that it wants.
        check(
            megabits,
            &[wish(part(60), Some(0)), wish(0, all)],
            &[0.0, due(100)],
        );
        check(
            megabits,
            &[wish(part(60), Some(part(30))), wish(0, all), wish(0, all)],
            &[due(30), due(35), due(35)],
        );
        check(
            megabits,
            &[wish(part(90), all), wish(0, Some(part(2))), wish(0, all)],
            &[due(94), due(2), due(4)],
        );
    }
}

#[test]
fn nobody_waits_for_an_uplink_that_is_not_full() {
    let wishes = [wish(10, Some(40)), wish(0, Some(50))];
    check(100, &wishes, &[40.0, 50.0]);
}

#[test]
fn of_more_than_there_is_everybody_gets_its_part_and_the_rest_goes_on() {
    let wishes = [wish(150, None), wish(50, None), wish(0, None)];
    let third = 5.0 / 3.0;
    let expected = [71.25 + third, 23.75 + third, third];
    check(100, &wishes, &expected);
}

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let promised = prop_oneof![Just(0), 1..20u32];
    let wanted = prop_oneof![Just(None), (0..60u32).prop_map(Some)];
    let one =
        (promised, wanted, 100..128_000u64).prop_map(|(promised, wanted, batch_bytes)| Wish {
            promised,
            wanted,
            batch_bytes,
        });
    // Of 100.
    (vec(one, 1..4), 1..20u32).prop_map(|(mut wishes, promised)| {
        wishes.push(wish(promised, None));
        wishes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever senders want: all together get what the uplink carries, and each what it is promised, if it wants that.
    #[test]
    fn the_uplink_is_full_and_promises_are_kept(wishes in wishes()) {
        let shares = shares(100, &wishes);
        let sum: f64 = shares.iter().sum();
        prop_assert!((sum - 100.0).abs() <= 3.0, "{sum}: {shares:?}");
        for (wish, share) in wishes.iter().zip(&shares) {
            let due = wish.promised.min(wish.wanted.unwrap_or(u32::MAX));
            prop_assert!(*share >= f64::from(due) * 0.97 - 1.0, "{wish:?}: {share}");
        }
    }
}

/// A port of this node to which so many kilobits a second are promised.
fn promised(at: PortRef, kilobits: u32) -> Object {
    let mut objects = network().into_iter();
    let port = objects.find(|object| object.key() == ObjectKey::Port(at));
    let Some(Object::Port(mut port)) = port else {
        panic!("a port");
    };
    let PortKind::Switch(kind) = &mut port.kind else {
        panic!("a switch port");
    };
    kind.min_rate = Some(kilobits);
    Object::Port(port)
}

#[test]
fn a_node_lets_ports_wait_for_the_uplink_and_loses_nothing() {
    const MEGABITS: u32 = 100;
    let mut node = Node::new("one", network());
    node.apply(vec![promised(a(), 60_000)], vec![]);
    node.meters.uplink().set_rate(MEGABITS * 1_000);
    node.meters.uplink().set_promised(60_000);
    let long = Shape {
        payload: 1_200,
        ..Shape::default()
    };
    let frames = [udp4(a(), b(), long), udp4(c(), b(), long)];
    let wire_bytes = frames[0].len() as u64 + 58;
    let mut sent = [0u64; 2];
    let mut waiting = [0u64; 2];
    for _ in 0..2_000 {
        // Each offers as much as the uplink carries.
        for (number, at) in [a(), c()].into_iter().enumerate() {
            while waiting[number] < 64 {
                node.offer(at, &frames[number]);
                waiting[number] += 1;
            }
        }
        node.pass(1);
        for (datagram, _) in node.tunnelled() {
            let number = usize::from(datagram[16 + 6..16 + 12] == frames[1][6..12]);
            sent[number] += wire_bytes;
            waiting[number] -= 1;
        }
    }
    let [of_a, of_c] = sent.map(|bytes| bytes as f64 / 2_000.0 / 125.0);
    assert!((of_a - 80.0).abs() < 4.0, "{of_a} and {of_c}");
    assert!((of_c - 20.0).abs() < 3.0, "{of_a} and {of_c}");
    assert_eq!(node.totals().dropped, 0);
    node.check_sum();
}
