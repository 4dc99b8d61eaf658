//! A process in user, network, mount and process namespaces of its own.
//!
//! Namespaces of a user are entered by a process with one thread. So a program that wants a sandbox is
//! started again by [`wrap`], which moves itself first and then starts the program as the first process of
//! the new process namespace: when that one ends, however it ends, the kernel ends all the others, and
//! interfaces, mounts and the private `/run` vanish with them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{getegid, geteuid};

use crate::link;

/// Set in the environment of every process inside a sandbox.
pub const MARK: &str = "WEFT_SANDBOX";

/// Where processes in a sandbox put their files: memory that nobody else sees.
pub const SCRATCH: &str = "/run/scratch";

/// Whether this process was started by [`wrap`].
pub fn is_inside() -> bool {
    std::env::var_os(MARK).is_some()
}

/// Moves this process into a fresh sandbox and prepares `program` to be started there.
///
/// The calling process must have only one thread, and may start nothing but this one program afterwards.
/// The program dies with this process unless it asks not to (see [`outlive_parent`]).
pub fn wrap(program: &Path) -> Result<Command> {
    enter()?;
    let mut command = Command::new(program);
    command.env(MARK, "1");
    Ok(command)
}

/// Unshares everything; a privileged process that may not make user namespaces does without one.
fn enter() -> Result<()> {
    let (user, group) = (geteuid(), getegid());
    let own = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
    match unshare(own | CloneFlags::CLONE_NEWUSER) {
        Ok(()) => {
            write("/proc/self/setgroups", "deny")?;
            write("/proc/self/uid_map", &format!("0 {user} 1"))?;
            write("/proc/self/gid_map", &format!("0 {group} 1"))
        }
        Err(refusal) if user.is_root() => unshare(own)
            .with_context(|| format!("namespaces are refused ({refusal} with a user namespace)")),
        Err(refusal) => Err(refusal).context("user namespaces are refused"),
    }
}

fn write(path: &str, content: &str) -> Result<()> {
    fs::write(path, content).with_context(|| format!("cannot write {content:?} to {path}"))
}

/// The first thing to do inside: private mounts, an empty `/run`, the loopback interface.
pub fn settle() -> Result<()> {
    set_pdeathsig(Signal::SIGKILL).context("cannot ask to end with the parent")?;
    let nothing: Option<&str> = None;
    mount(
        nothing,
        "/",
        nothing,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        nothing,
    )
    .context("cannot make the mounts private")?;
    mount(
        Some("tmpfs"),
        "/run",
        Some("tmpfs"),
        MsFlags::MS_NOSUID,
        Some("mode=0755"),
    )
    .context("cannot mount a private /run")?;
    // Refused where /proc is masked, as in some containers; then processes are seen with their outer numbers.
    let _ = mount(
        Some("proc"),
        "/proc",
        Some("proc"),
        MsFlags::MS_NOSUID,
        nothing,
    );
    for directory in [SCRATCH, crate::namespace::DIRECTORY] {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {directory}"))?;
    }
    link::up("lo")
}

/// Lets this process go on when the one that started it ends.
pub fn outlive_parent() -> Result<()> {
    set_pdeathsig(None).context("cannot ask to outlive the parent")?;
    nix::unistd::setsid().context("cannot start a session")?;
    Ok(())
}

/// A new, empty directory in [`SCRATCH`]; `name` tells it apart from others.
pub fn scratch_directory(name: &str) -> io::Result<PathBuf> {
    let path = Path::new(SCRATCH).join(name);
    fs::create_dir_all(&path)?;
    Ok(path)
}
