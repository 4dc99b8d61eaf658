//! `Object`, with its version.

use pipeline::object::Object;

use super::error::{At, WireError, decode, required};
use crate::southbound as wire;
use crate::version::encoded_version;
use wire::object::Object as Kind;

/// An object as it was sent: with the version that the sender gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The sender's version. The receiver repeats it in its inventory and never computes its own.
    pub version: u64,
    /// The object.
    pub object: Object,
}

/// The message of an object, with its version.
pub fn encode_object(object: &Object) -> wire::Object {
    let mut encoded = wire::Object {
        version: 0,
        object: Some(object.into()),
    };
    encoded.version = encoded_version(&encoded);
    encoded
}

/// The object of a message.
pub fn decode_object(message: &wire::Object) -> Result<Versioned, WireError> {
    Ok(Versioned {
        version: message.version,
        object: required(&message.object, "object")?.try_into()?,
    })
}

impl From<&Object> for Kind {
    fn from(object: &Object) -> Self {
        match object {
            Object::Global(global) => Self::Global(global.into()),
            Object::Chassis(chassis) => Self::Chassis(chassis.into()),
            Object::Datapath(datapath) => Self::Datapath(datapath.into()),
            Object::Port(port) => Self::Port(port.into()),
            Object::Route(route) => Self::Route(route.into()),
            Object::Neighbor(neighbor) => Self::Neighbor(neighbor.into()),
            Object::Fdb(entry) => Self::Fdb(entry.into()),
            Object::AddressSet(set) => Self::AddressSet(set.into()),
            Object::PortGroup(group) => Self::PortGroup(group.into()),
            Object::Acl(acl) => Self::Acl(acl.into()),
            Object::Meter(meter) => Self::Meter(meter.into()),
            Object::Balancer(balancer) => Self::Balancer(balancer.into()),
            Object::BalancerGroup(group) => Self::BalancerGroup(group.into()),
            Object::Vip(vip) => Self::Vip(vip.into()),
            Object::Probe(probe) => Self::Probe(probe.into()),
            Object::Nat(nat) => Self::Nat(nat.into()),
            Object::Qos(qos) => Self::Qos(qos.into()),
        }
    }
}

impl TryFrom<&Kind> for Object {
    type Error = WireError;

    fn try_from(object: &Kind) -> Result<Self, WireError> {
        Ok(match object {
            Kind::Global(global) => Self::Global(decode(global).at("global")?),
            Kind::Chassis(chassis) => Self::Chassis(decode(chassis).at("chassis")?),
            Kind::Datapath(datapath) => Self::Datapath(decode(datapath).at("datapath")?),
            Kind::Port(port) => Self::Port(decode(port).at("port")?),
            Kind::Route(route) => Self::Route(decode(route).at("route")?),
            Kind::Neighbor(neighbor) => Self::Neighbor(decode(neighbor).at("neighbor")?),
            Kind::Fdb(entry) => Self::Fdb(decode(entry).at("fdb")?),
            Kind::AddressSet(set) => Self::AddressSet(decode(set).at("address_set")?),
            Kind::PortGroup(group) => Self::PortGroup(decode(group).at("port_group")?),
            Kind::Acl(acl) => Self::Acl(decode(acl).at("acl")?),
            Kind::Meter(meter) => Self::Meter(decode(meter).at("meter")?),
            Kind::Balancer(balancer) => Self::Balancer(decode(balancer).at("balancer")?),
            Kind::BalancerGroup(group) => Self::BalancerGroup(decode(group).at("balancer_group")?),
            Kind::Vip(vip) => Self::Vip(decode(vip).at("vip")?),
            Kind::Probe(probe) => Self::Probe(decode(probe).at("probe")?),
            Kind::Nat(nat) => Self::Nat(decode(nat).at("nat")?),
            Kind::Qos(qos) => Self::Qos(decode(qos).at("qos")?),
        })
    }
}
