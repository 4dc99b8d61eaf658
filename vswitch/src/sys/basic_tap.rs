//! Plain TAP devices: one queue, and nothing before the frames. Reads and writes never wait.
//!
//! The device itself is `tun_tap`'s; what it lacks is done here: the namespace, persistence, and errors that say
//! what to do. Such a device carries complete frames only.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use tun_tap::{Iface, Mode};

use super::tap::{self, TapError};

/// The only queue of a plain TAP device. Dropping it detaches it; the device stays.
#[derive(Debug)]
pub struct Device {
    interface: Iface,
}

/// Opens the device `name` in `netns`, or in the caller's network namespace.
///
/// A persistent device that has a single queue is taken up: its frames have no header from then on, whoever made
/// it, and what its maker let the kernel leave undone is let no more. A new one is made persistent.
pub fn open(netns: Option<BorrowedFd<'_>>, name: &str) -> Result<Device, TapError> {
    tap::check_name(name)?;
    tap::inside(netns, || Device::open(name))
}

impl Device {
    fn open(name: &str) -> Result<Device, TapError> {
        let interface = Iface::without_packet_info(name, Mode::Tap)
            .map_err(|error| opening_error(&error, name))?;
        let failed = |step| {
            move |source| TapError::Failed {
                step,
                name: name.to_owned(),
                source,
            }
        };
        interface
            .set_non_blocking()
            .map_err(|error| failed("making calls not wait")(errno(&error)))?;
        let device = Device { interface };
        tap::set_value(device.as_fd(), libc::TUNSETOFFLOAD, 0)
            .map_err(failed("setting offloads"))?;
        tap::set_value(device.as_fd(), libc::TUNSETPERSIST, 1)
            .map_err(failed("making persistent"))?;
        Ok(device)
    }

    /// Reads one frame and returns its length; `WouldBlock` when there is none. What does not fit is cut off.
    pub fn receive(&self, frame: &mut [u8]) -> io::Result<usize> {
        self.interface.recv(frame)
    }

    /// Writes one frame: the interface receives it before this returns.
    pub fn transmit(&self, frame: &[u8]) -> io::Result<()> {
        self.interface.send(frame).map(drop)
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the interface owns this descriptor and closes it no sooner than the borrow ends.
        unsafe { BorrowedFd::borrow_raw(self.interface.as_raw_fd()) }
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or_default())
}

/// The clone device is opened and attached to in one step: which of them failed is seen by what the kernel said.
fn opening_error(error: &io::Error, name: &str) -> TapError {
    match errno(error) {
        Errno::ENOENT | Errno::ENODEV | Errno::ENXIO | Errno::EACCES => {
            tap::clone_device_error(error)
        }
        other => tap::attaching_error(other, name),
    }
}
