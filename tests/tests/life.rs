//! Stories of a system whose parts come and go: restarts, crashes, moves, partitions.

use std::time::Duration;

use anyhow::Result;
use ground::link;
use ground::namespace::Namespace;
use ground::probe;
use ground::process::wait_until;
use tests::story::tell;
use tests::world::{SILENCE, World};

/// How long the system may take to find its way back after a crash.
const RECOVERY: Duration = Duration::from_secs(30);

fn wait_for_up(world: &World, port: &str, expected: &str) -> Result<()> {
    wait_until(&format!("{port} is {expected}"), RECOVERY, || {
        let shown = world.network.vsctl(&["lsp-get-up", port]).ok()?;
        (shown.trim() == expected).then_some(())
    })
}

#[test]
fn nodes_forward_without_northd_and_say_that_it_is_away() {
    tell(|| {
        let mut world = World::example()?;
        world.network.take_northd()?.kill();
        world.must_reach("blue-1", "10.0.2.12")?;
        wait_until("node a says that northd is away", RECOVERY, || {
            let shown = world.network.node_vsctl("a", &["node", "show"]).ok()?;
            (!shown.contains("southbound: connected") && shown.contains("connect")).then_some(())
        })?;
        world.network.start_northd()?;
        world.network.vsctl(&[
            "--timeout=30",
            "--wait=hv",
            "lsp-set-enabled",
            "blue-2",
            "disabled",
        ])?;
        world.must_not_reach("blue-1", "10.0.1.12")
    });
}

#[test]
fn a_crashed_vswitch_forwards_again_while_northd_is_away() {
    tell(|| {
        let mut world = World::example()?;
        world.network.take_northd()?.kill();
        world.network.take_vswitch("a")?.kill();
        world.must_not_reach("blue-1", "10.0.2.12")?;
        world.network.start_vswitch("a", &[])?;
        world.must_reach("blue-1", "10.0.2.12")?;
        world.must_reach("blue-2", "fd00:1::b")?;
        world.network.start_northd()?;
        world.network.sync()?;
        world.must_reach("green-2", "10.0.1.11")
    });
}

#[test]
fn a_stopped_vswitch_leaves_interfaces_in_place_and_takes_them_up_again() {
    tell(|| {
        let mut world = World::example()?;
        let before = world.pod("blue-1")?.addresses()?;
        let status = world.network.take_vswitch("a")?.terminate()?;
        assert!(status.success(), "a vswitch stops cleanly: {status}");
        assert_eq!(
            world.pod("blue-1")?.addresses()?,
            before,
            "the pod keeps its addresses"
        );
        world.network.start_vswitch("a", &[])?;
        world.must_reach("blue-1", "10.0.2.12")
    });
}

#[test]
fn a_vswitch_takes_up_its_interfaces_with_another_backend() {
    tell(|| {
        let mut world = World::example()?;
        for backend in ["basic", "multiqueue"] {
            let before = world.pod("blue-1")?.addresses()?;
            world.network.take_vswitch("a")?.terminate()?;
            world.network.start_vswitch("a", &["--tap", backend])?;
            assert_eq!(world.pod("blue-1")?.addresses()?, before, "{backend}");
            world.must_reach("blue-1", "10.0.2.12")?;
            world.must_reach("blue-2", "fd00:1::b")?;
        }
        Ok(())
    });
}

#[test]
fn a_stopped_northd_starts_again_with_all_it_knew() {
    tell(|| {
        let mut world = World::example()?;
        let before = world.network.vsctl(&["show"])?;
        let keys = world.network.vsctl(&["flow-list"])?;
        let status = world.network.take_northd()?.terminate()?;
        assert!(status.success(), "northd stops cleanly: {status}");
        world.network.start_northd()?;
        assert_eq!(world.network.vsctl(&["show"])?, before);
        assert_eq!(
            world.network.vsctl(&["flow-list"])?,
            keys,
            "tunnel keys and tables are what they were"
        );
        world.network.sync()?;
        world.must_reach("blue-1", "10.0.2.12")
    });
}

#[test]
fn ports_of_a_lost_node_go_down_and_come_back_with_it() {
    tell(|| {
        let mut world = World::example()?;
        wait_for_up(&world, "blue-2", "up")?;
        world.network.take_vswitch("b")?.kill();
        wait_for_up(&world, "blue-2", "down")?;
        wait_for_up(&world, "blue-1", "up")?;
        world.network.start_vswitch("b", &[])?;
        wait_for_up(&world, "blue-2", "up")?;
        world.must_reach("blue-1", "10.0.1.12")
    });
}

