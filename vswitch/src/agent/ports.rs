//! The attached ports: from `attach` through claim, binding and configuration to up, and back.
//!
//! Each port is brought to what the tables say, in order: an interface is opened, the port claimed; once the
//! binding is in force in all workers the interface is plugged into the data path and configured; then the
//! port is up. A binding that goes takes the interface out of the data path at once.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Instant;

use pipeline::Tables;
use pipeline::object::Attachment as Attached;
use southbound_proto::southbound as wire;
use wire::from_node::Message as Up;

use super::attachment::{AttachRequest, Attachment, PortStatus, Refusal, RefusalKind, WaiterId};
use super::effect::{Effect, OpenMode};
use super::local::{Claim, Interface, Local, Setup, Waiter, switch_port};
use crate::attach::InterfacePlan;

/// The most ports that one node attaches.
pub(super) const ATTACHMENTS_MAX: usize = 4_096;

/// The attached ports of one node.
#[derive(Debug)]
pub struct Ports {
    pub(super) locals: BTreeMap<String, Local>,
    /// MTU of the interfaces, in bytes of L3.
    pub(super) mtu: u32,
    /// The youngest snapshot that all workers have adopted.
    pub(super) adopted_epoch: u64,
    serials: u64,
    pub(super) requests: u64,
}

