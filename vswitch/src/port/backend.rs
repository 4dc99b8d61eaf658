//! Which kind of TAP devices a node makes, and how it reads and writes them.

use std::io;
use std::os::fd::BorrowedFd;

use clap::ValueEnum;
use packet::offload::Offloads;
use serde::Deserialize;

use super::{BasicTapPort, Port, TapPort};
use crate::sys::tap::{self, TapError};
use crate::sys::{basic_tap, ring};

/// How the TAP devices of ports are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TapBackend {
    /// One queue for each worker, and frames behind a header that can say what is left to do on them
    #[default]
    Multiqueue,
    /// One queue and plain frames, for one worker
    Basic,
}

/// How the devices of [`TapBackend::Multiqueue`] are read and written. Workers wait for them by `epoll` either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Io {
    /// As io-uring if a test at the start says that this kernel can, else as epoll
    #[default]
    Auto,
    /// A system call for each frame
    Epoll,
    /// A system call for many small frames that wait
    IoUring,
}

/// How many frames one system call moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// One.
    Single,
    /// As many as wait, where they are small.
    Many,
}

/// The kind of TAP devices, and how they are read and written.
#[derive(Clone, Copy, Debug)]
pub struct Taps {
    /// The kind.
    pub backend: TapBackend,
    /// What a system call moves, where the kind lets one choose.
    pub transfer: Transfer,
}

impl Io {
    /// What that is on this kernel. An error says why it cannot be had, if nothing else will do.
    pub fn transfer(self) -> io::Result<Transfer> {
        match self {
            Io::Epoll => Ok(Transfer::Single),
            Io::IoUring => ring::probe().map(|()| Transfer::Many),
            Io::Auto => Ok(ring::probe().map_or(Transfer::Single, |()| Transfer::Many)),
        }
    }
}

impl Taps {
    /// Opens the device `name` in `netns`, or in the caller's network namespace: one port for each of `workers`.
    ///
    /// A device with as many queues is taken up, whichever kind it was. A new one persists.
    pub fn open(
        self,
        netns: Option<BorrowedFd<'_>>,
        name: &str,
        workers: usize,
    ) -> Result<Vec<Box<dyn Port>>, TapError> {
        match self.backend {
            TapBackend::Multiqueue => {
                let options = tap::Options {
                    name,
                    queues: workers,
                    offloads: Offloads::All,
                };
                let port = |queue| Box::new(TapPort::new(queue, self.transfer)) as Box<dyn Port>;
                Ok(tap::open(netns, &options)?.into_iter().map(port).collect())
            }
            TapBackend::Basic if workers == 1 => {
                let device = basic_tap::open(netns, name)?;
                Ok(vec![Box::new(BasicTapPort::new(device))])
            }
            TapBackend::Basic => Err(TapError::OneQueue(workers)),
        }
    }
}
