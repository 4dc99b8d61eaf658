//! Measures what attacks by one pod cost another: TCP goodput through a service, with and without each attack.
//!
//! `attack [ROUNDS [SECONDS [OPTION...]]]`, with options of `vswitch`. The rounds alternate: in those without the attack, the
//! attacker sends the same frames into a dead end, so that it takes as much of the processors. A last round is the attack
//! alone, for the processor time that the switches of both nodes spend on it: that does not depend on who else is at work.

use std::net::{IpAddr, TcpListener};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use ground::{link, namespace::Namespace, probe, programs, sandbox};
use tests::attack::{ATTACKS, Attack, Attacker, Bounds};
use tests::cluster::{PORT, address, backends};
use tests::world::World;

/// The service under attack.
const VIPS: [&str; 2] = ["10.96.0.1", "fd96::1"];
/// The service that the bystander uses.
const BYSTANDERS: &str = "10.96.0.2:80";
/// An interface of the attacker's that leads nowhere.
const DEAD_END: &str = "nowhere";

fn main() -> ExitCode {
    let outcome = match sandbox::is_inside() {
        true => sandbox::settle().and_then(|()| measure()),
        false => again(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Outside: starts this program again in a sandbox.
fn again() -> Result<()> {
    programs::path("vswitch")?;
    let this = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = sandbox::wrap(&this)?;
    let status = command.args(std::env::args_os().skip(1)).status()?;
    anyhow::ensure!(status.success(), "the measurement failed");
    Ok(())
}

fn measure() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse());
    let (rounds, seconds) = (number(5)?, number(2)?);
    let options: Vec<String> = arguments.collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let world = World::cluster_with(3, &options)?;
    world.network.script(
        "vsctl pg-add all a1 a2 a3 b1 b2 b3 -- acl-add all to-lport 1000 'outport == @all && ip' drop \
         -- acl-add all to-lport 1001 'outport == @all && tcp' allow-related \
         -- acl-add all to-lport 1001 'outport == @all && udp' allow-related",
    )?;
    let _server = world.serve(["b1"])?;
    let (v4, v6) = (backends(["b1"], true), backends(["b1"], false));
    let vips = [VIPS[0].to_owned() + ":80", format!("[{}]:80", VIPS[1])];
    world.service("victim", "tcp", &[(&vips[0], &v4), (&vips[1], &v6)])?;
    world.service("web", "tcp", &[(BYSTANDERS, &backends(["b2"], true))])?;
    link::add_cable("dead", &world.pod("a1")?.namespace, DEAD_END)?;
    println!(
        "{:<12}{:>14}{:>14}{:>8}{:>12}{:>12}{:>12}",
        "attack", "Mbit/s without", "Mbit/s with", "ratio", "frames/s", "ms/s at a", "ms/s at b"
    );
    for attack in ATTACKS {
        let mut without = Vec::new();
        let mut with = Vec::new();
        let time = Duration::from_secs(seconds);
        for _ in 0..rounds {
            without.push(round(&world, attack, DEAD_END, time)?);
            with.push(round(&world, attack, "eth0", time)?);
        }
        let (without, with) = (median(without), median(with));
        let ratio = with / without;
        let (rate, [a, b]) = alone(&world, attack, time)?;
        println!(
            "{:<12}{without:>14.0}{with:>14.0}{ratio:>8.2}{rate:>12.0}{a:>12.1}{b:>12.1}",
            format!("{attack:?}")
        );
    }
    for node in ["a", "b"] {
        print!("{}", world.network.node_vsctl(node, &["node", "drops"])?);
    }
    Ok(())
}

/// The bystander's goodput in Mbit/s while the attacker sends by an interface.
fn round(world: &World, attack: Attack, interface: &str, time: Duration) -> Result<f64> {
    let mut attacker = Attacker::prepare(world, "a1", interface)?;
    let bounds = bounds(time + Duration::from_millis(500));
    let (client, server) = (&world.pod("a2")?.namespace, &world.pod("b2")?.namespace);
    std::thread::scope(|scope| {
        let attacking = scope.spawn(move || attacker.run(attack, victims(), bounds));
        let goodput = goodput(client, server, time)?;
        attacking.join().expect("no panic")?;
        Ok(goodput / 1e6)
    })
}

/// An attack with nobody else there: frames that the attacker sent, and milliseconds of processor time that each node's
/// switch used, both a second.
fn alone(world: &World, attack: Attack, time: Duration) -> Result<(f64, [f64; 2])> {
    let mut attacker = Attacker::prepare(world, "a1", "eth0")?;
    let used = |node| {
        let node = world.network.node(node)?;
        let vswitch = node.vswitch().context("a switch is not running")?;
        vswitch.processor_time()
    };
    let before = [used("a")?, used("b")?];
    let frames = attacker.run(attack, victims(), bounds(time))?;
    let after = [used("a")?, used("b")?];
    let seconds = time.as_secs_f64();
    let spent = |node: usize| (after[node] - before[node]).as_secs_f64() * 1e3 / seconds;
    Ok((frames as f64 / seconds, [spent(0), spent(1)]))
}

fn victims() -> [IpAddr; 2] {
    VIPS.map(|vip| vip.parse().expect("an address"))
}

fn bounds(time: Duration) -> Bounds {
    Bounds {
        frames: u64::MAX,
        time,
    }
}

/// What one stream carries from the client through its service, in bits a second.
fn goodput(client: &Namespace, server: &Namespace, time: Duration) -> Result<f64> {
    let listener = server.run(|| TcpListener::bind((address("b2", true), PORT)))?;
    probe::tcp_throughput_through(client, listener, BYSTANDERS.parse()?, time)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
