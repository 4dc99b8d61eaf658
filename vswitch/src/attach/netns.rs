//! Network namespaces: finding them, and speaking netlink inside them.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use rtnetlink::Handle;

/// Where named namespaces are, as `ip netns` keeps them.
const NAMED: &str = "/run/netns";

/// A network namespace, held open.
#[derive(Debug)]
pub(super) struct Netns {
    path: PathBuf,
    file: File,
}

/// Why a namespace cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// There is none there.
    #[error("there is no network namespace {}", .0.display())]
    Missing(PathBuf),
    /// It may not be entered.
    #[error("the network namespace {} may not be entered: it takes CAP_SYS_ADMIN", .0.display())]
    NotPermitted(PathBuf),
    /// The file is something else.
    #[error("{} is not a network namespace", .0.display())]
    OtherKind(PathBuf),
    /// Anything else.
    #[error("cannot enter the network namespace {}: {source}", path.display())]
    Failed {
        /// The namespace.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The path of a namespace that is named as `ip netns` does, or by its path already.
pub fn path_of(name_or_path: &str) -> String {
    if name_or_path.contains('/') {
        name_or_path.to_owned()
    } else {
        format!("{NAMED}/{name_or_path}")
    }
}

impl Netns {
    /// Opens the namespace at `path`.
    pub(super) fn open(path: &str) -> Result<Self, NetnsError> {
        let path = Path::new(path).to_owned();
        match File::open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(failed(path, source)),
        }
    }

    /// The namespace's descriptor.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Runs `work` in the namespace, on a thread of its own, so that nothing else ever runs there.
    pub(super) fn run<T: Send>(
        &self,
        work: impl AsyncFnOnce(Handle) -> T + Send,
    ) -> Result<T, NetnsError> {
        let enter = || {
            setns(self.file.as_fd(), CloneFlags::CLONE_NEWNET).map_err(|errno| match errno {
                Errno::EINVAL => NetnsError::OtherKind(self.path.clone()),
                errno => failed(self.path.clone(), errno.into()),
            })?;
            speak(work).map_err(|source| failed(self.path.clone(), source))
        };
        std::thread::scope(|scope| {
            let worker = scope.spawn(enter);
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }
}

/// Runs `work` with a netlink connection in the calling thread's namespace.
pub(super) fn speak<T>(work: impl AsyncFnOnce(Handle) -> T) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (connection, handle, _) = rtnetlink::new_connection()?;
        let connection = tokio::spawn(connection);
        let result = work(handle).await;
        connection.abort();
        Ok(result)
    })
}

fn failed(path: PathBuf, source: io::Error) -> NetnsError {
    match source.kind() {
        io::ErrorKind::NotFound => NetnsError::Missing(path),
        io::ErrorKind::PermissionDenied => NetnsError::NotPermitted(path),
        _ => NetnsError::Failed { path, source },
    }
}
