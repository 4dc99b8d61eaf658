//! The commands that stand alone on their line: what northd knows of the network, and the program itself.

mod completion;
mod flow_list;
mod help;
mod man;
mod status;
mod trace;

use crate::command::{Command, CommandOption, Group};

/// What northd knows besides the rows.
pub(super) static NETWORK: Group = Group {
    title: "Looking into the network",
    commands: &[
        Command::alone(
            "trace",
            ("DATAPATH MICROFLOW", 2, 2),
            "show what happens to a packet in the network",
            trace::trace,
        )
        .options(&[
            CommandOption::flag("--detailed", "every stage, entry and action met (default)"),
            CommandOption::flag("--summary", "the actions only"),
            CommandOption::flag("--minimal", "the final outputs only"),
            CommandOption::flag("--all", "all three"),
            CommandOption::value(
                "--ct",
                "FLAGS",
                "what the packet is to the connections of the next zone that is asked: trk, new, est, rel, rpl, \
                 inv, dnat, snat, with commas between them (default est)",
            )
            .repeatable(),
        ])
        .details(
            "MICROFLOW describes the packet as ovn-trace takes it. The answer comes from the code that \
             forwards packets, across all datapaths and nodes.",
        )
        .examples(&[
            "trace web 'inport == \"web-1\" && eth.src == 0a:58:0a:00:00:05 && eth.dst == 0a:58:0a:00:00:01 \
             && ip4.src == 10.0.0.5 && ip4.dst == 10.0.1.5 && ip.ttl == 64'",
            "trace --minimal web 'inport == \"web-1\" && eth.dst == ff:ff:ff:ff:ff:ff'",
        ]),
        Command::alone(
            "flow-list",
            ("[DATAPATH]", 0, 1),
            "print the compiled tables of all datapaths, or of one",
            flow_list::flow_list,
        )
        .examples(&["flow-list web", "-f json flow-list"]),
        Command::alone(
            "status",
            ("", 0, 0),
            "print what northd and its nodes are doing",
            status::status,
        ),
    ],
};

/// The program itself.
pub(super) static PROGRAM: Group = Group {
    title: "Help",
    commands: &[
        Command::alone(
            "help",
            ("[COMMAND]", 0, 1),
            "explain COMMAND, or list all commands",
            help::help,
        )
        .examples(&["help lr-route-add"]),
        Command::alone(
            "completion",
            ("SHELL", 1, 1),
            "print completions for bash, zsh or fish",
            completion::completion,
        )
        .examples(&["completion bash > /etc/bash_completion.d/vsctl"]),
        Command::alone(
            "man",
            ("[DIR]", 0, 1),
            "print the manual page, or write all pages to DIR",
            man::man,
        )
        .examples(&["man | man -l -"]),
    ],
};
