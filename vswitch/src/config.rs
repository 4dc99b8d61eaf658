//! What the vswitch is told when it starts: command line over TOML file over defaults.

mod processors;
mod tracking;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, Parser, ValueEnum};
use pipeline::conntrack::Settings;
use pipeline::object::ChassisName;
use serde::Deserialize;

use crate::datapath::MAX_CONNECTIONS;
use crate::port::{Io, TapBackend};
use crate::worker::{FRUITLESS_PER_S, Polling};

/// The IANA port of Geneve (RFC 8926 section 3.3).
pub const GENEVE_PORT: u16 = 6081;
/// The greatest number of workers.
pub const WORKERS_MAX: usize = 64;
/// The greatest rate of an uplink, in megabits a second.
pub const UPLINK_RATE_MAX: u32 = u32::MAX / 1_000;
/// The greatest length of a chassis name, in bytes.
pub const CHASSIS_NAME_MAX_BYTES: usize = 255;

/// The command line. Every option but `--config` may also be a key of the TOML file, by the same name.
#[derive(Debug, Parser)]
#[command(
    name = "vswitch",
    version,
    about = "Forwards the traffic of a node's pods as weft's logical network says",
    long_about = "Forwards the traffic of a node's pods as weft's logical network says: between TAP devices \
                  on this node, and through Geneve tunnels to other nodes. Takes the compiled network from \
                  northd, and keeps forwarding on what it has when northd is away."
)]
pub struct CommandLine {
    /// TOML file that sets the same options by the same names (`chassis = "node-1"`)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The options.
    #[command(flatten)]
    pub options: Options,
}

/// The options, wherever they come from. What is unset has a default or is an error in [`Config::new`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Options {
    /// northd's southbound addresses, tried in turn [default: 127.0.0.1:6642]
    #[arg(long, value_name = "ADDR:PORT", value_delimiter = ',')]
    #[serde(default, deserialize_with = "one_or_many")]
    pub southbound: Option<Vec<String>>,
    /// This node's name, unique in the network
    #[arg(long, value_name = "NAME")]
    pub chassis: Option<String>,
    /// This node's underlay address, which other nodes send their tunnel packets to
    #[arg(long, value_name = "IP")]
    pub encap_ip: Option<IpAddr>,
    /// UDP port of the Geneve tunnels [default: 6081]
    #[arg(long, value_name = "PORT")]
    pub encap_port: Option<u16>,
    /// Where attachments and the last revision are kept over restarts [default: /var/lib/weft/vswitch]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Unix socket for `vsctl attach`, `detach` and `node` [default: /run/weft/vswitch.sock]
    #[arg(long, value_name = "PATH")]
    pub admin_socket: Option<PathBuf>,
    /// Packet workers, one thread each [default: 1]
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// How workers wait for packets [default: adaptive]
    #[arg(long, value_name = "HOW")]
    pub poll: Option<Polling>,
    /// Processors for the workers, one each, such as 2,4-7 [default: where the kernel puts them]
    #[arg(long, value_name = "LIST")]
    pub cpus: Option<String>,
    /// The TAP devices of ports; basic ones serve one worker [default: multiqueue]
    #[arg(long, value_name = "KIND")]
    pub tap: Option<TapBackend>,
    /// How multiqueue TAP devices are read and written [default: auto]
    #[arg(long, value_name = "HOW")]
    pub io: Option<Io>,
    /// Connections that are tracked at once, at most [default: 262144]
    #[arg(long, value_name = "N")]
    pub connections: Option<u32>,
    /// Connections that may be unanswered at once: of what a port begins, and of what a source begins to a port
    /// [default: 8192]
    #[arg(long, value_name = "N")]
    pub half_open: Option<u32>,
    /// Packets of one port a second that may lead nowhere before it has to wait, on each worker [default: 8000]
    #[arg(long, value_name = "N")]
    pub fruitless: Option<u32>,
    /// What this node can send to others, in megabits a second, of which ports are promised parts; 0 for unknown
    /// [default: the speed of the device below --encap-ip]
    #[arg(long, value_name = "MBITS")]
    pub uplink_rate: Option<u32>,
    /// Do not take TCP segments out of the window for invalid
    #[arg(long)]
    #[serde(default)]
    pub tcp_liberal: bool,
    /// How long idle connections are kept, such as udp=30; the names are those of Linux's nf_conntrack_*_timeout
    #[arg(long = "timeout", value_name = "STATE=SECONDS", value_parser = tracking::parse_timeout)]
    #[serde(default, deserialize_with = "tracking::timeouts")]
    pub timeouts: Vec<(String, u32)>,
    /// Serve /healthz, /readyz and /metrics there [default: off]
    #[arg(long, value_name = "ADDR:PORT")]
    pub http: Option<SocketAddr>,
    /// Log more: -v for debug, -vv for trace
    #[arg(short, long, action = ArgAction::Count)]
    #[serde(default)]
    pub verbose: u8,
    /// How log lines look [default: text]
    #[arg(long, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// A complete, checked configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// northd's southbound addresses (`host:port`), at least one, tried in turn.
    pub southbound: Vec<String>,
    /// This node's name.
    pub chassis: ChassisName,
    /// This node's underlay address.
    pub encap_ip: IpAddr,
    /// UDP port of the Geneve socket. 0 takes any free one, which other nodes learn from northd.
    pub encap_port: u16,
    /// Where attachments and the last revision are kept.
    pub data_dir: PathBuf,
    /// Path of the admin socket.
    pub admin_socket: PathBuf,
    /// Number of workers, `1..=WORKERS_MAX`.
    pub workers: usize,
    /// How workers wait for packets.
    pub polling: Polling,
    /// The processor of each worker; empty if they run where the kernel puts them.
    pub processors: Vec<usize>,
    /// The kind of the ports' TAP devices. [`TapBackend::Basic`] goes with one worker only.
    pub tap: TapBackend,
    /// How they are read and written, if they are [`TapBackend::Multiqueue`].
    pub io: Io,
    /// Connections that are tracked at once, at most.
    pub connections: u32,
    /// How connections are judged and kept.
    pub tracking: Settings,
    /// Packets a second of one port that may lead nowhere before it has to wait, on each worker; not 0.
    pub fruitless_per_s: u32,
    /// What this node can send to others, in megabits a second, at most [`UPLINK_RATE_MAX`]; 0 if that is not known, and
    /// `None` for what its device tells.
    pub uplink_rate: Option<u32>,
    /// Where health and metrics are served; `None` for nowhere.
    pub http: Option<SocketAddr>,
    /// 0 for informative, 1 for debug, 2 for trace.
    pub verbose: u8,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// Why a configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not TOML, or has a key or value that means nothing here; the cause names the line.
    #[error("the configuration file {} is wrong: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line.
        source: Box<toml::de::Error>,
    },
    /// An option that has no default is not set.
    #[error("--{0} is not set (on the command line, or as `{0}` in the configuration file)")]
    Missing(&'static str),
    /// An option has a value that cannot be.
    #[error("--{option} {value:?}: {problem}")]
    Value {
        /// The option's name.
        option: &'static str,
        /// What it was set to.
        value: String,
        /// What is wrong with that.
        problem: String,
    },
}

