//! Network namespaces inside a sandbox, bound to names as `ip netns` does it.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

use crate::link;

/// Where names of network namespaces are kept.
pub const DIRECTORY: &str = "/run/netns";

/// The calling thread's network namespace.
const OWN: &str = "/proc/thread-self/ns/net";

/// A network namespace. It lives as long as its name does, which is as long as the sandbox.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    file: File,
}

impl Namespace {
    /// Makes a namespace with nothing in it but a loopback interface that is up.
    pub fn new(name: &str) -> Result<Self> {
        let path = Path::new(DIRECTORY).join(name);
        File::create_new(&path).with_context(|| format!("a namespace {name} is there already"))?;
        on_a_thread(|| make_here(&path))
            .with_context(|| format!("cannot make the namespace {name}"))?;
        let file = File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
        let name = name.to_owned();
        Ok(Self { name, file })
    }

    /// The sandbox's own first namespace, under a name for messages.
    pub fn current(name: &str) -> Result<Self> {
        let file = File::open(OWN).context("cannot open this thread's namespace")?;
        let name = name.to_owned();
        Ok(Self { name, file })
    }

    /// The name it is bound to.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file it is bound to.
    pub fn path(&self) -> PathBuf {
        Path::new(DIRECTORY).join(&self.name)
    }

    /// The open namespace, as system calls want it.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Calls `work` on a thread inside the namespace. Sockets opened there stay there.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        on_a_thread(|| {
            setns(&self.file, CloneFlags::CLONE_NEWNET).unwrap_or_else(|error| {
                panic!("cannot enter the namespace {}: {error}", self.name)
            });
            work()
        })
    }

    /// Starts a program inside the namespace.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        self.run(|| command.spawn())
    }

    /// Runs a program inside the namespace to its end and returns what it printed.
    pub fn output(&self, command: &mut Command) -> io::Result<std::process::Output> {
        self.run(|| command.output())
    }
}

/// Namespaces belong to threads, so each visit is made by a thread of its own.
fn on_a_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        scope
            .spawn(work)
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn make_here(path: &Path) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let nothing: Option<&str> = None;
    mount(Some(OWN), path, nothing, MsFlags::MS_BIND, nothing)?;
    link::up("lo")
}
