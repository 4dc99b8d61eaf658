//! Atoms and row identities.

use bytes::Bytes;
use model::Atom;
use model::datum::Real;
use uuid::Uuid;

use super::WireError;
use crate::northbound as wire;
use crate::northbound::atom::Value;

/// The 16 bytes of an identity.
pub fn uuid_to_wire(uuid: Uuid) -> Bytes {
    Bytes::copy_from_slice(uuid.as_bytes())
}

/// An identity from its 16 bytes.
pub fn uuid_from_wire(bytes: &[u8]) -> Result<Uuid, WireError> {
    Uuid::from_slice(bytes).map_err(|_| WireError::new("uuid", "not 16 bytes"))
}

/// The atom on the wire.
pub fn atom_to_wire(atom: &Atom) -> wire::Atom {
    let value = match atom {
        Atom::Integer(value) => Value::Integer(*value),
        Atom::Real(value) => Value::Real(value.0),
        Atom::Boolean(value) => Value::Boolean(*value),
        Atom::String(value) => Value::String(value.clone()),
        Atom::Uuid(uuid) => Value::Uuid(uuid_to_wire(*uuid)),
    };
    wire::Atom { value: Some(value) }
}

/// The atom from the wire.
pub fn atom_from_wire(atom: wire::Atom) -> Result<Atom, WireError> {
    Ok(match atom.value {
        None => return Err(WireError::new("atom", "no value")),
        Some(Value::Real(value)) if !value.is_finite() => {
            return Err(WireError::new("atom", "not a finite number"));
        }
        Some(Value::Integer(value)) => Atom::Integer(value),
        Some(Value::Real(value)) => Atom::Real(Real(value)),
        Some(Value::Boolean(value)) => Atom::Boolean(value),
        Some(Value::String(value)) => Atom::String(value),
        Some(Value::Uuid(bytes)) => Atom::Uuid(uuid_from_wire(&bytes)?),
    })
}
