//! `Route` and its next hops.

use pipeline::object::{NextHop, Route};

use super::atom::{address_from_wire, address_to_wire, number};
use super::error::{At, Problem, WireError, each, required};
use super::key::{route_key, route_key_to_wire};
use super::port_ref::port_key;
use crate::southbound as wire;

impl From<&Route> for wire::Route {
    fn from(route: &Route) -> Self {
        Self {
            key: Some(route_key_to_wire(route.router, &route.key)),
            next_hops: route.next_hops.iter().map(Into::into).collect(),
            discards: u32::from(route.discards),
        }
    }
}

impl TryFrom<&wire::Route> for Route {
    type Error = WireError;

    fn try_from(route: &wire::Route) -> Result<Self, WireError> {
        let (router, key) = route_key(required(&route.key, "key")?).at("key")?;
        Ok(Self {
            router,
            key,
            next_hops: each(&route.next_hops, "next_hops", NextHop::try_from)?,
            discards: number(route.discards, 0, 65535).at("discards")?,
        })
    }
}

impl From<&NextHop> for wire::NextHop {
    fn from(hop: &NextHop) -> Self {
        Self {
            port: u32::from(hop.port.get()),
            gateway: hop.gateway.map(address_to_wire).unwrap_or_default(),
            source: address_to_wire(hop.source),
        }
    }
}

impl TryFrom<&wire::NextHop> for NextHop {
    type Error = WireError;

    fn try_from(hop: &wire::NextHop) -> Result<Self, WireError> {
        let source = address_from_wire(&hop.source).at("source")?;
        let gateway = match hop.gateway.as_ref() {
            [] => None,
            bytes => Some(address_from_wire(bytes).at("gateway")?),
        };
        if gateway.is_some_and(|gateway| gateway.is_ipv4() != source.is_ipv4()) {
            return Err(Problem::Contradiction("is not of the source's family").at("gateway"));
        }
        Ok(Self {
            port: port_key(hop.port).at("port")?,
            gateway,
            source,
        })
    }
}
