//! northd and nodes under loss, duplication, reordering, partitions and crashes: all converge.
//!
//! Both ends are the real ones; time, network, disks and interfaces are made up from a seed. After a time of
//! trouble everything works again, and then every node must hold exactly what compiling from nothing says it
//! needs, every port must be up where it is bound and nowhere else, and `--wait=hv` must have come true.

mod network;
mod node;
mod northd;
mod random;

use std::collections::BTreeMap;
use std::time::Duration;

use network::Network;

/// How long the trouble lasts, in simulated time.
const TROUBLE: Duration = Duration::from_secs(30);
/// How long everything has to come to rest afterwards.
const REST: Duration = Duration::from_secs(60);

/// How many seeds are tried.
const SEEDS: u64 = 30;

/// Returns how many ports are up in the end.
fn check(seed: u64) -> usize {
    let mut network = Network::new(seed);
    network.run(TROUBLE);
    network.heal();
    network.run(REST);
    let northd = &network.northd;
    let mut up = BTreeMap::new();
    for node in &network.nodes {
        let held: BTreeMap<_, _> = node.agent.objects().inventory().collect();
        let held: BTreeMap<_, _> = held
            .into_iter()
            .map(|(key, version)| (key.clone(), version))
            .collect();
        assert_eq!(
            held,
            northd.desired(&node.name),
            "seed {seed}: objects of {}",
            node.name
        );
        for status in node.agent.port_statuses() {
            let port = &status.attachment.port;
            let is_up = status.state == "up";
            assert_eq!(
                is_up,
                node.plugged.contains_key(port),
                "seed {seed}: {port} on {} is {}",
                node.name,
                status.state
            );
            if is_up {
                let other = up.insert(port.clone(), node.name.clone());
                assert_eq!(other, None, "seed {seed}: {port} is up on two nodes");
            }
        }
    }
    for row in northd
        .database
        .table::<model::nb::LogicalSwitchPort>()
        .iter()
    {
        let is_attached = network.nodes.iter().any(|node| {
            let mut statuses = node.agent.port_statuses().into_iter();
            statuses.any(|status| status.attachment.port == row.name)
        });
        assert_eq!(
            up.contains_key(&row.name),
            is_attached,
            "seed {seed}: {} is up",
            row.name
        );
        assert_eq!(row.up, Some(is_attached), "seed {seed}: up of {}", row.name);
    }
    let global = northd.global();
    assert_eq!(global.hv_cfg, global.nb_cfg, "seed {seed}: hv_cfg");
    up.len()
}

#[test]
fn all_nodes_converge_after_any_trouble() {
    let up: usize = (0..SEEDS).map(check).sum();
    assert!(
        up > SEEDS as usize,
        "the incidents leave too few ports attached: {up}"
    );
}
