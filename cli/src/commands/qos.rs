//! Rules that mark packets of switches and limit their rates: `qos-*`.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use model::nb::{LogicalSwitch, Qos};
use model::{Datum, Id};

use super::acl::{parse_direction, parse_priority};
use crate::command::{Call, Command, CommandOption, Group, MAY_EXIST};
use crate::context::Context;
use crate::failure::Failure;
use crate::lookup::require;
use crate::number::scan_within;
use crate::output::{Cell, Table};
use crate::rule_stats::{RuleStats, STATS};
use crate::symbols::parse_uuid;

/// The greatest rate and burst.
const MAX: i64 = u32::MAX as i64;

/// The family.
pub(super) static GROUP: Group = Group {
    title: "QoS commands",
    commands: &[
        Command::rows(
            "qos-add",
            (
                "SWITCH DIRECTION PRIORITY MATCH [dscp=DSCP] [rate=RATE [burst=BURST]]",
                5,
                7,
            ),
            "mark packets of SWITCH with DSCP, or limit their rate",
            add,
        )
        .options(&[MAY_EXIST])
        .details(
            "DIRECTION is from-lport (packets that come from ports) or to-lport (packets that go to ports). Among the \
             rules that MATCH a packet the one with the greatest PRIORITY (0 to 32767) marks it, and the one with \
             the greatest priority among those with a rate limits it. RATE is in kilobits a second, on each node for \
             itself; what exceeds it is dropped. BURST is in kilobits, and one second of RATE if it is not given.",
        )
        .examples(&[
            "qos-add web from-lport 100 'inport == \"db\" && tcp' dscp=46",
            "qos-add web to-lport 100 'outport == \"db\"' rate=100000 burst=10000",
        ]),
        Command::rows(
            "qos-del",
            ("SWITCH [UUID | DIRECTION [PRIORITY MATCH]]", 1, 4),
            "remove rules from SWITCH",
            delete,
        ),
        Command::rows(
            "qos-list",
            ("SWITCH", 1, 1),
            "print the rules of SWITCH",
            list,
        )
        .options(&[CommandOption::flag(
            STATS,
            "with the packets and bytes that each had to do with on all nodes, and when it last did",
        )
        .own()])
        .details(
            "Packets count that a rule marked or limited, also those that exceeded its limit and were dropped. With \
             --format they come as a table.",
        )
        .examples(&["qos-list web --stats", "-f json qos-list web --stats"]),
    ],
};

/// The order of the list; equal for rules of which there may be only one.
fn key(rule: &Qos) -> (bool, Reverse<i64>, &str) {
    (
        rule.direction == "to-lport",
        Reverse(rule.priority),
        &rule.r#match,
    )
}

fn rules(context: &Context<'_>, switch: &LogicalSwitch) -> Vec<Qos> {
    let ids = switch.qos_rules.iter();
    ids.filter_map(|&id| context.rows.get(id)).collect()
}

fn add(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let id = call.argument(0);
    let switch: LogicalSwitch = require(context, id)?;
    let rule = wanted(call)?;
    let mut others = rules(context, &switch).into_iter();
    match (
        others.any(|other| key(&other) == key(&rule)),
        call.has("--may-exist"),
    ) {
        (false, _) => {
            context.rows.add(&rule);
            let uuid = rule.id.uuid();
            context.rows.add_element(switch.id, "qos_rules", uuid);
            Ok(())
        }
        (true, true) => Ok(()),
        (true, false) => Err(Failure::new(format!(
            "Same qos already existed on the ls {id}."
        ))),
    }
}

/// The rule that a call describes.
fn wanted(call: &Call) -> Result<Qos, Failure> {
    let direction = parse_direction(call.argument(1))?;
    let priority = parse_priority(call.argument(2))?;
    let (mut action, mut bandwidth) = (BTreeMap::new(), BTreeMap::new());
    for argument in &call.arguments()[4..] {
        let number = |text: &str, name, least, most| {
            let message = || {
                Failure::new(format!(
                    "{text}: {name} must be in the range {least}...{most}"
                ))
            };
            scan_within(text, least..=most).ok_or_else(message)
        };
        match argument.split_once('=') {
            Some((name @ "dscp", text)) => {
                action.insert(name.to_owned(), number(text, name, 0, 63)?);
            }
            Some((name @ ("rate" | "burst"), text)) => {
                bandwidth.insert(name.to_owned(), number(text, name, 1, MAX)?);
            }
            _ => {
                return Err(Failure::new(format!(
                    "{argument}: supported arguments are \"dscp=\", \"rate=\", and \"burst=\""
                )));
            }
        }
    }
    if !bandwidth.contains_key("rate") {
        if action.is_empty() {
            return Err(Failure::new(
                "Either \"rate\" and/or \"dscp\" must be specified",
            ));
        }
        // A burst of nothing is passed over, as OVN does.
        bandwidth.clear();
    }
    Ok(Qos {
        id: Id::random(),
        action,
        bandwidth,
        direction: direction.to_owned(),
        r#match: call.argument(3).to_owned(),
        priority,
        ..Qos::default()
    })
}

