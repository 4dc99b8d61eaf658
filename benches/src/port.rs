//! A port that replays frames from memory, and swallows or keeps what is sent out of it.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use packet::offload::Offloads;
use pipeline::DropReason;
use vswitch::buffer::Pool;
use vswitch::port::{BATCH, Batch, Frame, Lost, Outer, Port};
use vswitch::sys::poll::Waker;

/// A frame outside of any buffer pool.
pub type Loose = (Vec<u8>, Option<Outer>);

/// Measures the time from the end of a batch's arrival to the first transmission: everything between parsing and
/// rewriting, without what a device costs.
#[derive(Debug, Default)]
pub struct Stopwatch(Mutex<Laps>);

#[derive(Debug, Default)]
struct Laps {
    begun: Option<(Instant, usize)>,
    /// Nanoseconds and packets of each batch.
    done: Vec<(u64, usize)>,
}

impl Stopwatch {
    fn begin(&self, packets: usize) {
        lock(&self.0).begun = Some((Instant::now(), packets));
    }

    fn end(&self) {
        let now = Instant::now();
        let mut laps = lock(&self.0);
        if let Some((begun, packets)) = laps.begun.take() {
            laps.done.push(((now - begun).as_nanos() as u64, packets));
        }
    }

    /// Nanoseconds and packets of each batch since the last call.
    pub fn take(&self) -> Vec<(u64, usize)> {
        std::mem::take(&mut lock(&self.0).done)
    }
}

/// What a port has to replay, and what came out of it.
#[derive(Debug, Default)]
struct Reel {
    frames: Arc<Vec<Loose>>,
    next: usize,
    /// Frames still to come, round the reel.
    rest: usize,
    keeps: bool,
    kept: Vec<Loose>,
}

/// The far end of a [`ReplayPort`].
#[derive(Clone)]
pub struct Wire {
    reel: Arc<Mutex<Reel>>,
    waker: Waker,
}

/// A port over memory.
pub struct ReplayPort {
    reel: Arc<Mutex<Reel>>,
    waker: Waker,
    stopwatch: Arc<Stopwatch>,
}

impl ReplayPort {
    /// A port and its far end. It fails if the kernel has no descriptor left.
    pub fn new(stopwatch: Arc<Stopwatch>) -> anyhow::Result<(ReplayPort, Wire)> {
        let reel = Arc::<Mutex<Reel>>::default();
        let waker = Waker::new()?;
        let wire = Wire {
            reel: reel.clone(),
            waker: waker.clone(),
        };
        let port = ReplayPort {
            reel,
            waker,
            stopwatch,
        };
        Ok((port, wire))
    }
}

impl Wire {
    /// Lets `count` frames arrive: those of `frames` in order, and again from the first.
    pub fn play(&self, frames: Arc<Vec<Loose>>, count: usize) {
        let mut reel = lock(&self.reel);
        reel.rest = if frames.is_empty() { 0 } else { count };
        reel.next = 0;
        reel.frames = frames;
        drop(reel);
        self.waker.wake();
    }

    /// True while frames are still to arrive.
    pub fn is_playing(&self) -> bool {
        lock(&self.reel).rest > 0
    }

    /// Whether to keep what comes out from now on.
    pub fn keep(&self, keeps: bool) {
        lock(&self.reel).keeps = keeps;
    }

    /// What came out and was kept.
    pub fn take(&self) -> Vec<Loose> {
        std::mem::take(&mut lock(&self.reel).kept)
    }
}

impl Port for ReplayPort {
    fn readiness(&self) -> BorrowedFd<'_> {
        self.waker.as_fd()
    }

    fn offloads(&self) -> Offloads {
        Offloads::None
    }

    fn receive(&mut self, pool: &mut Pool, batch: &mut Batch) -> Result<(), Lost> {
        let mut reel = lock(&self.reel);
        let count = reel.rest.min(BATCH - batch.frames.len());
        for _ in 0..count {
            let (bytes, outer) = &reel.frames[reel.next];
            match pool.copy(bytes) {
                Some(packet) => batch.frames.push(Frame {
                    packet,
                    outer: *outer,
                }),
                None => batch.refused.push(DropReason::NoBuffer),
            }
            reel.next = (reel.next + 1) % reel.frames.len();
        }
        reel.rest -= count;
        if reel.rest == 0 {
            self.waker.clear();
        }
        drop(reel);
        self.stopwatch.begin(count);
        Ok(())
    }

    fn transmit(
        &mut self,
        frames: &mut Vec<Frame>,
        done: &mut dyn FnMut(Frame, Result<(), DropReason>),
    ) {
        self.stopwatch.end();
        let mut reel = lock(&self.reel);
        for frame in frames.drain(..) {
            if reel.keeps {
                reel.kept.push((frame.packet.bytes().to_vec(), frame.outer));
            }
            done(frame, Ok(()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
