//! Finding the rows that commands name.

use model::nb::{
    AddressSet, LoadBalancer, LogicalRouter, LogicalRouterPort, LogicalSwitch, LogicalSwitchPort,
    PortGroup,
};
use model::{Id, Table};

use crate::command::nearest;
use crate::context::Context;
use crate::failure::Failure;
use crate::symbols::parse_uuid;

/// A table whose rows commands name.
pub trait Named: Table {
    /// What messages call a row.
    const NOUN: &'static str;
    /// What messages call rows of one name, where several may have it.
    const AMBIGUOUS: Option<&'static str> = None;
    /// The row's name.
    fn name(&self) -> &str;
}

impl Named for LogicalSwitch {
    const NOUN: &'static str = "switch";
    const AMBIGUOUS: Option<&'static str> = Some("logical switches");
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for LogicalRouter {
    const NOUN: &'static str = "router";
    const AMBIGUOUS: Option<&'static str> = Some("logical routers");
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for LogicalSwitchPort {
    const NOUN: &'static str = "port";
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for LogicalRouterPort {
    const NOUN: &'static str = "port";
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for PortGroup {
    const NOUN: &'static str = "port group";
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for LoadBalancer {
    const NOUN: &'static str = "load balancer";
    const AMBIGUOUS: Option<&'static str> = Some("load balancers");
    fn name(&self) -> &str {
        &self.name
    }
}

impl Named for AddressSet {
    const NOUN: &'static str = "Address Set";
    fn name(&self) -> &str {
        &self.name
    }
}

/// The row of this UUID or name, if there is one.
///
/// # Errors
/// Several rows have this name.
pub fn find<T: Named>(context: &Context<'_>, id: &str) -> Result<Option<T>, Failure> {
    Ok(find_id(context, id)?.and_then(|id| context.rows.get(id)))
}

/// The same without reading the row.
///
/// # Errors
/// Several rows have this name.
pub fn find_id<T: Named>(context: &Context<'_>, id: &str) -> Result<Option<Id<T>>, Failure> {
    if let Some(uuid) = parse_uuid(id).filter(|&uuid| context.rows.row(T::SCHEMA, uuid).is_some()) {
        return Ok(Some(Id::new(uuid)));
    }
    let mut rows = context.rows.ids_named::<T>(id).into_iter();
    let row = rows.next();
    match T::AMBIGUOUS {
        Some(nouns) if rows.next().is_some() => Err(Failure::new(format!(
            "Multiple {nouns} named '{id}'.  Use a UUID."
        ))),
        _ => Ok(row),
    }
}

/// The row of this UUID or name.
///
/// # Errors
/// There is none, or several.
pub fn require<T: Named>(context: &Context<'_>, id: &str) -> Result<T, Failure> {
    find(context, id)?.ok_or_else(|| not_found::<T>(context, id))
}

/// The same without reading the row.
///
/// # Errors
/// There is none, or several.
pub fn require_id<T: Named>(context: &Context<'_>, id: &str) -> Result<Id<T>, Failure> {
    find_id(context, id)?.ok_or_else(|| not_found::<T>(context, id))
}

fn not_found<T: Named>(context: &Context<'_>, id: &str) -> Failure {
    let kind = if parse_uuid(id).is_some() {
        "UUID"
    } else {
        "name"
    };
    let failure = Failure::new(format!("{id}: {} {kind} not found", T::NOUN));
    let rows = context.rows.all::<T>();
    match nearest(id, rows.iter().map(Named::name)) {
        Some(nearest) => failure.hint(format!("did you mean '{nearest}'?")),
        None => failure,
    }
}

/// The row that a command with `--if-exists` names: `None` when it is not there.
///
/// # Errors
/// It is not there and has to be, or there are several.
pub fn find_or_require<T: Named>(
    context: &Context<'_>,
    id: &str,
    must_exist: bool,
) -> Result<Option<T>, Failure> {
    if must_exist {
        require(context, id).map(Some)
    } else {
        find(context, id)
    }
}

/// The switch that a port is part of.
///
/// # Errors
/// It is part of none.
pub fn switch_of(
    context: &Context<'_>,
    port: &LogicalSwitchPort,
) -> Result<Id<LogicalSwitch>, Failure> {
    let switches = context.rows.referring("ports", port.id.uuid());
    switches.into_iter().next().ok_or_else(|| {
        Failure::new(format!(
            "logical port {} is not part of any logical switch",
            port.name
        ))
    })
}

/// The router that a port is part of.
///
/// # Errors
/// It is part of none.
pub fn router_of(
    context: &Context<'_>,
    port: &LogicalRouterPort,
) -> Result<Id<LogicalRouter>, Failure> {
    let routers = context.rows.referring("ports", port.id.uuid());
    routers.into_iter().next().ok_or_else(|| {
        Failure::new(format!(
            "port {} is not part of any logical router",
            port.name
        ))
    })
}

/// A row's name, or its UUID where it has none.
pub fn name_or_uuid<T: Named>(context: &Context<'_>, id: Id<T>) -> String {
    let row = context.rows.get(id);
    match row.as_ref().map(Named::name) {
        None | Some("") => id.uuid().to_string(),
        Some(name) => name.to_owned(),
    }
}

/// The lines `UUID (NAME)` of rows, by name.
pub fn listing<T: Named>(rows: impl IntoIterator<Item = T>) -> String {
    let mut rows: Vec<T> = rows.into_iter().collect();
    rows.sort_by(|a, b| (a.name(), a.id()).cmp(&(b.name(), b.id())));
    rows.iter()
        .map(|row| format!("{} ({})\n", row.id().uuid(), row.name()))
        .collect()
}
