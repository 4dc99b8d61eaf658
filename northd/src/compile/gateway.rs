//! Where routers meet the world outside: gateway routers and distributed gateway ports.

use std::collections::{BTreeMap, BTreeSet};

use model::{Id, nb};
use pipeline::object::{ChassisName, ForceSnat};
use uuid::Uuid;

use super::options::Options;
use super::{Output, Reader};

/// Says what of a `Gateway_Chassis` is not carried out.
pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    if let Some(gateway) = reader.row::<nb::GatewayChassis>(row) {
        out.name(&gateway.name);
        Options::new("options", &gateway.options, &[], out);
    }
}

/// The one node that a gateway router is on (`options:chassis`).
pub(super) fn chassis_of(options: &BTreeMap<String, String>) -> Option<ChassisName> {
    let chassis = options.get("chassis").filter(|name| !name.is_empty());
    chassis.map(|name| name.as_str().into())
}

/// The one node that a router is on, if it is a gateway router.
pub(super) fn chassis(reader: &mut Reader<'_>, router: Uuid) -> Option<ChassisName> {
    let options = reader.column::<nb::LogicalRouter, _>(router, "options");
    chassis_of(&options?)
}

/// The node through which the traffic of a distributed gateway port goes: of its `gateway_chassis`, the one of the
/// greatest priority.
pub(super) fn port_chassis(reader: &mut Reader<'_>, port: Uuid) -> Option<ChassisName> {
    type Gateways = BTreeSet<Id<nb::GatewayChassis>>;
    let gateways = reader.column::<nb::LogicalRouterPort, Gateways>(port, "gateway_chassis");
    let gateways = gateways.into_iter().flatten();
    let gateways = gateways.filter_map(|id| reader.row::<nb::GatewayChassis>(id.uuid()));
    let best = gateways.max_by_key(|gateway| {
        let name = std::cmp::Reverse(gateway.chassis_name.clone());
        (gateway.priority, name)
    });
    best.map(|gateway| gateway.chassis_name.into())
}

/// Whether a router is where addresses can be translated.
pub(super) fn has_gateway(reader: &mut Reader<'_>, router: Uuid) -> bool {
    type Ports = BTreeSet<Id<nb::LogicalRouterPort>>;
    if chassis(reader, router).is_some() {
        return true;
    }
    let ports = reader.column::<nb::LogicalRouter, Ports>(router, "ports");
    let mut ports = ports.into_iter().flatten();
    ports.any(|port| port_chassis(reader, port.uuid()).is_some())
}

/// What an option says about the source of translated packets: `router_ip`, or an address for each family.
pub(super) fn force_snat(options: &Options<'_>, key: &str, out: &mut Output) -> ForceSnat {
    let Some(text) = options.text(key) else {
        return ForceSnat::No;
    };
    if text == "router_ip" {
        return ForceSnat::RouterIp;
    }
    let addresses = text.split_whitespace().map(str::parse).collect();
    match addresses {
        Ok(addresses) => ForceSnat::Addresses(addresses),
        Err(_) => {
            let message =
                format!("{key}={text:?} is neither \"router_ip\" nor a list of addresses");
            out.warn("options", message);
            ForceSnat::No
        }
    }
}
