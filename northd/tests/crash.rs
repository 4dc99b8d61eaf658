//! northd is killed while it commits, again and again on one database.
//!
//! Input: clients that each write one switch with its ports after the other, and a SIGKILL at another moment
//! in every round. Output: what was answered is there afterwards, and nothing is there by half.

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::{Process, commit, connect, read, switch_with_ports};
use model::{Database, nb};

const ROUNDS: u64 = 12;
const CLIENTS: usize = 4;

/// Writes switches until northd is gone, and counts the answers. Returns what was answered: names and revisions.
async fn write_until_killed(
    address: SocketAddr,
    prefix: String,
    answers: Arc<AtomicU64>,
) -> BTreeMap<String, u64> {
    let mut client = connect(address).await;
    let mut answered = BTreeMap::new();
    for number in 0u32.. {
        let name = format!("{prefix}-{number}");
        match commit(&mut client, &switch_with_ports(&name)).await {
            Ok(reply) => {
                assert_eq!(reply.error, None);
                answered.insert(name, reply.revision);
                answers.fetch_add(1, Ordering::Relaxed);
            }
            Err(_) => break,
        }
    }
    answered
}

fn check(database: &Database, answered: &BTreeMap<String, u64>) {
    let switches = database.table::<nb::LogicalSwitch>();
    let names: BTreeMap<_, _> = switches
        .iter()
        .map(|switch| (switch.name.clone(), switch))
        .collect();
    for (name, revision) in answered {
        assert!(names.contains_key(name), "{name} was answered and is lost");
        assert!(*revision <= database.revision());
    }
    let ports = database.table::<nb::LogicalSwitchPort>();
    assert_eq!(ports.iter().count(), 2 * names.len());
    for (name, switch) in names {
        let port_names = switch.ports.iter().filter_map(|id| ports.get(*id));
        let mut port_names: Vec<_> = port_names.map(|port| port.name).collect();
        port_names.sort();
        assert_eq!(port_names, [format!("{name}-0"), format!("{name}-1")]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_northd_has_all_it_answered_and_nothing_by_half() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut answered = BTreeMap::new();
    for round in 0..ROUNDS {
        let mut process = Process::start(directory.path());
        let mut client = connect(process.northbound).await;
        check(&read(&mut client).await, &answered);

        let answers = Arc::new(AtomicU64::new(0));
        let writer = |number| {
            let prefix = format!("{round}-{number}");
            write_until_killed(process.northbound, prefix, answers.clone())
        };
        let writers: Vec<_> = (0..CLIENTS).map(writer).map(tokio::spawn).collect();
        // Amid the work, after another number of answers in each round and at another moment of a commit.
        while answers.load(Ordering::Relaxed) < 5 + round * 7 % 20 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_micros(round * 370 % 1500)).await;
        process.child.kill().expect("northd was running");
        process.child.wait().expect("northd ended");
        for writer in writers {
            answered.append(&mut writer.await.expect("a writer does not panic"));
        }
    }
    let process = Process::start(directory.path());
    check(
        &read(&mut connect(process.northbound).await).await,
        &answered,
    );
}