fn delete(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let switch: LogicalSwitch = require(context, call.argument(0))?;
    let doomed = match &call.arguments()[1..] {
        [] => {
            let none = Datum::empty_set();
            context.rows.update(switch.id, "qos_rules", none);
            return Ok(());
        }
        [uuid, rest @ ..] if parse_uuid(uuid).is_some() => {
            let uuid = parse_uuid(uuid);
            let rules = rules(context, &switch).into_iter();
            let found: Vec<_> = rules.filter(|rule| Some(rule.id.uuid()) == uuid).collect();
            match (found.is_empty(), rest) {
                (_, [_, ..]) => return Err(Failure::new("uuid must be the only argument")),
                (true, []) => return Err(Failure::new("uuid is not found")),
                (false, []) => found,
            }
        }
        [direction] => {
            let direction = parse_direction(direction)?;
            let rules = rules(context, &switch).into_iter();
            rules.filter(|rule| rule.direction == direction).collect()
        }
        [direction, priority, rest @ ..] => {
            let direction = parse_direction(direction)?;
            let priority = parse_priority(priority)?;
            let [r#match] = rest else {
                return Err(Failure::new("cannot specify priority without match"));
            };
            let wanted = (direction == "to-lport", Reverse(priority), r#match.as_str());
            let rules = rules(context, &switch).into_iter();
            rules.filter(|rule| key(rule) == wanted).take(1).collect()
        }
    };
    for rule in doomed {
        let uuid = rule.id.uuid();
        context.rows.remove_element(switch.id, "qos_rules", uuid);
    }
    Ok(())
}

fn list(context: &mut Context<'_>, call: &Call) -> Result<(), Failure> {
    let switch: LogicalSwitch = require(context, call.argument(0))?;
    let mut rules = rules(context, &switch);
    rules.sort_by(|a, b| key(a).cmp(&key(b)));
    let stats = call.has(STATS).then_some(context.stats);
    for rule in &rules {
        let columns = stats.map_or_else(String::new, |stats| columns(rule, stats));
        context.line(line(rule) + &columns);
    }
    context.table = stats.map(|stats| with_stats(&rules, stats));
    Ok(())
}

/// What a rule has come to, as the end of its line.
fn columns(rule: &Qos, stats: &RuleStats) -> String {
    let row = rule.id.uuid();
    let [packets, bytes] = stats.dropped(row);
    format!(
        " dropped={packets} dropped-bytes={bytes}{}",
        stats.columns(row)
    )
}

fn line(rule: &Qos) -> String {
    let (direction, priority) = (&rule.direction, rule.priority);
    let mut line = format!("{direction:>10} {priority:>5} ({})", rule.r#match);
    let numbers = [
        ("rate", &rule.bandwidth),
        ("burst", &rule.bandwidth),
        ("dscp", &rule.action),
    ];
    for (name, column) in numbers {
        if let Some(value) = column.get(name) {
            line.push_str(&format!(" {name}={value}"));
        }
    }
    line
}

/// The rules with what they have come to, for who reads it with a program.
fn with_stats(rules: &[Qos], stats: &RuleStats) -> Table {
    const OF_ROW: [&str; 7] = [
        "_uuid",
        "direction",
        "priority",
        "match",
        "dscp",
        "rate",
        "burst",
    ];
    let headings = OF_ROW
        .into_iter()
        .chain(RuleStats::DROPPED)
        .chain(RuleStats::HEADINGS);
    let row = |rule: &Qos| {
        let number = |number: Option<&i64>| number.map(i64::to_string).unwrap_or_default();
        let of_row = [
            rule.id.uuid().to_string(),
            rule.direction.clone(),
            rule.priority.to_string(),
            rule.r#match.clone(),
            number(rule.action.get("dscp")),
            number(rule.bandwidth.get("rate")),
            number(rule.bandwidth.get("burst")),
        ];
        let row = rule.id.uuid();
        let cells = of_row
            .into_iter()
            .chain(stats.dropped(row))
            .chain(stats.values(row));
        cells.map(Cell::Text).collect()
    };
    Table {
        headings: headings.map(str::to_owned).collect(),
        rows: rules.iter().map(row).collect(),
    }
}
