//! `Chassis` → `Chassis`.

use model::sb;
use pipeline::object::{Chassis, Object};
use southbound_proto::capability::PARTIAL_CHECKSUMS;
use uuid::Uuid;

use super::{Output, Reader};

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let Some(chassis) = reader.row::<sb::Chassis>(row) else {
        return;
    };
    out.name(&chassis.name);
    let encap_ip = out.checked("encap_ip", chassis.encap_ip.parse());
    let encap_port = out.checked("encap_port", u16::try_from(chassis.encap_port));
    if let Some((encap_ip, encap_port)) = encap_ip.zip(encap_port) {
        out.object(Object::Chassis(Chassis {
            zone: reader.zone(&chassis.name),
            takes_partial: chassis.capabilities.contains(PARTIAL_CHECKSUMS),
            name: chassis.name.into(),
            encap_ip,
            encap_port,
        }));
    }
}
