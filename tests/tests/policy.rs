//! Stories of who decided: what rules have come to on all nodes, what they log, and which of them dropped a packet.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use ground::process::{Daemon, wait_until};
use ground::{programs, sandbox};
use serde_json::Value;
use tests::craft::{self, Udp};
use tests::story::tell;
use tests::world::{PATIENCE, SILENCE, World};

const BLUE_1: (&str, &str) = ("0a:00:00:00:01:0b", "10.0.1.11");
const BLUE_2: (&str, &str) = ("0a:00:00:00:01:0c", "10.0.1.12");

/// The example's network, whose `blue` switch lets datagrams through but for those to port 666, which it logs.
fn guarded() -> Result<World> {
    let world = World::example()?;
    let acl = |more: &[&str], of: [&str; 4]| {
        let wait = ["--timeout=20", "--wait=hv"];
        let line = [&wait, more, &["acl-add", "blue"], &of].concat();
        world.network.vsctl(&line).map(drop)
    };
    acl(
        &["--name=welcome"],
        ["to-lport", "900", "udp", "allow-related"],
    )?;
    acl(
        &["--log", "--name=devil", "--severity=warning"],
        ["to-lport", "1000", "udp.dst == 666", "drop"],
    )?;
    Ok(world)
}

fn datagram(from: (&str, &str), to: (&str, &str), port: u16) -> Vec<u8> {
    let mut datagram = Udp::new((from.0, to.0), (from.1, to.1));
    datagram.port = (4000 + port, port);
    datagram.frame()
}

/// Sends datagrams to a port that lets them in, each seen before the next.
fn deliver(world: &World, (from, to): ((&str, &str), (&str, &str)), count: usize) -> Result<()> {
    let (sender, receiver) = match from == BLUE_1 {
        true => (world.frames("blue-1")?, world.frames("blue-2")?),
        false => (world.frames("blue-2")?, world.frames("blue-1")?),
    };
    for _ in 0..count {
        sender.send(&datagram(from, to, 5000))?;
        let wanted = |frame: &[u8]| craft::udp(frame).is_some();
        let arrived = receiver.find(PATIENCE, wanted)?;
        ensure!(arrived.is_some(), "a datagram from {from:?} was lost");
    }
    Ok(())
}

/// Sends datagrams from `blue-1` to the port of `blue-2` that lets none in.
fn knock(world: &World, count: usize) -> Result<()> {
    let (sender, receiver) = (world.frames("blue-1")?, world.frames("blue-2")?);
    for _ in 0..count {
        sender.send(&datagram(BLUE_1, BLUE_2, 666))?;
    }
    let arrived = receiver.find(SILENCE, |frame| craft::udp(frame).is_some())?;
    ensure!(arrived.is_none(), "a datagram came through");
    Ok(())
}

#[test]
fn rules_are_listed_with_what_they_decided_on_all_nodes() {
    tell(|| {
        let world = guarded()?;
        let plain = world.network.vsctl(&["acl-list", "blue"])?;
        // The receiver's node asks: three on the second node, two on the first.
        deliver(&world, (BLUE_1, BLUE_2), 3)?;
        deliver(&world, (BLUE_2, BLUE_1), 2)?;
        knock(&world, 4)?;
        let length = datagram(BLUE_1, BLUE_2, 5000).len();
        let rules = wait_until("northd knows what the rules did", PATIENCE, || {
            let list = ["-f", "json", "acl-list", "blue", "--stats"];
            let table: Value = serde_json::from_str(&world.network.vsctl(&list).ok()?).ok()?;
            let rows = table["data"].as_array()?.clone();
            let column = |name: &str| {
                let headings = table["headings"].as_array()?;
                headings.iter().position(|heading| heading == name)
            };
            let wanted = ["name", "packets", "bytes", "connections"];
            let columns = wanted.map(column).into_iter().collect::<Option<Vec<_>>>()?;
            let told = |row: &Value| -> Option<Vec<String>> {
                let texts = columns.iter().map(|column| row[*column].as_str());
                texts.map(|text| text.map(str::to_owned)).collect()
            };
            let told = rows.iter().map(told).collect::<Option<Vec<_>>>()?;
            let has_all = told.iter().all(|row| ["5", "4"].contains(&&*row[1]));
            has_all.then_some(told)
        })?;
        let bytes = |packets: usize| (packets * length).to_string();
        assert_eq!(
            rules,
            [
                ["devil", "4", &bytes(4), "0"],
                ["welcome", "5", &bytes(5), "2"]
            ]
        );
        let listed = world.network.vsctl(&["acl-list", "blue", "--stats"])?;
        for (line, stats) in plain.lines().zip(listed.lines()) {
            ensure!(stats.starts_with(&format!("{line} packets=")), "{stats}");
            ensure!(!stats.contains("never"), "{stats}");
        }
        let unchanged = world.network.vsctl(&["acl-list", "blue"])?;
        assert_eq!(unchanged, plain);
        Ok(())
    });
}

#[test]
fn what_a_rule_logs_is_followed_as_it_comes() {
    tell(|| {
        let world = guarded()?;
        knock(&world, 1)?;
        let node = world.network.node("b")?;
        let log = Path::new(sandbox::SCRATCH).join("follow.log");
        let mut command = Command::new(programs::path("vsctl")?);
        command.arg("--node").arg(node.admin_socket());
        command.args(["acl-log", "--follow", "--name", "devil"]);
        let mut follower = Daemon::start("vsctl", &node.namespace, &mut command, log)?;
        let line = "name=\"devil\", verdict=drop, severity=warning, direction=to-lport: udp,";
        let is_line = |seen: &str| seen.contains(line) && seen.contains("nw_src=10.0.1.11");
        follower.wait_for_line(PATIENCE, is_line)?;
        knock(&world, 1)?;
        let lines = || -> Option<String> {
            let text = std::fs::read_to_string(follower.log()).ok()?;
            (text.lines().filter(|line| is_line(line)).count() == 2).then_some(text)
        };
        wait_until("the second line follows", PATIENCE, lines)?;
        let elsewhere = world.network.node_vsctl("a", &["acl-log"])?;
        assert_eq!(elsewhere, "", "only the receiver's node asks");
        let daemon = std::fs::read_to_string(node.vswitch().context("it runs")?.log())?;
        ensure!(daemon.contains("verdict=drop"), "{daemon}");
        Ok(())
    });
}

#[test]
fn a_drop_names_the_rule_that_asked_for_it() {
    tell(|| {
        let world = guarded()?;
        // Datagrams that come together may be dropped as one.
        knock(&world, 1)?;
        knock(&world, 1)?;
        let drops = world.network.node_vsctl("b", &["node", "drops"])?;
        let last = drops.lines().skip_while(|line| !line.contains("acl-drop:"));
        let told: Vec<_> = last.take(3).map(str::trim).collect();
        let [count, last, by] = told[..] else {
            anyhow::bail!("too little is said: {drops}");
        };
        ensure!(count.starts_with("2  acl-drop:"), "{drops}");
        ensure!(last.ends_with("from blue-1, by devil"), "{drops}");
        assert_eq!(by, "2 by devil", "{drops}");
        let flow = "inport == \"blue-1\" && eth.src == 0a:00:00:00:01:0b && eth.dst == 0a:00:00:00:01:0c \
                    && ip4.src == 10.0.1.11 && ip4.dst == 10.0.1.12 && ip.ttl == 64 && udp.dst == 666";
        let traced = world.network.vsctl(&["trace", "blue", flow])?;
        ensure!(traced.contains("acl-drop"), "{traced}");
        ensure!(traced.contains("devil"), "{traced}");
        Ok(())
    });
}
