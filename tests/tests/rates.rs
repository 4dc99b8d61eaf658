//! What rates come to on real interfaces: a limit of a rule, and an uplink of which a part is promised.
//!
//! A machine that has other things to do delivers less in a time, but never more, and to all alike: so what is asserted is
//! that no more came than was granted, and who got how much of it.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ground::network::Pod;
use tests::cluster::address;
use tests::story::tell;
use tests::world::{PATIENCE, World};

const PORT: u16 = 9_000;
/// Bytes of a datagram, and of the headers before it in its frame and in the tunnel.
const DATAGRAM: usize = 1_200;
const FRAME: u64 = DATAGRAM as u64 + 14 + 20 + 8;
const TUNNELLED: u64 = FRAME + 58;
/// A slice of a limit's time.
const MOMENT: Duration = Duration::from_millis(1);
/// How many datagrams a sender sends in a millisecond: 80 megabits a second.
const EACH_MS: usize = 8;

/// Where datagrams arrive, to be counted.
fn receiver(pod: &Pod) -> Result<UdpSocket> {
    let unspecified = SocketAddr::from(([0, 0, 0, 0], PORT));
    let socket = pod.namespace.run(|| UdpSocket::bind(unspecified))?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Counts what has arrived.
fn count(socket: &UdpSocket) -> u64 {
    let mut buffer = [0; DATAGRAM];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok()).count() as u64
}

/// Sends to a pod, far more than gets through, until told to stop.
fn flood(from: &Pod, to: IpAddr, stop: &AtomicBool) -> Result<()> {
    let unspecified = SocketAddr::from(([0, 0, 0, 0], 0));
    let socket = from.namespace.run(|| UdpSocket::bind(unspecified))?;
    let datagram = [0; DATAGRAM];
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..EACH_MS {
            // What the interface has no room for is lost.
            let _ = socket.send_to(&datagram, (to, PORT));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Lets pairs of pods send until so many datagrams have arrived in all. Returns how many arrived of each pair, and the time
/// that it took.
fn arrivals(world: &World, pairs: &[(&str, &str)], total: u64) -> Result<(Vec<u64>, Duration)> {
    let receivers = pairs.iter().map(|(_, to)| receiver(world.pod(to)?));
    let receivers: Vec<UdpSocket> = receivers.collect::<Result<_>>()?;
    let stop = AtomicBool::new(false);
    let begun = Instant::now();
    let mut counts = vec![0; pairs.len()];
    std::thread::scope(|scope| {
        for (from, to) in pairs {
            let (from, to, stop) = (world.pod(from)?, address(to, true), &stop);
            scope.spawn(move || flood(from, to, stop));
        }
        while counts.iter().sum::<u64>() < total && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
            for (sum, socket) in counts.iter_mut().zip(&receivers) {
                *sum += count(socket);
            }
        }
        stop.store(true, Ordering::Relaxed);
        Ok::<_, anyhow::Error>(())
    })?;
    let time = begun.elapsed();
    let sum: u64 = counts.iter().sum();
    ensure!(sum >= total, "only {counts:?} arrived in {time:?}");
    Ok((counts, time))
}

/// Bytes that so many kilobits a second grant in a time.
fn granted(kilobits: u64, time: Duration) -> u64 {
    kilobits * u64::try_from(time.as_micros()).unwrap_or(u64::MAX) / 8_000
}

#[test]
fn a_rules_limit_lets_its_rate_through_and_counts_what_it_drops() {
    tell(|| {
        const KILOBITS: u64 = 8_000;
        const BURST: u64 = 400;
        let world = World::cluster(2, 2)?;
        for to in ["a2", "b1"] {
            let switch = &to[..1];
            world.network.script(&format!(
                "vsctl --wait=hv qos-add {switch} to-lport 1 'outport == \"{to}\" && udp' rate={KILOBITS} burst={BURST}"
            ))?;
        }
        // On the node itself and on the other one, each for itself.
        for pair in [("a1", "a2"), ("a1", "b1")] {
            let (counts, time) = arrivals(&world, &[pair], 1_000)?;
            // And what two workers have in hand.
            let most = granted(KILOBITS, time) + BURST * 125 + 2 * granted(KILOBITS, MOMENT);
            let arrived = counts[0] * FRAME;
            ensure!(arrived <= most, "{pair:?}: {arrived} bytes of {most}");
        }
        for node in ["a", "b"] {
            ensure!(world.drops(node, "qos-limit")? > 0, "node {node}");
        }
        Ok(())
    });
}

#[test]
fn who_is_promised_a_part_of_the_uplink_gets_it_while_others_want_all() {
    tell(|| {
        const KILOBITS: u64 = 10_000;
        let options = ["--workers", "2", "--uplink-rate", "10"];
        let world = World::cluster_with(2, &options)?;
        world.network.script(
            "vsctl set Logical_Switch_Port a1 options:qos_min_rate=6000000\n\
             vsctl --wait=hv sync",
        )?;
        let pairs = [("a1", "b1"), ("a2", "b2")];
        let (counts, time) = arrivals(&world, &pairs, 2_000)?;
        // The uplink's and the promise's, of 20 milliseconds each, and of each queue a turn with the batch that exceeds it.
        let bursts =
            granted(KILOBITS, 40 * MOMENT) + 4 * (granted(KILOBITS, 4 * MOMENT) + 4 * TUNNELLED);
        let most = granted(KILOBITS, time) + bursts;
        let sum = counts.iter().sum::<u64>() * TUNNELLED;
        ensure!(sum <= most, "{sum} bytes of {most}");
        // Eight tenths and two tenths are due.
        let part = counts[0] * 100 / (counts[0] + counts[1]);
        ensure!((65..=92).contains(&part), "{part} %: {counts:?}");
        let shown = world.network.node_vsctl("a", &["node", "show"])?;
        let uplink = shown.lines().find(|line| line.starts_with("uplink"));
        let uplink = uplink.context("a line about the uplink")?;
        ensure!(uplink.ends_with("10 Mb/s, 6 Mb/s promised"), "{uplink}");
        Ok(())
    });
}
