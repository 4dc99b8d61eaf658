//! How an attached port is brought to what the tables say, step by step; the other half of [`Ports`].

use std::collections::BTreeSet;
use std::time::Instant;

use pipeline::Tables;
use pipeline::object::{Attachment as Attached, PortKind, PortRef};
use southbound_proto::southbound as wire;
use wire::from_node::Message as Up;

use super::attachment::{Refusal, RefusalKind};
use super::effect::Effect;
use super::local::{
    ANSWER_TIMEOUT, Bound, Claim, Interface, Local, RETRY_PAUSE, Setup, chassis_of, place_here,
    switch_port,
};
use super::ports::{Ports, answer};
use crate::attach::InterfacePlan;

/// What northd is, seen from a port that waits for it.
#[derive(Clone, Copy, Debug)]
pub struct Northd<'a> {
    /// It is there.
    pub is_connected: bool,
    /// Why it is not there, with its address.
    pub last_error: &'a str,
    /// Its address.
    pub address: &'a str,
}

impl Ports {
    // === the interface ===

    /// The interface was opened, or could not be.
    pub fn interface_opened(
        &mut self,
        port: &str,
        serial: u64,
        result: Result<(), Refusal>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let adopted_epoch = self.adopted_epoch;
        let Some(local) = self.current(port, serial) else {
            return;
        };
        match result {
            Ok(()) => {
                local.interface = Interface::Open;
                local.claim = Claim::Due(now);
                let is_new = local.is_new;
                local.bring_up(adopted_epoch, effects);
                if is_new {
                    tracing::info!(
                        port,
                        interface = local.attachment.interface,
                        netns = local.attachment.netns,
                        "attached"
                    );
                    effects.push(Effect::SaveAttachments(self.attachments()));
                }
            }
            Err(refusal) => {
                local.interface = Interface::Broken(refusal.message.clone());
                if !local.is_new {
                    tracing::warn!(port, reason = %refusal, "an interface is not to be had again");
                } else {
                    self.drop_local(port, &refusal, None, effects);
                }
            }
        }
    }

    /// The data path lost the interface of a port, if it has one there: that is gone.
    pub fn device_lost(&mut self, at: PortRef, effects: &mut Vec<Effect>) -> Option<Up> {
        let mut locals = self.locals.iter();
        let (port, _) = locals.find(|(_, local)| local.plugged == Some(at))?;
        let port = port.clone();
        self.interface_gone(&port, effects)
    }

    /// The interface was destroyed by someone else: the port is released.
    pub fn interface_gone(&mut self, port: &str, effects: &mut Vec<Effect>) -> Option<Up> {
        let local = self.locals.get_mut(port)?;
        tracing::warn!(
            port,
            interface = local.attachment.interface,
            netns = local.attachment.netns,
            "an interface is gone; the port is released"
        );
        let refusal = Refusal::new(RefusalKind::NotFound, "the interface is gone");
        for waiter in local.waiters.drain(..) {
            answer(waiter.id, Err(refusal.clone()), effects);
        }
        local.unplug(effects);
        local.bound = None;
        local.interface = Interface::Broken(format!(
            "interface {} is gone from {}",
            local.attachment.interface, local.attachment.netns
        ));
        self.requests += 1;
        Some(Up::Release(wire::Release {
            port: port.to_owned(),
            request: self.requests,
        }))
    }

