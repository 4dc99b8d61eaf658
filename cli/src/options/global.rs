//! The options of the program.

use crate::command::OptionValue;

/// An option of the program.
#[derive(Clone, Copy, Debug)]
pub struct GlobalOption {
    /// Its name without the dashes.
    pub name: &'static str,
    /// Its one-letter form.
    pub short: Option<char>,
    /// Whether a value follows it.
    pub value: OptionValue,
    /// Where the help shows it.
    pub section: Section,
    /// One line about what it does; empty for what only exists because scripts written for OVN give it.
    pub summary: &'static str,
}

/// A part of the help's list of options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Where to connect to.
    Connection,
    /// What to wait for.
    Waiting,
    /// How to print.
    Output,
    /// The rest.
    Other,
    /// Taken and of no effect.
    Ignored,
    /// Known and refused.
    Refused,
}

/// All of them.
pub static GLOBAL_OPTIONS: &[GlobalOption] = &[
    required(
        "northbound",
        None,
        "ADDR:PORT",
        Section::Connection,
        "northd's northbound address [default: 127.0.0.1:6641] [env: WEFT_NORTHBOUND]",
    ),
    required(
        "db",
        None,
        "tcp:ADDR:PORT",
        Section::Connection,
        "the same, written as ovn-nbctl writes it",
    ),
    required(
        "node",
        None,
        "PATH",
        Section::Connection,
        "the local vswitch's admin socket [default: /run/weft/vswitch.sock] [env: WEFT_NODE]",
    ),
    required(
        "config",
        None,
        "FILE",
        Section::Connection,
        "read the northbound address and the socket from a TOML file with these names [env: WEFT_CONFIG]",
    ),
    required(
        "timeout",
        Some('t'),
        "SECS",
        Section::Waiting,
        "wait at most SECS seconds, then end by SIGALRM",
    ),
    required(
        "wait",
        None,
        "none|sb|hv",
        Section::Waiting,
        "after a change, wait for nothing (default), for its compilation, or for all nodes to have it in force",
    ),
    flag("no-wait", None, Section::Waiting, "the same as --wait=none"),
    flag(
        "print-wait-time",
        None,
        Section::Waiting,
        "print how long the waiting took",
    ),
    required(
        "format",
        Some('f'),
        "FORMAT",
        Section::Output,
        "print tables as table, list (default), html, csv or json",
    ),
    required(
        "data",
        Some('d'),
        "FORMAT",
        Section::Output,
        "print their values as string (default), bare or json",
    ),
    flag(
        "no-headings",
        None,
        Section::Output,
        "omit the names of the columns",
    ),
    flag(
        "pretty",
        None,
        Section::Output,
        "spread JSON over several lines",
    ),
    flag(
        "bare",
        None,
        Section::Output,
        "the same as --format=list --data=bare --no-headings",
    ),
    required(
        "max-column-width",
        None,
        "N",
        Section::Output,
        "cut columns of --format=table after N characters",
    ),
    flag(
        "oneline",
        None,
        Section::Output,
        "print exactly one line for each command",
    ),
    flag(
        "dry-run",
        None,
        Section::Other,
        "show what would happen, and change nothing",
    ),
    flag("help", Some('h'), Section::Other, "print this help"),
    flag("version", Some('V'), Section::Other, "print the version"),
    flag(
        "commands",
        None,
        Section::Other,
        "print all commands in a form for programs",
    ),
    flag(
        "options",
        None,
        Section::Other,
        "print all options in a form for programs",
    ),
    flag("leader-only", None, Section::Ignored, ""),
    flag("no-leader-only", None, Section::Ignored, ""),
    flag("shuffle-remotes", None, Section::Ignored, ""),
    flag("no-shuffle-remotes", None, Section::Ignored, ""),
    flag("no-syslog", None, Section::Ignored, ""),
    optional("verbose", Some('v'), "SPEC", Section::Ignored, ""),
    optional("log-file", None, "FILE", Section::Ignored, ""),
    required("syslog-method", None, "METHOD", Section::Ignored, ""),
    required("syslog-target", None, "HOST:PORT", Section::Ignored, ""),
    flag("no-chdir", None, Section::Ignored, ""),
    flag("no-self-confinement", None, Section::Ignored, ""),
    flag(
        "detach",
        None,
        Section::Refused,
        "vsctl needs no daemon: leave out --detach and OVN_NB_DAEMON",
    ),
    flag("monitor", None, Section::Refused, "vsctl needs no daemon"),
    optional(
        "pidfile",
        None,
        "FILE",
        Section::Refused,
        "vsctl needs no daemon",
    ),
    flag(
        "overwrite-pidfile",
        None,
        Section::Refused,
        "vsctl needs no daemon",
    ),
    required(
        "unixctl",
        Some('u'),
        "PATH",
        Section::Refused,
        "vsctl needs no daemon",
    ),
    required(
        "user",
        None,
        "USER",
        Section::Refused,
        "run vsctl as that user instead",
    ),
    required(
        "private-key",
        Some('p'),
        "FILE",
        Section::Refused,
        "this version does not encrypt the connection to northd",
    ),
    required(
        "certificate",
        Some('c'),
        "FILE",
        Section::Refused,
        "this version does not encrypt the connection to northd",
    ),
    required(
        "ca-cert",
        Some('C'),
        "FILE",
        Section::Refused,
        "this version does not encrypt the connection to northd",
    ),
    required(
        "bootstrap-ca-cert",
        None,
        "FILE",
        Section::Refused,
        "this version does not encrypt the connection to northd",
    ),
    required(
        "ssl-protocols",
        None,
        "PROTOCOLS",
        Section::Refused,
        "this version does not encrypt the connection to northd",
    ),
    required(
        "ssl-ciphers",
        None,
        "CIPHERS",
        Section::Refused,
        "this version does not encrypt the connection to northd",
    ),
];

const fn flag(
    name: &'static str,
    short: Option<char>,
    section: Section,
    summary: &'static str,
) -> GlobalOption {
    GlobalOption {
        name,
        short,
        value: OptionValue::None,
        section,
        summary,
    }
}

const fn required(
    name: &'static str,
    short: Option<char>,
    value: &'static str,
    section: Section,
    summary: &'static str,
) -> GlobalOption {
    GlobalOption {
        value: OptionValue::Required(value),
        ..flag(name, short, section, summary)
    }
}

const fn optional(
    name: &'static str,
    short: Option<char>,
    value: &'static str,
    section: Section,
    summary: &'static str,
) -> GlobalOption {
    GlobalOption {
        value: OptionValue::Optional(value),
        ..flag(name, short, section, summary)
    }
}

impl GlobalOption {
    /// The option as the help shows it.
    pub fn usage(&self) -> String {
        let short = self
            .short
            .map(|short| format!("-{short}, "))
            .unwrap_or_default();
        let value = match self.value {
            OptionValue::None => String::new(),
            OptionValue::Required(value) => format!("={value}"),
            OptionValue::Optional(value) => format!("[={value}]"),
        };
        format!("{short}--{}{value}", self.name)
    }
}
