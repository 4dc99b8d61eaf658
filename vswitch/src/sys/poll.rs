//! Waiting for many descriptors at once, and being woken by another thread.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

/// The most descriptors that one wait reports; the others are reported by the next.
const EVENTS: usize = 64;

/// The descriptors that a thread waits for. Readiness is level-triggered: what is not drained is reported again.
#[derive(Debug)]
pub struct Poll {
    epoll: Epoll,
    events: Box<[EpollEvent]>,
}

impl Poll {
    /// Nothing to wait for yet.
    pub fn new() -> Result<Poll, Errno> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let events = vec![EpollEvent::empty(); EVENTS].into_boxed_slice();
        Ok(Poll { epoll, events })
    }

    /// Reports `token` whenever `fd` can be read.
    pub fn add(&self, fd: BorrowedFd<'_>, token: u64) -> Result<(), Errno> {
        self.epoll
            .add(fd, EpollEvent::new(EpollFlags::EPOLLIN, token))
    }

    /// Does not report that `fd`, which was added, can be read, until [`Poll::resume`].
    pub fn pause(&self, fd: BorrowedFd<'_>, token: u64) -> Result<(), Errno> {
        let mut nothing = EpollEvent::new(EpollFlags::empty(), token);
        self.epoll.modify(fd, &mut nothing)
    }

    /// Reports again that `fd` can be read.
    pub fn resume(&self, fd: BorrowedFd<'_>, token: u64) -> Result<(), Errno> {
        let mut readable = EpollEvent::new(EpollFlags::EPOLLIN, token);
        self.epoll.modify(fd, &mut readable)
    }

    /// Reports `fd` no more.
    pub fn remove(&self, fd: BorrowedFd<'_>) -> Result<(), Errno> {
        self.epoll.delete(fd)
    }

    /// Waits until something can be read or the time is over (`None`: no limit; rounded up to milliseconds),
    /// and yields the tokens of what can. A signal ends the wait early, with nothing to read.
    pub fn wait(
        &mut self,
        timeout: Option<Duration>,
    ) -> Result<impl Iterator<Item = u64> + '_, Errno> {
        let timeout = timeout.map_or(EpollTimeout::NONE, |timeout| {
            let ms = timeout.as_nanos().div_ceil(1_000_000);
            EpollTimeout::try_from(ms.min(i32::MAX as u128)).unwrap_or(EpollTimeout::MAX)
        });
        let count = match self.epoll.wait(&mut self.events, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error),
        };
        Ok(self.events[..count].iter().map(EpollEvent::data))
    }
}

/// Wakes a thread that waits for it with [`Poll`]. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Waker(Arc<EventFd>);

impl Waker {
    /// A waker that has not been woken.
    pub fn new() -> Result<Waker, Errno> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        Ok(Waker(Arc::new(EventFd::from_flags(flags)?)))
    }

    /// Makes the waker readable until [`Waker::clear`].
    pub fn wake(&self) {
        // The only failure is a counter at its limit, which is as readable as can be.
        let _ = self.0.write(1);
    }

    /// Forgets all wakes so far.
    pub fn clear(&self) {
        // The only failure is that there were none.
        let _ = self.0.read();
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_reports_a_wake_until_it_is_cleared() {
        let mut poll = Poll::new().expect("epoll");
        let waker = Waker::new().expect("eventfd");
        poll.add(waker.as_fd(), 7).expect("add");
        let mut ready = || {
            poll.wait(Some(Duration::ZERO))
                .expect("wait")
                .collect::<Vec<_>>()
        };
        assert_eq!(ready(), [0; 0]);
        waker.wake();
        assert_eq!(ready(), [7]);
        assert_eq!(ready(), [7]);
        waker.clear();
        assert_eq!(ready(), [0; 0]);
    }

    #[test]
    fn what_is_paused_is_reported_when_it_is_resumed() {
        let mut poll = Poll::new().expect("epoll");
        let waker = Waker::new().expect("eventfd");
        poll.add(waker.as_fd(), 7).expect("add");
        waker.wake();
        poll.pause(waker.as_fd(), 7).expect("pause");
        let ready = |poll: &mut Poll| {
            let reported = poll.wait(Some(Duration::ZERO)).expect("wait");
            reported.collect::<Vec<_>>()
        };
        assert_eq!(ready(&mut poll), [0; 0]);
        poll.resume(waker.as_fd(), 7).expect("resume");
        assert_eq!(ready(&mut poll), [7]);
    }
}
