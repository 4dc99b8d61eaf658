//! The data path on Linux, without any control plane: real TAP devices, real Geneve sockets, real clients.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ground::frames::Frames;
use ground::namespace::Namespace;
use ground::network::{Network, Underlay};
use ground::{link, probe};
use packet::Mac;
use packet::offload::Offloads;
use pipeline::Tables;
use pipeline::object::*;
use tests::story::tell;
use uuid::Uuid;
use vswitch::datapath::{DataPath, DataPathConfig};
use vswitch::port::Port as End;
use vswitch::port::TapBackend::{self, Basic, Multiqueue};
use vswitch::port::{Taps, Transfer};
use vswitch::stats::Stats;
use vswitch::sys::tap::{self, Options, TapError};

const SOON: Duration = Duration::from_secs(3);
const INTERFACE: &str = "eth0";
const NODES: [&str; 2] = ["one", "two"];

/// A pod on one switch, with what its port's row says of it.
struct Pod {
    namespace: Namespace,
    at: PortRef,
    mac: Mac,
}

impl Pod {
    /// Makes the pod's namespace and interface, and returns the ends of the latter.
    fn make(number: u32, backend: TapBackend, workers: usize) -> Result<(Pod, Ends)> {
        let namespace = Namespace::new(&format!("pod{number}"))?;
        let ends = open(&namespace, backend, workers)?;
        let at = PortRef {
            datapath: DatapathKey::new(1)?,
            port: PortKey::new(number)?,
        };
        let pod = Pod {
            mac: Mac(Frames::open(&namespace, INTERFACE)?.mac()),
            at,
            namespace,
        };
        pod.namespace.run(|| -> Result<()> {
            link::add_address(INTERFACE, ipnet::IpNet::new(pod.ipv4().into(), 24)?)?;
            link::add_address(INTERFACE, ipnet::IpNet::new(pod.ipv6().into(), 64)?)?;
            link::up(INTERFACE)
        })?;
        Ok((pod, ends))
    }

    fn ipv4(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, self.at.port.get() as u8)
    }

    fn ipv6(&self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, self.at.port.get())
    }

    fn addresses(&self) -> [IpAddr; 2] {
        [self.ipv4().into(), self.ipv6().into()]
    }

    fn object(&self, node: &str) -> Object {
        let station = StationAddresses {
            mac: self.mac,
            ipv4: vec![self.ipv4()],
            ipv6: vec![self.ipv6()],
        };
        let kind = SwitchPort {
            attachment: Attachment::Vif,
            addresses: vec![station],
            has_unknown: false,
            port_security: Vec::new(),
            requested_chassis: None,
            max_rate: None,
            min_rate: None,
            chassis: Some(node.into()),
        };
        Object::Port(Port {
            at: self.at,
            uuid: Uuid::from_u128(self.at.port.get().into()),
            name: format!("pod{}", self.at.port),
            enabled: true,
            kind: PortKind::Switch(kind),
        })
    }
}

/// One for each worker.
type Ends = Vec<Box<dyn End>>;

fn open(namespace: &Namespace, backend: TapBackend, workers: usize) -> Result<Ends> {
    let file = File::open(namespace.path())?;
    Ok(taps(backend).open(Some(file.as_fd()), INTERFACE, workers)?)
}

fn taps(backend: TapBackend) -> Taps {
    Taps {
        backend,
        transfer: Transfer::Many,
    }
}

fn switch() -> Object {
    Object::Datapath(Datapath {
        key: DatapathKey::new(1).expect("a key"),
        uuid: Uuid::from_u128(1),
        name: "switch".to_owned(),
        kind: DatapathKind::Switch(Switch::default()),
    })
}

/// Two nodes over an underlay, a pod on each and a second one on the first, all on one switch.
struct Cluster {
    paths: Vec<DataPath>,
    pods: Vec<Pod>,
    /// Ends the nodes' namespaces.
    _network: Network,
}

