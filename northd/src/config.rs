//! northd's settings: from the command line, and from a TOML file with the same keys.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{ArgAction, Parser, ValueEnum};
use serde::Deserialize;

/// Where the northbound API listens unless told otherwise; OVN's port.
pub const DEFAULT_NORTHBOUND: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6641);

/// Where nodes connect unless told otherwise; OVN's port.
pub const DEFAULT_SOUTHBOUND: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 6642);

/// Where the database lies unless told otherwise.
pub const DEFAULT_DATA_DIR: &str = "/var/lib/weft/northd";

/// The settings that northd runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the northbound API listens. Port 0 takes any free one.
    pub northbound: SocketAddr,
    /// Where nodes connect. Port 0 takes any free one.
    pub southbound: SocketAddr,
    /// Where health and metrics are served over HTTP; `None` for nowhere.
    pub http: Option<SocketAddr>,
    /// The directory of the database.
    pub data_dir: PathBuf,
    /// How logs look.
    pub log_format: LogFormat,
    /// How much is logged: 0 what operators care about, 1 every change of state, 2 and more everything.
    pub verbosity: u8,
}

/// How logs look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// Compiles the logical network and hands it to the nodes.
///
/// Users write the logical network through the northbound API (with vsctl); northd stores it, compiles it and
/// gives each node, which connects to the southbound address, what concerns it.
#[derive(Clone, Debug, Default, Parser, Deserialize)]
#[command(name = "northd", version)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Where the northbound API listens [default: 127.0.0.1:6641]
    #[arg(long, value_name = "ADDR:PORT")]
    northbound: Option<SocketAddr>,

    /// Where nodes connect [default: 127.0.0.1:6642]
    #[arg(long, value_name = "ADDR:PORT")]
    southbound: Option<SocketAddr>,

    /// The directory of the database [default: /var/lib/weft/northd]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Serve /healthz, /readyz and /metrics over HTTP here [default: nowhere]
    #[arg(long, value_name = "ADDR:PORT")]
    http: Option<SocketAddr>,

    /// How logs look [default: text]
    #[arg(long, value_name = "FORMAT", value_enum)]
    log_format: Option<LogFormat>,

    /// Log more; twice for everything
    #[arg(short, long = "verbose", action = ArgAction::Count)]
    verbose: u8,

    /// Read settings from a TOML file with the same names; the command line wins
    #[arg(long, value_name = "FILE")]
    #[serde(skip)]
    config: Option<PathBuf>,
}

/// A settings file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It does not say settings; the source says the key and the line.
    #[error("{} is not a settings file", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why and where.
        source: Box<toml::de::Error>,
    },
}

impl Settings {
    /// The settings with the file's, if there is one, where the command line says nothing, and the defaults
    /// where neither does.
    pub fn resolve(self) -> Result<Config, ConfigError> {
        let file = match &self.config {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        Ok(Config {
            northbound: (self.northbound.or(file.northbound)).unwrap_or(DEFAULT_NORTHBOUND),
            southbound: (self.southbound.or(file.southbound)).unwrap_or(DEFAULT_SOUTHBOUND),
            http: self.http.or(file.http),
            data_dir: (self.data_dir.or(file.data_dir)).unwrap_or_else(|| DEFAULT_DATA_DIR.into()),
            log_format: self.log_format.or(file.log_format).unwrap_or_default(),
            verbosity: self.verbose.max(file.verbose),
        })
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        toml::from_str(&text).map_err(|source| ConfigError::Parse {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(arguments: &[&str]) -> Settings {
        let program = std::iter::once(&"northd");
        Settings::try_parse_from(program.chain(arguments)).expect("good arguments")
    }

    fn file(text: &str) -> (tempfile::NamedTempFile, String) {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), text).expect("written");
        let path = file.path().display().to_string();
        (file, path)
    }

    #[test]
    fn without_arguments_the_defaults_hold() {
        let config = settings(&[]).resolve().expect("resolved");
        assert_eq!(config.northbound.to_string(), "127.0.0.1:6641");
        assert_eq!(config.southbound.to_string(), "127.0.0.1:6642");
        assert_eq!(config.http, None);
        assert_eq!(config.data_dir, Path::new(DEFAULT_DATA_DIR));
        assert_eq!((config.log_format, config.verbosity), (LogFormat::Text, 0));
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_the_file_over_the_defaults() {
        let (_file, path) = file(
            "northbound = \"10.0.0.1:1\"\nsouthbound = \"[::1]:2\"\ndata-dir = \"/d\"\nlog-format = \"json\"\nverbose = 1\n",
        );
        let arguments = ["--config", &path, "--northbound", "10.0.0.9:9", "-vv"];
        let config = settings(&arguments).resolve().expect("resolved");
        assert_eq!(config.northbound.to_string(), "10.0.0.9:9");
        assert_eq!(config.southbound.to_string(), "[::1]:2");
        assert_eq!(config.data_dir, Path::new("/d"));
        assert_eq!((config.log_format, config.verbosity), (LogFormat::Json, 2));
    }

    #[test]
    fn a_wrong_file_is_refused_with_the_key_and_the_line() {
        let check = |text: &str, expected: &[&str]| {
            let (_file, path) = file(text);
            let error = settings(&["--config", &path]).resolve();
            let Err(ConfigError::Parse { source, .. }) = error else {
                panic!("{text}: {error:?}");
            };
            let message = source.to_string();
            for part in expected {
                assert!(message.contains(part), "{message:?} does not say {part:?}");
            }
        };
        check(
            "http = \"[::1]:80\"\nsouthbond = \"x\"\n",
            &["line 2", "`southbond`", "`southbound`"],
        );
        check(
            "northbound = \"here\"\n",
            &["line 1", "here", "socket address"],
        );
        check("log-format = \"xml\"\n", &["line 1", "`xml`", "`json`"]);
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = settings(&["--config", "/nonexistent/northd.toml"]).resolve();
        let message = error.expect_err("not there").to_string();
        assert_eq!(message, "/nonexistent/northd.toml cannot be read");
    }
}
