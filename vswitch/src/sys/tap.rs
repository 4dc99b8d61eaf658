//! TAP devices: interfaces whose other end is this process.
//!
//! Devices are persistent, so that a pod keeps its interface while the switch is restarted: [`open`] creates
//! a device or takes up the one that is there. Each frame on a queue stands behind a
//! [`super::virtio`] header. Reads and writes never wait.

use std::ffi::c_uint;
use std::fs::OpenOptions;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use nix::sys::uio::writev;
use nix::unistd::{read, write};

use packet::offload::{Offload, Offloads};

use super::virtio::{self, HEADER_LENGTH};

/// The device that makes TAP devices.
const CLONE_DEVICE: &str = "/dev/net/tun";
/// The most queues that the kernel gives one device (`MAX_TAP_QUEUES`).
pub const MAX_QUEUES: usize = 256;
/// The longest name of an interface, in bytes.
pub const MAX_NAME_LENGTH: usize = libc::IFNAMSIZ - 1;

/// Which device to open, and how.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    /// The name of the interface.
    pub name: &'a str,
    /// How many queues to attach, `1..=`[`MAX_QUEUES`]. A device is single-queue or multi-queue for life.
    pub queues: usize,
    /// The work that the interface may leave on the frames that it sends, if its kernel knows it.
    pub offloads: Offloads,
}

