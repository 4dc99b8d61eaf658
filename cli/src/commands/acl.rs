//! ACLs of switches and port groups: `acl-*`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use model::acl::MAX_TIER;
use model::nb::{Acl, LogicalSwitch, PortGroup};
use model::{Datum, Id};

use crate::command::{Call, Command, CommandOption, Group, MAY_EXIST};
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::{find, require};
use crate::number::scan_within;
use crate::output::{Cell, Table};
use crate::rule_stats::{RuleStats, STATS};

const TYPE: CommandOption = CommandOption::value(
    "--type",
    "TYPE",
    "what OWNER is, where both have this name: switch or port-group",
);
const TIER: CommandOption = CommandOption::value("--tier", "TIER", "the tier, 0 to 3 [default: 0]");

/// The family.
pub(super) static GROUP: Group = Group {
    title: "ACL commands",
    commands: &[
        Command::rows(
            "acl-add",
            ("OWNER DIRECTION PRIORITY MATCH ACTION", 5, 5),
            "add an ACL to the switch or port group OWNER",
            add,
        )
        .options(&[
            TYPE,
            MAY_EXIST,
            TIER,
            CommandOption::flag(
                "--apply-after-lb",
                "ask it after load balancing (from-lport only)",
            ),
            CommandOption::value("--label", "LABEL", "label the connections that it allows"),
            CommandOption::flag("--log", "log the packets that it decides on"),
            CommandOption::value("--name", "NAME", "the same, under this name"),
            CommandOption::value(
                "--severity",
                "SEVERITY",
                "the same; alert, warning, notice, info (the default) or debug",
            ),
            CommandOption::value("--meter", "METER", "the same, no faster than METER allows"),
        ])
        .details(
            "DIRECTION is from-lport (packets that come from ports) or to-lport (packets that go to ports). \
             Among the ACLs that MATCH a packet the one with the greatest PRIORITY (0 to 32767) decides; a \
             packet that none matches passes. ACTION is allow, allow-related, allow-stateless, drop, reject or \
             pass, which leaves the decision to the next tier.",
        )
        .examples(&[
            "acl-add web to-lport 1000 'ip4.src == $trusted && tcp.dst == 80' allow-related",
            "acl-add web to-lport 900 'ip4' drop",
            "--log --name=deny acl-add deny-all from-lport 1 'inport == @deny-all && ip' reject",
        ]),
        Command::rows(
            "acl-del",
            ("OWNER [DIRECTION [PRIORITY MATCH]]", 1, 4),
            "remove ACLs from the switch or port group OWNER",
            delete,
        )
        .options(&[TYPE, TIER]),
        Command::rows(
            "acl-list",
            ("OWNER", 1, 1),
            "print the ACLs of the switch or port group OWNER",
            list,
        )
        .options(&[
            TYPE,
            CommandOption::flag(
                STATS,
                "with the packets, bytes and connections that each decided about on all nodes, and when it last did",
            ).own(),
        ])
        .details(
            "Numbers are those of the nodes since they were started, of whose earlier lives northd adds what it has \
             heard since its own start. They are some seconds behind. With --format they come as a table.",
        )
        .examples(&["acl-list web --stats", "-f json acl-list web --stats"]),
    ],
};

/// What has ACLs.
enum Owner {
    Switch(LogicalSwitch),
    Group(PortGroup),
}

impl Owner {
    /// The owner that a call names.
    fn of(context: &Context<'_>, call: &Call) -> Result<Self, Failure> {
        let id = call.argument(0);
        match call.option("--type") {
            Some("switch") => require(context, id).map(Self::Switch),
            Some("port-group") => require(context, id).map(Self::Group),
            Some(other) => Err(Failure::new(format!(
                "Invalid value '{other}' for option --type"
            ))),
            None => match (find(context, id)?, find(context, id)?) {
                (Some(group), None) => Ok(Self::Group(group)),
                (None, Some(switch)) => Ok(Self::Switch(switch)),
                (Some(_), Some(_)) => Err(Failure::new(format!(
                    "Same name '{id}' exists in both port-groups and logical switches. Specify \
                     --type=port-group or switch, or use a UUID."
                ))),
                (None, None) => Err(Failure::new(format!(
                    "'{id}' is not found for port-group or switch."
                ))),
            },
        }
    }

    fn acls(&self, context: &Context<'_>) -> Vec<Acl> {
        let ids: &BTreeSet<Id<Acl>> = match self {
            Self::Switch(switch) => &switch.acls,
            Self::Group(group) => &group.acls,
        };
        ids.iter().filter_map(|&id| context.rows.get(id)).collect()
    }