impl Cluster {
    fn make(underlay: Underlay, backend: TapBackend, workers: usize) -> Result<Cluster> {
        let network = Network::lay(underlay, &NODES)?;
        let paths: Vec<DataPath> = network
            .nodes()
            .iter()
            .map(|node| {
                node.namespace
                    .run(|| DataPath::start(&config(node.encap_ip, workers)))
            })
            .collect::<Result<_, _>>()?;
        let mut objects = vec![switch()];
        for (node, path) in network.nodes().iter().zip(&paths) {
            objects.push(Object::Chassis(Chassis {
                name: node.name.as_str().into(),
                encap_ip: node.encap_ip,
                encap_port: path.encap_port(),
                zone: String::new(),
                takes_partial: true,
            }));
        }
        let mut pods = Vec::new();
        for (number, on) in [(1, 0), (2, 1), (3, 0)] {
            let (pod, ends) = Pod::make(number, backend, workers)?;
            let revision = paths[on].add_port(pod.at, ends)?;
            paths[on].wait_adopted(revision, SOON)?;
            pod.namespace
                .run(|| link::set_mtu(INTERFACE, paths[on].tunnel_mtu().into()))?;
            objects.push(pod.object(NODES[on]));
            pods.push(pod);
        }
        for (path, name) in paths.iter().zip(NODES) {
            let tables = Tables::new(Some(name.into())).apply(objects.clone(), [])?;
            path.wait_adopted(path.publish(Arc::new(tables)), SOON)?;
        }
        Ok(Cluster {
            paths,
            pods,
            _network: network,
        })
    }

    fn check_all_reach_each_other(&self) -> Result<()> {
        for client in &self.pods {
            for server in self.pods.iter().filter(|pod| pod.at != client.at) {
                for address in server.addresses() {
                    let context = || format!("{} to {address}", client.at.port);
                    let limit = SOON;
                    let reaches = client.namespace.run(|| probe::reaches(address, limit));
                    assert!(reaches.with_context(context)?, "{}", context());
                    probe::tcp_exchange(&client.namespace, &server.namespace, address, limit)
                        .with_context(context)?;
                }
            }
        }
        Ok(())
    }
}

fn config(encap_ip: IpAddr, workers: usize) -> DataPathConfig {
    DataPathConfig {
        workers,
        encap_ip,
        encap_port: 6081,
        underlay_mtu: 1500,
        max_connections: 4096,
        tracking: Default::default(),
        fruitless_per_s: u32::MAX,
        polling: vswitch::worker::Polling::default(),
        processors: Vec::new(),
    }
}

/// Stops the workers, so that the counters stand still, and reads them.
fn settled(path: &DataPath) -> Stats {
    path.stop();
    path.stats()
}

fn check_cluster(underlay: Underlay, backend: TapBackend, workers: usize) -> Result<()> {
    let cluster = Cluster::make(underlay, backend, workers)?;
    cluster.check_all_reach_each_other()?;
    for path in &cluster.paths {
        let stats = settled(path);
        assert!(stats.adds_up(), "{:?}", stats.totals);
        assert!(stats.totals.hits > 0 && stats.totals.transmitted > 0);
        let [(_, traffic)] = stats
            .tunnels
            .into_iter()
            .collect::<Vec<_>>()
            .try_into()
            .expect("one");
        assert!(traffic.rx_packets > 0 && traffic.tx_packets > 0);
    }
    Ok(())
}

#[test]
fn pods_reach_each_other_on_and_across_nodes_over_ipv4() {
    tell(|| check_cluster(Underlay::V4, Multiqueue, 1));
}

#[test]
fn pods_reach_each_other_on_and_across_nodes_over_ipv6() {
    tell(|| check_cluster(Underlay::V6, Multiqueue, 1));
}

#[test]
fn pods_reach_each_other_when_nodes_have_two_workers() {
    tell(|| check_cluster(Underlay::V4, Multiqueue, 2));
}

#[test]
fn pods_reach_each_other_over_basic_devices() {
    tell(|| check_cluster(Underlay::V4, Basic, 1));
}

#[test]
fn a_tcp_stream_crosses_nodes_at_full_size_without_losing_packets_to_the_mtu() {
    tell(|| {
        let cluster = Cluster::make(Underlay::V4, Multiqueue, 1)?;
        let (client, server) = (&cluster.pods[0], &cluster.pods[1]);
        let address = server.ipv4().into();
        let time = Duration::from_millis(500);
        let rate = probe::tcp_throughput(&client.namespace, &server.namespace, address, time)?;
        assert!(rate > 0.0);
        for path in &cluster.paths {
            let stats = settled(path);
            assert_eq!(stats.dropped(pipeline::DropReason::MtuExceeded), 0);
            assert!(stats.adds_up(), "{:?}", stats.totals);
        }
        Ok(())
    });
}

