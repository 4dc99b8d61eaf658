//! Stories of ports that are not plain: guarded, unknown, nested, local, pinned to a node.

use std::net::IpAddr;
use std::path::Path;
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};
use ground::link;
use ground::namespace::Namespace;
use ground::network::Underlay;
use ground::process::{Daemon, wait_until};
use ground::sandbox::SCRATCH;
use tests::craft::{self, Udp};
use tests::skip::has_program;
use tests::story::tell;
use tests::world::{PATIENCE, SILENCE, World};

const BLUE_1: (&str, &str) = ("0a:00:00:00:01:0b", "10.0.1.11");
const BLUE_2: (&str, &str) = ("0a:00:00:00:01:0c", "10.0.1.12");

#[test]
fn port_security_stops_foreign_addresses_and_counts_them() {
    tell(|| {
        let world = World::example()?;
        let (sender, receiver) = (world.frames("blue-1")?, world.frames("blue-2")?);
        let check = |mac: &str, ip: &str, reason: Option<&str>| -> Result<()> {
            let before = reason.map(|reason| world.drops("a", reason)).transpose()?;
            let datagram = Udp::new((mac, BLUE_2.0), (ip, BLUE_2.1));
            sender.send(&datagram.frame())?;
            let wanted =
                |frame: &[u8]| craft::udp(frame).is_some_and(|(from, ..)| from == datagram.ip.0);
            let limit = if reason.is_some() { SILENCE } else { PATIENCE };
            let arrived = receiver.find(limit, wanted)?.is_some();
            assert_eq!(arrived, reason.is_none(), "{mac} {ip}");
            if let Some(reason) = reason {
                assert_eq!(
                    Some(world.drops("a", reason)?),
                    before.map(|count| count + 1),
                    "{reason}"
                );
            }
            Ok(())
        };
        check(BLUE_1.0, BLUE_1.1, None)?;
        check(
            "0a:00:00:00:01:99",
            BLUE_1.1,
            Some("port-security-ethernet"),
        )?;
        check(BLUE_1.0, "10.0.1.99", Some("port-security-ip"))?;
        world.change("lsp-set-port-security blue-1")?;
        check("0a:00:00:00:01:99", "10.0.1.99", None)
    });
}

#[test]
fn a_station_behind_an_unknown_port_is_found_and_then_no_longer_flooded() {
    tell(|| {
        let mut world = World::example()?;
        for port in ["guest", "other"] {
            world.change(&format!(
                "lsp-add blue {port} -- lsp-set-addresses {port} unknown"
            ))?;
            let namespace = Namespace::new(port)?;
            let pod = world.network.attach_to("b", port, namespace, &["--bare"])?;
            world.pods.insert(port.to_owned(), pod);
        }
        let guest = world.pod("guest")?;
        guest
            .namespace
            .run(|| link::add_address("eth0", "10.0.1.50/24".parse().expect("a network")))?;
        world.must_reach("blue-1", "10.0.1.50")?;
        world.must_reach("blue-2", "10.0.1.50")?;
        // Now that the station is known, its frames go to it alone.
        let (sender, bystander, guest) = (
            world.frames("blue-1")?,
            world.frames("other")?,
            world.frames("guest")?,
        );
        let to = guest.mac().map(|byte| format!("{byte:02x}")).join(":");
        sender.send(&Udp::new((BLUE_1.0, &to), (BLUE_1.1, "10.0.1.50")).frame())?;
        assert!(
            guest
                .find(PATIENCE, |frame| craft::udp(frame).is_some())?
                .is_some()
        );
        assert!(
            bystander
                .find(SILENCE, |frame| craft::udp(frame).is_some())?
                .is_none()
        );
        // A frame for nobody goes to all unknown ports.
        sender.send(&Udp::new((BLUE_1.0, "0a:00:00:00:77:77"), (BLUE_1.1, "10.0.1.77")).frame())?;
        for receiver in [&guest, &bystander] {
            assert!(
                receiver
                    .find(PATIENCE, |frame| craft::udp(frame).is_some())?
                    .is_some()
            );
        }
        Ok(())
    });
}

