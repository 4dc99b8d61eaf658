//! `--keep` and `--enter`: a network that stays up, and the way into it.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result};
use ground::network::{NORTHBOUND, Network};
use ground::{programs, sandbox};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{dup2_stderr, dup2_stdout};

use crate::print;

/// Lets the terminal go and keeps the network up until this process is told to end.
pub(crate) fn hold(network: Network) -> Result<()> {
    sandbox::outlive_parent()?;
    let mut wanted = SigSet::empty();
    wanted.add(Signal::SIGTERM);
    wanted.add(Signal::SIGINT);
    // Blocked signals wait for `wait`; as the first process of its namespace this one would not see others.
    wanted.thread_block().context("cannot block signals")?;
    let line = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .context("cannot reach the starter")?;
    let silence = File::options()
        .write(true)
        .open("/dev/null")
        .context("cannot open /dev/null")?;
    dup2_stdout(&silence).context("cannot let standard output go")?;
    dup2_stderr(&silence).context("cannot let standard error go")?;
    File::from(line)
        .write_all(b"k")
        .context("cannot tell the starter")?;
    wanted.wait().context("cannot wait for a signal")?;
    drop(network);
    Ok(())
}

/// Says how to enter and how to stop the network that process `id` keeps up.
pub(crate) fn explain(id: u32) {
    print::heading("It stays up");
    println!(
        "  Enter it, with vsctl on the path and WEFT_NORTHBOUND and WEFT_NODE (node-a) set:\n"
    );
    print::command(&format!("cargo demo -- --enter {id}"));
    print::command(&format!("cargo demo -- --enter {id} vsctl show"));
    println!("\n  From there, ip netns lists the pods. With a tool of the system instead:\n");
    let path = programs::directory()
        .map(|path| path.display().to_string())
        .unwrap_or_default();
    print::command(&format!(
        "nsenter --target {id} --user --mount --net --preserve-credentials \\\n        \
         env PATH={path}:$PATH WEFT_NORTHBOUND={NORTHBOUND} WEFT_NODE={} sh",
        default_socket()
    ));
    println!("\n  Stop it:\n");
    print::command(&format!("kill {id}"));
}

/// Becomes a command, or a shell, inside the network that process `id` keeps up.
pub(crate) fn enter(id: &str, command: &[&str]) -> Result<()> {
    let open = |kind: &str| {
        let path = format!("/proc/{id}/ns/{kind}");
        File::open(&path)
            .with_context(|| format!("cannot open {path}; is {id} the number of a demonstration?"))
    };
    let (user, mounts, network) = (open("user")?, open("mnt")?, open("net")?);
    let own_user = File::open("/proc/self/ns/user").context("cannot open /proc/self/ns/user")?;
    // A process may not enter the user namespace that it is in already.
    if user.metadata()?.ino() != own_user.metadata()?.ino() {
        setns(&user, CloneFlags::CLONE_NEWUSER).context("cannot enter the user namespace")?;
    }
    let directory = std::env::current_dir().context("cannot tell the working directory")?;
    // Inside, /proc shows the processes of the demonstration, and this is none of them.
    let programs = programs::directory()?;
    setns(&network, CloneFlags::CLONE_NEWNET).context("cannot enter the network namespace")?;
    setns(&mounts, CloneFlags::CLONE_NEWNS).context("cannot enter the mount namespace")?;
    std::env::set_current_dir(&directory).context("cannot return to the working directory")?;
    let shell = std::env::var("SHELL").unwrap_or_else(|_| "/bin/sh".to_owned());
    let (program, arguments) = command
        .split_first()
        .map_or((shell.as_str(), [].as_slice()), |(p, a)| (*p, a));
    let search = format!(
        "{}:{}",
        programs.display(),
        std::env::var("PATH").unwrap_or_default()
    );
    // The search path decides which program this is, so it must hold before the program is looked for.
    let failure = Command::new("env")
        .arg(format!("PATH={search}"))
        .arg(format!("WEFT_NORTHBOUND={NORTHBOUND}"))
        .arg(format!("WEFT_NODE={}", default_socket()))
        .arg(program)
        .args(arguments)
        .exec();
    Err(failure).with_context(|| format!("cannot start {program}"))
}

/// The admin socket of the first node.
fn default_socket() -> String {
    format!("{}/node-a.sock", sandbox::SCRATCH)
}
