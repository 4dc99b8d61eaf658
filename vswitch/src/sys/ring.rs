//! Many reads or many writes by one system call: io_uring, as far as it is of use here.
//!
//! Nothing is ever under way when a call returns. Every request says that it is not to wait (`RWF_NOWAIT`), so that the
//! kernel has done or refused it by the time that it has taken it; and a call returns only with an answer to everything
//! that was taken. So the memory that requests refer to has to last for the call alone, and no request meets another.
//!
//! A ring is of one thread, which makes it when it first needs one ([`with`]).

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use arrayvec::ArrayVec;
use io_uring::types::Fd;
use io_uring::{IoUring, opcode, squeue};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use super::virtio::HEADER_LENGTH;
use crate::buffer::LARGE;

/// The most writes of one call.
pub const WRITES: usize = 64;
/// The most reads of one call.
pub const READS: usize = 16;
/// Bytes that a read may bring: a frame and the header before it.
const ROOM: usize = HEADER_LENGTH + LARGE;
/// The offset that stands for where the file is.
const HERE: u64 = u64::MAX;

/// What a call makes the kernel do, and what came of it.
pub struct Ring {
    ring: IoUring,
    outcomes: ArrayVec<i32, WRITES>,
    /// [`ROOM`] for each read. Pages are first touched when a read comes so far.
    rooms: Box<[u8]>,
}

thread_local! {
    /// The calling thread's ring, once it has asked for one; an inner `None` if it cannot have one.
    static RING: RefCell<Option<Option<Ring>>> = const { RefCell::new(None) };
}

/// Does `work` with the calling thread's ring; `None` if it can have none.
pub fn with<T>(work: impl FnOnce(&mut Ring) -> T) -> Option<T> {
    RING.with_borrow_mut(|slot| {
        let ring = slot.get_or_insert_with(|| Ring::new().ok());
        let result = work(ring.as_mut()?);
        ring.take_if(|ring| !ring.is_sound());
        Some(result)
    })
}

/// Tries whether this kernel has io_uring, lets this process use it, and does what is asked of it here.
pub fn probe() -> io::Result<()> {
    let mut ring = Ring::new()?;
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    let expect = |done: bool| match done {
        true => Ok(()),
        false => Err(io::Error::from(Errno::EOPNOTSUPP)),
    };
    let writes = ring.write(writer.as_fd(), &[b"ab", b"c"]);
    expect(writes == 2 && ring.outcome(0)? == 2 && ring.outcome(1)? == 1)?;
    let reads = ring.read(reader.as_fd(), 1);
    expect(reads == 1 && ring.outcome(0)? == 3 && ring.room(0).starts_with(b"abc"))?;
    let reads = ring.read(reader.as_fd(), 1);
    let waits = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
    expect(reads == 1 && ring.outcome(0).is_err_and(waits))
}

