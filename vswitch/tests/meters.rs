//! Limits that workers share by the slice, against their slow, obvious twin: one bucket that everybody asks for every
//! packet. Input: packets of several workers over a time. Output: how many bytes may pass.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use pipeline::Metered;
use pipeline::object::MeterBand;
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;
use vswitch::meter::{Bucket, Meter};

/// When the packets begin to come.
const START_MS: u64 = 1_000_000;

fn meter(rate: u32, burst: u32, workers: usize) -> Meter {
    let metered = Metered {
        rule: Uuid::nil(),
        limit: MeterBand { rate, burst },
    };
    Meter::new(metered, workers, None)
}

/// One bucket, in bits.
struct Twin {
    rate: u64,
    capacity: i64,
    there: i64,
    now_ms: u64,
}

impl Twin {
    fn new(limit: MeterBand) -> Twin {
        let capacity = Bucket::new(limit).capacity() as i64 * 8;
        Twin {
            rate: limit.rate.into(),
            capacity,
            there: capacity,
            now_ms: START_MS,
        }
    }

    fn admit(&mut self, bytes: u64, now_ms: u64) -> bool {
        let gained = (self.rate * (now_ms - self.now_ms)) as i64;
        self.now_ms = now_ms;
        self.there = self.capacity.min(self.there + gained);
        let bits = bytes as i64 * 8;
        let admits = self.there >= bits.min(self.capacity);
        if admits {
            self.there -= bits;
        }
        admits
    }
}

/// Bytes that pass of `(worker, bytes, time since the last one)`, by the meter and by its twin, and the time that it took.
fn passed(limit: MeterBand, workers: usize, packets: &[(usize, u64, u64)]) -> (u64, u64, u64) {
    let meter = meter(limit.rate, limit.burst, workers);
    let mut twin = Twin::new(limit);
    let mut now_ms = START_MS;
    let (mut ours, mut theirs) = (0, 0);
    for &(worker, bytes, after_ms) in packets {
        now_ms += after_ms;
        if meter.admit(worker % workers, (1, bytes), now_ms) {
            ours += bytes;
        }
        if twin.admit(bytes, now_ms) {
            theirs += bytes;
        }
    }
    (ours, theirs, now_ms - START_MS)
}

/// A few megabits a second, of which a slice is less than a packet, up to a gigabit, of which it is many.
fn limit() -> impl Strategy<Value = MeterBand> {
    let rate = prop_oneof![1_000..10_000u32, 10_000..100_000u32, 100_000..1_000_000u32];
    (rate, 0..4u32).prop_map(|(rate, burst)| MeterBand {
        rate,
        burst: rate / 10 * burst + 600,
    })
}

proptest! {
    /// Whatever comes, never more than the rate and the burst; and no packet that the burst holds passes for nothing.
    #[test]
    fn no_more_passes_than_the_rate_and_one_burst(
        limit in limit(),
        workers in 1..5usize,
        packets in vec((0..4usize, 40..65_000u64, 0..4u64), 1..2_000),
    ) {
        let (ours, _, time_ms) = passed(limit, workers, &packets);
        let granted = u64::from(limit.rate) * time_ms / 8 + Bucket::new(limit).capacity();
        prop_assert!(ours <= granted + 1, "{ours} of {granted}");
    }

    /// All workers offer more than passes: what does is what the twin lets through, but for the last slices.
    #[test]
    fn under_load_as_much_passes_as_one_bucket_would_let(
        limit in limit(),
        workers in 1..5usize,
        sizes in vec((0..4usize, 60..1_514u64), 64),
    ) {
        let time_ms = 2_000;
        let per_ms = (u64::from(limit.rate) / 8 * 2).div_ceil(500) as usize;
        let packets: Vec<_> = (0..time_ms)
            .flat_map(|_| (0..per_ms).map(|number| u64::from(number == 0)))
            .zip(sizes.iter().cycle())
            .map(|(after_ms, &(worker, bytes))| (worker, bytes, after_ms))
            .collect();
        let (ours, theirs, _) = passed(limit, workers, &packets);
        prop_assert!(ours * 100 >= theirs * 98, "{ours} of {theirs}");
        prop_assert!(ours * 100 <= theirs * 102, "{ours} of {theirs}");
    }
}

#[test]
fn a_flow_that_keeps_below_its_rate_loses_nothing_whichever_worker_has_it() {
    // 8 Mb/s are 1,000 bytes in a millisecond.
    let packets: Vec<_> = (0..3_000).map(|number| (number, 900, 1)).collect();
    let limit = MeterBand {
        rate: 8_000,
        burst: 80,
    };
    let (ours, _, _) = passed(limit, 4, &packets);
    assert_eq!(ours, 3_000 * 900);
}

#[test]
fn a_packet_longer_than_the_burst_passes_a_full_bucket_and_is_made_up_for() {
    // The bucket holds 2,000 bytes, and gains 1,000 in a millisecond.
    let meter = meter(8_000, 16, 1);
    let admits = |now_ms| meter.admit(0, (45, 60_000), START_MS + now_ms);
    let found: Vec<_> = [0, 1, 57, 59, 60, 61, 119, 120]
        .into_iter()
        .filter(|ms| admits(*ms))
        .collect();
    assert_eq!(found, [0, 60, 120]);
}

#[test]
fn what_a_worker_has_in_hand_when_it_falls_silent_comes_back() {
    // A slice is 12,500 bytes.
    let meter = meter(100_000, 200, 2);
    assert!(meter.admit(0, (1, 100), START_MS));
    // The other worker finds a slice less, until the first one is back.
    assert!(meter.admit(1, (1, 12_500), START_MS));
    assert!(!meter.admit(1, (1, 100), START_MS));
    let full = START_MS + 1_000;
    assert!(meter.admit(0, (1, 12_500), full));
    assert!(meter.admit(1, (1, 12_500), full));
    assert!(
        !meter.admit(0, (1, 1), full),
        "what came back too late is gone"
    );
}

#[test]
fn a_limit_that_nobody_used_for_a_long_time_is_full() {
    for rate in [1, 1_000_000, u32::MAX] {
        let bucket = Bucket::new(MeterBand { rate, burst: 0 });
        assert!(bucket.take(1, 1, START_MS).is_some());
        for now_ms in [1 << 40, 1 << 44, 1 << 50] {
            assert!(bucket.take(1, 1, now_ms).is_some(), "{rate} at {now_ms}");
        }
    }
}

/// Threads that all ask at once, in the same milliseconds.
#[test]
fn threads_share_a_limit_to_the_byte() {
    const THREADS: usize = 4;
    const TIME_MS: u64 = 300;
    let limit = MeterBand {
        rate: 400_000,
        burst: 4_000,
    };
    let meter = meter(limit.rate, limit.burst, THREADS);
    let (tick, passed) = (Barrier::new(THREADS), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for worker in 0..THREADS {
            let (meter, tick, passed) = (&meter, &tick, &passed);
            scope.spawn(move || {
                for now_ms in START_MS..START_MS + TIME_MS {
                    tick.wait();
                    for _ in 0..60 {
                        if meter.admit(worker, (1, 1_000), now_ms) {
                            passed.fetch_add(1_000, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    // 50,000 bytes in a millisecond, and 500,000 at once.
    let granted = (TIME_MS - 1) * 50_000 + 500_000;
    let passed = passed.into_inner();
    assert!(passed <= granted, "{passed} of {granted}");
    assert!(passed * 100 >= granted * 98, "{passed} of {granted}");
}