#[test]
fn frames_of_a_nested_port_travel_tagged_through_their_parent() {
    tell(|| {
        let test = "frames_of_a_nested_port_travel_tagged_through_their_parent";
        if !has_program(test, "tshark", "tshark") {
            return Ok(());
        }
        let world = World::example()?;
        let child = ("0a:00:00:00:01:20", "10.0.1.32");
        world
            .network
            .vsctl(&["lsp-add", "blue", "nested", "green-1", "30"])?;
        world.network.vsctl(&[
            "--wait=hv",
            "lsp-set-addresses",
            "nested",
            &format!("{} {}", child.0, child.1),
        ])?;
        wait_until("the nested port is up", PATIENCE, || {
            world
                .network
                .vsctl(&["lsp-get-up", "nested"])
                .is_ok_and(|up| up.trim() == "up")
                .then_some(())
        })?;
        let (parent, peer) = (world.frames("green-1")?, world.frames("blue-2")?);
        let mut datagram = Udp::new((child.0, BLUE_2.0), (child.1, BLUE_2.1));
        datagram.vlan = Some(30);
        parent.send(&datagram.frame())?;
        let arrived = peer
            .find(PATIENCE, |frame| craft::udp(frame).is_some())?
            .context("the nested port is heard")?;
        assert_eq!(arrived[12..14], [0x08, 0x00], "the tag stays behind");
        let capture = Capture::start(&world, "green-1")?;
        peer.send(&Udp::new((BLUE_2.0, child.0), (BLUE_2.1, child.1)).frame())?;
        let line = capture.line_with("\t10.0.1.12\t5000")?;
        assert!(line.starts_with("30\t"), "{line}");
        Ok(())
    });
}

/// A tshark on a pod's interface, which shows the tags that raw sockets hide.
struct Capture(Daemon);

impl Capture {
    fn start(world: &World, port: &str) -> Result<Self> {
        let pod = world.pod(port)?;
        let log = Path::new(SCRATCH).join(format!("{port}.tshark"));
        let mut command = Command::new("tshark");
        command.args([
            "-l",
            "-n",
            "-i",
            &pod.interface,
            "-Y",
            "udp",
            "-T",
            "fields",
        ]);
        command
            .args(["-e", "vlan.id", "-e", "ip.src", "-e", "udp.dstport"])
            .env("TMPDIR", SCRATCH);
        let mut daemon = Daemon::start("tshark", &pod.namespace, &mut command, log)?;
        daemon.wait_for_line(PATIENCE, |line| line.contains("Capture started"))?;
        Ok(Self(daemon))
    }

    fn line_with(mut self, text: &str) -> Result<String> {
        self.0.wait_for_line(PATIENCE, |line| line.contains(text))
    }
}

#[test]
fn a_localport_is_on_every_node_and_never_crosses_between_them() {
    tell(|| {
        let mut world = World::example()?;
        world.network.vsctl(&[
            "lsp-add",
            "blue",
            "metadata",
            "--",
            "lsp-set-type",
            "metadata",
            "localport",
        ])?;
        world.change("lsp-set-addresses metadata")?;
        world.network.vsctl(&[
            "--wait=hv",
            "lsp-set-addresses",
            "metadata",
            "0a:00:00:00:01:fe 10.0.1.254",
        ])?;
        for node in ["a", "b"] {
            let namespace = Namespace::new(&format!("metadata-{node}"))?;
            let pod = world.network.attach_to(node, "metadata", namespace, &[])?;
            world.pods.insert(format!("metadata-{node}"), pod);
        }
        let (on_a, on_b) = (world.frames("metadata-a")?, world.frames("metadata-b")?);
        world.must_reach("blue-1", "10.0.1.254")?;
        let asker = IpAddr::from_str(BLUE_1.1)?;
        let is_echo = |frame: &[u8]| craft::icmp(frame).is_some_and(|icmp| icmp.source == asker);
        assert!(
            on_a.find(PATIENCE, is_echo)?.is_some(),
            "the node's own instance answers"
        );
        assert!(
            on_b.find(SILENCE, is_echo)?.is_none(),
            "the other node's hears nothing"
        );
        world.must_reach("blue-2", "10.0.1.254")?;
        let asker = IpAddr::from_str(BLUE_2.1)?;
        let is_echo = |frame: &[u8]| craft::icmp(frame).is_some_and(|icmp| icmp.source == asker);
        assert!(on_b.find(PATIENCE, is_echo)?.is_some());
        world.must_not_reach("metadata-a", BLUE_2.1)
    });
}

#[test]
fn a_localport_alone_on_a_node_is_attached_and_meets_what_comes_later() {
    tell(|| {
        let mut world = World::empty(Underlay::V4, 1)?;
        world.network.vsctl(&["ls-add", "s"])?;
        for (port, address) in [
            ("metadata", "0a:00:00:00:09:fe 10.9.0.254"),
            ("later", "0a:00:00:00:09:01 10.9.0.1"),
        ] {
            world.network.vsctl(&["lsp-add", "s", port])?;
            world.network.vsctl(&["lsp-set-addresses", port, address])?;
        }
        world.change("lsp-set-type metadata localport")?;
        world.attach("a", "metadata")?;
        world.attach("a", "later")?;
        world.must_reach("later", "10.9.0.254")
    });
}

