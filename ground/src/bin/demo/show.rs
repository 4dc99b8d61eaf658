//! The demonstration itself, part by part, in the order in which a newcomer reads it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ground::network::{Network, Pod, Underlay};
use ground::probe;

use crate::print::{self, command, done, heading, output};
use crate::services;
use crate::traffic::{self, Passed};

/// The logical network, as a script for people to read.
const SCRIPT: &str = include_str!("../../../../examples/two-nodes.sh");

/// Which pod runs on which node.
const PLACEMENT: [(&str, &str); 5] = [
    ("blue-1", "node-a"),
    ("blue-2", "node-b"),
    ("green-1", "node-a"),
    ("green-2", "node-b"),
    ("red-1", "node-b"),
];

/// How long each throughput stream lasts.
const STREAM_TIME: Duration = Duration::from_secs(2);

/// One packet to follow: from a pod on one node, through the router, to a pod on the other.
const MICROFLOW: &str = r#"inport == "blue-1" && eth.src == 0a:00:00:00:01:0b && eth.dst == 0a:00:00:00:01:01 && ip4.src == 10.0.1.11 && ip4.dst == 10.0.2.12 && ip.ttl == 64 && icmp4.type == 8"#;

/// Gives the show and returns the network, still up.
pub(crate) fn run() -> Result<Network> {
    let start = Instant::now();
    let network = start_nodes()?;
    let pods = build(&network)?;
    show_topology(&network)?;
    let surprises = show_matrix(&pods)?;
    show_trace(&network)?;
    show_throughput(&pods)?;
    let surprises = surprises + services::show(&network, &pods)?;
    show_nodes(&network)?;
    where_next(start.elapsed());
    if surprises > 0 {
        bail!("{surprises} things did not happen as the logical network says (they are red above)");
    }
    Ok(network)
}

fn start_nodes() -> Result<Network> {
    heading("Starting");
    let mut network = Network::lay(Underlay::V4, &["node-a", "node-b"])?;
    done("a sandbox: namespaces of its own, nothing of this machine is touched");
    network.start_northd()?;
    done("northd: holds the logical network and compiles it for the nodes");
    for name in ["node-a", "node-b"] {
        network.start_vswitch(name, &[])?;
        let node = network.node(name)?;
        done(&format!(
            "vswitch on {name}: forwards, tunnels from {}",
            node.encap_ip
        ));
    }
    Ok(network)
}

fn build(network: &Network) -> Result<Vec<Pod>> {
    heading("Building the network: examples/two-nodes.sh");
    network.script(SCRIPT)?;
    done("switches, a router and ports, through vsctl");
    let pods = PLACEMENT
        .iter()
        .map(|(port, node)| {
            let pod = network.attach(node, port)?;
            let addresses: Vec<_> = pod.addresses()?.iter().map(ToString::to_string).collect();
            done(&format!(
                "{port:<8} attached on {node}   {}",
                print::remark(&addresses.join("  "))
            ));
            Ok(pod)
        })
        .collect::<Result<Vec<_>>>()?;
    network.sync()?;
    done("vsctl --wait=hv sync: every node has all of it in force");
    Ok(pods)
}

fn show_topology(network: &Network) -> Result<()> {
    heading("The logical network");
    command("vsctl show");
    output(&network.vsctl(&["show"])?);
    Ok(())
}

fn show_matrix(pods: &[Pod]) -> Result<usize> {
    heading("Who reaches whom");
    println!(
        "    4 6  ping over IPv4, IPv6      t T  TCP over IPv4, IPv6      ·  does not get through\n"
    );
    let matrix = traffic::matrix(pods)?;
    let nodes: Vec<_> = PLACEMENT.iter().map(|(_, node)| *node).collect();
    let surprises = traffic::print_matrix(pods, &nodes, &matrix, |from, to| {
        Passed::expected(from.port.starts_with("red") == to.port.starts_with("red"))
    });
    println!();
    if surprises == 0 {
        done("as it should be: red has no router, so nobody reaches red-1");
    }
    Ok(surprises)
}

fn show_trace(network: &Network) -> Result<()> {
    heading("The way of one packet");
    command(&format!("vsctl trace --summary blue '{MICROFLOW}'"));
    output(&network.vsctl(&["trace", "--summary", "blue", MICROFLOW])?);
    Ok(())
}

fn show_throughput(pods: &[Pod]) -> Result<()> {
    heading("Throughput: one TCP stream, on this machine, client and server included");
    let pod = |name: &str| {
        pods.iter()
            .find(|pod| pod.port == name)
            .with_context(|| format!("there is no pod {name}"))
    };
    let streams = [
        ("same node, through the router", "blue-1", "green-1"),
        ("node to node, one switch", "blue-1", "blue-2"),
        ("node to node, through the router", "blue-1", "green-2"),
    ];
    for (what, from, to) in streams {
        let (from, to) = (pod(from)?, pod(to)?);
        let bits = probe::tcp_throughput(&from.namespace, &to.namespace, to.v4()?, STREAM_TIME)?;
        println!(
            "    {what:<34} {:>7} → {:<7} {:>6.2} Gbit/s",
            from.port,
            to.port,
            bits / 1e9
        );
    }
    Ok(())
}

fn show_nodes(network: &Network) -> Result<()> {
    heading("What the nodes say");
    for node in network.nodes() {
        for words in [["node", "ports"], ["node", "rules"], ["node", "drops"]] {
            command(&format!(
                "vsctl --node {} {}",
                node.admin_socket().display(),
                words.join(" ")
            ));
            output(&network.node_vsctl(&node.name, &words)?);
        }
    }
    Ok(())
}

fn where_next(took: Duration) {
    heading(&format!("That was it, in {:.0} s", took.as_secs_f32()));
    println!(
        "    examples/               the network, the service and the policy above, to read and to change"
    );
    println!("    README.md               a tour of five minutes");
    println!("    ARCHITECTURE.md         how a packet and an object travel through the code");
    println!("    cargo demo -- --keep    the same network, left up for you");
}
