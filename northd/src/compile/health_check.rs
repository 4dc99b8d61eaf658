//! `Load_Balancer_Health_Check`: what of it is not carried out. Its load balancer has the probes made of it.

use model::lb::{HEALTH_CHECK_OPTIONS, HealthCheck};
use model::nb;
use uuid::Uuid;

use super::options::Options;
use super::{Output, Reader};

/// How HTTP is spoken is not told to the nodes.
const NOT_CARRIED_OUT: [&str; 2] = ["http_host", "http_statuses"];

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let Some(check) = reader.row::<nb::LoadBalancerHealthCheck>(row) else {
        return;
    };
    out.name(&check.vip);
    let known = HEALTH_CHECK_OPTIONS.iter().map(|option| option.name);
    let known: Vec<_> = known
        .filter(|name| !NOT_CARRIED_OUT.contains(name))
        .collect();
    Options::new("options", &check.options, &known, out);
    match HealthCheck::parse(&check) {
        Ok(check) if check.vip.is_none() => {
            out.warn("vip", "the backends of templates are not probed");
        }
        Ok(_) => {}
        Err(fault) => out.warn(fault.column, fault.message),
    }
}
