//! Services without backends, and clients that are not wanted.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::Result;
use ground::network::Pod;
use ground::process::wait_until;
use tests::ask::{self, Asker};
use tests::story::tell;
use tests::world::{PATIENCE, SILENCE, World};

use crate::{BACKENDS, VIP_V4, VIP_V6, set, to, web};

/// What becomes of a connection.
fn by_tcp(from: &Pod, vip: &str, limit: Duration) -> Result<(), ErrorKind> {
    let asked = from.namespace.run(|| ask::once(to(vip), limit));
    asked.map(drop).map_err(|error| error.kind())
}

/// What becomes of a datagram.
fn by_udp(from: &Pod, vip: &str, limit: Duration) -> Result<(), ErrorKind> {
    let asked = from
        .namespace
        .run(|| Asker::open(to(vip).is_ipv4(), limit).and_then(|asker| asker.ask(to(vip))));
    asked.map(drop).map_err(|error| error.kind())
}

#[test]
fn clients_of_a_service_without_backends_are_told_so_if_it_is_wanted() {
    tell(|| {
        let world = World::cluster(1, 1)?;
        let from = world.pod("a1")?;
        for (protocol, try_it) in [
            ("tcp", by_tcp as fn(&Pod, &str, Duration) -> _),
            ("udp", by_udp),
        ] {
            // Without backends a VIP is nothing that `lb-add` takes.
            world.service(
                "web",
                protocol,
                &[(VIP_V4, "10.244.1.9:1"), (VIP_V6, "[fd00:244:1::9]:1")],
            )?;
            world.change(&format!(
                "set Load_Balancer web vips:\"{VIP_V4}\"=\"\" vips:\"{VIP_V6}\"=\"\""
            ))?;
            for vip in [VIP_V4, VIP_V6] {
                set(&world, "reject", "false")?;
                assert!(
                    try_it(from, vip, SILENCE).is_err_and(is_silent),
                    "{protocol} {vip} is dropped"
                );
                set(&world, "reject", "true")?;
                assert_eq!(
                    try_it(from, vip, PATIENCE),
                    Err(ErrorKind::ConnectionRefused),
                    "{protocol} {vip}"
                );
                set(&world, "empty_backends", "drop")?;
                assert!(
                    try_it(from, vip, SILENCE).is_err_and(is_silent),
                    "{protocol} {vip} is dropped"
                );
                world.change("remove Load_Balancer web options empty_backends")?;
            }
            assert!(
                world.drops("a", "no-backend")? > 0,
                "what is dropped is counted"
            );
            world.change("lb-del web")?;
        }
        Ok(())
    });
}

#[test]
fn a_service_without_backends_that_somebody_wants_is_told_of_until_it_has_one() {
    tell(|| {
        let world = World::cluster(1, 1)?;
        let from = world.pod("a1")?;
        world.service(
            "web",
            "tcp",
            &[(VIP_V4, "10.244.1.9:1"), (VIP_V6, "[fd00:244:1::9]:1")],
        )?;
        world.change(&format!("set Load_Balancer web vips:\"{VIP_V4}\"=\"\""))?;
        set(&world, "event", "true")?;
        let told = || {
            let columns = "--columns=chassis,event_type,event_info";
            world
                .network
                .vsctl(&["--bare", columns, "list", "Controller_Event"])
        };
        assert_eq!(told()?.trim(), "");
        assert!(by_tcp(from, VIP_V4, SILENCE).is_err_and(is_silent));
        let uuid = world
            .network
            .vsctl(&["get", "Load_Balancer", "web", "_uuid"])?;
        let expected = format!(
            "a\nempty_lb_backends\nload_balancer={} protocol=tcp vip={VIP_V4}",
            uuid.trim()
        );
        wait_until("an event", PATIENCE, || {
            told().ok().filter(|text| text.trim() == expected)
        })?;
        let refused = world
            .network
            .vsctl(&["--all", "destroy", "Controller_Event"]);
        assert!(refused.is_err(), "they are northd's");
        world.change(&format!(
            "set Load_Balancer web vips:\"{VIP_V4}\"=\"10.244.1.9:1\""
        ))?;
        assert_eq!(told()?.trim(), "", "it has a backend");
        world.change("remove Load_Balancer web options event")?;
        world.change("set NB_Global . options:controller_event=true")?;
        world.change(&format!("set Load_Balancer web vips:\"{VIP_V4}\"=\"\""))?;
        // A VIP is told of once a second: clients ask again.
        wait_until("an event", PATIENCE, || {
            assert!(by_tcp(from, VIP_V4, SILENCE).is_err_and(is_silent));
            told().ok().filter(|text| text.trim() == expected)
        })?;
        Ok(())
    });
}

/// Nothing was heard: TCP and UDP call it differently.
fn is_silent(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::TimedOut | ErrorKind::WouldBlock)
}

#[test]
fn only_clients_in_the_source_ranges_are_served() {
    tell(|| {
        let world = World::cluster(3, 1)?;
        let _servers = world.serve(BACKENDS)?;
        web(&world, "tcp", &BACKENDS)?;
        set(&world, "source_ranges", "10.244.1.0/24,fd00:244:2::/64")?;
        for (client, vip, is_served) in [
            ("a1", VIP_V4, true),
            ("a1", VIP_V6, false),
            ("b1", VIP_V4, false),
            ("b1", VIP_V6, true),
        ] {
            let limit = if is_served { PATIENCE } else { SILENCE };
            let outcome = by_tcp(world.pod(client)?, vip, limit);
            assert_eq!(outcome.is_ok(), is_served, "{client} {vip}: {outcome:?}");
        }
        assert!(world.drops("a", "source-range")? > 0);
        assert!(world.drops("b", "source-range")? > 0);
        Ok(())
    });
}