    fn insert(&self, context: &mut Context<'_>, acl: &Acl) {
        context.rows.add(acl);
        let uuid = acl.id.uuid();
        match self {
            Self::Switch(switch) => context.rows.add_element(switch.id, "acls", uuid),
            Self::Group(group) => context.rows.add_element(group.id, "acls", uuid),
        }
    }

    fn remove(&self, context: &mut Context<'_>, acl: &Acl) {
        let uuid = acl.id.uuid();
        match self {
            Self::Switch(switch) => context.rows.remove_element(switch.id, "acls", uuid),
            Self::Group(group) => context.rows.remove_element(group.id, "acls", uuid),
        }
    }

    fn clear(&self, context: &mut Context<'_>) {
        let none = Datum::empty_set();
        match self {
            Self::Switch(switch) => context.rows.update(switch.id, "acls", none),
            Self::Group(group) => context.rows.update(group.id, "acls", none),
        }
    }
}

/// The order of the list; equal for ACLs of which OVN allows only one.
fn key(acl: &Acl) -> (bool, bool, i64, Reverse<i64>, &str) {
    (
        acl.direction == "to-lport",
        is_after_lb(acl),
        acl.tier,
        Reverse(acl.priority),
        &acl.r#match,
    )
}

fn is_after_lb(acl: &Acl) -> bool {
    let option = acl.options.get("apply-after-lb");
    option.is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn add(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let owner = Owner::of(context, call)?;
    let acl = wanted(call)?;
    let is_there = owner
        .acls(context)
        .iter()
        .any(|other| key(other) == key(&acl));
    match (is_there, call.has("--may-exist")) {
        (false, _) => owner.insert(context, &acl),
        (true, true) => {}
        (true, false) => {
            let id = call.argument(0);
            return Err(Failure::new(format!(
                "Same ACL already existed on the ls {id}."
            )));
        }
    }
    Ok(())
}

/// The ACL that a call describes.
fn wanted(call: &Call) -> Result<Acl, Failure> {
    let direction = parse_direction(call.argument(1))?;
    let priority = parse_priority(call.argument(2))?;
    let action = parse_action(call.argument(4))?;
    let text = |option| call.option(option).map(str::to_owned);
    let (severity, name, meter) = (text("--severity"), text("--name"), text("--meter"));
    if let Some(severity) = &severity {
        check_severity(severity)?;
    }
    let mut options = BTreeMap::new();
    if call.has("--apply-after-lb") && direction == "from-lport" {
        options.insert("apply-after-lb".to_owned(), "true".to_owned());
    }
    Ok(Acl {
        id: Id::random(),
        action: action.to_owned(),
        direction: direction.to_owned(),
        label: parse_label(call, action)?,
        log: call.has("--log") || severity.is_some() || name.is_some() || meter.is_some(),
        r#match: call.argument(3).to_owned(),
        meter,
        name,
        options,
        priority,
        severity,
        tier: parse_tier(call)?.unwrap_or(0),
        ..Acl::default()
    })
}

/// The direction whose first letter it is.
pub(super) fn parse_direction(text: &str) -> Result<&'static str, Failure> {
    match text.as_bytes().first() {
        Some(b't') => Ok("to-lport"),
        Some(b'f') => Ok("from-lport"),
        _ => Err(Failure::new(format!(
            "{text}: direction must be \"to-lport\" or \"from-lport\""
        ))),
    }
}

/// A rule's priority.
pub(super) fn parse_priority(text: &str) -> Result<i64, Failure> {
    scan_within(text, 0..=32_767)
        .ok_or_else(|| Failure::new(format!("{text}: priority must in range 0...32767")))
}

fn parse_action(text: &str) -> Result<&str, Failure> {
    let mut actions = model::acl::AclVerdict::ALL.iter();
    if actions.any(|(word, _)| *word == text) {
        return Ok(text);
    }
    Err(Failure::new(format!(
        "{text}: action must be one of \"allow\", \"allow-related\", \"allow-stateless\", \"drop\", and \"reject\""
    ))
    .hint("\"pass\" is an action, too"))
}

fn check_severity(text: &str) -> Result<(), Failure> {
    if ["alert", "warning", "notice", "info", "debug"].contains(&text) {
        return Ok(());
    }
    let failure = Failure::new(format!("bad severity: {text}"));
    Err(failure.hint("it is alert, warning, notice, info or debug"))
}

