//! The admin socket's file: made safely, kept from two owners, taken away at the end.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

/// Only the vswitch's user may open the socket.
const MODE: u32 = 0o600;

/// The admin socket's path, removed when it is dropped.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
}

/// Why the admin socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A process answers there.
    #[error("another vswitch answers on the admin socket {}", .0.display())]
    Taken(PathBuf),
    /// A file that is no socket is in the way.
    #[error("{} is there and is not a socket", .0.display())]
    InTheWay(PathBuf),
    /// The system does not allow it.
    #[error("cannot make the admin socket {}", path.display())]
    Failed {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Socket {
    /// Binds the socket at `path`; one that a process left behind when it died is replaced.
    pub fn bind(path: &Path) -> Result<(Self, UnixListener), SocketError> {
        make_way(path)?;
        let listener = bind(path).map_err(|source| SocketError::Failed {
            path: path.to_owned(),
            source,
        })?;
        let path = path.to_owned();
        Ok((Self { path }, listener))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(path = %self.path.display(), %error, "the admin socket is gone already");
        }
    }
}

fn make_way(path: &Path) -> Result<(), SocketError> {
    match fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(there) if !there.file_type().is_socket() => Err(SocketError::InTheWay(path.to_owned())),
        Ok(_) if UnixStream::connect(path).is_ok() => Err(SocketError::Taken(path.to_owned())),
        Ok(_) => Ok(()),
    }
}

/// Binds beside `path`, and puts the socket in its place once only its owner may open it.
fn bind(path: &Path) -> io::Result<UnixListener> {
    if let Some(directory) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        fs::create_dir_all(directory)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    if fs::symlink_metadata(&beside).is_ok() {
        fs::remove_file(&beside)?;
    }
    let listener = UnixListener::bind(&beside)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(MODE))?;
    fs::rename(&beside, path)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/vswitch.sock");
        let (socket, listener) = Socket::bind(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert!(matches!(Socket::bind(&path), Err(SocketError::Taken(_))));
        drop(listener);
        let (second, _listener) = Socket::bind(&path).unwrap();
        std::mem::forget(socket);
        drop(second);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("precious");
        fs::write(&path, "data").unwrap();
        assert!(matches!(Socket::bind(&path), Err(SocketError::InTheWay(_))));
        assert_eq!(fs::read(&path).unwrap(), b"data");
    }
}
