//! The commands that speak with the vswitch of this node.

mod acl_log;
mod attach;
mod client;
mod connections;
mod drops;
mod ports;
mod rules;
mod show;
mod stats;

use crate::command::{Call, Command, CommandOption, Group, IF_EXISTS};
use crate::failure::Failure;
use crate::options::Settings;
use crate::output::{Cell, Table, TableFormat, TablePrinter, TableStyle};
use southbound_proto::node::Counters;

/// What a node's own vswitch is asked.
pub(super) static NODE: Group = Group {
    title: "This node's vswitch",
    commands: &[
        Command::alone(
            "attach",
            ("LSP", 1, 1),
            "give a pod of this node an interface at LSP",
            attach::attach,
        )
        .options(&[
            CommandOption::value("--netns", "PATH|NAME", "the pod's network namespace"),
            CommandOption::value("--ifname", "IF", "the name of the interface there"),
            CommandOption::flag("--bare", "set the MAC address and MTU only, and the link up"),
            CommandOption::value("--timeout", "SECS", "give up after SECS seconds"),
            CommandOption::flag("--may-exist", "take over what is there already"),
        ])
        .details(
            "Makes a TAP device in the namespace and sets its MAC address, addresses, MTU and default \
             routes as the row of LSP says. Returns when the port's whole configuration is in force on \
             this node; until then the interface is down. If that fails, nothing stays behind.",
        )
        .examples(&[
            "attach web-1 --netns pod1 --ifname eth0",
            "attach vm-1 --netns /proc/4711/ns/net --ifname tap0 --bare --timeout 10",
        ]),
        Command::alone(
            "detach",
            ("LSP", 1, 1),
            "delete the interface at LSP and release the port",
            attach::detach,
        )
        .options(&[IF_EXISTS])
        .examples(&["detach web-1", "detach web-1 --if-exists"]),
        Command::alone(
            "node",
            ("show|ports|stats|drops|rules", 1, 1),
            "print what this node's vswitch is doing",
            node,
        )
        .options(&[CommandOption::flag(
            "--verbose",
            "with drops: the bytes of the last packets, too",
        )])
        .details(
            "show tells of the node and its session with northd, ports of what is attached, stats of what \
             the workers and tunnels have done, drops of every reason for which a packet was dropped, with \
             the last packet and the rule that asked for it, rules of what each ACL, VIP, backend and NAT has \
             decided about.",
        )
        .examples(&["node show", "node drops --verbose", "-f json node stats"]),
        connections::LIST,
        connections::FLUSH,
        connections::STATS,
        Command::alone(
            "acl-log",
            ("", 0, 0),
            "print the last packets that ACLs logged on this node",
            acl_log::acl_log,
        )
        .options(&[
            CommandOption::flag("--follow", "go on with those that come"),
            CommandOption::value("--name", "NAME", "only of ACLs of this name"),
            CommandOption::value("--verdict", "VERDICT", "only allow, drop, reject or pass"),
            CommandOption::value("--severity", "SEVERITY", "only of this severity"),
            CommandOption::value("--direction", "DIRECTION", "only from-lport or to-lport"),
            CommandOption::value("--inport", "LSP", "only of packets that came in by this port"),
        ])
        .details(
            "What ACLs of this node log, as far as their meters allow: each packet as its ACL met it. The last \
             thousand are kept. The vswitch writes the same lines to its own log.",
        )
        .examples(&["acl-log --follow --verdict drop", "-f json acl-log"]),
    ],
};

fn node(settings: &Settings, call: &Call) -> Result<String, Failure> {
    match call.argument(0) {
        "show" => show::show(settings),
        "ports" => ports::ports(settings),
        "stats" => stats::stats(settings),
        "rules" => rules::rules(settings),
        "drops" => drops::drops(settings, call.has("--verbose")),
        other => Err(Failure::usage(format!(
            "node {other}: expected show, ports, stats, drops or rules"
        ))),
    }
}

/// A table as people asked for it; aligned columns when they did not say.
fn print(settings: &Settings, tables: &[Table]) -> String {
    let style = TableStyle {
        format: match settings.has_format {
            true => settings.style.format,
            false => TableFormat::Table,
        },
        ..settings.style.clone()
    };
    let mut text = String::new();
    let mut printer = TablePrinter::default();
    for table in tables {
        printer.print(table, &style, &mut text);
    }
    text
}

fn table<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> Table {
    let row = |cells: [String; N]| cells.map(Cell::Text).into();
    Table {
        headings: headings.map(str::to_owned).into(),
        rows: rows.into_iter().map(row).collect(),
    }
}

/// Packets and bytes in two cells.
fn counters(counters: Option<&Counters>) -> [String; 2] {
    let Counters { packets, bytes } = counters.copied().unwrap_or_default();
    [packets.to_string(), bytes.to_string()]
}