impl CommandLine {
    /// The configuration that this command line and the file it names make.
    pub fn into_config(self) -> Result<Config, ConfigError> {
        let file = match &self.config {
            Some(path) => Options::from_file(path)?,
            None => Options::default(),
        };
        Config::new(self.options.over(file))
    }
}

impl Options {
    /// The options that a TOML file sets.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|source| ConfigError::File {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    /// These options, and `below` for those that are unset.
    pub fn over(self, below: Options) -> Options {
        Options {
            southbound: self.southbound.or(below.southbound),
            chassis: self.chassis.or(below.chassis),
            encap_ip: self.encap_ip.or(below.encap_ip),
            encap_port: self.encap_port.or(below.encap_port),
            data_dir: self.data_dir.or(below.data_dir),
            admin_socket: self.admin_socket.or(below.admin_socket),
            workers: self.workers.or(below.workers),
            poll: self.poll.or(below.poll),
            cpus: self.cpus.or(below.cpus),
            tap: self.tap.or(below.tap),
            io: self.io.or(below.io),
            connections: self.connections.or(below.connections),
            half_open: self.half_open.or(below.half_open),
            fruitless: self.fruitless.or(below.fruitless),
            uplink_rate: self.uplink_rate.or(below.uplink_rate),
            tcp_liberal: self.tcp_liberal || below.tcp_liberal,
            // Of two values of one name the later counts.
            timeouts: [below.timeouts, self.timeouts].concat(),
            http: self.http.or(below.http),
            verbose: self.verbose.max(below.verbose),
            log_format: self.log_format.or(below.log_format),
        }
    }
}

