//! northd on a disk that is full for a while.
//!
//! Input: transactions until one does not fit any more, then room, then one more. Output: those answered are
//! there, the one that did not fit is not, and the last one succeeds without a restart.

mod common;

use std::process::Command;

use common::{NORTHD, Process, commit, connect, read, switch_with_ports};
use model::nb;
use tonic::Code;

/// What northd may write to a file at first, in KiB.
const ROOM_KIB: u32 = 4096;

/// The length of a switch's name.
const NAME_BYTES: usize = 50_000;

/// More switches than fit.
const SWITCHES: usize = 1000;

#[tokio::test]
async fn a_full_disk_costs_only_the_transactions_that_do_not_fit() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    // With the signal ignored, a write beyond the limit fails as on a full disk.
    let script = format!("trap '' XFSZ; ulimit -S -f {ROOM_KIB}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("bash");
    shell.args(["-c", &script, NORTHD]);
    let process = Process::start_with(shell, directory.path());
    let mut client = connect(process.northbound).await;

    let switch = |number: usize| switch_with_ports(&format!("{number:0NAME_BYTES$}"));
    let mut stored = 0;
    let failure = loop {
        assert!(stored < SWITCHES, "the disk was never full");
        match commit(&mut client, &switch(stored)).await {
            Ok(reply) => assert_eq!(reply.error, None),
            Err(status) => break status,
        }
        stored += 1;
    };
    assert_eq!(failure.code(), Code::Unavailable, "{failure}");
    assert_eq!(failure.message(), "the transaction could not be stored");
    let count = async |client: &mut _| {
        read(client)
            .await
            .table::<nb::LogicalSwitch>()
            .iter()
            .count()
    };
    assert_eq!(count(&mut client).await, stored);

    let pid = process.child.id().to_string();
    let raised = Command::new("prlimit")
        .args(["--pid", &pid, "--fsize=unlimited:"])
        .status();
    assert!(raised.expect("prlimit runs").success());
    let reply = commit(&mut client, &switch(stored)).await;
    assert_eq!(reply.expect("there is room").error, None);
    assert_eq!(count(&mut client).await, stored + 1);

    drop(process);
    let process = Process::start(directory.path());
    let mut client = connect(process.northbound).await;
    assert_eq!(count(&mut client).await, stored + 1);
}
