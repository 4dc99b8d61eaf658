//! What the program was told to do by its options and environment.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Given, GivenOption, GlobalOption, Section, parse};
use crate::command::{Call, parse_calls};
use crate::failure::Failure;
use crate::output::{CellFormat, TableFormat, TableStyle};

/// The northbound address when none is given.
const DEFAULT_NORTHBOUND: &str = "127.0.0.1:6641";
/// The admin socket of the local vswitch when none is given.
const DEFAULT_NODE: &str = "/run/weft/vswitch.sock";

/// What is waited for after a change (`--wait`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Nothing more than that the change is durable.
    #[default]
    None,
    /// northd has compiled it.
    Southbound,
    /// It is in force on all nodes.
    Hypervisors,
}

/// The program's options.
#[derive(Clone, Debug)]
pub struct Settings {
    /// northd's northbound address as it was given.
    pub northbound: String,
    /// The admin socket of the local vswitch.
    pub node: PathBuf,
    /// What to wait for.
    pub wait: Wait,
    /// Whether to tell how long it took.
    pub prints_wait_time: bool,
    /// The longest time to wait for anything, in seconds.
    pub timeout_secs: Option<u32>,
    /// Whether nothing is to be changed.
    pub is_dry_run: bool,
    /// Whether every command prints exactly one line.
    pub is_oneline: bool,
    /// The form of tables.
    pub style: TableStyle,
    /// Whether the form was asked for: some commands have one of their own otherwise.
    pub has_format: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            northbound: DEFAULT_NORTHBOUND.to_owned(),
            node: DEFAULT_NODE.into(),
            wait: Wait::default(),
            prints_wait_time: false,
            timeout_secs: None,
            is_dry_run: false,
            is_oneline: false,
            style: TableStyle::default(),
            has_format: false,
        }
    }
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Action {
    /// Carry out the calls.
    Run(Settings, Vec<Call>),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
    /// Print the commands for programs.
    ListCommands,
    /// Print the options for programs.
    ListOptions,
}

/// Reads the words after the program's name; `environment` looks up variables.
///
/// # Errors
/// What is wrong with them.
pub fn read(
    words: &[String],
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Action, Failure> {
    let Given { options, words } = parse(words)?;
    let mut settings = Settings::default();
    let is_config = |option: &GivenOption| matches!(option, GivenOption::Global(option) if option.name == "config");
    let given = options.iter().rev().find(|(option, _)| is_config(option));
    let config = given.and_then(|(_, value)| value.clone());
    if let Some(path) = config.or_else(|| environment("WEFT_CONFIG")) {
        settings.read_file(Path::new(&path))?;
    }
    if let Some(address) = environment("WEFT_NORTHBOUND") {
        settings.northbound = address;
    }
    if let Some(path) = environment("WEFT_NODE") {
        settings.node = path.into();
    }
    let mut first_options = std::collections::BTreeMap::new();
    for (option, value) in options {
        match option {
            GivenOption::Command(option) => {
                if first_options
                    .insert(option.name.to_owned(), value)
                    .is_some()
                {
                    return Err(Failure::usage(format!(
                        "'{}' option specified multiple times",
                        option.name
                    )));
                }
            }
            GivenOption::Global(option) => {
                if let Some(action) = settings.apply(option, value.unwrap_or_default())? {
                    return Ok(action);
                }
            }
        }
    }
    let calls = parse_calls(words, first_options)?;
    Ok(Action::Run(settings, calls))
}

/// What a configuration file says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    northbound: Option<String>,
    node: Option<PathBuf>,
}

impl Settings {
    fn read_file(&mut self, path: &Path) -> Result<(), Failure> {
        let wrong = |why: &dyn std::fmt::Display| {
            Failure::usage(format!("{}: {why}", path.display()).trim_end().to_owned())
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        let file: File = toml::from_str(&text).map_err(|error| wrong(&error))?;
        if let Some(address) = file.northbound {
            self.northbound = address;
        }
        if let Some(path) = file.node {
            self.node = path;
        }
        Ok(())
    }

    /// Applies one option; an action when that is all there is to do.
    fn apply(&mut self, option: &GlobalOption, value: String) -> Result<Option<Action>, Failure> {
        match option.name {
            "help" => return Ok(Some(Action::Help)),
            "version" => return Ok(Some(Action::Version)),
            "commands" => return Ok(Some(Action::ListCommands)),
            "options" => return Ok(Some(Action::ListOptions)),
            "northbound" | "db" => self.northbound = value,
            "node" => self.node = value.into(),
            "timeout" => self.timeout_secs = Some(parse_timeout(&value)?),
            "wait" => self.wait = parse_wait(&value)?,
            "no-wait" => self.wait = Wait::None,
            "print-wait-time" => self.prints_wait_time = true,
            "format" => {
                self.style.format = parse_format(&value)?;
                self.has_format = true;
            }
            "data" => self.style.cells = parse_cells(&value)?,
            "no-headings" => self.style.has_headings = false,
            "pretty" => self.style.is_pretty = true,
            "bare" => self.style = bare(&self.style),
            "max-column-width" => self.style.max_column_width = parse_width(&value)?,
            "oneline" => self.is_oneline = true,
            "dry-run" => self.is_dry_run = true,
            name if option.section == Section::Refused => {
                return Err(
                    Failure::usage(format!("option '--{name}' is not supported"))
                        .hint(option.summary),
                );
            }
            _ => {}
        }
        Ok(None)
    }
}

fn bare(style: &TableStyle) -> TableStyle {
    TableStyle {
        format: TableFormat::List,
        cells: CellFormat::Bare,
        has_headings: false,
        ..style.clone()
    }
}

fn parse_timeout(value: &str) -> Result<u32, Failure> {
    value
        .parse()
        .ok()
        .filter(|&secs| secs > 0)
        .ok_or_else(|| Failure::usage(format!("value {value} on -t or --timeout is invalid")))
}

fn parse_wait(value: &str) -> Result<Wait, Failure> {
    match value {
        "none" => Ok(Wait::None),
        "sb" => Ok(Wait::Southbound),
        "hv" => Ok(Wait::Hypervisors),
        _ => Err(Failure::usage(
            "argument to --wait must be \"none\", \"sb\", or \"hv\"",
        )),
    }
}

fn parse_format(value: &str) -> Result<TableFormat, Failure> {
    match value {
        "table" => Ok(TableFormat::Table),
        "list" => Ok(TableFormat::List),
        "html" => Ok(TableFormat::Html),
        "csv" => Ok(TableFormat::Csv),
        "json" => Ok(TableFormat::Json),
        _ => Err(Failure::usage(format!("unknown output format \"{value}\""))
            .hint("it is one of: table, list, html, csv, json")),
    }
}

fn parse_cells(value: &str) -> Result<CellFormat, Failure> {
    match value {
        "string" => Ok(CellFormat::String),
        "bare" => Ok(CellFormat::Bare),
        "json" => Ok(CellFormat::Json),
        _ => Err(Failure::usage(format!("unknown data format \"{value}\""))
            .hint("it is one of: string, bare, json")),
    }
}

fn parse_width(value: &str) -> Result<usize, Failure> {
    value.parse().map_err(|_| {
        Failure::usage(format!("value {value} on --max-column-width is invalid"))
            .hint("it is a number of characters")
    })
}
