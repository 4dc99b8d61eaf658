//! What survives a restart, under the data directory: the attachments and the last revision's objects.
//!
//! Each is one file, replaced whole: written beside it, synced, renamed. A file that cannot be read is put
//! aside with a clear word in the log, and the node starts without it: northd has the objects, and attached
//! interfaces stay where they are until someone attaches them again.

mod attachments;
mod objects;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::agent::{Attachment, Saved};

const ATTACHMENTS: &str = "attachments.json";
const OBJECTS: &str = "objects";

/// The data directory of one vswitch. While it lives, no other process uses the directory.
#[derive(Debug)]
pub struct State {
    directory: PathBuf,
    _lock: nix::fcntl::Flock<File>,
}

/// Why the data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It cannot be made or written.
    #[error("cannot use the data directory {}", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process has it.
    #[error("the data directory {} is used by another vswitch", .0.display())]
    Taken(PathBuf),
}

/// A saved file that does not hold what it should.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Corrupt(String);

impl State {
    /// Opens the data directory, and makes it if need be.
    pub fn open(directory: &Path) -> Result<Self, StateError> {
        let unusable = |source| StateError::Unusable {
            path: directory.to_owned(),
            source,
        };
        fs::create_dir_all(directory).map_err(unusable)?;
        let lock = File::create(directory.join("lock")).map_err(unusable)?;
        let lock = nix::fcntl::Flock::lock(lock, nix::fcntl::FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| match errno {
                nix::errno::Errno::EWOULDBLOCK => StateError::Taken(directory.to_owned()),
                errno => unusable(errno.into()),
            })?;
        Ok(Self {
            directory: directory.to_owned(),
            _lock: lock,
        })
    }

    /// The saved attachments; none when there is no readable file.
    pub fn load_attachments(&self) -> Vec<Attachment> {
        self.load(ATTACHMENTS, attachments::decode)
    }

    /// The saved objects; none when there is no readable file.
    pub fn load_objects(&self) -> Saved {
        self.load(OBJECTS, objects::decode)
    }

    /// Saves the attachments. Returns when they would survive a crash.
    pub fn save_attachments(&self, saved: &[Attachment]) -> io::Result<()> {
        self.replace(ATTACHMENTS, &attachments::encode(saved))
    }

    /// Saves the objects. Returns when they would survive a crash.
    pub fn save_objects(&self, saved: &Saved) -> io::Result<()> {
        self.replace(OBJECTS, &objects::encode(saved))
    }

    fn load<T: Default>(&self, name: &str, decode: fn(&[u8]) -> Result<T, Corrupt>) -> T {
        let path = self.directory.join(name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return T::default(),
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot read what was saved");
                return T::default();
            }
        };
        decode(&bytes).unwrap_or_else(|error| {
            let aside = self.directory.join(format!("{name}.corrupt"));
            tracing::error!(
                path = %path.display(), %error, kept_as = %aside.display(),
                "what was saved is not readable: starting without it"
            );
            if let Err(error) = fs::rename(&path, &aside) {
                tracing::warn!(path = %path.display(), %error, "cannot put the file aside");
            }
            T::default()
        })
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = self.directory.join(format!("{name}.new"));
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, self.directory.join(name))?;
        File::open(&self.directory)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::object::{Chassis, Global, Object};

    fn attachment(port: &str) -> Attachment {
        Attachment {
            port: port.to_owned(),
            netns: "/run/netns/pod".to_owned(),
            interface: "eth0".to_owned(),
            bare: true,
            configured: None,
        }
    }

    fn objects() -> Saved {
        let chassis = Object::Chassis(Chassis {
            name: "node-1".into(),
            encap_ip: [192, 0, 2, 1].into(),
            encap_port: 6081,
            zone: String::new(),
            takes_partial: false,
        });
        Saved {
            revision: 42,
            objects: vec![(7, Object::Global(Global::default())), (u64::MAX, chassis)],
        }
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(&directory.path().join("deep/er")).unwrap();
        assert_eq!(state.load_objects(), Saved::default());
        assert_eq!(state.load_attachments(), []);
        state.save_objects(&objects()).unwrap();
        state
            .save_attachments(&[attachment("a"), attachment("b")])
            .unwrap();
        assert_eq!(state.load_objects(), objects());
        assert_eq!(state.load_attachments(), [attachment("a"), attachment("b")]);
    }

    #[test]
    fn a_data_directory_is_used_by_one_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let first = State::open(directory.path()).unwrap();
        assert!(matches!(
            State::open(directory.path()),
            Err(StateError::Taken(_))
        ));
        drop(first);
        State::open(directory.path()).unwrap();
    }

    /// Every truncation and every flipped bit leads to a clean start, and the file is kept aside.
    #[test]
    fn a_corrupt_file_is_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        let state = State::open(directory.path()).unwrap();
        state.save_objects(&objects()).unwrap();
        let good = fs::read(directory.path().join(OBJECTS)).unwrap();
        let truncated = (0..good.len()).map(|length| good[..length].to_vec());
        let flipped = (0..good.len() * 8).map(|bit| {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes
        });
        for bytes in truncated.chain(flipped) {
            fs::write(directory.path().join(OBJECTS), &bytes).unwrap();
            assert_eq!(state.load_objects(), Saved::default(), "{bytes:?}");
            let aside = directory.path().join("objects.corrupt");
            assert_eq!(fs::read(aside).unwrap(), bytes);
        }
        fs::write(directory.path().join(ATTACHMENTS), "{\"version\":1").unwrap();
        assert_eq!(state.load_attachments(), []);
        fs::write(
            directory.path().join(ATTACHMENTS),
            "{\"version\":9,\"attachments\":[]}",
        )
        .unwrap();
        assert_eq!(state.load_attachments(), []);
    }
}
