//! Clients that found no backend: told to northd and the log, each VIP from time to time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use pipeline::Tables;
use pipeline::object::VipKey;
use southbound_proto::southbound as wire;

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
}

impl Unserved {
    /// What northd is to be told now, if there is something; the log has it too.
    pub(super) fn report(
        &mut self,
        vips: Vec<VipKey>,
        tables: &Tables,
        now: Instant,
    ) -> Option<wire::Unserved> {
        let is_recent = |at: &Instant| now.saturating_duration_since(*at) < INTERVAL;
        self.told.retain(|_, at| is_recent(at));
        let mut report = wire::Unserved::default();
        for vip in vips {
            if self.told.len() >= VIPS_MAX || self.told.contains_key(&vip) {
                continue;
            }
            log(&vip, tables);
            report.vips.push((&vip).into());
            self.told.insert(vip, now);
        }
        (!report.vips.is_empty()).then_some(report)
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
    use uuid::Uuid;

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
}
