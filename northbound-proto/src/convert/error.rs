//! What is wrong with a message.

/// A part of a message that the model does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct WireError {
    /// Where it stands, outermost first: `operation 3: Insert: column "tag"`.
    pub place: String,
    /// What is wrong.
    pub problem: &'static str,
}

impl WireError {
    pub(crate) fn new(place: impl Into<String>, problem: &'static str) -> Self {
        Self {
            place: place.into(),
            problem,
        }
    }

    /// The same, standing inside of something.
    pub(crate) fn inside(self, outer: impl std::fmt::Display) -> Self {
        Self {
            place: format!("{outer}: {}", self.place),
            ..self
        }
    }
}
