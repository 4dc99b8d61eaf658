//! What can be wrong with a message.

use pipeline::object::KeyError;

/// A field of a message that its type does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct WireError {
    /// The way to the field from the message's root, such as `port.switch_port.addresses[2].mac`.
    pub path: String,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The field is not set.
    #[error("is missing")]
    Missing,
    /// The text must not be empty.
    #[error("is empty")]
    Empty,
    /// The bytes have a length that no value of the type has.
    #[error("has {found} bytes, not {expected}")]
    Length {
        /// The lengths allowed.
        expected: &'static str,
        /// The length met.
        found: usize,
    },
    /// A tunnel key is outside its range.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A number is outside its range.
    #[error("{value} is outside {low}..={high}")]
    Range {
        /// The number met.
        value: u32,
        /// The least allowed.
        low: u32,
        /// The greatest allowed.
        high: u32,
    },
    /// A prefix has bits set beyond its length.
    #[error("has host bits set")]
    HostBits,
    /// The number of an enumeration stands for nothing that this build knows.
    #[error("{0} is not known")]
    Unknown(i32),
    /// The field contradicts another one.
    #[error("{0}")]
    Contradiction(&'static str),
}

impl Problem {
    /// The error of a field of this name.
    pub(crate) fn at(self, field: &str) -> WireError {
        WireError {
            path: field.to_owned(),
            problem: self,
        }
    }
}

/// Says where a decoded field stands.
pub(crate) trait At<T> {
    /// The result with `field` in front of the error's path.
    fn at(self, field: &str) -> Result<T, WireError>;
    /// The result with `field[index]` in front of the error's path.
    fn at_index(self, field: &str, index: usize) -> Result<T, WireError>;
}

impl<T> At<T> for Result<T, WireError> {
    fn at(self, field: &str) -> Result<T, WireError> {
        self.map_err(|error| WireError {
            path: format!("{field}.{}", error.path),
            problem: error.problem,
        })
    }

    fn at_index(self, field: &str, index: usize) -> Result<T, WireError> {
        self.map_err(|error| WireError {
            path: format!("{field}[{index}].{}", error.path),
            problem: error.problem,
        })
    }
}

impl<T> At<T> for Result<T, Problem> {
    fn at(self, field: &str) -> Result<T, WireError> {
        self.map_err(|problem| problem.at(field))
    }

    fn at_index(self, field: &str, index: usize) -> Result<T, WireError> {
        self.map_err(|problem| problem.at(&format!("{field}[{index}]")))
    }
}

/// The message that must be set.
pub(crate) fn required<'a, T>(field: &'a Option<T>, name: &str) -> Result<&'a T, WireError> {
    field.as_ref().ok_or_else(|| Problem::Missing.at(name))
}

/// What a message stands for.
pub(crate) fn decode<'a, W, T>(message: &'a W) -> Result<T, WireError>
where
    T: TryFrom<&'a W, Error = WireError>,
{
    message.try_into()
}

/// What a message stands for, if it is set.
pub(crate) fn optional<'a, W, T>(message: &'a Option<W>) -> Result<Option<T>, WireError>
where
    T: TryFrom<&'a W, Error = WireError>,
{
    message.as_ref().map(decode).transpose()
}

/// Every element of a repeated field, decoded.
pub(crate) fn each<'a, W, T, E>(
    elements: &'a [W],
    name: &str,
    decode: impl Fn(&'a W) -> Result<T, E>,
) -> Result<Vec<T>, WireError>
where
    Result<T, E>: At<T>,
{
    let decoded = elements.iter().map(decode).enumerate();
    decoded
        .map(|(index, element)| element.at_index(name, index))
        .collect()
}
