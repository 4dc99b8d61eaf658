//! Which kind of TAP devices a node makes.

use std::os::fd::BorrowedFd;

use clap::ValueEnum;
use serde::Deserialize;

use super::{BasicTapPort, Port, TapPort};
use crate::sys::basic_tap;
use crate::sys::tap::{self, Offloads, TapError};

/// How the TAP devices of ports are made and read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TapBackend {
    /// One queue for each worker, and frames behind a header that can say what is left to do on them
    #[default]
    Multiqueue,
    /// One queue and plain frames, for one worker
    Basic,
}

impl TapBackend {
    /// Opens the device `name` in `netns`, or in the caller's network namespace: one port for each of `workers`.
    ///
    /// A device with as many queues is taken up, whichever backend made it. A new one persists.
    pub fn open(
        self,
        netns: Option<BorrowedFd<'_>>,
        name: &str,
        workers: usize,
    ) -> Result<Vec<Box<dyn Port>>, TapError> {
        match self {
            TapBackend::Multiqueue => {
                let options = tap::Options {
                    name,
                    queues: workers,
                    offloads: Offloads::Segmentation,
                };
                let port = |queue| Box::new(TapPort::new(queue)) as Box<dyn Port>;
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
