//! What the agent is told, and what it wants done.

use std::time::Instant;

use pipeline::object::{PortRef, VipKey};
use pipeline::{Ended, Learn, LearnedKey, Tables};
use southbound_proto::southbound as wire;

use super::attachment::{AttachRequest, Attachment, Refusal, WaiterId};
use super::session;
use crate::attach::InterfacePlan;
use crate::datapath::PortFrame;

/// Something the agent is told.
#[derive(Debug)]
pub enum Event {
    /// Something happened to a southbound stream.
    Stream {
        /// The stream's number, from [`session::Effect::Connect`].
        stream: u64,
        /// What happened.
        event: session::Event,
    },
    /// All workers use the snapshot published under this number, or a later one.
    Adopted {
        /// The number, from [`Effect::Publish`].
        epoch: u64,
    },
    /// Packets taught something.
    Learned(Vec<Learn>),
    /// Traffic used learned entries.
    Used(Vec<LearnedKey>),
    /// Clients asked for these VIPs without backends.
    Unserved(Vec<(VipKey, u64)>),
    /// Frames came that answer probes of backends.
    Monitored(Vec<PortFrame>),
    /// Rules have decided about packets since northd was last told.
    Counted(wire::Counts),
    /// Someone wants a port attached.
    Attach {
        /// Who waits for the answer.
        waiter: WaiterId,
        /// What to attach.
        request: AttachRequest,
        /// When the caller gives up.
        deadline: Option<Instant>,
    },
    /// Someone wants a port detached.
    Detach {
        /// Who waits for the answer.
        waiter: WaiterId,
        /// The port's name.
        port: String,
        /// A port that is not attached is no error.
        if_exists: bool,
    },
    /// Someone stopped waiting.
    Cancel {
        /// Who.
        waiter: WaiterId,
    },
    /// [`Effect::OpenInterface`] was done.
    InterfaceOpened {
        /// The port's name.
        port: String,
        /// Which attachment of the port.
        serial: u64,
        /// Whether the interface is there now.
        result: Result<(), Refusal>,
    },
    /// [`Effect::Install`] was done.
    Installed {
        /// The port's name.
        port: String,
        /// Which attachment of the port.
        serial: u64,
        /// Whether the interface is now plugged and as planned.
        result: Result<(), Refusal>,
    },
    /// [`Effect::DeleteInterface`] was done.
    InterfaceDeleted {
        /// Who waited for it.
        waiter: WaiterId,
    },
    /// The data path lost the device of a port.
    DeviceLost {
        /// The port.
        at: PortRef,
    },
    /// The interface of a port was destroyed by someone else.
    InterfaceGone {
        /// The port's name.
        port: String,
    },
    /// The greatest L3 length that fits the tunnel, in bytes, is another one: the MTU of attached interfaces.
    TunnelMtu(u32),
    /// Some time went by.
    Tick,
}

/// Something the agent wants done.
#[derive(Debug)]
pub enum Effect {
    /// Something about the southbound stream. Only `Connect`, `Send` and `Close` come out of the agent.
    Stream(session::Effect),
    /// Give the workers these tables, and tell when all have adopted them and connections have ended.
    Publish {
        /// Counts up with each snapshot.
        epoch: u64,
        /// The tables.
        tables: Tables,
        /// The services whose connections end once all have adopted them.
        ended: Vec<Ended>,
    },
    /// Put a probe of a backend out by its port.
    Probe(PortFrame),
    /// northd's objects changed: save them soon.
    SaveObjects,
    /// The attachments changed: save them before anything that follows is done.
    SaveAttachments(Vec<Attachment>),
    /// Create the interface of an attachment, or open the one that is there.
    OpenInterface {
        /// Which attachment of the port.
        serial: u64,
        /// The attachment.
        attachment: Attachment,
        /// What is to be there.
        mode: OpenMode,
    },
    /// Take the interface from the data path: nothing enters or leaves by it any more.
    Unplug {
        /// The port's name.
        port: String,
        /// Its place.
        at: PortRef,
    },
    /// Hand the interface to the data path as this port, unless it has it, and make it what the plan says,
    /// unless it is, and up.
    Install {
        /// Which attachment of the port.
        serial: u64,
        /// The attachment.
        attachment: Attachment,
        /// The port's place.
        at: PortRef,
        /// What the interface is to be.
        plan: InterfacePlan,
    },
    /// Delete the interface, and say so if someone waits for that.
    DeleteInterface {
        /// The attachment.
        attachment: Attachment,
        /// Who waits.
        waiter: Option<WaiterId>,
    },
    /// Answer someone who waits.
    Answer {
        /// Who.
        waiter: WaiterId,
        /// What the interface is configured to be; `None` after a detach.
        result: Result<Option<InterfacePlan>, Refusal>,
    },
}

/// Whether an interface is made or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// It must not be there yet.
    Create,
    /// It is made unless it is there.
    CreateOrAdopt,
    /// It must be there.
    Adopt,
}