    /// The interface was plugged and configured, or could not be.
    pub fn installed(
        &mut self,
        port: &str,
        serial: u64,
        result: Result<(), Refusal>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> Option<Up> {
        let adopted_epoch = self.adopted_epoch;
        let local = self.current(port, serial)?;
        let Setup::Running(plan) = &local.setup else {
            return None;
        };
        match result {
            Ok(()) => {
                let plan = plan.clone();
                local.set_up(plan, effects);
                local.bring_up(adopted_epoch, effects);
                effects.push(Effect::SaveAttachments(self.attachments()));
                None
            }
            Err(refusal) if local.is_new => Some(self.drop_local(port, &refusal, None, effects)),
            Err(refusal) => {
                tracing::warn!(port, error = %refusal, "an interface could not be configured");
                local.stays_up = false;
                local.setup = Setup::Failed {
                    reason: refusal.message,
                    retry_at: now + RETRY_PAUSE,
                };
                None
            }
        }
    }

    fn current(&mut self, port: &str, serial: u64) -> Option<&mut Local> {
        self.locals
            .get_mut(port)
            .filter(|local| local.serial == serial)
    }

    // === the claim ===

    /// northd is there anew: everything is claimed again.
    pub fn claim_all(&mut self, now: Instant) {
        for local in self.locals.values_mut() {
            local.claim = Claim::Due(now);
        }
    }

    /// The claims that are due while northd is there.
    pub fn claims_due(&mut self, now: Instant) -> Vec<Up> {
        let mut claims = Vec::new();
        for (name, local) in &mut self.locals {
            if !local.is_claim_due(now) {
                continue;
            }
            self.requests += 1;
            local.claim = Claim::Asked {
                request: self.requests,
                repeat_at: now + ANSWER_TIMEOUT,
            };
            claims.push(Up::Claim(wire::Claim {
                port: name.clone(),
                fresh: local.is_fresh,
                request: self.requests,
            }));
        }
        claims
    }

    /// northd answered a claim.
    pub fn claim_answered(
        &mut self,
        result: &wire::ClaimResult,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) {
        let Some(local) = self.locals.get_mut(&result.port) else {
            return;
        };
        if !matches!(local.claim, Claim::Asked { request, .. } if request == result.request) {
            return;
        }
        let repeat_at = now + RETRY_PAUSE;
        if result.refusal.is_empty() {
            local.claim = Claim::Granted { repeat_at };
            local.refusal = None;
            return;
        }
        local.claim = Claim::Due(repeat_at);
        let refusal = Refusal::new(RefusalKind::Refused, result.refusal.clone());
        if local.refusal.as_ref() != Some(&result.refusal) {
            tracing::info!(
                port = result.port,
                reason = result.refusal,
                "refused by northd"
            );
            local.refusal = Some(result.refusal.clone());
        }
        if local.is_new {
            self.drop_local(&result.port, &refusal, None, effects);
            return;
        }
        local.is_fresh = false;
        for waiter in local.waiters.drain(..) {
            answer(waiter.id, Err(refusal.clone()), effects);
        }
    }

    // === the binding ===

    /// The tables changed to those of `epoch`: what is not bound here any more stops at once.
    pub fn tables_changed(
        &mut self,
        tables: &Tables,
        epoch: u64,
        effects: &mut Vec<Effect>,
    ) -> Vec<Up> {
        let mut nested = Vec::new();
        let adopted_epoch = self.adopted_epoch;
        for (name, local) in &mut self.locals {
            if is_nested(tables, name) && local.is_new {
                nested.push(name.clone());
            }
            let at = place_here(tables, name).filter(|_| local.interface_is_usable());
            let port = at.and_then(|at| Some((at, tables.port(at)?)));
            let bound = port.map(|(at, port)| Bound {
                at,
                plan: InterfacePlan::new(tables, port, local.attachment.bare, self.mtu),
                epoch,
            });
            local.bind(bound, tables, effects);
            // The workers may long have what the port needs: a localport is in the tables unbound.
            local.bring_up(adopted_epoch, effects);
        }
        let drop_nested = |name: String| {
            let message = format!("port {name:?} is nested in another: attach that one");
            let refusal = Refusal::new(RefusalKind::Invalid, message);
            self.drop_local(&name, &refusal, None, effects)
        };
        nested.into_iter().map(drop_nested).collect()
    }

    /// All workers have adopted the tables of `epoch`: ports bound by then are brought up.
    pub fn adopted(&mut self, epoch: u64, effects: &mut Vec<Effect>) {
        self.adopted_epoch = epoch;
        for local in self.locals.values_mut() {
            local.bring_up(epoch, effects);
        }
    }

    /// True when every port bound here is up or has failed to be.
    pub fn is_settled(&self) -> bool {
        !self.locals.values().any(Local::is_settling)
    }

    /// True while interfaces of an earlier life are being looked for.
    pub fn is_restoring(&self) -> bool {
        let mut old = self.locals.values().filter(|local| !local.is_new);
        old.any(|local| local.interface == Interface::Opening)
    }

    /// The ports whose whole configuration is in force here, those nested in them included.
    pub fn up(&self, tables: &Tables) -> BTreeSet<String> {
        let is_up = |name: &str| self.locals.get(name).is_some_and(Local::is_up);
        let own = self.locals.keys().filter(|name| is_up(name)).cloned();
        let mut up: BTreeSet<String> = own.collect();
        for datapath in tables.all_datapaths() {
            for port in tables.ports(datapath.key) {
                if let PortKind::Switch(row) = &port.kind
                    && let Attached::Nested { parent, .. } = &row.attachment
                    && is_up(parent)
                    && tables.interface(port.at).is_some()
                {
                    up.insert(port.name.clone());
                }
            }
        }
        up
    }

    // === time ===

    /// When there is something to do next. Claims wait for northd.
    pub fn deadline(&self, is_connected: bool) -> Option<Instant> {
        let of_local = |local: &Local| {
            let claim = local
                .claim_at()
                .filter(|_| is_connected && local.interface == Interface::Open);
            let retry = match &local.setup {
                Setup::Failed { retry_at, .. } => Some(*retry_at),
                _ => None,
            };
            let waiters = local.waiters.iter().filter_map(|waiter| waiter.deadline);
            waiters.chain(claim).chain(retry).min()
        };
        self.locals.values().filter_map(of_local).min()
    }

    /// Refuses those who waited too long, and tries again what failed.
    pub fn tick(
        &mut self,
        tables: &Tables,
        northd: Northd<'_>,
        now: Instant,
        effects: &mut Vec<Effect>,
    ) -> Vec<Up> {
        for local in self.locals.values_mut() {
            if matches!(&local.setup, Setup::Failed { retry_at, .. } if *retry_at <= now) {
                local.setup = Setup::Idle;
                local.bring_up(self.adopted_epoch, effects);
            }
        }
        let is_over = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        let refusal = |local: &Local| timed_out(local, tables, northd);
        self.give_up(|waiter| is_over(waiter.deadline), refusal, effects)
    }
}

impl Local {
    fn interface_is_usable(&self) -> bool {
        !matches!(self.interface, Interface::Broken(_))
    }

