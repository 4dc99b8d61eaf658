//! `Static_MAC_Binding` → `Neighbor`.

use std::net::IpAddr;

use model::nb;
use packet::Mac;
use pipeline::object::{FixedBinding, Neighbor, Object};
use uuid::Uuid;

use super::index::Lookup;
use super::{Output, Reader};

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let Some(binding) = reader.row::<nb::StaticMacBinding>(row) else {
        return;
    };
    out.name(&binding.logical_port);
    let port = reader.find(Lookup::RouterPort(binding.logical_port.clone()));
    if port.is_none() {
        let name = &binding.logical_port;
        out.warn(
            "logical_port",
            format!("there is no logical router port {name:?}"),
        );
    }
    let port = port.and_then(|port| reader.port_ref(port));
    let ip = out.checked("ip", binding.ip.parse::<IpAddr>());
    let mac = out.checked("mac", binding.mac.parse::<Mac>());
    if mac.is_some_and(Mac::is_multicast) {
        out.warn("mac", "a group address belongs to no station");
        return;
    }
    if let (Some(port), Some(ip), Some(mac)) = (port, ip, mac) {
        let overrides_learned = binding.override_dynamic_mac;
        out.object(Object::Neighbor(Neighbor {
            port,
            ip,
            fixed: Some(FixedBinding {
                mac,
                overrides_learned,
            }),
            learned: None,
        }));
    }
}
