//! Counting without contention: each worker writes numbers of its own, and a reader adds them up.
//!
//! # The sum
//!
//! Every packet instance has one beginning and one end, so that at any time when no batch is under way
//!
//! ```text
//! received + copied + originated = transmitted + answered + monitored + dropped + holding
//! ```
//!
//! *Received* are the frames that came in by a port or the tunnel. A packet that goes several ways, or is
//! cut into fragments, is *copied* once for each piece but one. *Originated* are the packets that the network
//! made itself: answers, solicitations and probes. *Transmitted* are those that a device took. A packet that was used up
//! by its answer is *answered*. One that answered a probe of the node itself is *monitored*. *Holding* is how many wait for a neighbour now. All others are *dropped*,
//! each by one [`DropReason`].

use std::array;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

use pipeline::DropReason;
use uuid::Uuid;

/// Bytes that are kept of the last packet of each drop reason.
pub const SAMPLE: usize = 256;
const SAMPLE_WORDS: usize = SAMPLE / 8;

/// A number that one thread counts and others read. Counting is a plain load and store.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to the number. Only one thread may.
    pub fn add(&self, count: u64) {
        let sum = self.0.load(Ordering::Relaxed).wrapping_add(count);
        self.0.store(sum, Ordering::Relaxed);
    }

    /// Takes from the number. Only the thread that adds may.
    pub fn subtract(&self, count: u64) {
        let rest = self.0.load(Ordering::Relaxed).wrapping_sub(count);
        self.0.store(rest, Ordering::Relaxed);
    }

    /// Makes it this number. Only the thread that adds may.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Declares counters once: those of a worker, and the sums over all workers.
