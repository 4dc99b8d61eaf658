//! Load balancers of switches and routers: `ls-lb-*`, `lr-lb-*`.

use std::collections::BTreeSet;

use model::nb::{LoadBalancer, LoadBalancerGroup, LogicalRouter, LogicalSwitch};
use model::{Datum, Id};

use super::load_balancer_list::list_owned;
use crate::command::{Call, Command, Group, IF_EXISTS, MAY_EXIST};
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::{Named, require};

/// The family.
pub(super) static GROUP: Group = Group {
    title: "Commands for load balancers of switches and routers",
    commands: &[
        Command::rows(
            "ls-lb-add",
            ("SWITCH LB", 2, 2),
            "balance what the ports of SWITCH send to LB",
            add::<LogicalSwitch>,
        )
        .options(&[MAY_EXIST])
        .examples(&["ls-lb-add web-net web"]),
        Command::rows(
            "ls-lb-del",
            ("SWITCH [LB]", 1, 2),
            "take LB, or all load balancers, from SWITCH",
            delete::<LogicalSwitch>,
        )
        .options(&[IF_EXISTS]),
        Command::rows(
            "ls-lb-list",
            ("SWITCH", 1, 1),
            "print the load balancers of SWITCH",
            list::<LogicalSwitch>,
        ),
        Command::rows(
            "lr-lb-add",
            ("ROUTER LB", 2, 2),
            "balance what comes through ROUTER to LB",
            add::<LogicalRouter>,
        )
        .options(&[MAY_EXIST])
        .examples(&["lr-lb-add gateway web"]),
        Command::rows(
            "lr-lb-del",
            ("ROUTER [LB]", 1, 2),
            "take LB, or all load balancers, from ROUTER",
            delete::<LogicalRouter>,
        )
        .options(&[IF_EXISTS]),
        Command::rows(
            "lr-lb-list",
            ("ROUTER", 1, 1),
            "print the load balancers of ROUTER",
            list::<LogicalRouter>,
        ),
    ],
};

/// The column of load balancers.
const COLUMN: &str = "load_balancer";

/// A table whose rows have load balancers.
trait Owner: Named {
    /// What messages call a row.
    const KIND: &'static str;
    fn balancers(&self) -> &BTreeSet<Id<LoadBalancer>>;
    fn groups(&self) -> &BTreeSet<Id<LoadBalancerGroup>>;
}

impl Owner for LogicalSwitch {
    const KIND: &'static str = "logical switch";
    fn balancers(&self) -> &BTreeSet<Id<LoadBalancer>> {
        &self.load_balancer
    }
    fn groups(&self) -> &BTreeSet<Id<LoadBalancerGroup>> {
        &self.load_balancer_group
    }
}

impl Owner for LogicalRouter {
    const KIND: &'static str = "logical router";
    fn balancers(&self) -> &BTreeSet<Id<LoadBalancer>> {
        &self.load_balancer
    }
    fn groups(&self) -> &BTreeSet<Id<LoadBalancerGroup>> {
        &self.load_balancer_group
    }
}

fn add<T: Owner>(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let owner: T = require(context, call.argument(0))?;
    let balancer: LoadBalancer = require(context, call.argument(1))?;
    if !owner.balancers().contains(&balancer.id) {
        let uuid = balancer.id.uuid();
        context.rows.add_element(owner.id(), COLUMN, uuid);
    } else if !call.has("--may-exist") {
        return Err(Failure::new(format!(
            "{} : a load balancer with this UUID already exists",
            balancer.id
        )));
    }
    Ok(())
}

fn delete<T: Owner>(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let owner: T = require(context, call.argument(0))?;
    let Some(id) = call.arguments().get(1) else {
        context.rows.verify(T::SCHEMA, owner.id().uuid(), COLUMN);
        context.rows.update(owner.id(), COLUMN, Datum::empty_set());
        return Ok(());
    };
    let balancer: LoadBalancer = require(context, id)?;
    if owner.balancers().contains(&balancer.id) {
        let uuid = balancer.id.uuid();
        context.rows.remove_element(owner.id(), COLUMN, uuid);
    } else if !call.has("--if-exists") {
        return Err(Failure::new(format!(
            "load balancer {} is not part of any {}.",
            balancer.name,
            T::KIND
        )));
    }
    Ok(())
}

fn list<T: Owner>(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let owner: T = require(context, call.argument(0))?;
    list_owned(context, owner.balancers(), owner.groups());
    Ok(())
}