impl Ports {
    /// The ports that were attached in an earlier life; their interfaces are to be found again.
    pub fn restore(
        attachments: Vec<Attachment>,
        mtu: u32,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> Self {
        let mut ports = Self {
            locals: BTreeMap::new(),
            mtu,
            adopted_epoch: 0,
            serials: 0,
            requests: 0,
        };
        for attachment in attachments {
            ports.open(attachment, OpenMode::Adopt, now, effects);
        }
        ports
    }

    /// What is attached, for saving.
    pub fn attachments(&self) -> Vec<Attachment> {
        self.locals
            .values()
            .map(|local| local.attachment.clone())
            .collect()
    }

    /// True when the port is attached here.
    pub fn is_attached(&self, port: &str) -> bool {
        self.locals.contains_key(port)
    }

    /// The attachments whose interfaces are there, as far as is known.
    pub fn open_interfaces(&self) -> Vec<Attachment> {
        let open = self
            .locals
            .values()
            .filter(|local| local.interface == Interface::Open);
        open.map(|local| local.attachment.clone()).collect()
    }

    /// What is attached and how it stands, by name.
    pub fn statuses(&self, tables: &Tables, is_connected: bool) -> Vec<PortStatus> {
        let status = |local: &Local| PortStatus {
            attachment: local.attachment.clone(),
            state: local.state(tables, is_connected),
            at: tables
                .port_named(&local.attachment.port)
                .map(|port| port.at),
        };
        self.locals.values().map(status).collect()
    }

    // === attach and detach ===

    /// Begins to attach a port, or joins those who wait for the same.
    pub fn attach(
        &mut self,
        waiter: WaiterId,
        request: AttachRequest,
        deadline: Option<Instant>,
        tables: &Tables,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let waiter = Waiter {
            id: waiter,
            deadline,
        };
        if let Err(refusal) = self.check_attach(&request, tables) {
            return answer(waiter.id, Err(refusal), effects);
        }
        let AttachRequest {
            attachment,
            may_exist,
        } = request;
        if let Some(local) = self.locals.get_mut(&attachment.port)
            && !matches!(local.interface, Interface::Broken(_))
        {
            match (&local.setup, &local.bound) {
                (Setup::Done, Some(bound)) => {
                    answer(waiter.id, Ok(Some(bound.plan.clone())), effects)
                }
                _ => local.wait(waiter, now),
            }
            return;
        }
        let mode = match may_exist {
            true => OpenMode::CreateOrAdopt,
            false => OpenMode::Create,
        };
        let local = self.open(attachment, mode, now, effects);
        local.is_new = true;
        local.is_fresh = true;
        local.waiters.push(waiter);
    }

    fn open(
        &mut self,
        attachment: Attachment,
        mode: OpenMode,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> &mut Local {
        self.serials += 1;
        effects.push(Effect::OpenInterface {
            serial: self.serials,
            attachment: attachment.clone(),
            mode,
        });
        let name = attachment.port.clone();
        let local = Local::new(attachment, self.serials, now);
        match self.locals.entry(name) {
            Entry::Occupied(mut there) => {
                there.insert(local);
                there.into_mut()
            }
            Entry::Vacant(place) => place.insert(local),
        }
    }

    fn check_attach(&self, request: &AttachRequest, tables: &Tables) -> Result<(), Refusal> {
        let wanted = &request.attachment;
        if let Some(Attached::Nested { parent, tag }) = tables
            .port_named(&wanted.port)
            .and_then(|port| switch_port(port))
            .map(|row| &row.attachment)
        {
            let message = format!(
                "port {:?} is nested in {parent:?} (tag {tag}): it has no interface of its own and is \
                 up wherever {parent:?} is attached; tag {tag} on that interface carries its frames",
                wanted.port
            );
            return Err(Refusal::new(RefusalKind::Invalid, message));
        }
        let is_same_interface = |local: &&Local| {
            local.attachment.netns == wanted.netns
                && local.attachment.interface == wanted.interface
                && local.attachment.port != wanted.port
        };
        if let Some(other) = self.locals.values().find(is_same_interface) {
            let message = format!(
                "interface {} in {} is attached to port {:?}",
                wanted.interface, wanted.netns, other.attachment.port
            );
            return Err(Refusal::new(RefusalKind::Exists, message));
        }
        let Some(local) = self.locals.get(&wanted.port) else {
            if self.locals.len() >= ATTACHMENTS_MAX {
                let message = format!("{ATTACHMENTS_MAX} ports are attached, which is the most");
                return Err(Refusal::new(RefusalKind::Refused, message));
            }
            return Ok(());
        };
        let there = &local.attachment;
        let is_same = there.netns == wanted.netns && there.interface == wanted.interface;
        let is_broken = matches!(local.interface, Interface::Broken(_));
        if is_broken || (is_same && request.may_exist && there.bare == wanted.bare) {
            return Ok(());
        }
        let message = format!(
            "port {:?} is attached as {} in {}",
            wanted.port, there.interface, there.netns
        );
        Err(Refusal::new(RefusalKind::Exists, message))
    }

    /// Detaches a port: takes it from the data path, deletes its interface and releases it.
    pub fn detach(
        &mut self,
        waiter: WaiterId,
        port: &str,
        if_exists: bool,
        effects: &mut Vec<Effect>,
    ) -> Vec<Up> {
        if !self.locals.contains_key(port) {
            let refusal = Refusal::new(
                RefusalKind::NotFound,
                format!("port {port:?} is not attached here"),
            );
            let result = if if_exists { Ok(None) } else { Err(refusal) };
            answer(waiter, result, effects);
            return Vec::new();
        }
        let refusal = Refusal::new(RefusalKind::Cancelled, "the port was detached meanwhile");
        vec![self.drop_local(port, &refusal, Some(waiter), effects)]
    }

    /// Stops to wait for a port; one that nobody waits for any more and never was up is taken back.
    pub fn cancel(&mut self, waiter: WaiterId, effects: &mut Vec<Effect>) -> Vec<Up> {
        let refusal = Refusal::new(RefusalKind::Cancelled, "the caller went away");
        self.give_up(|other| other.id == waiter, |_| refusal.clone(), effects)
    }

    /// Forgets a port with its interface; those who wait for it are refused. `waiter` is answered once the
    /// interface is gone.
    pub(super) fn drop_local(
        &mut self,
        port: &str,
        refusal: &Refusal,
        waiter: Option<WaiterId>,
        effects: &mut Vec<Effect>,
    ) -> Up {
        self.requests += 1;
        if let Some(mut local) = self.locals.remove(port) {
            match waiter {
                Some(_) => tracing::info!(port, "detached"),
                None => tracing::info!(port, reason = %refusal, "not attached"),
            }
            local.unplug(effects);
            for waiter in local.waiters.drain(..) {
                answer(waiter.id, Err(refusal.clone()), effects);
            }
            effects.push(Effect::SaveAttachments(self.attachments()));
            match (local.interface, waiter) {
                (Interface::Broken(_), Some(waiter)) => answer(waiter, Ok(None), effects),
                (Interface::Broken(_), None) => {}
                (Interface::Opening | Interface::Open, waiter) => {
                    let attachment = local.attachment;
                    effects.push(Effect::DeleteInterface { attachment, waiter });
                }
            }
        }
        Up::Release(wire::Release {
            port: port.to_owned(),
            request: self.requests,
        })
    }

    /// Refuses the waiters for which `is_over`, and takes back the new ports that are left with none.
    pub(super) fn give_up(
        &mut self,
        is_over: impl Fn(&Waiter) -> bool,
        refusal: impl Fn(&Local) -> Refusal,
        effects: &mut Vec<Effect>,
    ) -> Vec<Up> {
        let mut dropped = Vec::new();
        for (name, local) in &mut self.locals {
            let over: Vec<Waiter> = local.waiters.iter().copied().filter(&is_over).collect();
            if over.is_empty() {
                continue;
            }
            let refusal = refusal(local);
            local.waiters.retain(|waiter| !is_over(waiter));
            for waiter in over {
                answer(waiter.id, Err(refusal.clone()), effects);
            }
            if local.is_new && local.waiters.is_empty() {
                dropped.push((name.clone(), refusal));
            }
        }
        let drop_one =
            |(name, refusal): (String, Refusal)| self.drop_local(&name, &refusal, None, effects);
        dropped.into_iter().map(drop_one).collect()
    }
}

impl Local {
    fn wait(&mut self, waiter: Waiter, now: Instant) {
        self.waiters.push(waiter);
        if self.bound.is_none() {
            // An attach is a fresh claim: it takes the port over from where it moved to.
            self.is_fresh = true;
            self.claim = Claim::Due(now);
        }
    }

    /// Takes the interface out of the data path.
    pub(super) fn unplug(&mut self, effects: &mut Vec<Effect>) {
        self.setup = Setup::Idle;
        self.stays_up = false;
        if let Some(at) = self.plugged.take() {
            effects.push(Effect::Unplug {
                port: self.attachment.port.clone(),
                at,
            });
        }
    }
}

pub(super) fn answer(
    waiter: WaiterId,
    result: Result<Option<InterfacePlan>, Refusal>,
    effects: &mut Vec<Effect>,
) {
    effects.push(Effect::Answer { waiter, result });
}
