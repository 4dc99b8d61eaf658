//! `Fdb`.

use pipeline::object::FdbEntry;

use super::error::{At, WireError, required};
use super::key::{fdb_key, fdb_key_to_wire};
use super::port_ref::port_key;
use crate::southbound as wire;

impl From<&FdbEntry> for wire::Fdb {
    fn from(entry: &FdbEntry) -> Self {
        Self {
            key: Some(fdb_key_to_wire(entry.switch, entry.mac)),
            port: u32::from(entry.port.get()),
        }
    }
}

impl TryFrom<&wire::Fdb> for FdbEntry {
    type Error = WireError;

    fn try_from(entry: &wire::Fdb) -> Result<Self, WireError> {
        let (switch, mac) = fdb_key(required(&entry.key, "key")?).at("key")?;
        Ok(Self {
            switch,
            mac,
            port: port_key(entry.port).at("port")?,
        })
    }
}
