//! Stories of pods that talk: one switch, routers, routes, over either underlay.

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::time::Duration;

use anyhow::Result;
use ground::network::Underlay;
use ground::{link, probe};
use tests::craft::{self, Icmp, Udp};
use tests::story::tell;
use tests::world::{PATIENCE, SILENCE, World};

/// Addresses of the example's router and pods.
const CORE_BLUE_MAC: &str = "0a:00:00:00:01:01";
const BLUE_1_MAC: &str = "0a:00:00:00:01:0b";

/// Every pod that has a way reaches every other, by echo and TCP, in both families; red is on its own.
fn everyone_reaches_whom_they_should(world: &World) -> Result<()> {
    let joined = ["blue-1", "blue-2", "green-1", "green-2"];
    for from in joined {
        for to in joined.into_iter().filter(|to| *to != from) {
            let (sender, receiver) = (world.pod(from)?, world.pod(to)?);
            for address in [receiver.v4()?, receiver.v6()?] {
                world.must_reach(from, &address.to_string())?;
                probe::tcp_exchange(&sender.namespace, &receiver.namespace, address, PATIENCE)?;
            }
        }
    }
    world.must_not_reach("blue-1", "10.0.3.11")?;
    world.must_not_reach("red-1", "fd00:1::b")
}

#[test]
fn pods_reach_each_other_over_an_ipv4_underlay() {
    tell(|| everyone_reaches_whom_they_should(&World::example_on(Underlay::V4, 1)?));
}

#[test]
fn pods_reach_each_other_over_an_ipv6_underlay() {
    tell(|| everyone_reaches_whom_they_should(&World::example_on(Underlay::V6, 1)?));
}

#[test]
fn pods_reach_each_other_with_two_workers() {
    tell(|| everyone_reaches_whom_they_should(&World::example_on(Underlay::V4, 2)?));
}

#[test]
fn a_router_answers_echo_on_every_address_from_every_side() {
    tell(|| {
        let world = World::example()?;
        for address in ["10.0.1.1", "10.0.2.1", "fd00:1::1", "fd00:2::1"] {
            world.must_reach("blue-1", address)?;
            world.must_reach("green-2", address)?;
        }
        Ok(())
    });
}

#[test]
fn a_router_counts_down_the_ttl_and_says_when_it_ran_out() {
    tell(|| {
        let world = World::example()?;
        let (sender, receiver) = (world.frames("blue-1")?, world.frames("green-2")?);
        let families = [
            (("10.0.1.11", "10.0.2.12"), ("10.0.1.1", 11)),
            (("fd00:1::b", "fd00:2::c"), ("fd00:1::1", 3)),
        ];
        for (addresses, (router, kind)) in families {
            let mut datagram = Udp::new((BLUE_1_MAC, CORE_BLUE_MAC), addresses);
            datagram.ttl = 2;
            sender.send(&datagram.frame())?;
            let arrived = receiver.find(PATIENCE, |frame| craft::udp(frame).is_some())?;
            let (_, ttl, payload) = arrived
                .as_deref()
                .and_then(craft::udp)
                .expect("the datagram arrives");
            assert_eq!((ttl, payload), (1, datagram.payload.clone()));
            datagram.ttl = 1;
            sender.send(&datagram.frame())?;
            let error = Icmp {
                source: router.parse()?,
                kind,
                code: 0,
                rest: 0,
            };
            let said = sender.find(PATIENCE, |frame| craft::icmp(frame) == Some(error.clone()))?;
            assert!(said.is_some(), "{router} says that the TTL ran out");
            assert!(
                receiver
                    .find(SILENCE, |frame| craft::udp(frame).is_some())?
                    .is_none()
            );
        }
        Ok(())
    });
}

#[test]
fn static_routes_lead_to_addresses_behind_pods_and_discard_discards() {
    tell(|| {
        let world = World::example()?;
        let beyond = world.pod("green-1")?;
        beyond
            .namespace
            .run(|| link::add_address("lo", "192.168.5.1/32".parse().expect("a network")))?;
        world.change("lsp-set-port-security green-1")?;
        world.must_not_reach("blue-2", "192.168.5.1")?;
        world.change("lr-route-add core 192.168.5.0/24 10.0.2.11")?;
        world.must_reach("blue-2", "192.168.5.1")?;
        world.must_reach("blue-1", "192.168.5.1")?;
        // The longer prefix wins, and it discards.
        let before = world.drops("b", "route-discards")?;
        world.change("lr-route-add core 192.168.5.1/32 discard")?;
        world.must_not_reach("blue-2", "192.168.5.1")?;
        assert!(world.drops("b", "route-discards")? > before);
        world.change("lr-route-del core 192.168.5.1/32")?;
        world.must_reach("blue-2", "192.168.5.1")
    });
}

