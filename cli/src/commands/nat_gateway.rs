//! The gateway port that `lr-nat-add` is about.
//!
//! Where a router has several, each has its own translations: the same addresses may be translated at more
//! than one of them.

use std::net::IpAddr;

use model::Id;
use model::nb::{LogicalRouter, LogicalRouterPort, Nat};

use crate::address::parse_network;
use crate::command::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::require;

/// Where a wanted translation is done.
pub(super) struct Gateway {
    /// The port that was asked for by name.
    pub(super) asked: Option<Id<LogicalRouterPort>>,
    /// The port, where the router has several.
    one_of_many: Option<LogicalRouterPort>,
}

impl Gateway {
    /// The port of `--gateway-port`, or the one in whose networks the external address is.
    pub(super) fn find(
        context: &Context<'_>,
        call: &Call,
        router: &LogicalRouter,
        external_ip: &str,
    ) -> Result<Self, Failure> {
        let asked = asked(context, call, router)?;
        let ports = router.ports.iter().filter_map(|&id| context.rows.get(id));
        let gateways: Vec<LogicalRouterPort> = ports.filter(is_gateway).collect();
        if gateways.len() <= 1 {
            return Ok(Self {
                asked: asked.map(|port| port.id),
                one_of_many: None,
            });
        }
        let near = || gateways.into_iter().find(|port| has(port, external_ip));
        let port = asked.clone().or_else(near).ok_or_else(|| {
            Failure::new(format!(
                "logical router: {} has multiple distributed gateway ports and gateway_port can not be \
                 determined from external IP of NAT rule.",
                call.argument(0)
            ))
        })?;
        Ok(Self {
            asked: asked.map(|port| port.id),
            one_of_many: Some(port),
        })
    }

    /// Whether an existing translation is done there, too.
    pub(super) fn is_of(&self, existing: &Nat) -> bool {
        let Some(port) = &self.one_of_many else {
            return true;
        };
        match existing.gateway_port {
            Some(id) => id == port.id,
            None => has(port, &existing.external_ip),
        }
    }
}

fn asked(
    context: &Context<'_>,
    call: &Call,
    router: &LogicalRouter,
) -> Result<Option<LogicalRouterPort>, Failure> {
    let Some(name) = call.option("--gateway-port") else {
        return Ok(None);
    };
    let port: LogicalRouterPort = require(context, name)?;
    if !router.ports.contains(&port.id) {
        return Err(Failure::new(format!(
            "{name} is not a router port of logical router: {}.",
            call.argument(0)
        )));
    }
    if !is_gateway(&port) {
        return Err(Failure::new(format!(
            "{name} is not a distributed gateway router port."
        )));
    }
    Ok(Some(port))
}

fn is_gateway(port: &LogicalRouterPort) -> bool {
    port.ha_chassis_group.is_some() || !port.gateway_chassis.is_empty()
}

/// Whether an address is in one of a port's networks.
fn has(port: &LogicalRouterPort, address: &str) -> bool {
    let address: Option<IpAddr> = parse_network(address).map(|network| network.addr());
    let mut networks = port.networks.iter().filter_map(|text| parse_network(text));
    address.is_some_and(|address| networks.any(|network| network.contains(&address)))
}