impl Config {
    /// Fills in defaults and checks what the types do not.
    pub fn new(options: Options) -> Result<Self, ConfigError> {
        let tracking = tracking::settings(&options)?;
        let southbound = options
            .southbound
            .unwrap_or_else(|| vec!["127.0.0.1:6642".to_owned()]);
        if southbound.is_empty() {
            return Err(ConfigError::Missing("southbound"));
        }
        for address in &southbound {
            check_address(address)?;
        }
        let chassis = options.chassis.ok_or(ConfigError::Missing("chassis"))?;
        check_chassis(&chassis)?;
        let encap_ip = options.encap_ip.ok_or(ConfigError::Missing("encap-ip"))?;
        if encap_ip.is_unspecified() || encap_ip.is_multicast() {
            return Err(refused("encap-ip", encap_ip, "not the address of one node"));
        }
        let workers = options.workers.unwrap_or(1);
        if !(1..=WORKERS_MAX).contains(&workers) {
            let problem = format!("must be between 1 and {WORKERS_MAX}");
            return Err(refused("workers", workers, problem));
        }
        let processors = processors::processors(options.cpus.as_deref(), workers)?;
        let tap = options.tap.unwrap_or_default();
        if tap == TapBackend::Basic && workers > 1 {
            let problem = format!(
                "such a device has one queue for {workers} workers (--workers 1 or --tap multiqueue)"
            );
            return Err(refused("tap", "basic", problem));
        }
        let connections = options.connections.unwrap_or(tracking::CONNECTIONS);
        if !(1..=MAX_CONNECTIONS).contains(&connections) {
            let problem = format!("must be between 1 and {MAX_CONNECTIONS}");
            return Err(refused("connections", connections, problem));
        }
        let fruitless_per_s = options.fruitless.unwrap_or(FRUITLESS_PER_S);
        if fruitless_per_s == 0 {
            return Err(refused(
                "fruitless",
                0,
                "a port would have to wait for good",
            ));
        }
        if let Some(rate) = options.uplink_rate
            && rate > UPLINK_RATE_MAX
        {
            let problem = format!("must be at most {UPLINK_RATE_MAX}");
            return Err(refused("uplink-rate", rate, problem));
        }
        Ok(Config {
            southbound,
            chassis: chassis.into(),
            encap_ip,
            encap_port: options.encap_port.unwrap_or(GENEVE_PORT),
            data_dir: options
                .data_dir
                .unwrap_or_else(|| "/var/lib/weft/vswitch".into()),
            admin_socket: options
                .admin_socket
                .unwrap_or_else(|| "/run/weft/vswitch.sock".into()),
            workers,
            polling: options.poll.unwrap_or_default(),
            processors,
            tap,
            io: options.io.unwrap_or_default(),
            connections,
            tracking,
            fruitless_per_s,
            uplink_rate: options.uplink_rate,
            http: options.http,
            verbose: options.verbose,
            log_format: options.log_format.unwrap_or_default(),
        })
    }
}

fn check_address(address: &str) -> Result<(), ConfigError> {
    let legal = address.rsplit_once(':').is_some_and(|(host, port)| {
        let bare_ipv6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        !host.is_empty() && !bare_ipv6 && port.parse::<u16>().is_ok_and(|port| port != 0)
    });
    if legal {
        return Ok(());
    }
    let problem = "expected ADDR:PORT, such as 192.0.2.1:6642 or [2001:db8::1]:6642";
    Err(refused("southbound", address, problem))
}

fn check_chassis(name: &str) -> Result<(), ConfigError> {
    let problem = if name.is_empty() {
        "a node needs a name"
    } else if name.len() > CHASSIS_NAME_MAX_BYTES {
        "longer than 255 bytes"
    } else if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        "a name has no spaces or control characters"
    } else {
        return Ok(());
    };
    Err(refused("chassis", name, problem))
}

fn refused(
    option: &'static str,
    value: impl fmt::Display,
    problem: impl Into<String>,
) -> ConfigError {
    ConfigError::Value {
        option,
        value: value.to_string(),
        problem: problem.into(),
    }
}

