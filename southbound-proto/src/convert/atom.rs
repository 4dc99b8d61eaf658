//! Addresses, prefixes, numbers and names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::Bytes;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use packet::Mac;
use pipeline::object::ChassisName;
use uuid::Uuid;

use super::error::{At, Problem, WireError};
use crate::southbound as wire;

/// Six bytes in transmission order.
pub fn mac_to_wire(mac: Mac) -> Bytes {
    Bytes::copy_from_slice(&mac.0)
}

/// A MAC address from six bytes.
pub fn mac_from_wire(bytes: &[u8]) -> Result<Mac, Problem> {
    fixed(bytes, "6").map(Mac)
}

/// The MAC address of a field that may be empty.
pub(super) fn optional_mac(bytes: &[u8]) -> Result<Option<Mac>, Problem> {
    match bytes {
        [] => Ok(None),
        bytes => mac_from_wire(bytes).map(Some),
    }
}

/// Four or sixteen bytes in network order.
pub fn address_to_wire(address: IpAddr) -> Bytes {
    match address {
        IpAddr::V4(address) => ipv4_to_wire(&address),
        IpAddr::V6(address) => ipv6_to_wire(&address),
    }
}

/// An address from four or sixteen bytes.
pub fn address_from_wire(bytes: &[u8]) -> Result<IpAddr, Problem> {
    match bytes.len() {
        4 => ipv4(bytes).map(IpAddr::V4),
        16 => ipv6(bytes).map(IpAddr::V6),
        found => Err(Problem::Length {
            expected: "4 or 16",
            found,
        }),
    }
}

pub(super) fn ipv4_to_wire(address: &Ipv4Addr) -> Bytes {
    Bytes::copy_from_slice(&address.octets())
}

pub(super) fn ipv4(bytes: &[u8]) -> Result<Ipv4Addr, Problem> {
    fixed::<4>(bytes, "4").map(Ipv4Addr::from)
}

pub(super) fn ipv6_to_wire(address: &Ipv6Addr) -> Bytes {
    Bytes::copy_from_slice(&address.octets())
}

pub(super) fn ipv6(bytes: &[u8]) -> Result<Ipv6Addr, Problem> {
    fixed::<16>(bytes, "16").map(Ipv6Addr::from)
}

pub(super) fn uuid_to_wire(uuid: Uuid) -> Bytes {
    Bytes::copy_from_slice(uuid.as_bytes())
}

pub(super) fn uuid(bytes: &[u8]) -> Result<Uuid, Problem> {
    fixed(bytes, "16").map(Uuid::from_bytes)
}

/// The message of an address with the length of its network.
pub(super) fn prefix_to_wire(prefix: IpNet) -> wire::Prefix {
    wire::Prefix {
        address: address_to_wire(prefix.addr()),
        length: u32::from(prefix.prefix_len()),
    }
}

pub(super) fn ipv4_prefix(prefix: &wire::Prefix) -> Result<Ipv4Net, WireError> {
    let address = ipv4(&prefix.address).at("address")?;
    let length = number(prefix.length, 0, 32).at("length")?;
    Ok(Ipv4Net::new_assert(address, length))
}

pub(super) fn ipv6_prefix(prefix: &wire::Prefix) -> Result<Ipv6Net, WireError> {
    let address = ipv6(&prefix.address).at("address")?;
    let length = number(prefix.length, 0, 128).at("length")?;
    Ok(Ipv6Net::new_assert(address, length))
}

/// An address with the length of its network; host bits may be set.
pub(super) fn prefix(prefix: &wire::Prefix) -> Result<IpNet, WireError> {
    match prefix.address.len() {
        4 => ipv4_prefix(prefix).map(IpNet::V4),
        16 => ipv6_prefix(prefix).map(IpNet::V6),
        found => {
            let expected = "4 or 16";
            Err(Problem::Length { expected, found }.at("address"))
        }
    }
}

/// A network: an address and the length of its prefix, without host bits.
pub(super) fn network(message: &wire::Prefix) -> Result<IpNet, WireError> {
    let network = prefix(message)?;
    if network.trunc() == network {
        Ok(network)
    } else {
        Err(Problem::HostBits.at("address"))
    }
}

/// A number within bounds, both inclusive, in a narrower type.
pub(super) fn number<T: TryFrom<u32>>(value: u32, low: u32, high: u32) -> Result<T, Problem> {
    let refused = Problem::Range { value, low, high };
    match T::try_from(value) {
        Ok(number) if (low..=high).contains(&value) => Ok(number),
        _ => Err(refused),
    }
}

/// A number in network order, without leading zero bytes.
pub(super) fn integer_to_wire(value: u128) -> Bytes {
    let leading = value.leading_zeros() as usize / 8;
    Bytes::copy_from_slice(&value.to_be_bytes()[leading..])
}

/// A number of at most sixteen bytes in network order.
pub(super) fn integer(bytes: &[u8]) -> Result<u128, Problem> {
    let mut value = [0; 16];
    let Some(leading) = value.len().checked_sub(bytes.len()) else {
        return Err(Problem::Length {
            expected: "at most 16",
            found: bytes.len(),
        });
    };
    value[leading..].copy_from_slice(bytes);
    Ok(u128::from_be_bytes(value))
}

/// The text of a chassis that may be absent: then it is empty.
pub(super) fn chassis_to_wire(chassis: &Option<ChassisName>) -> String {
    chassis.as_deref().unwrap_or_default().to_owned()
}

pub(super) fn chassis(name: &str) -> Option<ChassisName> {
    (!name.is_empty()).then(|| name.into())
}

/// A text that must not be empty.
pub(super) fn name(text: &str) -> Result<&str, Problem> {
    match text {
        "" => Err(Problem::Empty),
        text => Ok(text),
    }
}

fn fixed<const N: usize>(bytes: &[u8], expected: &'static str) -> Result<[u8; N], Problem> {
    let found = bytes.len();
    <[u8; N]>::try_from(bytes).map_err(|_| Problem::Length { expected, found })
}
