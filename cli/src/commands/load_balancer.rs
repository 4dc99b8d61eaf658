//! Load balancers: `lb-*`.

use std::collections::BTreeMap;

use model::nb::LoadBalancer;
use model::{Datum, Id, Table as _};

use super::load_balancer_list::list_named;
use super::load_balancer_vip::{Family, Vip};
use super::switch::ADD_DUPLICATE;
use crate::command::{Call, Command, CommandOption, Group, IF_EXISTS, MAY_EXIST};
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::find;

/// The family.
pub(super) static GROUP: Group = Group {
    title: "Load balancer commands",
    commands: &[
        Command::rows(
            "lb-add",
            ("LB VIP[:PORT] IP[:PORT],... [PROTOCOL [FAMILY]]", 3, 5),
            "create a load balancer, or add a virtual address to LB",
            add,
        )
        .options(&[
            MAY_EXIST,
            ADD_DUPLICATE,
            CommandOption::flag("--reject", "answer clients while there is no backend"),
            CommandOption::flag("--event", "tell of clients while there is no backend"),
            CommandOption::flag(
                "--add-route",
                "let neighbouring routers reach the virtual addresses",
            ),
            CommandOption::flag(
                "--template",
                "the addresses are variables, such as ^NAME, of Chassis_Template_Var",
            ),
        ])
        .details(
            "What is sent to VIP goes to one of the backends, which are separated by commas. PROTOCOL is tcp (the \
             default), udp or sctp. FAMILY says what the variables of a template are, ipv4 (the default) or ipv6. \
             How backends are chosen is said by options of the row, which docs/northbound.md lists: weights, \
             zones, affinity and so on.",
        )
        .examples(&[
            "lb-add web 10.96.0.10:80 10.244.0.5:8080,10.244.1.7:8080",
            "lb-add dns [fd00:96::a]:53 [fd00:244::5]:53 udp",
            "lb-add web 10.96.0.11 10.244.0.5 -- set load_balancer web options:traffic_policy=prefer-local",
        ]),
        Command::rows(
            "lb-del",
            ("LB [VIP]", 1, 2),
            "delete the load balancer LB, or only a virtual address of it",
            delete,
        )
        .options(&[IF_EXISTS]),
        Command::rows(
            "lb-list",
            ("[LB]", 0, 1),
            "print the load balancers, or those named LB",
            list_named,
        ),
    ],
};

fn add(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let rejects = call.has("--reject");
    if rejects && call.has("--event") {
        return Err(Failure::new(
            "--reject and --event can't specified at the same time",
        ));
    }
    let protocol = parse_protocol(call)?;
    let vip = parse_vip(call)?;
    if protocol.is_some() && !vip.has_port {
        return Err(Failure::new(
            "Protocol is unnecessary when no port of vip is given.",
        ));
    }
    if !call.has("--add-duplicate")
        && let Some(balancer) = find::<LoadBalancer>(context, call.argument(0))?
    {
        return extend(context, call, balancer, vip, protocol);
    }
    let mut options = BTreeMap::new();
    let mut set = |key: &str, value: &str| options.insert(key.to_owned(), value.to_owned());
    for (option, key) in [
        ("--reject", "reject"),
        ("--event", "event"),
        ("--add-route", "add_route"),
        ("--template", "template"),
    ] {
        if call.has(option) {
            set(key, "true");
        }
    }
    if call.has("--template") {
        set("address-family", family(call).word());
    }
    context.rows.add(&LoadBalancer {
        id: Id::random(),
        name: call.argument(0).to_owned(),
        options,
        protocol: Some(protocol.unwrap_or("tcp").to_owned()),
        vips: BTreeMap::from([(vip.key, vip.backends)]),
        ..LoadBalancer::default()
    });
    Ok(())
}

fn parse_protocol(call: &Call) -> Result<Option<&str>, Failure> {
    let Some(protocol) = call.arguments().get(3) else {
        return Ok(None);
    };
    if ["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Ok(Some(protocol));
    }
    Err(Failure::new(format!(
        "{protocol}: protocol must be one of \"tcp\", \"udp\",  or \"sctp\"."
    )))
}

fn parse_vip(call: &Call) -> Result<Vip, Failure> {
    let (key, backends) = (call.argument(1), call.argument(2));
    if call.has("--template") {
        Vip::parse_template(key, backends, family(call))
    } else {
        Vip::parse(key, backends)
    }
}

/// What the variables of a template are.
fn family(call: &Call) -> Family {
    match call.arguments().get(4).map(String::as_str) {
        None | Some("ipv4") => Family::Ipv4,
        Some(_) => Family::Ipv6,
    }
}

/// Adds a virtual address to an existing load balancer.
fn extend(
    context: &mut Context<'_>,
    call: &Call,
    balancer: LoadBalancer,
    vip: Vip,
    protocol: Option<&str>,
) -> Result<(), Failure> {
    let mut vips = balancer.vips;
    if vips.contains_key(&vip.key) && !call.has("--may-exist") {
        return Err(Failure::new(format!(
            "{}: a load balancer with this vip ({}) already exists",
            call.argument(0),
            vip.key
        )));
    }
    vips.insert(vip.key, vip.backends);
    if let Some(protocol) = protocol {
        verify(context, &balancer.id, "protocol");
        let protocol = Datum::scalar(protocol);
        context.rows.update(balancer.id, "protocol", protocol);
    }
    set_vips(context, balancer.id, vips);
    Ok(())
}

fn set_vips(context: &mut Context<'_>, balancer: Id<LoadBalancer>, vips: BTreeMap<String, String>) {
    verify(context, &balancer, "vips");
    context.rows.update(balancer, "vips", Datum::map(vips));
}

fn verify(context: &mut Context<'_>, balancer: &Id<LoadBalancer>, column: &'static str) {
    context
        .rows
        .verify(LoadBalancer::SCHEMA, balancer.uuid(), column);
}

fn delete(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let Some(balancer) = find::<LoadBalancer>(context, call.argument(0))? else {
        return Ok(());
    };
    let Some(vip) = call.arguments().get(1) else {
        context.rows.remove(balancer.id);
        return Ok(());
    };
    let mut vips = balancer.vips;
    match vips.remove(vip) {
        Some(_) if vips.is_empty() => context.rows.remove(balancer.id),
        Some(_) => set_vips(context, balancer.id, vips),
        None if call.has("--if-exists") => {}
        None => {
            return Err(Failure::new(format!(
                "vip {vip} is not part of the load balancer."
            )));
        }
    }
    Ok(())
}
