//! Limits that workers share by the slice, against their slow, obvious twin: one bucket that everybody asks for every
//! packet. Input: packets of several workers over a time. Output: how many bytes may pass.

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};

use pipeline::Metered;
use pipeline::object::MeterBand;
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;
use vswitch::meter::{Bucket, Meter, Train};

/// When the packets begin to come.
const START_MS: u64 = 1_000_000;

fn meter(rate: u32, burst: u32, workers: usize) -> Meter {
    let metered = Metered {
        rule: Uuid::nil(),
        limit: MeterBand { rate, burst },
    };
    Meter::new(metered, workers, None)
}

/// A packet by itself.
fn packet(bytes: u64) -> Train {
    Train {
        packets: 1,
        bytes,
        each: bytes,
    }
}

/// A super-packet of so many packets, all of one length.
fn train(packets: u64, each: u64) -> Train {
    Train {
        packets,
        bytes: packets * each,
        each,
    }
}

fn admits(meter: &Meter, worker: usize, bytes: u64, now_ms: u64) -> bool {
    meter.admit(worker, packet(bytes), now_ms) > 0
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
        if admits(&meter, worker % workers, bytes, now_ms) {
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
    /// Whatever comes, never more than the rate and the burst, or two packets if that is more.
    #[test]
    fn no_more_passes_than_the_rate_and_one_burst(
        limit in limit(),
        workers in 1..5usize,
        packets in vec((0..4usize, 40..65_000u64, 0..4u64), 1..2_000),
    ) {
        let (ours, _, time_ms) = passed(limit, workers, &packets);
        let longest = packets.iter().map(|(_, bytes, _)| *bytes).max().unwrap_or_default();
        let burst = Bucket::new(limit).capacity().max(2 * longest);
        let granted = u64::from(limit.rate) * time_ms / 8 + burst;
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
fn two_packets_longer_than_the_burst_may_pass_at_once() {
    // The bucket holds 20,000 bytes, and gains 1,000 in a millisecond.
    let meter = meter(8_000, 16, 1);
    let found: Vec<_> = [0, 1, 57, 59, 60, 61, 119, 120]
        .into_iter()
        .filter(|ms| admits(&meter, 0, 60_000, START_MS + ms))
        .collect();
    assert_eq!(found, [0, 1, 60, 120]);
}

#[test]
fn what_a_worker_has_in_hand_when_it_falls_silent_comes_back() {
    // A slice is 12,500 bytes, and the bucket holds 20 of them.
    let meter = meter(100_000, 2_000, 2);
    assert!(admits(&meter, 0, 100, START_MS));
    // The other worker finds a slice less, until the first one is back.
    assert!(admits(&meter, 1, 19 * 12_500, START_MS));
    assert!(!admits(&meter, 1, 100, START_MS));
    let full = START_MS + 1_000;
    assert!(admits(&meter, 0, 12_500, full));
    assert!(admits(&meter, 1, 19 * 12_500, full));
    assert!(
        !admits(&meter, 0, 1, full),
        "what came back too late is gone"
    );
}

#[test]
fn of_a_train_the_first_packets_pass_as_far_as_there_is_room() {
    // The bucket holds 20,000 bytes, and gains 1,000 in a millisecond.
    let meter = meter(8_000, 160, 1);
    for (time_ms, train, expected) in [
        (0, train(45, 1_500), 45),
        (1, train(45, 1_500), 0),
        (2, train(45, 1_500), 1),
        (5, train(2, 400), 2),
        (5, train(45, 900), 3),
        (15, train(45, 500).together(), 0),
        (100, train(10, 500).together(), 10),
        (100, train(30, 500), 30),
        (100, train(1, 1), 0),
    ] {
        let found = meter.admit(0, train, START_MS + time_ms);
        assert_eq!(found, expected, "{train:?} at {time_ms} ms");
    }
}

/// Bytes that pass of twice the rate when the burst has been used up, as a share of what the rate grants, in percent.
/// Workers look every `every_ms`, and in turns.
fn share(limit: MeterBand, workers: usize, train: Train, every_ms: u64) -> f64 {
    let meter = meter(limit.rate, limit.burst, workers);
    let per_ms = u64::from(limit.rate) / 8;
    // Long enough that one train more or less says little.
    let end_ms = (100 * train.bytes / per_ms).max(100);
    let mut turn = (0..workers).cycle();
    let [long, short] = [self::train(10_000, 1_000), packet(1_000)];
    while meter.admit(0, long, START_MS) == long.packets {}
    while meter.admit(0, short, START_MS) == 1 {}
    let (mut offered, mut passed) = (0, 0);
    for time_ms in (0..=end_ms).step_by(every_ms as usize) {
        while offered < 2 * per_ms * time_ms {
            offered += train.bytes;
            let worker = turn.next().unwrap_or_default();
            passed += meter.admit(worker, train, START_MS + time_ms) * train.each;
        }
    }
    passed as f64 * 100.0 / (per_ms * end_ms) as f64
}

#[test]
fn under_twice_the_rate_the_rate_passes_whatever_comes_and_however_late_workers_look() {
    for rate in [1_000, 100_000, 10_000_000] {
        for burst in [0, 20, rate / 100, rate / 10] {
            for train in [train(1, 1_400), train(45, 1_514)] {
                for workers in [1, 2, 4] {
                    for every_ms in [1, 4, 10] {
                        let share = share(MeterBand { rate, burst }, workers, train, every_ms);
                        assert!(
                            (share - 100.0).abs() < 3.0,
                            "{share} % of {rate} with {burst}: {train:?}, {workers} workers every {every_ms} ms"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_limit_that_nobody_used_for_a_long_time_is_full() {
    for rate in [1, 1_000_000, u32::MAX] {
        let bucket = Bucket::new(MeterBand { rate, burst: 0 });
        assert!(bucket.take((1, 1), 1, START_MS).is_some());
        for now_ms in [1 << 40, 1 << 44, 1 << 50] {
            assert!(
                bucket.take((1, 1), 1, now_ms).is_some(),
                "{rate} at {now_ms}"
            );
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
        burst: 8_000,
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
                        if admits(meter, worker, 1_000, now_ms) {
                            passed.fetch_add(1_000, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    // 50,000 bytes in a millisecond, and 1,000,000 at once.
    let granted = (TIME_MS - 1) * 50_000 + 1_000_000;
    let passed = passed.into_inner();
    assert!(passed <= granted, "{passed} of {granted}");
    assert!(passed * 100 >= granted * 98, "{passed} of {granted}");
}
