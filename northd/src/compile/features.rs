//! The compiler's one page: every feature, in order, with the rows it is run on and the objects it fills.

use uuid::Uuid;

use model::Table;
use model::{nb, sb};

use super::{
    Output, Reader, acl, address_set, chassis, fdb, gateway, global, group_member, health_check,
    learned_neighbor, load_balancer, load_balancer_group, meter, nat, qos, router, router_port,
    static_binding, static_route, switch, switch_port,
};

/// One concern of the compiler, run on each row of one table.
pub struct Feature {
    /// Its name, that of its file.
    pub name: &'static str,
    /// The table on whose rows it is run.
    pub table: &'static str,
    /// What it reads besides the row.
    pub reads: &'static str,
    /// The objects that it fills.
    pub fills: &'static str,
    /// Runs it on the row of this UUID.
    pub compile: fn(&mut Reader<'_>, Uuid, &mut Output),
}

/// The features in the order in which people read them. Their order decides nothing.
pub static FEATURES: &[Feature] = &[
    Feature {
        name: "global",
        table: nb::NbGlobal::NAME,
        reads: "",
        fills: "Global",
        compile: global::compile,
    },
    Feature {
        name: "chassis",
        table: sb::Chassis::NAME,
        reads: "its template variables",
        fills: "Chassis",
        compile: chassis::compile,
    },
    Feature {
        name: "switch",
        table: nb::LogicalSwitch::NAME,
        reads: "its tunnel key",
        fills: "Datapath",
        compile: switch::compile,
    },
    Feature {
        name: "switch_port",
        table: nb::LogicalSwitchPort::NAME,
        reads: "its binding, its parent port's binding, the router port it is joined to and that one's router",
        fills: "Port; reports up",
        compile: switch_port::compile,
    },
    Feature {
        name: "router",
        table: nb::LogicalRouter::NAME,
        reads: "its tunnel key, its load balancers with add_route and the routers beside it",
        fills: "Datapath, Routes and Neighbors of other routers (shared)",
        compile: router::compile,
    },
    Feature {
        name: "router_port",
        table: nb::LogicalRouterPort::NAME,
        reads: "its binding, the port it is joined to, its gateways",
        fills: "Port, connected Routes",
        compile: router_port::compile,
    },
    Feature {
        name: "static_route",
        table: nb::LogicalRouterStaticRoute::NAME,
        reads: "the ports of its router",
        fills: "Route (shared by the rows of one prefix)",
        compile: static_route::compile,
    },
    Feature {
        name: "static_binding",
        table: nb::StaticMacBinding::NAME,
        reads: "its router port's binding",
        fills: "Neighbor (shared with learned_neighbor)",
        compile: static_binding::compile,
    },
    Feature {
        name: "learned_neighbor",
        table: sb::MacBinding::NAME,
        reads: "the binding of its port",
        fills: "Neighbor (shared with static_binding)",
        compile: learned_neighbor::compile,
    },
    Feature {
        name: "fdb",
        table: sb::Fdb::NAME,
        reads: "the binding of its port",
        fills: "Fdb",
        compile: fdb::compile,
    },
    Feature {
        name: "address_set",
        table: nb::AddressSet::NAME,
        reads: "",
        fills: "AddressSet",
        compile: address_set::compile,
    },
    Feature {
        name: "group_member",
        table: nb::LogicalSwitchPort::NAME,
        reads: "the port groups that have it, its binding",
        fills: "PortGroup and AddressSet (shared by the ports of a group)",
        compile: group_member::compile,
    },
    Feature {
        name: "acl",
        table: nb::Acl::NAME,
        reads: "its switches and port groups, whether the names in its match exist",
        fills: "Acl",
        compile: acl::compile,
    },
    Feature {
        name: "qos",
        table: nb::Qos::NAME,
        reads: "its switches, whether the names in its match exist",
        fills: "Qos",
        compile: qos::compile,
    },
    Feature {
        name: "meter",
        table: nb::Meter::NAME,
        reads: "its bands",
        fills: "Meter",
        compile: meter::compile,
    },
    Feature {
        name: "load_balancer",
        table: nb::LoadBalancer::NAME,
        reads: "its health checks, template variables, where its backends are and how they fare",
        fills: "Balancer, Vips, Probes",
        compile: load_balancer::compile,
    },
    Feature {
        name: "health_check",
        table: nb::LoadBalancerHealthCheck::NAME,
        reads: "",
        fills: "nothing: its load balancer does",
        compile: health_check::compile,
    },
    Feature {
        name: "gateway",
        table: nb::GatewayChassis::NAME,
        reads: "",
        fills: "nothing: its port does",
        compile: gateway::compile,
    },
    Feature {
        name: "load_balancer_group",
        table: nb::LoadBalancerGroup::NAME,
        reads: "",
        fills: "BalancerGroup",
        compile: load_balancer_group::compile,
    },
    Feature {
        name: "nat",
        table: nb::Nat::NAME,
        reads: "its router and whether that has a gateway, the set of its peers, its ports; with add_route the routers \
                beside it",
        fills: "Nat, Routes and Neighbors of other routers (shared)",
        compile: nat::compile,
    },
];
