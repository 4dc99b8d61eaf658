//! The version of an object: a hash of its content.

use pipeline::object::Object;
use prost::Message;
use uuid::Uuid;

use crate::southbound as wire;

/// Names the way versions are computed. A change of the encoding's meaning takes another name.
const NAMESPACE: Uuid = Uuid::from_u128(0x77ef_7000_0000_4000_8000_736f_7574_6862);

/// The version of an object: equal objects have equal versions, in every build and on every machine.
///
/// It is taken from a SHA-1 (RFC 9562 section 5.5) over the object's wire encoding with its version field
/// left out. That encoding is canonical: fields are in order of their numbers and there are no maps. A node
/// never computes versions of what it received: it repeats those that it was told, since it may not know
/// every field that a newer northd hashed.
pub fn version(object: &Object) -> u64 {
    encoded_version(&wire::Object {
        version: 0,
        object: Some(object.into()),
    })
}

/// The version of an encoded object whose own version field is still 0.
pub(crate) fn encoded_version(object: &wire::Object) -> u64 {
    let (_, low) = Uuid::new_v5(&NAMESPACE, &object.encode_to_vec()).as_u64_pair();
    low
}

#[cfg(test)]
mod tests {
    use pipeline::object::{Chassis, DatapathKey};
    use pipeline::object::{FdbEntry, Global, Object, PortKey};

    use super::*;

    /// Input: an object. Output: the version that every build must give it.
    #[test]
    fn versions_are_the_same_in_every_build() {
        let global = Object::Global(Global::default());
        let chassis = Object::Chassis(Chassis {
            name: "node-1".into(),
            encap_ip: [192, 0, 2, 1].into(),
            encap_port: 6081,
            zone: String::new(),
            takes_partial: false,
        });
        let fdb = Object::Fdb(FdbEntry {
            switch: DatapathKey::new(7).expect("in range"),
            mac: packet::Mac([2, 0, 0, 0, 0, 1]),
            port: PortKey::new(3).expect("in range"),
        });
        let versions = [version(&global), version(&chassis), version(&fdb)];
        assert_eq!(
            versions,
            [
                11_584_871_716_087_935_660,
                10_874_282_319_758_139_199,
                11_084_729_872_479_295_750
            ]
        );
    }
}