impl Ring {
    /// A ring of the calling thread.
    fn new() -> io::Result<Ring> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_coop_taskrun()
            .build(WRITES as u32)?;
        Ok(Ring {
            ring,
            outcomes: ArrayVec::new(),
            rooms: vec![0; READS * ROOM].into_boxed_slice(),
        })
    }

    /// Writes each of `frames`, of which the first [`WRITES`] count, in order by a write of its own; returns how many the
    /// kernel has tried. Of the others it knows nothing.
    pub fn write(&mut self, to: BorrowedFd<'_>, frames: &[&[u8]]) -> usize {
        let to = Fd(to.as_raw_fd());
        let requests = frames.iter().take(WRITES).map(|frame| {
            opcode::Write::new(to, frame.as_ptr(), frame.len() as u32)
                .offset(HERE)
                .rw_flags(libc::RWF_NOWAIT)
                .build()
        });
        let requests: ArrayVec<_, WRITES> = requests.collect();
        // SAFETY: `frames` and the descriptor outlive this call, which is all that is asked.
        unsafe { self.run(&requests) }
    }

    /// Reads `count` times, [`READS`] at most, each into a room of its own. Returns how many reads the kernel has tried.
    pub fn read(&mut self, from: BorrowedFd<'_>, count: usize) -> usize {
        let from = Fd(from.as_raw_fd());
        let mut rooms = std::mem::take(&mut self.rooms);
        let requests = rooms.chunks_exact_mut(ROOM).take(count).map(|room| {
            opcode::Read::new(from, room.as_mut_ptr(), ROOM as u32)
                .offset(HERE)
                .rw_flags(libc::RWF_NOWAIT)
                .build()
        });
        let requests: ArrayVec<_, WRITES> = requests.collect();
        // SAFETY: the descriptor outlives this call, as do `rooms`, which nothing else looks at meanwhile.
        let tried = unsafe { self.run(&requests) };
        self.rooms = rooms;
        tried
    }

    /// What became of one that was tried by the last call: how many bytes were moved.
    ///
    /// # Panics
    /// If it was not tried.
    pub fn outcome(&self, at: usize) -> io::Result<usize> {
        let result = self.outcomes[at];
        usize::try_from(result).map_err(|_| io::Error::from_raw_os_error(-result))
    }

    /// The room of a read of the last call: what it brought, and then what was there before.
    ///
    /// # Panics
    /// If there are fewer than [`READS`].
    pub fn room(&self, at: usize) -> &[u8] {
        &self.rooms[at * ROOM..][..ROOM]
    }

    /// True if nothing that it was told is left over.
    fn is_sound(&mut self) -> bool {
        self.ring.submission().is_empty()
    }

    /// Has the kernel do `requests` in order, notes their outcomes, and returns how many it has taken. A kernel
    /// that cannot do without waiting has taken none.
    ///
    /// # Safety
    /// What the requests refer to must be valid for the kernel's use until this returns.
    unsafe fn run(&mut self, requests: &[squeue::Entry]) -> usize {
        const PENDING: i32 = i32::MIN;
        self.outcomes.clear();
        let mut asked = 0;
        for (request, at) in requests.iter().zip(0..) {
            let request = request.clone().user_data(at);
            // SAFETY: as this function requires, and below nothing is left with the kernel.
            let is_queued = unsafe { self.ring.submission().push(&request) };
            asked += usize::from(is_queued.is_ok());
            self.outcomes.push(PENDING);
        }
        let mut answered = 0;
        loop {
            let entered = self.ring.submit_and_wait(asked - answered);
            for answer in self.ring.completion() {
                self.outcomes[answer.user_data() as usize] = answer.result();
                answered += 1;
            }
            let taken = asked - self.ring.submission().len();
            let is_over = match entered {
                Ok(_) => taken == asked,
                Err(error) => error.kind() != io::ErrorKind::Interrupted,
            };
            if is_over && answered == taken {
                break;
            }
        }
        let refused = -(Errno::EOPNOTSUPP as i32);
        let tried = |outcome: &i32| *outcome != PENDING && *outcome != refused;
        let count = self.outcomes.iter().take_while(|outcome| tried(outcome));
        let count = count.count();
        self.outcomes.truncate(count);
        count
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    fn pair() -> (UnixDatagram, UnixDatagram) {
        UnixDatagram::pair().expect("sockets")
    }

    #[test]
    fn this_kernel_does_what_is_asked_of_it() {
        probe().expect("io_uring");
    }

    #[test]
    fn a_call_writes_in_order_and_reads_what_is_there() {
        let (one, other) = pair();
        let frames: Vec<Vec<u8>> = (0..8).map(|number| vec![number; 6]).collect();
        let slices: Vec<&[u8]> = frames.iter().map(Vec::as_slice).collect();
        let tried = with(|ring| ring.write(one.as_fd(), &slices)).expect("io_uring");
        assert_eq!(tried, 8);
        with(|ring| {
            assert_eq!(ring.read(other.as_fd(), 20), READS);
            for at in 0..READS {
                assert_eq!(ring.outcome(at).ok(), (at < 8).then_some(6));
            }
            for (at, number) in (0..8).zip(0..) {
                assert_eq!(ring.room(at)[..7], [&[number; 6][..], &[0]].concat());
            }
        });
    }

    #[test]
    fn what_is_tried_in_vain_says_why_and_leaves_the_ring_as_it_was() {
        let (one, other) = pair();
        drop(other);
        let broken = with(|ring| {
            let tried = ring.write(one.as_fd(), &[b"a", b"b"]);
            assert_eq!(tried, 2);
            [0, 1].map(|at| ring.outcome(at).map_err(|error| error.kind()))
        });
        let expected = [
            io::ErrorKind::ConnectionRefused,
            io::ErrorKind::NotConnected,
        ]
        .map(Err);
        assert_eq!(broken, Some(expected));
        let (one, other) = pair();
        let written = with(|ring| ring.write(one.as_fd(), &[b"c"]));
        assert_eq!(written, Some(1));
        let mut room = [0; 2];
        assert_eq!(other.recv(&mut room).ok(), Some(1));
        assert_eq!(room[0], b'c');
        assert_eq!(with(|ring| ring.write(one.as_fd(), &[])), Some(0));
    }
}