/// Why a device could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum TapError {
    /// The name cannot be an interface's.
    #[error(
        "interface name {0:?} is not 1 to {MAX_NAME_LENGTH} bytes without '/', '%' or white space"
    )]
    BadName(String),
    /// A number of queues that cannot be.
    #[error("{0} queues are outside 1..={MAX_QUEUES}")]
    BadQueues(usize),
    /// A plain device has a single queue.
    #[error("a plain TAP device has one queue and not {0}")]
    OneQueue(usize),
    /// The kernel has no TAP, or the sandbox hides it.
    #[error(
        "{CLONE_DEVICE} does not exist: load the kernel module tun, or make the device visible here"
    )]
    NoCloneDevice,
    /// The device file may not be opened.
    #[error("{CLONE_DEVICE} may not be opened: it takes read and write permission")]
    NotPermitted,
    /// The network namespace could not be entered.
    #[error("the network namespace could not be entered")]
    Namespace(#[source] Errno),
    /// Making the interface takes `CAP_NET_ADMIN` in its network namespace.
    #[error("interface {0:?} may not be made: it takes CAP_NET_ADMIN in its network namespace")]
    NoCapability(String),
    /// Another process holds the device, or all its queues are taken.
    #[error("interface {0:?} is in use by another process")]
    Busy(String),
    /// There is an interface of that name of another kind.
    #[error("interface {0:?} exists and is no TAP device with as many queues")]
    OtherKind(String),
    /// Anything else.
    #[error("{step} of interface {name:?} failed")]
    Failed {
        /// What was being done.
        step: &'static str,
        /// The interface.
        name: String,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
}

/// One queue of a TAP device. Dropping it detaches it; the device stays while it is persistent.
#[derive(Debug)]
pub struct Queue {
    fd: OwnedFd,
    offloads: Offloads,
}

/// Opens the device `options.name` in `netns`, or in the caller's network namespace, and attaches queues.
///
/// A persistent device of the same kind is taken up as it is. A new one is made persistent.
pub fn open(netns: Option<BorrowedFd<'_>>, options: &Options<'_>) -> Result<Vec<Queue>, TapError> {
    check(options)?;
    inside(netns, || {
        (0..options.queues).map(|_| Queue::open(options)).collect()
    })
}

/// Opens something in `netns`, or in the caller's network namespace.
pub(super) fn inside<T: Send>(
    netns: Option<BorrowedFd<'_>>,
    open: impl FnOnce() -> Result<T, TapError> + Send,
) -> Result<T, TapError> {
    let Some(netns) = netns else {
        return open();
    };
    // A thread of its own enters the namespace, so that no other work ever runs in it.
    std::thread::scope(|scope| {
        let opener = scope.spawn(|| {
            setns(netns, CloneFlags::CLONE_NEWNET).map_err(TapError::Namespace)?;
            open()
        });
        opener
            .join()
            .unwrap_or(Err(TapError::Namespace(Errno::UnknownErrno)))
    })
}

/// Refuses a name that no interface can have.
pub fn check_name(name: &str) -> Result<(), TapError> {
    let is_legal =
        |byte: u8| byte != b'/' && byte != b'%' && byte != 0 && !byte.is_ascii_whitespace();
    if !(1..=MAX_NAME_LENGTH).contains(&name.len())
        || matches!(name, "." | "..")
        || !name.bytes().all(is_legal)
    {
        return Err(TapError::BadName(name.to_owned()));
    }
    Ok(())
}

fn check(options: &Options<'_>) -> Result<(), TapError> {
    check_name(options.name)?;
    if !(1..=MAX_QUEUES).contains(&options.queues) {
        return Err(TapError::BadQueues(options.queues));
    }
    Ok(())
}

impl Queue {
    fn open(options: &Options<'_>) -> Result<Queue, TapError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open(CLONE_DEVICE)
            .map_err(|error| clone_device_error(&error))?;
        let mut queue = Queue {
            fd: file.into(),
            offloads: Offloads::None,
        };
        let failed = |step| {
            move |source| TapError::Failed {
                step,
                name: options.name.to_owned(),
                source,
            }
        };
        queue.attach(options)?;
        let header_length = HEADER_LENGTH as c_uint;
        queue
            .set(libc::TUNSETVNETHDRSZ, header_length)
            .map_err(failed("setting the header size"))?;
        queue
            .set(libc::TUNSETVNETLE, 1 as c_uint)
            .map_err(failed("setting the byte order"))?;
        queue
            .set_offloads(options.offloads)
            .map_err(failed("setting offloads"))?;
        queue
            .set_persistent(true)
            .map_err(failed("making persistent"))?;
        Ok(queue)
    }

    /// Makes the descriptor a queue of the named device.
    fn attach(&self, options: &Options<'_>) -> Result<(), TapError> {
        let mut flags = libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
        if options.queues > 1 {
            flags |= libc::IFF_MULTI_QUEUE;
        }
        let request = request(options.name, flags);
        self.set(libc::TUNSETIFF, request)
            .map_err(|error| attaching_error(error, options.name))
    }

    /// Says what work the kernel may leave on the frames that it sends. One that does not know the segmentation of UDP
    /// (before Linux 6.2) leaves none of that, and takes none.
    pub fn set_offloads(&mut self, offloads: Offloads) -> Result<(), Errno> {
        const TCP: c_uint =
            libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6 | libc::TUN_F_TSO_ECN;
        const UDP: c_uint = libc::TUN_F_USO4 | libc::TUN_F_USO6;
        let bits = match offloads {
            Offloads::None => 0,
            Offloads::Tcp => TCP,
            Offloads::All => TCP | UDP,
        };
        match set_value(self.as_fd(), libc::TUNSETOFFLOAD, bits) {
            Err(Errno::EINVAL) if offloads == Offloads::All => self.set_offloads(Offloads::Tcp),
            Err(error) => Err(error),
            Ok(()) => {
                self.offloads = offloads;
                Ok(())
            }
        }
    }

    /// The work that the kernel leaves on the frames that it sends, and that it takes frames with.
    pub fn offloads(&self) -> Offloads {
        self.offloads
    }

    /// Whether the device outlives its last queue.
    pub fn set_persistent(&self, is_persistent: bool) -> Result<(), Errno> {
        set_value(
            self.as_fd(),
            libc::TUNSETPERSIST,
            c_uint::from(is_persistent),
        )
    }

    /// Whether the interface reports a carrier: without one its network stack sends nothing.
    pub fn set_carrier(&self, has_carrier: bool) -> Result<(), Errno> {
        self.set(libc::TUNSETCARRIER, c_uint::from(has_carrier))
    }

    /// Detaches the queue from its device: no more frames are steered to it.
    pub fn detach(&self) -> Result<(), Errno> {
        self.set(libc::TUNSETQUEUE, request("", libc::IFF_DETACH_QUEUE))
    }

    /// Reads one frame into `room`, behind its header; returns what was left undone, and the length of the frame alone.
    ///
    /// `WouldBlock` when there is none; `InvalidData` for a header of an unknown kind.
    pub fn receive(&self, room: &mut [u8]) -> io::Result<(Offload, usize)> {
        let length = read(&self.fd, room)?;
        let (offload, frame) = virtio::split(&room[..length]).ok_or(io::ErrorKind::InvalidData)?;
        Ok((offload, frame.len()))
    }

    /// Writes one frame that stands behind its header: the interface receives it before this returns.
    pub fn transmit(&self, frame: &[u8]) -> io::Result<()> {
        write(&self.fd, frame)?;
        Ok(())
    }

    /// [`Queue::transmit`] of a frame that stands by itself, which costs a little more.
    pub fn transmit_parts(&self, offload: &Offload, frame: &[u8]) -> io::Result<()> {
        let header = virtio::encode(offload);
        writev(&self.fd, &[IoSlice::new(&header), IoSlice::new(frame)])?;
        Ok(())
    }

    /// An ioctl whose argument stands in memory.
    fn set<T>(&self, operation: libc::Ioctl, mut argument: T) -> Result<(), Errno> {
        // SAFETY: every operation passed here reads, and may write back, one `T` of the kernel's layout
        // (`int` or `struct ifreq`), which lives until the call returns. nix has no TUN requests.
        let result = unsafe { libc::ioctl(self.fd.as_raw_fd(), operation, &raw mut argument) };
        Errno::result(result).map(drop)
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// An ioctl on a TAP device whose argument is the value itself.
pub(super) fn set_value(
    device: BorrowedFd<'_>,
    operation: libc::Ioctl,
    argument: c_uint,
) -> Result<(), Errno> {
    let argument = libc::c_ulong::from(argument);
    // SAFETY: the operations passed here take their argument by value and touch no memory of ours.
    let result = unsafe { libc::ioctl(device.as_raw_fd(), operation, argument) };
    Errno::result(result).map(drop)
}

/// Why the named device could not be attached to.
pub(super) fn attaching_error(error: Errno, name: &str) -> TapError {
    let name = name.to_owned();
    match error {
        Errno::EPERM | Errno::EACCES => TapError::NoCapability(name),
        Errno::EBUSY | Errno::E2BIG => TapError::Busy(name),
        Errno::EINVAL | Errno::EEXIST => TapError::OtherKind(name),
        source => TapError::Failed {
            step: "attaching to the device",
            name,
            source,
        },
    }
}

/// Why the clone device could not be opened.
pub(super) fn clone_device_error(error: &io::Error) -> TapError {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOENT | Errno::ENODEV | Errno::ENXIO) => TapError::NoCloneDevice,
        Some(Errno::EACCES | Errno::EPERM) => TapError::NotPermitted,
        other => TapError::Failed {
            step: "opening the clone device",
            name: CLONE_DEVICE.to_owned(),
            source: other.unwrap_or(Errno::UnknownErrno),
        },
    }
}

/// What `TUNSETIFF` and `TUNSETQUEUE` take. The name is at most [`MAX_NAME_LENGTH`] bytes.
fn request(name: &str, flags: libc::c_int) -> InterfaceRequest {
    let mut request = InterfaceRequest {
        name: [0; libc::IFNAMSIZ],
        flags: flags as u16,
        padding: [0; 22],
    };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    request
}

/// `struct ifreq` as the TUN requests use it.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; libc::IFNAMSIZ],
    flags: u16,
    padding: [u8; 22],
}

const _: () = assert!(size_of::<InterfaceRequest>() == size_of::<libc::ifreq>());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_queue_counts_that_cannot_be_are_refused_before_the_kernel_is_asked() {
        let open = |name, queues| {
            open(
                None,
                &Options {
                    name,
                    queues,
                    offloads: Offloads::None,
                },
            )
        };
        for name in ["", "a-name-of-16-chr", "a/b", "a b", "tap%d", ".", ".."] {
            assert!(
                matches!(open(name, 1), Err(TapError::BadName(bad)) if bad == name),
                "{name}"
            );
        }
        for queues in [0, MAX_QUEUES + 1] {
            assert!(matches!(open("tap0", queues), Err(TapError::BadQueues(bad)) if bad == queues));
        }
    }
}