    fn bind(&mut self, bound: Option<Bound>, tables: &Tables, effects: &mut Vec<Effect>) {
        let Some(mut bound) = bound else {
            if self.bound.take().is_some() {
                let port = &self.attachment.port;
                match chassis_of(tables, port).filter(|chassis| tables.home() != Some(chassis)) {
                    Some(chassis) => tracing::info!(port, %chassis, "moved to another node"),
                    None => tracing::info!(port, "not bound here any more"),
                }
                self.unplug(effects);
            }
            return;
        };
        if let Some(before) = &self.bound {
            if self.attachment.bare && self.setup == Setup::Done {
                // A bare interface is its owner's once it is up, but for what fits the tunnel.
                let mtu = bound.plan.mtu;
                bound.plan = InterfacePlan {
                    mtu,
                    ..before.plan.clone()
                };
            }
            if before.at != bound.at {
                self.unplug(effects);
            } else if before.plan == bound.plan {
                bound.epoch = before.epoch;
            } else if self.setup == Setup::Done {
                self.setup = Setup::Idle;
                self.stays_up = true;
            }
        }
        self.bound = Some(bound);
    }

    /// Plugs and configures the interface, if its binding is in force by `adopted_epoch`.
    fn bring_up(&mut self, adopted_epoch: u64, effects: &mut Vec<Effect>) {
        let Some(bound) = &self.bound else { return };
        if self.interface != Interface::Open
            || bound.epoch > adopted_epoch
            || self.setup != Setup::Idle
        {
            return;
        }
        let Bound { at, plan, .. } = bound.clone();
        self.plugged = Some(at);
        self.setup = Setup::Running(plan.clone());
        effects.push(Effect::Install {
            serial: self.serial,
            attachment: self.attachment.clone(),
            at,
            plan,
        });
    }

    /// The interface is what the plan says.
    fn set_up(&mut self, plan: InterfacePlan, effects: &mut Vec<Effect>) {
        self.attachment.configured = Some(plan.clone());
        let is_wanted = self.bound.as_ref().is_some_and(|bound| bound.plan == plan);
        if !is_wanted {
            // The row changed meanwhile: it is configured anew once that is in force.
            self.setup = Setup::Idle;
            return;
        }
        self.setup = Setup::Done;
        let addresses = plan.addresses.iter().map(ToString::to_string);
        tracing::info!(
            port = self.attachment.port,
            interface = self.attachment.interface,
            addresses = addresses.collect::<Vec<_>>().join(" "),
            mtu = plan.mtu,
            "up"
        );
        self.is_new = false;
        self.is_fresh = false;
        self.refusal = None;
        for waiter in self.waiters.drain(..) {
            answer(waiter.id, Ok(Some(plan.clone())), effects);
        }
    }
}

fn is_nested(tables: &Tables, name: &str) -> bool {
    let row = tables.port_named(name).and_then(|port| switch_port(port));
    row.is_some_and(|row| matches!(row.attachment, Attached::Nested { .. }))
}

fn timed_out(local: &Local, tables: &Tables, northd: Northd<'_>) -> Refusal {
    let port = &local.attachment.port;
    let message = if northd.is_connected || local.bound.is_some() {
        let state = local.state(tables, northd.is_connected);
        format!("port {port:?} was not up in time: {state}")
    } else if northd.last_error.is_empty() {
        format!(
            "port {port:?} was not up in time: northd at {} has not answered",
            northd.address
        )
    } else {
        format!(
            "port {port:?} was not up in time: northd is not reachable: {}",
            northd.last_error
        )
    };
    Refusal::new(RefusalKind::TimedOut, message)
}
