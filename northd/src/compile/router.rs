//! `Logical_Router` → `Datapath`, and ways to it for others.

use model::nb;
use pipeline::object::{DatapathKind, Router};
use uuid::Uuid;

use super::gateway;
use super::load_balancer_group::balancers;
use super::options::Options;
use super::switch::datapath;
use super::{Output, Reader, reachable};

/// `dynamic_neigh_routers` only says how OVN is to spare flows that weft does not have, and `snat-ct-zone` which number the
/// connections of a router get in the kernel.
const OPTIONS: &[&str] = &[
    "always_learn_from_arp_request",
    "chassis",
    "dnat_force_snat_ip",
    "dynamic_neigh_routers",
    "lb_force_snat_ip",
    "requested-tnl-key",
    "snat-ct-zone",
];

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let name: Option<String> = reader.column::<nb::LogicalRouter, _>(row, "name");
    let map = reader.column::<nb::LogicalRouter, _>(row, "options");
    let enabled = reader.column::<nb::LogicalRouter, Option<bool>>(row, "enabled");
    let Some(((name, map), enabled)) = name.zip(map).zip(enabled) else {
        return;
    };
    out.name(&name);
    let options = Options::new("options", &map, OPTIONS, out);
    let balancers = balancers::<nb::LogicalRouter>(reader, row);
    reachable::virtual_addresses(reader, row, &balancers, out);
    let kind = DatapathKind::Router(Router {
        always_learn_from_arp_request: options.flag("always_learn_from_arp_request", true),
        enabled: enabled.unwrap_or(true),
        chassis: gateway::chassis_of(&map),
        balancers,
        lb_force_snat: gateway::force_snat(&options, "lb_force_snat_ip", out),
        dnat_force_snat: gateway::force_snat(&options, "dnat_force_snat_ip", out),
    });
    datapath(reader, row, name, kind, (&map, "options"), out);
}
