//! Services that know where they are asked: backends on the client's node or in its zone, and templates.

use anyhow::Result;
use tests::ask;
use tests::cluster::backends;
use tests::story::tell;
use tests::world::{PATIENCE, SILENCE, World};

use crate::{BACKENDS, VIP_V4, VIP_V6, change, set, to, web};

/// Who serves a client of each node, by both families.
fn assert_served(world: &World, expected: [(&str, &[&str]); 2]) -> Result<()> {
    for (client, expected) in expected {
        for vip in [VIP_V4, VIP_V6] {
            let limit = if expected.is_empty() {
                SILENCE
            } else {
                PATIENCE
            };
            let count = if expected.is_empty() { 1 } else { 24 };
            let tally = ask::times(count, world.pod(client)?, to(vip), limit);
            assert_eq!(tally.backends(), expected, "{client} {vip} {tally:?}");
            assert_eq!(tally.failures.is_empty(), !expected.is_empty(), "{tally:?}");
        }
    }
    Ok(())
}

#[test]
fn traffic_stays_on_the_node_or_in_the_zone_where_that_is_asked_for() {
    tell(|| {
        let world = World::cluster(3, 1)?;
        let _servers = world.serve(BACKENDS)?;
        web(&world, "tcp", &BACKENDS)?;
        let (on_a, on_b) = (&BACKENDS[..2], &BACKENDS[2..]);
        for policy in ["local", "prefer-local"] {
            set(&world, "traffic_policy", policy)?;
            assert_served(&world, [("a1", on_a), ("b1", on_b)])?;
        }
        // Where there is none near, others do, or nobody.
        change(&world, "tcp", on_b)?;
        assert_served(&world, [("a1", on_b), ("b1", on_b)])?;
        set(&world, "traffic_policy", "local")?;
        assert_served(&world, [("a1", &[]), ("b1", on_b)])?;

        set(&world, "traffic_policy", "prefer-zone")?;
        for (node, zone) in [("a", "east"), ("b", "west")] {
            world.change(&format!(
                "create Chassis_Template_Var chassis={node} variables:zone={zone}"
            ))?;
        }
        change(&world, "tcp", &BACKENDS)?;
        assert_served(&world, [("a1", on_a), ("b1", on_b)])?;
        let zones = backends(["a3"], true) + "=west," + &backends(["a3"], false) + "=west";
        set(&world, "backend_zones", &zones)?;
        assert_served(&world, [("a1", &["a2"]), ("b1", &["a3", "b2", "b3"])])?;
        change(&world, "tcp", on_b)?;
        assert_served(&world, [("a1", on_b), ("b1", on_b)])
    });
}

#[test]
fn a_template_is_another_service_on_each_node() {
    tell(|| {
        let world = World::cluster(3, 1)?;
        let _servers = world.serve(BACKENDS)?;
        for (node, address, pods) in [
            ("a", "192.0.2.101", &BACKENDS[..2]),
            ("b", "192.0.2.102", &BACKENDS[2..]),
        ] {
            let backends = backends(pods.iter().copied(), true);
            world.change(&format!(
                "create Chassis_Template_Var chassis={node} variables:NODE_IP={address} variables:NEAR=\"{backends}\""
            ))?;
        }
        world.change(
            "-- --id=@lb create Load_Balancer name=nodeport protocol=tcp \
             options:template=true options:address-family=ipv4 vips:\"^NODE_IP:30080\"=\"^NEAR\" \
             -- add Load_Balancer_Group services load_balancer @lb",
        )?;
        for (client, own, other, near) in [
            (
                "a1",
                "192.0.2.101:30080",
                "192.0.2.102:30080",
                &BACKENDS[..2],
            ),
            (
                "b1",
                "192.0.2.102:30080",
                "192.0.2.101:30080",
                &BACKENDS[2..],
            ),
        ] {
            let from = world.pod(client)?;
            let tally = ask::times(24, from, to(own), PATIENCE);
            assert_eq!((tally.backends(), tally.failures.len()), (near.to_vec(), 0));
            let tally = ask::times(1, from, to(other), SILENCE);
            assert!(tally.answers.is_empty(), "{other} is not here: {tally:?}");
        }
        // A variable that changes changes the service.
        let far = backends(["b3"], true);
        world.change(&format!(
            "set Chassis_Template_Var a variables:NEAR=\"{far}\""
        ))?;
        let tally = ask::times(12, world.pod("a1")?, to("192.0.2.101:30080"), PATIENCE);
        assert_eq!((tally.backends(), tally.failures.len()), (vec!["b3"], 0));
        Ok(())
    });
}