#[test]
fn a_port_asked_for_one_node_is_bound_by_no_other() {
    tell(|| {
        let mut world = World::example()?;
        world.network.vsctl(&["lsp-add", "blue", "pinned"])?;
        world
            .network
            .vsctl(&["lsp-set-addresses", "pinned", "0a:00:00:00:01:21 10.0.1.33"])?;
        world.change("lsp-set-options pinned requested-chassis=b")?;
        let wrong = Namespace::new("pinned-wrong")?;
        let refused = world.network.node_vsctl(
            "a",
            &[
                "--timeout",
                "2",
                "attach",
                "pinned",
                "--netns",
                wrong.name(),
                "--ifname",
                "eth0",
            ],
        );
        assert!(refused.is_err(), "node a may not bind it");
        assert_eq!(
            world.network.vsctl(&["lsp-get-up", "pinned"])?.trim(),
            "down"
        );
        world.attach("b", "pinned")?;
        wait_until("pinned is up", PATIENCE, || {
            let up = world.network.vsctl(&["lsp-get-up", "pinned"]).ok()?;
            (up.trim() == "up").then_some(())
        })?;
        world.must_reach("blue-1", "10.0.1.33")
    });
}

#[test]
fn a_broadcast_reaches_every_port_of_the_switch_once_and_no_other() {
    tell(|| {
        let mut world = World::empty(Underlay::V4, 1)?;
        world.network.vsctl(&["ls-add", "s"])?;
        for (port, node) in [("p1", "a"), ("p2", "a"), ("p3", "b"), ("p4", "b")] {
            world.network.vsctl(&["lsp-add", "s", port])?;
            let number = &port[1..];
            let address = format!("0a:00:00:00:09:0{number} 10.9.0.{number}");
            world
                .network
                .vsctl(&["lsp-set-addresses", port, &address])?;
            world.attach(node, port)?;
        }
        world.network.sync()?;
        let sender = world.frames("p1")?;
        let receivers = ["p2", "p3", "p4"].map(|port| world.frames(port));
        let frame = Udp::new(
            ("0a:00:00:00:09:01", "ff:ff:ff:ff:ff:ff"),
            ("10.9.0.1", "255.255.255.255"),
        )
        .frame();
        sender.send(&frame)?;
        for receiver in receivers {
            let copies = receiver?.collect(Duration::from_secs(1), |seen| seen == frame)?;
            assert_eq!(copies.len(), 1);
        }
        assert!(
            sender.find(SILENCE, |seen| seen == frame)?.is_none(),
            "the sender does not hear itself"
        );
        Ok(())
    });
}

#[test]
fn every_injected_frame_is_accounted_for() {
    tell(|| {
        let world = World::example()?;
        let sender = world.frames("blue-1")?;
        let mut seeded = tests::random::Seeded::new(1);
        let before = Totals::of(&world)?;
        // The interface's queue holds a thousand frames: whoever sends more at once loses some before weft.
        for batch in 1..=20 {
            for _ in 0..500 {
                sender.send(&random_frame(&mut seeded))?;
            }
            wait_until("all frames are received", Duration::from_secs(30), || {
                let now = Totals::of(&world).ok()?;
                (now.received >= before.received + batch * 500 && now.is_balanced()).then_some(())
            })?;
        }
        world.must_reach("blue-1", "10.0.2.12")
    });
}

/// Noise behind a header that gets it past the first checks, mostly.
fn random_frame(seeded: &mut tests::random::Seeded) -> Vec<u8> {
    let mut frame = if seeded.percent(70) {
        Udp::new((BLUE_1.0, "0a:00:00:00:01:01"), (BLUE_1.1, "10.0.2.12")).frame()
    } else {
        vec![0; seeded.within(14..200)]
    };
    for _ in 0..seeded.within(0..6) {
        let position = seeded.within(0..frame.len());
        frame[position] = seeded.number() as u8;
    }
    if seeded.percent(20) {
        frame.truncate(seeded.within(14..frame.len() + 1));
    }
    frame
}

/// The sums over a node's workers.
struct Totals {
    received: u64,
    /// Copies, and what the network made itself.
    made: u64,
    ended: u64,
}

impl Totals {
    fn of(world: &World) -> Result<Self> {
        let listing = world.network.node_vsctl("a", &["node", "stats"])?;
        let (mut received, mut made, mut ended) = (0, 0, 0);
        let mut names: Vec<String> = Vec::new();
        for line in listing.lines() {
            let words: Vec<_> = line.split_whitespace().map(str::to_lowercase).collect();
            if words.first().is_some_and(|word| word == "worker") {
                names = words;
            } else if let Some(numbers) = words
                .iter()
                .map(|word| word.parse().ok())
                .collect::<Option<Vec<u64>>>()
            {
                for (name, number) in names.iter().zip(numbers) {
                    match name.as_str() {
                        "received" => received += number,
                        "copied" | "originated" => made += number,
                        "sent" | "answered" | "dropped" | "held" => ended += number,
                        _ => {}
                    }
                }
            }
        }
        Ok(Self {
            received,
            made,
            ended,
        })
    }

    fn is_balanced(&self) -> bool {
        self.received + self.made == self.ended
    }
}