#[test]
fn a_node_cut_off_from_the_underlay_comes_back_by_itself() {
    tell(|| {
        let world = World::example()?;
        link::down("b")?;
        world.must_not_reach("blue-1", "10.0.1.12")?;
        wait_for_up(&world, "blue-2", "down")?;
        link::up("b")?;
        wait_for_up(&world, "blue-2", "up")?;
        world.must_reach("blue-1", "10.0.1.12")
    });
}

#[test]
fn a_port_that_moves_takes_its_traffic_along() {
    tell(|| {
        let mut world = World::example()?;
        world.must_reach("green-2", "10.0.1.11")?;
        let old = world.pods.remove("blue-1").expect("the pod is there");
        let namespace = Namespace::new("blue-1-moved")?;
        let moved = world.network.attach_to("b", "blue-1", namespace, &[])?;
        world.pods.insert("blue-1".to_owned(), moved);
        world.network.sync()?;
        world.must_reach("green-2", "10.0.1.11")?;
        world.must_reach("green-1", "10.0.1.11")?;
        let to = "10.0.2.12".parse()?;
        let still_reaches = old.namespace.run(|| probe::reaches(to, SILENCE))?;
        assert!(!still_reaches, "the node that it left carries it no more");
        Ok(())
    });
}

#[test]
fn a_detached_port_is_down_and_its_interface_gone() {
    tell(|| {
        let world = World::example()?;
        world.network.node_vsctl("a", &["detach", "blue-1"])?;
        wait_for_up(&world, "blue-1", "down")?;
        let pod = world.pod("blue-1")?;
        let is_gone = || {
            pod.namespace
                .run(|| link::mtu(&pod.interface))
                .is_err()
                .then_some(())
        };
        wait_until("the interface is gone", RECOVERY, is_gone)?;
        world.must_not_reach("green-2", "10.0.1.11")
    });
}

#[test]
fn waiting_for_the_nodes_means_that_the_next_packet_obeys() {
    tell(|| {
        let world = World::example()?;
        world.must_reach("blue-1", "10.0.2.12")?;
        let (from, to) = (world.pod("blue-1")?, "10.0.2.12".parse()?);
        let answered = |limit| from.namespace.run(|| probe::echo(to, 32, limit));
        for _ in 0..15 {
            world.change("lsp-set-enabled green-2 disabled")?;
            assert!(
                answered(Duration::from_millis(150))?.is_none(),
                "disabled means disabled"
            );
            world.change("lsp-set-enabled green-2 enabled")?;
            assert!(
                answered(Duration::from_secs(3))?.is_some(),
                "enabled means enabled"
            );
        }
        Ok(())
    });
}

#[test]
fn a_deleted_network_carries_nothing_and_can_be_built_again() {
    tell(|| {
        let world = World::example()?;
        world.must_reach("blue-1", "10.0.2.12")?;
        world.change("lr-del core")?;
        world.must_not_reach("blue-1", "10.0.2.12")?;
        world.must_reach("blue-1", "10.0.1.12")?;
        world.change("lr-add core")?;
        world.change("lrp-add core core-blue 0a:00:00:00:01:01 10.0.1.1/24 fd00:1::1/64")?;
        world.change("lrp-add core core-green 0a:00:00:00:02:01 10.0.2.1/24 fd00:2::1/64")?;
        world.must_reach("blue-1", "10.0.2.12")
    });
}

#[test]
fn a_node_that_was_away_learns_what_changed_meanwhile() {
    tell(|| {
        let mut world = World::example()?;
        world.network.take_vswitch("b")?.kill();
        world
            .network
            .vsctl(&["lsp-set-enabled", "green-2", "disabled"])?;
        world.network.start_vswitch("b", &[])?;
        world.network.sync()?;
        world.must_reach("blue-1", "10.0.1.12")?;
        world.must_not_reach("blue-1", "10.0.2.12")
    });
}

#[test]
fn a_pod_whose_interface_is_deleted_is_released_and_can_be_attached_again() {
    tell(|| {
        let mut world = World::example()?;
        wait_for_up(&world, "blue-1", "up")?;
        let pod = world.pods.remove("blue-1").expect("a pod");
        let mut delete = std::process::Command::new("ip");
        let deleted = pod.namespace.output(delete.args(["link", "del", "eth0"]))?;
        assert!(deleted.status.success(), "{deleted:?}");
        wait_for_up(&world, "blue-1", "down")?;
        let shown = world.network.node_vsctl("a", &["node", "ports"])?;
        assert!(shown.contains("interface eth0 is gone"), "{shown}");
        let pod = world.network.attach_to("a", "blue-1", pod.namespace, &[])?;
        world.pods.insert(pod.port.clone(), pod);
        world.must_reach("blue-1", "10.0.2.12")
    });
}