#[test]
fn equal_routes_share_the_flows_and_each_flow_keeps_its_way() {
    tell(|| {
        let world = World::example()?;
        let address = "192.168.5.1";
        for pod in ["green-1", "green-2"] {
            let shared = format!("{address}/32").parse()?;
            world
                .pod(pod)?
                .namespace
                .run(|| link::add_address("lo", shared))?;
            world.change(&format!("lsp-set-port-security {pod}"))?;
        }
        world.change("lr-route-add core 192.168.5.0/24 10.0.2.11")?;
        world.change("--ecmp lr-route-add core 192.168.5.0/24 10.0.2.12")?;
        let receivers = ["green-1", "green-2"].map(|pod| {
            let socket = world
                .pod(pod)
                .expect("the pod is there")
                .namespace
                .run(|| UdpSocket::bind((address, 7000)));
            let socket = socket.expect("the address is the pod's own");
            socket
                .set_read_timeout(Some(SILENCE))
                .expect("a timeout can be set");
            socket
        });
        let sender = world.pod("blue-1")?;
        for flow in 0u8..40 {
            let socket = sender.namespace.run(|| UdpSocket::bind(("0.0.0.0", 0)))?;
            (0..3).try_for_each(|_| socket.send_to(&[flow], (address, 7000)).map(drop))?;
        }
        let [first, second] = receivers.map(|socket| {
            let mut buffer = [0; 8];
            let arrivals = std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|_| buffer[0]));
            arrivals.collect::<Vec<_>>()
        });
        let sets: Vec<BTreeSet<_>> = [&first, &second].map(|seen| seen.iter().collect()).into();
        assert_eq!(first.len() + second.len(), 120, "every datagram arrives");
        assert!(
            sets.iter().all(|flows| !flows.is_empty()),
            "both next hops carry flows"
        );
        assert!(sets[0].is_disjoint(&sets[1]), "a flow keeps its next hop");
        Ok(())
    });
}

/// Two routers joined port to port, a switch on either side.
const TWO_ROUTERS: &str = r#"
for side in 1 2; do
    vsctl ls-add s$side -- lr-add r$side \
        -- lrp-add r$side r$side-s$side 0a:00:00:00:0$side:01 10.1.$side.1/24 fd10:$side::1/64 \
        -- lsp-add s$side s$side-r$side -- lsp-set-type s$side-r$side router \
        -- lsp-set-addresses s$side-r$side router -- lsp-set-options s$side-r$side router-port=r$side-s$side \
        -- lsp-add s$side p$side -- lsp-set-addresses p$side "0a:00:00:00:0$side:0b 10.1.$side.11 fd10:$side::b"
done
vsctl lrp-add r1 r1-r2 0a:00:00:00:03:01 172.16.0.1/30 fd10:3::1/64 peer=r2-r1 \
    -- lrp-add r2 r2-r1 0a:00:00:00:03:02 172.16.0.2/30 fd10:3::2/64 peer=r1-r2
vsctl lr-route-add r1 10.1.2.0/24 172.16.0.2 -- lr-route-add r1 fd10:2::/64 fd10:3::2
vsctl lr-route-add r2 0.0.0.0/0 172.16.0.1 -- lr-route-add r2 ::/0 fd10:3::1
"#;

#[test]
fn routers_joined_port_to_port_forward_between_nodes() {
    tell(|| {
        let mut world = World::empty(Underlay::V4, 1)?;
        world.network.script(TWO_ROUTERS)?;
        world.attach("a", "p1")?;
        world.attach("b", "p2")?;
        world.network.sync()?;
        for (from, to) in [
            ("p1", "10.1.2.11"),
            ("p2", "10.1.1.11"),
            ("p1", "fd10:2::b"),
            ("p2", "fd10:1::b"),
        ] {
            world.must_reach(from, to)?;
        }
        world.must_reach("p1", "172.16.0.2")
    });
}

#[test]
fn fragments_of_long_datagrams_arrive_and_are_whole_again() {
    tell(|| {
        let world = World::example()?;
        let payload: Vec<u8> = (0..6000u32)
            .map(|position| (position % 251) as u8)
            .collect();
        for (from, to) in [
            ("blue-1", "blue-2"),
            ("blue-1", "green-2"),
            ("green-2", "blue-1"),
            ("blue-1", "green-1"),
        ] {
            let (sender, receiver) = (world.pod(from)?, world.pod(to)?);
            for address in [receiver.v4()?, receiver.v6()?] {
                world.must_reach(from, &address.to_string())?;
                let arrived = probe::udp_arrives(
                    &sender.namespace,
                    &receiver.namespace,
                    address,
                    &payload,
                    PATIENCE,
                )?;
                assert!(arrived, "{from} to {to} by {address}");
            }
        }
        Ok(())
    });
}

#[test]
fn echo_requests_of_any_length_that_fits_come_back() {
    tell(|| {
        let world = World::example()?;
        let (from, to) = (world.pod("blue-1")?, world.pod("green-2")?.v4()?);
        world.must_reach("blue-1", &to.to_string())?;
        for length in [0, 1, 17, 18, 63, 64, 512, 1400, 1414] {
            let took = from
                .namespace
                .run(|| probe::echo(to, length, Duration::from_secs(3)))?;
            assert!(
                took.is_some(),
                "an echo request with {length} bytes is answered"
            );
        }
        Ok(())
    });
}