macro_rules! totals {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What one worker counts.
        #[derive(Debug, Default)]
        pub struct TotalCounters { $($(#[$doc])* pub $name: Counter,)* }

        /// Sums over all workers.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        pub struct Totals { $($(#[$doc])* pub $name: u64,)* }

        impl TotalCounters {
            /// Adds these counters to `sums`.
            pub fn add_to(&self, sums: &mut Totals) {
                $(sums.$name += self.$name.get();)*
            }
        }
    };
}

totals! {
    /// Frames that came in by a port or the tunnel.
    received,
    /// Further instances of packets that went several ways.
    copied,
    /// Packets that the network made itself.
    originated,
    /// Frames that a device took.
    transmitted,
    /// Packets that were used up by their answers.
    answered,
    /// Packets that answered probes of this node.
    monitored,
    /// Packets that were dropped, whatever the reason.
    dropped,
    /// Packets that wait for a neighbour now.
    holding,
    /// Packets whose verdict was remembered.
    hits,
    /// Packets that ran through the pipeline for want of a remembered verdict.
    misses,
    /// Remembered verdicts that were void when they were met.
    stale,
    /// Flows that were not remembered because the connection table was full.
    not_remembered,
    /// Events that the control side did not take in time.
    events_lost,
    /// Packets that were not logged because the ACL's meter did not allow it.
    logs_limited,
    /// Packets that were not logged because the control side did not take their records in time.
    logs_lost,
    /// Times that a port had to wait because its packets led nowhere, or exceeded its rate or the uplink's.
    rests,
    /// Batches of frames.
    batches,
}

/// The longest of the times that something took. One thread notes, others read.
#[derive(Debug, Default)]
pub struct Longest(Counter);

impl Longest {
    /// Takes note of a time. Only one thread may.
    pub fn note(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        if nanos > self.0.get() {
            self.0.set(nanos);
        }
    }

    /// Forgets what was noted. Only the thread that notes may.
    pub fn clear(&self) {
        self.0.set(0);
    }

    /// The longest time so far.
    pub fn get(&self) -> Duration {
        Duration::from_nanos(self.0.get())
    }
}

/// Traffic of a port or of the tunnel to one node.
#[derive(Debug, Default)]
pub struct TrafficCounters {
    /// Frames that came in.
    pub rx_packets: Counter,
    /// Bytes that came in.
    pub rx_bytes: Counter,
    /// Frames that went out.
    pub tx_packets: Counter,
    /// Bytes that went out.
    pub tx_bytes: Counter,
    /// Frames that came in here and were dropped.
    pub rx_dropped: Counter,
    /// Frames that were to go out here and that the device did not take.
    pub tx_dropped: Counter,
    /// Times that what came in here had to wait because its port had sent more than its rate.
    pub rate_waits: Counter,
    /// Times that it had to wait because the uplink was full.
    pub uplink_waits: Counter,
}

/// The numbers of one worker.
#[derive(Debug)]
pub struct WorkerCounters {
    /// The totals.
    pub totals: TotalCounters,
    /// How long the worker was away from its packets while there was work.
    pub pause: Longest,
    /// How long the packets of one turn took.
    pub turn: Longest,
    drops: Box<[DropCounter]>,
}

/// One drop reason's number and last packet.
#[derive(Debug, Default)]
struct DropCounter {
    count: Counter,
    last: Sample,
}

/// The start of a packet, written by one thread and read by others, without locks.
///
/// `sequence` is odd while the writer is at it. A reader that sees it change, or odd, tries again.
#[derive(Debug)]
struct Sample {
    sequence: AtomicU64,
    time_ms: AtomicU64,
    place: AtomicU64,
    /// The rule's UUID, in halves; 0 for none.
    rule: [AtomicU64; 2],
    length: AtomicU64,
    words: [AtomicU64; SAMPLE_WORDS],
}

/// The last packet that was dropped for a reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastDrop {
    /// When, in milliseconds since the data path was started.
    pub time_ms: u64,
    /// Where it had come in, as the worker numbers ingress places.
    pub place: u64,
    /// The rule that asked for it.
    pub rule: Option<Uuid>,
    /// Its first [`SAMPLE`] bytes at most.
    pub bytes: Vec<u8>,
}

impl Default for WorkerCounters {
    fn default() -> Self {
        Self {
            totals: TotalCounters::default(),
            pause: Longest::default(),
            turn: Longest::default(),
            drops: DropReason::ALL
                .iter()
                .map(|_| DropCounter::default())
                .collect(),
        }
    }
}

impl WorkerCounters {
    /// Counts a dropped packet that had come in at `place`. Only the worker itself may.
    pub fn count_drop(&self, reason: DropReason, time_ms: u64, place: u64, bytes: &[u8]) {
        self.count_drop_by((reason, None), time_ms, place, bytes);
    }

    /// Counts a dropped packet, with the rule that asked for that.
    pub fn count_drop_by(
        &self,
        (reason, rule): (DropReason, Option<Uuid>),
        time_ms: u64,
        place: u64,
        bytes: &[u8],
    ) {
        self.totals.dropped.add(1);
        let counter = &self.drops[reason as usize];
        counter.count.add(1);
        counter.last.write(time_ms, place, rule, bytes);
    }

    /// How many packets were dropped for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize].count.get()
    }

    /// The last packet that was dropped for this reason, if one was and can be read just now.
    pub fn last_drop(&self, reason: DropReason) -> Option<LastDrop> {
        self.drops[reason as usize].last.read()
    }
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            sequence: AtomicU64::new(0),
            time_ms: AtomicU64::new(0),
            place: AtomicU64::new(0),
            rule: array::from_fn(|_| AtomicU64::new(0)),
            length: AtomicU64::new(0),
            words: array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Sample {
    /// Reads that may fail before a busy slot is given up.
    const TRIES: usize = 16;

    fn write(&self, time_ms: u64, place: u64, rule: Option<Uuid>, bytes: &[u8]) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence
            .store(sequence.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        let bytes = &bytes[..bytes.len().min(SAMPLE)];
        self.time_ms.store(time_ms, Ordering::Relaxed);
        self.place.store(place, Ordering::Relaxed);
        let (upper, lower) = rule.unwrap_or_default().as_u64_pair();
        self.rule[0].store(upper, Ordering::Relaxed);
        self.rule[1].store(lower, Ordering::Relaxed);
        self.length.store(bytes.len() as u64, Ordering::Relaxed);
        for (word, chunk) in self.words.iter().zip(bytes.chunks(8)) {
            let mut value = [0; 8];
            value[..chunk.len()].copy_from_slice(chunk);
            word.store(u64::from_le_bytes(value), Ordering::Relaxed);
        }
        self.sequence
            .store(sequence.wrapping_add(2), Ordering::Release);
    }

    fn read(&self) -> Option<LastDrop> {
        (0..Self::TRIES).find_map(|_| self.try_read())
    }

    fn try_read(&self) -> Option<LastDrop> {
        let before = self.sequence.load(Ordering::Acquire);
        if before == 0 || before % 2 == 1 {
            return None;
        }
        let time_ms = self.time_ms.load(Ordering::Relaxed);
        let place = self.place.load(Ordering::Relaxed);
        let halves = self
            .rule
            .each_ref()
            .map(|half| half.load(Ordering::Relaxed));
        let rule = Uuid::from_u64_pair(halves[0], halves[1]);
        let length = self.length.load(Ordering::Relaxed) as usize;
        let words = self.words.iter().map(|word| word.load(Ordering::Relaxed));
        let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        bytes.truncate(length);
        fence(Ordering::Acquire);
        let is_whole = self.sequence.load(Ordering::Relaxed) == before;
        is_whole.then_some(LastDrop {
            time_ms,
            place,
            rule: (!rule.is_nil()).then_some(rule),
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_is_counted_once_and_its_last_packet_kept() {
        let counters = WorkerCounters::default();
        assert_eq!(counters.last_drop(DropReason::NoRoute), None);
        counters.count_drop(DropReason::NoRoute, 1, 2, &[7; 300]);
        counters.count_drop(DropReason::NoRoute, 3, 4, b"last one");
        counters.count_drop(DropReason::NotIp, 5, 6, &[]);
        assert_eq!(counters.dropped(DropReason::NoRoute), 2);
        assert_eq!(counters.totals.dropped.get(), 3);
        let last = LastDrop {
            time_ms: 3,
            place: 4,
            rule: None,
            bytes: b"last one".to_vec(),
        };
        assert_eq!(counters.last_drop(DropReason::NoRoute), Some(last));
    }

    #[test]
    fn the_last_packet_is_kept_with_the_rule_that_dropped_it() {
        let counters = WorkerCounters::default();
        let rule = Some(Uuid::from_u128(7));
        counters.count_drop_by((DropReason::AclDrop, rule), 1, 2, &[]);
        let last = counters.last_drop(DropReason::AclDrop);
        assert_eq!(last.expect("just written").rule, rule);
    }

    #[test]
    fn a_long_packet_is_kept_up_to_its_bound() {
        let counters = WorkerCounters::default();
        counters.count_drop(DropReason::TooLong, 0, 0, &[7; 300]);
        let last = counters
            .last_drop(DropReason::TooLong)
            .expect("just written");
        assert_eq!(last.bytes, [7; SAMPLE]);
    }

    #[test]
    fn a_reader_never_sees_half_a_packet() {
        let counters = WorkerCounters::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..20_000_u64 {
                    let byte = number as u8;
                    counters.count_drop(
                        DropReason::NoRoute,
                        number,
                        u64::from(byte),
                        &[byte; SAMPLE],
                    );
                }
            });
            for _ in 0..2_000 {
                if let Some(last) = counters.last_drop(DropReason::NoRoute) {
                    assert!(last.bytes.iter().all(|byte| u64::from(*byte) == last.place));
                }
            }
        });
    }
}
