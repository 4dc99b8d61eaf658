//! What is asked of, kept about and answered for an attached port.

use pipeline::object::PortRef;
use serde::{Deserialize, Serialize};

use crate::attach::InterfacePlan;

/// An interface in a network namespace that stands behind a logical port. Saved over restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attachment {
    /// The logical port's name.
    pub port: String,
    /// The path of the network namespace.
    pub netns: String,
    /// The interface's name there.
    pub interface: String,
    /// Only MAC address, MTU and link up are configured.
    pub bare: bool,
    /// What the interface was last configured to be; `None` when it never was.
    pub configured: Option<InterfacePlan>,
}

/// Why an attach or detach did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// What kind of reason it is.
    pub kind: RefusalKind,
    /// What is wrong, for people.
    pub message: String,
}

/// The kinds of reasons for a [`Refusal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// A name or path is wrong.
    Invalid,
    /// There is no such port or namespace.
    NotFound,
    /// It is there already.
    Exists,
    /// northd, or the system, will not have it.
    Refused,
    /// The process lacks a permission.
    NotPermitted,
    /// It was not done in time.
    TimedOut,
    /// The caller went away.
    Cancelled,
}

impl Refusal {
    /// A refusal of this kind.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

/// Who waits for an attach.
pub type WaiterId = u64;

/// What `attach` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachRequest {
    /// What is to be attached where.
    pub attachment: Attachment,
    /// Take over an interface, or an equal attachment, that is there already.
    pub may_exist: bool,
}

/// What `node ports` says about one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortStatus {
    /// What is attached where.
    pub attachment: Attachment,
    /// "up", or what the port waits for.
    pub state: String,
    /// Where the port is, when its row is known.
    pub at: Option<PortRef>,
}
