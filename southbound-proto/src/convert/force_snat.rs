//! `ForceSnat`.

use pipeline::object::ForceSnat;

use super::atom::{address_from_wire, address_to_wire};
use super::error::{WireError, each, required};
use crate::southbound as wire;
use wire::force_snat::Source;

pub(super) fn force_snat_to_wire(force: &ForceSnat) -> Option<wire::ForceSnat> {
    let source = match force {
        ForceSnat::No => return None,
        ForceSnat::RouterIp => Source::RouterIp(wire::Empty {}),
        ForceSnat::Addresses(addresses) => Source::Addresses(wire::Addresses {
            addresses: addresses.iter().copied().map(address_to_wire).collect(),
        }),
    };
    let source = Some(source);
    Some(wire::ForceSnat { source })
}

pub(super) fn force_snat(force: &Option<wire::ForceSnat>) -> Result<ForceSnat, WireError> {
    let Some(force) = force else {
        return Ok(ForceSnat::No);
    };
    Ok(match required(&force.source, "source")? {
        Source::RouterIp(wire::Empty {}) => ForceSnat::RouterIp,
        Source::Addresses(list) => {
            let addresses = each(&list.addresses, "addresses", |bytes| {
                address_from_wire(bytes)
            });
            ForceSnat::Addresses(addresses?)
        }
    })
}
