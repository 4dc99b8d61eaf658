//! What the pipeline tells whoever wants to know how it came to its verdict.

use serde::Serialize;

use crate::drop::DropReason;
use crate::stage::Stage;

/// An entry of a stage's table, as people read it. Traces and listings show the same text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Entry {
    /// Which of several matching entries counts: the greatest.
    pub priority: u16,
    /// What it matches, in OVN's language.
    pub matches: String,
    /// What it does, in OVN's language.
    pub actions: Vec<String>,
}

impl Entry {
    pub(crate) fn new<const N: usize>(
        priority: u16,
        matches: impl Into<String>,
        actions: [&str; N],
    ) -> Self {
        Self {
            priority,
            matches: matches.into(),
            actions: actions.map(str::to_owned).to_vec(),
        }
    }
}

/// A part of a packet's way, that others may be part of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The ingress pipeline of a datapath.
    Ingress {
        /// The datapath's name.
        datapath: String,
        /// The port it entered by.
        inport: String,
    },
    /// The egress pipeline of a datapath.
    Egress {
        /// The datapath's name.
        datapath: String,
        /// The port it entered by; empty when that is not known.
        inport: String,
        /// The port it leaves by.
        outport: String,
    },
    /// Copies to the members of a multicast group.
    Multicast {
        /// The datapath's name.
        datapath: String,
        /// The group's name.
        group: String,
    },
    /// The way of a packet that the network itself sends. It ends with the scope around it.
    Answer {
        /// OVN's name of the action.
        action: String,
        /// What it says: assignments.
        fields: Vec<String>,
    },
}

/// Something that happens to a packet outside of an entry's actions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Header fields change: assignments in OVN's language.
    Modify(Vec<String>),
    /// It leaves by an interface, or through a router port.
    Output {
        /// The logical port.
        port: String,
        /// OVN's type of the port: empty for an interface, `patch` for a router port.
        kind: &'static str,
    },
    /// It crosses to another node.
    Tunnel {
        /// The node.
        chassis: String,
    },
    /// It waits for a next hop.
    Hold {
        /// The router port.
        port: String,
        /// The next hop.
        next_hop: std::net::IpAddr,
    },
    /// It ends.
    Drop(DropReason),
    /// Something worth knowing.
    Note(String),
}

/// Hears how a verdict comes about. Everything is passed as a closure, so that what nobody hears is not
/// even put into words.
pub trait Recorder {
    /// A scope begins.
    fn enter(&mut self, scope: impl FnOnce() -> Scope);
    /// The scope that began last and is no [`Scope::Answer`] ends.
    fn leave(&mut self);
    /// An entry of a stage's table matched.
    fn hit(&mut self, stage: Stage, entry: impl FnOnce() -> Entry);
    /// Something else happened.
    fn event(&mut self, event: impl FnOnce() -> Event);
}

/// Hears nothing and costs nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Recorder for Silent {
    #[inline(always)]
    fn enter(&mut self, _scope: impl FnOnce() -> Scope) {}
    #[inline(always)]
    fn leave(&mut self) {}
    #[inline(always)]
    fn hit(&mut self, _stage: Stage, _entry: impl FnOnce() -> Entry) {}
    #[inline(always)]
    fn event(&mut self, _event: impl FnOnce() -> Event) {}
}
