//! Clients that found no backend: told to northd and the log, each VIP from time to time, as far as the meter for that allows.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pipeline::Tables;
use pipeline::object::{EVENT_METER, VipKey};
use southbound_proto::southbound as wire;
use uuid::Uuid;

use crate::acl_log::Meters;

/// The target of the lines in the program's log.
const TARGET: &str = "event";
/// How often one VIP is told of.
const INTERVAL: Duration = Duration::from_secs(1);
/// The most VIPs that are told of in that time; those beyond are told of when clients ask again.
const VIPS_MAX: usize = 256;

/// What was told lately.
#[derive(Debug, Default)]
pub(super) struct Unserved {
    told: BTreeMap<VipKey, Instant>,
    meters: Meters,
    /// When the meter was first asked.
    metered_since: Option<Instant>,
}

impl Unserved {
    /// What northd is to be told now of VIPs and the bytes of the frame that asked for each, if there is something; the log
    /// has it too.
    pub(super) fn report(
        &mut self,
        vips: Vec<(VipKey, u64)>,
        tables: &Tables,
        now: Instant,
    ) -> Option<wire::Unserved> {
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < INTERVAL;
        self.told.retain(|_, at| is_recent(at));
        let mut report = wire::Unserved::default();
        for (vip, bytes) in vips {
            let is_known = self.told.len() >= VIPS_MAX || self.told.contains_key(&vip);
            if is_known || !self.admits(bytes, tables, now) {
                continue;
            }
            log(&vip, tables);
            report.vips.push((&vip).into());
            self.told.insert(vip, now);
        }
        (!report.vips.is_empty()).then_some(report)
    }

    /// Whether the meter allows to tell of something now, if there is one: all load balancers share it, even a fair one.
    fn admits(&mut self, bytes: u64, tables: &Tables, now: Instant) -> bool {
        let Some(meter) = tables.meter(EVENT_METER) else {
            return true;
        };
        let since = *self.metered_since.get_or_insert(now);
        let now_ms = now.saturating_duration_since(since).as_millis();
        let now_ms = u64::try_from(now_ms).unwrap_or(u64::MAX);
        self.meters.admit_to(meter, Uuid::nil(), bytes, now_ms)
    }
}

fn log(vip: &VipKey, tables: &Tables) {
    let balancer = tables.balancer(vip.balancer);
    let address = match vip.port {
        0 => vip.ip.to_string(),
        port => SocketAddr::new(vip.ip, port).to_string(),
    };
    tracing::info!(
        target: TARGET,
        vip = address,
        protocol = vip.protocol,
        load_balancer = %vip.balancer,
        name = balancer.map_or("", |balancer| &balancer.name),
        "empty_lb_backends"
    );
}

#[cfg(test)]
mod tests {
    use pipeline::object::{Meter, MeterBand, MeterUnit, Object};

    use super::*;

    fn vip(number: u32) -> VipKey {
        VipKey {
            balancer: Uuid::nil(),
            ip: std::net::Ipv4Addr::from(number).into(),
            protocol: 6,
            port: 80,
            chassis: None,
        }
    }

    #[test]
    fn a_vip_is_told_of_once_in_an_interval_and_only_so_many_are() {
        let mut unserved = Unserved::default();
        let start = Instant::now();
        let tables = Tables::new(None);
        let mut check = |vips: Vec<VipKey>, after: Duration, expected: usize| {
            let vips = vips.into_iter().map(|vip| (vip, 60)).collect();
            let report = unserved.report(vips, &tables, start + after);
            let count = report.map_or(0, |report| report.vips.len());
            assert_eq!(count, expected, "{after:?}");
        };
        check(vec![vip(1), vip(1), vip(2)], Duration::ZERO, 2);
        check(vec![vip(1), vip(3)], INTERVAL / 2, 1);
        check(vec![vip(1)], INTERVAL, 1);
        check((10..1_000).map(vip).collect(), INTERVAL * 5, VIPS_MAX);
        check(vec![vip(1)], INTERVAL * 5, 0);
        check(vec![vip(1)], INTERVAL * 6, 1);
    }

    /// How many VIPs of so many are told of, by frames of 125 bytes, at each time.
    fn check_metered(name: &str, unit: MeterUnit, times: &[(Duration, usize)]) {
        let meter = Meter {
            name: name.into(),
            unit,
            fair: true,
            bands: vec![MeterBand { rate: 2, burst: 5 }],
        };
        let tables = Tables::new(None).apply([Object::Meter(meter)], []);
        let tables = tables.expect("one meter");
        let (mut unserved, start) = (Unserved::default(), Instant::now());
        for &(after, expected) in times {
            let asked = (0..8).map(|number| {
                let vip = vip(number);
                let balancer = Uuid::from_u128(number.into());
                (VipKey { balancer, ..vip }, 125)
            });
            let report = unserved.report(asked.collect(), &tables, start + after);
            let count = report.map_or(0, |report| report.vips.len());
            assert_eq!(count, expected, "{name} {unit:?} {after:?}");
        }
    }

    #[test]
    fn the_meter_of_events_limits_them_for_all_load_balancers_together() {
        let start = Duration::ZERO;
        // 125 bytes are a kilobit.
        for unit in [MeterUnit::Packets, MeterUnit::Kilobits] {
            let times = [
                (start, 5),
                (INTERVAL / 2, 1),
                (INTERVAL, 1),
                (INTERVAL * 9, 5),
            ];
            check_metered("event-elb", unit, &times);
            check_metered("other", unit, &[(start, 8), (INTERVAL, 8)]);
        }
    }
}
