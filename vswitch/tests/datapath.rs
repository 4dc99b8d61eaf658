//! The data path's own interface: what it refuses, what it promises about snapshots, and how it stops.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use pipeline::Tables;
use vswitch::datapath::{DataPath, DataPathConfig, DataPathError, MAX_WORKERS};
use vswitch::port::{MemoryPort, Port};

const SOON: Duration = Duration::from_secs(10);

fn config() -> DataPathConfig {
    DataPathConfig {
        workers: 2,
        encap_ip: [127, 0, 0, 1].into(),
        encap_port: 0,
        underlay_mtu: 1500,
        max_connections: 1024,
        tracking: Default::default(),
        fruitless_per_s: u32::MAX,
        polling: vswitch::worker::Polling::default(),
        processors: Vec::new(),
    }
}

/// An end for each worker, and their wires.
fn devices(count: usize) -> (Vec<Box<dyn Port>>, Vec<vswitch::port::Wire>) {
    let pairs = (0..count).map(|_| MemoryPort::new(64).expect("a wire"));
    pairs
        .map(|(port, wire)| (Box::new(port) as Box<dyn Port>, wire))
        .unzip()
}

#[test]
fn a_configuration_that_cannot_be_is_refused_with_what_is_wrong() {
    let start = |change: fn(&mut DataPathConfig)| {
        let mut config = config();
        change(&mut config);
        DataPath::start(&config)
            .map(|_| ())
            .expect_err("it cannot be")
    };
    assert!(matches!(
        start(|config| config.workers = 0),
        DataPathError::BadWorkers(0)
    ));
    let many = start(|config| config.workers = MAX_WORKERS + 1);
    assert!(matches!(many, DataPathError::BadWorkers(_)));
    let none = start(|config| config.max_connections = 0);
    assert!(matches!(none, DataPathError::BadConnections(0)));
    let small = start(|config| config.underlay_mtu = 576);
    assert!(matches!(small, DataPathError::UnderlayMtu(576)));
    let elsewhere = start(|config| config.encap_ip = [203, 0, 113, 1].into());
    assert!(matches!(elsewhere, DataPathError::Tunnel { .. }));
}

#[test]
fn a_port_must_bring_a_queue_for_each_worker() {
    let path = DataPath::start(&config()).expect("it starts");
    let (one, _wire) = devices(1);
    let refused = path.add_port(a(), one).expect_err("one is too few");
    assert!(matches!(
        refused,
        DataPathError::Queues {
            queues: 1,
            workers: 2
        }
    ));
}

#[test]
fn the_mtu_for_pods_is_what_the_underlay_leaves() {
    let path = |ip: &str| {
        let config = DataPathConfig {
            encap_ip: ip.parse().expect("an address"),
            ..config()
        };
        DataPath::start(&config).expect("it starts").tunnel_mtu()
    };
    assert_eq!((path("127.0.0.1"), path("::1")), (1442, 1422));
}

#[test]
fn the_mtu_for_pods_follows_the_underlay_and_never_below_what_the_tunnel_must_take() {
    let path = DataPath::start(&config()).expect("it starts");
    for (underlay, expected) in [
        (1500, Ok(false)),
        (1400, Ok(true)),
        (9000, Ok(true)),
        (633, Err(())),
    ] {
        let changed = path.set_underlay_mtu(underlay).map_err(|_| ());
        assert_eq!(changed, expected, "{underlay}");
    }
    assert_eq!(path.tunnel_mtu(), 9000 - 58);
}

#[test]
fn once_tables_and_ports_are_adopted_every_worker_forwards_by_them() {
    let path = DataPath::start(&config()).expect("it starts");
    assert_eq!(path.running_workers(), 2);
    let (from, from_wires) = devices(2);
    let (to, to_wires) = devices(2);
    path.add_port(a(), from).expect("two queues");
    path.add_port(c(), to).expect("two queues");
    let revision = path.publish(Arc::new(tables("one", network())));
    path.wait_adopted(revision, SOON)
        .expect("both workers adopt it");

    let frame = udp4(a(), c(), Shape::default());
    for (wire, far) in from_wires.iter().zip(&to_wires) {
        assert!(wire.send(&frame, None));
        let deadline = std::time::Instant::now() + SOON;
        let arrived = loop {
            match far.receive() {
                Some((arrived, _)) => break arrived,
                None => assert!(std::time::Instant::now() < deadline, "nothing arrived"),
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        assert_eq!(arrived, frame);
    }
    path.stop();
    let stats = path.stats();
    assert!(stats.adds_up());
    assert_eq!((stats.totals.received, stats.totals.transmitted), (2, 2));
    // The second worker found what the first had remembered.
    assert_eq!((stats.totals.misses, stats.totals.hits), (1, 1));
    assert_eq!(
        (stats.ports[&a()].rx_packets, stats.ports[&c()].tx_packets),
        (2, 2)
    );
    assert_eq!(path.running_workers(), 0);
}

#[test]
fn a_dead_worker_is_named_and_does_not_keep_the_others_from_their_work() {
    let path = DataPath::start(&config()).expect("it starts");
    let (whole, _whole_wire) = MemoryPort::new(64).expect("a wire");
    let (faulty, wire) = MemoryPort::new(64).expect("a wire");
    assert_eq!(path.dead_workers(), [0; 0]);
    path.add_port(a(), vec![Box::new(whole), Box::new(Faulty(faulty))])
        .expect("two queues");
    assert!(wire.send(&udp4(a(), c(), Shape::default()), None));
    let deadline = std::time::Instant::now() + SOON;
    while path.dead_workers() != [1] {
        assert!(std::time::Instant::now() < deadline, "nobody noticed");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(path.running_workers(), 1);
    let revision = path.publish(Arc::new(tables("one", network())));
    path.wait_adopted(revision, SOON)
        .expect("nobody waits for the dead");
}

#[test]
fn a_snapshot_is_not_adopted_by_workers_that_were_stopped() {
    let path = DataPath::start(&config()).expect("it starts");
    path.stop();
    let revision = path.publish(Arc::new(Tables::new(None)));
    assert!(
        path.wait_adopted(revision, Duration::from_millis(10))
            .is_err()
    );
}
