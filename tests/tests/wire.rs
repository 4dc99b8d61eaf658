//! Stories of the tunnel: how it looks on the underlay, and what does not fit into it.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ground::frames::Frames;
use ground::network::{UNDERLAY_INTERFACE, Underlay};
use ground::process::{Daemon, wait_until};
use ground::{link, sandbox};
use tests::craft::{self, Icmp, Udp};
use tests::skip::has_program;
use tests::story::tell;
use tests::world::{PATIENCE, SILENCE, World};

const BLUE_1_MAC: &str = "0a:00:00:00:01:0b";
const BLUE_2_MAC: &str = "0a:00:00:00:01:0c";
const CORE_BLUE_MAC: &str = "0a:00:00:00:01:01";

/// Decodes one tunnelled echo request with tshark and returns the fields asked for, one packet a line.
fn decoded(world: &World, fields: &[&str]) -> Result<String> {
    let node = world.network.node("a")?;
    let file = Path::new(sandbox::SCRATCH).join("underlay.pcap");
    let log = Path::new(sandbox::SCRATCH).join("underlay.log");
    let mut command = Command::new("dumpcap");
    command
        .args(["-i", UNDERLAY_INTERFACE, "-f", "udp port 6081", "-w"])
        .arg(&file);
    let mut capture = Daemon::start("dumpcap", &node.namespace, &mut command, log)?;
    capture.wait_for_line(PATIENCE, |line| line.starts_with("File:"))?;
    world.must_reach("blue-1", "10.0.1.12")?;
    // Captured packets reach the file a moment later; its header alone is shorter than this.
    let has_packets = || {
        std::fs::metadata(&file)
            .is_ok_and(|file| file.len() > 600)
            .then_some(())
    };
    wait_until("packets are in the capture file", PATIENCE, has_packets)?;
    capture.terminate()?;
    let mut tshark = Command::new("tshark");
    tshark
        .arg("-r")
        .arg(&file)
        .args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=f"]);
    tshark.args(["-Y", "icmp.type == 8"]);
    tshark.args(fields.iter().flat_map(|field| ["-e", field]));
    let output = tshark.output().context("cannot start tshark")?;
    ensure!(
        output.status.success(),
        "tshark: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).context("tshark prints something that is not text")
}

fn tunnels_are_geneve_as_ovn_writes_it(underlay: Underlay, test: &str) -> Result<()> {
    if !has_program(test, "tshark", "tshark") {
        return Ok(());
    }
    let world = World::example_on(underlay, 1)?;
    let fields = [
        "geneve.version",
        "geneve.flags.critical",
        "geneve.option.class",
        "geneve.option.type",
        "geneve.option.length",
    ];
    let lines = decoded(&world, &fields)?;
    let first = lines
        .lines()
        .next()
        .context("an echo request went through the tunnel")?;
    assert_eq!(
        first.to_lowercase().replace("true", "1"),
        "0|1|0x0102|0x80|8",
        "{lines}"
    );
    let keys = decoded(&world, &["geneve.vni", "geneve.options"])?;
    let (vni, options) = keys
        .lines()
        .next()
        .and_then(|line| line.split_once('|'))
        .context("tshark prints the keys")?;
    let number = |text: &str| u32::from_str_radix(text.trim_start_matches("0x"), 16);
    assert!(number(vni)? > 0);
    let (_, data) = options
        .trim()
        .split_at_checked(8)
        .context("the option has data after its header")?;
    // One bit zero, fifteen bits of the port it came in by, sixteen of the port it goes out by.
    let ports = number(data)?;
    let (inport, outport) = (ports >> 16, ports & 0xffff);
    assert!(
        inport > 0 && inport < 0x8000 && outport > 0 && outport < 0x8000 && inport != outport,
        "{data}"
    );
    Ok(())
}

#[test]
fn tunnels_over_ipv4_are_geneve_as_ovn_writes_it() {
    tell(|| {
        tunnels_are_geneve_as_ovn_writes_it(
            Underlay::V4,
            "tunnels_over_ipv4_are_geneve_as_ovn_writes_it",
        )
    });
}

#[test]
fn tunnels_over_ipv6_are_geneve_as_ovn_writes_it() {
    tell(|| {
        tunnels_are_geneve_as_ovn_writes_it(
            Underlay::V6,
            "tunnels_over_ipv6_are_geneve_as_ovn_writes_it",
        )
    });
}

#[test]
fn packets_between_pods_of_one_node_never_enter_a_tunnel() {
    tell(|| {
        let world = World::example()?;
        world.must_reach("blue-1", "10.0.2.11")?;
        let underlay = Frames::open(&world.network.node("b")?.namespace, UNDERLAY_INTERFACE)?;
        let datagram = Udp::new((BLUE_1_MAC, CORE_BLUE_MAC), ("10.0.1.11", "10.0.2.11"));
        let receiver = world.frames("green-1")?;
        world.frames("blue-1")?.send(&datagram.frame())?;
        assert!(
            receiver
                .find(PATIENCE, |frame| craft::udp(frame).is_some())?
                .is_some()
        );
        // Other traffic, such as what pods send to all, may be in the tunnel; this datagram is not.
        let holds_it = |frame: &[u8]| {
            frame
                .windows(datagram.payload.len())
                .any(|part| part == datagram.payload)
        };
        assert!(underlay.find(SILENCE, holds_it)?.is_none());
        Ok(())
    });
}

#[test]
fn what_does_not_fit_into_the_tunnel_is_answered_with_the_mtu_that_does() {
    tell(|| {
        let world = World::example()?;
        let pod = world.pod("blue-1")?;
        let mtu = 1500 - 58;
        pod.namespace.run(|| link::set_mtu(&pod.interface, 1500))?;
        let sender = world.frames("blue-1")?;
        let cases = [
            (("10.0.1.11", "10.0.2.12"), CORE_BLUE_MAC, 3, 4),
            (("10.0.1.11", "10.0.1.12"), BLUE_2_MAC, 3, 4),
            (("fd00:1::b", "fd00:2::c"), CORE_BLUE_MAC, 2, 0),
            (("fd00:1::b", "fd00:1::c"), BLUE_2_MAC, 2, 0),
        ];
        for (addresses, mac, kind, code) in cases {
            world.must_reach("blue-1", addresses.1)?;
            let mut datagram = Udp::new((BLUE_1_MAC, mac), addresses);
            let header = if addresses.0.contains(':') { 48 } else { 28 };
            datagram.payload = vec![0x55; mtu + 1 - header];
            sender.send(&datagram.frame())?;
            let is_answer = |frame: &[u8]| {
                craft::icmp(frame).is_some_and(|error| (error.kind, error.code) == (kind, code))
            };
            let answer = sender
                .find(PATIENCE, is_answer)?
                .as_deref()
                .and_then(craft::icmp);
            let Some(Icmp { rest, .. }) = answer else {
                panic!("{addresses:?} is answered")
            };
            assert_eq!(rest as usize & 0xffff, mtu, "{addresses:?}");
        }
        Ok(())
    });
}

#[test]
fn what_just_fits_passes_and_what_may_be_fragmented_is() {
    tell(|| {
        let world = World::example()?;
        let pod = world.pod("blue-1")?;
        pod.namespace.run(|| link::set_mtu(&pod.interface, 1500))?;
        world.must_reach("blue-1", "10.0.2.12")?;
        let (sender, receiver) = (world.frames("blue-1")?, world.frames("green-2")?);
        let mut datagram = Udp::new((BLUE_1_MAC, CORE_BLUE_MAC), ("10.0.1.11", "10.0.2.12"));
        datagram.payload = vec![0x55; 1442 - 28];
        sender.send(&datagram.frame())?;
        let arrived = receiver.find(PATIENCE, |frame| craft::udp(frame).is_some())?;
        assert_eq!(arrived.map(|frame| frame.len()), Some(14 + 1442));
        datagram.payload = vec![0x55; 1500 - 28];
        datagram.dont_fragment = false;
        sender.send(&datagram.frame())?;
        // Flags and offset of the IPv4 header: "more follow", then a piece with an offset.
        let is_fragment = |frame: &[u8]| {
            let field = frame
                .get(20..22)
                .map_or(0, |field| u16::from_be_bytes([field[0], field[1]]));
            frame.get(12..14) == Some(&[0x08, 0x00]) && field & 0x3fff != 0
        };
        let fragments = receiver.collect(SILENCE, is_fragment)?;
        assert_eq!(fragments.len(), 2);
        Ok(())
    });
}

#[test]
fn a_pods_mtu_leaves_room_for_the_tunnel_headers() {
    tell(|| {
        let world = World::example_on(Underlay::V6, 1)?;
        let pod = world.pod("blue-1")?;
        assert_eq!(pod.namespace.run(|| link::mtu(&pod.interface))?, 1500 - 78);
        Ok(())
    });
}

#[test]
fn pods_follow_the_mtu_of_the_underlay() {
    tell(|| {
        let world = World::example()?;
        let node = world.network.node("a")?;
        node.namespace
            .run(|| link::set_mtu(UNDERLAY_INTERFACE, 1400))?;
        let pod = world.pod("blue-1")?;
        let mtu = || pod.namespace.run(|| link::mtu(&pod.interface));
        let follows = || (mtu().ok()? == 1400 - 58).then_some(());
        // The underlay is looked at every few seconds.
        wait_until("the pod has the new MTU", 3 * PATIENCE, follows)?;
        world.must_reach("blue-1", "10.0.2.12")
    });
}
