//! Backends that are probed: who does not answer gets no connections, until it answers again.

use std::time::Duration;

use anyhow::Result;
use ground::process::wait_until;
use tests::ask;
use tests::cluster::{self, PORT, backends};
use tests::story::tell;
use tests::world::{PATIENCE, World};

use crate::{BACKENDS, VIP_V4, VIP_V6, to, web};

/// How long it may take until a probe finds something out, and all nodes know.
const NOTICED: Duration = Duration::from_secs(30);

/// Lets all backends of `web` be probed each second.
fn check_health(world: &World) -> Result<()> {
    let mut line = String::from("--");
    for (vip, id) in [(VIP_V4, "four"), (VIP_V6, "six")] {
        line += &format!(
            " --id=@{id} create Load_Balancer_Health_Check vip=\"{vip}\" \
             options:interval=1 options:timeout=1 options:success_count=1 options:failure_count=2 \
             -- add Load_Balancer web health_check @{id} --"
        );
    }
    for pod in BACKENDS {
        let (v4, v6) = (cluster::address(pod, true), cluster::address(pod, false));
        let subnet = if cluster::node(pod) == "a" { 1 } else { 2 };
        line += &format!(
            " set Load_Balancer web ip_port_mappings:{v4}=\"{pod}:10.244.{subnet}.250\" \
             ip_port_mappings:\"[{v6}]\"=\"{pod}:[fd00:244:{subnet}::fa]\" --"
        );
    }
    world.change(line.trim_end_matches(" --"))?;
    Ok(())
}

/// Waits until `northd` gives new connections to these backends, by both families.
fn wait_for(world: &World, expected: &[&str]) -> Result<()> {
    wait_until(&format!("backends are {expected:?}"), NOTICED, || {
        let flows = world.network.vsctl(&["flow-list"]).ok()?;
        let is_there = |pod: &str, is_v4| flows.contains(&backends([pod], is_v4));
        BACKENDS
            .iter()
            .all(|pod| {
                [true, false]
                    .iter()
                    .all(|is_v4| is_there(pod, *is_v4) == expected.contains(pod))
            })
            .then_some(())
    })?;
    world.network.sync()
}

#[test]
fn backends_that_do_not_answer_tcp_or_udp_probes_get_no_connections() {
    tell(|| {
        let world = World::cluster(3, 1)?;
        for protocol in ["tcp", "udp"] {
            let mut servers = world.serve(BACKENDS)?;
            web(&world, protocol, &BACKENDS)?;
            check_health(&world)?;
            let served = |vip, expected: &[&str]| -> Result<()> {
                let from = world.pod("a1")?;
                let tally = match protocol {
                    "tcp" => ask::times(60, from, to(vip), PATIENCE),
                    _ => ask::times_by_udp(60, from, to(vip), PATIENCE),
                };
                assert_eq!(
                    (tally.backends(), tally.failures.len()),
                    (expected.to_vec(), 0),
                    "{protocol}"
                );
                Ok(())
            };
            served(VIP_V4, &BACKENDS)?;
            drop(servers.remove(3));
            drop(servers.remove(0));
            wait_for(&world, &BACKENDS[1..3])?;
            for (pod, status) in [("a2", "offline"), ("a3", "online"), ("b3", "offline")] {
                let port = format!("logical_port={pod}");
                let find = [
                    "--bare",
                    "--columns=status",
                    "find",
                    "Service_Monitor",
                    &port,
                ];
                let found = world.network.vsctl(&find)?;
                let expected = [status; 2];
                let found: Vec<_> = found.split_whitespace().collect();
                assert_eq!(found, expected, "{pod}, by both families");
            }
            served(VIP_V4, &BACKENDS[1..3])?;
            served(VIP_V6, &BACKENDS[1..3])?;
            let _again = world.serve(["a2", "b3"])?;
            wait_for(&world, &BACKENDS)?;
            served(VIP_V4, &BACKENDS)?;
            served(VIP_V6, &BACKENDS)?;
            world.change("lb-del web")?;
        }
        Ok(())
    });
}

#[test]
fn a_page_that_is_missing_makes_a_backend_unfit_for_http() {
    tell(|| {
        let world = World::cluster(3, 1)?;
        let _servers = world.serve(BACKENDS)?;
        web(&world, "tcp", &BACKENDS)?;
        check_health(&world)?;
        let checks = world.network.vsctl(&[
            "--bare",
            "--columns=_uuid",
            "find",
            "Load_Balancer_Health_Check",
        ])?;
        let ask_for = |path: &str| -> Result<()> {
            for check in checks.split_whitespace() {
                world.change(&format!(
                    "set Load_Balancer_Health_Check {check} options:http_path={path}"
                ))?;
            }
            Ok(())
        };
        ask_for("/missing")?;
        wait_for(&world, &[])?;
        let tally = ask::times(1, world.pod("b1")?, to(VIP_V4), tests::world::SILENCE);
        assert!(tally.answers.is_empty(), "{PORT}: {tally:?}");
        ask_for("/")?;
        wait_for(&world, &BACKENDS)?;
        let tally = ask::times(60, world.pod("b1")?, to(VIP_V4), PATIENCE);
        assert_eq!(
            (tally.backends(), tally.failures.len()),
            (BACKENDS.to_vec(), 0)
        );
        Ok(())
    });
}
