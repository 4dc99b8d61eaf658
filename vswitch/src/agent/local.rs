//! One attached port: its interface, its claim and its configuration, and what it waits for.

use std::time::{Duration, Instant};

use pipeline::Tables;
use pipeline::object::{Attachment as Attached, ChassisName, Port, PortKind, PortRef, SwitchPort};

use super::attachment::{Attachment, WaiterId};
use crate::attach::InterfacePlan;

/// The pause before a claim or configuration that failed is tried again.
pub(super) const RETRY_PAUSE: Duration = Duration::from_secs(2);
/// How long a claim may go unanswered before it is repeated.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// One attached port.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) attachment: Attachment,
    pub(super) interface: Interface,
    pub(super) claim: Claim,
    /// Where the port is bound to this node, and since which snapshot.
    pub(super) bound: Option<Bound>,
    /// The place at which the data path has the interface.
    pub(super) plugged: Option<PortRef>,
    pub(super) setup: Setup,
    /// It was up at its place before it is configured anew, which does not interrupt it.
    pub(super) stays_up: bool,
    pub(super) waiters: Vec<Waiter>,
    /// Tells this attachment of the port from an earlier one.
    pub(super) serial: u64,
    /// The port has not been up since it was attached: when that fails, the attachment goes.
    pub(super) is_new: bool,
    /// The next claim takes the port over from another node.
    pub(super) is_fresh: bool,
    /// northd's last word against binding the port here.
    pub(super) refusal: Option<String>,
}

/// Whether the interface is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Interface {
    Opening,
    Open,
    Broken(String),
}

/// The state of the claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// To be asked for at this time.
    Due(Instant),
    /// Asked for; repeated at this time.
    Asked { request: u64, repeat_at: Instant },
    /// Granted; asked for again at this time if the binding does not show.
    Granted { repeat_at: Instant },
}

/// Where a port is bound to this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) at: PortRef,
    pub(super) plan: InterfacePlan,
    /// The snapshot that all workers must have adopted before the plan is put in place.
    pub(super) epoch: u64,
}

/// Whether the interface is what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    /// Not configured for the binding as it is.
    Idle,
    /// Being configured to be this.
    Running(InterfacePlan),
    /// Configured: the port is up.
    Done,
    /// It failed, and is tried again.
    Failed { reason: String, retry_at: Instant },
}

/// Someone who waits for the port to be up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiter {
    pub(super) id: WaiterId,
    pub(super) deadline: Option<Instant>,
}

impl Local {
    pub(super) fn new(attachment: Attachment, serial: u64, now: Instant) -> Self {
        Self {
            attachment,
            interface: Interface::Opening,
            claim: Claim::Due(now),
            bound: None,
            plugged: None,
            setup: Setup::Idle,
            stays_up: false,
            waiters: Vec::new(),
            serial,
            is_new: false,
            is_fresh: false,
            refusal: None,
        }
    }

    /// True when the whole configuration is in force, or was and is being brought up to date.
    pub(super) fn is_up(&self) -> bool {
        let is_set_up = match self.setup {
            Setup::Done => true,
            Setup::Idle | Setup::Running(_) => self.stays_up,
            Setup::Failed { .. } => false,
        };
        is_set_up && self.bound.is_some()
    }

    /// True while the data path or the interface is still being brought to what the tables say.
    pub(super) fn is_settling(&self) -> bool {
        self.interface == Interface::Open
            && self.bound.is_some()
            && matches!(self.setup, Setup::Idle | Setup::Running(_))
    }

    /// True when northd has to be asked (again) for the port.
    pub(super) fn is_claim_due(&self, now: Instant) -> bool {
        self.interface == Interface::Open && self.claim_at().is_some_and(|at| at <= now)
    }

    /// When northd is to be asked (again) for the port.
    pub(super) fn claim_at(&self) -> Option<Instant> {
        match self.claim {
            Claim::Due(at) => Some(at),
            Claim::Asked { repeat_at, .. } => Some(repeat_at),
            Claim::Granted { .. } if self.bound.is_some() => None,
            Claim::Granted { repeat_at } => Some(repeat_at),
        }
    }

    /// What the port waits for, for people.
    pub(super) fn state(&self, tables: &Tables, is_connected: bool) -> String {
        if let Interface::Broken(reason) = &self.interface {
            return reason.clone();
        }
        match (&self.setup, &self.bound) {
            (Setup::Done, Some(_)) => return "up".to_owned(),
            (Setup::Failed { reason, .. }, _) => return reason.clone(),
            (_, Some(_)) => return "configuring the interface".to_owned(),
            (_, None) => {}
        }
        if let Some(chassis) = chassis_of(tables, &self.attachment.port)
            && tables.home() != Some(chassis)
        {
            return format!("moved to {chassis}");
        }
        match (&self.refusal, is_connected) {
            (Some(refusal), _) => format!("refused: {refusal}"),
            (None, false) => "waiting for northd".to_owned(),
            (None, true) => "waiting for the port's configuration".to_owned(),
        }
    }
}

/// The row of a switch port; `None` for a router's.
pub(super) fn switch_port(port: &Port) -> Option<&SwitchPort> {
    match &port.kind {
        PortKind::Switch(row) => Some(row),
        PortKind::Router(_) => None,
    }
}

/// The node that the port is bound to, as far as the tables say.
pub(super) fn chassis_of<'a>(tables: &'a Tables, name: &str) -> Option<&'a ChassisName> {
    switch_port(tables.port_named(name)?)?.chassis.as_ref()
}

/// Where the port is if its own interface is on this node, as far as the tables say.
pub(super) fn place_here(tables: &Tables, name: &str) -> Option<PortRef> {
    let port = tables.port_named(name)?;
    let row = switch_port(port)?;
    match row.attachment {
        Attached::Vif | Attached::Localport => {
            (tables.interface(port.at) == Some(port.at)).then_some(port.at)
        }
        Attached::Nested { .. } | Attached::Router(_) => None,
    }
}