fn one_or_many<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(Some(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(list) => list.split(',').map(|item| item.trim().to_owned()).collect(),
        OneOrMany::Many(list) => list,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(file: &str, arguments: &str) -> Result<Config, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("vswitch.toml");
        std::fs::write(&path, file).unwrap();
        let arguments = ["vswitch", "--config", path.to_str().unwrap()]
            .into_iter()
            .chain(arguments.split_whitespace());
        CommandLine::try_parse_from(arguments)
            .map_err(|error| error.to_string())?
            .into_config()
            .map_err(|error| error.to_string())
    }

    fn check_refused(file: &str, arguments: &str, expected: &str) {
        let error = parse(file, arguments).unwrap_err();
        assert!(error.contains(expected), "{error:?} has no {expected:?}");
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_defaults() {
        let file = "chassis = 'file'\nencap-ip = '192.0.2.1'\nworkers = 2\nsouthbound = 'a:1, b:2'";
        let config = parse(file, "--chassis line").unwrap();
        assert_eq!(&*config.chassis, "line");
        assert_eq!(config.encap_ip, IpAddr::from([192, 0, 2, 1]));
        assert_eq!(config.workers, 2);
        assert_eq!(config.southbound, ["a:1", "b:2"]);
        assert_eq!(config.encap_port, GENEVE_PORT);
        assert_eq!((config.tap, config.io), (TapBackend::Multiqueue, Io::Auto));
        let config = parse(file, "--southbound [::1]:6642,c:3").unwrap();
        assert_eq!(config.southbound, ["[::1]:6642", "c:3"]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let good = "chassis = 'n1'\nencap-ip = '192.0.2.1'\n";
        check_refused(&format!("{good}colour = 1"), "", "line 3");
        check_refused(&format!("{good}colour = 1"), "", "unknown field `colour`");
        check_refused("encap-ip = 1", "", "line 1");
        check_refused("encap-ip = '192.0.2.1'", "", "--chassis is not set");
        check_refused("chassis = 'n1'", "", "--encap-ip is not set");
        check_refused(good, "--workers 0", "between 1 and 64");
        check_refused(good, "--workers 2 --tap basic", "one queue for 2 workers");
        check_refused(&format!("{good}tap = 'basic'"), "--workers 2", "--tap");
        check_refused(good, "--fruitless 0", "wait for good");
        check_refused(good, "--uplink-rate 4294968", "must be at most 4294967");
        check_refused(good, "--tap plain", "invalid value 'plain'");
        check_refused(good, "--io aio", "invalid value 'aio'");
        check_refused(&format!("{good}tap = 'plain'"), "", "line 3");
        check_refused(good, "--encap-ip 0.0.0.0", "not the address of one node");
        check_refused(good, "--encap-ip pod", "invalid value 'pod'");
        for address in [
            "northd", "northd:", "::1:6642", ":6642", "northd:0", "a:1,,b:2",
        ] {
            check_refused(
                good,
                &format!("--southbound {address}"),
                "expected ADDR:PORT",
            );
        }
        check_refused("chassis = 'a b'\nencap-ip = '::1'", "", "no spaces");
        check_refused("chassis = ''\nencap-ip = '::1'", "", "needs a name");
    }

    #[test]
    fn workers_have_processors_of_their_own_or_none() {
        let file = "chassis = 'a'\nencap-ip = '192.0.2.1'\nworkers = 3\npoll = 'busy'";
        let config = parse(file, "").unwrap();
        assert_eq!(config.processors, [0; 0]);
        assert_eq!(config.polling, Polling::Busy);
        let config = parse(file, "--cpus 7,2-4 --poll interrupt").unwrap();
        assert_eq!(config.processors, [7, 2, 3]);
        assert_eq!(config.polling, Polling::Interrupt);
        check_refused(file, "--cpus 1,2", "2 processors are too few for 3 workers");
        for (list, expected) in [
            ("", "such as 2,4-7"),
            ("0-", "such as 2,4-7"),
            ("3-1", "no such range"),
            ("0-99999999", "no such range"),
        ] {
            check_refused(&format!("{file}\ncpus = '{list}'"), "", expected);
        }
        check_refused(file, "--poll never", "invalid value 'never'");
    }

    #[test]
    fn connections_are_bounded_and_their_timeouts_have_names() {
        let file = "chassis = 'a'\nencap-ip = '192.0.2.1'\ntimeouts = { udp = 5, icmp = 6 }";
        let config = parse(
            file,
            "--connections 1000 --half-open 9 --tcp-liberal --timeout udp=7",
        )
        .unwrap();
        let tracking = config.tracking;
        assert_eq!((config.connections, tracking.half_open_quota), (1000, 9));
        assert!(tracking.is_liberal);
        let timeouts = tracking.timeouts;
        assert_eq!(
            (timeouts.udp, timeouts.icmp, timeouts.tcp_close),
            (7, 6, 10)
        );
        check_refused(file, "--timeout tcp=7", "there are tcp_syn_sent");
        check_refused(file, "--timeout udp", "expected STATE=SECONDS");
        check_refused(file, "--timeout udp=0", "at least");
        check_refused(file, "--half-open 0", "ever begin");
        check_refused(file, "--connections 0", "between 1 and");
    }
}
