//! Meters: how much may be logged or told (token buckets).

use std::sync::Arc;

use hashbrown::HashMap;
use pipeline::object::{Meter, MeterBand, MeterUnit};
use pipeline::{Logged, Tables};
use uuid::Uuid;

/// Records in a second of ACLs whose meter is not set or does not exist.
const UNMETERED: MeterBand = MeterBand {
    rate: 1_000,
    burst: 0,
};
/// Meters, and users of fair meters, whose state is kept at once, at most. The next one begins all anew.
const METERS: usize = 4_096;

/// The state of all meters, for one who logs or tells.
#[derive(Debug, Default)]
pub struct Meters {
    /// By name, empty for none, and by the ACL that has it for itself.
    buckets: HashMap<(Arc<str>, Option<Uuid>), Vec<Bucket>, foldhash::fast::RandomState>,
}

/// What is left of a band's rate.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// Thousandths of packets or kilobits.
    tokens: u64,
    filled_ms: u64,
}

impl Meters {
    /// Whether a packet of so many bytes may be logged now; takes it off the meter.
    pub fn admit(&mut self, tables: &Tables, logged: &Logged, bytes: u64, now_ms: u64) -> bool {
        let name = logged.meter.as_ref();
        match name.and_then(|name| tables.meter(name)) {
            Some(meter) => self.admit_to(meter, logged.acl, bytes, now_ms),
            None => self.spend(
                ("".into(), None),
                (MeterUnit::Packets, &[UNMETERED]),
                (bytes, now_ms),
            ),
        }
    }

    /// Whether the meter allows its user a packet of so many bytes now; takes it off the meter, which is the user's own if it
    /// is fair.
    pub fn admit_to(&mut self, meter: &Meter, user: Uuid, bytes: u64, now_ms: u64) -> bool {
        let key = (meter.name.clone(), meter.fair.then_some(user));
        self.spend(key, (meter.unit, &meter.bands), (bytes, now_ms))
    }

    fn spend(
        &mut self,
        key: (Arc<str>, Option<Uuid>),
        (unit, bands): (MeterUnit, &[MeterBand]),
        (bytes, now_ms): (u64, u64),
    ) -> bool {
        let cost = match unit {
            MeterUnit::Packets => 1_000,
            MeterUnit::Kilobits => bytes.saturating_mul(8),
        };
        if self.buckets.len() >= METERS && !self.buckets.contains_key(&key) {
            self.buckets.clear();
        }
        let buckets = self.buckets.entry(key).or_default();
        buckets.resize(bands.len(), Bucket::new(now_ms));
        let mut admits = true;
        for (bucket, band) in buckets.iter_mut().zip(bands) {
            bucket.fill(band, now_ms);
            admits &= bucket.tokens >= cost;
        }
        if admits {
            buckets.iter_mut().for_each(|bucket| bucket.tokens -= cost);
        }
        admits
    }
}

impl Bucket {
    /// Full, whatever it holds.
    fn new(now_ms: u64) -> Bucket {
        Bucket {
            tokens: u64::MAX,
            filled_ms: now_ms,
        }
    }

    fn fill(&mut self, band: &MeterBand, now_ms: u64) {
        let burst = match band.burst {
            0 => band.rate,
            burst => burst,
        };
        let elapsed_ms = now_ms.saturating_sub(self.filled_ms);
        let gained = elapsed_ms.saturating_mul(band.rate.into());
        self.tokens = self
            .tokens
            .saturating_add(gained)
            .min(u64::from(burst) * 1_000);
        self.filled_ms = self.filled_ms.max(now_ms);
    }
}

#[cfg(test)]
mod tests {
    use pipeline::Rewrite;
    use pipeline::object::{AclAction, AclStage, Object, Severity};

    use super::*;

    fn logged(acl: u128, meter: Option<&str>) -> Logged {
        Logged {
            acl: Uuid::from_u128(acl),
            name: String::new(),
            stage: AclStage::ToLport,
            action: AclAction::Drop,
            severity: Severity::Info,
            meter: meter.map(Into::into),
            rewrite: Rewrite::default(),
        }
    }

    fn tables(unit: MeterUnit, fair: bool, bands: &[(u32, u32)]) -> Tables {
        let band = |&(rate, burst)| MeterBand { rate, burst };
        let meter = Meter {
            name: "m".into(),
            unit,
            fair,
            bands: bands.iter().map(band).collect(),
        };
        let tables = Tables::new(None).apply([Object::Meter(meter)], []);
        tables.expect("one meter")
    }

    /// How many of `tries` packets, all at once, are admitted at each time.
    fn check(tables: &Tables, acls: &[u128], tries: usize, times: &[(u64, usize)]) {
        let mut meters = Meters::default();
        for &(now_ms, expected) in times {
            let admitted = acls.iter().map(|acl| {
                let logged = logged(*acl, Some("m"));
                let packets = (0..tries).filter(|_| meters.admit(tables, &logged, 125, now_ms));
                packets.count()
            });
            assert_eq!(admitted.sum::<usize>(), expected, "at {now_ms} ms");
        }
    }

    #[test]
    fn a_meter_admits_its_burst_and_then_its_rate() {
        let slow = tables(MeterUnit::Packets, false, &[(10, 3)]);
        check(&slow, &[1, 2], 20, &[(0, 3), (50, 0), (100, 1), (5_000, 3)]);
        let no_burst = tables(MeterUnit::Packets, false, &[(10, 0)]);
        check(&no_burst, &[1], 20, &[(0, 10), (1_000, 10)]);
        let nothing = tables(MeterUnit::Packets, false, &[(0, 0)]);
        check(&nothing, &[1], 20, &[(0, 0), (9_000, 0)]);
    }

    #[test]
    fn a_fair_meter_is_each_acls_own() {
        let fair = tables(MeterUnit::Packets, true, &[(10, 3)]);
        check(&fair, &[1, 2], 20, &[(0, 6), (100, 2)]);
    }

    #[test]
    fn kilobits_are_counted_by_the_length_of_packets() {
        // 125 bytes are a kilobit.
        let bits = tables(MeterUnit::Kilobits, false, &[(4, 0)]);
        check(&bits, &[1], 20, &[(0, 4), (500, 2)]);
    }

    #[test]
    fn all_bands_of_a_meter_must_agree() {
        let both = tables(MeterUnit::Packets, false, &[(100, 100), (10, 2)]);
        check(&both, &[1], 20, &[(0, 2), (100, 1)]);
    }

    #[test]
    fn what_has_no_meter_has_a_limit_too() {
        let tables = Tables::new(None);
        for meter in [None, Some("missing")] {
            let logged = logged(1, meter);
            let mut meters = Meters::default();
            let packets = (0..2_000).filter(|_| meters.admit(&tables, &logged, 60, 0));
            assert_eq!(packets.count(), 1_000, "{meter:?}");
        }
    }

    #[test]
    fn a_flood_of_users_of_a_fair_meter_is_bounded() {
        let fair = tables(MeterUnit::Packets, true, &[(10, 3)]);
        let mut meters = Meters::default();
        for acl in 0..3 * METERS as u128 {
            assert!(meters.admit(&fair, &logged(acl, Some("m")), 60, 0));
            assert!(meters.buckets.len() <= METERS);
        }
    }
}
