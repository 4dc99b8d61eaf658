//! `FDB` → `Fdb`.

use model::sb;
use pipeline::object::{FdbEntry, Object};
use uuid::Uuid;

use super::index::Lookup;
use super::reader::port_at;
use super::{Output, Reader};

pub(super) fn compile(reader: &mut Reader<'_>, row: Uuid, out: &mut Output) {
    let Some(entry) = reader.row::<sb::Fdb>(row) else {
        return;
    };
    out.name(&entry.mac);
    let place = Lookup::PortAt(entry.datapath, entry.port);
    if reader.find(place).is_none() {
        return;
    }
    let at = port_at(entry.datapath, entry.port);
    let mac = out.checked("mac", entry.mac.parse());
    if let Some((at, mac)) = at.zip(mac) {
        out.object(Object::Fdb(FdbEntry {
            switch: at.datapath,
            mac,
            port: at.port,
        }));
    }
}