#[test]
fn an_unplugged_port_is_silent_and_its_interface_stays_for_the_next_switch() {
    tell(|| {
        let cluster = Cluster::make(Underlay::V4, Multiqueue, 1)?;
        let [first, second, third] = &cluster.pods[..] else {
            panic!("three pods")
        };
        let path = &cluster.paths[0];
        let reach = || {
            first
                .namespace
                .run(|| probe::reaches(third.ipv4().into(), SOON))
        };
        assert!(reach()?);
        path.wait_adopted(path.remove_port(third.at), SOON)?;
        let short = Duration::from_millis(300);
        assert!(
            !first
                .namespace
                .run(|| probe::reaches(third.ipv4().into(), short))?
        );
        // The device outlived its queue, addresses and all, and is taken up again as it is.
        let ends = open(&third.namespace, Multiqueue, 1)?;
        assert_eq!(
            Frames::open(&third.namespace, INTERFACE)?.mac(),
            third.mac.0
        );
        path.wait_adopted(path.add_port(third.at, ends)?, SOON)?;
        assert!(reach()?);
        assert!(
            second
                .namespace
                .run(|| probe::reaches(third.ipv4().into(), SOON))?
        );
        Ok(())
    });
}

#[test]
fn an_interface_goes_from_one_backend_to_the_other_and_back() {
    tell(|| {
        let cluster = Cluster::make(Underlay::V4, Multiqueue, 1)?;
        let (path, pod) = (&cluster.paths[0], &cluster.pods[2]);
        for backend in [Basic, Multiqueue, Basic] {
            path.wait_adopted(path.remove_port(pod.at), SOON)?;
            let ends = open(&pod.namespace, backend, 1)?;
            path.wait_adopted(path.add_port(pod.at, ends)?, SOON)?;
            cluster.check_all_reach_each_other()?;
        }
        Ok(())
    });
}

#[test]
fn opening_a_basic_device_fails_with_what_is_wrong() {
    tell(|| {
        let namespace = Namespace::new("pod")?;
        let file = File::open(namespace.path())?;
        let open = |backend: TapBackend, name, workers| {
            let opened = taps(backend).open(Some(file.as_fd()), name, workers);
            opened.map(drop)
        };
        assert!(matches!(open(Basic, "tap0", 2), Err(TapError::OneQueue(2))));
        assert!(matches!(open(Basic, "tap%d", 1), Err(TapError::BadName(_))));
        assert!(matches!(open(Basic, "lo", 1), Err(TapError::OtherKind(_))));
        let held = taps(Basic).open(Some(file.as_fd()), "tap0", 1)?;
        assert!(matches!(open(Basic, "tap0", 1), Err(TapError::Busy(_))));
        drop(held);
        open(Multiqueue, "tap2", 2)?;
        assert!(matches!(
            open(Basic, "tap2", 1),
            Err(TapError::OtherKind(_))
        ));
        Ok(())
    });
}

#[test]
fn opening_a_device_fails_with_what_is_wrong() {
    tell(|| {
        let namespace = Namespace::new("pod")?;
        let file = File::open(namespace.path())?;
        let open = |name, queues| {
            let options = Options {
                name,
                queues,
                offloads: Offloads::None,
            };
            tap::open(Some(file.as_fd()), &options)
        };
        let held = open("tap0", 1)?;
        assert!(matches!(open("tap0", 1), Err(TapError::Busy(_))));
        drop(held);
        assert!(matches!(open("tap0", 2), Err(TapError::OtherKind(_))));
        assert!(matches!(open("lo", 1), Err(TapError::OtherKind(_))));
        let queues = open("tap0", 1)?;
        queues[0].set_persistent(false)?;
        drop(queues);
        let index = namespace.run(|| nix::net::if_::if_nametoindex("tap0"));
        assert_eq!(index, Err(nix::errno::Errno::ENODEV));
        Ok(())
    });
}

#[test]
fn an_interface_without_carrier_sends_nothing_until_it_has_one() {
    tell(|| {
        let namespace = Namespace::new("pod")?;
        let file = File::open(namespace.path())?;
        let options = Options {
            name: INTERFACE,
            queues: 1,
            offloads: Offloads::None,
        };
        let queue = tap::open(Some(file.as_fd()), &options)?.remove(0);
        queue.set_carrier(false)?;
        namespace.run(|| -> Result<()> {
            link::add_address(INTERFACE, "10.0.0.1/24".parse()?)?;
            link::up(INTERFACE)
        })?;
        let limit = Duration::from_millis(100);
        // It asks for the neighbour, if it may; nobody answers.
        let ask = || namespace.run(|| probe::reaches([10, 0, 0, 99].into(), limit));
        let has_sent = || queue.receive(&mut [0; 2048]).is_ok();
        for _ in 0..5 {
            let _ = ask();
            assert!(!has_sent());
        }
        queue.set_carrier(true)?;
        ground::process::wait_until("a frame", SOON, || {
            let _ = ask();
            has_sent().then_some(())
        })?;
        Ok(())
    });
}
