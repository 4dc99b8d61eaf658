//! `MAC_Binding` → `Neighbor`.

use model::sb;
use pipeline::object::{Neighbor, Object};
use uuid::Uuid;

use super::index::Lookup;
use super::reader::port_at;
use super::{Output, Reader};

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let Some(binding) = reader.row::<sb::MacBinding>(row) else {
        return;
    };
    out.name(&binding.ip);
    let place = Lookup::PortAt(binding.datapath, binding.port);
    if reader.find(place).is_none() {
        return;
    }
    let port = port_at(binding.datapath, binding.port);
    let ip = out.checked("ip", binding.ip.parse());
    let mac = out.checked("mac", binding.mac.parse());
    if let (Some(port), Some(ip), Some(mac)) = (port, ip, mac) {
        out.object(Object::Neighbor(Neighbor {
            port,
            ip,
            fixed: None,
            learned: Some(mac),
        }));
    }
}