fn parse_label(call: &Call, action: &str) -> Result<i64, Failure> {
    let Some(text) = call.option("--label") else {
        return Ok(0);
    };
    if !["allow", "allow-related"].contains(&action) {
        return Err(Failure::new(
            "label can only be set with actions \"allow\" or \"allow-related\"",
        ));
    }
    scan_within(text, 0..=i64::from(u32::MAX))
        .ok_or_else(|| Failure::new(format!("{text}: label must in range 0...4294967295")))
}

fn parse_tier(call: &Call) -> Result<Option<i64>, Failure> {
    let Some(text) = call.option("--tier") else {
        return Ok(None);
    };
    let tier = scan_within(text, 0..=i64::from(MAX_TIER));
    let message = || Failure::new(format!("{text}: tier must in range 0...{MAX_TIER}"));
    tier.map(Some).ok_or_else(message)
}

fn delete(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let owner = Owner::of(context, call)?;
    let tier = parse_tier(call)?;
    let [_, rest @ ..] = call.arguments() else {
        return Ok(());
    };
    let is_of_tier = |acl: &Acl| tier.is_none_or(|tier| acl.tier == tier);
    match rest {
        [] if tier.is_none() => owner.clear(context),
        [] => remove_all(context, &owner, is_of_tier),
        [direction] => {
            let direction = parse_direction(direction)?;
            remove_all(context, &owner, |acl| {
                acl.direction == direction && is_of_tier(acl)
            });
        }
        [direction, priority, rest @ ..] => {
            let direction = parse_direction(direction)?;
            let priority = parse_priority(priority)?;
            let [r#match] = rest else {
                return Err(Failure::new("cannot specify priority without match"));
            };
            let mut acls = owner.acls(context).into_iter();
            let found = acls.find(|acl| {
                acl.direction == direction
                    && acl.priority == priority
                    && acl.r#match == *r#match
                    && is_of_tier(acl)
            });
            if let Some(acl) = found {
                owner.remove(context, &acl);
            }
        }
    }
    Ok(())
}

fn remove_all(context: &mut Context<'_>, owner: &Owner, is_doomed: impl Fn(&Acl) -> bool) {
    for acl in owner.acls(context).iter().filter(|acl| is_doomed(acl)) {
        owner.remove(context, acl);
    }
}

fn list(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let mut acls = Owner::of(context, call)?.acls(context);
    acls.sort_by(|a, b| key(a).cmp(&key(b)));
    let stats = call.has(STATS).then_some(context.stats);
    for acl in &acls {
        let columns = stats.map_or_else(String::new, |stats| stats.columns(acl.id.uuid()));
        context.line(line(acl) + &columns);
    }
    context.table = stats.map(|stats| with_stats(&acls, stats));
    Ok(())
}

/// The ACLs with what they have come to, for who reads it with a program.
fn with_stats(acls: &[Acl], stats: &RuleStats) -> Table {
    const OF_ROW: [&str; 8] = [
        "_uuid",
        "name",
        "direction",
        "priority",
        "match",
        "action",
        "tier",
        "label",
    ];
    let headings = OF_ROW.into_iter().chain(RuleStats::HEADINGS);
    let row = |acl: &Acl| {
        let of_row = [
            acl.id.uuid().to_string(),
            acl.name.clone().unwrap_or_default(),
            acl.direction.to_string(),
            acl.priority.to_string(),
            acl.r#match.clone(),
            acl.action.to_string(),
            acl.tier.to_string(),
            acl.label.to_string(),
        ];
        let cells = of_row.into_iter().chain(stats.values(acl.id.uuid()));
        cells.map(Cell::Text).collect()
    };
    Table {
        headings: headings.map(str::to_owned).collect(),
        rows: acls.iter().map(row).collect(),
    }
}

fn line(acl: &Acl) -> String {
    let (direction, priority) = (&acl.direction, acl.priority);
    let mut line = format!(
        "{direction:>10} {priority:>5} ({}) {}",
        acl.r#match, acl.action
    );
    if acl.log {
        let name = acl.name.iter().map(|name| format!("name={name}"));
        let severity = acl.severity.iter().map(|word| format!("severity={word}"));
        let meter = acl.meter.iter().map(|meter| format!("meter=\"{meter}\""));
        let details: Vec<String> = name.chain(severity).chain(meter).collect();
        line.push_str(&format!(" log({})", details.join(",")));
    }
    if acl.label != 0 {
        line.push_str(&format!(" label={}", acl.label));
    }
    if is_after_lb(acl) {
        line.push_str(" [after-lb]");
    }
    if acl.tier != 0 {
        line.push_str(&format!(" tier={}", acl.tier));
    }
    line
}
