//! Connections as a node tells of them, and datagrams that come in fragments.

use anyhow::Result;
use ground::probe;
use tests::ask::Conversation;
use tests::cluster::address;
use tests::story::tell;
use tests::world::{PATIENCE, World};

use crate::{VIP_V4, to, web};

/// Lets clients speak to `b2` as `allowed` says, and nobody else.
fn guard(world: &World, allowed: &str) -> Result<()> {
    let to_b2 = "outport == \"b2\"";
    let commands = [
        "--name=clients",
        "acl-add",
        "b",
        "to-lport",
        "1001",
        &format!("{to_b2} && {allowed}"),
        "allow-related",
        "--",
        "acl-add",
        "b",
        "to-lport",
        "1000",
        &format!("{to_b2} && ip"),
        "drop",
    ];
    let wait = ["--timeout=20", "--wait=hv"];
    world.network.vsctl(&[&wait[..], &commands].concat())?;
    Ok(())
}

#[test]
fn a_connection_tells_who_decided_until_it_is_flushed() {
    tell(|| {
        let world = World::cluster(2, 1)?;
        let _server = world.serve(["b2"])?;
        web(&world, "tcp", &["b2"])?;
        guard(&world, "tcp.dst == 8080")?;
        let from = world.pod("a1")?;
        let mut conversation = from
            .namespace
            .run(|| Conversation::open(to(VIP_V4), PATIENCE))?;
        conversation.ask()?;

        let list = |node: &str, columns: &str, filter: [&str; 2]| {
            let form = [
                "-f",
                "csv",
                "--no-headings",
                "ct-list",
                "--columns",
                columns,
            ];
            world
                .network
                .node_vsctl(node, &[&form[..], &filter].concat())
        };
        assert_eq!(
            list(
                "a",
                "zone,state,src,dst,dport,reply-src,lb,vip,backend",
                ["--zone", "a1"]
            )?
            .trim(),
            "a1,ESTABLISHED,10.244.1.1,10.96.0.1,80,10.244.2.2,web,10.96.0.1:80,10.244.2.2:8080"
        );
        assert_eq!(
            list("b", "state,dport,acl", ["--src", "10.244.1.0/24"])?.trim(),
            "ESTABLISHED,8080,to-lport 1001 clients"
        );
        let stats = world.network.node_vsctl("b", &["-f", "csv", "ct-stats"])?;
        assert!(stats.contains("tcp,ESTABLISHED,1\n"), "{stats}");

        let flush = |filter: [&str; 2]| {
            let words = [&["ct-flush"][..], &filter].concat();
            world.network.node_vsctl("a", &words)
        };
        assert_eq!(flush(["--dport", "81"])?, "0 connections flushed\n");
        assert_eq!(flush(["--dport", "80"])?, "1 connection flushed\n");
        let left = world.network.node_vsctl("a", &["ct-list"])?;
        assert_eq!(left, "No connection is tracked.\n");
        Ok(())
    });
}

#[test]
fn datagrams_in_fragments_pass_a_policy_about_ports() {
    tell(|| {
        let world = World::cluster(2, 2)?;
        guard(&world, "udp.dst > 1023")?;
        let payload: Vec<u8> = (0..6_000_u32).map(|number| (number % 251) as u8).collect();
        let receiver = world.pod("b2")?;
        for from in ["a1", "b1"] {
            for is_v4 in [true, false] {
                let arrived = probe::udp_arrives(
                    &world.pod(from)?.namespace,
                    &receiver.namespace,
                    address("b2", is_v4),
                    &payload,
                    PATIENCE,
                )?;
                assert!(arrived, "from {from}, over IPv4: {is_v4}");
            }
        }
        for node in ["a", "b"] {
            assert_eq!(world.drops(node, "fragment-orphan")?, 0);
        }
        Ok(())
    });
}
